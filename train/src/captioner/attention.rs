//! Attention whose keys and values are kept, so that each new token is computed once.

use crate::diffusion::layers::Linear;
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

/// Keys and values of the tokens so far, `[n, heads, tokens, per head]` each.
#[derive(Clone, Debug)]
pub(super) struct KeyValues {
    keys: Tensor,
    values: Tensor,
}

impl KeyValues {
    /// These with those of the tokens after them.
    fn followed_by(&self, later: &Self) -> Result<Self> {
        Ok(Self {
            keys: Tensor::cat(&[&self.keys, &later.keys], 2)?,
            values: Tensor::cat(&[&self.values, &later.values], 2)?,
        })
    }
}

/// Four linear maps and what is between them.
#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    is_scaled: bool,
}

impl Attention {
    /// Of the maps to queries, keys and values and of the last one; scores are divided by √(width of a head).
    pub(super) fn new([query, key, value, out]: [Linear; 4], heads: usize) -> Self {
        Self { query, key, value, out, heads, is_scaled: true }
    }

    /// The same with scores as they are, as in T5.
    pub(super) fn unscaled(self) -> Self {
        Self { is_scaled: false, ..self }
    }

    /// Keys and values of `x` `[n, tokens, width]`.
    pub(super) fn keys_values(&self, x: &Tensor) -> Result<KeyValues> {
        let keys = split(&self.key.forward(x)?, self.heads)?;
        Ok(KeyValues { keys, values: split(&self.value.forward(x)?, self.heads)? })
    }

    /// `x` `[n, tokens, width]` attends to other tokens; `mask` is added to the scores.
    pub(super) fn attend(&self, x: &Tensor, to: &KeyValues, mask: Option<&Tensor>) -> Result<Tensor> {
        let query = split(&self.query.forward(x)?, self.heads)?;
        let scale = if self.is_scaled { (query.dim(3)? as f64).sqrt().recip() } else { 1.0 };
        let attended = grad::attention(&query, &to.keys, &to.values, scale, mask)?;
        self.out.forward(&joined(&attended)?)
    }

    /// `x` attends to itself and to the tokens before it, which `past` has and `x` is added to.
    pub(super) fn attend_onwards(
        &self,
        x: &Tensor,
        past: &mut Option<KeyValues>,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let new = self.keys_values(x)?;
        let all = match past {
            Some(past) => past.followed_by(&new)?,
            None => new,
        };
        let attended = self.attend(x, &all, mask);
        *past = Some(all);
        attended
    }
}

/// `[n, tokens, heads·d]` to `[n, heads, tokens, d]`.
pub(super) fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (n, tokens, width) = x.dims3()?;
    Ok(x.reshape((n, tokens, heads, width / heads))?.transpose(1, 2)?.contiguous()?)
}

/// `[n, heads, tokens, d]` to `[n, tokens, heads·d]`.
pub(super) fn joined(x: &Tensor) -> Result<Tensor> {
    let (n, heads, tokens, width) = x.dims4()?;
    Ok(x.transpose(1, 2)?.reshape((n, tokens, heads * width))?)
}

/// No token sees a later one: for the last `new` of `all` tokens, `[1, 1, new, all]`. A single new token sees all.
pub(super) fn causal_mask(new: usize, all: usize, like: &Tensor) -> Result<Option<Tensor>> {
    if new <= 1 {
        return Ok(None);
    }
    let before = all - new;
    let is_later = |i: usize| i % all > before + i / all;
    let values: Vec<f32> =
        (0..new * all).map(|i| if is_later(i) { f32::NEG_INFINITY } else { 0.0 }).collect();
    Ok(Some(Tensor::from_vec(values, (1, 1, new, all), like.device())?))
}
