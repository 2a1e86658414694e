//! A kept photo to what is trained on: the square image, the weighted image, the joints, the map between
//! them. [`gaussian`] is the weighting of the paper, eqs. 11–13.

pub mod gaussian;

use image::RgbImage;
use photo::{Affine, BoundingBox, Compression, Digest, Joints, Person, Tensors};
use serde::{Deserialize, Serialize};

use self::gaussian::{GaussianWeights, NoVisibleJoint};
use crate::decode::{self, DecodeError, MinDecodeSize};
use crate::pixels::buffers;
use crate::pixels::resize::{self, Filter, SourceRect};
use crate::pixels::simd::{Loop, vectorised};

/// Raised whenever the same settings would give other bytes. 2: large JPEGs are decoded smaller; halves of a
/// level are rounded to the even one.
const VERSION: u32 = 2;

/// How many px of a photo that is decoded smaller there are for a px of the square, at least, along a side.
/// At 1.95, of 3000×4000 px to 1024, the squares of 98 real photos had 51 dB PSNR against those of a whole
/// decode (median; 41.5 dB at least, of a photo sharp to the pixel), reduced by libjpeg as Pillow has it. At
/// 1.25 it is 46 dB and 33 dB.
const MIN_DECODED: f64 = 1.9;

/// How the photo is brought into the square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The whole photo, centred, with bars: the whole body and its surroundings stay.
    Pad,
    /// A square around the person, with bars where it reaches beyond the photo: the body is as large as it
    /// can be.
    Crop,
}

/// A recipe's `[prepare]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrepareSettings {
    /// Side of the square in px.
    pub size_px: u32,
    /// How the photo is brought into it.
    pub fit: Fit,
    /// With `crop`: the room left around the person on every side, as a share of the person's longer side.
    pub crop_margin: f64,
    /// σ of the weighting in px of the square.
    pub sigma_px: f64,
    /// What is left of a pixel far from every joint, in 0..=1.
    pub alpha: f32,
    /// The grey of the bars, 0..=255.
    pub pad_value: u8,
    /// Which tensors are stored and published.
    #[serde(skip_serializing_if = "Tensors::is_both")]
    pub tensors: Tensors,
    /// How a snapshot stores them. What is prepared is the same either way.
    #[serde(skip_serializing_if = "Compression::is_none")]
    pub compression: Compression,
}

impl Default for PrepareSettings {
    fn default() -> Self {
        Self {
            size_px: 1024, // paper, 4.2
            fit: Fit::Pad,
            crop_margin: 0.1, // hair, hands and shoes reach about that far beyond the joints' box
            sigma_px: 64.0,   // about the half-width of a thigh of a person who fills the square
            alpha: 0.1,       // the background stays faintly visible
            pad_value: 0,     // no light, as far from every joint as the weighting itself
            tensors: Tensors::Both, // the body-VAE sees the weighted image and draws the image
            compression: Compression::None, // trainings read every epoch, and read several times as fast
        }
    }
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
#[error("`prepare.{key} = {value}` is out of range: {expected}")]
pub struct SettingsError {
    key: &'static str,
    value: String,
    expected: &'static str,
}

impl PrepareSettings {
    /// The digest under which prepared tensors are stored. It leaves out how a snapshot stores them, so that
    /// another choice there prepares no photo again.
    pub fn digest(&self) -> Digest {
        let prepared = Self { compression: Compression::None, ..self.clone() };
        Digest::of_json(&(VERSION, decode::VERSION, decode::reducing_decoder(), prepared))
    }

    /// Checks the values against their ranges.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let refuse = |key, value: String, expected| Err(SettingsError { key, value, expected });
        if !(16..=8192).contains(&self.size_px) {
            return refuse("size_px", self.size_px.to_string(), "16 to 8192");
        }
        if !(self.sigma_px.is_finite() && self.sigma_px > 0.0) {
            return refuse("sigma_px", self.sigma_px.to_string(), "above 0");
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return refuse("alpha", self.alpha.to_string(), "0 to 1");
        }
        if !(0.0..=10.0).contains(&self.crop_margin) {
            return refuse("crop_margin", self.crop_margin.to_string(), "0 to 10");
        }
        Ok(())
    }

    /// How many px of the square a px of the photo becomes. The person as [`prepare`] takes it.
    pub fn scale(&self, width: u32, height: u32, person: &Person) -> f64 {
        f64::from(self.size_px) / self.square(width, height, person).side
    }

    /// How large a photo has to be decoded. A JPEG at 1/2 of its size takes half the time.
    fn min_decode_size(&self, width: u32, height: u32, person: &Person) -> MinDecodeSize {
        let longer_px = f64::from(width.max(height)) * self.scale(width, height, person) * MIN_DECODED;
        MinDecodeSize { shorter_px: 1, longer_px: longer_px.ceil() as u32 }
    }

    fn square(&self, width: u32, height: u32, person: &Person) -> Square {
        match self.fit {
            Fit::Pad => Square::around_frame(width, height),
            Fit::Crop => Square::around_person(&person.bbox, &person.joints, self.crop_margin),
        }
    }
}

/// What training reads of one photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Side of the square in px.
    pub size_px: u32,
    /// The image: planes R, G, B, `[3, size, size]`.
    pub image: Vec<u8>,
    /// The image weighted by eqs. 11–13: `[3, size, size]`.
    pub weighted: Vec<u8>,
    /// The joints in px of the square; the confidence is 0 where one is not visible.
    pub joints: Joints,
    /// The person's box in px of the square; it may reach beyond.
    pub person: BoundingBox,
    /// From px of the photo to px of the square, both counted at pixel centres.
    pub affine: Affine,
}

impl Prepared {
    /// Keeps the memory of the tensors for the photo that this thread prepares next.
    pub fn reuse(self) {
        buffers::keep(self.image);
        buffers::keep(self.weighted);
    }
}

/// Why a photo was not prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The bytes are no photo.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
    /// There is nothing to weigh by.
    #[error(transparent)]
    NoVisibleJoint(#[from] NoVisibleJoint),
}

/// Decodes a photo as far as the square needs it, and brings it and its person, in px of the whole photo,
/// into the square.
///
/// # Errors
/// [`PrepareError`] when the bytes cannot be read as a photo, or no joint is visible.
pub fn prepare_file(
    bytes: &[u8],
    person: &Person,
    settings: &PrepareSettings,
) -> Result<Prepared, PrepareError> {
    let decode::Header { width, height, orientation, .. } = decode::header(bytes, MinDecodeSize::WHOLE)?;
    let image = decode::pixels(bytes, settings.min_decode_size(width, height, person))?;
    let prepared = prepare_decoded(&image, &Whole::new((width, height), orientation), person, settings);
    buffers::keep(image.into_raw());
    Ok(prepared?)
}

/// Brings a photo and its person into the square. The person's joints are gated by the rules already
/// ([`Joints::gated`]): a confidence of 0 is a joint that is not visible.
///
/// # Errors
/// [`NoVisibleJoint`] when no joint is visible.
pub fn prepare(
    image: &RgbImage,
    person: &Person,
    settings: &PrepareSettings,
) -> Result<Prepared, NoVisibleJoint> {
    prepare_decoded(image, &Whole::new(image.dimensions(), 1), person, settings)
}

/// A photo that may have been decoded smaller than it is.
#[derive(Clone, Copy, Debug)]
struct Whole {
    /// Width and height in px, upright.
    size: (u32, u32),
    /// Whether the end of the stored rows and columns is where the upright photo begins, along x and along y.
    begins_at_end: (bool, bool),
}

impl Whole {
    /// `orientation` as EXIF counts it, 1 to 8 (EXIF 2.32, section 4.6.4).
    fn new(size: (u32, u32), orientation: u8) -> Self {
        let begins_at_end = (matches!(orientation, 2 | 3 | 6 | 7), matches!(orientation, 3 | 4 | 7 | 8));
        Self { size, begins_at_end }
    }
}

/// The same of a photo that may have been decoded smaller.
fn prepare_decoded(
    image: &RgbImage,
    whole: &Whole,
    person: &Person,
    settings: &PrepareSettings,
) -> Result<Prepared, NoVisibleJoint> {
    if person.joints.visible().next().is_none() {
        return Err(NoVisibleJoint); // before the work on pixels
    }
    let square = settings.square(whole.size.0, whole.size.1, person);
    let affine = square.affine(settings.size_px);
    let joints = person.joints.mapped(&affine);
    let size = settings.size_px as usize;
    let weights = GaussianWeights::new(&joints, size, size, settings.sigma_px)?;
    let planes = square.cut(image, whole, settings.size_px, settings.pad_value);
    let corner = |x: f32, y: f32| affine.apply(f64::from(x), f64::from(y));
    let ((x0, y0), (x1, y1)) =
        (corner(person.bbox.x0, person.bbox.y0), corner(person.bbox.x1, person.bbox.y1));
    let mut weighted = buffers::zeros(planes.len());
    weights.apply_into(&planes, settings.alpha, &mut weighted);
    Ok(Prepared {
        size_px: settings.size_px,
        weighted,
        image: planes,
        joints,
        person: BoundingBox { x0: x0 as f32, y0: y0 as f32, x1: x1 as f32, y1: y1 as f32 },
        affine,
    })
}

/// A square of the photo's plane in px, edges between pixels; it may reach beyond the photo.
#[derive(Clone, Copy, Debug)]
struct Square {
    x: f64,
    y: f64,
    side: f64,
}

impl Square {
    fn around_frame(width: u32, height: u32) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        let side = width.max(height);
        Self { x: (width - side) / 2.0, y: (height - side) / 2.0, side }
    }

    /// Around the box and every visible joint.
    fn around_person(bbox: &BoundingBox, joints: &Joints, margin: f64) -> Self {
        let all = joints.visible().fold(*bbox, |all, joint| BoundingBox {
            x0: all.x0.min(joint.x),
            y0: all.y0.min(joint.y),
            x1: all.x1.max(joint.x),
            y1: all.y1.max(joint.y),
        });
        let longer = f64::from(all.width().max(all.height())).max(1.0);
        let side = longer * (1.0 + 2.0 * margin);
        let (x, y) = (f64::from(all.x0 + all.x1) / 2.0, f64::from(all.y0 + all.y1) / 2.0);
        Self { x: x - side / 2.0, y: y - side / 2.0, side }
    }

    /// Pixel centres to pixel centres: x' = (x + ½ − x₀)·s − ½.
    fn affine(&self, size_px: u32) -> Affine {
        let scale = f64::from(size_px) / self.side;
        let shift = |origin: f64| (0.5 - origin) * scale - 0.5;
        Affine::scale_then_shift(scale, scale, shift(self.x), shift(self.y))
    }

    /// The photo along an axis in px of the square at `size_px`, moved inward to whole px: the first, and how
    /// many. Then the same in the decoded photo; it follows exactly, so that the map stays the same on both axes
    /// and only a fraction of a px at the edge goes to the bar. Of the photo's `length` px, `decoded` are there.
    fn fit(
        &self,
        origin: f64,
        (length, decoded): (u32, u32),
        begins_at_end: bool,
        size_px: u32,
    ) -> (u32, u32, f64, f64) {
        let scale = f64::from(size_px) / self.side;
        let first = ((-origin * scale).ceil()).clamp(0.0, f64::from(size_px));
        let last = (((f64::from(length) - origin) * scale + 1e-9).floor()).clamp(first, f64::from(size_px));
        // Decoded at k/8: the last px, as it is stored, may be a part of one.
        let part = (8.0 * f64::from(decoded) / f64::from(length)).round() / 8.0;
        let before = if begins_at_end { f64::from(decoded) - f64::from(length) * part } else { 0.0 };
        (
            first as u32,
            (last - first) as u32,
            (origin + first / scale) * part + before,
            (last - first) / scale * part,
        )
    }

    /// The pixels of the square at `size_px`, as planes R, G, B; the bars have the value `pad`. The photo has
    /// `whole` px, of which `image` may have fewer.
    fn cut(&self, image: &RgbImage, whole: &Whole, size_px: u32, pad: u8) -> Vec<u8> {
        let along_x = (whole.size.0, image.width());
        let (left, width, x, source_width) = self.fit(self.x, along_x, whole.begins_at_end.0, size_px);
        let along_y = (whole.size.1, image.height());
        let (top, height, y, source_height) = self.fit(self.y, along_y, whole.begins_at_end.1, size_px);
        let side = size_px as usize;
        let mut planes = buffers::zeros(3 * side * side);
        planes.fill(pad);
        if width > 0 && height > 0 {
            let rect = SourceRect { x, y, width: source_width, height: source_height };
            let cut = resize::part(image, rect, width, height, Filter::Lanczos3);
            vectorised(ToPlanes {
                cut: &cut,
                planes: &mut planes,
                side,
                corner: (left as usize, top as usize),
            });
            buffers::keep(cut.into_raw());
        }
        planes
    }
}

/// Interleaved pixels into planes R, G, B of `side` × `side` px, from `corner` (x, y) on.
struct ToPlanes<'a> {
    cut: &'a RgbImage,
    planes: &'a mut [u8],
    side: usize,
    corner: (usize, usize),
}

impl Loop for ToPlanes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { cut, planes, side, corner: (left, top) } = self;
        let width = cut.width() as usize;
        let (red, rest) = planes.split_at_mut(side * side);
        let (green, blue) = rest.split_at_mut(side * side);
        for (y, row) in cut.as_raw().chunks_exact(3 * width).enumerate() {
            let place = (top + y) * side + left;
            let place = place..place + width;
            let to = red[place.clone()].iter_mut().zip(&mut green[place.clone()]).zip(&mut blue[place]);
            for (pixel, ((r, g), b)) in row.as_chunks::<3>().0.iter().zip(to) {
                [*r, *g, *b] = *pixel;
            }
        }
    }
}
