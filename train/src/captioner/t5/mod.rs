//! T5 (Raffel et al. 2019, arXiv:1910.10683; transformers' `T5ForConditionalGeneration`) as BLIP-2 has it: an
//! encoder that reads image and prompt, and a decoder that answers.

mod bias;
mod stack;

use super::ids::{Limit, embed, greedy};
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;
use stack::{Past, Stack};

#[derive(Debug)]
pub(super) struct T5 {
    words: Tensor,
    encoder: Stack,
    decoder: Stack,
    /// `[vocabulary, width]`.
    head: Tensor,
    /// By which the decoder's states are multiplied before the head.
    scale: f64,
    start: u32,
}

impl T5 {
    /// Takes the tensors of `language_model`; the defaults are those of `T5Config`.
    pub(super) fn load(weights: &Weights, settings: &Settings) -> Result<Self> {
        let (width, vocabulary): (usize, usize) =
            (settings.or("d_model", 512)?, settings.or("vocab_size", 32128)?);
        let layers: usize = settings.or("num_layers", 6)?;
        let words = weights.get((vocabulary, width), "shared.weight")?;
        // The same table under further names.
        weights.ignore("encoder.embed_tokens.weight");
        weights.ignore("decoder.embed_tokens.weight");
        // Original T5 shares the table with the head and scales before it; later versions have a head of their own.
        let is_tied: bool = settings.or("tie_word_embeddings", true)?;
        let is_scaled = settings.or("scale_decoder_outputs", is_tied)?;
        let has_head = !is_tied || weights.contains("lm_head.weight");
        let head = if has_head { weights.get((vocabulary, width), "lm_head.weight")? } else { words.clone() };
        let decoder_layers = settings.or("num_decoder_layers", layers)?;
        Ok(Self {
            encoder: Stack::load(&weights.pp("encoder"), settings, width, layers, false)?,
            decoder: Stack::load(&weights.pp("decoder"), settings, width, decoder_layers, true)?,
            head,
            scale: if is_scaled { (width as f64).sqrt().recip() } else { 1.0 },
            start: settings.or("decoder_start_token_id", 0)?,
            words,
        })
    }

    /// Embeddings of rows of ids: `[n, len, width]`.
    pub(super) fn embed(&self, ids: &[Vec<u32>]) -> Result<Tensor> {
        embed(&self.words, ids)
    }

    /// What the decoder says at the start and after each of `said`, having read the embeddings `[n, len, width]`:
    /// `[n, 1 + said, vocabulary]`.
    pub(super) fn logits(&self, embeddings: &Tensor, said: &[Vec<u32>]) -> Result<Tensor> {
        let ids: Vec<Vec<u32>> = said.iter().map(|row| [&[self.start][..], row].concat()).collect();
        self.next(&ids, &mut self.begin(embeddings)?)
    }

    /// See [`Language::generate`](super::language::Language::generate).
    pub(super) fn generate(&self, embeddings: &Tensor, limit: Limit) -> Result<Vec<Vec<u32>>> {
        let mut past = self.begin(embeddings)?;
        let first = self.next(&vec![vec![self.start]; embeddings.dim(0)?], &mut past)?;
        greedy(first, limit, |ids| self.next(ids, &mut past))
    }

    /// Reads the embeddings.
    fn begin(&self, embeddings: &Tensor) -> Result<Past> {
        let mut past = self.encoder.begin(None)?;
        self.decoder.begin(Some(&self.encoder.forward(embeddings, &mut past)?))
    }

    fn next(&self, ids: &[Vec<u32>], past: &mut Past) -> Result<Tensor> {
        let states = (self.decoder.forward(&self.embed(ids)?, past)? * self.scale)?;
        grad::linear(&states, &self.head, None)
    }
}
