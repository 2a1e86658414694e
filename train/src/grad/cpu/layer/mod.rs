//! A layer of a transformer as one operation: attention and two linear maps, each on normalised input and added to it
//! (pre-norm, Xiong et al. 2020, arXiv:2002.04745).
//!
//! Composed of single operations, each of its twenty steps passes over memory, and so does each gradient.
//! Here a task takes some rows through the whole layer while they are in its processor's cache.
//!
//! | file | what |
//! |---|---|
//! | `weights` | the parameters, and a task's share of their gradients |
//! | `rows` | loops over rows: normalisation, linear maps, softmax |
//! | `self_attention`, `cross_attention` | the two kinds of layers |
//! | `feed_forward` | what follows attention in both |

mod cross_attention;
mod feed_forward;
mod rows;
mod self_attention;
mod weights;

pub(in crate::grad) use cross_attention::CrossAttention;
pub(in crate::grad) use self_attention::SelfAttention;

/// Settings of both kinds of layers.
#[derive(Clone, Copy)]
pub(in crate::grad) struct Settings {
    pub heads: usize,
    /// Of both normalisations.
    pub eps: f64,
}

/// Rows that a task takes through a layer. Fixed, so that sums over tasks do not depend on the number of threads;
/// few enough that what they become stays in the second-level cache.
const ROWS: usize = 256;

/// Batch entries of `rows` rows that make up a task.
fn entries(rows: usize) -> usize {
    (ROWS / rows.max(1)).max(1)
}

/// Splits off the first `length` elements of `rest`.
fn take_front_mut<'a, T>(rest: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let (first, after) = std::mem::take(rest).split_at_mut(length);
    *rest = after;
    first
}

/// The same of what is only read.
fn take_front<'a, T>(rest: &mut &'a [T], length: usize) -> &'a [T] {
    let (first, after) = rest.split_at(length);
    *rest = after;
    first
}
