//! A recipe's lock: the tables of a snapshot, kept beside the recipe, so that the dataset has one id on every machine.
//!
//! Photos are measured all the same. Where a value differs from the lock's by no more than its rounding, the lock's is
//! taken: processors sum in different orders, and of thousands of values some always lie on an edge. What differs by
//! more is kept as it was measured, and told.

use std::path::Path;

use anyhow::{Context, Result};
use catalog::Catalog;
use serde::Serialize;
use snapshot::{Snapshot, SnapshotRef};

use crate::measurements::{self, Adopted, Policy};
use crate::output::Output;

/// A recipe's lock, and how the measurements of this machine compare with it.
#[derive(Debug)]
pub struct Settled {
    id: String,
    adopted: Adopted,
}

#[derive(Serialize)]
struct Outcome {
    lock: String,
    same_id: bool,
    /// Values whose rounding was the lock's way.
    settled: usize,
    /// Values that differ by more, and stay as they were measured.
    different: usize,
}

/// Opens a lock: a snapshot's folder, or what `bolid snapshot lock` wrote.
pub fn open(path: &Path) -> Result<Snapshot> {
    Snapshot::open(path).with_context(|| format!("open the recipe's lock {}", path.display()))
}

/// Gives measurements that are within rounding of the lock the lock's values.
pub async fn settle(catalog: &Catalog, lock: &Snapshot) -> Result<Settled> {
    let compare = || format!("compare what was measured with the lock {}", lock.path().display());
    let mut adopted = Adopted::default();
    let rows = lock.measurements().with_context(compare)?;
    measurements::adopt(catalog, &rows, Policy::Rounding, &mut adopted).await.with_context(compare)?;
    Ok(Settled { id: lock.id(), adopted })
}

impl Settled {
    /// Shows whether the snapshot is the lock's, and what differs where it is not.
    pub fn show(&self, written: &SnapshotRef, output: Output) -> Result<()> {
        let comparison = &self.adopted.comparison;
        let (differing, different) = comparison.differing();
        let outcome = Outcome {
            lock: self.id.clone(),
            same_id: self.id == written.id,
            settled: differing - different,
            different,
        };
        output.show(&outcome, |outcome| {
            let Outcome { lock, same_id, settled, .. } = outcome;
            let rounded = match settled {
                0 => String::new(),
                _ => format!("; {settled} of {} measurements were rounded its way", comparison.compared()),
            };
            if *same_id {
                return format!("the same id as the recipe's lock{rounded}");
            }
            format!(
                "{}another id than the recipe's lock, {lock}{rounded}\n  what differs: bolid snapshot diff LOCK {}",
                comparison.table(),
                written.id
            )
        })?;
        Ok(())
    }
}
