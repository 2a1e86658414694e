//! Cached latents with noise on them.

use candle_core::{Device, Tensor};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use snapshot::Snapshot;

use crate::body::Pose;
use crate::cache::CacheStore;
use crate::error::Result;
use crate::parameters::normals;

/// Latents and the poses they show.
#[derive(Clone, Debug)]
pub struct ProbeBatch {
    /// `[n, c, h, w]`, as the UNet sees them.
    pub latents: Tensor,
    /// In shares of the picture.
    pub poses: Vec<Pose>,
    /// Rows in the snapshot's table.
    pub photos: Vec<usize>,
}

/// What batches of the probe are made of.
#[derive(Debug)]
pub struct ProbeSource<'a> {
    /// The photos.
    pub snapshot: &'a Snapshot,
    /// Their latents.
    pub cache: &'a CacheStore,
    /// From latents as the encoder gives them to those of the UNet: shift and factor.
    pub scaling: (f64, f64),
    /// Photos to be drawn from, rows in the snapshot's table.
    pub photos: &'a [usize],
    /// Samples of a batch.
    pub batch: usize,
    /// The highest σ of what is added to latents: x̂₀ of a prediction is not clean.
    pub max_sigma: f32,
    /// What every random number follows from.
    pub seed: u64,
    /// Where the batch is to be.
    pub device: &'a Device,
}

impl ProbeSource<'_> {
    /// The batch of a step.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub fn batch(&self, step: u64) -> Result<ProbeBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let photos: Vec<usize> =
            (0..self.batch).map(|_| self.photos.choose(&mut rng).copied().unwrap_or_default()).collect();
        let mut latents = Vec::with_capacity(photos.len());
        for &photo in &photos {
            let latent = self.latent(photo)?;
            let sigma = self.max_sigma * rng.random::<f32>();
            let noise = normals(&mut rng, latent.elem_count(), 0.0, f64::from(sigma));
            latents.push((&latent + Tensor::from_vec(noise, latent.shape(), &Device::Cpu)?)?);
        }
        Ok(ProbeBatch {
            latents: Tensor::stack(&latents, 0)?.to_device(self.device)?,
            poses: self.poses(&photos),
            photos,
        })
    }

    /// Clean latents of some photos, and their poses.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub fn clean(&self, photos: &[usize]) -> Result<ProbeBatch> {
        let latents: Vec<Tensor> = photos.iter().map(|&photo| self.latent(photo)).collect::<Result<_>>()?;
        Ok(ProbeBatch {
            latents: Tensor::stack(&latents, 0)?.to_device(self.device)?,
            poses: self.poses(photos),
            photos: photos.to_vec(),
        })
    }

    fn latent(&self, photo: usize) -> Result<Tensor> {
        let (mean, _) = self.cache.latents(&self.snapshot.photos()[photo])?;
        Ok(((mean - self.scaling.0)? * self.scaling.1)?)
    }

    fn poses(&self, photos: &[usize]) -> Vec<Pose> {
        let size = self.snapshot.manifest().spec.size_px as usize;
        photos.iter().map(|&photo| Pose::new(&self.snapshot.photos()[photo].facts.joints, size)).collect()
    }
}
