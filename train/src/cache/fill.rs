//! Computes what a cache lacks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor};
use serde::Serialize;
use snapshot::{KeptPhoto, Pixels, Snapshot};

use super::encoders::{Encoders, bodies};
use super::spec::{photo_key, text_key};
use super::store::{PHOTOS, TEXTS};
use super::table::{ROWS, Table};
use crate::body::Pose;
use crate::error::{Error, Result};
use crate::views::{ViewError, ViewReader};

/// A cache could not be filled. What was computed before stays.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// A view could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A network or a file failed.
    #[error(transparent)]
    Tensor(#[from] Error),
}

/// What was there and what was computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// Photos that were computed.
    pub photos: usize,
    /// Photos that were there.
    pub photos_there: usize,
    /// Captions that were computed.
    pub texts: usize,
    /// Captions that were there.
    pub texts_there: usize,
}

/// Fills the cache in `folder` with the photos `rows` of `snapshot`, and with `captions`. `tell` hears how many rows
/// have been computed, of how many. A file is written whenever its rows are there: a kill costs one.
///
/// # Errors
/// [`FillError`].
pub fn fill(
    folder: &Path,
    encoders: &Encoders,
    snapshot: &Snapshot,
    rows: &[usize],
    captions: &BTreeSet<&str>,
    tell: &mut dyn FnMut(usize, usize),
) -> Result<Filled, FillError> {
    let (mut photos, mut texts) = (Table::open(folder, PHOTOS)?, Table::open(folder, TEXTS)?);
    let keys: Vec<String> = rows.iter().map(|&row| photo_key(&snapshot.photos()[row])).collect();
    let row_of: HashMap<&String, usize> = keys.iter().zip(rows.iter().copied()).collect();
    let missing = photos.missing(&keys);
    let text_keys: Vec<String> = captions.iter().map(|caption| text_key(caption)).collect();
    let caption_of: HashMap<&String, &str> = text_keys.iter().zip(captions.iter().copied()).collect();
    let missing_texts = texts.missing(&text_keys);
    let total = missing.len() + missing_texts.len();
    let mut done = 0;
    for names in missing_texts.chunks(ROWS) {
        let captions: Vec<&str> = names.iter().map(|name| caption_of[name]).collect();
        texts.append(names, &text_rows(encoders, &captions)?)?;
        done += names.len();
        tell(done, total);
    }
    let pictures = ViewReader::new(snapshot, encoders.spec().size_px)?;
    let views = ViewReader::new(snapshot, encoders.body().model.config().view_px)?;
    for names in missing.chunks(ROWS) {
        let rows: Vec<usize> = names.iter().map(|name| row_of[name]).collect();
        photos.append(names, &photo_rows(encoders, pictures, views, &rows)?)?;
        done += names.len();
        tell(done, total);
    }
    let unique: BTreeSet<&String> = keys.iter().collect();
    Ok(Filled {
        photos: missing.len(),
        photos_there: unique.len() - missing.len(),
        texts: missing_texts.len(),
        texts_there: text_keys.len() - missing_texts.len(),
    })
}

/// Text states in half precision: their rounding is a thousandth of what dropping a word changes, and they are most of
/// a cache's size (118 KB a caption of SD 1.5).
fn text_rows(encoders: &Encoders, captions: &[&str]) -> Result<BTreeMap<String, Tensor>> {
    let encoded = encoders.texts(captions)?;
    let mut rows = BTreeMap::from([("states".to_owned(), encoded.states.to_dtype(DType::F16)?)]);
    if let Some(pooled) = encoded.pooled {
        rows.insert("pooled".to_owned(), pooled.to_dtype(DType::F32)?);
    }
    Ok(rows)
}

fn photo_rows(
    encoders: &Encoders,
    pictures: ViewReader,
    views: ViewReader,
    rows: &[usize],
) -> Result<BTreeMap<String, Tensor>, FillError> {
    let planes = pictures.read(rows, Pixels::Image)?;
    let weighted = views.read(rows, Pixels::Weighted)?;
    let poses = views.poses(rows);
    let side = pictures.side();
    Ok(tensors_of(encoders, (planes, side), &weighted, &poses)?)
}

/// The rows of photos with the planes u8 `[n, 3, side, side]`; `weighted` are the planes that the body-VAE reads.
fn tensors_of(
    encoders: &Encoders,
    (planes, side): (Vec<u8>, usize),
    weighted: &[u8],
    poses: &[Pose],
) -> Result<BTreeMap<String, Tensor>> {
    let pixels = Tensor::from_vec(planes, (poses.len(), 3, side, side), encoders.device())?;
    let pixels = pixels.to_dtype(DType::F32)?.affine(2.0 / 255.0, -1.0)?;
    let (mut means, mut logvars, mut images) = (Vec::new(), Vec::new(), Vec::new());
    // One picture at a time: the autoencoder's maps of a picture of 1024 px are gigabytes.
    for row in 0..poses.len() {
        let one = pixels.narrow(0, row, 1)?.contiguous()?;
        let latents = encoders.latents(&one)?;
        means.push(latents.mean);
        logvars.push(latents.logvar);
        images.push(encoders.images(&one)?);
    }
    let (body_mean, body_log_variance) = bodies(&encoders.body().model, weighted, poses)?;
    Ok(BTreeMap::from([
        ("latent_mean".to_owned(), Tensor::cat(&means, 0)?),
        ("latent_logvar".to_owned(), Tensor::cat(&logvars, 0)?),
        ("image".to_owned(), Tensor::cat(&images, 0)?),
        ("body_mean".to_owned(), body_mean),
        ("body_log_variance".to_owned(), body_log_variance),
    ]))
}

/// The captions of `photos`, in order: their own, or `template` where there is none or `own` is off. Also how many
/// have their own.
///
/// # Errors
/// Where the template is empty and needed.
pub fn captions<'a>(
    photos: impl Iterator<Item = &'a KeptPhoto>,
    template: &'a str,
    own: bool,
) -> Result<(Vec<&'a str>, usize)> {
    let mut with_own = 0;
    let mut caption = |photo: &'a KeptPhoto| {
        let found = photo.facts.caption.as_deref().map(str::trim).filter(|text| own && !text.is_empty());
        with_own += usize::from(found.is_some());
        found.unwrap_or(template)
    };
    let captions: Vec<&str> = photos.map(&mut caption).collect();
    if template.trim().is_empty() && with_own < captions.len() {
        return Err(Error::Config {
            file: "captions".to_owned(),
            key: "template".to_owned(),
            value: format!("{template:?}"),
            hint: format!("{} photos have no caption of their own", captions.len() - with_own),
        });
    }
    Ok((captions, with_own))
}
