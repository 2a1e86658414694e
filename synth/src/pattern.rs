//! Patterns of surfaces: threads, leaves, bricks, stones, letters. Flat, with the relief that light makes visible.

use glam::{Vec2, Vec3};
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::lettering::Lettering;
use crate::noise::{fbm, hash, hash01, noise2, smoothstep};

/// What a surface is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blurred spots without a scale of their own: sky, stains, walls.
    Cloud,
    /// Threads over and under each other.
    Weave,
    /// Weave with slanted ribs.
    Twill,
    /// Rows of stitches.
    Knit,
    /// Overlapping leaves.
    Foliage,
    /// Ridges along one way.
    Bark,
    /// Bricks and mortar.
    Brick,
    /// Stones of many greys.
    Gravel,
    /// Bands of random width and colour.
    Stripes,
    /// Crossing bands.
    Check,
    /// Rows of dots or small figures.
    Dots,
    /// Grass, hair, fur.
    Strands,
    /// Water, folds.
    Ripples,
    /// Fences, lace, nets.
    Lattice,
    /// Bright and dark grains.
    Speckle,
    /// Letters that belong to the scene.
    Print,
}

/// Every kind; what clothes and gardens are full of stands twice.
const KINDS: [Kind; 22] = [
    Kind::Cloud,
    Kind::Cloud,
    Kind::Weave,
    Kind::Weave,
    Kind::Twill,
    Kind::Knit,
    Kind::Knit,
    Kind::Foliage,
    Kind::Foliage,
    Kind::Bark,
    Kind::Brick,
    Kind::Gravel,
    Kind::Stripes,
    Kind::Check,
    Kind::Dots,
    Kind::Strands,
    Kind::Strands,
    Kind::Ripples,
    Kind::Lattice,
    Kind::Speckle,
    Kind::Print,
    Kind::Print,
];

/// A pattern with its colours.
#[derive(Debug)]
pub struct Pattern {
    kind: Kind,
    colours: [Vec3; 3],
    /// Names the pattern's noise.
    pub seed: u32,
    letters: Option<Lettering>,
}

impl Kind {
    /// Any kind.
    pub fn sample(rng: &mut ChaCha8Rng) -> Self {
        *KINDS.choose(rng).expect("kinds are listed")
    }
}

impl Pattern {
    /// A pattern of a kind.
    pub fn new(kind: Kind, colours: [Vec3; 3], seed: u32, rng: &mut ChaCha8Rng) -> Self {
        Self { kind, colours, seed, letters: (kind == Kind::Print).then(|| Lettering::sample(rng)) }
    }

    /// The colour at (u, v) repeats, and the relief there: 0 in the shade of the pattern, 1 on its ridges.
    pub fn at(&self, u: f32, v: f32) -> (Vec3, f32) {
        let [a, b, c] = self.colours;
        let (iu, iv) = (u.floor() as i32, v.floor() as i32);
        let (fu, fv) = (u - u.floor(), v - v.floor());
        let bulge = |t: f32| 4.0 * t * (1.0 - t);
        match self.kind {
            Kind::Cloud => (a.lerp(b, fbm(u * 0.15, v * 0.15, 5, self.seed)), fbm(u, v, 2, self.seed ^ 1)),
            Kind::Weave => self.threads(iu, iv, fu, fv, (iu + iv).rem_euclid(2) == 0),
            Kind::Twill => self.threads(iu, iv, fu, fv, (iu + iv).rem_euclid(4) < 2),
            Kind::Knit => {
                let row = v + (fu - 0.5).abs() * 1.3;
                let yarn = hash01(iu, row.floor() as i32, self.seed);
                let fuzz = noise2(u * 5.0, v * 5.0, self.seed);
                (
                    a.lerp(b, 0.4 * yarn),
                    bulge(row - row.floor()) * bulge((fu * 2.0).fract()).sqrt() * 0.8 + 0.2 * fuzz,
                )
            }
            Kind::Foliage => self.leaves(u, v),
            Kind::Bark => {
                let ridge = 1.0 - (2.0 * fbm(u * 1.2, v * 0.22, 4, self.seed) - 1.0).abs() * 2.2;
                (a.lerp(b, fbm(u * 0.3, v * 0.1, 3, self.seed ^ 1)), ridge.clamp(0.0, 1.0))
            }
            Kind::Brick => {
                let column = 0.5 * u + 0.5 * v.floor().rem_euclid(2.0);
                let fc = column - column.floor();
                let edge = (fc.min(1.0 - fc) * 2.0).min(fv.min(1.0 - fv));
                let stone = smoothstep(0.04, 0.10, edge);
                let shade = hash01(column.floor() as i32, iv, self.seed);
                (c.lerp(a.lerp(b, shade), stone), 0.3 * stone + 0.7 * fbm(u * 6.0, v * 6.0, 2, self.seed))
            }
            Kind::Gravel => {
                let (nearest, second, name) = self.cells(u, v);
                let tone = (name & 255) as f32 / 255.0;
                (a.lerp(b, tone), smoothstep(0.0, 0.35, second - nearest) * (1.1 - nearest * 0.6))
            }
            Kind::Stripes => {
                let wide = v * 0.6 + 0.9 * noise2(v * 0.8, 0.5, self.seed);
                let which = hash(wide.floor() as i32, 3, self.seed) % 3;
                (self.colours[which as usize], noise2(u * 4.0, v * 4.0, self.seed ^ 1))
            }
            Kind::Check => {
                let band = |t: f32, salt: u32| hash01((t * 2.0).floor() as i32, 1, self.seed ^ salt) < 0.4;
                let amount = 0.5 * (f32::from(u8::from(band(u, 7))) + f32::from(u8::from(band(v, 8))));
                (a.lerp(b, amount), noise2(u * 9.0, v * 9.0, self.seed))
            }
            Kind::Dots => {
                let petals = (self.seed % 5) as f32;
                let (x, y) = (fu - 0.5, fv - 0.5);
                let reach = 0.22 + 0.1 * (petals * y.atan2(x) + 6.3 * hash01(iu, iv, self.seed)).cos();
                (a.lerp(b, smoothstep(0.04, -0.04, x.hypot(y) - reach)), noise2(u * 6.0, v * 6.0, self.seed))
            }
            Kind::Strands => {
                let bend = 1.5 * noise2(u * 0.3, v * 0.12, self.seed ^ 2);
                let strand = fbm(u * 1.6 + bend, v * 0.18, 3, self.seed);
                let lock = fbm(u * 0.3 + bend, v * 0.06, 2, self.seed ^ 1);
                (a.lerp(b, lock), smoothstep(0.25, 0.75, strand))
            }
            Kind::Ripples => {
                let wave = (v * 3.0 + 3.0 * fbm(u * 0.35, v * 0.5, 3, self.seed)).sin();
                (a.lerp(b, 0.5 + 0.5 * wave), 0.5 + 0.5 * wave * wave)
            }
            Kind::Lattice => {
                let (x, y) = if self.seed.is_multiple_of(2) {
                    (fu, fv)
                } else {
                    ((u + v).fract().abs(), (u - v).fract().abs())
                };
                let thin = 0.06 + 0.12 * hash01(5, 5, self.seed);
                let line = smoothstep(thin, thin * 0.6, x.min(1.0 - x).min(y).min(1.0 - y));
                (a.lerp(b, fbm(u * 0.2, v * 0.2, 4, self.seed)).lerp(c, line), 0.5 + 0.3 * line)
            }
            Kind::Speckle => {
                let grain = hash01((u * 3.0) as i32, (v * 3.0) as i32, self.seed);
                let spot = smoothstep(0.7, 0.95, grain) * hash01(iu, iv, self.seed ^ 1);
                (a.lerp(c, spot), fbm(u, v, 3, self.seed))
            }
            Kind::Print => {
                let ink = self.letters.as_ref().map_or(0.0, |letters| letters.at(u, v));
                (a.lerp(b, 0.3 * fbm(u * 0.1, v * 0.1, 2, self.seed)).lerp(c, ink), noise2(u, v, self.seed))
            }
        }
    }

    /// Two systems of threads; `over`: the one along u is on top.
    fn threads(&self, iu: i32, iv: i32, fu: f32, fv: f32, over: bool) -> (Vec3, f32) {
        let [a, b, _] = self.colours;
        let (across, along) = if over { (fv, fu) } else { (fu, fv) };
        let (thread, base) = if over { (hash01(iv, 0, self.seed), a) } else { (hash01(iu, 1, self.seed), b) };
        let bulge = |t: f32| 4.0 * t * (1.0 - t);
        (base * (0.85 + 0.3 * thread), bulge(across) * (0.4 + 0.6 * bulge(along)))
    }

    /// Distances to the nearest and the second nearest of scattered points, and the nearest one's hash.
    fn cells(&self, u: f32, v: f32) -> (f32, f32, u32) {
        let (iu, iv) = (u.floor() as i32, v.floor() as i32);
        let (mut nearest, mut second, mut name) = (9.0f32, 9.0f32, 0);
        for (x, y) in (-1..=1).flat_map(|y| (-1..=1).map(move |x| (iu + x, iv + y))) {
            let bits = hash(x, y, self.seed);
            let jitter = Vec2::new((bits & 1023) as f32, ((bits >> 10) & 1023) as f32) / 1023.0;
            let distance = (Vec2::new(x as f32, y as f32) + jitter - Vec2::new(u, v)).length();
            if distance < nearest {
                (second, nearest, name) = (nearest, distance, bits.rotate_left(11));
            } else if distance < second {
                second = distance;
            }
        }
        (nearest, second, name)
    }

    /// Pointed ellipses in all directions, the last one on top; dark where there is none.
    fn leaves(&self, u: f32, v: f32) -> (Vec3, f32) {
        let [a, b, c] = self.colours;
        let (iu, iv) = (u.floor() as i32, v.floor() as i32);
        let (mut top, mut seen) = (0.0, (c * 0.35, 0.1));
        for (x, y) in (-1..=1).flat_map(|y| (-1..=1).map(move |x| (iu + x, iv + y))) {
            let bits = hash(x, y, self.seed);
            let part = |shift: u32| ((bits >> shift) & 255) as f32 / 255.0;
            let order = part(0) + 0.001;
            let off = Vec2::new(u - x as f32 - part(8), v - y as f32 - part(16));
            let (sin, cos) = (part(24) * std::f32::consts::TAU).sin_cos();
            let (along, across) = (off.x * cos + off.y * sin, off.y * cos - off.x * sin);
            let edge = 0.38 * (1.0 - (along / 0.95).powi(2)) - across.abs();
            if edge > 0.0 && order > top {
                top = order;
                let vein = smoothstep(0.05, 0.02, across.abs());
                let side = if across > 0.0 { 0.75 } else { 0.5 };
                seen = (a.lerp(b, part(4)), side + 0.25 * vein + 0.25 * (order - 0.5));
            }
        }
        seen
    }
}
