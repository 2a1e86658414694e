//! Image to moments (diffusers' `Encoder`).

use super::VaeConfig;
use super::blocks::{Middle, NORM_EPS, Resnet};
use crate::diffusion::layers::{Conv2d, GroupNorm};
use crate::diffusion::weights::Weights;
use crate::error::Result;
use candle_core::Tensor;

#[derive(Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    down: Vec<Down>,
    middle: Middle,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

#[derive(Debug)]
struct Down {
    resnets: Vec<Resnet>,
    downsample: Option<Conv2d>,
}

impl Encoder {
    pub(super) fn load(weights: &Weights, config: &VaeConfig) -> Result<Self> {
        let (widths, groups) = (&config.block_out_channels, config.norm_num_groups);
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let mut channels = first;
        let mut down = Vec::new();
        for (i, &width) in widths.iter().enumerate() {
            let block = weights.pp("down_blocks").pp(i);
            let mut resnets = Vec::new();
            for j in 0..config.layers_per_block {
                resnets.push(Resnet::load(&block.pp("resnets").pp(j), groups, channels, width)?);
                channels = width;
            }
            let sampler = || Conv2d::load_3x3_unpadded(&block.pp("downsamplers.0.conv"), width);
            let downsample = (i + 1 < widths.len()).then(sampler).transpose()?;
            down.push(Down { resnets, downsample });
        }
        Ok(Self {
            conv_in: Conv2d::load_3x3(&weights.pp("conv_in"), config.in_channels, first, 1)?,
            down,
            middle: Middle::load(&weights.pp("mid_block"), groups, last, config.mid_block_add_attention)?,
            conv_norm_out: GroupNorm::load(&weights.pp("conv_norm_out"), last, groups, NORM_EPS)?,
            conv_out: Conv2d::load_3x3(&weights.pp("conv_out"), last, 2 * config.latent_channels, 1)?,
        })
    }

    pub(super) fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = self.conv_in.forward(image)?;
        for block in &self.down {
            for resnet in &block.resnets {
                x = resnet.forward(&x)?;
            }
            if let Some(conv) = &block.downsample {
                x = conv.forward(&x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?)?;
            }
        }
        let x = self.middle.forward(&x)?;
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?)
    }
}
