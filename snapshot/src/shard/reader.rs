//! Reading a shard, by position.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use photo::joints::JOINT_COUNT;
use photo::{Joint, Joints};

use super::Pixels;
use super::frames::Table;
use super::layout::{JOINTS_FRAME, Layout, MAX_HEADER_BYTES};
use super::name::is_compressed;
use crate::error::Error;

/// A shard that is open for reading, by position: any number of threads may read at once.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    file: File,
    layout: Layout,
    /// Where its frames are, if it is compressed.
    frames: Option<Table>,
}

impl Shard {
    /// Opens a shard and checks that its header and length, or the lengths of its frames, are those of the format.
    ///
    /// # Errors
    /// [`Error::Shard`] says what is wrong; [`Error::Io`] where it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |what: String| Error::Shard { path: path.to_owned(), what };
        let file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        if !is_compressed(path) {
            let layout = plain_layout(&file, length).map_err(Error::io("read", path))?.map_err(wrong)?;
            return Ok(Self { path: path.to_owned(), file, layout, frames: None });
        }
        let frames = Table::read(&file, length).map_err(Error::io("read", path))?.map_err(wrong)?;
        let layout = framed_layout(&file, &frames).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), file, layout, frames: Some(frames) })
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
    /// Where the shard does not hold that tensor or photo, or cannot be read; [`Error::Frame`] where the
    /// photo's frame of zstd is damaged.
    ///
    /// # Panics
    /// If `bytes` has another length.
    pub fn read_pixels(&self, pixels: Pixels, row: usize, bytes: &mut [u8]) -> Result<(), Error> {
        assert_eq!(bytes.len() as u64, self.layout.photo_bytes(), "a view has 3 × size × size bytes");
        let at = self.checked(row)?;
        let places = self.layout.pixels_at(pixels, at).zip(self.layout.frame_of(pixels, at));
        let (at, index) = places.ok_or_else(|| pixels.missing_in(&self.path))?;
        match &self.frames {
            None => self.file.read_exact_at(bytes, at).map_err(Error::io("read", &self.path)),
            Some(frames) => {
                let damaged = self.damaged(|| format!("the {} tensor of row {row}", pixels.name()));
                frames.decompress(&self.file, index, bytes).map_err(damaged)
            }
        }
    }

    /// The joints of photo `row`.
    pub fn read_joints(&self, row: usize) -> Result<Joints, Error> {
        const BYTES: usize = JOINT_COUNT * 3 * 4;
        let mut bytes = [0; BYTES];
        let at = self.checked(row)? * BYTES as u64;
        match &self.frames {
            None => {
                let read = self.file.read_exact_at(&mut bytes, self.layout.data + at);
                read.map_err(Error::io("read", &self.path))?;
            }
            Some(frames) => {
                let mut all = vec![0; self.layout.small_bytes() as usize];
                let damaged = self.damaged(|| "the frame with the joints".to_owned());
                frames.decompress(&self.file, JOINTS_FRAME, &mut all).map_err(damaged)?;
                bytes.copy_from_slice(&all[at as usize..][..BYTES]);
            }
        }
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

    /// A closure for `map_err` that names the shard and which part of it is damaged.
    fn damaged(&self, part: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> Error {
        |cause| Error::Frame { path: self.path.clone(), part: part(), cause }
    }
}

/// The layout of a file of safetensors with `length` bytes. The inner error is what is wrong with it.
fn plain_layout(file: &File, length: u64) -> io::Result<Result<Layout, String>> {
    let mut prefix = [0; 8];
    file.read_exact_at(&mut prefix, 0)?;
    let header_bytes = u64::from_le_bytes(prefix);
    if header_bytes > MAX_HEADER_BYTES.min(length) {
        return Ok(Err(format!("its header claims {header_bytes} bytes")));
    }
    let mut json = vec![0; header_bytes as usize];
    file.read_exact_at(&mut json, 8)?;
    Ok(Layout::of_header(&json).and_then(|layout| match layout.total_bytes() {
        asked if asked == length => Ok(layout),
        asked => Err(format!("it has {length} bytes, its header asks for {asked}")),
    }))
}

/// The layout of a compressed shard, or what is wrong with it. All lengths are those of its layout then, so that none
/// that a stranger wrote is reserved later.
fn framed_layout(file: &File, frames: &Table) -> Result<Layout, String> {
    let length = frames.lengths().next().ok_or("its table has no frames")?;
    if !(8..=MAX_HEADER_BYTES).contains(&length) {
        return Err(format!("its header claims {length} bytes"));
    }
    let mut header = vec![0; length as usize];
    frames.decompress(file, 0, &mut header).map_err(|cause| format!("the frame with its header: {cause}"))?;
    let (prefix, json) = header.split_at(8);
    if prefix != (json.len() as u64).to_le_bytes() {
        return Err("its header has another length than it says".to_owned());
    }
    let layout = Layout::of_header(json)?;
    layout.check_frames()?;
    if frames.len() != layout.frames().len() {
        let asked = layout.frames().len();
        return Err(format!("it has {} frames, its header asks for {asked}", frames.len()));
    }
    match frames.lengths().zip(layout.frames()).enumerate().find(|(_, (found, asked))| found != asked) {
        None => Ok(layout),
        Some((index, (found, asked))) => {
            Err(format!("frame {index} is to become {found} bytes, the header asks for {asked}"))
        }
    }
}
