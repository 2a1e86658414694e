//! A network that makes features and logits of pictures, such as InceptionV3 for FID and the Inception score.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::RgbImage;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;
use photo::Digest;

use super::error::ModelError;
use super::runtime::Runtime;

/// Pictures of one run: of 512 px, InceptionV3 takes about 200 MB for so many.
const BATCH: usize = 16;
/// The output with a feature vector for each picture.
const FEATURES: &str = "features";
/// The output with a logit for each class, where the network has one.
const LOGITS: &str = "logits";

/// What a network makes of one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureFeatures {
    /// The features.
    pub features: Vec<f32>,
    /// A logit for each class; empty where the network has none.
    pub logits: Vec<f32>,
}

/// An ONNX network that takes pictures f32 `[n, 3, height, width]` in 0..=1 of any size, resizes them itself,
/// and gives `features` `[n, width]` and, if it classifies, `logits` `[n, classes]`.
#[derive(Debug)]
pub struct FeatureNetwork {
    file: PathBuf,
    digest: Digest,
    /// Runs one batch at a time, on all threads.
    session: Mutex<Session>,
    has_logits: bool,
}

impl FeatureNetwork {
    /// Loads the network and runs it once.
    ///
    /// # Errors
    /// Where the file cannot be read, is no ONNX network, or has another input or output.
    pub fn load(file: &Path, runtime: &Runtime) -> Result<Self, ModelError> {
        let name = name_of(file);
        let bytes = fs::read(file).map_err(|cause| ModelError::File {
            name: name.clone(),
            file: file.to_owned(),
            cause,
        })?;
        let failed = |error: &dyn std::fmt::Display| onnx("load", file, error);
        let session = Session::builder(&runtime.environment)
            .map_err(|error| failed(&error))?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| failed(&error))?
            .with_log_level(LogLevel::Error)
            .map_err(|error| failed(&error))?
            .commit_from_memory(&bytes)
            .map_err(|error| failed(&error))?;
        let outputs: Vec<&str> = session.outputs().iter().map(ort::value::Outlet::name).collect();
        if !outputs.contains(&FEATURES) {
            return Err(ModelError::NoFeatures {
                name,
                file: file.to_owned(),
                what: "an output".into(),
                expected: format!("`{FEATURES}`").into(),
                found: outputs.join(", ").into(),
            });
        }
        let has_logits = outputs.contains(&LOGITS);
        let network = Self {
            file: file.to_owned(),
            digest: Digest::of(&bytes),
            session: Mutex::new(session),
            has_logits,
        };
        network.run(&[RgbImage::new(64, 64)])?;
        Ok(network)
    }

    /// The file's name without its ending, and the beginning of its digest: `inception-2015-12-05 1f3a9c02`.
    pub fn name(&self) -> String {
        format!("{} {}", name_of(&self.file), self.digest.short())
    }

    /// Whether it classifies.
    pub fn has_logits(&self) -> bool {
        self.has_logits
    }

    /// What it makes of pictures of one size, in their order.
    ///
    /// # Errors
    /// Where it cannot be run, or its outputs are not one row for each picture.
    pub fn run(&self, pictures: &[RgbImage]) -> Result<Vec<PictureFeatures>, ModelError> {
        let mut found = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(BATCH) {
            found.extend(self.run_batch(batch)?);
        }
        Ok(found)
    }

    fn run_batch(&self, batch: &[RgbImage]) -> Result<Vec<PictureFeatures>, ModelError> {
        let failed = |error: &dyn std::fmt::Display| onnx("run", &self.file, error);
        let (width, height) = batch[0].dimensions();
        let mut values = Vec::with_capacity(batch.len() * 3 * (width * height) as usize);
        for picture in batch {
            for channel in 0..3 {
                values.extend(picture.pixels().map(|pixel| f32::from(pixel.0[channel]) / 255.0));
            }
        }
        let shape = [batch.len(), 3, height as usize, width as usize];
        let input = TensorRef::from_array_view((shape, &values[..])).map_err(|error| failed(&error))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![input]).map_err(|error| failed(&error))?;
        let rows = |name: &str| self.read_rows(&outputs, name, batch.len());
        let features = rows(FEATURES)?;
        let logits = if self.has_logits { rows(LOGITS)? } else { vec![Vec::new(); batch.len()] };
        Ok(features
            .into_iter()
            .zip(logits)
            .map(|(features, logits)| PictureFeatures { features, logits })
            .collect())
    }

    fn read_rows(
        &self,
        outputs: &SessionOutputs<'_>,
        name: &str,
        count: usize,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let (shape, values) =
            outputs[name].try_extract_tensor::<f32>().map_err(|error| onnx("run", &self.file, &error))?;
        let width = values.len() / count;
        if shape.first() != Some(&(count as i64)) || width == 0 {
            return Err(ModelError::NoFeatures {
                name: name_of(&self.file),
                file: self.file.clone(),
                what: format!("the computed output `{name}`").into(),
                expected: format!("[{count}, …]").into(),
                found: format!("{shape:?}").into(),
            });
        }
        Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }
}

fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn onnx(doing: &'static str, file: &Path, error: &dyn std::fmt::Display) -> ModelError {
    ModelError::Onnx { doing, name: name_of(file), file: file.to_owned(), detail: error.to_string() }
}
