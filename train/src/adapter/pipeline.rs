//! Pictures of a prompt, a body and a reference, from the noise of a seed.

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::model::{Adapter, Lambdas};
use crate::cache::CachedText;
use crate::diffusion::sampling::{Hooks, Sampling, StepDone};
use crate::diffusion::scheduler::SchedulerConfig;
use crate::diffusion::unet::{Added, Conditioning, UNet};
use crate::diffusion::vae::AutoencoderKl;
use crate::error::Result;
use crate::parameters::normals;
use crate::report::Picture;

/// A base, how it is sampled, and the size of its pictures.
#[derive(Debug)]
pub struct Pipeline<'a> {
    /// The base.
    pub unet: &'a UNet,
    /// Its autoencoder.
    pub vae: &'a AutoencoderKl,
    /// Its schedule.
    pub scheduler: &'a SchedulerConfig,
    /// Width and height of the pictures in px, multiples of the autoencoder's cell.
    pub size_px: (usize, usize),
    /// How latents are sampled.
    pub sampling: Sampling,
}

/// One picture to be drawn.
#[derive(Clone, Debug)]
pub struct PictureSpec {
    /// Text states of the prompt.
    pub text: CachedText,
    /// Those of what guidance leads away from: the empty prompt, or a negative one.
    pub negative: CachedText,
    /// c_body; `None` is the null condition.
    pub c_body: Option<Vec<f32>>,
    /// The reference's embedding; `None` is the null condition.
    pub reference: Option<Vec<f32>>,
    /// What all noise follows from.
    pub seed: u64,
}

/// Called after each step with its number from 1, of how many, and what makes a preview of it.
pub type AfterStep<'a> = dyn FnMut(usize, usize, &dyn Fn() -> Result<Picture>) -> Result<()> + 'a;

impl Pipeline<'_> {
    /// The pictures of `specs` at once. The noise of each follows from its seed alone, so that pictures of one seed can
    /// be compared.
    ///
    /// # Errors
    /// Where a shape does not fit, or latents are no longer finite.
    pub fn draw(
        &self,
        adapter: Option<&Adapter>,
        specs: &[PictureSpec],
        lambdas: Lambdas,
    ) -> Result<Vec<Picture>> {
        let specs: Vec<&PictureSpec> = specs.iter().collect();
        let (conditional, unconditional) = self.conditions(adapter, &specs, lambdas)?;
        let noise: Vec<Tensor> =
            specs.iter().map(|spec| self.noise(&mut rng(spec))).collect::<Result<_>>()?;
        let noise = Tensor::cat(&noise, 0)?;
        let conditions = (&conditional, &unconditional);
        let latents = self.sampling.run(self.unet, self.scheduler, &noise, conditions, None)?;
        (0..specs.len()).map(|row| self.decode(&latents.narrow(0, row, 1)?.contiguous()?)).collect()
    }

    /// One picture, with fresh noise where the method adds some. Drawn alone, it is the same to the byte
    /// whatever is drawn beside it. Without an adapter it is the base's.
    ///
    /// # Errors
    /// As [`draw`](Self::draw), and what `after_step` fails with.
    pub fn draw_one(
        &self,
        adapter: Option<&Adapter>,
        spec: &PictureSpec,
        lambdas: Lambdas,
        after_step: &mut AfterStep<'_>,
    ) -> Result<Picture> {
        let rng = &mut rng(spec);
        let latents = self.latents(adapter, spec, lambdas, &mut || self.noise(rng), after_step)?;
        self.decode(&latents)
    }

    /// The latents `[1, c, h, w]` of one picture. The first `noise`, standard normal and of their shape, is
    /// what it begins with; further ones are for the steps of a method that adds some.
    ///
    /// # Errors
    /// As [`draw`](Self::draw), and what `noise` and `after_step` fail with.
    pub fn latents(
        &self,
        adapter: Option<&Adapter>,
        spec: &PictureSpec,
        lambdas: Lambdas,
        noise: &mut dyn FnMut() -> Result<Tensor>,
        after_step: &mut AfterStep<'_>,
    ) -> Result<Tensor> {
        let (conditional, unconditional) = self.conditions(adapter, &[spec], lambdas)?;
        let first = noise()?;
        let mut told = |done: &StepDone<'_>| {
            after_step(done.step, done.steps, &|| self.decode(&done.estimate()?.detach()))
        };
        let hooks = &mut Hooks { noise, after_step: &mut told };
        let conditions = (&conditional, &unconditional);
        self.sampling.run(self.unet, self.scheduler, &first, conditions, Some(hooks))
    }

    /// Standard normal noise of one picture's latents, `[1, c, h, w]`.
    fn noise(&self, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        let cell = self.vae.config().downscale();
        let (width, height) = (self.size_px.0 / cell, self.size_px.1 / cell);
        let channels = self.unet.config().in_channels;
        let values = normals(rng, channels * height * width, 0.0, 1.0);
        Ok(Tensor::from_vec(values, (1, channels, height, width), self.unet.device())?)
    }

    /// What `specs` are conditioned on, and what guidance leads away from: the negative text without body and
    /// reference.
    fn conditions(
        &self,
        adapter: Option<&Adapter>,
        specs: &[&PictureSpec],
        lambdas: Lambdas,
    ) -> Result<(Conditioning, Conditioning)> {
        let bodies = specs.iter().map(|spec| spec.c_body.as_deref()).collect::<Vec<_>>();
        let references = specs.iter().map(|spec| spec.reference.as_deref()).collect::<Vec<_>>();
        let texts: Vec<_> = specs.iter().map(|spec| &spec.text).collect();
        let negatives: Vec<_> = specs.iter().map(|spec| &spec.negative).collect();
        let null = vec![None; specs.len()];
        Ok((
            self.conditioning(adapter, lambdas, &texts, &bodies, &references)?,
            self.conditioning(adapter, lambdas, &negatives, &null, &null)?,
        ))
    }

    fn conditioning(
        &self,
        adapter: Option<&Adapter>,
        lambdas: Lambdas,
        texts: &[&CachedText],
        bodies: &[Option<&[f32]>],
        references: &[Option<&[f32]>],
    ) -> Result<Conditioning> {
        let device = self.unet.device();
        let states: Vec<&Tensor> = texts.iter().map(|text| &text.states).collect();
        let states = Tensor::stack(&states, 0)?.to_device(device)?;
        let mut conditioning = match adapter {
            Some(adapter) => adapter.conditioning(
                &states,
                &rows(references, adapter.reference.embed_dim(), device)?,
                &rows(bodies, adapter.body.embed_dim(), device)?,
                lambdas,
            )?,
            None => Conditioning::text(states),
        };
        conditioning.added = self.added(texts)?;
        Ok(conditioning)
    }

    /// The picture of latents `[1, c, h, w]`.
    ///
    /// # Errors
    /// Where their shape does not fit.
    pub fn decode(&self, latents: &Tensor) -> Result<Picture> {
        let planes = self.vae.decode_tiled(&self.vae.unscale(latents)?)?.squeeze(0)?;
        let planes = planes.affine(127.5, 127.5)?.clamp(0.0, 255.0)?.round()?.to_dtype(DType::U8)?;
        let rgb: Vec<u8> = planes.permute((1, 2, 0))?.flatten_all()?.to_vec1()?;
        Ok(Picture::from_rgb(rgb, self.size_px.0, self.size_px.1, ""))
    }

    /// SDXL's conditions: pooled texts, and a picture of this size that was not cut.
    fn added(&self, texts: &[&CachedText]) -> Result<Option<Added>> {
        let pooled: Vec<&Tensor> = texts.iter().filter_map(|text| text.pooled.as_ref()).collect();
        if pooled.is_empty() {
            return Ok(None);
        }
        let (width, height) = (self.size_px.0 as f32, self.size_px.1 as f32);
        let ids: Vec<f32> = texts.iter().flat_map(|_| [height, width, 0.0, 0.0, height, width]).collect();
        let text_embeds = Tensor::stack(&pooled, 0)?.to_device(self.unet.device())?;
        let time_ids = Tensor::from_vec(ids, (texts.len(), 6), &Device::Cpu)?;
        Ok(Some(Added { text_embeds, time_ids }))
    }
}

fn rng(spec: &PictureSpec) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(spec.seed)
}

/// `[n, width]`, zeros where there is none.
fn rows(values: &[Option<&[f32]>], width: usize, device: &Device) -> Result<Tensor> {
    let mut flat = Vec::with_capacity(values.len() * width);
    for value in values {
        match value {
            Some(value) => flat.extend_from_slice(value),
            None => flat.resize(flat.len() + width, 0.0),
        }
    }
    Ok(Tensor::from_vec(flat, (values.len(), width), device)?)
}
