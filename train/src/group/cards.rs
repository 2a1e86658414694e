//! The cards of a group, joined by NCCL: sums that never leave them.

use std::ffi::c_char;

use candle_core::cuda_backend::cudarc::nccl::result::NcclError;
use candle_core::cuda_backend::cudarc::nccl::safe::{Comm, Id, ReduceOp};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, Result, Storage, Tensor};

use super::star::{Group, GroupError};

/// Each process's card, as one of them sees it.
#[derive(Debug)]
pub struct Cards {
    comm: Comm,
    device: CudaDevice,
}

impl Cards {
    /// Joins the cards of all processes, each of which has to have one of its own ([`id`]). All call this at once.
    ///
    /// # Errors
    /// Where NCCL fails, or a process does.
    pub fn join(group: &Group, device: &CudaDevice) -> std::result::Result<Self, GroupError> {
        let failed = |error: NcclError| GroupError::Cards { cause: format!("{:?}", error.0) };
        let own = match group.rank() {
            0 => Id::new().map_err(failed)?.internal().iter().map(|&byte| byte as u8).collect(),
            _ => Vec::new(),
        };
        let id: [u8; 128] = group.broadcast(own)?.try_into().map_err(|id: Vec<u8>| GroupError::Length {
            rank: 0,
            found: id.len(),
            expected: 128,
        })?;
        let id = Id::uninit(id.map(|byte| byte as c_char));
        let comm = Comm::from_rank(device.cuda_stream(), group.rank(), group.size(), id).map_err(failed)?;
        Ok(Self { comm, device: device.clone() })
    }

    /// The sum over all processes of contiguous f32 `values`, the same to the bit in all. It is computed on the card's stream,
    /// after all that was begun there before; whoever drops `self` breaks it off.
    pub fn all_reduce_sum(&self, values: &Tensor) -> Result<Tensor> {
        let (storage, layout) = values.storage_and_layout();
        let (Storage::Cuda(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            candle_core::bail!(
                "NCCL adds contiguous tensors on a card, not {:?}",
                values.device().location()
            );
        };
        let own = storage.as_cuda_slice::<f32>()?.slice(from..to);
        let mut sums = self.device.alloc_zeros::<f32>(to - from)?;
        self.comm
            .all_reduce(&own, &mut sums, &ReduceOp::Sum)
            .map_err(|error| candle_core::Error::Msg(format!("NCCL cannot add gradients: {:?}", error.0)))?;
        let sums = Storage::Cuda(CudaStorage::wrap_cuda_slice(sums, self.device.clone()));
        Ok(Tensor::from_storage(sums, values.shape().clone(), BackpropOp::none(), false))
    }
}

/// What no other card has, on any machine.
///
/// # Errors
/// Where the driver does not say.
pub fn id(device: &CudaDevice) -> Result<Vec<u8>> {
    let uuid = device.cuda_stream().context().uuid();
    let uuid =
        uuid.map_err(|error| candle_core::Error::Msg(format!("the driver does not name the card: {error}")))?;
    Ok(uuid.bytes.iter().map(|&byte| byte as u8).collect())
}
