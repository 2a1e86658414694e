//! Colours of every profile come out as lcms2 makes them, within 2 levels; what cannot be used counts as
//! sRGB, and is told.
//!
//! The charts and what is expected of them: `fixtures/colour/make_charts.py`.

use std::path::Path;

use curate::{DecodedPhoto, MinDecodeSize, decode, decode_for};
use photo::Colours;

/// Side in px of a patch of the charts.
const PATCH: u32 = 8;

/// How far from lcms2 a level may be: what two decoders and two ways of rounding make together.
const LEVELS: u8 = 2;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/colour").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How far the patches of a photo are from what is expected: at most, and on average.
fn apart(photo: &DecodedPhoto, name: &str) -> (u8, f64) {
    let stem = name.split('.').next().expect("a name");
    let expected = decode(&fixture(&format!("{stem}.expected.png"))).expect("it is a PNG").image;
    let side = photo.image.width() / expected.width(); // of a patch, in a reduced photo too
    let differences = expected.enumerate_pixels().flat_map(|(x, y, right)| {
        let found = photo.image.get_pixel(x * side + side / 2, y * side + side / 2);
        [0, 1, 2].map(|channel| found.0[channel].abs_diff(right.0[channel]))
    });
    let all: Vec<u8> = differences.collect();
    let mean = all.iter().map(|&level| f64::from(level)).sum::<f64>() / all.len() as f64;
    (all.into_iter().max().expect("there are patches"), mean)
}

#[track_caller]
fn assert_converted(name: &str, from: &str) {
    let photo = decode(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (most, mean) = apart(&photo, name);
    println!("{name}: {most} levels at most, {mean:.2} on average, {:?}", photo.facts.colours);
    assert!(most <= LEVELS, "{name}: off by {most} levels, {mean} on average");
    assert_eq!(photo.facts.colours, Some(Colours::Converted(from.to_owned())), "{name}");
}

#[test]
fn a_jpeg_of_any_profile_is_converted_as_lcms2_does() {
    assert_converted("p3.jpg", "Wide P3");
    assert_converted("p3_by_table.jpg", "Wide P3 by a table");
    assert_converted("p3_in_segments.jpg", "Wide P3");
    assert_converted("adobe.jpg", "Wide gamma 2.2");
    assert_converted("prophoto.jpg", "Very wide");
    assert_converted("scanner.jpg", "A scanner");
    assert_converted("grey.jpg", "Grey 1.8");
    assert_converted("inks.jpg", "Four inks");
}

#[test]
fn other_formats_are_converted_alike() {
    assert_converted("p3_png.png", "Wide P3");
    assert_converted("grey_png.png", "Grey 1.8");
    assert_converted("prophoto_16_bit.png", "Very wide");
    assert_converted("p3_webp.webp", "Wide P3");
    assert_converted("adobe_tiff.tif", "Wide gamma 2.2");
    assert_converted("inks.tif", "Four inks");
}

#[test]
fn jpeg_xl_is_converted_alike_whether_its_pixels_or_a_jpeg_s_blocks_are_in_it() {
    assert_converted("p3_jxl.jxl", "Wide P3");
    assert_converted("p3_from_jpeg.jxl", "Wide P3");
    assert_converted("grey_jxl.jxl", "Grey 1.8");
    assert_converted("prophoto_jxl.jxl", "Very wide");
}

#[test]
fn what_is_said_without_a_profile_is_followed() {
    assert_converted("gamma_and_primaries.png", "exponent 0.55556 (gAMA)");
    assert_converted("gamma_alone.png", "exponent 0.55556 (gAMA)");
    assert_converted("code_points.png", "code points [12, 13, 0, 1]");
    assert_converted("adobe_by_exif.jpg", "Adobe RGB (EXIF R03)");
}

#[test]
fn a_photo_that_is_srgb_is_left_as_it_is() {
    for name in ["srgb.jpg", "srgb_over_gamma.png"] {
        let photo = decode(&fixture(name)).unwrap();
        assert_eq!(photo.facts.colours, None, "{name}");
        assert!(apart(&photo, name).0 <= 1, "{name}");
    }
}

#[test]
fn a_reduced_photo_is_converted_like_the_whole_one() {
    for name in ["p3.jpg", "adobe.jpg", "prophoto.jpg", "p3_in_segments.jpg", "grey.jpg"] {
        let need = MinDecodeSize { shorter_px: 1, longer_px: 32 };
        let photo = decode_for(&fixture(name), need).unwrap();
        assert_eq!(photo.image.width(), 32, "{name} is decoded at a quarter");
        assert!(matches!(photo.facts.colours, Some(Colours::Converted(_))), "{name}");
        let (most, _) = apart(&photo, name);
        assert!(most <= LEVELS, "{name}: off by {most} levels");
    }
}

#[test]
fn transparent_pixels_are_converted_before_they_lie_over_white() {
    let chart = image::load_from_memory(&fixture("p3_png.png")).unwrap().into_rgba8();
    let mut decoder =
        image::codecs::png::PngDecoder::new(std::io::Cursor::new(fixture("p3_png.png"))).unwrap();
    let profile = image::ImageDecoder::icc_profile(&mut decoder).unwrap().expect("it has one");
    let mut clear = chart;
    clear.pixels_mut().filter(|pixel| pixel.0[2] == 255).for_each(|pixel| pixel.0[3] = 0);
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::set_icc_profile(&mut encoder, profile).unwrap();
    clear.write_with_encoder(encoder).unwrap();
    let photo = decode(&bytes).unwrap();
    let whole = decode(&fixture("p3_png.png")).unwrap();
    for (x, y, pixel) in clear.enumerate_pixels() {
        let right = if pixel.0[3] == 0 { [255; 3] } else { whole.image.get_pixel(x, y).0 };
        assert_eq!(photo.image.get_pixel(x, y).0, right, "at {x}, {y}");
    }
}

/// The place of a profile's first byte in a file that holds it as it is.
fn place_of_profile(bytes: &[u8]) -> usize {
    bytes.windows(12).position(|window| window == b"ICC_PROFILE\0").expect("it has a profile") + 14
}

#[test]
fn a_broken_profile_counts_as_srgb_and_is_told() {
    let whole = fixture("p3.jpg");
    let profile = place_of_profile(&whole);
    let plain = decode(&fixture("srgb.jpg")).unwrap().image; // the same chart, the same levels
    let mut broken = Vec::new();
    for change in [&[(0, 0xFF)][..], &[(36, b'x')], &[(16, b'X')], &[(12, 0), (13, 0)]] {
        let mut bytes = whole.clone();
        change.iter().for_each(|&(at, value)| bytes[profile + at] = value);
        broken.push(bytes);
    }
    let mut without_its_only_curve = whole.clone();
    let curve = whole.windows(4).position(|tag| tag == b"rTRC").expect("there is a curve");
    without_its_only_curve[curve] = b'x';
    broken.push(without_its_only_curve);
    let mut of_two_segments = whole.clone();
    of_two_segments[profile - 1] = 2;
    broken.push(of_two_segments);
    for (number, bytes) in broken.into_iter().enumerate() {
        let photo = decode(&bytes).unwrap_or_else(|error| panic!("{number}: {error}"));
        if let Some(Colours::Converted(_)) = photo.facts.colours {
            continue; // a byte that nobody asks for
        }
        assert!(
            matches!(&photo.facts.colours, Some(Colours::Unusable(_))),
            "{number}: {:?}",
            photo.facts.colours
        );
        assert_eq!(photo.image, plain, "{number}");
    }
}

/// A JPEG's segments in front of its scan, those of profiles or the others, and the rest behind them.
fn segments(jpeg: &[u8], profiles: bool) -> (Vec<u8>, &[u8]) {
    let (mut chosen, mut rest) = (Vec::new(), &jpeg[2..]);
    while let [0xFF, marker, high, low, ..] = *rest {
        if marker == 0xDA {
            break;
        }
        let (segment, behind) = rest.split_at(2 + usize::from(u16::from_be_bytes([high, low])));
        if (marker == 0xE2) == profiles {
            chosen.extend(segment);
        }
        rest = behind;
    }
    (chosen, rest)
}

#[test]
fn a_profile_for_other_pixels_counts_as_srgb_and_is_told() {
    // The profile of inks in front of three colours, that of grey as well, and that of three colours in front
    // of inks.
    for (of, into) in [("inks.jpg", "srgb.jpg"), ("grey.jpg", "srgb.jpg"), ("p3.jpg", "inks.jpg")] {
        let (of, into) = (fixture(of), fixture(into));
        let ((profile, _), (others, scan)) = (segments(&of, true), segments(&into, false));
        let photo = decode(&[&[0xFF, 0xD8], &profile[..], &others, scan].concat()).unwrap();
        let Some(Colours::Unusable(detail)) = photo.facts.colours else {
            panic!("{:?}", photo.facts.colours)
        };
        assert!(detail.contains("is for other pixels"), "{detail}");
        let plain = decode(&[&[0xFF, 0xD8], &others[..], scan].concat()).unwrap();
        assert!(plain.image == photo.image && plain.facts.colours.is_none());
    }
}

#[test]
fn damaged_profiles_never_panic() {
    let mut random = 5_u64;
    for name in ["p3.jpg", "scanner.jpg", "grey.jpg", "p3_by_table.jpg"] {
        let whole = fixture(name);
        let profile = place_of_profile(&whole);
        let length =
            u32::from_be_bytes(*whole[profile..].first_chunk().expect("a profile begins with its length"));
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes[profile + (random >> 33) as usize % length.min(420) as usize] = (random >> 24) as u8;
            }
            let photo = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(photo.image.width(), 16 * PATCH);
        }
    }
}
