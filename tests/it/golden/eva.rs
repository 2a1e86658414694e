//! The image tower of EVA02-CLIP, against timm.

use candle_core::{DType, Device};
use train::diffusion::Weights;
use train::diffusion::clip::{EvaVision, EvaVisionConfig};
use train::diffusion::json::Settings;

use super::candle::{candle, check};
use super::case::{Case, Tolerance};

/// Encodes the pixels of the case with the weights of a file and compares all that comes out.
fn check_tower_of(file: &str) {
    let case = Case::open("eva_clip_vision");
    let settings = Settings::read(&case.path("config.json")).expect("config.json");
    let weights = Weights::open(&[case.path(file)], DType::F32, &Device::Cpu).expect("weights");
    let config = EvaVisionConfig::from_settings(&settings).expect("a supported configuration");
    let tower = EvaVision::load(&weights, config).expect("parameters");
    weights.finish().expect("every tensor is taken, none is missing");
    let found = tower.forward(&candle(case.input("pixel_values"))).expect("states");
    let tolerance = Tolerance::read(&case.info["tolerance"]["default"]);
    check(&case, tolerance, "image_embeds", &found.image_embeds);
    check(&case, tolerance, "last_hidden_state", &found.last_hidden_state);
    let tolerance = Tolerance::read(&case.info["tolerance"]["hidden_states"]);
    let expected = case.output_names().filter(|name| name.starts_with("hidden_states.")).count();
    assert_eq!(found.hidden_states.len(), expected, "hidden states");
    for (i, states) in found.hidden_states.iter().enumerate() {
        check(&case, tolerance, &format!("hidden_states.{i}"), states);
    }
}

#[test]
fn the_tower_of_eva_clip_has_the_states_of_the_reference_under_the_names_of_open_clip() {
    check_tower_of("weights.safetensors");
}

#[test]
fn the_tower_of_eva_clip_has_the_states_of_the_reference_under_the_names_of_the_original_checkpoints() {
    check_tower_of("weights_original_names.safetensors");
}
