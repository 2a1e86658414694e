//! From a component's samples to one for each pixel: to the bit libjpeg's “fancy” upsampling, the default of
//! every program that reads by libjpeg.
//!
//! Where a component has half as many samples along a side, each pixel is made of the nearest sample and the
//! next one behind it, by 3 to 1 (along both sides: by 9, 3, 3 and 1), whose halves are rounded up and down
//! in turn. At the picture's edges the last sample stands for the one beyond. Other shares are repeated, as
//! are components of one or two samples a row that are halved along x.

/// How a component becomes as large as the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upsampling {
    /// It is.
    None,
    /// Between the samples of a row.
    Across,
    /// Between rows.
    Down,
    /// Both.
    Both,
    /// Each sample is repeated along x and y.
    Repeated(usize, usize),
}

impl Upsampling {
    /// Of a component with `sampling` and `width` samples a row, where the finest is `finest`.
    pub fn of(sampling: (usize, usize), finest: (usize, usize), width: usize) -> Self {
        match (finest.0 / sampling.0, finest.1 / sampling.1) {
            (1, 1) => Self::None,
            (2, 1) if width > 2 => Self::Across,
            (1, 2) => Self::Down,
            (2, 2) if width > 2 => Self::Both,
            (across, down) => Self::Repeated(across, down),
        }
    }

    /// Whether it asks for the rows above and below.
    pub fn has_neighbours(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }

    /// Makes the row `y` of those that become of one row. `near` is that row, `beside` the one above it for
    /// `y` = 0 and below it for 1; `sums` has room for two samples more, `out` for a row.
    #[inline(always)]
    pub fn row(self, y: usize, near: &[u8], beside: &[u8], sums: &mut [u16], out: &mut [u8]) {
        match self {
            Self::None => out[..near.len()].copy_from_slice(near),
            Self::Across => {
                for (sum, near) in sums[1..].iter_mut().zip(near) {
                    *sum = (*near).into();
                }
                across::<1, 2, 2>(sums, near.len(), out);
            }
            Self::Down => {
                let bias = if y == 0 { 1 } else { 2 };
                for (out, (near, beside)) in out.iter_mut().zip(near.iter().zip(beside)) {
                    *out = ((3 * u16::from(*near) + u16::from(*beside) + bias) >> 2) as u8;
                }
            }
            Self::Both => {
                for (sum, (near, beside)) in sums[1..].iter_mut().zip(near.iter().zip(beside)) {
                    *sum = 3 * u16::from(*near) + u16::from(*beside);
                }
                across::<8, 7, 4>(sums, near.len(), out);
            }
            Self::Repeated(wide, _) => {
                for (out, sample) in out.chunks_mut(wide).zip(near) {
                    out.fill(*sample);
                }
            }
        }
    }
}

/// Two pixels for each of the `width` sums from the second on, of it and the sums beside it.
#[inline(always)]
fn across<const LEFT: u16, const RIGHT: u16, const SHIFT: u32>(
    sums: &mut [u16],
    width: usize,
    out: &mut [u8],
) {
    (sums[0], sums[width + 1]) = (sums[1], sums[width]);
    let sums = &sums[..width + 2];
    let triples = sums.iter().zip(&sums[1..]).zip(&sums[2..]);
    for (pair, ((before, this), behind)) in out.as_chunks_mut::<2>().0.iter_mut().zip(triples) {
        let left = (3 * this + before + LEFT) >> SHIFT;
        let right = (3 * this + behind + RIGHT) >> SHIFT;
        *pair = (left | right << 8).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(upsampling: Upsampling, y: usize, near: &[u8], beside: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 4 * near.len()];
        let mut sums = vec![0; near.len() + 2];
        upsampling.row(y, near, beside, &mut sums, &mut out);
        out
    }

    // By hand, after the description above.
    #[test]
    fn pixels_lie_between_samples_and_halves_are_rounded_in_turn() {
        let near = [10, 20, 30, 25];
        let beside = [14, 21, 30, 0];
        assert_eq!(row(Upsampling::Across, 0, &near, &beside)[..8], [10, 13, 17, 23, 27, 29, 26, 25]);
        assert_eq!(row(Upsampling::Down, 0, &near, &beside)[..4], [11, 20, 30, 19]);
        assert_eq!(row(Upsampling::Down, 1, &near, &beside)[..4], [11, 20, 30, 19]);
        assert_eq!(row(Upsampling::Down, 0, &[1, 2], &[0, 0])[..2], [1, 1]);
        assert_eq!(row(Upsampling::Down, 1, &[1, 2], &[0, 0])[..2], [1, 2]);
        // 44, 81, 120, 75 are the sums down.
        assert_eq!(row(Upsampling::Both, 0, &near, &beside)[..8], [11, 13, 18, 23, 28, 27, 22, 19]);
        assert_eq!(row(Upsampling::Repeated(3, 1), 0, &near, &beside)[..4], [10, 10, 10, 20]);
    }

    #[test]
    fn narrow_components_and_odd_shares_are_repeated() {
        assert_eq!(Upsampling::of((1, 1), (2, 1), 2), Upsampling::Repeated(2, 1));
        assert_eq!(Upsampling::of((1, 1), (2, 2), 2), Upsampling::Repeated(2, 2));
        assert_eq!(Upsampling::of((1, 1), (2, 2), 3), Upsampling::Both);
        assert_eq!(Upsampling::of((1, 2), (2, 4), 3), Upsampling::Both);
        assert_eq!(Upsampling::of((1, 1), (1, 2), 1), Upsampling::Down);
        assert_eq!(Upsampling::of((1, 1), (4, 1), 9), Upsampling::Repeated(4, 1));
        assert_eq!(Upsampling::of((1, 1), (4, 2), 9), Upsampling::Repeated(4, 2));
    }
}
