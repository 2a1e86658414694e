//! Pictures in their order, made on all threads while the ones before are written.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use photo::Digest;
use rayon::prelude::*;

use super::error::ExportError;
use super::picture::{self, Picture};
use super::sample::{self, Sample};
use super::spec::PixelSource;
use crate::error::Error;
use crate::files;
use crate::row::KeptPhoto;
use crate::shard::Pixels;
use crate::snapshot::Snapshot;

/// A batch is made while one waits and one is written. Four photos a thread keep all threads busy although
/// photos differ in size; the bytes bound what three batches hold where photos are large.
const BATCH_PHOTOS_PER_THREAD: usize = 4;
const BATCH_BYTES: u64 = 64 << 20;

/// Where pictures come from.
pub(super) struct Source<'a> {
    pub snapshot: &'a Snapshot,
    pub original: &'a (dyn Fn(Digest) -> PathBuf + Sync),
    pub pixels: PixelSource,
}

impl<'a> Source<'a> {
    /// Whether every photo is there, or the snapshot has such tensors, asked before the first is written.
    pub fn check(&self) -> Result<(), ExportError> {
        let photos = self.snapshot.photos();
        if let Some(pixels) = self.tensor() {
            return photos.first().map_or(Ok(()), |photo| self.planes(photo, pixels).map(drop));
        }
        let is_missing = |sha256: &Digest| !(self.original)(*sha256).is_file();
        let missing: Vec<Digest> = photos.iter().map(|photo| photo.facts.sha256).filter(is_missing).collect();
        match missing.first() {
            None => Ok(()),
            Some(&first) => {
                Err(ExportError::MissingPhotos { missing: missing.len(), photos: photos.len(), first })
            }
        }
    }

    pub fn sample(&self, i: usize) -> Sample<'a> {
        Sample::new(&self.snapshot.photos()[i], self.pixels, self.snapshot.manifest().spec.size_px)
    }

    pub fn split(&self, i: usize) -> &'static str {
        sample::side(&self.snapshot.photos()[i])
    }

    /// Hands the pictures of `photos` to `sink`, one after the other in this order.
    pub fn pictures(
        &self,
        photos: &[usize],
        mut sink: impl FnMut(Sample<'a>, Picture) -> Result<(), ExportError> + Send,
    ) -> Result<(), ExportError> {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel::<(&[usize], Vec<_>)>(1);
            let writer = scope.spawn(move || {
                for (batch, made) in receiver {
                    for (&i, picture) in batch.iter().zip(made) {
                        sink(self.sample(i), picture?)?;
                    }
                }
                Ok(())
            });
            let mut rest = photos;
            while !rest.is_empty() {
                let (batch, after) = rest.split_at(self.batch(rest));
                let made: Vec<_> = batch.par_iter().map(|&i| self.picture(i)).collect();
                if sender.send((batch, made)).is_err() {
                    break; // the writer has failed, and says why
                }
                rest = after;
            }
            drop(sender);
            writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// How many of the photos make a batch: one at least.
    fn batch(&self, photos: &[usize]) -> usize {
        let most = BATCH_PHOTOS_PER_THREAD * rayon::current_num_threads();
        let mut bytes = 0;
        let fits = |&&i: &&usize| {
            bytes += self.bytes(i);
            bytes <= BATCH_BYTES
        };
        photos.iter().take(most).take_while(fits).count().max(1)
    }

    /// Compares the shards with the manifest: a pixel that changed on the disk would leave with a digest of its own.
    pub(super) fn check_shards(&self) -> Result<(), Error> {
        let shards: BTreeSet<&str> =
            self.snapshot.photos().iter().map(|photo| photo.shard.as_str()).collect();
        shards.into_iter().collect::<Vec<_>>().into_par_iter().try_for_each(|shard| {
            let found = files::entry(self.snapshot.path(), shard)?;
            match self.snapshot.manifest().file(shard) {
                Some(listed) if *listed == found => Ok(()),
                _ => Err(Error::Changed { path: self.snapshot.path().join(shard) }),
            }
        })
    }

    fn bytes(&self, i: usize) -> u64 {
        match self.pixels {
            PixelSource::Photo => {
                // Where it is gone since, reading it says so.
                fs::metadata((self.original)(self.snapshot.photos()[i].facts.sha256))
                    .map_or(0, |found| found.len())
            }
            PixelSource::Image | PixelSource::Weighted => {
                3 * u64::from(self.snapshot.manifest().spec.size_px).pow(2)
            }
        }
    }

    fn picture(&self, i: usize) -> Result<Picture, ExportError> {
        let photo = &self.snapshot.photos()[i];
        let sha256 = photo.facts.sha256;
        let Some(pixels) = self.tensor() else {
            return picture::of_file(&(self.original)(sha256), sha256);
        };
        let (planes, size_px) = self.planes(photo, pixels)?;
        picture::of_planes(&planes, size_px).map_err(|cause| ExportError::Picture { sha256, cause })
    }

    /// The tensor that leaves; `None` where photos do.
    fn tensor(&self) -> Option<Pixels> {
        match self.pixels {
            PixelSource::Photo => None,
            PixelSource::Image => Some(Pixels::Image),
            PixelSource::Weighted => Some(Pixels::Weighted),
        }
    }

    /// A photo's tensor and its side in px.
    fn planes(&self, photo: &KeptPhoto, pixels: Pixels) -> Result<(Vec<u8>, u32), ExportError> {
        let shard = self.snapshot.shard(photo)?;
        let size_px = shard.size_px();
        let mut planes = vec![0; 3 * size_px.pow(2)];
        shard.read_pixels(pixels, photo.row as usize, &mut planes)?;
        Ok((planes, size_px as u32))
    }
}
