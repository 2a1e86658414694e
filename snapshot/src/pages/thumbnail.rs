//! Small JPEGs inside a page.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

/// Side of a thumbnail in pixels, at most: sharp in a sixth of a page's width, about 5 kB.
const SIDE_PX: usize = 176;
/// Below 70, the blocks of JPEG show in the dark of weighted photos.
const QUALITY: u8 = 75;

/// A square photo, `[3, size, size]`, as a small JPEG in a `data:` URI.
pub(crate) fn data_uri(planes: &[u8], size_px: usize) -> String {
    let side = size_px.min(SIDE_PX);
    let small = shrink(planes, size_px, side);
    format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg(&small, side as u32, side as u32)))
}

/// Interleaved RGB as a JPEG.
pub(crate) fn jpeg(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(rgb, width, height, ExtendedColorType::Rgb8)
        .expect("a thumbnail of the length of its size goes into memory");
    jpeg
}

/// Planes of `size`² to interleaved RGB of `side`²: each pixel the mean of the pixels it covers.
fn shrink(planes: &[u8], size: usize, side: usize) -> Vec<u8> {
    let mut small = vec![0; 3 * side * side];
    let edge = |i: usize| i * size / side;
    for (channel, plane) in planes.chunks_exact(size * size).enumerate() {
        for y in 0..side {
            for x in 0..side {
                let (top, bottom, left, right) = (edge(y), edge(y + 1), edge(x), edge(x + 1));
                let sum: u32 = (top..bottom)
                    .map(|row| {
                        plane[row * size + left..row * size + right]
                            .iter()
                            .map(|&p| u32::from(p))
                            .sum::<u32>()
                    })
                    .sum();
                let count = ((bottom - top) * (right - left)) as u32;
                small[3 * (y * side + x) + channel] = ((sum + count / 2) / count) as u8;
            }
        }
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_keeps_the_mean_and_interleaves_the_channels() {
        let planes: Vec<u8> = [[0, 2, 10, 20], [50; 4], [255; 4]].concat();
        assert_eq!(shrink(&planes, 2, 1), [8, 50, 255]);
        assert_eq!(shrink(&planes, 2, 2)[..6], [0, 50, 255, 2, 50, 255]);
    }
}
