//! BLIP-2 (Li et al. 2023, arXiv:2301.12597; transformers' `Blip2ForConditionalGeneration`): a vision transformer,
//! a Q-Former that reads its states, and a language model that goes on from what was read.

use super::ids::Limit;
use super::language::Language;
use super::qformer::QFormer;
use super::vision::{Vision, VisionConfig, VisionStates, part};
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::Linear;
use crate::error::Result;
use candle_core::Tensor;

/// A BLIP-2 model, with OPT or Flan-T5.
#[derive(Debug)]
pub struct Blip2 {
    vision: Vision,
    qformer: QFormer,
    projection: Linear,
    language: Language,
}

impl Blip2 {
    /// From a checkpoint such as `Salesforce/blip2-opt-2.7b` and its `config.json`.
    pub fn load(weights: &Weights, settings: &Settings) -> Result<Self> {
        let text = part(settings, "text_config")?;
        let vision = VisionConfig::of_blip2(&part(settings, "vision_config")?)?;
        let queries = settings.or("num_query_tokens", 32)?;
        let qformer = QFormer::load(weights, &part(settings, "qformer_config")?, queries, vision.width)?;
        Ok(Self {
            projection: Linear::load(
                &weights.pp("language_projection"),
                qformer.width(),
                Language::width(&text)?,
            )?,
            language: Language::load(&weights.pp("language_model"), &text)?,
            vision: Vision::load(&weights.pp("vision_model"), &vision)?,
            qformer,
        })
    }

    /// The ids that follow the image, for a prompt of these ids; with OPT the prompt after a beginning, with T5 the
    /// prompt and an end.
    pub fn prompt(&self, ids: &[u32]) -> Vec<u32> {
        self.language.prompt(ids)
    }

    /// The ids that end a text.
    pub fn stops(&self) -> &[u32] {
        &self.language.stops
    }

    /// Normalised pixels `[n, 3, side, side]` to the states of the vision transformer at all stages.
    pub fn vision_states(&self, pixels: &Tensor) -> Result<VisionStates> {
        self.vision.forward(pixels, true)
    }

    /// What the queries make of the vision transformer's last states: `[n, queries, width]`.
    pub fn read(&self, image_states: &Tensor) -> Result<Tensor> {
        self.qformer.forward(image_states)
    }

    /// What was read, as embeddings for the language model: `[n, queries, its width]`.
    pub fn project(&self, read: &Tensor) -> Result<Tensor> {
        self.projection.forward(read)
    }

    /// Normalised pixels `[n, 3, side, side]` to embeddings for the language model, `[n, queries, its width]`.
    pub fn image_embeddings(&self, pixels: &Tensor) -> Result<Tensor> {
        let image_states = self.vision.forward(pixels, false)?.last_hidden_state;
        self.project(&self.read(&image_states)?)
    }

    /// What the language model says after the image, a [`prompt`](Self::prompt) in `ids` (rows of one length, as many as
    /// there are images) and what was `said` (as many rows, which may be empty).
    ///
    /// With OPT after each of these: `[n, queries + len + said, vocabulary]`. With T5, which answers, at the start and
    /// after each id of what was said: `[n, 1 + said, vocabulary]`.
    pub fn logits(&self, image_embeddings: &Tensor, ids: &[Vec<u32>], said: &[Vec<u32>]) -> Result<Tensor> {
        self.language.logits(image_embeddings, ids, said)
    }

    /// The best next ids after the image and `ids`, one by one, up to a stop id (which is kept) or to the limit.
    pub fn generate(
        &self,
        image_embeddings: &Tensor,
        ids: &[Vec<u32>],
        limit: Limit,
    ) -> Result<Vec<Vec<u32>>> {
        self.language.generate(image_embeddings, ids, limit)
    }
}
