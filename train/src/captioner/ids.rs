//! Token ids to their embeddings, and the best next ids.

use crate::error::{Error, Result};
use candle_core::{D, DType, Tensor};

/// The rows of `table` `[vocabulary, width]` for rows of ids, all of one length: `[n, len, width]`.
pub(super) fn embed(table: &Tensor, ids: &[Vec<u32>]) -> Result<Tensor> {
    let (n, len) = (ids.len(), ids.first().map_or(0, Vec::len));
    let (vocabulary, width) = table.dims2()?;
    let has_one_length = len > 0 && ids.iter().all(|row| row.len() == len);
    if !has_one_length || ids.iter().flatten().any(|&id| id as usize >= vocabulary) {
        return Err(Error::Tokenise {
            text: format!("{ids:?}"),
            reason: format!(
                "needs rows of one length with ids below {vocabulary}; is this the model's own tokenizer?"
            ),
        });
    }
    let flat: Vec<u32> = ids.iter().flatten().copied().collect();
    let flat = Tensor::from_vec(flat, n * len, table.device())?;
    Ok(table.index_select(&flat, 0)?.to_dtype(DType::F32)?.reshape((n, len, width))?)
}

/// `len` rows of a table of positions from `from` on, as f32.
pub(super) fn positions(table: &Tensor, from: usize, len: usize) -> Result<Tensor> {
    let rows = table.dim(0)?;
    if from + len > rows {
        return Err(Error::Tokenise {
            text: format!("{} tokens", from + len),
            reason: format!("the model has {rows} positions; a shorter prompt is needed"),
        });
    }
    Ok(table.narrow(0, from, len)?.to_dtype(DType::F32)?)
}

/// The last of the states `[n, len, width]`: `[n, 1, width]`.
pub(super) fn last(states: &Tensor) -> Result<Tensor> {
    Ok(states.narrow(1, states.dim(1)? - 1, 1)?.contiguous()?)
}

/// How long texts are made longer.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// New ids of each text at most; fewer where the model has no more positions.
    pub max_tokens: usize,
    /// Ids after which a text is finished.
    pub stops: &'a [u32],
}

/// Greedy decoding: for each text the best id, again and again, up to a stop id (which is kept) or to the limit.
///
/// `logits` are those of the first new id, `[n, 1, vocabulary]`; `next` gives those after one more id of every text.
/// A text that is finished goes on with its stop id, which nobody sees.
pub(super) fn greedy(
    mut logits: Tensor,
    limit: Limit,
    mut next: impl FnMut(&[Vec<u32>]) -> Result<Tensor>,
) -> Result<Vec<Vec<u32>>> {
    let mut texts = vec![Vec::new(); logits.dim(0)?];
    let mut finished = vec![false; texts.len()];
    for step in 1..=limit.max_tokens {
        let best: Vec<u32> = logits.squeeze(1)?.argmax(D::Minus1)?.to_vec1()?;
        for ((text, finished), &id) in texts.iter_mut().zip(&mut finished).zip(&best) {
            if !*finished {
                text.push(id);
                *finished = limit.stops.contains(&id);
            }
        }
        if step == limit.max_tokens || finished.iter().all(|&finished| finished) {
            break;
        }
        logits = next(&best.iter().map(|&id| vec![id]).collect::<Vec<_>>())?;
    }
    Ok(texts)
}
