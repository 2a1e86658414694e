//! A step's plan to the tensors of its batch.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snapshot::Pixels;

use super::augment::{AugmentSettings, Change};
use super::reader::{ViewError, ViewReader};
use super::sampler::StepPlan;
use crate::body::{BodyBatch, BodyVaeConfig, Framing, Pose, Sets, Target, Views};
use crate::error::Result;
use crate::parameters::normals;

/// A batch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A view could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Its tensors could not be made.
    #[error("cannot make the tensors of a batch")]
    Tensor(#[from] crate::Error),
}

/// Of how many people one is drawn by the decoder in a step.
const DRAWN_OF: usize = 2;

/// Reads and changes the views of a step.
pub fn body_batch(
    reader: &ViewReader,
    decoded: &ViewReader,
    plan: &StepPlan,
    config: &BodyVaeConfig,
    augment: &AugmentSettings,
    device: &Device,
) -> Result<BodyBatch, BatchError> {
    let photos: Vec<usize> = plan.rows.iter().flat_map(|row| row.views.iter().copied()).collect();
    let rng = |stream: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(stream as u64);
        rng
    };
    // Stream 0 is for the noise, the others are for the views.
    let changes: Vec<Change> =
        (0..photos.len()).map(|view| Change::draw(augment, &mut rng(1 + view))).collect();
    let seen = |rows: &[usize], changes: &[&Change]| -> Vec<Pose> {
        reader.poses(rows).iter().zip(changes).map(|(pose, change)| change.pose(pose)).collect()
    };
    let all: Vec<&Change> = changes.iter().collect();
    let poses = seen(&photos, &all);
    let framings: Vec<Framing> =
        poses.iter().zip(&all).map(|(pose, change)| change.framing(Framing::of(pose))).collect();
    let weighted = reader.read(&photos, Pixels::Weighted)?;

    let per_row = plan.rows.first().map_or(0, |row| row.views.len());
    // Drawing costs as much as encoding several views, and every second person is enough to learn it.
    let drawn = || plan.rows.iter().enumerate().step_by(DRAWN_OF);
    let targets: Vec<usize> = drawn().map(|(index, row)| index * per_row + row.target).collect();
    let rows: Vec<usize> = targets.iter().map(|&view| photos[view]).collect();
    let chosen: Vec<&Change> = targets.iter().map(|&view| &changes[view]).collect();
    let target_poses = seen(&rows, &chosen);
    let target_framings: Vec<Framing> =
        chosen.iter().map(|change| change.framing(Framing::whole())).collect();
    let pictures = decoded.read(&rows, Pixels::Image)?;

    let sides: Vec<Vec<usize>> = plan.rows.iter().map(|row| row.sides.clone()).collect();
    // Two sets a person: the posterior of the set that the target is not in.
    let from: Vec<u32> = drawn().map(|(index, row)| (2 * index + 1 - row.sides[row.target]) as u32).collect();
    let count = targets.len();
    let tensors = || -> Result<BodyBatch> {
        let noise = normals(&mut rng(0), count * config.latent, 0.0, 1.0);
        let views = Views::framed(&weighted, reader.side(), &poses, &framings, device)?;
        Ok(BodyBatch {
            sets: Sets::new(&views.poses, &sides, 2, plan.alone, device)?,
            views,
            target: Target::new(&pictures, decoded.side(), &target_poses, &target_framings, from, device)?,
            noise: Tensor::from_vec(noise, (count, config.latent), device)?,
            photos: photos.clone(),
        })
    };
    Ok(tensors()?)
}
