//! Views to experts: features pooled around joints, attention, joints refined and read again, a mean and a precision
//! per view.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::backbone::{Backbone, pooled};
use super::config::BodyVaeConfig;
use super::offsets::{Offsets, refined};
use super::pose::{POSE_FEATURES, Pose};
use super::posterior::Experts;
use super::tokens::{TOKENS, Tokens};
use super::views::{Geometry, Sets, Views};
use crate::error::Result;
use crate::grad;
use crate::layers::{Attention, LayerNorm, Linear};

/// log τ is bounded by ±this, so that no view gets infinite precision. At the start a view is as precise as
/// the prior. If it were much less so, its mean would hardly count in the product, and would get no gradient.
const LOG_PRECISION_RANGE: f64 = 8.0;

/// The encoder.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    config: BodyVaeConfig,
    backbone: Backbone,
    tokens: Tokens,
    view_layers: Vec<Attention>,
    set_layers: Vec<Attention>,
    norm: LayerNorm,
    hidden: Linear,
    mean: Linear,
    precision: Linear,
    offsets: Offsets,
    refined_wide: Linear,
    refined: Linear,
}

/// The tokens of some views, and their geometry.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// `[n, TOKENS, width]`.
    tokens: Tensor,
    /// How far the joints were moved, as [`Moved`](super::offsets::Moved) has it.
    pub offsets: Tensor,
    /// The pose with the joints where `offsets` puts them, `[n, width]`.
    refined: Tensor,
    geometry: Geometry,
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
            backbone: Backbone::new(config, &builder.pp("trunk"))?,
            tokens: Tokens::new(config, &builder.pp("tokens"))?,
            view_layers: layers("view", config.view_layers)?,
            set_layers: layers("set", config.set_layers)?,
            norm: LayerNorm::new(config.width, &builder.pp("norm"))?,
            hidden: Linear::new(config.width, wide, &builder.pp("hidden"))?,
            mean: Linear::new(wide, config.latent, &builder.pp("mean"))?,
            precision: Linear::small(wide, config.latent, &builder.pp("precision"))?,
            offsets: Offsets::new(config.width, &builder.pp("offsets"))?,
            refined_wide: Linear::new(POSE_FEATURES, wide, &builder.pp("refined_wide"))?,
            refined: Linear::new(wide, config.width, &builder.pp("refined"))?,
            config: config.clone(),
        })
    }

    /// The device that its parameters are on.
    pub fn device(&self) -> &Device {
        self.mean.parameters()[0].device()
    }

    /// The tokens of `views`, each read in the light of its view's others. With `chunk`, the features of
    /// that many views are computed at a time, and again in the backward pass.
    pub fn encode(&self, views: &Views, chunk: Option<usize>, compute: DType) -> Result<Encoded> {
        let geometry = views.geometry(&self.config)?;
        let features = pooled(&self.backbone, &views.pixels, &geometry.pooling, chunk)?;
        let as_computed = |tensor: &Tensor| tensor.to_dtype(compute);
        let strips = views.strips.iter().map(as_computed).collect::<candle_core::Result<Vec<Tensor>>>()?;
        let mut tokens =
            self.tokens.forward(&as_computed(&features)?, &strips, &as_computed(&geometry.features)?)?;
        for layer in &self.view_layers {
            tokens = layer.self_attention(&tokens, &geometry.gates)?;
        }
        let offsets = self.offsets.forward(&tokens)?.to_dtype(DType::F32)?;
        let poses = refined(&views.poses, &offsets)?;
        let features: Vec<f32> = poses.iter().flat_map(Pose::standardised).collect();
        let features = Tensor::from_vec(features, (views.len(), POSE_FEATURES), views.pixels.device())?;
        let features = as_computed(&features)?;
        let refined = self.refined.forward(&grad::gelu(&self.refined_wide.forward(&features)?)?)?;
        Ok(Encoded { tokens, offsets, refined, geometry })
    }

    /// The experts `[rows, views, latent]`; the views are in rows as `sets` says.
    pub fn experts(&self, encoded: &Encoded, sets: &Sets) -> Result<Experts> {
        let Encoded { tokens, geometry, refined, .. } = encoded;
        let (rows, per_row, _) = sets.sight.dims3()?;
        let width = self.config.width;
        // A summary of each view, its tokens' mean by confidence and its refined pose, gathers from the tokens
        // of all views that it sees.
        let mean = grad::weighted_sum(tokens, &geometry.shares)?;
        let mut summary = (mean + refined)?.reshape((rows, per_row, width))?;
        let mask = sets
            .sight
            .unsqueeze(3)?
            .broadcast_add(&geometry.gates.reshape((rows, 1, per_row, TOKENS))?)?
            .reshape((rows, per_row, per_row * TOKENS))?;
        for layer in &self.set_layers {
            summary = layer.cross_attention(&summary, tokens, &mask)?;
        }
        let hidden = grad::gelu(&self.hidden.forward(&self.norm.forward(&summary)?)?)?;
        let precision = self.precision.forward(&hidden)?.to_dtype(DType::F32)?;
        let precision = grad::exp_within(&precision, LOG_PRECISION_RANGE)?;
        Ok(Experts { mean: self.mean.forward(&hidden)?.to_dtype(DType::F32)?, precision })
    }
}
