//! A transformer over the pixels of a feature map, as in diffusers' `Transformer2DModel`.

use super::attention::TransformerBlock;
use super::config::UnetConfig;
use super::streams::{Conditioning, KeyValue};
use crate::diffusion::Weights;
use crate::diffusion::layers::{Conv2d, GroupNorm, Linear};
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

#[derive(Clone, Debug)]
enum Projections {
    /// SD 1.x: before and after the change of layout.
    Conv(Conv2d, Conv2d),
    /// SDXL.
    Linear(Linear, Linear),
}

/// Normalisation, projection, transformer blocks, projection, residual.
#[derive(Clone, Debug)]
pub struct Transformer {
    norm: GroupNorm,
    projections: Projections,
    blocks: Vec<TransformerBlock>,
}

/// Counts the cross-attention layers in the order of the adapter files.
#[derive(Debug, Default)]
pub struct LayerCount {
    /// Name and width of each layer met so far.
    pub layers: Vec<(String, usize)>,
    /// Their keys and values of the text.
    pub key_values: Vec<KeyValue>,
}

impl Transformer {
    pub fn load(
        weights: &Weights,
        config: &UnetConfig,
        width: usize,
        heads: usize,
        depth: usize,
        count: &mut LayerCount,
        name: &str,
    ) -> Result<Self> {
        let (proj_in, proj_out) = (weights.pp("proj_in"), weights.pp("proj_out"));
        let projections = if config.linear_projection {
            Projections::Linear(Linear::load(&proj_in, width, width)?, Linear::load(&proj_out, width, width)?)
        } else {
            Projections::Conv(
                Conv2d::load_1x1(&proj_in, width, width)?,
                Conv2d::load_1x1(&proj_out, width, width)?,
            )
        };
        let blocks = (0..depth)
            .map(|i| {
                let layer = count.layers.len();
                let name = format!("{name}.transformer_blocks.{i}");
                count.layers.push((format!("{name}.attn2"), width));
                let weights = weights.pp("transformer_blocks").pp(i);
                TransformerBlock::load(&weights, width, config.cross_attention_dim, heads, layer, &name)
            })
            .collect::<Result<Vec<_>>>()?;
        count.key_values.extend(blocks.iter().map(TransformerBlock::key_value));
        // diffusers fixes this epsilon in Transformer2DModel, whatever norm_eps says.
        let norm = GroupNorm::load(&weights.pp("norm"), width, config.norm_groups, 1e-6)?;
        Ok(Self { norm, projections, blocks })
    }

    /// Places of its cross-attention layers in the order of the adapter files.
    pub fn cross_attention(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(TransformerBlock::layer)
    }

    /// The matrices of the trained updates of its blocks.
    pub fn updates(&self) -> impl Iterator<Item = &Tensor> {
        self.blocks.iter().flat_map(TransformerBlock::updates)
    }

    /// Puts the next of `tensors` in their places, in the same order.
    pub fn set_updates(&mut self, tensors: &mut impl Iterator<Item = Tensor>) {
        self.blocks.iter_mut().for_each(|block| block.set_updates(tensors));
    }

    /// `x` is `[b, c, h, w]`.
    pub fn forward(&self, x: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let normed = self.norm.forward(x)?;
        let rows = |t: &Tensor| grad::transpose(&t.reshape((b, c, h * w))?);
        let pixels = |t: &Tensor| -> Result<Tensor> { Ok(grad::transpose(t)?.reshape((b, c, h, w))?) };
        let mut hidden = match &self.projections {
            Projections::Conv(proj_in, _) => rows(&proj_in.forward(&normed)?)?,
            Projections::Linear(proj_in, _) => proj_in.forward(&rows(&normed)?)?,
        };
        for block in &self.blocks {
            hidden = block.forward(&hidden, conditioning)?;
        }
        let out = match &self.projections {
            Projections::Conv(_, proj_out) => proj_out.forward(&pixels(&hidden)?)?,
            Projections::Linear(_, proj_out) => pixels(&proj_out.forward(&hidden)?)?,
        };
        Ok((out + x)?)
    }
}
