//! JPEG XL for the `image` crate: what reads photos through it, such as the export of a snapshot, does not know
//! this one.

use std::io::Read;

use image::error::{DecodingError, ImageFormatHint};
use image::hooks::{GenericReader, register_decoding_hook, register_format_detection_hook};
use image::{ColorType, ImageDecoder, ImageError, ImageResult, RgbImage};

use super::header::MinDecodeSize;
use super::jxl::{FORMAT, STARTS};
use super::pixels;

/// A photo that is decoded already, upright and in sRGB.
struct Decoded(RgbImage);

/// Lets `image::ImageReader` of this process read JPEG XL, as [`decode`](super::decode) does, within its limits.
pub fn register() {
    register_decoding_hook(FORMAT.into(), Box::new(open));
    for start in STARTS {
        register_format_detection_hook(FORMAT.into(), start, None);
    }
}

fn open(mut file: GenericReader<'_>) -> ImageResult<Box<dyn ImageDecoder + '_>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let image = pixels(&bytes, MinDecodeSize::WHOLE).map_err(|error| {
        ImageError::Decoding(DecodingError::new(ImageFormatHint::PathExtension(FORMAT.into()), error))
    })?;
    Ok(Box::new(Decoded(image)))
}

impl ImageDecoder for Decoded {
    fn dimensions(&self) -> (u32, u32) {
        self.0.dimensions()
    }

    fn color_type(&self) -> ColorType {
        ColorType::Rgb8
    }

    fn read_image(self, samples: &mut [u8]) -> ImageResult<()> {
        samples.copy_from_slice(&self.0);
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, samples: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(samples)
    }
}
