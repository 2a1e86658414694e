//! `train cache`, `train pose-probe`, `train adapter` and `export adapter` as a user runs them: on people drawn into
//! small tensors, with a base of the golden set's tiny models.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::tiny::{adapter, kill_after, run_named, workplace};
use crate::support::{files_below, json_lines, project, refused, text};

#[test]
fn a_cache_a_probe_and_an_adapter_end_with_the_same_bytes_however_often_they_are_killed() {
    let (place, config) = workplace();
    // In the wrong order: each says what is missing.
    refused(&place, &adapter("adapter", &config, &[]), &["needs a pose probe", "bolid train pose-probe"]);
    refused(&place, &adapter("pose-probe", &config, &[]), &["photos and", "bolid train cache"]);

    let filled = json_lines(&place.succeed(&adapter("cache", &config, &[])));
    assert_eq!((filled[0]["photos"].as_u64(), filled[0]["photos_there"].as_u64()), (Some(36), Some(0)));
    let caches = place.workdir().join("cache");
    let whole = files_below(&caches);
    let again = json_lines(&place.succeed(&adapter("cache", &config, &[])));
    assert_eq!((again[0]["photos"].as_u64(), again[0]["texts"].as_u64()), (Some(0), Some(0)));
    for (path, _) in whole.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "safetensors"))
    {
        // A kill leaves the files before the one at hand, and that one half written under another name.
        let file = caches.join(path);
        fs::remove_file(&file).expect("it is there");
        fs::write(file.with_file_name(".tmp-half"), b"half").expect("a file");
        place.succeed(&adapter("cache", &config, &[]));
        assert_eq!(files_below(&caches), whole);
    }

    place.succeed(&adapter("pose-probe", &config, &[]));
    let probe = run_named(&place, "tiny-probe");
    let weights = fs::read(probe.join("model/model.safetensors")).expect("a probe");
    let log = fs::read_to_string(probe.join("log.jsonl")).expect("a log");
    assert!(log.contains("pck_clean") && log.contains("pck_at_0.5"), "PCK by noise level");
    kill_after(&probe, 2);
    place.succeed(&adapter("pose-probe", &config, &["--resume"]));
    assert_eq!(fs::read(probe.join("model/model.safetensors")).expect("a probe"), weights);

    place.succeed(&adapter("adapter", &config, &[]));
    let run = run_named(&place, "tiny");
    let model = |name: &str| fs::read(run.join("model").join(name)).expect("a stream");
    let (body, reference) = (model("body.safetensors"), model("ref.safetensors"));
    for kept in [2, 4] {
        kill_after(&run, kept);
        place.succeed(&adapter("adapter", &config, &["--continue"]));
        assert!(model("body.safetensors") == body && model("ref.safetensors") == reference);
    }
    let page = fs::read_to_string(run.join("report.html")).expect("a report");
    assert!(page.contains("λ_b = 0.5") && page.contains("held-out photos of trained people"));
    assert!(run.join("grid.png").is_file());
    let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    for name in [
        "seen_right",
        "seen_stranger",
        "seen_none",
        "seen_right_best",
        "dropped_reference",
        "diff_q4",
        "\"id\"",
    ] {
        assert!(log.contains(name), "{name}");
    }

    let out = place.path().join("exported");
    let folder = out.to_str().expect("letters");
    place.succeed(&["export", "adapter", run.to_str().expect("letters"), "--out", folder]);
    for name in ["body.safetensors", "ref.safetensors", "body.ipadpt", "neg.ipadpt", "README.md"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let card = fs::read_to_string(out.join("README.md")).expect("a card");
    assert!(card.contains("snapshot") && card.contains("Licence") && card.contains("seen right best"));
    let script = project().join("train/tests/python/comfy_rules.py");
    for name in ["body.safetensors", "ref.safetensors"] {
        // Widths of the golden UNet's cross-attention layers in the order down, up, middle.
        let widths =
            ["16", "16", "16", "16", "32", "32", "32", "32", "32", "16", "16", "16", "16", "16", "16", "32"];
        let output = Command::new("python3").arg(&script).arg(out.join(name)).arg("32").args(widths).output();
        let output = output.expect("Python 3 runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    // Another training begins where this one ended, and goes on from there.
    let from = format!("init_from={:?}", run.to_str().expect("letters"));
    place.succeed(&adapter("adapter", &config, &["--set", "name=\"tuned\"", "--set", &from]));
    let tuned = run_named(&place, "tuned");
    let validations = |run: &Path| -> Vec<f64> {
        let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines.filter_map(|line| line["numbers"]["seen_right"].as_f64()).collect()
    };
    assert_eq!(validations(&tuned).first(), validations(&run).last());
    assert_ne!(validations(&tuned).last(), validations(&run).last());
    let record = fs::read_to_string(tuned.join("run.json")).expect("a record");
    assert!(record.contains("\"sha256\"") && record.contains("init_from"), "{record}");
    for (from, said) in [
        ("nowhere", "no folder with body.safetensors, and no run"),
        ("small", "is of kind `body-vae`, `adapter` is wanted"),
    ] {
        let from = format!("init_from={from:?}");
        refused(&place, &adapter("adapter", &config, &["--set", "name=\"tuned\"", "--set", &from]), &[said]);
    }
    // With an update of the base beside the streams, which is exported as well.
    let low = [
        "name=\"low\"",
        "adapter.lora_rank=2",
        "objective.alpha_id=0",
        "fit.steps=2",
        "base.checkpointing=true",
        "adapter.initial_gain=0.7",
    ];
    let low: Vec<&str> = low.into_iter().flat_map(|value| ["--set", value]).collect();
    place.succeed(&adapter("adapter", &config, &low));
    let with_update = place.path().join("with-update");
    let low = run_named(&place, "low");
    let arguments = [
        "export",
        "adapter",
        low.to_str().expect("letters"),
        "--out",
        with_update.to_str().expect("letters"),
    ];
    place.succeed(&arguments);
    assert!(
        with_update.join("lora.safetensors").is_file()
            && with_update.join("lora_kohya.safetensors").is_file()
    );
    let from = format!("init_from={:?}", low.to_str().expect("letters"));
    let began = adapter("adapter", &config, &["--set", "name=\"tuned\"", "--set", &from]);
    refused(&place, &began, &["lora.safetensors", "an adapter without one"]);
    let exports = fs::read_to_string(low.join("exports.jsonl")).expect("what was exported");
    assert!(exports.contains("lora_kohya.safetensors"));
    refused(
        &place,
        &["export", "adapter", run.to_str().expect("letters"), "--out", folder],
        &["is there already"],
    );
    refused(&place, &["export", "adapter", "small", "--out", folder], &["no adapter"]);
}

#[test]
fn what_cannot_be_trained_is_refused_before_the_first_step() {
    let (place, config) = workplace();
    let with = |value: &'static str| adapter("adapter", &config, &["--set", value]);
    refused(&place, &with("objective.prediction=\"v_prediction\""), &["Epsilon", "objective.prediction"]);
    refused(&place, &with("validation.prompts=[\"a person\", \" \"]"), &["validation.prompts", "empty line"]);
    refused(&place, &with("objective.beta_clip=0.1"), &["objective.beta_clip", "base.clip"]);
    refused(&place, &with("captions.template=\" \""), &["bolid train"]);
    refused(&place, &with("base.size_px=62"), &["size_px", "62", "multiple of 4"]);
    refused(&place, &with("base.path=\"nowhere\""), &["base.path", "nowhere"]);
    refused(&place, &with("base.image_encoder=\"nowhere\""), &["base.image_encoder"]);
    refused(&place, &with("body.model=\"nobody\""), &["nobody"]);
    refused(&place, &with("samples.batch=0"), &["samples.batch"]);
    refused(&place, &with("dropout.body=2"), &["dropout.body"]);
    refused(&place, &with("objective.alpha_ids=1"), &["alpha_ids", "alpha_id"]);
    // A cache of another body-VAE is none of this one's.
    place.succeed(&adapter("cache", &config, &[]));
    let other = place.path().join("vae.toml");
    let changed = fs::read_to_string(&other)
        .expect("a configuration")
        .replace("small", "other")
        .replace("seed = 3", "seed = 8");
    fs::write(&other, changed).expect("a configuration");
    place.succeed(&["train", "vae", "--config", other.to_str().expect("letters")]);
    refused(
        &place,
        &adapter("adapter", &config, &["--set", "body.model=\"other\"", "--set", "objective.alpha_id=0"]),
        &["36 photos", "bolid train cache"],
    );
}

#[test]
fn references_are_read_by_eva_clip_and_by_no_other_encoder_than_the_adapters() {
    let (place, config) = workplace();
    let eva = place.path().join("eva");
    fs::create_dir_all(&eva).expect("a folder");
    let golden = project().join("tests/golden/eva_clip_vision");
    // As open_clip's repositories have it: the configuration in `model_cfg`, the tower below `visual.trunk`.
    let settings = fs::read_to_string(golden.join("config.json")).expect("the case's configuration");
    fs::write(eva.join("open_clip_config.json"), format!("{{\"model_cfg\": {settings}}}")).expect("a file");
    fs::copy(golden.join("weights.safetensors"), eva.join("open_clip_model.safetensors")).expect("a copy");
    let eva = eva.to_str().expect("letters");
    let encoder = format!("ref.encoder={eva:?}");
    let with = ["--set", encoder.as_str(), "--set", "objective.alpha_id=0", "--set", "fit.steps=2"];
    place.succeed(&adapter("cache", &config, &with));
    place.succeed(&adapter("adapter", &config, &with));

    let run = run_named(&place, "tiny");
    let (run, base) = (run.to_str().expect("letters"), place.path().join("base"));
    let reference = project().join("tests/golden/images/square.png");
    let picture = place.path().join("picture.png");
    let base = base.to_str().expect("letters");
    let (reference, out) = (reference.to_str().expect("letters"), picture.to_str().expect("letters"));
    let settings = ["--width", "32", "--height", "32", "--steps", "2"];
    let models = ["generate", "--prompt", "a person", "--base", base, "--adapter", run];
    let drawn = [&models[..], &["--ref", reference, "--out", out], &settings].concat();
    refused(&place, &drawn, &["image encoder", "--image-encoder"]);
    assert!(!picture.exists());
    place.succeed(&[&drawn[..], &["--image-encoder", eva]].concat());
    assert!(picture.is_file());

    let both = ["--set", &encoder, "--set", "base.image_encoder=\"x\""];
    refused(&place, &adapter("cache", &config, &both), &["ref.encoder", "not both"]);
    let nowhere = ["--set", "ref.encoder=\"nowhere\""];
    refused(&place, &adapter("cache", &config, &nowhere), &["nowhere", "eva02-clip-l"]);
}
