//! What models and pixels say of a photo. Coordinates are pixels of the upright photo (EXIF rotation applied).

use serde::{Deserialize, Serialize};

use crate::tiles::Region;
use crate::{BoundingBox, Embedding, Joints};

/// One object that a detector found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Where.
    pub bbox: BoundingBox,
    /// How sure, in 0..=1.
    pub score: f32,
}

/// One person that the pose model found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Where.
    pub bbox: BoundingBox,
    /// How sure, in 0..=1.
    pub score: f32,
    /// The joints as predicted, not yet gated by confidence.
    pub joints: Joints,
}

/// The direction that the embedding model gives one of the photo's faces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceEmbedding {
    /// The face, by its place among those that the face model found.
    pub face: usize,
    /// The direction.
    pub embedding: Embedding,
}

/// How likely the photo carries a watermark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatermarkScore {
    /// The probability of "watermark" for every region that was looked at, in 0..=1.
    pub regions: Vec<(Region, f32)>,
}

impl WatermarkScore {
    /// What is said where no model looks for marks: one was found nowhere.
    pub const fn none() -> Self {
        Self { regions: Vec::new() }
    }

    /// The region most likely to carry a mark, and its probability; `None` where none was looked at.
    pub fn highest(&self) -> Option<(Region, f32)> {
        self.regions.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// What a file says of its colours, where that is not sRGB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colours {
    /// They were converted to sRGB from what is named here.
    Converted(String),
    /// They were taken as sRGB, since what the file says cannot be used: why.
    Unusable(String),
}

/// What the pixels themselves say, without any model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The format of the bytes (not of the name): `jpeg`, `png`, `webp`, …
    pub format: String,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// The EXIF orientation, 1 to 8, that was applied.
    pub orientation: u8,
    /// The size of the file in bytes: of two copies with equally many pixels, the one with more bytes lost less when it
    /// was saved.
    pub file_bytes: u64,
    /// Variance of the Laplacian of the luma at a fixed size: small is blurred.
    pub sharpness: f32,
    /// The mean luma in 0..=1.
    pub brightness: f32,
    /// A 64-bit perceptual hash as 16 hex digits: near-duplicates differ in few bits, mirrored ones too when
    /// compared as `curate::pixels::hash` does.
    pub perceptual_hash: String,
    /// The same of the photo without a narrow margin: a copy that was cut is near it.
    pub inner_hash: String,
    /// The photo at a dozen pixels a side, as `curate::pixels::thumbnail` writes it: photos that the hashes
    /// call near are looked at again by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thumbnail: String,
    /// What became of the file's colours; `None` where they are sRGB's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colours: Option<Colours>,
    /// Whether the file has all of its pixels, but not the marker of its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_end: bool,
}

/// A score rounded to 4 decimals. Stored scores are rounded, so that the last bits of a sum that depend on the
/// batch or the number of threads never move a verdict or a digest.
pub fn rounded(score: f32) -> f32 {
    (score * 1e4).round() / 1e4
}
