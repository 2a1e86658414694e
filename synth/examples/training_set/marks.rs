//! Whole photos with and without marks, region by region: what the watermark classifier is judged on.

use image::imageops::{self, FilterType};
use image::{Pixel, RgbImage};
use photo::tiles::{PixelRect, REGIONS, Region};
use rand::Rng;
use serde_json::{Value, json};
use synth::collection::SyntheticPhoto;
use synth::watermark::Ink;
use synth::{Collection, CollectionSpec, Framing, Mark, Plant, noise};

use crate::people::{people_count, shot, through_jpeg, to_image};
use crate::{REGION, Sample};

/// Photos of one person in a gallery.
const PER_IDENTITY: usize = 24;

/// Whether a region shows the mark: 1, 0, or `None` for a sliver of it that may be found or not.
pub fn label(ink: &Ink, region: Region, rect: PixelRect) -> Option<u8> {
    match ink.shares(rect) {
        _ if region == REGIONS[0] => Some(1),
        (one, all) if all >= 0.15 || one >= 0.5 => Some(1),
        (one, _) if one < 0.002 => Some(0),
        _ => None,
    }
}

/// A part of a picture as the classifier sees it.
pub fn cut<P: Pixel<Subpixel = u8> + 'static>(
    image: &image::ImageBuffer<P, Vec<u8>>,
    rect: PixelRect,
) -> Vec<u8> {
    let region = imageops::crop_imm(image, rect.x, rect.y, rect.width, rect.height).to_image();
    imageops::resize(&region, REGION, REGION, FilterType::Triangle).into_raw()
}

/// Every region of a photo; `facts` says what is known of each.
pub fn regions(image: &RgbImage, facts: impl Fn(Region, PixelRect) -> Value) -> Vec<Sample> {
    let sample = |region: Region| {
        let rect = region.rect(image.width(), image.height());
        (cut(image, rect), facts(region, rect))
    };
    REGIONS.into_iter().map(sample).collect()
}

fn clean(image: &RgbImage, photo: u64) -> Vec<Sample> {
    regions(image, |region, _| {
        let no_mark = Value::Null;
        json!({"index": 0, "region": region, "label": 0, "kind": no_mark, "strength": no_mark, "photo": photo})
    })
}

fn marked(image: &RgbImage, mark: &Mark, quality: u8, photo: u64) -> Vec<Sample> {
    let ink = mark.ink(image.width() as usize, image.height() as usize);
    let mut marked = image.clone();
    mark.apply(&mut marked, &ink);
    regions(&through_jpeg(&marked, quality), |region, rect| {
        let label = label(&ink, region, rect);
        json!({
            "index": 0,
            "region": region,
            "label": label,
            "kind": mark.kind,
            "strength": mark.strength,
            "photo": photo,
        })
    })
}

/// A photo of any kind; every second one with a mark, and without it as well.
pub fn of_photo(seed: u64, photo: u64) -> Vec<Sample> {
    use Framing::{Full, Hips, Knees, Wild};
    let seed = noise::subseed(seed, photo);
    let rng = &mut noise::stream(seed, 31);
    let count = people_count(rng);
    let long_side = rng.random_range(1100..1800);
    let shot = shot(seed, rng, long_side, count, &[Full, Full, Full, Knees, Hips, Wild]);
    let image = to_image(&synth::render(&shot));
    let quality = rng.random_range(60..97);
    let mut samples = Vec::new();
    if photo.is_multiple_of(2) {
        samples = marked(&image, &Mark::sample(noise::subseed(seed, 9)), quality, photo);
    }
    samples.extend(clean(&through_jpeg(&image, quality), photo));
    samples
}

/// The photos of a demo gallery, less copies and broken files, before anything was done to them.
pub struct Gallery {
    seed: u64,
    photos: Vec<SyntheticPhoto>,
}

impl Gallery {
    /// At least `count` photos.
    pub fn new(seed: u64, count: u64) -> Self {
        // about a fifth are copies or broken
        let identities = (count as usize).div_ceil(PER_IDENTITY * 3 / 4) + 1;
        let spec = CollectionSpec { seed, identities, photos_per_identity: PER_IDENTITY };
        let whole = |photo: &SyntheticPhoto| {
            photo.original().is_none() && !matches!(photo.plant, Some(Plant::Broken { .. }))
        };
        let people = if count == 0 { Vec::new() } else { Collection::new(spec).identities };
        let photos = people.into_iter().flat_map(|identity| identity.photos).filter(whole).collect();
        Self { seed, photos }
    }

    /// The photo's pixels and JPEG quality.
    pub fn photo(&self, index: u64) -> (RgbImage, u8) {
        let quality = noise::stream(noise::subseed(self.seed, index), 32).random_range(82..96);
        (to_image(&self.photos[index as usize].rendered()), quality)
    }

    /// The photo without and with a mark: its own, if one was planted.
    pub fn samples(&self, index: u64) -> Vec<Sample> {
        let (image, quality) = self.photo(index);
        let mark = match &self.photos[index as usize].plant {
            Some(Plant::Watermark { mark }) => mark.clone(),
            _ => Mark::sample(noise::subseed(self.seed, 9000 + index)),
        };
        let mut samples = marked(&image, &mark, quality, index);
        samples.extend(clean(&through_jpeg(&image, quality), index));
        samples
    }
}
