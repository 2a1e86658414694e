//! `L = L_photos + λ·L_class`, each the mean squared error of the base's prediction (paper eq. 8).

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::source::{DreamBoothBatch, DreamBoothSource};
use crate::diffusion::scheduler::{NoiseSchedule, Prediction};
use crate::diffusion::unet::{Conditioning, UNet};
use crate::error::Result;
use crate::fit::Loss;

/// The two means of a batch.
#[derive(Clone, Debug)]
pub struct Halves {
    /// Over the person's photos.
    pub photos: Tensor,
    /// Over the pictures of the class, where there are any.
    pub class: Option<Tensor>,
}

impl Halves {
    /// Of a prediction whose first `photos` rows are of photos, and the others of the class.
    ///
    /// # Errors
    /// Where shapes do not fit.
    pub fn new(predicted: &Tensor, target: &Tensor, photos: usize) -> Result<Self> {
        let squares = (predicted.to_dtype(DType::F32)? - target)?.sqr()?;
        let others = squares.dim(0)? - photos;
        Ok(Self {
            photos: squares.narrow(0, 0, photos)?.mean_all()?,
            class: match others {
                0 => None,
                _ => Some(squares.narrow(0, photos, others)?.mean_all()?),
            },
        })
    }

    /// `L_photos + prior_weight·L_class`.
    pub fn total(&self, prior_weight: f64) -> Result<Tensor> {
        Ok(match &self.class {
            Some(class) => (&self.photos + (class * prior_weight)?)?,
            None => self.photos.clone(),
        })
    }
}

/// The objective with the base that it goes through.
#[derive(Debug)]
pub struct Objective<'a> {
    /// The base with the updates that are trained.
    pub unet: &'a UNet,
    /// Its noise.
    pub schedule: &'a NoiseSchedule,
    /// What it predicts.
    pub prediction: Prediction,
    /// λ.
    pub prior_weight: f64,
}

impl Objective<'_> {
    /// The loss of a batch with its graph, and its terms.
    ///
    /// # Errors
    /// Where shapes do not fit.
    pub fn loss(&self, batch: &DreamBoothBatch) -> Result<Loss> {
        let noisy = self.schedule.add_noise(&batch.latents, &batch.noise, &batch.timesteps)?;
        let mut conditioning = Conditioning::text(batch.text.clone());
        conditioning.added = batch.added.clone();
        let timesteps: Vec<f64> = batch.timesteps.iter().map(|&timestep| timestep as f64).collect();
        let predicted = self.unet.forward(&noisy, &timesteps, &conditioning)?;
        let (latents, noise) = (&batch.latents, &batch.noise);
        let target = self.schedule.target(self.prediction, latents, noise, &batch.timesteps)?;
        let halves = Halves::new(&predicted, &target, batch.photos)?;
        let mut terms = vec![("photos", halves.photos.clone())];
        terms.extend(halves.class.clone().map(|class| ("class", class)));
        Ok(Loss { total: halves.total(self.prior_weight)?, terms })
    }

    /// The mean of each term over the first `steps` batches of `source`.
    ///
    /// # Errors
    /// Where shapes do not fit.
    pub fn means(&self, source: &DreamBoothSource, steps: u64) -> Result<BTreeMap<&'static str, f64>> {
        let mut means = BTreeMap::new();
        for step in 0..steps {
            for (name, term) in self.loss(&source.batch(step)?)?.terms {
                *means.entry(name).or_insert(0.0) +=
                    f64::from(term.to_dtype(DType::F32)?.to_scalar::<f32>()?) / steps as f64;
            }
        }
        Ok(means)
    }
}
