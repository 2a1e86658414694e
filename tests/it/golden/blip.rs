//! Captions by BLIP and BLIP-2, against transformers.

use candle_core::{DType, Device};
use train::captioner::{Blip, Blip2, Limit};
use train::diffusion::Weights;
use train::diffusion::json::Settings;

use super::candle::{candle, check};
use super::case::{Case, Tensor, Tolerance};

fn load<T>(case: &Case, model: impl Fn(&Weights, &Settings) -> train::Result<T>) -> T {
    let settings = Settings::read(&case.path("config.json")).expect("config.json");
    let weights =
        Weights::open(&[case.path("weights.safetensors")], DType::F32, &Device::Cpu).expect("weights");
    let model = model(&weights, &settings).expect("a supported model");
    weights.finish().expect("every tensor is taken, none is missing");
    model
}

fn rows(tensor: &Tensor) -> Vec<Vec<u32>> {
    let rows = tensor.values.chunks_exact(*tensor.shape.last().expect("rows of ids"));
    rows.map(|row| row.iter().map(|&id| id as u32).collect()).collect()
}

/// The rows filled up to one length, as the library gives them.
fn padded(mut rows: Vec<Vec<u32>>, len: usize, pad: u32) -> Vec<Vec<u32>> {
    rows.iter_mut().for_each(|row| row.resize(len, pad));
    rows
}

/// Compares greedy decoding after `prompt` and after `bare`, on without an end and up to the stop ids.
fn check_ids(
    case: &Case,
    [prompt, bare]: [Vec<Vec<u32>>; 2],
    stops: &[u32],
    generate: impl Fn(&[Vec<u32>], Limit) -> train::Result<Vec<Vec<u32>>>,
) {
    let settings = Settings::read(&case.path("config.json")).expect("config.json");
    let text = settings.nested("text_config").expect("text_config");
    let pad: u32 = text.required("pad_token_id").expect("pad_token_id");
    let runs = [
        ("greedy_ids", &prompt, &[][..]),
        ("greedy_ids.no_prompt", &bare, &[][..]),
        ("generated_ids", &prompt, stops),
    ];
    for (name, ids, stops) in runs {
        let expected = case.output(name);
        let max_tokens = expected.shape[1];
        let found = generate(ids, Limit { max_tokens, stops }).expect("ids");
        println!("{name}: {found:?}");
        assert_eq!(padded(found, max_tokens, pad), rows(expected), "{name}");
    }
}

#[test]
fn blip_says_what_the_reference_says() {
    let case = Case::open("blip_caption");
    let blip = load(&case, Blip::load);
    let tolerance = Tolerance::read(&case.info["tolerance"]["default"]);
    let states = blip.image_states(&candle(case.input("pixel_values"))).expect("states");
    check(&case, tolerance, "image_embeds", &states);
    let ids = rows(case.input("input_ids"));
    assert!(ids.iter().all(|row| *row == blip.prompt(&row[1..])), "{ids:?}");
    check(&case, tolerance, "logits", &blip.logits(&states, &ids).expect("logits"));
    let bare = vec![blip.prompt(&[]); ids.len()];
    check_ids(&case, [ids, bare], blip.stops(), |ids, limit| blip.generate(&states, ids, limit));
}

#[test]
fn blip2_says_what_the_reference_says() {
    let case = Case::open("blip2_opt");
    let blip = load(&case, Blip2::load);
    let tolerance = Tolerance::read(&case.info["tolerance"]["default"]);
    let vision = blip.vision_states(&candle(case.input("pixel_values"))).expect("states");
    let expected = case.output_names().filter(|name| name.starts_with("vision_hidden_states.")).count();
    assert_eq!(vision.hidden_states.len(), expected, "hidden states");
    for (i, states) in vision.hidden_states.iter().enumerate() {
        check(&case, tolerance, &format!("vision_hidden_states.{i}"), states);
    }
    check(&case, tolerance, "vision_last_hidden_state", &vision.last_hidden_state);
    let read = blip.read(&vision.last_hidden_state).expect("what the queries read");
    check(&case, tolerance, "query_output", &read);
    let image = blip.project(&read).expect("embeddings");
    check(&case, tolerance, "language_model_inputs", &image);
    // The ids that stand for the image come first.
    let queries = image.dim(1).expect("queries");
    let ids: Vec<Vec<u32>> =
        rows(case.input("input_ids")).iter().map(|row| row[queries..].to_vec()).collect();
    assert!(ids.iter().all(|row| *row == blip.prompt(&row[1..])), "{ids:?}");
    let nothing = vec![Vec::new(); ids.len()];
    check(&case, tolerance, "logits", &blip.logits(&image, &ids, &nothing).expect("logits"));
    let bare = vec![blip.prompt(&[]); ids.len()];
    check_ids(&case, [ids, bare], blip.stops(), |ids, limit| blip.generate(&image, ids, limit));
}
