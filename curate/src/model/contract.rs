//! What a role demands of the input and output of its models.

use photo::joints::JOINT_COUNT;

use super::tensor::Normalisation;
use crate::role::Role;

/// Channels of a YOLO head before the joints: cx, cy, width, height, score.
pub const BOX_CHANNELS: usize = 5;
/// Channels of a pose head: a box and 17 × (x, y, confidence).
pub const POSE_CHANNELS: usize = BOX_CHANNELS + 3 * JOINT_COUNT;

/// What a role demands of its models. The input always is `[n, 3, height, width]` of f32.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// The role.
    pub role: Role,
    /// The output as `models.toml` writes it.
    pub output: &'static str,
    /// The output's dimensions after the batch; `None`: any length.
    pub output_dimensions: &'static [Option<usize>],
    /// Joints per cell, where the output is the head of a YOLO detector, which may be split.
    pub head_joints: Option<usize>,
    /// Width and height in px of the input, where neither the file nor the user says: those of the published
    /// models.
    pub usual_input_px: [u32; 2],
    /// Width and height in px that the input must have.
    pub fixed_input_px: Option<[u32; 2]>,
    /// The normalisation of the published models.
    pub usual_normalisation: Normalisation,
    /// How often a model runs for one photo.
    pub inferences_per_photo: usize,
}

/// Whether found dimensions (−1: open) allow those of a contract (`None`: any length).
pub(super) fn fits(found: &[i64], contract: &[Option<usize>]) -> bool {
    found.len() == contract.len()
        && found.iter().zip(contract).all(|(&found, &wanted)| match wanted {
            Some(wanted) => found < 0 || found == wanted as i64,
            None => true,
        })
}

/// Dimensions as a person writes them: `[n,3,640,640]`, an open one as `?`.
pub(super) fn shown(dimensions: &[i64]) -> String {
    let shown = dimensions.iter().map(|&length| if length < 0 { "?".to_owned() } else { length.to_string() });
    format!("[{}]", shown.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_dimensions_fit_and_wrong_ones_do_not() {
        let people = [None, Some(56), None];
        assert!(fits(&[-1, 56, 8400], &people) && fits(&[1, -1, -1], &people));
        assert!(!fits(&[-1, 5, 8400], &people) && !fits(&[-1, 56], &people));
        assert_eq!(shown(&[-1, 56, 8400]), "[?,56,8400]");
    }
}
