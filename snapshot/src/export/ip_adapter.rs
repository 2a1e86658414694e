//! What `tutorial_train.py` of <https://github.com/tencent-ailab/IP-Adapter> reads: `--data_json_file` is a
//! list of `{"image_file": …, "text": …}`, and `image_file` is relative to `--data_root_path`. Both keys have
//! to be there; an empty text is what the script itself puts in place of a caption that it drops.

use serde::Serialize;

use super::picture::Kind;
use super::sample::Sample;
use crate::manifest::compact;

/// The folder that is given as `--data_root_path`.
const FOLDER: &str = "images";

/// The pictures' path.
pub(super) fn path(sample: &Sample<'_>, kind: Kind) -> String {
    sample.path(FOLDER, sample.place().0, kind)
}

/// An item of the list. The script reads the first two fields; the others are for scripts that know more.
#[derive(Serialize)]
struct Item<'a> {
    image_file: &'a str,
    text: &'a str,
    identity: &'a str,
    joints: [[f32; 3]; 17],
}

/// The list of a split: an item per line, so that people can look at it.
pub(super) fn index<'a>(
    samples: impl Iterator<Item = Sample<'a>>,
    is_written: &dyn Fn(&str) -> bool,
) -> (String, Vec<u8>) {
    let (mut split, mut text) = ("", Vec::from(b"["));
    for sample in samples {
        split = sample.split;
        let Some(path) = Kind::ALL.map(|kind| path(&sample, kind)).into_iter().find(|path| is_written(path))
        else {
            continue;
        };
        let image_file = &path[FOLDER.len() + 1..];
        text.extend(if text.len() == 1 { &b"\n"[..] } else { &b",\n"[..] });
        text.extend(compact(&Item {
            image_file,
            text: sample.text.unwrap_or_default(),
            identity: sample.identity,
            joints: sample.joints,
        }));
    }
    text.extend(b"\n]\n");
    (format!("{split}.json"), text)
}
