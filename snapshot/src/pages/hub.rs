//! The head of `README.md`: what the Hugging Face Hub shows of a dataset, and what
//! `load_dataset("path/to/snapshot")` opens.
//!
//! All rows of kept photos stand in one file, and `datasets` cannot make several splits of one file. So the
//! default configuration has all of them as one split, called `photos` lest anybody takes it for a training
//! set, and each side of the dataset is a configuration of its own, which is the same file through a filter
//! (`ParquetConfig.filters`; read with datasets 5.2). A filter that lets nothing through is an error there,
//! so an empty side has none.

use std::fmt::Write as _;

use crate::manifest::{Counts, DROPPED, PHOTOS};

/// The head, from its first `---` to an empty line behind its last.
pub(crate) fn head(name: &str, counts: &Counts, held_out: usize) -> String {
    let mut configs = String::new();
    write_config(&mut configs, "photos", PHOTOS, &[]);
    for (side, of_side) in counts.sides() {
        let is_train = side == "train";
        if of_side.photos > if is_train { held_out } else { 0 } {
            let mut filters = vec![format!("[\"split\", \"==\", \"{side}\"]")];
            filters.extend(is_train.then(|| "[\"held_out\", \"==\", false]".to_owned()));
            write_config(&mut configs, side, PHOTOS, &filters);
        }
    }
    if held_out > 0 {
        write_config(&mut configs, "held_out", PHOTOS, &["[\"held_out\", \"==\", true]".to_owned()]);
    }
    if counts.dropped > 0 {
        write_config(&mut configs, "dropped", DROPPED, &[]);
    }
    format!(
        "---\npretty_name: \"{name}\"\ntags: [people, body, pose, identity, bolid]\nlicense: other\n\
         size_categories: [{}]\nconfigs:\n{configs}---\n\n",
        size(counts.photos)
    )
}

fn write_config(configs: &mut String, name: &str, file: &str, filters: &[String]) {
    let _ = write!(configs, "- config_name: {name}\n  data_files:\n  - split: {name}\n    path: {file}\n");
    if !filters.is_empty() {
        let _ = writeln!(configs, "  filters: [{}]", filters.join(", "));
    }
    if name == "photos" {
        configs.push_str("  default: true\n");
    }
}

/// The Hub's name for a number of rows (huggingface/hub-docs, `datasetcard.md`).
fn size(rows: usize) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "n>1M",
    }
}
