//! What the watermark classifier's training is mixed from: photos without marks, and marks without photos.

use image::{Rgba, RgbaImage, imageops};
use photo::tiles::REGIONS;
use rand::Rng;
use rand::seq::SliceRandom;
use serde_json::json;
use synth::{Framing, Mark, noise};

use crate::Sample;
use crate::marks::{Gallery, cut, label, regions};
use crate::people::{people_count, shot, through_jpeg, to_image};

/// Tiles taken of a mark that is everywhere.
const MOST_TILES: usize = 3;

/// Photos without marks: every second one as the demo gallery has them, the others of any kind.
pub struct Grounds {
    seed: u64,
    gallery: Gallery,
}

impl Grounds {
    /// At least `count` photos.
    pub fn new(seed: u64, count: u64) -> Self {
        Self { seed, gallery: Gallery::new(noise::subseed(seed, 1 << 40), count.div_ceil(2)) }
    }

    /// The regions of one photo.
    pub fn samples(&self, photo: u64) -> Vec<Sample> {
        use Framing::{Full, Hips, Knees, Wild};
        let facts = |region, _| json!({"index": 0, "region": region, "photo": photo});
        if photo.is_multiple_of(2) {
            let (image, quality) = self.gallery.photo(photo / 2);
            return regions(&through_jpeg(&image, quality), facts);
        }
        let seed = noise::subseed(self.seed, photo);
        let rng = &mut noise::stream(seed, 31);
        let count = people_count(rng);
        // small ones cost little, and real photos are of all sizes
        let long_side = rng.random_range(560..1400);
        let shot = shot(seed, rng, long_side, count, &[Full, Full, Full, Knees, Hips, Wild]);
        let image = to_image(&synth::render(&shot));
        regions(&through_jpeg(&image, rng.random_range(50..97)), facts)
    }
}

/// The regions of a mark that show it, as layers to lay over any picture.
pub fn layers(seed: u64, index: u64) -> Vec<Sample> {
    let seed = noise::subseed(seed, index);
    let rng = &mut noise::stream(seed, 33);
    let mark = Mark::sample(noise::subseed(seed, 9));
    let width = rng.random_range(500..1200u32);
    let height = (width as f32 * rng.random_range(0.7..1.55f32)) as u32;
    let ink = mark.ink(width as usize, height as usize);
    let layer = layer(&mark, &ink, width, height);
    let shows = |region: &photo::tiles::Region| label(&ink, *region, region.rect(width, height)) == Some(1);
    let mut shown: Vec<_> = REGIONS[1..].iter().copied().filter(shows).collect();
    shown.shuffle(rng);
    shown.truncate(MOST_TILES);
    shown.push(REGIONS[0]);
    let sample = |region: photo::tiles::Region| {
        let facts = json!({"index": 0, "region": region, "kind": mark.kind, "strength": mark.strength, "mark": index});
        (cut(&layer, region.rect(width, height)), facts)
    };
    shown.into_iter().map(sample).collect()
}

/// The mark on black is its colour times its opacity, and on white that plus what shines through. The colour is
/// stored times the opacity: so it may be resized.
fn layer(mark: &Mark, ink: &synth::watermark::Ink, width: u32, height: u32) -> RgbaImage {
    let on = |level: u8| {
        let mut image = image::RgbImage::from_pixel(width, height, image::Rgb([level; 3]));
        mark.apply(&mut image, ink);
        image
    };
    let (black, mut white) = (on(0), on(255));
    imageops::invert(&mut white);
    RgbaImage::from_fn(width, height, |x, y| {
        let [r, g, b] = black.get_pixel(x, y).0;
        // inverted white is 255 - colour - (255 - opacity)
        let opacity = u16::from(white.get_pixel(x, y)[1]) + u16::from(g);
        Rgba([r, g, b, opacity.min(255) as u8])
    })
}
