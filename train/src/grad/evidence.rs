//! Evidence that two Gaussians describe one source: a log-likelihood ratio for each pair.

use super::cpu::evidence::Evidence;
use super::cpu::kernel::takes;
use super::cpu::nary::apply;
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::Tensor;

/// For each pair of diagonal Gaussians, `a` with the precisions and shifts (mean times precision) `[n, d]` and `b` with
/// `[m, d]`: `[n, m]`, the sum over d of A(hₐ+h_b, aₐ+a_b−1) − A(hₐ, aₐ) − A(h_b, a_b) with A(h, a) = ½h²/a − ½ log a.
///
/// Precisions are 1 at least, as of a product with the standard normal.
pub fn evidence(a: [&Tensor; 2], b: [&Tensor; 2]) -> Result<Tensor> {
    for [precision, shift] in [a, b] {
        if precision.rank() != 2 || precision.elem_count() == 0 {
            return Err(shape_error("evidence", "precision", precision, "[n, d], not empty"));
        }
        if shift.dims() != precision.dims() {
            return Err(shape_error("evidence", "shift", shift, format!("{:?}", precision.dims())));
        }
    }
    let (width, other) = (a[0].dim(1)?, b[0].dim(1)?);
    if width != other {
        return Err(shape_error("evidence", "precision", b[0], format!("[m, {width}]")));
    }
    let args = [a[0], a[1], b[0], b[1]];
    if takes(&args) { Ok(apply(Evidence, &args)?) } else { composed::evidence(a, b) }
}
