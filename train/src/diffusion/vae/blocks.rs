//! Residual block, attention and middle block of the autoencoder.

use crate::diffusion::layers::{Conv2d, GroupNorm, Linear};
use crate::diffusion::weights::Weights;
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

/// Epsilon of every group normalisation of the autoencoder (diffusers' `Encoder`, `Decoder`).
pub(super) const NORM_EPS: f64 = 1e-6;

/// Two 3×3 convolutions around a shortcut (diffusers' `ResnetBlock2D` without time embedding).
#[derive(Debug)]
pub(super) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl Resnet {
    pub(super) fn load(weights: &Weights, groups: usize, input: usize, output: usize) -> Result<Self> {
        let shortcut = || Conv2d::load_1x1(&weights.pp("conv_shortcut"), input, output);
        Ok(Self {
            norm1: GroupNorm::load(&weights.pp("norm1"), input, groups, NORM_EPS)?,
            conv1: Conv2d::load_3x3(&weights.pp("conv1"), input, output, 1)?,
            norm2: GroupNorm::load(&weights.pp("norm2"), output, groups, NORM_EPS)?,
            conv2: Conv2d::load_3x3(&weights.pp("conv2"), output, output, 1)?,
            conv_shortcut: (input != output).then(shortcut).transpose()?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let hidden = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        let hidden = self.conv2.forward(&self.norm2.forward_silu(&hidden)?)?;
        match &self.conv_shortcut {
            Some(shortcut) => Ok((shortcut.forward(x)? + hidden)?),
            None => Ok((x + hidden)?),
        }
    }
}

/// Attention of all positions among each other, one head.
#[derive(Debug)]
struct Attention {
    group_norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Attention {
    /// Downloads of SD 1.x have the names of diffusers' first generation (`query`, `key`, `value`, `proj_attn`).
    fn load(weights: &Weights, groups: usize, channels: usize) -> Result<Self> {
        let old = weights.contains("query.weight");
        let [q, k, v, out] =
            if old { ["query", "key", "value", "proj_attn"] } else { ["to_q", "to_k", "to_v", "to_out.0"] };
        let linear = |name: &str| Linear::load(&weights.pp(name), channels, channels);
        Ok(Self {
            group_norm: GroupNorm::load(&weights.pp("group_norm"), channels, groups, NORM_EPS)?,
            query: linear(q)?,
            key: linear(k)?,
            value: linear(v)?,
            out: linear(out)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, c, h, w) = x.dims4()?;
        let hidden = grad::transpose(&self.group_norm.forward(x)?.reshape((n, c, h * w))?)?;
        let (q, k, v) =
            (self.query.forward(&hidden)?, self.key.forward(&hidden)?, self.value.forward(&hidden)?);
        let hidden = grad::attention_heads(&q, &k, &v, 1, (c as f64).sqrt().recip(), &[h * w])?;
        let hidden = grad::transpose(&self.out.forward(&hidden)?)?.reshape((n, c, h, w))?;
        Ok((x + hidden)?)
    }
}

/// Residual block, attention, residual block.
#[derive(Debug)]
pub(super) struct Middle {
    first: Resnet,
    attention: Option<Attention>,
    second: Resnet,
}

impl Middle {
    pub(super) fn load(weights: &Weights, groups: usize, channels: usize, attention: bool) -> Result<Self> {
        let resnet = |i: usize| Resnet::load(&weights.pp("resnets").pp(i), groups, channels, channels);
        let attend = || Attention::load(&weights.pp("attentions.0"), groups, channels);
        Ok(Self { first: resnet(0)?, attention: attention.then(attend).transpose()?, second: resnet(1)? })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(x)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x)?;
        }
        self.second.forward(&x)
    }
}
