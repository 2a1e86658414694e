//! Latents to heat maps to joints.

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use photo::joints::JOINT_COUNT;
use photo::range::{OutOfRange, check};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::grad;
use crate::layers::{Conv, GROUPS, NormConv, Residual};

/// Side of the grid that the heat maps are on. Larger latents are folded to it by space-to-depth.
const GRID: usize = 16;

/// The shape of a pose probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Channels of its features.
    pub channels: usize,
    /// Residual blocks; each looks two cells further in every direction.
    pub blocks: usize,
    /// Channels of the latents. Set by the base.
    pub latent_channels: usize,
    /// Side of the latents in cells. Set by the base.
    pub latent_side: usize,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        // Five blocks have a receptive field of 23 cells, more than the grid's 16: every cell sees the whole
        // person.
        Self { channels: 64, blocks: 5, latent_channels: 4, latent_side: 16 }
    }
}

impl ProbeConfig {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// Naming the key.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let grouped = self.channels > 0 && self.channels.is_multiple_of(GROUPS);
        check("model.channels", &self.channels, grouped, "a multiple of 8")?;
        check("model.blocks", &self.blocks, (1..=64).contains(&self.blocks), "1 to 64")
    }
}

/// The network.
#[derive(Clone, Debug)]
pub struct PoseProbe {
    config: ProbeConfig,
    first: Conv,
    blocks: Vec<Residual>,
    heat: NormConv,
}

impl PoseProbe {
    /// The network with the parameters of `builder`.
    ///
    /// # Errors
    /// Where the latents' side is no multiple of 16, or a parameter has another shape.
    pub fn new(config: &ProbeConfig, builder: &VarBuilder) -> Result<Self> {
        let side = config.latent_side;
        if side == 0 || !side.is_multiple_of(GRID) {
            return Err(Error::Config {
                file: "pose probe".to_owned(),
                key: "latent_side".to_owned(),
                value: side.to_string(),
                hint: format!("a multiple of {GRID}: take pictures of another size"),
            });
        }
        let channels = config.channels;
        let inputs = config.latent_channels * (side / GRID).pow(2);
        let block = |index: usize| Residual::new(channels, &builder.pp("blocks").pp(index));
        Ok(Self {
            first: Conv::new(inputs, channels, 3, &builder.pp("first"))?,
            blocks: (0..config.blocks).map(block).collect::<Result<_>>()?,
            heat: NormConv::new(channels, JOINT_COUNT, &builder.pp("heat"))?,
            config: config.clone(),
        })
    }

    /// Its shape.
    pub fn config(&self) -> &ProbeConfig {
        &self.config
    }

    /// Logits of the heat maps of latents `[n, c, side, side]`, `[n, 17, 256]`.
    pub fn heat_maps(&self, latents: &Tensor) -> Result<Tensor> {
        let (side, channels) = (self.config.latent_side, self.config.latent_channels);
        let n = match latents.dims4() {
            Ok((n, c, h, w)) if (c, h, w) == (channels, side, side) => n,
            _ => {
                return Err(Error::Shape {
                    op: "pose probe",
                    tensor: "latents".to_owned(),
                    found: latents.shape().clone(),
                    expected: format!("[n, {channels}, {side}, {side}]"),
                });
            }
        };
        let factor = side / GRID;
        let folded = if factor == 1 {
            latents.clone()
        } else {
            let split = latents.reshape(&[n, channels, GRID, factor, GRID, factor][..])?;
            split.permute([0, 1, 3, 5, 2, 4])?.contiguous()?.reshape((
                n,
                channels * factor * factor,
                GRID,
                GRID,
            ))?
        };
        let mut x = self.first.forward(&folded)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        Ok(self.heat.forward(&x)?.reshape((n, JOINT_COUNT, GRID * GRID))?)
    }

    /// Joints in shares of the picture, `[n, 17, 2]`: the mean place under each heat map (soft-argmax). Differentiable.
    pub fn joints(&self, latents: &Tensor) -> Result<Tensor> {
        places(&self.heat_maps(latents)?)
    }
}

/// The mean place under heat maps `[n, 17, 256]` of logits.
pub(super) fn places(logits: &Tensor) -> Result<Tensor> {
    let probabilities = grad::softmax(logits)?;
    let centre = |cell: usize| (cell as f32 + 0.5) / GRID as f32;
    let centres: Vec<f32> =
        (0..GRID * GRID).flat_map(|cell| [centre(cell % GRID), centre(cell / GRID)]).collect();
    let centres = Tensor::from_vec(centres, (GRID * GRID, 2), logits.device())?;
    let (n, joints, cells) = probabilities.dims3()?;
    Ok(probabilities.reshape((n * joints, cells))?.matmul(&centres)?.reshape((n, joints, 2))?)
}

/// Heat maps of poses, each with sum 1, `[n, 17, 256]`; zeros for joints that are not visible. Places outside count as
/// not visible.
pub(super) fn targets(poses: &[crate::body::Pose]) -> (Vec<f32>, Vec<f32>) {
    /// Deviation in cells: what can be told of a joint on this grid.
    const SIGMA_CELLS: f32 = 0.8;
    let mut maps = vec![0.0; poses.len() * JOINT_COUNT * GRID * GRID];
    let mut weights = vec![0.0; poses.len() * JOINT_COUNT];
    let joints = poses.iter().flat_map(|pose| &pose.joints);
    for ((map, weight), joint) in maps.chunks_exact_mut(GRID * GRID).zip(&mut weights).zip(joints) {
        let inside = |value: f32| (0.0..=1.0).contains(&value);
        if joint[2] <= 0.0 || !inside(joint[0]) || !inside(joint[1]) {
            continue;
        }
        *weight = joint[2];
        let place = [0, 1].map(|axis| joint[axis] * GRID as f32 - 0.5);
        for (cell, value) in map.iter_mut().enumerate() {
            let (dx, dy) = ((cell % GRID) as f32 - place[0], (cell / GRID) as f32 - place[1]);
            *value = (-(dx * dx + dy * dy) / (2.0 * SIGMA_CELLS * SIGMA_CELLS)).exp();
        }
        let sum: f32 = map.iter().sum();
        map.iter_mut().for_each(|value| *value /= sum);
    }
    (maps, weights)
}

/// log of the probabilities under `logits`, over the last dimension.
pub(super) fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let max = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&max)?;
    let sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(shifted.broadcast_sub(&sum)?)
}
