//! Colours: light is added in linear RGB, people name colours in sRGB.

use glam::Vec3;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// sRGB in 0..=1 to linear light, by the exponent 2.2 (the tone curve of `develop` inverts the same).
pub fn linear(srgb: [f32; 3]) -> Vec3 {
    Vec3::from(srgb.map(|c| c.max(0.0).powf(2.2)))
}

/// A grey in linear light.
pub fn grey(value: f32) -> Vec3 {
    Vec3::splat(value.max(0.0).powf(2.2))
}

/// Hue (turns), saturation and value to linear light.
pub fn hsv(hue: f32, saturation: f32, value: f32) -> Vec3 {
    let channel = |shift: f32| {
        let k = (shift + hue * 6.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    linear([channel(5.0), channel(3.0), channel(1.0)])
}

/// Colours of clothes with their words.
const CLOTHES: [([f32; 3], &str); 20] = [
    ([0.93, 0.93, 0.91], "white"),
    ([0.11, 0.11, 0.12], "black"),
    ([0.50, 0.51, 0.53], "grey"),
    ([0.13, 0.17, 0.33], "navy"),
    ([0.16, 0.35, 0.68], "blue"),
    ([0.55, 0.73, 0.88], "light blue"),
    ([0.72, 0.12, 0.15], "red"),
    ([0.45, 0.08, 0.16], "burgundy"),
    ([0.90, 0.56, 0.62], "pink"),
    ([0.88, 0.47, 0.15], "orange"),
    ([0.92, 0.78, 0.28], "yellow"),
    ([0.16, 0.44, 0.25], "green"),
    ([0.40, 0.43, 0.24], "olive"),
    ([0.10, 0.48, 0.50], "teal"),
    ([0.44, 0.26, 0.55], "purple"),
    ([0.76, 0.68, 0.86], "lilac"),
    ([0.42, 0.28, 0.18], "brown"),
    ([0.82, 0.74, 0.60], "beige"),
    ([0.93, 0.89, 0.78], "cream"),
    ([0.29, 0.30, 0.32], "charcoal"),
];

/// A colour of clothes, and its word.
pub fn cloth(rng: &mut ChaCha8Rng) -> (Vec3, &'static str) {
    let (srgb, word) = CLOTHES.choose(rng).expect("colours are listed");
    let tint: f32 = rng.random_range(0.9..1.1);
    (linear(srgb.map(|c| (c * tint + rng.random_range(-0.03..0.03)).clamp(0.03, 0.97))), word)
}
