//! Latents that a training begins with: of the person's photos, and of pictures that the base draws of the class.

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::adapter::Lambdas;
use crate::adapter::pipeline::{PictureSpec, Pipeline};
use crate::cache::CachedText;
use crate::diffusion::vae::{AutoencoderKl, LatentDistribution};
use crate::error::Result;
use crate::parameters::normals;
use crate::report::Picture;

/// The logarithm of a variance of nothing: the least that encoders say.
const CERTAIN: f32 = -30.0;

/// The latents of photos, u8 planes `[n, 3, side, side]`, one after another: each takes as much memory as the
/// autoencoder needs for one.
///
/// # Errors
/// Where the size does not suit the autoencoder.
pub fn encode(vae: &AutoencoderKl, planes: &[u8], side: usize) -> Result<Vec<LatentDistribution>> {
    planes
        .chunks_exact(3 * side * side)
        .map(|photo| {
            let pixels = Tensor::from_slice(photo, (1, 3, side, side), vae.device())?;
            on_cpu(&vae.encode_tiled(&pixels.to_dtype(DType::F32)?.affine(2.0 / 255.0, -1.0)?)?)
        })
        .collect()
}

/// The latents of `count` pictures of a text, each from noise of its own; `after_each` is called after every one.
///
/// # Errors
/// Where latents are no longer finite.
pub fn draw(
    pipeline: &Pipeline<'_>,
    (text, negative): (&CachedText, &CachedText),
    count: usize,
    seed: u64,
    after_each: &mut dyn FnMut(),
) -> Result<Vec<LatentDistribution>> {
    let mut drawn = Vec::with_capacity(count);
    for index in 0..count as u64 {
        let mean = pipeline.vae.unscale(&latents(pipeline, (text, negative), seed, index)?)?.detach();
        let logvar = mean.zeros_like()?.affine(0.0, f64::from(CERTAIN))?;
        drawn.push(on_cpu(&LatentDistribution { mean, logvar })?);
        after_each();
    }
    Ok(drawn)
}

/// Where batches are made of them.
fn on_cpu(latents: &LatentDistribution) -> Result<LatentDistribution> {
    Ok(LatentDistribution {
        mean: latents.mean.to_device(&Device::Cpu)?,
        logvar: latents.logvar.to_device(&Device::Cpu)?,
    })
}

/// The same as pictures.
///
/// # Errors
/// Where latents are no longer finite.
pub fn pictures(
    pipeline: &Pipeline<'_>,
    texts: (&CachedText, &CachedText),
    count: usize,
    seed: u64,
) -> Result<Vec<Picture>> {
    (0..count as u64).map(|index| pipeline.decode(&latents(pipeline, texts, seed, index)?.detach())).collect()
}

/// The latents of one picture, from the noise of `seed` and `index`.
fn latents(
    pipeline: &Pipeline<'_>,
    (text, negative): (&CachedText, &CachedText),
    seed: u64,
    index: u64,
) -> Result<Tensor> {
    let cell = pipeline.vae.config().downscale();
    let channels = pipeline.unet.config().in_channels;
    let shape = (1, channels, pipeline.size_px.1 / cell, pipeline.size_px.0 / cell);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    let spec =
        PictureSpec { text: text.clone(), negative: negative.clone(), c_body: None, reference: None, seed };
    let mut noise = || -> Result<Tensor> {
        let values = normals(&mut rng, shape.1 * shape.2 * shape.3, 0.0, 1.0);
        Ok(Tensor::from_vec(values, shape, pipeline.unet.device())?)
    };
    let none = Lambdas { reference: 0.0, body: 0.0 };
    pipeline.latents(None, &spec, none, &mut noise, &mut |_, _, _| Ok(()))
}
