//! BLIP-2's Q-Former (Li et al. 2023, arXiv:2301.12597; transformers' `Blip2QFormerModel`): learnt query tokens
//! that read an image.

use super::bert::{BertConfig, BertLayer, Names};
use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::diffusion::layers::LayerNorm;
use crate::error::Result;
use candle_core::{DType, Tensor};

/// What BLIP-2's checkpoints call the parts of a layer.
const NAMES: Names = Names { projections: "attention", widen: "intermediate_query", narrow: "output_query" };

#[derive(Debug)]
pub(super) struct QFormer {
    /// `[1, queries, width]`.
    queries: Tensor,
    norm: LayerNorm,
    layers: Vec<BertLayer>,
    width: usize,
}

impl QFormer {
    /// Takes `query_tokens` and the tensors of `qformer`; image states are `image` wide.
    pub(super) fn load(weights: &Weights, settings: &Settings, queries: usize, image: usize) -> Result<Self> {
        settings.refuse_if_set(&["use_qformer_text_input"])?;
        let config = BertConfig::from_settings(settings, 12, 3072)?;
        let frequency: usize = settings.or("cross_attention_frequency", 2)?;
        if frequency == 0 {
            return Err(settings.unsupported("cross_attention_frequency", "take 1 or more"));
        }
        let model = weights.pp("qformer");
        model.ignore("embeddings.position_ids");
        let layers = (0..config.layers).map(|i| {
            let image = i.is_multiple_of(frequency).then_some(image);
            BertLayer::load(&model.pp("encoder.layer").pp(i), &config, &NAMES, image)
        });
        Ok(Self {
            queries: weights.get_as((1, queries, config.width), "query_tokens", DType::F32)?,
            norm: LayerNorm::load_with_eps(&model.pp("layernorm"), config.width, config.eps)?,
            layers: layers.collect::<Result<_>>()?,
            width: config.width,
        })
    }

    /// Width of its states.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Image states `[n, tokens, image width]` to `[n, queries, width]`.
    pub(super) fn forward(&self, image_states: &Tensor) -> Result<Tensor> {
        let (_, queries, width) = self.queries.dims3()?;
        let queries = self.queries.broadcast_as((image_states.dim(0)?, queries, width))?.contiguous()?;
        let mut x = self.norm.forward(&queries)?;
        for layer in &self.layers {
            x = layer.forward(&x, &mut layer.begin(image_states)?, None)?;
        }
        Ok(x)
    }
}
