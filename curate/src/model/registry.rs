//! `models.toml`: which models there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;
use serde::{Deserialize, Serialize};

use super::error::ModelError;
use super::tensor::Normalisation;
use crate::role::Role;

/// One `[[model]]` of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// The name, unique within the registry.
    pub name: String,
    /// What the model is for.
    pub role: Role,
    /// The ONNX file, relative to the registry's folder or absolute.
    pub file: PathBuf,
    /// The file's digest.
    pub sha256: Digest,
    /// Width and height of the input in px.
    pub input_size: [u32; 2],
    /// For detectors with open axes: both sides of the input may be any multiple of this, up to `input_size`,
    /// so that a photo needs less letterbox padding. Absent: the input has exactly `input_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_multiple: Option<u32>,
    /// How the input's pixels are scaled.
    pub normalisation: Normalisation,
    /// The output contract ([`Contract::output`](super::Contract::output)).
    pub output: String,
    /// Of an int8 variant, the fp32 model it was made of, which runs where the variant is uncertain. Without,
    /// the variant's result always counts.
    #[serde(rename = "exact", default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// The licence of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where the file comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The fp32 model that a variant was made of. It takes the same input and gives the same output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// Its name.
    pub name: String,
    /// Its ONNX file, relative to the registry's folder or absolute.
    pub file: PathBuf,
    /// The file's digest.
    pub sha256: Digest,
}

impl ModelEntry {
    /// The entry that a variant's fallback would have, with its full input: less letterbox padding also moves
    /// scores.
    pub fn fallback_entry(&self) -> Option<Self> {
        let Fallback { name, file, sha256 } = self.fallback.clone()?;
        Some(Self { name, file, sha256, fallback: None, input_multiple: None, ..self.clone() })
    }
}

/// A read `models.toml`.
#[derive(Clone, Debug)]
pub struct Registry {
    path: PathBuf,
    models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: Vec<ModelEntry>,
}

impl Registry {
    /// Reads a registry. The models' files are not touched yet.
    ///
    /// # Errors
    /// When the file cannot be read, is no registry, or declares a name twice.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = fs::read_to_string(path).map_err(|cause| ModelError::RegistryFile {
            doing: "read",
            path: path.to_owned(),
            cause,
        })?;
        let syntax = |error: toml::de::Error| ModelError::RegistrySyntax {
            path: path.to_owned(),
            detail: error.to_string().trim_end().to_owned(),
        };
        let File { model: models } = toml::from_str(&text).map_err(syntax)?;
        let mut names = BTreeSet::new();
        if let Some(twice) = models.iter().find(|model| !names.insert(&model.name)) {
            return Err(ModelError::DuplicateName { path: path.to_owned(), name: twice.name.clone() });
        }
        Ok(Self { path: path.to_owned(), models })
    }

    /// A registry without entries, whose models would lie relative to this path.
    pub fn empty(path: &Path) -> Self {
        Self { path: path.to_owned(), models: Vec::new() }
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entries in the file's order.
    pub fn models(&self) -> &[ModelEntry] {
        &self.models
    }

    /// Whether there is a model of the role.
    pub fn has(&self, role: Role) -> bool {
        self.models.iter().any(|model| model.role == role)
    }

    /// The model for a role: the one named, or the only one there is.
    ///
    /// # Errors
    /// When there is none, or several and none is named.
    pub fn choose(&self, role: Role, name: Option<&str>) -> Result<&ModelEntry, ModelError> {
        let path = || self.path.clone();
        let of_role: Vec<&ModelEntry> = self.models.iter().filter(|model| model.role == role).collect();
        let names = || of_role.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, of_role.as_slice()) {
            (_, []) => Err(ModelError::NoModel { path: path(), role }),
            (Some(name), _) => of_role.iter().copied().find(|model| model.name == name).ok_or_else(|| {
                ModelError::NoSuchModel { path: path(), role, name: name.to_owned(), declared: names() }
            }),
            (None, [only]) => Ok(only),
            (None, _) => Err(ModelError::Ambiguous { path: path(), role, names: names() }),
        }
    }

    /// The model of a name, whatever its role.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(&self, name: &str) -> Result<&ModelEntry, ModelError> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| {
            let declared: Vec<_> = self.models.iter().map(|model| model.name.as_str()).collect();
            ModelError::NoName {
                path: self.path.clone(),
                name: name.to_owned(),
                declared: declared.join(", "),
            }
        })
    }

    /// Where a model's file lies.
    pub fn file(&self, model: &ModelEntry) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(&model.file)
    }
}
