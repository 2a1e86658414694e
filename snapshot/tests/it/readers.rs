//! Snapshots and exports in the readers they are for: webdataset, datasets, mlcroissant, pyarrow, and the
//! rules of sd-scripts and IP-Adapter's training script.
//!
//! `BOLID_PYTHON=/path/to/python cargo test --release -p snapshot --test it readers:: -- --ignored` (`make
//! test-python`).

use std::path::Path;
use std::process::Command;

use snapshot::export::{ExportError, ExportSpec, Format, PixelSource, export};

use crate::common::photos::Gallery;

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
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/exports.py");
    let output = Command::new(&python)
        .arg(script)
        .args([gallery.snapshot.path(), &exports, &gallery.path().join("blobs")])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{python} failed (does it have webdataset, datasets, mlcroissant?):\n{told}"
    );
}
