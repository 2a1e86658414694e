//! The blocks of encoder and decoder: pre-norm with RMS norms and without biases.

use super::bias::PositionBias;
use crate::captioner::activation::Activation;
use crate::captioner::attention::{Attention, KeyValues, causal_mask};
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::Linear;
use crate::error::Result;
use candle_core::{DType, Tensor};
use candle_nn::ops::rms_norm;

/// The most blocks of a stack; the largest T5 has 24.
const MOST_LAYERS: usize = 1000;

#[derive(Debug)]
pub(super) struct Stack {
    blocks: Vec<Block>,
    bias: PositionBias,
    norm: RmsNorm,
    is_decoder: bool,
}

#[derive(Debug)]
struct Block {
    norm: RmsNorm,
    itself: Attention,
    cross: Option<(RmsNorm, Attention)>,
    feed_norm: RmsNorm,
    feed: FeedForward,
}

#[derive(Debug)]
struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

#[derive(Debug)]
struct FeedForward {
    widen: Linear,
    /// Multiplied with what is widened, in later versions of T5.
    gate: Option<Linear>,
    narrow: Linear,
    activation: Activation,
}

/// What is kept of the tokens so far, and what is attended to beside them, per block.
pub(super) struct Past {
    blocks: Vec<(Option<KeyValues>, Option<KeyValues>)>,
    len: usize,
}

/// Sizes of a block.
struct Sizes {
    width: usize,
    inner: usize,
    heads: usize,
    per_head: usize,
    eps: f64,
}

impl Stack {
    pub(super) fn load(
        weights: &Weights,
        settings: &Settings,
        width: usize,
        layers: usize,
        is_decoder: bool,
    ) -> Result<Self> {
        let sizes = Sizes {
            width,
            inner: settings.or("d_ff", 2048)?,
            heads: settings.or("num_heads", 8)?,
            per_head: settings.or("d_kv", 64)?,
            eps: settings.or("layer_norm_epsilon", 1e-6)?,
        };
        if layers == 0 || layers > MOST_LAYERS || sizes.heads == 0 || sizes.per_head == 0 {
            let hint = format!("take 1 to {MOST_LAYERS} layers, 1 head or more");
            return Err(settings.unsupported("num_layers", hint));
        }
        let first = weights.pp("block.0.layer");
        // Of no use, but in published files.
        first.ignore("1.EncDecAttention.relative_attention_bias.weight");
        let blocks = (0..layers)
            .map(|i| Block::load(&weights.pp("block").pp(i).pp("layer"), settings, &sizes, is_decoder));
        Ok(Self {
            blocks: blocks.collect::<Result<_>>()?,
            bias: PositionBias::load(&first.pp("0.SelfAttention"), settings, sizes.heads, !is_decoder)?,
            norm: RmsNorm::load(&weights.pp("final_layer_norm"), &sizes)?,
            is_decoder,
        })
    }

    /// The state before the first token, with the keys and values of `read` `[n, tokens, width]` for a decoder.
    pub(super) fn begin(&self, read: Option<&Tensor>) -> Result<Past> {
        let each = |block: &Block| -> Result<_> {
            let keys_values = |read| block.cross.as_ref().map(|(_, cross)| cross.keys_values(read));
            Ok((None, read.and_then(keys_values).transpose()?))
        };
        Ok(Past { blocks: self.blocks.iter().map(each).collect::<Result<_>>()?, len: 0 })
    }

    /// Embeddings `[n, new tokens, width]` to states after the last norm.
    pub(super) fn forward(&self, embeddings: &Tensor, past: &mut Past) -> Result<Tensor> {
        let new = embeddings.dim(1)?;
        past.len += new;
        let mut bias = self.bias.between(new, past.len)?;
        if let (true, Some(mask)) = (self.is_decoder, causal_mask(new, past.len, embeddings)?) {
            bias = bias.broadcast_add(&mask)?;
        }
        let mut x = embeddings.clone();
        for (block, (past, read)) in self.blocks.iter().zip(&mut past.blocks) {
            x = block.forward(&x, past, read.as_ref(), &bias)?;
        }
        self.norm.forward(&x)
    }
}

impl Block {
    fn load(weights: &Weights, settings: &Settings, sizes: &Sizes, is_decoder: bool) -> Result<Self> {
        let norm = |i: usize| RmsNorm::load(&weights.pp(i).pp("layer_norm"), sizes);
        let attention = |part: &str| attention(&weights.pp(part), sizes);
        let cross = || Ok::<_, crate::Error>((norm(1)?, attention("1.EncDecAttention")?));
        let last = if is_decoder { 2 } else { 1 };
        Ok(Self {
            norm: norm(0)?,
            itself: attention("0.SelfAttention")?,
            cross: is_decoder.then(cross).transpose()?,
            feed_norm: norm(last)?,
            feed: FeedForward::load(&weights.pp(last).pp("DenseReluDense"), settings, sizes)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        past: &mut Option<KeyValues>,
        read: Option<&KeyValues>,
        bias: &Tensor,
    ) -> Result<Tensor> {
        let mut x = (x + self.itself.attend_onwards(&self.norm.forward(x)?, past, Some(bias))?)?;
        if let (Some((norm, cross)), Some(read)) = (&self.cross, read) {
            x = (&x + cross.attend(&norm.forward(&x)?, read, None)?)?;
        }
        Ok((&x + self.feed.forward(&self.feed_norm.forward(&x)?)?)?)
    }
}

fn attention(weights: &Weights, sizes: &Sizes) -> Result<Attention> {
    let (width, inner) = (sizes.width, sizes.heads * sizes.per_head);
    let map = |name: &str, from, to| Linear::load_without_bias(&weights.pp(name), from, to);
    let maps =
        [map("q", width, inner)?, map("k", width, inner)?, map("v", width, inner)?, map("o", inner, width)?];
    Ok(Attention::new(maps, sizes.heads).unscaled())
}

impl RmsNorm {
    fn load(weights: &Weights, sizes: &Sizes) -> Result<Self> {
        Ok(Self { weight: weights.get_as(sizes.width, "weight", DType::F32)?, eps: sizes.eps })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(rms_norm(&x.contiguous()?, &self.weight, self.eps as f32)?)
    }
}

impl FeedForward {
    fn load(weights: &Weights, settings: &Settings, sizes: &Sizes) -> Result<Self> {
        let kinds = [("relu", (Activation::Relu, false)), ("gated-gelu", (Activation::GeluTanh, true))];
        let (activation, is_gated) = settings.choice("feed_forward_proj", &kinds)?;
        let widen = |name: &str| Linear::load_without_bias(&weights.pp(name), sizes.width, sizes.inner);
        Ok(Self {
            widen: widen(if is_gated { "wi_0" } else { "wi" })?,
            gate: is_gated.then(|| widen("wi_1")).transpose()?,
            narrow: Linear::load_without_bias(&weights.pp("wo"), sizes.inner, sizes.width)?,
            activation,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut inner = self.activation.apply(&self.widen.forward(x)?)?;
        if let Some(gate) = &self.gate {
            inner = (inner * gate.forward(x)?)?;
        }
        self.narrow.forward(&inner)
    }
}
