//! Small squares of one person who stands in a studio, arms below the shoulders, from head to feet, as tall
//! as the square: what a small network learns soonest, and what the demo base draws.

use image::RgbImage;
use image::imageops::{self, FilterType};
use photo::BoundingBox;
use rand::Rng;

use crate::backdrop::{Backdrop, Place};
use crate::body::Body;
use crate::noise;
use crate::scene::Framing;
use crate::truth::Truth;
use crate::view::View;

/// Pixels drawn per side for each that is kept: enough for clean edges after the square is cut out.
const DRAWN: u32 = 2;
/// What joints have to be sure of to count in a view.
const MIN_SCORE: f32 = 0.5;

/// A square of one person.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// The pixels.
    pub image: RgbImage,
    /// What is known of it, in its pixels.
    pub truth: Truth,
}

/// The portrait that `seed` names, `side_px` a side.
pub fn draw(seed: u64, body: &Body, side_px: u32) -> Portrait {
    let drawn_px = DRAWN * side_px;
    let view = standing(seed, body, drawn_px);
    let margin = noise::stream(seed, 32).random_range(0.03..0.12);
    let [x, y, side] = square_around(&view.rendered.truth.people[0].bbox, margin, drawn_px);
    let whole = RgbImage::from_raw(drawn_px, drawn_px, view.rendered.rgb).expect("three bytes a pixel");
    let part = imageops::crop_imm(&whole, x, y, side, side).to_image();
    let image = imageops::resize(&part, side_px, side_px, FilterType::Lanczos3);
    let scale = side_px as f32 / side as f32;
    let truth = view.rendered.truth.moved(scale, -(x as f32) * scale, -(y as f32) * scale, side_px, side_px);
    Portrait { image, truth }
}

/// The first view of a studio in which the person stands and is seen whole.
fn standing(seed: u64, body: &Body, drawn_px: u32) -> View {
    (0_u64..)
        .map(|attempt| noise::subseed(seed, 2000 + attempt))
        // told before anything is drawn
        .filter(|&seed| is_studio(seed))
        .map(|seed| View::draw_square(seed, body, drawn_px, MIN_SCORE))
        // the view may be of a seed that follows from it
        .find(|view| {
            is_studio(view.shot.seed)
                && view.shot.framing == Framing::Full
                && stands(view)
                && is_central(view)
        })
        .expect("seeds are many, and one place of twelve is a studio")
}

/// Whether the photo of a seed is taken in a studio.
fn is_studio(seed: u64) -> bool {
    Backdrop::sample(noise::subseed(seed, 1)).place == Place::Studio
}

/// Whether both knees are well below the hips, the feet in the picture, and elbows and wrists below the shoulders.
fn stands(view: &View) -> bool {
    let truth = &view.rendered.truth;
    let y = |joint: usize| truth.people[0].joints.0[joint].y;
    let torso = (y(11) + y(12) - y(5) - y(6)) / 2.0;
    let legs =
        |side: usize| y(13 + side) - y(11 + side) > 0.5 * torso && y(15 + side) < 0.99 * truth.height as f32;
    let arms = |side: usize| y(7 + side) > y(5 + side) && y(9 + side) > y(5 + side);
    (0..2).all(|side| legs(side) && arms(side))
}

/// Whether the photo goes about as far to the person's left as to the right, as far as the square around the
/// person does.
fn is_central(view: &View) -> bool {
    let truth = &view.rendered.truth;
    let b = truth.people[0].bbox;
    let (middle, half) = ((b.x0 + b.x1) / 2.0, b.width().max(b.height()) / 2.0);
    let missing = (half - middle).max(middle + half - truth.width as f32);
    missing < 0.1 * half
}

/// Left, top and side of a part of the drawn square: the person with `margin` of its longer side around it,
/// as far as the photo goes.
fn square_around(person: &BoundingBox, margin: f32, drawn_px: u32) -> [u32; 3] {
    let longest = drawn_px as f32;
    let side = (person.width().max(person.height()) * (1.0 + 2.0 * margin)).min(longest).round();
    let from = |low: f32, high: f32| ((low + high - side) / 2.0).clamp(0.0, longest - side) as u32;
    [from(person.x0, person.x1), from(person.y0, person.y1), side as u32]
}
