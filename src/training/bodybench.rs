//! `bolid bodybench`: a body-VAE on synthetic people whose bodies are known.

use std::fs;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use rayon::prelude::*;
use synth::{Body, noise};
use train::body::{BodyVae, Pose, Posterior, Sets, Views as ModelViews};
use train::bodybench::evaluate;
use train::bodybench::input::{BenchInput, Estimate, Gaussian, Person, Views};
use train::bodybench::table::table;
use train::report::Page;

use super::draw::{self, Captions, DrawSpec, DrawnPerson};
use super::model;
use crate::cli::{BodyBenchArgs, Global};
use crate::output::Output;
use crate::progress;

/// The numbers of views that the bench looks at.
const VIEW_COUNTS: [usize; 5] = [1, 2, 4, 8, 16];
/// Views of each half of a person: the largest of those numbers.
const HALF: usize = VIEW_COUNTS[VIEW_COUNTS.len() - 1];
/// The number that the main figures are for.
const HEADLINE_VIEWS: usize = 8;
/// People that probes are fitted on: enough that the probe's own error is small beside the bench's.
const PROBE_PEOPLE: usize = 600;
/// The people of a seed are drawn from seeds of their own: no bench shares people with a training.
const BENCH_STREAM: u64 = 0xB0D7_BE7C;

/// Runs the command.
pub fn run(args: &BodyBenchArgs, global: &Global, output: Output) -> Result<()> {
    let chosen = model::load(&global.workdir.join("runs"), &args.run, &args.device.open()?)?;
    if args.people < 2 {
        bail!(
            "bodybench --people {}: somebody is to be told from somebody else; give 2 or more",
            args.people
        );
    }
    let bench = Bench { model: &chosen.saved.model, size_px: chosen.saved.model.config().view_px as u32 };
    let seed = noise::subseed(args.seed, BENCH_STREAM);
    let bar = progress::stage("bodybench", (PROBE_PEOPLE + 2 * args.people) as u64, "people");
    let input = BenchInput {
        model: chosen.saved.digest.to_string(),
        measures: Body::sample(0).measures().iter().map(|(name, _)| (*name).to_owned()).collect(),
        view_counts: VIEW_COUNTS.to_vec(),
        headline_views: HEADLINE_VIEWS,
        training: bench.people(noise::subseed(seed, 1), (PROBE_PEOPLE, 1), 1, &bar)?,
        bench: bench.people(noise::subseed(seed, 2), (args.people, 1), 2, &bar)?,
        twins: bench.people(noise::subseed(seed, 3), (1, args.people), 2, &bar)?,
    };
    bar.finish_and_clear();
    let found = evaluate(&input, args.seed)?;
    output.show(&found, table)?;
    if let Some(path) = &args.report {
        let page = Page {
            title: format!("BodyBench {}", args.run),
            lead: format!(
                "{} people of seed {}, never trained on, whose bodies are known.",
                args.people, args.seed
            ),
            facts: vec![("model".to_owned(), chosen.saved.digest.to_string())],
            bench: Some(found),
            ..Page::default()
        };
        fs::write(path, page.to_html()).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

struct Bench<'a> {
    model: &'a BodyVae,
    size_px: u32,
}

/// Half of a person's views: joints, weighted pixels, poses.
struct HalfOfViews {
    joints: Vec<photo::Joints>,
    weighted: Vec<Vec<u8>>,
    poses: Vec<Pose>,
}

impl Bench<'_> {
    /// People of `families` of `twins` each, with as many `halves` of views, read by the model.
    fn people(
        &self,
        seed: u64,
        (families, twins): (usize, usize),
        halves: usize,
        bar: &ProgressBar,
    ) -> Result<Vec<Person>> {
        let spec = DrawSpec {
            seed,
            families,
            twins,
            views: halves * HALF,
            size_px: self.size_px,
            portraits: false,
            captions: Captions::Whole,
        };
        let read = |person| self.person(person, &spec, halves).inspect(|_| bar.inc(1));
        draw::people(&spec).iter().map(read).collect()
    }

    /// Draws each half of a person's views, and asks the model.
    fn person(&self, person: &DrawnPerson, spec: &DrawSpec, halves: usize) -> Result<Person> {
        let views: Vec<draw::DrawnView> =
            (0..halves * HALF).into_par_iter().map(|index| draw::view(person, index, spec)).collect();
        let mut sides = Vec::new();
        for half in views.chunks(HALF) {
            sides.push(HalfOfViews {
                joints: half.iter().map(|view| view.prepared.joints).collect(),
                weighted: half.iter().map(|view| view.prepared.weighted.clone()).collect(),
                poses: half
                    .iter()
                    .map(|view| Pose::new(&view.prepared.joints, self.size_px as usize))
                    .collect(),
            });
        }
        // Only asked of people with a second half: those that are judged.
        let copies = match sides.len() {
            2 => gaussians(&self.posterior(&sides[0], &[0; HEADLINE_VIEWS])?)?.into_iter().next(),
            _ => None,
        };
        Ok(Person {
            measures: person.body.measures().iter().map(|&(_, value)| value).collect(),
            family: person.family,
            a: self.views(&sides[0])?,
            b: sides.get(1).map(|side| self.views(side)).transpose()?.unwrap_or_default(),
            copies,
        })
    }

    fn views(&self, seen: &HalfOfViews) -> Result<Views> {
        let mut views = Views::default();
        for (joints, weighted) in seen.joints.iter().zip(&seen.weighted) {
            views.push(*joints, weighted, self.size_px as usize);
        }
        let alone: Vec<Gaussian> = self.alone(seen)?;
        for count in VIEW_COUNTS {
            let of: Vec<usize> = (0..count).collect();
            let posterior = gaussians(&self.posterior(seen, &of)?)?.swap_remove(0);
            let means: Vec<&[f32]> = alone[..count].iter().map(|one| one.mean.as_slice()).collect();
            views.estimates.push(Estimate::new(posterior, &means));
        }
        Ok(views)
    }

    /// The posterior of some of the views together.
    fn posterior(&self, seen: &HalfOfViews, of: &[usize]) -> Result<Posterior> {
        Ok(self.model.encode(&self.model_views(seen, of)?, None)?)
    }

    /// What each view says by itself.
    fn alone(&self, seen: &HalfOfViews) -> Result<Vec<Gaussian>> {
        let all: Vec<usize> = (0..seen.poses.len()).collect();
        let views = self.model_views(seen, &all)?;
        let sides: Vec<Vec<usize>> = all.iter().map(|_| vec![0]).collect();
        let sets = Sets::new(&views.poses, &sides, 1, true, self.model.device())?;
        gaussians(&self.model.posterior(&views, &sets, None)?)
    }

    fn model_views(&self, seen: &HalfOfViews, of: &[usize]) -> Result<ModelViews> {
        let planes: Vec<u8> = of.iter().flat_map(|&view| seen.weighted[view].iter().copied()).collect();
        let poses: Vec<Pose> = of.iter().map(|&view| seen.poses[view]).collect();
        Ok(ModelViews::new(&planes, self.size_px as usize, &poses, self.model.device())?)
    }
}

fn gaussians(posterior: &Posterior) -> Result<Vec<Gaussian>> {
    let means: Vec<Vec<f32>> = posterior.mean()?.detach().to_vec2()?;
    let precisions: Vec<Vec<f32>> = posterior.precision.detach().to_vec2()?;
    Ok(means.into_iter().zip(precisions).map(|(mean, precision)| Gaussian { mean, precision }).collect())
}
