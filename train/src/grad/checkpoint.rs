//! Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): a part of a network keeps its inputs only and is run again
//! in the backward pass.
//!
//! Candle's operations have three arguments at most, a part of a network may have more. So each run is two kinds of node:
//! `Rerun`, from the first input to the result, and a chain of `Hand` over the other inputs that ends in a number the
//! `Rerun` takes as its second argument. Backward, `Rerun` comes first, computes all gradients, and leaves those of
//! the other inputs for the chain to hand out.

use crate::error::Result;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp2, CustomOp3, DType, Layout, MetalStorage, Shape};
use candle_core::{Storage, Tensor, Var};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `run(inputs)`, of which the graph keeps the inputs alone; nothing else that `run` uses gets a gradient.
///
/// `run` is called with tensors of the same values: now, and once more in the backward pass, with the same result.
pub fn checkpoint<F>(inputs: &[&Tensor], run: F) -> Result<Tensor>
where
    F: Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    if !inputs.iter().any(|t| t.track_op()) {
        let detached: Vec<Tensor> = inputs.iter().map(|t| t.detach()).collect();
        return run(&detached);
    }
    let detached: Vec<Tensor> = inputs.iter().map(|t| t.detach()).collect();
    let result = run(&detached)?.detach().contiguous()?;
    let part = Arc::new(Part {
        run: Box::new(run),
        result: Mutex::new(Some(result)),
        tracked: inputs.iter().map(|t| t.track_op()).collect(),
        inputs: detached,
        grads: Mutex::new(Vec::new()),
    });
    let device = inputs[0].device();
    let mut ticket = Tensor::zeros(1, DType::F32, device)?;
    let nothing = ticket.clone();
    let others: Vec<usize> = (1..inputs.len()).filter(|&i| part.tracked[i]).collect();
    for pair in others.chunks(2) {
        let second = pair.get(1).map_or(&nothing, |&i| inputs[i]);
        let places = [Some(pair[0]), pair.get(1).copied()];
        ticket = ticket.apply_op3(inputs[pair[0]], second, Hand { part: part.clone(), places })?;
    }
    Ok(inputs[0].apply_op2(&ticket, Rerun(part))?)
}

type Run = dyn Fn(&[Tensor]) -> Result<Tensor> + Send + Sync;

struct Part {
    run: Box<Run>,
    /// The result, until the graph has it.
    result: Mutex<Option<Tensor>>,
    inputs: Vec<Tensor>,
    tracked: Vec<bool>,
    /// Gradients of the inputs, until the chain hands them out.
    grads: Mutex<Vec<Option<Tensor>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Part {
    /// Gradients of all inputs.
    fn backward(&self, upstream: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let inputs = self.inputs.iter().zip(&self.tracked).map(|(input, tracked)| {
            if *tracked { Ok(Var::from_tensor(input)?.into_inner()) } else { Ok(input.clone()) }
        });
        let inputs: Vec<Tensor> = inputs.collect::<Result<_>>()?;
        let result = (self.run)(&inputs)?;
        // The inner product with the upstream gradient has the gradients of the chain rule.
        let product = (result * upstream.detach())?.sum_all()?;
        let mut grads = product.backward()?;
        Ok(inputs.iter().zip(&self.tracked).map(|(t, on)| grads.remove(t).filter(|_| *on)).collect())
    }
}

struct Rerun(Arc<Part>);

impl Rerun {
    fn take(&self) -> candle_core::Result<Tensor> {
        match lock(&self.0.result).take() {
            Some(result) => Ok(result),
            None => candle_core::bail!("a checkpointed part was applied twice"),
        }
    }
}

impl CustomOp2 for Rerun {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let result = self.take()?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.clone(), layout.shape().clone())),
            _ => candle_core::bail!("checkpoint: the result is not on the CPU"),
        }
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let result = self.take()?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => Ok((storage.try_clone(layout)?, layout.shape().clone())),
            _ => candle_core::bail!("checkpoint: the result is not on the CUDA device"),
        }
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        let result = self.take()?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Metal(storage) => Ok((storage.try_clone(layout)?, layout.shape().clone())),
            _ => candle_core::bail!("checkpoint: the result is not on the Metal device"),
        }
    }

    fn bwd(
        &self,
        first: &Tensor,
        ticket: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let mut grads = self.0.backward(grad)?;
        let first = gradient(first, grads[0].take())?;
        *lock(&self.0.grads) = grads;
        let ticket = if ticket.track_op() { Some(ticket.zeros_like()?) } else { None };
        Ok((first, ticket))
    }
}

/// Candle asks a gradient of every node within the graph; only a variable may go without.
fn gradient(of: &Tensor, found: Option<Tensor>) -> candle_core::Result<Option<Tensor>> {
    match found {
        None if of.track_op() && !of.is_variable() => of.zeros_like().map(Some),
        found => Ok(found),
    }
}

/// Hands the gradients of two inputs out; its own value means nothing.
struct Hand {
    part: Arc<Part>,
    places: [Option<usize>; 2],
}

impl CustomOp3 for Hand {
    fn name(&self) -> &'static str {
        "checkpoint_inputs"
    }

    fn cpu_fwd(
        &self,
        ticket: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
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
    ) -> candle_core::Result<(CudaStorage, Shape)> {
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
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        Ok((ticket.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        ticket: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut grads = lock(&self.part.grads);
        let mut take = |place: Option<usize>| place.and_then(|i| grads.get_mut(i)?.take());
        let (of_a, of_b) = (take(self.places[0]), take(self.places[1]));
        let ticket = ticket.track_op().then(|| grad.clone());
        Ok((ticket, gradient(a, of_a)?, gradient(b, of_b)?))
    }
}
