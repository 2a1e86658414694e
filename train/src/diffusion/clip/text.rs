//! Text encoders: token ids to states and a pooled vector.

use super::encoder::{Encoder, EncoderConfig};
use crate::diffusion::json::Settings;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::diffusion::weights::Weights;
use crate::error::{Error, Result};
use candle_core::{DType, Tensor};

/// The end-of-text id that public configurations carry by mistake; the real one is the largest of the vocabulary.
/// See transformers' `CLIPTextTransformer.forward` and its pull request 24773.
const MISTAKEN_EOS: u32 = 2;

/// What `text_encoder/config.json` says.
#[derive(Clone, Debug)]
pub struct ClipTextConfig {
    encoder: EncoderConfig,
    vocabulary: usize,
    positions: usize,
    eos_token: u32,
    projection: usize,
    projected: bool,
}

impl ClipTextConfig {
    /// From `config.json` of a text encoder or of a whole CLIP model; the defaults are those of `CLIPTextConfig`.
    ///
    /// Whether there is a projection is said by `architectures`, and, where that is null, by the checkpoint
    /// (see [`ClipText::load`]).
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let architectures: Vec<String> = settings.or("architectures", Vec::new())?;
        let inner = settings.nested("text_config");
        let text = inner.as_ref().unwrap_or(settings);
        Ok(Self {
            encoder: EncoderConfig::from_settings(text, 512, 2048, 8)?,
            vocabulary: text.or("vocab_size", 49408)?,
            positions: text.or("max_position_embeddings", 77)?,
            eos_token: text.or("eos_token_id", 49407)?,
            projection: settings.or("projection_dim", 512)?,
            projected: architectures.iter().any(|a| a == "CLIPTextModelWithProjection"),
        })
    }

    /// The same with the projection, which the checkpoint must then have.
    #[must_use]
    pub fn projected(self) -> Self {
        Self { projected: true, ..self }
    }

    /// Tokens per prompt, beginning and end included.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Width of the states.
    pub fn hidden(&self) -> usize {
        self.encoder.hidden
    }
}

/// What a text encoder makes of `[n, tokens]` ids.
#[derive(Clone, Debug)]
pub struct TextOutput {
    /// States of all tokens after the final layer norm, `[n, tokens, hidden]`: SD 1.x conditions on these.
    pub last_hidden_state: Tensor,
    /// States before the last layer, without the final layer norm, `[n, tokens, hidden]`: SDXL conditions on these.
    pub penultimate_hidden_state: Tensor,
    /// The state at the end of the text, `[n, hidden]`.
    pub pooled: Tensor,
    /// The projected pooled state, `[n, projection]`, where the model has a projection.
    pub text_embeds: Option<Tensor>,
}

/// A CLIP text encoder.
#[derive(Debug)]
pub struct ClipText {
    config: ClipTextConfig,
    tokens: Tensor,
    positions: Tensor,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
    projection: Option<Linear>,
}

impl ClipText {
    /// Takes the tensors `text_model.*` (or the same without the prefix, as newer transformers write it) and
    /// `text_projection.weight`.
    ///
    /// The projection is loaded where the configuration asks for it or the checkpoint has one.
    pub fn load(weights: &Weights, config: ClipTextConfig) -> Result<Self> {
        let bare = weights.contains("embeddings.token_embedding.weight");
        let model = if bare { weights.clone() } else { weights.pp("text_model") };
        let width = config.encoder.hidden;
        let embeddings = model.pp("embeddings");
        embeddings.ignore("position_ids");
        let embedding = |name: &str, rows: usize| -> Result<Tensor> {
            embeddings.pp(name).get_as((rows, width), "weight", DType::F32)
        };
        let projected = config.projected || weights.contains("text_projection.weight");
        let project = || Linear::load_without_bias(&weights.pp("text_projection"), width, config.projection);
        Ok(Self {
            tokens: embedding("token_embedding", config.vocabulary)?,
            positions: embedding("position_embedding", config.positions)?,
            encoder: Encoder::load(&model.pp("encoder"), &config.encoder)?,
            final_layer_norm: LayerNorm::load_with_eps(
                &model.pp("final_layer_norm"),
                width,
                config.encoder.eps,
            )?,
            projection: projected.then(project).transpose()?,
            config,
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// Encodes rows of token ids, all of one length, at most [`ClipTextConfig::positions`].
    pub fn forward(&self, ids: &[Vec<u32>]) -> Result<TextOutput> {
        let (n, len) = (ids.len(), ids.first().map_or(0, Vec::len));
        let fits = len > 0 && len <= self.config.positions && ids.iter().all(|row| row.len() == len);
        if !fits || ids.iter().flatten().any(|&id| id as usize >= self.config.vocabulary) {
            return Err(Error::Tokenise {
                text: format!("{ids:?}"),
                reason: format!(
                    "needs rows of one length up to {}, with ids below {}; is this the encoder's own tokenizer?",
                    self.config.positions, self.config.vocabulary
                ),
            });
        }
        let device = self.tokens.device();
        let flat: Vec<u32> = ids.iter().flatten().copied().collect();
        let flat = Tensor::from_vec(flat, n * len, device)?;
        let tokens = self.tokens.index_select(&flat, 0)?.reshape((n, len, self.config.encoder.hidden))?;
        let x = tokens.broadcast_add(&self.positions.narrow(0, 0, len)?)?;
        let states = self.encoder.forward(&x, Some(&causal_mask(len, &x)?))?;
        let last = self.final_layer_norm.forward(&states.last)?;
        let ends: Vec<u32> =
            ids.iter().enumerate().map(|(row, ids)| (row * len + self.end_of_text(ids)) as u32).collect();
        let ends = Tensor::from_vec(ends, n, device)?;
        let pooled = last.reshape((n * len, ()))?.index_select(&ends, 0)?;
        let text_embeds = self.projection.as_ref().map(|p| p.forward(&pooled)).transpose()?;
        Ok(TextOutput {
            last_hidden_state: last,
            penultimate_hidden_state: states.penultimate,
            pooled,
            text_embeds,
        })
    }

    /// Where the text ends: the first end-of-text token, or the largest id under the configurations with the
    /// mistaken one.
    fn end_of_text(&self, ids: &[u32]) -> usize {
        let end = match self.config.eos_token {
            MISTAKEN_EOS => ids.iter().max().copied().unwrap_or_default(),
            eos => eos,
        };
        ids.iter().position(|&id| id == end).unwrap_or(0)
    }
}

/// No token sees a later one: −∞ above the diagonal, `[1, 1, len, len]`.
fn causal_mask(len: usize, like: &Tensor) -> Result<Tensor> {
    let values: Vec<f32> =
        (0..len * len).map(|i| if i % len > i / len { f32::NEG_INFINITY } else { 0.0 }).collect();
    Ok(Tensor::from_vec(values, (1, 1, len, len), like.device())?.to_dtype(like.dtype())?)
}
