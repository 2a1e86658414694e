//! A model of a role and what it says of one photo. A variant that is in doubt hands over to the model it was made of.
//!
//! An int8 variant costs half to two thirds of its original and nearly always says the same. Where it does not, its scores are
//! hardly ever those of a clear case: so an unclear one is looked at again without any shortcut, by the original, at its full
//! input with all its grey, in the photo decoded whole, and that word counts. What is unclear depends on the photo alone,
//! never on the rules, so that scores stay what a photo and two files make them.

use photo::score::rounded;
use photo::tiles::REGIONS;
use photo::{BoundingBox, Detection, Joint, Joints, Person, WatermarkScore};
use serde::Serialize;

use crate::decode::Photo;
use crate::input;
use crate::letterbox::Letterbox;
use crate::look::{Look, Pixels};
use crate::measure::MIN_STORED_SCORE;
use crate::model::{Device, ModelEntry, ModelError, Network, Registry, Runtime};
use crate::watermark;
use crate::yolo::{self, BOX_ROWS, Found, POSE_ROWS, Suppression};

pub(crate) const FACES: Suppression =
    Suppression { min_score: MIN_STORED_SCORE, max_iou: 0.5, max_found: 50 };
/// People may stand in front of each other, so their boxes may overlap more (Ultralytics' default).
pub(crate) const PEOPLE: Suppression =
    Suppression { min_score: MIN_STORED_SCORE, max_iou: 0.7, max_found: 50 };

/// The scores of a variant, exclusive, that are no clear yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Doubt {
    above: f32,
    below: f32,
}

impl Doubt {
    /// Of people: what is no clear yes, down to well below what is stored. An int8 YOLO11n-pose was in doubt of a fifth of
    /// 1330 photos; of 2090, all but two were judged as by the original without any shortcut. From 0.1 to 0.75, three more
    /// were not: it had given one second person 0.06, another 0.03 beside a first of 0.80, and a second face less than 0.1.
    pub const PEOPLE: Self = Self { above: 0.04, below: 0.85 };
    /// Of faces, the same: in doubt of 3 %. A clear face often has 0.8.
    pub const FACES: Self = Self { above: 0.04, below: 0.75 };
    /// Of watermarks: as far as 2.2 logits to either side of 0.5, which decides unless the rules say otherwise.
    pub const MARK: Self = Self { above: 0.1, below: 0.9 };

    fn has(self, score: f32) -> bool {
        score > self.above && score < self.below
    }
}

/// What was found, and whether it took a second look to find it.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked<T> {
    /// What was found.
    pub found: T,
    /// Whether the variant was in doubt, so that the original was asked.
    pub twice: bool,
}

impl<T> Looked<T> {
    pub(crate) fn map<U>(self, wrap: impl FnOnce(T) -> U) -> Looked<U> {
        Looked { found: wrap(self.found), twice: self.twice }
    }
}

/// A model, and behind a variant the model it was made of.
#[derive(Debug)]
pub(crate) struct Cascade {
    first: Network,
    exact: Option<Network>,
}

impl Cascade {
    /// Reads, verifies and loads the files of an entry.
    pub fn load(
        registry: &Registry,
        entry: &ModelEntry,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let load = |entry: &ModelEntry| Network::load(entry, &registry.file(entry), runtime, device);
        Ok(Self { first: load(entry)?, exact: entry.original().map(|entry| load(&entry)).transpose()? })
    }

    /// What the registry says of the model.
    pub fn entry(&self) -> &ModelEntry {
        &self.first.entry
    }

    /// Opens sessions for as many threads.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        [Some(&self.first), self.exact.as_ref()].into_iter().flatten().try_for_each(|of| of.open_for(threads))
    }

    /// The model alone, without what stands behind it.
    pub fn alone(&self) -> &Network {
        &self.first
    }

    /// The probability of a watermark for the frame and its tiles.
    pub fn watermark(&self, look: &mut Look) -> Result<Looked<WatermarkScore>, ModelError> {
        let ask = |network: &Network, photo: &Photo, region| {
            // One region at a time: a batch is no faster on a processor, and its inputs fall out of the cache.
            let outputs = network.run(&input::squeezed(&network.entry, photo, region))?;
            let score = outputs.images().next().map_or(0.0, |two| watermark::probability([two[0], two[1]]));
            Ok::<_, ModelError>(rounded(score))
        };
        let mut regions = Vec::with_capacity(REGIONS.len());
        for region in REGIONS {
            regions.push((region, ask(&self.first, look.photo(Pixels::Decoded), region)?));
        }
        let highest = regions.iter().map(|&(_, score)| score).fold(0.0, f32::max);
        let Some(exact) = self.exact.as_ref().filter(|_| Doubt::MARK.has(highest)) else {
            return Ok(Looked { found: WatermarkScore { regions }, twice: false });
        };
        for (region, score) in regions.iter_mut().filter(|(_, score)| Doubt::MARK.has(*score)) {
            *score = ask(exact, look.photo(Pixels::Whole), *region)?;
        }
        Ok(Looked { found: WatermarkScore { regions }, twice: true })
    }

    /// The faces of a photo.
    pub fn faces(&self, look: &mut Look) -> Result<Looked<Vec<Detection>>, ModelError> {
        let detection = |letterbox: &Letterbox, found: &Found| Detection {
            bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
            score: rounded(found.score),
        };
        self.detect(look, BOX_ROWS, &FACES, Doubt::FACES, detection)
    }

    /// The people of a photo and their joints.
    pub fn people(&self, look: &mut Look) -> Result<Looked<Vec<Person>>, ModelError> {
        let person = |letterbox: &Letterbox, found: &Found| Person {
            bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
            score: rounded(found.score),
            joints: rounded_joints(&letterbox.joints_to_photo(&found.joints.unwrap_or_default())),
        };
        self.detect(look, POSE_ROWS, &PEOPLE, Doubt::PEOPLE, person)
    }

    fn detect<T>(
        &self,
        look: &mut Look,
        rows: usize,
        suppression: &Suppression,
        doubt: Doubt,
        in_photo: impl Fn(&Letterbox, &Found) -> T,
    ) -> Result<Looked<Vec<T>>, ModelError> {
        let exact = self.exact.as_ref();
        let min_score = if exact.is_some() { doubt.above } else { suppression.min_score };
        let sensitive = Suppression { min_score, ..*suppression };
        let (mut letterbox, mut found) = detect(&self.first, look, Pixels::Decoded, rows, &sensitive)?;
        let exact = exact.filter(|_| found.iter().any(|found| doubt.has(found.score)));
        if let Some(exact) = exact {
            (letterbox, found) = detect(exact, look, Pixels::Whole, rows, suppression)?;
        }
        Ok(Looked {
            found: found.iter().map(|found| in_photo(&letterbox, found)).collect(),
            twice: exact.is_some(),
        })
    }
}

fn detect(
    network: &Network,
    look: &mut Look,
    pixels: Pixels,
    rows: usize,
    suppression: &Suppression,
) -> Result<(Letterbox, Vec<Found>), ModelError> {
    let (letterbox, input) = look.letterboxed(&network.entry, pixels);
    let head = network.head(input, suppression.min_score)?;
    Ok((letterbox, yolo::decode(&head, rows, suppression)))
}

/// To 0.01 px, far below what a detector can tell.
fn rounded_px(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

fn rounded_box(b: &BoundingBox) -> BoundingBox {
    BoundingBox { x0: rounded_px(b.x0), y0: rounded_px(b.y0), x1: rounded_px(b.x1), y1: rounded_px(b.y1) }
}

fn rounded_joints(joints: &Joints) -> Joints {
    Joints(joints.0.map(|Joint { x, y, confidence }| {
        if ![x, y, confidence].iter().all(|value| value.is_finite()) {
            return Joint::default(); // no number is stored as none; a joint without a place is not visible
        }
        Joint { x: rounded_px(x), y: rounded_px(y), confidence: rounded(confidence).clamp(0.0, 1.0) }
    }))
}
