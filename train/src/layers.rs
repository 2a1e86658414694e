//! Layers of the networks that are trained here: parameters from candle-nn's `VarBuilder`, operations from
//! [`grad`](crate::grad), since several of candle-nn's own cut gradients.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::{DEFAULT_KAIMING_NORMAL, Init, ZERO};

use crate::error::Result;
use crate::grad;

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
        // Unit variance in, unit variance out.
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
pub(crate) struct Attention {
    heads: usize,
    norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    feed_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

impl Attention {
    pub fn new(width: usize, heads: usize, builder: &VarBuilder) -> Result<Self> {
        let linear = |name| Linear::new(width, width, &builder.pp(name));
        Ok(Self {
            heads,
            norm: LayerNorm::new(width, &builder.pp("norm"))?,
            query: linear("query")?,
            key: linear("key")?,
            value: linear("value")?,
            out: Linear::new(width, width, &builder.pp("out"))?,
            feed_norm: LayerNorm::new(width, &builder.pp("feed_norm"))?,
            widen: Linear::new(width, 2 * width, &builder.pp("widen"))?,
            narrow: Linear::new(2 * width, width, &builder.pp("narrow"))?,
        })
    }

    /// `x` `[b, n, width]` attends to `tokens` `[b, m, width]`; `mask` is added to the scores and
    /// broadcasts to `[b, 1, n, m]`. Where `tokens` is `None`, `x` attends to itself.
    pub fn forward(&self, x: &Tensor, tokens: Option<&Tensor>, mask: &Tensor) -> Result<Tensor> {
        let (b, n, width) = x.dims3()?;
        let normed = self.norm.forward(x)?;
        let source = match tokens {
            Some(tokens) => self.norm.forward(tokens)?,
            None => normed.clone(),
        };
        let split = |t: Tensor| -> Result<Tensor> {
            Ok(t.reshape((b, (), self.heads, width / self.heads))?.transpose(1, 2)?.contiguous()?)
        };
        let (q, k, v) = (
            split(self.query.forward(&normed)?)?,
            split(self.key.forward(&source)?)?,
            split(self.value.forward(&source)?)?,
        );
        let scale = 1.0 / ((width / self.heads) as f64).sqrt();
        let gathered = grad::attention(&q, &k, &v, scale, Some(mask))?;
        let gathered = gathered.transpose(1, 2)?.reshape((b, n, width))?;
        let x = (x + self.out.forward(&gathered)?)?;
        let fed = grad::gelu(&self.widen.forward(&self.feed_norm.forward(&x)?)?)?;
        Ok((&x + self.narrow.forward(&fed)?)?)
    }
}
