//! The operations on Candle's tensors on a GPU, each with its gradient.
//!
//! | file | functions |
//! |---|---|
//! | `attention` | [`attention`] |
//! | `norm` | [`layer_norm`], [`group_norm`] |
//! | `geglu` | [`geglu`] |
//! | `adamw` | [`adamw_step`] |
//! | `start` | loads a kernel once for a device, and starts it |
//! | `memory` | addresses of tensors, held until a kernel is started |
//!
//! Each function returns `None` where there are no kernels for what it is given: another device, type or
//! shape, or a GPU before compute capability 8.0. Kernels run on Candle's own stream, in the order in which
//! they are started.
#![allow(unsafe_code, reason = "kernels are given addresses")]

mod adamw;
mod attention;
mod geglu;
mod memory;
mod norm;
mod start;

pub use adamw::{Step, adamw_step};
pub use attention::attention;
pub use geglu::geglu;
pub use norm::{group_norm, layer_norm};

use candle_core::{DType, Device, Result, Tensor};

use crate::launch::Element;

/// What becomes of the gradient of an argument before Candle has it: it may be taken by the pass itself.
pub type HandOver = fn(&Tensor, Option<Tensor>) -> Result<Option<Tensor>>;

/// The type of these tensors, if kernels take them: on one GPU, of one type.
fn element(tensors: &[&Tensor]) -> Result<Option<Element>> {
    let Some(first) = tensors.first() else { return Ok(None) };
    let Device::Cuda(device) = first.device() else { return Ok(None) };
    let element = match first.dtype() {
        DType::F32 => Element::F32,
        DType::BF16 => Element::Bf16,
        _ => return Ok(None),
    };
    let alike = |t: &&Tensor| t.dtype() == first.dtype() && t.device().same_device(first.device());
    let (major, _) = device.cuda_stream().context().compute_capability().map_err(candle_core::Error::wrap)?;
    Ok((major >= 8 && tensors.iter().all(alike)).then_some(element))
}

/// An error of this crate as Candle's.
fn planned<T>(result: crate::Result<T>) -> Result<T> {
    result.map_err(candle_core::Error::wrap)
}

/// What every kernel says where it is asked to run on the CPU.
fn not_on_cpu<T>(name: &str) -> Result<T> {
    candle_core::bail!("{name}: these kernels are for CUDA")
}
