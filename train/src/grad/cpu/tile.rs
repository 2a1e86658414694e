//! The transformations of one tile: matrices Bᵀ, G and Aᵀ of Lavin and Gray 2016 (arXiv:1509.09308), sec. 4.1 and 4.2,
//! applied along both axes, on eight tiles side by side.

use super::real::Real;

/// Values treated side by side: one AVX register of f32.
pub(super) const LANES: usize = 8;

/// One value of each of the tiles.
pub(super) type Lanes<T> = [T; LANES];

/// Large enough for both tile sizes; F(2×2) uses the first four rows and columns.
pub(super) type Tile<T> = [[Lanes<T>; 6]; 6];

/// Side of an output tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Two,
    Four,
}

impl Side {
    pub(super) fn output(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    pub(super) fn input(self) -> usize {
        self.output() + 2
    }
}

/// From input to output, or from the output's gradient to the input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

#[inline(always)]
fn add<T: Real>(a: Lanes<T>, b: Lanes<T>) -> Lanes<T> {
    let mut sum = a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum += b;
    }
    sum
}

#[inline(always)]
fn sub<T: Real>(a: Lanes<T>, b: Lanes<T>) -> Lanes<T> {
    let mut difference = a;
    for (difference, b) in difference.iter_mut().zip(b) {
        *difference -= b;
    }
    difference
}

/// `a·factor + b`.
#[inline(always)]
fn fma<T: Real>(a: Lanes<T>, factor: f64, b: Lanes<T>) -> Lanes<T> {
    let factor = T::from_f64(factor);
    let mut sum = b;
    for (sum, a) in sum.iter_mut().zip(a) {
        *sum = a.fma(factor, *sum);
    }
    sum
}

#[inline(always)]
fn scale<T: Real>(a: Lanes<T>, factor: f64) -> Lanes<T> {
    let factor = T::from_f64(factor);
    let mut product = a;
    for value in &mut product {
        *value *= factor;
    }
    product
}

#[inline(always)]
fn zero<T: Real>() -> Lanes<T> {
    [T::zero(); LANES]
}

/// Bᵀ.
#[inline(always)]
fn input_line<T: Real>(side: Side, d: [Lanes<T>; 6]) -> [Lanes<T>; 6] {
    match side {
        Side::Two => [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3]), zero(), zero()],
        Side::Four => {
            let (a, b) = (fma(d[2], -4.0, d[4]), fma(d[1], -4.0, d[3]));
            let (c, e) = (sub(d[4], d[2]), scale(sub(d[3], d[1]), 2.0));
            [
                fma(d[0], 4.0, fma(d[2], -5.0, d[4])),
                add(a, b),
                sub(a, b),
                add(c, e),
                sub(c, e),
                fma(d[1], 4.0, fma(d[3], -5.0, d[5])),
            ]
        }
    }
}

/// G.
#[inline(always)]
fn weight_line<T: Real>(side: Side, g: [Lanes<T>; 3]) -> [Lanes<T>; 6] {
    match side {
        Side::Two => {
            let (even, odd) = (scale(add(g[0], g[2]), 0.5), scale(g[1], 0.5));
            [g[0], add(even, odd), sub(even, odd), g[2], zero(), zero()]
        }
        Side::Four => {
            let (even, odd) = (scale(add(g[0], g[2]), -1.0 / 6.0), scale(g[1], -1.0 / 6.0));
            let far = fma(g[2], 1.0 / 6.0, scale(g[0], 1.0 / 24.0));
            let far_odd = scale(g[1], 1.0 / 12.0);
            [scale(g[0], 0.25), add(even, odd), sub(even, odd), add(far, far_odd), sub(far, far_odd), g[2]]
        }
    }
}

/// Aᵀ.
#[inline(always)]
fn output_line<T: Real>(side: Side, m: [Lanes<T>; 6]) -> [Lanes<T>; 4] {
    match side {
        Side::Two => [add(add(m[0], m[1]), m[2]), sub(sub(m[1], m[2]), m[3]), zero(), zero()],
        Side::Four => {
            let (a, b) = (add(m[1], m[2]), sub(m[1], m[2]));
            let (c, e) = (add(m[3], m[4]), sub(m[3], m[4]));
            [add(add(m[0], a), c), fma(e, 2.0, b), fma(c, 4.0, a), add(fma(e, 8.0, b), m[5])]
        }
    }
}

/// Bᵀ d B.
#[inline(always)]
pub(super) fn input<T: Real>(side: Side, d: Tile<T>) -> Tile<T> {
    let mut half = d;
    for j in 0..6 {
        let line = input_line(side, [d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]]);
        for (row, value) in half.iter_mut().zip(line) {
            row[j] = value;
        }
    }
    for line in &mut half {
        *line = input_line(side, *line);
    }
    half
}

/// G g Gᵀ.
#[inline(always)]
pub(super) fn weight<T: Real>(side: Side, g: [[Lanes<T>; 3]; 3]) -> Tile<T> {
    let mut half = [[zero(); 3]; 6];
    for j in 0..3 {
        let line = weight_line(side, [g[0][j], g[1][j], g[2][j]]);
        for (row, value) in half.iter_mut().zip(line) {
            row[j] = value;
        }
    }
    let mut tile = [[zero(); 6]; 6];
    for (row, half) in tile.iter_mut().zip(half) {
        *row = weight_line(side, half);
    }
    tile
}

/// Aᵀ m A.
#[inline(always)]
pub(super) fn back<T: Real>(side: Side, m: Tile<T>) -> [[Lanes<T>; 4]; 4] {
    let mut half = [[zero(); 6]; 4];
    for j in 0..6 {
        let line = output_line(side, [m[0][j], m[1][j], m[2][j], m[3][j], m[4][j], m[5][j]]);
        for (row, value) in half.iter_mut().zip(line) {
            row[j] = value;
        }
    }
    let mut out = [[zero(); 4]; 4];
    for (row, half) in out.iter_mut().zip(half) {
        *row = output_line(side, half);
    }
    out
}
