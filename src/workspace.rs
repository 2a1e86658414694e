//! The work folder: whether it is there, its catalog to read, and the name of a folder in it.

use std::path::Path;

use anyhow::{Result, ensure};
use catalog::Catalog;

use crate::cli::Global;

/// The folder of rebuilt snapshots in the work folder, each with a catalog of its own.
pub const LOCKED: &str = "locked";

/// Refuses a work folder that is not there, where making one would only hide a mistyped `--workdir`.
///
/// # Errors
/// Saying what makes one.
pub fn require_workdir(global: &Global) -> Result<()> {
    let workdir = &global.workdir;
    ensure!(
        Catalog::is_in(workdir),
        "there is no work folder {}; `bolid crawl`, `import` or `dataset` makes one, and --workdir names another",
        workdir.display()
    );
    Ok(())
}

/// Opens a catalog to read. Tables of an older version are brought to this one first, where that may be.
///
/// # Errors
/// Where it cannot be read.
pub async fn open_to_read(workdir: &Path) -> Result<Catalog> {
    match Catalog::open_to_read(workdir).await {
        Err(error @ catalog::Error::OtherVersion { .. }) => match Catalog::open(workdir).await {
            Ok(writes) => {
                writes.close().await; // whoever only looks does not keep the folder from others
                Ok(Catalog::open_to_read(workdir).await?)
            }
            Err(_) => Err(error.into()),
        },
        opened => Ok(opened?),
    }
}
