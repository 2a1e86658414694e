//! Seeded, shuffled batches of groups of views, read from a snapshot.

use std::path::PathBuf;

use photo::Split;
use photo::joints::JOINT_COUNT;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use snapshot::{Pixels, Snapshot};

use crate::schedule::{self, GroupPlan};

/// What a batch is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// People in a batch, at least 1; fewer when the epoch runs out of people.
    pub identities_per_batch: usize,
    /// Views of each person, at least 2. Someone with fewer gives a smaller group of all views; someone with fewer than
    /// 2 is left out, for a single view has nothing to be compared with ([`Batches::left_out`] names them).
    pub views_per_identity: usize,
    /// The side of the dataset.
    pub split: Split,
    /// Another seed, another order.
    pub seed: u64,
}

/// A place in the endless sequence of batches: what to keep in a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How often the whole split has been seen.
    pub epoch: u64,
    /// How many batches of this epoch have been seen.
    pub step: usize,
}

/// One batch: groups of views, each of another person.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Where in the sequence it stands.
    pub position: Position,
    /// The groups.
    pub groups: Vec<Group>,
}

/// `k` distinct views of one person, one after the other in each tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The person, `site/slug`.
    pub identity: String,
    /// The views, as indices into [`Snapshot::photos`]: captions, sources and scores are there.
    pub photos: Vec<usize>,
    /// Side of the images in pixels.
    pub size_px: usize,
    /// The photos, u8 `[k, 3, size, size]`, RGB.
    pub image: Vec<u8>,
    /// The photos weighted by the Gaussians around their joints, u8 `[k, 3, size, size]`.
    pub weighted: Vec<u8>,
    /// x and y in pixels of the image, and the confidence: f32 `[k, 17, 3]`.
    pub joints: Vec<f32>,
    /// The vectors s of paper section 4.2, f32 `[k, 17]`: 0 where a joint is not visible.
    pub confidence: Vec<f32>,
}

/// A batch could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A setting makes no sense.
    #[error("`{setting}` is {value}, at least {least} is needed")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What it is.
        value: usize,
        /// What would do.
        least: usize,
    },
    /// There is nobody to train on.
    #[error("snapshot {snapshot}: nobody of the {split} split has 2 photos or more; it has {people} people", split = .split.name(), snapshot = .snapshot.display())]
    Empty {
        /// The snapshot's folder.
        snapshot: PathBuf,
        /// The side.
        split: Split,
        /// Its people.
        people: usize,
    },
    /// A shard could not be read.
    #[error("snapshot {snapshot}, shard {shard}: {source}", snapshot = .snapshot.display())]
    Shard {
        /// The snapshot's folder.
        snapshot: PathBuf,
        /// The shard, relative to it.
        shard: String,
        /// Why not.
        source: snapshot::Error,
    },
}

/// The batches of a snapshot, epoch after epoch, without an end.
///
/// The order depends on the seed and the epoch, and on nothing else: neither on threads nor on where a run was
/// interrupted. Tensors are read when their batch is asked for; only one batch is in memory.
#[derive(Debug)]
pub struct Batches<'a> {
    snapshot: &'a Snapshot,
    settings: BatchSettings,
    /// For each person, where their photos begin in the snapshot's rows, and how many there are.
    people: Vec<(usize, usize)>,
    left_out: Vec<&'a str>,
    next: Position,
    /// The batches of the epoch of `next`.
    plan: Vec<Vec<GroupPlan>>,
}

impl<'a> Batches<'a> {
    /// The batches from the beginning.
    pub fn new(snapshot: &'a Snapshot, settings: BatchSettings) -> Result<Self, BatchError> {
        Self::at(snapshot, settings, Position::default())
    }

    /// The batches from `position` on: what [`position`](Self::position) gave, with the same snapshot and settings, goes
    /// on as if there had been no interruption.
    pub fn at(
        snapshot: &'a Snapshot,
        settings: BatchSettings,
        position: Position,
    ) -> Result<Self, BatchError> {
        let BatchSettings { identities_per_batch, views_per_identity, split, .. } = settings;
        let limits = [
            ("identities_per_batch", identities_per_batch, 1),
            ("views_per_identity", views_per_identity, 2),
        ];
        if let Some((setting, value, least)) = limits.into_iter().find(|(_, value, least)| value < least) {
            return Err(BatchError::Setting { setting, value, least });
        }
        let (mut people, mut left_out) = (Vec::new(), Vec::new());
        for (identity, photos) in snapshot.identities(split) {
            if photos.len() < 2 {
                left_out.push(identity);
            } else {
                people.push((photos.start, photos.len()));
            }
        }
        if people.is_empty() {
            let snapshot = snapshot.path().to_owned();
            return Err(BatchError::Empty { snapshot, split, people: left_out.len() });
        }
        let mut batches = Self { snapshot, settings, people, left_out, next: position, plan: Vec::new() };
        batches.plan = batches.plan_of(position.epoch);
        batches.carry();
        Ok(batches)
    }

    /// Where the next batch stands.
    pub fn position(&self) -> Position {
        self.next
    }

    /// How many batches an epoch has: every one has as many.
    pub fn batches_per_epoch(&self) -> usize {
        self.plan.len()
    }

    /// The people of the split with fewer than 2 photos, who are in no batch.
    pub fn left_out(&self) -> &[&'a str] {
        &self.left_out
    }

    fn plan_of(&self, epoch: u64) -> Vec<Vec<GroupPlan>> {
        let views: Vec<usize> = self.people.iter().map(|&(_, count)| count).collect();
        let BatchSettings { identities_per_batch, views_per_identity, seed, .. } = self.settings;
        schedule::epoch(&views, views_per_identity, identities_per_batch, seed, epoch)
    }

    /// Goes on to the next epoch where this one is over.
    fn carry(&mut self) {
        if self.next.step >= self.plan.len() {
            self.next = Position { epoch: self.next.epoch + 1, step: 0 };
            self.plan = self.plan_of(self.next.epoch);
        }
    }

    fn read(&self, plan: &GroupPlan) -> Result<Group, BatchError> {
        let (first, _) = self.people[plan.identity];
        let photos: Vec<usize> = plan.views.iter().map(|view| first + view).collect();
        let photo = &self.snapshot.photos()[first];
        self.read_views(photo, photos).map_err(|source| BatchError::Shard {
            snapshot: self.snapshot.path().to_owned(),
            shard: photo.shard.clone(),
            source,
        })
    }

    /// Reads views of the person of `photo`: they share a shard.
    fn read_views(&self, photo: &snapshot::Photo, photos: Vec<usize>) -> Result<Group, snapshot::Error> {
        let shard = self.snapshot.shard(photo)?;
        let size_px = shard.size_px();
        let pixels = 3 * size_px * size_px;
        let mut group = Group {
            identity: photo.identity.clone(),
            size_px,
            image: vec![0; photos.len() * pixels],
            weighted: vec![0; photos.len() * pixels],
            joints: Vec::with_capacity(photos.len() * JOINT_COUNT * 3),
            confidence: Vec::with_capacity(photos.len() * JOINT_COUNT),
            photos,
        };
        let images = group.image.chunks_exact_mut(pixels).zip(group.weighted.chunks_exact_mut(pixels));
        for (&index, (image, weighted)) in group.photos.iter().zip(images) {
            let row = self.snapshot.photos()[index].row as usize;
            shard.read_pixels(Pixels::Image, row, image)?;
            shard.read_pixels(Pixels::Weighted, row, weighted)?;
            let joints = shard.read_joints(row)?;
            group.joints.extend(joints.0.into_iter().flat_map(<[f32; 3]>::from));
            group.confidence.extend(joints.confidences());
        }
        Ok(group)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, BatchError>;

    /// Reads the next batch; there always is one. After an error, the same batch is tried again.
    fn next(&mut self) -> Option<Self::Item> {
        let groups = self.plan[self.next.step].par_iter().map(|plan| self.read(plan)).collect();
        Some(match groups {
            Ok(groups) => {
                let batch = Batch { position: self.next, groups };
                self.next.step += 1;
                self.carry();
                Ok(batch)
            }
            Err(error) => Err(error),
        })
    }
}
