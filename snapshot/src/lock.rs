//! The tables of a snapshot without its tensors: enough to make the same snapshot again, and small enough to be kept
//! with a recipe under version control.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::Error;
use crate::manifest::{DROPPED, MANIFEST, MEASUREMENTS, PHOTOS};
use crate::snapshot::Snapshot;

/// Writes the lock of a snapshot into the folder `out`, in place of an older lock; returns its length in bytes.
/// [`Snapshot::open`] opens it. Nothing else in the folder is touched.
///
/// # Errors
/// Where the snapshot cannot be opened, or holds no measurements because an older version wrote it.
pub fn lock(snapshot: &Path, out: &Path) -> Result<u64, Error> {
    let opened = Snapshot::open(snapshot)?;
    let without = || Error::WithoutMeasurements { path: snapshot.to_owned() };
    opened.manifest().file(MEASUREMENTS).ok_or_else(without)?;
    let mut bytes = 0;
    fs::create_dir_all(out).map_err(Error::io("create", out))?;
    // The manifest comes last: it lists the digests of the others, so that a lock that was cut short is not opened.
    let manifest = out.join(MANIFEST);
    match fs::remove_file(&manifest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &manifest)(error));
        }
        _ => {}
    }
    for name in [PHOTOS, DROPPED, MEASUREMENTS, MANIFEST] {
        let to = out.join(name);
        bytes += fs::copy(snapshot.join(name), &to).map_err(Error::io("write", &to))?;
    }
    Ok(bytes)
}
