//! `bolid snapshot export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use snapshot::export::{ExportSpec, Format, PixelSource};

/// `bolid snapshot export`.
#[derive(Debug, Args)]
pub struct SnapshotExportArgs {
    /// A snapshot's id (or its beginning), name or folder.
    pub snapshot: String,
    /// For which tool.
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The folder to write into: empty, not there yet, or one in which this export was stopped.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Which pixels.
    #[arg(long, value_enum, default_value_t = ExportPixels::Photo)]
    pub pixels: ExportPixels,
    /// Tar and Parquet files end before this length.
    #[arg(long, value_name = "MB", default_value_t = snapshot::export::spec::PART_BYTES / 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub shard_mb: u64,
    /// kohya: how often each photo is taken in an epoch [default: 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: Option<u32>,
}

/// For which tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Tar files of samples.
    Webdataset,
    /// Folders of pictures with metadata.jsonl, for Hugging Face datasets.
    Imagefolder,
    /// Parquet files with the pictures inside, as the Hugging Face Hub has them.
    Parquet,
    /// Folders of pictures with captions, for sd-scripts.
    Kohya,
    /// A folder of pictures and a JSON list, for IP-Adapter's training script.
    IpAdapter,
}

/// Which pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportPixels {
    /// The photo as it was fetched, upright and without metadata.
    Photo,
    /// The square that trainings see.
    Image,
    /// The same, weighted around the joints.
    Weighted,
}

impl SnapshotExportArgs {
    /// What the export is to be.
    pub fn spec(&self) -> ExportSpec {
        let format = match self.format {
            ExportFormat::Webdataset => Format::Webdataset,
            ExportFormat::Imagefolder => Format::Imagefolder,
            ExportFormat::Parquet => Format::Parquet,
            ExportFormat::Kohya => Format::Kohya,
            ExportFormat::IpAdapter => Format::IpAdapter,
        };
        let pixels = match self.pixels {
            ExportPixels::Photo => PixelSource::Photo,
            ExportPixels::Image => PixelSource::Image,
            ExportPixels::Weighted => PixelSource::Weighted,
        };
        ExportSpec { format, pixels, part_bytes: self.shard_mb * 1_000_000, repeats: self.repeats }
    }
}
