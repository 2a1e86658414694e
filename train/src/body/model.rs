//! The body-VAE as a whole.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::config::BodyVaeConfig;
use super::decoder::Decoder;
use super::encoder::{Encoded, Encoder};
use super::palette::Palette;
use super::pose::Pose;
use super::posterior::{Experts, Posterior};
use super::views::{Sets, Views};
use crate::error::Result;
use crate::layers::Linear;

/// Views of one person to a Gaussian over c_body, and c_body in a pose to a picture (paper 4.2).
#[derive(Clone, Debug)]
pub struct BodyVae {
    config: BodyVaeConfig,
    encoder: Encoder,
    decoder: Decoder,
    measures: Option<Linear>,
    compute: DType,
}

impl BodyVae {
    /// The model with the parameters of `builder`.
    ///
    /// # Errors
    /// Where a parameter is missing or has another shape.
    pub fn new(config: &BodyVaeConfig, builder: &VarBuilder) -> Result<Self> {
        Ok(Self {
            encoder: Encoder::new(config, &builder.pp("encoder"))?,
            decoder: Decoder::new(config, &builder.pp("decoder"))?,
            measures: match config.measures.len() {
                0 => None,
                count => Some(Linear::new(config.latent, count, &builder.pp("measures"))?),
            },
            config: config.clone(),
            compute: DType::F32,
        })
    }

    /// Computes in `compute`; f32 where nothing is said. Parameters, what pixels are pooled to, Gaussians and
    /// pictures are f32 all the same.
    #[must_use]
    pub fn with_compute(self, compute: DType) -> Self {
        Self { compute, ..self }
    }

    /// The device that its parameters are on, and its inputs have to be on.
    pub fn device(&self) -> &Device {
        self.encoder.device()
    }

    /// Its shape.
    pub fn config(&self) -> &BodyVaeConfig {
        &self.config
    }

    /// What each view says, `[rows, views, latent]`; the views are in rows as `sets` has them.
    ///
    /// With `chunk`, memory for features does not grow with the number of views: that many are
    /// computed at a time, and again in the backward pass. Results and gradients stay the same.
    pub fn experts(&self, views: &Views, sets: &Sets, chunk: Option<usize>) -> Result<Experts> {
        self.encoder.experts(&self.encoder.encode(views, chunk, self.compute)?, sets)
    }

    /// The tokens of `views`, for [`experts_of`](Self::experts_of), and their offsets.
    pub(super) fn tokens(&self, views: &Views) -> Result<Encoded> {
        self.encoder.encode(views, None, self.compute)
    }

    pub(super) fn experts_of(&self, encoded: &Encoded, sets: &Sets) -> Result<Experts> {
        self.encoder.experts(encoded, sets)
    }

    /// The measures `[n, config.measures]` that are read from `c_body` `[n, latent]`, each less its mean
    /// over its deviation among the people of the training; `None` where the model reads none.
    pub fn measures(&self, c_body: &Tensor) -> Result<Option<Tensor>> {
        self.measures.as_ref().map(|layer| layer.forward(c_body)).transpose()
    }

    /// The posterior of each set, `[rows · sets, latent]`.
    pub fn posterior(&self, views: &Views, sets: &Sets, chunk: Option<usize>) -> Result<Posterior> {
        self.experts(views, sets, chunk)?.products(&sets.weights)
    }

    /// The posterior of all `views` of one person, `[1, latent]`: N(0, I) exactly where there are none.
    pub fn encode(&self, views: &Views, chunk: Option<usize>) -> Result<Posterior> {
        let device: &Device = views.pixels.device();
        if views.is_empty() {
            return Posterior::prior(1, self.config.latent, device);
        }
        let sets = Sets::new(&views.poses, &[vec![0; views.len()]], 1, false, device)?;
        self.posterior(views, &sets, chunk)
    }

    /// Pictures of `c_body` `[n, latent]` in `poses`, folded `[n, 3·f², 32, 32]` with f = decoded_px / 32,
    /// in −1..=1; [`unfold`](super::picture::unfold) makes planes of them. `palettes` are the colours of
    /// each; a model that is told none (`config.palette`) does not look at them.
    pub fn decode(&self, c_body: &Tensor, poses: &[Pose], palettes: &[Palette]) -> Result<Tensor> {
        self.decoder.forward(&c_body.to_dtype(self.compute)?, poses, palettes)
    }
}
