//! safetensors files of strangers: models, adapters, LoRAs, embeddings, shards.

use std::path::Path;

use safetensors::SafeTensors;
use snapshot::{Pixels, Shard};
use train::Device;
use train::diffusion::adapter_file::AdapterFile;
use train::diffusion::lora::Lora;
use train::diffusion::tensor_file::TensorFile;
use train::embedding_file::EmbeddingFile;

use super::scratch::with_file;

pub fn check(bytes: &[u8]) {
    // Of compressed shards the name says so, and a table at the end where what is.
    with_file("it.safetensors.zst", bytes, the_shard_has_its_photos);
    with_file("it.safetensors", bytes, |path| {
        let is_named = |error: &train::Error| error.to_string().contains("it.safetensors");
        let reference = SafeTensors::deserialize(bytes);
        match TensorFile::open(path) {
            Ok(file) => {
                for name in file.names() {
                    the_tensor_has_its_shape(&file, name);
                }
                if let Ok(reference) = &reference {
                    let (mut found, mut expected): (Vec<_>, Vec<_>) =
                        (file.names().collect(), reference.names());
                    found.sort_unstable();
                    expected.sort_unstable();
                    assert_eq!(found, expected);
                    for (name, view) in reference.iter() {
                        assert_eq!(file.shape(name), Some(view.shape()), "{name}");
                    }
                }
            }
            Err(error) => {
                assert!(is_named(&error), "{error}");
                assert!(reference.is_err(), "the safetensors library reads it: {error}");
            }
        }
        let _ = (Lora::read(path), AdapterFile::read(path, &Device::Cpu));
        match EmbeddingFile::read(path) {
            Ok(embedding) => {
                let copy = path.with_file_name("copy.safetensors");
                embedding.write(&copy).unwrap();
                assert_eq!(EmbeddingFile::read(&copy).unwrap(), embedding);
            }
            Err(error) => assert!(is_named(&error), "{error}"),
        }
        the_shard_has_its_photos(path);
    });
}

fn the_tensor_has_its_shape(file: &TensorFile, name: &str) {
    let shape = file.shape(name).unwrap();
    // Types that are not computed with here are refused.
    if let Ok(tensor) = file.read(name, &Device::Cpu) {
        assert_eq!(tensor.dims(), shape, "{name}");
    }
    let Some((&rows, row)) = shape.split_first() else { return };
    assert!(file.read_row(name, rows, &Device::Cpu).is_err(), "{name} has {rows} rows");
    if let Some(last) = rows.checked_sub(1)
        && let Ok(tensor) = file.read_row(name, last, &Device::Cpu)
    {
        assert_eq!(tensor.dims(), row, "{name}");
    }
}

fn the_shard_has_its_photos(path: &Path) {
    let shard = match Shard::open(path) {
        Ok(shard) => shard,
        Err(error) => return assert!(error.to_string().contains("it.safetensors"), "{error}"),
    };
    let (photos, side) = (shard.photos(), shard.size_px().min(64));
    assert!(shard.read_joints(photos).is_err());
    for row in 0..photos.min(8) {
        let _ = shard.read_joints(row);
        if side == shard.size_px() {
            let mut view = vec![0; 3 * side * side];
            for pixels in [Pixels::Image, Pixels::Weighted] {
                let is_read = shard.read_pixels(pixels, row, &mut view).is_ok();
                assert!(shard.holds(pixels) || !is_read);
            }
        }
    }
}
