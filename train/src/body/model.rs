//! The body-VAE as a whole.

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;

use super::config::BodyVaeConfig;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::pose::Pose;
use super::posterior::{Experts, Posterior};
use super::views::{Sets, Views};
use crate::error::Result;

/// Views of one person to a Gaussian over c_body, and c_body in a pose to a picture (paper 4.2).
#[derive(Clone, Debug)]
pub struct BodyVae {
    config: BodyVaeConfig,
    encoder: Encoder,
    decoder: Decoder,
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
            config: config.clone(),
        })
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
        self.encoder.forward(views, sets, chunk)
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
    /// in −1..=1; [`unfold`](super::picture::unfold) makes planes of them.
    pub fn decode(&self, c_body: &Tensor, poses: &[Pose]) -> Result<Tensor> {
        self.decoder.forward(c_body, poses)
    }
}
