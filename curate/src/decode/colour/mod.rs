//! What the numbers of a file mean, and the way to sRGB: everything behind the decoder sees sRGB alone.
//!
//! Phones write Display P3, cameras Adobe RGB, print shops inks. Taken as sRGB such photos are pale or false,
//! so they are converted, relatively colorimetric and without black point compensation, as lcms2 does when
//! asked so. A file that says sRGB, or nothing, costs no more than reading what it says.
//!
//! What says so: an ICC profile (JPEG, PNG, WebP, TIFF), the chunks `cICP`, `sRGB`, `gAMA` and `cHRM` of PNG
//! ([`png`]), the mark by which cameras name Adobe RGB files ([`exif`]). The profile stands over all but
//! `cICP`. The primaries of TIFF (tags 318 and 319) are not asked: who writes them writes a profile as well.
//!
//! | module | what |
//! |---|---|
//! | [`png`] | what the chunks of a PNG say |
//! | [`exif`] | Adobe RGB as cameras mark it |
//! | [`tiff`] | profiles and inks of a TIFF |

pub(crate) mod exif;
pub(crate) mod png;
pub(crate) mod tiff;

use std::sync::Arc;

use image::{ColorType, DynamicImage, ImageBuffer, Pixel};
use moxcms::{
    CmsError, ColorProfile, DataColorSpace, Layout, ProfileText, RenderingIntent, ToneReprCurve,
    TransformExecutor, TransformOptions,
};

/// Pixels that are converted at a time: the samples before and after lie in the nearest caches.
const PIXELS_AT_A_TIME: usize = 2048;

/// Differences that no level of 8 bits shows: of primaries in linear light, and of curves in sRGB's.
const SAME: f32 = 1.0 / 255.0;

/// The most characters of a profile's name that are kept: it is a stranger's text.
const NAME_CHARACTERS: usize = 60;

/// What the numbers of a file mean.
#[derive(Debug)]
pub(crate) enum Colours {
    /// sRGB, or nothing is said.
    Srgb,
    /// Something else.
    Of(Box<Space>),
    /// Something that is broken, or not known: the numbers count as sRGB.
    Unusable(String),
}

/// Colours other than sRGB's.
#[derive(Debug)]
pub(crate) struct Space {
    name: String,
    profile: ColorProfile,
}

impl Colours {
    /// What an ICC profile says.
    pub fn of_profile(icc: &[u8]) -> Self {
        let mut profile = match ColorProfile::new_from_slice(icc) {
            Ok(profile) => profile,
            Err(error) => return Self::Unusable(format!("the colour profile is broken: {error}")),
        };
        // Of several tables the colorimetric one is asked for; a profile with a single one means it for all
        // intents.
        if profile.lut_a_to_b_colorimetric.is_none() {
            profile.lut_a_to_b_colorimetric = profile.lut_a_to_b_perceptual.take();
        }
        let name = name(&profile).unwrap_or_else(|| "a profile without a name".to_owned());
        Self::of(profile, name)
    }

    /// What a profile says that was read or made.
    fn of(profile: ColorProfile, name: String) -> Self {
        if is_srgb(&profile) { Self::Srgb } else { Self::Of(Box::new(Space { name, profile })) }
    }

    /// Whether they are amounts of ink.
    pub fn is_inks(&self) -> bool {
        matches!(self, Self::Of(space) if space.profile.color_space == DataColorSpace::Cmyk)
    }

    /// Whether they are levels of grey alone.
    pub fn is_grey(&self) -> bool {
        matches!(self, Self::Of(space) if space.profile.color_space == DataColorSpace::Gray)
    }

    /// What they say of RGB that was made of inks without asking: nothing that can be used, unless they are
    /// sRGB.
    pub fn of_inks_alone(self) -> Self {
        match self {
            Self::Of(space) => {
                Self::Unusable(format!("the profile “{}” is for other pixels than inks", space.name))
            }
            other => other,
        }
    }

    /// Makes sRGB of a photo, and says what came of it; the photo stays as it is where its colours cannot be
    /// used.
    pub fn to_srgb(&self, image: &mut DynamicImage) -> Option<photo::Colours> {
        self.convert(|space| space.convert(image))
    }

    /// RGB of four inks a pixel, 255 being all of one, and what came of it; `None` where they cannot be used.
    pub fn inks_to_srgb(&self, inks: &[u8]) -> (Option<Vec<u8>>, Option<photo::Colours>) {
        let mut rgb = None;
        let said = self.convert(|space| {
            rgb = Some(space.changed(inks, (Layout::Rgba, 4), (Layout::Rgb, 3))?);
            Ok(())
        });
        (rgb, said)
    }

    fn convert(&self, work: impl FnOnce(&Space) -> Result<(), Mismatch>) -> Option<photo::Colours> {
        match self {
            Self::Srgb => None,
            Self::Unusable(detail) => Some(photo::Colours::Unusable(detail.clone())),
            Self::Of(space) => Some(match work(space) {
                Ok(()) => photo::Colours::Converted(space.name.clone()),
                Err(error) => photo::Colours::Unusable(format!("the profile “{}” {error}", space.name)),
            }),
        }
    }
}

/// Why the colours of a file are not those of its pixels.
#[derive(Debug, thiserror::Error)]
enum Mismatch {
    #[error("is for other pixels than {0:?}")]
    Pixels(ColorType),
    #[error("cannot be used: {0}")]
    Transform(#[from] CmsError),
}

impl Space {
    /// Makes sRGB of a photo, or leaves it as it is.
    fn convert(&self, image: &mut DynamicImage) -> Result<(), Mismatch> {
        use DynamicImage as Of;
        match self.profile.color_space {
            DataColorSpace::Gray => {
                *image = match &*image {
                    Of::ImageLuma8(grey) => Of::ImageRgb8(self.coloured(grey)?),
                    Of::ImageLumaA8(grey) => Of::ImageRgba8(self.coloured(grey)?),
                    Of::ImageLuma16(grey) => Of::ImageRgb16(self.coloured(grey)?),
                    Of::ImageLumaA16(grey) => Of::ImageRgba16(self.coloured(grey)?),
                    other => return Err(Mismatch::Pixels(other.color())),
                };
                Ok(())
            }
            DataColorSpace::Rgb => {
                // Grey pixels under a profile of three colours are three equal ones, and floats have more
                // than 16 bits show.
                match image.color() {
                    ColorType::L8 => *image = Of::ImageRgb8(image.to_rgb8()),
                    ColorType::La8 => *image = Of::ImageRgba8(image.to_rgba8()),
                    ColorType::L16 | ColorType::Rgb32F => *image = Of::ImageRgb16(image.to_rgb16()),
                    ColorType::La16 | ColorType::Rgba32F => *image = Of::ImageRgba16(image.to_rgba16()),
                    _ => {}
                }
                match image {
                    Of::ImageRgb8(rgb) => self.change(rgb.as_flat_samples_mut().samples, Layout::Rgb, 3),
                    Of::ImageRgba8(rgb) => self.change(rgb.as_flat_samples_mut().samples, Layout::Rgba, 4),
                    Of::ImageRgb16(rgb) => self.change(rgb.as_flat_samples_mut().samples, Layout::Rgb, 3),
                    Of::ImageRgba16(rgb) => self.change(rgb.as_flat_samples_mut().samples, Layout::Rgba, 4),
                    other => Err(Mismatch::Pixels(other.color())),
                }
            }
            _ => Err(Mismatch::Pixels(image.color())),
        }
    }

    /// Grey pixels in three colours, with their transparency where they have one.
    fn coloured<From, To>(
        &self,
        grey: &ImageBuffer<From, Vec<From::Subpixel>>,
    ) -> Result<ImageBuffer<To, Vec<To::Subpixel>>, Mismatch>
    where
        From: Pixel<Subpixel: Sample>,
        To: Pixel<Subpixel = From::Subpixel>,
    {
        let (from, to) = if From::HAS_ALPHA {
            ((Layout::GrayAlpha, 2), (Layout::Rgba, 4))
        } else {
            ((Layout::Gray, 1), (Layout::Rgb, 3))
        };
        let samples = self.changed(grey.as_raw(), from, to)?;
        Ok(ImageBuffer::from_raw(grey.width(), grey.height(), samples).expect("as many pixels as before"))
    }

    /// Samples in sRGB. Each layout with its number of channels.
    fn changed<S: Sample>(
        &self,
        samples: &[S],
        from: (Layout, usize),
        to: (Layout, usize),
    ) -> Result<Vec<S>, Mismatch> {
        let transform = S::transform(&self.profile, from.0, to.0)?;
        let mut changed = vec![S::default(); samples.len() / from.1 * to.1];
        let parts = samples.chunks(PIXELS_AT_A_TIME * from.1);
        for (before, after) in parts.zip(changed.chunks_mut(PIXELS_AT_A_TIME * to.1)) {
            transform.transform(before, after)?;
        }
        Ok(changed)
    }

    /// Makes sRGB of samples where they are, since a large photo would hardly fit into memory twice.
    fn change<S: Sample>(&self, samples: &mut [S], layout: Layout, channels: usize) -> Result<(), Mismatch> {
        let transform = S::transform(&self.profile, layout, layout)?;
        let mut before = Vec::with_capacity(PIXELS_AT_A_TIME * channels);
        for part in samples.chunks_mut(PIXELS_AT_A_TIME * channels) {
            before.clear();
            before.extend_from_slice(part);
            transform.transform(&before, part)?;
        }
        Ok(())
    }
}

/// A sample of 8 or 16 bits.
trait Sample: Copy + Default {
    /// The way from a profile to sRGB.
    fn transform(
        from: &ColorProfile,
        layout: Layout,
        to_layout: Layout,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, CmsError>;
}

impl Sample for u8 {
    fn transform(
        from: &ColorProfile,
        layout: Layout,
        to_layout: Layout,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, CmsError> {
        from.create_transform_8bit(layout, &ColorProfile::new_srgb(), to_layout, options())
    }
}

impl Sample for u16 {
    fn transform(
        from: &ColorProfile,
        layout: Layout,
        to_layout: Layout,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, CmsError> {
        from.create_transform_16bit(layout, &ColorProfile::new_srgb(), to_layout, options())
    }
}

/// Relatively colorimetric: colours that sRGB has stay those they are. The curves of profiles are taken from
/// their tags, as other programs do, not from code points beside them.
fn options() -> TransformOptions {
    TransformOptions {
        rendering_intent: RenderingIntent::RelativeColorimetric,
        allow_use_cicp_transfer: false,
        ..TransformOptions::default()
    }
}

/// Whether a conversion from the profile to sRGB would change nothing that shows.
fn is_srgb(profile: &ColorProfile) -> bool {
    if !profile.is_matrix_shaper() || profile.lut_a_to_b_colorimetric.is_some() {
        return false;
    }
    let to_srgb = profile.transform_matrix(&ColorProfile::new_srgb());
    let is_near = |row: usize, column: usize| {
        let same = if row == column { 1.0 } else { 0.0 };
        (to_srgb.v[row][column] - same).abs() < f64::from(SAME)
    };
    let curves = [&profile.red_trc, &profile.green_trc, &profile.blue_trc];
    (0..9).all(|place| is_near(place / 3, place % 3)) && curves.into_iter().flatten().all(is_srgb_curve)
}

fn is_srgb_curve(curve: &ToneReprCurve) -> bool {
    let Ok(linear) = curve.make_linear_evaluator() else { return false };
    (0..=32).map(|step| step as f32 / 32.0).all(|level| {
        let light = linear.evaluate_value(level);
        let back = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        (back - level).abs() < SAME
    })
}

/// What the profile calls itself.
fn name(profile: &ColorProfile) -> Option<String> {
    let text = match profile.description.as_ref()? {
        ProfileText::PlainString(text) => text,
        ProfileText::Localizable(texts) => &texts.first()?.value,
        ProfileText::Description(text) if text.ascii_string.is_empty() => &text.unicode_string,
        ProfileText::Description(text) => &text.ascii_string,
    };
    let shown = text.chars().filter(|character| !character.is_control()).take(NAME_CHARACTERS);
    Some(shown.collect::<String>().trim().to_owned()).filter(|name| !name.is_empty())
}
