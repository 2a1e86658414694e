//! T5's relative positions: a learnt number for each head and each bucket of distances, added to the scores.

use crate::diffusion::Weights;
use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::{DType, Tensor};

#[derive(Debug)]
pub(super) struct PositionBias {
    /// `[buckets, heads]`.
    table: Tensor,
    buckets: Buckets,
}

/// How distances are put into buckets.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    count: usize,
    /// From here on all distances share the last bucket.
    most: usize,
    /// Whether tokens on both sides are seen, each side with half of the buckets.
    both_sides: bool,
}

impl PositionBias {
    pub(super) fn load(
        weights: &Weights,
        settings: &Settings,
        heads: usize,
        both_sides: bool,
    ) -> Result<Self> {
        let count: usize = settings.or("relative_attention_num_buckets", 32)?;
        let most: usize = settings.or("relative_attention_max_distance", 128)?;
        let exact = count / if both_sides { 4 } else { 2 };
        if exact == 0 || most <= exact {
            let hint =
                format!("needs 4 buckets and a distance above those with a bucket of their own, {most}");
            return Err(settings.unsupported("relative_attention_num_buckets", hint));
        }
        let table = weights.get_as((count, heads), "relative_attention_bias.weight", DType::F32)?;
        Ok(Self { table, buckets: Buckets { count, most, both_sides } })
    }

    /// For the last `new` of `all` tokens, `[1, heads, new, all]`.
    pub(super) fn between(&self, new: usize, all: usize) -> Result<Tensor> {
        let places = (all - new..all).flat_map(|from| (0..all).map(move |to| (from, to)));
        let buckets: Vec<u32> = places.map(|(from, to)| self.buckets.of(from, to) as u32).collect();
        let buckets = Tensor::from_vec(buckets, new * all, self.table.device())?;
        let values = self.table.index_select(&buckets, 0)?.reshape((new, all, self.table.dim(1)?))?;
        Ok(values.permute((2, 0, 1))?.unsqueeze(0)?.contiguous()?)
    }
}

impl Buckets {
    /// The bucket of a token at `to`, seen from `from`: one for each short distance, then of growing width
    /// (transformers' `T5Attention._relative_position_bucket`, in f32 as there).
    fn of(self, from: usize, to: usize) -> usize {
        let (first, count, distance) = match (self.both_sides, to > from) {
            (true, true) => (self.count / 2, self.count / 2, to - from),
            (true, false) => (0, self.count / 2, from - to),
            (false, _) => (0, self.count, from.saturating_sub(to)),
        };
        let exact = count / 2;
        if distance < exact {
            return first + distance;
        }
        let span = (self.most as f64 / exact as f64).ln() as f32;
        let grown = (distance as f32 / exact as f32).ln() / span * (count - exact) as f32;
        first + (exact + grown as usize).min(count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `T5Attention._relative_position_bucket(memory - context, bidirectional, 32, 128)` of transformers 5.23.0.
    #[test]
    fn distances_are_in_the_buckets_of_the_reference() {
        let seen = |both_sides, places: &[(usize, usize)]| -> Vec<usize> {
            let buckets = Buckets { count: 32, most: 128, both_sides };
            places.iter().map(|&(from, to)| buckets.of(from, to)).collect()
        };
        let places = [(0, 0), (5, 0), (9, 0), (20, 0), (64, 0), (300, 0), (0, 3), (0, 8), (0, 40), (0, 500)];
        assert_eq!(seen(true, &places), [0, 5, 8, 10, 14, 15, 19, 24, 28, 31]);
        assert_eq!(seen(false, &places), [0, 5, 9, 17, 26, 31, 0, 0, 0, 0]);
    }
}
