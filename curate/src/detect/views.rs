//! One photo as models see it: as it was decoded at first, whole for a fallback, and in a detector's input.

use super::letterbox::{Letterbox, letterboxed};
use crate::decode::{DecodedPhoto, MinDecodeSize};
use crate::model::ModelEntry;
use crate::model::tensor::{Input, Normalisation};

/// Which pixels a model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// As many as were decoded.
    Decoded,
    /// All that the file has.
    Whole,
}

/// The views of a photo. What detectors see of it is made once where both want it alike.
pub(crate) struct PhotoViews<'a> {
    photo: &'a DecodedPhoto,
    decode: &'a mut dyn FnMut(MinDecodeSize) -> Option<DecodedPhoto>,
    whole: Option<DecodedPhoto>,
    letterboxed: Option<(LetterboxKey, Letterbox, Input)>,
}

/// Pixels, input size, multiple and normalisation: all that a letterboxed input depends on.
type LetterboxKey = (Pixels, [u32; 2], Option<u32>, Normalisation);

impl<'a> PhotoViews<'a> {
    /// Of a photo; `decode` decodes it once more, with more pixels.
    pub fn of(
        photo: &'a DecodedPhoto,
        decode: &'a mut dyn FnMut(MinDecodeSize) -> Option<DecodedPhoto>,
    ) -> Self {
        Self { photo, decode, whole: None, letterboxed: None }
    }

    /// The photo as it was decoded at first.
    pub fn decoded(&self) -> &'a DecodedPhoto {
        self.photo
    }

    /// The photo. Where a whole one cannot be had, what was decoded at first has to do.
    pub fn pixels(&mut self, pixels: Pixels) -> &DecodedPhoto {
        let (width, height) = self.photo.image.dimensions();
        let is_reduced = width < self.photo.facts.width || height < self.photo.facts.height;
        match pixels {
            Pixels::Whole if is_reduced => {
                if self.whole.is_none() {
                    self.whole = (self.decode)(MinDecodeSize::WHOLE);
                }
                self.whole.as_ref().unwrap_or(self.photo)
            }
            Pixels::Whole | Pixels::Decoded => self.photo,
        }
    }

    /// The photo decoded once more. The whole one is dropped before, so that two of them are never held.
    pub fn decode_again(&mut self, min_size: MinDecodeSize) -> Option<DecodedPhoto> {
        self.whole = None;
        (self.decode)(min_size)
    }

    /// The photo in the input of a detector.
    pub fn letterboxed(&mut self, model: &ModelEntry, pixels: Pixels) -> (Letterbox, &Input) {
        let key = (pixels, model.input_size, model.input_multiple, model.normalisation);
        let made = self.letterboxed.take().filter(|(made_for, ..)| *made_for == key);
        let made = made.unwrap_or_else(|| {
            let (letterbox, input) = letterboxed(model, self.pixels(pixels));
            (key, letterbox, input)
        });
        let (_, letterbox, input) = self.letterboxed.insert(made);
        (*letterbox, input)
    }
}
