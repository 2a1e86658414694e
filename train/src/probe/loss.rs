//! What the probe is fitted to, and the distance that L_id asks for.

use candle_core::{D, Tensor};
use photo::joints::JOINT_COUNT;

use super::network::{PoseProbe, log_softmax, places, targets};
use crate::body::Pose;
use crate::error::Result;

/// The least size of a person that distances are taken over, in shares of the picture: of a single visible joint there
/// is none.
const LEAST_SIZE: f32 = 0.1;

/// The loss of the probe on `latents` of pictures in `poses`: the cross-entropy of its heat maps, over the visible
/// joints, and [`joint_loss`] of their mean places.
pub fn probe_loss(probe: &PoseProbe, latents: &Tensor, poses: &[Pose]) -> Result<(Tensor, Tensor)> {
    let logits = probe.heat_maps(latents)?;
    let (maps, weights) = targets(poses);
    let total = weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    let maps = Tensor::from_vec(maps, logits.shape(), logits.device())?;
    let weights = Tensor::from_vec(weights, (poses.len(), JOINT_COUNT), logits.device())?;
    let entropies = (log_softmax(&logits)? * maps)?.sum(D::Minus1)?.neg()?;
    let heat = ((entropies * weights)?.sum_all()? / f64::from(total))?;
    Ok((heat, joint_loss(&places(&logits)?, poses)?))
}

/// `Σ c·‖p̂ − p‖² / Σ c` over the visible joints of all poses, distances over the size of each person: `found`
/// `[n, 17, 2]` in shares of the picture. 0 where no joint is visible.
pub fn joint_loss(found: &Tensor, poses: &[Pose]) -> Result<Tensor> {
    let (mut asked, mut weights, mut total) = (Vec::new(), Vec::new(), 0.0);
    for pose in poses {
        let size = size(pose);
        for joint in &pose.joints {
            asked.extend([joint[0], joint[1]]);
            // A joint outside of the picture is no place on a heat map.
            let inside = joint[..2].iter().all(|value| (0.0..=1.0).contains(value));
            let confidence = if inside { joint[2].max(0.0) } else { 0.0 };
            weights.push(confidence / (size * size));
            total += confidence;
        }
    }
    let asked = Tensor::from_vec(asked, found.shape(), found.device())?;
    let weights = Tensor::from_vec(weights, (poses.len(), JOINT_COUNT), found.device())?;
    let squares = (found - asked)?.sqr()?.sum(D::Minus1)?;
    Ok(((squares * weights)?.sum_all()? / f64::from(total.max(f32::MIN_POSITIVE)))?)
}

/// The longer side of the box around the visible joints, in shares of the picture.
pub(super) fn size(pose: &Pose) -> f32 {
    let visible = || pose.joints.iter().filter(|joint| joint[2] > 0.0);
    let extent = |axis: usize| {
        let low = visible().map(|joint| joint[axis]).fold(f32::INFINITY, f32::min);
        let high = visible().map(|joint| joint[axis]).fold(f32::NEG_INFINITY, f32::max);
        high - low
    };
    extent(0).max(extent(1)).max(LEAST_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn only_visible_joints_count_and_distances_are_over_the_person() -> Result<()> {
        let mut pose = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        pose.joints[0] = [0.5, 0.25, 1.0];
        pose.joints[16] = [0.5, 0.75, 0.5];
        let mut found = vec![0.9f32; 2 * JOINT_COUNT];
        found[0..2].copy_from_slice(&[0.6, 0.25]);
        found[32..34].copy_from_slice(&[0.5, 0.75]);
        let found = Tensor::from_vec(found, (1, JOINT_COUNT, 2), &Device::Cpu)?;
        // The person is half the picture tall: one joint of weight 1 is off by 0.1 / 0.5, one of 0.5 by nothing.
        let loss = joint_loss(&found, &[pose])?.to_scalar::<f32>()?;
        assert!((loss - 0.04 / 1.5).abs() < 1e-6, "{loss}");
        Ok(())
    }
}
