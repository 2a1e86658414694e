//! Photos of every kind with everything in them that must not leave, and a snapshot of them.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use photo::{Affine, Digest};
use snapshot::{IdentityRows, MeasurementRow, PhotoRow, Snapshot};

use super::{SIZE_PX, dropped, kept, spec, write};

/// Texts that stand in the metadata of the photos, and nowhere else.
pub const SECRETS: [&str; 9] = [
    "Exif",
    "S3CRET-GPS",
    "ns.adobe.com",
    "Photoshop 3.0",
    "S3CRET-COMMENT",
    "S3CRET-THUMB",
    "S3CRET-FILM",
    "MPF\0",
    "S3CRET-TEXT",
];

/// What photos are taken of: no two pixels beside each other are alike.
pub fn pixels(seed: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let level = |k: u32| ((x * (k + seed) * 5) ^ (y * (7 + k) + seed * 31)) as u8;
        Rgb([level(1), level(2), level(3)])
    })
}

/// A profile of RGB as far as its header goes: nobody here converts by it.
pub fn profile() -> Vec<u8> {
    let mut profile = vec![0; 132];
    profile[16..20].copy_from_slice(b"RGB ");
    profile
}

/// EXIF with an orientation and a place, from its TIFF header on (TIFF 6.0; EXIF 2.32, section 4.6.6).
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2A\0\0\0\x08\0\x02".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]); // Orientation, SHORT
    exif.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38]); // GPSInfo, LONG
    exif.extend([0, 0, 0, 0]);
    exif.extend([0, 1, 0, 0x1B, 0, 2, 0, 0, 0, 11, 0, 0, 0, 56, 0, 0, 0, 0]); // GPSProcessingMethod
    exif.extend(b"S3CRET-GPS\0");
    exif
}

pub fn jpeg_segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &((content.len() + 2) as u16).to_be_bytes()[..], content].concat()
}

/// A JPEG with everything: a thumbnail, EXIF, XMP, a profile, a second picture, IPTC, a comment, and a film
/// behind it.
pub fn jpeg(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut plain = Vec::new();
    image.write_to(&mut Cursor::new(&mut plain), ImageFormat::Jpeg).unwrap();
    // Behind the start marker stands JFIF's segment of 18 bytes.
    assert_eq!(&plain[..11], b"\xFF\xD8\xFF\xE0\0\x10JFIF\0");
    let jfif = [&plain[6..18], &[1, 4], b"S3CRET-THUMB"].concat();
    [
        b"\xFF\xD8".to_vec(),
        jpeg_segment(0xE0, &jfif),
        jpeg_segment(0xE1, &[b"Exif\0\0", &exif(orientation)[..]].concat()),
        jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>S3CRET-TEXT</x:xmpmeta>"),
        jpeg_segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", &profile()[..]].concat()),
        jpeg_segment(0xE2, b"MPF\0S3CRET-FILM"),
        jpeg_segment(0xEB, b"JP S3CRET-TEXT content credentials"),
        jpeg_segment(0xED, b"Photoshop 3.0\08BIM S3CRET-TEXT"),
        jpeg_segment(0xFE, b"S3CRET-COMMENT"),
        plain[20..].to_vec(),
        b"S3CRET-FILM".to_vec(),
    ]
    .concat()
}

pub fn png_chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    // Readers of the tests do not look at checksums of chunks that they skip; the others' come from the
    // encoder.
    let mut table = [0u32; 256];
    for (i, entry) in table.iter_mut().enumerate() {
        *entry = (0..8).fold(i as u32, |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 });
    }
    let crc = kind
        .iter()
        .chain(content)
        .fold(!0u32, |crc, &byte| table[((crc ^ u32::from(byte)) & 0xFF) as usize] ^ (crc >> 8));
    [&(content.len() as u32).to_be_bytes()[..], kind, content, &(!crc).to_be_bytes()].concat()
}

/// A PNG with a profile, EXIF, a text, a private chunk, and a text behind its end.
pub fn png(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut plain);
    encoder.set_icc_profile(profile()).unwrap();
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    let header = 8 + 25;
    [
        plain[..header].to_vec(),
        png_chunk(b"eXIf", &exif(orientation)),
        png_chunk(b"tEXt", b"Comment\0S3CRET-TEXT"),
        png_chunk(b"prVt", b"S3CRET-TEXT"),
        plain[header..].to_vec(),
        b"S3CRET-FILM".to_vec(),
    ]
    .concat()
}

/// A WebP with a profile, EXIF and XMP.
pub fn webp(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut plain = Vec::new();
    image.write_to(&mut Cursor::new(&mut plain), ImageFormat::WebP).unwrap();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let padding = &[0][..content.len() % 2];
        [kind, &(content.len() as u32).to_le_bytes()[..], content, padding].concat()
    };
    let side = |px: u32| (px - 1).to_le_bytes()[..3].to_vec();
    let flags = [0b0010_1100, 0, 0, 0]; // profile, EXIF, XMP
    let extended = [flags.to_vec(), side(image.width()), side(image.height())].concat();
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &extended),
        chunk(b"ICCP", &profile()),
        plain[12..].to_vec(),
        chunk(b"EXIF", &exif(orientation)),
        chunk(b"XMP ", b"http://ns.adobe.com/xap/1.0/ S3CRET-TEXT"),
    ]
    .concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

pub fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// A snapshot of photos whose files lie beside it.
pub struct Gallery {
    folder: tempfile::TempDir,
    pub snapshot: Snapshot,
}

impl Gallery {
    /// Six people; the photos of each are of all kinds, the second one on its side.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = folder.path().join("blobs");
        fs::create_dir_all(&blobs).unwrap();
        let people = ["demo/anna-berg", "demo/Жанна", "demo/carl", "demo/eva", "demo/finn", "demo/gil"];
        let rows = people.iter().enumerate().map(|(person, identity)| {
            let photos: Vec<PhotoRow> = (0..7).map(|i| photo(&blobs, identity, person * 7 + i)).collect();
            let measured = |row: &PhotoRow| MeasurementRow {
                sha256: row.sha256,
                kind: "image".into(),
                probe: Digest::of("decoder"),
                value: "{}".into(),
            };
            let measurements = photos.iter().map(measured).collect();
            let dropped = (0..2).map(|i| dropped(identity, i)).collect();
            let identity = (*identity).to_owned();
            IdentityRows { identity, photos, dropped, measurements, ..IdentityRows::default() }
        });
        let written = write(&folder.path().join("snapshots"), spec(), rows.collect(), 7);
        let snapshot = Snapshot::open(&written.path).unwrap();
        Self { folder, snapshot }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the file of a photo is.
    pub fn original(&self, sha256: Digest) -> PathBuf {
        self.path().join("blobs").join(sha256.to_string())
    }

    /// The pixels of a photo, upright, as its file has them.
    pub fn upright(&self, sha256: Digest) -> DynamicImage {
        use image::ImageDecoder;
        let bytes = fs::read(self.original(sha256)).unwrap();
        let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        let orientation = decoder.orientation().unwrap();
        let mut image = DynamicImage::from_decoder(decoder).unwrap();
        image.apply_orientation(orientation);
        image
    }
}

fn photo(blobs: &Path, identity: &str, number: usize) -> PhotoRow {
    let (width, height) = (40 + number as u32, 56);
    let image = pixels(number as u32, width, height);
    let (bytes, is_turned) = match number % 7 {
        0 => (jpeg(&image, 1), false),
        1 => (jpeg(&image, 6), true),
        2 => (png(&image, 1), false),
        3 => (png(&image, 8), true),
        4 => (webp(&image, 1), false),
        5 => (webp(&image, 5), true),
        _ => (encoded(&image, ImageFormat::Bmp), false),
    };
    let sha256 = Digest::of(&bytes);
    fs::write(blobs.join(sha256.to_string()), bytes).unwrap();
    let (width, height) = if is_turned { (height, width) } else { (width, height) };
    let affine = Affine::scale_then_shift(SIZE_PX as f64 / 56.0, SIZE_PX as f64 / 56.0, 0.5, 0.0);
    let mut row = kept(identity, number);
    row.url = format!("http://ann:S3CRET-PASS@gallery.test/{number}.jpg?token=S3CRET-PASS&w=3");
    row.caption = (!number.is_multiple_of(3)).then(|| format!("{identity}\n in \"the park\" & {number}"));
    row.joints = row.joints_in_photo.mapped(&affine);
    PhotoRow { sha256, width, height, affine, ..row }
}
