//! Pictures under an adapter, from fixed noise.

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::model::{Adapter, Lambdas};
use crate::cache::CachedText;
use crate::diffusion::sampling::Sampling;
use crate::diffusion::scheduler::SchedulerConfig;
use crate::diffusion::unet::{Added, UNet};
use crate::diffusion::vae::AutoencoderKl;
use crate::error::Result;
use crate::parameters::normals;
use crate::report::Picture;

/// A base with what it needs to draw.
#[derive(Debug)]
pub struct Studio<'a> {
    /// The base.
    pub unet: &'a UNet,
    /// Its autoencoder.
    pub vae: &'a AutoencoderKl,
    /// Its schedule.
    pub scheduler: &'a SchedulerConfig,
    /// Text states of the empty prompt.
    pub no_text: &'a CachedText,
    /// Side of the pictures in px.
    pub size_px: usize,
    /// How latents are sampled.
    pub sampling: Sampling,
}

/// One picture to be drawn.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Text states of the prompt.
    pub text: CachedText,
    /// c_body; `None` is the null condition.
    pub c_body: Option<Vec<f32>>,
    /// What the noise follows from.
    pub seed: u64,
}

impl Studio<'_> {
    /// The pictures of `shots` at once, without a reference, the body's stream at `lambda_body`. The noise of a shot
    /// follows from its seed alone, so that shots of one seed can be compared.
    ///
    /// # Errors
    /// Where a shape does not fit.
    pub fn draw(&self, adapter: &Adapter, shots: &[Shot], lambda_body: f64) -> Result<Vec<Picture>> {
        let device = &Device::Cpu;
        let side = self.size_px / self.vae.config().downscale();
        let channels = self.unet.config().in_channels;
        let count = channels * side * side;
        let noise: Vec<f32> = shots
            .iter()
            .flat_map(|shot| normals(&mut ChaCha8Rng::seed_from_u64(shot.seed), count, 0.0, 1.0))
            .collect();
        let noise = Tensor::from_vec(noise, (shots.len(), channels, side, side), device)?;
        let texts: Vec<&CachedText> = shots.iter().map(|shot| &shot.text).collect();
        let width = adapter.body.embed_dim();
        let bodies: Vec<f32> =
            shots.iter().flat_map(|shot| shot.c_body.clone().unwrap_or_else(|| vec![0.0; width])).collect();
        let bodies = Tensor::from_vec(bodies, (shots.len(), width), device)?;
        let lambdas = Lambdas { reference: 0.0, body: lambda_body };
        let conditioning = |texts: &[&CachedText], bodies: &Tensor| {
            let states: Vec<&Tensor> = texts.iter().map(|text| &text.states).collect();
            let image = Tensor::zeros((shots.len(), adapter.reference.embed_dim()), DType::F32, device)?;
            let mut conditioning =
                adapter.conditioning(&Tensor::stack(&states, 0)?, &image, bodies, lambdas)?;
            conditioning.added = self.added(texts)?;
            Ok::<_, crate::Error>(conditioning)
        };
        let conditional = conditioning(&texts, &bodies)?;
        let unconditional = conditioning(&vec![self.no_text; shots.len()], &bodies.zeros_like()?)?;
        let latents = self.sampling.run(self.unet, self.scheduler, &noise, &conditional, &unconditional)?;
        let mut pictures = Vec::with_capacity(shots.len());
        for row in 0..shots.len() {
            let one = latents.narrow(0, row, 1)?.contiguous()?;
            let planes = self.vae.decode_tiled(&self.vae.unscale(&one)?)?.squeeze(0)?;
            let planes = planes.affine(127.5, 127.5)?.clamp(0.0, 255.0)?.round()?.to_dtype(DType::U8)?;
            let planes: Vec<u8> = planes.flatten_all()?.to_vec1()?;
            pictures.push(Picture::from_planes(&planes, self.size_px, ""));
        }
        Ok(pictures)
    }

    /// SDXL's conditions: pooled texts, and a picture of this size that was not cut.
    fn added(&self, texts: &[&CachedText]) -> Result<Option<Added>> {
        let pooled: Vec<&Tensor> = texts.iter().filter_map(|text| text.pooled.as_ref()).collect();
        if pooled.is_empty() {
            return Ok(None);
        }
        let size = self.size_px as f32;
        let ids: Vec<f32> = texts.iter().flat_map(|_| [size, size, 0.0, 0.0, size, size]).collect();
        let text_embeds = Tensor::stack(&pooled, 0)?;
        let time_ids = Tensor::from_vec(ids, (texts.len(), 6), text_embeds.device())?;
        Ok(Some(Added { text_embeds, time_ids }))
    }
}
