//! What a recipe makes of them: `dataset`, `measure`, `judge`, `prepare`, `snapshot`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

/// The recipe, and single values that override it.
#[derive(Debug, Clone, Args)]
pub struct RecipeArgs {
    /// The recipe (TOML): which sites, which rules, which models [default: data/recipes/demo.toml; none where --site
    /// names a site].
    #[arg(long, env = "BOLID_RECIPE", value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Override a value of the recipe, e.g. `rules.min_side=800` (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl RecipeArgs {
    /// The recipe's file.
    pub fn path(&self) -> &Path {
        self.recipe.as_deref().unwrap_or(Path::new("data/recipes/demo.toml"))
    }

    /// The same recipe with these values over it.
    pub fn with(mut self, measure: MeasureArgs) -> Self {
        if measure.all {
            self.overrides.push("measure.all=true".to_owned());
        }
        self.overrides.extend(measure.device.map(|device| format!("measure.device={device}")));
        self
    }
}

/// How to measure.
#[derive(Debug, Clone, Copy, Args)]
pub struct MeasureArgs {
    /// Ask every model of every photo, also of those that are dropped already (recipe: `measure.all`).
    #[arg(long)]
    pub all: bool,
    /// What runs the models: cpu or cuda (recipe: `measure.device`).
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<curate::Device>,
}

/// `bolid dataset`.
#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Rebuild this snapshot (id, name or folder): from its URLs, by its rules, with the bytes whose digests it names,
    /// in `WORKDIR/locked/ID`; and say which URLs changed or vanished.
    #[arg(long, value_name = "SNAPSHOT")]
    pub locked: Option<String>,
}

/// `bolid snapshot …`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Write a snapshot of what is kept.
    Create(RecipeArgs),
    /// List the snapshots in the work folder.
    List,
    /// Check every byte of a snapshot.
    Verify {
        /// A snapshot's id (or its beginning), name or folder.
        snapshot: String,
    },
    /// Show which photos differ between two snapshots.
    Diff {
        /// The older one.
        from: String,
        /// The newer one.
        to: String,
    },
}
