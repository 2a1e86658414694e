//! The vision transformer of BLIP and BLIP-2 (transformers' `BlipVisionModel`, `Blip2VisionModel`).

use super::activation::Activation;
use super::attention::{joined, split};
use crate::diffusion::Weights;
use crate::diffusion::clip::patches::Patches;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::error::Result;
use crate::grad;
use candle_core::{DType, Tensor};

/// The most layers; the published towers have up to 39.
const MOST_LAYERS: usize = 1000;

/// What `vision_config` says.
#[derive(Clone, Debug)]
pub(super) struct VisionConfig {
    pub(super) image_size: usize,
    patch_size: usize,
    pub(super) width: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    eps: f64,
    activation: Activation,
    has_bias: bool,
}

impl VisionConfig {
    /// Of BLIP; the defaults are those of `BlipVisionConfig`.
    pub(super) fn of_blip(settings: &Settings) -> Result<Self> {
        Self::from_settings(settings, [384, 16, 768, 3072, 12, 12], 1e-5)
    }

    /// Of BLIP-2; the defaults are those of `Blip2VisionConfig`.
    pub(super) fn of_blip2(settings: &Settings) -> Result<Self> {
        Self::from_settings(settings, [224, 14, 1408, 6144, 39, 16], 1e-6)
    }

    fn from_settings(settings: &Settings, defaults: [usize; 6], eps: f64) -> Result<Self> {
        let [image_size, patch_size, width, inner, layers, heads] = defaults;
        let config = Self {
            image_size: settings.or("image_size", image_size)?,
            patch_size: settings.or("patch_size", patch_size)?,
            width: settings.or("hidden_size", width)?,
            inner: settings.or("intermediate_size", inner)?,
            layers: settings.or("num_hidden_layers", layers)?,
            heads: settings.or("num_attention_heads", heads)?,
            eps: settings.or("layer_norm_eps", eps)?,
            activation: Activation::of(settings, "hidden_act", Activation::Gelu)?,
            has_bias: settings.or("qkv_bias", true)?,
        };
        if config.patch_size == 0 || config.image_size < config.patch_size {
            let hint = format!("must fit into image_size = {}", config.image_size);
            return Err(settings.unsupported("patch_size", hint));
        }
        check_layers(settings, config.width, config.layers, config.heads)?;
        Ok(config)
    }
}

/// The settings of one of a model's parts, which must be there.
pub(super) fn part(settings: &Settings, key: &str) -> Result<Settings> {
    settings.nested(key).ok_or_else(|| settings.unsupported(key, "the settings of this part are needed"))
}

/// Refuses numbers of layers and heads that no model can have. A stranger's configuration must not keep the
/// program at looking up layers for ever.
pub(super) fn check_layers(settings: &Settings, width: usize, layers: usize, heads: usize) -> Result<()> {
    if layers == 0 || layers > MOST_LAYERS {
        return Err(settings.unsupported("num_hidden_layers", format!("take 1 to {MOST_LAYERS}")));
    }
    if heads == 0 || !width.is_multiple_of(heads) {
        let hint = format!("must divide hidden_size = {width}");
        return Err(settings.unsupported("num_attention_heads", hint));
    }
    Ok(())
}

/// All tokens of an image at the stages of the tower.
#[derive(Clone, Debug)]
pub struct VisionStates {
    /// Patches and class token with their positions, then after each layer, `layers + 1` of
    /// `[n, 1 + patches, width]`.
    pub hidden_states: Vec<Tensor>,
    /// After the last layer norm, `[n, 1 + patches, width]`.
    pub last_hidden_state: Tensor,
}

#[derive(Debug)]
pub(super) struct Vision {
    class: Tensor,
    positions: Tensor,
    patches: Patches,
    layers: Vec<Layer>,
    norm: LayerNorm,
}

#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    /// Queries, keys and values as one map, `[3·width, width]`.
    all: Linear,
    out: Linear,
    norm2: LayerNorm,
    widen: Linear,
    narrow: Linear,
    heads: usize,
    activation: Activation,
}

impl Vision {
    /// Takes the tensors of `vision_model`.
    pub(super) fn load(weights: &Weights, config: &VisionConfig) -> Result<Self> {
        let embeddings = weights.pp("embeddings");
        let (width, side, patch) = (config.width, config.image_size, config.patch_size);
        let tokens = (side / patch).pow(2) + 1;
        let layers = (0..config.layers).map(|i| Layer::load(&weights.pp("encoder.layers").pp(i), config));
        Ok(Self {
            class: embeddings.get_as((1, 1, width), "class_embedding", DType::F32)?,
            positions: embeddings.get_as((1, tokens, width), "position_embedding", DType::F32)?,
            patches: Patches::load(&embeddings.pp("patch_embedding"), side, patch, width)?,
            layers: layers.collect::<Result<_>>()?,
            norm: LayerNorm::load_with_eps(&weights.pp("post_layernorm"), width, config.eps)?,
        })
    }

    /// `[n, 3, side, side]` normalised pixels to states; the hidden ones only where they are asked for.
    pub(super) fn forward(&self, pixels: &Tensor, with_hidden: bool) -> Result<VisionStates> {
        let patches = self.patches.forward(pixels, "blip vision")?;
        let class = self.class.broadcast_as((patches.dim(0)?, 1, patches.dim(2)?))?.contiguous()?;
        let mut x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.positions)?;
        let mut hidden_states = Vec::new();
        for layer in &self.layers {
            if with_hidden {
                hidden_states.push(x.clone());
            }
            x = layer.forward(&x)?;
        }
        let last_hidden_state = self.norm.forward(&x)?;
        if with_hidden {
            hidden_states.push(x);
        }
        Ok(VisionStates { hidden_states, last_hidden_state })
    }
}

impl Layer {
    fn load(weights: &Weights, config: &VisionConfig) -> Result<Self> {
        let (width, inner) = (config.width, config.inner);
        let norm = |name: &str| LayerNorm::load_with_eps(&weights.pp(name), width, config.eps);
        let (all, out) = (weights.pp("self_attn.qkv"), weights.pp("self_attn.projection"));
        Ok(Self {
            norm1: norm("layer_norm1")?,
            all: if config.has_bias {
                Linear::load(&all, width, 3 * width)?
            } else {
                Linear::load_without_bias(&all, width, 3 * width)?
            },
            out: Linear::load(&out, width, width)?,
            norm2: norm("layer_norm2")?,
            widen: Linear::load(&weights.pp("mlp.fc1"), width, inner)?,
            narrow: Linear::load(&weights.pp("mlp.fc2"), inner, width)?,
            heads: config.heads,
            activation: config.activation,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let width = x.dim(2)?;
        let all = self.all.forward(&self.norm1.forward(x)?)?;
        let part = |i: usize| split(&all.narrow(2, i * width, width)?.contiguous()?, self.heads);
        let scale = ((width / self.heads) as f64).sqrt().recip();
        let attended = grad::attention(&part(0)?, &part(1)?, &part(2)?, scale, None)?;
        let x = (x + self.out.forward(&joined(&attended)?)?)?;
        let inner = self.activation.apply(&self.widen.forward(&self.norm2.forward(&x)?)?)?;
        Ok((x + self.narrow.forward(&inner)?)?)
    }
}
