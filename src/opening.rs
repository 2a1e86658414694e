//! The catalog, opened for a command: an erasure that was interrupted is finished first.

use std::sync::Arc;

use anyhow::Result;
use catalog::Catalog;

use crate::cli::Global;
use crate::erase;
use crate::workspace::{open_to_read, require_workdir};

/// Opens the catalog for what writes.
///
/// # Errors
/// Where another process is at work in the work folder, or it cannot be written.
pub async fn open(global: &Global) -> Result<Arc<Catalog>> {
    let catalog = Catalog::open(&global.workdir).await?;
    erase::finish_interrupted(&catalog).await?;
    Ok(Arc::new(catalog))
}

/// Opens the catalog for what only looks: also while another process is at work in it, or where nothing may be
/// written.
///
/// # Errors
/// Where there is no work folder, or it cannot be read.
pub async fn look(global: &Global) -> Result<Catalog> {
    require_workdir(global)?;
    let workdir = &global.workdir;
    let catalog = open_to_read(workdir).await?;
    if Catalog::is_at_work_in(workdir) {
        eprintln!(
            "bolid: another bolid process is at work in {}; this is what is stored so far",
            workdir.display()
        );
    } else if catalog.has_unfinished_erasure().await?
        && let Ok(writes) = Catalog::open(workdir).await
    {
        catalog.close().await; // what it read is of before
        erase::finish_interrupted(&writes).await?;
        writes.close().await;
        return Ok(Catalog::open_to_read(workdir).await?);
    }
    Ok(catalog)
}
