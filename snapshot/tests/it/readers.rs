//! Snapshots and exports in the readers they are for: webdataset, datasets, mlcroissant, pyarrow, zstandard, and
//! the rules of sd-scripts and IP-Adapter's training script.
//!
//! `BOLID_PYTHON=/path/to/python cargo test --release -p snapshot --test it readers:: -- --ignored` (`make
//! test-python`).

use std::path::Path;
use std::process::Command;

use snapshot::export::{ExportError, ExportSpec, Format, PixelSource, export};

use crate::common::photos::Gallery;
use crate::common::{identities, spec, write};

#[test]
#[ignore = "needs a Python with webdataset, datasets, mlcroissant, pyarrow: make test-python"]
fn their_readers_read_the_pixels_joints_and_captions_of_the_snapshot() {
    let gallery = Gallery::new();
    let exports = gallery.path().join("exports");
    for format in [Format::Webdataset, Format::Imagefolder, Format::Parquet, Format::Kohya, Format::IpAdapter]
    {
        for pixels in [PixelSource::Photo, PixelSource::Image, PixelSource::Weighted] {
            let out = exports.join(format!("{}-{}", format.name(), pixels.name()));
            let spec = ExportSpec { format, pixels, part_bytes: 40_000, repeats: None };
            let original = |sha256| gallery.original(sha256);
            let begun = || Ok::<(), ExportError>(());
            export(&gallery.snapshot, &original, &spec, &out, begun, &|_| ()).unwrap();
        }
    }
    run("exports.py", &[gallery.snapshot.path(), &exports, &gallery.path().join("blobs")]);
}

#[test]
#[ignore = "needs a Python with pandas, safetensors, torch, zstandard, pyzstd: make test-python"]
fn the_readers_of_the_pages_read_the_same_tensors_from_a_compressed_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut compressed = spec();
    compressed.prepare["compression"] = "zstd".into();
    let [plain, compressed] = [spec(), compressed].map(|spec| write(dir.path(), spec, identities(), 7).path);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/python-reader.md");
    run("compressed.py", &[&plain, &compressed, &page]);
}

/// Runs a script of `tests/python`.
fn run(script: &str, arguments: &[&Path]) {
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(&python).arg(path).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{python} failed (does it have what {script} needs?):\n{told}");
}
