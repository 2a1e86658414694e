//! One block of the tower: attention with rotary positions, then the gated MLP.

use super::config::EvaVisionConfig;
use crate::diffusion::layers::{LayerNorm, Linear};
use crate::diffusion::weights::Weights;
use crate::error::Result;
use crate::grad;
use candle_core::{DType, Tensor};
use candle_nn::rotary_emb::rope_i_slow;

/// ε of every layer norm of the published models.
pub(super) const EPS: f64 = 1e-6;

#[derive(Debug)]
pub(super) struct Block {
    norm1: LayerNorm,
    query: Projection,
    key: Projection,
    value: Projection,
    inner_norm: LayerNorm,
    out: Linear,
    norm2: LayerNorm,
    gate: Linear,
    widen: Linear,
    mlp_norm: LayerNorm,
    narrow: Linear,
    heads: usize,
}

/// `[width, width]`, with a bias that one layout keeps outside of the layer. The key has none.
#[derive(Debug)]
struct Projection {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Projection {
    fn load(attention: &Weights, width: usize, name: &str, bias: Option<&str>) -> Result<Self> {
        let bias = bias.map(|bias| attention.get_as(width, bias, DType::F32)).transpose()?;
        Ok(Self { weight: attention.get((width, width), &format!("{name}.weight"))?, bias })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::linear(x, &self.weight, self.bias.as_ref())
    }
}

impl Block {
    pub(super) fn load(weights: &Weights, config: &EvaVisionConfig) -> Result<Self> {
        let (width, inner) = (config.width, config.inner);
        let (attention, mlp) = (weights.pp("attn"), weights.pp("mlp"));
        let is_original = attention.contains("inner_attn_ln.weight");
        let either = |timm, original| if is_original { original } else { timm };
        let norm =
            |within: &Weights, name: &str, width| LayerNorm::load_with_eps(&within.pp(name), width, EPS);
        let query_bias = either("q_proj.bias", "q_bias");
        let value_bias = either("v_proj.bias", "v_bias");
        Ok(Self {
            norm1: norm(weights, "norm1", width)?,
            query: Projection::load(&attention, width, "q_proj", Some(query_bias))?,
            key: Projection::load(&attention, width, "k_proj", None)?,
            value: Projection::load(&attention, width, "v_proj", Some(value_bias))?,
            inner_norm: norm(&attention, either("norm", "inner_attn_ln"), width)?,
            out: Linear::load(&attention.pp("proj"), width, width)?,
            norm2: norm(weights, "norm2", width)?,
            gate: Linear::load(&mlp.pp(either("fc1_g", "w1")), width, inner)?,
            widen: Linear::load(&mlp.pp(either("fc1_x", "w2")), width, inner)?,
            mlp_norm: norm(&mlp, either("norm", "ffn_ln"), inner)?,
            narrow: Linear::load(&mlp.pp(either("fc2", "w3")), inner, width)?,
            heads: config.heads,
        })
    }

    /// `x` is `[n, 1 + patches, width]`; `turns` are cos and sin, `[patches, head_width/2]`.
    pub(super) fn forward(&self, x: &Tensor, turns: &[Tensor; 2]) -> Result<Tensor> {
        let x = (x + self.attend(&self.norm1.forward(x)?, turns)?)?;
        let hidden = self.norm2.forward(&x)?;
        let gated = (grad::silu(&self.gate.forward(&hidden)?)? * self.widen.forward(&hidden)?)?;
        Ok((x + self.narrow.forward(&self.mlp_norm.forward(&gated)?)?)?)
    }

    fn attend(&self, x: &Tensor, turns: &[Tensor; 2]) -> Result<Tensor> {
        let (n, tokens, width) = x.dims3()?;
        let per_head = width / self.heads;
        let split = |projection: &Projection| -> Result<Tensor> {
            let heads = projection.forward(x)?.reshape((n, tokens, self.heads, per_head))?;
            Ok(heads.transpose(1, 2)?.contiguous()?)
        };
        let (query, key) = (turned(&split(&self.query)?, turns)?, turned(&split(&self.key)?, turns)?);
        let scale = (per_head as f64).sqrt().recip();
        let attended = grad::attention(&query, &key, &split(&self.value)?, scale, None)?;
        let attended = attended.transpose(1, 2)?.reshape((n, tokens, width))?;
        self.out.forward(&self.inner_norm.forward(&attended)?)
    }
}

/// `[n, heads, 1 + patches, per_head]` with the patches turned; the class token has no place.
fn turned(x: &Tensor, [cos, sin]: &[Tensor; 2]) -> Result<Tensor> {
    let class = x.narrow(2, 0, 1)?;
    let patches = x.narrow(2, 1, x.dim(2)? - 1)?.contiguous()?;
    Ok(Tensor::cat(&[&class, &rope_i_slow(&patches, cos, sin)?], 2)?.contiguous()?)
}
