//! Layers of BERT (Devlin et al. 2018, arXiv:1810.04805) with cross-attention to image states, as BLIP's text
//! decoder and BLIP-2's Q-Former have them. Every layer norm follows the sum with what was before.

use super::activation::Activation;
use super::attention::{Attention, KeyValues};
use super::vision::check_layers;
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::error::Result;
use candle_core::Tensor;

/// Sizes of the layers.
#[derive(Clone, Debug)]
pub(super) struct BertConfig {
    pub(super) width: usize,
    inner: usize,
    pub(super) layers: usize,
    heads: usize,
    pub(super) eps: f64,
    pub(super) activation: Activation,
}

impl BertConfig {
    /// The defaults are those of `BlipTextConfig` and `Blip2QFormerConfig`, but for the heads, which differ.
    pub(super) fn from_settings(settings: &Settings, heads: usize, inner: usize) -> Result<Self> {
        let config = Self {
            width: settings.or("hidden_size", 768)?,
            inner: settings.or("intermediate_size", inner)?,
            layers: settings.or("num_hidden_layers", 12)?,
            heads: settings.or("num_attention_heads", heads)?,
            eps: settings.or("layer_norm_eps", 1e-12)?,
            activation: Activation::of(settings, "hidden_act", Activation::Gelu)?,
        };
        settings.choice("position_embedding_type", &[("absolute", ())])?;
        check_layers(settings, config.width, config.layers, config.heads)?;
        Ok(config)
    }
}

/// Names that differ between the two models: the three projections' folder, and the two halves of the MLP.
pub(super) struct Names {
    pub(super) projections: &'static str,
    pub(super) widen: &'static str,
    pub(super) narrow: &'static str,
}

#[derive(Debug)]
pub(super) struct BertLayer {
    itself: Step,
    cross: Option<Step>,
    widen: Linear,
    narrow: Linear,
    norm: LayerNorm,
    activation: Activation,
}

/// Attention, and the layer norm after it.
#[derive(Debug)]
struct Step {
    attention: Attention,
    norm: LayerNorm,
}

/// What a layer remembers: its tokens so far, and the image.
#[derive(Clone, Debug)]
pub(super) struct LayerState {
    past: Option<KeyValues>,
    image: Option<KeyValues>,
}

impl BertLayer {
    /// With cross-attention to states of the width `image`, where that is given.
    pub(super) fn load(
        weights: &Weights,
        config: &BertConfig,
        names: &Names,
        image: Option<usize>,
    ) -> Result<Self> {
        let width = config.width;
        let step = |name: &str, of: usize| Step::load(&weights.pp(name), config, names.projections, of);
        Ok(Self {
            itself: step("attention", width)?,
            cross: image.map(|of| step("crossattention", of)).transpose()?,
            widen: Linear::load(&weights.pp(names.widen).pp("dense"), width, config.inner)?,
            narrow: Linear::load(&weights.pp(names.narrow).pp("dense"), config.inner, width)?,
            norm: LayerNorm::load_with_eps(&weights.pp(names.narrow).pp("LayerNorm"), width, config.eps)?,
            activation: config.activation,
        })
    }

    /// The state before the first token, with the keys and values of `image` `[n, tokens, image width]`.
    pub(super) fn begin(&self, image: &Tensor) -> Result<LayerState> {
        let image = self.cross.as_ref().map(|cross| cross.attention.keys_values(image)).transpose()?;
        Ok(LayerState { past: None, image })
    }

    /// `x` `[n, new tokens, width]`; `mask` is added to the scores of its attention to itself.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        state: &mut LayerState,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let attended = self.itself.attention.attend_onwards(x, &mut state.past, mask)?;
        let mut x = self.itself.norm.forward(&(x + attended)?)?;
        if let (Some(cross), Some(image)) = (&self.cross, &state.image) {
            x = cross.norm.forward(&(&x + cross.attention.attend(&x, image, None)?)?)?;
        }
        let inner = self.activation.apply(&self.widen.forward(&x)?)?;
        self.norm.forward(&(&x + self.narrow.forward(&inner)?)?)
    }
}

impl Step {
    /// Attention to states of the width `of`.
    fn load(weights: &Weights, config: &BertConfig, projections: &str, of: usize) -> Result<Self> {
        let width = config.width;
        let within = weights.pp(projections);
        let out = weights.pp("output");
        let maps = [
            Linear::load(&within.pp("query"), width, width)?,
            Linear::load(&within.pp("key"), of, width)?,
            Linear::load(&within.pp("value"), of, width)?,
            Linear::load(&out.pp("dense"), width, width)?,
        ];
        let norm = LayerNorm::load_with_eps(&out.pp("LayerNorm"), width, config.eps)?;
        Ok(Self { attention: Attention::new(maps, config.heads), norm })
    }
}
