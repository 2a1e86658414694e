//! Which pixels of a picture are the person, told by colours alone.
//!
//! No network is asked: in each row the colours along the limbs say what the person looks like there, the
//! colours far to the left and right what the ground does, and a pixel belongs to whichever it is nearer to.
//! That needs a ground that is plain along a row, as studio photos have it; `bolid evaluate` says how well it
//! does on the photos, beside what it says of pictures.

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use photo::Joints;
use photo::joints::LIMBS;
use train::bodybench::baselines::torso;
use train::report::Picture;

/// The mask is so much finer than the picture: a waist of 8 px is told to a quarter of a pixel.
const FINER: u32 = 4;
/// Pixels within this distance of a limb are the person's, over the torso's length.
const CORE: f32 = 0.05;
/// The person ends within this distance of a limb.
const REACH: f32 = 0.5;
/// Pixels beyond this distance are ground.
const GROUND: f32 = 0.6;

/// A person's pixels.
#[derive(Clone, Debug)]
pub struct Silhouette {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row after row.
    pub mask: Vec<bool>,
    /// The joints in pixels of the mask.
    pub joints: Joints,
}

impl Silhouette {
    /// Of the person with these `joints` in px of `picture`; `None` without a torso.
    pub fn of(picture: &Picture, joints: &Joints) -> Option<Self> {
        let image = picture.image();
        let (width, height) = (image.width() * FINER, image.height() * FINER);
        let image = resize(&image, width, height, FilterType::CatmullRom);
        let scale = FINER as f32;
        let mut joints = *joints;
        for joint in &mut joints.0 {
            // Pixel centres to pixel centres.
            (joint.x, joint.y) = ((joint.x + 0.5) * scale - 0.5, (joint.y + 0.5) * scale - 0.5);
        }
        let torso = torso(&joints)? as f32;
        let segments = segments(&joints);
        let mut mask = vec![false; (width * height) as usize];
        for (y, row) in mask.chunks_exact_mut(width as usize).enumerate() {
            let far: Vec<f32> = (0..width).map(|x| distance(&segments, x as f32, y as f32) / torso).collect();
            fill_row(&image, y as u32, &far, row);
        }
        Some(Self { width: width as usize, height: height as usize, mask, joints })
    }
}

/// Says of each pixel of a row, `far` from the limbs as it is, whether it is the person's.
fn fill_row(image: &RgbImage, y: u32, far: &[f32], row: &mut [bool]) {
    let of = |is: &dyn Fn(f32) -> bool| -> Vec<(usize, Rgb<u8>)> {
        let there = far.iter().enumerate().filter(|(_, far)| is(**far));
        there.map(|(x, _)| (x, *image.get_pixel(x as u32, y))).collect()
    };
    let core = of(&|far| far < CORE);
    let ground = of(&|far| far > GROUND);
    if core.is_empty() || ground.is_empty() {
        return;
    }
    for (x, is_person) in row.iter_mut().enumerate() {
        let colour = *image.get_pixel(x as u32, y);
        *is_person = far[x] < CORE
            || (far[x] < REACH
                && measure_nearest(&core, x, colour, 24) < measure_nearest(&ground, x, colour, 24));
    }
}

fn measure_nearest(colours: &[(usize, Rgb<u8>)], at: usize, colour: Rgb<u8>, most: usize) -> f32 {
    // Of the colours beside the pixel: grounds change along a row, clothes do as well.
    let mut by_place: Vec<_> = colours.iter().map(|(x, other)| (x.abs_diff(at), *other)).collect();
    let most = most.min(by_place.len());
    by_place.select_nth_unstable_by_key(most - 1, |(place, _)| *place);
    by_place[..most].iter().map(|(_, other)| apart(colour, *other)).fold(f32::INFINITY, f32::min)
}

fn apart(a: Rgb<u8>, b: Rgb<u8>) -> f32 {
    let square = |i: usize| (f32::from(a.0[i]) - f32::from(b.0[i])).powi(2);
    (square(0) + square(1) + square(2)).sqrt()
}

type Segment = [(f32, f32); 2];

/// The limbs that are seen, and the middle line of the torso.
fn segments(joints: &Joints) -> Vec<Segment> {
    let seen = |i: usize| (joints.0[i].confidence > 0.0).then_some((joints.0[i].x, joints.0[i].y));
    let mut all: Vec<Segment> = LIMBS.iter().filter_map(|&(a, b)| Some([seen(a)?, seen(b)?])).collect();
    if let (Some(a), Some(b), Some(c), Some(d)) = (seen(5), seen(6), seen(11), seen(12)) {
        let middle = |a: (f32, f32), b: (f32, f32)| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
        all.push([middle(a, b), middle(c, d)]);
    }
    all
}

/// From a point to the nearest segment.
fn distance(segments: &[Segment], x: f32, y: f32) -> f32 {
    segments.iter().map(|segment| measure_to(segment, x, y)).fold(f32::INFINITY, f32::min)
}

fn measure_to([a, b]: &Segment, x: f32, y: f32) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = ((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy).max(1e-6);
    let along = along.clamp(0.0, 1.0);
    (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    /// A block of one colour from x = 26 to 38 on another, with joints as of somebody who stands.
    fn block(person: [u8; 3], ground: [u8; 3]) -> (Picture, Joints) {
        let rgb = (0..64 * 64)
            .flat_map(|i| {
                if (26..38).contains(&(i % 64)) && (8..60).contains(&(i / 64)) { person } else { ground }
            })
            .collect();
        let mut joints = Joints::default();
        for (i, x, y) in [(5, 36.0, 12.0), (6, 28.0, 12.0), (11, 35.0, 30.0), (12, 29.0, 30.0)] {
            joints.0[i] = Joint { x, y, confidence: 0.9 };
        }
        (Picture::from_rgb(rgb, 64, 64, ""), joints)
    }

    #[test]
    fn a_block_on_a_plain_ground_is_as_wide_as_it_is() {
        let (picture, joints) = block([180, 30, 30], [200, 200, 190]);
        let found = Silhouette::of(&picture, &joints).expect("a torso");
        for y in [14, 20, 28] {
            let row = &found.mask[4 * y * found.width..][..found.width];
            let wide = row.iter().filter(|is_person| **is_person).count() as f32 / 4.0;
            assert!((wide - 12.0).abs() <= 0.5, "row {y}: {wide}");
        }
    }

    #[test]
    fn without_a_torso_there_is_none() {
        let (picture, mut joints) = block([0; 3], [255; 3]);
        joints.0[11].confidence = 0.0;
        assert!(Silhouette::of(&picture, &joints).is_none());
    }
}
