//! Low-rank updates that are trained, against peft and diffusers: losses, gradients, matrices after a step.

use std::collections::BTreeMap;
use std::fs;

use candle_core::{DType, Device, Tensor};
use train::adamw::{AdamW, AdamWConfig};
use train::diffusion::Weights;
use train::diffusion::json::Settings;
use train::diffusion::lora::TrainedLora;
use train::diffusion::scheduler::NoiseSchedule;
use train::diffusion::unet::{Conditioning, UNet, UnetConfig};
use train::dreambooth::Halves;
use train::grad;
use train::parameters::Parameters;

use super::candle::{candle, check, values};
use super::case::{Case, Tolerance, number};

const CASE: &str = "dreambooth_lora";
/// Where gradients are smaller, AdamW's ε and rounding decide.
const TOLD: f32 = 1e-5;

/// The case's UNet with its updates, at their initial values.
fn unet(case: &Case, checkpointing: bool) -> (UNet, Parameters) {
    let config = &case.info["config"];
    let weights = Weights::open(&[case.path("../unet_sd15/weights.safetensors")], DType::F32, &Device::Cpu);
    let weights = weights.expect("the UNet's weights");
    let parameters = Parameters::seeded(0);
    let rank = config["rank"].as_u64().expect("a rank") as usize;
    let builder = parameters.builder(DType::F32, &Device::Cpu);
    let lora = TrainedLora::new(rank, number(&config["alpha"]), builder);
    let text = fs::read_to_string(case.path("../unet_sd15/config.json")).expect("a configuration");
    let unet_config = UnetConfig::from_json(&text).expect("a configuration");
    let unet = UNet::load(&weights.with_trained(Some(lora)), unet_config).expect("a UNet");
    let initial =
        candle_core::safetensors::load(case.path("lora.safetensors"), &Device::Cpu).expect("the matrices");
    let strip =
        |(name, tensor): (String, Tensor)| (name.strip_prefix("unet.").expect("a UNet's").to_owned(), tensor);
    parameters.set(&initial.into_iter().map(strip).collect()).expect("they fit");
    (unet.with_checkpointing(checkpointing), parameters)
}

#[test]
fn a_dreambooth_step_has_the_losses_gradients_and_matrices_of_the_reference() {
    agrees();
    // As a device does it that has no kernels.
    grad::composed_only(agrees);
}

fn agrees() {
    let case = Case::open(CASE);
    let tolerance = |name: &str| Tolerance::read(&case.info["tolerance"][name]);
    let config = &case.info["config"];
    let both = |name: &str| {
        let halves = ["instance", "class"].map(|half| candle(case.input(&format!("{half}.{name}"))));
        Tensor::cat(&halves, 0).expect("equal shapes")
    };
    let (latents, noise, text) = (both("latents"), both("noise"), both("encoder_hidden_states"));
    let timesteps: Vec<usize> =
        values(&both("timesteps")).into_iter().map(|timestep| timestep as usize).collect();
    let settings = Settings::new("config", config.clone()).expect("an object");
    let schedule = NoiseSchedule::from_settings(&settings).expect("a schedule");
    let noisy = schedule.add_noise(&latents, &noise, &timesteps).expect("noise");
    check(&case, tolerance("noisy_latents"), "noisy_latents", &noisy);
    for checkpointing in [false, true] {
        let (unet, parameters) = unet(&case, checkpointing);
        let at: Vec<f64> = timesteps.iter().map(|&timestep| timestep as f64).collect();
        let prediction = unet.forward(&noisy, &at, &Conditioning::text(text.clone())).expect("a prediction");
        check(&case, tolerance("noise_pred"), "noise_pred", &prediction);
        let halves = Halves::new(&prediction, &noise, timesteps.len() / 2).expect("halves");
        check(&case, tolerance("loss"), "loss.instance", &halves.photos);
        check(&case, tolerance("loss"), "loss.class", halves.class.as_ref().expect("a class"));
        let loss = halves.total(number(&config["prior_loss_weight"])).expect("a sum");
        check(&case, tolerance("loss"), "loss", &loss);
        let gradients = loss.backward().expect("gradients");
        let named = parameters.named();
        assert_eq!(named.len(), case.output_names().filter(|name| name.starts_with("grad.")).count());
        let mut told: BTreeMap<&str, Vec<f32>> = BTreeMap::new();
        for (name, var) in &named {
            let gradient = gradients.get(var).unwrap_or_else(|| panic!("no gradient of {name}"));
            check(&case, tolerance("grad"), &format!("grad.unet.{name}"), gradient);
            let (found, expected) = (values(gradient), &case.output(&format!("grad.unet.{name}")).values);
            let norm = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
            let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
            assert!(norm(&apart) <= 1e-3 * norm(expected), "{name}: {} of {}", norm(&apart), norm(expected));
            told.insert(name, expected.clone());
        }
        let settings =
            AdamWConfig { weight_decay: number(&config["weight_decay"]), ..AdamWConfig::default() };
        let rate = number(&config["lr"]);
        AdamW::new(named.clone(), settings)
            .and_then(|mut adamw| adamw.step(&gradients, rate))
            .expect("a step");
        for (name, var) in &named {
            let (found, expected) = (values(var), &case.output(&format!("after.unet.{name}")).values);
            for ((found, expected), gradient) in found.iter().zip(expected).zip(&told[name.as_str()]) {
                let Tolerance { atol, rtol } = tolerance("after");
                let allowed =
                    if gradient.abs() >= TOLD { atol + rtol * f64::from(expected.abs()) } else { 2.0 * rate };
                let apart = f64::from((found - expected).abs());
                assert!(apart <= allowed, "{name}: {found}, expected {expected}, apart by {apart:.2e}");
            }
        }
    }
}
