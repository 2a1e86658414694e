//! Triangles as the camera sees them: which one at every sample, and the light it sends.

use glam::Vec3;

use crate::mesh::Mesh;
use crate::raster::{self, EMPTY, Raster};
use crate::scene::Scene;
use crate::shade::{self, Shadow};

/// What the camera sees of one layer of triangles.
pub(crate) struct Layer<'a> {
    /// The triangles.
    pub mesh: &'a Mesh,
    /// Their corners in samples.
    corners: Vec<Vec3>,
    /// Depth and triangle per sample.
    pub raster: Raster,
    /// Samples per pixel and side.
    pub samples: usize,
}

impl<'a> Layer<'a> {
    /// Projects and rasterises `mesh` for a photo of `width` × `height` px.
    pub fn new(scene: &Scene, mesh: &'a Mesh, width: usize, height: usize, samples: usize) -> Self {
        let scale = samples as f32;
        let camera = scene.camera.scaled(scale);
        let corners: Vec<Vec3> = mesh.vertices.iter().map(|vertex| camera.project(vertex.position)).collect();
        let mut raster = Raster::new(width * samples, height * samples);
        raster.draw(&corners, &mesh.triangles);
        Self { mesh, corners, raster, samples }
    }

    /// Light from triangle `index` through the point (x, y) of the photo, in pixels.
    pub fn colour(&self, scene: &Scene, shadow: &Shadow, index: u32, x: f32, y: f32) -> Vec3 {
        let triangle = self.mesh.triangles[index as usize].map(|i| i as usize);
        let scale = self.samples as f32;
        let w = raster::weights(triangle.map(|i| self.corners[i]), x * scale, y * scale);
        let [a, b, c] = triangle.map(|i| &self.mesh.vertices[i]);
        let blend = |p: Vec3, q: Vec3, r: Vec3| p * w[0] + q * w[1] + r * w[2];
        let position = blend(a.position, b.position, c.position);
        let normal = blend(a.normal, b.normal, c.normal);
        let local = blend(a.local, b.local, c.local);
        // `around` jumps from 1 to 0 at the seam of a tube
        let [ua, ub, uc] = [a.around, b.around, c.around];
        let seam = ua.max(ub).max(uc) - ua.min(ub).min(uc) > 0.5;
        let lift = |u: f32| if seam && u < 0.5 { u + 1.0 } else { u };
        let around = lift(ua) * w[0] + lift(ub) * w[1] + lift(uc) * w[2];
        let surface = &self.mesh.surfaces[self.mesh.surface_of[index as usize] as usize];
        let paint = surface.look.paint(local, around);
        shade::lit(scene, shadow, &paint, position, normal)
    }

    /// The triangles at the samples of pixel (x, y), as many as there are, the first one in the rest.
    pub fn ids(&self, x: usize, y: usize) -> [u32; 4] {
        let first = y * self.samples * self.raster.width + x * self.samples;
        if self.samples == 1 {
            return [self.raster.triangle[first]; 4];
        }
        [first, first + 1, first + self.raster.width, first + self.raster.width + 1]
            .map(|i| self.raster.triangle[i])
    }

    /// Light from the triangles `ids` of the pixel whose middle is `at`; where there are none, from `behind`.
    pub fn pixel(&self, scene: &Scene, shadow: &Shadow, ids: [u32; 4], at: (f32, f32), behind: Vec3) -> Vec3 {
        let (px, py) = at;
        let surfaces = ids.map(|id| if id == EMPTY { u16::MAX } else { self.surface(id) });
        if surfaces == [surfaces[0]; 4] {
            return self.colour(scene, shadow, ids[0], px, py);
        }
        let mut sum = Vec3::ZERO;
        for (i, &id) in ids.iter().enumerate() {
            let (sx, sy) = (px - 0.25 + 0.5 * (i % 2) as f32, py - 0.25 + 0.5 * (i / 2) as f32);
            sum += if id == EMPTY { behind } else { self.colour(scene, shadow, id, sx, sy) };
        }
        sum * 0.25
    }

    /// Whether the pixels left and right of a pixel, with one sample each, show the same surface as it does.
    pub fn is_inside(&self, x: usize, y: usize) -> bool {
        let at = y * self.raster.width + x;
        x > 0
            && x + 1 < self.raster.width
            && self.is_one_surface([at - 1, at, at + 1].map(|i| self.raster.triangle[i]))
    }

    fn is_one_surface(&self, [a, b, c]: [u32; 3]) -> bool {
        a != EMPTY && c != EMPTY && self.surface(a) == self.surface(b) && self.surface(c) == self.surface(b)
    }

    /// The surface of a triangle.
    pub fn surface(&self, index: u32) -> u16 {
        self.mesh.surface_of[index as usize]
    }
}
