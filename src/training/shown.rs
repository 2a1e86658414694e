//! What a training shows: a bar on a terminal, otherwise a line now and then; its closing text.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use train::fit::{DryRun, Event, Finished, StepLine};
use train::run::RunFolder;

use crate::progress::{self, Stage};

/// Seconds between lines where stderr is no terminal: a log of an hour has 120.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows a training while it goes.
#[derive(Default)]
pub struct FitProgress {
    bar: Option<Stage>,
    steps: u64,
    last_line: Option<Instant>,
}

impl FitProgress {
    /// Shows one event.
    pub fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { from_step, steps, parameters, resumed } => {
                self.steps = *steps;
                if let Some(resumed) = resumed {
                    for passed in &resumed.passed_over {
                        self.line(&format!("passed over: {passed}"));
                    }
                    self.line(&format!("resumed at step {from_step}"));
                }
                self.line(&format!("{parameters} parameters, steps {from_step} to {steps}"));
                if io::stderr().is_terminal() {
                    let bar = progress::stage("train", *steps, "steps");
                    bar.set_position(*from_step);
                    self.bar = Some(bar);
                }
            }
            Event::Step(line) => self.step(line),
            Event::Skipped(skipped) => self.line(&format!(
                "step {} skipped, {} is {}: {}; seed {}, {} in a row",
                skipped.step, skipped.what, skipped.value, skipped.batch, skipped.seed, skipped.in_a_row
            )),
            Event::Validated { step, validation, is_best } => {
                let numbers = validation.numbers.iter().map(|(name, value)| format!("{name} {value:.4}"));
                let best = if *is_best { ", the best so far" } else { "" };
                self.line(&format!(
                    "validation at step {step}: {}{best}",
                    numbers.collect::<Vec<_>>().join(", ")
                ));
            }
            Event::Saved { step, .. } => tracing::info!(step, "saved"),
        }
    }

    fn step(&mut self, line: &StepLine) {
        let terms = line.terms.iter().map(|(name, value)| format!("{name} {value:.3}"));
        let text = format!("loss {:.3} ({})", line.loss, terms.collect::<Vec<_>>().join(", "));
        if let Some(bar) = &self.bar {
            bar.set_position(line.step);
            bar.set_message(format!("loss {:.3}", line.loss));
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            self.line(&format!(
                "step {}/{} {text}, {:.2} s a step, {:.2} s of waiting for data",
                line.step,
                self.steps,
                line.compute_s + line.wait_s,
                line.wait_s
            ));
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("bolid: {text}")),
            None => eprintln!("bolid: {text}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a training came to.
#[derive(Serialize)]
pub struct Trained {
    run: String,
    path: PathBuf,
    model: PathBuf,
    steps: u64,
    skipped: u64,
    loss: Option<f64>,
    best_step: Option<u64>,
    seconds: f64,
}

impl Trained {
    /// Of a run and its end.
    pub fn new(folder: &RunFolder, finished: &Finished) -> Self {
        Self {
            run: folder.record().id.clone(),
            path: folder.path().to_owned(),
            model: finished.model.clone(),
            steps: finished.step,
            skipped: finished.skipped,
            loss: finished.loss,
            best_step: finished.best.as_ref().map(|best| best.step),
            seconds: finished.seconds,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        format!(
            "{} steps{skipped} in {:.0} s\nrun:   {}\nmodel: {}",
            self.steps,
            self.seconds,
            self.path.display(),
            self.model.display()
        )
    }
}

/// A dry run for people.
pub fn dry_run_text(dry: &DryRun) -> String {
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let memory = dry.peak_memory_bytes.map_or("unknown".to_owned(), |bytes| format!("{:.2} GiB", gib(bytes)));
    format!(
        "parameters        {}\npeak memory       {memory}\nseconds a step    {:.2} (loading {:.2}, hidden \
         behind the step before)\n\
         steps             {}\nsamples           {}\ntime to the end   {}",
        dry.parameters,
        dry.seconds_per_step,
        dry.load_seconds,
        dry.steps,
        dry.samples,
        humantime::format_duration(Duration::from_secs(dry.total_seconds as u64)),
    )
}
