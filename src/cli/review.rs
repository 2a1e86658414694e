//! What people say of photos: `report`, `review`, `erase`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::RecipeArgs;

/// `bolid report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Show the verdicts of this snapshot (id, name or folder) [default: those of the recipe on the catalog].
    pub snapshot: Option<String>,
    /// The page to write.
    #[arg(long, value_name = "HTML")]
    pub out: PathBuf,
    /// The longer side of a photo on the page, in px: 256 is sharp in a card, about 10 kB; more shows more when one
    /// looks closer.
    #[arg(long, default_value_t = 256, value_name = "PX", value_parser = clap::value_parser!(u32).range(16..=2048))]
    pub thumbnail_px: u32,
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// `bolid review …`.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Take in the decisions that a report's page saved; they stand over all rules.
    Import {
        /// Lines of `{"identity": "site/slug", "sha256": "…", "keep": true|false|null}`.
        file: PathBuf,
    },
}

/// `bolid list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list.
    #[arg(value_enum, default_value = "people")]
    pub what: Listed,
    /// Only this person, as `SITE/SLUG`, or `SLUG` on any site.
    #[arg(long, value_name = "SITE/SLUG")]
    pub identity: Option<String>,
    /// Of photos, only those that are dropped.
    #[arg(long)]
    pub dropped: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// People, with how many photos of each are stored, kept and dropped.
    People,
    /// Photos, with their verdicts.
    Photos,
}

/// `bolid erase`.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// What goes.
    #[command(flatten)]
    pub what: EraseTarget,
    /// Only show what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask: for scripts.
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
}

/// What is to be erased.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct EraseTarget {
    /// A person with every photo.
    #[arg(long, value_name = "SITE/SLUG")]
    pub identity: Option<String>,
    /// The photo at this address, its page's or its file's.
    #[arg(long)]
    pub url: Option<String>,
    /// These bytes, wherever they stand: a photo's SHA-256 (or its beginning) or URL.
    #[arg(long, value_name = "SHA256|URL")]
    pub photo: Option<String>,
}
