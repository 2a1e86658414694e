//! Gated GELU and its gradient.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};

use super::HandOver;
use super::memory::{Addresses, laid_out, on_card, room, tensor};
use super::start::start;
use crate::geglu::{Arguments, Shape};

/// Gated GELU of `[…, 2c]`, differentiable; the result is `[…, c]`.
pub fn geglu(x: &Tensor, hand_over: HandOver) -> Result<Option<Tensor>> {
    let Some(element) = super::element(&[x])? else { return Ok(None) };
    let Some(&whole) = x.dims().last() else { return Ok(None) };
    let width = whole / 2;
    if width == 0 || !whole.is_multiple_of(2) {
        return Ok(None);
    }
    let shape = Shape { rows: x.elem_count() / whole, width, element };
    if shape.arguments().and_then(|arguments| shape.forward(arguments)).is_err() {
        return Ok(None);
    }
    laid_out(x)?.apply_op1(Geglu { shape, hand_over }).map(Some)
}

struct Geglu {
    shape: Shape,
    hand_over: HandOver,
}

impl CustomOp1 for Geglu {
    fn name(&self) -> &'static str {
        "geglu"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Dims)> {
        super::not_on_cpu(self.name())
    }

    fn cuda_fwd(&self, x: &CudaStorage, of_x: &Layout) -> Result<(CudaStorage, Dims)> {
        let device = x.device();
        let stream = device.cuda_stream();
        let mut dims = of_x.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.shape.width;
        }
        let dims = Dims::from(dims);
        let mut out = room(device, &dims, x.dtype())?;
        {
            let mut at = Addresses::new(&stream);
            let arguments = Arguments {
                x: at.of(x, of_x)?,
                y: at.of_new(&mut out)?,
                ..super::planned(self.shape.arguments())?
            };
            // SAFETY: `at` holds both, and `geglu` checked the shape.
            unsafe { start(device, self.shape.forward(arguments))? };
        }
        Ok((out, dims))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, d_y: &Tensor) -> Result<Option<Tensor>> {
        let d_y = laid_out(d_y)?;
        let ((given, of_x), (grads, of_d_y)) = (x.storage_and_layout(), d_y.storage_and_layout());
        let (given, grads) = (on_card(&given)?, on_card(&grads)?);
        let device = given.device();
        let stream = device.cuda_stream();
        let mut d_x = room(device, of_x.shape(), given.dtype())?;
        {
            let mut at = Addresses::new(&stream);
            let arguments = Arguments {
                x: at.of(given, of_x)?,
                d_y: at.of(grads, of_d_y)?,
                d_x: at.of_new(&mut d_x)?,
                ..super::planned(self.shape.arguments())?
            };
            // SAFETY: `at` holds all of them, and a gradient has its tensor's shape.
            unsafe { start(device, self.shape.backward(arguments))? };
        }
        (self.hand_over)(x, Some(tensor(d_x, of_x.shape())))
    }
}
