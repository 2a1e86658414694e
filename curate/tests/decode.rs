//! Bytes to upright photos, or to a clear refusal.

use std::io::Cursor;

use curate::decode::{DecodeError, MAX_PIXELS};
use curate::{Photo, decode};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba};

const PROGRESSIVE: &[u8] = include_bytes!("fixtures/progressive.jpg");
const CMYK: &[u8] = include_bytes!("fixtures/cmyk.jpg");
const CMYK_WITHOUT_MARKER: &[u8] = include_bytes!("fixtures/cmyk_without_adobe_marker.jpg");
const YCCK: &[u8] = include_bytes!("fixtures/ycck.jpg");

/// The colours of the fixtures' quarters, at the quarters' centres.
const QUARTERS: [((u32, u32), [u8; 3]); 4] = [
    ((8, 8), [230, 40, 30]),
    ((24, 8), [40, 200, 60]),
    ((8, 24), [30, 60, 220]),
    ((24, 24), [128, 128, 128]),
];

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A photo with enough detail that its JPEG has many blocks.
fn waves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |k: u32| (127.0 + 90.0 * (f64::from(x * k + y * (4 - k)) / 17.0).sin()) as u8;
        Rgb([wave(1), wave(2), wave(3)])
    })
}

#[track_caller]
fn assert_colour(photo: &Photo, (x, y): (u32, u32), expected: [u8; 3], tolerance: u8) {
    let found = photo.image.get_pixel(x, y).0;
    let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= tolerance);
    assert!(near, "at {x}, {y}: {found:?}, expected {expected:?}");
}

#[test]
fn every_format_is_known_by_its_bytes() {
    let image = waves(40, 30);
    let formats = [
        (ImageFormat::Png, "png"),
        (ImageFormat::Jpeg, "jpeg"),
        (ImageFormat::WebP, "webp"),
        (ImageFormat::Gif, "gif"),
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::Tiff, "tiff"),
    ];
    for (format, name) in formats {
        let photo = decode(&encoded(image.clone(), format)).unwrap();
        assert_eq!((photo.facts.format.as_str(), photo.facts.width, photo.facts.height), (name, 40, 30));
        assert_eq!(photo.facts.orientation, 1);
    }
}

// The expected colours are those that went in; Pillow 13 reads the same from these files, give or take 3 levels.
#[test]
fn cmyk_is_converted_with_and_without_adobes_marker() {
    for (name, bytes) in
        [("cmyk", CMYK), ("without marker", CMYK_WITHOUT_MARKER), ("ycck", YCCK), ("rgb", PROGRESSIVE)]
    {
        let photo = decode(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (at, colour) in QUARTERS {
            println!("{name}");
            assert_colour(&photo, at, colour, 4);
        }
    }
}

#[test]
fn grey_16_bit_and_transparent_files_become_rgb_over_white() {
    let grey = ImageBuffer::<Luma<u8>, _>::from_pixel(4, 4, Luma([77]));
    assert_colour(&decode(&encoded(grey, ImageFormat::Png)).unwrap(), (1, 1), [77; 3], 0);
    let deep = ImageBuffer::<Rgb<u16>, _>::from_pixel(4, 4, Rgb([65_535, 32_896, 257]));
    assert_colour(&decode(&encoded(deep, ImageFormat::Png)).unwrap(), (1, 1), [255, 128, 1], 0);
    let clear = ImageBuffer::<Rgba<u8>, _>::from_pixel(4, 4, Rgba([10, 20, 30, 0]));
    assert_colour(&decode(&encoded(clear, ImageFormat::Png)).unwrap(), (1, 1), [255; 3], 0);
    let half = ImageBuffer::<Rgba<u16>, _>::from_pixel(4, 4, Rgba([0, 0, 65_535, 32_896]));
    assert_colour(&decode(&encoded(half, ImageFormat::Png)).unwrap(), (1, 1), [127, 127, 255], 0);
    let grey_half = ImageBuffer::<LumaA<u8>, _>::from_pixel(4, 4, LumaA([0, 128]));
    assert_colour(&decode(&encoded(grey_half, ImageFormat::Png)).unwrap(), (1, 1), [127; 3], 0);
}

/// An EXIF block that holds nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II\x2A\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    tiff
}

fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let payload = [b"Exif\0\0".as_slice(), &exif(orientation)].concat();
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &payload, &jpeg[2..]].concat()
}

// Where the upper left (red), upper right (green), lower left (blue) and lower right (grey) quarters of the stored image
// go, by the EXIF 2.3 specification (row 0 and column 0 of the stored image lie where the tag says).
#[test]
fn each_of_the_eight_exif_orientations_is_applied() {
    let [red, green, blue, grey] = QUARTERS.map(|(_, colour)| colour);
    let upright = [
        [red, green, blue, grey],
        [green, red, grey, blue],
        [grey, blue, green, red],
        [blue, grey, red, green],
        [red, blue, green, grey],
        [blue, red, grey, green],
        [grey, green, blue, red],
        [green, grey, red, blue],
    ];
    for (orientation, colours) in (1..).zip(upright) {
        let photo = decode(&with_exif(PROGRESSIVE, orientation)).unwrap();
        assert_eq!(photo.facts.orientation, orientation);
        for ((at, _), colour) in QUARTERS.into_iter().zip(colours) {
            assert_colour(&photo, at, colour, 4);
        }
    }
    let wide = with_exif(&encoded(waves(40, 30), ImageFormat::Jpeg), 6);
    assert_eq!(decode(&wide).unwrap().image.dimensions(), (30, 40));
    let nonsense = with_exif(PROGRESSIVE, 77);
    assert_eq!(decode(&nonsense).unwrap().facts.orientation, 1);
}

#[test]
fn a_jpeg_cut_anywhere_is_refused() {
    for bytes in
        [encoded(waves(200, 160), ImageFormat::Jpeg), PROGRESSIVE.to_vec(), with_exif(PROGRESSIVE, 6)]
    {
        decode(&bytes).unwrap();
        for end in (0..bytes.len()).step_by(bytes.len() / 150 + 1).chain([bytes.len() - 1, bytes.len() - 2]) {
            let refused = decode(&bytes[..end]);
            assert!(refused.is_err(), "{end} of {} bytes were taken as a whole photo", bytes.len());
        }
        let half = decode(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
        assert!(matches!(half, DecodeError::Truncated { .. }), "{half}");
        // bytes behind the end are harmless
        decode(&[&bytes, b"trailer".as_slice()].concat()).unwrap();
    }
}

#[test]
fn other_formats_cut_short_are_refused() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff]
    {
        let bytes = encoded(waves(120, 90), format);
        for share in [0.2, 0.5, 0.9] {
            let end = (bytes.len() as f64 * share) as usize;
            let refused = decode(&bytes[..end]);
            assert!(
                refused.is_err(),
                "{format:?}: {end} of {} bytes were taken as a whole photo",
                bytes.len()
            );
        }
    }
}

#[test]
fn damaged_bytes_never_panic_and_never_give_another_size() {
    let formats =
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff];
    let mut random = 1_u64;
    for bytes in
        formats.map(|format| encoded(waves(60, 50), format)).into_iter().chain([PROGRESSIVE.to_vec()])
    {
        for _ in 0..200 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 33) as usize % damaged.len();
                damaged[at] = (random >> 24) as u8;
            }
            if let Ok(photo) = decode(&damaged) {
                assert_eq!(photo.image.dimensions(), (photo.facts.width, photo.facts.height));
            }
        }
    }
}

#[test]
fn a_decompression_bomb_is_refused_before_it_unfolds() {
    // A PNG whose header declares 60,000 × 60,000 px; the checksum of the header is right.
    let mut png = encoded(waves(8, 8), ImageFormat::Png);
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    let error = decode(&png).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyPixels { width: 60_000, height: 60_000, .. }), "{error}");
    assert!(error.to_string().contains(&MAX_PIXELS.to_string()), "{error}");

    // A JPEG whose frame header declares 65,500 × 65,500 px.
    let mut jpeg = encoded(waves(8, 8), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let error = decode(&jpeg).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyPixels { width: 65_500, .. }), "{error}");

    // 16-bit RGBA of 90 megapixels has few enough pixels, but 720 MB.
    let mut deep = encoded(ImageBuffer::<Rgba<u16>, _>::new(8, 8), ImageFormat::Png);
    deep[16..20].copy_from_slice(&9_000_u32.to_be_bytes());
    deep[20..24].copy_from_slice(&10_000_u32.to_be_bytes());
    let sum = crc32(&deep[12..29]);
    deep[29..33].copy_from_slice(&sum.to_be_bytes());
    let error = decode(&deep).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyBytes { .. }), "{error}");
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 },
        )
    })
}

#[test]
fn what_is_no_image_is_refused_with_its_first_bytes() {
    assert!(matches!(decode(&[]), Err(DecodeError::Empty)));
    let error = decode(b"<!doctype html><html>").unwrap_err().to_string();
    assert!(error.contains("3c 21 64 6f"), "{error}");
    assert!(decode(&[0xFF, 0xD8, 0xFF]).is_err());
    assert!(decode(&[0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF, 0, 0]).is_err());
}
