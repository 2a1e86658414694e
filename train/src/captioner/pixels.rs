//! Images as the models were trained to see them (transformers' `BlipImageProcessor`).

use crate::diffusion::clip::pixels::{MEAN, STD, bicubic_row};
use crate::diffusion::json::Settings;
use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use serde_json::Value;
use std::path::Path;

/// What `preprocessor_config.json` says.
#[derive(Clone, Debug)]
pub struct ImageProcessor {
    height: usize,
    width: usize,
    /// By which the levels are multiplied.
    factor: f64,
    mean: [f32; 3],
    std: [f32; 3],
}

/// Bicubic, as Pillow numbers its filters.
const BICUBIC: u32 = 3;

impl ImageProcessor {
    /// Reads `preprocessor_config.json` of a folder, or what `processor_config.json` says under `image_processor`,
    /// where newer releases of transformers put it.
    pub fn read(folder: &Path) -> Result<Self> {
        let (own, common) = (folder.join("preprocessor_config.json"), folder.join("processor_config.json"));
        if own.is_file() {
            return Self::from_settings(&Settings::read(&own)?);
        }
        let nested = common.is_file().then(|| Settings::read(&common)).transpose()?;
        match nested.and_then(|settings| settings.nested("image_processor")) {
            Some(settings) => Self::from_settings(&settings),
            None => {
                let wanted = vec!["preprocessor_config.json".to_owned()];
                Err(Error::NotFound { folder: folder.to_owned(), wanted })
            }
        }
    }

    /// The defaults are those of `BlipImageProcessor`.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        for key in ["do_resize", "do_rescale", "do_normalize", "do_convert_rgb"] {
            if !settings.or(key, true)? {
                return Err(settings.unsupported(key, "supported: true"));
            }
        }
        settings.refuse_if_set(&["do_center_crop"])?;
        if settings.or("resample", BICUBIC)? != BICUBIC {
            return Err(settings.unsupported("resample", format!("supported: {BICUBIC} (bicubic)")));
        }
        let (height, width) = match settings.value("size") {
            None => (384, 384),
            Some(Value::Object(size)) if size.contains_key("shortest_edge") => {
                return Err(settings.unsupported("size", "supported: height and width"));
            }
            Some(Value::Object(_)) => {
                let size = settings.nested("size").unwrap_or_else(|| settings.clone());
                (size.required("height")?, size.required("width")?)
            }
            Some(_) => {
                let side = settings.required("size")?;
                (side, side)
            }
        };
        if height == 0 || width == 0 {
            return Err(settings.unsupported("size", "take 1 or more"));
        }
        Ok(Self {
            height,
            width,
            factor: settings.or("rescale_factor", 1.0 / 255.0)?,
            mean: settings.or("image_mean", MEAN)?,
            std: settings.or("image_std", STD)?,
        })
    }

    /// Images to normalised pixels `[n, 3, height, width]`, each stretched to that size.
    ///
    /// # Errors
    /// Without an image, or with one of no pixels.
    pub fn pixels(&self, images: &[RgbImage], device: &Device) -> Result<Tensor> {
        let each = images.iter().map(|image| self.levels(image)).collect::<Result<Vec<_>>>()?;
        let levels = Tensor::stack(&each, 0)?.to_device(device)?;
        // (level·factor − mean)/std in one step.
        let scale: Vec<f32> = self.std.iter().map(|std| (self.factor / f64::from(*std)) as f32).collect();
        let shift: Vec<f32> = self.mean.iter().zip(self.std).map(|(mean, std)| -mean / std).collect();
        let per_channel = |values: Vec<f32>| Tensor::from_vec(values, (1, 3, 1, 1), device);
        Ok(levels.broadcast_mul(&per_channel(scale)?)?.broadcast_add(&per_channel(shift)?)?)
    }

    /// The levels 0 to 255 of an image in the wanted size, `[3, height, width]`: first the columns are resized, then
    /// the rows, each rounded to whole levels as Pillow does.
    fn levels(&self, image: &RgbImage) -> Result<Tensor> {
        let (w, h) = (image.width() as usize, image.height() as usize);
        let found = Tensor::from_slice(image.as_raw(), (h, w, 3), &Device::Cpu)?.to_dtype(DType::F32)?;
        let planes = found.permute((2, 0, 1))?.contiguous()?.reshape((3 * h, w))?;
        let across = whole(&planes.matmul(&matrix(w, self.width)?.t()?)?)?.reshape((3, h, self.width))?;
        let rows = matrix(h, self.height)?.broadcast_left(3)?.contiguous()?;
        whole(&rows.matmul(&across)?)
    }
}

/// `[to, from]`, which resizes a column of `from` pixels.
fn matrix(from: usize, to: usize) -> Result<Tensor> {
    let rows: Vec<f32> = (0..to).flat_map(|i| bicubic_row(i, from, to)).collect();
    Ok(Tensor::from_vec(rows, (to, from), &Device::Cpu)?)
}

/// Rounded half up and cut to levels.
fn whole(levels: &Tensor) -> Result<Tensor> {
    Ok((levels + 0.5)?.floor()?.clamp(0f32, 255f32)?)
}
