//! Embeddings as files that ComfyUI loads: the `.ipadpt` of ComfyUI_IPAdapter_plus.
//!
//! That extension's `IPAdapterSaveEmbeds` writes `torch.save(embeds, file)` and its `IPAdapterLoadEmbeds`
//! reads `torch.load(path).cpu()` from ComfyUI's `input` folder: one tensor and nothing around it
//! (<https://github.com/cubiq/ComfyUI_IPAdapter_plus>, `IPAdapterPlus.py`, last commit of February 2025).
//! What it means is decided by `IPAdapterEmbeds`: `pos_embed` and `neg_embed` are f32 `[n, width]`, an
//! embedding a row, for adapters whose projection is one linear layer, as ours is. Both are needed: without
//! `neg_embed` the node asks for a CLIP vision model, although it would then only take zeros. So
//! [`write_embedding`] writes two files, and the negative is zero: the mean of the prior N(0, I), that is,
//! nobody in particular.
//!
//! ```text
//! archive/data.pkl     a pickle: `_rebuild_tensor_v2` of storage "0", shape and strides
//! archive/byteorder    little
//! archive/data/0       the values
//! archive/version      3
//! ```
//! The layout is that of `torch.save` since 1.6: a zip, entries stored, each one's bytes at a multiple of 64.
//! The pickle has only what `torch.load(weights_only=True)` lets pass.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::whole_file::write_whole;
use crate::{Error, Result};

/// Where entries begin, as `torch.save` has it, so that a reader may map them.
const ALIGNMENT: u16 = 64;

/// Writes one embedding for the `IPAdapterEmbeds` node: `mean` as `[1, width]` to `path`, and as many zeros to
/// [`negative_path`], which is given back.
///
/// # Errors
/// As [`write`].
pub fn write_embedding(path: &Path, mean: &[f32]) -> Result<PathBuf> {
    let shape = [1, mean.len()];
    let negative = negative_path(path);
    write(&negative, &shape, &vec![0.0; mean.len()])?;
    write(path, &shape, mean)?;
    Ok(negative)
}

/// Where the negative of an embedding stands: `ada.ipadpt` has `ada.negative.ipadpt` beside it.
pub fn negative_path(path: &Path) -> PathBuf {
    path.with_extension("negative.ipadpt")
}

/// Writes an f32 tensor as `torch.save` would: all or nothing, equal tensors as equal bytes.
///
/// # Errors
/// [`Error::Malformed`] where `values` does not fill `shape` or has a value that is not finite; [`Error::Write`].
pub fn write(path: &Path, shape: &[usize], values: &[f32]) -> Result<()> {
    if shape.iter().product::<usize>() != values.len() {
        let reason = format!("{} values do not fill the shape {shape:?}", values.len());
        return Err(Error::malformed(path, reason));
    }
    if let Some(i) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::malformed(path, format!("value {i} of the embedding is {}", values[i])));
    }
    let bytes = archive(shape, values).map_err(|error| Error::malformed(path, error))?;
    write_whole(path, &bytes)
}

/// The bytes of the file.
fn archive(shape: &[usize], values: &[f32]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let pickle = pickle(shape, values.len())?;
    // All that would differ from day to day or from machine to machine is set.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .system(System::Unix)
        .with_alignment(ALIGNMENT);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in
        [("data.pkl", &pickle[..]), ("byteorder", b"little"), ("data/0", &data), ("version", b"3\n")]
    {
        zip.start_file(format!("archive/{name}"), options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The tensor's description, protocol 2: what torch unpickles to a tensor over the storage "0" of `count` floats.
fn pickle(shape: &[usize], count: usize) -> Result<Vec<u8>, std::num::TryFromIntError> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    let mut out = Pickle(vec![0x80, 2]);
    out.global("torch._utils", "_rebuild_tensor_v2");
    out.op(b'('); // its arguments begin
    out.op(b'('); // as does the storage's persistent id
    out.text("storage");
    out.global("torch", "FloatStorage");
    out.text("0");
    out.text("cpu");
    out.int(count)?;
    out.op(b't');
    out.op(b'Q');
    out.int(0)?; // offset into the storage
    out.tuple(shape)?;
    out.tuple(&strides)?;
    out.op(0x89); // requires no gradient
    out.global("collections", "OrderedDict"); // hooks: none
    out.op(b')');
    out.op(b'R');
    out.op(b't');
    out.op(b'R');
    out.op(b'.');
    Ok(out.0)
}

/// Opcodes of a pickle, as far as a tensor needs them.
struct Pickle(Vec<u8>);

impl Pickle {
    fn op(&mut self, code: u8) {
        self.0.push(code);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn text(&mut self, text: &str) {
        self.op(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.bytes());
    }

    fn int(&mut self, value: usize) -> Result<(), std::num::TryFromIntError> {
        self.op(b'J');
        self.0.extend(i32::try_from(value)?.to_le_bytes());
        Ok(())
    }

    fn tuple(&mut self, values: &[usize]) -> Result<(), std::num::TryFromIntError> {
        self.op(b'(');
        values.iter().try_for_each(|value| self.int(*value))?;
        self.op(b't');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use zip::ZipArchive;

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn an_embedding_is_a_zip_as_torch_saves_it_and_its_bytes_are_always_the_same() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/ada.ipadpt");
        let mean: Vec<f32> = (0..756).map(|i| (i as f32 * 0.37).sin()).collect();
        let negative = write_embedding(&path, &mean)?;
        assert_eq!(negative, folder.path().join("new/ada.negative.ipadpt"));
        let bytes = fs::read(&path)?;
        let mut zip = ZipArchive::new(Cursor::new(&bytes))?;
        let names = ["archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/version"];
        assert_eq!(zip.file_names().collect::<zip::result::ZipResult<Vec<_>>>()?, names);
        let mut contents = Vec::new();
        for name in names {
            let mut entry = zip.by_name(name)?;
            assert_eq!(entry.compression(), CompressionMethod::Stored);
            assert_eq!(entry.data_start().ok_or("no data")? % u64::from(ALIGNMENT), 0, "{name}");
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            contents.push(content);
        }
        assert_eq!((&contents[1][..], &contents[3][..]), (&b"little"[..], &b"3\n"[..]));
        let values: Vec<f32> = contents[2]
            .chunks_exact(4)
            .map(|b| Ok(f32::from_le_bytes(b.try_into()?)))
            .collect::<Result<_, std::array::TryFromSliceError>>()?;
        assert_eq!(values, mean);

        write_embedding(&path, &mean)?;
        assert_eq!(fs::read(&path)?, bytes);
        assert_eq!(fs::read_dir(folder.path().join("new"))?.count(), 2, "nothing unfinished is left");
        Ok(())
    }

    #[test]
    fn values_that_do_not_fill_the_shape_or_are_not_finite_are_refused() {
        let refused = |shape: &[usize], values: &[f32]| {
            let path = Path::new("/nowhere/ada.ipadpt");
            write(path, shape, values).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(refused(&[1, 3], &[0.0; 2]).contains("2 values do not fill the shape [1, 3]"));
        assert!(refused(&[1, 2], &[0.0, f32::NAN]).contains("value 1 of the embedding is NaN"));
    }
}
