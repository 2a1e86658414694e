//! safetensors files whose bytes follow from their content.
//!
//! The `safetensors` crate writes metadata in the order of a `HashMap`, another at every start of the program.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::View;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// Writes tensors in the safetensors layout: by the width of their type, then by name, keys of the header likewise.
pub(crate) fn write(
    out: &mut impl Write,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let contiguous = |(name, tensor): (&String, &Tensor)| {
        tensor.contiguous().map(|tensor| (name.clone(), tensor)).map_err(io::Error::other)
    };
    let mut sorted: Vec<(String, Tensor)> = tensors.iter().map(contiguous).collect::<io::Result<_>>()?;
    // The widest first, so that each begins at a multiple of its width, as readers that map the file need it.
    sorted.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size_in_bytes()));
    let (mut header, mut at) = (BTreeMap::new(), 0);
    if !metadata.is_empty() {
        let object: Map<String, Value> = metadata.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        header.insert("__metadata__".to_owned(), Value::Object(object));
    }
    for (name, tensor) in &sorted {
        let end = at + View::data_len(&tensor);
        let dtype = View::dtype(&tensor);
        header
            .insert(name.clone(), json!({"data_offsets": [at, end], "dtype": dtype, "shape": tensor.dims()}));
        at = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for (_, tensor) in &sorted {
        out.write_all(&View::data(&tensor))?;
    }
    Ok(())
}

/// Writes a new safetensors file and sees it to the disk. The same tensors and metadata give the same bytes.
///
/// # Errors
/// Where it is there already or cannot be written.
pub fn save(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let write_error = |cause| Error::Write { path: path.to_owned(), cause };
    let mut out = BufWriter::new(File::create_new(path).map_err(write_error)?);
    write(&mut out, tensors, metadata).map_err(write_error)?;
    let file = out.into_inner().map_err(|error| write_error(error.into_error()))?;
    file.sync_all().map_err(write_error)
}

/// Reads every tensor of a safetensors file.
///
/// # Errors
/// Where it cannot be read or is none.
pub fn load(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let tensors = candle_core::safetensors::load(path, device).map_err(|e| Error::malformed(path, e))?;
    Ok(tensors.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::DType;

    #[test]
    fn the_same_tensors_give_the_same_bytes_and_are_read_back() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let half = Tensor::new(&[1.5f32, -2.0, 0.25], &Device::Cpu)?.to_dtype(DType::F16)?;
        let wide = Tensor::arange(0f32, 6.0, &Device::Cpu)?.reshape((2, 3))?.t()?;
        let tensors = BTreeMap::from([("a".to_owned(), half), ("b".to_owned(), wide.clone())]);
        let metadata: BTreeMap<String, String> =
            (0..9).map(|i| (format!("key{i}"), format!("value {i}"))).collect();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        save(&one, &tensors, &metadata)?;
        save(&two, &tensors, &metadata)?;
        let bytes = std::fs::read(&one).expect("a file");
        assert_eq!(bytes, std::fs::read(&two).expect("a file"));
        let (_, read) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
        assert_eq!(read.metadata().as_ref().and_then(|m| m.get("key3")), Some(&"value 3".to_owned()));
        let read = load(&one, &Device::Cpu)?;
        assert_eq!(read["b"].to_vec2::<f32>()?, wide.to_vec2::<f32>()?);
        assert_eq!(read["a"].dtype(), DType::F16);
        Ok(())
    }
}
