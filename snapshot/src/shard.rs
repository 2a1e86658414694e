//! A shard: the tensors of one person in a safetensors file.
//!
//! ```text
//! joints     f32 [n,17,3]     x, y in px of the tensor, confidence
//! confidence f32 [n,17]       the vector s of paper section 4.2
//! image      u8  [n,3,s,s]    planes of red, green and blue
//! weighted   u8  [n,3,s,s]
//! ```
//! One of the last two is missing where the recipe's `prepare.tensors` left it out.
//!
//! The header says where each tensor begins, so it has to be known before the first photo is. It is: `n` and the
//! side are, and so every photo can be written to its place as soon as it is prepared, in any order, on any thread,
//! with no more than one photo per thread in memory. Reading goes by position as well.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use photo::joints::JOINT_COUNT;
use photo::{Digest, Joint, Joints, Tensors};
use serde::Deserialize;
use serde_json::json;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

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
    tensors: Tensors,
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

impl Pixels {
    /// The tensor's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Weighted => "weighted",
        }
    }

    fn is_in(self, tensors: Tensors) -> bool {
        match self {
            Self::Image => tensors.has_image(),
            Self::Weighted => tensors.has_weighted(),
        }
    }
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

    /// The image tensors in their order.
    fn held(&self) -> impl Iterator<Item = Pixels> {
        let tensors = self.tensors;
        [Pixels::Image, Pixels::Weighted].into_iter().filter(move |pixels| pixels.is_in(tensors))
    }

    fn total_bytes(&self) -> u64 {
        self.pixels_from() + self.held().count() as u64 * self.photos * self.photo_bytes()
    }

    fn pixels_from(&self) -> u64 {
        self.data + self.joints_bytes() + self.confidence_bytes()
    }

    /// Where the photo `row` begins in a tensor; `None` where that is not held.
    fn pixels_at(&self, pixels: Pixels, row: u64) -> Option<u64> {
        let before = self.held().position(|held| held == pixels)? as u64;
        Some(self.pixels_from() + (before * self.photos + row) * self.photo_bytes())
    }

    /// The header of safetensors: its length in 8 bytes, then JSON, filled up with spaces to a multiple of 8.
    fn header(&mut self) -> Vec<u8> {
        let (n, s) = (self.photos, self.size_px);
        let joints = self.joints_bytes();
        let confidence = joints + self.confidence_bytes();
        let entry = |name: &str, dtype: &str, shape: &[u64], from: u64, to: u64| {
            format!("\"{name}\":{}", json!({ "data_offsets": [from, to], "dtype": dtype, "shape": shape }))
        };
        let mut entries = vec![
            entry("joints", "F32", &[n, 17, 3], 0, joints),
            entry("confidence", "F32", &[n, 17], joints, confidence),
        ];
        let mut end = confidence;
        for pixels in self.held() {
            let from = end;
            end += n * self.photo_bytes();
            entries.push(entry(pixels.name(), "U8", &[n, 3, s, s], from, end));
        }
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
    pub fn create(path: &Path, size_px: u32, tensors: Tensors, joints: &[Joints]) -> Result<Self, Error> {
        let mut layout = Layout { photos: joints.len() as u64, size_px: size_px.into(), tensors, data: 0 };
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
        let at = self.layout.pixels_at(pixels, row as u64).ok_or_else(|| without(&self.path, pixels))?;
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
    image: Option<Entry>,
    weighted: Option<Entry>,
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
        let tensors = match (&header.image, &header.weighted) {
            (Some(_), None) => Tensors::Image,
            (None, Some(_)) => Tensors::Weighted,
            _ => Tensors::Both,
        };
        let Some(Entry { shape }) = header.image.or(header.weighted) else {
            return Err(wrong("it has no images".to_owned()));
        };
        let [photos, 3, size_px, width] = shape else {
            return Err(wrong(format!("its images have the shape {shape:?}")));
        };
        // bounds that keep every product below far from overflow
        if width != size_px || size_px > 1 << 16 || photos > 1 << 24 {
            return Err(wrong(format!("its images have the shape {shape:?}")));
        }
        let mut layout = Layout { photos, size_px, tensors, data: 0 };
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

    /// Whether it has this tensor.
    pub fn holds(&self, pixels: Pixels) -> bool {
        pixels.is_in(self.layout.tensors)
    }

    /// Reads the image of photo `row` into `bytes`, `[3, size, size]`.
    ///
    /// # Errors
    /// Where the shard does not hold that tensor or photo, or cannot be read.
    ///
    /// # Panics
    /// If `bytes` has another length.
    pub fn read_pixels(&self, pixels: Pixels, row: usize, bytes: &mut [u8]) -> Result<(), Error> {
        assert_eq!(bytes.len() as u64, self.layout.photo_bytes(), "a view has 3 × size × size bytes");
        let row = self.checked(row)?;
        let at = self.layout.pixels_at(pixels, row).ok_or_else(|| without(&self.path, pixels))?;
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

fn without(path: &Path, pixels: Pixels) -> Error {
    let only = if pixels == Pixels::Image { Pixels::Weighted } else { Pixels::Image };
    Error::WithoutTensors { path: path.to_owned(), tensor: pixels.name(), only: only.name() }
}

/// The longest name of a file that common file systems allow.
const MAX_NAME_BYTES: usize = 255;
const EXTENSION: &str = ".safetensors";

/// The path of a person's shard in the snapshot: `site/Ana de Armas` becomes `shards/site__Ana de Armas.safetensors`. The
/// name stays as people write it, in any script, wherever Linux, macOS and Windows allow it as a file name. Where letters
/// had to be replaced, or two names could meet, a piece of the name's digest keeps them apart.
pub(crate) fn path_of(identity: &str) -> String {
    let composed: String = identity.nfc().collect();
    let legible: String = composed.chars().map(|c| if is_allowed(c) || c == '/' { c } else { '_' }).collect();
    let mut name = legible.replace('/', "__");
    let is_hidden = name.starts_with(['.', ' ', '-', '~']); // or an option or a home to a shell
    if is_hidden || name.is_empty() || is_reserved_by_windows(&name) {
        name.insert(0, '_');
    }
    let suffix = format!("-{}", &Digest::of(identity).short()[..8]);
    let cut = name.floor_char_boundary(MAX_NAME_BYTES - EXTENSION.len() - suffix.len());
    // At most one `/`, and none of what it becomes: otherwise another name could become the same.
    let is_as_written =
        name.len() <= cut && name.replacen("__", "/", 1) == identity && !identity.contains("__");
    if is_as_written {
        return format!("{FOLDER}/{name}{EXTENSION}");
    }
    format!("{FOLDER}/{}{suffix}{EXTENSION}", &name[..cut.min(name.len())])
}

/// Letters, digits and marks of every script, and what stands between them in names. What is left out has a meaning to
/// some file system or shell, or cannot be seen.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || " -_.,'’()&+·・".contains(c)
}

/// Names of devices, which Windows allows no file to have, whatever its extension.
fn is_reserved_by_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|number| number.chars().count() == 1 && number != "0")
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || is_numbered("com") || is_numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(identity: &str) -> String {
        let path = path_of(identity);
        path.strip_prefix("shards/").unwrap().strip_suffix(".safetensors").unwrap().to_owned()
    }

    #[test]
    fn a_shard_is_called_as_its_person_in_any_script() {
        assert_eq!(name_of("demo/anna-berg"), "demo__anna-berg");
        assert_eq!(name_of("stars/Ana de Armas"), "stars__Ana de Armas");
        assert_eq!(name_of("stars/Жанна"), "stars__Жанна");
        assert_eq!(name_of("stars/Renée O’Connor, Jr."), "stars__Renée O’Connor, Jr.");
        assert_eq!(
            name_of("stars/प्रियंका"),
            "stars__प्रियंका",
            "with vowel signs and a virama, which are marks"
        );
        assert_eq!(name_of("stars/山口 百恵"), "stars__山口 百恵");
    }

    #[test]
    fn what_no_file_may_be_called_is_replaced_and_gets_a_digest() {
        for (identity, begins) in [
            ("a/b:c", "a__b_c-"),
            ("a/../b", "a__..__b-"),
            ("../b", "_..__b-"),
            ("a/tab\tnew\nline", "a__tab_new_line-"),
            ("a/\u{202e}right to left", "a___right to left-"),
            ("aux", "_aux-"),
            ("CON.x/b", "_CON.x__b-"),
            ("com1", "_com1-"),
            ("-rf/x", "_-rf__x-"),
            ("a/Rene\u{301}e", "a__Renée-"), // composed, so that macOS and Linux spell it alike
            ("", "_-"),
        ] {
            let name = name_of(identity);
            assert!(name.starts_with(begins) && name.len() == begins.len() + 8, "{identity:?}: {name}");
        }
    }

    #[test]
    fn names_never_meet_and_are_never_too_long() {
        let (latin, cyrillic) = ("x".repeat(500), "ж".repeat(500));
        let identities = [
            "a/b",
            "a//b",
            "a_b",
            "a__b",
            "A/b",
            "a/../b",
            "Жанна/b",
            "Ванна/b",
            "a/b-c3d4",
            "",
            ".",
            "a/b/c",
            "a/b__c",
            "a__b/c",
            "a/Rene\u{301}e",
            "a/Renée",
            "a/b?",
            "a/b*",
            "_",
            &latin,
            &latin[1..],
            &cyrillic,
            &cyrillic[2..],
        ];
        let paths: std::collections::BTreeSet<String> = identities.iter().map(|name| path_of(name)).collect();
        assert_eq!(paths.len(), identities.len(), "{paths:?}");
        for path in &paths {
            let (_, file) = path.split_once('/').unwrap();
            assert!(file.len() <= 255 && !file.contains('/') && !file.starts_with('.'), "{path}");
        }
    }

    #[test]
    fn the_safetensors_crate_reads_what_was_written_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let mut joints = [Joints::default(); 3];
        joints[2].0[16] = Joint { x: 1.5, y: -2.0, confidence: 0.75 };
        let writer = ShardWriter::create(&path, 4, Tensors::Both, &joints).unwrap();
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
    fn a_shard_of_one_tensor_holds_that_alone_and_names_the_other() {
        let dir = tempfile::tempdir().unwrap();
        for (tensors, held, other) in [
            (Tensors::Image, Pixels::Image, Pixels::Weighted),
            (Tensors::Weighted, Pixels::Weighted, Pixels::Image),
        ] {
            let path = dir.path().join(format!("{}.safetensors", held.name()));
            let writer = ShardWriter::create(&path, 4, tensors, &[Joints::default(); 2]).unwrap();
            writer.write(held, 1, &[7; 48]).unwrap();
            writer.write(other, 1, &[8; 48]).unwrap_err();
            writer.finish().unwrap();
            let content = std::fs::read(&path).unwrap();
            let read = safetensors::SafeTensors::deserialize(&content).unwrap();
            assert_eq!(read.tensor(held.name()).unwrap().data()[47..49], [0, 7]);
            assert!(read.tensor(other.name()).is_err());

            let shard = Shard::open(&path).unwrap();
            assert!(shard.holds(held) && !shard.holds(other));
            let mut view = [0; 48];
            shard.read_pixels(held, 1, &mut view).unwrap();
            assert_eq!(view, [7; 48]);
            let message = shard.read_pixels(other, 1, &mut view).unwrap_err().to_string();
            assert!(message.contains(&format!("holds no {} tensors", other.name())), "{message}");
            assert!(message.contains("`[prepare]`"), "{message}");
        }
    }

    #[test]
    fn a_cut_shard_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        ShardWriter::create(&path, 4, Tensors::Both, &[Joints::default()]).unwrap();
        let content = std::fs::read(&path).unwrap();
        for length in [0, 7, 8, 100, content.len() - 1] {
            std::fs::write(&path, &content[..length]).unwrap();
            assert!(Shard::open(&path).unwrap_err().to_string().contains("a.safetensors"), "{length}");
        }
    }
}
