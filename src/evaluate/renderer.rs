//! Draws the pictures that are judged.

use std::collections::HashMap;

use anyhow::{Result, bail};
use photo::Digest;
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
    /// Whose pictures these are: everybody's begin with noise of their own, the same in every condition.
    pub name: &'a str,
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
        let of_prompt = |(index, prompt): (usize, String)| {
            self.specify(index, &texts[&prompt], &negative, inputs, condition)
        };
        let specs: Vec<PictureSpec> = self.prompts(inputs.noun).enumerate().flat_map(of_prompt).collect();
        let mut pictures = Vec::with_capacity(specs.len());
        for part in specs.chunks(BATCH) {
            pictures.extend(self.pipeline.draw(self.adapter, part, condition.lambdas())?);
        }
        Ok(pictures)
    }

    /// What is drawn of one prompt, seed by seed.
    fn specify(
        &self,
        index: usize,
        text: &CachedText,
        negative: &CachedText,
        inputs: SubjectInputs<'_>,
        condition: Condition,
    ) -> Vec<PictureSpec> {
        self.seeds
            .iter()
            .map(|&seed| PictureSpec {
                text: text.clone(),
                negative: negative.clone(),
                c_body: (condition.lambda_body > 0.0).then(|| inputs.body.to_vec()),
                reference: inputs.reference.filter(|_| condition.lambda_ref > 0.0).map(<[f32]>::to_vec),
                seed: noise_seed(seed, inputs.name, index),
            })
            .collect()
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

/// What the noise of a picture is drawn from. One noise gives one pose and one ground, whoever is drawn:
/// people and prompts that shared it would fail together, and their mean would be that of a single draw.
fn noise_seed(seed: u64, name: &str, prompt: usize) -> u64 {
    let digest = Digest::of_json(&("noise", seed, name, prompt));
    let first = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_pictures_of_a_condition_begin_with_the_same_noise() {
        let all = [1, 2].iter().flat_map(|&seed| {
            ["Ada", "Bea", "Ada1"]
                .iter()
                .flat_map(move |name| (0..12).map(move |at| noise_seed(seed, name, at)))
        });
        assert_eq!(all.collect::<HashSet<u64>>().len(), 2 * 3 * 12);
    }
}
