//! Small pictures of photos, drawn small instead of drawn large and shrunk.

use image::RgbImage;

use crate::collection::{Plant, SyntheticPhoto};
use crate::encode;
use crate::render::render;
use crate::scene::Shot;

/// JPEG quality of small pictures.
const QUALITY: u8 = 82;

/// A JPEG whose longer side has `side_px` pixels. Broken files have one of the intact photo, as on real sites, whose
/// small pictures were made before the file broke.
pub(super) fn jpeg(photo: &SyntheticPhoto, side_px: u32) -> Vec<u8> {
    let shot = photo.settled();
    let longer = shot.width.max(shot.height);
    let small = |length: u32| (length * side_px / longer).max(1);
    let little = Shot { width: small(shot.width), height: small(shot.height), ..shot };
    let rendered = render(&little);
    let (width, height) = (rendered.width, rendered.height);
    let mut image = RgbImage::from_raw(width, height, rendered.rgb).expect("three bytes a pixel");
    match &photo.plant {
        Some(Plant::Watermark { mark }) => {
            let ink = mark.ink(width as usize, height as usize);
            mark.apply(&mut image, &ink);
        }
        Some(Plant::NearDuplicate { change, .. }) => image = change.apply(&image),
        _ => {}
    }
    encode::jpeg(&image, QUALITY)
}
