//! A photo's bytes as they leave.
//!
//! A JPEG, PNG or WebP that is upright leaves with its own compressed pixels, bit for bit, and without
//! metadata ([`strip`](super::strip)). Everything else becomes PNG: what was turned by its EXIF orientation,
//! animations (the first frame), GIF, BMP and TIFF. Trainers open files with Pillow and do not ask for the
//! orientation (`load_image` of sd-scripts and `tutorial_train.py` of IP-Adapter do not), so an orientation
//! that stays in the file would put people on their side and their joints elsewhere. Turning the JPEG itself
//! would compress it a second time; PNG costs about five times the space, and changes no pixel.

use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader,
};
use photo::Digest;

use super::error::ExportError;
use super::strip;
use crate::error::Error;

/// A picture as it leaves.
pub(super) struct Picture {
    pub bytes: Vec<u8>,
    pub kind: Kind,
}

/// The formats in which pictures leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    Webp,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Jpeg, Self::Png, Self::Webp];

    /// The ending of its files, which all readers know.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }
}

/// The picture of a photo whose file is at `path`; its bytes have to be those of the digest.
pub(super) fn of_file(path: &Path, sha256: Digest) -> Result<Picture, ExportError> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    if Digest::of(&bytes) != sha256 {
        return Err(ExportError::DamagedPhoto { path: path.to_owned() });
    }
    // Decoders index and subtract a lot: a file that makes one panic is one that cannot be written.
    let made = catch_unwind(AssertUnwindSafe(|| of_photo(&bytes)));
    let made =
        made.unwrap_or_else(|_| Err(ImageError::IoError(std::io::Error::other("its decoder gave up"))));
    made.map_err(|cause| ExportError::Picture { sha256, cause })
}

fn of_photo(bytes: &[u8]) -> Result<Picture, ImageError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let format = reader.format();
    let mut decoder = reader.into_decoder()?;
    // Asked as `curate` asks, so that the joints fit: a broken EXIF block turns nothing.
    let turn = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if turn == Orientation::NoTransforms {
        let (clean, kind) = match format {
            Some(ImageFormat::Jpeg) => (strip::jpeg(bytes), Kind::Jpeg),
            Some(ImageFormat::Png) => (strip::png(bytes), Kind::Png),
            Some(ImageFormat::WebP) => (strip::webp(bytes), Kind::Webp),
            _ => (None, Kind::Png),
        };
        if let Some(bytes) = clean {
            return Ok(Picture { bytes, kind });
        }
    }
    let profile = decoder.icc_profile().unwrap_or_default();
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(turn);
    png(&image, profile)
}

fn png(image: &DynamicImage, profile: Option<Vec<u8>>) -> Result<Picture, ImageError> {
    // PNG has no floats.
    let whole: DynamicImage;
    let image = match image {
        DynamicImage::ImageRgb32F(_) => {
            whole = image.to_rgb16().into();
            &whole
        }
        DynamicImage::ImageRgba32F(_) => {
            whole = image.to_rgba16().into();
            &whole
        }
        other => other,
    };
    // The profile of inks, which the decoder made RGB of, says nothing of what is left.
    let space: &[u8] = if image.color().has_color() { b"RGB " } else { b"GRAY" };
    let profile = profile.filter(|profile| profile.get(16..20) == Some(space));
    let mut bytes = Vec::new();
    let mut encoder = encoder(&mut bytes);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile).map_err(ImageError::Unsupported)?;
    }
    encoder.write_image(image.as_bytes(), image.width(), image.height(), image.color().into())?;
    Ok(Picture { bytes, kind: Kind::Png })
}

/// The picture of a tensor: planes of red, green and blue.
pub(super) fn of_planes(planes: &[u8], size_px: u32) -> Result<Picture, ImageError> {
    let plane = planes.len() / 3;
    let (red, rest) = planes.split_at(plane);
    let (green, blue) = rest.split_at(plane);
    let pixels: Vec<u8> =
        red.iter().zip(green).zip(blue).flat_map(|((&red, &green), &blue)| [red, green, blue]).collect();
    let mut bytes = Vec::new();
    encoder(&mut bytes).write_image(&pixels, size_px, size_px, ExtendedColorType::Rgb8)?;
    Ok(Picture { bytes, kind: Kind::Png })
}

/// `Fast` packs photos a few percent worse than the default, in a fraction of the time.
fn encoder(bytes: &mut Vec<u8>) -> PngEncoder<&mut Vec<u8>> {
    PngEncoder::new_with_quality(bytes, CompressionType::Fast, FilterType::Adaptive)
}
