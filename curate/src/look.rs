//! One photo before the models: as it was decoded at first, and whole for a second look.

use crate::decode::{Need, Photo};
use crate::input::{self, Input};
use crate::letterbox::Letterbox;
use crate::model::ModelEntry;
use crate::tensor::Normalisation;

/// Which pixels are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// As many as were decoded.
    Decoded,
    /// All that the file has.
    Whole,
}

/// A photo that models look at. What detectors see of it is made once where both want it alike.
pub(crate) struct Look<'a> {
    photo: &'a Photo,
    again: &'a mut dyn FnMut(Need) -> Option<Photo>,
    whole: Option<Photo>,
    seen: Option<(Wanted, Letterbox, Input)>,
}

/// Pixels, input size, multiple and normalisation: all that the input of a detector depends on.
type Wanted = (Pixels, [u32; 2], Option<u32>, Normalisation);

impl<'a> Look<'a> {
    /// At a photo; `again` decodes it once more, with more pixels.
    pub fn at(photo: &'a Photo, again: &'a mut dyn FnMut(Need) -> Option<Photo>) -> Self {
        Self { photo, again, whole: None, seen: None }
    }

    /// The photo. A whole one that cannot be had is done without.
    pub fn photo(&mut self, pixels: Pixels) -> &Photo {
        let (width, height) = self.photo.image.dimensions();
        let is_reduced = width < self.photo.facts.width || height < self.photo.facts.height;
        match pixels {
            Pixels::Whole if is_reduced => {
                if self.whole.is_none() {
                    self.whole = (self.again)(Need::WHOLE);
                }
                self.whole.as_ref().unwrap_or(self.photo)
            }
            Pixels::Whole | Pixels::Decoded => self.photo,
        }
    }

    /// The photo decoded once more. The whole one is let go before, so that never two of them are held.
    pub fn decode_again(&mut self, need: Need) -> Option<Photo> {
        self.whole = None;
        (self.again)(need)
    }

    /// The photo in the input of a detector.
    pub fn letterboxed(&mut self, model: &ModelEntry, pixels: Pixels) -> (Letterbox, &Input) {
        let wanted = (pixels, model.input_size, model.input_multiple, model.normalisation);
        let seen = self.seen.take().filter(|(made_for, ..)| *made_for == wanted);
        let seen = seen.unwrap_or_else(|| {
            let (letterbox, input) = input::letterboxed(model, self.photo(pixels));
            (wanted, letterbox, input)
        });
        let (_, letterbox, input) = self.seen.insert(seen);
        (*letterbox, input)
    }
}
