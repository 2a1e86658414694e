//! Embeddings as `.ipadpt`, opened by torch itself.
//!
//! Needs a Python with torch: `BOLID_PYTHON=/path/to/python cargo test --release -p train --test it ipadpt::
//! -- --ignored` (`make test-python`). Without `--ignored` it is listed as ignored, with that as the reason.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

#[test]
#[ignore = "needs a Python with torch: make test-python"]
fn torch_loads_an_embedding_and_its_negative_with_weights_only() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ada.ipadpt");
    let mean: Vec<f32> = (0..756).map(|i| (i as f32 * 0.61).sin() * 3.0).collect();
    let negative = train::ipadpt::write_embedding(&path, &mean)?;
    // Another shape, so that strides matter.
    let cube = folder.path().join("cube.ipadpt");
    let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
    train::ipadpt::write(&cube, &[2, 3, 4], &values)?;

    let expected = folder.path().join("expected.json");
    let files = json!({
        path.display().to_string(): { "shape": [1, 756], "values": mean },
        negative.display().to_string(): { "shape": [1, 756], "values": vec![0.0; 756] },
        cube.display().to_string(): { "shape": [2, 3, 4], "values": values },
    });
    fs::write(&expected, files.to_string())?;
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/ipadpt.py");
    let output = Command::new(&python).arg(script).arg(expected).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{python} failed (does it have torch?):\n{said}");
    Ok(())
}
