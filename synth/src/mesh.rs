//! Triangles in metres. Everything solid is made of grids: rows along an axis, columns around it.

use glam::Vec3;

use crate::surface::Surface;

/// A corner of triangles.
#[derive(Clone, Copy, Debug)]
pub struct Vertex {
    /// Where, in metres of the scene.
    pub position: Vec3,
    /// Outward unit normal.
    pub normal: Vec3,
    /// Where on the surface, in the part's own metres: patterns stay with the part when it moves.
    pub local: Vec3,
    /// Share of the way around, 0..=1.
    pub around: f32,
}

/// Triangles and the surfaces they belong to.
#[derive(Debug, Default)]
pub struct Mesh {
    /// The corners.
    pub vertices: Vec<Vertex>,
    /// Three corners each.
    pub triangles: Vec<[u32; 3]>,
    /// For each triangle, an index into `surfaces`.
    pub surface_of: Vec<u16>,
    /// What the triangles look like and whose they are.
    pub surfaces: Vec<Surface>,
    /// For a small photo: parts with more triangles than pixels get fewer.
    pub coarse: bool,
}

/// One elliptic cross-section of a loft.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// Its middle.
    pub centre: Vec3,
    /// Unit vector towards `around` = 0.25.
    pub side: Vec3,
    /// Unit vector towards `around` = 0 (the part's front).
    pub front: Vec3,
    /// Half width along `side`, metres.
    pub half_width: f32,
    /// Half depth along `front`, metres.
    pub half_depth: f32,
    /// The part's own coordinate along its axis, metres.
    pub along: f32,
}

impl Mesh {
    /// Registers a surface and gives its index.
    pub fn add_surface(&mut self, surface: Surface) -> u16 {
        self.surfaces.push(surface);
        (self.surfaces.len() - 1) as u16
    }

    /// A grid of `rows` × `columns` points `(position, local, around)`; `wrap` joins the last column to the first.
    pub fn grid(
        &mut self,
        surface: u16,
        rows: usize,
        columns: usize,
        wrap: bool,
        mut point: impl FnMut(usize, usize) -> (Vec3, Vec3, f32),
    ) {
        let first = self.vertices.len();
        for row in 0..rows {
            for column in 0..columns {
                let (position, local, around) = point(row, column);
                self.vertices.push(Vertex { position, normal: Vec3::ZERO, local, around });
            }
        }
        let at = |row: usize, column: usize| first + row * columns + column;
        let mut outward = 0.0;
        for row in 0..rows {
            let middle: Vec3 =
                (0..columns).map(|c| self.vertices[at(row, c)].position).sum::<Vec3>() / columns as f32;
            for column in 0..columns {
                let (before, after) = if wrap {
                    ((column + columns - 1) % columns, (column + 1) % columns)
                } else {
                    (column.saturating_sub(1), (column + 1).min(columns - 1))
                };
                let (above, below) = (row.saturating_sub(1), (row + 1).min(rows - 1));
                let mut along_row =
                    self.vertices[at(row, after)].position - self.vertices[at(row, before)].position;
                if along_row.length_squared() < 1e-12 {
                    // a pole: all columns meet, the neighbouring row tells the directions
                    let near = if row == 0 { below } else { above };
                    along_row =
                        self.vertices[at(near, after)].position - self.vertices[at(near, before)].position;
                }
                let along_column =
                    self.vertices[at(below, column)].position - self.vertices[at(above, column)].position;
                let normal = along_column.cross(along_row).normalize_or_zero();
                self.vertices[at(row, column)].normal = normal;
                outward += normal.dot(self.vertices[at(row, column)].position - middle);
            }
        }
        if wrap && outward < 0.0 {
            self.vertices[first..].iter_mut().for_each(|vertex| vertex.normal = -vertex.normal);
        }
        let joined = if wrap { columns } else { columns - 1 };
        for row in 0..rows - 1 {
            for column in 0..joined {
                let next = (column + 1) % columns;
                let [a, b, c, d] = [at(row, column), at(row, next), at(row + 1, column), at(row + 1, next)]
                    .map(|i| i as u32);
                self.triangles.extend([[a, b, c], [b, d, c]]);
                self.surface_of.extend([surface, surface]);
            }
        }
    }

    /// A tube through `rings`, its radius scaled by `swell(along, around)`; caps close both ends.
    pub fn loft(
        &mut self,
        surface: u16,
        rings: &[Ring],
        columns: usize,
        caps: bool,
        swell: impl Fn(f32, f32) -> f32,
    ) {
        let extra = usize::from(caps);
        let rows = rings.len() + 2 * extra;
        self.grid(surface, rows, columns, true, |row, column| {
            let ring = &rings[row.saturating_sub(extra).min(rings.len() - 1)];
            let cap = caps && (row == 0 || row == rows - 1);
            let around = column as f32 / columns as f32;
            let (sin, cos) = (around * std::f32::consts::TAU).sin_cos();
            let scale = if cap { 0.0 } else { swell(ring.along, around) };
            let (x, z) = (ring.half_width * sin * scale, ring.half_depth * cos * scale);
            let local = Vec3::new(ring.half_width * sin, ring.along, ring.half_depth * cos);
            (ring.centre + ring.side * x + ring.front * z, local, around)
        });
    }

    /// An ellipsoid with half axes along `axes` (vectors in metres).
    pub fn ellipsoid(&mut self, surface: u16, centre: Vec3, axes: [Vec3; 3], rows: usize, columns: usize) {
        let size = Vec3::new(axes[0].length(), axes[1].length(), axes[2].length());
        self.grid(surface, rows, columns, true, |row, column| {
            let (sin_lat, cos_lat) = (std::f32::consts::PI * row as f32 / (rows - 1) as f32).sin_cos();
            let around = column as f32 / columns as f32;
            let (sin, cos) = (around * std::f32::consts::TAU).sin_cos();
            let unit = Vec3::new(sin_lat * sin, cos_lat, sin_lat * cos);
            (centre + axes[0] * unit.x + axes[1] * unit.y + axes[2] * unit.z, unit * size, around)
        });
    }

    /// A box with half axes along `axes` (vectors in metres), flat on every face.
    pub fn cuboid(&mut self, surface: u16, centre: Vec3, axes: [Vec3; 3]) {
        for (a, b, c) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
            for sign in [-1.0, 1.0] {
                let (lu, lv) = (axes[a].length(), axes[b].length());
                let first = self.vertices.len();
                self.grid(surface, 2, 2, false, |row, column| {
                    let (u, v) = (row as f32 * 2.0 - 1.0, column as f32 * 2.0 - 1.0);
                    let position = centre + axes[a] * u + axes[b] * v + axes[c] * sign;
                    (position, Vec3::new(u * lu, v * lv, sign * axes[c].length()), 0.0)
                });
                let normal = axes[c].normalize_or_zero() * sign;
                self.vertices[first..].iter_mut().for_each(|vertex| vertex.normal = normal);
            }
        }
    }
}
