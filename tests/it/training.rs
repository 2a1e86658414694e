//! `train vae`, `encode` and `bodybench` as a user runs them: on people drawn into small tensors.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Workplace, json_lines, refused};
use curate::prepare::gaussian::GaussianWeights;
use photo::{Joint, Joints};
use train::body::Pose;
use train::embedding_file::EmbeddingFile;

/// Four people of nine views, a model of a few thousand numbers, six steps.
pub fn config(place: &Workplace) -> PathBuf {
    let path = place.path().join("train.toml");
    let text = "name = \"small\"\nseed = 3\n\n[data]\nsplit = \"all\"\n\n[data.drawn]\nseed = 5\n\
                families = 2\ntwins = 2\nviews = 9\nsize_px = 64\n\n[model]\nlatent = 16\nview_px = 64\n\
                decoded_px = 32\nchannels = 16\nwidth = 16\nstrip_width = 16\nheads = 2\n\
                decoder_channels = [16, 8]\npalette = true\nmeasures = [\"shin\", \"thigh\"]\n\n[views]\n\
                people = 3\nviews = 4\n\n[fit]\nsteps = 6\nwarmup_steps = 2\nsave_every = 2\n\
                validate_every = 3\n";
    fs::write(&path, text).expect("a configuration can be written");
    path
}

pub fn train<'a>(config: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let config = config.to_str().expect("a path of letters");
    [&["--json", "train", "vae", "--config", config], more].concat()
}

pub fn only_folder(parent: &Path) -> PathBuf {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(parent).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|path| path.is_dir());
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.remove(0)
}

#[test]
fn a_training_ends_with_a_model_that_encodes_and_a_killed_one_with_the_same() {
    let place = Workplace::demo(1, 1, 1);
    let config = config(&place);
    let dry = place.succeed(&train(&config, &["--dry-run"]));
    assert!(json_lines(&dry)[0]["seconds_per_step"].as_f64() > Some(0.0));
    assert!(!place.workdir().join("runs").exists(), "a dry run leaves nothing");

    place.succeed(&train(&config, &[]));
    let run = only_folder(&place.workdir().join("runs"));
    let page = fs::read_to_string(run.join("report.html")).expect("a report");
    assert!(page.contains("held out") && page.contains("bolid explain"));
    let events = fs::read_dir(&run).expect("a run").map(|entry| entry.expect("an entry").path());
    let events = events.filter(|path| path.to_string_lossy().contains("tfevents"));
    let events: Vec<u8> = events.flat_map(|path| fs::read(path).expect("events")).collect();
    assert!(events.windows(4).any(|four| four == b"\x89PNG"), "grids for TensorBoard");
    let model = run.join("model/model.safetensors");
    let whole = fs::read(&model).expect("a model");

    // As if it had been killed after its second checkpoint.
    for gone in ["checkpoints/step-00000006", "model"] {
        fs::remove_dir_all(run.join(gone)).expect("it is there");
    }
    refused(&place, &train(&config, &[]), &["--resume"]);
    refused(
        &place,
        &train(&config, &["--resume", "--set", "fit.learning_rate=0.5"]),
        &["fit.learning_rate", "--allow-change"],
    );
    place.succeed(&train(&config, &["--resume"]));
    assert_eq!(fs::read(&model).expect("a model"), whole);

    let snapshot = only_folder(&place.workdir().join("snapshots"));
    let snapshot = snapshot.to_str().expect("a path of letters");
    let out = place.path().join("c_body.safetensors");
    let path = out.to_str().expect("a path of letters");
    let encode = |person: &'static str, more: &[&'static str]| {
        [&["encode", person, "--snapshot", snapshot, "--run", "small", "--out", path], more].concat()
    };
    place.succeed(&encode("drawn/f00000-1", &["--views", "4"]));
    let found = EmbeddingFile::read(&out).expect("an embedding");
    assert_eq!((found.views, found.mean.len(), found.identity.as_str()), (4, 16, "drawn/f00000-1"));
    assert!(found.log_variance.iter().all(|&value| value <= 0.0), "no view makes less sure than the prior");
    refused(&place, &encode("drawn/f0000-1", &[]), &["drawn/f00000-1"]);
    refused(&place, &encode("drawn/f00000-1", &["--views", "50"]), &["50", "9"]);
    refused(&place, &["bodybench", "--run", "small", "--people", "1"], &["2 or more"]);

    let exported = place.path().join("exported");
    let folder = exported.to_str().expect("a path of letters");
    place.succeed(&["runs", "export", "small", "--out", folder]);
    assert!(
        exported.join("model.safetensors").metadata().expect("weights").len() < whole.len() as u64 * 6 / 10
    );
    let person = ["encode", "drawn/f00000-1", "--snapshot", snapshot, "--run", folder, "--out", path];
    let of_run = ["encode", "drawn/f00000-1", "--snapshot", snapshot, "--run", "small", "--out", path];
    place.succeed(&of_run);
    let whole = EmbeddingFile::read(&out).expect("an embedding");
    place.succeed(&person);
    let half = EmbeddingFile::read(&out).expect("an embedding");
    for (a, b) in half.mean.iter().zip(&whole.mean) {
        assert!((a - b).abs() < 2e-2, "{a} {b}");
    }
    let exports = fs::read_to_string(run.join("exports.jsonl")).expect("what was exported");
    assert!(exports.contains("\"what\":\"model\"") && exports.contains("exported/model.safetensors"));
    assert!(exports.trim_end().ends_with("\"embedding\"}"), "also what was made through the export");
    refused(&place, &["runs", "export", "small", "--out", folder], &["export the model", folder]);

    // Another training begins where this one ended; what is read off bodies whose measures nobody knows is left out.
    let from = format!("init_from={:?}", run.to_str().expect("a path of letters"));
    let tuned = ["--set", "name=\"tuned\"", "--set", &from, "--set"];
    place.succeed(&train(&config, &[&tuned[..], &["model.measures=[]"]].concat()));
    let log = |name: &str| {
        let listed = json_lines(&place.succeed(&["--json", "runs", "list"]));
        let one = listed.iter().find(|one| one["name"] == name).expect("a run");
        let folder = format!("runs/{name}-{}", one["id"].as_str().expect("an id"));
        fs::read_to_string(place.workdir().join(folder).join("log.jsonl")).expect("a log")
    };
    let held_out = |log: &str| -> Vec<f64> {
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines.filter_map(|line| line["numbers"]["held_out"].as_f64()).collect()
    };
    assert_eq!(held_out(&log("tuned")).first(), held_out(&log("small")).last());
    let wider = train(&config, &[&tuned[..], &["model.width=32"]].concat());
    refused(&place, &wider, &["`model.width` is 16 there and 32 here"]);
}

#[test]
fn what_cannot_be_trained_on_is_refused_before_the_first_step() {
    let place = Workplace::demo(1, 1, 1);
    let config = config(&place);
    let with = |value: &'static str| train(&config, &["--set", value]);
    refused(&place, &with("fit.step=3"), &["fit.step", "`steps`"]);
    refused(&place, &with("fit.batch=3"), &["batch"]);
    refused(&place, &with("model.heads=3"), &["model.width"]);
    refused(&place, &with("fit.warmup_steps=6"), &["fit.warmup_steps"]);
    refused(&place, &with("data.snapshot=x"), &["data.drawn"]);
    refused(&place, &train(&config, &["--snapshot", "nobody"]), &["nobody"]);
    refused(&place, &with("augment.flip=1.5"), &["augment.flip = 1.5"]);
    refused(&place, &with("views.families=3"), &["views.families"]);
    refused(&place, &with("loss.temperature=0"), &["loss.temperature"]);
    refused(&place, &with("model.view_px=96"), &["model.view_px"]);
    refused(&place, &with("model.measures=[\"wingspan\"]"), &["model.measures", "`wingspan`", "shin"]);
    assert!(!place.workdir().join("runs").exists());

    let snapshot = only_folder(&place.workdir().join("snapshots"));
    let shard =
        fs::read_dir(snapshot.join("shards")).expect("shards").next().expect("one").expect("an entry").path();
    let path = snapshot.to_str().expect("a path of letters");
    refused(&place, &train(&config, &["--snapshot", path]), &["model.measures", "nobody's body is known"]);
    let mut bytes = fs::read(&shard).expect("a shard");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&shard, bytes).expect("a shard can be written");
    let name = shard.file_name().and_then(|name| name.to_str()).expect("a name of letters");
    refused(&place, &train(&config, &[]), &["verify", name]);
}

#[test]
fn the_trainer_weights_pixels_as_the_pipeline_does() {
    let mut joints = Joints::default();
    for (index, (x, y)) in [(5, (10.0, 12.0)), (6, (20.5, 12.25)), (11, (12.0, 30.0))] {
        joints.0[index] = Joint { x, y, confidence: 0.5 };
    }
    let (side, sigma_px) = (40, 6.0);
    let expected = GaussianWeights::new(&joints, side, side, sigma_px).expect("visible joints").weight_map();
    let found = Pose::new(&joints, side).weights(sigma_px as f32 / side as f32, side);
    for (expected, found) in expected.iter().zip(found) {
        assert!((expected - found).abs() < 1e-5, "{expected} {found}");
    }
}
