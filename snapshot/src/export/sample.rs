//! What is said of a photo in an export.

use std::borrow::Cow;

use photo::redact::redacted;
use photo::{Affine, BoundingBox, CaptionSource, Digest, Joints};
use serde::Serialize;

use super::picture::Kind;
use super::spec::PixelSource;
use crate::row::KeptPhoto;
use crate::shard;

/// A photo's facts, in pixels of the picture that leaves.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample<'a> {
    /// The person and the photo's number in the shard: unique, and plain enough for a file's name.
    pub key: String,
    /// The caption; `null` where there is none. Trainers of `diffusers` and `datasets` call it so.
    pub text: Option<&'a str>,
    /// The source of the caption, where it is not the photo's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption_source: Option<CaptionSource>,
    pub identity: &'a str,
    /// `train`, `validation`, `test` or `held_out`.
    pub split: &'static str,
    pub url: Cow<'a, str>,
    pub page_url: Option<Cow<'a, str>>,
    /// Of the file as it was fetched.
    pub sha256: Digest,
    pub width: u32,
    pub height: u32,
    /// Left, top, right, bottom; may reach beyond the picture where it was cropped.
    pub person_box: [f32; 4],
    /// x, y, confidence in COCO's order; confidence 0: not visible.
    pub joints: [[f32; 3]; 17],
}

impl<'a> Sample<'a> {
    /// The facts of `photo`; `size_px` is the side of the snapshot's tensors.
    pub fn new(photo: &'a KeptPhoto, pixels: PixelSource, size_px: u32) -> Self {
        let facts = &photo.facts;
        let (joints, person_box, width, height) = match pixels {
            PixelSource::Photo => (facts.joints_in_photo, facts.person_box, facts.width, facts.height),
            PixelSource::Image | PixelSource::Weighted => {
                (facts.joints, mapped(facts.person_box, &facts.affine), size_px, size_px)
            }
        };
        let BoundingBox { x0, y0, x1, y1 } = person_box;
        let text = facts.caption.as_deref().map(str::trim).filter(|text| !text.is_empty());
        Self {
            key: format!("{}-{:05}", person(photo), photo.row),
            text,
            caption_source: facts.caption_source,
            identity: &photo.identity,
            split: side(photo),
            // Snapshots are written without secrets; one from elsewhere need not be.
            url: redacted(&facts.url),
            page_url: facts.page_url.as_deref().map(redacted),
            sha256: facts.sha256,
            width,
            height,
            person_box: [x0, y0, x1, y1],
            joints: numbers(&joints),
        }
    }

    /// The person as a folder's name, and the photo's number.
    pub fn place(&self) -> (&str, &str) {
        self.key.rsplit_once('-').expect("a key ends with a number")
    }

    /// The path of its picture: `folder/person/number.ending`.
    pub fn path(&self, folder: &str, person: &str, kind: Kind) -> String {
        format!("{folder}/{person}/{}.{}", self.place().1, kind.ending())
    }
}

/// The split that a photo is in. Photos that are held out of training have one of their own: in the files of
/// `train`, a trainer that has never heard of them would train on them.
pub(super) fn side(photo: &KeptPhoto) -> &'static str {
    if photo.held_out { "held_out" } else { photo.split.name() }
}

/// The name of the person's shard, another one for each person. Readers of WebDataset cut a name at its first
/// dot, so one with dots gets a name without.
fn person(photo: &KeptPhoto) -> Cow<'_, str> {
    let stem = shard::stem_of(&photo.shard);
    if !stem.contains('.') {
        return stem.into();
    }
    without_dots(stem, &photo.identity).into()
}

fn without_dots(stem: &str, identity: &str) -> String {
    format!("{}-{}", stem.replace('.', "_"), &Digest::of(identity).short()[..8])
}

fn numbers(joints: &Joints) -> [[f32; 3]; 17] {
    joints.0.map(|joint| [joint.x, joint.y, joint.confidence])
}

/// The box around a box that was mapped; the map has no rotation.
fn mapped(BoundingBox { x0, y0, x1, y1 }: BoundingBox, map: &Affine) -> BoundingBox {
    let at = |x: f32, y: f32| {
        let (x, y) = map.apply(x.into(), y.into());
        (x as f32, y as f32)
    };
    let ((x0, y0), (x1, y1)) = (at(x0, y0), at(x1, y1));
    BoundingBox { x0: x0.min(x1), y0: y0.min(y1), x1: x0.max(x1), y1: y0.max(y1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_people_whose_names_differ_behind_a_dot_have_two_names_without_dots() {
        let [dre, phil] = ["stars/dr.dre", "stars/dr.phil"].map(|identity| {
            let stem = identity.replace('/', "__");
            without_dots(&stem, identity)
        });
        assert!(dre.starts_with("stars__dr_dre-") && !dre.contains('.'), "{dre}");
        assert_ne!(without_dots("a__b_c", "a/b_c"), without_dots("a__b.c", "a/b.c"));
        assert_ne!(dre, phil);
    }
}
