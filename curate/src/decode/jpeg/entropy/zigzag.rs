//! The order in which files hold a block's coefficients (ITU-T T.81, figure A.6).

/// Where each coefficient stands in its block, rows of 8, in the file's order.
pub(crate) const ZIGZAG: [u8; 64] = zigzag();

const fn zigzag() -> [u8; 64] {
    let mut places = [0; 64];
    let (mut row, mut column, mut i) = (0_u8, 0_u8, 0);
    while i < 64 {
        places[i] = 8 * row + column;
        let is_up = (row + column).is_multiple_of(2);
        match (is_up, row, column) {
            (true, _, 7) => row += 1,
            (true, 0, _) => column += 1,
            (true, ..) => (row, column) = (row - 1, column + 1),
            (false, 7, _) => column += 1,
            (false, _, 0) => row += 1,
            (false, ..) => (row, column) = (row + 1, column - 1),
        }
        i += 1;
    }
    places
}
