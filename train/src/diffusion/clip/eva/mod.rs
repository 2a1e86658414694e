//! The image tower of EVA02-CLIP (Sun et al. 2023, arXiv:2303.15389): pre-norm blocks with rotary positions,
//! a gated MLP (SwiGLU) and a further layer norm inside attention and MLP (Fang et al. 2023, arXiv:2303.11331).

mod block;
mod config;

pub use config::EvaVisionConfig;

use super::patches::Patches;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::diffusion::weights::Weights;
use crate::error::Result;
use block::{Block, EPS};
use candle_core::{DType, Device, Tensor};

/// Base of the rotary frequencies.
const THETA: f64 = 10_000.0;

/// What the tower makes of `[n, 3, side, side]` pixels.
#[derive(Clone, Debug)]
pub struct EvaVisionOutput {
    /// The projected class token, not normalised, `[n, projection]`.
    pub image_embeds: Tensor,
    /// All tokens after the last layer norm, `[n, 1 + patches, width]`.
    pub last_hidden_state: Tensor,
    /// All tokens before the first block and after each, without layer norm: `layers + 1` of
    /// `[n, 1 + patches, width]`. PuLID (arXiv:2404.16022) reads those after blocks 4, 8, 12, 16 and 20.
    pub hidden_states: Vec<Tensor>,
}

/// An EVA02-CLIP image tower.
#[derive(Debug)]
pub struct EvaVision {
    config: EvaVisionConfig,
    class: Tensor,
    positions: Tensor,
    patches: Patches,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    /// cos and sin of each patch's turns, `[patches, head_width/2]`.
    turns: [Tensor; 2],
}

impl EvaVision {
    /// Takes the tensors of the image tower under timm's names (as they are, or after `visual.trunk.` as
    /// open_clip has them) or under those of the original checkpoints (after `visual.`). A text tower beside it is
    /// left alone.
    pub fn load(weights: &Weights, config: EvaVisionConfig) -> Result<Self> {
        let prefixes = ["visual.trunk", "visual", ""];
        let prefix =
            prefixes.iter().find(|prefix| weights.pp(prefix).contains("cls_token")).unwrap_or(&"visual");
        let model = weights.pp(prefix);
        for name in weights.names() {
            if name.starts_with("text.") || name == "logit_scale" {
                weights.ignore(name);
            }
        }
        // Tables that follow from the configuration.
        for table in ["rope.freqs_cos", "rope.freqs_sin"] {
            model.ignore(table);
            (0..config.layers).for_each(|i| model.pp("blocks").pp(i).pp("attn").ignore(table));
        }
        let (width, tokens) = (config.width, config.across().pow(2) + 1);
        let blocks = (0..config.layers).map(|i| Block::load(&model.pp("blocks").pp(i), &config));
        Ok(Self {
            class: model.get_as((1, 1, width), "cls_token", DType::F32)?,
            positions: model.get_as((1, tokens, width), "pos_embed", DType::F32)?,
            patches: Patches::load(
                &model.pp("patch_embed.proj"),
                config.image_size,
                config.patch_size,
                width,
            )?,
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::load_with_eps(&model.pp("norm"), width, EPS)?,
            head: Linear::load(&model.pp("head"), width, config.projection)?,
            turns: turns(&config, weights.device())?,
            config,
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &EvaVisionConfig {
        &self.config
    }

    /// The device that its weights are on.
    pub fn device(&self) -> &Device {
        self.class.device()
    }

    /// Encodes normalised pixels `[n, 3, side, side]`, as [`to_clip_pixels`](super::to_clip_pixels) gives them.
    pub fn forward(&self, pixels: &Tensor) -> Result<EvaVisionOutput> {
        let patches = self.patches.forward(pixels, "eva clip vision")?;
        let class = self.class.broadcast_as((patches.dim(0)?, 1, self.config.width))?.contiguous()?;
        let mut x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.positions)?;
        let mut hidden_states = vec![x.clone()];
        for block in &self.blocks {
            x = block.forward(&x, &self.turns)?;
            hidden_states.push(x.clone());
        }
        let last = self.norm.forward(&x)?;
        let class = last.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
        Ok(EvaVisionOutput {
            image_embeds: self.head.forward(&class)?,
            last_hidden_state: last,
            hidden_states,
        })
    }
}

/// In the first half of a head the neighbours (2j, 2j + 1) turn with the patch's row, in the second with its
/// column, by position/10000^(2j/half). Positions are stretched to the grid that they were learnt on.
fn turns(config: &EvaVisionConfig, device: &Device) -> Result<[Tensor; 2]> {
    let across = config.across();
    let half = config.width / config.heads / 2;
    let angle = |position: usize, pair: usize| {
        let stretched = position as f64 * config.learnt_across as f64 / across as f64;
        stretched / THETA.powf(2.0 * pair as f64 / half as f64)
    };
    let mut angles = Vec::with_capacity(across * across * half);
    for patch in 0..across * across {
        for position in [patch / across, patch % across] {
            angles.extend((0..half / 2).map(|pair| angle(position, pair)));
        }
    }
    let table = |turn: fn(f64) -> f64| -> Result<Tensor> {
        let values: Vec<f32> = angles.iter().map(|&angle| turn(angle) as f32).collect();
        Ok(Tensor::from_vec(values, (across * across, half), device)?)
    };
    Ok([table(f64::cos)?, table(f64::sin)?])
}
