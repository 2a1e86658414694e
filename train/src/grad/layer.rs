//! A layer of a transformer as one operation: attention and two linear maps, each on normalised input and added to it
//! (pre-norm, Xiong et al. 2020, arXiv:2002.04745).

use super::cpu::kernel::takes;
use super::cpu::layer::{CrossAttention, SelfAttention, Settings};
use super::cpu::nary::apply;
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::Tensor;

/// Parameters of a layer, weight `[out, in]` and bias `[out]` of each linear map, gain and bias `[width]` of each
/// normalisation.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// Of the normalisation before attention, of all rows that take part.
    pub norm: [Tensor; 2],
    /// `[width, width]`, heads one after another.
    pub query: [Tensor; 2],
    /// The same.
    pub key: [Tensor; 2],
    /// The same.
    pub value: [Tensor; 2],
    /// `[width, width]`.
    pub out: [Tensor; 2],
    /// Of the normalisation after attention.
    pub feed_norm: [Tensor; 2],
    /// `[wide, width]`.
    pub widen: [Tensor; 2],
    /// `[width, wide]`.
    pub narrow: [Tensor; 2],
    /// How many heads attention has.
    pub heads: usize,
    /// Added to the variances of both normalisations.
    pub eps: f64,
}

impl LayerWeights {
    /// All of them, those of query, key and value side by side.
    fn all(&self) -> [&Tensor; 16] {
        let [query, key, value] = [&self.query, &self.key, &self.value];
        [
            &self.norm[0],
            &self.norm[1],
            &query[0],
            &key[0],
            &value[0],
            &query[1],
            &key[1],
            &value[1],
            &self.out[0],
            &self.out[1],
            &self.feed_norm[0],
            &self.feed_norm[1],
            &self.widen[0],
            &self.widen[1],
            &self.narrow[0],
            &self.narrow[1],
        ]
    }

    /// Refuses by name what does not fit a layer of `width`.
    fn check(&self, op: &'static str, width: usize) -> Result<()> {
        if self.heads == 0 || !width.is_multiple_of(self.heads) {
            let expected = format!("a width divisible by {} heads", self.heads);
            return Err(shape_error(op, "query", &self.query[0], expected));
        }
        let wide = self.widen[1].elem_count();
        let maps = [
            ("query", &self.query, width, width),
            ("key", &self.key, width, width),
            ("value", &self.value, width, width),
            ("out", &self.out, width, width),
            ("widen", &self.widen, wide, width),
            ("narrow", &self.narrow, width, wide),
        ];
        for (name, [weight, bias], outputs, inputs) in maps {
            if weight.dims() != [outputs, inputs] {
                return Err(shape_error(op, name, weight, format!("[{outputs}, {inputs}]")));
            }
            if bias.dims() != [outputs] {
                return Err(shape_error(op, name, bias, format!("[{outputs}]")));
            }
        }
        for (name, parameters) in [("norm", &self.norm), ("feed_norm", &self.feed_norm)] {
            if let Some(found) = parameters.iter().find(|parameter| parameter.dims() != [width]) {
                return Err(shape_error(op, name, found, format!("[{width}]")));
            }
        }
        Ok(())
    }

    fn settings(&self) -> Settings {
        Settings { heads: self.heads, eps: self.eps }
    }
}

/// A layer of self-attention: `x` `[b, n, width]`, the result alike; `mask` `[b, n]` is added to the scores
/// of each key and gets no gradient.
pub fn attention_layer(x: &Tensor, mask: &Tensor, weights: &LayerWeights) -> Result<Tensor> {
    const OP: &str = "attention_layer";
    let (b, n, width) = match x.dims3() {
        Ok(dims) if x.elem_count() > 0 => dims,
        _ => return Err(shape_error(OP, "x", x, "[b, n, width], not empty")),
    };
    weights.check(OP, width)?;
    if mask.dims() != [b, n] {
        return Err(shape_error(OP, "mask", mask, format!("[{b}, {n}]")));
    }
    let mask = mask.detach();
    let args = [&[x, &mask][..], &weights.all()].concat();
    if takes(&args) {
        Ok(apply(SelfAttention(weights.settings()), &args)?)
    } else {
        composed::attention_layer(x, &mask, weights)
    }
}

/// A layer of cross-attention: `x` `[b, n, width]` attends to `others` `[b, m, width]`, both under the same
/// normalisation; the result is as `x`. The others of an entry may also be in several parts of one length,
/// `[b·parts, m/parts, width]`. `mask` `[b, n, m]` is added to the scores and gets no gradient.
pub fn cross_attention_layer(
    x: &Tensor,
    others: &Tensor,
    mask: &Tensor,
    weights: &LayerWeights,
) -> Result<Tensor> {
    const OP: &str = "cross_attention_layer";
    let (b, n, width) = match x.dims3() {
        Ok(dims) if x.elem_count() > 0 => dims,
        _ => return Err(shape_error(OP, "x", x, "[b, n, width], not empty")),
    };
    weights.check(OP, width)?;
    let m = match others.dims3() {
        Ok((ob, m, other)) if ob.is_multiple_of(b) && other == width && others.elem_count() > 0 => ob / b * m,
        _ => {
            return Err(shape_error(
                OP,
                "others",
                others,
                format!("[{b}·parts, m/parts, {width}], not empty"),
            ));
        }
    };
    if mask.dims() != [b, n, m] {
        return Err(shape_error(OP, "mask", mask, format!("[{b}, {n}, {m}]")));
    }
    let mask = mask.detach();
    let args = [&[x, others, &mask][..], &weights.all()].concat();
    if takes(&args) {
        Ok(apply(CrossAttention(weights.settings()), &args)?)
    } else {
        composed::cross_attention_layer(x, &others.reshape((b, m, width))?, &mask, weights)
    }
}
