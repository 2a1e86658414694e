//! The noise prediction and the three-stream attention, against diffusers.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Var};
use serde_json::Value;
use train::diffusion::Weights;
use train::diffusion::unet::{Added, Conditioning, KeyValue, Observer, Stream, UNet, UnetConfig};
use train::grad;

use super::case::{Case, Tensor, Tolerance, list, number, text};

#[test]
fn the_sd15_unet_predicts_the_noise_of_the_reference() {
    both_ways(|| predicts("unet_sd15"));
}

#[test]
fn the_sdxl_unet_predicts_the_noise_of_the_reference() {
    both_ways(|| predicts("unet_sdxl"));
}

#[test]
fn three_streams_in_sd15_have_the_outputs_and_gradients_of_the_reference() {
    both_ways(|| three_streams("three_stream_attention_sd15"));
}

#[test]
fn three_streams_in_sdxl_have_the_outputs_and_gradients_of_the_reference() {
    both_ways(|| three_streams("three_stream_attention_sdxl"));
}

/// By the kernels, and as a device does it that has none.
fn both_ways(run: impl Fn()) {
    run();
    grad::composed_only(run);
}

fn candle(tensor: &Tensor) -> candle_core::Tensor {
    candle_core::Tensor::from_slice(&tensor.values, &tensor.shape[..], &Device::Cpu)
        .expect("shape fits the values")
}

fn values(tensor: &candle_core::Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|t| t.to_vec1()).expect("an f32 tensor")
}

fn unet(case: &Case, config: &str, weights: &str) -> UNet {
    let config = fs::read_to_string(case.path(config)).expect("config.json");
    let config = UnetConfig::from_json(&config).expect("a supported configuration");
    let weights = Weights::open(&[case.path(weights)], DType::F32, &Device::Cpu).expect("weights");
    let unet = UNet::load(&weights, config).expect("parameters");
    weights.finish().expect("every tensor is taken, none is missing");
    unet
}

/// Latents, timesteps, and text with SDXL's additions.
fn inputs(case: &Case) -> (candle_core::Tensor, Vec<f64>, Conditioning) {
    let timesteps = case.input("timesteps").values.iter().map(|&t| f64::from(t)).collect();
    let mut conditioning = Conditioning::text(candle(case.input("encoder_hidden_states")));
    if case.input_names().any(|name| name == "text_embeds") {
        conditioning.added = Some(Added {
            text_embeds: candle(case.input("text_embeds")),
            time_ids: candle(case.input("time_ids")),
        });
    }
    (candle(case.input("latents")), timesteps, conditioning)
}

fn predicts(name: &str) {
    let case = Case::open(name);
    let unet = unet(&case, "config.json", "weights.safetensors");
    let (latents, timesteps, conditioning) = inputs(&case);
    let found = unet.forward(&latents, &timesteps, &conditioning).expect("a prediction");
    let expected = case.output("noise_pred");
    assert_eq!(found.dims(), expected.shape);
    Tolerance::read(&case.info["tolerance"]).check("noise_pred", &values(&found), &expected.values);
}

/// The parameters of one adapter, all trainable, under the names of its file.
struct Adapter(BTreeMap<String, Var>);

impl Adapter {
    fn read(case: &Case, file: &str) -> Self {
        let tensors = candle_core::safetensors::load(case.path(file), &Device::Cpu).expect("adapter file");
        let var = |(name, tensor): (String, candle_core::Tensor)| {
            (name, Var::from_tensor(&tensor).expect("a variable"))
        };
        Self(tensors.into_iter().map(var).collect())
    }

    fn get(&self, name: &str) -> &candle_core::Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no `{name}` in the adapter"))
    }

    /// `embeds` `[b, d]` to tokens, and one projection pair per cross-attention layer.
    fn stream(&self, embeds: &candle_core::Tensor, tokens: usize, numbers: usize, lambda: f64) -> Stream {
        let projected =
            grad::linear(embeds, self.get("image_proj.proj.weight"), Some(self.get("image_proj.proj.bias")));
        let (norm, bias) = (self.get("image_proj.norm.weight"), self.get("image_proj.norm.bias"));
        let split =
            projected.expect("linear").reshape((embeds.dim(0).expect("batch"), tokens, ())).expect("tokens");
        let layers = (0..numbers).map(|i| {
            let part = |kind: &str| self.get(&format!("ip_adapter.{}.{kind}_ip.weight", 2 * i + 1)).clone();
            KeyValue { key: part("to_k"), value: part("to_v") }
        });
        Stream {
            tokens: grad::layer_norm(&split, norm, bias, 1e-5).expect("norm"),
            layers: layers.collect(),
            lambda,
        }
    }
}

fn three_streams(name: &str) {
    let case = Case::open(name);
    let (config, weights) = text(&case.info["unet"]).split_once(" and ").expect("two files");
    let unet = unet(&case, config, weights);
    let numbers = case.info["ip_adapter_numbers"].as_object().expect("numbers");
    assert_eq!(unet.cross_attention().len(), numbers.len());
    for (i, (layer, _)) in unet.cross_attention().iter().enumerate() {
        assert_eq!(numbers[&format!("{}", 2 * i + 1)], Value::from(layer.as_str()));
    }
    let tokens = number(&case.info["num_tokens"]) as usize;
    let adapters = ["ref", "body"].map(|which| Adapter::read(&case, text(&case.info["adapters"][which])));
    let embeds = ["ref", "body"]
        .map(|which| Var::from_tensor(&candle(case.input(&format!("{which}_embeds")))).expect("a variable"));
    let (latents, timesteps, text_only) = inputs(&case);
    let conditioned = |embeds: [&candle_core::Tensor; 2], lambdas: [f64; 2]| {
        let mut conditioning = text_only.clone();
        let stream = |i: usize| Some(adapters[i].stream(embeds[i], tokens, numbers.len(), lambdas[i]));
        conditioning.reference = stream(0);
        conditioning.body = stream(1);
        conditioning
    };
    let predict =
        |conditioning: &Conditioning| unet.forward(&latents, &timesteps, conditioning).expect("a prediction");
    let tolerance = |key: &str| Tolerance::read(&case.info["tolerance"][key]);
    let check = |name: &str, kind: &str, found: &candle_core::Tensor| {
        tolerance(kind).check(name, &values(found), &case.output(name).values);
    };
    let embeds = embeds.each_ref().map(Var::as_tensor);

    for pair in case.info["lambdas"].as_array().expect("pairs") {
        let [reference, body] = list(pair)[..] else { panic!("two weights in {pair}") };
        let found = predict(&conditioned(embeds, [reference, body]));
        check(&format!("noise_pred.{reference}_{body}"), "noise_pred", &found);
    }

    let [reference, body] = list(&case.info["grad_lambdas"])[..] else { panic!("two weights") };
    let zeros = embeds.map(|e| e.zeros_like().expect("zeros"));
    let found = predict(&conditioned([&zeros[0], &zeros[1]], [reference, body]));
    check("noise_pred.zero_embeds", "noise_pred", &found);

    let mut conditioning = conditioned(embeds, [reference, body]);
    let probed =
        text(&case.info["outputs"]["probe.*"]).split('\'').nth(1).expect("a module name").to_string();
    let seen = Arc::new(Mutex::new(None));
    let writer = seen.clone();
    conditioning.observer = Some(Observer(Arc::new(move |name, input, output| {
        if name == probed {
            *writer.lock().expect("no panic") = Some((input.clone(), output.clone()));
        }
    })));
    let prediction = predict(&conditioning);
    let (input, output) = seen.lock().expect("no panic").take().expect("the probed layer was seen");
    check("probe.hidden_states", "probe", &input);
    check("probe.output", "probe", &output);

    let loss = (prediction - candle(case.input("target"))).and_then(|d| d.sqr()).and_then(|d| d.mean_all());
    let loss = loss.expect("a loss");
    check("loss", "loss", &loss);
    let grads = loss.backward().expect("gradients");
    let mut compared = 0;
    let mut compare = |name: String, var: &candle_core::Tensor| {
        let found = grads.get(var).unwrap_or_else(|| panic!("no gradient for {name}"));
        let expected = case.output(&name);
        check(&name, "grad", found);
        let apart: f64 =
            values(found).iter().zip(&expected.values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let norm: f64 = expected.values.iter().map(|b| f64::from(*b).powi(2)).sum();
        assert!(apart.sqrt() <= 1e-3 * norm.sqrt(), "{name}: relative error {}", (apart / norm).sqrt());
        compared += 1;
    };
    for (i, which) in ["ref", "body"].into_iter().enumerate() {
        for (name, var) in &adapters[i].0 {
            compare(format!("grad.{which}.{name}"), var);
        }
        compare(format!("grad.{which}.embeds"), embeds[i]);
    }
    assert_eq!(compared, case.output_names().filter(|name| name.starts_with("grad.")).count());
}
