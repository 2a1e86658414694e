//! Letterboxing as Ultralytics' `LetterBox` does it: the photo keeps its aspect, grey bars fill the rest.
//!
//! Detectors were trained on OpenCV's bilinear resize, which does not antialias when shrinking and computes
//! in fixed point; both are reproduced, since smoother input moves scores.

use image::RgbImage;
use photo::{BoundingBox, Joints};

use crate::decode::DecodedPhoto;
use crate::model::ModelEntry;
use crate::model::tensor::Input;

/// The grey of the bars (Ultralytics).
const PADDING: u8 = 114;
/// OpenCV's `INTER_RESIZE_COEF_BITS`: weights are multiples of 1/2048.
const WEIGHT_ONE: f32 = 2048.0;

/// The photo in a detector's input, with the narrowest bars that the model allows.
pub(super) fn letterboxed(model: &ModelEntry, photo: &DecodedPhoto) -> (Letterbox, Input) {
    let (source, [width, height]) = ((photo.facts.width, photo.facts.height), model.input_size);
    let letterbox = match model.input_multiple {
        Some(multiple) => Letterbox::tight(source, (width, height), multiple),
        None => Letterbox::new(source, (width, height)),
    };
    (letterbox, Input::of(&letterbox.apply(&photo.image), model.normalisation))
}

/// How a photo of one size lies in a network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Width and height of the photo in px.
    pub source: (u32, u32),
    /// Width and height of the input in px.
    pub target: (u32, u32),
    /// Input px per photo px, before rounding.
    pub ratio: f64,
    /// Width and height of the resized photo in px.
    pub resized: (u32, u32),
    /// Bar on the left in px.
    pub left: u32,
    /// Bar at the top in px.
    pub top: u32,
    /// Bar on the right in px.
    pub right: u32,
    /// Bar at the bottom in px.
    pub bottom: u32,
}

impl Letterbox {
    /// The letterbox of a photo of `source` px in an input of `target` px (width, height; all at least 1).
    pub fn new(source: (u32, u32), target: (u32, u32)) -> Self {
        let ratio =
            (f64::from(target.1) / f64::from(source.1)).min(f64::from(target.0) / f64::from(source.0));
        // Python rounds halves to even
        let side = |length: u32| ((f64::from(length) * ratio).round_ties_even() as u32).max(1);
        let resized = (side(source.0).min(target.0), side(source.1).min(target.1));
        Self::around(source, target, ratio, resized)
    }

    /// The same with the narrowest bars that leave both sides a multiple of `multiple` px (Ultralytics'
    /// `auto=True`). The photo lies in it at the same size, so a detector sees the same with less grey.
    pub fn tight(source: (u32, u32), largest: (u32, u32), multiple: u32) -> Self {
        let Self { ratio, resized, .. } = Self::new(source, largest);
        let side = |resized: u32, largest: u32| resized.next_multiple_of(multiple).min(largest);
        Self::around(source, (side(resized.0, largest.0), side(resized.1, largest.1)), ratio, resized)
    }

    fn around(source: (u32, u32), target: (u32, u32), ratio: f64, resized: (u32, u32)) -> Self {
        let bars = |target: u32, resized: u32| {
            let half = f64::from(target - resized) / 2.0;
            ((half - 0.1).round_ties_even() as u32, (half + 0.1).round_ties_even() as u32)
        };
        let ((left, right), (top, bottom)) = (bars(target.0, resized.0), bars(target.1, resized.1));
        Self { source, target, ratio, resized, left, top, right, bottom }
    }

    /// The letterboxed photo. `image` is the whole photo, at the size this letterbox was made for or a
    /// reduced one.
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let mut out = RgbImage::from_pixel(self.target.0, self.target.1, image::Rgb([PADDING; 3]));
        let stride = self.target.0 as usize * 3;
        let width = self.resized.0 as usize * 3;
        let left = self.left as usize * 3;
        let rows = out.chunks_exact_mut(stride).skip(self.top as usize).take(self.resized.1 as usize);
        let rows = rows.map(|row| &mut row[left..left + width]);
        if image.dimensions() == self.resized {
            rows.zip(image.chunks_exact(width)).for_each(|(row, source)| row.copy_from_slice(source));
        } else {
            shrink_or_grow(image, self.resized, rows);
        }
        out
    }

    /// A box in input px as a box in photo px, cut to the photo.
    pub fn box_to_photo(&self, bbox: &BoundingBox) -> BoundingBox {
        let ((x0, y0), (x1, y1)) =
            (self.point_to_photo(bbox.x0, bbox.y0), self.point_to_photo(bbox.x1, bbox.y1));
        BoundingBox { x0, y0, x1, y1 }
    }

    /// Joints in input px as joints in photo px, moved to the border where they lie outside.
    pub fn joints_to_photo(&self, joints: &Joints) -> Joints {
        Joints(joints.0.map(|joint| {
            let (x, y) = self.point_to_photo(joint.x, joint.y);
            photo::Joint { x, y, ..joint }
        }))
    }

    /// Each axis has the ratio of its own rounded size (Ultralytics since 8.4).
    fn point_to_photo(&self, x: f32, y: f32) -> (f32, f32) {
        let back = |value: f32, bar: u32, resized: u32, source: u32| {
            let gain = f64::from(resized) / f64::from(source);
            ((f64::from(value) - f64::from(bar)) / gain).clamp(0.0, f64::from(source)) as f32
        };
        (back(x, self.left, self.resized.0, self.source.0), back(y, self.top, self.resized.1, self.source.1))
    }
}

/// For one output place: the first of two source places, and the weights of both in 1/2048.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

fn taps(source: u32, resized: u32) -> Vec<Tap> {
    let scale = f64::from(source) / f64::from(resized);
    let last = source as usize - 1;
    (0..resized)
        .map(|place| {
            let centre = ((f64::from(place) + 0.5) * scale - 0.5) as f32;
            let floor = centre.floor();
            let (first, share) = if floor < 0.0 {
                (0, 0.0)
            } else if floor as usize >= last {
                (last, 0.0)
            } else {
                (floor as usize, centre - floor)
            };
            let weight = |share: f32| (share * WEIGHT_ONE).round_ties_even() as i32;
            Tap { first, second: (first + 1).min(last), weights: [weight(1.0 - share), weight(share)] }
        })
        .collect()
}

/// OpenCV's `resize` with `INTER_LINEAR` for 8-bit pixels: columns first, then rows, with its shifts.
fn shrink_or_grow<'a>(image: &RgbImage, resized: (u32, u32), rows: impl Iterator<Item = &'a mut [u8]>) {
    let stride = image.width() as usize * 3;
    let pixels = image.as_raw();
    let columns = taps(image.width(), resized.0);
    let width = resized.0 as usize * 3;
    // The two source rows in use, already resized along x; consecutive output rows often share them.
    let mut lines = [(usize::MAX, vec![0_i16; width]), (usize::MAX, vec![0_i16; width])];
    for (tap, out) in taps(image.height(), resized.1).into_iter().zip(rows) {
        if lines[1].0 == tap.first {
            lines.swap(0, 1);
        }
        for (line, wanted) in lines.iter_mut().zip([tap.first, tap.second]) {
            if line.0 != wanted {
                along_row(&pixels[wanted * stride..(wanted + 1) * stride], &columns, &mut line.1);
                line.0 = wanted;
            }
        }
        // In 16 bits, of which a processor multiplies eight at once and keeps the upper halves.
        let share = |weight: i16, value: i16| ((i32::from(weight) * i32::from(value)) >> 16) as i16;
        let [b0, b1] = tap.weights.map(|weight| weight as i16); // at most 2048
        for ((out, &s0), &s1) in out.iter_mut().zip(&lines[0].1).zip(&lines[1].1) {
            *out = ((share(b0, s0) + share(b1, s1) + 2) >> 2).clamp(0, 255) as u8;
        }
    }
}

/// One row along x, in 1/128 levels.
fn along_row(source: &[u8], columns: &[Tap], out: &mut [i16]) {
    let source = source.as_chunks::<3>().0;
    for (out, tap) in out.as_chunks_mut::<3>().0.iter_mut().zip(columns) {
        let ([a, b], [first, second]) = ([source[tap.first], source[tap.second]], tap.weights);
        *out = std::array::from_fn(|i| ((i32::from(a[i]) * first + i32::from(b[i]) * second) >> 4) as i16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Ultralytics 8.4.190, LetterBox(640, auto=False) of 301×500: 385×640 with bars of 127 and 128.
    #[test]
    fn an_odd_rest_puts_the_wider_bar_right_and_below() {
        let letterbox = Letterbox::new((301, 500), (640, 640));
        assert_eq!(letterbox.resized, (385, 640));
        assert_eq!((letterbox.left, letterbox.right, letterbox.top, letterbox.bottom), (127, 128, 0, 0));
    }

    // Ultralytics 8.4.190, LetterBox(640, auto=True, stride=32) of 3024×4032: 480×640, without bars; of
    // 301×500: 385×640 in 416×640 with bars of 15 and 16.
    #[test]
    fn a_tight_letterbox_has_the_same_photo_and_less_grey() {
        let letterbox = Letterbox::tight((3024, 4032), (640, 640), 32);
        assert_eq!((letterbox.target, letterbox.resized), ((480, 640), (480, 640)));
        let letterbox = Letterbox::tight((301, 500), (640, 640), 32);
        assert_eq!((letterbox.target, letterbox.resized), ((416, 640), (385, 640)));
        assert_eq!((letterbox.left, letterbox.right), (15, 16));
        assert_eq!(Letterbox::tight((500, 499), (640, 640), 64).target, (640, 640));
    }

    #[test]
    fn a_box_in_the_input_is_brought_back_to_the_photo_and_cut_to_it() {
        let letterbox = Letterbox::new((1920, 1080), (640, 640));
        let found = BoundingBox { x0: -3.0, y0: 140.0, x1: 320.0, y1: 320.0 };
        assert_eq!(letterbox.box_to_photo(&found), BoundingBox { x0: 0.0, y0: 0.0, x1: 960.0, y1: 540.0 });
    }

    #[test]
    fn extreme_shapes_keep_at_least_one_pixel() {
        for source in [(1, 5000), (5000, 1), (1, 1), (3, 2)] {
            let image = RgbImage::from_pixel(source.0, source.1, image::Rgb([10, 20, 30]));
            let out = Letterbox::new(source, (640, 640)).apply(&image);
            assert!(out.pixels().any(|pixel| pixel.0 == [10, 20, 30]), "{source:?}");
        }
    }
}
