//! Folded pictures to bytes.

use candle_core::Tensor;

use super::config::DRAWN_GRID as GRID;
use crate::error::Result;

/// Pictures `[n, 3·f², 32, 32]` in −1..=1 as RGB bytes, row after row, `side = 32·f` px each.
pub fn unfold(pictures: &Tensor) -> Result<Vec<Vec<u8>>> {
    let (count, folded, _, _) = pictures.dims4()?;
    let factor = (folded / 3).isqrt();
    let values: Vec<f32> = pictures.detach().flatten_all()?.to_vec1()?;
    Ok(values.chunks_exact(values.len() / count.max(1)).map(|picture| unfold_one(picture, factor)).collect())
}

fn unfold_one(values: &[f32], factor: usize) -> Vec<u8> {
    let side = factor * GRID;
    let mut bytes = vec![0; 3 * side * side];
    for (channel, plane) in values.chunks_exact(GRID * GRID).enumerate() {
        let (colour, within) = (channel / (factor * factor), channel % (factor * factor));
        for (cell, &value) in plane.iter().enumerate() {
            let y = cell / GRID * factor + within / factor;
            let x = cell % GRID * factor + within % factor;
            bytes[(y * side + x) * 3 + colour] = ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
        }
    }
    bytes
}
