//! Rows of components to rows of pixels. YCbCr becomes RGB by JFIF's factors with 16 fractional bits, rounded
//! to the bit as libjpeg does.
//!
//! Files with four components are taken as inverted, Adobe's convention: Photoshop writes no other, and
//! browsers, Pillow and ImageMagick assume it whether or not the file carries Adobe's marker.

use crate::decode::jpeg::headers::space::Space;

/// What is made of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Three levels a pixel; of inks: what is left of white, whatever a profile says.
    Rgb,
    /// Four inks a pixel, 255 being all of one; of pictures with four components.
    Inks,
}

impl Output {
    /// Bytes of a pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Inks => 4,
        }
    }
}

/// Pixels that are made at a time: what lies between fits the nearest cache.
const AT_A_TIME: usize = 512;

/// Makes a row of pixels of a row of each component, as long or longer.
#[inline(always)]
pub(crate) fn row(lines: &[&[u8]; 4], space: Space, output: Output, out: &mut [u8]) {
    let channels = output.channels();
    for (i, out) in out.chunks_mut(channels * AT_A_TIME).enumerate() {
        let (start, count) = (i * AT_A_TIME, out.len() / channels);
        let part = lines.map(|line| line.get(start..start + count).unwrap_or_default());
        pixels(&part, space, output, out);
    }
}

#[inline(always)]
fn pixels([first, second, third, black]: &[&[u8]; 4], space: Space, output: Output, out: &mut [u8]) {
    let count = first.len();
    let mut levels = [[0; AT_A_TIME]; 3];
    let [r, g, b] = &mut levels;
    let [r, g, b] = [&mut r[..count], &mut g[..count], &mut b[..count]];
    match space {
        Space::Grey => return interleave(first, first, first, out),
        Space::Rgb => return interleave(first, second, third, out),
        Space::Cmyk => [(&mut *r, first), (&mut *g, second), (&mut *b, third)]
            .into_iter()
            .for_each(|(levels, line)| levels.copy_from_slice(line)),
        Space::YCbCr => {
            ycc_to_rgb([first, second, third], [r, g, b]);
            return interleave(r, g, b, out);
        }
        Space::Ycck => {
            ycc_to_rgb([first, second, third], [r, g, b]);
            [&mut *r, &mut *g, &mut *b].into_iter().flatten().for_each(|level| *level = 255 - *level);
        }
    }
    // Three inks as they are stored: inverted.
    match output {
        Output::Rgb => {
            for levels in [&mut *r, &mut *g, &mut *b] {
                levels.iter_mut().zip(*black).for_each(|(level, black)| *level = share(*level, *black));
            }
            interleave(r, g, b, out);
        }
        Output::Inks => {
            let inks = r.iter().zip(&*g).zip(b.iter().zip(*black));
            for (pixel, ((c, m), (y, k))) in out.as_chunks_mut().0.iter_mut().zip(inks) {
                *pixel = [*c, *m, *y, *k].map(|stored| 255 - stored);
            }
        }
    }
}

#[inline(always)]
fn interleave(r: &[u8], g: &[u8], b: &[u8], out: &mut [u8]) {
    for (pixel, ((r, g), b)) in out.as_chunks_mut().0.iter_mut().zip(r.iter().zip(g).zip(b)) {
        *pixel = [*r, *g, *b];
    }
}

/// The nearest level to `a` · `b` / 255.
#[inline(always)]
fn share(a: u8, b: u8) -> u8 {
    let product = u16::from(a) * u16::from(b) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

/// Fractional bits of JFIF's factors.
const FRACTION_BITS: u32 = 16;

/// One of JFIF's factors, or what is left of it behind a whole number.
const fn fix(factor: f64) -> i32 {
    (factor * (1 << FRACTION_BITS) as f64 + 0.5) as i32
}

/// R = Y + 1.402 Cr, G = Y − 0.34414 Cb − 0.71414 Cr, B = Y + 1.772 Cb, each sum beside Y rounded by itself.
/// The whole parts of the factors stand apart, so that 16 bits hold what is left.
#[inline(always)]
fn ycc_to_rgb([y, cb, cr]: [&[u8]; 3], [r, g, b]: [&mut [u8]; 3]) {
    const HALF: i32 = 1 << (FRACTION_BITS - 1);
    let level = |y: i16, more: i16| (y + more).clamp(0, 255) as u8;
    let rgb = r.iter_mut().zip(g).zip(b);
    for (((r, g), b), ((y, cb), cr)) in rgb.zip(y.iter().zip(cb).zip(cr)) {
        let (y, cb, cr) = (i16::from(*y), i16::from(*cb) - 128, i16::from(*cr) - 128);
        // Twice a difference fits 16 bits, and with it the upper half of a product has one bit to round by.
        let rounded = |difference: i16, factor: i32| {
            let upper = (i32::from(2 * difference) * factor) >> FRACTION_BITS;
            (upper as i16 + 1) >> 1
        };
        let of_green = i32::from(cb) * -fix(0.344_14) + i32::from(cr) * (fix(1.0) - fix(0.714_14)) + HALF;
        *r = level(y, cr + rounded(cr, fix(1.402) - fix(1.0)));
        *g = level(y, (of_green >> FRACTION_BITS) as i16 - cr);
        *b = level(y, 2 * cb + rounded(cb, fix(1.772) - fix(2.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The tables of libjpeg's jdcolor.c by their description: 16 fractional bits, a half added, and shifted.
    #[test]
    fn every_colour_difference_is_rounded_as_libjpeg_does() {
        for cb in 0..=255_u8 {
            for cr in 0..=255_u8 {
                for y in [0, 90, 128, 255_u8] {
                    let (mut r, mut g, mut b) = ([0], [0], [0]);
                    ycc_to_rgb([&[y], &[cb], &[cr]], [&mut r, &mut g, &mut b]);
                    let (blue, red) = (i32::from(cb) - 128, i32::from(cr) - 128);
                    let sums = [
                        (91_881 * red + 32_768) >> 16,
                        (-22_554 * blue - 46_802 * red + 32_768) >> 16,
                        (116_130 * blue + 32_768) >> 16,
                    ];
                    let expected = sums.map(|sum| (i32::from(y) + sum).clamp(0, 255) as u8);
                    assert_eq!([r[0], g[0], b[0]], expected, "{y} {cb} {cr}");
                }
            }
        }
    }

    #[test]
    fn inks_are_the_complement_of_what_is_stored() {
        let lines: [&[u8]; 4] = [&[200], &[100], &[0], &[255]];
        let mut out = [0; 4];
        row(&lines, Space::Cmyk, Output::Inks, &mut out);
        assert_eq!(out, [55, 155, 255, 0]);
        row(&lines, Space::Cmyk, Output::Rgb, &mut out[..3]);
        assert_eq!(out[..3], [200, 100, 0]);
        // YCbCr's brightest stores no complement: all of three inks, and no black.
        let lines: [&[u8]; 4] = [&[255], &[128], &[128], &[255]];
        row(&lines, Space::Ycck, Output::Inks, &mut out);
        assert_eq!(out, [255, 255, 255, 0]);
        row(&lines, Space::Ycck, Output::Rgb, &mut out[..3]);
        assert_eq!(out[..3], [0, 0, 0]);
    }
}
