//! What a snapshot says of each photo.

use photo::tiles::Region;
use photo::{Affine, BoundingBox, CaptionSource, Digest, Joints, Reason, Split};
use serde::{Deserialize, Serialize};

use crate::measurement::MeasurementRow;

/// One person's photos, as they are handed to the [`Writer`](crate::Writer). Their order does not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdentityRows {
    /// The person, `site/slug`.
    pub identity: String,
    /// The photos that are kept.
    pub photos: Vec<PhotoRow>,
    /// The photos that are dropped.
    pub dropped: Vec<DroppedRow>,
    /// What was measured of them.
    pub measurements: Vec<MeasurementRow>,
    /// When the photos came; no part of the snapshot's id.
    pub fetches: Vec<FetchRow>,
}

/// A kept photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhotoRow {
    /// The file's address.
    pub url: String,
    /// The page that shows it.
    pub page_url: Option<String>,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// `Last-Modified`, as the server said it.
    pub last_modified: Option<String>,
    /// What the page says of it, or what a source of captions said.
    pub caption: Option<String>,
    /// The source of the caption, where it is not the photo's own; only where the recipe speaks of captions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption_source: Option<CaptionSource>,
    /// What was measured.
    pub scores: Scores,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// The person, in pixels of the photo.
    pub person_box: BoundingBox,
    /// The joints in pixels of the tensor; a confidence of 0 is a joint that is not visible.
    pub joints: Joints,
    /// The same joints in pixels of the photo.
    pub joints_in_photo: Joints,
    /// From pixels of the photo to pixels of the tensor.
    pub affine: Affine,
}

/// A dropped photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DroppedRow {
    /// The file's address.
    pub url: String,
    /// The page that shows it.
    pub page_url: Option<String>,
    /// The digest of its bytes; `None` where what came was no image, or nothing was fetched on purpose.
    pub sha256: Option<Digest>,
    /// Width in pixels; `None` where the bytes cannot be read as a photo.
    pub width: Option<u32>,
    /// Height in pixels, likewise.
    pub height: Option<u32>,
    /// What was measured before it was dropped.
    pub scores: Scores,
    /// Every reason, at least one.
    pub reasons: Vec<Reason>,
}

/// When the bytes of a photo came from where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FetchRow {
    /// The digest of the bytes.
    pub sha256: Digest,
    /// The file's address.
    pub url: String,
    /// Unix time in milliseconds.
    pub fetched_at_ms: i64,
}

/// What models and pixels said of a photo; `None` where the photo was dropped before it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The highest probability of a watermark among the regions, in 0..=1.
    pub watermark: Option<f32>,
    /// The region with that probability.
    pub watermark_region: Option<Region>,
    /// The surest face's score, in 0..=1.
    pub face: Option<f32>,
    /// The surest person's score, in 0..=1.
    pub person: Option<f32>,
    /// Variance of the Laplacian of the luma at a fixed size: small is blurred.
    pub sharpness: Option<f32>,
    /// The mean luma in 0..=1.
    pub brightness: Option<f32>,
    /// A 64-bit perceptual hash as 16 hex digits.
    pub perceptual_hash: Option<String>,
    /// The cosine similarity of the face to most faces of the identity, in −1..=1; only where the rules compare faces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
}

/// A row of `photos.parquet`: a kept photo, and where its tensors are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPhoto {
    /// The person, `site/slug`.
    pub identity: String,
    /// The side of the dataset that the person is on.
    pub split: Split,
    /// Whether the photo of somebody on the side of training is held out of it. Always `false` in snapshots
    /// of format 1.
    pub held_out: bool,
    /// The shard, a path relative to the snapshot's folder.
    pub shard: String,
    /// The photo's index along the first axis of the shard's tensors.
    pub row: u32,
    /// The photo.
    pub facts: PhotoRow,
}

/// A row of `dropped.parquet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// The person, `site/slug`.
    pub identity: String,
    /// The photo.
    pub facts: DroppedRow,
}

/// A kept photo's tensors, `[3, size, size]` each: planes of red, green and blue, row by row. One that the
/// snapshot does not hold ([`SnapshotSpec::tensors`](crate::SnapshotSpec::tensors)) is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTensors {
    /// The photo at the tensor's size.
    pub image: Vec<u8>,
    /// The same, weighted by the Gaussians around its joints (paper, eqs. 11 to 13).
    pub weighted: Vec<u8>,
}

impl IdentityRows {
    /// Sorts each list by what stays the same from run to run, so that the order of arrival cannot show.
    pub(crate) fn sort(&mut self) {
        self.photos.sort_by(|a, b| (a.sha256, &a.url).cmp(&(b.sha256, &b.url)));
        self.dropped.sort_by(|a, b| (a.sha256, &a.url).cmp(&(b.sha256, &b.url)));
        self.measurements.sort();
        self.measurements.dedup();
        self.fetches.sort();
        self.fetches.dedup();
    }
}
