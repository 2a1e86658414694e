//! What decoding gives.

use image::RgbImage;
use photo::ImageFacts;

/// A decoded photo.
#[derive(Clone, Debug)]
pub struct DecodedPhoto {
    /// The pixels, upright, 8 bits per channel; fewer than `facts` says where a reduced photo was enough.
    pub image: RgbImage,
    /// What the header and the pixels say without any model.
    pub facts: ImageFacts,
}

/// Pixels in sRGB, and what else a decoder knows of them. They are not upright when they leave the decoder.
pub(crate) struct DecodedPixels {
    pub image: RgbImage,
    pub colours: Option<photo::Colours>,
    /// Whether everything is there but the file's end marker.
    pub lacks_end: bool,
}
