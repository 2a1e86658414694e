//! How long the steps on pixels take on one core, and how the weighting compares with its formula as the
//! paper writes it and with multiplying by a constant, in the same run: `make bench`, or `cargo run --release
//! -p curate --example speed`.

use std::hint::black_box;
use std::time::Instant;

use curate::MinDecodeSize;
use curate::decode::reducing_decoder;
use curate::detect::letterbox::Letterbox;
use curate::detect::watermark::resized;
use curate::model::tensor::Normalisation;
use curate::prepare::PrepareSettings;
use curate::prepare::gaussian::GaussianWeights;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use photo::{BoundingBox, Joint, Joints, Person};

/// A photo's usual size, and the paper's tensor.
const PHOTO: (u32, u32) = (3000, 4000);
const TENSOR: usize = 1024;
const ROUNDS: u32 = 20;

/// Somebody who stands, in px of the tensor.
const BODY: [(f32, f32); 17] = [
    (500.0, 120.0),
    (520.0, 105.0),
    (480.0, 105.0),
    (545.0, 115.0),
    (455.0, 115.0),
    (600.0, 230.0),
    (400.0, 230.0),
    (640.0, 370.0),
    (360.0, 370.0),
    (660.0, 500.0),
    (340.0, 500.0),
    (560.0, 520.0),
    (440.0, 520.0),
    (570.0, 720.0),
    (430.0, 720.0),
    (575.0, 910.0),
    (425.0, 910.0),
];

fn main() {
    let image = RgbImage::from_fn(PHOTO.0, PHOTO.1, |x, y| {
        let wave = |k: u32| (127.0 + 90.0 * (f64::from(x * k + y * (4 - k)) / 170.0).sin()) as u8;
        Rgb([wave(1), wave(2), wave(3)])
    });
    let joint = |i: usize| Joint { x: 800.0 + 40.0 * i as f32, y: 300.0 + 180.0 * i as f32, confidence: 0.9 };
    let bbox = BoundingBox { x0: 700.0, y0: 200.0, x1: 1600.0, y1: 3400.0 };
    let person = Person { bbox, score: 0.9, joints: Joints(std::array::from_fn(joint)) };
    let mut jpeg = std::io::Cursor::new(Vec::new());
    DynamicImage::from(image.clone()).write_to(&mut jpeg, ImageFormat::Jpeg).expect("memory holds it");

    println!("photo of {}×{} px, one core", PHOTO.0, PHOTO.1);
    let whole = time("decode, with facts", || curate::decode(jpeg.get_ref()).is_ok());
    let pixels =
        time("decode, pixels alone", || curate::decode::pixels(jpeg.get_ref(), MinDecodeSize::WHOLE).is_ok());
    let other = time("the same by the image crate", || image::load_from_memory(jpeg.get_ref()).is_ok());
    println!("{:.2} of the image crate's time", pixels / other);
    let min_size = MinDecodeSize { shorter_px: 640, longer_px: 768 }; // of models with inputs of 640 and 256 px
    let reduced = time("decode for models", || curate::decode_for(jpeg.get_ref(), min_size).is_ok());
    println!("{:.1} times faster, by {}", whole / reduced, reducing_decoder());
    time("letterbox 640 and tensor", || {
        let boxed = Letterbox::new(PHOTO, (640, 640)).apply(&image);
        let mut input = Vec::new();
        Normalisation::Unit.append(&boxed, &mut input);
        input.len()
    });
    time("resized to 256", || resized(&image, 256, 256).len());
    time("prepare 1024", || curate::prepare(&image, &person, &PrepareSettings::default()).is_ok());
    time("decode as needed, prepare", || {
        curate::prepare_file(jpeg.get_ref(), &person, &PrepareSettings::default()).is_ok()
    });
    weighting();
}

/// The weighting of a photo, beside the least that can be done to its bytes.
fn weighting() {
    let joints = Joints(BODY.map(|(x, y)| Joint { x, y, confidence: 0.9 }));
    let weights = || GaussianWeights::new(&joints, TENSOR, TENSOR, 64.0).expect("visible joints");
    let planes: Vec<u8> = (0..3 * TENSOR * TENSOR).map(|i| (i * 7) as u8).collect();
    let mut out = vec![0; planes.len()];
    println!("{} joints, {TENSOR}×{TENSOR} px, 3 planes of bytes", BODY.len());
    let constant = time("times a constant", || times(&planes, black_box(179), &mut out));
    let weighted = time("weights and weighted image", || weights().apply_into(&planes, 0.1, &mut out));
    println!("{:.1} times as long as times a constant", weighted / constant);
    let map = time("weights alone, f32", || weights().weight_map().len());
    let direct = time("eqs. 11–13 as written, f64", || direct_weights(&joints, 64.0).len());
    println!("the weights are {:.0} times faster than eqs. 11–13 as written", direct / map);
}

/// Each byte times `of_256`/256, rounded.
fn times(planes: &[u8], of_256: u16, out: &mut [u8]) {
    for (out, &level) in out.iter_mut().zip(planes) {
        *out = ((u16::from(level) * of_256 + 128) >> 8) as u8;
    }
}

/// W_norm, computed as the paper writes it: the maximum over the joints of an exponential per pixel, then
/// divided by its own maximum.
fn direct_weights(joints: &Joints, sigma_px: f64) -> Vec<f64> {
    let weight = |x: usize, y: usize| {
        let one = |joint: &Joint| {
            let (dx, dy) = (x as f64 - f64::from(joint.x), y as f64 - f64::from(joint.y));
            (-(dx * dx + dy * dy) / (2.0 * sigma_px * sigma_px)).exp()
        };
        joints.visible().map(one).fold(0.0, f64::max)
    };
    let weights: Vec<f64> = (0..TENSOR * TENSOR).map(|i| weight(i % TENSOR, i / TENSOR)).collect();
    let highest = weights.iter().copied().fold(0.0, f64::max);
    weights.into_iter().map(|weight| weight / highest).collect()
}

/// The fastest of some rounds, in seconds: what the code takes when nothing else runs.
fn time<T>(what: &str, mut work: impl FnMut() -> T) -> f64 {
    let fastest = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed()
        })
        .min();
    let seconds = fastest.unwrap_or_default().as_secs_f64();
    println!("{what:28} {:7.2} ms", seconds * 1e3);
    seconds
}
