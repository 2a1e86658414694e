//! From coefficients to samples: the exact inverse DCT in integers, to the bit that of libjpeg's `jidctint`
//! (`JDCT_ISLOW`, the default of every program that reads by libjpeg) as libjpeg-turbo has it in vector
//! instructions.
//!
//! The algorithm is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 12 multiplications per
//! line, its factors with 13 fractional bits. The first pass keeps two more bits than its samples need, the
//! second rounds to levels. Legal coefficients overflow nowhere; where damaged ones do, sums wrap and what
//! a pass gives is bounded to 16 bits, as in libjpeg-turbo.

use std::num::Wrapping;

use crate::decode::jpeg::headers::picture::SIDE;
use crate::pixels::simd::quarters;

/// The coefficients of a block, rows of 8.
pub(crate) type Block = [i16; SIDE * SIDE];

/// Fractional bits of the factors.
const FRACTION_BITS: usize = 13;

/// Fractional bits that the first pass keeps.
const KEPT_BITS: usize = 2;

/// A factor of the transform.
const fn fix(factor: f64) -> i32 {
    (factor * (1 << FRACTION_BITS) as f64 + 0.5) as i32
}

const FIX_0_298: i32 = fix(0.298_631_336);
const FIX_0_390: i32 = fix(0.390_180_644);
const FIX_0_541: i32 = fix(0.541_196_100);
const FIX_0_765: i32 = fix(0.765_366_865);
const FIX_0_899: i32 = fix(0.899_976_223);
const FIX_1_175: i32 = fix(1.175_875_602);
const FIX_1_501: i32 = fix(1.501_321_110);
const FIX_1_847: i32 = fix(1.847_759_065);
const FIX_1_961: i32 = fix(1.961_570_560);
const FIX_2_053: i32 = fix(2.053_119_869);
const FIX_2_562: i32 = fix(2.562_915_447);
const FIX_3_072: i32 = fix(3.072_711_026);

/// Writes the 8 × 8 samples of a block whose coefficients are to be multiplied by `steps`; `samples` begins
/// with the first one and has rows of `stride`. `last`: the place of its last coefficient in the file's order.
#[inline(always)]
pub(crate) fn transform(block: &Block, last: usize, steps: &Block, samples: &mut [u8], stride: usize) {
    match last {
        0 => fill(block[0], steps[0], samples, stride),
        // Of the first four lines and columns alone.
        1..=9 => transform_of::<4>(block, steps, samples, stride),
        _ => transform_of::<SIDE>(block, steps, samples, stride),
    }
}

/// [`transform`] of a block that has coefficients in the first `LINES` lines and columns alone.
#[inline(always)]
fn transform_of<const LINES: usize>(block: &Block, steps: &Block, samples: &mut [u8], stride: usize) {
    let mut coefficients = [0; SIDE * SIDE];
    for i in 0..SIDE * SIDE {
        coefficients[i] = block[i].wrapping_mul(steps[i]);
    }
    let down = pass::<LINES, { FRACTION_BITS - KEPT_BITS }>(&coefficients);
    let across = pass::<LINES, { FRACTION_BITS + KEPT_BITS + 3 }>(&turned(&down));
    let rows = levels(&across);
    write(rows, samples, stride);
}

/// Columns to rows, each value bounded to 16 bits.
#[inline(always)]
fn turned(columns: &[[i32; SIDE]; SIDE]) -> Block {
    let mut words = [[0_u64; SIDE]; 2];
    for half in 0..2 {
        for i in 0..SIDE {
            let kept = |k: usize| {
                let value = columns[4 * half + k][i].clamp(i16::MIN.into(), i16::MAX.into());
                value as u32
            };
            let pair = |k: usize| u64::from(kept(k) & 0xFFFF | kept(k + 1) << 16);
            words[half][i] = pair(0) | pair(2) << 32;
        }
    }
    let mut rows = [0; SIDE * SIDE];
    for (i, row) in rows.as_chunks_mut().0.iter_mut().enumerate() {
        *row = quarters([words[0][i], words[1][i]]);
    }
    rows
}

/// Columns to rows of levels, a byte each.
#[inline(always)]
fn levels(columns: &[[i32; SIDE]; SIDE]) -> [u64; SIDE] {
    let mut rows = [0; SIDE];
    for i in 0..SIDE {
        let level = |k: usize| (columns[k][i].clamp(-128, 127) + 128) as u32;
        let four = |k: usize| level(k) | level(k + 1) << 8 | level(k + 2) << 16 | level(k + 3) << 24;
        rows[i] = u64::from(four(0)) | u64::from(four(4)) << 32;
    }
    rows
}

/// [`transform`] of a block that has nothing but its first coefficient.
#[inline(always)]
fn fill(first: i16, step: i16, samples: &mut [u8], stride: usize) {
    let kept = (i32::from(first.wrapping_mul(step)) << KEPT_BITS).clamp(i16::MIN.into(), i16::MAX.into());
    let level = (((kept + 16) >> (KEPT_BITS + 3)).clamp(-128, 127) as u8) ^ 0x80;
    write([u64::from_ne_bytes([level; SIDE]); SIDE], samples, stride);
}

/// Writes rows of 8 levels.
#[inline(always)]
fn write(rows: [u64; SIDE], samples: &mut [u8], stride: usize) {
    let samples = &mut samples[..(SIDE - 1) * stride + SIDE];
    for (k, levels) in rows.into_iter().enumerate() {
        samples[k * stride..k * stride + SIDE].copy_from_slice(&levels.to_le_bytes());
    }
}

/// The transform of 8 columns, whose results are rounded to have `SHIFT` bits less.
#[inline(always)]
fn pass<const LINES: usize, const SHIFT: usize>(lines: &Block) -> [[i32; SIDE]; SIDE] {
    let mut out = [[0; SIDE]; SIDE];
    for i in 0..SIDE {
        let line = |k: usize| if k < LINES { lines[SIDE * k + i] } else { 0 };
        let x = [line(0), line(1), line(2), line(3), line(4), line(5), line(6), line(7)];
        let times = |value: i16, factor: i32| Wrapping(i32::from(value)) * Wrapping(factor);
        // The even half.
        let sum = Wrapping(i32::from(x[0].wrapping_add(x[4]))) << FRACTION_BITS;
        let difference = Wrapping(i32::from(x[0].wrapping_sub(x[4]))) << FRACTION_BITS;
        let turned = times(x[2], FIX_0_541 + FIX_0_765) + times(x[6], FIX_0_541);
        let other = times(x[2], FIX_0_541) + times(x[6], FIX_0_541 - FIX_1_847);
        let even = [sum + turned, difference + other, difference - other, sum - turned];
        // The odd half.
        let (near, far) = (x[7].wrapping_add(x[3]), x[5].wrapping_add(x[1]));
        let z3 = times(near, FIX_1_175 - FIX_1_961) + times(far, FIX_1_175);
        let z4 = times(near, FIX_1_175) + times(far, FIX_1_175 - FIX_0_390);
        let odd = [
            times(x[7], -FIX_0_899) + times(x[1], FIX_1_501 - FIX_0_899) + z4,
            times(x[5], -FIX_2_562) + times(x[3], FIX_3_072 - FIX_2_562) + z3,
            times(x[5], FIX_2_053 - FIX_2_562) + times(x[3], -FIX_2_562) + z4,
            times(x[7], FIX_0_298 - FIX_0_899) + times(x[1], -FIX_0_899) + z3,
        ];
        let half = Wrapping(1 << (SHIFT - 1));
        for k in 0..SIDE / 2 {
            out[k][i] = ((even[k] + odd[k] + half) >> SHIFT).0;
            out[SIDE - 1 - k][i] = ((even[k] - odd[k] + half) >> SHIFT).0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::jpeg::entropy::zigzag::ZIGZAG;

    /// The transform of a line as the description of `jidctint` has it, in wide integers: 12 multiplications.
    fn line(x: [i64; SIDE], shift: usize) -> [i64; SIDE] {
        let fix = |factor: f64| (factor * f64::from(1 << FRACTION_BITS)).round() as i64;
        let z1 = (x[2] + x[6]) * fix(0.541_196_100);
        let (two, three) = (z1 - x[6] * fix(1.847_759_065), z1 + x[2] * fix(0.765_366_865));
        let (zero, one) = ((x[0] + x[4]) << FRACTION_BITS, (x[0] - x[4]) << FRACTION_BITS);
        let even = [zero + three, one + two, one - two, zero - three];
        let z5 = (x[7] + x[3] + x[5] + x[1]) * fix(1.175_875_602);
        let (z1, z2) = ((x[7] + x[1]) * -fix(0.899_976_223), (x[5] + x[3]) * -fix(2.562_915_447));
        let z3 = z5 - (x[7] + x[3]) * fix(1.961_570_560);
        let z4 = z5 - (x[5] + x[1]) * fix(0.390_180_644);
        let odd = [
            x[1] * fix(1.501_321_110) + z1 + z4,
            x[3] * fix(3.072_711_026) + z2 + z3,
            x[5] * fix(2.053_119_869) + z2 + z4,
            x[7] * fix(0.298_631_336) + z1 + z3,
        ];
        let rounded = |sum: i64| (sum + (1 << (shift - 1))) >> shift;
        std::array::from_fn(|k| match k {
            0..4 => rounded(even[k] + odd[k]),
            _ => rounded(even[7 - k] - odd[7 - k]),
        })
    }

    fn expected(block: &Block, steps: &Block) -> [u8; SIDE * SIDE] {
        let product = |at: usize| i64::from(block[at]) * i64::from(steps[at]);
        let columns: [_; SIDE] =
            std::array::from_fn(|i| line(std::array::from_fn(|k| product(SIDE * k + i)), 11));
        let rows: [_; SIDE] = std::array::from_fn(|k| line(std::array::from_fn(|i| columns[i][k]), 18));
        std::array::from_fn(|at| (rows[at / SIDE][at % SIDE] + 128).clamp(0, 255) as u8)
    }

    #[test]
    fn every_kind_of_block_is_transformed_to_the_bit() {
        let mut random = 1_u64;
        let mut next = |most: i16| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 40) as i16 % (most + 1)
        };
        let steps = std::array::from_fn(|_| 1 + next(9).abs());
        for round in 0..3000 {
            let last = round % SIDE.pow(2);
            let mut block = [0; SIDE * SIDE];
            for (i, place) in ZIGZAG.into_iter().enumerate().take(last + 1) {
                let most = if i == 0 { 200 } else { 160 / (1 + i as i16) };
                block[usize::from(place)] = next(most);
            }
            let stride = 11;
            let mut samples = [7; 100];
            transform(&block, last, &steps, &mut samples[2..], stride);
            for (at, level) in expected(&block, &steps).into_iter().enumerate() {
                assert_eq!(
                    samples[2 + stride * (at / SIDE) + at % SIDE],
                    level,
                    "{round}: {at} of {block:?}"
                );
            }
            assert!(samples[..2] == [7; 2] && samples[10..13] == [7; 3], "beside the block nothing changes");
        }
    }
}
