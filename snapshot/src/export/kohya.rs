//! Folders as kohya's sd-scripts read them (`generate_dreambooth_subsets_config_by_subdirs` in
//! `library/config_util.py`): `--train_data_dir` holds folders `<repeats>_<name>`, in each of which the
//! pictures lie with their captions beside them. sd-scripts looks for `.caption` unless `--caption_extension
//! .txt` is given.
//!
//! A caption is the first line of its file, and an empty file is an error (`read_caption` in
//! `library/train_util.py`), so one is a single line and is left out where there is none: the folder's name
//! stands for it then. File names have no `_`, in which `--face_crop_aug_range` would look for a face's
//! place.

use super::picture::Kind;
use super::sample::Sample;

/// Each photo once an epoch. A person with twice the photos is then seen twice as often; who wants it
/// otherwise renames the folders.
pub const REPEATS: u32 = 1;

/// The pictures' path. The folder of a split is what is given as `--train_data_dir`.
pub(super) fn path(sample: &Sample<'_>, repeats: Option<u32>, kind: Kind) -> String {
    sample.path(sample.split, &folder(sample, repeats), kind)
}

/// The path and text of the caption.
pub(super) fn caption(sample: &Sample<'_>, repeats: Option<u32>) -> Option<(String, String)> {
    let text = sample.text?.split_whitespace().collect::<Vec<_>>().join(" ");
    let (folder, number) = (folder(sample, repeats), sample.place().1);
    Some((format!("{}/{folder}/{number}.txt", sample.split), text))
}

fn folder(sample: &Sample<'_>, repeats: Option<u32>) -> String {
    format!("{}_{}", repeats.unwrap_or(REPEATS), sample.place().0)
}
