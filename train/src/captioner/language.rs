//! The language models of BLIP-2.

use super::ids::Limit;
use super::opt::Opt;
use super::stops::stops;
use super::t5::T5;
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::Tensor;

#[derive(Debug)]
pub(super) struct Language {
    model: Model,
    /// Stands before a prompt of OPT, and alone where there is no prompt.
    begin: u32,
    pub(super) stops: Vec<u32>,
}

#[derive(Debug)]
enum Model {
    /// Goes on from image and prompt.
    Opt(Opt),
    /// Reads image and prompt, and answers.
    T5(T5),
}

impl Language {
    /// Takes the tensors of `language_model`; the settings are those of `text_config`.
    pub(super) fn load(weights: &Weights, text: &Settings) -> Result<Self> {
        let is_t5 = text.choice("model_type", &[("opt", false), ("t5", true)])?;
        let (model, begin, end) = if is_t5 {
            (Model::T5(T5::load(weights, text)?), 1, 1)
        } else {
            (Model::Opt(Opt::load(weights, text)?), 2, 2)
        };
        Ok(Self { model, begin: text.or("bos_token_id", begin)?, stops: stops(text, "eos_token_id", end)? })
    }

    /// Width of its embeddings, as `text_config` says.
    pub(super) fn width(text: &Settings) -> Result<usize> {
        let is_t5 = text.choice("model_type", &[("opt", false), ("t5", true)])?;
        if is_t5 { text.or("d_model", 512) } else { text.or("hidden_size", 768) }
    }

    /// The ids that follow the image, for a prompt of these ids: as their tokenizers write it.
    pub(super) fn prompt(&self, ids: &[u32]) -> Vec<u32> {
        match self.model {
            Model::T5(_) if !ids.is_empty() => [ids, self.stops.get(..1).unwrap_or_default()].concat(),
            _ => [&[self.begin][..], ids].concat(),
        }
    }

    /// What it says after embeddings `[n, len, width]` of an image, then `ids`, then what was `said`: OPT
    /// after each of all these, T5 at the start of what is said and after each id of that.
    pub(super) fn logits(&self, image: &Tensor, ids: &[Vec<u32>], said: &[Vec<u32>]) -> Result<Tensor> {
        match &self.model {
            Model::Opt(opt) => {
                let ids: Vec<Vec<u32>> = ids.iter().zip(said).map(|(a, b)| [&a[..], b].concat()).collect();
                opt.logits(&Tensor::cat(&[image, &opt.embed(&ids)?], 1)?)
            }
            Model::T5(t5) => t5.logits(&Tensor::cat(&[image, &t5.embed(ids)?], 1)?, said),
        }
    }

    /// The best next ids after the image and `ids`, one by one, up to a stop id (which is kept) or to the limit.
    pub(super) fn generate(&self, image: &Tensor, ids: &[Vec<u32>], limit: Limit) -> Result<Vec<Vec<u32>>> {
        match &self.model {
            Model::Opt(opt) => opt.generate(&Tensor::cat(&[image, &opt.embed(ids)?], 1)?, limit),
            Model::T5(t5) => t5.generate(&Tensor::cat(&[image, &t5.embed(ids)?], 1)?, limit),
        }
    }
}
