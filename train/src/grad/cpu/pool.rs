//! Weighted sums over the cells of bytes.

use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::real::{Loop, simd};
use super::reduce;
use super::scratch::Scratch;
use candle_core::{CpuStorage, Result, Storage, Tensor};
use rayon::prelude::*;

enum Widen {}

impl Loop<(&mut [f32], &[u8])> for Widen {
    type Output = ();

    #[inline(always)]
    fn run((to, from): (&mut [f32], &[u8])) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from(*from);
        }
    }
}

enum Sum {}

impl Loop<&[f32]> for Sum {
    type Output = f64;

    #[inline(always)]
    fn run(values: &[f32]) -> f64 {
        reduce::sum(values)
    }
}

/// See [`grad::pool_bytes`](crate::grad::pool_bytes): u8 `[n, c, h, w]` and f32 `[n, p, h·w]` to `[n, p, c + 1]`.
pub(in crate::grad) fn pool_bytes(
    maps: &Tensor,
    weights: &Tensor,
    scale: f32,
    offset: f32,
) -> Result<Tensor> {
    let (maps, weights) = (maps.contiguous()?, weights.contiguous()?);
    let (n, channels, _, _) = maps.dims4()?;
    let (_, pools, cells) = weights.dims3()?;
    let mut out = vec![0.0; n * pools * (channels + 1)];
    {
        let (maps, maps_layout) = maps.storage_and_layout();
        let (weights, weights_layout) = weights.storage_and_layout();
        let (Storage::Cpu(CpuStorage::U8(maps)), Storage::Cpu(CpuStorage::F32(weights))) =
            (&*maps, &*weights)
        else {
            candle_core::bail!("pooling on the CPU takes u8 and f32");
        };
        let maps = &maps[maps_layout.start_offset()..][..n * channels * cells];
        let weights = &weights[weights_layout.start_offset()..][..n * pools * cells];
        let images =
            maps.par_chunks((channels * cells).max(1)).zip(weights.par_chunks((pools * cells).max(1)));
        out.par_chunks_mut((pools * (channels + 1)).max(1)).zip(images).for_each(|(out, (maps, weights))| {
            let mut wide = Scratch::<f32>::take(maps.len());
            simd::<Widen, _>((&mut wide[..], maps));
            let sums = MatMut::strided(out, (pools, channels), (channels + 1, 1));
            let (of, by) = (Mat::new(weights, pools, cells), Mat::new(&wide, channels, cells).t());
            gemm(sums, Into::Replace, scale, of, by, Threads::One);
            for (out, weights) in out.chunks_exact_mut(channels + 1).zip(weights.chunks_exact(cells)) {
                let sum = simd::<Sum, _>(weights) as f32;
                out[channels] = sum;
                out[..channels].iter_mut().for_each(|out| *out += offset * sum);
            }
        });
    }
    Tensor::from_vec(out, (n, pools, channels + 1), maps.device())
}
