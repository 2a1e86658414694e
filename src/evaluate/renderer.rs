//! Draws the pictures that are judged.

use std::collections::HashMap;

use anyhow::{Result, bail};
use train::adapter::pipeline::PictureSpec;
use train::adapter::{Adapter, Pipeline};
use train::cache::CachedText;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::SchedulerConfig;
use train::generate::Models;
use train::report::Picture;

use super::condition::Condition;

/// Pictures drawn at once: the larger matrices take less time each, and their latents are small.
const BATCH: usize = 8;
/// What stands for woman, man or person in a prompt.
pub const PERSON: &str = "{person}";

/// How pictures are drawn.
pub struct Renderer<'a> {
    models: &'a Models,
    adapter: Option<&'a Adapter>,
    pipeline: Pipeline<'a>,
    prompts: Vec<String>,
    seeds: Vec<u64>,
}

/// Who is drawn.
#[derive(Clone, Copy)]
pub struct SubjectInputs<'a> {
    /// What [`PERSON`] becomes.
    pub noun: &'a str,
    /// c_body.
    pub body: &'a [f32],
    /// The reference's embedding.
    pub reference: Option<&'a [f32]>,
}

impl<'a> Renderer<'a> {
    /// One for these prompts, each drawn from each of the seeds.
    pub fn new(
        models: &'a Models,
        scheduler: &'a SchedulerConfig,
        sampling: Sampling,
        prompts: Vec<String>,
        seeds: Vec<u64>,
    ) -> Result<Self> {
        let side = models.size_px();
        let adapter = models.adapter();
        if prompts.is_empty() || seeds.is_empty() {
            bail!("nothing is drawn of {} prompts and {} seeds", prompts.len(), seeds.len());
        }
        let pipeline = models.pipeline(scheduler, sampling, (side, side));
        Ok(Self { models, adapter, pipeline, prompts, seeds })
    }

    /// Pictures of a person in one condition: prompt by prompt, and of each its seeds.
    pub fn draw(&self, inputs: SubjectInputs<'_>, condition: Condition) -> Result<Vec<Picture>> {
        let negative = self.models.negative("")?;
        let read = |prompt: String| Ok((prompt.clone(), self.models.text(&prompt)?));
        let texts: HashMap<String, CachedText> =
            self.prompts(inputs.noun).map(read).collect::<Result<_>>()?;
        let of_prompt = |prompt: String| {
            self.seeds
                .iter()
                .map(|&seed| PictureSpec {
                    text: texts[&prompt].clone(),
                    negative: negative.clone(),
                    c_body: (condition.lambda_body > 0.0).then(|| inputs.body.to_vec()),
                    reference: inputs.reference.filter(|_| condition.lambda_ref > 0.0).map(<[f32]>::to_vec),
                    seed,
                })
                .collect::<Vec<_>>()
        };
        let specs: Vec<PictureSpec> = self.prompts(inputs.noun).flat_map(of_prompt).collect();
        let mut pictures = Vec::with_capacity(specs.len());
        for part in specs.chunks(BATCH) {
            pictures.extend(self.pipeline.draw(self.adapter, part, condition.lambdas())?);
        }
        Ok(pictures)
    }

    /// The prompts for somebody.
    pub fn prompts<'s>(&'s self, noun: &'s str) -> impl Iterator<Item = String> + 's {
        self.prompts.iter().map(move |prompt| prompt.replace(PERSON, noun))
    }

    /// Pictures of each prompt.
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The side of the pictures in px.
    pub fn side(&self) -> usize {
        self.pipeline.size_px.0
    }
}
