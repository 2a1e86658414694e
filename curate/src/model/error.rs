//! Why a model cannot be used.

use std::path::PathBuf;

use photo::Digest;

use super::device::Device;
use crate::role::Role;

/// Why a model cannot be used. Each text names the model and its file, what was expected and found, and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum ModelError {
    /// The library that runs the models is missing or unusable.
    #[error(
        "cannot load ONNX Runtime from `{}`: {detail}. Run `pip install onnxruntime`, or point ORT_DYLIB_PATH \
         at libonnxruntime.so, version 1.24 or newer", path.display()
    )]
    Runtime {
        /// The library that was tried.
        path: PathBuf,
        /// What the loader said.
        detail: String,
    },
    /// `models.toml` cannot be read or written.
    #[error("cannot {doing} the model registry `{}`: {cause}", path.display())]
    RegistryFile {
        /// `read` or `write`.
        doing: &'static str,
        path: PathBuf,
        cause: std::io::Error,
    },
    /// `models.toml` is no registry.
    #[error("`{}` is no model registry: {detail}", path.display())]
    RegistrySyntax {
        path: PathBuf,
        /// What the parser said, with line and column.
        detail: String,
    },
    /// Two entries have one name.
    #[error("`{}` declares the model `{name}` twice; remove one of the entries", path.display())]
    DuplicateName { path: PathBuf, name: String },
    /// No entry has the role.
    #[error("`{}` declares no model with the role `{role}`; add one with `bolid models add`", path.display())]
    NoModel { path: PathBuf, role: Role },
    /// No entry has the name, or the entry has another role.
    #[error("`{}` declares no model `{name}` with the role `{role}`; it declares {declared}", path.display())]
    NoSuchModel {
        path: PathBuf,
        role: Role,
        /// The name asked for.
        name: String,
        /// The names with that role.
        declared: String,
    },
    /// No entry has the name.
    #[error("`{}` declares no model `{name}`; it declares {declared}", path.display())]
    NoName {
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names it has.
        declared: String,
    },
    /// Several entries have the role and none was named.
    #[error(
        "`{}` declares several models with the role `{role}` ({names}); choose one in the recipe, under [detectors]: \
         `{role} = \"{first}\"`, or with --set detectors.{role}={first}", path.display(),
        first = names.split(", ").next().unwrap_or_default()
    )]
    Ambiguous {
        path: PathBuf,
        role: Role,
        /// Their names.
        names: String,
    },
    /// The model's file cannot be read.
    #[error("the file `{}` of the model `{name}` cannot be read: {cause}", file.display())]
    File { name: String, file: PathBuf, cause: std::io::Error },
    /// The file is not the one that was declared.
    #[error(
        "the file `{}` of the model `{name}` has the SHA-256 {found}, but {expected} is declared: the file is damaged \
         or another one; fetch it again, or declare it anew with `bolid models add`", file.display()
    )]
    WrongDigest {
        name: String,
        file: PathBuf,
        /// The declared digest.
        expected: Digest,
        /// The file's digest.
        found: Digest,
    },
    /// The file or its entry does not fit the role.
    #[error(
        "the model `{name}` (`{}`) does not fit the role `{role}`: {what} should be {expected}, but is {found}; \
         export it with that contract, or declare the role it has", file.display()
    )]
    Contract {
        name: String,
        file: PathBuf,
        role: Role,
        /// The input or output, with its name.
        what: Box<str>,
        /// What the role needs.
        expected: Box<str>,
        /// What is there.
        found: Box<str>,
    },
    /// The device that was asked for cannot be used.
    #[error("the device `{device}` cannot be used with `{}`: {missing}", library.display())]
    Device {
        device: Device,
        /// The library that runs the models.
        library: PathBuf,
        /// What is missing, and what to do.
        missing: String,
    },
    /// The file makes no features of pictures.
    #[error(
        "the network `{name}` (`{}`) makes no features of pictures: {what} should be {expected}, but is {found}; \
         data/models/training/inception.py exports one that fits", file.display()
    )]
    NoFeatures {
        name: String,
        file: PathBuf,
        /// The output.
        what: Box<str>,
        /// What is needed.
        expected: Box<str>,
        /// What is there.
        found: Box<str>,
    },
    /// ONNX Runtime refuses the file or fails to run it.
    #[error("ONNX Runtime cannot {doing} the model `{name}` (`{}`): {detail}", file.display())]
    Onnx {
        /// `load` or `run`.
        doing: &'static str,
        name: String,
        file: PathBuf,
        /// What ONNX Runtime said.
        detail: String,
    },
}
