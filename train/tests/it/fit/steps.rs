//! Steps: batches without finite numbers, accumulation, what is checked beforehand, and that the model learns.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use serde_json::{Value, json};
use train::fit::{Event, Resume, Task, TaskError, dry_run, fit};
use train::run::{RunFolder, RunLog, tensors};

use super::trial::{Batch, CONFIG, Model, SAMPLES, SEED, Trial, checkpoint, inputs, message, run_path};

#[test]
fn a_batch_without_finite_numbers_is_skipped_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial { nan_at: vec![0, 4, 5], ..Trial::new(&folder) };
    let run = RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0).expect("a run");
    let mut said = Vec::new();
    let finished = trial
        .train(&run, &Resume::Never, &mut |event| {
            if let Event::Skipped(skipped) = event {
                said.push((
                    skipped.step,
                    skipped.what,
                    skipped.batch.clone(),
                    skipped.seed,
                    skipped.in_a_row,
                ));
            }
        })
        .expect("a training");
    let batch = |step: u64| format!("photos of batch {step}");
    let expected = [(1, 0, 1), (5, 4, 1), (6, 5, 2)];
    assert_eq!(said, expected.map(|(step, at, row)| (step, "loss", batch(at), SEED, row)));
    assert_eq!(finished.skipped, 3);
    let lines = RunLog::read(&run.log_path()).expect("a log");
    let skipped: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "skipped").collect();
    assert_eq!((skipped.len(), &skipped[1]["batch"]), (3, &json!("photos of batch 4")));
    let values = tensors::load(&run.model_dir().join("model.safetensors"), &Device::Cpu).expect("a model");
    for (name, value) in values {
        let sum = value.sqr().and_then(|v| v.sum_all()).and_then(|v| v.to_scalar::<f32>()).expect("a sum");
        assert!(sum.is_finite(), "{name}");
    }
}

#[test]
fn three_such_batches_in_a_row_end_the_run_with_the_last_checkpoint_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial { nan_at: vec![7, 8, 9], ..Trial::new(&folder) };
    let said = message(trial.start());
    for part in ["step 10", "seed 11", "photos of batch 9", "step-00000006", "--resume"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Nothing was saved while steps were skipped.
    assert!(!checkpoint(&run_path(&trial), 9).exists());
    // Killed in between and resumed, it counts on.
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial { nan_at: vec![7, 8, 9], ..Trial::new(&folder) };
    assert!(Trial { dies_at: Some(9), ..trial.clone() }.start().is_err());
    assert!(message(trial.resume(&[])).contains("3 steps in a row"));
}

#[test]
fn a_checkpoint_after_which_no_step_was_finite_is_not_called_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial { nan_at: vec![6, 7, 8], ..Trial::new(&folder) };
    let said = message(trial.start());
    assert!(said.contains("last good checkpoint: ") && said.contains("step-00000004."), "{said}");
    assert!(said.contains("step-00000006 is newer"), "{said}");
}

#[test]
fn two_accumulated_batches_do_what_one_twice_as_large_does() {
    let values = |accumulate: u64, samples: usize| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut trial = Trial { samples, ..Trial::new(&folder) };
        trial.settings.accumulate = accumulate;
        let (run, _) = trial.start().expect("a training");
        tensors::load(&run.model_dir().join("model.safetensors"), &Device::Cpu).expect("a model")
    };
    let (twice, large) = (values(2, SAMPLES), values(1, 2 * SAMPLES));
    for (name, value) in twice {
        let off = (value - &large[&name]).and_then(|off| off.abs()?.max_all()?.to_scalar::<f32>());
        let off = off.expect("a difference");
        assert!(off < 1e-6, "{name}: {off}");
    }
}

#[test]
fn a_skipped_step_takes_all_of_its_batches() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trial = Trial { nan_at: vec![4], ..Trial::new(&folder) };
    trial.settings.accumulate = 2;
    // The loss asserts that each batch is of its micro step.
    let (_, finished) = trial.start().expect("a training");
    assert_eq!(finished.skipped, 1);
}

#[test]
fn a_parameter_that_the_loss_leaves_out_is_named_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let run = RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0).expect("a run");
    let model = Model::new().expect("a model");
    let builder = model.parameters.builder(DType::F32, &Device::Cpu);
    builder.get_with_hints((2, 2), "forgotten.weight", Init::Const(1.0)).expect("a parameter");
    let result = trial.with_task(&model, |task| {
        fit(&run, &model.parameters, task, &trial.settings, &Resume::Never, &mut |_| {})
    });
    let said = message(result);
    assert!(said.contains("without a gradient: forgotten.weight"), "{said}");
}

#[test]
fn a_dry_run_measures_a_step_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let model = Model::new().expect("a model");
    let dry =
        trial.with_task(&model, |task| dry_run(&model.parameters, task, &trial.settings)).expect("a step");
    assert_eq!((dry.steps, dry.samples, dry.parameters), (12, 48, 48 + 8 + 8 + 8 + 16));
    assert!(dry.seconds_per_step > 0.0 && dry.loss.is_some_and(f64::is_finite), "{dry:?}");
    if cfg!(target_os = "linux") {
        assert!(dry.peak_memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{dry:?}");
    }
    assert!(!trial.runs.exists());
}

#[test]
fn the_model_learns_and_its_file_holds_the_average() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trial = Trial::new(&folder);
    trial.settings.steps = 300;
    trial.settings.save_every = 100;
    trial.settings.validate_every = 100;
    trial.settings.learning_rate = 0.01;
    trial.settings.clip_norm = 0.0;
    let (run, _) = trial.start().expect("a training");
    let lines = RunLog::read(&run.log_path()).expect("a log");
    let of = |step: u64| {
        let line = lines.iter().find(|line| line["kind"] == "validation" && line["step"] == step);
        line.and_then(|line| line["numbers"]["loss"].as_f64()).expect("a loss")
    };
    assert!(of(300) < 0.2 * of(0), "{} after {}", of(300), of(0));
    let load = |path: &Path| tensors::load(path, &Device::Cpu).expect("tensors");
    let last = checkpoint(run.path(), 300);
    let model = load(&run.model_dir().join("model.safetensors"));
    let (average, trained) =
        (load(&last.join("ema.safetensors")), load(&last.join("parameters.safetensors")));
    let flat = |tensor: &Tensor| tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
    for (name, value) in &model {
        assert_eq!(flat(value), flat(&average[name]), "{name}");
        assert_ne!(flat(value), flat(&trained[name]), "{name}");
    }
    // What validation saw is what the model file gives.
    let other = Model::new().expect("a model");
    other.parameters.set(&model).expect("the same shapes");
    let (sum, product) = inputs(1_000_000, 16).and_then(|inputs| other.loss(&inputs)).expect("a loss");
    let total = (sum + product).and_then(|total| total.to_scalar::<f32>()).expect("a number");
    assert!((f64::from(total) - of(300)).abs() < 1e-9);
}

#[test]
fn a_panic_of_the_loader_ends_the_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let run = RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0).expect("a run");
    let model = Model::new().expect("a model");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        trial.with_task(&model, |task| {
            let load = |micro_step: u64| -> Result<Batch, TaskError> {
                assert!(micro_step < 3, "the loader's own words");
                (task.load)(micro_step)
            };
            let task = Task { load: &load, ..*task };
            fit(&run, &model.parameters, &task, &trial.settings, &Resume::Never, &mut |_| {})
        })
    }));
    let panic = panicked.expect_err("a panic");
    let said =
        panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    assert!(said.is_some_and(|said| said.contains("the loader's own words")));
}
