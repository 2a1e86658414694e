//! Layers of the networks that are trained here: parameters from candle-nn's `VarBuilder`, operations from
//! [`grad`](crate::grad), since several of candle-nn's own cut gradients.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::{DEFAULT_KAIMING_NORMAL, Init, ZERO};

use crate::error::Result;
use crate::grad::{self, LayerWeights};

/// Groups of every group normalisation.
pub(crate) const GROUPS: usize = 8;
/// ε of every normalisation, PyTorch's default.
const EPS: f64 = 1e-5;

/// A linear layer with bias.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn new(inputs: usize, outputs: usize, builder: &VarBuilder) -> Result<Self> {
        // Keeps the variance: unit variance in, unit variance out.
        let init = Init::Randn { mean: 0.0, stdev: (1.0 / inputs as f64).sqrt() };
        Self::with(inputs, outputs, init, builder)
    }

    /// A layer that begins small, so that what it is added to is nearly unchanged at the start. Not
    /// zero: what stands before it would get no gradient in the first step, which the audit checks.
    pub fn small(inputs: usize, outputs: usize, builder: &VarBuilder) -> Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 0.1 * (1.0 / inputs as f64).sqrt() };
        Self::with(inputs, outputs, init, builder)
    }

    fn with(inputs: usize, outputs: usize, init: Init, builder: &VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: builder.get_with_hints((outputs, inputs), "weight", init)?,
            bias: builder.get_with_hints(outputs, "bias", ZERO)?,
        })
    }

    /// Weight and bias.
    pub fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    /// `[…, inputs]` to `[…, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::linear(x, &self.weight, Some(&self.bias))
    }
}

/// Layer normalisation over the last dimension.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub fn new(width: usize, builder: &VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: builder.get_with_hints(width, "weight", Init::Const(1.0))?,
            bias: builder.get_with_hints(width, "bias", ZERO)?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::layer_norm(x, &self.weight, &self.bias, EPS)
    }
}

/// A convolution of `kernel`² px, an odd number, that keeps the size.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    weight: Tensor,
    bias: Tensor,
    padding: usize,
}

impl Conv {
    pub fn new(inputs: usize, outputs: usize, kernel: usize, builder: &VarBuilder) -> Result<Self> {
        Self::with_init(inputs, outputs, kernel, DEFAULT_KAIMING_NORMAL, builder)
    }

    fn with_init(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        init: Init,
        builder: &VarBuilder,
    ) -> Result<Self> {
        let shape = (outputs, inputs, kernel, kernel);
        Ok(Self {
            weight: builder.get_with_hints(shape, "weight", init)?,
            bias: builder.get_with_hints(outputs, "bias", ZERO)?,
            padding: kernel / 2,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        grad::conv2d(x, &self.weight, Some(&self.bias), 1, self.padding)
    }

    /// This layer applied to [pooled](grad::pool_bytes) maps `[n, p, inputs + 1]`. The result is the layer's
    /// maps pooled: both are linear, so their order does not matter. For a kernel of one px.
    pub fn of_pooled(&self, pooled: &Tensor) -> Result<Tensor> {
        let (outputs, inputs, _, _) = self.weight.dims4()?;
        let (weight, bias) = (self.weight.reshape((outputs, inputs))?, self.bias.reshape((outputs, 1))?);
        grad::linear(pooled, &Tensor::cat(&[&weight, &bias], 1)?, None)
    }

    pub fn parameters(&self) -> Vec<&Tensor> {
        vec![&self.weight, &self.bias]
    }

    /// The same layer with the next of other parameters.
    ///
    /// # Panics
    /// If there are fewer than [`parameters`](Self::parameters) gives.
    pub fn with(&self, from: &mut impl Iterator<Item = Tensor>) -> Self {
        Self { weight: next(from), bias: next(from), padding: self.padding }
    }
}

fn next(from: &mut impl Iterator<Item = Tensor>) -> Tensor {
    from.next().expect("as many parameters as the layers have")
}

/// Group normalisation followed by SiLU and a convolution of 3×3.
#[derive(Clone, Debug)]
pub(crate) struct NormConv {
    weight: Tensor,
    bias: Tensor,
    conv: Conv,
}

impl NormConv {
    pub fn new(inputs: usize, outputs: usize, builder: &VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: builder.get_with_hints(inputs, "norm.weight", Init::Const(1.0))?,
            bias: builder.get_with_hints(inputs, "norm.bias", ZERO)?,
            conv: Conv::new(inputs, outputs, 3, &builder.pp("conv"))?,
        })
    }

    /// The same with small weights: its results begin near 0.
    pub fn small(inputs: usize, outputs: usize, builder: &VarBuilder) -> Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 0.1 * (1.0 / (9 * inputs) as f64).sqrt() };
        let conv = Conv::with_init(inputs, outputs, 3, init, &builder.pp("conv"))?;
        Ok(Self { conv, ..Self::new(inputs, outputs, builder)? })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.forward(&grad::group_norm_silu(x, GROUPS, &self.weight, &self.bias, EPS)?)
    }

    pub fn parameters(&self) -> Vec<&Tensor> {
        [vec![&self.weight, &self.bias], self.conv.parameters()].concat()
    }

    pub fn with(&self, from: &mut impl Iterator<Item = Tensor>) -> Self {
        Self { weight: next(from), bias: next(from), conv: self.conv.with(from) }
    }
}

/// Two convolutions around which the input is added (He et al. 2016, arXiv:1603.05027).
#[derive(Clone, Debug)]
pub(crate) struct Residual {
    first: NormConv,
    second: NormConv,
}

impl Residual {
    pub fn new(channels: usize, builder: &VarBuilder) -> Result<Self> {
        Ok(Self {
            first: NormConv::new(channels, channels, &builder.pp("first"))?,
            second: NormConv::new(channels, channels, &builder.pp("second"))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok((x + self.second.forward(&self.first.forward(x)?)?)?)
    }

    pub fn parameters(&self) -> Vec<&Tensor> {
        [self.first.parameters(), self.second.parameters()].concat()
    }

    pub fn with(&self, from: &mut impl Iterator<Item = Tensor>) -> Self {
        Self { first: self.first.with(from), second: self.second.with(from) }
    }
}

/// A layer of attention and one of two linear maps, each on normalised input and added to it
/// (pre-norm transformer, Xiong et al. 2020, arXiv:2002.04745).
#[derive(Clone, Debug)]
pub(crate) struct Attention(LayerWeights);

impl Attention {
    pub fn new(width: usize, heads: usize, builder: &VarBuilder) -> Result<Self> {
        let norm = |name| -> Result<[Tensor; 2]> {
            let LayerNorm { weight, bias } = LayerNorm::new(width, &builder.pp(name))?;
            Ok([weight, bias])
        };
        let linear = |inputs, outputs, name| -> Result<[Tensor; 2]> {
            let Linear { weight, bias } = Linear::new(inputs, outputs, &builder.pp(name))?;
            Ok([weight, bias])
        };
        Ok(Self(LayerWeights {
            norm: norm("norm")?,
            query: linear(width, width, "query")?,
            key: linear(width, width, "key")?,
            value: linear(width, width, "value")?,
            out: linear(width, width, "out")?,
            feed_norm: norm("feed_norm")?,
            widen: linear(width, 2 * width, "widen")?,
            narrow: linear(2 * width, width, "narrow")?,
            heads,
            eps: EPS,
        }))
    }

    /// `x` `[b, n, width]` attends to itself; `mask` `[b, n]` is added to the scores of each key.
    pub fn self_attention(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        grad::attention_layer(x, mask, &self.0)
    }

    /// `x` `[b, n, width]` attends to `tokens` `[b, m, width]`, or `[b·parts, m/parts, width]`; `mask` `[b,
    /// n, m]` is added to the scores.
    pub fn cross_attention(&self, x: &Tensor, tokens: &Tensor, mask: &Tensor) -> Result<Tensor> {
        grad::cross_attention_layer(x, tokens, mask, &self.0)
    }
}
