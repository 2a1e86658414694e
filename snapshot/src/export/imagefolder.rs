//! Folders of pictures as `load_dataset("imagefolder")` of `datasets` reads them: a folder per split, and in
//! it `metadata.jsonl`, whose `file_name` is relative to that folder
//! (`datasets/packaged_modules/folder_based_builder`).
//!
//! `datasets` infers the type of a column from the first lines of each split's file, and refuses the dataset
//! where two splits differ. A column that is null throughout one split would have no type there, so what is
//! missing is an empty text.

use photo::{CaptionSource, Digest};
use serde::Serialize;

use super::picture::Kind;
use super::sample::Sample;
use crate::manifest::compact;

/// The pictures' path.
pub(super) fn path(sample: &Sample<'_>, kind: Kind) -> String {
    sample.path(sample.split, sample.place().0, kind)
}

#[derive(Serialize)]
struct Row<'a> {
    file_name: &'a str,
    text: &'a str,
    /// Empty: the photo's own, or the snapshot does not say.
    caption_source: &'a str,
    key: &'a str,
    identity: &'a str,
    split: &'a str,
    url: &'a str,
    page_url: &'a str,
    sha256: Digest,
    width: u32,
    height: u32,
    person_box: [f32; 4],
    joints: [[f32; 3]; 17],
}

/// `metadata.jsonl` of a split.
pub(super) fn index<'a>(
    samples: impl Iterator<Item = Sample<'a>>,
    is_written: &dyn Fn(&str) -> bool,
) -> (String, Vec<u8>) {
    let (mut split, mut text) = ("", Vec::new());
    for sample in samples {
        split = sample.split;
        let mut paths = Kind::ALL.map(|kind| path(&sample, kind)).into_iter();
        let Some(path) = paths.find(|path| is_written(path)) else { continue };
        text.extend(compact(&Row {
            file_name: &path[split.len() + 1..],
            text: sample.text.unwrap_or_default(),
            caption_source: sample.caption_source.map_or("", CaptionSource::name),
            key: &sample.key,
            identity: sample.identity,
            split,
            url: &sample.url,
            page_url: sample.page_url.as_deref().unwrap_or_default(),
            sha256: sample.sha256,
            width: sample.width,
            height: sample.height,
            person_box: sample.person_box,
            joints: sample.joints,
        }));
        text.push(b'\n');
    }
    (format!("{split}/metadata.jsonl"), text)
}
