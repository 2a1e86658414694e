//! The committed corpus, for the tests that replay it.

use std::fs;
use std::path::Path;

/// Checks every input in `fuzz/corpus/NAME`: seeds, and what once failed.
///
/// # Panics
/// Where there is none, or one does not hold.
pub fn replay(name: &str, check: fn(&[u8])) {
    // Each crate lies beside `fuzz`.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        println!("{}", file.display()); // shown with the failure
        check(&fs::read(&file).unwrap());
    }
}
