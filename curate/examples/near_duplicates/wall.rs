//! Different people before one plain wall: the photos that a hash tells apart worst.

use anyhow::Result;
use image::imageops::{self, FilterType};
use image::{GrayImage, Luma, Rgb, RgbImage};
use photo::BoundingBox;
use rayon::prelude::*;
use synth::body::Body;
use synth::render::{render, silhouette};
use synth::scene::{Framing, Shot};

use crate::copy::{Descriptor, PhotoFile, saved};

/// Their pairs are 7140 before each wall.
const PEOPLE: u64 = 120;

/// A photo's size: large enough that all that is compared is made of smaller ones.
const SIZE: (u32, u32) = (600, 800);

/// How tall a person is in it, and where the feet stand, in shares of the height.
const TALL: f32 = 0.58;
const FEET: f32 = 0.82;

/// Wall and floor: white, grey, blue, brown.
const WALLS: [[[f32; 3]; 2]; 4] = [
    [[238.0, 238.0, 236.0], [216.0, 215.0, 214.0]],
    [[150.0, 150.0, 152.0], [120.0, 120.0, 120.0]],
    [[120.0, 150.0, 190.0], [170.0, 160.0, 150.0]],
    [[110.0, 85.0, 65.0], [80.0, 60.0, 45.0]],
];

/// Somebody without background: the pixels, and how much of each is covered.
struct CutOut {
    pixels: RgbImage,
    cover: GrayImage,
}

/// Synthetic people, each before every wall.
pub fn people(seed: u64) -> Vec<Vec<PhotoFile>> {
    let cut = |number: u64| {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(number);
        let shot = Shot {
            seed,
            width: SIZE.0,
            height: SIZE.1,
            people: vec![Body::sample(seed)],
            framing: Framing::Full,
        };
        let pixels = RgbImage::from_raw(SIZE.0, SIZE.1, render(&shot).rgb).expect("three bytes per pixel");
        let cover = GrayImage::from_raw(SIZE.0, SIZE.1, silhouette(&shot)).expect("a byte per pixel");
        CutOut { pixels, cover }
    };
    let cut_outs: Vec<CutOut> = (0..PEOPLE).into_par_iter().map(cut).collect();
    before_walls(&cut_outs)
}

/// The middles of photos as ovals, each before every wall.
pub fn ovals(files: &[Vec<u8>]) -> Result<Vec<Vec<PhotoFile>>> {
    let cut = |bytes: &Vec<u8>| -> Result<CutOut> {
        let image = curate::decode(bytes)?.image;
        let height = image.height().min(image.width() * 100 / 42);
        let width = height * 42 / 100;
        let (left, top) = ((image.width() - width) / 2, (image.height() - height) / 2);
        let pixels = imageops::crop_imm(&image, left, top, width, height).to_image();
        let cover = GrayImage::from_fn(width, height, |x, y| {
            let (dx, dy) = (2.0 * x as f32 / width as f32 - 1.0, 2.0 * y as f32 / height as f32 - 1.0);
            Luma([if dx * dx + dy * dy < 1.0 { 255 } else { 0 }])
        });
        Ok(CutOut { pixels, cover })
    };
    let cut_outs = files.par_iter().map(cut).collect::<Result<Vec<_>>>()?;
    Ok(before_walls(&cut_outs))
}

fn before_walls(cut_outs: &[CutOut]) -> Vec<Vec<PhotoFile>> {
    let before = |wall: &[[f32; 3]; 2]| {
        let photos = cut_outs.par_iter().filter_map(|of| before_wall(of, *wall));
        photos.map(|(image, person)| (saved(&image, 88).expect("memory holds it"), Some(person))).collect()
    };
    WALLS.iter().map(before).collect()
}

/// Somebody in the middle of a photo, as tall as everybody else; `None` where nothing is covered.
fn before_wall(of: &CutOut, [wall, floor]: [[f32; 3]; 2]) -> Option<(RgbImage, BoundingBox)> {
    let covered = || of.cover.enumerate_pixels().filter(|(_, _, cover)| cover.0[0] > 127);
    let (left, right) = (covered().map(|at| at.0).min()?, covered().map(|at| at.0).max()? + 1);
    let (top, bottom) = (covered().map(|at| at.1).min()?, covered().map(|at| at.1).max()? + 1);
    let height = (SIZE.1 as f32 * TALL).round() as u32;
    let width = (height * (right - left) / (bottom - top)).clamp(1, SIZE.0);
    let part = (left, top, right - left, bottom - top);
    let pixels = imageops::crop_imm(&of.pixels, part.0, part.1, part.2, part.3).to_image();
    let cover = imageops::crop_imm(&of.cover, part.0, part.1, part.2, part.3).to_image();
    let pixels = imageops::resize(&pixels, width, height, FilterType::Triangle);
    let cover = imageops::resize(&cover, width, height, FilterType::Triangle);
    let (x0, y0) = ((SIZE.0 - width) / 2, (SIZE.1 as f32 * FEET) as u32 - height);
    let image = RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let ground = if y as f32 > SIZE.1 as f32 * 0.78 { floor } else { wall };
        let light = 1.0 - 0.06 * (x as f32 / SIZE.0 as f32 - 0.5).abs(); // a lamp in the middle
        let behind = ground.map(|level| level * light);
        let inside = x.checked_sub(x0).zip(y.checked_sub(y0)).filter(|&(x, y)| x < width && y < height);
        let Some((x, y)) = inside else { return Rgb(behind.map(|level| level as u8)) };
        let (own, share) = (pixels.get_pixel(x, y).0, f32::from(cover.get_pixel(x, y).0[0]) / 255.0);
        Rgb(std::array::from_fn(|c| (f32::from(own[c]) * share + behind[c] * (1.0 - share)) as u8))
    });
    let (x0, y0) = (x0 as f32, y0 as f32);
    let person = BoundingBox { x0, y0, x1: x0 + width as f32, y1: y0 + height as f32 };
    Some((image, person))
}

/// How many pairs of different people are near by their hashes, and how many after the second look.
pub fn report(of: &str, walls: &[Vec<PhotoFile>], max_distance: u32) -> Result<()> {
    let (mut pairs, mut near, mut same) = (0_u32, 0_u32, 0_u32);
    let mut levels = Vec::new();
    for photos in walls {
        let look = |(bytes, person): &PhotoFile| Descriptor::of(&curate::decode(bytes)?, *person);
        let looked = photos.par_iter().map(look).collect::<Result<Vec<_>>>()?;
        for (number, a) in looked.iter().enumerate() {
            for b in &looked[..number] {
                pairs += 1;
                if a.print.distance(b.print) > max_distance {
                    continue;
                }
                near += 1;
                same += u32::from([false, true].iter().any(|&mirrored| a.sight.is_same(&b.sight, mirrored)));
                let apart = [false, true].map(|mirrored| a.sight.apart(&b.sight, mirrored));
                levels.push(apart[0].min(apart[1]));
            }
        }
    }
    levels.sort_by(f32::total_cmp);
    let at = |share: f64| levels.get((levels.len() as f64 * share) as usize).copied().unwrap_or(f32::NAN);
    println!(
        "{of}: {pairs} pairs of different people before one of {} walls; near by hash {near} ({:.2} %), also by the second \
         look {same} ({:.3} %)\n  near pairs are apart by {:.1} levels at least, {:.1} (1 of 100), {:.1} (1 of 10), {:.1} (half)",
        walls.len(),
        100.0 * f64::from(near) / f64::from(pairs),
        100.0 * f64::from(same) / f64::from(pairs),
        at(0.0),
        at(0.01),
        at(0.1),
        at(0.5),
    );
    Ok(())
}
