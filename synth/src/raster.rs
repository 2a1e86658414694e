//! Triangles to a depth buffer that knows the nearest triangle of every sample.

use glam::Vec3;

use crate::noise::floor;

/// No triangle covers the sample.
pub const EMPTY: u32 = u32::MAX;

/// Depth and triangle per sample.
#[derive(Debug)]
pub struct Raster {
    /// Samples across.
    pub width: usize,
    /// Samples down.
    pub height: usize,
    /// Nearness of the nearest surface (for a camera 1/z), 0 where there is none.
    pub nearness: Vec<f32>,
    /// The nearest triangle, `EMPTY` where there is none.
    pub triangle: Vec<u32>,
}

impl Raster {
    /// An empty buffer.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, nearness: vec![0.0; width * height], triangle: vec![EMPTY; width * height] }
    }

    /// Draws triangles whose corners are `(column, row, nearness)` in samples; nearness ≤ 0 is behind the camera.
    pub fn draw(&mut self, corners: &[Vec3], triangles: &[[u32; 3]]) {
        for (index, triangle) in triangles.iter().enumerate() {
            let [a, b, c] = triangle.map(|i| corners[i as usize]);
            if a.z > 0.0 && b.z > 0.0 && c.z > 0.0 {
                self.draw_one(a, b, c, index as u32);
            }
        }
    }

    fn draw_one(&mut self, a: Vec3, b: Vec3, c: Vec3, index: u32) {
        let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
        if area.abs() < 1e-9 {
            return;
        }
        let clamp = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
        // samples lie at half-integers: the first one at or right of the least corner
        let x0 = clamp(-floor(0.5 - a.x.min(b.x).min(c.x)), self.width);
        let x1 = clamp(floor(a.x.max(b.x).max(c.x) - 0.5) + 1.0, self.width);
        let y0 = clamp(-floor(0.5 - a.y.min(b.y).min(c.y)), self.height);
        let y1 = clamp(floor(a.y.max(b.y).max(c.y) - 0.5) + 1.0, self.height);
        if x0 >= x1 || y0 >= y1 {
            return;
        }
        let inverse = 1.0 / area;
        // weights of b and c are affine in x and y; a's is the rest
        let (bx, by) = ((c.y - a.y) * inverse, -(c.x - a.x) * inverse);
        let (cx, cy) = (-(b.y - a.y) * inverse, (b.x - a.x) * inverse);
        let (dz_b, dz_c) = (b.z - a.z, c.z - a.z);
        for y in y0..y1 {
            let dy = y as f32 + 0.5 - a.y;
            let row = y * self.width;
            for x in x0..x1 {
                let dx = x as f32 + 0.5 - a.x;
                let wb = dx * bx + dy * by;
                let wc = dx * cx + dy * cy;
                if wb >= 0.0 && wc >= 0.0 && wb + wc <= 1.0 {
                    let nearness = a.z + wb * dz_b + wc * dz_c;
                    if nearness > self.nearness[row + x] {
                        self.nearness[row + x] = nearness;
                        self.triangle[row + x] = index;
                    }
                }
            }
        }
    }
}

/// The weights of three projected corners at a point of the image, corrected for perspective, inside the triangle.
pub fn weights(corners: [Vec3; 3], x: f32, y: f32) -> [f32; 3] {
    let [a, b, c] = corners;
    let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    if area.abs() < 1e-12 {
        return [1.0, 0.0, 0.0];
    }
    let (dx, dy) = (x - a.x, y - a.y);
    let wb = (((c.y - a.y) * dx - (c.x - a.x) * dy) / area).clamp(0.0, 1.0);
    let wc = (((b.x - a.x) * dy - (b.y - a.y) * dx) / area).clamp(0.0, 1.0 - wb);
    let [pa, pb, pc] = [(1.0 - wb - wc) * a.z, wb * b.z, wc * c.z];
    let sum = pa + pb + pc;
    [pa / sum, pb / sum, pc / sum]
}
