//! The tensors of one model by name, and a record of which of them the model has taken.
//!
//! A model asks for each tensor with the shape it needs. What is missing or misshapen is noted and replaced by a
//! stand-in that costs no memory, so that [`Weights::finish`] can name *everything* that does not fit at once,
//! together with the tensors nobody asked for.

pub use super::mismatch::TensorMismatch;

use super::lora::{Delta, LowRank, TrainedLora};
use super::tensor_file::TensorFile;
use crate::error::Result;
use candle_core::{DType, Device, Shape, Tensor};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A view into the tensors of a model, below a prefix. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Weights {
    source: Arc<Source>,
    prefix: String,
    trained: Option<TrainedLora>,
}

#[derive(Debug)]
struct Source {
    origin: String,
    tensors: HashMap<String, Stored>,
    deltas: HashMap<String, Vec<Delta>>,
    dtype: DType,
    device: Device,
    is_drawn: bool,
    account: Mutex<Account>,
}

#[derive(Clone, Debug)]
enum Stored {
    File(Arc<TensorFile>),
    Memory(Tensor),
}

#[derive(Default, Debug)]
struct Account {
    used: BTreeSet<String>,
    missing: BTreeSet<String>,
    misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    given: Vec<(String, Tensor)>,
}

impl Weights {
    /// Tensors of one or several files (shards). Floating-point tensors are given out as `dtype`.
    pub fn open(paths: &[impl AsRef<Path>], dtype: DType, device: &Device) -> Result<Self> {
        let mut tensors = HashMap::new();
        let mut origin = Vec::new();
        for path in paths {
            let file = Arc::new(TensorFile::open(path.as_ref())?);
            tensors.extend(file.names().map(|name| (name.to_owned(), Stored::File(file.clone()))));
            origin.push(path.as_ref().display().to_string());
        }
        Ok(Self::new(origin.join(", "), tensors, dtype, device))
    }

    /// Tensors of any name and shape, drawn when they are asked for: normal, with the variance that keeps
    /// that of the input, but for gains of 1 and biases of 0. For measuring networks of a shape without
    /// having their weights.
    pub fn drawn(dtype: DType, device: &Device) -> Self {
        let mut weights = Self::new("drawn".to_owned(), HashMap::new(), dtype, device);
        if let Some(source) = Arc::get_mut(&mut weights.source) {
            source.is_drawn = true;
        }
        weights
    }

    /// Tensors that are in memory already; `origin` names them in errors.
    pub fn from_tensors(
        origin: impl Into<String>,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        dtype: DType,
        device: &Device,
    ) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Stored::Memory(tensor))).collect();
        Self::new(origin.into(), tensors, dtype, device)
    }

    fn new(origin: String, tensors: HashMap<String, Stored>, dtype: DType, device: &Device) -> Self {
        let source = Source {
            origin,
            tensors,
            deltas: HashMap::new(),
            dtype,
            device: device.clone(),
            is_drawn: false,
            account: Mutex::default(),
        };
        Self { source: Arc::new(source), prefix: String::new(), trained: None }
    }

    /// The same tensors with those of `paths` in their place where both have a name: for whole-model overlays
    /// such as SDXL-Lightning's UNet. A name that only the overlay has is added, and so reported if the model
    /// does not take it.
    pub fn overlaid(&self, paths: &[impl AsRef<Path>]) -> Result<Self> {
        let over = Self::open(paths, self.source.dtype, &self.source.device)?;
        let mut tensors = self.source.tensors.clone();
        tensors.extend(over.source.tensors.iter().map(|(k, v)| (k.clone(), v.clone())));
        let mut new = Self::new(
            format!("{} under {}", self.source.origin, over.source.origin),
            tensors,
            self.source.dtype,
            &self.source.device,
        );
        new.prefix.clone_from(&self.prefix);
        Ok(new)
    }

    /// The same tensors, each with its low-rank update added when it is read. The names are full names.
    pub(crate) fn with_deltas(&self, deltas: Vec<(String, Delta)>) -> Self {
        let mut all = self.source.deltas.clone();
        for (name, delta) in deltas {
            all.entry(name).or_default().push(delta);
        }
        let source = Source {
            origin: self.source.origin.clone(),
            tensors: self.source.tensors.clone(),
            deltas: all,
            dtype: self.source.dtype,
            device: self.source.device.clone(),
            is_drawn: self.source.is_drawn,
            account: Mutex::default(),
        };
        Self { source: Arc::new(source), prefix: self.prefix.clone(), trained: self.trained.clone() }
    }

    /// The same tensors, with trained updates beside the layers that take some.
    #[must_use]
    pub fn with_trained(&self, lora: Option<TrainedLora>) -> Self {
        Self { trained: lora, ..self.clone() }
    }

    /// The trained update of the layer at the prefix, if updates are trained.
    pub(super) fn low_rank(&self, inputs: usize, outputs: usize) -> Result<Option<LowRank>> {
        self.trained.as_ref().map(|lora| lora.of(&self.prefix, inputs, outputs)).transpose()
    }

    /// The view one step further down: `pp("down_blocks").pp(0)`.
    pub fn pp(&self, part: impl Display) -> Self {
        let prefix = self.full(&part.to_string());
        Self { source: self.source.clone(), prefix, trained: self.trained.clone() }
    }

    /// The type floating-point tensors are given out in.
    pub fn dtype(&self) -> DType {
        self.source.dtype
    }

    /// The device tensors are put on.
    pub fn device(&self) -> &Device {
        &self.source.device
    }

    /// Where the tensors come from, for messages.
    pub fn origin(&self) -> &str {
        &self.source.origin
    }

    /// Whether there is a tensor of this name below the prefix.
    pub fn contains(&self, name: &str) -> bool {
        self.source.tensors.contains_key(&self.full(name))
    }

    /// Shape of the tensor of this name below the prefix.
    pub fn shape_of(&self, name: &str) -> Option<Vec<usize>> {
        self.source.tensors.get(&self.full(name)).map(|stored| stored.shape(&self.full(name)))
    }

    /// All full names, sorted.
    pub fn names(&self) -> BTreeSet<&str> {
        self.source.tensors.keys().map(String::as_str).collect()
    }

    /// The tensor of this name below the prefix, which must have this shape.
    ///
    /// If it is missing or has another shape, a stand-in of zeros is returned and [`finish`](Self::finish) reports it.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        self.get_as(shape, name, self.source.dtype)
    }

    /// Like [`get`](Self::get), given out as `dtype` if it is a float.
    pub fn get_as(&self, shape: impl Into<Shape>, name: &str, dtype: DType) -> Result<Tensor> {
        let (full, shape) = (self.full(name), shape.into());
        if self.source.is_drawn {
            return self.draw(&full, &shape, dtype);
        }
        let Some(stored) = self.source.tensors.get(&full) else {
            self.account().missing.insert(full);
            return self.stand_in(shape, dtype);
        };
        self.account().used.insert(full.clone());
        let found = stored.shape(&full);
        if found != shape.dims() {
            self.account().misshapen.push((full, shape.dims().to_vec(), found));
            return self.stand_in(shape, dtype);
        }
        let tensor = match stored {
            Stored::File(file) => file.read(&full, &self.source.device)?,
            Stored::Memory(tensor) => tensor.to_device(&self.source.device)?,
        };
        let deltas = self.source.deltas.get(&full).map_or(&[][..], Vec::as_slice);
        let tensor = if deltas.is_empty() {
            if tensor.dtype().is_float() { tensor.to_dtype(dtype)? } else { tensor }
        } else {
            // Summed in f32: an update is small against its weight and would be rounded away in half precision.
            let mut sum = tensor.to_dtype(DType::F32)?;
            for delta in deltas {
                sum = (sum + delta.dense(&shape, &self.source.device)?)?;
            }
            sum.to_dtype(dtype)?
        };
        self.account().given.push((full, tensor.clone()));
        Ok(tensor)
    }

    /// What was given out so far, by full name: the very tensors that a model uses, for [`audit`](crate::audit::audit).
    pub fn given(&self) -> Vec<(String, Tensor)> {
        self.account().given.clone()
    }

    /// Like [`get`](Self::get), for a tensor a checkpoint may leave out.
    pub fn get_optional(&self, shape: impl Into<Shape>, name: &str) -> Result<Option<Tensor>> {
        if self.contains(name) { self.get(shape, name).map(Some) } else { Ok(None) }
    }

    /// Declares a tensor that some checkpoints carry and no model needs (such as `position_ids`).
    pub fn ignore(&self, name: &str) {
        let full = self.full(name);
        self.account().used.insert(full);
    }

    /// To be called when the model stands: names every missing, misshapen and extra tensor, or says that all fits.
    pub fn finish(&self) -> Result<()> {
        let account = self.account();
        let below = |name: &&String| self.prefix.is_empty() || name.starts_with(&format!("{}.", self.prefix));
        let mut extra: Vec<String> = self
            .source
            .tensors
            .keys()
            .filter(|n| !account.used.contains(*n))
            .filter(below)
            .cloned()
            .collect();
        extra.sort();
        let report = TensorMismatch {
            origin: self.source.origin.clone(),
            missing: account.missing.iter().cloned().collect(),
            extra,
            misshapen: account.misshapen.clone(),
        };
        if report.is_empty() { Ok(()) } else { Err(report.into()) }
    }

    fn full(&self, name: &str) -> String {
        match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}.{name}"),
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.source.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, full: &str, shape: &Shape, dtype: DType) -> Result<Tensor> {
        let device = &self.source.device;
        if shape.rank() < 2 {
            let value = if full.ends_with("bias") { 0f32 } else { 1f32 };
            return Ok(Tensor::full(value, shape, device)?.to_dtype(dtype)?);
        }
        let inputs: usize = shape.dims()[1..].iter().product();
        let deviation = (1.0 / inputs.max(1) as f32).sqrt();
        Ok(Tensor::randn(0f32, deviation, shape, device)?.to_dtype(dtype)?)
    }

    fn stand_in(&self, shape: Shape, dtype: DType) -> Result<Tensor> {
        let zero = Tensor::zeros((), dtype, &self.source.device)?;
        Ok(zero.broadcast_as(shape)?)
    }
}

impl Stored {
    fn shape(&self, name: &str) -> Vec<usize> {
        match self {
            Self::File(file) => file.shape(name).unwrap_or_default().to_vec(),
            Self::Memory(tensor) => tensor.dims().to_vec(),
        }
    }
}
