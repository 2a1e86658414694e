//! OPT (Zhang et al. 2022, arXiv:2205.01068; transformers' `OPTForCausalLM`), the language model of BLIP-2.

use super::activation::Activation;
use super::attention::{Attention, KeyValues, causal_mask};
use super::ids::{Limit, embed, greedy, last, positions};
use super::vision::check_layers;
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

/// The table of positions begins with rows that nothing uses.
const FIRST_POSITION: usize = 2;

#[derive(Debug)]
pub(super) struct Opt {
    words: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
    /// `[vocabulary, width]`, mostly the word embeddings.
    head: Tensor,
}

#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    widen: Linear,
    narrow: Linear,
    activation: Activation,
}

/// What is kept of the tokens so far.
struct Past {
    layers: Vec<Option<KeyValues>>,
    len: usize,
}

impl Opt {
    /// Takes the tensors of `language_model`; the defaults are those of `OPTConfig`.
    pub(super) fn load(weights: &Weights, settings: &Settings) -> Result<Self> {
        let width: usize = settings.or("hidden_size", 768)?;
        for key in ["do_layer_norm_before", "enable_bias", "layer_norm_elementwise_affine"] {
            if !settings.or(key, true)? {
                return Err(settings.unsupported(key, "supported: true"));
            }
        }
        settings.refuse_if_set(&["_remove_final_layer_norm"])?;
        if settings.or("word_embed_proj_dim", width)? != width {
            return Err(
                settings.unsupported("word_embed_proj_dim", format!("supported: hidden_size = {width}"))
            );
        }
        let (layers, heads) =
            (settings.or("num_hidden_layers", 12)?, settings.or("num_attention_heads", 12)?);
        check_layers(settings, width, layers, heads)?;
        let model = weights.pp("model.decoder");
        let rows = settings.or("max_position_embeddings", 2048_usize)? + FIRST_POSITION;
        let vocabulary: usize = settings.or("vocab_size", 50272)?;
        let words = model.get((vocabulary, width), "embed_tokens.weight")?;
        let head = if settings.or("tie_word_embeddings", true)? {
            weights.ignore("lm_head.weight");
            words.clone()
        } else {
            weights.get((vocabulary, width), "lm_head.weight")?
        };
        let layers = (0..layers).map(|i| Layer::load(&model.pp("layers").pp(i), settings, width, heads));
        Ok(Self {
            positions: model.get((rows, width), "embed_positions.weight")?,
            layers: layers.collect::<Result<_>>()?,
            norm: LayerNorm::load(&model.pp("final_layer_norm"), width)?,
            words,
            head,
        })
    }

    /// Embeddings of rows of ids, without positions: `[n, len, width]`.
    pub(super) fn embed(&self, ids: &[Vec<u32>]) -> Result<Tensor> {
        embed(&self.words, ids)
    }

    /// What follows each of the embeddings `[n, len, width]`: `[n, len, vocabulary]`.
    pub(super) fn logits(&self, embeddings: &Tensor) -> Result<Tensor> {
        self.of_states(&self.forward(embeddings, &mut self.begin())?)
    }

    /// See [`Language::generate`](super::language::Language::generate).
    pub(super) fn generate(&self, embeddings: &Tensor, limit: Limit) -> Result<Vec<Vec<u32>>> {
        let mut past = self.begin();
        let mut next = |x: &Tensor| self.of_states(&last(&self.forward(x, &mut past)?)?);
        let first = next(embeddings)?;
        // The last new id needs no position, since nothing follows it.
        let room = (self.positions.dim(0)? + 1).saturating_sub(FIRST_POSITION + embeddings.dim(1)?);
        let limit = Limit { max_tokens: limit.max_tokens.min(room), ..limit };
        greedy(first, limit, |ids| next(&self.embed(ids)?))
    }

    fn begin(&self) -> Past {
        Past { layers: vec![None; self.layers.len()], len: 0 }
    }

    fn forward(&self, embeddings: &Tensor, past: &mut Past) -> Result<Tensor> {
        let new = embeddings.dim(1)?;
        let positions = positions(&self.positions, FIRST_POSITION + past.len, new)?;
        let mut x = embeddings.broadcast_add(&positions)?;
        past.len += new;
        let mask = causal_mask(new, past.len, &x)?;
        for (layer, past) in self.layers.iter().zip(&mut past.layers) {
            x = layer.forward(&x, past, mask.as_ref())?;
        }
        Ok(x)
    }

    fn of_states(&self, states: &Tensor) -> Result<Tensor> {
        grad::linear(&self.norm.forward(states)?, &self.head, None)
    }
}

impl Layer {
    fn load(weights: &Weights, settings: &Settings, width: usize, heads: usize) -> Result<Self> {
        let attention = weights.pp("self_attn");
        let inner = settings.or("ffn_dim", 3072)?;
        let map = |name: &str| Linear::load(&attention.pp(name), width, width);
        let maps = [map("q_proj")?, map("k_proj")?, map("v_proj")?, map("out_proj")?];
        Ok(Self {
            norm1: LayerNorm::load(&weights.pp("self_attn_layer_norm"), width)?,
            attention: Attention::new(maps, heads),
            norm2: LayerNorm::load(&weights.pp("final_layer_norm"), width)?,
            widen: Linear::load(&weights.pp("fc1"), width, inner)?,
            narrow: Linear::load(&weights.pp("fc2"), inner, width)?,
            activation: Activation::of(settings, "activation_function", Activation::Relu)?,
        })
    }

    fn forward(&self, x: &Tensor, past: &mut Option<KeyValues>, mask: Option<&Tensor>) -> Result<Tensor> {
        let x = (x + self.attention.attend_onwards(&self.norm1.forward(x)?, past, mask)?)?;
        let inner = self.activation.apply(&self.widen.forward(&self.norm2.forward(&x)?)?)?;
        Ok((x + self.narrow.forward(&inner)?)?)
    }
}
