//! A training of two layers, whose batches, validation and disk can be spoilt.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use serde_json::{Value, json};
use tempfile::TempDir;
use train::fit::{
    Event, Finished, FitError, FitSettings, Loss, Resume, StepContext, Task, TaskError, Validation,
    ValidationContext, fit,
};
use train::grad;
use train::parameters::Parameters;
use train::run::events::Picture;
use train::run::{RunFolder, RunLog, RunSpec, SnapshotName, tensors};

pub const SEED: u64 = 11;
pub const SAMPLES: usize = 4;
pub const CONFIG: &str = "name = \"tiny\"\n";

/// A batch: inputs of the samples, and the step they are of.
pub struct Batch {
    pub inputs: Tensor,
    pub micro_step: u64,
}

fn number(seed: u64, i: u64) -> f32 {
    let mixed =
        (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i.wrapping_mul(0xd1b5_4a32_d192_ed03)).rotate_left(17);
    (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

pub fn inputs(first_sample: u64, samples: usize) -> Result<Tensor, TaskError> {
    let values: Vec<f32> = (0..samples as u64 * 6).map(|i| number(SEED, first_sample * 6 + i)).collect();
    Ok(Tensor::from_vec(values, (samples, 6), &Device::Cpu)?)
}

pub struct Model {
    pub parameters: Parameters,
    pub first: Tensor,
    pub bias: Tensor,
    pub gain: Tensor,
    pub shift: Tensor,
    pub second: Tensor,
}

impl Model {
    pub fn new() -> Result<Self, TaskError> {
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
    pub fn loss(&self, inputs: &Tensor) -> Result<(Tensor, Tensor), TaskError> {
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
pub struct Trial {
    pub runs: PathBuf,
    pub settings: FitSettings,
    /// The loader fails at this micro step, as if the program had been killed there.
    pub dies_at: Option<u64>,
    /// The inputs of these micro steps are NaN.
    pub nan_at: Vec<u64>,
    /// The loss of these micro steps is so steep that the gradients of two add up to more than f32 holds.
    pub huge_at: Vec<u64>,
    pub samples: usize,
    /// The model file goes to a disk that is full, from this step on.
    pub full_from: Option<u64>,
    pub snapshot: &'static str,
    /// How long a batch takes to load.
    pub pause: Duration,
}

impl Trial {
    pub fn new(folder: &TempDir) -> Self {
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
            huge_at: Vec::new(),
            samples: SAMPLES,
            full_from: None,
            snapshot: "0123456789ab",
            pause: Duration::ZERO,
        }
    }

    pub fn spec(&self) -> RunSpec {
        RunSpec {
            kind: "test".to_owned(),
            name: "tiny".to_owned(),
            snapshot: SnapshotName { id: self.snapshot.to_owned(), name: "demo".to_owned() },
            program_version: "1".to_owned(),
            seed: SEED,
            config: json!({"fit": self.settings, "model": {"width": 8}}),
            init_from: None,
        }
    }

    pub fn start(&self) -> Result<(RunFolder, Finished), FitError> {
        let run = RunFolder::create(&self.runs, &self.spec(), CONFIG, 1_700_000_000_000)?;
        let finished = self.train(&run, &Resume::Never, &mut |_| {})?;
        Ok((run, finished))
    }

    pub fn resume(&self, allow_change: &[&str]) -> Result<(RunFolder, Finished), FitError> {
        let run = RunFolder::resume(&self.runs, &self.spec())?;
        let allow_change = allow_change.iter().map(|&key| key.to_owned()).collect();
        let finished = self.train(&run, &Resume::Newest { allow_change }, &mut |_| {})?;
        Ok((run, finished))
    }

    pub fn train(
        &self,
        run: &RunFolder,
        resume: &Resume,
        tell: &mut dyn FnMut(&Event<'_>),
    ) -> Result<Finished, FitError> {
        let model = Model::new().expect("a model");
        self.with_task(&model, |task| fit(run, &model.parameters, task, &self.settings, resume, tell))
    }

    pub fn with_task<T>(&self, model: &Model, run: impl FnOnce(&Task<'_, Batch>) -> T) -> T {
        let load = |micro_step: u64| -> Result<Batch, TaskError> {
            if self.dies_at == Some(micro_step) {
                return Err("killed".into());
            }
            thread::sleep(self.pause);
            let mut inputs = inputs(micro_step * self.samples as u64, self.samples)?;
            if self.nan_at.contains(&micro_step) {
                inputs = (inputs * f64::NAN)?;
            }
            Ok(Batch { inputs, micro_step })
        };
        let loss = |batch: &Batch, context: &StepContext| -> Result<Loss, TaskError> {
            assert_eq!(context.micro_step, batch.micro_step);
            let (sum, product) = model.loss(&batch.inputs)?;
            let mut total = (&sum + &product)?;
            if self.huge_at.contains(&batch.micro_step) {
                // Its gradient by each parameter is 3e38 on top of the loss's own; f32 ends at 3.4e38.
                let bias = (&model.bias - model.bias.detach())?.sum_all()?;
                total = (total + (bias * 3e38)?)?;
            }
            Ok(Loss { total, terms: vec![("sum", sum), ("product", product)] })
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
            may_be_absent: &|_| false,
        };
        run(&task)
    }
}

/// Every file of a run that has no time in it, and the lines of its log without times.
pub fn left(run: &RunFolder) -> (BTreeMap<String, Vec<u8>>, Vec<Value>) {
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

pub fn message<T>(result: Result<T, FitError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

pub fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoints/step-{step:08}"))
}

pub fn run_path(trial: &Trial) -> PathBuf {
    trial.runs.join(format!("tiny-{}", trial.spec().id()))
}
