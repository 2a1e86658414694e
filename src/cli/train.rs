//! Training and what is done with its models: `train`, `encode`, `bodybench`, `runs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use train::Device;
use train::device::DeviceChoice;

/// `bolid train …`.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Fit the body-VAE: 0 to 100 photos of one person to a Gaussian over c_body.
    Vae(TrainArgs),
    /// Compute once what the adapter's frozen networks make of photos and captions.
    Cache(AdapterArgs),
    /// Fit the network that reads joints off latents, for the adapter's pose term.
    PoseProbe(AdapterArgs),
    /// Fit the adapter: a body stream and a reference stream beside the text of a frozen base.
    Adapter(AdapterArgs),
    /// Teach a base one person by a word: DreamBooth with prior preservation, as low-rank updates.
    Dreambooth(DreamboothArgs),
}

/// Where networks compute.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct DeviceArgs {
    /// Where networks compute: auto (a card, where this program is built for cards and there is one), cpu,
    /// cuda, or cuda:N for the card of that number.
    #[arg(long, env = "BOLID_DEVICE", default_value_t, value_name = "DEVICE")]
    pub device: DeviceChoice,
}

impl DeviceArgs {
    /// The device; a card is said on stderr.
    pub fn open(self) -> train::Result<Device> {
        let device = self.device.open()?;
        if !device.is_cpu() {
            eprintln!("bolid: networks compute on {}", train::device::name(&device));
        }
        Ok(device)
    }
}

/// What every training takes.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The training's configuration (TOML).
    #[arg(long, default_value = "data/recipes/train-demo.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// How it is run.
    #[command(flatten)]
    pub how: HowArgs,
}

/// The same with the adapter's configuration.
#[derive(Debug, Args)]
pub struct AdapterArgs {
    /// The training's configuration (TOML), one for cache, pose-probe and adapter.
    #[arg(long, default_value = "data/recipes/adapter-demo.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// How it is run.
    #[command(flatten)]
    pub how: HowArgs,
}

/// The same with DreamBooth's configuration.
#[derive(Debug, Args)]
pub struct DreamboothArgs {
    /// The training's configuration (TOML).
    #[arg(long, default_value = "data/recipes/dreambooth-demo.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// How it is run.
    #[command(flatten)]
    pub how: HowArgs,
}

/// How a training is run.
#[derive(Debug, Args)]
pub struct HowArgs {
    /// Override a value of the configuration, e.g. `fit.steps=500` (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The snapshot to train on (id or its beginning, name, folder), instead of the configuration's.
    #[arg(long, value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// Go on from the newest checkpoint that verifies; a cache always goes on.
    #[arg(long)]
    pub resume: bool,
    /// Begin, or where this very run is there already, go on with it; nothing is done where it has ended.
    #[arg(long = "continue", conflicts_with = "resume")]
    pub go_on: bool,
    /// With --resume: accept that this key differs from the checkpoint's, e.g. `fit.steps` (may be repeated).
    #[arg(long, value_name = "KEY", requires = "resume")]
    pub allow_change: Vec<String>,
    /// Run one step and print what the training would take: memory, seconds, samples.
    #[arg(long)]
    pub dry_run: bool,
    /// Where networks compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `bolid export …`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write an adapter as files that diffusers and ComfyUI load, with a model card.
    Adapter(ExportAdapterArgs),
}

/// `bolid export adapter`.
#[derive(Debug, Args)]
pub struct ExportAdapterArgs {
    /// A run's id (or its beginning), name or folder.
    pub run: String,
    /// The folder, without an adapter so far.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Whose c_body is written as body.ipadpt (`site/slug`) [default: the first person of the snapshot].
    #[arg(long, value_name = "PERSON")]
    pub person: Option<String>,
    /// f16 is half as large, and what published adapters have.
    #[arg(long, value_enum, default_value_t = WeightType::F16)]
    pub weights: WeightType,
}

/// `bolid encode`.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// A person of a snapshot (`site/slug`), or a folder of photos of one person.
    pub person: String,
    /// The snapshot the person is in: id (or its beginning), name or folder.
    #[arg(long, value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// A run (id, name or folder) or a folder with a model.
    #[arg(long, default_value = "data/models/body-vae", value_name = "RUN")]
    pub run: String,
    /// Take this many views; fewer are refused [default: all, up to 100].
    #[arg(long, value_name = "N")]
    pub views: Option<usize>,
    /// Where to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What to write: mean and log-variance, or the mean as ComfyUI's IPAdapter loads it.
    #[arg(long, value_enum, default_value_t = EmbeddingFormat::Safetensors)]
    pub format: EmbeddingFormat,
    /// Where the body-VAE computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// For a folder: the recipe whose models and rules measure its photos.
    #[command(flatten)]
    pub recipe: super::RecipeArgs,
}

/// What c_body is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EmbeddingFormat {
    /// `mean` and `log_variance`, f32, with the run's id.
    Safetensors,
    /// A tensor saved by torch, for ComfyUI's IPAdapter nodes.
    Ipadpt,
}

/// `bolid bodybench`.
#[derive(Debug, Args)]
pub struct BodyBenchArgs {
    /// A run (id, name or folder) or a folder with a model.
    #[arg(long, default_value = "data/models/body-vae", value_name = "RUN")]
    pub run: String,
    /// Draws the people: a seed that was not trained on.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many people, and as many twins.
    #[arg(long, default_value_t = 100)]
    pub people: usize,
    /// Write a page with plots here.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Where the body-VAE computes.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `bolid runs …`.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List the trainings of the work folder.
    List,
    /// Show one: its configuration, data, checkpoints, last figures.
    Show {
        /// A run's id (or its beginning), name or folder.
        run: String,
    },
    /// Write a run's model into a folder of its own, which `encode` and `bodybench` take as --run.
    Export(RunsExportArgs),
}

/// `bolid runs export`.
#[derive(Debug, Args)]
pub struct RunsExportArgs {
    /// A run's id (or its beginning), name or folder.
    pub run: String,
    /// The folder, without a model so far.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// f16 is half as large; the model computes in f32 all the same.
    #[arg(long, value_enum, default_value_t = WeightType::F16)]
    pub weights: WeightType,
}

/// What weights are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WeightType {
    /// 16 bits.
    F16,
    /// 32 bits, as they were trained.
    F32,
}
