//! Where joints really are: each place of a view estimates how far its joints were moved.
//!
//! In training, joints are moved at random (`augment.move_joints`) and the encoder says from the pixels by
//! how much (denoising, Vincent et al. 2008). A detector errs as much one way as the other, so the best
//! estimate is not where it put a joint but where the joint is: limbs are measured by their pixels. Of
//! synthetic people it is known where joints are; they are held against that.
//!
//! Bodies are measured between the joints as they are estimated: with the true joints of eight views, ridge
//! regression reads limbs' lengths with R² 0.88, with joints half as wrong as a detector's 0.65, with a
//! detector's 0.44.

use candle_core::{D, DType, Tensor};
use candle_nn::VarBuilder;

use super::pose::{POOLS, Pose};
use super::strips::{self, Axes, FACE, LIMB_ENDS, TORSO};
use crate::error::Result;
use crate::grad;
use crate::layers::Linear;

/// The unit of offsets in shares of the framed square: as far as detectors err.
const UNIT: f32 = 0.02;

/// Reads offsets from tokens.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    joints: Linear,
    limbs: Linear,
    torso: Linear,
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

/// Estimates of a view: each joint, both ends of each limb, four joints of the torso, five of the head.
const ESTIMATES: usize = (POOLS - 1) + 2 * LIMB_ENDS.len() + TORSO.len() + FACE.len();

impl Offsets {
    pub fn new(width: usize, builder: &VarBuilder) -> Result<Self> {
        let linear = |joints: usize, name: &str| Linear::small(width, 2 * joints, &builder.pp(name));
        Ok(Self {
            joints: linear(1, "joints")?,
            limbs: linear(2, "limbs")?,
            torso: linear(TORSO.len(), "trunk")?,
            head: linear(FACE.len(), "head")?,
        })
    }

    /// Of `tokens` `[n, TOKENS, width]`: `[n, ESTIMATES, 2]`, those of strips in the strip's axes.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let count = tokens.dim(0)?;
        let (strips, torso) = (POOLS, POOLS + LIMB_ENDS.len());
        let maps = [
            (0..POOLS - 1, self.joints.parameters()),
            (strips..torso, self.limbs.parameters()),
            (torso..torso + 1, self.torso.parameters()),
            (torso + 1..torso + 2, self.head.parameters()),
        ];
        Ok(grad::linear_of_spans(tokens, &maps)?.reshape((count, ESTIMATES, 2))?)
    }
}

/// The joints that estimates are of, in their order: each joint's own, then those of each strip.
fn places() -> impl Iterator<Item = (usize, Option<usize>)> {
    let limbs = LIMB_ENDS.iter().map(|&(from, to)| vec![from, to]);
    let strips = limbs.chain([TORSO.to_vec(), FACE.to_vec()]).enumerate();
    let of_strips =
        strips.flat_map(|(strip, joints)| joints.into_iter().map(move |joint| (joint, Some(strip))));
    (0..POOLS - 1).map(|joint| (joint, None)).chain(of_strips)
}

/// The poses `seen` with each joint where `estimates` `[n, ESTIMATES, 2]` say that it is: the mean of those
/// that are of it. No gradient comes back this way, and a GPU is waited for once a step.
pub(super) fn refined(seen: &[Pose], estimates: &Tensor) -> Result<Vec<Pose>> {
    let estimates: Vec<f32> = estimates.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let views = seen.iter().zip(estimates.chunks_exact(2 * ESTIMATES));
    Ok(views.map(|(pose, estimates)| refine(pose, estimates)).collect())
}

/// One pose with its joints moved by `estimates`, two numbers each.
fn refine(pose: &Pose, estimates: &[f32]) -> Pose {
    let (axes, confidences) = (strips::axes(pose), strips::confidences(pose));
    let mut sums = [[0.0_f32; 3]; POOLS - 1];
    for ((joint, strip), estimate) in places().zip(estimates.chunks_exact(2)) {
        let [along, across] = strip.map_or([[1.0, 0.0], [0.0, 1.0]], |strip| axes[strip]);
        if strip.is_none_or(|strip| confidences[strip] > 0.0) {
            let offset = |axis: usize| estimate[0] * along[axis] + estimate[1] * across[axis];
            let sum = &mut sums[joint];
            *sum = [sum[0] + offset(0), sum[1] + offset(1), sum[2] + 1.0];
        }
    }
    let mut joints = pose.joints;
    for (joint, [x, y, count]) in joints.iter_mut().zip(sums) {
        if joint[2] > 0.0 && count > 0.0 {
            *joint = [joint[0] + UNIT * x / count, joint[1] + UNIT * y / count, joint[2]];
        }
    }
    Pose { joints }
}

impl Moved {
    /// Of views that are seen with the joints `seen` and have them at `actual` (where they were reported, or
    /// where they are known to be), both framed alike.
    pub fn new(seen: &[Pose], actual: &[Pose], device: &candle_core::Device) -> Result<Self> {
        let mut wanted = Vec::with_capacity(seen.len() * ESTIMATES * 2);
        let mut known = Vec::with_capacity(seen.len() * ESTIMATES);
        for (seen, actual) in seen.iter().zip(actual) {
            let (axes, confidences) = (strips::axes(seen), strips::confidences(seen));
            for (joint, strip) in places() {
                let is_there = strip.is_none_or(|strip| confidences[strip] > 0.0);
                let axes: Axes = strip.map_or([[1.0, 0.0], [0.0, 1.0]], |strip| axes[strip]);
                let (a, b) = (&seen.joints[joint], &actual.joints[joint]);
                let is_known = is_there && a[2] > 0.0 && b[2] > 0.0;
                let offset = [0, 1].map(|axis| if is_known { (b[axis] - a[axis]) / UNIT } else { 0.0 });
                wanted.extend(axes.map(|axis| axis[0] * offset[0] + axis[1] * offset[1]));
                known.push(f32::from(u8::from(is_known)));
            }
        }
        Ok(Self {
            wanted: Tensor::from_vec(wanted, (seen.len(), ESTIMATES, 2), device)?,
            known: Tensor::from_vec(known, (seen.len(), ESTIMATES), device)?,
        })
    }

    /// The offsets, f32 `[n, estimates, 2]` in fiftieths of the framed square; 0 where unknown.
    pub fn wanted(&self) -> &Tensor {
        &self.wanted
    }

    /// The mean error of `estimates` by Charbonnier's loss: squares would follow the few joints that a
    /// detector puts on the wrong leg.
    pub(super) fn error(&self, estimates: &Tensor) -> Result<Tensor> {
        // √(1 + e²) − 1: the square near 0, the distance far from it (Charbonnier).
        let error = (((estimates - &self.wanted)?.sqr()?.sum(D::Minus1)? + 1.0)?.sqrt()? - 1.0)?;
        let count = (self.known.sum_all()? + 1e-6)?;
        Ok((error * &self.known)?.sum_all()?.div(&count)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use photo::joints::{JOINT_COUNT, MIRRORED};

    /// Someone whose left elbow is seen 0.01 of the view too far to the right and 0.02 too high.
    fn seen_and_reported() -> (Pose, Pose) {
        let mut reported = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        for (joint, [x, y]) in [(5, [0.6, 0.3]), (6, [0.4, 0.3]), (7, [0.68, 0.42]), (9, [0.7, 0.5])] {
            reported.joints[joint] = [x, y, 0.9];
        }
        let mut seen = reported;
        seen.joints[7] = [0.69, 0.40, 0.9];
        (seen, reported)
    }

    fn mirrored(pose: &Pose) -> Pose {
        let mut joints = [[0.0; 3]; JOINT_COUNT];
        for (index, [x, y, confidence]) in pose.joints.into_iter().enumerate() {
            if confidence > 0.0 {
                joints[MIRRORED[index]] = [1.0 - x, y, confidence];
            }
        }
        Pose { joints }
    }

    fn moved(seen: &Pose, reported: &Pose) -> (Vec<Vec<f32>>, Vec<f32>) {
        let moved = Moved::new(&[*seen], &[*reported], &Device::Cpu).unwrap();
        (
            moved.wanted.squeeze(0).unwrap().to_vec2().unwrap(),
            moved.known.squeeze(0).unwrap().to_vec1().unwrap(),
        )
    }

    /// The estimates of a limb's two ends.
    fn of_limb(limb: usize) -> std::ops::Range<usize> {
        let start = POOLS - 1 + 2 * limb;
        start..start + 2
    }

    #[test]
    fn an_offset_leads_from_where_a_joint_is_seen_to_where_it_was_reported() {
        let (seen, reported) = seen_and_reported();
        let (wanted, known) = moved(&seen, &reported);
        assert!((wanted[7][0] + 0.5).abs() < 1e-4 && (wanted[7][1] - 1.0).abs() < 1e-4, "{:?}", wanted[7]);
        assert_eq!(wanted[5], [0.0, 0.0]);
        assert_eq!((known[7], known[5], known[0]), (1.0, 1.0, 0.0));
    }

    #[test]
    fn both_sides_of_a_mirrored_view_ask_their_strips_for_the_same() {
        let (seen, reported) = seen_and_reported();
        let (wanted, known) = moved(&seen, &reported);
        let (of_mirrored, known_mirrored) = moved(&mirrored(&seen), &mirrored(&reported));
        // Upper arms are limbs 0 and 1, forearms 2 and 3.
        for (left, right) in [(0, 1), (2, 3)] {
            assert_eq!(known[of_limb(left)], known_mirrored[of_limb(right)]);
            assert!(known[of_limb(left)].iter().all(|&known| known == 1.0));
            for (a, b) in wanted[of_limb(left)].iter().zip(&of_mirrored[of_limb(right)]) {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
            }
        }
        // Along the arm and across it, as long as it is.
        let length = |offset: &[f32]| offset.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((length(&wanted[of_limb(0)][1]) - length(&wanted[7])).abs() < 1e-4);
    }

    #[test]
    fn a_strip_that_is_not_there_is_asked_for_nothing() {
        let (mut seen, reported) = seen_and_reported();
        seen.joints[9] = [0.0; 3];
        let (_, known) = moved(&seen, &reported);
        assert_eq!(known[of_limb(2)], [0.0, 0.0], "no wrist, no forearm, though its elbow is there");
        assert_eq!(known[of_limb(0)], [1.0, 1.0]);
    }

    #[test]
    fn the_right_estimates_bring_joints_to_where_they_are_and_leave_hidden_ones() {
        let (seen, reported) = seen_and_reported();
        let moved = Moved::new(&[seen], &[reported], &Device::Cpu).unwrap();
        let refined = refined(&[seen], &moved.wanted).unwrap();
        for (found, wanted) in refined[0].joints.iter().zip(reported.joints) {
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {wanted:?}");
        }
        assert_eq!(refined[0].joints[0], [0.0; 3]);
    }

    #[test]
    fn a_right_estimate_has_no_error_and_none_at_all_has_that_of_the_offset() {
        let (seen, reported) = seen_and_reported();
        let moved = Moved::new(&[seen], &[reported], &Device::Cpu).unwrap();
        let error = |estimates: &Tensor| moved.error(estimates).unwrap().to_scalar::<f32>().unwrap();
        assert!(error(&moved.wanted) < 1e-6);
        assert!(error(&moved.wanted.zeros_like().unwrap()) > 0.01);
    }
}
