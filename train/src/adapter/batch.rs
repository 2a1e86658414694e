//! A step's plan to the tensors of its batch, all of it from the cache.

use candle_core::{DType, Device, Tensor};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use snapshot::Snapshot;

use super::area::{body_weights, content};
use super::bodies::Body;
use super::model::Widths;
use super::plan::{Dropped, StepPlan};
use super::settings::ObjectiveSettings;
use crate::body::Pose;
use crate::cache::{CacheStore, CachedText};
use crate::diffusion::unet::Added;
use crate::error::{Error, Result};
use crate::parameters::normals;

/// What a step is computed from; `b` samples.
#[derive(Clone, Debug)]
pub struct AdapterBatch {
    /// Clean latents as the UNet sees them, `[b, c, h, w]`.
    pub latents: Tensor,
    /// The noise, of the same shape.
    pub noise: Tensor,
    /// A timestep for each.
    pub timesteps: Vec<usize>,
    /// Text states, `[b, tokens, cross]`; those of the empty caption where the text is dropped.
    pub text: Tensor,
    /// SDXL's added conditions.
    pub added: Option<Added>,
    /// Image embeddings of the references, `[b, width]`; zeros where dropped.
    pub image: Tensor,
    /// c_body, `[b, width]`; zeros where dropped.
    pub c_body: Tensor,
    /// How much each cell counts, `[b, 1, h, w]`: 0 for padding.
    pub weights: Tensor,
    /// The targets' poses, in shares of the picture.
    pub poses: Vec<Pose>,
    /// What the targets' photos are said to show, also where the text is dropped.
    pub captions: Vec<String>,
    /// What was left out of each.
    pub dropped: Vec<Dropped>,
    /// Whether the reference stream is there.
    pub reference_stream: bool,
    /// Whether the body's stream is.
    pub body_stream: bool,
    /// The targets' rows in the snapshot's table.
    pub photos: Vec<usize>,
}

/// What batches are made of.
#[derive(Debug)]
pub struct AdapterSource<'a> {
    /// The photos.
    pub snapshot: &'a Snapshot,
    /// What the frozen networks made of them.
    pub cache: &'a CacheStore,
    /// A caption for each photo of the snapshot.
    pub captions: &'a [&'a str],
    /// The text states of the empty caption.
    pub no_text: CachedText,
    /// Widths of the embeddings: what a null condition is as long as.
    pub widths: Widths,
    /// From latents as the encoder gives them to those of the UNet: shift and factor.
    pub scaling: (f64, f64),
    /// Side of the pictures in px.
    pub size_px: usize,
    /// Training timesteps.
    pub timesteps: usize,
    /// W_norm's σ in shares of the view.
    pub sigma: f32,
    /// Options of the loss.
    pub objective: &'a ObjectiveSettings,
    /// Where the batch is to be.
    pub device: &'a Device,
}

/// One photo and what it is conditioned on.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The photo's row in the snapshot's table.
    pub target: usize,
    /// c_body; `None` is the null condition.
    pub c_body: Option<Vec<f32>>,
    /// The photo of the reference's embedding; `None` is the null condition.
    pub reference: Option<usize>,
    /// Whether the caption is there.
    pub has_text: bool,
    /// Its timestep.
    pub timestep: usize,
}

impl AdapterSource<'_> {
    /// The batch of a plan.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub fn batch(&self, plan: &StepPlan) -> Result<AdapterBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let timesteps =
            draw_timesteps(self.timesteps, plan.samples.len(), self.objective.stratified, &mut rng);
        let mut samples = Vec::with_capacity(plan.samples.len());
        for (sample, &timestep) in plan.samples.iter().zip(&timesteps) {
            let dropped = sample.dropped;
            let body = self.body(&sample.views)?;
            let noise = normals(&mut rng, body.mean.len(), 0.0, 1.0);
            let c_body = if sample.draw_body { body.sample(&noise) } else { body.mean };
            samples.push(Sample {
                target: sample.target,
                c_body: (!dropped.body).then_some(c_body),
                reference: (!dropped.reference).then_some(sample.reference),
                has_text: !dropped.text,
                timestep,
            });
        }
        let batch = self.of_samples(&samples, plan.reference_stream, rng.random())?;
        let dropped = plan.samples.iter().map(|sample| sample.dropped).collect();
        Ok(AdapterBatch { dropped, body_stream: plan.body_stream, ..batch })
    }

    /// c_body of some photos.
    pub fn body(&self, views: &[usize]) -> Result<Body> {
        let photos = self.snapshot.photos();
        let read = |&view: &usize| self.cache.body(&photos[view]);
        let said: Vec<(Vec<f32>, Vec<f32>)> = views.iter().map(read).collect::<Result<_>>()?;
        let poses: Vec<Pose> = views.iter().map(|&view| self.pose(view)).collect();
        Ok(Body::of_views(&said, &poses, self.widths.body))
    }

    /// The batch of given samples; the noise follows from `seed`.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub fn of_samples(&self, samples: &[Sample], reference_stream: bool, seed: u64) -> Result<AdapterBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut latents, mut noises, mut texts, mut pooled) = (vec![], vec![], vec![], vec![]);
        let (mut images, mut bodies, mut weights, mut time_ids) = (vec![], vec![], vec![], vec![]);
        let (mut poses, mut captions) = (vec![], vec![]);
        let photos = self.snapshot.photos();
        for sample in samples {
            let photo = &photos[sample.target];
            let (mean, logvar) = self.cache.latents(photo)?;
            let shape = mean.dims().to_vec();
            let [channels, height, width] = shape[..] else {
                return Err(Error::Shape {
                    op: "reading a cache",
                    tensor: "latent_mean".to_owned(),
                    found: mean.shape().clone(),
                    expected: "[channels, height, width]".to_owned(),
                });
            };
            let count = channels * height * width;
            let spread = Tensor::from_vec(normals(&mut rng, count, 0.0, 1.0), &shape[..], &Device::Cpu)?;
            let latent = (mean + ((logvar * 0.5)?.exp()? * spread)?)?;
            latents.push(((latent - self.scaling.0)? * self.scaling.1)?);
            noises.push(Tensor::from_vec(
                self.noise(channels, height * width, &mut rng),
                &shape[..],
                &Device::Cpu,
            )?);
            let caption = self.captions[sample.target];
            let text = if sample.has_text { self.cache.text(caption)? } else { self.no_text.clone() };
            texts.push(text.states);
            pooled.extend(text.pooled);
            let facts = &photo.facts;
            let size = self.size_px as f32;
            time_ids.extend([facts.height as f32, facts.width as f32, 0.0, 0.0, size, size]);
            images.push(match sample.reference {
                Some(reference) => self.cache.image(&photos[reference])?,
                None => Tensor::zeros(self.widths.image, DType::F32, &Device::Cpu)?,
            });
            bodies.extend(sample.c_body.clone().unwrap_or_else(|| vec![0.0; self.widths.body]));
            weights.extend(self.weights(sample.target, height));
            poses.push(self.pose(sample.target));
            captions.push(caption.to_owned());
        }
        let stack =
            |tensors: &[Tensor]| -> Result<Tensor> { Ok(Tensor::stack(tensors, 0)?.to_device(self.device)?) };
        let latents = stack(&latents)?;
        let (b, _, h, w) = latents.dims4()?;
        let added = match pooled.is_empty() {
            true => None,
            false => Some(Added {
                text_embeds: stack(&pooled)?,
                time_ids: Tensor::from_vec(time_ids, (b, 6), &Device::Cpu)?,
            }),
        };
        Ok(AdapterBatch {
            latents,
            noise: stack(&noises)?,
            timesteps: samples.iter().map(|sample| sample.timestep).collect(),
            text: stack(&texts)?,
            added,
            image: stack(&images)?.to_dtype(DType::F32)?,
            c_body: Tensor::from_vec(bodies, (b, ()), self.device)?,
            weights: Tensor::from_vec(weights, (b, 1, h, w), self.device)?,
            poses,
            captions,
            dropped: vec![Dropped::default(); b],
            reference_stream,
            body_stream: true,
            photos: samples.iter().map(|sample| sample.target).collect(),
        })
    }

    /// The pose of a photo, in shares of the view.
    pub fn pose(&self, photo: usize) -> Pose {
        let size = self.snapshot.manifest().spec.size_px as usize;
        Pose::new(&self.snapshot.photos()[photo].facts.joints, size)
    }

    fn noise(&self, channels: usize, cells: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut noise = normals(rng, channels * cells, 0.0, 1.0);
        if self.objective.noise_offset > 0.0 {
            let offsets = normals(rng, channels, 0.0, self.objective.noise_offset);
            for (channel, offset) in noise.chunks_exact_mut(cells).zip(offsets) {
                channel.iter_mut().for_each(|value| *value += offset);
            }
        }
        noise
    }

    fn weights(&self, photo: usize, side: usize) -> Vec<f32> {
        let facts = &self.snapshot.photos()[photo].facts;
        let size = self.snapshot.manifest().spec.size_px;
        let mut weights = match self.objective.mask_padding {
            true => content(&facts.affine, facts.width, facts.height, size, side),
            false => vec![1.0; side * side],
        };
        let outside = self.objective.outside_weight as f32;
        if outside < 1.0 {
            let of_body = body_weights(&self.pose(photo), self.sigma, side, outside);
            weights.iter_mut().zip(of_body).for_each(|(weight, of_body)| *weight *= of_body);
        }
        weights
    }
}

/// `count` timesteps of `of`. Stratified, each part of the range of one `count`th has one of them, in any order.
pub fn draw_timesteps(of: usize, count: usize, stratified: bool, rng: &mut impl Rng) -> Vec<usize> {
    let one = |place: f64| ((place * of as f64) as usize).min(of.saturating_sub(1));
    if !stratified {
        return (0..count).map(|_| one(rng.random::<f64>())).collect();
    }
    let mut drawn: Vec<usize> =
        (0..count).map(|part| one((part as f64 + rng.random::<f64>()) / count as f64)).collect();
    drawn.shuffle(rng);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stratified_timesteps_are_one_of_each_part() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for _ in 0..20 {
            let mut drawn = draw_timesteps(1000, 8, true, &mut rng);
            drawn.sort_unstable();
            for (part, timestep) in drawn.into_iter().enumerate() {
                assert_eq!(timestep * 8 / 1000, part);
            }
        }
        let drawn = draw_timesteps(1000, 4000, false, &mut rng);
        let mean = drawn.iter().sum::<usize>() as f64 / 4000.0;
        assert!((mean - 499.5).abs() < 15.0, "{mean}");
    }
}
