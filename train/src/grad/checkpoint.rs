//! Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): a part of a network keeps its inputs only and
//! is run again in the backward pass.

use crate::error::Result;
use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, MetalStorage, Shape, Tensor, Var};
use std::sync::Arc;

use super::backward::backward;
use super::held::Held;
use super::nary::{self, Gradients};

/// `run(inputs)`, of which the graph keeps the inputs alone; nothing else that `run` uses gets a gradient.
///
/// `run` is called with tensors of the same values: now, and once more in the backward pass, with the same result.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use train::grad;
///
/// let x = Var::new(&[0.5f32, -1.0], &Device::Cpu)?;
/// let block = |inputs: &[Tensor]| grad::gelu(&grad::silu(&inputs[0])?);
/// let kept = block(&[x.as_tensor().clone()])?; // the graph keeps silu's result too
/// let rerun = grad::checkpoint(&[&x], block)?; // the graph keeps x only
/// let gradient = |y: &Tensor| -> train::Result<Vec<f32>> {
///     let gradients = grad::backward(&y.sum_all()?)?;
///     Ok(gradients.get(&x).expect("x is a variable").to_vec1()?)
/// };
/// assert_eq!(gradient(&kept)?, gradient(&rerun)?);
/// # Ok::<(), train::Error>(())
/// ```
pub fn checkpoint<F>(inputs: &[&Tensor], run: F) -> Result<Tensor>
where
    F: Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    if !inputs.iter().any(|t| t.track_op()) {
        let detached: Vec<Tensor> = inputs.iter().map(|t| t.detach()).collect();
        return run(&detached);
    }
    let detached: Vec<Tensor> = inputs.iter().map(|t| t.detach()).collect();
    let result = run(&detached)?;
    let part = Arc::new(Part {
        run: Box::new(run),
        result: Held::new(&result),
        tracked: inputs.iter().map(|t| t.track_op()).collect(),
        inputs: detached,
        grads: Arc::default(),
    });
    let link = nary::chain(inputs, &part.grads)?;
    Ok(inputs[0].apply_op2(&link, Rerun(part))?)
}

type Run = dyn Fn(&[Tensor]) -> Result<Tensor> + Send + Sync;

struct Part {
    run: Box<Run>,
    /// The result, until the graph has it.
    result: Held,
    inputs: Vec<Tensor>,
    tracked: Vec<bool>,
    /// Gradients of the inputs, until the relays return them (see [`nary`](super::nary)).
    grads: Arc<Gradients>,
}

impl Part {
    /// Gradients of all inputs.
    fn backward(&self, upstream: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let inputs = self.inputs.iter().zip(&self.tracked).map(|(input, tracked)| {
            if *tracked { Ok(Var::from_tensor(input)?.into_inner()) } else { Ok(input.clone()) }
        });
        let inputs: Vec<Tensor> = inputs.collect::<Result<_>>()?;
        let result = (self.run)(&inputs)?;
        // The gradients of ⟨result, upstream⟩ by the inputs are those of the chain rule.
        let product = (result * upstream.detach())?.sum_all()?;
        let mut grads = backward(&product)?;
        Ok(inputs.iter().zip(&self.tracked).map(|(t, on)| grads.remove(t).filter(|_| *on)).collect())
    }
}

struct Rerun(Arc<Part>);

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
        self.0.result.cpu(self.name())
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        self.0.result.cuda(self.name())
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        self.0.result.metal(self.name())
    }

    fn bwd(
        &self,
        first: &Tensor,
        link: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let grads = self.0.backward(grad)?;
        Ok((self.0.grads.leave(first, grads)?, nary::of_link(link)?))
    }
}
