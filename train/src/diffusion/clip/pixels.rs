//! Images as CLIP was trained to see them (transformers' `CLIPImageProcessor`), as a differentiable function.

use crate::error::Result;
use candle_core::Tensor;

/// Mean and standard deviation of each channel over [0, 1] (`OPENAI_CLIP_MEAN`, `OPENAI_CLIP_STD`).
pub(crate) const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
pub(crate) const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Images `[n, 3, h, w]` in [−1, 1] to normalised pixels `[n, 3, side, side]`: the shorter side resized to
/// `side` (bicubic, antialiased), the middle cut out, the channels normalised.
///
/// Resizing is two matrix products, so the gradient is exact. Values between the levels of 255 stay as they
/// are, while the Python processor rounds to whole levels after resizing.
pub fn to_clip_pixels(images: &Tensor, side: usize) -> Result<Tensor> {
    let (_, _, h, w) = images.dims4()?;
    let short = h.min(w).max(1);
    let resized = |len: usize| (len * side / short).max(side);
    let matrix = |len: usize, to: usize| -> Result<Tensor> {
        let rows: Vec<f32> = ((to - side) / 2..).take(side).flat_map(|i| bicubic_row(i, len, to)).collect();
        Ok(Tensor::from_vec(rows, (side, len), images.device())?.to_dtype(images.dtype())?)
    };
    let (rows, columns) = (matrix(h, resized(h))?, matrix(w, resized(w))?);
    let (n, c) = (images.dim(0)?, images.dim(1)?);
    let across = images.contiguous()?.reshape((n * c * h, w))?.matmul(&columns.t()?)?;
    let tall = across.reshape((n * c, h, side))?;
    let small = rows.unsqueeze(0)?.broadcast_as((n * c, side, h))?.contiguous()?.matmul(&tall)?;
    // ((x + 1)/2 − mean)/std in one step.
    let scale: Vec<f32> = STD.iter().map(|s| 0.5 / s).collect();
    let shift: Vec<f32> = MEAN.iter().zip(STD).map(|(m, s)| (0.5 - m) / s).collect();
    let per_channel = |v: Vec<f32>| -> Result<Tensor> {
        Ok(Tensor::from_vec(v, (1, 3, 1, 1), images.device())?.to_dtype(images.dtype())?)
    };
    let small = small.reshape((n, c, side, side))?;
    Ok(small.broadcast_mul(&per_channel(scale)?)?.broadcast_add(&per_channel(shift)?)?)
}

/// Weights of the `len` source pixels in pixel `i` of `to`: Keys' kernel with a = −0.5, widened when
/// shrinking, as in Pillow and in PyTorch's `interpolate(mode="bicubic", antialias=True)`.
pub(crate) fn bicubic_row(i: usize, len: usize, to: usize) -> Vec<f32> {
    let scale = len as f64 / to as f64;
    let widen = scale.max(1.0);
    let centre = (i as f64 + 0.5) * scale;
    // The support's ends are cut to whole pixels in the way of those libraries.
    let low = (centre - 2.0 * widen + 0.5).max(0.0) as usize;
    let high = ((centre + 2.0 * widen + 0.5) as usize).min(len);
    let mut row = vec![0.0; len];
    for (j, weight) in row.iter_mut().enumerate().take(high).skip(low) {
        *weight = keys((j as f64 - centre + 0.5) / widen);
    }
    let sum: f64 = row.iter().sum();
    row.into_iter().map(|weight| (weight / sum) as f32).collect()
}

fn keys(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// `torch.nn.functional.interpolate(arange(35).view(1, 1, 5, 7)/17 - 1, (3, 4), mode="bicubic",
    /// antialias=True)`, torch 2.15.0, columns 0..3 of 4 (the middle 3 of 4), then `((x + 1)/2 - mean)/std`
    /// of the first channel.
    #[test]
    fn pixels_are_those_of_pytorch() -> Result<()> {
        let values: Vec<f32> = (0..35).map(|v| v as f32 / 17.0 - 1.0).collect();
        let image = Tensor::from_vec(values, (1, 1, 5, 7), &Device::Cpu)?.repeat((1, 3, 1, 1))?;
        let found = to_clip_pixels(&image, 3)?.narrow(1, 0, 1)?.flatten_all()?.to_vec1::<f32>()?;
        let expected =
            [-1.477288, -1.29317, -1.092038, -0.215647, -0.031529, 0.169603, 1.045993, 1.230111, 1.431243];
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 2e-5, "{found:?}, expected {expected:?}");
        }
        assert_eq!(found.len(), 9);
        Ok(())
    }
}
