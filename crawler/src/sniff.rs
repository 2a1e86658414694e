//! What the first bytes of a body say of the photo: format and size, before the rest has come. Pure.

use imagesize::ImageType;
use photo::{FailureClass, Unread};

/// No photo's header is longer: EXIF, colour profile and preview of a JPEG together stay below 1 MB.
const MAX_HEADER_BYTES: usize = 1 << 20;
/// Enough to tell every format.
const MAGIC_BYTES: usize = 32;

/// What may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// The smallest width and height in pixels.
    pub min_side: u32,
    /// The most pixels.
    pub max_pixels: u64,
}

/// The first bytes of a body, until they have told enough.
#[derive(Debug, Default)]
pub struct Sniffer {
    head: Vec<u8>,
    next_try: usize,
    done: bool,
    size: Option<(u64, u64)>,
}

/// Why a body is not stored.
pub type Refusal = (FailureClass, String);

impl Sniffer {
    /// Looks at the next piece of the body.
    pub fn push(&mut self, piece: &[u8], limits: SizeLimits) -> Result<(), Refusal> {
        if self.done {
            return Ok(());
        }
        let room = MAX_HEADER_BYTES - self.head.len();
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        // Each try reads from the start; doubling keeps them few.
        if self.head.len() >= self.next_try.max(MAGIC_BYTES) {
            self.look(limits)?;
            self.next_try = self.head.len() * 2;
        }
        if self.head.len() == MAX_HEADER_BYTES {
            self.close(); // an image by its first bytes; whether it can be read is for the decoder to say
        }
        Ok(())
    }

    /// Width and height in pixels, as soon as they are known.
    pub fn size(&self) -> Option<(u64, u64)> {
        self.size
    }

    /// The body is complete.
    pub fn finish(mut self, limits: SizeLimits) -> Result<(), Refusal> {
        if self.done {
            return Ok(());
        }
        if self.head.is_empty() {
            return Err((FailureClass::NotAnImage, "the body is empty".into()));
        }
        self.look(limits)
    }

    fn look(&mut self, limits: SizeLimits) -> Result<(), Refusal> {
        check_format(&self.head)?;
        let Ok(size) = imagesize::blob_size(&self.head) else { return Ok(()) };
        self.size = Some((size.width as u64, size.height as u64));
        check_size(size.width as u64, size.height as u64, limits)?;
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        self.done = true;
        self.head = Vec::new();
    }
}

/// Whether a size that a gallery states, or a header, is within the limits.
pub fn check_size(width: u64, height: u64, limits: SizeLimits) -> Result<(), Refusal> {
    if width.min(height) < u64::from(limits.min_side) {
        let detail = format!("{width}×{height} px, but each side must have {} at least", limits.min_side);
        return Err((FailureClass::TooSmall, detail));
    }
    if width.saturating_mul(height) > limits.max_pixels {
        let detail = format!("{width}×{height} px are more than {} in all", limits.max_pixels);
        return Err((FailureClass::TooLarge, detail));
    }
    Ok(())
}

fn check_format(head: &[u8]) -> Result<(), Refusal> {
    if let Some(kind) = Unread::of(head) {
        return Err((FailureClass::Unsupported, kind.to_string()));
    }
    let refuse = |what: String| Err((FailureClass::NotAnImage, what));
    match kind_of(head) {
        Ok(()) => Ok(()),
        Err(Some(other)) => Err((FailureClass::Unsupported, format!("a format that is not read: {other}"))),
        Err(None) => refuse(format!("the body begins with {}", begin(head))),
    }
}

/// Whether the first bytes are those of a photo that can be read; else the format's name in lower case, where it is an
/// image.
pub(crate) fn kind_of(head: &[u8]) -> Result<(), Option<String>> {
    if let Some(kind) = Unread::of(head) {
        return Err(Some(kind.name().to_lowercase()));
    }
    match imagesize::image_type(head) {
        Ok(
            ImageType::Jpeg
            | ImageType::Png
            | ImageType::Webp
            | ImageType::Gif
            | ImageType::Bmp
            | ImageType::Tiff
            | ImageType::Jxl,
        ) => Ok(()),
        Ok(other) => {
            let name = format!("{other:?}").to_ascii_lowercase();
            Err(Some(
                name.split(|at: char| !at.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned(),
            ))
        }
        Err(_) => Err(None),
    }
}

/// The first bytes as people can read them.
fn begin(head: &[u8]) -> String {
    let head = &head[..head.len().min(16)];
    format!("`{}`", head.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SizeLimits = SizeLimits { min_side: 100, max_pixels: 1_000_000 };

    fn encoded(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn sniff(bytes: &[u8], piece: usize) -> Result<(), Refusal> {
        let mut sniffer = Sniffer::default();
        for piece in bytes.chunks(piece) {
            sniffer.push(piece, LIMITS)?;
        }
        sniffer.finish(LIMITS)
    }

    #[test]
    fn the_size_decides_whatever_the_format_and_the_pieces() {
        use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
        for format in [Jpeg, Png, WebP, Gif, Bmp, Tiff] {
            for piece in [1, 7, 100_000] {
                assert_eq!(sniff(&encoded(120, 100, format), piece), Ok(()), "{format:?}");
                let refusal = sniff(&encoded(120, 99, format), piece).unwrap_err();
                assert_eq!(refusal.0, FailureClass::TooSmall, "{format:?}");
                assert!(refusal.1.contains("120×99"));
            }
        }
    }

    #[test]
    fn a_small_photo_is_refused_by_its_first_kilobyte() {
        let bytes = encoded(90, 4000, image::ImageFormat::Jpeg);
        assert!(bytes.len() > 2000);
        assert_eq!(Sniffer::default().push(&bytes[..1000], LIMITS).unwrap_err().0, FailureClass::TooSmall);
    }

    #[test]
    fn what_is_no_image_is_told_by_its_first_bytes() {
        for body in
            [&b"<!DOCTYPE html><html><body>Not found, sorry</body>"[..], b"\0\0\0\0garbage", b"", b"x"]
        {
            assert_eq!(sniff(body, 1000).unwrap_err().0, FailureClass::NotAnImage);
        }
        assert!(sniff(b"<!DOCTYPE html>", 5).unwrap_err().1.contains("<!DOCTYPE"));
    }

    #[test]
    fn photos_of_kinds_that_are_not_read_are_told_by_name_with_what_to_do() {
        for (body, name) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic and more"[..], "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        ] {
            let (class, detail) = sniff(body, 1000).unwrap_err();
            assert_eq!(class, FailureClass::Unsupported, "{name}");
            assert!(detail.starts_with(name) && detail.contains("convert the photos to JPEG"), "{detail}");
        }
    }

    #[test]
    fn jpeg_xl_is_known_bare_and_in_boxes_with_its_size() {
        // 512 × 256 px: the height in nine bits, less one, then the ratio of 2 to 1 (ISO/IEC 18181-1, "SizeHeader").
        let header = 0x0AFF_u64 | 0xFF << 19 | 7 << 28;
        let codestream = &header.to_le_bytes()[..];
        let boxed =
            [b"\0\0\0\x0CJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl \0\0\0\x28jxlc", codestream, &[0; 24]]
                .concat();
        for body in [[codestream, &[0; 24]].concat(), boxed] {
            let mut sniffer = Sniffer::default();
            assert_eq!(sniffer.push(&body, LIMITS), Ok(()));
            assert_eq!(sniffer.size(), Some((512, 256)));
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut png = encoded(120, 120, image::ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 200, 0, 0, 0, 200, 0]); // 51200 × 51200
        assert_eq!(sniff(&png, 64).unwrap_err().0, FailureClass::TooLarge);
    }

    #[test]
    fn a_jpeg_that_breaks_off_after_its_header_is_left_to_the_decoder() {
        let bytes = encoded(400, 400, image::ImageFormat::Jpeg);
        assert_eq!(sniff(&bytes[..bytes.len() / 2], 512), Ok(()));
    }
}
