//! Runs a YOLO detector on a photo; where it is uncertain, its fallback. Shared by faces and people.

use photo::BoundingBox;

use super::cascade::{Cascade, Escalated, UncertainRange};
use super::letterbox::Letterbox;
use super::nms::{self, NmsSettings, RawDetection};
use super::views::{PhotoViews, Pixels};
use crate::decode::MinDecodeSize;
use crate::model::{ModelError, Network};

/// A YOLO detector with the settings of its role.
pub(super) struct Yolo<'a> {
    pub models: &'a Cascade,
    /// Values per cell of the head.
    pub channels: usize,
    pub nms: NmsSettings,
    pub uncertain: UncertainRange,
}

impl Yolo<'_> {
    /// What is found on a photo. `in_photo` brings a detection from px of the input to px of the photo.
    pub fn detect<T>(
        &self,
        photo: &mut PhotoViews<'_>,
        in_photo: impl Fn(&Letterbox, &RawDetection) -> T,
    ) -> Result<Escalated<Vec<T>>, ModelError> {
        let fallback = self.models.fallback();
        // A variant's detections that are too weak to be stored may make it uncertain all the same.
        let min_score = if fallback.is_some() { self.uncertain.low } else { self.nms.min_score };
        let sensitive = NmsSettings { min_score, ..self.nms };
        let (mut letterbox, mut found) = self.run(self.models.first(), photo, Pixels::Decoded, &sensitive)?;
        let fallback = fallback.filter(|_| found.iter().any(|found| self.uncertain.contains(found.score)));
        if let Some(fallback) = fallback {
            (letterbox, found) = self.run(fallback, photo, Pixels::Whole, &self.nms)?;
        }
        let value = found.iter().map(|found| in_photo(&letterbox, found)).collect();
        Ok(Escalated { value, used_fallback: fallback.is_some() })
    }

    fn run(
        &self,
        network: &Network,
        photo: &mut PhotoViews<'_>,
        pixels: Pixels,
        nms: &NmsSettings,
    ) -> Result<(Letterbox, Vec<RawDetection>), ModelError> {
        let (letterbox, input) = photo.letterboxed(network.entry(), pixels);
        let head = network.run_head(input, nms.min_score)?;
        Ok((letterbox, nms::decode(&head, self.channels, nms)))
    }
}

/// The letterboxed photo is as long as the longer side of the input.
pub(super) fn min_decode_size([width, height]: [u32; 2]) -> MinDecodeSize {
    MinDecodeSize { shorter_px: 1, longer_px: width.max(height) }
}

/// To 0.01 px, far below what a detector can tell.
pub(super) fn rounded_px(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

pub(super) fn rounded_box(b: &BoundingBox) -> BoundingBox {
    BoundingBox { x0: rounded_px(b.x0), y0: rounded_px(b.y0), x1: rounded_px(b.x1), y1: rounded_px(b.y1) }
}
