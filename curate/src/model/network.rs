//! One model, checked against its role's contract, and the sessions that run it.

use std::fs;
use std::path::{Path, PathBuf};

use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use photo::Digest;
use photo::joints::JOINT_COUNT;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tracing::debug;

use super::contract::{fits, shown};
use super::on_demand::{OnDemand, Sessions, noise};
use super::pool::Pool;
use super::{Device, ModelEntry, ModelError, Role, Runtime, outlets};
use crate::input::Input;

/// A model that fits its role.
#[derive(Debug)]
pub(crate) struct Network {
    pub entry: ModelEntry,
    file: PathBuf,
    bytes: Vec<u8>,
    /// The batch that the file fixes; `None` where any batch is accepted.
    batch: Option<usize>,
    runtime: Runtime,
    device: Device,
    /// A session runs one batch at a time, so each thread that measures takes one and puts it back; there are never more
    /// than threads.
    whole: Pool<Session>,
    /// The detector's parts, where it can be cut; then its boxes and joints are computed on demand.
    parts: Option<(OnDemand, Pool<Sessions>)>,
}

/// The outputs of a batch.
#[derive(Debug)]
pub(crate) struct Outputs {
    values: Vec<f32>,
    /// Values per image.
    each: usize,
}

impl Outputs {
    /// One slice per image of the batch.
    pub fn images(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.each)
    }
}

impl Network {
    /// Reads, verifies and loads the model, and runs it once on an empty image: what does not fit is refused here,
    /// before any photo is touched.
    pub fn load(
        entry: &ModelEntry,
        file: &Path,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let bytes = read(&entry.name, file)?;
        let found = Digest::of(&bytes);
        if found != entry.sha256 {
            return Err(ModelError::WrongDigest {
                name: entry.name.clone(),
                file: file.to_owned(),
                expected: entry.sha256,
                found,
            });
        }
        Self::from_bytes(entry.clone(), file, bytes, runtime, device)
    }

    /// The same, of bytes that are taken as they are.
    pub fn from_bytes(
        entry: ModelEntry,
        file: &Path,
        bytes: Vec<u8>,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        device.check(runtime)?;
        let mut network = Self {
            entry,
            file: file.to_owned(),
            bytes,
            batch: None,
            runtime: runtime.clone(),
            device,
            whole: Pool::default(),
            parts: None,
        };
        if network.entry.output != network.entry.role.output() {
            let declared = format!("`{}`", network.entry.output);
            return Err(network.misfit("the declared output", network.entry.role.output(), &declared));
        }
        if let Some(only) = network.entry.role.only_input().filter(|only| *only != network.entry.input_size) {
            let sides = |[width, height]: [u32; 2]| format!("{width}×{height} px");
            return Err(network.misfit("the input", &sides(only), &sides(network.entry.input_size)));
        }
        let session = network.open(&network.bytes)?;
        network.batch = outlets::batch(&network.entry, &session)
            .map_err(|misfit| network.misfit(&misfit.what, &misfit.expected, &misfit.found))?;
        network.whole.put(session);
        let (width, height) = network.largest();
        network.run_empty(width, height)?; // an output of open size shows its shape only when it is run
        if let Some(multiple) = network.entry.input_multiple {
            if multiple == 0 || !width.is_multiple_of(multiple) || !height.is_multiple_of(multiple) {
                let expected = format!("a divisor of {width} and {height}");
                return Err(network.misfit("`input_multiple`", &expected, &multiple.to_string()));
            }
            // Both sides shorter than they may be: what only fits the full size is found now, too.
            network.run_empty(width.max(2 * multiple) - multiple, height)?;
            network.run_empty(width, height.max(2 * multiple) - multiple)?;
        }
        network.parts = network.cut()?;
        if network.parts.is_some() {
            network.whole = Pool::default();
        }
        Ok(network)
    }

    /// Width and height of the input at most.
    pub fn largest(&self) -> (u32, u32) {
        let [width, height] = self.entry.input_size;
        (width, height)
    }

    /// The smallest of the usual steps (YOLO's stride, and twice that) by which the sides of an open input may shrink.
    pub fn smallest_multiple(&self) -> Option<u32> {
        let (width, height) = self.largest();
        let is_allowed = |multiple: u32| {
            width.is_multiple_of(multiple)
                && height.is_multiple_of(multiple)
                && width > multiple
                && self.run_empty(width - multiple, height).is_ok()
                && self.run_empty(multiple, height).is_ok()
        };
        [32, 64].into_iter().find(|&multiple| is_allowed(multiple))
    }

    fn run_empty(&self, width: u32, height: u32) -> Result<(), ModelError> {
        let values = vec![0.0; 3 * width as usize * height as usize];
        self.run(&Input { values, width, height }).map(drop)
    }

    /// The parts of a detector, where it can be cut.
    fn cut(&self) -> Result<Option<(OnDemand, Pool<Sessions>)>, ModelError> {
        let joints = match self.entry.role {
            Role::Faces => 0,
            Role::People => JOINT_COUNT,
            Role::Watermark | Role::FaceEmbedding => return Ok(None),
        };
        // A GPU makes all boxes in less time than it takes to hand scores out and features in.
        if self.device != Device::Cpu || self.batch.is_some_and(|batch| batch != 1) {
            return Ok(None);
        }
        let Some(parts) = OnDemand::cut(&self.bytes, joints) else { return Ok(None) };
        let (width, height) = self.largest();
        let shorter = self.entry.input_multiple.map(|multiple| (width, height.max(2 * multiple) - multiple));
        let mut probes = Vec::new();
        for size in [Some((width, height)), shorter].into_iter().flatten() {
            let image = noise(size);
            let head = self.run(&image)?.values;
            probes.push((image, head));
        }
        let model = &self.entry.name;
        match self.open_alike(&parts, &probes) {
            Ok(Some(sessions)) => Ok(Some((parts, Pool::of(sessions)))),
            Ok(None) => {
                debug!(model, "the parts do not make what the whole makes, so the model is run whole");
                Ok(None)
            }
            Err(error) => {
                debug!(model, %error, "the parts cannot be run, so the model is run whole");
                Ok(None)
            }
        }
    }

    /// Sessions of the parts, where they make of each probe what the whole makes.
    fn open_alike(
        &self,
        parts: &OnDemand,
        probes: &[(Input, Vec<f32>)],
    ) -> Result<Option<Sessions>, ModelError> {
        let mut sessions = parts.open(|bytes| self.open(bytes))?;
        for (image, head) in probes {
            if !parts.make(&mut sessions, image, head).map_err(|error| self.failed("run", &error))? {
                return Ok(None);
            }
        }
        Ok(Some(sessions))
    }

    /// Whether boxes and joints are computed only where a score asks for them.
    pub fn is_on_demand(&self) -> bool {
        self.parts.is_some()
    }

    /// Opens sessions for as many threads, and runs each once: the first run is the one that takes memory.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        let (width, height) = self.largest();
        let empty = Input { values: vec![0.0; 3 * width as usize * height as usize], width, height };
        let opened = self.parts.as_ref().map_or(self.whole.len(), |(_, pool)| pool.len());
        (opened..threads).into_par_iter().try_for_each(|_| {
            if let Some((parts, pool)) = &self.parts {
                let mut sessions = parts.open(|bytes| self.open(bytes))?;
                self.run_parts(parts, &mut sessions, &empty, f32::NEG_INFINITY)?;
                pool.put(sessions);
            } else {
                let mut session = self.open(&self.bytes)?;
                self.run_on(&mut session, &empty)?;
                self.whole.put(session);
            }
            Ok(())
        })
    }

    /// Runs an image, or several one behind the other: as one batch where the file allows it.
    pub fn run(&self, input: &Input) -> Result<Outputs, ModelError> {
        self.whole.with(|| self.open(&self.bytes), |session| self.run_on(session, input))
    }

    /// Runs a detector on one image: its head, row after row. Columns whose score is not above a bound may be missing.
    pub fn head(&self, input: &Input, above: f32) -> Result<Vec<f32>, ModelError> {
        let Some((parts, pool)) = &self.parts else { return Ok(self.run(input)?.values) };
        pool.with(
            || parts.open(|bytes| self.open(bytes)),
            |sessions| self.run_parts(parts, sessions, input, above),
        )
    }

    fn run_parts(
        &self,
        parts: &OnDemand,
        sessions: &mut Sessions,
        input: &Input,
        above: f32,
    ) -> Result<Vec<f32>, ModelError> {
        parts.columns(sessions, input, above).map_err(|error| self.failed("run", &error))
    }

    fn run_on(&self, session: &mut Session, input: &Input) -> Result<Outputs, ModelError> {
        let (images, width, height) = (&input.values, input.width as usize, input.height as usize);
        let size = 3 * width * height;
        let count = images.len() / size;
        let batch = self.batch.unwrap_or(count).max(1);
        let mut outputs = Outputs { values: Vec::new(), each: 0 };
        for chunk in images.chunks(batch * size) {
            let taken = chunk.len() / size;
            // A file with a fixed batch gets its last one filled up with empty images.
            let mut padded = Vec::new();
            let chunk = if taken < batch {
                padded.extend_from_slice(chunk);
                padded.resize(batch * size, 0.0);
                &padded
            } else {
                chunk
            };
            let input = TensorRef::from_array_view(([batch, 3, height, width], chunk));
            let input = input.map_err(|error| self.failed("run", &error))?;
            let found = session.run(ort::inputs![input]).map_err(|error| self.failed("run", &error))?;
            let (shape, values) =
                found[0].try_extract_tensor::<f32>().map_err(|error| self.failed("run", &error))?;
            let contract: Vec<_> = std::iter::once(Some(batch))
                .chain(self.entry.role.output_dimensions().iter().copied())
                .collect();
            if !fits(shape, &contract) || values.is_empty() {
                return Err(self.misfit("the computed output", self.entry.role.output(), &shown(shape)));
            }
            outputs.each = values.len() / batch;
            outputs.values.extend_from_slice(&values[..taken * outputs.each]);
        }
        Ok(outputs)
    }

    fn open(&self, bytes: &[u8]) -> Result<Session, ModelError> {
        let failed = |error: &dyn std::fmt::Display| self.failed("load", error);
        let builder = Session::builder(&self.runtime.environment).map_err(|error| failed(&error))?;
        self.device
            .choose(builder, &self.runtime)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| failed(&error))?
            // One thread per session: photos run in parallel, which is faster than threads within an operator.
            .with_intra_threads(1)
            .map_err(|error| failed(&error))?
            .with_log_level(LogLevel::Error)
            .map_err(|error| failed(&error))?
            .commit_from_memory(bytes)
            .map_err(|error| failed(&error))
    }

    fn failed(&self, doing: &'static str, error: &dyn std::fmt::Display) -> ModelError {
        let (name, file) = (self.entry.name.clone(), self.file.clone());
        ModelError::Onnx { doing, name, file, detail: error.to_string() }
    }

    fn misfit(&self, what: &str, expected: &str, found: &str) -> ModelError {
        ModelError::Contract {
            name: self.entry.name.clone(),
            file: self.file.clone(),
            role: self.entry.role,
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// The bytes of a model's file.
pub(super) fn read(name: &str, file: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(file).map_err(|cause| ModelError::File { name: name.to_owned(), file: file.to_owned(), cause })
}

/// The dimensions of the input of an ONNX file, as far as they are fixed: `[n, 3, height, width]`.
pub(super) fn input_dimensions(bytes: &[u8], runtime: &Runtime) -> ort::Result<Option<Vec<i64>>> {
    Ok(outlets::input_dimensions(&Session::builder(&runtime.environment)?.commit_from_memory(bytes)?))
}
