//! Bytes to upright photos, or to a clear refusal.

use std::io::Cursor;

use curate::decode::{DecodeError, MAX_PIXELS, header};
use curate::{DecodedPhoto, MinDecodeSize, decode, decode_for};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba};

const PROGRESSIVE: &[u8] = include_bytes!("../fixtures/progressive.jpg");
// 320×240 px of a scene like the one that `scene` draws, written by `fixtures/make_jpegs.py`.
const SUBSAMPLED: &[u8] = include_bytes!("../fixtures/subsampled.jpg");
const SUBSAMPLED_ALONG_X: &[u8] = include_bytes!("../fixtures/subsampled_along_x.jpg");
const WITH_RESTARTS: &[u8] = include_bytes!("../fixtures/with_restarts.jpg");
const PROGRESSIVE_LARGE: &[u8] = include_bytes!("../fixtures/progressive_large.jpg");
const CMYK: &[u8] = include_bytes!("../fixtures/cmyk.jpg");
const CMYK_WITHOUT_MARKER: &[u8] = include_bytes!("../fixtures/cmyk_without_adobe_marker.jpg");
const YCCK: &[u8] = include_bytes!("../fixtures/ycck.jpg");

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
fn assert_colour(photo: &DecodedPhoto, (x, y): (u32, u32), expected: [u8; 3], tolerance: u8) {
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

// The expected colours are those that went in; Pillow 13 reads the same from these files, give or take 3
// levels.
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

// Where the upper left (red), upper right (green), lower left (blue) and lower right (grey) quarters of the
// stored image go, by the EXIF 2.3 specification (row 0 and column 0 of the stored image lie where the tag
// says).
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
        // Without the end marker alone nothing is missing.
        for end in (0..bytes.len() - 2).step_by(bytes.len() / 150 + 1).chain([bytes.len() - 3]) {
            let refused = decode(&bytes[..end]);
            assert!(refused.is_err(), "{end} of {} bytes were taken as a whole photo", bytes.len());
        }
        let half = decode(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
        assert!(matches!(half, DecodeError::Truncated { .. }), "{half}");
        // bytes behind the end are harmless
        decode(&[&bytes, b"trailer".as_slice()].concat()).unwrap();
    }
}

/// JPEGs of every kind that is read.
fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("4:4:4", jpeg(&scene(640, 480), 92)),
        ("4:2:0", SUBSAMPLED.to_vec()),
        ("4:2:2", SUBSAMPLED_ALONG_X.to_vec()),
        ("restarts", WITH_RESTARTS.to_vec()),
        ("progressive", PROGRESSIVE_LARGE.to_vec()),
        ("small and progressive", PROGRESSIVE.to_vec()),
        ("inks", CMYK.to_vec()),
        ("inks as YCCK", YCCK.to_vec()),
    ]
}

/// Where the scan ends: the marker of the end is the last of the file.
fn without_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(&[0xFF, 0xD9]).expect("nothing stands behind the end")
}

#[test]
fn a_jpeg_that_lacks_nothing_but_its_end_marker_is_read_and_told() {
    for (name, whole) in jpegs() {
        let right = decode(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!right.facts.lacks_end);
        let cut = without_end(&whole);
        for bytes in [cut.to_vec(), [cut, &[0xFF]].concat(), [cut, &[0; 512]].concat()] {
            let photo = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(photo.facts.lacks_end, "{name}");
            assert!(photo.image == right.image, "{name}: the same pixels");
            let (reduced, right) = (decode_for(&bytes, HALF).unwrap(), decode_for(&whole, HALF).unwrap());
            assert!(reduced.image == right.image && reduced.facts.lacks_end, "{name}, reduced");
        }
    }
}

#[test]
fn a_jpeg_that_lacks_the_last_bytes_of_its_last_block_is_truncated() {
    for (name, whole) in jpegs() {
        let cut = without_end(&whole);
        // The last byte may hold nothing but the bits that fill it up, and a zero may belong to the byte
        // before it.
        for missing in [3, 5, 9, 20] {
            let bytes = &cut[..cut.len() - missing];
            let refused = decode(bytes).map(|_| ()).expect_err(name);
            assert!(matches!(refused, DecodeError::Truncated { .. }), "{name}, {missing} bytes: {refused}");
            assert!(decode_for(bytes, HALF).is_err(), "{name}, {missing} bytes, reduced");
        }
    }
}

#[test]
fn a_progressive_jpeg_without_its_last_scans_is_truncated() {
    for bytes in [PROGRESSIVE, PROGRESSIVE_LARGE] {
        let scans: Vec<usize> =
            bytes.windows(2).enumerate().filter(|(_, pair)| *pair == [0xFF, 0xDA]).map(|at| at.0).collect();
        assert!(scans.len() > 4);
        for &end in &scans[1..] {
            // Up to the tables of the scan, every scan before is whole.
            let tables = bytes[..end].windows(2).rposition(|pair| pair == [0xFF, 0xC4]).unwrap_or(end);
            for end in [end, tables.max(scans[0])] {
                let refused = decode(&bytes[..end]).map(|_| ()).expect_err("scans are missing");
                assert!(matches!(refused, DecodeError::Truncated { .. }), "{refused}");
            }
        }
    }
}

#[test]
fn a_progressive_jpeg_that_ends_before_its_last_bits_is_shown_by_what_there_is() {
    let whole = decode(PROGRESSIVE_LARGE).unwrap().image;
    let last = PROGRESSIVE_LARGE.windows(2).rposition(|pair| pair == [0xFF, 0xC4]).expect("a last table");
    let photo = decode(&[&PROGRESSIVE_LARGE[..last], &[0xFF, 0xD9]].concat()).unwrap();
    assert!(!photo.facts.lacks_end);
    let apart = whole.iter().zip(photo.image.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
    let apart = apart / whole.len() as f64;
    assert!(apart > 0.0 && apart < 3.0, "{apart} levels");
}

#[test]
fn a_component_without_a_scan_is_truncation() {
    let apart = include_bytes!("../fixtures/jpeg/apart.jpg");
    let last = apart.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).expect("a last scan");
    let refused = decode(&[&apart[..last], &[0xFF, 0xD9]].concat()).map(|_| ()).expect_err("blue is missing");
    assert!(matches!(refused, DecodeError::Truncated { .. }), "{refused}");
}

#[test]
fn bytes_between_the_last_block_and_the_end_are_harmless() {
    for bytes in [SUBSAMPLED, WITH_RESTARTS, PROGRESSIVE_LARGE] {
        let cut = without_end(bytes);
        let padded = [cut, &[0, 0, 0x12], &[0xFF, 0xD9]].concat();
        assert!(decode(&padded).unwrap().image == decode(bytes).unwrap().image);
    }
}

#[test]
fn thousands_of_scans_are_refused_by_name() {
    // A grey progressive block whose only AC code says that the block ends. Each coefficient has bits 13 to 0
    // in scans of their own, all of which are legal, and all of which come next.
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xFF, 0xC2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for class in [0x00, 0x10] {
        bytes.extend([0xFF, 0xC4, 0, 20, class, 1]);
        bytes.extend([0; 16]);
    }
    let scan = |first: u8, shifts: u8| [0xFF, 0xDA, 0, 8, 1, 1, 0, first, first, shifts, 0x7F];
    for coefficient in 0..64 {
        bytes.extend(scan(coefficient, 13));
        for low in (0..13).rev() {
            bytes.extend(scan(coefficient, (low + 1) << 4 | low));
        }
    }
    bytes.extend([0xFF, 0xD9]);
    let error = decode(&bytes).map(|_| ()).expect_err("896 scans");
    assert!(
        matches!(error, DecodeError::Unsupported { .. }) && error.to_string().contains("scans"),
        "{error}"
    );
    // Of some coefficients alone it is a photo.
    let some =
        bytes.windows(4).enumerate().filter(|(_, four)| *four == [0xFF, 0xDA, 0, 8]).nth(30).unwrap().0;
    assert!(decode(&[&bytes[..some], &[0xFF, 0xD9]].concat()).is_ok());
}

/// Soft shapes and some grain, so that there is much to decode and little that a smaller size could not show.
fn scene(width: u32, height: u32) -> RgbImage {
    let mut random = 7_u32;
    RgbImage::from_fn(width, height, |x, y| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (random >> 28) as f64;
        let wave = |k: f64| 120.0 + 80.0 * (f64::from(x) / (41.0 * k) + f64::from(y) / 67.0).sin() + grain;
        Rgb([wave(1.0) as u8, wave(1.7) as u8, wave(0.6) as u8])
    })
}

fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).unwrap();
    bytes
}

/// Half of the fixtures' size, and less of the larger pictures'.
const HALF: MinDecodeSize = MinDecodeSize { shorter_px: 100, longer_px: 150 };

#[test]
fn a_large_jpeg_is_decoded_at_the_smallest_size_that_is_enough() {
    let bytes = jpeg(&scene(1203, 902), 90);
    for (min_size, eighths, size) in [
        (1, 1, (151, 113)),
        (112, 1, (151, 113)),
        (113, 2, (301, 226)),
        (226, 4, (602, 451)),
        (452, 8, (1203, 902)),
    ] {
        let min_size = MinDecodeSize { shorter_px: min_size, longer_px: 1 };
        assert_eq!(header(&bytes, min_size).unwrap().scale_num, eighths, "{min_size:?}");
        let photo = decode_for(&bytes, min_size).unwrap();
        assert_eq!(photo.image.dimensions(), size, "{min_size:?}");
        assert_eq!((photo.facts.width, photo.facts.height), (1203, 902), "the facts are the photo's");
    }
    let png = encoded(scene(1203, 902), ImageFormat::Png);
    assert_eq!(decode_for(&png, HALF).unwrap().image.dimensions(), (1203, 902), "only a JPEG can be reduced");
}

/// The mean difference in levels between a reduced decode and the mean of each square of pixels of the whole
/// one.
fn apart(bytes: &[u8], min_size: MinDecodeSize) -> f64 {
    let (reduced, whole) = (decode_for(bytes, min_size).unwrap().image, decode(bytes).unwrap().image);
    let factor = whole.width().div_ceil(reduced.width());
    assert!(factor > 1);
    let (mut sum, mut count) = (0.0, 0);
    for (x, y, pixel) in reduced.enumerate_pixels() {
        if (x + 1) * factor > whole.width() || (y + 1) * factor > whole.height() {
            continue; // a square that reaches beyond the photo
        }
        for channel in 0..3 {
            let square = (0..factor * factor).map(|i| {
                f64::from(whole.get_pixel(x * factor + i % factor, y * factor + i / factor).0[channel])
            });
            sum += (square.sum::<f64>() / f64::from(factor * factor) - f64::from(pixel.0[channel])).abs();
            count += 1;
        }
    }
    sum / f64::from(count)
}

#[test]
fn a_reduced_photo_is_the_whole_one_made_smaller() {
    let grey = DynamicImage::from(scene(640, 480)).into_luma8();
    let mut grey_bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut grey_bytes).encode_image(&grey).unwrap();
    let files = [
        ("4:4:4", jpeg(&scene(640, 480), 92)),
        ("4:2:0", SUBSAMPLED.to_vec()),
        ("4:2:2", SUBSAMPLED_ALONG_X.to_vec()),
        ("restarts", WITH_RESTARTS.to_vec()),
        ("grey", grey_bytes),
        ("progressive", PROGRESSIVE_LARGE.to_vec()),
    ];
    for (name, bytes) in files {
        for eighths in [1, 2, 4] {
            let DecodedPhoto { facts, .. } = decode(&bytes).unwrap();
            let min_size =
                MinDecodeSize { shorter_px: facts.width.min(facts.height) * eighths / 8, longer_px: 1 };
            if name == "progressive" && header(&bytes, min_size).unwrap().scale_num < 8 {
                // Decoded whole where only libjpeg-turbo could reduce it.
                assert!(decode_for(&bytes, min_size).is_ok());
                continue;
            }
            let apart = apart(&bytes, min_size);
            assert!(apart < 1.5, "{name} at {eighths}/8: {apart} levels");
        }
    }
}

#[test]
fn a_reduced_photo_is_turned_upright_and_has_the_facts_of_the_whole_one() {
    let bytes = with_exif(&jpeg(&scene(1600, 1200), 90), 6);
    let min_size = MinDecodeSize { shorter_px: 600, longer_px: 1 };
    let (reduced, whole) = (decode_for(&bytes, min_size).unwrap(), decode(&bytes).unwrap());
    assert_eq!(reduced.image.dimensions(), (600, 800));
    assert_eq!((reduced.facts.width, reduced.facts.height, reduced.facts.orientation), (1200, 1600, 6));
    let ratio = reduced.facts.sharpness / whole.facts.sharpness;
    assert!(
        (0.9..1.1).contains(&ratio),
        "sharpness {} and {}",
        reduced.facts.sharpness,
        whole.facts.sharpness
    );
    assert!((reduced.facts.brightness - whole.facts.brightness).abs() < 0.002);
    let hash = |photo: &DecodedPhoto| {
        photo.facts.perceptual_hash.parse::<curate::pixels::hash::PerceptualHash>().unwrap()
    };
    assert!(hash(&reduced).distance(hash(&whole)) <= 1);
}

/// Cuts `share` of the bytes out of the scan, in the middle; the end-of-image marker stays.
fn without_middle(bytes: &[u8], from: f64, share: f64) -> Vec<u8> {
    let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
    let place = |share: f64| scan + ((bytes.len() - scan) as f64 * share) as usize;
    [&bytes[..place(from)], &bytes[place(from + share)..]].concat()
}

#[test]
fn a_jpeg_whose_middle_was_cut_out_is_refused_whole_and_reduced() {
    for (name, bytes) in [
        ("4:4:4", jpeg(&scene(640, 480), 92)),
        ("4:2:0", SUBSAMPLED.to_vec()),
        ("restarts", WITH_RESTARTS.to_vec()),
    ] {
        decode(&bytes).unwrap();
        for step in 0..12 {
            let (from, share) = (0.05 + 0.06 * f64::from(step), 0.1 + 0.01 * f64::from(step));
            let cut = without_middle(&bytes, from, share);
            assert!(decode(&cut).is_err(), "{name}: {share} at {from} is missing and was not noticed");
            assert!(decode_for(&cut, HALF).is_err(), "{name}: {share} at {from}, reduced");
        }
    }
}

#[test]
fn a_reduced_decode_refuses_what_a_whole_one_refuses() {
    let bytes = jpeg(&scene(640, 480), 92);
    for end in (0..bytes.len()).step_by(bytes.len() / 60) {
        assert!(decode_for(&bytes[..end], HALF).is_err(), "{end} of {} bytes", bytes.len());
    }
    let mut random = 3_u64;
    let (mut refused_by_one, mut refused_by_both) = (0, 0);
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = 700 + (random >> 33) as usize % (damaged.len() - 700);
        damaged[at] = (random >> 24) as u8;
        match (decode(&damaged).is_err(), decode_for(&damaged, HALF).is_err()) {
            (true, true) => refused_by_both += 1,
            // A reduced photo that passes has to pass whole, too: it may be kept, and is then decoded whole.
            (true, false) => refused_by_one += 1,
            _ => {}
        }
    }
    assert_eq!(refused_by_one, 0, "beside {refused_by_both} that both refuse");
    assert!(refused_by_both > 0, "some of this damage shows");
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
    for (start, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
    ] {
        let error = decode(start).unwrap_err();
        assert!(matches!(error, DecodeError::Unread(_)) && error.to_string().starts_with(name), "{error}");
    }
    assert!(decode(&[0xFF, 0xD8, 0xFF]).is_err());
    assert!(decode(&[0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF, 0, 0]).is_err());
}
