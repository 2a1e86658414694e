//! Checkpoints: spoilt, half written, too many, too large for the disk.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device};
use candle_nn::Init;
use train::fit::{Event, FitError, Resume, fit};
use train::run::RunFolder;

use super::trial::{CONFIG, Model, Trial, checkpoint, left, message, run_path};

#[test]
fn a_spoilt_checkpoint_is_passed_over_and_named_with_the_reason() {
    type Spoil = fn(&Path);
    let flip: Spoil = |folder| {
        let path = folder.join("moments.safetensors");
        let mut bytes = fs::read(&path).expect("a file");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).expect("a file");
    };
    let truncate: Spoil = |folder| {
        let file = fs::File::options().write(true).open(folder.join("ema.safetensors")).expect("a file");
        file.set_len(100).expect("a shorter file");
    };
    let unseal: Spoil = |folder| fs::remove_file(folder.join("seal.json")).expect("a seal");
    let restate: Spoil = |folder| fs::write(folder.join("state.json"), "{}").expect("a file");
    for (spoil, reason) in [
        (flip, "moments.safetensors has another digest"),
        (truncate, "ema.safetensors has 100 bytes"),
        (unseal, "seal.json cannot be read"),
        (restate, "state.json has 2 bytes"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let trial = Trial::new(&folder);
        let expected = left(&trial.start().expect("a training").0);
        spoil(&checkpoint(&run_path(&trial), 12));
        let (run, finished) = trial.resume(&[]).expect("a resumed training");
        let resumed = finished.resumed.expect("resumed");
        assert_eq!(resumed.step, 9);
        assert_eq!(resumed.passed_over.len(), 1);
        assert!(resumed.passed_over[0].to_string().contains(reason), "{:?}", resumed.passed_over);
        assert!(left(&run) == expected, "{reason}");
    }
}

#[test]
fn a_run_of_which_no_checkpoint_verifies_is_refused_and_not_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let (run, _) = trial.start().expect("a training");
    for step in run.checkpoint_steps().expect("steps") {
        fs::remove_file(checkpoint(run.path(), step).join("seal.json")).expect("a seal");
    }
    drop(run);
    let message = message(trial.resume(&[]));
    assert!(
        message.contains("verifies") && message.contains("step 12") && message.contains("step 9"),
        "{message}"
    );
}

#[test]
fn the_newest_checkpoints_and_the_best_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, finished) = Trial::new(&folder).start().expect("a training");
    let best = finished.best.expect("a best").step;
    assert_eq!(best, 6);
    assert_eq!(run.checkpoint_steps().expect("steps"), [6, 9, 12]);
}

#[test]
fn a_full_disk_is_said_and_leaves_what_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial { full_from: Some(3), ..Trial::new(&folder) };
    let run = RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0).expect("a run");
    let mut saved = Vec::new();
    let result = trial.train(&run, &Resume::Never, &mut |event| {
        if let Event::Saved { step, .. } = event {
            saved.push(*step);
        }
    });
    let model = fs::read(run.model_dir().join("model.safetensors")).expect("a model");
    assert!(!model.is_empty());
    let said = message(result);
    assert!(said.contains("disk is full") && said.contains("--resume"), "{said}");
    assert_eq!(saved.len(), 2);
    assert_eq!(run.checkpoint_steps().expect("steps"), saved);
    let names = fs::read_dir(run.path()).expect("a folder").map(|e| e.expect("an entry").file_name());
    let temporary: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".tmp-")).collect();
    assert!(temporary.is_empty(), "{temporary:?}");
    drop(run);
    assert!(Trial { full_from: None, ..trial }.resume(&[]).is_ok());
}

#[test]
fn what_a_killed_process_left_half_written_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(7), ..trial.clone() }.start().is_err());
    let run = run_path(&trial);
    for left in ["checkpoints/.tmp-step-00000009", ".tmp-model"] {
        fs::create_dir_all(run.join(left)).expect("a folder");
        fs::write(run.join(left).join("half"), "half").expect("a file");
    }
    trial.resume(&[]).expect("a resumed training");
    assert!(!run.join("checkpoints/.tmp-step-00000009").exists());
    assert!(!run.join(".tmp-model").exists());
}

#[test]
fn a_checkpoint_of_another_shape_names_the_parameter() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(7), ..trial.clone() }.start().is_err());
    let run = RunFolder::resume(&trial.runs, &trial.spec()).expect("a run");
    let model = Model::new().expect("a model");
    let builder = model.parameters.builder(DType::F32, &Device::Cpu);
    builder.get_with_hints((2, 2), "more.weight", Init::Const(1.0)).expect("a parameter");
    let resume = Resume::Newest { allow_change: Vec::new() };
    let result = trial
        .with_task(&model, |task| fit(&run, &model.parameters, task, &trial.settings, &resume, &mut |_| {}));
    let error = result.expect_err("another model");
    assert!(matches!(&error, FitError::Checkpoint { .. }), "{error}");
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("more.weight"), "{cause}");
}
