//! Residual block, downsampling and upsampling, as in diffusers' `ResnetBlock2D`, `Downsample2D`, `Upsample2D`.

use super::config::UnetConfig;
use crate::diffusion::Weights;
use crate::diffusion::layers::{Conv2d, GroupNorm, Linear};
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

/// Two 3×3 convolutions with the step embedding added between them.
#[derive(Clone, Debug)]
pub struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl Resnet {
    pub fn load(weights: &Weights, config: &UnetConfig, input: usize, output: usize) -> Result<Self> {
        let norm = |name: &str, c| GroupNorm::load(&weights.pp(name), c, config.norm_groups, config.norm_eps);
        let step_width = 4 * config.blocks[0].channels;
        let conv_shortcut = if input == output {
            None
        } else {
            Some(Conv2d::load_1x1(&weights.pp("conv_shortcut"), input, output)?)
        };
        Ok(Self {
            norm1: norm("norm1", input)?,
            conv1: Conv2d::load_3x3(&weights.pp("conv1"), input, output, 1)?,
            time_emb_proj: Linear::load(&weights.pp("time_emb_proj"), step_width, output)?,
            norm2: norm("norm2", output)?,
            conv2: Conv2d::load_3x3(&weights.pp("conv2"), output, output, 1)?,
            conv_shortcut,
        })
    }

    /// `x` is `[b, c, h, w]`, `step` the step embedding after SiLU, `[b, width]`.
    pub fn forward(&self, x: &Tensor, step: &Tensor) -> Result<Tensor> {
        let shift = self.time_emb_proj.forward(step)?;
        let hidden = self.conv1.forward_shifted(&self.norm1.forward_silu(x)?, &shift)?;
        let hidden = self.conv2.forward(&self.norm2.forward_silu(&hidden)?)?;
        match &self.conv_shortcut {
            Some(shortcut) => Ok((shortcut.forward(x)? + hidden)?),
            None => Ok((x + hidden)?),
        }
    }
}

/// Doubles the resolution, then convolves.
#[derive(Clone, Debug)]
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub fn load(weights: &Weights, channels: usize) -> Result<Self> {
        Ok(Self { conv: Conv2d::load_3x3(&weights.pp("conv"), channels, channels, 1)? })
    }

    /// To `size` (height, width), which is twice the input's or one less where the way down had rounded up.
    /// There nearest-neighbour interpolation to the odd size equals doubling and cutting the last row or column.
    pub fn forward(&self, x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
        let mut x = grad::upsample_nearest2x(x)?;
        for (dim, len) in [(2, size.0), (3, size.1)] {
            if x.dim(dim)? != len {
                x = x.narrow(dim, 0, len)?.contiguous()?;
            }
        }
        self.conv.forward(&x)
    }
}
