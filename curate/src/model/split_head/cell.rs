//! One cell of a detector's grid to its values in the head: what `Detect` and `Pose` do at the end of the
//! graph (`ultralytics/nn/modules/head.py`), for one cell.

use super::feature_map::FeatureMap;
use crate::model::contract::BOX_CHANNELS;

/// A cell and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub x: usize,
    pub y: usize,
    /// In 0..=1.
    pub score: f32,
}

impl Cell {
    /// All cells of a grid, row by row, from the plane of their logits.
    pub fn all<'a>(logits: &'a FeatureMap) -> impl Iterator<Item = Self> + 'a {
        let cell = |(index, &logit)| Self {
            x: index % logits.width,
            y: index / logits.width,
            score: sigmoid(logit),
        };
        logits.values.iter().enumerate().map(cell)
    }

    /// Appends the cell's values to the channels of a head: cx, cy, width and height in px, the score, then x
    /// and y in px and the confidence of each joint. `ltrb` gives the logits of the distributions of the four
    /// sides' distances, `reg_max` for each; `joint` three values for each joint.
    pub fn append(
        &self,
        channels: &mut [Vec<f32>],
        stride_px: f32,
        reg_max: usize,
        ltrb: impl Fn(usize) -> f32,
        joint: impl Fn(usize) -> f32,
    ) {
        let (x, y) = (self.x as f32, self.y as f32);
        let distance = |side: usize| mean_bin((0..reg_max).map(|bin| ltrb(side * reg_max + bin)));
        let [left, top, right, bottom] = std::array::from_fn(distance);
        let (x0, y0, x1, y1) = (x + 0.5 - left, y + 0.5 - top, x + 0.5 + right, y + 0.5 + bottom);
        let of_box = [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0].map(|cells| cells * stride_px);
        for (row, value) in channels.iter_mut().zip(of_box.into_iter().chain([self.score])) {
            row.push(value);
        }
        for (index, row) in channels.iter_mut().skip(BOX_CHANNELS).enumerate() {
            row.push(match index % 3 {
                0 => (joint(index) * 2.0 + x) * stride_px,
                1 => (joint(index) * 2.0 + y) * stride_px,
                _ => sigmoid(joint(index)),
            });
        }
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The mean of a distribution over bins, by its logits.
fn mean_bin(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let highest = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    let weighed = |(sum, weighted): (f32, f32), (bin, logit): (usize, f32)| {
        let weight = (logit - highest).exp();
        (sum + weight, weighted + weight * bin as f32)
    };
    let (sum, weighted) = logits.enumerate().fold((0.0, 0.0), weighed);
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_becomes_a_box_around_it_and_joints_beside_it() {
        let logits =
            FeatureMap { values: &[-30.0, -30.0, -30.0, -30.0, 0.0, -30.0], count: 1, height: 2, width: 3 };
        let cell = Cell::all(&logits).max_by(|a, b| a.score.total_cmp(&b.score)).unwrap();
        assert_eq!(cell, Cell { x: 1, y: 1, score: 0.5 });
        let mut channels = vec![Vec::new(); BOX_CHANNELS + 3];
        // Of two bins the left side's is the second, and both are alike on the others: distances 1, ½, ½, ½
        // cells.
        let ltrb = |index: usize| if index == 0 { -100.0 } else { 0.0 };
        cell.append(&mut channels, 8.0, 2, ltrb, |index| [0.25, -0.5, 0.0][index]);
        assert_eq!(channels.concat(), [10.0, 12.0, 12.0, 8.0, 0.5, 12.0, 0.0, 0.5]);
    }
}
