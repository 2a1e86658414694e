//! `bolid evaluate`.

use std::path::PathBuf;

use clap::Args;

/// Who is drawn, how, and what judges.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The adapter: a run (id, name or folder) or an exported folder.
    #[arg(long, value_name = "RUN", required_unless_present = "survey_results")]
    pub adapter: Option<String>,
    /// A base: a folder in diffusers' layout or a repository id [default: the adapter's].
    #[arg(long, value_name = "BASE")]
    pub base: Option<String>,
    /// The repository's branch, tag or commit.
    #[arg(long, value_name = "REVISION", default_value = "main")]
    pub revision: String,
    /// The body-VAE: a run or a folder with a model [default: the adapter's].
    #[arg(long, value_name = "RUN")]
    pub body_model: Option<String>,
    /// A whole CLIP model's folder [default: `clip` in the base's].
    #[arg(long, value_name = "FOLDER")]
    pub clip: Option<PathBuf>,
    /// InceptionV3 for KID, FID and the Inception score, as data/models/training/inception.py exports it;
    /// CLIP's features are compared without it, and the distances named so.
    #[arg(long, value_name = "FILE.onnx")]
    pub inception: Option<PathBuf>,
    /// The image encoder for the reference stream: a folder, a repository id or `eva02-clip-l` [default: `image_encoder` in the
    /// base's].
    #[arg(long, value_name = "ENCODER")]
    pub image_encoder: Option<String>,
    /// The people: those on the test side of a snapshot (id, its beginning, name or folder); trainings on that side are
    /// refused.
    #[arg(long, value_name = "SNAPSHOT", required_unless_present_any = ["people_seed", "survey_results"])]
    pub snapshot: Option<String>,
    /// The people: synthetic ones of this seed, whose bodies are known.
    #[arg(long, value_name = "N", conflicts_with = "snapshot")]
    pub people_seed: Option<u64>,
    /// How many people are judged at the most.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub people: usize,
    /// Photos of each that c_body is made of; as many others are what the pictures are compared with.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub views: usize,
    /// Prompts, one a line; `{person}` becomes woman, man or person.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Pictures of each prompt, each from noise of its own.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub seeds: u64,
    /// The first seed. Everybody has noise of their own for each prompt, the same in every condition.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Weights of the body's stream. Guidance multiplies it as it does the prompt: at 1 it is
    /// stronger than in training, and takes from the prompt.
    #[arg(long, value_name = "X,…", value_delimiter = ',', default_values_t = [super::LAMBDA_BODY])]
    pub lambda_body: Vec<f64>,
    /// Weights of the reference's stream.
    #[arg(long, value_name = "X,…", value_delimiter = ',', default_value = "1")]
    pub lambda_ref: Vec<f64>,
    /// Classifier-free guidance.
    #[arg(long, value_name = "X", default_value_t = 3.0)]
    pub guidance: f64,
    /// How noise becomes a picture: ddim, euler, dpm++2m [default: the base's].
    #[arg(long, value_name = "NAME")]
    pub scheduler: Option<String>,
    /// Steps.
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub steps: usize,
    /// Also draw so many people whom nobody photographed (`--body seed:N`), and tell them apart; 0: none.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub prior_bodies: usize,
    /// The folder for evaluation.json and evaluation.html [default: `evaluations/<adapter>` in the work folder].
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Also write survey.html, a page that asks people which of two pictures is the person, and its key; --seed decides
    /// the order.
    #[arg(long)]
    pub survey: bool,
    /// Only say what a survey came to: the files that its page saved.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["adapter", "survey"])]
    pub survey_results: Vec<PathBuf>,
    /// The survey's key [default: survey-key.json beside the first of the answers].
    #[arg(long, value_name = "FILE", requires = "survey_results")]
    pub survey_key: Option<PathBuf>,
    /// Where the networks that draw and embed compute; those that judge poses are the recipe's.
    #[command(flatten)]
    pub device: super::DeviceArgs,
    /// The recipe whose pose model and rules judge.
    #[command(flatten)]
    pub recipe: super::RecipeArgs,
}
