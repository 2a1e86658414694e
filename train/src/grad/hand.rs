//! Nodes of more than three arguments, which Candle's operations do not have.
//!
//! Such a node is two kinds: a head, from the first argument to the result, and a chain of `Hand` over the others that
//! ends in a number, the head's second argument. Backward, the head comes first, computes all gradients, and leaves those
//! of the other arguments for the chain to hand out.

use super::backward::hand_over;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Layout, MetalStorage, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Gradients of all arguments, from the head to the chain.
#[derive(Default)]
pub(super) struct Gradients(Mutex<Vec<Option<Tensor>>>);

impl Gradients {
    /// Leaves the gradients of all arguments but the first, and returns that one.
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

/// Candle asks a gradient of every node within the graph; only a variable may go without.
fn returned(of: &Tensor, found: Option<Tensor>) -> Result<Option<Tensor>> {
    match found {
        None if of.track_op() && !of.is_variable() => of.zeros_like().map(Some),
        found => hand_over(of, found),
    }
}

/// The end of the chain over all `arguments` but the first, to be the head's second argument.
pub(super) fn chain(arguments: &[&Tensor], gradients: &Arc<Gradients>) -> Result<Tensor> {
    let mut ticket = Tensor::zeros(1, DType::F32, arguments[0].device())?;
    let nothing = ticket.clone();
    let others: Vec<usize> = (1..arguments.len()).filter(|&i| arguments[i].track_op()).collect();
    for pair in others.chunks(2) {
        let second = pair.get(1).map_or(&nothing, |&i| arguments[i]);
        let places = [Some(pair[0]), pair.get(1).copied()];
        ticket =
            ticket.apply_op3(arguments[pair[0]], second, Hand { gradients: gradients.clone(), places })?;
    }
    Ok(ticket)
}

/// The gradient of the chain's end, which leads Candle along it.
pub(super) fn of_ticket(ticket: &Tensor) -> Result<Option<Tensor>> {
    if ticket.track_op() { ticket.zeros_like().map(Some) } else { Ok(None) }
}

/// Hands the gradients of two arguments out; its own value means nothing.
struct Hand {
    gradients: Arc<Gradients>,
    places: [Option<usize>; 2],
}

impl CustomOp3 for Hand {
    fn name(&self) -> &'static str {
        "further_arguments"
    }

    fn cpu_fwd(
        &self,
        ticket: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((ticket.clone(), layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        ticket: &CudaStorage,
        layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((ticket.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        ticket: &MetalStorage,
        layout: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        Ok((ticket.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        ticket: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [of_a, of_b] = self.places.map(|place| self.gradients.take(place));
        let ticket = ticket.track_op().then(|| grad.clone());
        Ok((ticket, returned(a, of_a)?, returned(b, of_b)?))
    }
}
