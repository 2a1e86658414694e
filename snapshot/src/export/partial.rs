//! Files are written under a temporary name and renamed when they are whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;

/// The name under which a file is written before it gets its own.
pub(super) fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

/// Removes what a killed run left under that name.
pub(super) fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Writes a file under a temporary name and renames it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let partial = partial(path);
    remove_if_there(&partial)?;
    files::write_new(&partial, bytes)?;
    fs::rename(&partial, path).map_err(Error::io("rename", &partial))
}
