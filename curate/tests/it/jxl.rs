//! JPEG XL: the pixels of libjxl's djxl, and refusals instead of parts of a picture. The files, and djxl's
//! pixels: `fixtures/make_jxl.py`.

use std::io::Cursor;
use std::path::Path;

use curate::decode::{header, hook};
use curate::{DecodeError, DecodedPhoto, MinDecodeSize, decode};
use image::ImageReader;

const NAMES: [&str; 6] = ["lossy", "boxed", "fine", "clear", "turned", "moving"];

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jxl").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn photo(name: &str) -> DecodedPhoto {
    decode(&fixture(&format!("{name}.jxl"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_kind_is_decoded_to_the_pixels_of_djxl_within_two_levels() {
    for name in NAMES {
        let (found, right) = (photo(name), decode(&fixture(&format!("{name}.expected.png"))).unwrap());
        assert_eq!(found.image.dimensions(), right.image.dimensions(), "{name}");
        let pairs = found.image.as_raw().iter().zip(right.image.as_raw());
        let most = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        println!("{name}: {most} levels at most, {:?}", found.facts.colours);
        assert!(most <= 2, "{name}: off by {most}");
        assert_eq!(found.facts.colours, None, "{name} is sRGB");
        assert_eq!((found.facts.format.as_str(), found.facts.orientation), ("jxl", 1), "{name}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_and_never_shown_in_part() {
    for name in NAMES {
        let bytes = fixture(&format!("{name}.jxl"));
        for length in (2..bytes.len()).step_by(1 + bytes.len() / 400) {
            match decode(&bytes[..length]) {
                Ok(photo) => {
                    // Boxes may follow the picture, but nothing of it may be missing.
                    assert!(name == "boxed", "{name} of {length} bytes");
                    assert_eq!(photo.image, self::photo(name).image, "{name} of {length} bytes");
                }
                Err(DecodeError::Truncated { .. } | DecodeError::Damaged { .. }) => {}
                Err(DecodeError::UnknownFormat(_)) if length < 12 => {}
                Err(error) => panic!("{name} of {length} bytes: {error}"),
            }
        }
    }
}

#[test]
fn damaged_bytes_never_panic_and_never_give_another_size() {
    for name in NAMES {
        let bytes = fixture(&format!("{name}.jxl"));
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 500) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            let header = match header(&damaged, MinDecodeSize::WHOLE) {
                Ok(header) if header.decoded_bytes <= 4 << 20 => header,
                Ok(_) => continue, // another size, which takes longer
                Err(error) => {
                    assert!(!error.to_string().contains("panicked"), "{name}, byte {at}: {error}");
                    continue;
                }
            };
            match decode(&damaged) {
                Ok(photo) => assert_eq!(photo.image.dimensions(), (header.width, header.height)),
                Err(error) => assert!(!error.to_string().contains("panicked"), "{name}, byte {at}: {error}"),
            }
        }
    }
}

/// A codestream's header of a square picture in which all else is as usual: a side of 30 bits, less one, then
/// the ratio of 1 to 1 (ISO/IEC 18181-1, "SizeHeader").
fn square(side: u64) -> Vec<u8> {
    let bits = 0x0AFF | 3 << 17 | (side - 1) << 19 | 1 << 49 | 1 << 52;
    [&u64::to_le_bytes(bits)[..], &[0; 40]].concat()
}

#[test]
fn a_picture_beyond_the_limits_is_refused_by_its_header() {
    let size = |side| header(&square(side), MinDecodeSize::WHOLE);
    let small = size(64).unwrap();
    assert_eq!((small.width, small.height, small.format), (64, 64, "jxl"));
    assert!(matches!(size(10_001), Err(DecodeError::TooManyPixels { .. })));
    assert!(size(1 << 30).is_err(), "more than the format itself allows");
    let error = size(8_000).unwrap_err();
    assert!(
        matches!(&error, DecodeError::Unsupported { .. }) && error.to_string().contains("8000×8000"),
        "{error}"
    );
    assert!(decode(&square(64)).is_err(), "there is nothing behind the header");
}

#[test]
fn what_reads_photos_through_the_image_crate_sees_the_same_picture() {
    hook::register();
    for name in ["lossy", "boxed", "clear"] {
        let reader = ImageReader::new(Cursor::new(fixture(&format!("{name}.jxl"))));
        let image = reader.with_guessed_format().unwrap().decode().unwrap();
        assert_eq!(image.into_rgb8(), photo(name).image, "{name}");
    }
    let cut = fixture("lossy.jxl")[..300].to_vec();
    assert!(ImageReader::new(Cursor::new(cut)).with_guessed_format().unwrap().decode().is_err());
}
