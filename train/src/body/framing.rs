//! The square of a view that the model looks at.
//!
//! Every body is brought to one size and place before its pixels are read: a waist is then as many
//! pixels wide as it is wide over the torso, whatever the distance of the camera.

use photo::joints::{JOINT_COUNT, MIRRORED};

use super::pose::Pose;

/// Length of the torso in shares of the square's side: a standing person with raised arms fits.
const TORSO: f32 = 0.22;

/// Where the middle of the torso lies, in shares of the square from its top: legs are longer than
/// what is above.
const TORSO_FROM_TOP: f32 = 0.42;

/// A square of a view, mirrored or not, with gains for its colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framing {
    /// Side and left upper corner in shares of the view; it may reach beyond.
    pub side: f32,
    /// See `side`.
    pub corner: [f32; 2],
    /// Whether left and right are exchanged.
    pub flip: bool,
    /// Factors of red, green and blue.
    pub gains: [f32; 3],
    /// The planes that red, green and blue are read from; `[0, 1, 2]` leaves them.
    pub planes: [usize; 3],
}

impl Framing {
    /// The view as it is.
    pub fn whole() -> Self {
        Self { side: 1.0, corner: [0.0; 2], flip: false, gains: [1.0; 3], planes: [0, 1, 2] }
    }

    /// The square in which the torso of `pose` has its size and place.
    pub fn of(pose: &Pose) -> Self {
        let (origin, torso) = pose.frame();
        let side = torso / TORSO;
        let corner = [origin[0] - 0.5 * side, origin[1] - TORSO_FROM_TOP * side];
        Self { side, corner, ..Self::whole() }
    }

    /// The pose in shares of the square. Joints outside it are hidden.
    pub fn pose(&self, pose: &Pose) -> Pose {
        let mut joints = [[0.0; 3]; JOINT_COUNT];
        for (index, joint) in pose.joints.iter().enumerate() {
            let [mut x, y] = [0, 1].map(|axis| (joint[axis] - self.corner[axis]) / self.side);
            if joint[2] > 0.0 && (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) {
                let mut to = index;
                if self.flip {
                    (x, to) = (1.0 - x, MIRRORED[index]);
                }
                joints[to] = [x, y, joint[2]];
            }
        }
        Pose { joints }
    }

    /// The planes `[3, side, side]` of the square, of the same size, written to `out`. Pixels in
    /// between are interpolated; beyond the view there is no light.
    pub fn pixels(&self, from: &[u8], side: usize, out: &mut [u8]) {
        if *self == Self::whole() {
            out.copy_from_slice(from);
            return;
        }
        let columns: Vec<Source> =
            (0..side).map(|x| self.source(if self.flip { side - 1 - x } else { x }, 0, side)).collect();
        let rows: Vec<Source> = (0..side).map(|y| self.source(y, 1, side)).collect();
        let cells = side * side;
        for ((plane, out), gain) in self.planes.into_iter().zip(out.chunks_exact_mut(cells)).zip(self.gains) {
            let from = &from[plane * cells..][..cells];
            for (out, row) in out.chunks_exact_mut(side).zip(&rows) {
                let (top, bottom) = (&from[row.low * side..][..side], &from[row.high * side..][..side]);
                for (out, column) in out.iter_mut().zip(&columns) {
                    let mix = |row: &[u8]| {
                        let (a, b) = (f32::from(row[column.low]), f32::from(row[column.high]));
                        a + (b - a) * column.share
                    };
                    let (a, b) = (mix(top), mix(bottom));
                    let value = (a + (b - a) * row.share) * gain * row.inside * column.inside;
                    *out = (value + 0.5).min(255.0) as u8;
                }
            }
        }
    }

    fn source(&self, at: usize, axis: usize, side: usize) -> Source {
        let place = ((at as f32 + 0.5) / side as f32 * self.side + self.corner[axis]) * side as f32 - 0.5;
        let is_inside = place > -0.5 && place < side as f32 - 0.5;
        let place = place.clamp(0.0, (side - 1) as f32);
        let low = place as usize;
        Source {
            low,
            high: (low + 1).min(side - 1),
            share: place - low as f32,
            inside: f32::from(u8::from(is_inside)),
        }
    }
}

/// Between which two pixels of one axis a pixel is read.
struct Source {
    low: usize,
    high: usize,
    share: f32,
    /// 1 within the view, 0 beyond.
    inside: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose() -> Pose {
        let mut joints = [[0.0; 3]; JOINT_COUNT];
        for (index, [x, y]) in [(5, [0.7, 0.3]), (6, [0.6, 0.3]), (11, [0.7, 0.5]), (12, [0.6, 0.5])] {
            joints[index] = [x, y, 0.9];
        }
        Pose { joints }
    }

    #[test]
    fn the_torso_has_its_size_and_place_in_the_square() {
        let framed = Framing::of(&pose()).pose(&pose());
        let length = framed.joints[11][1] - framed.joints[5][1];
        assert!((length - TORSO).abs() < 1e-5, "{length}");
        let middle = (framed.joints[11][1] + framed.joints[5][1]) / 2.0;
        assert!((middle - TORSO_FROM_TOP).abs() < 1e-5, "{middle}");
        assert!((framed.joints[5][0] + framed.joints[6][0] - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_whole_view_is_left_byte_for_byte() {
        let from: Vec<u8> = (0..3 * 64).map(|i| i as u8).collect();
        let mut out = vec![0; from.len()];
        Framing::whole().pixels(&from, 8, &mut out);
        assert_eq!(out, from);
        assert_eq!(Framing::whole().pose(&pose()), pose());
    }

    #[test]
    fn planes_are_read_in_the_order_that_is_asked_for() {
        let framing = Framing { planes: [2, 0, 1], ..Framing::whole() };
        let mut out = vec![0; 3 * 4];
        framing.pixels(&[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], 2, &mut out);
        assert_eq!(out, [3, 3, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2]);
    }

    #[test]
    fn a_mirrored_view_has_its_sides_exchanged() {
        let framing = Framing { flip: true, ..Framing::whole() };
        let mirrored = framing.pose(&pose());
        assert!((mirrored.joints[6][0] - 0.3).abs() < 1e-6 && (mirrored.joints[5][0] - 0.4).abs() < 1e-6);
        let mut out = vec![0; 3 * 4];
        framing.pixels(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 2, &mut out);
        assert_eq!(out[..4], [2, 1, 4, 3]);
    }

    #[test]
    fn joints_move_with_the_pixels_and_beyond_the_view_it_is_dark() {
        let side = 64;
        // A bright spot where the left shoulder is: pixels 43 to 46 across, 17 to 20 down.
        let mut from = vec![0; 3 * side * side];
        for (plane, y, x) in (0..3).flat_map(|p| (17..21).flat_map(move |y| (43..47).map(move |x| (p, y, x))))
        {
            from[(plane * side + y) * side + x] = 200;
        }
        let framing = Framing::of(&pose());
        let mut out = vec![9; from.len()];
        framing.pixels(&from, side, &mut out);
        let [x, y, _] = framing.pose(&pose()).joints[5];
        let at = |share: f32| ((share * side as f32) as usize).min(side - 1);
        assert!(out[at(y) * side + at(x)] > 150, "{x} {y}");
        let wide = Framing { side: 2.0, corner: [-0.5; 2], ..Framing::whole() };
        wide.pixels(&vec![255; from.len()], side, &mut out);
        assert_eq!((out[0], out[side / 2 * side + side / 2]), (0, 255));
    }
}
