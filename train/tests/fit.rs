//! The training loop on a model of two layers: resuming to the byte, checkpoints that are spoilt, batches that are no
//! numbers, and what is left in the run's folder.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use serde_json::{Value, json};
use tempfile::TempDir;
use train::fit::{
    Event, Finished, FitError, FitSettings, Loss, Resume, StepContext, Task, TaskError, Validation,
    ValidationContext, dry_run, fit,
};
use train::grad;
use train::parameters::Parameters;
use train::run::events::Picture;
use train::run::{RunError, RunFolder, RunLog, RunSpec, RunState, SnapshotName, Withdrawn, tensors};

const SEED: u64 = 11;
const SAMPLES: usize = 4;
const CONFIG: &str = "name = \"tiny\"\n";

/// A batch: inputs of the samples, and the step they are of.
struct Batch {
    inputs: Tensor,
    micro_step: u64,
}

fn number(seed: u64, i: u64) -> f32 {
    let mixed =
        (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i.wrapping_mul(0xd1b5_4a32_d192_ed03)).rotate_left(17);
    (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn inputs(first_sample: u64, samples: usize) -> Result<Tensor, TaskError> {
    let values: Vec<f32> = (0..samples as u64 * 6).map(|i| number(SEED, first_sample * 6 + i)).collect();
    Ok(Tensor::from_vec(values, (samples, 6), &Device::Cpu)?)
}

struct Model {
    parameters: Parameters,
    first: Tensor,
    bias: Tensor,
    gain: Tensor,
    shift: Tensor,
    second: Tensor,
}

impl Model {
    fn new() -> Result<Self, TaskError> {
        let parameters = Parameters::seeded(SEED);
        let builder = parameters.builder(DType::F32, &Device::Cpu);
        let normal = Init::Randn { mean: 0.0, stdev: 0.4 };
        Ok(Self {
            first: builder.get_with_hints((8, 6), "first.weight", normal)?,
            bias: builder.get_with_hints(8, "first.bias", Init::Const(0.0))?,
            gain: builder.get_with_hints(8, "norm.weight", Init::Const(1.0))?,
            shift: builder.get_with_hints(8, "norm.bias", Init::Const(0.0))?,
            second: builder.get_with_hints((2, 8), "second.weight", normal)?,
            parameters,
        })
    }

    /// How far the two outputs are from the sum and the product of the first inputs.
    fn loss(&self, inputs: &Tensor) -> Result<(Tensor, Tensor), TaskError> {
        let hidden = grad::linear(inputs, &self.first, Some(&self.bias))?;
        let hidden = grad::layer_norm(&grad::silu(&hidden)?, &self.gain, &self.shift, 1e-5)?;
        let found = grad::linear(&hidden, &self.second, None)?;
        let (a, b) = (inputs.narrow(1, 0, 1)?, inputs.narrow(1, 1, 1)?);
        let wanted = Tensor::cat(&[(&a + &b)?, (&a * &b)?], 1)?;
        let squares = (found - wanted)?.sqr()?;
        Ok((squares.narrow(1, 0, 1)?.mean_all()?, squares.narrow(1, 1, 1)?.mean_all()?))
    }
}

/// What a test changes of the training.
#[derive(Clone)]
struct Trial {
    runs: PathBuf,
    settings: FitSettings,
    /// The loader fails at this micro step, as if the program had been killed there.
    dies_at: Option<u64>,
    /// The inputs of these micro steps are NaN.
    nan_at: Vec<u64>,
    samples: usize,
    /// The model file goes to a disk that is full, from this step on.
    full_from: Option<u64>,
    snapshot: &'static str,
}

impl Trial {
    fn new(folder: &TempDir) -> Self {
        let settings = FitSettings {
            steps: 12,
            batch: SAMPLES,
            learning_rate: 0.02,
            warmup_steps: 3,
            weight_decay: 0.1,
            clip_norm: 0.5,
            save_every: 3,
            validate_every: 2,
            keep_last: 2,
            ..FitSettings::default()
        };
        let runs = folder.path().join("runs");
        Self {
            runs,
            settings,
            dies_at: None,
            nan_at: Vec::new(),
            samples: SAMPLES,
            full_from: None,
            snapshot: "0123456789ab",
        }
    }

    fn spec(&self) -> RunSpec {
        RunSpec {
            kind: "test".to_owned(),
            name: "tiny".to_owned(),
            snapshot: SnapshotName { id: self.snapshot.to_owned(), name: "demo".to_owned() },
            program_version: "1".to_owned(),
            seed: SEED,
            config: json!({"fit": self.settings, "model": {"width": 8}}),
        }
    }

    fn start(&self) -> Result<(RunFolder, Finished), FitError> {
        let run = RunFolder::create(&self.runs, &self.spec(), CONFIG, 1_700_000_000_000)?;
        let finished = self.train(&run, &Resume::Never, &mut |_| {})?;
        Ok((run, finished))
    }

    fn resume(&self, allow_change: &[&str]) -> Result<(RunFolder, Finished), FitError> {
        let run = RunFolder::resume(&self.runs, &self.spec())?;
        let allow_change = allow_change.iter().map(|&key| key.to_owned()).collect();
        let finished = self.train(&run, &Resume::Newest { allow_change }, &mut |_| {})?;
        Ok((run, finished))
    }

    fn train(
        &self,
        run: &RunFolder,
        resume: &Resume,
        tell: &mut dyn FnMut(&Event<'_>),
    ) -> Result<Finished, FitError> {
        let model = Model::new().expect("a model");
        self.with_task(&model, |task| fit(run, &model.parameters, task, &self.settings, resume, tell))
    }

    fn with_task<T>(&self, model: &Model, run: impl FnOnce(&Task<'_, Batch>) -> T) -> T {
        let load = |micro_step: u64| -> Result<Batch, TaskError> {
            if self.dies_at == Some(micro_step) {
                return Err("killed".into());
            }
            let mut inputs = inputs(micro_step * self.samples as u64, self.samples)?;
            if self.nan_at.contains(&micro_step) {
                inputs = (inputs * f64::NAN)?;
            }
            Ok(Batch { inputs, micro_step })
        };
        let loss = |batch: &Batch, context: &StepContext| -> Result<Loss, TaskError> {
            assert_eq!(context.micro_step, batch.micro_step);
            let (sum, product) = model.loss(&batch.inputs)?;
            Ok(Loss { total: (&sum + &product)?, terms: vec![("sum", sum), ("product", product)] })
        };
        let validate = |context: &ValidationContext<'_>| -> Result<Validation, TaskError> {
            let (sum, product) = model.loss(&inputs(1_000_000, 16)?)?;
            let total = f64::from((sum + product)?.to_scalar::<f32>()?);
            // So that the best is not the last.
            let wave = if context.step < 7 { 0.1 } else { 1.0 };
            let png = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pixel.png"))?;
            Ok(Validation {
                numbers: BTreeMap::from([("loss".to_owned(), total), ("wave".to_owned(), total * wave)]),
                minimise: Some("wave".to_owned()),
                pictures: vec![Picture { tag: "grid".to_owned(), width: 1, height: 1, png }],
            })
        };
        let saves = RefCell::new(0u64);
        let save_model = |values: &BTreeMap<String, Tensor>, folder: &Path| -> Result<(), TaskError> {
            *saves.borrow_mut() += 1;
            if self.full_from.is_some_and(|from| *saves.borrow() >= from) {
                fs::write("/dev/full", "model")?;
            }
            Ok(tensors::save(&folder.join("model.safetensors"), values, &BTreeMap::new())?)
        };
        let task = Task {
            load: &load,
            loss: &loss,
            describe: &|batch| format!("photos of batch {}", batch.micro_step),
            validate: &validate,
            save_model: &save_model,
            may_be_zero: &|_| false,
        };
        run(&task)
    }
}

/// Every file of a run that has no time in it, and the lines of its log without times.
fn left(run: &RunFolder) -> (BTreeMap<String, Vec<u8>>, Vec<Value>) {
    let mut files = BTreeMap::new();
    let mut folders = vec![run.checkpoints_dir(), run.model_dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(run.path()).expect("a path within").display().to_string();
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    let mut lines = RunLog::read(&run.log_path()).expect("a log");
    lines.retain(|line| line["kind"] != "resumed");
    for line in &mut lines {
        let line = line.as_object_mut().expect("an object");
        line.retain(|key, _| !["wait_s", "compute_s", "samples_per_s", "seconds"].contains(&key.as_str()));
    }
    (files, lines)
}

fn message<T>(result: Result<T, FitError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoints/step-{step:08}"))
}

fn run_path(trial: &Trial) -> PathBuf {
    trial.runs.join(format!("tiny-{}", trial.spec().id()))
}

#[test]
fn a_run_killed_at_any_step_and_resumed_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (undisturbed, finished) = Trial::new(&folder).start().expect("a training");
    let expected = left(&undisturbed);
    assert_eq!(finished.step, 12);
    assert!(finished.best.as_ref().is_some_and(|best| best.step != 12), "the best is apart: {finished:?}");
    for step in 0..12 {
        let folder = tempfile::tempdir().expect("a folder");
        let trial = Trial::new(&folder);
        let dying = Trial { dies_at: Some(step), ..trial.clone() };
        assert!(message(dying.start()).contains(&format!("batch {step}")));
        let (run, finished) = trial.resume(&[]).expect("a resumed training");
        let from = finished.resumed.expect("resumed").step;
        assert!(from <= step, "killed at {step}, resumed at {from}");
        let (files, lines) = left(&run);
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            expected.0.keys().collect::<Vec<_>>(),
            "killed at {step}"
        );
        for (name, bytes) in &files {
            assert!(*bytes == expected.0[name], "{name} differs when killed at {step}");
        }
        assert_eq!(lines, expected.1, "killed at {step}");
    }
}

#[test]
fn the_log_has_every_step_once_after_two_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(5), ..trial.clone() }.start().is_err());
    assert!(Trial { dies_at: Some(11), ..trial.clone() }.resume(&[]).is_err());
    let (run, _) = trial.resume(&[]).expect("a resumed training");
    let lines = RunLog::read(&run.log_path()).expect("a log");
    let steps = |kind: &str| -> Vec<u64> {
        lines.iter().filter(|line| line["kind"] == kind).filter_map(|line| line["step"].as_u64()).collect()
    };
    assert_eq!(steps("step"), (1..=12).collect::<Vec<u64>>());
    assert_eq!(steps("validation"), [0, 2, 4, 6, 8, 10, 12]);
    assert_eq!(steps("finished"), [12]);
    assert_eq!(steps("resumed").len(), 2);
}

#[test]
fn a_finished_run_that_is_resumed_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let before = left(&trial.start().expect("a training").0);
    let (run, finished) = trial.resume(&[]).expect("nothing to do");
    assert_eq!((finished.step, finished.loss), (12, None));
    assert!(left(&run) == before);
}

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
fn another_setting_than_the_checkpoints_is_refused_by_key_unless_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(7), ..trial.clone() }.start().is_err());
    let mut other = trial.clone();
    other.settings.learning_rate = 0.5;
    other.settings.batch = 16;
    other.settings.keep_last = 5; // changes nothing of the result
    other.snapshot = "ba9876543210";
    let refused = message(other.resume(&["fit.learning_rate"]));
    assert!(refused.contains("fit.batch was 4 and is 16"), "{refused}");
    assert!(refused.contains("snapshot.id was \"0123456789ab\" and is \"ba9876543210\""), "{refused}");
    assert!(!refused.contains("learning_rate") && !refused.contains("keep_last"), "{refused}");
    let (run, finished) = other.resume(&["fit", "snapshot.id"]).expect("a resumed training");
    let changes = finished.resumed.expect("resumed").changes;
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["fit.batch", "fit.keep_last", "fit.learning_rate", "snapshot.id"]);
    let record = RunFolder::open(run.path()).expect("a run");
    assert_eq!(record.record().snapshot_ids(), ["0123456789ab", "ba9876543210"]);
    // The next one goes on with the settings that were allowed, without further leave.
    drop(run);
    assert!(other.resume(&[]).is_ok());
}

#[test]
fn a_run_without_a_checkpoint_is_guarded_by_its_own_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(1), ..trial.clone() }.start().is_err());
    let mut other = trial.clone();
    other.settings.learning_rate = 0.5;
    let refused = message(other.resume(&[]));
    assert!(refused.contains("fit.learning_rate was 0.02 and is 0.5"), "{refused}");
    assert!(other.resume(&["fit.learning_rate"]).is_ok());
}

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
fn a_run_is_made_once_and_held_by_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let none = RunFolder::resume(&trial.runs, &trial.spec()).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(none.contains("no test run named tiny"), "{none}");
    let (run, _) = trial.start().expect("a training");
    let again = message(trial.start());
    assert!(again.contains("--resume") && again.contains("another name"), "{again}");
    let held = RunFolder::resume(&trial.runs, &trial.spec());
    assert!(matches!(held, Err(RunError::Locked { .. })), "{held:?}");
    let listed = RunFolder::list(&trial.runs).expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].state, listed[0].step), (RunState::Running, Some(12)));
    drop(run);
    assert_eq!(RunFolder::list(&trial.runs).expect("a list")[0].state, RunState::Finished);
}

#[test]
fn a_withdrawn_run_says_so_in_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let run = RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0).expect("a run");
    assert_eq!(run.withdrawn().expect("no note"), None);
    let note = Withdrawn { reason: "erased".to_owned(), photos: 3, withdrawn_at_ms: 5 };
    run.withdraw(&note).expect("a note");
    run.withdraw(&note).expect("the same note");
    assert_eq!(RunFolder::list(&trial.runs).expect("a list")[0].withdrawn, Some(note));
    assert_eq!(fs::read_to_string(run.path().join("config.toml")).expect("a file"), CONFIG);
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
    let panic = panicked.err().expect("a panic");
    let said =
        panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    assert!(said.is_some_and(|said| said.contains("the loader's own words")));
}

/// `BOLID_PYTHON=/path/to/python cargo test --release -p train --test fit -- --ignored` (`make test-python`).
#[test]
#[ignore = "needs Python with tensorboard: make test-python"]
fn tensorboard_reads_every_step_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(5), ..trial.clone() }.start().is_err());
    assert!(Trial { dies_at: Some(11), ..trial.clone() }.resume(&[]).is_err());
    let (run, _) = trial.resume(&[]).expect("a resumed training");
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/events.py");
    let output = Command::new(&python).arg(script).arg(run.path()).output().expect("Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{python} failed (does it have tensorboard?):\n{said}");
}
