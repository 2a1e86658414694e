//! Draws a grid of photos with boxes and joints, to be looked at.

use std::path::PathBuf;

use clap::Parser;
use image::{Rgb, RgbImage, imageops};
use photo::BoundingBox;
use photo::joints::LIMBS;
use rayon::prelude::*;
use synth::{Body, Framing, Rendered, Shot, noise};

/// Draws a grid of photos with boxes and joints.
#[derive(Parser)]
struct Arguments {
    /// Decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Columns and rows of the sheet.
    #[arg(long, default_value_t = 5)]
    columns: u32,
    /// Rows of the sheet.
    #[arg(long, default_value_t = 2)]
    rows: u32,
    /// Width of one photo on the sheet, pixels.
    #[arg(long, default_value_t = 360)]
    cell: u32,
    /// People per photo; -1 varies.
    #[arg(long, default_value_t = 1, allow_hyphen_values = true)]
    people: i32,
    /// `full`, `knees`, `hips` or `wild`.
    #[arg(long, default_value = "full")]
    framing: String,
    /// Width of the rendered photos, pixels; the height is 4/3 of it.
    #[arg(long, default_value_t = 720)]
    width: u32,
    /// Leave out boxes and joints.
    #[arg(long)]
    plain: bool,
    /// One body in all photos.
    #[arg(long)]
    one: bool,
    /// Where the PNG goes.
    #[arg(long, default_value = "sheet.png")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let framing = match arguments.framing.as_str() {
        "knees" => Framing::Knees,
        "hips" => Framing::Hips,
        "wild" => Framing::Wild,
        _ => Framing::Full,
    };
    let (width, height) = (arguments.width, arguments.width * 4 / 3);
    let cell_height = arguments.cell * 4 / 3;
    let cells: Vec<RgbImage> = (0..arguments.columns * arguments.rows)
        .into_par_iter()
        .map(|index| {
            let seed = noise::subseed(arguments.seed, u64::from(index));
            let count = if arguments.people < 0 { u64::from(index) % 4 } else { arguments.people as u64 };
            let base = if arguments.one { arguments.seed } else { seed };
            let people = (0..count).map(|i| Body::sample(noise::subseed(base, 50 + i))).collect();
            let rendered = synth::render(&Shot { seed, width, height, people, framing });
            let mut image = to_image(&rendered);
            if !arguments.plain {
                mark(&mut image, &rendered);
            }
            imageops::resize(&image, arguments.cell, cell_height, imageops::FilterType::Triangle)
        })
        .collect();
    let mut sheet = RgbImage::new(arguments.columns * arguments.cell, arguments.rows * cell_height);
    for (index, cell) in cells.iter().enumerate() {
        let (column, row) = (index as u32 % arguments.columns, index as u32 / arguments.columns);
        imageops::replace(&mut sheet, cell, i64::from(column * arguments.cell), i64::from(row * cell_height));
    }
    sheet.save(&arguments.out)?;
    Ok(())
}

fn to_image(rendered: &Rendered) -> RgbImage {
    RgbImage::from_raw(rendered.width, rendered.height, rendered.rgb.clone()).expect("three bytes a pixel")
}

fn mark(image: &mut RgbImage, rendered: &Rendered) {
    for person in &rendered.truth.people {
        rectangle(image, &person.bbox, Rgb([255, 220, 0]));
        if let Some(face) = &person.face {
            rectangle(image, face, Rgb([0, 255, 255]));
        }
        let joints = &person.joints.0;
        for (a, b) in LIMBS {
            if joints[a].confidence * joints[b].confidence > 0.0 {
                line(image, (joints[a].x, joints[a].y), (joints[b].x, joints[b].y), Rgb([0, 255, 0]), 1);
            }
        }
        for joint in joints {
            let colour = if joint.confidence > 0.0 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
            line(image, (joint.x, joint.y), (joint.x + 0.1, joint.y), colour, 3);
        }
    }
}

fn rectangle(image: &mut RgbImage, b: &BoundingBox, colour: Rgb<u8>) {
    line(image, (b.x0, b.y0), (b.x1, b.y0), colour, 1);
    line(image, (b.x1, b.y0), (b.x1, b.y1), colour, 1);
    line(image, (b.x1, b.y1), (b.x0, b.y1), colour, 1);
    line(image, (b.x0, b.y1), (b.x0, b.y0), colour, 1);
}

fn line(image: &mut RgbImage, a: (f32, f32), b: (f32, f32), colour: Rgb<u8>, radius: i32) {
    let steps = (b.0 - a.0).abs().max((b.1 - a.1).abs()).ceil().max(1.0) as i32;
    for step in 0..=steps {
        let t = step as f32 / steps as f32;
        let (x, y) = ((a.0 + (b.0 - a.0) * t) as i32, (a.1 + (b.1 - a.1) * t) as i32);
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                if let Some(pixel) = image.get_pixel_mut_checked((x + dx) as u32, (y + dy) as u32) {
                    *pixel = colour;
                }
            }
        }
    }
}
