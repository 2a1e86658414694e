//! A step's batch: photos of the person, and pictures of the class.

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapter::batch::draw_timesteps;
use crate::cache::CachedText;
use crate::diffusion::unet::Added;
use crate::diffusion::vae::LatentDistribution;
use crate::error::Result;
use crate::parameters::normals;

/// Latents of one kind, and what is said of them.
#[derive(Clone, Debug)]
pub struct Known {
    /// Each `[1, c, h, w]` on the CPU, as the UNet sees them but for the factor of [`DreamBoothSource::scaling`].
    pub latents: Vec<LatentDistribution>,
    /// The text states.
    pub text: CachedText,
}

/// What batches are made of.
#[derive(Clone, Debug)]
pub struct DreamBoothSource {
    /// The person's photos.
    pub photos: Known,
    /// What the base draws of the class; `None` where nothing is to be kept.
    pub class: Option<Known>,
    /// Photos of a step, and as many pictures of the class.
    pub batch: usize,
    /// From latents as the encoder gives them to those of the UNet: shift and factor.
    pub scaling: (f64, f64),
    /// Side of the pictures in px, for SDXL.
    pub size_px: usize,
    /// Training timesteps.
    pub timesteps: usize,
    /// What every random number follows from.
    pub seed: u64,
    /// Where the batch is to be.
    pub device: Device,
}

/// What a step is computed from: `n` photos, then as many pictures of the class, if any.
#[derive(Clone, Debug)]
pub struct DreamBoothBatch {
    /// `n`.
    pub photos: usize,
    /// Clean latents as the UNet sees them, `[n or 2n, c, h, w]`.
    pub latents: Tensor,
    /// The noise, of the same shape.
    pub noise: Tensor,
    /// A timestep for each.
    pub timesteps: Vec<usize>,
    /// Text states, `[n or 2n, tokens, cross]`.
    pub text: Tensor,
    /// SDXL's added conditions.
    pub added: Option<Added>,
    /// Which of the person's photos, by their places in the source.
    pub chosen: Vec<usize>,
}

impl DreamBoothSource {
    /// The batch of `step`, a pure function of seed and step.
    ///
    /// # Errors
    /// Where shapes do not fit.
    pub fn batch(&self, step: u64) -> Result<DreamBoothBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let chosen: Vec<usize> =
            (0..self.batch).map(|_| rng.random_range(0..self.photos.latents.len())).collect();
        let mut drawn: Vec<(&LatentDistribution, &CachedText)> =
            chosen.iter().map(|&at| (&self.photos.latents[at], &self.photos.text)).collect();
        if let Some(class) = &self.class {
            let at: Vec<usize> = (0..self.batch).map(|_| rng.random_range(0..class.latents.len())).collect();
            drawn.extend(at.into_iter().map(|at| (&class.latents[at], &class.text)));
        }
        let mut timesteps = draw_timesteps(self.timesteps, self.batch, false, &mut rng);
        if self.class.is_some() {
            timesteps.extend(draw_timesteps(self.timesteps, self.batch, false, &mut rng));
        }
        let mut standard = |like: &Tensor| -> Result<Tensor> {
            let values = normals(&mut rng, like.elem_count(), 0.0, 1.0);
            Ok(Tensor::from_vec(values, like.shape(), &Device::Cpu)?)
        };
        let (mut latents, mut noises) = (Vec::new(), Vec::new());
        for (known, _) in &drawn {
            let sample = known.sample(&standard(&known.mean)?)?;
            latents.push(((sample - self.scaling.0)? * self.scaling.1)?);
            noises.push(standard(&known.mean)?);
        }
        let texts: Vec<&Tensor> = drawn.iter().map(|(_, text)| &text.states).collect();
        let pooled: Vec<&Tensor> = drawn.iter().filter_map(|(_, text)| text.pooled.as_ref()).collect();
        let side = self.size_px as f32;
        let added = match pooled.is_empty() {
            true => None,
            false => Some(Added {
                text_embeds: Tensor::stack(&pooled, 0)?.to_device(&self.device)?,
                // A picture of this size that was not cut.
                time_ids: Tensor::from_vec(
                    [side, side, 0.0, 0.0, side, side].repeat(pooled.len()),
                    (pooled.len(), 6),
                    &Device::Cpu,
                )?,
            }),
        };
        Ok(DreamBoothBatch {
            photos: self.batch,
            latents: Tensor::cat(&latents, 0)?.to_device(&self.device)?,
            noise: Tensor::cat(&noises, 0)?.to_device(&self.device)?,
            timesteps,
            text: Tensor::stack(&texts, 0)?.to_device(&self.device)?,
            added,
            chosen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(count: usize, value: f32) -> Known {
        let latents = (0..count).map(|at| LatentDistribution {
            mean: Tensor::full(value + at as f32, (1, 2, 3, 3), &Device::Cpu).expect("a tensor"),
            logvar: Tensor::full(-30f32, (1, 2, 3, 3), &Device::Cpu).expect("a tensor"),
        });
        let states = Tensor::full(value, (5, 4), &Device::Cpu).expect("a tensor");
        Known { latents: latents.collect(), text: CachedText { states, pooled: None } }
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("values")
    }

    #[test]
    fn a_batch_is_photos_then_class_and_follows_from_seed_and_step() {
        let source = DreamBoothSource {
            photos: known(4, 0.0),
            class: Some(known(3, 100.0)),
            batch: 2,
            scaling: (0.0, 2.0),
            size_px: 64,
            timesteps: 1000,
            seed: 7,
            device: Device::Cpu,
        };
        let batch = source.batch(5).expect("a batch");
        assert_eq!((batch.latents.dims(), batch.timesteps.len()), (&[4, 2, 3, 3][..], 4));
        let firsts: Vec<f32> = values(&batch.latents).chunks(18).map(|latent| latent[0]).collect();
        for (found, &chosen) in firsts.iter().zip(&batch.chosen) {
            assert!((found - 2.0 * chosen as f32).abs() < 1e-3, "{firsts:?}");
        }
        assert!(firsts[2..].iter().all(|&value| value >= 199.0));
        assert_eq!(
            values(&batch.text).chunks(20).map(|text| text[0]).collect::<Vec<_>>(),
            [0.0, 0.0, 100.0, 100.0]
        );
        let again = source.batch(5).expect("a batch");
        assert_eq!(values(&again.noise), values(&batch.noise));
        assert_ne!(values(&source.batch(6).expect("a batch").noise), values(&batch.noise));
        let alone = DreamBoothSource { class: None, ..source }.batch(5).expect("a batch");
        assert_eq!(alone.latents.dims(), [2, 2, 3, 3]);
    }
}
