//! Latent to image (diffusers' `Decoder`).

use super::VaeConfig;
use super::blocks::{Middle, NORM_EPS, Resnet};
use crate::diffusion::layers::{Conv2d, GroupNorm};
use crate::diffusion::weights::Weights;
use crate::error::Result;
use crate::grad;
use candle_core::{Device, Tensor};

#[derive(Debug)]
pub(super) struct Decoder {
    conv_in: Conv2d,
    middle: Middle,
    up: Vec<Up>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

#[derive(Debug)]
struct Up {
    resnets: Vec<Resnet>,
    upsample: Option<Conv2d>,
}

impl Decoder {
    pub(super) fn load(weights: &Weights, config: &VaeConfig) -> Result<Self> {
        let (widths, groups) = (&config.block_out_channels, config.norm_num_groups);
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let mut channels = last;
        let mut up = Vec::new();
        for (i, &width) in widths.iter().rev().enumerate() {
            let block = weights.pp("up_blocks").pp(i);
            let mut resnets = Vec::new();
            for j in 0..=config.layers_per_block {
                resnets.push(Resnet::load(&block.pp("resnets").pp(j), groups, channels, width)?);
                channels = width;
            }
            let sampler = || Conv2d::load_3x3(&block.pp("upsamplers.0.conv"), width, width, 1);
            let upsample = (i + 1 < widths.len()).then(sampler).transpose()?;
            up.push(Up { resnets, upsample });
        }
        Ok(Self {
            conv_in: Conv2d::load_3x3(&weights.pp("conv_in"), config.latent_channels, last, 1)?,
            middle: Middle::load(&weights.pp("mid_block"), groups, last, config.mid_block_add_attention)?,
            up,
            conv_norm_out: GroupNorm::load(&weights.pp("conv_norm_out"), first, groups, NORM_EPS)?,
            conv_out: Conv2d::load_3x3(&weights.pp("conv_out"), first, config.out_channels, 1)?,
        })
    }

    pub(super) fn device(&self) -> &Device {
        self.conv_in.device()
    }

    pub(super) fn forward(&self, latent: &Tensor) -> Result<Tensor> {
        let mut x = self.middle.forward(&self.conv_in.forward(latent)?)?;
        for block in &self.up {
            for resnet in &block.resnets {
                x = resnet.forward(&x)?;
            }
            if let Some(conv) = &block.upsample {
                x = conv.forward(&grad::upsample_nearest2x(&x)?)?;
            }
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?)
    }
}
