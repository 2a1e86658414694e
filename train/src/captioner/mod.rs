//! Captions of images: BLIP and BLIP-2, from folders in transformers' layout. For use only: nothing is trained here.
//!
//! ```text
//! config.json  model.safetensors, or shards and model.safetensors.index.json
//! tokenizer.json  preprocessor_config.json
//! ```
//!
//! | file | what |
//! |---|---|
//! | `pixels` | images to normalised pixels |
//! | `vision` | the vision transformer of both models |
//! | `blip` | BLIP: a BERT decoder that attends to the image |
//! | `blip2` | BLIP-2: a language model that goes on from embeddings of the image |
//! | `qformer` | BLIP-2's queries that read the image |
//! | `language` | BLIP-2's language models |
//! | `opt`, `t5` | the language models OPT and T5 |
//! | `bert` | BERT layers, of decoder and queries |
//! | `attention` | attention that keeps keys and values |
//! | `activation` | activations by name |
//! | `ids` | ids to embeddings; greedy decoding |
//! | `stops` | which ids end a text |
//! | `words` | texts to ids and back |

mod activation;
mod attention;
mod bert;
mod blip;
mod blip2;
mod ids;
mod language;
mod opt;
mod pixels;
mod qformer;
mod stops;
mod t5;
mod vision;
mod words;

pub use blip::Blip;
pub use blip2::Blip2;
pub use ids::Limit;
pub use pixels::ImageProcessor;
pub use vision::VisionStates;

use crate::diffusion::Weights;
use crate::diffusion::checkpoint::tensor_files;
use crate::diffusion::json::Settings;
use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use std::path::{Path, PathBuf};
use words::Words;

/// A model that says what is in an image, with its tokenizer and its way of looking at images.
#[derive(Debug)]
pub struct Captioner {
    model: Model,
    words: Words,
    processor: ImageProcessor,
    device: Device,
}

#[derive(Debug)]
enum Model {
    Blip(Blip),
    Blip2(Blip2),
}

impl Captioner {
    /// Opens a folder such as a download of `Salesforce/blip-image-captioning-base` or `Salesforce/blip2-opt-2.7b`,
    /// with all weights in f32.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        Self::open_as(folder, DType::F32, device)
    }

    /// The same with the large weights kept as `dtype`; it is computed in f32 all the same. BLIP-2 with OPT 2.7B takes
    /// 15 GB of memory in f32 and half of it in f16.
    pub fn open_as(folder: &Path, dtype: DType, device: &Device) -> Result<Self> {
        let settings = Settings::read(&folder.join("config.json"))?;
        let weights = Weights::open(&files(folder, dtype)?, dtype, device)?;
        let model = match settings.choice("model_type", &[("blip", false), ("blip-2", true)])? {
            false => Model::Blip(Blip::load(&weights, &settings)?),
            true => Model::Blip2(Blip2::load(&weights, &settings)?),
        };
        weights.finish()?;
        let (words, processor) = (Words::read(folder)?, ImageProcessor::read(folder)?);
        Ok(Self { model, words, processor, device: device.clone() })
    }

    /// What the model says of each image, in at most `max_tokens` tokens, by greedy decoding.
    ///
    /// With a prompt it goes on from that: from the beginning of a caption ("a photo of"), or, with BLIP-2, from a
    /// question ("Question: what is this? Answer:"). The prompt is not part of the result.
    pub fn caption(
        &self,
        images: &[RgbImage],
        prompt: Option<&str>,
        max_tokens: usize,
    ) -> Result<Vec<String>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        self.caption_pixels(&self.processor.pixels(images, &self.device)?, prompt, max_tokens)
    }

    /// The same of normalised pixels `[n, 3, height, width]`, as [`ImageProcessor::pixels`] gives them.
    pub fn caption_pixels(
        &self,
        pixels: &Tensor,
        prompt: Option<&str>,
        max_tokens: usize,
    ) -> Result<Vec<String>> {
        let before = prompt.map(|prompt| self.words.encode(prompt)).transpose()?.unwrap_or_default();
        let n = pixels.dim(0)?;
        let (texts, stops) = match &self.model {
            Model::Blip(blip) => {
                let limit = Limit { max_tokens, stops: blip.stops() };
                let states = blip.image_states(pixels)?;
                (blip.generate(&states, &vec![blip.prompt(&before); n], limit)?, blip.stops())
            }
            Model::Blip2(blip) => {
                let limit = Limit { max_tokens, stops: blip.stops() };
                let embeddings = blip.image_embeddings(pixels)?;
                (blip.generate(&embeddings, &vec![blip.prompt(&before); n], limit)?, blip.stops())
            }
        };
        let said = |ids: &[u32]| {
            let end = ids.iter().position(|id| stops.contains(id)).unwrap_or(ids.len());
            self.words.decode_after(&before, &ids[..end])
        };
        texts.iter().map(|ids| said(ids)).collect()
    }

    /// How the model looks at images.
    pub fn processor(&self) -> &ImageProcessor {
        &self.processor
    }
}

/// The files of tensors of a folder; transformers has a name of its own for pickles.
fn files(folder: &Path, dtype: DType) -> Result<Vec<PathBuf>> {
    let pickle = folder.join("pytorch_model.bin");
    match tensor_files(folder, "model", dtype == DType::F16) {
        Err(Error::NotFound { .. }) if pickle.is_file() => {
            let reason = "a pickle can run code when it is read; convert it to safetensors first (transformers: \
                `model.save_pretrained(folder)`)";
            Err(Error::malformed(&pickle, reason))
        }
        found => found,
    }
}
