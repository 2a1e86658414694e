//! Pooled features, strips and joints of a view to tokens.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::{Init, ZERO};

use super::config::BodyVaeConfig;
use super::pose::{POOLS, POSE_FEATURES};
use super::strips;
use crate::error::Result;
use crate::grad;
use crate::layers::{LayerNorm, Linear};

/// Tokens of a view: one per pool, one per strip, and the pose.
pub(super) const TOKENS: usize = POOLS + strips::STRIPS + 1;

/// The kinds of limbs: upper arms, forearms, thighs, shins.
const LIMB_KINDS: usize = strips::LIMB_ENDS.len() / 2;

/// Makes the tokens of views.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    norm: LayerNorm,
    /// A linear map of its own for each pool: a hip is read otherwise than a nose. `[POOLS, in, width]`.
    weight: Tensor,
    /// One for each kind of limb, left and right alike.
    limbs: Vec<TwoLayers>,
    torso: TwoLayers,
    head: TwoLayers,
    /// `[1, TOKENS, width]`.
    place: Tensor,
    pose_wide: Linear,
    pose: Linear,
    joints: Linear,
}

impl Tokens {
    pub fn new(config: &BodyVaeConfig, builder: &VarBuilder) -> Result<Self> {
        let (inputs, width) = (config.channels, config.width);
        let init = Init::Randn { mean: 0.0, stdev: (1.0 / inputs as f64).sqrt() };
        let wide = 2 * width;
        let strip = |inputs: usize, name: &str| {
            TwoLayers::new([inputs, config.strip_width, width], &builder.pp(name))
        };
        Ok(Self {
            norm: LayerNorm::new(inputs, &builder.pp("norm"))?,
            weight: builder.get_with_hints((POOLS, inputs, width), "weight", init)?,
            limbs: (0..LIMB_KINDS)
                .map(|kind| strip(strips::LIMB_VALUES, &format!("limbs.{kind}")))
                .collect::<Result<_>>()?,
            torso: strip(strips::TORSO_VALUES, "trunk")?,
            head: strip(strips::HEAD_VALUES, "head")?,
            place: builder.get_with_hints((1, TOKENS, width), "place", ZERO)?,
            pose_wide: Linear::new(POSE_FEATURES, wide, &builder.pp("pose_wide"))?,
            pose: Linear::new(wide, width, &builder.pp("pose"))?,
            joints: Linear::new(wide, width, &builder.pp("joints"))?,
        })
    }

    /// `features` `[n, POOLS, channels]`, `strips` as [`Views`](super::views::Views) has them, `pose` `[n,
    /// POSE_FEATURES]`; the result is `[n, TOKENS, width]`.
    pub fn forward(&self, features: &Tensor, strips: &[Tensor], pose: &Tensor) -> Result<Tensor> {
        // What all people have in common is most of every feature; without the normalisation, training
        // stays for thousands of steps where it began.
        let features = self.norm.forward(features)?;
        let mut seen = vec![grad::linear_by_place(&features, &self.weight)?];
        let kinds = self.limbs.iter().chain([&self.torso, &self.head]);
        for (layers, strips) in kinds.zip(strips) {
            seen.push(layers.forward(strips)?);
        }
        let hidden = grad::gelu(&self.pose_wide.forward(pose)?)?;
        seen.push(self.pose.forward(&hidden)?.unsqueeze(1)?);
        // Every place but the pose's own is read in the light of the whole pose.
        let seen: Vec<&Tensor> = seen.iter().collect();
        grad::assemble(&seen, &self.joints.forward(&hidden)?, &self.place)
    }
}

/// Two linear maps with GELU between them.
#[derive(Clone, Debug)]
struct TwoLayers {
    first: Linear,
    second: Linear,
}

impl TwoLayers {
    fn new([inputs, hidden, outputs]: [usize; 3], builder: &VarBuilder) -> Result<Self> {
        Ok(Self {
            first: Linear::new(inputs, hidden, &builder.pp("first"))?,
            second: Linear::new(hidden, outputs, &builder.pp("second"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.second.forward(&grad::gelu(&self.first.forward(x)?)?)
    }
}
