//! Light on surfaces: a key light with shadows, a hemisphere, a highlight.

use glam::Vec3;

use crate::backdrop::Behind;
use crate::raster::Raster;
use crate::scene::Scene;
use crate::surface::Paint;

/// Half the side of the square that the shadow map covers, metres.
const HALF_SIDE_M: f32 = 2.4;
/// Keeps nearness positive.
const FAR_M: f32 = 20.0;

/// The scene as the light sees it.
#[derive(Debug)]
pub struct Shadow {
    raster: Raster,
    right: Vec3,
    up: Vec3,
    direction: Vec3,
    middle: Vec3,
    softness_m: f32,
}

impl Shadow {
    /// A map of `side` × `side` samples.
    pub fn new(scene: &Scene, side: usize) -> Self {
        let direction = scene.light.direction;
        let right = direction.cross(Vec3::Y).normalize_or(Vec3::X);
        let up = right.cross(direction);
        let mut map = Self {
            raster: Raster::new(side, side),
            right,
            up,
            direction,
            middle: Vec3::new(0.0, 0.8, 0.0),
            softness_m: scene.light.softness_m,
        };
        let corners: Vec<Vec3> =
            scene.near.vertices.iter().map(|vertex| map.place(vertex.position)).collect();
        map.raster.draw(&corners, &scene.near.triangles);
        map
    }

    fn place(&self, point: Vec3) -> Vec3 {
        let p = point - self.middle;
        let scale = self.raster.width as f32 / (2.0 * HALF_SIDE_M);
        let half = 0.5 * self.raster.width as f32;
        Vec3::new(
            half + p.dot(self.right) * scale,
            half - p.dot(self.up) * scale,
            FAR_M + p.dot(self.direction),
        )
    }

    /// The share of the key light that reaches a point, looked up over `spread_m` around it.
    fn light(&self, point: Vec3, bias_m: f32, spread_m: f32) -> f32 {
        let p = self.place(point);
        let side = self.raster.width as f32;
        if p.x < 2.0 || p.y < 2.0 || p.x > side - 2.0 || p.y > side - 2.0 {
            return 1.0;
        }
        let step = (spread_m * side / (2.0 * HALF_SIDE_M) / 1.5).max(0.6);
        let mut lit = 0.0;
        for j in -1..=1 {
            for i in -1..=1 {
                let (x, y) = (p.x + i as f32 * step, p.y + j as f32 * step);
                let x = (x.max(0.0) as usize).min(self.raster.width - 1);
                let y = (y.max(0.0) as usize).min(self.raster.height - 1);
                let over = self.raster.nearness[y * self.raster.width + x] - p.z - bias_m;
                lit += 1.0 - (over * 40.0).clamp(0.0, 1.0);
            }
        }
        lit / 9.0
    }
}

/// Light that leaves a painted surface towards the camera.
pub fn lit(scene: &Scene, shadow: &Shadow, paint: &Paint, position: Vec3, normal: Vec3) -> Vec3 {
    let light = &scene.light;
    let view = (scene.camera.eye - position).normalize();
    let smooth = if normal.dot(view) < -0.15 { -normal } else { normal };
    let normal = (smooth.normalize_or(view) + paint.bump).normalize_or(view);
    let facing = normal.dot(light.direction);
    let reached = if facing > -0.3 {
        shadow.light(position + smooth * 0.012, 0.012, shadow.softness_m * 0.4)
    } else {
        0.0
    };
    let hemisphere = light.ground.lerp(light.sky, 0.5 + 0.5 * normal.y);
    // a soft fill from the camera's side keeps unlit fronts readable, as a room or the sky does
    let fill = light.sky * (0.30 * normal.dot(view).max(0.0));
    let mut diffuse = facing.max(0.0);
    let mut tint = Vec3::ONE;
    if paint.skin {
        // light passes through skin at the edge of the shade, red the farthest
        let wrapped = ((facing + 0.25) / 1.25).max(0.0);
        tint = Vec3::ONE.lerp(Vec3::new(1.12, 0.86, 0.80), ((wrapped - diffuse) * 3.0).clamp(0.0, 1.0));
        diffuse = 0.5 * (diffuse + wrapped);
    }
    let near_floor = 0.65 + 0.35 * (position.y * 2.5).clamp(0.0, 1.0);
    let received = hemisphere * near_floor + fill + light.key * tint * (diffuse * reached);
    let half = (view + light.direction).normalize_or(view);
    let highlight =
        paint.gloss * normal.dot(half).max(0.0).powf(paint.sharpness) * reached * facing.max(0.0).sqrt();
    let rim = 0.10 * (1.0 - normal.dot(view).clamp(0.0, 1.0)).powi(3);
    paint.albedo * received + light.key * highlight + light.sky * rim * (0.15 + paint.albedo)
}

/// Light from the backdrop: floors are lit and shadowed, walls shadowed.
pub fn behind(scene: &Scene, shadow: &Shadow, behind: &Behind, feet: &[Vec3]) -> Vec3 {
    let light = &scene.light;
    if let Some(point) = behind.floor {
        let reached = shadow.light(point, 0.02, light.softness_m * 1.6);
        let contact = feet.iter().map(|foot| {
            let (dx, dz) = (point.x - foot.x, point.z - foot.z);
            let lift = (foot.y - 0.12).max(0.0);
            0.6 * (-(dx * dx + dz * dz) / 0.022).exp() * (-lift * 8.0).exp()
        });
        let open = contact.fold(1.0, |open, shade| open * (1.0 - shade));
        return behind.colour
            * (light.sky * 0.85 * open + light.key * light.direction.y * reached * (0.5 + 0.5 * open));
    }
    if let Some(point) = behind.wall {
        let reached = shadow.light(point, 0.02, light.softness_m * 2.5);
        return behind.colour * (0.62 + 0.38 * reached);
    }
    behind.colour
}
