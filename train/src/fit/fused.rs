//! Single passes over f32 values on the CPU: AdamW's step, EMA's, and the norm of gradients.
//!
//! Candle's operations would pass over memory once each and allocate a result each; for a few million parameters on
//! two cores that is longer than the arithmetic. Threads share elements or fixed chunks, so results are the same on any
//! number of them.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Storage, Tensor};
use rayon::prelude::*;

use crate::adamw::Rates;
use crate::error::Result;
use crate::grad::{Loop, simd};

/// Elements a thread takes at a time: 64 KiB of each array.
const CHUNK: usize = 1 << 14;

/// Independent sums: a single chain of additions would wait for the result of each.
const LANES: usize = 16;

/// AdamW's step of a parameter, whose moments lie in plain memory.
pub(crate) struct Update<'a> {
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
    rates: &'a Rates,
}

impl<'a> Update<'a> {
    pub fn new(mean: &'a mut [f32], square: &'a mut [f32], rates: &'a Rates) -> Self {
        Self { moments: RefCell::new((mean, square)), rates }
    }
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (parameter, gradient) = slices(parameter, parameter_layout, gradient, gradient_layout)?;
        let mut moments = self.moments.borrow_mut();
        let (mean, square) = &mut *moments;
        let Rates { config, scale, kept, rate, correct2 } = self.rates;
        let beta = [config.beta1, config.beta2];
        let numbers = Numbers {
            beta: beta.map(|beta| beta as f32),
            fresh: beta.map(|beta| (1.0 - beta) as f32),
            eps: config.eps as f32,
            scale: *scale as f32,
            kept: *kept as f32,
            rate: *rate as f32,
            correct2: correct2.recip() as f32,
        };
        parameter
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(mean.par_chunks_mut(CHUNK).zip(square.par_chunks_mut(CHUNK)))
            .for_each(|(values, moments)| simd::<Step, _>((values, moments, numbers)));
        Ok(())
    }
}

/// What a step multiplies and adds, in the parameters' type.
#[derive(Clone, Copy)]
struct Numbers {
    beta: [f32; 2],
    fresh: [f32; 2],
    eps: f32,
    scale: f32,
    kept: f32,
    rate: f32,
    correct2: f32,
}

/// The step over slices of parameters, gradients and both moments. Compiled for the widest vectors of the
/// machine: with the four lanes that every x86-64 has, roots and divisions take longer than reading memory.
enum Step {}

type StepArgs<'a> = ((&'a mut [f32], &'a [f32]), (&'a mut [f32], &'a mut [f32]), Numbers);

impl Loop<StepArgs<'_>> for Step {
    type Output = ();

    #[inline(always)]
    fn run(((p, g), (m, s), n): StepArgs<'_>) {
        for (((p, g), m), s) in p.iter_mut().zip(g).zip(m).zip(s) {
            let g = g * n.scale;
            *m = *m * n.beta[0] + g * n.fresh[0];
            *s = *s * n.beta[1] + g * g * n.fresh[1];
            *p = *p * n.kept - n.rate * *m / (s.sqrt() * n.correct2 + n.eps);
        }
    }
}

/// `average += share · (value − average)`.
pub(crate) struct Approach {
    pub share: f32,
}

impl InplaceOp2 for Approach {
    fn name(&self) -> &'static str {
        "exponential moving average"
    }

    fn cpu_fwd(
        &self,
        average: &mut CpuStorage,
        average_layout: &Layout,
        value: &CpuStorage,
        value_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (average, value) = slices(average, average_layout, value, value_layout)?;
        average.par_chunks_mut(CHUNK).zip(value.par_chunks(CHUNK)).for_each(|(average, value)| {
            for (average, value) in average.iter_mut().zip(value) {
                *average += self.share * (value - *average);
            }
        });
        Ok(())
    }
}

/// The sum of the squares of a tensor on the CPU, in f64, where no square of an f32 overflows: it is finite
/// exactly where every value is.
pub(crate) fn squared_norm(tensor: &Tensor) -> Result<f64> {
    let tensor = tensor.to_dtype(DType::F32)?.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
        (&*storage, layout.contiguous_offsets())
    else {
        return Err(candle_core::Error::msg("the norm of a gradient needs contiguous f32 values").into());
    };
    let parts: Vec<f64> = values[start..end].par_chunks(CHUNK).map(sum_of_squares).collect();
    Ok(parts.iter().sum())
}

fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>()
}

/// The contiguous f32 values behind two storages of one size.
fn slices<'a>(
    written: &'a mut CpuStorage,
    written_layout: &Layout,
    read: &'a CpuStorage,
    read_layout: &Layout,
) -> candle_core::Result<(&'a mut [f32], &'a [f32])> {
    match (written, written_layout.contiguous_offsets(), read, read_layout.contiguous_offsets()) {
        (CpuStorage::F32(written), Some((w0, w1)), CpuStorage::F32(read), Some((r0, r1)))
            if w1 - w0 == r1 - r0 =>
        {
            Ok((&mut written[w0..w1], &read[r0..r1]))
        }
        _ => candle_core::bail!(
            "an update in place needs contiguous f32 values of one shape, not {:?} and {:?}",
            written_layout.shape(),
            read_layout.shape()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adamw::AdamWConfig;
    use candle_core::{Device, Var};

    #[test]
    fn the_norm_is_finite_exactly_where_every_value_is() -> Result<()> {
        let mut values = vec![1e30f32; 40_001];
        let norm = |values: &[f32]| squared_norm(&Tensor::new(values, &Device::Cpu)?);
        assert!((norm(&values)? / 40_001e60 - 1.0).abs() < 1e-6);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            values[33_333] = bad;
            assert!(!norm(&values)?.is_finite(), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn a_transposed_gradient_has_the_norm_of_its_values() -> Result<()> {
        let values = Tensor::arange(0f32, 6.0, &Device::Cpu)?.reshape((2, 3))?;
        assert_eq!(squared_norm(&values.t()?)?, 55.0);
        Ok(())
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes() -> Result<()> {
        let values = |scale: f32| (0..100_003).map(move |i| (i as f32 * 0.37 * scale).sin());
        let run = || -> Result<(Vec<f32>, Vec<f32>, u64)> {
            let parameter = Var::from_vec(values(1.0).collect(), 100_003, &Device::Cpu)?;
            let average = Var::from_vec(values(3.0).collect(), 100_003, &Device::Cpu)?;
            let gradient = Tensor::from_vec(values(2.0).collect::<Vec<f32>>(), 100_003, &Device::Cpu)?;
            let (mut mean, mut square) = (vec![0.0; 100_003], vec![0.0; 100_003]);
            let rates =
                Rates { config: AdamWConfig::default(), scale: 0.3, kept: 0.99, rate: 0.1, correct2: 0.7 };
            parameter.inplace_op2(&gradient, &Update::new(&mut mean, &mut square, &rates))?;
            average.inplace_op2(&parameter, &Approach { share: 0.1 })?;
            Ok((parameter.to_vec1()?, average.to_vec1()?, squared_norm(&gradient)?.to_bits()))
        };
        let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        assert!(on(1).install(run)? == on(3).install(run)?);
        Ok(())
    }
}
