//! CLIP's encoders and loss, against transformers and torch.

use candle_core::{DType, Device, Var};
use train::diffusion::Weights;
use train::diffusion::clip::{ClipText, ClipTextConfig, ClipVision, ClipVisionConfig, TextOutput, clip_loss};
use train::diffusion::json::Settings;

use super::candle::{candle, check};
use super::case::{Case, Tensor, Tolerance};

fn load(case: &Case) -> (Settings, Weights) {
    let settings = Settings::read(&case.path("config.json")).expect("config.json");
    let weights =
        Weights::open(&[case.path("weights.safetensors")], DType::F32, &Device::Cpu).expect("weights");
    (settings, weights)
}

fn ids(tensor: &Tensor) -> Vec<Vec<u32>> {
    let rows = tensor.values.chunks_exact(*tensor.shape.last().expect("rows of ids"));
    rows.map(|row| row.iter().map(|&id| id as u32).collect()).collect()
}

fn encoded(case: &Case) -> TextOutput {
    let (settings, weights) = load(case);
    let config = ClipTextConfig::from_settings(&settings).expect("a supported configuration");
    let encoder = ClipText::load(&weights, config).expect("parameters");
    weights.finish().expect("every tensor is taken, none is missing");
    let found = encoder.forward(&ids(case.input("input_ids"))).expect("states");
    let tolerance = Tolerance::read(&case.info["tolerance"]);
    check(case, tolerance, "last_hidden_state", &found.last_hidden_state);
    check(case, tolerance, "penultimate_hidden_state", &found.penultimate_hidden_state);
    found
}

#[test]
fn the_first_text_encoder_has_the_states_of_the_reference() {
    let case = Case::open("clip_text");
    let found = encoded(&case);
    assert!(found.text_embeds.is_none());
    check(&case, Tolerance::read(&case.info["tolerance"]), "pooled", &found.pooled);
}

#[test]
fn the_second_text_encoder_has_the_states_and_the_projection_of_the_reference() {
    let case = Case::open("clip_text_g");
    let embeds = encoded(&case).text_embeds.expect("a projection");
    check(&case, Tolerance::read(&case.info["tolerance"]), "text_embeds", &embeds);
}

#[test]
fn the_image_encoder_has_the_states_and_the_projection_of_the_reference() {
    let case = Case::open("clip_vision");
    let (settings, weights) = load(&case);
    let config = ClipVisionConfig::from_settings(&settings).expect("a supported configuration");
    let encoder = ClipVision::load(&weights, config).expect("parameters");
    weights.finish().expect("every tensor is taken, none is missing");
    let found = encoder.forward(&candle(case.input("pixel_values"))).expect("embeddings");
    let tolerance = Tolerance::read(&case.info["tolerance"]);
    check(&case, tolerance, "image_embeds", &found.image_embeds);
    check(&case, tolerance, "last_hidden_state", &found.last_hidden_state);
    check(&case, tolerance, "penultimate_hidden_state", &found.penultimate_hidden_state);
}

#[test]
fn the_clip_loss_and_its_gradient_are_those_of_the_reference() {
    let case = Case::open("clip_loss");
    let tolerance = Tolerance::read(&case.info["tolerance"]);
    let image = Var::from_tensor(&candle(case.input("image_embeds"))).expect("a variable");
    let loss = clip_loss(image.as_tensor(), &candle(case.input("text_embeds"))).expect("a loss");
    check(&case, tolerance, "loss", &loss);
    check(&case, tolerance, "cosine", &(1.0 - &loss).expect("cosines"));
    let gradients = loss.mean_all().and_then(|mean| mean.backward()).expect("gradients");
    let gradient = gradients.get(image.as_tensor()).expect("a gradient of the image embeddings");
    check(&case, tolerance, "grad_image_embeds_of_mean_loss", gradient);
}
