//! Portraits with captions for the demo base.

use serde_json::{Value, json};
use synth::{Body, noise, portrait};

/// The pictures, pixels per side: twice the demo base's.
const SIDE: u32 = 128;

pub fn sample(seed: u64, index: u64) -> (Vec<u8>, Value) {
    let seed = noise::subseed(seed, index);
    let body = Body::sample(noise::subseed(seed, 50));
    let portrait = portrait::draw(seed, &body, SIDE);
    let person = &portrait.truth.people[0];
    let b = person.bbox;
    let facts = json!({
        "index": 0,
        "caption": portrait.truth.caption,
        "person": [b.x0, b.y0, b.x1, b.y1],
        "joints": person.joints,
    });
    (portrait.image.into_raw(), facts)
}
