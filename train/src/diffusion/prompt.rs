//! Prompts to what the UNet is conditioned on.

use super::checkpoint::Checkpoint;
use super::clip::{ClipText, TextOutput};
use super::tokenizer::ClipTokenizer;
use crate::error::{Error, Result};
use candle_core::{D, Tensor};

/// The text half of a checkpoint: one encoder (SD 1.x) or two (SDXL), each with its tokenizer.
#[derive(Debug)]
pub struct PromptEncoder {
    first: (ClipTokenizer, ClipText),
    second: Option<(ClipTokenizer, ClipText)>,
}

/// Encoded prompts.
#[derive(Clone, Debug)]
pub struct EncodedPrompts {
    /// `[n, 77, cross]`: the UNet's `encoder_hidden_states`.
    pub states: Tensor,
    /// `[n, projection]`: SDXL's `text_embeds`.
    pub pooled: Option<Tensor>,
}

impl PromptEncoder {
    /// Loads tokenizers and encoders of a checkpoint.
    pub fn load(checkpoint: &Checkpoint) -> Result<Self> {
        let second = || Ok::<_, Error>((checkpoint.tokenizer_2()?, checkpoint.text_encoder_2()?));
        Ok(Self {
            first: (checkpoint.tokenizer()?, checkpoint.text_encoder()?),
            second: checkpoint.has_second_text_encoder().then(second).transpose()?,
        })
    }

    /// Encodes prompts as diffusers' pipelines do: SD 1.x takes the last states of its encoder, SDXL the
    /// penultimate states of both side by side and the projected pooled output of the second. A prompt that
    /// is too long is cut, with a warning that shows what was cut.
    pub fn encode(&self, prompts: &[&str]) -> Result<EncodedPrompts> {
        let first = run(&self.first, prompts, true)?;
        let Some(second) = &self.second else {
            return Ok(EncodedPrompts { states: first.last_hidden_state, pooled: None });
        };
        let second = run(second, prompts, false)?;
        let states = [first.penultimate_hidden_state, second.penultimate_hidden_state];
        Ok(EncodedPrompts { states: Tensor::cat(&states, D::Minus1)?, pooled: second.text_embeds })
    }
}

fn run((tokenizer, encoder): &(ClipTokenizer, ClipText), prompts: &[&str], warn: bool) -> Result<TextOutput> {
    let mut rows = Vec::new();
    for prompt in prompts {
        let tokens = tokenizer.encode(prompt)?;
        if let (true, Some(cut)) = (warn, &tokens.cut) {
            tracing::warn!(
                prompt,
                cut,
                "the prompt is longer than {} tokens; the end was cut",
                tokenizer.length()
            );
        }
        rows.push(tokens.ids);
    }
    encoder.forward(&rows)
}
