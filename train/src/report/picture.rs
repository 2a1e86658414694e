//! Pixels inside a page.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

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
            Ok(()) => format!("data:image/jpeg;base64,{}", base64(&jpeg)),
            Err(_) => "data:,".to_owned(),
        }
    }
}

/// Bytes as text, by RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648_section_10() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn planes_are_interleaved_and_become_a_jpeg() {
        let picture = Picture::from_planes(&[1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24], 2, "four");
        assert_eq!(picture.rgb[..6], [1, 11, 21, 2, 12, 22]);
        assert!(picture.data_uri().starts_with("data:image/jpeg;base64,/9j/"));
        assert_eq!(Picture::default().data_uri(), "data:,");
    }
}
