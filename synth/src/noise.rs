//! Seeds and smooth noise. Everything random in this crate comes from a seed through here.

use glam::Vec3;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of one concern (`stream`) of the thing that `seed` names: adding draws to one concern leaves
/// the others as they were.
pub fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A seed derived from another one and an index.
pub fn subseed(seed: u64, index: u64) -> u64 {
    // the finaliser of splitmix64
    let mut z = seed ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A well-mixed 32-bit hash.
#[inline]
pub fn hash(x: i32, y: i32, z: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x8da6_b343)
        ^ (y as u32).wrapping_mul(0xd816_3841)
        ^ z.wrapping_mul(0xcb1a_b31f);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    h ^ (h >> 15)
}

/// A hash as a number in 0..1.
#[inline]
pub fn hash01(x: i32, y: i32, z: u32) -> f32 {
    (hash(x, y, z) >> 8) as f32 / 16_777_216.0
}

/// The largest whole number up to `x`. The same as `f32::floor`, which is a call into the C library on processors of
/// 2003, for which programs are built unless told otherwise.
#[inline]
pub fn floor(x: f32) -> f32 {
    if x.abs() < 8_388_608.0 {
        let whole = x as i32 as f32;
        if whole > x { whole - 1.0 } else { whole }
    } else {
        x // there are no fractions up there
    }
}

#[inline]
fn fade(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// A cell of the plane's lattice and the place in it.
#[derive(Clone, Copy)]
struct Cell {
    x: i32,
    y: i32,
    right: f32,
    down: f32,
}

impl Cell {
    #[inline]
    fn at(x: f32, y: f32) -> Self {
        let (fx, fy) = (floor(x), floor(y));
        Self { x: fx as i32, y: fy as i32, right: fade(x - fx), down: fade(y - fy) }
    }

    #[inline]
    fn noise(self, seed: u32) -> f32 {
        let Self { x, y, right, down } = self;
        let a = hash01(x, y, seed);
        let b = hash01(x.wrapping_add(1), y, seed);
        let c = hash01(x, y.wrapping_add(1), seed);
        let d = hash01(x.wrapping_add(1), y.wrapping_add(1), seed);
        let top = a + (b - a) * right;
        top + (c + (d - c) * right - top) * down
    }
}

/// Value noise of the plane in 0..1, one feature per unit.
#[inline]
pub fn noise2(x: f32, y: f32, seed: u32) -> f32 {
    Cell::at(x, y).noise(seed)
}

/// Value noise of space in 0..1.
#[inline]
pub fn noise3(p: Vec3, seed: u32) -> f32 {
    let fz = floor(p.z);
    let cell = Cell::at(p.x, p.y);
    let layer = |z: i32| cell.noise(seed.wrapping_add((z as u32).wrapping_mul(0x9e37_79b9)));
    let (near, far) = (layer(fz as i32), layer(fz as i32 + 1));
    near + (far - near) * fade(p.z - fz)
}

/// Fractal noise of the plane, about 0..1 around 0.5.
#[inline]
pub fn fbm(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut frequency) = (0.0, 0.5, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * noise2(x * frequency, y * frequency, seed.wrapping_add(octave));
        total += weight;
        weight *= 0.5;
        frequency *= 2.03;
    }
    sum / total
}

/// 0 below `edge0`, 1 above `edge1`, smooth between.
#[inline]
pub fn smoothstep(edge0: f32, edge1: f32, x: f32) -> f32 {
    fade(((x - edge0) / (edge1 - edge0)).clamp(0.0, 1.0))
}

/// A linear mix.
#[inline]
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}
