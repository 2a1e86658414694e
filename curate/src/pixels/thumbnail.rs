//! A photo at a dozen pixels a side, in colour: what two photos that the hashes call near are looked at again
//! by.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use image::RgbImage;

use crate::pixels::resize::{self, Filter};

/// Pixels along each side, whatever the photo's shape: a person who takes an eighth of the width still has a
/// row of them. With 16 every photo's facts would be nearly twice as long.
pub const SIDE: usize = 12;

/// A photo's colours, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail([[u8; 3]; SIDE * SIDE]);

/// A text that is no thumbnail.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no thumbnail: {SIDE}×{SIDE} px of 3 bytes as base64 are expected")]
pub struct ParseThumbnailError(String);

impl Thumbnail {
    /// The thumbnail of a photo.
    pub fn of(image: &RgbImage) -> Self {
        let small = resize::whole(image, SIDE as u32, SIDE as u32, Filter::Bilinear);
        let mut pixels = small.pixels();
        Self(std::array::from_fn(|_| pixels.next().expect("as many pixels as places").0))
    }

    /// Red, green and blue in 0..=255, row by row.
    pub fn pixels(&self) -> &[[u8; 3]; SIDE * SIDE] {
        &self.0
    }
}

impl fmt::Display for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0.as_flattened()))
    }
}

impl FromStr for Thumbnail {
    type Err = ParseThumbnailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64.decode(text).map_err(|_| ParseThumbnailError(text.to_owned()))?;
        let (pixels, rest) = bytes.as_chunks::<3>();
        let pixels = <[[u8; 3]; SIDE * SIDE]>::try_from(pixels).ok().filter(|_| rest.is_empty());
        pixels.map(Self).ok_or_else(|| ParseThumbnailError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_thumbnail_is_read_back() {
        let image = RgbImage::from_fn(90, 120, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let thumbnail = Thumbnail::of(&image);
        let text = thumbnail.to_string();
        assert_eq!(text.parse::<Thumbnail>().unwrap(), thumbnail);
        for text in ["", "?", &text[4..], &format!("{text}AAAA")] {
            assert!(text.parse::<Thumbnail>().is_err(), "{text}");
        }
    }
}
