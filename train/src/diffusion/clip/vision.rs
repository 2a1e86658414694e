//! Image encoders: pixels to states and an embedding.

use super::encoder::{Encoder, EncoderConfig};
use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::diffusion::weights::Weights;
use crate::error::{Error, Result};
use crate::grad;
use candle_core::{DType, Device, Tensor};

/// What `image_encoder/config.json` says.
#[derive(Clone, Debug)]
pub struct ClipVisionConfig {
    encoder: EncoderConfig,
    channels: usize,
    image_size: usize,
    patch_size: usize,
    projection: usize,
}

impl ClipVisionConfig {
    /// From `config.json` of an image encoder or of a whole CLIP model; the defaults are those of `CLIPVisionConfig`.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let inner = settings.nested("vision_config");
        let vision = inner.as_ref().unwrap_or(settings);
        let config = Self {
            encoder: EncoderConfig::from_settings(vision, 768, 3072, 12)?,
            channels: vision.or("num_channels", 3)?,
            image_size: vision.or("image_size", 224)?,
            patch_size: vision.or("patch_size", 32)?,
            projection: settings.or("projection_dim", 512)?,
        };
        if config.patch_size == 0 || config.image_size < config.patch_size {
            return Err(
                vision.unsupported("patch_size", format!("must fit into image_size = {}", config.image_size))
            );
        }
        Ok(config)
    }

    /// Side of the images in pixels.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// Width of the image embeddings.
    pub fn projection(&self) -> usize {
        self.projection
    }
}

/// What an image encoder makes of `[n, 3, side, side]` pixels.
#[derive(Clone, Debug)]
pub struct VisionOutput {
    /// The projected state of the class token, `[n, projection]`: IP-Adapter's `image_embeds`.
    pub image_embeds: Tensor,
    /// States after the last layer, `[n, 1 + patches, hidden]`.
    pub last_hidden_state: Tensor,
    /// States before the last layer, `[n, 1 + patches, hidden]`.
    pub penultimate_hidden_state: Tensor,
}

/// A CLIP image encoder with projection.
#[derive(Debug)]
pub struct ClipVision {
    config: ClipVisionConfig,
    class: Tensor,
    patches: Tensor,
    positions: Tensor,
    pre_layer_norm: LayerNorm,
    encoder: Encoder,
    post_layer_norm: LayerNorm,
    projection: Linear,
}

impl ClipVision {
    /// Takes the tensors `vision_model.*` and `visual_projection.weight`.
    pub fn load(weights: &Weights, config: ClipVisionConfig) -> Result<Self> {
        let model = weights.pp("vision_model");
        let embeddings = model.pp("embeddings");
        embeddings.ignore("position_ids");
        let (width, eps, patch) = (config.encoder.hidden, config.encoder.eps, config.patch_size);
        let tokens = (config.image_size / patch).pow(2) + 1;
        Ok(Self {
            class: embeddings.get_as(width, "class_embedding", DType::F32)?,
            patches: embeddings.get((width, config.channels, patch, patch), "patch_embedding.weight")?,
            positions: embeddings.get_as((tokens, width), "position_embedding.weight", DType::F32)?,
            // Spelt so in every checkpoint.
            pre_layer_norm: LayerNorm::load_with_eps(&model.pp("pre_layrnorm"), width, eps)?,
            encoder: Encoder::load(&model.pp("encoder"), &config.encoder)?,
            post_layer_norm: LayerNorm::load_with_eps(&model.pp("post_layernorm"), width, eps)?,
            projection: Linear::load_without_bias(
                &weights.pp("visual_projection"),
                width,
                config.projection,
            )?,
            config,
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// The device that its weights are on.
    pub fn device(&self) -> &Device {
        self.class.device()
    }

    /// Encodes normalised pixels `[n, 3, side, side]`, as [`to_clip_pixels`](super::to_clip_pixels) gives them.
    pub fn forward(&self, pixels: &Tensor) -> Result<VisionOutput> {
        let (side, patch, width) =
            (self.config.image_size, self.config.patch_size, self.config.encoder.hidden);
        let n = match pixels.dims4() {
            Ok((n, c, h, w)) if (c, h, w) == (self.config.channels, side, side) => n,
            _ => {
                return Err(Error::Shape {
                    op: "clip vision",
                    tensor: "pixels".to_owned(),
                    found: pixels.shape().clone(),
                    expected: format!("[n, {}, {side}, {side}]", self.config.channels),
                });
            }
        };
        let patches = self.patch_states(pixels, n, side / patch, patch)?;
        let class = self.class.reshape((1, 1, width))?.broadcast_as((n, 1, width))?;
        let x = Tensor::cat(&[&class.contiguous()?, &patches], 1)?.broadcast_add(&self.positions)?;
        let states = self.encoder.forward(&self.pre_layer_norm.forward(&x)?, None)?;
        let pooled = self.post_layer_norm.forward(&states.last.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?)?;
        Ok(VisionOutput {
            image_embeds: self.projection.forward(&pooled)?,
            last_hidden_state: states.last,
            penultimate_hidden_state: states.penultimate,
        })
    }

    /// The patch convolution (stride = kernel) as one matrix product: `[n, patches, hidden]`.
    fn patch_states(&self, pixels: &Tensor, n: usize, across: usize, patch: usize) -> Result<Tensor> {
        let (channels, width) = (self.config.channels, self.config.encoder.hidden);
        let used = pixels.narrow(2, 0, across * patch)?.narrow(3, 0, across * patch)?.contiguous()?;
        let cut = used.reshape(&[n, channels, across, patch, across, patch][..])?;
        let rows =
            cut.permute([0, 2, 4, 1, 3, 5])?.reshape((n, across * across, channels * patch * patch))?;
        grad::linear(&rows, &self.patches.reshape((width, channels * patch * patch))?, None)
    }
}
