//! Layer and group normalisation, and their gradients.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Layout, Result, Shape as Dims, Tensor};

use super::HandOver;
use super::memory::{Addresses, laid_out, numbers, on_card, room, tensor};
use super::start::start;
use crate::{group_norm, layer_norm};

/// Layer normalisation over the last dimension, differentiable; `weight` and `bias` are `[c]`, of any type.
pub fn layer_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    hand_over: HandOver,
) -> Result<Option<Tensor>> {
    let Some(element) = super::element(&[x])? else { return Ok(None) };
    let Some(&width) = x.dims().last() else { return Ok(None) };
    let shape = layer_norm::Shape { rows: x.elem_count() / width.max(1), width, element };
    let can = shape.arguments(eps).and_then(|arguments| shape.forward(arguments)).is_ok();
    applied(can, x, [weight, bias], width, Norm::new(Of::Rows(shape), eps, hand_over))
}

/// Group normalisation of `[n, c, h, w]`, and SiLU after it where `silu` says so, differentiable; `weight`
/// and `bias` are `[c]`.
pub fn group_norm(
    x: &Tensor,
    groups: usize,
    [weight, bias]: [&Tensor; 2],
    eps: f64,
    silu: bool,
    hand_over: HandOver,
) -> Result<Option<Tensor>> {
    let Some(element) = super::element(&[x])? else { return Ok(None) };
    let &[samples, channels, h, w] = x.dims() else { return Ok(None) };
    let shape = group_norm::Shape { samples, channels, groups, pixels: h * w, element };
    let can = shape.arguments(eps, silu).and_then(|arguments| {
        shape.forward(arguments)?;
        shape.sums(arguments)
    });
    let op = Norm::new(Of::Groups(shape, silu), eps, hand_over);
    applied(can.is_ok(), x, [weight, bias], channels, op)
}

fn applied(can: bool, x: &Tensor, weights: [&Tensor; 2], len: usize, op: Norm) -> Result<Option<Tensor>> {
    let alike = |t: &&Tensor| t.dims() == [len] && t.device().same_device(x.device());
    if !can || !weights.iter().all(alike) {
        return Ok(None);
    }
    let [weight, bias] = weights.map(|t| laid_out(&t.to_dtype(DType::F32)?));
    laid_out(x)?.apply_op3(&weight?, &bias?, op).map(Some)
}

#[derive(Clone, Copy)]
enum Of {
    Rows(layer_norm::Shape),
    /// With SiLU after it, or without.
    Groups(group_norm::Shape, bool),
}

struct Norm {
    of: Of,
    eps: f64,
    /// From the forward pass to the backward.
    statistics: OnceLock<CudaSlice<f32>>,
    hand_over: HandOver,
}

impl Norm {
    fn new(of: Of, eps: f64, hand_over: HandOver) -> Self {
        Self { of, eps, statistics: OnceLock::new(), hand_over }
    }

    /// Gradients of input, weight and bias, those that are in the graph.
    fn gradients(&self, args: [&Tensor; 3], d_y: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let Some(statistics) = self.statistics.get() else {
            candle_core::bail!("{}: its backward pass came before its forward pass", self.name())
        };
        let [of_input, of_weight, of_bias] = args.map(Tensor::track_op);
        let of_weights = of_weight || of_bias;
        let d_y = laid_out(d_y)?;
        let [(x, of_x), (weight, of_w), (bias, of_b)] = args.map(Tensor::storage_and_layout);
        let (d_y, of_d_y) = d_y.storage_and_layout();
        let [x, weight, bias, d_y] = [&*x, &*weight, &*bias, &*d_y].map(on_card);
        let (x, weight, bias, d_y) = (x?, weight?, bias?, d_y?);
        let device = x.device();
        let stream = device.cuda_stream();
        let mut d_x = room(device, of_x.shape(), x.dtype())?;
        let mut d_weight = room(device, of_w.shape(), DType::F32)?;
        let mut d_bias = room(device, of_b.shape(), DType::F32)?;
        let mut between = numbers(
            device,
            match self.of {
                Of::Rows(shape) => shape.parts_len(),
                Of::Groups(shape, _) => shape.samples * shape.channels * 2,
            },
        )?;
        {
            let mut at = Addresses::new(&stream);
            let (x, d_y, weight, bias) =
                (at.of(x, of_x)?, at.of(d_y, of_d_y)?, at.of(weight, of_w)?, at.of(bias, of_b)?);
            let (d_x, d_weight, d_bias) =
                (at.of_new(&mut d_x)?, at.of_new(&mut d_weight)?, at.of_new(&mut d_bias)?);
            let (statistics, between) = (at.slice(statistics), at.slice_mut(&mut between));
            // SAFETY: `at` holds all of them; shapes were checked where the op was made, and a gradient has
            // its tensor's.
            match self.of {
                Of::Rows(shape) => {
                    let arguments = layer_norm::Arguments {
                        x,
                        d_y,
                        weight,
                        bias,
                        d_x,
                        statistics,
                        parts: between,
                        d_weight,
                        d_bias,
                        ..super::planned(shape.arguments(self.eps))?
                    };
                    unsafe {
                        if of_input {
                            start(device, shape.of_input(arguments))?;
                        }
                        if of_weights {
                            start(device, shape.parts(arguments))?;
                            start(device, shape.of_weights(arguments))?;
                        }
                    }
                }
                Of::Groups(shape, silu) => {
                    let arguments = group_norm::Arguments {
                        x,
                        d_y,
                        weight,
                        bias,
                        d_x,
                        statistics,
                        sums: between,
                        d_weight,
                        d_bias,
                        ..super::planned(shape.arguments(self.eps, silu))?
                    };
                    unsafe {
                        start(device, shape.sums(arguments))?;
                        if of_input {
                            start(device, shape.of_input(arguments))?;
                        }
                        if of_weights {
                            start(device, shape.of_weights(arguments))?;
                        }
                    }
                }
            }
        }
        Ok([
            of_input.then(|| tensor(d_x, of_x.shape())),
            of_weight.then(|| tensor(d_weight, of_w.shape())),
            of_bias.then(|| tensor(d_bias, of_b.shape())),
        ])
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        match self.of {
            Of::Rows(_) => "layer_norm",
            Of::Groups(_, false) => "group_norm",
            Of::Groups(_, true) => "group_norm_silu",
        }
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Dims)> {
        super::not_on_cpu(self.name())
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        of_x: &Layout,
        weight: &CudaStorage,
        of_w: &Layout,
        bias: &CudaStorage,
        of_b: &Layout,
    ) -> Result<(CudaStorage, Dims)> {
        let device = x.device();
        let stream = device.cuda_stream();
        let (statistics_len, parts_len) = match self.of {
            Of::Rows(shape) => (shape.rows * 2, 1),
            Of::Groups(shape, _) => (shape.samples * shape.groups * 2, shape.parts_len()),
        };
        let mut out = room(device, of_x.shape(), x.dtype())?;
        let (mut statistics, mut parts) = (numbers(device, statistics_len)?, numbers(device, parts_len)?);
        {
            let mut at = Addresses::new(&stream);
            let (x, weight, bias) = (at.of(x, of_x)?, at.of(weight, of_w)?, at.of(bias, of_b)?);
            let y = at.of_new(&mut out)?;
            let (statistics, parts) = (at.slice_mut(&mut statistics), at.slice_mut(&mut parts));
            // SAFETY: `at` holds all of them, and shapes were checked where the op was made.
            match self.of {
                Of::Rows(shape) => {
                    let arguments = layer_norm::Arguments {
                        x,
                        weight,
                        bias,
                        y,
                        statistics,
                        ..super::planned(shape.arguments(self.eps))?
                    };
                    unsafe { start(device, shape.forward(arguments))? };
                }
                Of::Groups(shape, silu) => {
                    let arguments = group_norm::Arguments {
                        x,
                        weight,
                        bias,
                        y,
                        statistics,
                        parts,
                        ..super::planned(shape.arguments(self.eps, silu))?
                    };
                    unsafe {
                        start(device, shape.parts(arguments))?;
                        start(device, shape.forward(arguments))?;
                    }
                }
            }
        }
        if self.statistics.set(statistics).is_err() {
            candle_core::bail!("{}: its forward pass ran twice", self.name());
        }
        Ok((out, of_x.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_y: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [d_x, d_weight, d_bias] = self.gradients([x, weight, bias], d_y)?;
        let give = self.hand_over;
        Ok((give(x, d_x)?, give(weight, d_weight)?, give(bias, d_bias)?))
    }
}
