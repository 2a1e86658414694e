//! Views to experts: features pooled around joints, attention, a mean and a precision per view.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::{Init, ZERO};

use super::config::BodyVaeConfig;
use super::layers::{Attention, LayerNorm, Linear};
use super::pose::{POOLS, POSE_FEATURES};
use super::posterior::Experts;
use super::trunk::{Trunk, pooled};
use super::views::{Sets, TOKENS, Views};
use crate::error::Result;
use crate::grad;

/// log τ of an untrained network: its views say nearly nothing, so that training begins
/// near the prior and not with certainty about noise.
const LOG_PRECISION: f64 = -4.0;

/// log τ lies within ±this of [`LOG_PRECISION`], so that no view is ever infinitely sure.
const LOG_PRECISION_RANGE: f64 = 8.0;

/// The encoder.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    config: BodyVaeConfig,
    trunk: Trunk,
    tokens: Tokens,
    view_layers: Vec<Attention>,
    set_layers: Vec<Attention>,
    norm: LayerNorm,
    hidden: Linear,
    mean: Linear,
    precision: Linear,
}

impl Encoder {
    pub fn new(config: &BodyVaeConfig, builder: &VarBuilder) -> Result<Self> {
        let layers = |name: &str, count: usize| -> Result<Vec<Attention>> {
            let layer =
                |i: usize| Attention::new(config.width, config.heads, &builder.pp(format!("{name}.{i}")));
            (0..count).map(layer).collect()
        };
        let wide = 2 * config.width;
        Ok(Self {
            trunk: Trunk::new(config, &builder.pp("trunk"))?,
            tokens: Tokens::new(config, &builder.pp("tokens"))?,
            view_layers: layers("view", config.view_layers)?,
            set_layers: layers("set", config.set_layers)?,
            norm: LayerNorm::new(config.width, &builder.pp("norm"))?,
            hidden: Linear::new(config.width, wide, &builder.pp("hidden"))?,
            mean: Linear::new(wide, config.latent, &builder.pp("mean"))?,
            precision: Linear::small(wide, config.latent, &builder.pp("precision"))?,
            config: config.clone(),
        })
    }

    /// The experts `[rows, views, latent]` of `views`, which are in rows as `sets` says. With `chunk`,
    /// the features of that many views are computed at a time, and again in the backward pass.
    pub fn forward(&self, views: &Views, sets: &Sets, chunk: Option<usize>) -> Result<Experts> {
        let geometry = views.geometry(&self.config)?;
        let features = pooled(&self.trunk, &views.pixels, &geometry.pooling, chunk)?;
        let mut tokens = self.tokens.forward(&features, &geometry.features)?;
        let count = views.len();
        let gates = geometry.gates.reshape((count, 1, 1, TOKENS))?;
        for layer in &self.view_layers {
            tokens = layer.forward(&tokens, None, &gates)?;
        }
        let (rows, per_row, _) = sets.sight.dims3()?;
        let width = self.config.width;
        // A summary of each view, its tokens' mean by confidence, gathers from the tokens of all views
        // that it sees.
        let shares = geometry.shares.unsqueeze(1)?.matmul(&tokens)?;
        let mut summary = shares.reshape((rows, per_row, width))?;
        let tokens = tokens.reshape((rows, per_row * TOKENS, width))?;
        let mask = sets
            .sight
            .unsqueeze(3)?
            .broadcast_add(&geometry.gates.reshape((rows, 1, per_row, TOKENS))?)?
            .reshape((rows, 1, per_row, per_row * TOKENS))?;
        for layer in &self.set_layers {
            summary = layer.forward(&summary, Some(&tokens), &mask)?;
        }
        let hidden = grad::gelu(&self.hidden.forward(&self.norm.forward(&summary)?)?)?;
        let bounded =
            ((self.precision.forward(&hidden)? / LOG_PRECISION_RANGE)?.tanh()? * LOG_PRECISION_RANGE)?;
        Ok(Experts { mean: self.mean.forward(&hidden)?, precision: (bounded + LOG_PRECISION)?.exp()? })
    }
}

/// Pooled features and poses to tokens.
#[derive(Clone, Debug)]
struct Tokens {
    /// A linear map of its own for each pool: a hip is read otherwise than a nose. `[POOLS, in, width]`.
    weight: Tensor,
    /// `[1, TOKENS, width]`.
    place: Tensor,
    pose_wide: Linear,
    pose: Linear,
    joints: Linear,
}

impl Tokens {
    fn new(config: &BodyVaeConfig, builder: &VarBuilder) -> Result<Self> {
        let inputs = config.channels;
        let init = Init::Randn { mean: 0.0, stdev: (1.0 / inputs as f64).sqrt() };
        let wide = 2 * config.width;
        Ok(Self {
            weight: builder.get_with_hints((POOLS, inputs, config.width), "weight", init)?,
            place: builder.get_with_hints((1, TOKENS, config.width), "place", ZERO)?,
            pose_wide: Linear::new(POSE_FEATURES, wide, &builder.pp("pose_wide"))?,
            pose: Linear::new(wide, config.width, &builder.pp("pose"))?,
            joints: Linear::new(wide, config.width, &builder.pp("joints"))?,
        })
    }

    /// `features` `[n, POOLS, channels]`, `pose` `[n, POSE_FEATURES]`; the result is `[n, TOKENS, width]`.
    fn forward(&self, features: &Tensor, pose: &Tensor) -> Result<Tensor> {
        let by_pool = features.transpose(0, 1)?.contiguous()?.matmul(&self.weight)?.transpose(0, 1)?;
        let hidden = grad::gelu(&self.pose_wide.forward(pose)?)?;
        let pose = self.pose.forward(&hidden)?.unsqueeze(1)?;
        // Every joint's features are read in the light of the whole pose.
        let by_pool = by_pool.broadcast_add(&self.joints.forward(&hidden)?.unsqueeze(1)?)?;
        Ok(Tensor::cat(&[&by_pool.contiguous()?, &pose], 1)?.broadcast_add(&self.place)?)
    }
}
