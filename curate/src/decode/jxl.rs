//! JPEG XL, by jxl-oxide, which gets nothing but the codestream: the boxes around it may hold packed metadata,
//! of which a few kilobytes unpack to gigabytes.
//!
//! Stricter than jxl-oxide, which shows what has come of a file so far. Colours are converted from the profile
//! that the decoder gives its samples in; the orientation is of the codestream and is applied already.

use std::borrow::Cow;

use image::{DynamicImage, ImageBuffer, Pixel};
use jxl_bitstream::Bitstream;
use jxl_oxide::{
    AllocTracker, ExtraChannelType, Frame, FrameBufferSample, ImageHeader, InitializeResult, JxlImage,
    JxlThreadPool, PixelFormat, Render,
};
use jxl_oxide_common::Bundle;

use super::colour::Colours;
use super::error::{DecodeError, check_size};

pub(super) const FORMAT: &str = "jxl";

/// What a codestream begins with, and what boxes do.
const BARE: &[u8] = b"\xFF\x0A";
const BOXED: &[u8] = b"\0\0\0\x0CJXL \r\n\x87\n";

/// What a file begins with.
pub(super) const STARTS: [&[u8]; 2] = [BARE, BOXED];

/// The decoder's memory for each pixel of a channel: a sample of four bytes, and a copy while filters run.
const BYTES_PER_SAMPLE: u64 = 8;

/// The most bytes that the decoder may take for samples, as much as all decoded photos may take together. More
/// than for other formats, whose decoders need no copies: 44 megapixels of three channels.
const MAX_SAMPLE_BYTES: u64 = 1 << 30;

/// Where the decoder itself gives up: a picture at the limit above also takes some for what is not samples.
const TRACKED_BYTES: u64 = MAX_SAMPLE_BYTES + MAX_SAMPLE_BYTES / 4;

/// The most bytes of a packed profile. Those of cameras and printers have at most some 2 MB; the decoder would
/// unpack 256 MiB, which a few bytes can ask for.
const MAX_PROFILE_BYTES: u64 = 4 << 20;

/// The most frames of a file, animations among them: each takes memory before the first is shown, and may have
/// as few as 7 bytes.
const MAX_FILE_FRAMES: usize = 1000;

/// After as many bytes, frames are counted.
const PIECE_BYTES: usize = 64 << 10;

/// The most frames that may be laid over each other before there is a picture: photos have one, and a few
/// whose parts are repeated. Each takes as long as a picture.
const MAX_FRAMES: usize = 8;

/// How many times its own area a frame may be painted with parts of others.
const MAX_PAINTED: u64 = 4;

/// The first bytes that are looked for a header in; each time it is not complete, twice as many are.
const HEADER_BYTES: usize = 256;

/// Whether a file is one.
pub(super) fn is(bytes: &[u8]) -> bool {
    STARTS.iter().any(|start| bytes.starts_with(start))
}

/// Width, height and the memory for each pixel, upright and within the limits; nothing is decoded.
pub(super) fn header(bytes: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    let codestream = codestream(bytes)?;
    let (image, _) = begin(&codestream)?;
    let output = 2 * image.pixel_format().channels() as u64; // of 16 bits, at most
    Ok((image.width(), image.height(), BYTES_PER_SAMPLE * channels(&image) + output))
}

/// Decodes the first picture to what the file says of its colours.
pub(super) fn decode(bytes: &[u8]) -> Result<(DynamicImage, Colours), DecodeError> {
    let codestream = codestream(bytes)?;
    let (mut image, begun) = begin(&codestream)?;
    for piece in codestream[begun..].chunks(PIECE_BYTES) {
        image.feed_bytes(piece).map_err(|error| damaged(&*error))?;
        if image.num_loaded_frames() > MAX_FILE_FRAMES {
            return Err(unsupported(format!("more than {MAX_FILE_FRAMES} frames")));
        }
    }
    if !image.is_loading_done() {
        return Err(truncated());
    }
    check_kind(&image)?;
    check_work(&image)?;
    let colours = match image.hdr_type() {
        Some(_) => Colours::Unusable("its high dynamic range is not converted".to_owned()),
        None => Colours::of_profile(&profile(&image)),
    };
    let render = image.render_frame(0).map_err(|error| damaged(&*error))?;
    let is_deep = image.image_header().metadata.bit_depth.bits_per_sample() > 8;
    let picture = picture(&render, image.pixel_format(), is_deep);
    Ok((picture.ok_or_else(|| unsupported("samples that make no picture".to_owned()))?, colours))
}

/// The profile of the samples: the file's own, unless its colours are stored in XYB, of which the decoder makes
/// others that it describes itself.
fn profile(image: &JxlImage) -> Cow<'_, [u8]> {
    let own = image.original_icc().filter(|_| !image.image_header().metadata.xyb_encoded);
    own.map_or_else(|| Cow::Owned(image.rendered_icc()), Cow::Borrowed)
}

/// The codestream of a file, without the boxes around it. Boxes within boxes are none: the decoder would unpack
/// what is in them.
fn codestream(file: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let codestream = if file.starts_with(BOXED) { unboxed(file)? } else { Cow::Borrowed(file) };
    if codestream.starts_with(BARE) {
        Ok(codestream)
    } else if BARE.starts_with(&codestream) {
        Err(truncated())
    } else {
        let detail = "what its boxes hold is no codestream".to_owned();
        Err(DecodeError::Damaged { format: FORMAT, detail })
    }
}

/// What the boxes of a file hold, whole or in parts.
fn unboxed(file: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let (mut rest, mut parts) = (file, Vec::new());
    while let Some((kind, content, next)) = next_box(rest) {
        match &kind {
            b"jxlc" => return Ok(Cow::Borrowed(content)),
            b"jxlp" => parts.extend_from_slice(content.get(4..).unwrap_or_default()), // behind its number
            _ => {}
        }
        rest = next;
    }
    if parts.is_empty() { Err(truncated()) } else { Ok(Cow::Owned(parts)) }
}

/// The kind and content of a box of ISO/IEC 14496-12, as far as it is there, and what follows.
fn next_box(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = match u32::from_be_bytes(*length) {
        0 => (rest.len(), rest), // up to the end
        1 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length).checked_sub(16)?).ok()?, rest)
        }
        length => ((length as usize).checked_sub(8)?, rest),
    };
    let (content, next) = rest.split_at(content.min(rest.len()));
    Some((*kind, content, next))
}

/// Reads the header, and refuses sizes beyond the limits before more is read; and how many bytes it took in.
fn begin(codestream: &[u8]) -> Result<(JxlImage, usize), DecodeError> {
    check_profile(codestream)?;
    let mut begun = 0;
    let mut length = HEADER_BYTES;
    let tracker = AllocTracker::with_limit(usize::try_from(TRACKED_BYTES).unwrap_or(usize::MAX));
    // Several photos are decoded at a time, each on a thread.
    let builder = JxlImage::builder().alloc_tracker(tracker).pool(JxlThreadPool::none());
    let mut unready = builder.build_uninit();
    loop {
        let next = length.min(codestream.len());
        unready.feed_bytes(&codestream[begun..next]).map_err(|error| damaged(&*error))?;
        begun = next;
        match unready.try_init().map_err(|error| damaged(&*error))? {
            InitializeResult::Initialized(image) => {
                check_limits(&image)?;
                return Ok((image, begun));
            }
            InitializeResult::NeedMoreData(_) if begun == codestream.len() => return Err(truncated()),
            InitializeResult::NeedMoreData(same) => unready = same,
        }
        length *= 2;
    }
}

/// Refuses a packed profile beyond the limit, which the decoder would unpack with the header.
fn check_profile(codestream: &[u8]) -> Result<(), DecodeError> {
    let read = |bits: &mut Bitstream<'_>| {
        let header = ImageHeader::parse(bits, ())?;
        if header.metadata.colour_encoding.want_icc() { bits.read_u64() } else { Ok(0) }
    };
    match read(&mut Bitstream::new(codestream)) {
        Ok(bytes) if bytes > MAX_PROFILE_BYTES => {
            Err(unsupported(format!("its profile has {bytes} bytes, more than {MAX_PROFILE_BYTES}")))
        }
        Ok(_) => Ok(()),
        Err(error) if error.unexpected_eof() => Err(truncated()),
        Err(error) => Err(damaged(&error)),
    }
}

/// How many channels are decoded: three of colour, which a grey photo takes as well while it is decoded, opacity, and
/// what else a file may have.
fn channels(image: &JxlImage) -> u64 {
    3 + image.image_header().metadata.ec_info.len() as u64
}

fn check_limits(image: &JxlImage) -> Result<(), DecodeError> {
    let (width, height) = (image.width(), image.height());
    check_size(FORMAT, width, height, 3)?;
    let bytes = u64::from(width) * u64::from(height) * BYTES_PER_SAMPLE * channels(image);
    if bytes > MAX_SAMPLE_BYTES {
        let size = format!("{width}×{height} px in {} channels", channels(image));
        return Err(unsupported(format!(
            "{size} take {bytes} bytes to decode, more than {MAX_SAMPLE_BYTES}"
        )));
    }
    Ok(())
}

/// Refuses what would come out in wrong colours.
fn check_kind(image: &JxlImage) -> Result<(), DecodeError> {
    if image.pixel_format().has_black() {
        return Err(unsupported("its colours are inks".to_owned()));
    }
    let channels = &image.image_header().metadata.ec_info;
    if channels.iter().any(|one| matches!(one.ty, ExtraChannelType::Alpha { alpha_associated: true })) {
        return Err(unsupported("its colours are multiplied by their opacity".to_owned()));
    }
    Ok(())
}

/// Refuses files whose picture takes far longer than its size tells.
fn check_work(image: &JxlImage) -> Result<(), DecodeError> {
    let frames = (0..).map_while(|number| image.frame(number));
    for (number, frame) in frames.enumerate() {
        if number == MAX_FRAMES {
            return Err(unsupported(format!("more than {MAX_FRAMES} frames make its first picture")));
        }
        let header = frame.header();
        check_size(FORMAT, header.width, header.height, 3)?; // it may be larger than the picture
        let most = MAX_PAINTED * u64::from(header.width) * u64::from(header.height);
        if header.flags.patches() && painted(frame)? > most {
            return Err(unsupported(format!("it is painted over more than {MAX_PAINTED} times")));
        }
        if header.is_keyframe() {
            break;
        }
    }
    Ok(())
}

/// How many pixels of a frame are painted with parts of others, each as often as it is.
fn painted(frame: &Frame) -> Result<u64, DecodeError> {
    let Some(global) = frame.try_parse_lf_global::<i32>() else { return Err(truncated()) };
    let patches = global.map_err(|error| damaged(&error))?.patches.map_or_else(Vec::new, |all| all.patches);
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let each =
        patches.iter().map(|one| area(one.width, one.height).saturating_mul(one.patch_targets.len() as u64));
    Ok(each.fold(0, u64::saturating_add))
}

fn picture(render: &Render, format: PixelFormat, is_deep: bool) -> Option<DynamicImage> {
    Some(match (format, is_deep) {
        (PixelFormat::Gray, false) => DynamicImage::ImageLuma8(buffer(render)?),
        (PixelFormat::Gray, true) => DynamicImage::ImageLuma16(buffer(render)?),
        (PixelFormat::Graya, false) => DynamicImage::ImageLumaA8(buffer(render)?),
        (PixelFormat::Graya, true) => DynamicImage::ImageLumaA16(buffer(render)?),
        (PixelFormat::Rgb, false) => DynamicImage::ImageRgb8(buffer(render)?),
        (PixelFormat::Rgb, true) => DynamicImage::ImageRgb16(buffer(render)?),
        (PixelFormat::Rgba, false) => DynamicImage::ImageRgba8(buffer(render)?),
        (PixelFormat::Rgba, true) => DynamicImage::ImageRgba16(buffer(render)?),
        (PixelFormat::Cmyk | PixelFormat::Cmyka, _) => return None,
    })
}

fn buffer<P>(render: &Render) -> Option<ImageBuffer<P, Vec<P::Subpixel>>>
where
    P: Pixel<Subpixel: FrameBufferSample + Default>,
{
    let stream = render.stream();
    ImageBuffer::from_raw(stream.width(), stream.height(), samples(render))
}

/// All samples, channel by channel within each pixel.
fn samples<S: FrameBufferSample + Clone + Default>(render: &Render) -> Vec<S> {
    let mut stream = render.stream();
    let count = stream.width() as usize * stream.height() as usize * stream.channels() as usize;
    let mut samples = vec![S::default(); count];
    stream.write_to_buffer(&mut samples);
    samples
}

fn damaged(error: &dyn std::error::Error) -> DecodeError {
    DecodeError::Damaged { format: FORMAT, detail: error.to_string() }
}

fn truncated() -> DecodeError {
    DecodeError::Truncated { format: FORMAT, detail: "its codestream is not all there".to_owned() }
}

fn unsupported(detail: String) -> DecodeError {
    DecodeError::Unsupported { format: FORMAT, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_boxes(boxes: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = BOXED.to_vec();
        for (kind, content) in boxes {
            file.extend((content.len() as u32 + 8).to_be_bytes());
            file.extend_from_slice(*kind);
            file.extend_from_slice(content);
        }
        file
    }

    #[test]
    fn the_codestream_is_found_whole_or_in_parts_and_packed_boxes_are_not_unpacked() {
        let whole = of_boxes(&[(b"ftyp", b"jxl "), (b"brob", b"Exif packed"), (b"jxlc", b"\xFF\x0A pixels")]);
        assert_eq!(codestream(&whole).unwrap(), &b"\xFF\x0A pixels"[..]);
        let parts = of_boxes(&[
            (b"jxlp", b"\0\0\0\0\xFF\x0A one"),
            (b"xml ", b"<x/>"),
            (b"jxlp", b"\x80\0\0\x01 two"),
        ]);
        assert_eq!(codestream(&parts).unwrap(), &b"\xFF\x0A one two"[..]);
        let mut long =
            [BOXED, &1_u32.to_be_bytes(), b"jxlc", &20_u64.to_be_bytes(), b"\xFF\x0Acd", b"behind"].concat();
        assert_eq!(codestream(&long).unwrap(), &b"\xFF\x0Acd"[..]);
        long[12..16].copy_from_slice(&0_u32.to_be_bytes());
        assert!(unboxed(&long).unwrap().ends_with(b"cdbehind"), "a box without a length ends with the file");
    }

    #[test]
    fn boxes_of_impossible_lengths_end_the_search() {
        for length in [2_u32, 7] {
            let file = [BOXED, &length.to_be_bytes(), b"jxlc", b"abcd"].concat();
            assert!(matches!(codestream(&file), Err(DecodeError::Truncated { .. })), "{length}");
        }
        let file = [BOXED, &1_u32.to_be_bytes(), b"jxlc", &u64::MAX.to_be_bytes(), b"\xFF\x0Acd"].concat();
        assert_eq!(codestream(&file).unwrap(), &b"\xFF\x0Acd"[..], "as far as it is there");
        assert!(matches!(codestream(BOXED), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn boxes_within_boxes_are_refused_before_the_decoder_unpacks_them() {
        let inner = of_boxes(&[(b"brob", b"Exif packed"), (b"jxlc", b"\xFF\x0A pixels")]);
        for kind in [b"jxlc", b"jxlp"] {
            let content = if kind == b"jxlp" { [&[0; 4], &inner[..]].concat() } else { inner.clone() };
            let refused = header(&of_boxes(&[(kind, &content)])).unwrap_err();
            assert!(matches!(refused, DecodeError::Damaged { .. }), "{refused}");
        }
    }

    /// Numbers of so many bits each, the least first.
    fn of_bits(fields: &[(u64, u32)]) -> Vec<u8> {
        let bits = fields.iter().flat_map(|&(value, count)| (0..count).map(move |at| value >> at & 1 == 1));
        let bits: Vec<bool> = bits.collect();
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, &bit| sum << 1 | u8::from(bit))).collect()
    }

    /// A header of 8×8 px with a packed profile of so many MiB (ISO/IEC 18181-1: SizeHeader, ImageMetadata, U64).
    fn with_profile(mebibytes: u64) -> Vec<u8> {
        of_bits(&[
            (0x0AFF, 16),
            (1, 1), // sides are multiples of 8
            (0, 5),
            (1, 3), // as wide as high
            (0, 1), // not all as usual
            (0, 1), // no more fields
            (0, 1), // integers
            (0, 2), // of 8 bits
            (1, 1), // 16 bits are enough for buffers
            (0, 2), // no further channels
            (0, 1), // not in XYB
            (0, 1), // colours not as usual
            (1, 1), // but of a profile
            (0, 2), // RGB
            (0, 2), // no extensions
            (1, 1), // the usual transforms
            (3, 2), // bytes of the profile: 12 bits, and 8 more as long as a bit says so
            (0, 12),
            (1, 1),
            (0, 8),
            (1, 1),
            (mebibytes, 8),
            (0, 1),
            (0, 400),
        ])
    }

    #[test]
    fn a_profile_that_unpacks_to_megabytes_is_refused_before_it_is_unpacked() {
        let refused = header(&with_profile(200)).unwrap_err();
        assert!(matches!(&refused, DecodeError::Unsupported { .. }), "{refused}");
        assert!(refused.to_string().contains("209715200 bytes"), "{refused}");
        let other = header(&with_profile(1)).unwrap_err().to_string();
        assert!(!other.contains("more than"), "what is wrong there is the profile itself: {other}");
    }
}
