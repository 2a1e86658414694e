//! Pixels inside a page.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};

/// Below 85, JPEG's blocks are taken for faults of the model; above, a grid of 64 costs megabytes.
const QUALITY: u8 = 88;

/// A picture of RGB bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row after row, three bytes a pixel.
    pub rgb: Vec<u8>,
    /// A few words below; may be empty.
    pub caption: String,
}

impl Picture {
    /// From interleaved RGB.
    ///
    /// # Panics
    /// If there are not `3 · width · height` bytes.
    pub fn from_rgb(rgb: Vec<u8>, width: usize, height: usize, caption: impl Into<String>) -> Self {
        assert_eq!(rgb.len(), 3 * width * height, "bytes of a picture of {width}×{height}");
        Self { width, height, rgb, caption: caption.into() }
    }

    /// From planes `[3, side, side]`, as snapshots have them.
    ///
    /// # Panics
    /// If `planes` has another size.
    pub fn from_planes(planes: &[u8], side: usize, caption: impl Into<String>) -> Self {
        assert_eq!(planes.len(), 3 * side * side, "bytes of planes of {side} px");
        let plane = side * side;
        let rgb = (0..plane).flat_map(|pixel| [0, 1, 2].map(|channel| planes[channel * plane + pixel]));
        Self::from_rgb(rgb.collect(), side, side, caption)
    }

    /// The pixels as an image.
    ///
    /// # Panics
    /// If there are not `3 · width · height` bytes.
    pub fn image(&self) -> RgbImage {
        let image = RgbImage::from_raw(self.width as u32, self.height as u32, self.rgb.clone());
        image.expect("three bytes for each pixel")
    }

    /// From an image.
    pub fn from_image(image: RgbImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        Self::from_rgb(image.into_raw(), width, height, "")
    }

    /// The picture as a PNG file; empty where it has no pixels.
    pub fn png(&self) -> Vec<u8> {
        let mut png = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        let written =
            PngEncoder::new(&mut png).write_image(&self.rgb, width, height, ExtendedColorType::Rgb8);
        if written.is_ok() { png } else { Vec::new() }
    }

    /// The picture as a JPEG in a `data:` URI; one without pixels is an empty URI.
    pub fn data_uri(&self) -> String {
        let mut jpeg = Vec::new();
        let written = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode(
            &self.rgb,
            self.width as u32,
            self.height as u32,
            ExtendedColorType::Rgb8,
        );
        match written {
            Ok(()) => format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(&jpeg)),
            Err(_) => "data:,".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_interleaved_and_become_a_jpeg() {
        let picture = Picture::from_planes(&[1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24], 2, "four");
        assert_eq!(picture.rgb[..6], [1, 11, 21, 2, 12, 22]);
        assert!(picture.data_uri().starts_with("data:image/jpeg;base64,/9j/"));
        assert!(picture.png().starts_with(b"\x89PNG"));
        assert_eq!(Picture::default().data_uri(), "data:,");
        assert_eq!(Picture::from_image(picture.image()), Picture { caption: String::new(), ..picture });
    }
}
