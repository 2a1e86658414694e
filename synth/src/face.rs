//! The paint of a face, in half heads: the chin is at y = -1, the crown at y = 1, the nose points along z.

use glam::Vec3;

use crate::noise::{fbm, hash01, noise3, smoothstep};
use crate::surface::Paint;

/// Half the distance between the pupils, half heads.
pub const EYE_X: f32 = 0.29;
/// Height of the pupils, half heads.
pub const EYE_Y: f32 = 0.02;
/// Height of the tip of the nose, half heads.
pub const NOSE_Y: f32 = -0.27;

/// Colours and expression of one face in one photo. Colours are linear.
#[derive(Clone, Debug)]
pub struct FaceLook {
    /// Skin.
    pub skin: Vec3,
    /// Irises.
    pub iris: Vec3,
    /// Brows and beard.
    pub hair: Vec3,
    /// Lips.
    pub lip: Vec3,
    /// Fullness of the lips, 1 is average.
    pub lips: f32,
    /// Density of the beard in 0..=1.
    pub beard: f32,
    /// Thickness of the brows, 1 is average.
    pub brows: f32,
    /// Corners of the mouth up, -0.3..=1.
    pub smile: f32,
    /// How far the mouth is open, 0..=1.
    pub open: f32,
    /// Where the eyes look, in half eye widths.
    pub gaze: [f32; 2],
    /// How wide the eyes are open, 1 is average.
    pub lids: f32,
    /// Darkness of the lid line, 0..=1.
    pub liner: f32,
    /// Hair cropped so short that it is only a colour of the scalp.
    pub stubble_scalp: bool,
}

fn spot(dx: f32, dy: f32, rx: f32, ry: f32) -> f32 {
    let d = (dx / rx) * (dx / rx) + (dy / ry) * (dy / ry);
    (-d).exp()
}

impl FaceLook {
    /// The paint at `p` (half heads).
    pub fn paint(&self, p: Vec3) -> Paint {
        let mottle = 0.95 + 0.10 * noise3(p * 7.0, 5);
        let mut paint = Paint::skin(self.skin * mottle);
        if self.stubble_scalp {
            let line = 0.50 - 0.45 * smoothstep(0.55, -0.05, p.z) - 0.55 * smoothstep(0.0, -0.3, p.z);
            let cover = smoothstep(line, line + 0.07, p.y);
            let grain = 0.6 + 0.4 * fbm(p.x * 60.0, p.y * 60.0 + p.z * 60.0, 2, 3);
            paint.albedo = paint.albedo.lerp(self.hair, 0.85 * cover * grain);
        }
        if p.z < 0.05 {
            return paint;
        }
        let ax = p.x.abs();
        // blood under cheeks, nose and chin; shade in the sockets and under the lower lip
        let blush = spot(ax - 0.40, p.y + 0.26, 0.20, 0.16) + 0.7 * spot(p.x, p.y + 0.26, 0.10, 0.10);
        paint.albedo *= Vec3::new(1.0, 1.0 - 0.13 * blush, 1.0 - 0.11 * blush);
        let shade = 0.30 * spot(ax - 0.27, p.y - 0.09, 0.17, 0.07)
            + 0.16 * spot(ax - 0.27, p.y + 0.08, 0.15, 0.06)
            + 0.22 * spot(p.x, p.y + 0.66, 0.14, 0.04)
            + 0.25 * spot(p.x, p.y + 0.335, 0.11, 0.035)
            + 0.15 * spot(ax - 0.14, p.y + 0.24, 0.03, 0.08);
        paint.albedo *= 1.0 - shade.min(0.6);
        self.beard(p, ax, &mut paint);
        self.brow(p, ax, &mut paint);
        let nostril = spot(ax - 0.065, p.y + 0.325, 0.028, 0.018);
        paint.albedo *= 1.0 - 0.75 * nostril;
        self.mouth(p, &mut paint);
        self.eye(p, ax, &mut paint);
        paint
    }

    fn beard(&self, p: Vec3, ax: f32, paint: &mut Paint) {
        if self.beard <= 0.0 {
            return;
        }
        let jaw = smoothstep(-0.42 + 0.55 * ax, -0.62 + 0.55 * ax, p.y)
            * smoothstep(-0.42, -0.55, p.y + 0.25 * (0.3 - ax).max(0.0));
        let sides = smoothstep(0.50, 0.62, ax) * smoothstep(-0.05, -0.25, p.y);
        let moustache =
            smoothstep(0.26, 0.20, ax) * smoothstep(-0.36, -0.385, p.y) * smoothstep(-0.56, -0.50, p.y);
        let grain = 0.55 + 0.6 * fbm(p.x * 45.0, p.y * 30.0, 2, 11);
        let cover = (jaw.max(sides).max(moustache) * grain * self.beard).clamp(0.0, 0.95);
        paint.albedo = paint.albedo.lerp(self.hair, cover);
        paint.gloss *= 1.0 - cover;
    }

    fn brow(&self, p: Vec3, ax: f32, paint: &mut Paint) {
        let t = (ax - 0.12) / 0.38;
        if !(0.0..1.0).contains(&t) {
            return;
        }
        let middle = 0.185 + 0.055 * (t * 2.4).min(1.0) - 0.07 * (t - 0.55).max(0.0) / 0.45;
        let thickness = 0.036 * self.brows * (1.0 - 0.65 * t);
        let cover = smoothstep(thickness, thickness * 0.4, (p.y - middle).abs());
        let grain = 0.65 + 0.35 * hash01((p.x * 120.0) as i32, (p.y * 40.0) as i32, 5);
        paint.albedo = paint.albedo.lerp(self.hair * 0.8, cover * grain * 0.9);
    }

    fn mouth(&self, p: Vec3, paint: &mut Paint) {
        let half = 0.205 + 0.05 * self.smile.max(0.0);
        let t = p.x / half;
        if t.abs() > 1.05 {
            return;
        }
        let line = -0.50 + 0.055 * self.smile * t * t;
        let round = (1.0 - t * t).max(0.0).sqrt();
        let dip = 1.0 - 0.35 * (-(t / 0.18) * (t / 0.18)).exp();
        let gap = 0.055 * self.open * round;
        let (top, bottom) = (
            line + gap * 0.4 + 0.060 * self.lips * round * dip,
            line - gap * 0.6 - 0.078 * self.lips * round,
        );
        let inside = smoothstep(0.0, 0.012, (top - p.y).min(p.y - bottom));
        paint.albedo = paint.albedo.lerp(self.lip, inside * 0.85);
        paint.gloss += 0.15 * inside;
        if gap > 0.008 && p.y < line + gap * 0.4 && p.y > line - gap * 0.6 {
            let teeth = p.y > line - gap * 0.25 && t.abs() < 0.85;
            paint.albedo =
                if teeth { Vec3::splat(0.72) * (1.0 - 0.3 * t.abs()) } else { Vec3::new(0.10, 0.02, 0.02) };
        } else {
            let slit = smoothstep(0.016, 0.004, (p.y - line).abs()) * smoothstep(1.05, 0.9, t.abs());
            paint.albedo *= 1.0 - 0.7 * slit;
        }
    }

    fn eye(&self, p: Vec3, ax: f32, paint: &mut Paint) {
        let (dx, dy) = (ax - EYE_X, p.y - EYE_Y - 0.12 * (ax - EYE_X) * 0.6);
        let t = dx / 0.135;
        if t.abs() > 1.25 || dy.abs() > 0.2 {
            return;
        }
        let open = (1.0 - t * t).max(0.0);
        let (upper, lower) = (0.064 * self.lids * open, -0.045 * self.lids * open.sqrt() * open.sqrt());
        let line = smoothstep(0.028, 0.008, (dy - upper).abs()) * smoothstep(1.2, 0.95, t.abs());
        if dy < upper && dy > lower {
            // the person's left eye is at +x; gaze is the same for both
            let side = p.x.signum();
            let (ix, iy) = (dx * side - 0.05 * self.gaze[0], dy - 0.006 - 0.02 * self.gaze[1]);
            let r = (ix * ix + iy * iy).sqrt();
            let white = Vec3::new(0.80, 0.78, 0.76)
                * (1.0 - 0.35 * t * t)
                * (0.72 + 0.28 * smoothstep(upper, upper - 0.05, dy));
            let iris = self.iris * (0.7 + 8.0 * r) * smoothstep(0.064, 0.054, r);
            let mut colour = white.lerp(iris, smoothstep(0.066, 0.058, r));
            colour = colour.lerp(Vec3::splat(0.005), smoothstep(0.030, 0.022, r));
            let glint = smoothstep(0.020, 0.010, ((ix - 0.02).powi(2) + (iy - 0.025).powi(2)).sqrt());
            paint.albedo = colour.lerp(Vec3::splat(0.95), glint);
            (paint.gloss, paint.sharpness, paint.skin) = (0.4, 60.0, false);
        }
        paint.albedo *= 1.0 - (0.55 + 0.4 * self.liner) * line;
        let below = smoothstep(0.018, 0.006, (dy - lower).abs()) * smoothstep(1.1, 0.9, t.abs());
        paint.albedo *= 1.0 - 0.35 * below;
        let crease = smoothstep(0.016, 0.004, (dy - upper - 0.045).abs()) * smoothstep(1.2, 0.8, t.abs());
        paint.albedo *= 1.0 - 0.25 * crease;
    }
}
