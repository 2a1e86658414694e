//! What the UNet is conditioned on: text, and the reference and body streams of the adapter.

use crate::error::Result;
use candle_core::{DType, Tensor};
use std::fmt;
use std::sync::Arc;

/// Trainable projections of one stream in one cross-attention layer: `to_k_ip`, `to_v_ip`.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[width of the layer, token width]`.
    pub key: Tensor,
    /// `[width of the layer, token width]`.
    pub value: Tensor,
}

/// One additional stream: `λ·Attn(Q, K, V)` with keys and values of its own tokens (paper sec. 4.3;
/// IP-Adapter, Ye et al. 2023, eq. 5).
#[derive(Clone, Debug)]
pub struct Stream {
    /// Projected embedding, `[b, tokens, cross_attention_dim]`.
    pub tokens: Tensor,
    /// One per cross-attention layer, in the order of [`UNet::cross_attention`](super::UNet::cross_attention).
    pub layers: Vec<KeyValue>,
    /// Weight of the stream; at 0 it is left out, and so gets no gradient.
    pub lambda: f64,
}

/// SDXL's added conditions.
#[derive(Clone, Debug)]
pub struct Added {
    /// Pooled, projected output of the second text encoder, `[b, width]`.
    pub text_embeds: Tensor,
    /// Original height, width, crop top, left, target height, width, in pixels, `[b, 6]`. They are read on the CPU, and
    /// best stay there: asked of a GPU, they would wait for all that it has to do.
    pub time_ids: Tensor,
}

/// Called with the name of each cross-attention layer, its input and its output.
#[derive(Clone)]
pub struct Observer(pub Arc<Observe>);

/// Name of the layer, input, output.
type Observe = dyn Fn(&str, &Tensor, &Tensor) + Send + Sync;

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Everything a prediction depends on beside latents and timesteps.
#[derive(Clone, Debug)]
pub struct Conditioning {
    /// Hidden states of the text encoder(s), `[b, tokens, cross_attention_dim]`.
    pub text: Tensor,
    /// Reference stream, λ_ref.
    pub reference: Option<Stream>,
    /// Body stream, λ_b.
    pub body: Option<Stream>,
    /// SDXL only.
    pub added: Option<Added>,
    /// Looks at every cross-attention layer.
    pub observer: Option<Observer>,
}

impl Conditioning {
    /// Text alone, as in the base model.
    pub fn text(text: Tensor) -> Self {
        Self { text, reference: None, body: None, added: None, observer: None }
    }

    /// The same with tokens of this type; keys and values stay as they are trained.
    pub(super) fn in_type(&self, dtype: DType) -> Result<Self> {
        let stream = |stream: &Option<Stream>| -> Result<Option<Stream>> {
            let cast =
                |stream: &Stream| Ok(Stream { tokens: stream.tokens.to_dtype(dtype)?, ..stream.clone() });
            stream.as_ref().map(cast).transpose()
        };
        Ok(Self {
            text: self.text.to_dtype(dtype)?,
            reference: stream(&self.reference)?,
            body: stream(&self.body)?,
            ..self.clone()
        })
    }

    /// The streams that have a weight.
    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        [&self.reference, &self.body].into_iter().flatten().filter(|s| s.lambda != 0.0)
    }

    /// Everything that the cross-attention layers at `places` depend on; [`with_tensors`](Self::with_tensors)
    /// takes the same order.
    pub(super) fn tensors(&self, places: &[usize]) -> Vec<&Tensor> {
        let mut tensors = vec![&self.text];
        for stream in self.streams() {
            tensors.push(&stream.tokens);
            for layer in places.iter().filter_map(|&place| stream.layers.get(place)) {
                tensors.extend([&layer.key, &layer.value]);
            }
        }
        tensors
    }

    /// The same with `tensors` in the places of [`tensors`](Self::tensors).
    pub(super) fn with_tensors(&self, places: &[usize], tensors: &[Tensor]) -> Self {
        let mut new = self.clone();
        let mut tensors = tensors.iter().cloned();
        let mut replace = |old: &mut Tensor| {
            if let Some(tensor) = tensors.next() {
                *old = tensor;
            }
        };
        replace(&mut new.text);
        let streams = [&mut new.reference, &mut new.body].into_iter().flatten();
        for stream in streams.filter(|s| s.lambda != 0.0) {
            replace(&mut stream.tokens);
            for &place in places {
                if let Some(layer) = stream.layers.get_mut(place) {
                    replace(&mut layer.key);
                    replace(&mut layer.value);
                }
            }
        }
        new
    }
}
