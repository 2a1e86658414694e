//! One `.safetensors` file, read tensor by tensor.
//!
//! Only the header stays in memory; a tensor's bytes are read when it is asked for, so loading a model needs the
//! model and one tensor more, not the file twice. Memory-mapping would need `unsafe`, and the file would have to
//! stay as it is for as long as the model lives.

use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorInfo;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The longest header accepted, as in the `safetensors` library: a damaged length must not allocate the machine.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// An open `.safetensors` file whose header has been checked.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    file: Mutex<File>,
    data_start: u64,
    tensors: HashMap<String, TensorInfo>,
    metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Opens a file and checks that every tensor its header names lies within it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::read(path))?;
        let file_bytes = file.metadata().map_err(Error::read(path))?.len();
        let bad = |reason: String| Error::malformed(path, reason);
        let mut length = [0; 8];
        file.read_exact(&mut length)
            .map_err(|_| bad(format!("{file_bytes} bytes are too few for a safetensors file")))?;
        let header_bytes = u64::from_le_bytes(length);
        if header_bytes > MAX_HEADER_BYTES || header_bytes + 8 > file_bytes {
            return Err(bad(format!(
                "no safetensors file: a header of {header_bytes} bytes in a file of {file_bytes}"
            )));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(Error::read(path))?;
        let mut header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(|e| bad(format!("the header is not JSON: {e}")))?;
        let metadata = header.remove("__metadata__").map(serde_json::from_value).transpose();
        let metadata = metadata.map_err(|e| bad(format!("__metadata__: {e}")))?.unwrap_or_default();
        let data_start = header_bytes + 8;
        let mut tensors = HashMap::new();
        let mut all_bytes = 0_u64;
        for (name, value) in header {
            let info: TensorInfo =
                serde_json::from_value(value).map_err(|e| bad(format!("header of {name}: {e}")))?;
            let (start, end) = info.data_offsets;
            let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |n, &d| n.checked_mul(d));
            // Where either is `None` (more bits than a number holds, an end before the start), nothing fits.
            let fits =
                bits.zip(end.checked_sub(start)).is_some_and(|(bits, bytes)| bits.div_ceil(8) == bytes);
            if !fits {
                return Err(bad(format!(
                    "{name}: bytes {start}..{end} do not fit the shape {:?} of {:?}",
                    info.shape, info.dtype
                )));
            }
            // An end near the largest number must not wrap around to a place within the file.
            let end_in_file = data_start.saturating_add(end as u64);
            if end_in_file > file_bytes {
                return Err(bad(format!("truncated: {name} ends at byte {end_in_file} of {file_bytes}")));
            }
            all_bytes = all_bytes.saturating_add((end - start) as u64);
            tensors.insert(name, info);
        }
        // A small file could name its bytes a million times, and would not fit into memory when all of it is read.
        if all_bytes > file_bytes - data_start {
            let there = file_bytes - data_start;
            return Err(bad(format!(
                "its tensors overlap: they have {all_bytes} bytes, of which there are {there}"
            )));
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), data_start, tensors, metadata })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The free text of the header (`__metadata__`).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|info| info.shape.as_slice())
    }

    /// Reads one tensor in the type it is stored in.
    pub fn read(&self, name: &str, device: &Device) -> Result<Tensor> {
        let bad = |reason: String| Error::malformed(&self.path, reason);
        let info = self.tensors.get(name).ok_or_else(|| bad(format!("has no tensor {name}")))?;
        let dtype = DType::try_from(info.dtype).map_err(|e| bad(format!("{name}: {e}")))?;
        let (start, end) = info.data_offsets;
        Ok(Tensor::from_raw_buffer(&self.bytes(start, end)?, dtype, &info.shape, device)?)
    }

    /// Reads one row of a tensor, the others are not touched: `[n, …]` gives `[…]`.
    pub fn read_row(&self, name: &str, row: usize, device: &Device) -> Result<Tensor> {
        let bad = |reason: String| Error::malformed(&self.path, reason);
        let info = self.tensors.get(name).ok_or_else(|| bad(format!("has no tensor {name}")))?;
        let dtype = DType::try_from(info.dtype).map_err(|e| bad(format!("{name}: {e}")))?;
        let shape = info.shape.split_first().filter(|(rows, _)| row < **rows);
        let (_, shape) = shape.ok_or_else(|| bad(format!("{name} {:?} has no row {row}", info.shape)))?;
        let length = shape.iter().product::<usize>() * dtype.size_in_bytes();
        let start = info.data_offsets.0 + row * length;
        Ok(Tensor::from_raw_buffer(&self.bytes(start, start + length)?, dtype, shape, device)?)
    }

    /// Bytes of the data, counted from its beginning.
    fn bytes(&self, start: usize, end: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; end - start];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.data_start + start as u64)).map_err(Error::read(&self.path))?;
        file.read_exact(&mut bytes).map_err(Error::read(&self.path))?;
        Ok(bytes)
    }
}

/// Reads every tensor of a small file, such as an adapter.
pub fn read_all(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let file = TensorFile::open(path)?;
    file.names().map(|name| Ok((name.to_owned(), file.read(name, device)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file of this header and 16 bytes of tensors.
    fn said_of(header: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.safetensors");
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat();
        std::fs::write(&path, bytes).expect("a file");
        TensorFile::open(&path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn tensors_beyond_the_file_or_of_more_bytes_than_it_holds_are_refused() {
        let tensor = |shape: &str, from: u64, to: u64| {
            format!("{{\"dtype\": \"U8\", \"shape\": {shape}, \"data_offsets\": [{from}, {to}]}}")
        };
        let one = |tensor: &str| said_of(&format!("{{\"a\": {tensor}}}"));
        assert_eq!(one(&tensor("[2, 8]", 0, 16)), "");
        assert!(one(&tensor("[2, 8]", 0, 15)).contains("do not fit the shape"));
        // Neither the shape nor the place has a length.
        let huge = "[4294967296, 4294967296, 4294967296]";
        assert!(one(&tensor(huge, 9, 4)).contains("do not fit the shape"));
        // Behind the header, this end would be that of another place.
        assert!(one(&tensor("[4]", u64::MAX - 8, u64::MAX - 4)).contains("truncated"));
        let twice = format!("{{\"a\": {0}, \"b\": {0}}}", tensor("[9]", 0, 9));
        assert!(said_of(&twice).contains("overlap: they have 18 bytes"), "{}", said_of(&twice));
    }
}
