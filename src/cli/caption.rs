//! `bolid caption`.

use clap::Args;
use photo::CaptionFailure;

use super::{DeviceArgs, RecipeArgs};

/// `bolid caption`.
#[derive(Debug, Args)]
pub struct CaptionArgs {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Make at most N requests in this run, repeated ones included (recipe: `captions.server.max_requests`).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_requests: Option<u64>,
    /// Ask again about photos that failed, by class, e.g. `timeout,http_5xx`.
    #[arg(long, value_delimiter = ',', value_name = "CLASS,…")]
    pub retry: Vec<CaptionFailure>,
    /// Only show how many photos each source would be asked about.
    #[arg(long)]
    pub dry_run: bool,
    /// Where a captioning model computes.
    #[command(flatten)]
    pub device: DeviceArgs,
}
