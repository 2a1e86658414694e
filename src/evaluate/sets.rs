//! How far the pictures as a set are from the photos as a set.

use anyhow::Result;
use train::evaluation::{Features, Subsets, frechet_distance, inception_score, kernel_distance};

use super::figures::{SEED, SetDistance, SetScore};
use super::readings::Readings;

/// Fewer pictures make a Fréchet distance mean little (Heusel et al., arXiv:1706.08500).
const ENOUGH_FOR_FID: usize = 2048;
/// Subsets of a kernel distance, and the largest that they are.
const SUBSETS: usize = 10;
const SUBSET: usize = 100;
/// Parts of a set that an Inception score is computed on, as its authors do.
const SCORED_PARTS: usize = 10;

/// Inception's features where they are there, CLIP's embeddings otherwise.
pub fn features(of: &[Readings]) -> Result<Option<Features>> {
    let inception: Vec<&[f32]> =
        of.iter().flat_map(|one| one.inception.iter().map(|found| &found.features[..])).collect();
    match inception.first() {
        Some(first) if !first.is_empty() => Ok(Some(Features::new(first.len(), &inception.concat())?)),
        _ => {
            let clip: Vec<&[f32]> =
                of.iter().flat_map(|one| one.embeddings.iter().map(Vec::as_slice)).collect();
            let Some(first) = clip.first() else { return Ok(None) };
            Ok(Some(Features::new(first.len(), &clip.concat())?))
        }
    }
}

/// The Inception score of pictures, where the network classifies and there are enough.
pub fn score_of_classes(of: &[Readings]) -> Result<Option<SetScore>> {
    let logits: Vec<&[f32]> =
        of.iter().flat_map(|one| one.inception.iter().map(|found| &found.logits[..])).collect();
    let Some(width) = logits.first().map(|first| first.len()).filter(|width| *width > 0) else {
        return Ok(None);
    };
    let parts = SCORED_PARTS.min(logits.len());
    let found = inception_score(&Features::new(width, &logits.concat())?, parts)?;
    Ok(Some(SetScore {
        value: found.mean,
        deviation: found.deviation,
        parts,
        pictures: logits.len(),
        note:
            "of people alone, one class to most classifiers: it says little of how good they are, nothing of \
               whom they show"
                .to_owned(),
    }))
}

fn set_distance(pictures: Option<&Features>, photos: Option<&Features>, network: &str) -> SetDistance {
    SetDistance {
        value: None,
        deviation: None,
        network: network.to_owned(),
        pictures: pictures.map_or(0, Features::rows),
        photos: photos.map_or(0, Features::rows),
        note: None,
    }
}

/// Their kernel distance, where there are enough.
pub fn kernel(pictures: Option<&Features>, photos: Option<&Features>, network: &str) -> Result<SetDistance> {
    let mut distance = set_distance(pictures, photos, network);
    if let (Some(pictures), Some(photos)) = (pictures, photos) {
        let size = pictures.rows().min(photos.rows()).min(SUBSET);
        if size >= 2 {
            let subsets = Subsets { count: SUBSETS, size, seed: SEED };
            let found = kernel_distance(pictures, photos, subsets)?;
            (distance.value, distance.deviation) = (Some(found.mean), Some(found.deviation));
        }
    }
    Ok(distance)
}

/// Their Fréchet distance, where there are enough.
pub fn frechet(pictures: Option<&Features>, photos: Option<&Features>, network: &str) -> Result<SetDistance> {
    let mut distance = set_distance(pictures, photos, network);
    if let (Some(pictures), Some(photos)) = (pictures, photos) {
        let least = pictures.rows().min(photos.rows());
        if least >= 2 {
            distance.value = Some(frechet_distance(pictures, photos)?);
        }
        distance.note = (least < ENOUGH_FOR_FID).then(|| {
            format!(
                "of {least} pictures; below {ENOUGH_FOR_FID} it is biased upwards: compare sets of one size"
            )
        });
    }
    Ok(distance)
}
