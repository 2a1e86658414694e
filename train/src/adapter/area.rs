//! What of a latent is photo and what is padding, and how much a cell counts.

use photo::Affine;

use crate::body::Pose;

/// Which cells of a `side`² grid over a square view of `size_px` hold photo and no padding: 1 and 0. `affine` brings
/// the photo of `width` × `height` px into the view. A cell that is half photo counts.
pub fn content(affine: &Affine, width: u32, height: u32, size_px: u32, side: usize) -> Vec<f32> {
    let corner = |x: f64, y: f64| affine.apply(x - 0.5, y - 0.5);
    let (ax, ay) = corner(0.0, 0.0);
    let (bx, by) = corner(f64::from(width), f64::from(height));
    // From pixel centres to shares of the view.
    let share = |px: f64| (px + 0.5) / f64::from(size_px);
    let within = |a: f64, b: f64, cell: usize| {
        let centre = (cell as f64 + 0.5) / side as f64;
        centre >= share(a.min(b)) && centre <= share(a.max(b))
    };
    let cells = (0..side * side).map(|cell| {
        let (x, y) = (cell % side, cell / side);
        f32::from(u8::from(within(ax, bx, x) && within(ay, by, y)))
    });
    let cells: Vec<f32> = cells.collect();
    // A view without any photo cannot come from `prepare`; were it to, the loss would be 0/0.
    if cells.contains(&1.0) { cells } else { vec![1.0; side * side] }
}

/// Weights of the cells: `outside` far from the body, 1 at its joints (paper eqs. 11–13, I_w's form). `sigma` in shares
/// of the view.
pub fn body_weights(pose: &Pose, sigma: f32, side: usize, outside: f32) -> Vec<f32> {
    pose.weights(sigma, side).into_iter().map(|weight| outside + (1.0 - outside) * weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_beside_a_tall_photo_are_no_content() {
        // 600 × 800 px into 64: scale 0.08, 8 px of bar on either side.
        let affine = Affine::scale_then_shift(0.08, 0.08, 8.0 + 0.5 * 0.08 - 0.5, 0.5 * 0.08 - 0.5);
        let cells = content(&affine, 600, 800, 64, 8);
        for row in cells.chunks(8) {
            assert_eq!(row, [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        }
    }
}
