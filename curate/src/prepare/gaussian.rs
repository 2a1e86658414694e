//! The Gaussian weighting of the paper (4.1, eqs. 11–13): pixels near a visible joint stay, the rest fades.
//!
//! w_i = exp(−((x−x_i)²+(y−y_i)²)/2σ²),  W = max_i w_i,  W_norm = W / max W,  I_w = I·(α+(1−α)·W_norm)
//!
//! With d_i² = (x−x_i)²+(y−y_i)² and m the smallest d_i² over all pixels and joints, W_norm = max_i
//! exp(−(d_i²−m)/2σ²). The exponent of one joint is a sum of a part of x and a part of y, so per joint one
//! factor per column and one per row are enough, and no pixel needs an exponential. Each factor is taken
//! relative to its own smallest distance, so none exceeds 1, and a tiny σ or a joint far outside gives
//! numbers all the same.
//!
//! A pixel is compared only with the joints that can be the nearest in its tile, mostly one to three of 17.
//!
//! The same bytes come out on every processor: what is computed are additions and multiplications in a fixed
//! order, never fused, whatever vector instructions run them; the exponential is a polynomial of those.

use photo::Joints;

use crate::pixels::simd::{Loop, vectorised};

/// No joint is visible, so that eq. 12 is a maximum over nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no visible joint: the weighting of the paper (eq. 12) is a maximum over nothing")]
pub struct NoVisibleJoint;

/// Pixels of a tile along x: a cache line of bytes.
const TILE: usize = 64;
/// Rows of a tile. In higher tiles more joints can be the nearest; choosing them for lower ones takes longer.
const BAND: usize = 16;
/// Factors are 2^−63 at least, so that the product of two is no subnormal number, which takes a processor 100
/// times as long. A weight that small is 0 for bytes.
const LARGEST_EXPONENT: f32 = 63.0;

/// W_norm of one photo, as factors per column and row.
#[derive(Clone, Debug)]
pub struct GaussianWeights {
    width: usize,
    height: usize,
    /// One set of factors per visible joint.
    joints: Vec<Factors>,
}

#[derive(Clone, Debug)]
struct Factors {
    /// The joint, x and y.
    centre: [f64; 2],
    /// Filled up to whole tiles.
    columns: Vec<f32>,
    /// Filled up to whole tiles.
    rows: Vec<f32>,
}

impl GaussianWeights {
    /// The weights of a frame of `width` × `height` px; `sigma_px` > 0. Joints with confidence 0 are left
    /// out.
    ///
    /// # Errors
    /// [`NoVisibleJoint`] when none is left.
    pub fn new(joints: &Joints, width: usize, height: usize, sigma_px: f64) -> Result<Self, NoVisibleJoint> {
        let axes: Vec<[Axis; 2]> = joints
            .visible()
            .filter(|joint| joint.x.is_finite() && joint.y.is_finite())
            .map(|joint| [Axis::new(joint.x, width), Axis::new(joint.y, height)])
            .collect();
        if axes.is_empty() {
            return Err(NoVisibleJoint);
        }
        let scale = std::f64::consts::LOG2_E / (2.0 * sigma_px * sigma_px);
        Ok(Self { width, height, joints: vectorised(Tabulate { axes: &axes, scale }) })
    }

    /// W_norm of the whole frame, row after row, in 0..=1: `[height, width]`.
    pub fn weight_map(&self) -> Vec<f32> {
        let mut map = vec![0.0; self.width * self.height];
        vectorised(WeightMap { weights: self, map: &mut map });
        map
    }

    /// The weighted image. `planes` holds one or more planes `[height, width]`, one after the other; so does
    /// the result.
    pub fn apply<P: Pixel>(&self, planes: &[P], alpha: f32) -> Vec<P> {
        let mut weighted = vec![P::default(); planes.len()];
        self.apply_into(planes, alpha, &mut weighted);
        weighted
    }

    /// The weighted image, into a buffer that is there.
    ///
    /// # Panics
    /// When `weighted` is not as long as `planes`.
    pub fn apply_into<P: Pixel>(&self, planes: &[P], alpha: f32, weighted: &mut [P]) {
        assert_eq!(planes.len(), weighted.len(), "the weighted image is as large as the image");
        vectorised(Apply { weights: self, planes, alpha, weighted });
    }

    /// Hands W_norm of 64 pixels of a row at a time to `done`, from the left: `(x, y, weights)`. The last
    /// tile of a row may reach beyond the frame.
    #[inline(always)]
    fn each_tile(&self, mut done: impl FnMut(usize, usize, &[f32; TILE])) {
        let mut tiles = vec![Vec::with_capacity(self.joints.len()); self.width.div_ceil(TILE)];
        for (band, top) in (0..self.height).step_by(BAND).enumerate() {
            self.choose(band, &mut tiles);
            for down in 0..BAND.min(self.height - top) {
                for (tile, joints) in tiles.iter().enumerate() {
                    let mut weights = [0.0; TILE];
                    for (columns, rows) in joints {
                        let row = rows[down];
                        for (weight, column) in weights.iter_mut().zip(*columns) {
                            *weight = larger(column * row, *weight);
                        }
                    }
                    done(tile * TILE, top + down, &weights);
                }
            }
        }
    }

    /// For each tile of a band, the factors of the joints that can be nearest to one of its pixels. The
    /// difference of two d² is linear in x and y: a joint that is farther at all four corners than the one
    /// nearest to the middle is farther everywhere.
    fn choose<'a>(&'a self, band: usize, tiles: &mut [Vec<TileFactors<'a>>]) {
        let (top, bottom) = ((band * BAND) as f64, (band * BAND + BAND - 1) as f64);
        for (tile, chosen) in tiles.iter_mut().enumerate() {
            let (left, right) = ((tile * TILE) as f64, (tile * TILE + TILE - 1) as f64);
            let corners = [[left, top], [right, top], [left, bottom], [right, bottom]];
            let middle = [left.midpoint(right), top.midpoint(bottom)];
            let closer = |a: &&Factors, b: &&Factors| a.square(middle).total_cmp(&b.square(middle));
            let Some(central) = self.joints.iter().min_by(closer) else { return };
            let limits = corners.map(|corner| central.square(corner));
            let can_be_nearest = |joint: &&Factors| {
                corners.iter().zip(&limits).any(|(&corner, &limit)| joint.square(corner) <= limit)
            };
            chosen.clear();
            chosen.extend(self.joints.iter().filter(can_be_nearest).map(|joint| joint.of_tile(band, tile)));
        }
    }
}

/// A joint's factors of a tile's columns and rows.
type TileFactors<'a> = (&'a [f32; TILE], &'a [f32; BAND]);

impl Factors {
    /// d² of a place.
    fn square(&self, [x, y]: [f64; 2]) -> f64 {
        let [across, down] = [x - self.centre[0], y - self.centre[1]];
        across * across + down * down
    }

    fn of_tile(&self, band: usize, tile: usize) -> TileFactors<'_> {
        (&self.columns.as_chunks().0[tile], &self.rows.as_chunks().0[band])
    }
}

/// A coordinate of a joint, beside the pixels 0, 1, … `length` − 1.
struct Axis {
    centre: f64,
    length: usize,
    /// The smallest square of a distance.
    least: f64,
}

impl Axis {
    fn new(centre: f32, length: usize) -> Self {
        let centre = f64::from(centre);
        let nearest = centre.round().clamp(0.0, length.saturating_sub(1) as f64);
        Self { centre, length, least: (nearest - centre) * (nearest - centre) }
    }

    /// 2^−(d² − the smallest + `behind`)·`scale` of each pixel, filled up to a multiple of `step`.
    #[inline(always)]
    fn factors(&self, behind: f64, scale: f64, step: usize) -> Vec<f32> {
        let mut factors = vec![0.0; self.length.next_multiple_of(step)];
        let (centre, less) = (self.centre, self.least - behind);
        for (place, factor) in (0_u32..).zip(&mut factors) {
            let distance = f64::from(place) - centre;
            // In this order also what is no number becomes 0: 0·∞, of a σ whose square is too small for f64.
            let exponent = ((distance * distance - less) * scale) as f32;
            let exponent = if exponent > 0.0 { exponent } else { 0.0 };
            *factor = exp2_of_minus(if exponent < LARGEST_EXPONENT { exponent } else { LARGEST_EXPONENT });
        }
        factors
    }
}

/// The larger of two numbers ≥ 0, whose bits have their order. `f32::max` would ask for NaN as well.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    f32::from_bits(a.to_bits().cast_signed().max(b.to_bits().cast_signed()).cast_unsigned())
}

/// 2^−t for t in 0..=63, within 3·10⁻⁷ of it relatively; 1 at 0. Without a branch, so that it is vectorised.
#[allow(clippy::approx_constant, reason = "a coefficient of the fit is near ln 2, and is not ln 2")]
#[inline(always)]
fn exp2_of_minus(t: f32) -> f32 {
    /// 1.5·2²³: added to a small number it leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = t + ROUND;
    let rest = t - (shifted - ROUND);
    // 2^−rest on [−½, ½] with 1 at 0: the polynomial of degree 5 whose largest relative error is smallest,
    // 1.1·10⁻⁷.
    let p = -1.326_472_7e-3_f32;
    let p = p * rest + 9.671_513e-3;
    let p = p * rest - 5.550_733_6e-2;
    let p = p * rest + 2.402_224_2e-1;
    let p = p * rest - 6.931_47e-1;
    let p = p * rest + 1.0;
    // The whole number goes to the exponent.
    f32::from_bits(p.to_bits().wrapping_sub(shifted.to_bits() << 23))
}

struct Tabulate<'a> {
    axes: &'a [[Axis; 2]],
    scale: f64,
}

impl Loop for Tabulate<'_> {
    type Output = Vec<Factors>;

    #[inline(always)]
    fn run(self) -> Vec<Factors> {
        // The grid is a product, so a joint's nearest pixel is in its nearest column and row.
        let squares = self.axes.iter().map(|[x, y]| x.least + y.least);
        let least = squares.clone().fold(f64::INFINITY, f64::min);
        let mut joints = Vec::with_capacity(self.axes.len());
        for ([x, y], square) in self.axes.iter().zip(squares) {
            joints.push(Factors {
                centre: [x.centre, y.centre],
                columns: x.factors(0.0, self.scale, TILE),
                // How much farther the joint is than the nearest one, ≥ 0, is in its rows.
                rows: y.factors(square - least, self.scale, BAND),
            });
        }
        joints
    }
}

struct WeightMap<'a> {
    weights: &'a GaussianWeights,
    map: &'a mut [f32],
}

impl Loop for WeightMap<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { weights, map } = self;
        weights.each_tile(|x, y, tile| {
            let length = TILE.min(weights.width - x);
            map[y * weights.width + x..][..length].copy_from_slice(&tile[..length]);
        });
    }
}

struct Apply<'a, P> {
    weights: &'a GaussianWeights,
    planes: &'a [P],
    alpha: f32,
    weighted: &'a mut [P],
}

impl<P: Pixel> Loop for Apply<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { weights, planes, alpha, weighted } = self;
        let (width, size) = (weights.width, weights.width * weights.height);
        weights.each_tile(|x, y, tile| {
            let scales = tile.map(|weight| alpha + (1.0 - alpha) * weight);
            let place = y * width + x;
            let place = place..place + TILE.min(width - x);
            for (from, to) in planes.chunks_exact(size).zip(weighted.chunks_exact_mut(size)) {
                let (from, to) = (&from[place.clone()], &mut to[place.clone()]);
                // Of a whole tile the compiler knows how many pixels there are.
                match (from.as_array::<TILE>(), to.as_mut_array::<TILE>()) {
                    (Some(from), Some(to)) => scale(from, &scales, to),
                    _ => scale(from, &scales, to),
                }
            }
        });
    }
}

#[inline(always)]
fn scale<P: Pixel>(from: &[P], scales: &[f32], to: &mut [P]) {
    for ((to, from), &weight) in to.iter_mut().zip(from).zip(scales) {
        *to = from.scaled(weight);
    }
}

/// A channel's value that can be scaled: `f32` of any range, or `u8`, rounded.
pub trait Pixel: Copy + Default {
    /// The value times a weight in 0..=1.
    fn scaled(self, weight: f32) -> Self;
}

impl Pixel for f32 {
    #[inline(always)]
    fn scaled(self, weight: f32) -> Self {
        self * weight
    }
}

impl Pixel for u8 {
    #[inline(always)]
    fn scaled(self, weight: f32) -> Self {
        /// Added to 0..=255 it leaves the nearest whole number in the lowest bits. A conversion by `as` would
        /// ask for every odd case.
        const ROUND: f32 = 8_388_608.0;
        let level = (f32::from(self) * weight + ROUND).to_bits().wrapping_sub(ROUND.to_bits());
        level.cast_signed().clamp(0, 255) as u8 // costs nothing: the instructions that pack bytes do it
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn joints(at: &[(f32, f32)]) -> Joints {
        let mut joints = Joints::default();
        for (joint, &(x, y)) in joints.0.iter_mut().zip(at) {
            *joint = Joint { x, y, confidence: 1.0 };
        }
        joints
    }

    /// W_norm in f64 as the paper writes it, in the log domain: exp(m − d²/2σ²) of the nearest joint.
    fn directly(joints: &Joints, width: usize, height: usize, sigma_px: f64) -> Vec<f64> {
        let nearest = |x: usize, y: usize| {
            let square = |joint: &Joint| {
                (x as f64 - f64::from(joint.x)).powi(2) + (y as f64 - f64::from(joint.y)).powi(2)
            };
            joints.visible().map(square).fold(f64::INFINITY, f64::min)
        };
        let squares: Vec<f64> = (0..width * height).map(|i| nearest(i % width, i / width)).collect();
        let least = squares.iter().copied().fold(f64::INFINITY, f64::min);
        squares.iter().map(|square| (-(square - least) / (2.0 * sigma_px * sigma_px)).exp()).collect()
    }

    /// Frames, joints (some far outside), σ from a fraction of a pixel to far more than the frame, α, pixels.
    fn cases() -> impl Iterator<Item = (usize, usize, Joints, f64, f32, Vec<u8>)> {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        (0..60).map(move |_| {
            let (width, height) = (random.random_range(1..200), random.random_range(1..70));
            let reach = 3.0_f32.powi(random.random_range(0..5));
            let count = random.random_range(1..=17);
            let place = |random: &mut ChaCha8Rng, side: usize| {
                side as f32 * random.random_range(-reach..=1.0 + reach)
            };
            let at: Vec<_> =
                (0..count).map(|_| (place(&mut random, width), place(&mut random, height))).collect();
            let sigma_px = 10.0_f64.powf(random.random_range(-1.0..3.0));
            let planes = (0..2 * width * height).map(|_| random.random()).collect();
            (width, height, joints(&at), sigma_px, random.random_range(0.0..=1.0), planes)
        })
    }

    #[test]
    fn weights_and_bytes_are_those_of_the_formula_in_f64() {
        for (case, (width, height, joints, sigma_px, alpha, planes)) in cases().enumerate() {
            let weights = GaussianWeights::new(&joints, width, height, sigma_px).unwrap();
            let (map, weighted) = (weights.weight_map(), weights.apply(&planes, alpha));
            let expected = directly(&joints, width, height, sigma_px);
            for (i, (&found, &expected)) in map.iter().zip(&expected).enumerate() {
                // The part of x and the part of y are rounded to f32 each: 6·10⁻⁸ of an exponent of up to 63.
                assert!(
                    (f64::from(found) - expected).abs() < 1e-6,
                    "{case}, {i}: {found}, expected {expected}"
                );
            }
            for (i, (&level, &found)) in planes.iter().zip(&weighted).enumerate() {
                let scale = f64::from(alpha) + (1.0 - f64::from(alpha)) * expected[i % (width * height)];
                let off = f64::from(found) - f64::from(level) * scale;
                assert!(off.abs() < 0.5 + 1e-3, "{case}, {i}: {found} of {level} · {scale}");
            }
        }
    }

    #[test]
    fn bytes_are_the_same_without_the_machine_s_vector_extensions() {
        for (width, height, joints, sigma_px, alpha, planes) in cases() {
            let widest = GaussianWeights::new(&joints, width, height, sigma_px).unwrap();
            let found = widest.apply(&planes, alpha);
            let axes: Vec<_> = joints
                .visible()
                .map(|joint| [Axis::new(joint.x, width), Axis::new(joint.y, height)])
                .collect();
            let scale = std::f64::consts::LOG2_E / (2.0 * sigma_px * sigma_px);
            // A loop that is not dispatched has the instructions that every machine has.
            let plain = GaussianWeights { width, height, joints: Tabulate { axes: &axes, scale }.run() };
            let mut weighted = vec![0; planes.len()];
            Apply { weights: &plain, planes: &planes, alpha, weighted: &mut weighted }.run();
            assert!(found == weighted, "{width}×{height}, σ {sigma_px}");
        }
    }

    #[test]
    fn two_to_a_power_is_that_of_the_standard_library() {
        for t in (0..=63_000).map(|i| i as f32 * 1e-3) {
            let (found, expected) = (f64::from(exp2_of_minus(t)), f64::from(-t).exp2());
            assert!((found - expected).abs() < 3e-7 * expected, "2^−{t} = {found}, expected {expected}");
        }
        assert_eq!(exp2_of_minus(0.0), 1.0);
    }

    #[test]
    fn the_weight_is_one_at_a_joint_and_exp_of_minus_half_one_sigma_away() {
        let map = GaussianWeights::new(&joints(&[(20.0, 10.0)]), 64, 32, 8.0).unwrap().weight_map();
        assert_eq!(map[10 * 64 + 20], 1.0);
        assert!((map[10 * 64 + 28] - (-0.5_f32).exp()).abs() < 1e-6);
    }

    #[test]
    fn tiny_sigma_and_far_joints_give_numbers_with_a_maximum_of_one() {
        let cases =
            [((20.4, 10.3), 0.004), ((5000.0, -300.5), 4.0), ((-1e6, 1e6), 0.5), ((20.4, 10.3), 1e-200)];
        for (at, sigma_px) in cases {
            let map = GaussianWeights::new(&joints(&[at]), 64, 32, sigma_px).unwrap().weight_map();
            assert!(map.iter().all(|weight| (0.0..=1.0).contains(weight)), "{at:?}");
            assert_eq!(map.iter().copied().fold(0.0, f32::max), 1.0, "{at:?}");
        }
    }

    #[test]
    fn a_far_joint_does_not_count_beside_a_near_one() {
        let near = GaussianWeights::new(&joints(&[(20.0, 10.0)]), 64, 32, 3.0).unwrap().weight_map();
        let both =
            GaussianWeights::new(&joints(&[(20.0, 10.0), (900.0, 900.0)]), 64, 32, 3.0).unwrap().weight_map();
        assert_eq!(near, both);
    }

    #[test]
    fn joints_that_are_invisible_or_no_numbers_are_rejected() {
        assert_eq!(GaussianWeights::new(&Joints::default(), 8, 8, 4.0).unwrap_err(), NoVisibleJoint);
        assert_eq!(GaussianWeights::new(&joints(&[(f32::NAN, 1.0)]), 8, 8, 4.0).unwrap_err(), NoVisibleJoint);
    }

    #[test]
    fn alpha_is_what_is_left_far_away_and_bytes_are_rounded() {
        let weights = GaussianWeights::new(&joints(&[(0.0, 0.0)]), 64, 32, 1.0).unwrap();
        let weighted = weights.apply(&vec![101_u8; 3 * 64 * 32], 0.25);
        assert_eq!(weighted[0], 101);
        assert_eq!(weighted[3 * 64 * 32 - 1], 25);
    }
}
