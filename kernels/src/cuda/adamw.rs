//! AdamW's step of all parameters, in place.

use candle_core::cuda_backend::cudarc::driver::DeviceRepr;
use candle_core::{DType, Device, Result, Tensor};

use super::memory::{Addresses, on_card};
use super::start::start;
use crate::adamw::{Entry, Rates, plan};

// SAFETY: a `repr(C)` structure of numbers, the same as in the kernel's source.
unsafe impl DeviceRepr for Entry {}

/// A parameter of a step, all four contiguous f32 tensors of one shape on one GPU.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The parameter, which is written.
    pub parameter: &'a Tensor,
    /// Its gradient.
    pub gradient: &'a Tensor,
    /// The mean of its gradients, which is written.
    pub mean: &'a Tensor,
    /// The mean of their squares, which is written.
    pub square: &'a Tensor,
    /// Share of the parameter that weight decay leaves.
    pub kept: f64,
}

impl Step<'_> {
    fn tensors(&self) -> [&Tensor; 4] {
        [self.parameter, self.gradient, self.mean, self.square]
    }

    fn is_for(&self, device: &Device) -> bool {
        self.tensors().iter().all(|t| {
            t.dtype() == DType::F32
                && t.is_contiguous()
                && t.dims() == self.parameter.dims()
                && t.device().same_device(device)
        })
    }
}

/// One step of all parameters in one launch. Returns whether it was done: not where one of them is no
/// contiguous f32 tensor on the GPU of the first.
///
/// Parameters and moments are written in place, whoever else holds them: the GPU's stream does one thing
/// after the other.
pub fn adamw_step(steps: &[Step<'_>], rates: &Rates) -> Result<bool> {
    let Some(first) = steps.first() else { return Ok(true) };
    if super::element(&[first.parameter])?.is_none() {
        return Ok(false);
    }
    let Device::Cuda(device) = first.parameter.device() else { return Ok(false) };
    if !steps.iter().all(|step| step.is_for(first.parameter.device())) {
        return Ok(false);
    }
    let stream = device.cuda_stream();
    let tensors: Vec<&Tensor> = steps.iter().flat_map(Step::tensors).collect();
    let guards: Vec<_> = tensors.iter().map(|t| t.storage_and_layout()).collect();
    let mut at = Addresses::new(&stream);
    let addresses = guards
        .iter()
        .map(|(storage, layout)| at.of(on_card(storage)?, layout))
        .collect::<Result<Vec<_>>>()?;
    let entry = |(step, at): (&Step<'_>, &[u64])| Entry {
        parameter: at[0],
        gradient: at[1],
        mean: at[2],
        square: at[3],
        elements: step.parameter.elem_count() as i64,
        first_block: 0,
        kept: step.kept as f32,
    };
    let mut entries: Vec<Entry> = steps.iter().zip(addresses.chunks_exact(4)).map(entry).collect();
    let Some(mut launch) = super::planned(plan(&mut entries, rates))? else { return Ok(true) };
    let table = device.clone_htod(&entries)?;
    let mut of_table = Addresses::new(&stream);
    launch.arguments.entries = of_table.slice(&table);
    // SAFETY: `at` and `of_table` hold all of them, and `is_for` checked that they are of the length that the
    // entry says. Parameters and moments are written though borrowed as read: sound because Candle uses one
    // stream for a device.
    unsafe { start(device, Ok(launch))? };
    Ok(true)
}
