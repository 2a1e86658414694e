//! Addresses of tensors and room for new ones.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};
use candle_core::{CudaDevice, CudaStorage, DType, Layout, Result, Shape, Storage, Tensor};
use half::bf16;

/// Addresses that a kernel is given. What they are of is borrowed, and known to be used, until this is dropped.
pub(super) struct Addresses<'a> {
    stream: &'a CudaStream,
    held: Vec<SyncOnDrop<'a>>,
}

impl<'a> Addresses<'a> {
    pub fn new(stream: &'a CudaStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    pub fn slice<T>(&mut self, slice: &'a CudaSlice<T>) -> u64 {
        let (address, held) = slice.device_ptr(self.stream);
        self.held.push(held);
        address
    }

    pub fn slice_mut<T>(&mut self, slice: &'a mut CudaSlice<T>) -> u64 {
        let (address, held) = slice.device_ptr_mut(self.stream);
        self.held.push(held);
        address
    }

    /// Of a tensor's first element.
    pub fn of(&mut self, storage: &'a CudaStorage, layout: &Layout) -> Result<u64> {
        let begin = match storage.dtype() {
            DType::F32 => self.slice(storage.as_cuda_slice::<f32>()?),
            DType::BF16 => self.slice(storage.as_cuda_slice::<bf16>()?),
            other => candle_core::bail!("kernels take f32 and bf16, not {other:?}"),
        };
        Ok(begin + (layout.start_offset() * storage.dtype().size_in_bytes()) as u64)
    }

    /// Of a new tensor.
    pub fn of_new(&mut self, storage: &'a mut CudaStorage) -> Result<u64> {
        match storage.dtype() {
            DType::F32 => Ok(self.slice_mut(storage.as_cuda_slice_mut::<f32>()?)),
            DType::BF16 => Ok(self.slice_mut(storage.as_cuda_slice_mut::<bf16>()?)),
            other => candle_core::bail!("kernels take f32 and bf16, not {other:?}"),
        }
    }
}

pub(super) fn on_card(storage: &Storage) -> Result<&CudaStorage> {
    match storage {
        Storage::Cuda(storage) => Ok(storage),
        _ => candle_core::bail!("a kernel for CUDA was given a tensor of another device"),
    }
}

/// Room for a tensor, which a kernel is to write in full.
pub(super) fn room(device: &CudaDevice, shape: &Shape, dtype: DType) -> Result<CudaStorage> {
    use candle_core::backend::BackendDevice;
    // SAFETY: the kernels write every element of what they return, as their tests on the host see: it starts
    // as NaN there.
    unsafe { device.alloc_uninit(shape, dtype) }
}

/// Room for `len` numbers between kernels, which the first of them is to write in full.
pub(super) fn numbers(device: &CudaDevice, len: usize) -> Result<CudaSlice<f32>> {
    // SAFETY: as in `room`.
    unsafe { device.alloc(len) }
}

pub(super) fn tensor(storage: CudaStorage, shape: &Shape) -> Tensor {
    let op = candle_core::op::BackpropOp::none();
    Tensor::from_storage(Storage::Cuda(storage), shape.clone(), op, false)
}

/// The tensor, in one piece and on 16 bytes.
pub(super) fn laid_out(tensor: &Tensor) -> Result<Tensor> {
    let tensor = tensor.contiguous()?;
    if is_aligned(&tensor) { Ok(tensor) } else { tensor.force_contiguous() }
}

pub(super) fn is_aligned(tensor: &Tensor) -> bool {
    (tensor.layout().start_offset() * tensor.dtype().size_in_bytes()).is_multiple_of(16)
}
