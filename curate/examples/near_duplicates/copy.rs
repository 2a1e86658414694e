//! Ways of copying a photo, and what photos are compared by.

use std::io::Cursor;

use anyhow::Result;
use curate::judge::clustering::Appearance;
use curate::pixels::hash::Fingerprint;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use photo::BoundingBox;

/// Below the quality of most galleries, so that blocks show.
const QUALITY: u8 = 60;

/// A photo's file, and its person where that is known.
pub type PhotoFile = (Vec<u8>, Option<BoundingBox>);

/// A way of copying: what it does before the copy is saved again, and where a box goes in a photo of that
/// width and height.
pub struct Change {
    pub name: &'static str,
    alter: fn(&RgbImage) -> RgbImage,
    place: fn(BoundingBox, (f32, f32)) -> BoundingBox,
}

pub const CHANGES: [Change; 7] = [
    Change { name: "re-encoded", alter: RgbImage::clone, place: |of, _| of },
    Change { name: "rescaled to 0.9", alter: |photo| scaled(photo, 0.9), place: |of, _| scaled_box(of, 0.9) },
    Change { name: "rescaled to 0.5", alter: |photo| scaled(photo, 0.5), place: |of, _| scaled_box(of, 0.5) },
    Change { name: "cropped by 3 %", alter: cropped, place: cropped_box },
    Change { name: "mirrored", alter: imageops::flip_horizontal, place: mirrored_box },
    Change {
        name: "mirrored, cropped, rescaled",
        alter: |photo| scaled(&imageops::flip_horizontal(&cropped(photo)), 0.9),
        place: |of, size| {
            let of = cropped_box(of, size);
            scaled_box(mirrored_box(of, (size.0 - (size.0 * 0.03).floor(), size.1)), 0.9)
        },
    },
    Change { name: "darkened by 7 %", alter: darkened, place: |of, _| of },
];

/// What photos are compared by, as it is stored.
pub struct Descriptor {
    pub print: Fingerprint,
    pub sight: Appearance,
}

impl Descriptor {
    pub fn of(photo: &curate::DecodedPhoto, person: Option<BoundingBox>) -> Result<Self> {
        let facts = &photo.facts;
        let print = Fingerprint { whole: facts.perceptual_hash.parse()?, inner: facts.inner_hash.parse()? };
        Ok(Self {
            print,
            sight: Appearance::new(&facts.thumbnail.parse()?, person, (facts.width, facts.height)),
        })
    }
}

/// A photo and its copies, in the order of [`CHANGES`].
pub struct Copies {
    pub original: Descriptor,
    pub copies: Vec<Descriptor>,
}

impl Copies {
    pub fn of(bytes: &[u8], person: Option<BoundingBox>) -> Result<Self> {
        let decoded = curate::decode(bytes)?;
        let size = (decoded.image.width() as f32, decoded.image.height() as f32);
        let copy = |change: &Change| -> Result<Descriptor> {
            let bytes = saved(&(change.alter)(&decoded.image), QUALITY)?;
            Descriptor::of(&curate::decode(&bytes)?, person.map(|of| (change.place)(of, size)))
        };
        let copies = CHANGES.iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { original: Descriptor::of(&decoded, person)?, copies })
    }
}

/// The file of a picture.
pub fn saved(image: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(bytes.into_inner())
}

fn scaled(photo: &RgbImage, scale: f64) -> RgbImage {
    let side = |length: u32| (f64::from(length) * scale).round() as u32;
    imageops::resize(photo, side(photo.width()), side(photo.height()), FilterType::Triangle)
}

fn scaled_box(of: BoundingBox, scale: f32) -> BoundingBox {
    BoundingBox { x0: of.x0 * scale, y0: of.y0 * scale, x1: of.x1 * scale, y1: of.y1 * scale }
}

/// Cuts 3 % of the width and the height off, unevenly, as a hand does.
fn cropped(photo: &RgbImage) -> RgbImage {
    let (width, height) = photo.dimensions();
    let (cut_x, cut_y) = (width * 3 / 100, height * 3 / 100);
    imageops::crop_imm(photo, cut_x / 4, cut_y * 3 / 4, width - cut_x, height - cut_y).to_image()
}

fn cropped_box(of: BoundingBox, (width, height): (f32, f32)) -> BoundingBox {
    let (left, top) = (width * 0.03 / 4.0, height * 0.03 * 0.75);
    BoundingBox { x0: of.x0 - left, y0: of.y0 - top, x1: of.x1 - left, y1: of.y1 - top }
}

fn mirrored_box(of: BoundingBox, (width, _): (f32, f32)) -> BoundingBox {
    BoundingBox { x0: width - of.x1, x1: width - of.x0, ..of }
}

fn darkened(photo: &RgbImage) -> RgbImage {
    let mut darker = photo.clone();
    darker.iter_mut().for_each(|level| *level = (f32::from(*level) * 0.93) as u8);
    darker
}
