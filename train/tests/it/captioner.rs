//! Captioning models against transformers 5.23.0: folders as it saves them and what it says with them
//! (`python/captions.py` made both).

use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use train::captioner::{Blip, Blip2, Captioner, Limit};
use train::diffusion::Weights;
use train::diffusion::json::Settings;

type TestResult = Result<(), Box<dyn Error>>;

/// A folder, the tensors beside it and what the texts should be.
struct Case {
    folder: PathBuf,
    tensors: HashMap<String, Tensor>,
    said: Value,
}

impl Case {
    fn open(name: &str) -> Result<Self, Box<dyn Error>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captions").join(name);
        let tensors = candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu)?;
        let said = serde_json::from_str(&fs::read_to_string(folder.join("expected.json"))?)?;
        Ok(Self { folder, tensors, said })
    }

    fn images(&self) -> Result<Vec<RgbImage>, Box<dyn Error>> {
        let names = (0..).map(|i| format!("image.{i}"));
        let found = names.map_while(|name| self.tensors.get(&name));
        let image = |levels: &Tensor| -> Result<RgbImage, Box<dyn Error>> {
            let (h, w, _) = levels.dims3()?;
            let levels = levels.flatten_all()?.to_vec1()?;
            Ok(RgbImage::from_raw(w as u32, h as u32, levels).ok_or("three levels a pixel")?)
        };
        found.map(image).collect()
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        self.said[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn max_tokens(&self) -> Result<usize, Box<dyn Error>> {
        Ok(self.said["max_tokens"].as_u64().ok_or("a number of tokens")? as usize)
    }
}

fn largest(found: &Tensor, expected: &Tensor) -> Result<f32, candle_core::Error> {
    assert_eq!(found.dims(), expected.dims());
    (found - expected)?.abs()?.max_all()?.to_scalar()
}

/// Opens the folder and compares pixels and texts.
fn check_captions(name: &str) -> TestResult {
    let case = Case::open(name)?;
    let captioner = Captioner::open(&case.folder, &Device::Cpu)?;
    let (images, max_tokens) = (case.images()?, case.max_tokens()?);
    let pixels = captioner.processor().pixels(&images, &Device::Cpu)?;
    let apart = largest(&pixels, &case.tensors["pixel_values"])?;
    println!("{name}: pixels differ by {apart:.2e} at most");
    // One level of 255 in the channel with the smallest standard deviation: roundings of halves may differ.
    assert!(apart < 1.01 / 255.0 / 0.261_302_6, "pixels: {apart}");
    let prompt = case.said["prompt"].as_str();
    let with_prompt = captioner.caption(&images, prompt, max_tokens)?;
    assert_eq!(with_prompt, case.texts("with_prompt"));
    assert_eq!(captioner.caption(&images, None, max_tokens)?, case.texts("without"));
    // Each image by itself gets the text that it gets among others.
    assert_eq!(captioner.caption(&images[1..2], prompt, max_tokens)?, with_prompt[1..2]);
    assert!(captioner.caption(&[], prompt, max_tokens)?.is_empty());
    Ok(())
}

#[test]
fn blip_says_of_photos_what_transformers_lets_it_say() -> TestResult {
    check_captions("blip")
}

#[test]
fn blip2_with_opt_says_of_photos_what_transformers_lets_it_say() -> TestResult {
    check_captions("blip2_opt")
}

#[test]
fn blip2_with_t5_says_of_photos_what_transformers_lets_it_say() -> TestResult {
    check_captions("blip2_t5")
}

#[test]
fn blip2_with_t5_has_the_logits_and_the_ids_of_the_reference() -> TestResult {
    let case = Case::open("blip2_t5")?;
    let weights = Weights::open(&[case.folder.join("model.safetensors")], DType::F32, &Device::Cpu)?;
    let blip = Blip2::load(&weights, &Settings::read(&case.folder.join("config.json"))?)?;
    weights.finish()?;
    let tokenizer = tokenizers::Tokenizer::from_file(case.folder.join("tokenizer.json"));
    let words = tokenizer.and_then(|t| t.encode(case.said["prompt"].as_str().unwrap_or_default(), false));
    let prompt = blip.prompt(words.map_err(|error| error.to_string())?.get_ids());
    let image = blip.image_embeddings(&case.tensors["pixel_values"])?;
    let expected: Vec<Vec<u32>> = case.tensors["ids.prompt"].to_dtype(DType::U32)?.to_vec2()?;
    let ids = vec![prompt; expected.len()];
    let apart = largest(&blip.logits(&image, &ids, &expected)?, &case.tensors["logits"])?;
    println!("logits differ by {apart:.2e} at most");
    assert!(apart < 1e-4, "logits: {apart}");
    let found = blip.generate(&image, &ids, Limit { max_tokens: expected[0].len(), stops: blip.stops() })?;
    // What the library adds to texts that ended is padding.
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, &expected[..found.len()]);
        assert!(expected[found.len()..].iter().all(|&id| id == 0), "{expected:?}");
    }
    Ok(())
}

#[test]
fn shards_give_the_texts_of_the_single_file_and_half_precision_gives_some() -> TestResult {
    let case = Case::open("blip")?;
    let root = tempfile::tempdir()?;
    for file in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
        fs::copy(case.folder.join(file), root.path().join(file))?;
    }
    let all = candle_core::safetensors::load(case.folder.join("model.safetensors"), &Device::Cpu)?;
    let mut shards = [HashMap::new(), HashMap::new()];
    let mut map = serde_json::Map::new();
    for (i, (name, tensor)) in all.into_iter().enumerate() {
        map.insert(name.clone(), format!("model-{}.safetensors", i % 2).into());
        shards[i % 2].insert(name, tensor);
    }
    for (i, shard) in shards.iter().enumerate() {
        candle_core::safetensors::save(shard, root.path().join(format!("model-{i}.safetensors")))?;
    }
    let index = serde_json::json!({ "weight_map": map }).to_string();
    fs::write(root.path().join("model.safetensors.index.json"), index)?;
    let (images, max_tokens) = (case.images()?, case.max_tokens()?);
    let texts = Captioner::open(root.path(), &Device::Cpu)?.caption(&images, None, max_tokens)?;
    assert_eq!(texts, case.texts("without"));
    let half = Captioner::open_as(root.path(), DType::F16, &Device::Cpu)?;
    assert_eq!(half.caption(&images, None, max_tokens)?.len(), images.len());
    Ok(())
}

#[test]
fn settings_that_would_change_the_result_are_refused_by_name() -> TestResult {
    let case = Case::open("blip2_opt")?;
    let text = fs::read_to_string(case.folder.join("config.json"))?;
    let mut config: Value = serde_json::from_str(&text)?;
    config["text_config"]["do_layer_norm_before"] = false.into();
    let weights = Weights::open(&[case.folder.join("model.safetensors")], DType::F32, &Device::Cpu)?;
    let error = Blip2::load(&weights, &Settings::new("config.json", config)?).err().ok_or("must fail")?;
    let expected =
        "config.json (text_config): `do_layer_norm_before` = false is not supported; supported: true";
    assert_eq!(error.to_string(), expected);
    Ok(())
}

#[test]
fn the_demo_captioner_is_small_and_says_of_drawn_photos_what_transformers_lets_it_say() -> TestResult {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (model, data) = (root.join("../data/models/captioner"), root.join("tests/data/captions/demo"));
    let sizes = fs::read_dir(&model)?.map(|entry| Ok(entry?.metadata()?.len()));
    assert!(sizes.sum::<std::io::Result<u64>>()? <= 6_000_000);
    // `python/demo_captioner.py` made these with transformers 5.23.0.
    let expected: Vec<Value> = serde_json::from_str(&fs::read_to_string(data.join("expected.json"))?)?;
    let images = (0..expected.len()).map(|i| Ok(image::open(data.join(format!("{i}.png")))?.to_rgb8()));
    let images = images.collect::<image::ImageResult<Vec<RgbImage>>>()?;
    let captioner = Captioner::open(&model, &Device::Cpu)?;
    let captions = captioner.caption(&images, None, 95)?;
    assert_eq!(captions, expected.iter().filter_map(|row| row["caption"].as_str()).collect::<Vec<_>>());
    let weights = Weights::open(&[model.join("model.safetensors")], DType::F32, &Device::Cpu)?;
    let blip = Blip::load(&weights, &Settings::read(&model.join("config.json"))?)?;
    let states = blip.image_states(&captioner.processor().pixels(&images, &Device::Cpu)?)?;
    let limit = Limit { max_tokens: 95, stops: blip.stops() };
    let ids = blip.generate(&states, &vec![blip.prompt(&[]); images.len()], limit)?;
    for (ids, row) in ids.iter().zip(&expected) {
        assert_eq!(serde_json::json!(ids), row["ids"]);
    }
    Ok(())
}
