//! Overlapping tiles, blended where they meet (diffusers' `AutoencoderKL.tiled_decode`, `blend_v`, `blend_h`).

use crate::error::Result;
use candle_core::Tensor;

/// Sides of a tile before and after the model: latent cells and pixels, or the other way round.
pub(super) struct Tiles {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Tiles {
    /// Runs `model` on tiles of `x` `[n, c, h, w]` and joins the results. A quarter of each tile overlaps the
    /// next, as in diffusers.
    pub(super) fn run(&self, x: &Tensor, model: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let (_, _, h, w) = x.dims4()?;
        if h <= self.from && w <= self.from {
            return model(x);
        }
        let stride = (self.from * 3 / 4).max(1);
        let blend = self.to / 4;
        let keep = self.to - blend;
        let mut above: Vec<Tensor> = Vec::new();
        let mut rows = Vec::new();
        for top in (0..h).step_by(stride) {
            let band = x.narrow(2, top, self.from.min(h - top))?;
            let mut row: Vec<Tensor> = Vec::new();
            let mut kept = Vec::new();
            for (j, left) in (0..w).step_by(stride).enumerate() {
                let tile = model(&band.narrow(3, left, self.from.min(w - left))?.contiguous()?)?;
                let tile = match above.get(j) {
                    Some(above) => join(above, &tile, blend, 2)?,
                    None => tile,
                };
                let tile = match row.last() {
                    Some(left) => join(left, &tile, blend, 3)?,
                    None => tile,
                };
                let (height, width) = (tile.dim(2)?.min(keep), tile.dim(3)?.min(keep));
                kept.push(tile.narrow(2, 0, height)?.narrow(3, 0, width)?);
                row.push(tile);
            }
            rows.push(Tensor::cat(&kept, 3)?);
            above = row;
        }
        Ok(Tensor::cat(&rows, 2)?)
    }
}

/// `after` with its first rows (`dim` 2) or columns (`dim` 3) faded over from the last of `before`.
fn join(before: &Tensor, after: &Tensor, extent: usize, dim: usize) -> Result<Tensor> {
    let len = after.dim(dim)?;
    let extent = extent.min(len).min(before.dim(dim)?);
    if extent == 0 {
        return Ok(after.clone());
    }
    let mut shape = [1; 4];
    shape[dim] = extent;
    let ramp: Vec<f32> = (0..extent).map(|i| i as f32 / extent as f32).collect();
    let ramp = Tensor::from_vec(ramp, &shape, after.device())?.to_dtype(after.dtype())?;
    let old = before.narrow(dim, before.dim(dim)? - extent, extent)?;
    let new = after.narrow(dim, 0, extent)?;
    let faded = (&old + (new - &old)?.broadcast_mul(&ramp)?)?;
    if extent == len {
        return Ok(faded);
    }
    Ok(Tensor::cat(&[&faded, &after.narrow(dim, extent, len - extent)?], dim)?)
}
