//! Views of a snapshot at the size that is asked for, read and pooled on all cores.

use std::cell::RefCell;
use std::path::PathBuf;

use photo::Joints;
use rayon::prelude::*;
use snapshot::{KeptPhoto, Pixels, Shard, Snapshot};

use super::pooling::pool;
use crate::body::Pose;

/// A view could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A shard could not be read.
    #[error(
        "cannot read photo {photo} of {identity} in {snapshot}; `bolid snapshot verify` says what is damaged",
        snapshot = .snapshot.display()
    )]
    Shard {
        /// The photo's digest.
        photo: String,
        /// The person.
        identity: String,
        /// The snapshot's folder.
        snapshot: PathBuf,
        /// Why not; boxed, since a result as large as this error would be copied with every view.
        source: Box<snapshot::Error>,
    },
    /// The snapshot was made without a tensor that the training needs.
    #[error(
        "the snapshot {snapshot} holds no {tensor} tensors: take `tensors` out of the recipe's `[prepare]`, \
         and make it again with `bolid dataset`",
        snapshot = .snapshot.display()
    )]
    WithoutTensors {
        /// The snapshot's folder.
        snapshot: PathBuf,
        /// `image` or `weighted`.
        tensor: &'static str,
    },
    /// Views cannot be made as large as is asked for.
    #[error(
        "{snapshot} has views of {found} px, of which {wanted} px cannot be made: set `model.view_px` to a \
         divisor of {found}",
        snapshot = .snapshot.display()
    )]
    Size {
        /// The snapshot's folder.
        snapshot: PathBuf,
        /// Side of its tensors.
        found: usize,
        /// Side that was asked for.
        wanted: usize,
    },
}

/// Reads views of a snapshot at `side` px.
#[derive(Clone, Copy, Debug)]
pub struct ViewReader<'a> {
    snapshot: &'a Snapshot,
    side: usize,
}

thread_local! {
    /// A view at full size, 3 MB at 1024 px: kept, since fresh pages cost more than reading does.
    static WHOLE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<'a> ViewReader<'a> {
    /// A reader of views of `side` px.
    ///
    /// # Errors
    /// [`ViewError::Size`] where the snapshot's tensors cannot be pooled to that.
    pub fn new(snapshot: &'a Snapshot, side: usize) -> Result<Self, ViewError> {
        let found = snapshot.manifest().spec.size_px as usize;
        if side == 0 || !found.is_multiple_of(side) {
            return Err(ViewError::Size { snapshot: snapshot.path().to_owned(), found, wanted: side });
        }
        Ok(Self { snapshot, side })
    }

    /// Side of the views in px.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The views `rows` (indices into the snapshot's photos) with the planes of `pixels`, one after the
    /// other, u8 `[n, 3, side, side]`.
    pub fn read(&self, rows: &[usize], pixels: Pixels) -> Result<Vec<u8>, ViewError> {
        let length = 3 * self.side * self.side;
        let mut planes = vec![0; rows.len() * length];
        planes
            .par_chunks_mut(length)
            .zip(rows)
            .try_for_each(|(out, &row)| self.read_one(row, pixels, out))?;
        Ok(planes)
    }

    /// The poses of the views `rows`.
    pub fn poses(&self, rows: &[usize]) -> Vec<Pose> {
        let size = self.snapshot.manifest().spec.size_px as usize;
        let joints = |row: usize| -> &Joints { &self.snapshot.photos()[row].facts.joints };
        rows.iter().map(|&row| Pose::new(joints(row), size)).collect()
    }

    fn read_one(&self, row: usize, pixels: Pixels, out: &mut [u8]) -> Result<(), ViewError> {
        let photo = &self.snapshot.photos()[row];
        self.read_planes(photo, pixels, out).map_err(|source| match source {
            snapshot::Error::WithoutTensors { tensor, .. } => {
                ViewError::WithoutTensors { snapshot: self.snapshot.path().to_owned(), tensor }
            }
            source => ViewError::Shard {
                photo: photo.facts.sha256.to_string(),
                identity: photo.identity.clone(),
                snapshot: self.snapshot.path().to_owned(),
                source: Box::new(source),
            },
        })
    }

    fn read_planes(&self, photo: &KeptPhoto, pixels: Pixels, out: &mut [u8]) -> Result<(), snapshot::Error> {
        let shard: Shard = self.snapshot.shard(photo)?;
        let size = shard.size_px();
        if size == self.side {
            return shard.read_pixels(pixels, photo.row as usize, out);
        }
        WHOLE.with_borrow_mut(|whole| {
            whole.resize(3 * size * size, 0);
            shard.read_pixels(pixels, photo.row as usize, whole)?;
            pool(whole, size, self.side, out);
            Ok(())
        })
    }
}
