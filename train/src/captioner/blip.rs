//! BLIP's captioning model (Li et al. 2022, arXiv:2201.12086; transformers' `BlipForConditionalGeneration`): a
//! vision transformer, and a BERT decoder that attends to its states.

use super::activation::Activation;
use super::attention::causal_mask;
use super::bert::{BertConfig, BertLayer, LayerState, Names};
use super::ids::{Limit, embed, greedy, last, positions};
use super::stops::stops;
use super::vision::{Vision, VisionConfig, part};
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::error::Result;
use crate::grad;
use candle_core::{DType, Tensor};

/// What BLIP's checkpoints call the parts of a BERT layer.
const NAMES: Names = Names { projections: "self", widen: "intermediate", narrow: "output" };

/// A BLIP captioning model.
#[derive(Debug)]
pub struct Blip {
    vision: Vision,
    decoder: Decoder,
    begin: u32,
    stops: Vec<u32>,
}

impl Blip {
    /// From a checkpoint such as `Salesforce/blip-image-captioning-base` and its `config.json`.
    pub fn load(weights: &Weights, settings: &Settings) -> Result<Self> {
        let text = part(settings, "text_config")?;
        let vision = VisionConfig::of_blip(&part(settings, "vision_config")?)?;
        Ok(Self {
            decoder: Decoder::load(&weights.pp("text_decoder"), &text, vision.width)?,
            vision: Vision::load(&weights.pp("vision_model"), &vision)?,
            begin: text.or("bos_token_id", 30522)?,
            // Captions end with the separator; `eos_token_id` is of no use here.
            stops: stops(&text, "sep_token_id", 102)?,
        })
    }

    /// The ids that a caption begins with, for a prompt of these ids.
    pub fn prompt(&self, ids: &[u32]) -> Vec<u32> {
        [&[self.begin][..], ids].concat()
    }

    /// The ids that end a caption.
    pub fn stops(&self) -> &[u32] {
        &self.stops
    }

    /// Normalised pixels `[n, 3, side, side]` to the states of all tokens after the last layer norm,
    /// `[n, 1 + patches, width]`.
    pub fn image_states(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(self.vision.forward(pixels, false)?.last_hidden_state)
    }

    /// What the decoder says after each id of a [`prompt`](Self::prompt) (rows of one length, as many as there are
    /// images): `[n, len, vocabulary]`.
    pub fn logits(&self, image_states: &Tensor, ids: &[Vec<u32>]) -> Result<Tensor> {
        let mut past = self.decoder.begin(image_states)?;
        self.decoder.logits(&self.decoder.forward(ids, &mut past)?)
    }

    /// The best next ids after `ids`, one by one, up to a stop id (which is kept) or to the limit.
    pub fn generate(&self, image_states: &Tensor, ids: &[Vec<u32>], limit: Limit) -> Result<Vec<Vec<u32>>> {
        let mut past = self.decoder.begin(image_states)?;
        let mut next = |ids: &[Vec<u32>]| {
            let states = self.decoder.forward(ids, &mut past)?;
            self.decoder.logits(&last(&states)?)
        };
        let first = next(ids)?;
        let room = self.decoder.room(ids);
        greedy(first, Limit { max_tokens: limit.max_tokens.min(room), ..limit }, next)
    }
}

#[derive(Debug)]
struct Decoder {
    words: Tensor,
    positions: Tensor,
    norm: LayerNorm,
    layers: Vec<BertLayer>,
    head: Head,
}

/// States to logits.
#[derive(Debug)]
struct Head {
    transform: Linear,
    activation: Activation,
    norm: LayerNorm,
    /// `[vocabulary, width]`, mostly the word embeddings.
    weight: Tensor,
    bias: Tensor,
}

/// What is kept of the tokens so far.
struct Past {
    layers: Vec<LayerState>,
    len: usize,
}

impl Decoder {
    fn load(weights: &Weights, text: &Settings, image: usize) -> Result<Self> {
        let config = BertConfig::from_settings(text, 8, 3072)?;
        let (bert, predictions) = (weights.pp("bert"), weights.pp("cls.predictions"));
        let embeddings = bert.pp("embeddings");
        embeddings.ignore("position_ids");
        let (width, vocabulary): (usize, usize) = (config.width, text.or("vocab_size", 30524)?);
        let rows: usize = text.or("max_position_embeddings", 512)?;
        let words = embeddings.get((vocabulary, width), "word_embeddings.weight")?;
        let layers = (0..config.layers)
            .map(|i| BertLayer::load(&bert.pp("encoder.layer").pp(i), &config, &NAMES, Some(image)));
        Ok(Self {
            positions: embeddings.get((rows, width), "position_embeddings.weight")?,
            norm: LayerNorm::load_with_eps(&embeddings.pp("LayerNorm"), width, config.eps)?,
            layers: layers.collect::<Result<_>>()?,
            head: Head::load(&predictions, &config, text, &words)?,
            words,
        })
    }

    fn begin(&self, image_states: &Tensor) -> Result<Past> {
        let layers = self.layers.iter().map(|layer| layer.begin(image_states));
        Ok(Past { layers: layers.collect::<Result<_>>()?, len: 0 })
    }

    /// States after each of `ids`, which follow what is in `past`.
    fn forward(&self, ids: &[Vec<u32>], past: &mut Past) -> Result<Tensor> {
        let words = embed(&self.words, ids)?;
        let new = words.dim(1)?;
        let x = words.broadcast_add(&positions(&self.positions, past.len, new)?)?;
        let mut x = self.norm.forward(&x)?;
        past.len += new;
        let mask = causal_mask(new, past.len, &x)?;
        for (layer, state) in self.layers.iter().zip(&mut past.layers) {
            x = layer.forward(&x, state, mask.as_ref())?;
        }
        Ok(x)
    }

    fn logits(&self, states: &Tensor) -> Result<Tensor> {
        let head = &self.head;
        let transformed = head.norm.forward(&head.activation.apply(&head.transform.forward(states)?)?)?;
        grad::linear(&transformed, &head.weight, Some(&head.bias))
    }

    /// New ids that have a place after `ids`; the last one needs none, since nothing follows it.
    fn room(&self, ids: &[Vec<u32>]) -> usize {
        let rows = self.positions.dims().first().copied().unwrap_or(0);
        (rows + 1).saturating_sub(ids.first().map_or(0, Vec::len))
    }
}

impl Head {
    fn load(weights: &Weights, config: &BertConfig, text: &Settings, words: &Tensor) -> Result<Self> {
        let (vocabulary, width) = words.dims2()?;
        let transform = weights.pp("transform");
        let is_tied = text.or("tie_word_embeddings", true)?;
        // Twice in some files.
        weights.ignore("decoder.bias");
        let weight = if is_tied {
            weights.ignore("decoder.weight");
            words.clone()
        } else {
            weights.get((vocabulary, width), "decoder.weight")?
        };
        Ok(Self {
            transform: Linear::load(&transform.pp("dense"), width, width)?,
            activation: config.activation,
            norm: LayerNorm::load_with_eps(&transform.pp("LayerNorm"), width, config.eps)?,
            weight,
            bias: weights.get_as(vocabulary, "bias", DType::F32)?,
        })
    }
}
