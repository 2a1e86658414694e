//! What a recipe makes of them: `dataset`, `measure`, `judge`, `prepare`, `snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Nothing says what to do. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no recipe: none is named, no recipe.toml is here, and {workdir} was made by none; write one with \
     `bolid init`, name one with --recipe FILE, or take the demo's with --demo",
    workdir = .workdir.display()
)]
pub struct NoRecipe {
    /// The work folder.
    pub workdir: PathBuf,
}

/// The recipe, and single values that override it.
#[derive(Debug, Clone, Args)]
pub struct RecipeArgs {
    /// The recipe (TOML): which sites, which rules, which models [default: recipe.toml here, or the one that the work
    /// folder was made by; without any, all that is stored].
    #[arg(long, env = "BOLID_RECIPE", value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// The demo's recipe and models, which the program carries; they are written to WORKDIR/demo.
    #[arg(long, conflicts_with = "recipe")]
    pub demo: bool,
    /// Override a value of the recipe, e.g. `rules.min_side=800` (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl RecipeArgs {
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
    /// What it says was measured is taken over.
    #[arg(long, value_name = "SNAPSHOT")]
    pub locked: Option<String>,
    /// With --locked: measure every photo anew, and show each value that differs from the snapshot's.
    #[arg(long, requires = "locked")]
    pub remeasure: bool,
}

/// `bolid init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What the dataset is made from: a folder of photos (a subfolder is a person), a list of files or URLs, a site
    /// profile (.toml), or the address of a gallery whose software --engine names.
    #[arg(long, value_name = "DIR|LIST|PROFILE|URL")]
    pub from: String,
    /// The gallery's software.
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
    /// The recipe to write.
    #[arg(default_value = "recipe.toml")]
    pub recipe: PathBuf,
}

/// Gallery software that a profile is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Coppermine.
    Coppermine,
    /// fgallery.
    Fgallery,
    /// igal2.
    Igal2,
    /// lazygal.
    Lazygal,
    /// Piwigo.
    Piwigo,
    /// sigal.
    Sigal,
}

impl Engine {
    /// All names, as they are typed.
    pub fn names() -> String {
        let names = Self::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
    }

    /// The profile's file name.
    pub fn file(self) -> &'static str {
        match self {
            Self::Coppermine => "coppermine.toml",
            Self::Fgallery => "fgallery.toml",
            Self::Igal2 => "igal2.toml",
            Self::Lazygal => "lazygal.toml",
            Self::Piwigo => "piwigo.toml",
            Self::Sigal => "sigal.toml",
        }
    }

    /// The profile.
    pub fn profile(self) -> &'static str {
        match self {
            Self::Coppermine => include_str!("../../data/sites/coppermine.toml"),
            Self::Fgallery => include_str!("../../data/sites/fgallery.toml"),
            Self::Igal2 => include_str!("../../data/sites/igal2.toml"),
            Self::Lazygal => include_str!("../../data/sites/lazygal.toml"),
            Self::Piwigo => include_str!("../../data/sites/piwigo.toml"),
            Self::Sigal => include_str!("../../data/sites/sigal.toml"),
        }
    }
}

/// `bolid measurements …`.
#[derive(Debug, Subcommand)]
pub enum MeasurementsCommand {
    /// Write all that was measured to a Parquet file, by the digests of photos and models.
    Export {
        /// The file.
        file: PathBuf,
        /// Face embeddings as well; they are biometric data, and left out otherwise.
        #[arg(long)]
        face_embeddings: bool,
    },
    /// Take over what was measured elsewhere of photos that are here.
    Import(ImportMeasurementsArgs),
}

/// `bolid measurements import`.
#[derive(Debug, Args)]
pub struct ImportMeasurementsArgs {
    /// What `bolid measurements export` wrote.
    pub file: PathBuf,
    /// Only show what would be added, and what differs.
    #[arg(long)]
    pub dry_run: bool,
    /// Where both sides have measured, take the file's value.
    #[arg(long, conflicts_with = "dry_run")]
    pub replace: bool,
}

/// `bolid snapshot …`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Write a snapshot of what is kept.
    Create(RecipeArgs),
    /// Write a snapshot's tables without its tensors: what `dataset --locked`, or a recipe's `lock`, needs.
    Lock {
        /// A snapshot's id (or its beginning), name or folder.
        snapshot: String,
        /// The folder to write into.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write a snapshot's photos in the layout of another tool.
    Export(super::SnapshotExportArgs),
    /// List the snapshots in the work folder, with what they share.
    List,
    /// Check every byte of a snapshot, without writing anything. Exit code 1: it is damaged or not all there;
    /// 3: there are files beside its own.
    Verify {
        /// A snapshot's id (or its beginning), name or folder.
        snapshot: String,
        /// Also decode and prepare N photos of the work folder once more, spread over all, and compare their tensors
        /// [default: 32; 0: all of them].
        #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "32")]
        deep: Option<usize>,
    },
    /// Show what differs between two snapshots, and why: settings, models, people, photos.
    Diff {
        /// The older one.
        from: String,
        /// The newer one.
        to: String,
        /// Lines of each list.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Show all of it, not cut to 80 columns.
        #[arg(long, conflicts_with = "limit")]
        full: bool,
    },
}
