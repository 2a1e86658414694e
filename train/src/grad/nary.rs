//! Graph nodes of more than three arguments: Candle's `CustomOp` traits stop at three.
//!
//! Such an operation is several nodes. Its *head* takes the first argument and computes the result. A chain of
//! `Relay` nodes, each with two of the other arguments, ends in a tensor of one number, the *link*, which is
//! the head's second argument: so all arguments are in the graph. In the backward pass the head comes first. It
//! computes all gradients and leaves them in [`Gradients`], and each relay returns those of its two arguments.

use super::backward::hand_over;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Layout, MetalStorage, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The gradients that the head has computed, until the relays return them.
#[derive(Default)]
pub(super) struct Gradients(Mutex<Vec<Option<Tensor>>>);

impl Gradients {
    /// Stores the gradients of all arguments; returns that of the first, which is the head's own.
    pub fn leave(&self, first: &Tensor, mut gradients: Vec<Option<Tensor>>) -> Result<Option<Tensor>> {
        let of_first = gradients.first_mut().and_then(Option::take);
        *lock(&self.0) = gradients;
        returned(first, of_first)
    }

    fn take(&self, place: Option<usize>) -> Option<Tensor> {
        place.and_then(|place| lock(&self.0).get_mut(place)?.take())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Candle needs a gradient for every tracked tensor that is no variable: zeros, where there is none.
fn returned(of: &Tensor, found: Option<Tensor>) -> Result<Option<Tensor>> {
    match found {
        None if of.track_op() && !of.is_variable() => of.zeros_like().map(Some),
        found => hand_over(of, found),
    }
}

/// Chains relays over all `arguments` but the first, and returns the link: the head's second argument.
pub(super) fn chain(arguments: &[&Tensor], gradients: &Arc<Gradients>) -> Result<Tensor> {
    let mut link = Tensor::zeros(1, DType::F32, arguments[0].device())?;
    let nothing = link.clone();
    let others: Vec<usize> = (1..arguments.len()).filter(|&i| arguments[i].track_op()).collect();
    for pair in others.chunks(2) {
        let second = pair.get(1).map_or(&nothing, |&i| arguments[i]);
        let places = [Some(pair[0]), pair.get(1).copied()];
        link = link.apply_op3(arguments[pair[0]], second, Relay { gradients: gradients.clone(), places })?;
    }
    Ok(link)
}

/// The gradient that the head returns for the link. It is zero, but without one Candle would not visit the relays.
pub(super) fn of_link(link: &Tensor) -> Result<Option<Tensor>> {
    if link.track_op() { link.zeros_like().map(Some) } else { Ok(None) }
}

/// Returns the gradients of two arguments. Its value is the link's, which means nothing.
struct Relay {
    gradients: Arc<Gradients>,
    places: [Option<usize>; 2],
}

impl CustomOp3 for Relay {
    fn name(&self) -> &'static str {
        "further_arguments"
    }

    fn cpu_fwd(
        &self,
        link: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((link.clone(), layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        link: &CudaStorage,
        layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((link.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        link: &MetalStorage,
        layout: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        Ok((link.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        link: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [of_a, of_b] = self.places.map(|place| self.gradients.take(place));
        let link = link.track_op().then(|| grad.clone());
        Ok((link, returned(a, of_a)?, returned(b, of_b)?))
    }
}
