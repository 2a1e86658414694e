//! Photos to tensors: where pixels and joints go.

use std::io::Cursor;

use curate::prepare::{Fit, PrepareSettings};
use curate::{Prepared, decode, prepare, prepare_file};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use photo::{BoundingBox, Compression, Joint, Joints, Person};

const SIZE: u32 = 256;

fn settings(fit: Fit) -> PrepareSettings {
    PrepareSettings { size_px: SIZE, fit, sigma_px: 16.0, pad_value: 7, ..PrepareSettings::default() }
}

/// White spots of 12 px radius on grey at the given places: joints that can be found again in the pixels.
fn spots(width: u32, height: u32, at: &[(f32, f32)]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let near = |&(px, py): &(f32, f32)| (x as f32 - px).hypot(y as f32 - py) <= 12.0;
        if at.iter().any(near) { Rgb([255; 3]) } else { Rgb([60; 3]) }
    })
}

fn person(at: &[(f32, f32)], bbox: BoundingBox) -> Person {
    let mut joints = Joints::default();
    for (joint, &(x, y)) in joints.0.iter_mut().zip(at) {
        *joint = Joint { x, y, confidence: 0.9 };
    }
    Person { bbox, score: 0.9, joints }
}

/// The centre of light above the background within 12 px of the joint.
fn light_near(prepared: &Prepared, joint: &Joint) -> (f32, f32) {
    let size = prepared.size_px as usize;
    let (mut sum, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for y in (joint.y as usize).saturating_sub(12)..(joint.y as usize + 13).min(size) {
        for x in (joint.x as usize).saturating_sub(12)..(joint.x as usize + 13).min(size) {
            let light = f32::from(prepared.image[y * size + x].saturating_sub(70));
            sum += light;
            sum_x += light * x as f32;
            sum_y += light * y as f32;
        }
    }
    (sum_x / sum, sum_y / sum)
}

#[test]
fn joints_stay_on_their_pixels_whatever_the_fit_and_the_aspect() {
    let places = [(150.0, 120.0), (301.0, 402.5), (200.25, 700.0)];
    let bbox = BoundingBox { x0: 100.0, y0: 80.0, x1: 350.0, y1: 740.0 };
    for (width, height) in [(600, 900), (1111, 805), (901, 901)] {
        for fit in [Fit::Pad, Fit::Crop] {
            let prepared =
                prepare(&spots(width, height, &places), &person(&places, bbox), &settings(fit)).unwrap();
            for joint in prepared.joints.visible() {
                let (x, y) = light_near(&prepared, joint);
                let apart = (x - joint.x).hypot(y - joint.y);
                assert!(apart < 0.15, "{fit:?} {width}×{height}: light at {x}, {y}, joint {joint:?}");
            }
        }
    }
}

#[test]
fn pad_keeps_the_whole_photo_in_the_middle_and_fills_the_rest() {
    let image = RgbImage::from_pixel(300, 600, Rgb([200, 100, 50]));
    let bbox = BoundingBox { x0: 0.0, y0: 0.0, x1: 300.0, y1: 600.0 };
    let prepared = prepare(&image, &person(&[(150.0, 300.0)], bbox), &settings(Fit::Pad)).unwrap();
    let size = SIZE as usize;
    let row = &prepared.image[100 * size..101 * size];
    assert!(row[..64].iter().chain(&row[192..]).all(|&value| value == 7), "bars");
    assert!(row[64..192].iter().all(|&value| value == 200), "photo");
    assert_eq!(prepared.image[size * size + 100 * size + 128], 100, "planes are R, G, B");
    assert_eq!(prepared.person.width().round(), 128.0);
    assert_eq!(prepared.image.len(), 3 * size * size);
}

#[test]
fn crop_shows_the_person_larger_than_pad_and_may_reach_beyond_the_photo() {
    let bbox = BoundingBox { x0: 0.0, y0: 300.0, x1: 100.0, y1: 600.0 };
    let image = RgbImage::from_pixel(800, 600, Rgb([200; 3]));
    let cropped = prepare(&image, &person(&[(50.0, 450.0)], bbox), &settings(Fit::Crop)).unwrap();
    let padded = prepare(&image, &person(&[(50.0, 450.0)], bbox), &settings(Fit::Pad)).unwrap();
    assert!(cropped.person.height() > 2.0 * padded.person.height());
    assert!((cropped.person.height() - SIZE as f32 / 1.2).abs() < 0.5, "a tenth of the body on both sides");
    let last_row = &cropped.image[(SIZE as usize - 1) * SIZE as usize..SIZE as usize * SIZE as usize];
    assert!(last_row.iter().all(|&value| value == 7), "below the photo lies the bar");
}

#[test]
fn the_map_leads_back_to_the_photo() {
    let bbox = BoundingBox { x0: 10.0, y0: 20.0, x1: 500.0, y1: 900.0 };
    let image = RgbImage::new(777, 999);
    let prepared = prepare(&image, &person(&[(123.0, 456.0)], bbox), &settings(Fit::Crop)).unwrap();
    let joint = prepared.joints.0[0];
    let (x, y) = prepared.affine.inverse().unwrap().apply(f64::from(joint.x), f64::from(joint.y));
    assert!((x - 123.0).abs() < 1e-3 && (y - 456.0).abs() < 1e-3, "{x} {y}");
}

#[test]
fn pixels_at_a_joint_keep_their_light_and_far_ones_keep_alpha_of_it() {
    let image = RgbImage::from_pixel(256, 256, Rgb([200; 3]));
    let bbox = BoundingBox { x0: 0.0, y0: 0.0, x1: 256.0, y1: 256.0 };
    let settings = PrepareSettings { alpha: 0.25, sigma_px: 8.0, ..settings(Fit::Pad) };
    let prepared = prepare(&image, &person(&[(40.0, 40.0)], bbox), &settings).unwrap();
    assert_eq!(prepared.weighted[40 * 256 + 40], 200);
    assert_eq!(prepared.weighted[250 * 256 + 250], 50);
}

#[test]
fn without_a_visible_joint_the_photo_is_rejected() {
    let bbox = BoundingBox { x0: 0.0, y0: 0.0, x1: 50.0, y1: 50.0 };
    let unsure = person(&[(10.0, 10.0), (20.0, 20.0)], bbox);
    let gated = |min_score| Person { joints: unsure.joints.gated(min_score), ..unsure };
    assert!(prepare(&RgbImage::new(64, 64), &gated(0.9), &settings(Fit::Pad)).is_ok());
    let error = prepare(&RgbImage::new(64, 64), &gated(0.91), &settings(Fit::Pad)).unwrap_err();
    assert!(error.to_string().contains("no visible joint"));
}

#[test]
fn tiny_and_extreme_photos_are_prepared() {
    for (width, height) in [(1, 1), (1, 3000), (3000, 1), (5, 7)] {
        let bbox = BoundingBox { x0: 0.0, y0: 0.0, x1: width as f32, y1: height as f32 };
        for fit in [Fit::Pad, Fit::Crop] {
            let image = RgbImage::from_pixel(width, height, Rgb([200; 3]));
            let prepared = prepare(&image, &person(&[(0.0, 0.0)], bbox), &settings(fit)).unwrap();
            assert_eq!(prepared.image.len(), 3 * (SIZE * SIZE) as usize);
        }
    }
}

#[test]
fn settings_out_of_range_are_named_and_unknown_keys_refused() {
    let wrong = PrepareSettings { sigma_px: 0.0, ..PrepareSettings::default() };
    assert!(wrong.check().unwrap_err().to_string().contains("sigma_px"));
    assert!(PrepareSettings::default().check().is_ok());
    assert!(serde_json::from_str::<PrepareSettings>(r#"{"sigma": 3}"#).is_err());
    assert_eq!(serde_json::from_str::<PrepareSettings>("{}").unwrap(), PrepareSettings::default());
    let other = PrepareSettings { alpha: 0.2, ..PrepareSettings::default() };
    assert_ne!(other.digest(), PrepareSettings::default().digest());
}

#[test]
fn how_a_snapshot_stores_tensors_prepares_no_photo_again_and_is_silent_where_it_is_the_default() {
    let small = PrepareSettings { compression: Compression::Zstd, ..PrepareSettings::default() };
    assert_eq!(small.digest(), PrepareSettings::default().digest());
    let json = serde_json::to_value(&small).unwrap();
    assert_eq!(json["compression"], "zstd");
    assert_eq!(serde_json::from_value::<PrepareSettings>(json).unwrap(), small);
    let silent = serde_json::to_value(PrepareSettings::default()).unwrap();
    assert!(silent.get("compression").is_none(), "ids of snapshots hang on it");
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, 92).encode_image(image).unwrap();
    bytes.into_inner()
}

/// Stores an upright photo as a camera does that was held otherwise, with an EXIF block that holds nothing
/// but that.
fn turned(upright: &RgbImage, orientation: u8) -> Vec<u8> {
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    // What a reader does to the stored photo (EXIF 2.32, section 4.6.4), undone.
    let stored = match orientation {
        2 => flip_horizontal(upright),
        3 => rotate180(upright),
        4 => flip_vertical(upright),
        5 => flip_horizontal(&rotate90(upright)),
        6 => rotate270(upright),
        7 => flip_vertical(&rotate90(upright)),
        8 => rotate90(upright),
        _ => upright.clone(),
    };
    let mut payload = b"Exif\0\0II\x2A\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00".to_vec();
    payload.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let (plain, length) = (jpeg(&stored), (payload.len() as u16 + 2).to_be_bytes());
    [&plain[..2], &[0xFF, 0xE1], &length, &payload, &plain[2..]].concat()
}

#[test]
fn the_joints_of_a_large_jpeg_that_was_turned_stay_on_their_pixels() {
    let places = [(300.0, 240.0), (601.0, 803.5), (400.25, 1400.0)];
    let bbox = BoundingBox { x0: 200.0, y0: 160.0, x1: 700.0, y1: 1480.0 };
    // Both sides leave 1 when divided by 8: of the last pixel at an eighth of the size, most is missing.
    let image = spots(1801, 2601, &places);
    let settings = settings(Fit::Pad);
    for orientation in 1..=8 {
        let bytes = turned(&image, orientation);
        assert_eq!(decode(&bytes).unwrap().image.dimensions(), image.dimensions(), "{orientation}");
        let found = prepare_file(&bytes, &person(&places, bbox), &settings).unwrap();
        for joint in found.joints.visible() {
            let (x, y) = light_near(&found, joint);
            let apart = (x - joint.x).hypot(y - joint.y);
            assert!(apart < 0.15, "orientation {orientation}: light at {x}, {y}, joint {joint:?}");
        }
    }
}

#[test]
fn a_large_jpeg_is_decoded_smaller_and_its_joints_stay_on_their_pixels() {
    let places = [(300.0, 240.0), (601.0, 803.5), (400.25, 1400.0)];
    let bbox = BoundingBox { x0: 200.0, y0: 160.0, x1: 700.0, y1: 1480.0 };
    let person = person(&places, bbox);
    // Sides that 2, 4 and 8 do not divide: the last pixel of a reduced photo stands for a part of one.
    for (width, height) in [(1203, 1795), (1600, 1507), (1497, 1501)] {
        let image = spots(width, height, &places);
        for fit in [Fit::Pad, Fit::Crop] {
            let settings = settings(fit);
            let found = prepare_file(&jpeg(&image), &person, &settings).unwrap();
            for joint in found.joints.visible() {
                let (x, y) = light_near(&found, joint);
                let apart = (x - joint.x).hypot(y - joint.y);
                assert!(apart < 0.15, "{fit:?} {width}×{height}: light at {x}, {y}, joint {joint:?}");
            }
            let whole = prepare(&decode(&jpeg(&image)).unwrap().image, &person, &settings).unwrap();
            assert_eq!(
                (found.joints, found.affine, found.person),
                (whole.joints, whole.affine, whole.person)
            );
            assert_ne!(found.image, whole.image, "it was decoded whole");
            let squares =
                found.image.iter().zip(&whole.image).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
            let mean = squares.sum::<f64>() / whole.image.len() as f64;
            assert!(mean < 2.05, "mean squared error {mean}, above that of 45 dB PSNR");
        }
    }
}

#[test]
fn a_photo_less_than_twice_as_large_as_the_square_is_decoded_whole() {
    let image = spots(400, 500, &[(150.0, 120.0)]);
    let bbox = BoundingBox { x0: 100.0, y0: 80.0, x1: 350.0, y1: 440.0 };
    let person = person(&[(150.0, 120.0)], bbox);
    for fit in [Fit::Pad, Fit::Crop] {
        let found = prepare_file(&jpeg(&image), &person, &settings(fit)).unwrap();
        let whole = prepare(&decode(&jpeg(&image)).unwrap().image, &person, &settings(fit)).unwrap();
        assert_eq!(found, whole);
    }
}

#[test]
fn a_recipe_that_does_not_choose_tensors_keeps_both_under_the_digest_of_both() {
    let text = serde_json::to_string(&PrepareSettings::default()).unwrap();
    assert!(!text.contains("tensors"), "{text}");
    let read = |text: &str| serde_json::from_str::<PrepareSettings>(text).unwrap();
    assert_eq!(read("{}").digest(), read(r#"{ "tensors": "both" }"#).digest());
    assert_ne!(read("{}").digest(), read(r#"{ "tensors": "weighted" }"#).digest());
}
