//! What is known before a photo is decoded: its header, and how large it has to be decoded.

use serde::Serialize;

/// What a file says of itself before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format of the bytes.
    pub format: &'static str,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// The EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// The photo is decoded at `scale_num`/8 of its size: 8, or less for a JPEG that is larger than needed.
    pub scale_num: u32,
    /// The most bytes that decoding takes at once.
    pub decoded_bytes: u64,
}

/// How large a photo has to be decoded. Photos that are smaller are taken as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MinDecodeSize {
    /// The shorter side in px, at least.
    pub shorter_px: u32,
    /// The longer side in px, at least.
    pub longer_px: u32,
}

impl MinDecodeSize {
    /// However few pixels.
    pub(crate) const ANY: Self = Self { shorter_px: 1, longer_px: 1 };

    /// Every pixel.
    pub const WHOLE: Self = Self { shorter_px: u32::MAX, longer_px: u32::MAX };

    /// Large enough for both.
    pub fn max(self, other: Self) -> Self {
        Self {
            shorter_px: self.shorter_px.max(other.shorter_px),
            longer_px: self.longer_px.max(other.longer_px),
        }
    }

    /// The smallest of 1, 2, 4 and 8 eighths of `width` × `height` px that is large enough; 8 where none is.
    pub(super) fn scale_num(self, width: u32, height: u32) -> u32 {
        let is_enough = |scale_num: u32| {
            let side = |length: u32| u64::from(length) * u64::from(scale_num) / 8;
            side(width.min(height)) >= self.shorter_px.into()
                && side(width.max(height)) >= self.longer_px.into()
        };
        [1, 2, 4].into_iter().find(|&scale_num| is_enough(scale_num)).unwrap_or(8)
    }
}
