//! diffusers' `UNet2DConditionModel` for SD 1.5 and SDXL, with room for the reference and body streams in
//! every cross-attention.
//!
//! | file | what |
//! |---|---|
//! | `config` | `config.json`: what is read, what is refused |
//! | `streams` | what a prediction is conditioned on |
//! | `embedding` | timestep and SDXL's added conditions |
//! | `resnet`, `attention`, `transformer` | the parts of a block |
//! | `blocks` | a residual block with its transformer |

mod attention;
mod blocks;
mod config;
mod embedding;
mod resnet;
mod streams;
mod transformer;

pub use config::{AddedConfig, BlockConfig, UnetConfig};
pub use embedding::sinusoids;
pub use streams::{Added, Conditioning, KeyValue, Observer, Stream};

use crate::diffusion::Weights;
use crate::diffusion::layers::{Conv2d, GroupNorm};
use crate::error::{Error, Result};
use crate::grad;
use blocks::Layer;
use candle_core::{DType, Device, Tensor};
use embedding::StepEmbedding;
use resnet::Upsample;
use std::sync::Arc;
use transformer::LayerCount;

#[derive(Debug)]
struct Down {
    layers: Vec<Arc<Layer>>,
    downsample: Option<Conv2d>,
}

#[derive(Debug)]
struct Up {
    layers: Vec<Arc<Layer>>,
    upsample: Option<Upsample>,
}

/// The noise-predicting network. Its weights are frozen; gradients pass through it to the streams and the latents.
#[derive(Debug)]
pub struct UNet {
    config: UnetConfig,
    step: StepEmbedding,
    conv_in: Conv2d,
    down: Vec<Down>,
    mid: [Arc<Layer>; 2],
    up: Vec<Up>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    cross_attention: Vec<(String, usize)>,
    text_key_values: Vec<KeyValue>,
    checkpointing: bool,
    compute: DType,
}

impl UNet {
    /// Takes its parameters by diffusers' names; the caller asks [`Weights::finish`] what was missing or over.
    pub fn load(weights: &Weights, config: UnetConfig) -> Result<Self> {
        let first = config.blocks[0].channels;
        let (step, conv_in) = (
            StepEmbedding::load(weights, &config)?,
            Conv2d::load_3x3(&weights.pp("conv_in"), config.in_channels, first, 1)?,
        );
        // Channels of the feature maps handed across, in the order they are made; the way up takes them from the end.
        let mut skips = vec![first];
        let mut count = LayerCount::default();
        let mut channels = first;
        let mut down = Vec::new();
        for (i, block) in config.blocks.iter().enumerate() {
            let name = format!("down_blocks.{i}");
            let weights = weights.pp(&name);
            let mut layers = Vec::new();
            for j in 0..block.layers {
                let shape = (channels, block.channels, block.heads, block.depth);
                layers.push(Arc::new(Layer::load(&weights, &config, j, shape, &mut count, &name)?));
                channels = block.channels;
                skips.push(channels);
            }
            let downsample = if i + 1 < config.blocks.len() {
                skips.push(channels);
                Some(Conv2d::load_3x3(&weights.pp("downsamplers.0.conv"), channels, channels, 2)?)
            } else {
                None
            };
            down.push(Down { layers, downsample });
        }
        let mut up = Vec::new();
        let mid_channels = channels;
        for (i, (block, depth)) in config.blocks.iter().rev().zip(&config.up_depths).enumerate() {
            let name = format!("up_blocks.{i}");
            let weights = weights.pp(&name);
            let mut layers = Vec::new();
            for j in 0..=block.layers {
                let skip = skips.pop().unwrap_or(first);
                let shape = (channels + skip, block.channels, block.heads, *depth);
                layers.push(Arc::new(Layer::load(&weights, &config, j, shape, &mut count, &name)?));
                channels = block.channels;
            }
            let upsample = if i + 1 < config.blocks.len() {
                Some(Upsample::load(&weights.pp("upsamplers.0"), channels)?)
            } else {
                None
            };
            up.push(Up { layers, upsample });
        }
        // The middle comes last: adapter files number the layers down, up, mid.
        let heads = config.blocks[config.blocks.len() - 1].heads;
        let middle = weights.pp("mid_block");
        let mid_shape = |depth| (mid_channels, mid_channels, heads, depth);
        let mid = [
            Layer::load(&middle, &config, 0, mid_shape(config.mid_depth), &mut count, "mid_block")?,
            Layer::load(&middle, &config, 1, mid_shape(0), &mut count, "mid_block")?,
        ]
        .map(Arc::new);
        Ok(Self {
            conv_norm_out: GroupNorm::load(
                &weights.pp("conv_norm_out"),
                channels,
                config.norm_groups,
                config.norm_eps,
            )?,
            conv_out: Conv2d::load_3x3(&weights.pp("conv_out"), channels, config.out_channels, 1)?,
            config,
            step,
            conv_in,
            down,
            mid,
            up,
            cross_attention: count.layers,
            text_key_values: count.key_values,
            checkpointing: false,
            compute: DType::F32,
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// The device that its weights are on.
    pub fn device(&self) -> &Device {
        self.conv_in.device()
    }

    /// Name and width of every cross-attention layer, in the order of adapter files (down, up, mid): entry
    /// `i` has number `2i + 1`.
    pub fn cross_attention(&self) -> &[(String, usize)] {
        &self.cross_attention
    }

    /// Keys and values of the text in each cross-attention layer, in the same order: what an adapter's own begin as.
    pub fn text_key_values(&self) -> &[KeyValue] {
        &self.text_key_values
    }

    /// With or without gradient checkpointing: each residual block with its transformer keeps its inputs only
    /// and is run again in the backward pass. A step computes the forward pass twice and needs less memory;
    /// the gradients are the same. An [`Observer`] is then called in both passes, with tensors that stand in
    /// for the graph's.
    #[must_use]
    pub fn with_checkpointing(self, checkpointing: bool) -> Self {
        Self { checkpointing, ..self }
    }

    /// Computes in `compute`; f32 where nothing is said. Weights of another type are converted as they are
    /// used, so large ones should be of this one; norms and softmax compute in f32 all the same, and so is
    /// the prediction.
    #[must_use]
    pub fn with_compute(self, compute: DType) -> Self {
        Self { compute, ..self }
    }

    /// The prediction `[b, c, h, w]`, f32, for `latents` `[b, c, h, w]` at one timestep per sample.
    pub fn forward(
        &self,
        latents: &Tensor,
        timesteps: &[f64],
        conditioning: &Conditioning,
    ) -> Result<Tensor> {
        self.check(latents, timesteps, conditioning)?;
        grad::in_pool(|| self.predict(latents, timesteps, conditioning))
    }

    fn predict(&self, latents: &Tensor, timesteps: &[f64], conditioning: &Conditioning) -> Result<Tensor> {
        let latents = latents.to_dtype(self.compute)?;
        let step = self.step.forward(timesteps, conditioning.added.as_ref(), latents.device())?;
        let step = grad::silu(&step)?.to_dtype(self.compute)?;
        let conditioning = &conditioning.in_type(self.compute)?;
        let run = |layer: &Arc<Layer>, x: &Tensor, skip: Option<&Tensor>| {
            self.run(layer, x, skip, &step, conditioning)
        };
        let mut x = self.conv_in.forward(&latents)?;
        let mut skips = vec![x.clone()];
        for block in &self.down {
            for layer in &block.layers {
                x = run(layer, &x, None)?;
                skips.push(x.clone());
            }
            if let Some(downsample) = &block.downsample {
                x = downsample.forward(&x)?;
                skips.push(x.clone());
            }
        }
        for layer in &self.mid {
            x = run(layer, &x, None)?;
        }
        for block in &self.up {
            for layer in &block.layers {
                let skip = skips.pop();
                x = run(layer, &x, skip.as_ref())?;
            }
            if let (Some(upsample), Some(next)) = (&block.upsample, skips.last()) {
                x = upsample.forward(&x, (next.dim(2)?, next.dim(3)?))?;
            }
        }
        Ok(self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?)?.to_dtype(DType::F32)?)
    }

    fn run(
        &self,
        layer: &Arc<Layer>,
        x: &Tensor,
        skip: Option<&Tensor>,
        step: &Tensor,
        conditioning: &Conditioning,
    ) -> Result<Tensor> {
        if self.checkpointing {
            layer.forward_checkpointed(x, skip, step, conditioning)
        } else {
            layer.forward(x, skip, step, conditioning)
        }
    }

    fn check(&self, latents: &Tensor, timesteps: &[f64], conditioning: &Conditioning) -> Result<()> {
        let refuse = |tensor: &str, found: &Tensor, expected: String| {
            Err(Error::Shape { op: "unet", tensor: tensor.into(), found: found.shape().clone(), expected })
        };
        let batch = timesteps.len();
        match latents.dims4() {
            Ok((b, c, _, _)) if b == batch && c == self.config.in_channels => {}
            _ => {
                return refuse(
                    "latents",
                    latents,
                    format!("[{batch}, {}, h, w], one timestep each", self.config.in_channels),
                );
            }
        }
        let width = self.config.cross_attention_dim;
        let mut tokens = vec![("text", &conditioning.text)];
        tokens.extend(conditioning.reference.iter().map(|s| ("reference tokens", &s.tokens)));
        tokens.extend(conditioning.body.iter().map(|s| ("body tokens", &s.tokens)));
        for (name, tensor) in tokens {
            match tensor.dims3() {
                Ok((b, _, c)) if b == batch && c == width => {}
                _ => return refuse(name, tensor, format!("[{batch}, tokens, {width}]")),
            }
        }
        Ok(())
    }
}
