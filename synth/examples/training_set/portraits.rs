//! Photos of one person for the demo base: small squares with captions. Most are of the kind that a small network learns
//! first: somebody standing before a plain backdrop, all of the square.

use image::RgbImage;
use image::imageops::{self, FilterType};
use photo::BoundingBox;
use rand::Rng;
use serde_json::{Value, json};
use synth::backdrop::{Backdrop, Place};
use synth::{Body, View, noise};

use crate::people::to_image;

/// The pictures, pixels per side: twice the demo base's.
const SIDE: u32 = 128;
/// What is drawn of them: twice as many, to be reduced.
const DRAWN: u32 = 2 * SIDE;
/// What `curate` fills bars with by default.
const BAR: u8 = 0;
/// Of so many pictures one is of another place than a studio, and in any pose: by turns a square around the person, and a
/// whole photo of any shape between bars, as `curate` pads it.
const ANY_EVERY: u64 = 4;

/// `content` is where the photo is: left, top, right, bottom. `place` ends the caption where it is no studio.
pub fn sample(seed: u64, index: u64) -> (Vec<u8>, Value) {
    let seed = noise::subseed(seed, index);
    let body = Body::sample(noise::subseed(seed, 50));
    let is_any = index.is_multiple_of(ANY_EVERY);
    let is_cut = !is_any || index.is_multiple_of(2 * ANY_EVERY);
    let view = match (is_any, is_cut) {
        (false, _) => in_studio(seed, &body),
        (true, true) => View::draw_square(seed, &body, DRAWN, 0.5),
        (true, false) => View::draw(seed, &body, DRAWN, 0.5),
    };
    let image = to_image(&view.rendered);
    let widest = if is_any { 0.4 } else { 0.12 };
    let margin = noise::stream(seed, 32).random_range(0.03..widest);
    let [x, y, width, height] = if is_cut {
        square_around(&view.rendered.truth.people[0].bbox, margin)
    } else {
        // whole pixels of the reduced picture, so that both axes are reduced alike
        let whole = |length: u32| length / 4 * 4;
        let (width, height) = (whole(image.width()), whole(image.height()));
        [(image.width() - width) / 2, (image.height() - height) / 2, width, height]
    };
    let scale = SIDE as f32 / width.max(height) as f32;
    let fitted = |length: u32| (length as f32 * scale).round() as u32;
    let part = imageops::crop_imm(&image, x, y, width, height).to_image();
    let (width, height) = (fitted(width), fitted(height));
    let part = imageops::resize(&part, width, height, FilterType::Lanczos3);
    let (left, top) = ((SIDE - width) / 2, (SIDE - height) / 2);
    let mut square = RgbImage::from_pixel(SIDE, SIDE, image::Rgb([BAR; 3]));
    imageops::replace(&mut square, &part, left.into(), top.into());
    let (dx, dy) = (left as f32 - x as f32 * scale, top as f32 - y as f32 * scale);
    let truth = view.rendered.truth.moved(scale, dx, dy, SIDE, SIDE);
    let b = truth.people[0].bbox;
    let facts = json!({
        "index": 0,
        "caption": truth.caption,
        "place": in_words(place(&view)),
        "content": [left, top, left + width, top + height],
        "person": [b.x0, b.y0, b.x1, b.y1],
        "joints": truth.people[0].joints,
    });
    (square.into_raw(), facts)
}

/// The first view in a studio in which the person stands.
fn in_studio(seed: u64, body: &Body) -> View {
    (0_u64..)
        .map(|attempt| noise::subseed(seed, 2000 + attempt))
        // told before anything is drawn
        .filter(|&seed| Backdrop::sample(noise::subseed(seed, 1)).place == Place::Studio)
        .map(|seed| View::draw_square(seed, body, DRAWN, 0.5))
        .find(|view| place(view) == Place::Studio && stands(view))
        .expect("one place of twelve is a studio")
}

/// Where a view is.
fn place(view: &View) -> Place {
    Backdrop::sample(noise::subseed(view.shot.seed, 1)).place
}

/// Whether both knees are well below the hips.
fn stands(view: &View) -> bool {
    let joints = &view.rendered.truth.people[0].joints.0;
    let y = |joint: usize| joints[joint].y;
    let torso = (y(11) + y(12) - y(5) - y(6)) / 2.0;
    (0..2).all(|side| y(13 + side) - y(11 + side) > 0.4 * torso)
}

/// What a caption says of a place; nothing of a studio, which is what is drawn where no place is asked for.
fn in_words(place: Place) -> &'static str {
    match place {
        Place::Studio => "",
        Place::Room => " in a room",
        Place::Street => " on a street",
        Place::Park => " in a park",
        Place::Beach => " on a beach",
        Place::Bokeh => " before blurred lights",
    }
}

/// A square part of the drawn square: the person with `margin` of its longer side around it, as far as the photo goes.
fn square_around(person: &BoundingBox, margin: f32) -> [u32; 4] {
    let side = (person.width().max(person.height()) * (1.0 + 2.0 * margin)).min(DRAWN as f32).round();
    let from = |low: f32, high: f32| ((low + high - side) / 2.0).clamp(0.0, DRAWN as f32 - side) as u32;
    [from(person.x0, person.x1), from(person.y0, person.y1), side as u32, side as u32]
}
