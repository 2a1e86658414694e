//! The shape of a body-VAE.

use serde::{Deserialize, Serialize};

use crate::layers::GROUPS;
use photo::range::{OutOfRange, check};

/// Side of the grid that features are computed on. `view_px` is folded into it by space-to-depth, so
/// that larger views cost a wider first layer and nothing else.
pub const GRID: usize = 16;

/// Side of the grid that pictures are drawn on, and unfolded from.
pub const DRAWN_GRID: usize = 32;

/// The shape of a body-VAE; stored as `config.json` beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BodyVaeConfig {
    /// Width of c_body.
    pub latent: usize,
    /// Side in px at which views are read: a multiple of 32 from 32 to 1024.
    pub view_px: usize,
    /// σ of the pooling around joints and of the reconstruction's weight, in px of a view of 1024.
    pub sigma_px: f32,
    /// Channels of the features.
    pub channels: usize,
    /// Residual blocks of convolutions that make them.
    pub blocks: usize,
    /// Width of what is read from a strip along a limb, before it becomes a token.
    pub strip_width: usize,
    /// Width of a token: one per joint and strip, one for the whole body, one for the pose.
    pub width: usize,
    /// Heads of every attention.
    pub heads: usize,
    /// Attention layers among the tokens of one view.
    pub view_layers: usize,
    /// Attention layers of the pose tokens over the tokens of all views.
    pub set_layers: usize,
    /// Channels of the decoder on the grids of 16 and 32.
    pub decoder_channels: [usize; 2],
    /// Side in px of reconstructions, a multiple of 32.
    pub decoded_px: usize,
    /// Whether the decoder is told the colours of the view that it is to draw (see
    /// [`Palette`](super::palette::Palette)), as it is told its joints.
    pub palette: bool,
    /// The measures of bodies that are read from c_body by a linear layer, by name. They are fitted
    /// where they are known: of synthetic people. Empty: none.
    pub measures: Vec<String>,
}

impl Default for BodyVaeConfig {
    fn default() -> Self {
        Self {
            latent: 756,    // paper, 4.2
            view_px: 128,   // a body of 100 px: a waist is 16 px wide and differs by 3 between people
            sigma_px: 64.0, // as the snapshot's own weighting (`prepare.sigma_px`)
            channels: 64,
            blocks: 1, // each sees two cells (an arm's length) farther
            strip_width: 192,
            width: 128,
            heads: 4,
            view_layers: 1,
            set_layers: 2, // with one, a token cannot compare what it has gathered
            decoder_channels: [64, 32],
            decoded_px: 128,
            palette: false,
            measures: Vec::new(),
        }
    }
}

impl BodyVaeConfig {
    /// Checks the values against their ranges.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        const FOLDED: &str = "a multiple of 32 from 32 to 1024";
        let is_folded = |px: usize| px.is_multiple_of(DRAWN_GRID) && (DRAWN_GRID..=1024).contains(&px);
        let is_grouped = |channels: &usize| *channels > 0 && channels.is_multiple_of(GROUPS);
        let sigma = self.sigma_px;
        let is_shared = self.heads > 0 && self.width > 0 && self.width.is_multiple_of(self.heads);
        let decoder = self.decoder_channels;
        check("model.view_px", &self.view_px, is_folded(self.view_px), FOLDED)?;
        check("model.decoded_px", &self.decoded_px, is_folded(self.decoded_px), FOLDED)?;
        check("model.latent", &self.latent, (1..=1 << 16).contains(&self.latent), "1 to 65536")?;
        check("model.sigma_px", &sigma, sigma.is_finite() && sigma >= 1.0, "at least 1")?;
        check("model.width", &self.width, is_shared, "a multiple of `model.heads`")?;
        check("model.channels", &self.channels, is_grouped(&self.channels), "a multiple of 8")?;
        let decoder_is_grouped = decoder.iter().all(is_grouped);
        check("model.decoder_channels", &format!("{decoder:?}"), decoder_is_grouped, "multiples of 8")?;
        check("model.strip_width", &self.strip_width, self.strip_width > 0, "at least 1")?;
        check("model.set_layers", &self.set_layers, self.set_layers > 0, "at least 1")
    }

    /// Channels of a view after space-to-depth.
    pub fn folded_channels(&self) -> usize {
        3 * (self.view_px / GRID).pow(2)
    }
}
