//! A pinhole camera.

use glam::Vec3;

/// Where the photo is taken from. Pixel centres lie at half-integers.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    /// Position, metres.
    pub eye: Vec3,
    /// Unit vector to the photo's right.
    pub right: Vec3,
    /// Unit vector to the photo's top.
    pub up: Vec3,
    /// Unit vector into the photo.
    pub forward: Vec3,
    /// Focal length, pixels.
    pub focal_px: f32,
    /// Column of the optical axis, pixels. Off the middle after a crop.
    pub centre_x: f32,
    /// Row of the optical axis, pixels.
    pub centre_y: f32,
}

impl Camera {
    /// A camera at `eye` that looks at `target`, tilted by `roll` radians, with a focal length of 1 px.
    pub fn looking_at(eye: Vec3, target: Vec3, roll: f32) -> Self {
        let forward = (target - eye).normalize();
        let right = forward.cross(Vec3::Y).normalize();
        let up = right.cross(forward);
        let (sin, cos) = roll.sin_cos();
        let (right, up) = (right * cos + up * sin, up * cos - right * sin);
        Self { eye, right, up, forward, focal_px: 1.0, centre_x: 0.0, centre_y: 0.0 }
    }

    /// Column, row and 1/depth of a point; 1/depth is 0 where the point is behind the camera.
    pub fn project(&self, point: Vec3) -> Vec3 {
        let from_eye = point - self.eye;
        let depth = from_eye.dot(self.forward);
        if depth < 0.15 {
            return Vec3::ZERO;
        }
        let scale = self.focal_px / depth;
        Vec3::new(
            self.centre_x + from_eye.dot(self.right) * scale,
            self.centre_y - from_eye.dot(self.up) * scale,
            1.0 / depth,
        )
    }

    /// The direction (with depth 1) of the ray through a point of the photo.
    pub fn ray(&self, x: f32, y: f32) -> Vec3 {
        self.forward
            + self.right * ((x - self.centre_x) / self.focal_px)
            + self.up * ((self.centre_y - y) / self.focal_px)
    }

    /// The same view at `scale` times as many pixels per side.
    pub fn scaled(&self, scale: f32) -> Self {
        Self {
            focal_px: self.focal_px * scale,
            centre_x: self.centre_x * scale,
            centre_y: self.centre_y * scale,
            ..*self
        }
    }
}
