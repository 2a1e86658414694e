//! Reading a snapshot.

use std::fs::File;
use std::path::{Path, PathBuf};

use photo::{Digest, Split};

use crate::error::Error;
use crate::manifest::{Counts, DROPPED, FETCHES, MANIFEST, MEASUREMENTS, Manifest, PHOTOS};
use crate::measurement::{self, MeasurementRow};
use crate::row::{Dropped, FetchRow, KeptPhoto};
use crate::shard::Shard;
use crate::table::Table;
use crate::withdrawal_note::{Withdrawn, withdrawn};
use crate::{columns, files};

/// A snapshot's name and place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotRef {
    /// The first 12 hex digits of the manifest's digest.
    pub id: String,
    /// The dataset's name.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// How many of what.
    pub counts: Counts,
}

/// A snapshot that is open for reading: the manifest and the rows of the kept photos are in memory, tensors are not.
#[derive(Clone, Debug)]
pub struct Snapshot {
    path: PathBuf,
    digest: Digest,
    manifest: Manifest,
    photos: Vec<KeptPhoto>,
}

impl Snapshot {
    /// Opens the snapshot in the folder `path`. Checks the table of photos against the manifest, and nothing else;
    /// [`verify`](crate::verify) does.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if let Some(Withdrawn { reason, .. }) = withdrawn(path)? {
            return Err(Error::Withdrawn { path: path.to_owned(), reason });
        }
        let (manifest, digest) = Manifest::read(&path.join(MANIFEST))?;
        let mut snapshot = Self { path: path.to_owned(), digest, manifest, photos: Vec::new() };
        snapshot.photos = columns::read_photos(&snapshot.table(PHOTOS)?)?;
        Ok(snapshot)
    }

    /// The first 12 hex digits of the manifest's digest.
    pub fn id(&self) -> String {
        self.digest.short()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the snapshot is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The kept photos, sorted by identity and row.
    pub fn photos(&self) -> &[KeptPhoto] {
        &self.photos
    }

    /// Each person on the side `split` with the kept photos: the indices into [`photos`](Self::photos).
    pub fn identities(&self, split: Split) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
        let mut from = 0;
        self.photos.chunk_by(|a, b| a.identity == b.identity).filter_map(move |photos| {
            let range = from..from + photos.len();
            from = range.end;
            (photos[0].split == split).then_some((photos[0].identity.as_str(), range))
        })
    }

    /// The dropped photos.
    pub fn dropped(&self) -> Result<Vec<Dropped>, Error> {
        columns::read_dropped(&self.table(DROPPED)?)
    }

    /// What was measured of the photos, kept and dropped; empty for snapshots of format 1, which do not hold it.
    pub fn measurements(&self) -> Result<Vec<MeasurementRow>, Error> {
        match self.manifest.file(MEASUREMENTS) {
            Some(_) => measurement::read(&self.table(MEASUREMENTS)?),
            None => Ok(Vec::new()),
        }
    }

    /// Refuses a snapshot of format 1, which does not say what was measured.
    ///
    /// # Errors
    /// [`Error::WithoutMeasurements`].
    pub fn require_measurements(&self) -> Result<(), Error> {
        let found = self.manifest.file(MEASUREMENTS).map(drop);
        found.ok_or_else(|| Error::WithoutMeasurements { path: self.path.clone() })
    }

    /// When the photos came.
    pub fn fetches(&self) -> Result<Vec<FetchRow>, Error> {
        columns::read_fetches(&Table::open(&self.path.join(FETCHES))?)
    }

    /// Opens the shard with the tensors of `photo`.
    ///
    /// # Errors
    /// Where it cannot be read, or its images have another size than the manifest says.
    pub fn shard(&self, photo: &KeptPhoto) -> Result<Shard, Error> {
        let path = self.path.join(&photo.shard);
        let shard = Shard::open(&path)?;
        let (found, asked) = (shard.size_px(), self.manifest.spec.size_px);
        if found != asked as usize {
            let what = format!("its images have {found} px, the manifest says {asked}");
            return Err(Error::Shard { path, what });
        }
        Ok(shard)
    }

    /// Its name and place.
    pub fn reference(&self) -> SnapshotRef {
        SnapshotRef {
            id: self.id(),
            name: self.manifest.spec.name.clone(),
            path: self.path.clone(),
            counts: self.manifest.counts.clone(),
        }
    }

    /// A table whose bytes are those that the manifest lists.
    fn table(&self, name: &str) -> Result<Table, Error> {
        let path = self.path.join(name);
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let (_, digest) = files::digest_of(&file).map_err(Error::io("read", &path))?;
        if self.manifest.file(name).is_none_or(|entry| entry.sha256 != digest) {
            return Err(Error::Changed { path });
        }
        Table::open(&path)
    }
}
