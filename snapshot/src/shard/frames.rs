//! Frames of zstd with a table at their end: the seekable format of zstd (contrib/seekable_format of its repository,
//! version 0.1.0). Whatever reads zstd makes one file of all frames, and whoever reads the table finds each of them.
//!
//! ```text
//! frame 0, frame 1, …
//! u32 0x184D2A5E, u32 length of what follows      a frame that zstd skips
//!   u32 compressed, u32 decompressed              length of each frame
//!   u32 number of frames, u8 0, u32 0x8F92EAB1
//! ```
//! All numbers are little-endian. Checksums stand in the frames themselves, so the table has none.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::compress_bound;

/// Zstd's own default. On tensors of the demo, level 1 is twice as fast and 10 % larger, level 9 takes four
/// times as long for 8 % less; all are read equally fast.
const LEVEL: i32 = 3;

/// The most that a frame may hold, by the format.
pub(super) const MAX_FRAME_BYTES: u64 = 1 << 30;

const SKIPPED: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const FOOTER_BYTES: u64 = 9;

/// A frame with a checksum of what it holds. Each has a context of its own, so that no other frame can move its bytes,
/// and is compressed by one thread.
pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(bytes)
}

/// Where each frame is.
#[derive(Debug, Default)]
pub(super) struct Table {
    frames: Vec<Frame>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    at: u64,
    compressed: u32,
    decompressed: u32,
}

thread_local! {
    /// The context and the compressed bytes of a frame, as large as the largest so far: kept for the thread's
    /// next frame, since fresh pages cost time.
    static SCRATCH: RefCell<(Decompressor<'static>, Vec<u8>)> = RefCell::default();
}

impl Table {
    /// Notes the frame that comes next in the file.
    pub fn push(&mut self, compressed: usize, decompressed: u64) {
        let small = |length: u64| u32::try_from(length).expect("a frame of at most 1 GB");
        let frame =
            Frame { at: self.end(), compressed: small(compressed as u64), decompressed: small(decompressed) };
        self.frames.push(frame);
    }

    /// Where the frames end and the table begins.
    fn end(&self) -> u64 {
        self.frames.last().map_or(0, |last| last.at + u64::from(last.compressed))
    }

    /// The table as it stands behind the frames.
    pub fn to_bytes(&self) -> Vec<u8> {
        let following = 8 * self.frames.len() as u64 + FOOTER_BYTES;
        let following = u32::try_from(following).expect("as many frames as a file of the format may have");
        let mut bytes = [SKIPPED, following].map(u32::to_le_bytes).as_flattened().to_vec();
        for frame in &self.frames {
            bytes.extend([frame.compressed, frame.decompressed].map(u32::to_le_bytes).as_flattened());
        }
        bytes.extend((self.frames.len() as u32).to_le_bytes());
        bytes.push(0); // no checksums
        bytes.extend(SEEKABLE.to_le_bytes());
        bytes
    }

    /// Reads the table of a file of `length` bytes. The inner error is what is wrong with it. No more is reserved than
    /// three times the length of the file.
    pub fn read(file: &File, length: u64) -> io::Result<Result<Self, String>> {
        let Some(footer_at) = length.checked_sub(FOOTER_BYTES) else {
            return Ok(Err(format!("it has {length} bytes, too few for a table of frames")));
        };
        let mut footer = [0; FOOTER_BYTES as usize];
        file.read_exact_at(&mut footer, footer_at)?;
        let count = number(&footer[..4]);
        if number(&footer[5..]) != SEEKABLE || footer[4] != 0 {
            return Ok(Err("it does not end with a table of frames, as if it was cut off".to_owned()));
        }
        let entries = 8 * u64::from(count);
        let Some(at) = footer_at.checked_sub(entries + 8) else {
            return Ok(Err(format!("its table claims {count} frames, more than fit into {length} bytes")));
        };
        let mut bytes = vec![0; 8 + entries as usize];
        file.read_exact_at(&mut bytes, at)?;
        let following = entries + FOOTER_BYTES;
        if number(&bytes) != SKIPPED || u64::from(number(&bytes[4..])) != following {
            return Ok(Err("its table of frames has another beginning".to_owned()));
        }
        let mut table = Self { frames: Vec::with_capacity(count as usize) };
        for entry in bytes[8..].as_chunks::<8>().0 {
            let (compressed, decompressed) = (number(entry), number(&entry[4..]));
            table.push(compressed as usize, decompressed.into());
        }
        if table.end() != at {
            return Ok(Err(format!(
                "its frames end at byte {} by its table, which begins at {at}",
                table.end()
            )));
        }
        Ok(Ok(table))
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// How many bytes each frame holds, by the table.
    pub fn lengths(&self) -> impl Iterator<Item = u64> {
        self.frames.iter().map(|frame| frame.decompressed.into())
    }

    /// Decompresses a frame into `bytes`, which has to be as long as what it holds. Nothing is reserved by
    /// what the frame says of itself.
    pub fn decompress(&self, file: &File, index: usize, bytes: &mut [u8]) -> io::Result<()> {
        let Frame { at, compressed, decompressed } = self.frames[index];
        let expected = bytes.len();
        if decompressed as usize != expected || compressed as usize > compress_bound(expected) {
            return Err(wrong(format!(
                "{compressed} bytes that are to become {decompressed}, where {expected} are expected"
            )));
        }
        SCRATCH.with_borrow_mut(|(decompressor, scratch)| {
            scratch.resize(compressed as usize, 0);
            file.read_exact_at(scratch, at)?;
            let found = decompressor.decompress_to_buffer(scratch, bytes)?;
            if found != expected {
                return Err(wrong(format!("{found} bytes where {expected} are expected")));
            }
            Ok(())
        })
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The number at the beginning of `bytes`.
fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use photo::Digest;

    use super::*;

    /// A picture of 256 px: slopes, folds, grain.
    fn picture() -> Vec<u8> {
        let level = |c: u64, y: u64, x: u64| {
            let grain = ((x * 2_654_435_761) ^ (y * 40_503)) % 8;
            (x * y / 7 + 3 * x + c * 40 + grain) as u8
        };
        (0..3 * 256 * 256).map(|i| level(i / 65536, i / 256 % 256, i % 256)).collect()
    }

    /// Ids of compressed snapshots hang on these bytes: where another zstd gives others, it is for whoever
    /// updates it to decide. The digests are those of Python's zstandard 0.25.0 (zstd 1.5.7),
    /// `ZstdCompressor(level=3, write_checksum=True)`, and of `zstd -3 --single-thread` 1.5.4 on the same
    /// bytes.
    #[test]
    fn a_frame_is_what_zstd_makes_of_it_elsewhere() {
        let picture = picture();
        let plain = "417cdb6f9e278485e0b59a94c4230bde6a90ca61094871cff05be60fc64e240f";
        assert_eq!(Digest::of(&picture).to_string(), plain, "the picture itself");
        let frame = compress(&picture).unwrap();
        let expected = "e8b6e01d875fa2d03666a44b35f404da85a2206437bfc17bbfe3c364ea4a853b";
        assert_eq!((frame.len(), Digest::of(&frame).to_string()), (118_407, expected.to_owned()));
    }

    /// The bytes follow contrib/seekable_format/zstd_seekable_compression_format.md of zstd 1.5.7.
    #[test]
    fn the_table_has_the_bytes_of_the_seekable_format() {
        let mut table = Table::default();
        table.push(0x0102, 0x0304);
        table.push(5, 6);
        let skipped = [0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0, 0];
        let entries = [2, 1, 0, 0, 4, 3, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0];
        let footer = [2, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F];
        assert_eq!(table.to_bytes(), [&skipped[..], &entries, &footer].concat());
    }
}
