//! Operations of any number of tensors, which save intermediate results for their backward pass.

use super::kernel::{View, slice};
use super::real::Real;
use super::scratch::Scratch;
use crate::grad::nary::{self, Gradients, lock};
use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Result, Shape, Storage, Tensor};
use std::sync::{Arc, Mutex};

/// A result, its shape, and what is saved for the backward pass, in a buffer that later steps use again.
pub(super) type Output<T> = (Vec<T>, Shape, Scratch<T>);

/// An operation on tensors of one float type.
pub(in crate::grad) trait NaryKernel: Send + Sync + 'static {
    const NAME: &'static str;

    fn forward<T: Real>(&self, args: &[View<'_, T>]) -> Result<Output<T>>;

    /// The gradients of those arguments that are `wanted`.
    fn backward<T: Real>(
        &self,
        args: &[View<'_, T>],
        kept: &[T],
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>>;
}

/// The result of an operation, differentiable. The first argument is of the type and device of all.
pub(in crate::grad) fn apply(kernel: impl NaryKernel, args: &[&Tensor]) -> Result<Tensor> {
    let args = args.iter().map(|arg| arg.contiguous()).collect::<Result<Vec<Tensor>>>()?;
    match args[0].dtype() {
        DType::F32 => apply_as::<f32>(kernel, args),
        _ => apply_as::<f64>(kernel, args),
    }
}

fn apply_as<T: Real>(kernel: impl NaryKernel, args: Vec<Tensor>) -> Result<Tensor> {
    let (result, shape, kept) = with_views(&args, |views: &[View<'_, T>]| kernel.forward(views))?;
    let result = T::to_cpu_storage_owned(result);
    let gradients = Arc::<Gradients>::default();
    let borrowed: Vec<&Tensor> = args.iter().collect();
    let link = nary::chain(&borrowed, &gradients)?;
    let first = args[0].clone();
    first.apply_op2(&link, Head { kernel, args, result: Mutex::new(Some((result, shape))), kept, gradients })
}

fn with_views<T: Real, R>(args: &[Tensor], work: impl FnOnce(&[View<'_, T>]) -> Result<R>) -> Result<R> {
    let guards: Vec<_> = args.iter().map(Tensor::storage_and_layout).collect();
    let views = guards.iter().map(|(guard, layout)| match &**guard {
        Storage::Cpu(storage) => Ok(View { data: slice::<T>(storage, layout)?, dims: layout.dims() }),
        _ => candle_core::bail!("a kernel for the CPU was given a tensor of another device"),
    });
    work(&views.collect::<Result<Vec<_>>>()?)
}

/// The node from the first argument to the result; see [`hand`].
struct Head<K, T: Real> {
    kernel: K,
    args: Vec<Tensor>,
    /// Taken by the graph when the node is applied.
    result: Mutex<Option<(CpuStorage, Shape)>>,
    kept: Scratch<T>,
    gradients: Arc<Gradients>,
}

impl<K: NaryKernel, T: Real> Head<K, T> {
    fn backward(&self, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let wanted: Vec<bool> = self.args.iter().map(Tensor::track_op).collect();
        let grads = with_views(std::slice::from_ref(grad), |grad: &[View<'_, T>]| {
            with_views(&self.args, |args| self.kernel.backward(args, &self.kept, grad[0], &wanted))
        })?;
        let tensors = grads
            .into_iter()
            .zip(&self.args)
            .map(|(grad, arg)| grad.map(|data| Tensor::from_vec(data, arg.dims(), &Device::Cpu)).transpose());
        tensors.collect()
    }
}

impl<K: NaryKernel, T: Real> CustomOp2 for Head<K, T> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        match lock(&self.result).take() {
            Some(result) => Ok(result),
            None => candle_core::bail!("{}: a node was applied twice", K::NAME),
        }
    }

    fn bwd(
        &self,
        first: &Tensor,
        link: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grads = self.backward(&grad.contiguous()?)?;
        Ok((self.gradients.leave(first, grads)?, nary::of_link(link)?))
    }
}
