//! `README.md` of the formats that `datasets` loads: its head says which files are which split. Without it,
//! only names that `datasets` knows are found (`data_files.py`: train, validation, test and their like), and
//! `held_out` is none of them.

use super::manifest::SnapshotName;
use super::spec::Format;

/// The page, where the format has one.
pub(super) fn page(format: Format, snapshot: &SnapshotName, splits: &[&str]) -> Option<(String, Vec<u8>)> {
    let files = |split: &str| match format {
        Format::Imagefolder => Some(format!("{split}/**")),
        Format::Parquet => Some(format!("data/{split}-*.parquet")),
        Format::Webdataset | Format::Kohya | Format::IpAdapter => None,
    };
    let files = splits.iter().map(|split| Some((split, files(split)?))).collect::<Option<Vec<_>>>()?;
    let files: String =
        files.iter().map(|(split, path)| format!("  - split: {split}\n    path: \"{path}\"\n")).collect();
    let (name, id) = (&snapshot.name, &snapshot.id);
    let text = format!(
        "---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\n# {name}\n\n\
         The photos of snapshot {name}-{id}, exported by bolid. `export.json` lists every file with its digest.\n\n\
         ```python\nfrom datasets import load_dataset\n\ndataset = load_dataset(\"path/to/this/folder\")\n```\n\n\
         `joints` are 17 × (x, y, confidence) and `person_box` is left, top, right, bottom, in pixels of the \
         picture. Photos of the split `held_out` show people of `train`, and are held out of training.\n"
    );
    Some(("README.md".to_owned(), text.into_bytes()))
}
