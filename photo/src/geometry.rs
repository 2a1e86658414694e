//! Boxes and affine maps, in pixels. The pixel in column x and row y has the coordinates (x, y).

use serde::{Deserialize, Serialize};

/// An axis-aligned box: left, top, right, bottom in pixels, right and bottom exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl BoundingBox {
    /// A box from its centre and size, the form of detector outputs.
    pub fn from_centre(cx: f32, cy: f32, width: f32, height: f32) -> Self {
        Self { x0: cx - width / 2.0, y0: cy - height / 2.0, x1: cx + width / 2.0, y1: cy + height / 2.0 }
    }

    /// Width in pixels, never negative.
    pub fn width(&self) -> f32 {
        (self.x1 - self.x0).max(0.0)
    }

    /// Height in pixels, never negative.
    pub fn height(&self) -> f32 {
        (self.y1 - self.y0).max(0.0)
    }

    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The overlap of two boxes in square pixels.
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = self.x1.min(other.x1) - self.x0.max(other.x0);
        let height = self.y1.min(other.y1) - self.y0.max(other.y0);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, in 0..=1.
    pub fn iou(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// Whether the point lies inside.
    pub fn contains(&self, x: f32, y: f32) -> bool {
        (self.x0..self.x1).contains(&x) && (self.y0..self.y1).contains(&y)
    }

    /// The box cut to a frame of `width` × `height` pixels.
    pub fn clipped(&self, width: f32, height: f32) -> Self {
        Self {
            x0: self.x0.clamp(0.0, width),
            y0: self.y0.clamp(0.0, height),
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
        }
    }
}

/// An affine map of the plane: `x' = a·x + b·y + c`, `y' = d·x + e·y + f`, stored as `[a, b, c, d, e, f]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    /// Leaves every point where it is.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);

    /// A scale along each axis, followed by a shift.
    pub fn scale_then_shift(scale_x: f64, scale_y: f64, dx: f64, dy: f64) -> Self {
        Self([scale_x, 0.0, dx, 0.0, scale_y, dy])
    }

    /// Where the point (x, y) goes.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// The map back, or `None` where this map flattens the plane.
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f] = self.0;
        let determinant = a * e - b * d;
        if determinant == 0.0 || !determinant.is_finite() {
            return None;
        }
        let (ia, ib, id, ie) = (e / determinant, -b / determinant, -d / determinant, a / determinant);
        Some(Self([ia, ib, -(ia * c + ib * f), id, ie, -(id * c + ie * f)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_half_overlapping_boxes_is_one_third() {
        let a = BoundingBox { x0: 0.0, y0: 0.0, x1: 10.0, y1: 10.0 };
        let b = BoundingBox { x0: 5.0, y0: 0.0, x1: 15.0, y1: 10.0 };
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        let apart = BoundingBox { x0: 20.0, y0: 0.0, x1: 30.0, y1: 10.0 };
        assert_eq!(a.iou(&apart), 0.0);
    }

    #[test]
    fn a_map_and_its_inverse_bring_a_point_back() {
        let map = Affine([0.5, 0.1, 30.0, -0.2, 0.7, -4.0]);
        let (x, y) = map.apply(12.0, 99.0);
        let (x, y) = map.inverse().unwrap().apply(x, y);
        assert!((x - 12.0).abs() < 1e-9 && (y - 99.0).abs() < 1e-9);
        assert_eq!(Affine([1.0, 2.0, 0.0, 2.0, 4.0, 0.0]).inverse(), None);
    }
}
