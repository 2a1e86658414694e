//! Tiled encoding and decoding against diffusers 0.42.1 (`python/tiled_vae.py` made the vectors, from the
//! weights in `tests/golden`).

use candle_core::{DType, Device, Tensor};
use std::error::Error;
use std::path::Path;
use train::diffusion::Weights;
use train::diffusion::json::Settings;
use train::diffusion::vae::{AutoencoderKl, VaeConfig};

fn largest(found: &Tensor, expected: &Tensor) -> Result<f32, candle_core::Error> {
    assert_eq!(found.dims(), expected.dims());
    (found - expected)?.abs()?.max_all()?.to_scalar()
}

#[test]
fn tiles_are_blended_as_in_diffusers() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let case = here.join("../tests/golden/vae_kl");
    let weights = Weights::open(&[case.join("weights.safetensors")], DType::F32, &Device::Cpu)?;
    let vae = AutoencoderKl::load(
        &weights,
        VaeConfig::from_settings(&Settings::read(&case.join("config.json"))?)?,
    )?;
    let vectors =
        candle_core::safetensors::load(here.join("tests/data/tiled_vae.safetensors"), &Device::Cpu)?;

    let decoded = vae.decode_tiled(&vectors["latent"])?;
    let worst = largest(&decoded, &vectors["decoded"])?;
    assert!(worst < 5e-5, "decoded: {worst}");
    // The tiles must have been used: the whole latent at once gives something else.
    assert!(largest(&vae.decode(&vectors["latent"])?, &decoded)? > 1e-3);

    let latents = vae.encode_tiled(&vectors["image"])?;
    for (name, found) in [("mean", &latents.mean), ("logvar", &latents.logvar)] {
        let worst = largest(found, &vectors[name])?;
        assert!(worst < 5e-5, "{name}: {worst}");
    }

    let small = vectors["latent"].narrow(2, 0, 16)?.narrow(3, 0, 16)?.contiguous()?;
    assert_eq!(largest(&vae.decode_tiled(&small)?, &vae.decode(&small)?)?, 0.0);
    Ok(())
}
