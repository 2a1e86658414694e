//! Photos for the detectors: letterboxed, with boxes and joints.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use synth::{Body, Framing, Mark, Rendered, Shot, encode, noise};

/// The detectors' input, pixels per side.
const LETTERBOX: u32 = 640;
/// What is stored of it: means of 2×2 pixels.
const STORED: u32 = 320;
/// The grey around letterboxed photos.
const GREY: u8 = 114;

/// How many people a photo for the detectors has.
pub fn people_count(rng: &mut ChaCha8Rng) -> u64 {
    match rng.random_range(0..100) {
        0..15 => 0,
        15..65 => 1,
        65..87 => 2,
        87..97 => 3,
        _ => 4,
    }
}

/// A shot of `count` people, `long_side` pixels along its longer side, in one of the framings.
pub fn shot(seed: u64, rng: &mut ChaCha8Rng, long_side: u32, count: u64, framings: &[Framing]) -> Shot {
    let aspect = match rng.random_range(0..100) {
        0..68 => rng.random_range(1.15..1.6),
        68..80 => 1.0,
        _ => 1.0 / rng.random_range(1.15..1.6f32),
    };
    let short = |ratio: f32| (long_side as f32 / ratio).round() as u32;
    let (width, height) =
        if aspect >= 1.0 { (short(aspect), long_side) } else { (long_side, short(1.0 / aspect)) };
    let people = (0..count).map(|i| Body::sample(noise::subseed(seed, 50 + i))).collect();
    Shot { seed, width, height, people, framing: *framings.choose(rng).expect("framings are listed") }
}

/// The pixels of a rendering.
pub fn to_image(rendered: &Rendered) -> RgbImage {
    RgbImage::from_raw(rendered.width, rendered.height, rendered.rgb.clone()).expect("three bytes a pixel")
}

/// The image after a JPEG file.
pub fn through_jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    image::load_from_memory(&encode::jpeg(image, quality)).expect("own JPEG decodes").to_rgb8()
}

/// A photo and who is in it.
pub fn sample(seed: u64, index: u64) -> (Vec<u8>, Value) {
    use Framing::{Full, Hips, Knees, Wild};
    let seed = noise::subseed(seed, index);
    let rng = &mut noise::stream(seed, 30);
    let count = people_count(rng);
    // some photos take the whole way from full size, so that the detectors see that texture too
    let long_side = if rng.random_bool(0.15) { rng.random_range(1000..1700) } else { LETTERBOX };
    let framings = [Wild, Wild, Wild, Wild, Wild, Wild, Full, Full, Full, Knees, Hips];
    let shot = shot(seed, rng, long_side, count, &framings);
    let rendered = synth::render(&shot);
    let mut image = to_image(&rendered);
    if rng.random_bool(0.2) {
        let mark = Mark::sample(noise::subseed(seed, 9));
        let ink = mark.ink(shot.width as usize, shot.height as usize);
        mark.apply(&mut image, &ink);
    }
    let image = through_jpeg(&image, rng.random_range(55..97));
    let scale = LETTERBOX as f32 / shot.width.max(shot.height) as f32;
    let fitted = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let (w, h) = (fitted(shot.width), fitted(shot.height));
    let image = if (w, h) == image.dimensions() {
        image
    } else {
        imageops::resize(&image, w, h, FilterType::Triangle)
    };
    let (left, top) = ((LETTERBOX - w) / 2, (LETTERBOX - h) / 2);
    let mut boxed = RgbImage::from_pixel(LETTERBOX, LETTERBOX, Rgb([GREY; 3]));
    imageops::replace(&mut boxed, &image, i64::from(left), i64::from(top));
    let stored = RgbImage::from_fn(STORED, STORED, |x, y| {
        let sum = |channel: usize| -> u8 {
            let at = |dx: u32, dy: u32| u32::from(boxed.get_pixel(2 * x + dx, 2 * y + dy)[channel]);
            ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8
        };
        Rgb([sum(0), sum(1), sum(2)])
    });
    let truth = rendered.truth.moved(scale, left as f32, top as f32, LETTERBOX, LETTERBOX);
    // a sliver of a person at the frame's edge is nobody to be found
    let counted = truth.people.iter().filter(|person| person.area_px >= 60.0);
    let people: Vec<Value> = counted
        .map(|person| {
            let b = person.bbox;
            let face = person.face.map(|f| [f.x0, f.y0, f.x1, f.y1]);
            json!({"box": [b.x0, b.y0, b.x1, b.y1], "joints": person.joints, "face": face})
        })
        .collect();
    (stored.into_raw(), json!({"index": 0, "width": shot.width, "height": shot.height, "people": people}))
}
