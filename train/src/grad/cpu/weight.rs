//! A frozen weight as the kernels read it: in the float type of the activations, whatever it is stored in.

use super::real::Real;
use candle_core::{CpuStorage, Result, Storage, Tensor};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Elements converted by one task.
const CHUNK: usize = 1 << 16;

/// Calls `kernel` with the values of `weight`. f16 and bf16 are converted into working memory that is given
/// back afterwards: in full precision there is never more than one layer's weight.
pub(super) fn with_values<T: Real, R>(weight: &Tensor, kernel: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let weight = weight.contiguous()?;
    let len = weight.elem_count();
    let (storage, layout) = weight.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("a weight is not on the CPU") };
    let range = layout.start_offset()..layout.start_offset() + len;
    if T::DTYPE == weight.dtype() {
        return kernel(&T::cpu_storage_as_slice(storage)?[range]);
    }
    let mut values = super::scratch::Scratch::<T>::take(len);
    match storage {
        CpuStorage::F16(stored) => convert(&stored[range], &mut values, T::from_f16),
        CpuStorage::BF16(stored) => convert(&stored[range], &mut values, T::from_bf16),
        CpuStorage::F32(stored) => convert(&stored[range], &mut values, each(f64::from)),
        CpuStorage::F64(stored) => convert(&stored[range], &mut values, each(|x| x)),
        _ => candle_core::bail!("a weight of type {:?} is no float", weight.dtype()),
    }
    kernel(&values)
}

fn convert<S: Sync, T: Real>(from: &[S], to: &mut [T], by: impl Fn(&[S], &mut [T]) + Sync) {
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| by(from, to));
}

fn each<S: Copy, T: Real>(by: impl Fn(S) -> f64) -> impl Fn(&[S], &mut [T]) {
    move |from, to| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = T::from_f64(by(*from));
        }
    }
}

/// Conversion of half-precision slices with the processor's own instructions where it has them.
pub(in crate::grad) trait FromHalf: Sized {
    fn from_f16(from: &[half::f16], to: &mut [Self]);
    fn from_bf16(from: &[half::bf16], to: &mut [Self]);
}

impl FromHalf for f32 {
    fn from_f16(from: &[half::f16], to: &mut [Self]) {
        from.convert_to_f32_slice(to);
    }

    fn from_bf16(from: &[half::bf16], to: &mut [Self]) {
        from.convert_to_f32_slice(to);
    }
}

impl FromHalf for f64 {
    fn from_f16(from: &[half::f16], to: &mut [Self]) {
        from.convert_to_f64_slice(to);
    }

    fn from_bf16(from: &[half::bf16], to: &mut [Self]) {
        from.convert_to_f64_slice(to);
    }
}
