//! Views made smaller: means of square blocks of u8 pixels.

/// The view `from` `[planes, side, side]` at `to_side` px, a divisor of `side`, written to `out`
/// `[planes, to_side, to_side]`. Means are rounded to the nearest value.
///
/// # Panics
/// If `to_side` does not divide `side`, or a slice has another length.
pub fn pool(from: &[u8], side: usize, to_side: usize, out: &mut [u8]) {
    assert!(to_side > 0 && side.is_multiple_of(to_side), "{to_side} px do not divide {side}");
    assert_eq!(from.len() / (side * side), out.len() / (to_side * to_side), "planes");
    let factor = side / to_side;
    if factor == 1 {
        out.copy_from_slice(from);
        return;
    }
    // A column of a block of at most 1024 px sums to less than 2¹⁸.
    let mut columns = vec![0u32; side];
    let (count, half) = ((factor * factor) as u32, (factor * factor / 2) as u32);
    for (rows, out) in from.chunks_exact(factor * side).zip(out.chunks_exact_mut(to_side)) {
        sum_rows(rows, &mut columns);
        for (out, block) in out.iter_mut().zip(columns.chunks_exact(factor)) {
            *out = ((block.iter().sum::<u32>() + half) / count) as u8;
        }
    }
}

/// Sums of each column. Eight rows at a time are added in u16, which fits twice as many lanes into a vector.
fn sum_rows(rows: &[u8], columns: &mut [u32]) {
    let side = columns.len();
    columns.fill(0);
    let mut narrow = vec![0u16; side];
    for eight in rows.chunks(8 * side) {
        narrow.fill(0);
        for row in eight.chunks_exact(side) {
            narrow.iter_mut().zip(row).for_each(|(sum, &value)| *sum += u16::from(value));
        }
        columns.iter_mut().zip(&narrow).for_each(|(sum, &value)| *sum += u32::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_their_rounded_means() {
        let from: Vec<u8> = (0..2 * 16).map(|i| (i * 7) as u8).collect();
        let mut out = vec![0; 2 * 4];
        pool(&from, 4, 2, &mut out);
        let mean = |values: [usize; 4]| (values.map(|i| (i * 7) as u8 as u32).iter().sum::<u32>() + 2) / 4;
        assert_eq!(u32::from(out[0]), mean([0, 1, 4, 5]));
        assert_eq!(u32::from(out[7]), mean([26, 27, 30, 31]));
    }

    #[test]
    fn white_stays_white_at_every_factor() {
        for side in [64, 128, 1024] {
            let from = vec![255; 3 * side * side];
            let mut out = vec![0; 3 * 32 * 32];
            pool(&from, side, 32, &mut out);
            assert!(out.iter().all(|&value| value == 255));
        }
    }
}
