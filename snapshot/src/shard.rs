//! A shard: the tensors of one person in a safetensors file.
//!
//! ```text
//! joints     f32 [n,17,3]     x, y in px of the tensor, confidence
//! confidence f32 [n,17]       the vector s of paper section 4.2
//! image      u8  [n,3,s,s]    planes of red, green and blue
//! weighted   u8  [n,3,s,s]
//! ```
//! The header says where each tensor begins, so it has to be known before the first photo is. It is: `n` and the
//! side are, and so every photo can be written to its place as soon as it is prepared, in any order, on any thread,
//! with no more than one photo per thread in memory. Reading goes by position as well.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use photo::joints::JOINT_COUNT;
use photo::{Digest, Joint, Joints};
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;

/// The folder of the shards.
pub(crate) const FOLDER: &str = "shards";

/// The longest header that is read: ours have about 400 bytes.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Where the tensors of a shard are, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    photos: u64,
    size_px: u64,
    /// Where the header ends and the tensors begin.
    data: u64,
}

/// One of the two image tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// The photo.
    Image,
    /// The photo weighted by the Gaussians around its joints.
    Weighted,
}

impl Layout {
    fn joints_bytes(&self) -> u64 {
        self.photos * JOINT_COUNT as u64 * 3 * 4
    }

    fn confidence_bytes(&self) -> u64 {
        self.photos * JOINT_COUNT as u64 * 4
    }

    fn photo_bytes(&self) -> u64 {
        3 * self.size_px * self.size_px
    }

    fn total_bytes(&self) -> u64 {
        self.data + self.joints_bytes() + self.confidence_bytes() + 2 * self.photos * self.photo_bytes()
    }

    fn pixels_at(&self, pixels: Pixels, row: u64) -> u64 {
        let first = match pixels {
            Pixels::Image => row,
            Pixels::Weighted => self.photos + row,
        };
        self.data + self.joints_bytes() + self.confidence_bytes() + first * self.photo_bytes()
    }

    /// The header of safetensors: its length in 8 bytes, then JSON, filled up with spaces to a multiple of 8.
    fn header(&mut self) -> Vec<u8> {
        let (n, s) = (self.photos, self.size_px);
        let joints = self.joints_bytes();
        let confidence = joints + self.confidence_bytes();
        let image = confidence + n * self.photo_bytes();
        let weighted = image + n * self.photo_bytes();
        let entry = |name: &str, dtype: &str, shape: &[u64], from: u64, to: u64| {
            format!("\"{name}\":{}", json!({ "data_offsets": [from, to], "dtype": dtype, "shape": shape }))
        };
        let entries = [
            entry("joints", "F32", &[n, 17, 3], 0, joints),
            entry("confidence", "F32", &[n, 17], joints, confidence),
            entry("image", "U8", &[n, 3, s, s], confidence, image),
            entry("weighted", "U8", &[n, 3, s, s], image, weighted),
        ];
        let mut json = format!("{{{}}}", entries.join(","));
        json.push_str(&" ".repeat(json.len().next_multiple_of(8) - json.len()));
        self.data = 8 + json.len() as u64;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.into_bytes());
        bytes
    }
}

/// A shard that is being written.
pub(crate) struct ShardWriter {
    path: PathBuf,
    file: File,
    layout: Layout,
}

impl ShardWriter {
    /// Begins a shard of as many photos as there are `joints`.
    pub fn create(path: &Path, size_px: u32, joints: &[Joints]) -> Result<Self, Error> {
        let mut layout = Layout { photos: joints.len() as u64, size_px: size_px.into(), data: 0 };
        let mut head = layout.header();
        for joint in joints.iter().flat_map(|joints| joints.0) {
            head.extend(<[f32; 3]>::from(joint).map(f32::to_le_bytes).as_flattened());
        }
        for confidence in joints.iter().flat_map(Joints::confidences) {
            head.extend(confidence.to_le_bytes());
        }
        // read as well, for the digest
        let options = File::options().read(true).write(true).create_new(true).open(path);
        let file = options.map_err(Error::io("create", path))?;
        file.set_len(layout.total_bytes()).map_err(Error::io("write", path))?;
        file.write_all_at(&head, 0).map_err(Error::io("write", path))?;
        Ok(Self { path: path.to_owned(), file, layout })
    }

    /// Writes one of the tensors of the photo `row`. `bytes` has to be `[3, size, size]` long.
    pub fn write(&self, pixels: Pixels, row: usize, bytes: &[u8]) -> Result<(), Error> {
        debug_assert_eq!(bytes.len() as u64, self.layout.photo_bytes());
        let at = self.layout.pixels_at(pixels, row as u64);
        self.file.write_all_at(bytes, at).map_err(Error::io("write", &self.path))
    }

    /// Sees the shard to the disk; returns its length and digest.
    pub fn finish(&self) -> Result<(u64, Digest), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        crate::files::digest_of(&self.file).map_err(Error::io("read", &self.path))
    }
}

/// A shard that is open for reading, by position: any number of threads may read at once.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    file: File,
    layout: Layout,
}

#[derive(Deserialize)]
struct Header {
    image: Entry,
}

#[derive(Deserialize)]
struct Entry {
    shape: [u64; 4],
}

impl Shard {
    /// Opens a shard and checks that its header and length are those of the format.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |what: String| Error::Shard { path: path.to_owned(), what };
        let file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut prefix = [0; 8];
        file.read_exact_at(&mut prefix, 0).map_err(Error::io("read", path))?;
        let header_bytes = u64::from_le_bytes(prefix);
        if header_bytes > MAX_HEADER_BYTES.min(length) {
            return Err(wrong(format!("its header claims {header_bytes} bytes")));
        }
        let mut json = vec![0; header_bytes as usize];
        file.read_exact_at(&mut json, 8).map_err(Error::io("read", path))?;
        let header: Header =
            serde_json::from_slice(&json).map_err(|error| wrong(format!("its header: {error}")))?;
        let [photos, 3, size_px, width] = header.image.shape else {
            return Err(wrong(format!("its images have the shape {:?}", header.image.shape)));
        };
        // bounds that keep every product below far from overflow
        if width != size_px || size_px > 1 << 16 || photos > 1 << 24 {
            return Err(wrong(format!("its images have the shape {:?}", header.image.shape)));
        }
        let mut layout = Layout { photos, size_px, data: 0 };
        if layout.header()[8..] != json {
            return Err(wrong("its header is not the one of this format".to_owned()));
        }
        if length != layout.total_bytes() {
            return Err(wrong(format!(
                "it has {length} bytes, its header asks for {}",
                layout.total_bytes()
            )));
        }
        Ok(Self { path: path.to_owned(), file, layout })
    }

    /// How many photos are in it.
    pub fn photos(&self) -> usize {
        self.layout.photos as usize
    }

    /// Side of the images in pixels.
    pub fn size_px(&self) -> usize {
        self.layout.size_px as usize
    }

    /// Reads the image of photo `row` into `bytes`, `[3, size, size]`.
    ///
    /// # Panics
    /// If `bytes` has another length.
    pub fn read_pixels(&self, pixels: Pixels, row: usize, bytes: &mut [u8]) -> Result<(), Error> {
        assert_eq!(bytes.len() as u64, self.layout.photo_bytes(), "a view has 3 × size × size bytes");
        let at = self.layout.pixels_at(pixels, self.checked(row)?);
        self.file.read_exact_at(bytes, at).map_err(Error::io("read", &self.path))
    }

    /// The joints of photo `row`.
    pub fn read_joints(&self, row: usize) -> Result<Joints, Error> {
        let mut bytes = [0; JOINT_COUNT * 3 * 4];
        let at = self.layout.data + self.checked(row)? * bytes.len() as u64;
        self.file.read_exact_at(&mut bytes, at).map_err(Error::io("read", &self.path))?;
        let mut joints = Joints::default();
        for (joint, bytes) in joints.0.iter_mut().zip(bytes.as_chunks::<12>().0) {
            let at = |i: usize| f32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
            *joint = Joint { x: at(0), y: at(4), confidence: at(8) };
        }
        Ok(joints)
    }

    fn checked(&self, row: usize) -> Result<u64, Error> {
        if row < self.photos() {
            return Ok(row as u64);
        }
        let what = format!("it has {} photos, there is no row {row}", self.photos());
        Err(Error::Shard { path: self.path.clone(), what })
    }
}

/// The path of a person's shard in the snapshot: `site/slug` becomes `shards/site__slug.safetensors`. Where letters
/// have to be replaced, or two names could meet, a piece of the name's digest keeps them apart.
pub(crate) fn path_of(identity: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut name: String = identity
        .chars()
        .take(80) // of at most 255 bytes that file systems allow
        .map(|c| {
            if is_plain(c) {
                c.to_string()
            } else if c == '/' {
                "__".to_owned()
            } else {
                "_".to_owned()
            }
        })
        .collect();
    let is_regular =
        identity.len() <= 80 && identity.chars().all(|c| is_plain(c) || c == '/') && !identity.contains("//");
    if !is_regular {
        name.push('-');
        name.push_str(&Digest::of(identity).short()[..8]);
    }
    format!("{FOLDER}/{name}.safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_paths_are_plain_and_differ() {
        assert_eq!(path_of("demo/anna-berg"), "shards/demo__anna-berg.safetensors");
        let names =
            ["a/b", "a//b", "a_b", "a__b", "A/b", "a/../b", "Жанна/b", "Ванна/b", "a/b-c3d4", "", "."];
        let paths: std::collections::BTreeSet<String> = names.iter().map(|name| path_of(name)).collect();
        assert_eq!(paths.len(), names.len());
        assert!(paths.iter().all(|path| path.matches('/').count() == 1 && !path.contains("..")), "{paths:?}");
        assert!(path_of(&"x".repeat(500)).len() < 255);
    }

    #[test]
    fn the_safetensors_crate_reads_what_was_written_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let mut joints = [Joints::default(); 3];
        joints[2].0[16] = Joint { x: 1.5, y: -2.0, confidence: 0.75 };
        let writer = ShardWriter::create(&path, 4, &joints).unwrap();
        for row in [2, 0, 1] {
            writer.write(Pixels::Image, row, &[row as u8; 48]).unwrap();
            writer.write(Pixels::Weighted, row, &[100 + row as u8; 48]).unwrap();
        }
        let (bytes, digest) = writer.finish().unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!((bytes, digest), (content.len() as u64, Digest::of(&content)));

        let tensors = safetensors::SafeTensors::deserialize(&content).unwrap();
        let image = tensors.tensor("image").unwrap();
        assert_eq!((image.dtype(), image.shape()), (safetensors::Dtype::U8, &[3, 3, 4, 4][..]));
        assert_eq!((image.data()[47], image.data()[48]), (0, 1));
        assert_eq!(tensors.tensor("weighted").unwrap().data()[2 * 48], 102);
        let confidence = tensors.tensor("confidence").unwrap();
        assert_eq!((confidence.dtype(), confidence.shape()), (safetensors::Dtype::F32, &[3, 17][..]));
        assert_eq!(confidence.data()[50 * 4..], 0.75_f32.to_le_bytes());

        let shard = Shard::open(&path).unwrap();
        let mut view = [0; 48];
        shard.read_pixels(Pixels::Weighted, 1, &mut view).unwrap();
        assert_eq!(view, [101; 48]);
        assert_eq!(shard.read_joints(2).unwrap(), joints[2]);
        assert!(shard.read_joints(3).unwrap_err().to_string().contains("no row 3"));
    }

    #[test]
    fn a_cut_shard_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        ShardWriter::create(&path, 4, &[Joints::default()]).unwrap();
        let content = std::fs::read(&path).unwrap();
        for length in [0, 7, 8, 100, content.len() - 1] {
            std::fs::write(&path, &content[..length]).unwrap();
            assert!(Shard::open(&path).unwrap_err().to_string().contains("a.safetensors"), "{length}");
        }
    }
}
