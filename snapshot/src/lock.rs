//! The tables of a snapshot without its tensors: enough to make the same snapshot again, and small enough to be kept
//! with a recipe under version control.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::files;
use crate::manifest::{BUILD, DROPPED, MANIFEST, MEASUREMENTS, PHOTOS};
use crate::snapshot::Snapshot;

/// Writes the lock of a snapshot into the folder `out`, in place of an older lock; returns its length in bytes.
/// [`Snapshot::open`] opens it. Nothing else in the folder is touched.
///
/// # Errors
/// Where the snapshot cannot be opened, or holds no measurements because an older version wrote it.
pub fn lock(snapshot: &Path, out: &Path) -> Result<u64, Error> {
    Snapshot::open(snapshot)?.require_measurements()?;
    refuse_snapshot(out)?;
    fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let mut bytes = 0;
    let mut partials = Vec::new();
    for name in [PHOTOS, DROPPED, MEASUREMENTS, MANIFEST] {
        let from = snapshot.join(name);
        let content = fs::read(&from).map_err(Error::io("read", &from))?;
        let partial = out.join(format!(".{name}.partial"));
        fs::write(&partial, &content).map_err(Error::io("write", &partial))?;
        bytes += content.len() as u64;
        partials.push((partial, out.join(name)));
    }
    // All is on the disk before the old lock goes. The manifest comes last: it lists the digests of the
    // others, so that a lock between two is not opened.
    for (partial, path) in partials {
        fs::rename(&partial, &path).map_err(Error::io("rename", &partial))?;
    }
    files::sync_dir(out)?;
    Ok(bytes)
}

/// A lock has no build.json. Written over a snapshot, perhaps the very one it is made of, it would damage that.
fn refuse_snapshot(out: &Path) -> Result<(), Error> {
    if out.join(BUILD).exists() {
        return Err(Error::LockInSnapshot { path: out.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_not_written_over_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(BUILD), "{}").unwrap();
        fs::write(folder.path().join(PHOTOS), "rows").unwrap();
        assert!(matches!(refuse_snapshot(folder.path()), Err(Error::LockInSnapshot { .. })));
        assert_eq!(fs::read(folder.path().join(PHOTOS)).unwrap(), b"rows");
    }
}
