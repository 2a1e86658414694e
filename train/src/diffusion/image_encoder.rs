//! What turns a reference into the embedding that an adapter's reference stream reads: CLIP's image encoder, or the
//! image tower of EVA02-CLIP. A folder says by its files which of the two it holds.
//!
//! ```text
//! config.json            model.safetensors            CLIP as transformers has it; EVA02-CLIP as timm has it, or with the
//!                                                     original configuration (`vision_cfg`)
//! open_clip_config.json  open_clip_model.safetensors  EVA02-CLIP as open_clip has it, with a text tower or without
//! ```

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::checkpoint::{load_image_encoder, tensor_files};
use super::clip::{ClipVision, EvaVision, EvaVisionConfig, to_clip_pixels};
use super::json::Settings;
use super::weights::Weights;
use crate::error::{Error, Result};

/// Configurations, and what the tensor files beside them are called.
const LAYOUTS: [(&str, &str); 2] = [("config.json", "model"), ("open_clip_config.json", "open_clip_model")];

/// The published image encoders that go by a short name, and the repositories that hold them.
const NAMED: [(&str, &str); 3] = [
    ("eva02-clip-b", "timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k"),
    // The tower that PuLID reads (arXiv:2404.16022).
    ("eva02-clip-l", "timm/eva02_large_patch14_clip_336.merged2b_s6b_b61k"),
    ("eva02-clip-l-224", "timm/eva02_large_patch14_clip_224.merged2b_s4b_b131k"),
];

/// The repository of a short name such as `eva02-clip-l`.
pub fn repository_of(name: &str) -> Option<&'static str> {
    NAMED.iter().find(|(short, _)| *short == name).map(|(_, repository)| *repository)
}

/// The short names of published image encoders.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, _)| *name)
}

/// Whether a folder has the configuration of an image encoder.
pub fn is_image_encoder(folder: &Path) -> bool {
    LAYOUTS.iter().any(|(config, _)| folder.join(config).is_file())
}

/// An image encoder that is frozen and gives one embedding a picture.
#[derive(Debug)]
pub enum ImageEncoder {
    /// CLIP's.
    Clip(ClipVision),
    /// The image tower of EVA02-CLIP.
    Eva(EvaVision),
}

impl ImageEncoder {
    /// Reads the encoder in a folder onto `device`.
    ///
    /// # Errors
    /// Where a file is missing, a setting is not supported, or tensors do not fit the configuration.
    pub fn load(folder: &Path, dtype: DType, device: &Device) -> Result<Self> {
        let (config, stem) = layout(folder)?;
        let settings = Settings::read(&folder.join(config))?;
        let settings = settings.nested("model_cfg").unwrap_or(settings); // of open_clip
        if !EvaVisionConfig::is_of(&settings) {
            return Ok(Self::Clip(load_image_encoder(folder, dtype, device)?));
        }
        let weights = Weights::open(&tensor_files(folder, stem, dtype == DType::F16)?, dtype, device)?;
        let tower = EvaVision::load(&weights, EvaVisionConfig::from_settings(&settings)?)?;
        weights.finish()?;
        Ok(Self::Eva(tower))
    }

    /// The files that decide what it says, for a digest.
    ///
    /// # Errors
    /// Where there are none, or an index of shards cannot be read.
    pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
        let (config, stem) = layout(folder)?;
        let mut files = vec![folder.join(config)];
        files.extend(tensor_files(folder, stem, false)?);
        Ok(files)
    }

    /// The embeddings `[n, width]` of pictures `[n, 3, h, w]` in −1..=1; their middle square is looked at.
    ///
    /// # Errors
    /// Where the tensor has another shape.
    pub fn embed(&self, pictures: &Tensor) -> Result<Tensor> {
        match self {
            Self::Clip(clip) => {
                let pixels = to_clip_pixels(pictures, clip.config().image_size())?;
                Ok(clip.forward(&pixels)?.image_embeds)
            }
            Self::Eva(eva) => {
                let pixels = to_clip_pixels(pictures, eva.config().image_size())?;
                Ok(eva.forward(&pixels)?.image_embeds)
            }
        }
    }

    /// Numbers in an embedding.
    pub fn width(&self) -> usize {
        match self {
            Self::Clip(clip) => clip.config().projection(),
            Self::Eva(eva) => eva.config().projection(),
        }
    }

    /// The device that its weights are on.
    pub fn device(&self) -> &Device {
        match self {
            Self::Clip(clip) => clip.device(),
            Self::Eva(eva) => eva.device(),
        }
    }
}

/// The configuration of a folder and what its tensor files are called. Repositories of timm have both; what has tensors
/// beside it goes first.
fn layout(folder: &Path) -> Result<(&'static str, &'static str)> {
    let there: Vec<_> = LAYOUTS.into_iter().filter(|(config, _)| folder.join(config).is_file()).collect();
    let whole = there.iter().find(|(_, stem)| tensor_files(folder, stem, false).is_ok());
    whole.or(there.first()).copied().ok_or_else(|| Error::NotFound {
        folder: folder.to_owned(),
        wanted: LAYOUTS.map(|(config, _)| config.to_owned()).to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_those_of_repositories_and_others_are_none() {
        assert_eq!(
            repository_of("eva02-clip-l"),
            Some("timm/eva02_large_patch14_clip_336.merged2b_s6b_b61k")
        );
        assert_eq!(repository_of("models/image_encoder"), None);
        assert_eq!(names().count(), 3);
    }

    #[test]
    fn a_folder_without_a_configuration_says_which_files_it_lacks() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_image_encoder(folder.path()));
        let error =
            ImageEncoder::load(folder.path(), DType::F32, &Device::Cpu).expect_err("nothing is there");
        assert!(error.to_string().contains("open_clip_config.json"), "{error}");
    }
}
