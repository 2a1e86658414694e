//! The parameters of the elementary layers, under diffusers' names, each a thin cover of a [`grad`] function.

use crate::diffusion::Weights;
use crate::diffusion::lora::LowRank;
use crate::error::Result;
use crate::grad::{self, WeightCache};
use candle_core::{DType, Device, Tensor};

/// Biases and normalisation weights: small, so always kept in f32, also where the large weights stay in f16.
fn small(weights: &Weights, len: usize, name: &str) -> Result<Tensor> {
    weights.get_as(len, name, DType::F32)
}

/// `weight` `[out, in]`, and `bias` unless loaded without.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    low_rank: Option<LowRank>,
}

impl Linear {
    pub fn load(weights: &Weights, input: usize, output: usize) -> Result<Self> {
        let weight = weights.get((output, input), "weight")?;
        Ok(Self { weight, bias: Some(small(weights, output, "bias")?), low_rank: None })
    }

    pub fn load_without_bias(weights: &Weights, input: usize, output: usize) -> Result<Self> {
        Ok(Self { weight: weights.get((output, input), "weight")?, bias: None, low_rank: None })
    }

    /// With the trained update of `weights`, where updates are trained.
    pub fn with_update(self, weights: &Weights) -> Result<Self> {
        let (output, input) = self.weight.dims2()?;
        Ok(Self { low_rank: weights.low_rank(input, output)?, ..self })
    }

    /// Both matrices of its trained update.
    pub fn update(&self) -> impl Iterator<Item = &Tensor> {
        self.low_rank.iter().flat_map(|update| [&update.down, &update.up])
    }

    /// Puts the next two of `tensors` in the place of its trained update's, where it has one.
    pub fn set_update(&mut self, tensors: &mut impl Iterator<Item = Tensor>) {
        if let Some(update) = &mut self.low_rank
            && let (Some(down), Some(up)) = (tensors.next(), tensors.next())
        {
            (update.down, update.up) = (down, up);
        }
    }

    /// `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = grad::linear(x, &self.weight, self.bias.as_ref())?;
        match &self.low_rank {
            Some(update) => Ok((y + update.forward(x)?)?),
            None => Ok(y),
        }
    }
}

/// `weight` `[out, in, k, k]` and `bias`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    padding: usize,
    cache: WeightCache,
}

impl Conv2d {
    /// 3×3, padding 1.
    pub fn load_3x3(weights: &Weights, input: usize, output: usize, stride: usize) -> Result<Self> {
        let weight = weights.get((output, input, 3, 3), "weight")?;
        Ok(Self {
            weight,
            bias: small(weights, output, "bias")?,
            stride,
            padding: 1,
            cache: WeightCache::default(),
        })
    }

    /// 3×3 with stride 2 and no padding; the caller pads below and on the right only, as diffusers' VAE does.
    pub fn load_3x3_unpadded(weights: &Weights, channels: usize) -> Result<Self> {
        Ok(Self { padding: 0, ..Self::load_3x3(weights, channels, channels, 2)? })
    }

    /// 1×1.
    pub fn load_1x1(weights: &Weights, input: usize, output: usize) -> Result<Self> {
        let weight = weights.get((output, input, 1, 1), "weight")?;
        Ok(Self {
            weight,
            bias: small(weights, output, "bias")?,
            stride: 1,
            padding: 0,
            cache: WeightCache::default(),
        })
    }

    /// The device that it is on.
    pub fn device(&self) -> &Device {
        self.weight.device()
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::conv2d_cached(x, &self.weight, Some(&self.bias), self.stride, self.padding, &self.cache)
    }

    /// With `shift` `[n, out]` added to each sample's maps.
    pub fn forward_shifted(&self, x: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let bias = shift.broadcast_add(&self.bias.to_dtype(shift.dtype())?)?;
        grad::conv2d_cached(x, &self.weight, Some(&bias), self.stride, self.padding, &self.cache)
    }
}

/// `weight`, `bias` `[c]` of a group normalisation.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    pub fn load(weights: &Weights, channels: usize, groups: usize, eps: f64) -> Result<Self> {
        let weight = small(weights, channels, "weight")?;
        Ok(Self { weight, bias: small(weights, channels, "bias")?, groups, eps })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::group_norm(x, self.groups, &self.weight, &self.bias, self.eps)
    }

    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        grad::group_norm_silu(x, self.groups, &self.weight, &self.bias, self.eps)
    }
}

/// ε of a layer normalisation where nothing else is said: PyTorch's default, which diffusers keeps.
pub(in crate::diffusion) const LAYER_NORM_EPS: f64 = 1e-5;

/// `weight`, `bias` `[c]` of a layer normalisation.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// With [`LAYER_NORM_EPS`].
    pub fn load(weights: &Weights, width: usize) -> Result<Self> {
        Self::load_with_eps(weights, width, LAYER_NORM_EPS)
    }

    pub fn load_with_eps(weights: &Weights, width: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: small(weights, width, "weight")?, bias: small(weights, width, "bias")?, eps })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}
