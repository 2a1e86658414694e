//! `bolid generate`.

use std::path::PathBuf;

use clap::Args;

/// Weight of the body's stream where nothing is said. Guidance multiplies it as it does the prompt: at a guidance of 3,
/// the body is as strong as in training at about a third.
pub const LAMBDA_BODY: f64 = 0.3;

/// What is drawn, with what, and where to.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What is to be seen.
    #[arg(long, value_name = "TEXT", required_unless_present = "from")]
    pub prompt: Option<String>,
    /// What is not.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub negative_prompt: String,
    /// Whose body: a person of --snapshot (`site/slug`), a file of `bolid encode`, photos or a folder of one person,
    /// `seed:N` (one persistent person whom nobody photographed) or `prior` (somebody else in every picture).
    #[arg(long, value_name = "WHO", num_args = 1..)]
    pub body: Vec<String>,
    /// The snapshot that the person is in: id (or its beginning), name or folder.
    #[arg(long, value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// A picture that the result is to be like.
    #[arg(long = "ref", value_name = "IMAGE")]
    pub reference: Option<PathBuf>,
    /// Weight of the body's stream, 0 to 2. Guidance multiplies it as it does the prompt: at 1 it is stronger than in
    /// training, and takes from the prompt.
    #[arg(long, value_name = "X", default_value_t = LAMBDA_BODY)]
    pub lambda_body: f64,
    /// Weight of the reference's stream, 0 to 2.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub lambda_ref: f64,
    /// How much the prompt counts (classifier-free guidance); up to 1: none, and twice as fast.
    #[arg(long, value_name = "X", default_value_t = 4.0)]
    pub guidance: f64,
    /// How noise becomes a picture: ddpm, ddim, euler, dpm++2m [default: the base's].
    #[arg(long, value_name = "NAME")]
    pub scheduler: Option<String>,
    /// How timesteps are spread: leading, linspace, trailing (SDXL-Lightning) [default: the base's].
    #[arg(long, value_name = "NAME")]
    pub spacing: Option<String>,
    /// Steps.
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub steps: usize,
    /// The noise; the same seed gives the same picture.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Draw this many pictures, of this seed and the following ones.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "grid")]
    pub batch: u64,
    /// Draw a sheet: columns, and with a second --grid rows. AXIS=VALUE,VALUE… of lambda-body, lambda-ref, guidance,
    /// steps, seed, body; prompts are parted by `|`.
    #[arg(long, value_name = "AXIS=VALUES")]
    pub grid: Vec<String>,
    /// Width in px, a multiple of 8 [default: the base's].
    #[arg(long, value_name = "PX")]
    pub width: Option<usize>,
    /// Height in px, a multiple of 8 [default: the base's].
    #[arg(long, value_name = "PX")]
    pub height: Option<usize>,
    /// A base: a folder in diffusers' layout or a repository id [default: the adapter's, else data/models/tiny-sd].
    #[arg(long, value_name = "BASE")]
    pub base: Option<String>,
    /// The repository's branch, tag or commit.
    #[arg(long, value_name = "REVISION", default_value = "main")]
    pub revision: String,
    /// A UNet's file laid over the base's, such as sdxl_lightning_4step_unet.safetensors.
    #[arg(long, value_name = "FILE")]
    pub unet: Option<PathBuf>,
    /// A LoRA of the base, and its weight after a colon (may be repeated).
    #[arg(long = "lora", value_name = "FILE[:X]")]
    pub loras: Vec<String>,
    /// An adapter: a run (id, name or folder) or an exported folder [default: data/models/adapter where --body or --ref
    /// ask for one].
    #[arg(long, value_name = "RUN")]
    pub adapter: Option<String>,
    /// The body-VAE for photos: a run or a folder with a model [default: the adapter's].
    #[arg(long, value_name = "RUN")]
    pub body_model: Option<String>,
    /// The image encoder for --ref: a folder, a repository id or `eva02-clip-l` [default: `image_encoder` in the
    /// base's].
    #[arg(long, value_name = "ENCODER")]
    pub image_encoder: Option<String>,
    /// Draw a picture again from what is written in it.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["prompt", "negative_prompt", "body", "reference", "grid",
        "batch", "lambda_body", "lambda_ref", "guidance", "scheduler", "spacing", "steps", "seed", "width", "height"])]
    pub from: Option<PathBuf>,
    /// Keep a small preview of the unfinished picture in this file.
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,
    /// A .png file, or a folder [default: `pictures` in the work folder].
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Where networks compute.
    #[command(flatten)]
    pub device: super::DeviceArgs,
    /// For photos: the recipe whose models and rules measure them.
    #[command(flatten)]
    pub recipe: super::RecipeArgs,
}
