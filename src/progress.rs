//! Progress on stderr: bars in a terminal, which log lines do not tear apart; otherwise a plain line every half minute.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::ops::Deref;
use std::process;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The time between two plain lines: a log of a day has a few thousand of them, and nobody waits long for the next.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Another time between two plain lines, in seconds; a stage's end has a line then as well.
const BETWEEN_LINES_VARIABLE: &str = "BOLID_PROGRESS_S";

/// The exit code of a program that SIGINT ended: 128 and the signal's number.
const INTERRUPTED: i32 = 130;

/// All bars of the program. Nothing is drawn when stderr is no terminal.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// The progress of one stage.
pub struct Stage {
    bar: ProgressBar,
    _lines: Option<Lines>,
}

impl Deref for Stage {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.bar
    }
}

/// Follows one stage: rate and remaining time beside the count. Hidden once finished. A total of 0 is not known yet.
pub fn stage(name: &'static str, total: u64, unit: &'static str) -> Stage {
    let template = format!("{{prefix:>9}} {{bar:20}} {{pos}}/{{total}} {unit} {{rate}} {{left}} {{msg}}");
    let style = ProgressStyle::with_template(&template).expect("the template is valid");
    // A terminal that cannot be written to is no reason to stop the work.
    let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
        let _ = write!(text, "{:.1}/s", state.per_sec());
    };
    // Nothing is said of the time left before anything is known of it.
    let left = |state: &ProgressState, text: &mut dyn fmt::Write| {
        if state.pos() > 0 && state.len().is_some() {
            let _ = write!(text, "{:#} left", HumanDuration(state.eta()));
        }
    };
    let style = style.with_key("rate", rate).with_key("total", write_total).with_key("left", left);
    let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
    let bar = bars().add(bar.with_style(style).with_prefix(name));
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(200)); // smooth to the eye, and nothing to the processor
        return Stage { bar, _lines: None };
    }
    let lines = Lines::of(bar.clone(), name, unit);
    Stage { bar, _lines: Some(lines) }
}

fn write_total(state: &ProgressState, text: &mut dyn fmt::Write) {
    let _ = match state.len() {
        Some(total) => write!(text, "{total}"),
        None => text.write_char('?'),
    };
}

/// A thread that tells the progress of a bar in plain lines, until it is dropped.
struct Lines {
    ended: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Lines {
    fn of(bar: ProgressBar, name: &'static str, unit: &'static str) -> Self {
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let is_ended = Arc::clone(&ended);
        let between = between_lines();
        let thread = thread::spawn(move || {
            let tells_end = env::var_os(BETWEEN_LINES_VARIABLE).is_some();
            let (begun, mut before, mut told) = (Instant::now(), 0, Instant::now());
            let (ended, wake) = &*is_ended;
            let mut guard = ended.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let waited = wake.wait_timeout_while(guard, between, |ended| !*ended);
                guard = waited.unwrap_or_else(PoisonError::into_inner).0;
                if *guard && !tells_end {
                    return;
                }
                let (done, since) = (bar.position(), told.elapsed().max(Duration::from_millis(1)));
                let lately = done.saturating_sub(before);
                eprintln!("bolid: {}", line(name, unit, done, bar.length(), lately, since, begun.elapsed()));
                if *guard {
                    return;
                }
                (before, told) = (done, Instant::now());
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        *self.ended.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.1.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // it does nothing that could fail
        }
    }
}

fn between_lines() -> Duration {
    let seconds = env::var(BETWEEN_LINES_VARIABLE).ok().and_then(|text| text.parse::<f64>().ok());
    let between = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    between.filter(|between| !between.is_zero()).unwrap_or(BETWEEN_LINES)
}

/// `measure: 1200 of 4800 photos, 3600 to go, 30.0/s, about 3 minutes left`: the rate is that of the time
/// since the last line, and what is left is estimated by the whole time.
fn line(
    name: &str,
    unit: &str,
    done: u64,
    total: Option<u64>,
    lately: u64,
    between: Duration,
    elapsed: Duration,
) -> String {
    let rate = lately as f64 / between.as_secs_f64();
    let Some(total) = total else { return format!("{name}: {done} {unit}, {rate:.1}/s") };
    let left = total.saturating_sub(done);
    let estimate = match done {
        0 => String::new(),
        _ => {
            let left = elapsed.mul_f64(left as f64 / done as f64);
            format!(", about {} left", HumanDuration(Duration::from_secs(left.as_secs())))
        }
    };
    format!("{name}: {done} of {total} {unit}, {left} to go, {rate:.1}/s{estimate}")
}

/// From now on, Ctrl-C ends the program at once and says how to go on: what is stored is stored, and a kill
/// at any moment loses nothing.
pub fn go_on_after_ctrl_c() {
    static ONCE: OnceLock<()> = OnceLock::new();
    // On a thread of its own: the program's may be busy with pixels for seconds.
    ONCE.get_or_init(|| drop(thread::spawn(wait_for_ctrl_c)));
}

fn wait_for_ctrl_c() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
        bars().suspend(|| eprintln!("bolid: stopped; the same command goes on from here"));
        process::exit(INTERRUPTED);
    }
}

/// Sends log lines to stderr: `BOLID_LOG` if set, otherwise by the number of `-v`.
pub fn init_logging(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug,sqlx=info,hyper=info,reqwest=info,ort=warn",
    };
    let filter = EnvFilter::try_from_env("BOLID_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(BesideBars)
        .with_target(false)
        .init();
}

/// Writes to stderr while the bars are out of the way.
struct BesideBars;

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        Self
    }
}

impl Write for BesideBars {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        bars().suspend(|| io::stderr().write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_says_what_is_done_what_is_left_and_how_long_it_takes() {
        let (between, minute) = (Duration::from_secs(30), Duration::from_secs(60));
        let text = line("measure", "photos", 1200, Some(4800), 900, between, minute);
        assert_eq!(text, "measure: 1200 of 4800 photos, 3600 to go, 30.0/s, about 3 minutes left");
        let text = line("crawl", "photos", 0, None, 0, between, minute);
        assert_eq!(text, "crawl: 0 photos, 0.0/s", "nothing is estimated before anything is known");
        assert_eq!(line("x", "photos", 0, Some(4), 0, between, minute), "x: 0 of 4 photos, 4 to go, 0.0/s");
    }
}
