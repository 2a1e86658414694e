//! The Gaussian weighting of the paper (4.1, eqs. 11–13): pixels near a visible joint stay, the rest fades.
//!
//! w_i = exp(−((x−x_i)²+(y−y_i)²)/2σ²),  W = max_i w_i,  W_norm = W / max W,  I_w = I·(α+(1−α)·W_norm)
//!
//! With d_i² = (x−x_i)²+(y−y_i)² and m the smallest d_i² over all pixels and joints, W_norm = max_i exp(−(d_i²−m)/2σ²).
//! The exponent of one joint is a sum of a part of x and a part of y, so per joint one factor per column and one per
//! row are enough, and no pixel needs an exponential. Each factor is taken relative to its own smallest distance, so
//! none exceeds 1 and none underflows unless the product itself is 0: a tiny σ or a joint far outside never gives NaN.

use photo::Joints;

/// No joint is visible, so that eq. 12 is a maximum over nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no visible joint: the weighting of the paper (eq. 12) is a maximum over nothing")]
pub struct NoVisibleJoint;

/// W_norm of one photo, as factors per column and row.
#[derive(Clone, Debug)]
pub struct GaussianWeights {
    width: usize,
    height: usize,
    /// One set of factors per visible joint.
    joints: Vec<Factors>,
}

#[derive(Clone, Debug)]
struct Factors {
    columns: Vec<f32>,
    rows: Vec<f32>,
}

impl GaussianWeights {
    /// The weights of a frame of `width` × `height` px; `sigma_px` > 0. Joints with confidence 0 are left out.
    ///
    /// # Errors
    /// [`NoVisibleJoint`] when none is left.
    pub fn new(joints: &Joints, width: usize, height: usize, sigma_px: f64) -> Result<Self, NoVisibleJoint> {
        let squares = |centre: f32, length: usize| -> Vec<f64> {
            (0..length).map(|place| (place as f64 - f64::from(centre)).powi(2)).collect()
        };
        let smallest = |squares: &[f64]| squares.iter().copied().fold(f64::INFINITY, f64::min);
        let squared: Vec<(Vec<f64>, f64, Vec<f64>, f64)> = joints
            .visible()
            .filter(|joint| joint.x.is_finite() && joint.y.is_finite())
            .map(|joint| {
                let (columns, rows) = (squares(joint.x, width), squares(joint.y, height));
                let (column_min, row_min) = (smallest(&columns), smallest(&rows));
                (columns, column_min, rows, row_min)
            })
            .collect();
        // The grid is a product, so a joint's nearest pixel is in its nearest column and row.
        let global_min =
            squared.iter().map(|joint| joint.1 + joint.3).reduce(f64::min).ok_or(NoVisibleJoint)?;
        let half_precision = 0.5 / (sigma_px * sigma_px);
        let joints = squared
            .into_iter()
            .map(|(columns, column_min, rows, row_min)| {
                let behind = column_min + row_min - global_min; // how much farther than the nearest joint, ≥ 0
                let factor = |squared: f64| (-squared * half_precision).exp() as f32;
                Factors {
                    columns: columns.iter().map(|square| factor(square - column_min)).collect(),
                    rows: rows.iter().map(|square| factor(square - row_min + behind)).collect(),
                }
            })
            .collect();
        Ok(Self { width, height, joints })
    }

    /// W_norm of row `y`, in 0..=1; `out` has the frame's width.
    pub fn row(&self, y: usize, out: &mut [f32]) {
        out.fill(0.0);
        for joint in &self.joints {
            let row = joint.rows[y];
            if row > 0.0 {
                for (out, &column) in out.iter_mut().zip(&joint.columns) {
                    let weight = row * column;
                    *out = if weight > *out { weight } else { *out };
                }
            }
        }
    }

    /// W_norm of the whole frame, row after row: `[height, width]`.
    pub fn map(&self) -> Vec<f32> {
        let mut map = vec![0.0; self.width * self.height];
        map.chunks_exact_mut(self.width.max(1)).enumerate().for_each(|(y, row)| self.row(y, row));
        map
    }

    /// The weighted image. `planes` holds one or more planes `[height, width]`, one after the other; so does the result.
    pub fn weigh<P: Pixel>(&self, planes: &[P], alpha: f32) -> Vec<P> {
        let size = self.width * self.height;
        let mut out = planes.to_vec();
        let mut weights = vec![0.0; self.width];
        for y in 0..self.height {
            self.row(y, &mut weights);
            weights.iter_mut().for_each(|weight| *weight = alpha + (1.0 - alpha) * *weight);
            for plane in out.chunks_exact_mut(size) {
                let row = &mut plane[y * self.width..(y + 1) * self.width];
                row.iter_mut().zip(&weights).for_each(|(pixel, &weight)| *pixel = pixel.scaled(weight));
            }
        }
        out
    }
}

/// A channel's value that can be scaled: `f32` of any range, or `u8`, rounded.
pub trait Pixel: Copy {
    /// The value times a weight in 0..=1.
    fn scaled(self, weight: f32) -> Self;
}

impl Pixel for f32 {
    fn scaled(self, weight: f32) -> Self {
        self * weight
    }
}

impl Pixel for u8 {
    fn scaled(self, weight: f32) -> Self {
        (f32::from(self) * weight + 0.5) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    fn joints(at: &[(f32, f32)]) -> Joints {
        let mut joints = Joints::default();
        for (joint, &(x, y)) in joints.0.iter_mut().zip(at) {
            *joint = Joint { x, y, confidence: 1.0 };
        }
        joints
    }

    #[test]
    fn the_weight_is_one_at_a_joint_and_exp_of_minus_half_one_sigma_away() {
        let map = GaussianWeights::new(&joints(&[(20.0, 10.0)]), 64, 32, 8.0).unwrap().map();
        assert_eq!(map[10 * 64 + 20], 1.0);
        assert!((map[10 * 64 + 28] - (-0.5_f32).exp()).abs() < 1e-6);
    }

    #[test]
    fn tiny_sigma_and_far_joints_give_numbers_with_a_maximum_of_one() {
        for (at, sigma_px) in [((20.4, 10.3), 0.004), ((5000.0, -300.5), 4.0), ((-1e6, 1e6), 0.5)] {
            let map = GaussianWeights::new(&joints(&[at]), 64, 32, sigma_px).unwrap().map();
            assert!(map.iter().all(|weight| (0.0..=1.0).contains(weight)), "{at:?}");
            assert_eq!(map.iter().copied().fold(0.0, f32::max), 1.0, "{at:?}");
        }
    }

    #[test]
    fn a_far_joint_does_not_count_beside_a_near_one() {
        let near = GaussianWeights::new(&joints(&[(20.0, 10.0)]), 64, 32, 3.0).unwrap().map();
        let both = GaussianWeights::new(&joints(&[(20.0, 10.0), (900.0, 900.0)]), 64, 32, 3.0).unwrap().map();
        assert_eq!(near, both);
    }

    #[test]
    fn joints_that_are_invisible_or_no_numbers_are_rejected() {
        assert_eq!(GaussianWeights::new(&Joints::default(), 8, 8, 4.0).unwrap_err(), NoVisibleJoint);
        assert_eq!(GaussianWeights::new(&joints(&[(f32::NAN, 1.0)]), 8, 8, 4.0).unwrap_err(), NoVisibleJoint);
    }

    #[test]
    fn alpha_is_what_is_left_far_away_and_bytes_are_rounded() {
        let weights = GaussianWeights::new(&joints(&[(0.0, 0.0)]), 64, 32, 1.0).unwrap();
        let weighted = weights.weigh(&vec![101_u8; 3 * 64 * 32], 0.25);
        assert_eq!(weighted[0], 101);
        assert_eq!(weighted[3 * 64 * 32 - 1], 25);
    }
}
