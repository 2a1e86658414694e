//! Which files hold the tensors of a model.

use crate::diffusion::json;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The tensor files of a model in `folder`: one, or all shards of an index. `stem` is
/// `diffusion_pytorch_model` (UNet, VAE) or `model` (text and image encoders).
///
/// The `fp16` variant comes first or last; where only the other is there, it is taken.
pub fn tensor_files(folder: &Path, stem: &str, prefer_half: bool) -> Result<Vec<PathBuf>> {
    let half = [format!("{stem}.fp16.safetensors"), format!("{stem}.safetensors.index.fp16.json")];
    let full = [format!("{stem}.safetensors"), format!("{stem}.safetensors.index.json")];
    let candidates = if prefer_half { [half, full] } else { [full, half] }.concat();
    let Some(name) = candidates.iter().find(|name| folder.join(name).is_file()) else {
        let pickle = folder.join(format!("{stem}.bin"));
        if pickle.is_file() {
            let reason = "a pickle can run code when it is read; convert it to safetensors first \
                (diffusers: `pipeline.save_pretrained(folder)`)";
            return Err(Error::malformed(&pickle, reason));
        }
        return Err(Error::NotFound { folder: folder.to_owned(), wanted: candidates });
    };
    let path = folder.join(name);
    if path.extension().is_some_and(|extension| extension == "json") { shards(&path) } else { Ok(vec![path]) }
}

/// The files an index names, each once.
fn shards(index: &Path) -> Result<Vec<PathBuf>> {
    let bad = |reason: String| Error::malformed(index, reason);
    let text = std::fs::read_to_string(index).map_err(Error::read(index))?;
    let value = json::parse(&text).map_err(|e| bad(e.to_string()))?;
    let map = value["weight_map"].as_object().ok_or_else(|| bad("has no `weight_map`".to_owned()))?;
    let names: Option<BTreeSet<&str>> = map.values().map(serde_json::Value::as_str).collect();
    let names = names.ok_or_else(|| bad("`weight_map` must map tensors to file names".to_owned()))?;
    let folder = index.parent().unwrap_or(Path::new("."));
    let mut files = Vec::new();
    for name in names {
        // A name from a download must not lead out of the folder.
        if !matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            return Err(bad(format!("names {name:?}, which is no file of its folder")));
        }
        files.push(folder.join(name));
    }
    if files.is_empty() { Err(bad("names no file".to_owned())) } else { Ok(files) }
}
