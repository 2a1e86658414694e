//! Photos of every format.

use curate::decode::{MAX_PIXELS, header, pixels};
use curate::{DecodeError, MinDecodeSize, decode};

/// Larger photos are told by their header alone, so that inputs are many.
const MOST_DECODED_BYTES: u64 = 4 << 20;

pub fn check(bytes: &[u8]) {
    let whole = match header(bytes, MinDecodeSize::WHOLE) {
        Ok(header) => header,
        Err(error) => return is_told(&error),
    };
    let (width, height) = (whole.width, whole.height);
    assert!(width > 0 && height > 0 && u64::from(width) * u64::from(height) <= MAX_PIXELS);
    assert!((1..=8).contains(&whole.orientation) && whole.scale_num == 8);
    if whole.decoded_bytes > MOST_DECODED_BYTES {
        return;
    }
    match pixels(bytes, MinDecodeSize::WHOLE) {
        Ok(image) => assert_eq!(image.dimensions(), (width, height)),
        Err(error) => is_told(&error),
    }
    let reduced = [4, 2, 1].map(|eighths| {
        let part = |side: u32| (side * eighths / 8).max(1);
        MinDecodeSize { shorter_px: part(width.min(height)), longer_px: part(width.max(height)) }
    });
    for size in reduced {
        let reduced = header(bytes, size).unwrap();
        assert_eq!((reduced.width, reduced.height, reduced.format), (width, height, whole.format));
        if reduced.scale_num == 8 {
            continue;
        }
        let side = |whole: u32| (whole * reduced.scale_num).div_ceil(8);
        match pixels(bytes, size) {
            // A file that is odd in any way is decoded whole.
            Ok(image) => {
                let found = image.dimensions();
                assert!([(width, height), (side(width), side(height))].contains(&found), "{found:?}");
            }
            Err(error) => is_told(&error),
        }
    }
    // Facts take longer than all of that, so that they are made of some.
    if bytes.len().is_multiple_of(32)
        && let Ok(photo) = decode(bytes)
    {
        assert_eq!((photo.facts.width, photo.facts.height), (width, height));
        assert_eq!(photo.facts.format, whole.format);
        assert!(photo.facts.sharpness.is_finite() && (0.0..=1.0).contains(&photo.facts.brightness));
    }
}

/// Every refusal has a name and a text.
fn is_told(error: &DecodeError) {
    assert!(!error.to_string().is_empty());
}
