//! AdamW's step on a GPU: all parameters in one launch of a kernel of [`kernels`].

use candle_core::{DType, Tensor};
pub(crate) use kernels::cuda::Step;

use crate::adamw::Rates;
use crate::error::Result;
use crate::grad::is_composed_only;

/// Takes the step, if all of it is f32 on one GPU; returns whether it did.
pub(crate) fn adamw(steps: &[Step<'_>], rates: &Rates) -> Result<bool> {
    if is_composed_only() || steps.iter().any(|step| !step.parameter.device().is_cuda()) {
        return Ok(false);
    }
    // A network that computes in a half type gives gradients in that type.
    let gradients = steps
        .iter()
        .map(|step| Ok(step.gradient.to_dtype(DType::F32)?.contiguous()?))
        .collect::<Result<Vec<Tensor>>>()?;
    let steps: Vec<Step<'_>> =
        steps.iter().zip(&gradients).map(|(step, gradient)| Step { gradient, ..*step }).collect();
    let Rates { config, scale, rate, correct2, .. } = *rates;
    let shared = kernels::adamw::Rates {
        beta1: config.beta1,
        beta2: config.beta2,
        eps: config.eps,
        scale,
        rate,
        correct2,
    };
    Ok(kernels::cuda::adamw_step(&steps, &shared)?)
}
