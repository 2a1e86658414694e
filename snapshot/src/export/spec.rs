//! What an export is to be.

use serde::{Deserialize, Serialize};

/// How large a tar or Parquet file gets. 500 MB is what `datasets` itself cuts files at
/// (`config.MAX_SHARD_SIZE`), and WebDataset's documentation asks for 100 MB to 1 GB: a request per file
/// costs nothing beside that, and a dataset of a few GB still has a file for each worker of a loader. It is
/// also what a kill costs at most.
pub const PART_BYTES: u64 = 500_000_000;

/// What an export is to be. With the snapshot and the program's version it decides every byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSpec {
    /// For which tool.
    pub format: Format,
    /// Which pixels.
    pub pixels: PixelSource,
    /// The length at which a tar or Parquet file is ended; a photo that is larger has one of its own.
    pub part_bytes: u64,
    /// How often sd-scripts takes each photo in an epoch; `None` for other formats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeats: Option<u32>,
}

/// A layout that some tool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Tar files of samples, for `webdataset`.
    Webdataset,
    /// Folders of pictures with `metadata.jsonl`, for `datasets` and what is built on it.
    Imagefolder,
    /// Parquet files with the pictures inside, as the Hugging Face Hub stores datasets.
    Parquet,
    /// Folders of pictures with captions beside them, for kohya's sd-scripts.
    Kohya,
    /// A folder of pictures and a JSON list, for the training script of IP-Adapter.
    IpAdapter,
}

/// Which pixels leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelSource {
    /// The photo as it was fetched, without metadata and upright.
    #[default]
    Photo,
    /// The square that trainings see.
    Image,
    /// The same, weighted by the Gaussians around its joints.
    Weighted,
}

impl Format {
    /// Its name on the command line and in `export.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Webdataset => "webdataset",
            Self::Imagefolder => "imagefolder",
            Self::Parquet => "parquet",
            Self::Kohya => "kohya",
            Self::IpAdapter => "ip-adapter",
        }
    }
}

impl PixelSource {
    /// Its name on the command line and in `export.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Image => "image",
            Self::Weighted => "weighted",
        }
    }
}
