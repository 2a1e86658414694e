//! A step's plan to the tensors of its batch.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snapshot::Pixels;

use super::augment::{AugmentSettings, Change};
use super::measures::Measures;
use super::reader::{ViewError, ViewReader};
use super::sampler::StepPlan;
use crate::body::{BodyBatch, BodyVaeConfig, Framing, Moved, Pose, Sets, Target, Views};
use crate::error::{Error, Result};
use crate::parameters::normals;

/// A batch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A view could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Its tensors could not be made.
    #[error("cannot make the tensors of a batch")]
    Tensor(#[from] Error),
}

/// What batches are made of.
#[derive(Clone, Copy, Debug)]
pub struct BatchSource<'a> {
    /// Reads the views that are encoded.
    pub encoded: ViewReader<'a>,
    /// Reads the views that are drawn by the decoder.
    pub decoded: ViewReader<'a>,
    /// Where the joints of each photo of the snapshot really are, in shares of it, where that is known.
    pub true_poses: Option<&'a [Pose]>,
    /// The people's bodies, where they are known.
    pub measures: Option<&'a Measures>,
    /// The shape of the model.
    pub config: &'a BodyVaeConfig,
    /// How views are changed.
    pub augment: &'a AugmentSettings,
    /// Where the tensors are made.
    pub device: &'a Device,
}

impl BatchSource<'_> {
    /// Reads and changes the views of a step.
    pub fn batch(&self, plan: &StepPlan) -> Result<BodyBatch, BatchError> {
        let photos: Vec<usize> = plan.rows.iter().flat_map(|row| row.views.iter().copied()).collect();
        let rng = |stream: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
            rng.set_stream(stream as u64);
            rng
        };
        // Stream 0 is for the noise, the others are for the views.
        let changes: Vec<Change> =
            (0..photos.len()).map(|view| Change::draw(self.augment, &mut rng(1 + view))).collect();
        let reported = self.encoded.poses(&photos);
        let poses: Vec<Pose> =
            reported.iter().zip(&changes).map(|(pose, change)| change.pose(pose)).collect();
        let framings: Vec<Framing> =
            poses.iter().zip(&changes).map(|(pose, change)| change.framing(Framing::of(pose))).collect();
        let weighted = self.encoded.read(&photos, Pixels::Weighted)?;

        let per_row = plan.rows.first().map_or(0, |row| row.views.len());
        let drawn = || plan.rows.iter().enumerate().filter(|(_, row)| row.is_drawn);
        let targets: Vec<usize> = drawn().map(|(index, row)| index * per_row + row.target).collect();
        let rows: Vec<usize> = targets.iter().map(|&view| photos[view]).collect();
        let target_framings: Vec<Framing> =
            targets.iter().map(|&view| changes[view].framing_drawn(Framing::whole())).collect();
        let target_poses: Vec<Pose> = targets.iter().map(|&view| reported[view]).collect();
        let pictures = self.decoded.read(&rows, Pixels::Image)?;

        let sides: Vec<Vec<usize>> = plan.rows.iter().map(|row| row.sides.clone()).collect();
        // Two sets a person: the posterior of the set that the target is not in.
        let from: Vec<u32> =
            drawn().map(|(index, row)| (2 * index + 1 - row.sides[row.target]) as u32).collect();
        let (device, latent) = (self.device, self.config.latent);
        let noise = normals(&mut rng(0), targets.len() * latent, 0.0, 1.0);
        let noise = Tensor::from_vec(noise, (targets.len(), latent), device).map_err(Error::from)?;
        let views = Views::framed(&weighted, self.encoded.side(), &poses, &framings, device)?;
        let actual = self.true_poses.map_or_else(
            || reported.clone(),
            |true_poses| photos.iter().map(|&photo| true_poses[photo]).collect(),
        );
        let actual: Vec<Pose> =
            framings.iter().zip(&actual).map(|(framing, pose)| framing.pose(pose)).collect();
        let side = self.decoded.side();
        Ok(BodyBatch {
            sets: Sets::new(&views.poses, &sides, 2, plan.alone, device)?,
            moved: Moved::new(&views.poses, &actual, device)?,
            views,
            target: Target::new(&pictures, side, &target_poses, &target_framings, from, self.config, device)?,
            measures: self.measures_of(plan)?,
            noise,
            photos,
        })
    }

    fn measures_of(&self, plan: &StepPlan) -> Result<Option<Tensor>> {
        let Some(measures) = self.measures else { return Ok(None) };
        let of_row = |person: usize| measures.of_people[person].iter().copied();
        let values: Vec<f32> = plan.rows.iter().flat_map(|row| of_row(row.person)).collect();
        let people = plan.rows.len();
        let count = values.len() / people.max(1);
        Ok(Some(Tensor::from_vec(values, (people, count), self.device)?))
    }
}
