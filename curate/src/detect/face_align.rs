//! A face into the square in which embedding networks were trained to see faces.
//!
//! Eyes and nose lie at the same places in all of them, so that what differs is the face. The pose model says
//! where they are; where it does not, the face's box has to do, which costs accuracy.

use image::{Rgb, RgbImage};
use photo::joints::JOINT_COUNT;
use photo::{Affine, BoundingBox, ImageFacts, Joint, Joints};

use crate::decode::MinDecodeSize;

/// Side of the square in px (ArcFace).
pub const SIDE_PX: u32 = 112;

/// Where joints lie in the square: `arcface_dst` of insightface
/// (`python-package/insightface/utils/face_align.py`) without the corners of the mouth, which no pose has. It
/// names the eyes as the picture shows them and COCO as the person's own, so COCO's left eye is the one on
/// the right.
const TEMPLATE: [(usize, [f64; 2]); 3] =
    [(RIGHT_EYE, [38.2946, 51.6963]), (LEFT_EYE, [73.5318, 51.5014]), (NOSE, [56.0252, 71.7366])];
const NOSE: usize = 0;
const LEFT_EYE: usize = 1;
const RIGHT_EYE: usize = 2;

/// Joints below are not used. The default of `rules.joints.min_score`, but fixed: embeddings are kept and
/// must not change with rules.
const MIN_JOINT_SCORE: f32 = 0.5;

/// The square's side over the longer side of a face's box, where the box is all there is. In the square the
/// template leaves about 102 px between hairline and chin, which is where face detectors draw their boxes.
const SIDE_PER_BOX: f64 = 1.1;

/// Joints that put the square outside these multiples of the box's longer side are not those of this face, or
/// it is seen from the side, where eyes and nose say nothing of its size.
const PLAUSIBLE_SIDES: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// How far beside the box joints may lie, as a share of its longer side: a nose in profile.
const JOINT_MARGIN: f32 = 0.25;

/// At most this many samples along each axis of a px of the square; finer detail is averaged by fewer of
/// them.
const MAX_SAMPLES: u32 = 16;

/// The joints that the square is aligned by, `None` where too few are visible: of the people around a face,
/// those of the one who has most of them at the face.
pub fn joints_of_face<'a>(
    face: &BoundingBox,
    people: impl IntoIterator<Item = &'a Joints>,
) -> Option<Joints> {
    let margin = JOINT_MARGIN * face.width().max(face.height());
    let around = BoundingBox {
        x0: face.x0 - margin,
        y0: face.y0 - margin,
        x1: face.x1 + margin,
        y1: face.y1 + margin,
    };
    let is_at_face = |joint: &Joint| joint.confidence >= MIN_JOINT_SCORE && around.contains(joint.x, joint.y);
    let mut best: Option<(usize, Joints)> = None;
    for joints in people {
        let mut own = Joints([Joint::default(); JOINT_COUNT]);
        for (index, _) in TEMPLATE {
            if is_at_face(&joints.0[index]) {
                own.0[index] = joints.0[index];
            }
        }
        let count = own.visible().count();
        if count >= 2 && best.is_none_or(|(most, _)| count > most) {
            best = Some((count, own));
        }
    }
    best.map(|(_, joints)| joints)
}

/// The map from px of the photo to px of the square: a similarity by the visible ones of eyes and nose, or by
/// the box.
pub fn to_square(face: &BoundingBox, joints: Option<&Joints>) -> Affine {
    let longer = f64::from(face.width().max(face.height())).max(1.0);
    let by_joints = joints.and_then(|joints| {
        let pairs: Vec<_> = TEMPLATE
            .iter()
            .filter(|(index, _)| joints.0[*index].confidence > 0.0)
            .map(|&(index, at)| ([f64::from(joints.0[index].x), f64::from(joints.0[index].y)], at))
            .collect();
        similarity(&pairs)
    });
    let is_plausible = |map: &Affine| PLAUSIBLE_SIDES.contains(&(f64::from(SIDE_PX) / scale(map) / longer));
    by_joints.filter(is_plausible).unwrap_or_else(|| {
        let scale = f64::from(SIDE_PX) / (longer * SIDE_PER_BOX);
        // The box is counted at edges of pixels, the map at their centres.
        let shift = |low: f32, high: f32| {
            let centre = (f64::from(low) + f64::from(high)) / 2.0;
            (0.5 - centre) * scale + f64::from(SIDE_PX) / 2.0 - 0.5
        };
        Affine::scale_then_shift(scale, scale, shift(face.x0, face.x1), shift(face.y0, face.y1))
    })
}

/// The rotation, scale and shift that bring the first point of each pair closest to the second, by the sum of
/// squares (Umeyama 1991; in the plane the best rotation is a quotient of complex numbers). `None` for fewer
/// than two places.
pub fn similarity(pairs: &[([f64; 2], [f64; 2])]) -> Option<Affine> {
    let [mut x, mut y, mut u, mut v] = [0.0; 4]; // the means
    for (from, to) in pairs {
        let share = |coordinate: f64| coordinate / pairs.len() as f64;
        (x, y, u, v) = (x + share(from[0]), y + share(from[1]), u + share(to[0]), v + share(to[1]));
    }
    let (mut real, mut imaginary, mut spread) = (0.0, 0.0, 0.0);
    for (from, to) in pairs {
        let ([dx, dy], [du, dv]) = ([from[0] - x, from[1] - y], [to[0] - u, to[1] - v]);
        real += dx * du + dy * dv;
        imaginary += dx * dv - dy * du;
        spread += dx * dx + dy * dy;
    }
    let (a, b) = (real / spread, imaginary / spread);
    // Points that are all in one place, or that no rotation brings nearer, leave no map, or one that flattens
    // the plane.
    let map = Affine([a, -b, u - a * x + b * y, b, a, v - b * x - a * y]);
    (pairs.len() >= 2 && map.inverse().is_some()).then_some(map)
}

/// How large the photo has to be decoded, so that the square is not blown up from fewer pixels.
pub fn min_decode_size(map: &Affine, facts: &ImageFacts) -> MinDecodeSize {
    let longer_px = (f64::from(facts.width.max(facts.height)) * scale(map)).ceil() as u32;
    MinDecodeSize { shorter_px: 1, longer_px }
}

/// The square's pixels. `image`: the photo of `width` × `height` px, or a reduced one. What lies beyond it is
/// black, as it was in training (insightface warps with black borders).
pub fn warp(image: &RgbImage, (width, height): (u32, u32), map: &Affine) -> RgbImage {
    let Some(back) = map.inverse() else { return RgbImage::new(SIDE_PX, SIDE_PX) };
    let reduced =
        (f64::from(image.width()) / f64::from(width), f64::from(image.height()) / f64::from(height));
    // A pixel of the square is the mean of as many samples as it covers pixels of the image: none is left
    // out.
    let covered = (reduced.0.max(reduced.1) / scale(map)).ceil();
    let samples = if covered.is_finite() { (covered as u32).clamp(1, MAX_SAMPLES) } else { 1 };
    let offset = |sample: u32| (f64::from(sample) + 0.5) / f64::from(samples) - 0.5;
    RgbImage::from_fn(SIDE_PX, SIDE_PX, |u, v| {
        let mut sum = [0.0_f32; 3];
        for j in 0..samples {
            for i in 0..samples {
                let (x, y) = back.apply(f64::from(u) + offset(i), f64::from(v) + offset(j));
                let (x, y) = ((x + 0.5) * reduced.0 - 0.5, (y + 0.5) * reduced.1 - 0.5);
                add_sample(image, x, y, &mut sum);
            }
        }
        Rgb(sum.map(|value| (value / (samples * samples) as f32).round() as u8))
    })
}

/// Square px per photo px.
fn scale(map: &Affine) -> f64 {
    map.0[0].hypot(map.0[3])
}

/// Adds the bilinear value at a place between the centres of pixels.
fn add_sample(image: &RgbImage, x: f64, y: f64, sum: &mut [f32; 3]) {
    let (left, top) = (x.floor(), y.floor());
    let (right_share, low_share) = ((x - left) as f32, (y - top) as f32);
    for (row, row_share) in [(top, 1.0 - low_share), (top + 1.0, low_share)] {
        for (column, share) in
            [(left, (1.0 - right_share) * row_share), (left + 1.0, right_share * row_share)]
        {
            let is_inside = column >= 0.0
                && row >= 0.0
                && column < f64::from(image.width())
                && row < f64::from(image.height());
            if is_inside && share > 0.0 {
                let pixel = image.get_pixel(column as u32, row as u32);
                for (sum, value) in sum.iter_mut().zip(pixel.0) {
                    *sum += share * f32::from(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x0: f32, y0: f32, side: f32) -> BoundingBox {
        BoundingBox { x0, y0, x1: x0 + side, y1: y0 + side }
    }

    /// Visible joints at the places given, the others hidden.
    fn joints(places: &[(usize, f32, f32)]) -> Joints {
        let mut joints = Joints::default();
        for &(index, x, y) in places {
            joints.0[index] = Joint { x, y, confidence: 0.9 };
        }
        joints
    }

    #[track_caller]
    fn assert_goes(map: &Affine, (x, y): (f64, f64), (u, v): (f64, f64)) {
        let (found_u, found_v) = map.apply(x, y);
        assert!((found_u - u).abs() < 1e-3 && (found_v - v).abs() < 1e-3, "({found_u}, {found_v})");
    }

    /// The template itself, three times as large and moved: the person's left eye is on the right.
    #[test]
    fn eyes_and_nose_go_where_the_template_has_them() {
        let seen = joints(&[
            (LEFT_EYE, 100.0 + 3.0 * 73.5318, 200.0 + 3.0 * 51.5014),
            (RIGHT_EYE, 100.0 + 3.0 * 38.2946, 200.0 + 3.0 * 51.6963),
            (NOSE, 100.0 + 3.0 * 56.0252, 200.0 + 3.0 * 71.7366),
        ]);
        let map = to_square(&face(110.0, 210.0, 300.0), Some(&seen));
        assert_goes(&map, (100.0, 200.0), (0.0, 0.0));
        assert_goes(&map, (100.0 + 336.0, 200.0), (112.0, 0.0));
        assert_eq!(min_decode_size(&map, &facts(3000, 4000)).longer_px, 1334, "a third of the longer side");
    }

    /// Two points fix a similarity exactly. Eyes on a vertical line, the right one above: the head lies on
    /// its side, so the map turns by −90° (v falls with x) and scales by 35.2377 / 70 (distance of the eyes
    /// over theirs in the photo).
    #[test]
    fn a_head_that_lies_on_its_side_is_set_upright() {
        let seen = joints(&[(RIGHT_EYE, 500.0, 300.0), (LEFT_EYE, 500.0, 370.0)]);
        let map = to_square(&face(430.0, 250.0, 170.0), Some(&seen));
        assert_goes(&map, (500.0, 300.0), (38.2946, 51.6963));
        assert_goes(&map, (500.0, 370.0), (73.5318, 51.5014));
        // 70 px to the left of the right eye is the way to the chin: as far below it as the eyes are apart.
        assert_goes(&map, (430.0, 300.0), (38.2946 + 0.1949, 51.6963 + 35.2372));
    }

    /// By hand: from (0,0), (2,0), (1,2) to (0,0), (2,0), (1,1). Means (1, 2/3) and (1, 1/3); Σ dx·du + dy·dv
    /// = 1 + 1 + 0 + 2/9 + 2/9 + 8/9 = 10/3, Σ dx·dv − dy·du = 0, Σ dx² + dy² = 2 + 24/9 = 14/3: the scale is
    /// 5/7.
    #[test]
    fn three_points_that_fit_no_similarity_are_met_by_least_squares() {
        let pairs = [([0.0, 0.0], [0.0, 0.0]), ([2.0, 0.0], [2.0, 0.0]), ([1.0, 2.0], [1.0, 1.0])];
        let map = similarity(&pairs).unwrap();
        assert_goes(&map, (1.0, 2.0 / 3.0), (1.0, 1.0 / 3.0));
        assert_goes(&map, (2.0, 2.0 / 3.0), (1.0 + 5.0 / 7.0, 1.0 / 3.0));
        assert_eq!(similarity(&pairs[..1]), None);
        assert_eq!(similarity(&[pairs[0], pairs[0], pairs[0]]), None);
    }

    #[test]
    fn one_joint_is_not_enough_and_the_box_does_then() {
        let bbox = face(300.0, 100.0, 200.0);
        let lone = joints(&[(NOSE, 400.0, 210.0)]);
        assert_eq!(joints_of_face(&bbox, [&lone]), None);
        let map = to_square(&bbox, None);
        assert_eq!(to_square(&bbox, Some(&lone)), map);
        // The box's centre is the square's, and 220 px of the photo are its side.
        assert_goes(&map, (399.5, 199.5), (55.5, 55.5));
        assert_goes(&map, (399.5 - 110.0, 199.5 + 110.0), (-0.5, 111.5));
    }

    #[test]
    fn joints_beside_the_face_unsure_ones_and_implausible_ones_are_left_out() {
        let bbox = face(300.0, 100.0, 200.0);
        let own = joints(&[(LEFT_EYE, 440.0, 180.0), (RIGHT_EYE, 360.0, 180.0), (NOSE, 400.0, 220.0)]);
        let elsewhere = joints(&[(LEFT_EYE, 940.0, 180.0), (RIGHT_EYE, 860.0, 180.0), (NOSE, 900.0, 220.0)]);
        let found = joints_of_face(&bbox, [&elsewhere, &own]).unwrap();
        assert_eq!(found, own, "of two people in whose boxes the face lies, the one whose eyes are in it");
        let mut unsure = own;
        unsure.0[LEFT_EYE].confidence = 0.49;
        assert_eq!(joints_of_face(&bbox, [&unsure]).unwrap().visible().count(), 2);
        // Seen from the side: an eye beside the nose would make a square of 21 px around a face of 200 px.
        let profile = joints(&[(LEFT_EYE, 400.0, 200.0), (NOSE, 404.0, 203.0)]);
        assert_eq!(to_square(&bbox, Some(&profile)), to_square(&bbox, None));
    }

    fn facts(width: u32, height: u32) -> ImageFacts {
        ImageFacts {
            format: "jpeg".to_owned(),
            width,
            height,
            orientation: 1,
            file_bytes: 1,
            sharpness: 1.0,
            brightness: 0.5,
            perceptual_hash: "0".repeat(16),
            inner_hash: "0".repeat(16),
            ..ImageFacts::default()
        }
    }

    /// Stripes of one px average to grey where one px of the square covers eight of the photo.
    #[test]
    fn fine_detail_is_averaged_and_what_lies_beyond_the_photo_is_black() {
        let stripes = RgbImage::from_fn(896, 448, |x, _| Rgb([if x % 2 == 0 { 0 } else { 200 }; 3]));
        let map = Affine::scale_then_shift(0.125, 0.125, 0.5 * 0.125 - 0.5, 0.5 * 0.125 - 0.5);
        let square = warp(&stripes, stripes.dimensions(), &map);
        assert!((1..111).all(|u| square.get_pixel(u, 20).0 == [100; 3]));
        assert_eq!(square.get_pixel(50, 90).0, [0; 3]);
    }

    #[test]
    fn a_reduced_photo_gives_the_same_square() {
        let smooth = |x: u32, y: u32, side: u32| {
            let wave = |at: u32| (f64::from(at) + 0.5) / f64::from(side) * 6.0;
            let value = |phase: f64| (127.5 + 60.0 * (wave(x) + phase).sin() + 60.0 * wave(y).cos()) as u8;
            Rgb([value(0.0), value(1.0), value(2.0)])
        };
        let whole = RgbImage::from_fn(1600, 1600, |x, y| smooth(x, y, 1600));
        let half = RgbImage::from_fn(800, 800, |x, y| smooth(x, y, 800));
        let map = to_square(&face(600.0, 500.0, 240.0), None);
        let (a, b) = (warp(&whole, (1600, 1600), &map), warp(&half, (1600, 1600), &map));
        let apart = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(apart <= 2, "{apart}");
    }
}
