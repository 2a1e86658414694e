//! The models: `models`, `check-real`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `bolid models …`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the registered models.
    List(RegistryArgs),
    /// Register an ONNX file for a role, after a check of its inputs and outputs.
    Add(AddArgs),
    /// Take a model off the list; its file stays.
    Remove(RemoveArgs),
    /// Make an int8 variant of a registered model, calibrated on photos, and say how well it agrees.
    Quantize(QuantizeArgs),
    /// Check digests, inputs and outputs of all registered models.
    Verify(RegistryArgs),
}

/// `bolid models add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The ONNX file.
    pub file: PathBuf,
    /// watermark, faces, people or face_embedding.
    #[arg(long)]
    pub role: curate::Role,
    /// Its name [default: the file's name].
    #[arg(long)]
    pub name: Option<String>,
    /// Its licence, for the record.
    #[arg(long)]
    pub licence: Option<String>,
    /// Where the file comes from, for the record.
    #[arg(long)]
    pub source: Option<String>,
    /// Where it is registered.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `bolid models remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The registered model.
    pub name: String,
    /// Where it is registered.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `bolid models quantize`.
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// The registered model.
    pub name: String,
    /// A folder of photos like those that will be measured: every second one calibrates, the others compare.
    #[arg(long, value_name = "DIR")]
    pub photos: PathBuf,
    /// Register the variant even where it saves no time.
    #[arg(long)]
    pub anyway: bool,
    /// The variant's name [default: the model's, with -int8].
    #[arg(long, value_name = "NAME")]
    pub as_name: Option<String>,
    /// The Python that has onnx and onnxruntime; `make python` sets one up.
    #[arg(long, default_value = ".cache/python/bin/python", value_name = "FILE")]
    pub python: PathBuf,
    /// Where both are registered.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Which list of models.
#[derive(Debug, Clone, Args)]
pub struct RegistryArgs {
    /// The list of models (TOML) [default: that of the recipe here or of the work folder's, or your own,
    /// ~/.config/bolid/models.toml; the demo's is only read].
    #[arg(long, env = "BOLID_MODELS", value_name = "FILE")]
    pub models: Option<PathBuf>,
}

/// `bolid check-real`.
#[derive(Debug, Args)]
pub struct CheckRealArgs {
    /// A folder with a faces and a people model, or a models.toml.
    #[arg(long, value_name = "DIR|FILE")]
    pub models: PathBuf,
    /// A folder of photos with a manifest.csv (columns `file` and `people`: 0, 1, 2, …, many).
    #[arg(long, value_name = "DIR")]
    pub photos: PathBuf,
    /// Fail when the people counts agree on a smaller share of the photos.
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    pub min_agreement: f64,
    /// The picture to write.
    #[arg(long, default_value = "check-real.png", value_name = "PNG")]
    pub sheet: PathBuf,
}
