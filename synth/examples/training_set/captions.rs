//! Photos as the demo gallery has them, small and stretched to a square, with captions: for the demo captioner.

use image::imageops::{self, FilterType};
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use synth::collection::SyntheticPhoto;
use synth::{Collection, CollectionSpec, PersonTruth, Plant, noise};

use crate::people::to_image;

/// The pictures, pixels per side: what the captioner looks at.
const SIDE: u32 = 144;
/// Pixels of the longer side as it is drawn: twice as many, so that thin patterns are averaged as in large photos.
const DRAWN: u32 = 320;
/// Photos of a gallery, of which one is drawn: no two samples show the same person.
const PER_IDENTITY: usize = 24;

pub fn sample(seed: u64, index: u64) -> (Vec<u8>, Value) {
    let seed = noise::subseed(seed, index);
    let photo = small(photo(seed));
    let rendered = photo.rendered();
    let mut image = to_image(&rendered);
    if let Some(Plant::Watermark { mark }) = &photo.plant {
        let ink = mark.ink(image.width() as usize, image.height() as usize);
        mark.apply(&mut image, &ink);
    }
    let square = imageops::resize(&image, SIDE, SIDE, FilterType::CatmullRom);
    let (width, height) = (rendered.width as f32, rendered.height as f32);
    let person = |person: &PersonTruth| {
        // shares of the picture's sides; the third number says whether the joint is seen
        let joints = person.joints.0.map(|j| [(j.x + 0.5) / width, (j.y + 0.5) / height, j.confidence]);
        json!({"joints": joints, "body": person.body.words(), "clothes": person.clothes})
    };
    let people: Vec<Value> = rendered.truth.people.iter().map(person).collect();
    (square.into_raw(), json!({"index": 0, "caption": rendered.truth.caption, "people": people}))
}

/// A photo of somebody's gallery that is neither a copy nor broken.
fn photo(seed: u64) -> SyntheticPhoto {
    let spec = CollectionSpec { seed, identities: 1, photos_per_identity: PER_IDENTITY };
    let is_whole = |photo: &SyntheticPhoto| {
        photo.original().is_none() && !matches!(photo.plant, Some(Plant::Broken { .. }))
    };
    let all = Collection::new(spec).identities.into_iter().flat_map(|identity| identity.photos);
    let whole: Vec<SyntheticPhoto> = all.filter(is_whole).collect();
    whole.choose(&mut noise::stream(seed, 33)).expect("the first photo of a gallery is good").clone()
}

/// The photo with `DRAWN` pixels along its longer side.
fn small(photo: SyntheticPhoto) -> SyntheticPhoto {
    let (shorter, longer) = (photo.width.min(photo.height), photo.width.max(photo.height));
    let scaled = (shorter * DRAWN).div_ceil(longer);
    photo.resized(scaled, DRAWN)
}
