//! Linear light to the bytes of a photo: lens, sensor, tone.

use std::sync::LazyLock;

use glam::Vec3;

use crate::noise;
use crate::scene::Film;

/// Linear light per pixel.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row by row.
    pub pixels: Vec<Vec3>,
}

impl Picture {
    /// Black.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![Vec3::ZERO; width * height] }
    }
}

/// Blurs by about a Gaussian: three running means each way.
pub fn blur(picture: &mut Picture, sigma_px: f32) {
    if sigma_px < 0.35 {
        return;
    }
    if sigma_px < 1.2 {
        small_blur(picture, sigma_px);
        return;
    }
    // three means of width 2r+1 have the variance of the Gaussian when r(r+1) = sigma²
    let radius = ((sigma_px * sigma_px + 0.25).sqrt() - 0.5).round().max(1.0) as usize;
    let (w, h) = (picture.width, picture.height);
    let mut line = vec![Vec3::ZERO; w.max(h)];
    for _ in 0..3 {
        for row in picture.pixels.chunks_exact_mut(w) {
            running_mean(row, &mut line[..w], radius);
        }
    }
    // columns in the order of rows: sums of whole rows
    for _ in 0..3 {
        let source = picture.pixels.clone();
        let mut sum = vec![Vec3::ZERO; w];
        let row = |y: isize| {
            let y = y.clamp(0, h as isize - 1) as usize;
            &source[y * w..(y + 1) * w]
        };
        let r = radius as isize;
        for y in -r..=r {
            sum.iter_mut().zip(row(y)).for_each(|(s, p)| *s += *p);
        }
        let share = 1.0 / (2 * radius + 1) as f32;
        for y in 0..h as isize {
            let out = &mut picture.pixels[y as usize * w..(y as usize + 1) * w];
            out.iter_mut().zip(&sum).for_each(|(o, s)| *o = *s * share);
            let (leaving, coming) = (row(y - r), row(y + r + 1));
            sum.iter_mut().zip(leaving.iter().zip(coming)).for_each(|(s, (l, c))| *s += *c - *l);
        }
    }
}

fn running_mean(row: &mut [Vec3], line: &mut [Vec3], radius: usize) {
    line.copy_from_slice(row);
    let last = line.len() as isize - 1;
    let at = |i: isize| line[i.clamp(0, last) as usize];
    let r = radius as isize;
    let mut sum: Vec3 = (-r..=r).map(at).sum();
    let share = 1.0 / (2 * radius + 1) as f32;
    for (i, out) in row.iter_mut().enumerate() {
        *out = sum * share;
        sum += at(i as isize + r + 1) - at(i as isize - r);
    }
}

/// A 3-tap kernel each way, for blurs of about a pixel.
fn small_blur(picture: &mut Picture, sigma_px: f32) {
    let side = 0.5 * (sigma_px * sigma_px).min(0.66);
    let (w, h) = (picture.width, picture.height);
    let mut line = vec![Vec3::ZERO; w];
    for row in picture.pixels.chunks_exact_mut(w) {
        line.copy_from_slice(row);
        for x in 0..w {
            row[x] =
                line[x] * (1.0 - 2.0 * side) + (line[x.saturating_sub(1)] + line[(x + 1).min(w - 1)]) * side;
        }
    }
    let mut above = picture.pixels[..w].to_vec();
    for y in 0..h {
        for (x, above) in above.iter_mut().enumerate() {
            let here = picture.pixels[y * w + x];
            let below = picture.pixels[(y + 1).min(h - 1) * w + x];
            picture.pixels[y * w + x] = here * (1.0 - 2.0 * side) + (*above + below) * side;
            *above = here;
        }
    }
}

/// Enlarges by bilinear interpolation.
pub fn enlarge(picture: &Picture, width: usize, height: usize) -> Picture {
    let mut out = Picture::new(width, height);
    let (sx, sy) = (picture.width as f32 / width as f32, picture.height as f32 / height as f32);
    let place = |i: usize, scale: f32, length: usize| {
        let at = ((i as f32 + 0.5) * scale - 0.5).clamp(0.0, (length - 1) as f32);
        let low = (at as usize).min(length.saturating_sub(2));
        (low, at - low as f32)
    };
    let columns: Vec<(usize, f32)> = (0..width).map(|x| place(x, sx, picture.width)).collect();
    for y in 0..height {
        let (row, ty) = place(y, sy, picture.height);
        let top = &picture.pixels[row * picture.width..(row + 1) * picture.width];
        let bottom = &picture.pixels[(row + 1).min(picture.height - 1) * picture.width..][..picture.width];
        for (out, &(x, tx)) in out.pixels[y * width..(y + 1) * width].iter_mut().zip(&columns) {
            let next = (x + 1).min(picture.width - 1);
            let a = top[x].lerp(bottom[x], ty);
            let b = top[next].lerp(bottom[next], ty);
            *out = a.lerp(b, tx);
        }
    }
    out
}

/// Steps of light without noise.
const ROOTS: usize = 4096;

/// Steps of [`GAMMA`].
const STEPS: usize = 4096;

/// Light in 0..=2 to 0..=1: a soft shoulder from 0.7 up, then the display's gamma.
static GAMMA: LazyLock<Box<[f32; STEPS + 1]>> = LazyLock::new(|| {
    Box::new(std::array::from_fn(|i| {
        let x = 2.0 * i as f32 / STEPS as f32;
        let x = if x > 0.7 { 0.7 + 0.3 * (1.0 - (-(x - 0.7) / 0.3).exp()) } else { x };
        x.powf(1.0 / 2.2)
    }))
});

/// sRGB bytes.
pub fn to_bytes(mut picture: Picture, film: &Film, seed: u64) -> Vec<u8> {
    let (w, h) = (picture.width, picture.height);
    blur(&mut picture, film.blur * w.max(h) as f32);
    let mut curve = GAMMA.clone();
    curve
        .iter_mut()
        .for_each(|gamma| *gamma = ((*gamma - 0.5) * film.contrast + 0.5).clamp(0.0, 1.0) * 255.0);
    let tone = |x: f32| {
        let at = (x * (0.5 * STEPS as f32)).clamp(0.0, STEPS as f32 - 1.001);
        let low = at as usize;
        curve[low] + (curve[low + 1] - curve[low]) * (at - low as f32)
    };
    // Without noise there is no need for more than the nearest byte of each light; in steps of its root, which are
    // nearly even ones of the byte, few are enough.
    let plain = (film.noise == 0.0).then(|| {
        let root = |i: usize| i as f32 / (ROOTS - 1) as f32;
        (0..ROOTS).map(|i| nearest(tone(2.0 * root(i) * root(i)))).collect::<Vec<u8>>()
    });
    let gain = film.white * film.exposure;
    let noise_seed = noise::subseed(seed, 77) as u32;
    let mut bytes = Vec::with_capacity(w * h * 3);
    let reach = 1.0 / ((w * w + h * h) as f32 * 0.25);
    for y in 0..h {
        let dy = y as f32 - 0.5 * h as f32;
        for x in 0..w {
            let dx = x as f32 - 0.5 * w as f32;
            let dim = 1.0 - film.vignette * (dx * dx + dy * dy) * reach;
            let light = picture.pixels[y * w + x] * gain * dim;
            let luma = light.dot(Vec3::new(0.2126, 0.7152, 0.0722));
            let light = Vec3::splat(luma).lerp(light, film.saturation);
            if let Some(plain) = &plain {
                let root = |x: f32| ((0.5 * x.clamp(0.0, 2.0)).sqrt() * (ROOTS - 1) as f32 + 0.5) as usize;
                bytes.extend_from_slice(&[plain[root(light.x)], plain[root(light.y)], plain[root(light.z)]]);
                continue;
            }
            // sums of uniform bytes are close enough to normal; luma noise is shared by the channels
            let bits = noise::hash(x as i32, y as i32, noise_seed);
            let part = |shift: u32| ((bits >> shift) & 255) as f32 - 127.5;
            let common = (part(0) + part(8)) * (0.0096 * 0.75);
            let single = [part(16), part(24), part(12)];
            for (value, own) in [light.x, light.y, light.z].into_iter().zip(single) {
                let noisy = tone(value) + film.noise * (common + own * (0.0136 * 0.55));
                bytes.push(nearest(noisy));
            }
        }
    }
    bytes
}

/// The byte nearest to a value: as `round` does it, without a call into the C library.
fn nearest(value: f32) -> u8 {
    let value = value.clamp(0.0, 255.0);
    let whole = value as u8;
    whole + u8::from(value - f32::from(whole) >= 0.5)
}
