//! The adapter's objective on a tiny frozen base: what gets gradients, and whether they are right.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use train::adapter::plan::Dropped;
use train::adapter::{
    Adapter, AdapterBatch, AdapterSettings, ClipJudge, Lambdas, Objective, ObjectiveSettings, Widths, file,
};
use train::audit::{Trainable, audit};
use train::body::Pose;
use train::diffusion::Weights;
use train::diffusion::checkpoint::load_image_encoder;
use train::diffusion::clip::ClipVision;
use train::diffusion::json::Settings;
use train::diffusion::lora::TrainedLora;
use train::diffusion::scheduler::{NoiseSchedule, Prediction};
use train::diffusion::unet::{Conditioning, UNet, UnetConfig};
use train::diffusion::vae::{AutoencoderKl, VaeConfig};
use train::dreambooth::{self, DreamBoothBatch};
use train::error::Result;
use train::grad;
use train::parameters::Parameters;
use train::probe::{PoseProbe, ProbeConfig, probe_loss};

use crate::grad::apart;

const IMAGE: usize = 24;
const BODY: usize = 20;
const SAMPLES: usize = 3;

fn golden(case: &str) -> PathBuf {
    let set = std::env::var_os("BOLID_GOLDEN").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")).join(case)
}

fn weights(case: &str) -> Result<Weights> {
    weights_as(case, DType::F32)
}

fn weights_as(case: &str, dtype: DType) -> Result<Weights> {
    Weights::open(&[golden(case).join("weights.safetensors")], dtype, &Device::Cpu)
}

/// Values between −1 and 1 that look like noise and are always the same.
fn noise(shape: &[usize], seed: f64) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let value =
        |i: usize| ((((i as f64 + 1.0) * (12.9898 + seed)).sin() * 43_758.545_3).fract() * 1.7) as f32;
    Ok(Tensor::from_vec((0..count).map(value).collect::<Vec<_>>(), shape, &Device::Cpu)?)
}

/// The frozen networks and an adapter on them.
struct Bench {
    unet: UNet,
    frozen: Vec<(String, Tensor)>,
    vae: AutoencoderKl,
    probe: PoseProbe,
    judge: ClipJudge,
    schedule: NoiseSchedule,
    parameters: Parameters,
    adapter: Adapter,
    batch: AdapterBatch,
}

impl Bench {
    fn new() -> Result<Self> {
        let device = Device::Cpu;
        let of_unet = weights("unet_sd15")?;
        let config = fs::read_to_string(golden("unet_sd15").join("config.json")).expect("a configuration");
        let unet = UNet::load(&of_unet, UnetConfig::from_json(&config)?)?;
        let of_vae = weights("vae_kl")?;
        let vae_config = VaeConfig::from_settings(&Settings::read(&golden("vae_kl").join("config.json"))?)?;
        let vae = AutoencoderKl::load(&of_vae, vae_config)?;
        let frozen = [of_unet.given(), of_vae.given()].concat();
        let probe_parameters = Parameters::seeded(5);
        let probe_config = ProbeConfig { channels: 16, blocks: 1, ..ProbeConfig::default() };
        PoseProbe::new(&probe_config, &probe_parameters.builder(DType::F32, &device))?;
        let constants = probe_parameters.values()?.into_iter().collect();
        let constants = candle_nn::VarBuilder::from_tensors(constants, DType::F32, &device);
        let probe = PoseProbe::new(&probe_config, &constants)?;
        let vision = vision()?;
        let captions =
            BTreeMap::from([("a person".to_owned(), noise(&[vision.config().projection()], 9.0)?)]);
        let parameters = Parameters::seeded(3);
        let adapter = Adapter::new(&unet, Widths { image: IMAGE, body: BODY }, &parameters, &device)?;
        Adapter::begin(&unet, &parameters, 1.0)?;
        let cross = unet.config().cross_attention_dim;
        let mut pose = Pose { joints: [[0.5, 0.5, 1.0]; 17] };
        for (at, joint) in pose.joints.iter_mut().enumerate() {
            *joint = [0.3 + 0.02 * at as f32, 0.1 + 0.05 * at as f32, 0.9];
        }
        let batch = AdapterBatch {
            latents: noise(&[SAMPLES, 4, 16, 16], 0.0)?,
            noise: noise(&[SAMPLES, 4, 16, 16], 1.0)?,
            timesteps: vec![20, 150, 700],
            text: noise(&[SAMPLES, 7, cross], 2.0)?,
            added: None,
            image: noise(&[SAMPLES, IMAGE], 3.0)?,
            c_body: noise(&[SAMPLES, BODY], 4.0)?,
            weights: Tensor::ones((SAMPLES, 1, 16, 16), DType::F32, &device)?,
            poses: vec![pose; SAMPLES],
            captions: vec!["a person".to_owned(); SAMPLES],
            dropped: vec![Dropped::default(); SAMPLES],
            reference_stream: true,
            body_stream: true,
            photos: vec![0; SAMPLES],
        };
        let schedule = Settings::read(&golden("unet_sd15").join("config.json"))
            .map(|settings| settings.with("beta_schedule", "scaled_linear").with("beta_end", 0.012))?;
        Ok(Self {
            unet,
            frozen,
            vae,
            probe,
            judge: ClipJudge { vision, captions },
            schedule: NoiseSchedule::from_settings(&schedule)?,
            parameters,
            adapter,
            batch,
        })
    }

    fn gains(&self) -> Result<Vec<f32>> {
        let values = self.parameters.values()?;
        let of = |stream: &str| -> Result<Vec<f32>> {
            Ok(values[&format!("{stream}.image_proj.norm.weight")].to_vec1()?)
        };
        Ok([of("body")?, of("reference")?].concat())
    }

    fn objective<'a>(&'a self, settings: &'a ObjectiveSettings) -> Objective<'a> {
        Objective {
            unet: &self.unet,
            schedule: &self.schedule,
            prediction: Prediction::Epsilon,
            vae: &self.vae,
            probe: Some(&self.probe),
            judge: Some(&self.judge),
            settings,
        }
    }

    fn term(&self, settings: &ObjectiveSettings, name: &str) -> Result<Option<Tensor>> {
        let loss = self.objective(settings).loss(&self.adapter, &self.batch, 0)?;
        Ok(loss.terms.into_iter().find(|(found, _)| *found == name).map(|(_, term)| term))
    }

    fn gradient(&self, gradients: &GradStore, var: &Var) -> Tensor {
        gradients.get(var).cloned().unwrap_or_else(|| panic!("a gradient of {:?}", var.shape()))
    }
}

/// The golden encoder, copied to a folder with the file names of a checkpoint.
fn vision() -> Result<ClipVision> {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |from: &str, to: &str| {
        fs::copy(golden("clip_vision").join(from), folder.path().join(to)).expect("a copy");
    };
    copy("config.json", "config.json");
    copy("weights.safetensors", "model.safetensors");
    load_image_encoder(folder.path(), DType::F32, &Device::Cpu)
}

fn all_terms() -> ObjectiveSettings {
    ObjectiveSettings { alpha_id: 0.3, beta_clip: 0.2, ..ObjectiveSettings::default() }
}

#[test]
fn streams_begin_at_the_gain_that_is_asked_for() -> Result<()> {
    let bench = Bench::new()?;
    assert!(bench.gains()?.iter().all(|&gain| gain == 1.0));
    Adapter::begin(&bench.unet, &bench.parameters, AdapterSettings::default().initial_gain)?;
    assert!(bench.gains()?.iter().all(|&gain| gain == 0.1));
    for gain in [0.0, -0.1, f64::NAN] {
        let refused = AdapterSettings { initial_gain: gain, ..AdapterSettings::default() }.check();
        assert!(refused.unwrap_err().to_string().contains("adapter.initial_gain"));
    }
    Ok(())
}

#[test]
fn every_term_reaches_the_whole_adapter_and_nothing_of_the_base() -> Result<()> {
    let bench = Bench::new()?;
    for name in ["diff", "id", "clip"] {
        let trainable: Vec<Trainable> =
            bench.parameters.named().iter().map(|(name, var)| Trainable::new(name, var)).collect();
        let frozen = bench.frozen.iter().map(|(name, tensor)| (name.as_str(), tensor));
        audit(&trainable, frozen, || Ok(bench.term(&all_terms(), name)?.expect("the term")))?;
    }
    Ok(())
}

/// The gradients of all terms by the parameters' names.
fn gradients(bench: &Bench) -> Result<BTreeMap<String, Tensor>> {
    let found = grad::backward(&bench.objective(&all_terms()).loss(&bench.adapter, &bench.batch, 0)?.total)?;
    let named = bench.parameters.named().into_iter();
    Ok(named.map(|(name, var)| (name, bench.gradient(&found, &var))).collect())
}

#[test]
fn a_device_without_kernels_gives_the_same_gradients() -> Result<()> {
    let mut bench = Bench::new()?;
    let kernels = gradients(&bench)?;
    for checkpointing in [false, true] {
        bench.unet = bench.unet.with_checkpointing(checkpointing);
        let composed = grad::composed_only(|| gradients(&bench))?;
        assert_eq!(kernels.len(), composed.len());
        for (name, found) in &composed {
            let apart = apart(found, &kernels[name])?;
            assert!(apart < 2e-4, "{name}: apart by {apart:.1e}");
        }
    }
    Ok(())
}

#[test]
fn in_a_half_type_masters_get_gradients_in_f32_that_point_where_those_of_f32_do() -> Result<()> {
    let mut bench = Bench::new()?;
    let exact = gradients(&bench)?;
    let loss = |bench: &Bench| -> Result<f32> {
        Ok(bench.objective(&all_terms()).loss(&bench.adapter, &bench.batch, 0)?.total.to_scalar::<f32>()?)
    };
    let expected = loss(&bench)?;
    // f16: Candle multiplies no matrices of bf16 on the CPU.
    let of_unet = weights_as("unet_sd15", DType::F16)?;
    bench.unet = UNet::load(&of_unet, bench.unet.config().clone())?.with_compute(DType::F16);
    let (half, found) = (gradients(&bench)?, loss(&bench)?);
    assert!((found / expected - 1.0).abs() < 2e-3, "{found} instead of {expected}");
    for (name, found) in &half {
        assert_eq!(found.dtype(), DType::F32);
        let expected = &exact[name];
        let dot = |a: &Tensor, b: &Tensor| -> Result<f32> { Ok((a * b)?.sum_all()?.to_scalar::<f32>()?) };
        let cosine = dot(found, expected)? / (dot(found, found)? * dot(expected, expected)?).sqrt();
        assert!(cosine > 0.998, "{name}: cosine {cosine}");
    }
    Ok(())
}

#[test]
fn a_term_without_weight_is_not_computed_and_the_sum_is_that_of_the_terms() -> Result<()> {
    let bench = Bench::new()?;
    let off = ObjectiveSettings::default();
    assert!(bench.term(&off, "id")?.is_none() && bench.term(&off, "clip")?.is_none());
    let no_id = ObjectiveSettings { alpha_id: 0.0, ..all_terms() };
    assert!(bench.term(&no_id, "id")?.is_none() && bench.term(&no_id, "clip")?.is_some());
    let settings = all_terms();
    let value = |name: &str| -> Result<f32> {
        Ok(bench.term(&settings, name)?.expect("the term").to_scalar::<f32>()?)
    };
    let total = bench.objective(&settings).loss(&bench.adapter, &bench.batch, 0)?.total.to_scalar::<f32>()?;
    let sum = value("diff")? + 0.3 * value("id")? + 0.2 * value("clip")?;
    assert!((total - sum).abs() < 1e-5 * sum, "{total} {sum}");
    // Every n-th step only.
    let later = bench.objective(&settings).loss(&bench.adapter, &bench.batch, 1)?;
    assert!(later.terms.iter().all(|(name, _)| *name != "clip"));
    Ok(())
}

#[test]
fn the_gradient_of_every_term_is_that_of_finite_differences() -> Result<()> {
    let bench = Bench::new()?;
    let names = [
        "body.image_proj.proj.weight",
        "body.ip_adapter.7.to_k_ip.weight",
        "reference.ip_adapter.1.to_v_ip.weight",
    ];
    let vars: BTreeMap<String, Var> = bench.parameters.named().into_iter().collect();
    for term in ["diff", "id", "clip"] {
        let value = || -> Result<f64> {
            Ok(f64::from(bench.term(&all_terms(), term)?.expect("the term").to_scalar::<f32>()?))
        };
        let gradients = bench.term(&all_terms(), term)?.expect("the term").backward()?;
        for name in names {
            let var = &vars[name];
            let gradient = bench.gradient(&gradients, var);
            // Along the gradient itself, where the difference is largest and rounding least.
            let norm = f64::from(gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?);
            let direction = (gradient / norm)?;
            let before = var.as_tensor().copy()?;
            let size = f64::from(before.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?);
            let step = 0.01 * size;
            let at = |factor: f64| -> Result<f64> {
                var.set(&(&before + (&direction * (factor * step))?)?)?;
                value()
            };
            // Fourth order: the terms bend within a step that f32 can tell.
            let (one, two) = (at(1.0)? - at(-1.0)?, at(2.0)? - at(-2.0)?);
            var.set(&before)?;
            let slope = (8.0 * one - two) / (12.0 * step);
            assert!((slope / norm - 1.0).abs() < 0.05, "{term} by {name}: {slope} instead of {norm}");
        }
    }
    Ok(())
}

#[test]
fn without_weight_the_streams_leave_the_base_to_the_bit() -> Result<()> {
    let bench = Bench::new()?;
    let batch = &bench.batch;
    let settings = ObjectiveSettings::default();
    let none = Lambdas { reference: 0.0, body: 0.0 };
    let predicted = bench.objective(&settings).predict(&bench.adapter, batch, none)?;
    let timesteps: Vec<f64> = batch.timesteps.iter().map(|&timestep| timestep as f64).collect();
    let base = bench.unet.forward(&predicted.noisy, &timesteps, &Conditioning::text(batch.text.clone()))?;
    assert_eq!(predicted.output.flatten_all()?.to_vec1::<f32>()?, base.flatten_all()?.to_vec1::<f32>()?);
    let some =
        bench.objective(&settings).predict(&bench.adapter, batch, Lambdas { reference: 0.0, body: 0.5 })?;
    assert_ne!(some.output.flatten_all()?.to_vec1::<f32>()?, base.flatten_all()?.to_vec1::<f32>()?);
    Ok(())
}

#[test]
fn padding_counts_nothing_and_the_rest_is_normalised_by_its_area() -> Result<()> {
    let mut bench = Bench::new()?;
    let settings = ObjectiveSettings::default();
    let errors = |bench: &Bench| -> Result<Vec<f32>> {
        let objective = bench.objective(&settings);
        let lambdas = Lambdas { reference: 1.0, body: 1.0 };
        let predicted = objective.predict(&bench.adapter, &bench.batch, lambdas)?;
        // An error of 2 in the left half, of 1 in the right.
        let ones = Tensor::ones((SAMPLES, 4, 16, 8), DType::F32, &Device::Cpu)?;
        let off = Tensor::cat(&[(&ones * 2.0)?, ones], 3)?;
        let output = (&bench.batch.noise + off)?;
        let errors =
            objective.errors(&bench.batch, &train::adapter::objective::Predicted { output, ..predicted })?;
        Ok(errors.to_vec1()?)
    };
    assert!(errors(&bench)?.iter().all(|error| (error - 2.5).abs() < 1e-5));
    let half = Tensor::ones((SAMPLES, 1, 16, 8), DType::F32, &Device::Cpu)?;
    bench.batch.weights = Tensor::cat(&[half.zeros_like()?, half], 3)?;
    assert!(errors(&bench)?.iter().all(|error| (error - 1.0).abs() < 1e-5));
    Ok(())
}

#[test]
fn an_adapter_is_read_back_and_one_of_another_shape_is_refused() -> Result<()> {
    let bench = Bench::new()?;
    let folder = tempfile::tempdir().expect("a folder");
    let facts = BTreeMap::from([("run".to_owned(), "0123456789ab".to_owned())]);
    file::save(folder.path(), &bench.parameters.values()?, &facts, DType::F32, None)?;
    let saved = file::load(folder.path(), &bench.unet, &Device::Cpu)?;
    assert_eq!(saved.facts["run"], "0123456789ab");
    let lambdas = Lambdas { reference: 1.0, body: 0.7 };
    let settings = ObjectiveSettings::default();
    let predict = |adapter: &Adapter| -> Result<Vec<f32>> {
        let predicted = bench.objective(&settings).predict(adapter, &bench.batch, lambdas)?;
        Ok(predicted.output.flatten_all()?.to_vec1()?)
    };
    assert_eq!(predict(&bench.adapter)?, predict(&saved.adapter)?);
    let half = folder.path().join("half");
    let (facts, names) = file::export(folder.path(), &half, DType::F16)?;
    assert_eq!((facts["run"].as_str(), &names[..]), ("0123456789ab", &[file::BODY, file::REFERENCE][..]));
    assert_eq!(file::load(&half, &bench.unet, &Device::Cpu)?.facts["run"], "0123456789ab");
    fs::remove_file(folder.path().join(file::REFERENCE)).expect("it is there");
    assert!(file::export(folder.path(), &folder.path().join("again"), DType::F16).is_err());
    Ok(())
}

#[test]
fn a_step_of_the_probe_without_kernels_has_the_same_gradients() -> Result<()> {
    let bench = Bench::new()?;
    let parameters = Parameters::seeded(5);
    let config = ProbeConfig { channels: 16, blocks: 2, ..ProbeConfig::default() };
    let probe = PoseProbe::new(&config, &parameters.builder(DType::F32, &Device::Cpu))?;
    let step = || -> Result<GradStore> {
        let (heat, places) = probe_loss(&probe, &bench.batch.latents, &bench.batch.poses)?;
        grad::backward(&(heat + (places * 10.0)?)?)
    };
    let (kernels, composed) = (step()?, grad::composed_only(step)?);
    for (name, var) in parameters.named() {
        // The same number on all logits of a map changes no softmax: what this bias gets is rounding.
        if name == "heat.conv.bias" {
            continue;
        }
        let apart = apart(&bench.gradient(&composed, &var), &bench.gradient(&kernels, &var))?;
        assert!(apart < 2e-4, "{name}: apart by {apart:.1e}");
    }
    Ok(())
}

#[test]
fn a_step_of_low_rank_updates_without_kernels_has_the_same_gradients() -> Result<()> {
    let bench = Bench::new()?;
    let parameters = Parameters::seeded(8);
    let lora = TrainedLora::new(4, 4.0, parameters.builder(DType::F32, &Device::Cpu));
    let unet = UNet::load(&weights("unet_sd15")?.with_trained(Some(lora)), bench.unet.config().clone())?;
    // B begins at zero, and would leave A without a gradient.
    for (name, var) in parameters.named() {
        var.set(&noise(var.dims(), name.len() as f64)?.affine(0.1, 0.0)?)?;
    }
    let batch = DreamBoothBatch {
        photos: 2,
        latents: bench.batch.latents.clone(),
        noise: bench.batch.noise.clone(),
        timesteps: bench.batch.timesteps.clone(),
        text: bench.batch.text.clone(),
        added: None,
        chosen: vec![0; 2],
    };
    let objective = dreambooth::Objective {
        unet: &unet,
        schedule: &bench.schedule,
        prediction: Prediction::Epsilon,
        prior_weight: 0.7,
    };
    let step = || grad::backward(&objective.loss(&batch)?.total);
    let (kernels, composed) = (step()?, grad::composed_only(step)?);
    assert!(parameters.named().len() > 50);
    for (name, var) in parameters.named() {
        let apart = apart(&bench.gradient(&composed, &var), &bench.gradient(&kernels, &var))?;
        assert!(apart < 2e-4, "{name}: apart by {apart:.1e}");
    }
    Ok(())
}
