//! The transformer both halves share (transformers' `CLIPEncoder`).

use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::diffusion::weights::Weights;
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

/// The most layers; published encoders have up to 48. Each is looked up in the file of weights, and a stranger's
/// configuration must not keep the program at that for ever.
const MOST_LAYERS: usize = 1000;

/// Sizes of a transformer.
#[derive(Clone, Debug)]
pub(super) struct EncoderConfig {
    pub(super) hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    pub(super) eps: f64,
    activation: Activation,
}

#[derive(Clone, Copy, Debug)]
enum Activation {
    /// x·σ(1.702x), of OpenAI's models.
    QuickGelu,
    /// With the error function, of OpenCLIP's.
    Gelu,
}

impl Activation {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::QuickGelu => Ok((grad::silu(&(x * 1.702)?)? / 1.702)?),
            Self::Gelu => grad::gelu(x),
        }
    }
}

impl EncoderConfig {
    pub(super) fn from_settings(
        settings: &Settings,
        hidden: usize,
        intermediate: usize,
        heads: usize,
    ) -> Result<Self> {
        let config = Self {
            hidden: settings.or("hidden_size", hidden)?,
            intermediate: settings.or("intermediate_size", intermediate)?,
            layers: settings.or("num_hidden_layers", 12)?,
            heads: settings.or("num_attention_heads", heads)?,
            eps: settings.or("layer_norm_eps", 1e-5)?,
            activation: settings
                .choice("hidden_act", &[("quick_gelu", Activation::QuickGelu), ("gelu", Activation::Gelu)])?,
        };
        if config.layers > MOST_LAYERS {
            return Err(settings.unsupported("num_hidden_layers", format!("take at most {MOST_LAYERS}")));
        }
        if config.layers == 0 || config.heads == 0 || !config.hidden.is_multiple_of(config.heads) {
            return Err(settings.unsupported(
                "num_attention_heads",
                format!("must divide hidden_size = {}, with at least one layer", config.hidden),
            ));
        }
        Ok(config)
    }
}

#[derive(Debug)]
pub(super) struct Encoder {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    layer_norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    activation: Activation,
}

/// The states after the last layer and before it.
pub(super) struct States {
    pub(super) last: Tensor,
    pub(super) penultimate: Tensor,
}

impl Encoder {
    pub(super) fn load(weights: &Weights, config: &EncoderConfig) -> Result<Self> {
        let layers = (0..config.layers).map(|i| Layer::load(&weights.pp("layers").pp(i), config));
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }

    /// `x` is `[n, tokens, hidden]`; `mask` is added to the scores.
    pub(super) fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<States> {
        let mut states = States { last: x.clone(), penultimate: x.clone() };
        for layer in &self.layers {
            let next = layer.forward(&states.last, mask)?;
            states.penultimate = std::mem::replace(&mut states.last, next);
        }
        Ok(states)
    }
}

impl Layer {
    fn load(weights: &Weights, config: &EncoderConfig) -> Result<Self> {
        let (width, inner) = (config.hidden, config.intermediate);
        let norm = |name: &str| LayerNorm::load_with_eps(&weights.pp(name), width, config.eps);
        let projection = |name: &str| Linear::load(&weights.pp("self_attn").pp(name), width, width);
        Ok(Self {
            layer_norm1: norm("layer_norm1")?,
            query: projection("q_proj")?,
            key: projection("k_proj")?,
            value: projection("v_proj")?,
            out: projection("out_proj")?,
            layer_norm2: norm("layer_norm2")?,
            fc1: Linear::load(&weights.pp("mlp.fc1"), width, inner)?,
            fc2: Linear::load(&weights.pp("mlp.fc2"), inner, width)?,
            heads: config.heads,
            activation: config.activation,
        })
    }

    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (n, tokens, width) = x.dims3()?;
        let hidden = self.layer_norm1.forward(x)?;
        let per_head = width / self.heads;
        let split = |linear: &Linear| -> Result<Tensor> {
            let heads = linear.forward(&hidden)?.reshape((n, tokens, self.heads, per_head))?;
            Ok(heads.transpose(1, 2)?.contiguous()?)
        };
        let scale = (per_head as f64).sqrt().recip();
        let attended =
            grad::attention(&split(&self.query)?, &split(&self.key)?, &split(&self.value)?, scale, mask)?;
        let attended = attended.transpose(1, 2)?.reshape((n, tokens, width))?;
        let x = (x + self.out.forward(&attended)?)?;
        let hidden = self.activation.apply(&self.fc1.forward(&self.layer_norm2.forward(&x)?)?)?;
        Ok((x + self.fc2.forward(&hidden)?)?)
    }
}
