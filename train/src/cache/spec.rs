//! What a cache was made with.

use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;
use serde::{Deserialize, Serialize};
use snapshot::KeptPhoto;

use crate::error::{Error, Result};
use crate::run::durable;

/// Raised whenever the same models and photos would give other rows.
const VERSION: u32 = 1;
/// The file's name.
const FILE: &str = "cache.json";

/// Models by the digests of their files, and the size of the pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSpec {
    /// [`VERSION`].
    pub version: u32,
    /// Side of the pictures that latents were made of, px.
    pub size_px: usize,
    /// The autoencoder.
    pub vae: Digest,
    /// Text encoders and tokenizers.
    pub text: Digest,
    /// The image encoder.
    pub image: Digest,
    /// The body-VAE.
    pub body: Digest,
}

impl CacheSpec {
    /// Of these models.
    pub fn new(size_px: usize, vae: Digest, text: Digest, image: Digest, body: Digest) -> Self {
        Self { version: VERSION, size_px, vae, text, image, body }
    }

    /// First 12 hex digits of the digest over all of it.
    pub fn id(&self) -> String {
        let parts = [&self.vae, &self.text, &self.image, &self.body].map(ToString::to_string).join(" ");
        Digest::of(format!("{} {} {parts}", self.version, self.size_px)).short()
    }

    /// The folder of this cache under `caches_dir`, made if it is not there.
    ///
    /// # Errors
    /// Where it cannot be made, or says that it is of other models.
    pub fn folder(&self, caches_dir: &Path) -> Result<PathBuf> {
        let folder = caches_dir.join(self.id());
        let path = folder.join(FILE);
        fs::create_dir_all(&folder).map_err(|cause| Error::Write { path: folder.clone(), cause })?;
        if !path.exists() {
            let json = serde_json::to_vec_pretty(self).map_err(|error| Error::malformed(&path, error))?;
            durable::replace(&path, &json).map_err(|error| Error::malformed(&path, error))?;
        }
        let text = fs::read(&path).map_err(Error::read(&path))?;
        let found: Self = serde_json::from_slice(&text).map_err(|error| Error::malformed(&path, error))?;
        if found != *self {
            let reason = "it is of other models; remove the folder, and `bolid train cache` fills it anew";
            return Err(Error::malformed(&path, reason));
        }
        Ok(folder)
    }
}

/// The name of a photo's row: of its bytes, and of what decides its pixels and its weights.
pub fn photo_key(photo: &KeptPhoto) -> String {
    let facts = &photo.facts;
    let mut bytes = facts.sha256.to_string().into_bytes();
    bytes.extend(facts.affine.0.iter().flat_map(|value| value.to_le_bytes()));
    for joint in facts.joints.0 {
        bytes.extend(<[f32; 3]>::from(joint).iter().flat_map(|value| value.to_le_bytes()));
    }
    Digest::of(bytes).to_string()
}

/// The name of a caption's row.
pub fn text_key(caption: &str) -> String {
    Digest::of(caption).to_string()
}

/// The digest over files, in their order.
///
/// # Errors
/// Where one cannot be read.
pub fn digest_of_files(files: &[PathBuf]) -> Result<Digest> {
    let of = |path: &PathBuf| Ok(durable::digest(path).map_err(Error::read(path))?.1.to_string());
    Ok(Digest::of(files.iter().map(of).collect::<Result<Vec<_>>>()?.join("\n")))
}
