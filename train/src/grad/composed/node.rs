//! A graph node made of a finished result and a closure for the backward pass.
//!
//! Candle's `CustomOp` wants the forward pass written per device on raw storage. Where the forward pass is a
//! composition of tensor operations, the node takes the finished result instead, so that only the backward
//! pass is ours, on any device. It costs one copy of the result, which is then dropped.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp3, Layout, MetalStorage, Result, Shape, Tensor,
};

use crate::grad::backward::hand_over;
use crate::grad::held::Held;

/// Backward closure: gradients of the arguments, given the gradient of the result. `None` where an argument needs none.
pub(crate) type Backward<const N: usize> = Box<dyn Fn(&Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync>;

struct Node<const N: usize> {
    name: &'static str,
    result: Held,
    backward: Backward<N>,
}

impl<const N: usize> Node<N> {
    fn new(name: &'static str, result: &Tensor, backward: Backward<N>) -> Self {
        Self { name, result: Held::new(result), backward }
    }

    fn gradients(&self, args: [&Tensor; N], grad: &Tensor) -> Result<[Option<Tensor>; N]> {
        let mut found = (self.backward)(&grad.contiguous()?)?;
        for (found, arg) in found.iter_mut().zip(args) {
            *found = match found.take() {
                // The closure computes in the result's type; a parameter's gradient is of the parameter's.
                Some(gradient) => hand_over(arg, Some(gradient.to_dtype(arg.dtype())?))?,
                None => None,
            };
        }
        Ok(found)
    }
}

impl CustomOp1 for Node<1> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.result.cpu(self.name)
    }
    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.result.cuda(self.name)
    }
    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.result.metal(self.name)
    }
    fn bwd(&self, a: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.gradients([a], grad)?;
        Ok(a)
    }
}

impl CustomOp3 for Node<3> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.result.cpu(self.name)
    }
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.result.cuda(self.name)
    }
    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.result.metal(self.name)
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.gradients([a, b, c], grad)?;
        Ok((a, b, c))
    }
}

/// `result`, tied into the graph as a function of `arg`.
pub(crate) fn node1(
    name: &'static str,
    arg: &Tensor,
    result: &Tensor,
    backward: Backward<1>,
) -> Result<Tensor> {
    if !arg.track_op() {
        return Ok(result.detach());
    }
    arg.apply_op1(Node::new(name, result, backward))
}

/// The same of three arguments. The closure gives gradients of those alone that are tracked.
pub(crate) fn node3(
    name: &'static str,
    [a, b, c]: [&Tensor; 3],
    result: &Tensor,
    backward: Backward<3>,
) -> Result<Tensor> {
    if ![a, b, c].iter().any(|arg| arg.track_op()) {
        return Ok(result.detach());
    }
    a.apply_op3(b, c, Node::new(name, result, backward))
}
