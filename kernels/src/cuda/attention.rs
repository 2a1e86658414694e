//! Attention and its gradients.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape as Dims, Tensor};

use super::HandOver;
use super::memory::{Addresses, is_aligned, laid_out, numbers, on_card, room, tensor};
use super::start::start;
use crate::attention::{Shape, Strides};

/// softmax(q·kᵀ·scale)·v, differentiable. With `heads`, q is `[b, n, heads·d]`, k and v are `[b, m,
/// heads·d]`; without, they are `[b, h, n, d]` and `[b, h, m, d]`. The result is of q's shape.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: Option<usize>,
    scale: f64,
    hand_over: HandOver,
) -> Result<Option<Tensor>> {
    let Some(element) = super::element(&[q, k, v])? else { return Ok(None) };
    if k.dims() != v.dims() || k.elem_count() == 0 || q.elem_count() == 0 {
        return Ok(None);
    }
    let (samples, heads, queries, keys, width) = match (heads, q.dims(), k.dims()) {
        (Some(heads), &[b, n, c], &[kb, m, kc]) if (kb, kc) == (b, c) && c.is_multiple_of(heads) => {
            (b, heads, n, m, c / heads)
        }
        (None, &[b, h, n, d], &[kb, kh, m, kd]) if (kb, kh, kd) == (b, h, d) => (b, h, n, m, d),
        _ => return Ok(None),
    };
    let shape = Shape { samples, heads, queries, keys, width, element };
    let can = shape.arguments(scale).and_then(|arguments| shape.forward(arguments)).is_ok();
    if !can || shape.of_keys(super::planned(shape.arguments(scale))?).is_err() {
        return Ok(None);
    }
    let readable = |t: &Tensor| if is_readable(t, &shape) { Ok(t.clone()) } else { laid_out(t) };
    let op = Attention { shape, scale, logsum: OnceLock::new(), hand_over };
    readable(q)?.apply_op3(&readable(k)?, &readable(v)?, op).map(Some)
}

/// Whether rows can be read as they lie: in 16 bytes at a time.
fn is_readable(tensor: &Tensor, shape: &Shape) -> bool {
    let Some((last, others)) = tensor.stride().split_last() else { return false };
    *last == 1 && is_aligned(tensor) && others.iter().all(|s| s.is_multiple_of(shape.element.vector()))
}

struct Attention {
    shape: Shape,
    scale: f64,
    /// From the forward pass to the backward.
    logsum: OnceLock<CudaSlice<f32>>,
    hand_over: HandOver,
}

impl Attention {
    fn strides(&self, layout: &Layout) -> Result<Strides> {
        let of = layout.stride().iter().map(|&stride| stride as i64).collect::<Vec<_>>();
        match of[..] {
            [sample, row, 1] => Ok(Strides { sample, row, head: self.shape.width as i64 }),
            [sample, head, row, 1] => Ok(Strides { sample, row, head }),
            _ => candle_core::bail!("attention cannot read {layout:?}"),
        }
    }

    /// Gradients of those arguments that are in the graph.
    fn gradients(&self, [q, k, v]: [&Tensor; 3], o: &Tensor, d_o: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let Some(logsum) = self.logsum.get() else {
            candle_core::bail!("attention: its backward pass came before its forward pass")
        };
        let wanted = [q, k, v].map(Tensor::track_op);
        let d_o = laid_out(d_o)?;
        let [(q, of_q), (k, of_k), (v, of_v)] = [q, k, v].map(Tensor::storage_and_layout);
        let ((o, of_o), (d_o, of_d_o)) = (o.storage_and_layout(), d_o.storage_and_layout());
        let [q, k, v, o, d_o] = [&*q, &*k, &*v, &*o, &*d_o].map(on_card);
        let (q, k, v, o, d_o) = (q?, k?, v?, o?, d_o?);
        let device = q.device();
        let stream = device.cuda_stream();
        let new = |of: &Layout| room(device, of.shape(), q.dtype());
        let (mut d_q, mut d_k, mut d_v) = (new(of_q)?, new(of_k)?, new(of_v)?);
        let mut delta = numbers(device, logsum.len())?;
        let in_one_piece = |of: &Layout| self.strides(&Layout::contiguous(of.shape()));
        {
            let mut at = Addresses::new(&stream);
            let arguments = crate::attention::Arguments {
                q: at.of(q, of_q)?,
                k: at.of(k, of_k)?,
                v: at.of(v, of_v)?,
                o: at.of(o, of_o)?,
                d_o: at.of(d_o, of_d_o)?,
                d_q: at.of_new(&mut d_q)?,
                d_k: at.of_new(&mut d_k)?,
                d_v: at.of_new(&mut d_v)?,
                logsum: at.slice(logsum),
                delta: at.slice_mut(&mut delta),
                of_q: self.strides(of_q)?,
                of_k: self.strides(of_k)?,
                of_v: self.strides(of_v)?,
                of_o: self.strides(of_o)?,
                of_d_o: self.strides(of_d_o)?,
                of_d_q: in_one_piece(of_q)?,
                of_d_k: in_one_piece(of_k)?,
                of_d_v: in_one_piece(of_v)?,
                ..super::planned(self.shape.arguments(self.scale))?
            };
            // SAFETY: `at` holds all of them; shapes were checked by `attention`, and a gradient has its tensor's.
            unsafe {
                start(device, self.shape.delta(arguments))?;
                if wanted[0] {
                    start(device, self.shape.of_queries(arguments))?;
                }
                if wanted[1] || wanted[2] {
                    start(device, self.shape.of_keys(arguments))?;
                }
            }
        }
        let found = [(d_q, of_q), (d_k, of_k), (d_v, of_v)];
        let mut found = found
            .into_iter()
            .zip(wanted)
            .map(|((gradient, of), wanted)| wanted.then(|| tensor(gradient, of.shape())));
        Ok([(); 3].map(|()| found.next().flatten()))
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
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
        q: &CudaStorage,
        of_q: &Layout,
        k: &CudaStorage,
        of_k: &Layout,
        v: &CudaStorage,
        of_v: &Layout,
    ) -> Result<(CudaStorage, Dims)> {
        let device = q.device();
        let stream = device.cuda_stream();
        let Shape { samples, heads, queries, .. } = self.shape;
        let mut out = room(device, of_q.shape(), q.dtype())?;
        let mut logsum = numbers(device, samples * heads * queries)?;
        {
            let mut at = Addresses::new(&stream);
            let arguments = crate::attention::Arguments {
                q: at.of(q, of_q)?,
                k: at.of(k, of_k)?,
                v: at.of(v, of_v)?,
                out: at.of_new(&mut out)?,
                logsum: at.slice_mut(&mut logsum),
                of_q: self.strides(of_q)?,
                of_k: self.strides(of_k)?,
                of_v: self.strides(of_v)?,
                of_o: self.strides(&Layout::contiguous(of_q.shape()))?,
                ..super::planned(self.shape.arguments(self.scale))?
            };
            // SAFETY: `at` holds all of them, and `attention` checked the shapes.
            unsafe { start(device, self.shape.forward(arguments))? };
        }
        if self.logsum.set(logsum).is_err() {
            candle_core::bail!("attention: its forward pass ran twice");
        }
        Ok((out, of_q.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        o: &Tensor,
        d_o: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [d_q, d_k, d_v] = self.gradients([q, k, v], o, d_o)?;
        Ok(((self.hand_over)(q, d_q)?, (self.hand_over)(k, d_k)?, (self.hand_over)(v, d_v)?))
    }
}
