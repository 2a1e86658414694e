//! One photo to the inputs of one model.

use photo::tiles::Region;

use crate::decode::Photo;
use crate::letterbox::Letterbox;
use crate::model::ModelEntry;
use crate::watermark;

/// An image as a network takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Planes of red, green and blue, row by row.
    pub values: Vec<f32>,
    /// Width in px.
    pub width: u32,
    /// Height in px.
    pub height: u32,
}

/// The photo in a detector's input, with the narrowest bars that the model allows.
pub fn letterboxed(model: &ModelEntry, photo: &Photo) -> (Letterbox, Input) {
    let (source, [width, height]) = ((photo.facts.width, photo.facts.height), model.input_size);
    let letterbox = match model.input_multiple {
        Some(multiple) => Letterbox::tight(source, (width, height), multiple),
        None => Letterbox::new(source, (width, height)),
    };
    let (width, height) = letterbox.target;
    let mut values = Vec::with_capacity(3 * width as usize * height as usize);
    model.normalisation.append(&letterbox.apply(&photo.image), &mut values);
    (letterbox, Input { values, width, height })
}

/// One region of the photo in a classifier's input.
pub fn squeezed(model: &ModelEntry, photo: &Photo, region: Region) -> Input {
    let [width, height] = model.input_size;
    let squeezed = watermark::squeeze_region(&photo.image, region, width, height);
    let mut values = Vec::with_capacity(squeezed.as_raw().len());
    model.normalisation.append(&squeezed, &mut values);
    Input { values, width, height }
}
