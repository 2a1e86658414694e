//! Atomic writes: a file is there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file aside, sees it to the disk and moves it into place: no reader, and no crash, meets half of it.
/// Its folder is made where it is not there.
///
/// # Errors
/// [`Error::Write`], with the path; what was there before stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |cause| Error::Write { path: path.to_owned(), cause };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let aside = Path::new(&aside);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = File::create(aside).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(aside, path).map_err(failed)
}
