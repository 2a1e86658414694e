//! A finished result on its way into the graph.

use super::nary::lock;
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{CpuStorage, CudaStorage, Layout, MetalStorage, Result, Shape, Storage, Tensor};
use std::sync::Mutex;

/// The result of an operation whose forward pass is done, until Candle asks its node for it.
///
/// Candle's graph owns its storage, so the result's elements are copied once (of a view, only those it
/// shows). The result itself is then dropped: a node that held on to it would keep every result twice until
/// the backward pass.
pub(super) struct Held(Mutex<Option<Tensor>>);

impl Held {
    pub fn new(result: &Tensor) -> Self {
        Self(Mutex::new(Some(result.detach())))
    }

    pub fn cpu(&self, name: &str) -> Result<(CpuStorage, Shape)> {
        let result = self.take(name)?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => copied(storage, layout),
            _ => candle_core::bail!("{name}: the result is not on the CPU"),
        }
    }

    pub fn cuda(&self, name: &str) -> Result<(CudaStorage, Shape)> {
        let result = self.take(name)?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => copied(storage, layout),
            _ => candle_core::bail!("{name}: the result is not on the CUDA device"),
        }
    }

    pub fn metal(&self, name: &str) -> Result<(MetalStorage, Shape)> {
        let result = self.take(name)?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Metal(storage) => copied(storage, layout),
            _ => candle_core::bail!("{name}: the result is not on the Metal device"),
        }
    }

    fn take(&self, name: &str) -> Result<Tensor> {
        match lock(&self.0).take() {
            Some(result) => Ok(result),
            None => candle_core::bail!("{name}: its result was asked for twice"),
        }
    }
}

fn copied<S>(storage: &S, layout: &Layout) -> Result<(S, Shape)>
where
    S: BackendStorage,
    S::Device: BackendDevice<Storage = S>,
{
    let mut copy = storage.device().zeros_impl(layout.shape(), storage.dtype())?;
    storage.copy_strided_src(&mut copy, 0, layout)?;
    Ok((copy, layout.shape().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_result_is_given_out_once_as_its_own_elements_and_is_let_go() {
        let whole =
            Tensor::arange(0f32, 12.0, &Device::Cpu).and_then(|t| t.reshape((3, 4))).expect("a tensor");
        let view = whole.t().and_then(|t| t.narrow(0, 1, 2)).expect("a view");
        let held = Held::new(&view);
        let (storage, shape) = held.cpu("test").expect("the result");
        assert_eq!(shape.dims(), [2, 3]);
        assert_eq!(storage.as_slice::<f32>().expect("f32"), [1.0, 5.0, 9.0, 2.0, 6.0, 10.0]);
        assert!(lock(&held.0).is_none(), "nothing is held any more");
        let again = held.cpu("test").expect_err("refused").to_string();
        assert!(again.contains("test: its result was asked for twice"), "{again}");
    }

    #[test]
    fn a_contiguous_part_of_a_result_does_not_bring_its_neighbours() {
        let whole = Tensor::arange(0f32, 12.0, &Device::Cpu).expect("a tensor");
        let (storage, _) =
            Held::new(&whole.narrow(0, 4, 3).expect("a view")).cpu("test").expect("the result");
        assert_eq!(storage.as_slice::<f32>().expect("f32"), [4.0, 5.0, 6.0]);
    }
}
