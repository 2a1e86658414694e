//! `bolid experiment`.

use std::path::PathBuf;

use clap::Args;

use super::DeviceArgs;

/// What is compared, and where the page goes.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    /// The plan (TOML): people, trainings, sizes.
    #[arg(long, default_value = "data/recipes/experiment-quick.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Override a value of the plan, e.g. `people=20` (may be repeated). `adapter.set.fit.steps=100` adds to
    /// the plan's list of what is set over the adapter's configuration, likewise `ip_adapter.set.` and
    /// `dreambooth.set.`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The folder for what was read, experiment.json and pictures.png [default:
    /// `evaluations/experiment-<name>` in the work folder]; what is there already is not done again.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// The page; its drawings go into the folder `experiment` beside it [default: experiment.md in the folder].
    #[arg(long, value_name = "FILE.md")]
    pub page: Option<PathBuf>,
    /// Only write the page of results that are there.
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["config", "overrides", "out"])]
    pub from: Option<PathBuf>,
    /// What the networks compute on.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The recipe whose pose model and rules judge [default: data/recipes/demo.toml].
    #[arg(long, env = "BOLID_RECIPE", value_name = "FILE")]
    pub recipe: Option<PathBuf>,
}
