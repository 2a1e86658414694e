//! What `bolid encode` writes: the Gaussian over c_body of one person, as safetensors.
//!
//! ```text
//! mean, log_variance     f32 [width], 756 by default: about 6 KB
//! __metadata__           format = bolid-c-body-v1, run, model (SHA-256 of the model file), views, identity
//! ```
//! The metadata is the file's lineage: the run names its snapshot, the snapshot its photos.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use photo::Digest;
use safetensors::{Dtype, SafeTensors};

use crate::run::tensors;
use crate::whole_file::write_whole;
use crate::{Error, Result};

/// What `format` says in the metadata.
pub const FORMAT: &str = "bolid-c-body-v1";

/// The Gaussian over c_body that a model read from views of one person, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingFile {
    /// μ, `[width]`.
    pub mean: Vec<f32>,
    /// log σ², `[width]`.
    pub log_variance: Vec<f32>,
    /// The id of the run that the model is from.
    pub run: String,
    /// The SHA-256 of the model file.
    pub model: Digest,
    /// How many views were read; with 0 the Gaussian is N(0, I).
    pub views: usize,
    /// Whose body: `site/slug`, or the folder of photos.
    pub identity: String,
}

impl EmbeddingFile {
    /// Writes the file: all or nothing, equal embeddings as equal bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the two tensors differ in width or hold a value that is not finite; [`Error::Write`].
    pub fn write(&self, path: &Path) -> Result<()> {
        self.check(path)?;
        let tensors = [("mean", &self.mean), ("log_variance", &self.log_variance)].map(|(name, values)| {
            Ok::<_, Error>((name.to_owned(), Tensor::from_slice(values, values.len(), &Device::Cpu)?))
        });
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("run", self.run.clone()),
            ("model", self.model.to_string()),
            ("views", self.views.to_string()),
            ("identity", self.identity.clone()),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
        let mut file = Vec::new();
        tensors::write(&mut file, &tensors.into_iter().collect::<Result<_>>()?, &BTreeMap::from(metadata))
            .map_err(|cause| Error::Write { path: path.to_owned(), cause })?;
        write_whole(path, &file)
    }

    /// Reads a file that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Malformed`] for another file, naming what is missing or wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::read(path))?;
        let bad = |reason: String| {
            Error::malformed(path, format!("{reason}; `bolid encode` writes embeddings of format {FORMAT}"))
        };
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| bad(format!("it is no safetensors file ({error})")))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        match metadata.get("format").map(String::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(bad(format!("its format is `{other}`"))),
            None => return Err(bad("its metadata names no format".to_owned())),
        }
        let values = |name: &str| read_values(&tensors, name).map_err(bad);
        let file = Self {
            mean: values("mean")?,
            log_variance: values("log_variance")?,
            run: field(&metadata, "run").map_err(bad)?,
            model: field(&metadata, "model").map_err(bad)?,
            views: field(&metadata, "views").map_err(bad)?,
            identity: field(&metadata, "identity").map_err(bad)?,
        };
        file.check(path)?;
        Ok(file)
    }

    fn check(&self, path: &Path) -> Result<()> {
        let (mean, log_variance) = (self.mean.len(), self.log_variance.len());
        if mean != log_variance || mean == 0 {
            let reason = format!("`mean` has {mean} values and `log_variance` {log_variance}");
            return Err(Error::malformed(path, reason));
        }
        for (name, values) in [("mean", &self.mean), ("log_variance", &self.log_variance)] {
            if let Some(i) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::malformed(path, format!("value {i} of `{name}` is {}", values[i])));
            }
        }
        Ok(())
    }
}

fn read_values(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>, String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it has no tensor `{name}`"))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape().len() != 1 {
        let (dtype, shape) = (tensor.dtype(), tensor.shape());
        return Err(format!("`{name}` is {dtype:?} {shape:?}, expected F32 [width]"));
    }
    let floats = tensor.data().as_chunks::<4>().0;
    Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// A value of the metadata; the reason where it is missing or cannot be read.
fn field<T: std::str::FromStr>(metadata: &HashMap<String, String>, key: &str) -> Result<T, String> {
    let value = metadata.get(key).ok_or_else(|| format!("its metadata has no `{key}`"))?;
    value.parse().map_err(|_| format!("its metadata has `{key}` = `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn embedding() -> EmbeddingFile {
        EmbeddingFile {
            mean: (0..756).map(|i| (i as f32).cos()).collect(),
            log_variance: (0..756).map(|i| -(i as f32) / 100.0).collect(),
            run: "0a1b2c3d4e5f".to_owned(),
            model: Digest::of("a model"),
            views: 8,
            identity: "demo/ada".to_owned(),
        }
    }

    #[test]
    fn an_embedding_is_read_back_and_its_bytes_are_always_the_same() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("ada.safetensors");
        embedding().write(&path)?;
        let bytes = fs::read(&path)?;
        assert!((6048..6600).contains(&bytes.len()), "{}", bytes.len());
        assert_eq!(EmbeddingFile::read(&path)?, embedding());
        embedding().write(&path)?;
        assert_eq!(fs::read(&path)?, bytes);
        Ok(())
    }

    #[test]
    fn another_file_is_refused_by_what_is_wrong_with_it() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("it.safetensors");
        let refused = || EmbeddingFile::read(&path).err().map(|error| error.to_string()).unwrap_or_default();
        fs::write(&path, "not at all")?;
        assert!(refused().contains("no safetensors file"), "{}", refused());

        embedding().write(&path)?;
        let good = fs::read(&path)?;
        fs::write(&path, &good[..good.len() - 4])?;
        assert!(refused().contains("no safetensors file"), "{}", refused());

        // Replacements are as long as what they replace, so that the header stays readable.
        for (from, to, said) in [
            ("bolid-c-body-v1", "bolid-c-body-v9", "its format is `bolid-c-body-v9`"),
            ("\"views\"", "\"weivs\"", "no `views`"),
            ("\"views\":\"8\"", "\"views\":\"?\"", "`views` = `?`"),
            ("\"mean\"", "\"meat\"", "no tensor `mean`"),
        ] {
            let (header, values) = good.split_at(good.len() - 2 * 756 * 4);
            let text = str::from_utf8(&header[8..])?.replace(from, to);
            let changed = [&header[..8], text.as_bytes(), values].concat();
            fs::write(&path, changed)?;
            assert!(refused().contains(said), "{}", refused());
        }

        let mut nan = embedding();
        nan.mean[3] = f32::NAN;
        let message = nan.write(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("value 3 of `mean` is NaN"), "{message}");
        Ok(())
    }
}
