//! The image autoencoder, against diffusers' `AutoencoderKL`.

use candle_core::{DType, Device};
use train::diffusion::Weights;
use train::diffusion::json::Settings;
use train::diffusion::vae::{AutoencoderKl, VaeConfig};

use super::candle::{candle, check};
use super::case::{Case, Tolerance};

#[test]
fn the_autoencoder_encodes_and_decodes_as_the_reference() {
    agrees("weights.safetensors");
}

#[test]
fn the_autoencoder_loads_under_the_old_attention_names() {
    agrees("weights_legacy_names.safetensors");
}

fn agrees(file: &str) {
    let case = Case::open("vae_kl");
    let tolerance = Tolerance::read(&case.info["tolerance"]);
    let config = Settings::read(&case.path("config.json")).and_then(|s| VaeConfig::from_settings(&s));
    let weights = Weights::open(&[case.path(file)], DType::F32, &Device::Cpu).expect("weights");
    let vae = AutoencoderKl::load(&weights, config.expect("a supported configuration")).expect("parameters");
    weights.finish().expect("every tensor is taken, none is missing");

    let latents = vae.encode(&candle(case.input("image"))).expect("latents");
    check(&case, tolerance, "mean", &latents.mean);
    check(&case, tolerance, "logvar", &latents.logvar);
    let sample = latents.sample(&candle(case.input("noise"))).and_then(|z| vae.scale(&z)).expect("a sample");
    check(&case, tolerance, "scaled_latent", &sample);
    check(&case, tolerance, "decoded", &vae.decode(&candle(case.input("latent"))).expect("an image"));
    let back = vae.unscale(&sample).and_then(|z| vae.scale(&z)).expect("a latent");
    check(&case, tolerance, "scaled_latent", &back);
}
