//! The golden networks on a device.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value, json};
use train::adapter::{Adapter, Lambdas, Widths};
use train::audit::{Trainable, audit};
use train::diffusion::Weights;
use train::diffusion::unet::{Added, Conditioning, UNet, UnetConfig};
use train::grad;
use train::parameters::Parameters;

use super::{Outcome, Setting};

fn folder(case: &str) -> PathBuf {
    let set = env::var_os("BOLID_GOLDEN").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| Path::new("tests/golden").to_owned()).join(case)
}

/// A golden UNet, its inputs on the device.
struct Golden {
    unet: UNet,
    inputs: HashMap<String, Tensor>,
    prediction: Tensor,
}

impl Golden {
    fn open(case: &str, device: &Device, compute: DType) -> Outcome<Self> {
        let folder = folder(case);
        let weights = Weights::open(&[folder.join("weights.safetensors")], compute, device)?;
        let config = UnetConfig::from_json(&fs::read_to_string(folder.join("config.json"))?)?;
        let unet = UNet::load(&weights, config)?.with_compute(compute);
        weights.finish()?;
        let inputs = candle_core::safetensors::load(folder.join("inputs.safetensors"), device)?;
        let mut outputs = candle_core::safetensors::load(folder.join("outputs.safetensors"), &Device::Cpu)?;
        let prediction = outputs.remove("noise_pred").ok_or("outputs.safetensors has no noise_pred")?;
        Ok(Self { unet, inputs, prediction })
    }

    fn conditioning(&self) -> Outcome<(Vec<f64>, Conditioning)> {
        let timesteps: Vec<f64> = self.inputs["timesteps"]
            .to_dtype(DType::F64)?
            .to_device(&Device::Cpu)?
            .flatten_all()?
            .to_vec1()?;
        let mut conditioning = Conditioning::text(self.inputs["encoder_hidden_states"].clone());
        if let (Some(text_embeds), Some(time_ids)) =
            (self.inputs.get("text_embeds"), self.inputs.get("time_ids"))
        {
            let time_ids = time_ids.to_device(&Device::Cpu)?;
            conditioning.added = Some(Added { text_embeds: text_embeds.clone(), time_ids });
        }
        Ok((timesteps, conditioning))
    }

    /// An adapter with parameters that are always the same, and the gradients of a step.
    fn step(&self, parameters: &Parameters) -> Outcome<(Tensor, Adapter)> {
        let device = self.unet.device();
        let widths = Widths { image: 24, body: 20 };
        let adapter = Adapter::new(&self.unet, widths, parameters, device)?;
        let (timesteps, with_text) = self.conditioning()?;
        let latents = self.inputs["latents"].to_dtype(DType::F32)?;
        let b = latents.dim(0)?;
        let embedding = |width: usize| -> Outcome<Tensor> {
            let values: Vec<f32> = (0..b * width).map(|at| (0.7 * at as f32).sin()).collect();
            Ok(Tensor::from_vec(values, (b, width), device)?)
        };
        let lambdas = Lambdas { reference: 0.8, body: 1.0 };
        let (image, c_body) = (embedding(24)?, embedding(20)?);
        let mut conditioning = adapter.conditioning(&with_text.text, &image, &c_body, lambdas)?;
        conditioning.added = with_text.added;
        let predicted = self.unet.forward(&latents, &timesteps, &conditioning)?;
        Ok((predicted.sqr()?.mean_all()?, adapter))
    }
}

/// ‖found − expected‖ / ‖expected‖, on the CPU in f64.
fn apart(found: &Tensor, expected: &Tensor) -> Outcome<f64> {
    let host = |t: &Tensor| t.detach().to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_dtype(DType::F64);
    let (found, expected) = (host(found)?, host(expected)?);
    let norm = |t: &Tensor| t.sqr()?.sum_all()?.sqrt()?.to_scalar::<f64>();
    Ok(norm(&(found - &expected)?)? / norm(&expected)?.max(1e-30))
}

/// Predictions against diffusers', gradients against those of the CPU's kernels.
pub fn compare(setting: &Setting) -> Outcome<Value> {
    let mut found = Map::new();
    for case in ["unet_sd15", "unet_sdxl"] {
        let exact = Parameters::seeded(7);
        let (loss, _adapter) = Golden::open(case, &Device::Cpu, DType::F32)?.step(&exact)?;
        let expected = grad::backward(&loss)?;
        let mut types = vec![DType::F32];
        types.extend(Some(setting.compute).filter(|compute| *compute != DType::F32));
        for compute in types {
            let golden = Golden::open(case, &setting.device, compute)?;
            let (timesteps, conditioning) = golden.conditioning()?;
            let latents = golden.inputs["latents"].to_dtype(DType::F32)?;
            let predicted = golden.unet.forward(&latents, &timesteps, &conditioning)?;
            let parameters = Parameters::seeded(7);
            let (loss, _adapter) = golden.step(&parameters)?;
            let gradients = grad::backward(&loss)?;
            let (mut worst, mut worst_name) = (0.0, String::new());
            for ((name, var), (_, of_cpu)) in parameters.named().into_iter().zip(exact.named()) {
                let [own, cpus] = [gradients.get(&var), expected.get(&of_cpu)];
                let apart = apart(own.ok_or(name.clone())?, cpus.ok_or(name.clone())?)?;
                if !apart.is_finite() {
                    return Err(
                        format!("{case} {}: the gradient of {name} is not finite", compute.as_str()).into()
                    );
                }
                if apart > worst {
                    (worst, worst_name) = (apart, name);
                }
            }
            let prediction_apart = apart(&predicted, &golden.prediction)?;
            if !prediction_apart.is_finite() {
                return Err(format!("{case} {}: the prediction is not finite", compute.as_str()).into());
            }
            let line = json!({
                "prediction_apart": prediction_apart,
                "gradients_apart_at_most": worst,
                "worst": worst_name,
            });
            found.insert(format!("{case} {}", compute.as_str()), line);
        }
    }
    Ok(Value::Object(found))
}

/// Which tensors of a step got a gradient.
pub fn audited(setting: &Setting) -> Outcome<Value> {
    let golden = Golden::open("unet_sd15", &setting.device, setting.compute)?;
    let parameters = Parameters::seeded(7);
    let (loss, _adapter) = golden.step(&parameters)?;
    let trainable: Vec<Trainable> =
        parameters.named().iter().map(|(name, var)| Trainable::new(name, var)).collect();
    audit(&trainable, [], || Ok(loss))?;
    Ok(json!({ "trainable_with_gradients": trainable.len() }))
}
