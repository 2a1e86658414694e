//! Writing a shard, photo by photo in any order.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use photo::{Compression, Digest, Joints, Tensors};

use super::frames::{self, Table};
use super::layout::{JOINTS_FRAME, Layout};
use super::{FOLDER, Pixels};
use crate::error::Error;

/// A shard that is being written.
pub(crate) struct ShardWriter {
    path: PathBuf,
    file: File,
    layout: Layout,
    /// Where the shard is compressed: frames in the order in which they came. Where one stands in the shard
    /// follows from the lengths of all before it.
    waiting: Option<Waiting>,
}

/// Compressed frames in a file without a name, which goes with the process. While a shard is finished it
/// takes its room on the disk a second time; in memory there is one frame per thread.
struct Waiting {
    file: File,
    placed: Mutex<Placed>,
}

struct Placed {
    /// Where each frame begins and how long it is, by its index.
    frames: Vec<Option<(u64, usize)>>,
    end: u64,
}

impl ShardWriter {
    /// Begins a shard of as many photos as there are `joints`.
    pub fn create(
        path: &Path,
        size_px: u32,
        tensors: Tensors,
        compression: Compression,
        joints: &[Joints],
    ) -> Result<Self, Error> {
        let (layout, header) = Layout::new(joints.len() as u64, size_px.into(), tensors);
        let mut small = Vec::with_capacity(layout.small_bytes() as usize);
        for joint in joints.iter().flat_map(|joints| joints.0) {
            small.extend(<[f32; 3]>::from(joint).map(f32::to_le_bytes).as_flattened());
        }
        for confidence in joints.iter().flat_map(Joints::confidences) {
            small.extend(confidence.to_le_bytes());
        }
        // read as well, for the digest
        let options = File::options().read(true).write(true).create_new(true).open(path);
        let file = options.map_err(Error::io("create", path))?;
        let mut writer = Self { path: path.to_owned(), file, layout, waiting: None };
        match compression {
            Compression::None => {
                writer.file.set_len(layout.total_bytes()).map_err(Error::io("write", path))?;
                let head = [header, small].concat();
                writer.file.write_all_at(&head, 0).map_err(Error::io("write", path))?;
            }
            Compression::Zstd => {
                layout.check_frames().map_err(|what| Error::Shard { path: path.to_owned(), what })?;
                let folder = path.parent().unwrap_or(Path::new(FOLDER));
                let file = tempfile::tempfile_in(folder).map_err(Error::io("create a file in", folder))?;
                let placed = Placed { frames: vec![None; layout.frames().len()], end: 0 };
                let waiting = writer.waiting.insert(Waiting { file, placed: Mutex::new(placed) });
                for (index, bytes) in [(0, header), (JOINTS_FRAME, small)] {
                    waiting.put(index, &bytes).map_err(Error::io("write", path))?;
                }
            }
        }
        Ok(writer)
    }

    /// Writes one of the tensors of the photo `row`. `bytes` has to be `[3, size, size]` long.
    pub fn write(&self, pixels: Pixels, row: usize, bytes: &[u8]) -> Result<(), Error> {
        debug_assert_eq!(bytes.len() as u64, self.layout.photo_bytes());
        let row = row as u64;
        let places = self.layout.pixels_at(pixels, row).zip(self.layout.frame_of(pixels, row));
        let (at, index) = places.ok_or_else(|| pixels.missing_in(&self.path))?;
        let written = match &self.waiting {
            None => self.file.write_all_at(bytes, at),
            Some(waiting) => waiting.put(index, bytes),
        };
        written.map_err(Error::io("write", &self.path))
    }

    /// Sees the shard to the disk; returns its length and digest.
    ///
    /// # Panics
    /// If the shard is compressed and a tensor was not written.
    pub fn finish(&self) -> Result<(u64, Digest), Error> {
        if let Some(waiting) = &self.waiting {
            waiting.write_in_order(&self.file, &self.layout).map_err(Error::io("write", &self.path))?;
        }
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        crate::files::digest_of(&self.file).map_err(Error::io("read", &self.path))
    }
}

impl Waiting {
    /// Compresses a frame and puts it behind those that came before.
    fn put(&self, index: usize, bytes: &[u8]) -> io::Result<()> {
        let frame = frames::compress(bytes)?;
        let at = {
            let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
            let at = placed.end;
            placed.end += frame.len() as u64;
            placed.frames[index] = Some((at, frame.len()));
            at
        };
        self.file.write_all_at(&frame, at)
    }

    /// Writes the frames in their order and their table; one frame is in memory.
    fn write_in_order(&self, file: &File, layout: &Layout) -> io::Result<()> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = BufWriter::new(file);
        let mut table = Table::default();
        let mut bytes = Vec::new();
        for (place, decompressed) in placed.frames.iter().zip(layout.frames()) {
            let (at, length) = place.expect("all tensors are written before a shard is finished");
            bytes.resize(length, 0);
            self.file.read_exact_at(&mut bytes, at)?;
            out.write_all(&bytes)?;
            table.push(length, decompressed);
        }
        out.write_all(&table.to_bytes())?;
        out.flush()
    }
}
