//! Classifier-free guidance (arXiv:2207.12598) in the two scales in use.
//!
//! The paper's eq. 6 counts from 0 (w = 0: no guidance), eq. 10 from 1, as diffusers' `guidance_scale` does:
//! w₁₀ = w₆ + 1. The program takes eq. 10.

use crate::error::Result;
use candle_core::Tensor;

/// Eq. 6: `(w + 1)·ε(c) − w·ε`.
pub fn guide_eq6(conditional: &Tensor, unconditional: &Tensor, w: f64) -> Result<Tensor> {
    guide(conditional, unconditional, w + 1.0)
}

/// Eq. 10: `w·ε(c) + (1 − w)·ε`, diffusers' `guidance_scale`.
pub fn guide(conditional: &Tensor, unconditional: &Tensor, w: f64) -> Result<Tensor> {
    super::mix(conditional, w, unconditional, 1.0 - w)
}
