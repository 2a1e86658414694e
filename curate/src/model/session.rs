//! A verified model file: how sessions of it are opened, and how one runs a batch.

use std::fs;
use std::path::{Path, PathBuf};

use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::contract::{Contract, fits, shown};
use super::device::Device;
use super::error::ModelError;
use super::registry::ModelEntry;
use super::runtime::Runtime;
use super::tensor::Input;
use super::{provider, signature};

/// A model's file, checked as far as it can be without running it.
#[derive(Debug)]
pub(super) struct ModelFile {
    pub entry: ModelEntry,
    pub contract: Contract,
    pub bytes: Vec<u8>,
    /// The batch that the file fixes; `None` where any batch is accepted.
    pub batch: Option<usize>,
    pub device: Device,
    path: PathBuf,
    runtime: Runtime,
}

/// The outputs of a batch.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(super) values: Vec<f32>,
    /// Values per image.
    each: usize,
}

impl Outputs {
    /// One slice per image of the batch.
    pub fn images(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.each)
    }
}

impl ModelFile {
    /// Checks the entry and the file's signature, and gives the session that was opened for that.
    pub fn check(
        entry: ModelEntry,
        contract: &Contract,
        path: &Path,
        bytes: Vec<u8>,
        runtime: &Runtime,
        device: Device,
    ) -> Result<(Self, Session), ModelError> {
        provider::check(device, runtime)?;
        let (path, runtime) = (path.to_owned(), runtime.clone());
        let mut file = Self { entry, contract: *contract, bytes, batch: None, device, path, runtime };
        if file.entry.output != contract.output {
            let declared = format!("`{}`", file.entry.output);
            return Err(file.violation("the declared output", contract.output, &declared));
        }
        if let Some(fixed) = contract.fixed_input_px.filter(|fixed| *fixed != file.entry.input_size) {
            let sides = |[width, height]: [u32; 2]| format!("{width}×{height} px");
            return Err(file.violation("the input", &sides(fixed), &sides(file.entry.input_size)));
        }
        let session = file.open(&file.bytes)?;
        file.batch = signature::batch(&file.entry, contract, &session)
            .map_err(|found| file.violation(&found.what, &found.expected, &found.found))?;
        Ok((file, session))
    }

    /// Opens a session of the whole file or of a part of it.
    pub fn open(&self, bytes: &[u8]) -> Result<Session, ModelError> {
        let failed = |error: &dyn std::fmt::Display| self.failed("load", error);
        let builder = Session::builder(&self.runtime.environment).map_err(|error| failed(&error))?;
        provider::choose(self.device, builder, &self.runtime)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| failed(&error))?
            // One thread per session: photos run in parallel, which is faster than threads within an
            // operator.
            .with_intra_threads(1)
            .map_err(|error| failed(&error))?
            .with_log_level(LogLevel::Error)
            .map_err(|error| failed(&error))?
            .commit_from_memory(bytes)
            .map_err(|error| failed(&error))
    }

    /// Runs an image, or several one behind the other: as one batch where the file allows it.
    pub fn run(&self, session: &mut Session, input: &Input) -> Result<Outputs, ModelError> {
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
            let wanted: Vec<_> =
                std::iter::once(Some(batch)).chain(self.contract.output_dimensions.iter().copied()).collect();
            if !fits(shape, &wanted) || values.is_empty() {
                return Err(self.violation("the computed output", self.contract.output, &shown(shape)));
            }
            outputs.each = values.len() / batch;
            outputs.values.extend_from_slice(&values[..taken * outputs.each]);
        }
        Ok(outputs)
    }

    /// ONNX Runtime's failure, with the model's name and file.
    pub fn failed(&self, doing: &'static str, error: &dyn std::fmt::Display) -> ModelError {
        let (name, file) = (self.entry.name.clone(), self.path.clone());
        ModelError::Onnx { doing, name, file, detail: error.to_string() }
    }

    /// What does not meet the contract, with the model's name and file.
    pub fn violation(&self, what: &str, expected: &str, found: &str) -> ModelError {
        ModelError::Contract {
            name: self.entry.name.clone(),
            file: self.path.clone(),
            role: self.entry.role,
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// The bytes of a model's file.
pub(crate) fn read(name: &str, file: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(file).map_err(|cause| ModelError::File { name: name.to_owned(), file: file.to_owned(), cause })
}

/// The dimensions of the input of an ONNX file, as far as they are fixed: `[n, 3, height, width]`.
pub(crate) fn input_dimensions(bytes: &[u8], runtime: &Runtime) -> ort::Result<Option<Vec<i64>>> {
    Ok(signature::input_dimensions(&Session::builder(&runtime.environment)?.commit_from_memory(bytes)?))
}
