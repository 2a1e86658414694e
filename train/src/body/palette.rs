//! The colours of a view: what is worn in it, and what is behind.
//!
//! A person wears something else in every photo, and no other view tells what: for a decoder that knows
//! body and pose alone, the best guess is a grey figure. As it is told the joints of the view that it is
//! to draw, it may be told its colours as well (as images in the wild have an appearance of their own,
//! Martin-Brualla et al. 2021, arXiv:2008.02268): then c_body has to carry the body's shape and nothing
//! of the clothes.

use photo::joints::{JOINT_COUNT, LIMBS};

use super::pose::{POSE_MAPS, Pose, centre, squared_distance};

/// σ of the reading and of the drawing around a joint or limb, in shares of `sigma` of the pooling:
/// reading stays on a thin arm; drawing covers a torso.
const READ: f32 = 0.25;
const DRAWN: f32 = 0.3;
/// The same of where the person is, for reading the background.
const PERSON: f32 = 0.5;

/// How much the background weighs beside a limb: 2.1 σ from it, half of a pixel's colour is the
/// background's.
const BACKGROUND: f32 = 0.1;

/// Colours of the background, across and down. What stands behind a shoulder is anybody's guess, and such
/// guesses are much of what a decoder gets wrong: of a mean photo's error, the picture of a palette alone
/// has 0.61 with 2, 0.49 with 4 and 0.41 with 8.
const BACKGROUND_GRID: usize = 8;

/// Colours R, G, B in −1..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    /// At the joints, then along the limbs.
    pub places: [[f32; 3]; POSE_MAPS],
    /// Behind the person: from upper left to lower right, row by row, those at the ends at the view's corners.
    pub background: [[f32; 3]; BACKGROUND_GRID * BACKGROUND_GRID],
}

impl Palette {
    /// The colours of a view with the planes `[3, side, side]`; `sigma` is the pooling's, in shares of the
    /// view. A place that is not visible has the mean colour of those that are.
    pub fn of(planes: &[u8], side: usize, pose: &Pose, sigma: f32) -> Self {
        let cells = side * side;
        let colour =
            |cell: usize| [0, 1, 2].map(|plane| f32::from(planes[plane * cells + cell]) / 127.5 - 1.0);
        let mut places = [Mean::default(); POSE_MAPS];
        let mut background = [Mean::default(); BACKGROUND_GRID * BACKGROUND_GRID];
        for cell in 0..cells {
            let at = centre(cell, side);
            let colour = colour(cell);
            let mut nearest: f32 = 0.0;
            for (place, mean) in places.iter_mut().enumerate() {
                let Some((squared, known)) = squared_from(pose, place, at) else { continue };
                nearest = nearest.max(falloff(squared, PERSON * sigma));
                let weight = known * falloff(squared, READ * sigma);
                mean.add(colour, weight);
            }
            for (node, share) in shares_of_background(at) {
                background[node].add(colour, (1.0 - nearest) * share);
            }
        }
        let mut all = Mean::default();
        places
            .iter()
            .filter(|place| place.weight > 0.0)
            .for_each(|place| all.add(place.colour([0.0; 3]), 1.0));
        let mean = all.colour([0.0; 3]);
        Self {
            places: places.map(|place| place.colour(mean)),
            background: background.map(|node| node.colour(mean)),
        }
    }

    /// The colours laid out in `pose`, planes `[3, side, side]` in −1..=1: a figure of sticks in front of
    /// its background, for a decoder to make a body of.
    pub fn picture(&self, pose: &Pose, sigma: f32, side: usize) -> Vec<f32> {
        let cells = side * side;
        let mut planes = vec![0.0; 3 * cells];
        for cell in 0..cells {
            let at = centre(cell, side);
            let mut sum = Mean::default();
            for (node, share) in shares_of_background(at) {
                sum.add(self.background[node], BACKGROUND * share);
            }
            for (place, colour) in self.places.iter().enumerate() {
                if let Some((squared, known)) = squared_from(pose, place, at) {
                    sum.add(*colour, known * falloff(squared, DRAWN * sigma));
                }
            }
            for (plane, value) in sum.colour([0.0; 3]).into_iter().enumerate() {
                planes[plane * cells + cell] = value;
            }
        }
        planes
    }
}

/// A mean of colours by weight.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: [f32; 3],
    weight: f32,
}

impl Mean {
    fn add(&mut self, colour: [f32; 3], weight: f32) {
        for (sum, value) in self.sum.iter_mut().zip(colour) {
            *sum += weight * value;
        }
        self.weight += weight;
    }

    /// The mean, or `otherwise` of nothing.
    fn colour(&self, otherwise: [f32; 3]) -> [f32; 3] {
        if self.weight > 1e-12 { self.sum.map(|sum| sum / self.weight) } else { otherwise }
    }
}

/// The squared distance of `at` from a joint or limb, and the confidence; `None` where it is not visible.
fn squared_from(pose: &Pose, place: usize, at: [f32; 2]) -> Option<(f32, f32)> {
    let (a, b) = match place.checked_sub(JOINT_COUNT) {
        None => (place, place),
        Some(limb) => LIMBS[limb],
    };
    let (a, b) = (&pose.joints[a], &pose.joints[b]);
    let known = a[2].min(b[2]);
    (known > 0.0).then(|| (squared_distance(at, a, b), known))
}

/// The Gaussian of a distance; nothing beyond four σ, where most pixels are.
fn falloff(squared: f32, sigma: f32) -> f32 {
    let variance = sigma * sigma;
    if squared < 16.0 * variance { (-squared / (2.0 * variance)).exp() } else { 0.0 }
}

/// The four colours of the background that `at` lies between, and the share of each (bilinear).
fn shares_of_background(at: [f32; 2]) -> [(usize, f32); 4] {
    let [(column, right), (row, below)] = at.map(|share| {
        let place = (share * (BACKGROUND_GRID - 1) as f32).max(0.0);
        let before = (place as usize).min(BACKGROUND_GRID - 2);
        (before, place - before as f32)
    });
    let node = row * BACKGROUND_GRID + column;
    [
        (node, (1.0 - right) * (1.0 - below)),
        (node + 1, right * (1.0 - below)),
        (node + BACKGROUND_GRID, (1.0 - right) * below),
        (node + BACKGROUND_GRID + 1, right * below),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 48;

    fn arm() -> Pose {
        let mut joints = [[0.0; 3]; JOINT_COUNT];
        joints[5] = [0.25, 0.5, 0.9];
        joints[7] = [0.75, 0.5, 0.9];
        Pose { joints }
    }

    /// Red where the arm is, blue elsewhere.
    fn photo() -> Vec<u8> {
        let is_arm = |cell: usize| {
            let [x, y] = centre(cell, SIDE);
            (0.2..0.8).contains(&x) && (0.4..0.6).contains(&y)
        };
        let plane = |on: bool| (0..SIDE * SIDE).map(move |cell| if is_arm(cell) == on { 255 } else { 0 });
        plane(true).chain(std::iter::repeat_n(0, SIDE * SIDE)).chain(plane(false)).collect()
    }

    #[test]
    fn colours_are_those_of_the_limb_and_of_what_is_behind() {
        let palette = Palette::of(&photo(), SIDE, &arm(), 0.0625);
        let near = |found: [f32; 3], wanted: [f32; 3]| {
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.1), "{found:?} {wanted:?}");
        };
        near(palette.places[5], [1.0, -1.0, -1.0]);
        near(palette.places[0], [1.0, -1.0, -1.0]); // the nose is not visible: the mean of what is
        near(palette.background[0], [-1.0, -1.0, 1.0]);
        near(palette.background[BACKGROUND_GRID * BACKGROUND_GRID - 1], [-1.0, -1.0, 1.0]);
    }

    #[test]
    fn the_picture_has_the_arm_in_its_colour_and_the_background_around_it() {
        let palette = Palette::of(&photo(), SIDE, &arm(), 0.0625);
        let picture = palette.picture(&arm(), 0.0625, SIDE);
        let red = |x: usize, y: usize| picture[y * SIDE + x];
        assert!(red(SIDE / 2, SIDE / 2) > 0.8);
        assert!(red(2, 2) < -0.8);
    }

    #[test]
    fn the_background_is_told_apart_by_where_it_is() {
        let nobody = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        let cells = SIDE * SIDE;
        // Dark, and light in the lower right quarter.
        let is_light = |cell: usize| cell % SIDE >= SIDE / 2 && cell / SIDE >= SIDE / 2;
        let planes: Vec<u8> = (0..3 * cells).map(|at| if is_light(at % cells) { 255 } else { 0 }).collect();
        let palette = Palette::of(&planes, SIDE, &nobody, 0.0625);
        let picture = palette.picture(&nobody, 0.0625, SIDE);
        let at = |x: usize, y: usize| picture[y * SIDE + x];
        assert!(at(SIDE - 4, SIDE - 4) > 0.8 && at(4, 4) < -0.8 && at(SIDE - 4, 4) < -0.8);
    }

    #[test]
    fn a_view_without_joints_is_all_background() {
        let nobody = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        let palette = Palette::of(&vec![255; 3 * SIDE * SIDE], SIDE, &nobody, 0.0625);
        assert!(palette.picture(&nobody, 0.0625, SIDE).iter().all(|value| (value - 1.0).abs() < 1e-4));
    }
}
