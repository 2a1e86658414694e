//! Many photos on one sheet, with boxes and joints drawn: to look at what the detectors find. `font` has the
//! letters.

mod font;

use image::{Rgb, RgbImage, imageops};
use photo::joints::LIMBS;
use photo::{BoundingBox, Joints};

use crate::pixels::resize::{self, Filter};

/// Side of a tile's picture in px.
const TILE_PX: u32 = 240;
/// Dots of the font are this many px.
const DOT_PX: u32 = 1;
const LINE_PX: u32 = (font::GLYPH.1 as u32 + 3) * DOT_PX;
/// A tile's name and its label.
const LABEL_PX: u32 = 2 * LINE_PX + 2;
const GAP_PX: u32 = 6;

const PAPER: Rgb<u8> = Rgb([24, 24, 28]);
const INK: Rgb<u8> = Rgb([225, 225, 225]);
const GOOD: Rgb<u8> = Rgb([60, 160, 80]);
const BAD: Rgb<u8> = Rgb([230, 60, 50]);
const FACE: Rgb<u8> = Rgb([255, 200, 40]);
const PERSON: Rgb<u8> = Rgb([60, 200, 255]);
const LIMB: Rgb<u8> = Rgb([255, 90, 200]);
const JOINT: Rgb<u8> = Rgb([255, 255, 255]);

/// One photo of a sheet. Coordinates are px of the photo that was scaled to the tile.
#[derive(Clone, Debug)]
pub struct Tile {
    name: String,
    label: String,
    agrees: bool,
    picture: RgbImage,
}

/// What is drawn over a photo.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks<'a> {
    /// Boxes of faces in photo px.
    pub faces: &'a [BoundingBox],
    /// People: box and joints in photo px; joints with confidence 0 are not drawn.
    pub people: &'a [(BoundingBox, Joints)],
}

impl Tile {
    /// Scales the photo, or a reduced copy of one of `width` × `height` px, to a tile and draws the marks.
    /// Make tiles one by one: they are small, photos are not.
    pub fn new(
        name: &str,
        photo: &RgbImage,
        (width, height): (u32, u32),
        marks: Marks<'_>,
        label: &str,
        agrees: bool,
    ) -> Self {
        let scale = TILE_PX as f32 / width.max(height).max(1) as f32;
        let side = |length: u32| ((length as f32 * scale).round() as u32).clamp(1, TILE_PX);
        let mut picture = resize::whole(photo, side(width), side(height), Filter::Bilinear);
        for (bbox, joints) in marks.people {
            draw_box(&mut picture, bbox, scale, PERSON);
            let visible = |index: usize| Some(&joints.0[index]).filter(|joint| joint.confidence > 0.0);
            for (a, b) in LIMBS {
                if let (Some(a), Some(b)) = (visible(a), visible(b)) {
                    draw_line(&mut picture, (a.x * scale, a.y * scale), (b.x * scale, b.y * scale), LIMB);
                }
            }
            for joint in joints.visible() {
                draw_dot(&mut picture, joint.x * scale, joint.y * scale, 1, JOINT);
            }
        }
        for face in marks.faces {
            draw_box(&mut picture, face, scale, FACE);
        }
        Self { name: name.to_owned(), label: label.to_owned(), agrees, picture }
    }
}

/// The sheet: tiles row by row, `columns` in a row, each with its name and label; a frame is green where the
/// tile agrees with what was expected, red where not.
pub fn contact_sheet(tiles: &[Tile], columns: u32) -> RgbImage {
    let columns = columns.clamp(1, tiles.len().max(1) as u32);
    let rows = (tiles.len() as u32).div_ceil(columns).max(1);
    let (cell_width, cell_height) = (TILE_PX + GAP_PX, TILE_PX + LABEL_PX + GAP_PX);
    let mut sheet = RgbImage::from_pixel(columns * cell_width + GAP_PX, rows * cell_height + GAP_PX, PAPER);
    for (index, tile) in (0..).zip(tiles) {
        let (x, y) = (GAP_PX + index % columns * cell_width, GAP_PX + index / columns * cell_height);
        let (left, top) =
            (x + (TILE_PX - tile.picture.width()) / 2, y + (TILE_PX - tile.picture.height()) / 2);
        imageops::replace(&mut sheet, &tile.picture, i64::from(left), i64::from(top));
        let colour = if tile.agrees { GOOD } else { BAD };
        let (right, bottom) = ((x + TILE_PX) as f32 - 1.0, (y + TILE_PX) as f32 - 1.0);
        let frame = BoundingBox { x0: x as f32, y0: y as f32, x1: right, y1: bottom };
        draw_box(&mut sheet, &frame, 1.0, colour);
        write(&mut sheet, x, y + TILE_PX + 2, &tile.name, INK);
        write(&mut sheet, x, y + TILE_PX + 2 + LINE_PX, &tile.label, if tile.agrees { INK } else { BAD });
    }
    sheet
}

/// One line, cut at the tile's width.
fn write(image: &mut RgbImage, x: u32, y: u32, text: &str, colour: Rgb<u8>) {
    let advance = (font::GLYPH.0 as u32 + 1) * DOT_PX;
    for (place, character) in (0..TILE_PX / advance).zip(text.chars()) {
        for (row, bits) in (0..).zip(font::rows(character)) {
            for column in (0..font::GLYPH.0 as u32)
                .filter(|column| bits >> (font::GLYPH.0 as u32 - 1 - column) & 1 == 1)
            {
                let (dot_x, dot_y) = (x + place * advance + column * DOT_PX, y + row * DOT_PX);
                put(image, dot_x as f32, dot_y as f32, colour);
            }
        }
    }
}

fn put(image: &mut RgbImage, x: f32, y: f32, colour: Rgb<u8>) {
    if x >= 0.0 && y >= 0.0 && x < image.width() as f32 && y < image.height() as f32 {
        image.put_pixel(x as u32, y as u32, colour);
    }
}

fn draw_dot(image: &mut RgbImage, x: f32, y: f32, radius: i32, colour: Rgb<u8>) {
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            put(image, x + dx as f32, y + dy as f32, colour);
        }
    }
}

fn draw_box(image: &mut RgbImage, bbox: &BoundingBox, scale: f32, colour: Rgb<u8>) {
    let last = |length: u32| length as f32 - 1.0;
    let x = |value: f32| (value * scale).clamp(0.0, last(image.width()));
    let y = |value: f32| (value * scale).clamp(0.0, last(image.height()));
    let (x0, y0, x1, y1) = (x(bbox.x0), y(bbox.y0), x(bbox.x1), y(bbox.y1));
    for (from, to) in [((x0, y0), (x1, y0)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1)), ((x1, y0), (x1, y1))]
    {
        draw_line(image, from, to, colour);
    }
}

fn draw_line(image: &mut RgbImage, from: (f32, f32), to: (f32, f32), colour: Rgb<u8>) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).min(10_000.0).ceil().max(1.0) as u32;
    for step in 0..=steps {
        let share = step as f32 / steps as f32;
        put(image, from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_shows_every_tile_with_its_frame_and_its_boxes() {
        let photo = RgbImage::from_pixel(480, 240, Rgb([10, 10, 10]));
        let face = BoundingBox { x0: 100.0, y0: 50.0, x1: 200.0, y1: 150.0 };
        let marks = Marks { faces: &[face], people: &[] };
        let tiles = [
            Tile::new("a", &photo, (480, 240), marks, "1", true),
            Tile::new("b", &photo, (480, 240), Marks::default(), "0", false),
        ];
        let sheet = contact_sheet(&tiles, 2);
        assert_eq!(sheet.dimensions(), (2 * 246 + 6, 240 + LABEL_PX + 12));
        let count = |colour: Rgb<u8>| sheet.pixels().filter(|&&pixel| pixel == colour).count();
        assert!(count(GOOD) >= 4 * 238 && count(BAD) >= 4 * 238);
        assert!((190..=200).contains(&count(FACE)), "a box of 50 × 50 px");
    }

    #[test]
    fn an_empty_sheet_and_marks_outside_the_photo_are_fine() {
        assert!(contact_sheet(&[], 5).width() > 0);
        let far = BoundingBox { x0: -1e9, y0: f32::MIN, x1: 1e9, y1: f32::MAX };
        Tile::new("far", &RgbImage::new(3, 3), (3, 3), Marks { faces: &[far], people: &[] }, "", true);
    }
}
