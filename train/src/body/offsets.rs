//! Where joints really are: each place of a view estimates how far its joints were moved.
//!
//! In training, joints are moved at random (`augment.move_joints`) and the encoder says from the pixels by
//! how much (denoising, Vincent et al. 2008). A detector errs as much one way as the other, so the best
//! estimate is not where it put a joint but where the joint is: limbs are measured by their pixels.

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;

use super::layers::Linear;
use super::pose::{POOLS, Pose};
use super::strips::{self, Axes, LIMBS};
use crate::error::Result;

/// The unit of offsets in shares of the view: as far as detectors err.
const UNIT: f32 = 0.02;

/// Joints of the trunk's strip.
const TRUNK: [usize; 4] = [5, 6, 11, 12];
/// Joints of the head's strip.
const HEAD: [usize; 5] = [0, 1, 2, 3, 4];

/// Reads offsets from tokens.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    joints: Linear,
    limbs: Linear,
    trunk: Linear,
    head: Linear,
}

/// What the estimates are held against, in their order.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Offsets in units of detectors' errors, f32 `[n, ESTIMATES, 2]`.
    wanted: Tensor,
    /// 1 for those that are known, f32 `[n, ESTIMATES]`.
    known: Tensor,
}

/// Estimates of a view: each joint, both ends of each limb, four joints of the trunk, five of the head.
const ESTIMATES: usize = (POOLS - 1) + 2 * LIMBS.len() + TRUNK.len() + HEAD.len();

impl Offsets {
    pub fn new(width: usize, builder: &VarBuilder) -> Result<Self> {
        let linear = |joints: usize, name: &str| Linear::small(width, 2 * joints, &builder.pp(name));
        Ok(Self {
            joints: linear(1, "joints")?,
            limbs: linear(2, "limbs")?,
            trunk: linear(TRUNK.len(), "trunk")?,
            head: linear(HEAD.len(), "head")?,
        })
    }

    /// Of `tokens` `[n, TOKENS, width]`: `[n, ESTIMATES, 2]`, those of strips in the strip's axes.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let count = tokens.dim(0)?;
        let read = |from: usize, places: usize, layer: &Linear| -> Result<Tensor> {
            let tokens = tokens.narrow(1, from, places)?.contiguous()?;
            Ok(layer.forward(&tokens)?.reshape((count, (), 2))?)
        };
        let parts = [
            read(0, POOLS - 1, &self.joints)?,
            read(POOLS, LIMBS.len(), &self.limbs)?,
            read(POOLS + LIMBS.len(), 1, &self.trunk)?,
            read(POOLS + LIMBS.len() + 1, 1, &self.head)?,
        ];
        Ok(Tensor::cat(&parts, 1)?)
    }
}

impl Moved {
    /// Of views that are seen with the joints `seen` and were reported with `reported`, both framed
    /// alike.
    pub fn new(seen: &[Pose], reported: &[Pose], device: &candle_core::Device) -> Result<Self> {
        let mut wanted = Vec::with_capacity(seen.len() * ESTIMATES * 2);
        let mut known = Vec::with_capacity(seen.len() * ESTIMATES);
        for (seen, reported) in seen.iter().zip(reported) {
            let mut push = |joint: usize, axes: &Axes| {
                let (a, b) = (&seen.joints[joint], &reported.joints[joint]);
                let is_known = a[2] > 0.0 && b[2] > 0.0;
                let offset = [0, 1].map(|axis| if is_known { (b[axis] - a[axis]) / UNIT } else { 0.0 });
                wanted.extend(axes.map(|axis| axis[0] * offset[0] + axis[1] * offset[1]));
                known.push(f32::from(u8::from(is_known)));
            };
            (0..POOLS - 1).for_each(|joint| push(joint, &[[1.0, 0.0], [0.0, 1.0]]));
            let axes = strips::axes(seen);
            for ((from, to), axes) in LIMBS.into_iter().zip(&axes) {
                push(from, axes);
                push(to, axes);
            }
            TRUNK.into_iter().for_each(|joint| push(joint, &axes[LIMBS.len()]));
            HEAD.into_iter().for_each(|joint| push(joint, &axes[LIMBS.len() + 1]));
        }
        Ok(Self {
            wanted: Tensor::from_vec(wanted, (seen.len(), ESTIMATES, 2), device)?,
            known: Tensor::from_vec(known, (seen.len(), ESTIMATES), device)?,
        })
    }

    /// The mean error of `estimates`, by Huber's loss: now and then a detector takes one leg for the
    /// other.
    pub(super) fn error(&self, estimates: &Tensor) -> Result<Tensor> {
        // √(1 + e²) − 1: the square near 0, the distance far from it (Charbonnier).
        let error = (((estimates - &self.wanted)?.sqr()?.sum(D::Minus1)? + 1.0)?.sqrt()? - 1.0)?;
        let count = (self.known.sum_all()? + 1e-6)?;
        Ok((error * &self.known)?.sum_all()?.div(&count)?)
    }
}
