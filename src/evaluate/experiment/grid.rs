//! Pictures of some people side by side.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use image::imageops::{FilterType, resize};
use photo::Digest;
use train::report::{Grid, Picture, Row};
use train::whole_file::write_whole;

use super::arm::Arm;
use super::charts::name;
use super::results::PictureSheet;
use super::runner::{Runner, record_name};
use super::trainings::{Trained, last_part};

/// People on the sheet.
const ROWS: usize = 6;
/// Pictures are so much larger on it, pixel by pixel, where they are small.
const LARGER: u32 = 2;
const SMALL_PX: usize = 128;

/// Writes the sheet: two photos of each, in different clothes, and the first picture of each arm of the
/// table, of the first training.
pub fn write(runner: &Runner<'_>, arms: &[Arm], trained: &[Trained], to: &Path) -> Result<PictureSheet> {
    let arms: Vec<&Arm> = arms.iter().filter(|arm| !arm.is_by_views(runner.plan)).collect();
    let mut rows = Vec::new();
    for subject in runner.people.iter().take(ROWS) {
        let mut cells =
            vec![Some(subject.given[0].picture.clone()), Some(subject.held_out[0].picture.clone())];
        for arm in &arms {
            let is_drawn_by = |one: &&Trained| {
                Some(one.what) == arm.by && one.person.as_ref().is_none_or(|person| *person == subject.name)
            };
            let file = runner.records.picture(&record_name(arm, trained.iter().find(is_drawn_by), subject));
            let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            let image =
                image::load_from_memory(&bytes).with_context(|| format!("read {}", file.display()))?;
            cells.push(Some(Picture::from_image(image.to_rgb8())));
        }
        rows.push(Row { label: last_part(&subject.name).to_owned(), cells });
    }
    let labels = rows.iter().map(|row| row.label.clone()).collect();
    let montage = Grid { rows, ..Grid::default() }.montage();
    let side = runner.base.size_px();
    let montage = match side <= SMALL_PX {
        false => montage,
        true => {
            let image = montage.image();
            let (width, height) = (image.width() * LARGER, image.height() * LARGER);
            Picture::from_image(resize(&image, width, height, FilterType::Nearest))
        }
    };
    let png = montage.png();
    write_whole(to, &png)?;
    let photos = ["the reference".to_owned(), "another photo".to_owned()].into_iter();
    Ok(PictureSheet {
        sha256: Some(Digest::of(&png)),
        columns: photos.chain(arms.iter().map(|arm| name(&arm.key).to_owned())).collect(),
        rows: labels,
    })
}
