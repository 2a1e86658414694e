//! Self-attention, three-stream cross-attention and feed-forward, as in diffusers' `BasicTransformerBlock`.

use super::streams::{Conditioning, KeyValue};
use crate::diffusion::Weights;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::error::{Error, Result};
use crate::grad;
use candle_core::Tensor;

/// diffusers' `Attention`: queries from the image, keys and values from the image itself (`attn1`) or from
/// tokens (`attn2`).
#[derive(Clone, Debug)]
pub struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    scale: f64,
}

impl Attention {
    fn load(weights: &Weights, width: usize, context: usize, heads: usize) -> Result<Self> {
        let project = |name: &str, inputs: usize| {
            let weights = weights.pp(name);
            Linear::load_without_bias(&weights, inputs, width)?.with_update(&weights)
        };
        let out = weights.pp("to_out.0");
        Ok(Self {
            to_q: project("to_q", width)?,
            to_k: project("to_k", context)?,
            to_v: project("to_v", context)?,
            to_out: Linear::load(&out, width, width)?.with_update(&out)?,
            heads,
            scale: 1.0 / ((width / heads) as f64).sqrt(),
        })
    }

    fn layers(&self) -> [&Linear; 4] {
        [&self.to_q, &self.to_k, &self.to_v, &self.to_out]
    }

    fn layers_mut(&mut self) -> [&mut Linear; 4] {
        [&mut self.to_q, &mut self.to_k, &mut self.to_v, &mut self.to_out]
    }

    fn on_itself(&self, x: &Tensor) -> Result<Tensor> {
        let (q, k, v) = (self.to_q.forward(x)?, self.to_k.forward(x)?, self.to_v.forward(x)?);
        let m = x.dim(1)?;
        self.to_out.forward(&grad::attention_heads(&q, &k, &v, self.heads, self.scale, &[m])?)
    }

    /// `Z′ = Attn(Q, K_t, V_t) + λ_ref·Attn(Q, K_ref, V_ref) + λ_b·Attn(Q, K_b, V_b)` (paper sec. 4.3), then `to_out`.
    ///
    /// The tokens of all streams are laid one after another and each run of them has a softmax of its own; λ
    /// goes into the values.
    fn on_tokens(&self, layer: usize, x: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let q = self.to_q.forward(x)?;
        let text = &conditioning.text;
        let mut keys = vec![self.to_k.forward(text)?];
        let mut values = vec![self.to_v.forward(text)?];
        let mut runs = vec![text.dim(1)?];
        for stream in conditioning.streams() {
            let kv = stream.layers.get(layer).ok_or_else(|| Error::Config {
                file: "adapter".into(),
                key: "layers".into(),
                value: stream.layers.len().to_string(),
                hint: format!("layer {layer} of the UNet needs its own key and value projection"),
            })?;
            keys.push(grad::linear(&stream.tokens, &kv.key, None)?);
            values.push((grad::linear(&stream.tokens, &kv.value, None)? * stream.lambda)?);
            runs.push(stream.tokens.dim(1)?);
        }
        let (k, v) = if runs.len() == 1 {
            (keys.remove(0), values.remove(0))
        } else {
            (Tensor::cat(&keys, 1)?, Tensor::cat(&values, 1)?)
        };
        self.to_out.forward(&grad::attention_heads(&q, &k, &v, self.heads, self.scale, &runs)?)
    }
}

/// diffusers' `BasicTransformerBlock`.
#[derive(Clone, Debug)]
pub struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    feed_in: Linear,
    feed_out: Linear,
    /// Place of `attn2` among all cross-attention layers, in the order of the adapter files.
    layer: usize,
    /// Full name of `attn2`.
    name: String,
}

impl TransformerBlock {
    pub fn load(
        weights: &Weights,
        width: usize,
        context: usize,
        heads: usize,
        layer: usize,
        name: &str,
    ) -> Result<Self> {
        let feed = 4 * width;
        Ok(Self {
            norm1: LayerNorm::load(&weights.pp("norm1"), width)?,
            attn1: Attention::load(&weights.pp("attn1"), width, width, heads)?,
            norm2: LayerNorm::load(&weights.pp("norm2"), width)?,
            attn2: Attention::load(&weights.pp("attn2"), width, context, heads)?,
            norm3: LayerNorm::load(&weights.pp("norm3"), width)?,
            feed_in: Linear::load(&weights.pp("ff.net.0.proj"), width, 2 * feed)?,
            feed_out: Linear::load(&weights.pp("ff.net.2"), feed, width)?,
            layer,
            name: format!("{name}.attn2"),
        })
    }

    /// Place of its cross-attention in the order of the adapter files.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// Keys and values of the text in its cross-attention.
    pub fn key_value(&self) -> KeyValue {
        KeyValue { key: self.attn2.to_k.weight().clone(), value: self.attn2.to_v.weight().clone() }
    }

    /// The matrices of the trained updates of its attention.
    pub fn updates(&self) -> impl Iterator<Item = &Tensor> {
        [&self.attn1, &self.attn2].into_iter().flat_map(Attention::layers).flat_map(Linear::update)
    }

    /// Puts the next of `tensors` in their places, in the same order.
    pub fn set_updates(&mut self, tensors: &mut impl Iterator<Item = Tensor>) {
        for attention in [&mut self.attn1, &mut self.attn2] {
            attention.layers_mut().into_iter().for_each(|layer| layer.set_update(tensors));
        }
    }

    /// `x` is `[b, pixels, width]`.
    pub fn forward(&self, x: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let x = (self.attn1.on_itself(&self.norm1.forward(x)?)? + x)?;
        let normed = self.norm2.forward(&x)?;
        let attended = self.attn2.on_tokens(self.layer, &normed, conditioning)?;
        if let Some(observer) = &conditioning.observer {
            (observer.0)(&self.name, &normed, &attended);
        }
        let x = (attended + x)?;
        let fed = self.feed_out.forward(&grad::geglu(&self.feed_in.forward(&self.norm3.forward(&x)?)?)?)?;
        Ok((fed + x)?)
    }
}
