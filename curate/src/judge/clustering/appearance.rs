//! Whether two photos that the hashes call near look the same.
//!
//! A hash knows light and dark at large. Different people before one plain wall differ little in that, and
//! are one photo to it now and then. So before a photo is dropped, the two are laid over each other as small
//! pictures in colour, and have to agree as a whole and within the boxes of their people, where there are
//! some.
//!
//! A copy may be mirrored, lighter, darker or tinted by a factor, and cut by a few per cent on any side: of
//! the ways to lay one over the other the one counts in which they agree best. What is left of a cut is a
//! fraction of a pixel along edges, so the two are compared softened: colours stay, edges do not.

use std::sync::LazyLock;

use photo::BoundingBox;

use crate::pixels::thumbnail::{SIDE, Thumbnail};

/// How far, in levels, copies may be apart on average, in the whole or in a box: see [`Appearance::is_same`].
const LEVELS: f32 = 5.0;

/// The colours of a photo and where its person is.
#[derive(Clone, Debug, PartialEq)]
pub struct Appearance {
    pixels: [[f32; 3]; SIDE * SIDE],
    has_colours: bool,
    /// The person's box, in shares of width and height.
    person: Option<BoundingBox>,
}

/// Colours that differ by more than this are no grey.
const GREY_LEVELS: f32 = 8.0;

/// A channel of a copy may be lighter or darker by this factor.
const GAINS: (f32, f32) = (0.8, 1.25);

/// Shares of a side that a copy may have lost.
const CUTS: [f32; 3] = [0.015, 0.03, 0.045];

/// Where the pixels of one side lie along a side of which a part was cut off, or put on: for each a place,
/// and the share of the one behind it.
type Axis = [(usize, f32); SIDE];

/// As it is, then cut or put on at the beginning, on both ends, at the end.
static AXES: LazyLock<Vec<Axis>> = LazyLock::new(|| {
    let scales = CUTS.into_iter().flat_map(|cut| [1.0 - cut, 1.0 / (1.0 - cut)]);
    let ends = |scale: f32| [0.0, 0.5, 1.0].map(|end| lay_axis(scale, end * (1.0 - scale)));
    std::iter::once(lay_axis(1.0, 0.0)).chain(scales.flat_map(ends)).collect()
});

fn lay_axis(scale: f32, start: f32) -> Axis {
    std::array::from_fn(|at| {
        let share = start + scale * (at as f32 + 0.5) / SIDE as f32;
        let place = (share * SIDE as f32 - 0.5).clamp(0.0, (SIDE - 1) as f32);
        let first = (place as usize).min(SIDE - 2);
        (first, place - first as f32)
    })
}

type Pixels = [[f32; 3]; SIDE * SIDE];

impl Appearance {
    /// Of a photo's thumbnail and the box of its person, in px of a photo of `size`.
    pub fn new(thumbnail: &Thumbnail, person: Option<BoundingBox>, size: (u32, u32)) -> Self {
        let (width, height) = (size.0.max(1) as f32, size.1.max(1) as f32);
        let pixels = thumbnail.pixels().map(|pixel| pixel.map(f32::from));
        let range = |[r, g, b]: [f32; 3]| r.max(g).max(b) - r.min(g).min(b);
        Self {
            has_colours: pixels.iter().any(|&pixel| range(pixel) > GREY_LEVELS),
            pixels,
            person: person.map(|of| BoundingBox {
                x0: of.x0 / width,
                y0: of.y0 / height,
                x1: of.x1 / width,
                y1: of.y1 / height,
            }),
        }
    }

    /// Whether both show the same, one of them `mirrored`. Of real photos, of synthetic ones and of people
    /// before a wall, copies that were saved again, darkened, tinted or given another gamma are at most 1
    /// level apart, those that were cut by up to 4.5 % at most 5.9, nearly all of them 5. Of 28,560 pairs of
    /// different people before one wall about 560 are near by their hashes, and half of those are more than
    /// 10 apart; 13 and 18 are at most 5 with two seeds, 37 and 40 at most 6. A wrong pair costs a photo of
    /// somebody, and draws the copies of both into one group: with 6, fewer copies were found before a wall,
    /// not more (`make evaluate-duplicates SEED=…`).
    pub fn is_same(&self, other: &Self, mirrored: bool) -> bool {
        self.apart(other, mirrored) <= LEVELS
    }

    /// How many levels the two are apart, in the whole or in a person's box, whichever is more. As they lie
    /// where they are near enough so; else cut or filled up along one side, then along the other, as they
    /// agree best.
    pub fn apart(&self, other: &Self, mirrored: bool) -> f32 {
        let in_colour = self.has_colours && other.has_colours;
        let (own, seen) = (self.seen(in_colour, false), other.seen(in_colour, mirrored));
        let turned = |of: BoundingBox| {
            if mirrored { BoundingBox { x0: 1.0 - of.x1, x1: 1.0 - of.x0, ..of } } else { of }
        };
        let boxes = [self.person, other.person.map(turned)];
        let softened = soft(&own);
        let most = |laid: &Pixels| {
            let differences = differences(&softened, &soft(laid));
            let within = boxes.into_iter().flatten().map(|of| mean_within(&differences, of));
            within.fold(mean(&differences), f32::max)
        };
        let as_they_lie = most(&seen);
        if as_they_lie <= LEVELS {
            return as_they_lie;
        }
        let best = |pixels: &Pixels, place: fn(usize, usize) -> usize| {
            let laid = AXES.iter().map(|axis| stretched(pixels, axis, place));
            let compared = laid.map(|laid| (mean(&differences(&own, &laid)), laid));
            compared.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are axes").1
        };
        let across = best(&seen, |line, at| line * SIDE + at);
        let laid = best(&across, |line, at| at * SIDE + line);
        most(&laid).min(as_they_lie)
    }

    /// The pixels as they are compared: a copy in grey is one of a photo in colour.
    fn seen(&self, in_colour: bool, mirrored: bool) -> Pixels {
        std::array::from_fn(|at| {
            let (x, y) = (at % SIDE, at / SIDE);
            let [r, g, b] = self.pixels[y * SIDE + if mirrored { SIDE - 1 - x } else { x }];
            if in_colour { [r, g, b] } else { [0.299 * r + 0.587 * g + 0.114 * b; 3] }
        })
    }
}

/// Each line of the picture laid along an axis. `place`: of a pixel, by its line and where it is along it.
fn stretched(pixels: &Pixels, axis: &Axis, place: fn(usize, usize) -> usize) -> Pixels {
    let mut out = [[0.0; 3]; SIDE * SIDE];
    for line in 0..SIDE {
        for (at, &(first, share)) in axis.iter().enumerate() {
            let (before, behind) = (pixels[place(line, first)], pixels[place(line, first + 1)]);
            out[place(line, at)] = std::array::from_fn(|c| before[c] + share * (behind[c] - before[c]));
        }
    }
    out
}

/// The picture with each pixel spread over its neighbours, a quarter of it to either side, along both axes.
fn soft(pixels: &Pixels) -> Pixels {
    soften(&soften(pixels, |line, at| line * SIDE + at), |line, at| at * SIDE + line)
}

fn soften(pixels: &Pixels, place: fn(usize, usize) -> usize) -> Pixels {
    let mut out = [[0.0; 3]; SIDE * SIDE];
    for line in 0..SIDE {
        for at in 0..SIDE {
            let of = |at: usize| pixels[place(line, at)];
            let (before, here, behind) = (of(at.saturating_sub(1)), of(at), of((at + 1).min(SIDE - 1)));
            out[place(line, at)] = std::array::from_fn(|c| (before[c] + 2.0 * here[c] + behind[c]) / 4.0);
        }
    }
    out
}

/// How far each pixel is from its counterpart, once the channels of the other picture are as light as this
/// one's.
fn differences(own: &Pixels, other: &Pixels) -> [f32; SIDE * SIDE] {
    let gains: [f32; 3] = std::array::from_fn(|c| {
        let pairs = own.iter().zip(other).map(|(a, b)| (a[c], b[c]));
        let (both, square) = pairs.fold((0.0, 1.0), |(both, square), (a, b)| (both + a * b, square + b * b));
        (both / square).clamp(GAINS.0, GAINS.1)
    });
    std::array::from_fn(|at| {
        let apart = |c: usize| (own[at][c] - (other[at][c] * gains[c]).min(255.0)).abs();
        (0..3).map(apart).sum::<f32>() / 3.0
    })
}

fn mean(differences: &[f32; SIDE * SIDE]) -> f32 {
    differences.iter().sum::<f32>() / differences.len() as f32
}

/// The mean over the pixels whose centres lie in a box; of a box without any, of the pixel in its middle.
fn mean_within(differences: &[f32; SIDE * SIDE], of: BoundingBox) -> f32 {
    let side = SIDE as f32;
    let centre = |at: usize| (at as f32 + 0.5) / side;
    let within = |at: usize| {
        let (x, y) = (centre(at % SIDE), centre(at / SIDE));
        (of.x0..=of.x1).contains(&x) && (of.y0..=of.y1).contains(&y)
    };
    let chosen = (0..SIDE * SIDE).filter(|&at| within(at)).map(|at| differences[at]);
    let (sum, count) = chosen.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count > 0 {
        return sum / count as f32;
    }
    let place = |from: f32, to: f32| (((from + to) / 2.0 * side).clamp(0.0, side - 1.0)) as usize;
    differences[place(of.y0, of.y1) * SIDE + place(of.x0, of.x1)]
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, imageops};

    use super::*;

    /// A wall with somebody before it, 300 × 400 px; the person's box beside it.
    fn portrait(coat: [u8; 3]) -> (RgbImage, BoundingBox) {
        let photo = RgbImage::from_fn(300, 400, |x, y| {
            let (dx, dy) = ((f64::from(x) - 140.0) / 40.0, (f64::from(y) - 210.0) / 130.0);
            let is_floor = y > 320;
            Rgb(if dx * dx + dy * dy < 1.0 {
                coat
            } else if is_floor {
                [190, 185, 180]
            } else {
                [235, 235, 230]
            })
        });
        (photo, BoundingBox { x0: 100.0, y0: 80.0, x1: 180.0, y1: 340.0 })
    }

    fn appearance(photo: &RgbImage, person: BoundingBox) -> Appearance {
        Appearance::new(&Thumbnail::of(photo), Some(person), photo.dimensions())
    }

    #[test]
    fn a_coat_of_another_colour_is_another_person() {
        let yellow = portrait([210, 140, 20]);
        let yellow = appearance(&yellow.0, yellow.1);
        for coat in [[25, 25, 30], [40, 90, 160], [200, 60, 50]] {
            let (photo, person) = portrait(coat);
            assert!(!yellow.is_same(&appearance(&photo, person), false), "{coat:?}");
        }
    }

    #[test]
    fn copies_that_were_cut_mirrored_darkened_or_made_grey_are_the_same() {
        let (photo, person) = portrait([210, 140, 20]);
        let own = appearance(&photo, person);
        for (left, top, width, height) in [(9, 0, 291, 400), (0, 12, 300, 388), (4, 6, 291, 388)] {
            let cut = imageops::crop_imm(&photo, left, top, width, height).to_image();
            let (left, top) = (left as f32, top as f32);
            let person = BoundingBox {
                x0: person.x0 - left,
                y0: person.y0 - top,
                x1: person.x1 - left,
                y1: person.y1 - top,
            };
            let apart = own.apart(&appearance(&cut, person), false);
            assert!(apart <= LEVELS, "{width}×{height}: {apart}");
        }
        let mirrored = imageops::flip_horizontal(&photo);
        let turned = BoundingBox { x0: 300.0 - person.x1, x1: 300.0 - person.x0, ..person };
        assert!(own.is_same(&appearance(&mirrored, turned), true));
        assert!(!own.is_same(&appearance(&mirrored, turned), false));
        let mut darker = photo.clone();
        darker.iter_mut().for_each(|level| *level = (f32::from(*level) * 0.88) as u8);
        assert!(own.is_same(&appearance(&darker, person), false));
        let grey = image::DynamicImage::from(photo.clone()).into_luma8();
        let grey = image::DynamicImage::from(grey).into_rgb8();
        assert!(own.is_same(&appearance(&grey, person), false));
    }

    #[test]
    fn without_a_person_the_whole_counts() {
        let (photo, _) = portrait([210, 140, 20]);
        let of = |photo: &RgbImage| Appearance::new(&Thumbnail::of(photo), None, photo.dimensions());
        assert!(of(&photo).is_same(&of(&photo), false));
        let (other, _) = portrait([25, 25, 30]);
        assert!(of(&photo).apart(&of(&other), false) > 5.0);
    }
}
