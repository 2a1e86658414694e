//! JPEG, PNG and WebP without metadata, pixels untouched: EXIF with its GPS position and thumbnail, XMP,
//! IPTC, comments, content credentials, second pictures and films behind the first one.
//!
//! What is kept is listed, not what is dropped, so that a kind of block that nobody has heard of does not
//! leave. Colour profiles are kept, since without them the numbers mean other colours. `None`: the file is
//! not built as its format asks; it is decoded and written anew instead.

/// Markers of JPEG (ITU-T T.81, table B.1), second byte; the first is 0xFF.
mod marker {
    pub const RESTARTS: std::ops::RangeInclusive<u8> = 0xD0..=0xD7;
    pub const START: u8 = 0xD8;
    pub const END: u8 = 0xD9;
    pub const SCAN: u8 = 0xDA;
    pub const APP0: u8 = 0xE0;
    pub const APP2: u8 = 0xE2;
    pub const APP14: u8 = 0xEE;
}

/// The length of JFIF's APP0 without a thumbnail, and of Adobe's APP14 (T.872, 6.5.2 and 6.5.3).
const JFIF_BYTES: usize = 14;
const ADOBE_BYTES: usize = 12;

/// A JPEG without any segment that is not needed to decode it. It ends with its end marker, also where the
/// file lacked it.
pub(super) fn jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[0xFF, marker::START])?;
    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend([0xFF, marker::START]);
    let mut has_scan = false;
    loop {
        match rest {
            [0xFF, 0xFF, ..] => rest = &rest[1..], // fill bytes
            [0xFF, marker::END, ..] => break,
            [] if has_scan => break,
            [0xFF, 0xD0..=0xD8, ..] => return None, // a restart or a beginning where none belongs
            [0xFF, marker, high, low, behind @ ..] if *marker >= 0xC0 => {
                let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
                let (content, after) = behind.split_at_checked(length)?;
                segment(&mut clean, *marker, content);
                rest = after;
                if *marker == marker::SCAN {
                    has_scan = true;
                    let (scan, after) = after.split_at(scan_bytes(after));
                    clean.extend(scan);
                    rest = after;
                }
            }
            _ => return None,
        }
    }
    clean.extend([0xFF, marker::END]);
    has_scan.then_some(clean)
}

/// The length of a scan's entropy-coded data: up to the next marker that is no restart.
fn scan_bytes(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|&byte| byte == 0xFF) {
        at += found;
        match bytes.get(at + 1) {
            Some(0x00) => at += 2,
            Some(marker) if marker::RESTARTS.contains(marker) => at += 2,
            Some(0xFF) => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

/// Writes a segment as far as decoders need it.
fn segment(clean: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let mut write = |content: &[u8]| {
        clean.extend([0xFF, marker]);
        clean.extend(((content.len() + 2) as u16).to_be_bytes());
        clean.extend(content);
    };
    match marker {
        marker::APP0 if content.starts_with(b"JFIF\0") && content.len() >= JFIF_BYTES => {
            // Density stays; the thumbnail, whose size stands in the last two bytes, goes.
            write(&[&content[..JFIF_BYTES - 2], &[0, 0]].concat());
        }
        marker::APP2 if content.starts_with(b"ICC_PROFILE\0") => write(content),
        // Says whether the numbers are YCbCr, RGB or inks.
        marker::APP14 if content.starts_with(b"Adobe") && content.len() >= ADOBE_BYTES => {
            write(&content[..ADOBE_BYTES]);
        }
        0xE0..=0xFE => {} // other applications' data, reserved, comments
        _ => write(content),
    }
}

const PNG_SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// What of a PNG says what its pixels look like (PNG, third edition, section 5.6).
const PNG_KEPT: [&[u8; 4]; 15] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"pHYs",
];

/// A PNG without texts, times, EXIF, animation and private chunks.
pub(super) fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&PNG_SIGNATURE)?;
    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend(PNG_SIGNATURE);
    loop {
        let (&length, after) = rest.split_first_chunk::<4>()?;
        let kind = after.first_chunk::<4>()?;
        // length, kind and checksum are no part of the content
        let whole = (u32::from_be_bytes(length) as usize).checked_add(12)?;
        let (chunk, after) = rest.split_at_checked(whole)?;
        if PNG_KEPT.contains(&kind) {
            clean.extend(chunk);
        }
        if kind == b"IEND" {
            return Some(clean);
        }
        rest = after;
    }
}

/// Bits of the flags in VP8X (RFC 9649, section 2.7).
const WEBP_EXIF: u8 = 1 << 3;
const WEBP_XMP: u8 = 1 << 2;
const WEBP_ANIMATION: u8 = 1 << 1;

/// A WebP that is no animation, without EXIF, XMP and unknown chunks.
pub(super) fn webp(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(b"RIFF")?;
    let (&length, rest) = rest.split_first_chunk::<4>()?;
    // What stands behind the container is no part of it.
    let mut rest = rest.get(..u32::from_le_bytes(length) as usize)?.strip_prefix(b"WEBP")?;
    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend(b"RIFF\0\0\0\0WEBP");
    let mut has_pixels = false;
    while !rest.is_empty() {
        let kind = rest.first_chunk::<4>()?;
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk::<4>()?) as usize;
        let (content, _) = rest.get(8..)?.split_at_checked(length)?;
        let padded = length.checked_add(length % 2)?.checked_add(8)?;
        let after = rest.get(padded..).unwrap_or_default(); // the last padding is left out by some writers
        match kind {
            b"VP8X" => {
                let mut flags = content.to_vec();
                let first = flags.first_mut()?;
                if *first & WEBP_ANIMATION != 0 {
                    return None;
                }
                *first &= !(WEBP_EXIF | WEBP_XMP);
                webp_chunk(&mut clean, kind, &flags);
            }
            b"VP8 " | b"VP8L" if !has_pixels => {
                webp_chunk(&mut clean, kind, content);
                has_pixels = true;
            }
            b"ICCP" | b"ALPH" => webp_chunk(&mut clean, kind, content),
            _ => {}
        }
        rest = after;
    }
    let length = u32::try_from(clean.len() - 8).ok()?;
    clean[4..8].copy_from_slice(&length.to_le_bytes());
    has_pixels.then_some(clean)
}

fn webp_chunk(clean: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    clean.extend(kind);
    clean.extend((content.len() as u32).to_le_bytes());
    clean.extend(content);
    if content.len() % 2 == 1 {
        clean.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment_bytes(marker: u8, content: &[u8]) -> Vec<u8> {
        [&[0xFF, marker], &((content.len() + 2) as u16).to_be_bytes()[..], content].concat()
    }

    #[test]
    fn segments_between_scans_go_restarts_and_stuffing_stay_and_a_missing_end_is_added() {
        let table = segment_bytes(0xC4, b"table");
        let scan = [segment_bytes(0xDA, b"first"), b"\x12\xFF\x00\x34\xFF\xD3\x56".to_vec()].concat();
        let second = [segment_bytes(0xDA, b"second"), b"\x78\xFF\x00".to_vec()].concat();
        let exif = segment_bytes(0xE1, b"Exif\0\0where");
        let full = [b"\xFF\xD8", &exif[..], &table, &scan, b"\xFF", &exif, &table, &second].concat();
        let clean = [b"\xFF\xD8", &table[..], &scan, &table, &second, b"\xFF\xD9"].concat();
        // The stray 0xFF before a marker is a fill byte, which belongs to the scan's data as well as to the marker.
        let filled = [b"\xFF\xD8", &table[..], &scan, b"\xFF", &table, &second, b"\xFF\xD9"].concat();
        assert_eq!(jpeg(&full).unwrap(), filled);
        assert_eq!(jpeg(&clean).unwrap(), clean, "what is clean stays as it is");
        assert_eq!(jpeg(&[&clean[..], b"film"].concat()).unwrap(), clean);
    }

    #[test]
    fn files_that_are_cut_or_built_otherwise_are_left_to_the_decoder() {
        let jpeg_file = [b"\xFF\xD8".to_vec(), segment_bytes(0xDB, b"table")].concat();
        for length in 0..=jpeg_file.len() {
            assert_eq!(jpeg(&jpeg_file[..length]), None, "without a scan, {length} bytes");
        }
        let mut png_file = PNG_SIGNATURE.to_vec();
        png_file.extend(b"\0\0\0\x01IHDR!crc1\0\0\0\0IENDcrc2");
        assert_eq!(png(&png_file).as_ref(), Some(&png_file));
        for length in 0..png_file.len() {
            assert_eq!(png(&png_file[..length]), None, "{length} bytes");
        }
        let animation = b"RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\0\0\0\0\0\0";
        assert_eq!(webp(animation), None);
        let lossless = b"RIFF\x10\0\0\0WEBPVP8L\x03\0\0\0abc\0";
        assert_eq!(webp(lossless).as_deref(), Some(&lossless[..]));
        for length in 0..lossless.len() {
            assert_eq!(webp(&lossless[..length]), None, "{length} bytes");
        }
    }
}
