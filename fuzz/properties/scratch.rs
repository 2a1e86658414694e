//! A file for parsers that read by position and take a path.

use std::fs;
use std::path::Path;

/// Calls `work` with a file of that name and these bytes, in memory where the system has such a folder.
pub fn with_file(name: &str, bytes: &[u8], work: impl FnOnce(&Path)) {
    with_files(&[(name, bytes)], |folder| work(&folder.join(name)));
}

/// Calls `work` with a folder of these files.
pub fn with_files(files: &[(&str, &[u8])], work: impl FnOnce(&Path)) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    work(folder.path());
}
