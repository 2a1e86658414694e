//! Manifests of snapshots that others made.

use std::path::Path;

use snapshot::Manifest;

pub fn check(bytes: &[u8]) {
    let path = Path::new("manifest.json");
    let manifest = match Manifest::parse(path, bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(error.to_string().contains("manifest.json"), "{error}");
            return;
        }
    };
    let printed = manifest.to_bytes();
    let again = Manifest::parse(path, &printed).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, manifest);
    assert_eq!(again.to_bytes(), printed);
    manifest.bytes();
    let _ = (manifest.spec.splits(), manifest.spec.tensors());
    for entry in &manifest.files {
        assert_eq!(manifest.file(&entry.path).unwrap().path, entry.path);
    }
}
