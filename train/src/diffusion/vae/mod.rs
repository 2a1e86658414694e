//! The image autoencoder of Stable Diffusion (diffusers' `AutoencoderKL`, arXiv:2112.10752): images in [−1,
//! 1] to latents and back. Differentiable.

mod blocks;
mod decoder;
mod encoder;
mod tiling;

use super::json::Settings;
use super::layers::Conv2d;
use super::weights::Weights;
use crate::error::Result;
use candle_core::{Device, Tensor};
use decoder::Decoder;
use encoder::Encoder;

/// The most resolutions: each halves the sides, and no picture can be halved more often. Published models have four.
const MOST_RESOLUTIONS: usize = 16;

/// The most residual blocks of one resolution; published models have two. Each is looked up in the file of
/// weights, and a stranger's configuration must not keep the program at that for ever.
const MOST_LAYERS: usize = 1000;

/// What `vae/config.json` says.
#[derive(Clone, Debug)]
pub struct VaeConfig {
    /// Channels of the image.
    pub in_channels: usize,
    /// Channels of the decoded image.
    pub out_channels: usize,
    /// Channels of the latent.
    pub latent_channels: usize,
    /// Channels at each resolution, from the image inwards.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks per resolution on the way in; one more on the way out.
    pub layers_per_block: usize,
    /// Groups of every group normalisation.
    pub norm_num_groups: usize,
    /// Side in pixels the model was trained at; tiles have this side.
    pub sample_size: usize,
    /// Factor between the encoder's latents and those the UNet works on.
    pub scaling_factor: f64,
    /// Subtracted before scaling; 0 in Stable Diffusion 1 to XL.
    pub shift_factor: f64,
    use_quant_conv: bool,
    use_post_quant_conv: bool,
    mid_block_add_attention: bool,
}

impl VaeConfig {
    /// From `config.json`; the defaults are those of the class.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        settings.choice("_class_name", &[("AutoencoderKL", ())])?;
        settings.choice("act_fn", &[("silu", ())])?;
        for (key, kind) in
            [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")]
        {
            if settings.or::<Vec<String>>(key, Vec::new())?.iter().any(|k| k != kind) {
                return Err(settings.unsupported(key, format!("supported: {kind}")));
            }
        }
        for key in ["latents_mean", "latents_std"] {
            if settings.value(key).is_some() {
                return Err(settings.unsupported(key, "supported: null"));
            }
        }
        let block_out_channels: Vec<usize> = settings.required("block_out_channels")?;
        let norm_num_groups = settings.or("norm_num_groups", 32)?;
        if norm_num_groups == 0
            || !(1..=MOST_RESOLUTIONS).contains(&block_out_channels.len())
            || block_out_channels.iter().any(|c| *c == 0 || c % norm_num_groups != 0)
        {
            return Err(settings.unsupported(
                "block_out_channels",
                format!(
                    "needs one width per resolution, {MOST_RESOLUTIONS} at most, each a multiple of \
                     norm_num_groups = {norm_num_groups}"
                ),
            ));
        }
        let layers_per_block = settings.or("layers_per_block", 1)?;
        if layers_per_block > MOST_LAYERS {
            return Err(settings.unsupported("layers_per_block", format!("take at most {MOST_LAYERS}")));
        }
        let sample_size = match settings.value("sample_size") {
            Some(serde_json::Value::Array(sides)) => sides.first().and_then(serde_json::Value::as_u64),
            Some(side) => side.as_u64(),
            None => Some(32),
        };
        Ok(Self {
            in_channels: settings.or("in_channels", 3)?,
            out_channels: settings.or("out_channels", 3)?,
            latent_channels: settings.or("latent_channels", 4)?,
            layers_per_block,
            norm_num_groups,
            sample_size: sample_size.ok_or_else(|| settings.unsupported("sample_size", "a side in pixels"))?
                as usize,
            scaling_factor: settings.or("scaling_factor", 0.18215)?,
            shift_factor: settings.or("shift_factor", 0.0)?,
            use_quant_conv: settings.or("use_quant_conv", true)?,
            use_post_quant_conv: settings.or("use_post_quant_conv", true)?,
            mid_block_add_attention: settings.or("mid_block_add_attention", true)?,
            block_out_channels,
        })
    }

    /// Pixels per latent cell, along one side.
    pub fn downscale(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }
}

/// Encoder and decoder between images `[n, 3, h, w]` in [−1, 1] and latents `[n, 4, h/8, w/8]`.
#[derive(Debug)]
pub struct AutoencoderKl {
    config: VaeConfig,
    encoder: Encoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    decoder: Decoder,
}

impl AutoencoderKl {
    /// Takes the model's tensors; the caller asks [`Weights::finish`] whether all fitted.
    pub fn load(weights: &Weights, config: VaeConfig) -> Result<Self> {
        let conv = |on: bool, name: &str, c: usize| {
            if on { Conv2d::load_1x1(&weights.pp(name), c, c).map(Some) } else { Ok(None) }
        };
        Ok(Self {
            encoder: Encoder::load(&weights.pp("encoder"), &config)?,
            quant_conv: conv(config.use_quant_conv, "quant_conv", 2 * config.latent_channels)?,
            post_quant_conv: conv(config.use_post_quant_conv, "post_quant_conv", config.latent_channels)?,
            decoder: Decoder::load(&weights.pp("decoder"), &config)?,
            config,
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// The device that its weights are on.
    pub fn device(&self) -> &Device {
        self.decoder.device()
    }

    /// The distribution of latents of images `[n, 3, h, w]` in [−1, 1]; the sides are multiples of
    /// [`VaeConfig::downscale`].
    pub fn encode(&self, image: &Tensor) -> Result<LatentDistribution> {
        LatentDistribution::from_moments(&self.moments(image)?)
    }

    /// Images in about [−1, 1] of latents as the encoder gives them (not scaled).
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        match &self.post_quant_conv {
            Some(conv) => self.decoder.forward(&conv.forward(latent)?),
            None => self.decoder.forward(latent),
        }
    }

    /// Like [`encode`](Self::encode), in overlapping tiles where the image is larger than the side the model
    /// was trained at.
    pub fn encode_tiled(&self, image: &Tensor) -> Result<LatentDistribution> {
        let tiles = self.tiles(self.config.sample_size, self.latent_tile());
        LatentDistribution::from_moments(&tiles.run(image, |tile| self.moments(tile))?)
    }

    /// Like [`decode`](Self::decode), in overlapping tiles where the latent is larger than a tile: memory
    /// stays that of one tile.
    ///
    /// Tiles blend as in diffusers' `tiled_decode`. A tile sees nothing beyond its edge, so the result
    /// differs slightly from [`decode`](Self::decode).
    pub fn decode_tiled(&self, latent: &Tensor) -> Result<Tensor> {
        self.tiles(self.latent_tile(), self.config.sample_size).run(latent, |tile| self.decode(tile))
    }

    /// Latents of the encoder → latents the UNet works on.
    pub fn scale(&self, latent: &Tensor) -> Result<Tensor> {
        Ok(((latent - self.config.shift_factor)? * self.config.scaling_factor)?)
    }

    /// Latents the UNet works on → latents the decoder takes.
    pub fn unscale(&self, latent: &Tensor) -> Result<Tensor> {
        Ok(((latent / self.config.scaling_factor)? + self.config.shift_factor)?)
    }

    fn moments(&self, image: &Tensor) -> Result<Tensor> {
        let moments = self.encoder.forward(image)?;
        match &self.quant_conv {
            Some(conv) => conv.forward(&moments),
            None => Ok(moments),
        }
    }

    fn latent_tile(&self) -> usize {
        (self.config.sample_size / self.config.downscale()).max(1)
    }

    fn tiles(&self, from: usize, to: usize) -> tiling::Tiles {
        tiling::Tiles { from, to }
    }
}

/// A diagonal normal distribution over latents, `[n, 4, h, w]` each.
#[derive(Clone, Debug)]
pub struct LatentDistribution {
    /// Means.
    pub mean: Tensor,
    /// Logarithms of the variances, within [−30, 20].
    pub logvar: Tensor,
}

impl LatentDistribution {
    /// `moments` holds means and log-variances side by side in the channels.
    fn from_moments(moments: &Tensor) -> Result<Self> {
        let channels = moments.dim(1)? / 2;
        let mean = moments.narrow(1, 0, channels)?.contiguous()?;
        let logvar = moments.narrow(1, channels, channels)?.contiguous()?.clamp(-30f32, 20f32)?;
        Ok(Self { mean, logvar })
    }

    /// The latent at `noise` standard deviations (standard normal, of the mean's shape).
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        Ok((&self.mean + ((&self.logvar * 0.5)?.exp()? * noise)?)?)
    }
}
