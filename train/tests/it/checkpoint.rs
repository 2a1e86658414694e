//! Checkpoints in diffusers' layout, made of the golden models: single files, shards, half precision, a hub
//! cache, overlays.

use candle_core::{DType, Device, Tensor};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use train::diffusion::checkpoint::{Checkpoint, Hub, wanted_files, wanted_of_model};
use train::diffusion::prompt::PromptEncoder;
use train::diffusion::scheduler::{Sampler, SamplerKind};
use train::diffusion::unet::Conditioning;

type TestResult = Result<(), Box<dyn Error>>;

fn golden() -> PathBuf {
    let set = std::env::var_os("BOLID_GOLDEN").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden"))
}

/// A folder like a download of SD 1.5, with the golden set's tiny models.
fn write_checkpoint(root: &Path) -> TestResult {
    for (part, case, file) in [
        ("unet", "unet_sd15", "diffusion_pytorch_model.safetensors"),
        ("vae", "vae_kl", "diffusion_pytorch_model.safetensors"),
        ("text_encoder", "clip_text", "model.safetensors"),
    ] {
        let (from, to) = (golden().join(case), root.join(part));
        fs::create_dir_all(&to)?;
        fs::copy(from.join("config.json"), to.join("config.json"))?;
        fs::copy(from.join("weights.safetensors"), to.join(file))?;
    }
    let scheduler = root.join("scheduler");
    fs::create_dir_all(&scheduler)?;
    // As SD 1.5 ships it.
    let config = r#"{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": false,
        "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null, "clip_sample": false,
        "lambda_min_clipped": -Infinity}"#;
    fs::write(scheduler.join("scheduler_config.json"), config)?;
    Ok(())
}

fn load(path: &Path) -> Result<HashMap<String, Tensor>, Box<dyn Error>> {
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

fn prediction(root: &Path, dtype: DType) -> Result<Vec<f32>, Box<dyn Error>> {
    predicted(&Checkpoint::open(root, dtype, &Device::Cpu)?)
}

fn predicted(checkpoint: &Checkpoint) -> Result<Vec<f32>, Box<dyn Error>> {
    let unet = checkpoint.unet()?;
    let inputs = load(&golden().join("unet_sd15/inputs.safetensors"))?;
    let conditioning = Conditioning::text(inputs["encoder_hidden_states"].clone());
    let timesteps: Vec<f64> = inputs["timesteps"].to_dtype(DType::F64)?.to_vec1()?;
    Ok(unet.forward(&inputs["latents"], &timesteps, &conditioning)?.flatten_all()?.to_vec1()?)
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_part_of_a_folder_loads() -> TestResult {
    let root = tempfile::tempdir()?;
    write_checkpoint(root.path())?;
    let checkpoint = Checkpoint::open(root.path(), DType::F32, &Device::Cpu)?;
    checkpoint.vae()?;
    let scheduler = checkpoint.scheduler()?;
    assert_eq!(scheduler.sampler()?, SamplerKind::Ddim);
    let steps = Sampler::new(SamplerKind::Ddim, &scheduler, 50)?;
    assert_eq!(&steps.timesteps()[..2], [981.0, 961.0]);

    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizer/fast");
    fs::create_dir_all(root.path().join("tokenizer"))?;
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(tokenizer.join(file), root.path().join("tokenizer").join(file))?;
    }
    // This tokenizer's ids are beyond the tiny encoder's vocabulary: refused, not read out of bounds.
    let message =
        PromptEncoder::load(&checkpoint)?.encode(&["a person"]).err().ok_or("must fail")?.to_string();
    assert!(message.contains("is this the encoder's own tokenizer"), "{message}");
    Ok(())
}

#[test]
fn shards_and_half_precision_files_give_the_prediction_of_the_single_file() -> TestResult {
    let root = tempfile::tempdir()?;
    write_checkpoint(root.path())?;
    let unet = root.path().join("unet");
    let single = unet.join("diffusion_pytorch_model.safetensors");
    let expected = prediction(root.path(), DType::F32)?;
    let all = load(&single)?;

    fs::remove_file(&single)?;
    let mut map = serde_json::Map::new();
    let mut shards = [HashMap::new(), HashMap::new(), HashMap::new()];
    for (i, (name, tensor)) in all.iter().enumerate() {
        map.insert(
            name.clone(),
            format!("diffusion_pytorch_model-0000{}-of-00003.safetensors", i % 3 + 1).into(),
        );
        shards[i % 3].insert(name.clone(), tensor.clone());
    }
    for (i, shard) in shards.iter().enumerate() {
        let name = format!("diffusion_pytorch_model-0000{}-of-00003.safetensors", i + 1);
        candle_core::safetensors::save(shard, unet.join(name))?;
    }
    let index = unet.join("diffusion_pytorch_model.safetensors.index.json");
    fs::write(&index, json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string())?;
    assert_eq!(prediction(root.path(), DType::F32)?, expected);

    fs::write(&index, json!({"weight_map": {"conv_in.weight": "../secret.safetensors"}}).to_string())?;
    let message = prediction(root.path(), DType::F32).err().ok_or("must fail")?.to_string();
    assert!(message.contains("../secret.safetensors"), "{message}");
    fs::remove_file(&index)?;

    let halves: candle_core::Result<HashMap<_, _>> =
        all.iter().map(|(n, t)| Ok((n.clone(), t.to_dtype(DType::F16)?))).collect();
    candle_core::safetensors::save(&halves?, unet.join("diffusion_pytorch_model.fp16.safetensors"))?;
    let scale = expected.iter().map(|v| v.abs()).fold(0.0, f32::max);
    for dtype in [DType::F32, DType::F16] {
        let worst = apart(&prediction(root.path(), dtype)?, &expected);
        // 2 % of max |b|, as golden/README.md allows for f16.
        assert!(worst <= 0.02 * scale, "{dtype:?}: {worst} of {scale}");
    }
    Ok(())
}

#[test]
fn all_tensors_that_do_not_fit_are_named_at_once() -> TestResult {
    let root = tempfile::tempdir()?;
    write_checkpoint(root.path())?;
    let path = root.path().join("unet/diffusion_pytorch_model.safetensors");
    let mut tensors = load(&path)?;
    tensors.remove("conv_in.bias");
    tensors.remove("mid_block.resnets.1.conv2.weight");
    tensors.insert("stranger.weight".to_owned(), Tensor::zeros(3, DType::F32, &Device::Cpu)?);
    tensors.insert("conv_out.bias".to_owned(), Tensor::zeros(5, DType::F32, &Device::Cpu)?);
    candle_core::safetensors::save(&tensors, &path)?;
    let message = prediction(root.path(), DType::F32).err().ok_or("must fail")?.to_string();
    for name in
        ["conv_in.bias", "mid_block.resnets.1.conv2.weight", "stranger.weight", "conv_out.bias is [5]"]
    {
        assert!(message.contains(name), "{name} is not in: {message}");
    }
    let bytes = fs::read(&path)?;
    fs::write(&path, &bytes[..bytes.len() - 10])?;
    let message = prediction(root.path(), DType::F32).err().ok_or("must fail")?.to_string();
    assert!(message.contains("truncated") && message.contains("diffusion_pytorch_model"), "{message}");
    Ok(())
}

#[test]
fn an_overlay_replaces_the_unet_and_a_lora_moves_it() -> TestResult {
    let root = tempfile::tempdir()?;
    write_checkpoint(root.path())?;
    let plain = prediction(root.path(), DType::F32)?;
    let all = load(&root.path().join("unet/diffusion_pytorch_model.safetensors"))?;

    let (name, base) =
        all.iter().find(|(n, _)| n.ends_with("attn1.to_q.weight")).ok_or("an attention layer")?;
    let (rows, columns) = base.dims2()?;
    let down = Tensor::randn(0f32, 1.0, (2, columns), &Device::Cpu)?;
    let up = Tensor::randn(0f32, 1.0, (rows, 2), &Device::Cpu)?;
    let mut changed = all.clone();
    changed.insert(name.clone(), (base + (up.matmul(&down)? * 0.5)?)?);
    let overlay = root.path().join("overlay.safetensors");
    candle_core::safetensors::save(&changed, &overlay)?;

    let module = name.trim_end_matches(".weight");
    let lora = HashMap::from([
        (format!("unet.{module}.lora_A.weight"), down),
        (format!("unet.{module}.lora_B.weight"), up),
    ]);
    let lora_path = root.path().join("lora.safetensors");
    candle_core::safetensors::save(&lora, &lora_path)?;

    let open = || Checkpoint::open(root.path(), DType::F32, &Device::Cpu);
    let with_overlay = predicted(&open()?.with_unet(&overlay))?;
    let with_lora = predicted(&open()?.with_lora(&lora_path, 0.5)?)?;
    assert!(apart(&with_overlay, &plain) > 1e-4);
    assert!(apart(&with_overlay, &with_lora) < 1e-5);
    Ok(())
}

#[test]
fn a_repository_is_found_in_the_cache_without_a_network() -> TestResult {
    let cache = tempfile::tempdir()?;
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let repository = cache.path().join("models--someone--tiny-sd");
    write_checkpoint(&repository.join("snapshots").join(commit))?;
    fs::create_dir_all(repository.join("refs"))?;
    fs::write(repository.join("refs/main"), commit)?;
    let hub = Hub::new(cache.path(), true);
    for revision in ["main", commit] {
        let folder = hub.checkpoint("someone/tiny-sd", revision, false)?;
        assert_eq!(folder, repository.join("snapshots").join(commit));
        Checkpoint::open(&folder, DType::F32, &Device::Cpu)?.vae()?;
    }
    let message = hub.checkpoint("someone/other", "main", false).err().ok_or("must fail")?.to_string();
    assert!(message.contains("someone/other") && message.contains("HF_HUB_OFFLINE"), "{message}");
    Ok(())
}

#[test]
fn of_a_repository_only_one_variant_of_each_model_is_fetched() {
    let all: BTreeSet<String> = [
        "model_index.json",
        "v1-5-pruned.ckpt",
        "v1-5-pruned.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors",
        "safety_checker/model.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
    ]
    .map(String::from)
    .into();
    let weights = |half: bool| -> BTreeSet<String> {
        wanted_files(&all, half).into_iter().filter(|n| n.ends_with(".safetensors")).collect()
    };
    let set = |names: [&str; 3]| -> BTreeSet<String> { names.map(String::from).into() };
    let (vae, text) = ("vae/diffusion_pytorch_model.safetensors", "text_encoder/model.fp16.safetensors");
    assert_eq!(weights(false), set(["unet/diffusion_pytorch_model.safetensors", vae, text]));
    assert_eq!(weights(true), set(["unet/diffusion_pytorch_model.fp16.safetensors", vae, text]));
    assert_eq!(wanted_files(&all, false).len(), 10);
}

#[test]
fn of_a_models_repository_its_configurations_and_one_layout_of_tensors_are_fetched() {
    let wanted = |names: &[&str]| wanted_of_model(&names.iter().map(|name| (*name).to_owned()).collect());
    // A repository of timm keeps the tower alone beside open_clip's whole model.
    let eva = wanted(&[
        ".gitattributes",
        "README.md",
        "config.json",
        "model.safetensors",
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.bin",
    ]);
    assert_eq!(eva, ["config.json", "open_clip_config.json", "model.safetensors"]);
    let shards = wanted(&[
        "config.json",
        "flax_model.msgpack",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "sub/model.safetensors",
        "tokenizer.json",
    ]);
    assert_eq!(shards.len(), 5, "{shards:?}");
    assert_eq!(wanted(&["open_clip_config.json", "open_clip_model.safetensors"]).len(), 2);
}
