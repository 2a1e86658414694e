//! What is not decoded: bytes that are no photo, damaged ones, and sizes beyond the limits.

use photo::Unread;

/// The most pixels a photo may declare. The largest sensors of 2026 have 100 to 150 megapixels; galleries
/// serve far smaller files, and one RGB photo of this size takes 300 MB.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The most bytes a decoder may allocate for one photo: `MAX_PIXELS` with four 8-bit channels, with a little
/// room. 16-bit photos are therefore limited to about 64 megapixels.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

/// Why bytes are no photo that can be read. The text goes into the reason `unreadable`.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// A photo of a kind that is not read.
    #[error("{0}")]
    Unread(Unread),
    /// The first bytes belong to no format that is read.
    #[error("the bytes are no JPEG, JPEG XL, PNG, WebP, GIF, BMP or TIFF; they begin with {0}")]
    UnknownFormat(String),
    /// The header declares more pixels than [`MAX_PIXELS`].
    #[error("{format} of {width}×{height} px has more than {MAX_PIXELS} pixels")]
    TooManyPixels {
        /// The format of the bytes.
        format: &'static str,
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
    },
    /// Decoding would take more memory than [`MAX_DECODED_BYTES`].
    #[error(
        "{format} of {width}×{height} px needs {bytes} bytes to decode; the limit is {MAX_DECODED_BYTES}"
    )]
    TooManyBytes {
        /// The format of the bytes.
        format: &'static str,
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
        /// Decoded size in bytes.
        bytes: u64,
    },
    /// A side of 0 pixels.
    #[error("{format} of {width}×{height} px has no pixels")]
    NoPixels {
        /// The format of the bytes.
        format: &'static str,
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
    },
    /// The file ends before its image does.
    #[error("{format} is truncated: {detail}")]
    Truncated {
        /// The format of the bytes.
        format: &'static str,
        /// What is missing.
        detail: String,
    },
    /// The file is legal, and of a kind that is not decoded.
    #[error("{format} is unsupported: {detail}")]
    Unsupported {
        /// The format of the bytes.
        format: &'static str,
        /// What of it.
        detail: String,
    },
    /// The decoder refused the content.
    #[error("{format} is damaged: {detail}")]
    Damaged {
        /// The format of the bytes.
        format: &'static str,
        /// What the decoder said.
        detail: String,
    },
}

/// Refuses sizes that no photo has, before anything of that size is allocated.
pub(crate) fn check_size(
    format: &'static str,
    width: u32,
    height: u32,
    bytes_per_pixel: u64,
) -> Result<(), DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(DecodeError::NoPixels { format, width, height });
    }
    if pixels > MAX_PIXELS {
        return Err(DecodeError::TooManyPixels { format, width, height });
    }
    let bytes = pixels * bytes_per_pixel;
    if bytes > MAX_DECODED_BYTES {
        return Err(DecodeError::TooManyBytes { format, width, height, bytes });
    }
    Ok(())
}
