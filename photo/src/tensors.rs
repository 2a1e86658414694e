//! Which tensors of its photos a dataset holds.

use serde::{Deserialize, Serialize};

/// The image tensors of a prepared photo. Each takes 3 MB at 1024 px.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tensors {
    /// The photo alone: enough for a LoRA, and for the layouts of other tools.
    Image,
    /// The photo weighted by the Gaussians around its joints alone: enough to encode bodies.
    Weighted,
    /// Both, which trainings of the body-VAE and the adapter need.
    #[default]
    Both,
}

impl Tensors {
    /// Whether nothing is left out.
    pub fn is_both(&self) -> bool {
        *self == Self::Both
    }

    /// Whether the photo is among them.
    pub fn has_image(self) -> bool {
        self != Self::Weighted
    }

    /// Whether the weighted photo is among them.
    pub fn has_weighted(self) -> bool {
        self != Self::Image
    }
}
