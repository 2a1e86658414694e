//! What makes an operation a node of Candle's graph: its result and its gradients, on plain slices.

use super::real::Real;
use crate::grad::backward::hand_over;
use crate::grad::has_kernels;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Storage, Tensor,
};

/// A contiguous tensor on the CPU.
#[derive(Clone, Copy)]
pub(in crate::grad) struct View<'a, T> {
    pub data: &'a [T],
    pub dims: &'a [usize],
}

impl<T> View<'_, T> {
    /// Length of the last dimension.
    pub(super) fn width(&self) -> usize {
        self.dims.last().copied().unwrap_or(1).max(1)
    }
}

/// An operation on `N` tensors of one float type.
pub(in crate::grad) trait Kernel<const N: usize>: Send + Sync + 'static {
    const NAME: &'static str;

    /// The result and its shape.
    fn forward<T: Real>(&self, args: [View<'_, T>; N]) -> Result<(Vec<T>, Shape)>;

    /// The gradients of those arguments that are `wanted`.
    fn backward<T: Real>(
        &self,
        args: [View<'_, T>; N],
        result: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; N],
    ) -> Result<[Option<Vec<T>>; N]>;
}

/// Whether the kernels take these tensors: on the CPU, all of one type, f32 or f64.
pub(in crate::grad) fn takes(tensors: &[&Tensor]) -> bool {
    let Some(first) = tensors.first() else { return false };
    matches!(first.dtype(), DType::F32 | DType::F64)
        && tensors.iter().all(|t| has_kernels(t.device()) && t.dtype() == first.dtype())
}

/// The result of a kernel of one argument, differentiable.
pub(in crate::grad) fn apply1(kernel: impl Kernel<1>, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(OnCpu(kernel))
}

/// The result of a kernel of two arguments, differentiable.
pub(in crate::grad) fn apply2(kernel: impl Kernel<2>, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op2(&b.contiguous()?, OnCpu(kernel))
}

/// The result of a kernel of three arguments, differentiable.
pub(in crate::grad) fn apply3(kernel: impl Kernel<3>, a: &Tensor, b: &Tensor, c: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op3(&b.contiguous()?, &c.contiguous()?, OnCpu(kernel))
}

struct OnCpu<K>(K);

pub(super) fn slice<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => candle_core::bail!("a kernel was given a tensor that is not contiguous"),
    }
}

fn forward<K: Kernel<N>, const N: usize>(
    kernel: &K,
    args: [(&CpuStorage, &Layout); N],
) -> Result<(CpuStorage, Shape)> {
    match args[0].0 {
        CpuStorage::F32(_) => forward_as::<f32, K, N>(kernel, args),
        _ => forward_as::<f64, K, N>(kernel, args),
    }
}

fn forward_as<T: Real, K: Kernel<N>, const N: usize>(
    kernel: &K,
    args: [(&CpuStorage, &Layout); N],
) -> Result<(CpuStorage, Shape)> {
    let mut views = [View { data: &[][..], dims: &[] }; N];
    for (view, (storage, layout)) in views.iter_mut().zip(args) {
        *view = View { data: slice::<T>(storage, layout)?, dims: layout.dims() };
    }
    let (data, shape) = kernel.forward(views)?;
    Ok((T::to_cpu_storage_owned(data), shape))
}

fn backward<K: Kernel<N>, const N: usize>(
    kernel: &K,
    args: [&Tensor; N],
    result: &Tensor,
    grad: &Tensor,
) -> Result<[Option<Tensor>; N]> {
    let grad = grad.contiguous()?;
    match result.dtype() {
        DType::F32 => backward_as::<f32, K, N>(kernel, args, result, &grad),
        _ => backward_as::<f64, K, N>(kernel, args, result, &grad),
    }
}

fn backward_as<T: Real, K: Kernel<N>, const N: usize>(
    kernel: &K,
    args: [&Tensor; N],
    result: &Tensor,
    grad: &Tensor,
) -> Result<[Option<Tensor>; N]> {
    let guards = args.map(Tensor::storage_and_layout);
    let mut views = [View { data: &[][..], dims: &[] }; N];
    for (view, (guard, layout)) in views.iter_mut().zip(&guards) {
        *view = View { data: slice::<T>(on_cpu(guard)?, layout)?, dims: layout.dims() };
    }
    let (result, result_layout) = result.storage_and_layout();
    let (grad, grad_layout) = grad.storage_and_layout();
    let result = View { data: slice::<T>(on_cpu(&result)?, result_layout)?, dims: result_layout.dims() };
    let grad = View { data: slice::<T>(on_cpu(&grad)?, grad_layout)?, dims: grad_layout.dims() };
    let grads = kernel.backward(views, result, grad, args.map(Tensor::track_op))?;
    let mut tensors = [const { None }; N];
    for ((tensor, grad), arg) in tensors.iter_mut().zip(grads).zip(args) {
        let grad = grad.map(|data| Tensor::from_vec(data, arg.dims(), &Device::Cpu)).transpose()?;
        *tensor = hand_over(arg, grad)?;
    }
    Ok(tensors)
}

fn on_cpu(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => candle_core::bail!("a kernel for the CPU was given a tensor of another device"),
    }
}

impl<K: Kernel<1>> CustomOp1 for OnCpu<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, a: &CpuStorage, la: &Layout) -> Result<(CpuStorage, Shape)> {
        forward(&self.0, [(a, la)])
    }

    fn bwd(&self, a: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [a] = backward(&self.0, [a], result, grad)?;
        Ok(a)
    }
}

impl<K: Kernel<2>> CustomOp2 for OnCpu<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        la: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        forward(&self.0, [(a, la), (b, lb)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = backward(&self.0, [a, b], result, grad)?;
        Ok((a, b))
    }
}

impl<K: Kernel<3>> CustomOp3 for OnCpu<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        la: &Layout,
        b: &CpuStorage,
        lb: &Layout,
        c: &CpuStorage,
        lc: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        forward(&self.0, [(a, la), (b, lb), (c, lc)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = backward(&self.0, [a, b, c], result, grad)?;
        Ok((a, b, c))
    }
}
