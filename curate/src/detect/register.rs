//! `models add` and `models verify`: whether an ONNX file fits a role.

use std::path::{Path, PathBuf};

use photo::Digest;

use super::cascade::Cascade;
use super::roles::contract;
use crate::model::tensor::Normalisation;
use crate::model::{
    self, Device, Fallback, ModelEntry, ModelError, Network, Registry, Runtime, declare, relative_to,
};
use crate::role::Role;

/// A model that fits its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Whether it is a detector whose boxes and joints are computed only where a score asks for them, which
    /// takes a quarter to a third less time.
    pub has_split_head: bool,
}

/// Checks a registered model: that its file is there, has the digest, and fits its role; of a variant, also
/// its fallback.
///
/// # Errors
/// What does not fit.
pub fn check(registry: &Registry, entry: &ModelEntry, runtime: &Runtime) -> Result<Fit, ModelError> {
    let model = Cascade::load(registry, entry, &contract(entry.role), runtime, Device::Cpu)?;
    Ok(Fit { has_split_head: model.first().has_split_head() })
}

/// A model to add; what is not said here is read from its file.
#[derive(Clone, Debug)]
pub struct NewModel {
    /// The name in the registry; an entry of this name is replaced.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The ONNX file.
    pub file: PathBuf,
    /// The normalisation; without, the usual one of the role.
    pub normalisation: Option<Normalisation>,
    /// Of an int8 variant, the fp32 model it was made of.
    pub fallback: Option<Fallback>,
    /// The licence of the weights.
    pub licence: Option<String>,
    /// Where the file comes from.
    pub source: Option<String>,
}

impl NewModel {
    /// A model without a fallback, with what is usual for its role.
    pub fn new(name: impl Into<String>, role: Role, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            role,
            file: file.into(),
            normalisation: None,
            fallback: None,
            licence: None,
            source: None,
        }
    }
}

/// Checks that the file fits its role and declares it in the registry, which is created where there is none.
///
/// # Errors
/// When the file cannot be read or does not fit, or the registry cannot be changed; then it is left as it
/// was.
pub fn add(registry: &Path, new: &NewModel, runtime: &Runtime) -> Result<ModelEntry, ModelError> {
    let entry = inspect(registry, new, runtime)?;
    declare(registry, &entry)?;
    Ok(entry)
}

/// The entry that a file would have in the registry, once it was checked that it fits its role.
///
/// # Errors
/// When the file cannot be read or does not fit.
pub fn inspect(registry: &Path, new: &NewModel, runtime: &Runtime) -> Result<ModelEntry, ModelError> {
    let bytes = model::read(&new.name, &new.file)?;
    let dimensions = model::input_dimensions(&bytes, runtime).map_err(|error| ModelError::Onnx {
        doing: "load",
        name: new.name.clone(),
        file: new.file.clone(),
        detail: error.to_string(),
    })?;
    let contract = contract(new.role);
    let [usual_width, usual_height] = contract.usual_input_px;
    let fixed = |axis: usize, usual: u32| {
        let length = dimensions.as_ref().and_then(|dimensions| dimensions.get(axis).copied());
        length.and_then(|length| u32::try_from(length).ok()).filter(|&length| length > 0).unwrap_or(usual)
    };
    let entry = ModelEntry {
        name: new.name.clone(),
        role: new.role,
        file: relative_to(registry, &new.file),
        sha256: Digest::of(&bytes),
        input_size: [fixed(3, usual_width), fixed(2, usual_height)],
        input_multiple: None,
        normalisation: new.normalisation.unwrap_or(contract.usual_normalisation),
        output: contract.output.to_owned(),
        fallback: new.fallback.clone(),
        licence: new.licence.clone(),
        source: new.source.clone(),
    };
    let is_open =
        |axis: usize| dimensions.as_ref().is_some_and(|d| d.get(axis).is_some_and(|&length| length < 0));
    let network = Network::from_bytes(entry, &contract, &new.file, bytes, runtime, Device::Cpu)?;
    let multiple = if is_open(2) && is_open(3) { network.smallest_multiple() } else { None };
    Ok(ModelEntry { input_multiple: multiple, ..network.into_entry() })
}
