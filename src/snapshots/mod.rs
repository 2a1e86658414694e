//! `bolid snapshot create|list|lock|verify|diff`. All but `create` do without the catalog.
//!
//! | module | what |
//! |---|---|
//! | [`create`] | what is judged and prepared becomes a snapshot |
//! | [`list`](mod@list) | a row per snapshot |
//! | [`verify`](mod@verify), [`deep`] | every byte; tensors once more from the photos' bytes |
//! | [`diff`](mod@diff) | what two snapshots say of the same photos |
//! | [`width`] | text cut to a terminal of 80 columns |

pub mod create;
mod deep;
mod diff;
mod list;
mod verify;
mod width;

use std::path::Path;

use anyhow::{Context, Result};
use indicatif::HumanBytes;

use crate::output::Output;

pub use diff::diff;
pub use list::list;
pub use verify::verify;

/// Writes a snapshot's tables without its tensors.
pub fn lock(folder: &Path, wanted: &str, out: &Path, output: Output) -> Result<()> {
    let path = snapshot::find(folder, wanted)?;
    let bytes = snapshot::lock(&path, out).with_context(|| format!("lock snapshot `{wanted}`"))?;
    output.show(&serde_json::json!({ "lock": out, "bytes": bytes }), |_| {
        format!("the lock of {wanted} is in {} ({})", out.display(), HumanBytes(bytes))
    })?;
    Ok(())
}
