//! How often a probe is right.

use candle_core::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::loss::size;
use super::network::PoseProbe;
use super::source::ProbeBatch;
use crate::body::Pose;
use crate::diffusion::scheduler::{NoiseSchedule, Prediction};
use crate::diffusion::unet::{Conditioning, UNet};
use crate::error::Result;
use crate::parameters::normals;

/// A joint is right within this share of the person's size: about the width of a head.
const TOLERANCE: f32 = 0.1;

/// The share of visible joints of `poses` whose place in `found` `[n, 17, 2]` is right (PCK@0.1); `None` where none is
/// visible.
///
/// # Errors
/// Where `found` has another shape.
pub fn pck(found: &Tensor, poses: &[Pose]) -> Result<Option<f64>> {
    let found: Vec<Vec<Vec<f32>>> = found.to_vec3()?;
    let (mut right, mut seen) = (0usize, 0usize);
    for (places, pose) in found.iter().zip(poses) {
        let tolerance = TOLERANCE * size(pose);
        for (place, joint) in places.iter().zip(&pose.joints).filter(|(_, joint)| joint[2] > 0.0) {
            let distance = (place[0] - joint[0]).hypot(place[1] - joint[1]);
            right += usize::from(distance <= tolerance);
            seen += 1;
        }
    }
    Ok((seen > 0).then(|| right as f64 / seen as f64))
}

/// Where in the noise a probe is judged: ᾱ from almost clean to beyond where L_id's gate is by default.
pub const LEVELS: [f64; 5] = [0.95, 0.8, 0.65, 0.5, 0.3];

/// PCK on what the base makes of noisy latents, by level: on x̂₀, as L_id sees it.
///
/// # Errors
/// Where a shape does not fit.
pub fn pck_of_estimates(
    probe: &PoseProbe,
    base: &Base<'_>,
    batch: &ProbeBatch,
    text: &Tensor,
) -> Result<Vec<(f64, Option<f64>)>> {
    let noise = normals(&mut ChaCha8Rng::seed_from_u64(0), batch.latents.elem_count(), 0.0, 1.0);
    let noise = Tensor::from_vec(noise, batch.latents.shape(), batch.latents.device())?;
    let level = |&alpha: &f64| {
        let clean = estimate(base, &batch.latents, &noise, text, alpha)?;
        Ok((alpha, pck(&probe.joints(&clean)?.detach(), &batch.poses)?))
    };
    LEVELS.iter().map(level).collect()
}

/// What the base takes noisy latents for, where ᾱ is at most `alpha`.
fn estimate(base: &Base<'_>, latents: &Tensor, noise: &Tensor, text: &Tensor, alpha: f64) -> Result<Tensor> {
    // ᾱ falls with the timestep.
    let timestep = base.schedule.alphas_cumprod().partition_point(|&of| of > alpha);
    let timesteps = vec![timestep.min(base.schedule.len() - 1); latents.dim(0)?];
    let noisy = base.schedule.add_noise(latents, noise, &timesteps)?;
    let at: Vec<f64> = timesteps.iter().map(|&timestep| timestep as f64).collect();
    let output = base.unet.forward(&noisy, &at, &Conditioning::text(text.clone()))?;
    Ok(base.schedule.predict_x0(&output, &noisy, &timesteps, base.prediction)?.detach())
}

/// A frozen base, for estimates of x₀.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// Its network.
    pub unet: &'a UNet,
    /// Its noise.
    pub schedule: &'a NoiseSchedule,
    /// What it predicts.
    pub prediction: Prediction,
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use photo::joints::JOINT_COUNT;

    #[test]
    fn a_joint_is_right_within_a_tenth_of_the_person() -> Result<()> {
        let mut pose = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        pose.joints[0] = [0.5, 0.2, 1.0];
        pose.joints[16] = [0.5, 0.7, 1.0];
        let mut found = vec![0.0f32; 2 * JOINT_COUNT];
        found[0..2].copy_from_slice(&[0.5, 0.24]);
        found[32..34].copy_from_slice(&[0.56, 0.7]);
        let found = Tensor::from_vec(found, (1, JOINT_COUNT, 2), &Device::Cpu)?;
        assert_eq!(pck(&found, &[pose])?, Some(0.5));
        let nobody = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        assert_eq!(pck(&found, &[nobody])?, None);
        Ok(())
    }
}
