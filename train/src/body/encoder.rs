//! Views to experts: features pooled around joints, attention, a mean and a precision per view.

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::config::BodyVaeConfig;
use super::layers::{Attention, LayerNorm, Linear};
use super::offsets::Offsets;
use super::posterior::Experts;
use super::tokens::{TOKENS, Tokens};
use super::trunk::{Trunk, pooled};
use super::views::{Geometry, Sets, Views};
use crate::error::Result;
use crate::grad;

/// log τ lies within ±this, so that no view is ever infinitely sure. An untrained view is as sure as the
/// prior: were it much less, its mean would not reach the product, and no gradient would reach it.
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
    offsets: Offsets,
}

/// The tokens of some views, and their geometry.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// `[n, TOKENS, width]`.
    pub tokens: Tensor,
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
            trunk: Trunk::new(config, &builder.pp("trunk"))?,
            tokens: Tokens::new(config, &builder.pp("tokens"))?,
            view_layers: layers("view", config.view_layers)?,
            set_layers: layers("set", config.set_layers)?,
            norm: LayerNorm::new(config.width, &builder.pp("norm"))?,
            hidden: Linear::new(config.width, wide, &builder.pp("hidden"))?,
            mean: Linear::new(wide, config.latent, &builder.pp("mean"))?,
            precision: Linear::small(wide, config.latent, &builder.pp("precision"))?,
            offsets: Offsets::new(config.width, &builder.pp("offsets"))?,
            config: config.clone(),
        })
    }

    /// The tokens of `views`, each read in the light of its view's others. With `chunk`, the features of
    /// that many views are computed at a time, and again in the backward pass.
    pub fn encode(&self, views: &Views, chunk: Option<usize>) -> Result<Encoded> {
        let geometry = views.geometry(&self.config)?;
        let features = pooled(&self.trunk, &views.pixels, &geometry.pooling, chunk)?;
        let mut tokens = self.tokens.forward(&features, &views.strips, &geometry.features)?;
        let gates = geometry.gates.reshape((views.len(), 1, 1, TOKENS))?;
        for layer in &self.view_layers {
            tokens = layer.forward(&tokens, None, &gates)?;
        }
        Ok(Encoded { tokens, geometry })
    }

    /// How far the joints of each view were moved, as [`Moved`](super::offsets::Moved) has it.
    pub fn offsets(&self, encoded: &Encoded) -> Result<Tensor> {
        self.offsets.forward(&encoded.tokens)
    }

    /// The experts `[rows, views, latent]`; the views are in rows as `sets` says.
    pub fn experts(&self, encoded: &Encoded, sets: &Sets) -> Result<Experts> {
        let Encoded { tokens, geometry } = encoded;
        let (rows, per_row, _) = sets.sight.dims3()?;
        let width = self.config.width;
        // A summary of each view, its tokens' mean by confidence, gathers from the tokens of all views
        // that it sees.
        let shares = geometry.shares.unsqueeze(1)?.matmul(tokens)?;
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
        let log_precision =
            ((self.precision.forward(&hidden)? / LOG_PRECISION_RANGE)?.tanh()? * LOG_PRECISION_RANGE)?;
        Ok(Experts { mean: self.mean.forward(&hidden)?, precision: log_precision.exp()? })
    }
}
