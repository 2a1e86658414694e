//! What all pictures of one person in one condition say together.

use anyhow::Result;
use curate::PictureFeatures;
use image::imageops::thumbnail;
use photo::Joints;
use serde::{Deserialize, Serialize};
use train::bodybench::input::Gaussian;
use train::evaluation::{
    LimbRatios, Mask, PoseDetection, Widths, limb_ratios, median_widths, silhouette_widths,
};
use train::report::Picture;

use super::judge::{Judges, Reading, SeenPerson};
use super::silhouette::Silhouette;

/// Pictures of each person and condition that are kept with the head painted over, and their longest side in
/// px: people are shown them side by side, and of many people all of them would take gigabytes.
const MASKED: usize = 4;
const MASKED_PX: u32 = 384;

/// The body that is seen in pictures or photos of one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BodyReading {
    /// How many pictures there are.
    pub count: usize,
    /// The joints of the person in each picture in which one is found, in px of the picture.
    pub joints: Vec<Joints>,
    /// Limbs over the torso.
    pub limbs: LimbRatios,
    /// Widths over the torso.
    pub widths: Widths,
    /// c_body as the body-VAE reads it off them; `None` where nobody is found.
    pub body: Option<Gaussian>,
}

/// Pictures or photos of one person, and what is read off them.
pub struct Readings {
    /// The body.
    pub seen: BodyReading,
    /// The first picture, to be looked at.
    pub first: Option<Picture>,
    /// The first few pictures with the head painted over, for people to look at; `None` where nobody is found.
    pub masked: Vec<Option<Picture>>,
    /// Everybody found in each picture.
    pub people: Vec<Vec<PoseDetection>>,
    /// CLIP's embedding of each picture.
    pub embeddings: Vec<Vec<f32>>,
    /// What Inception says of each; empty vectors where it is not there.
    pub inception: Vec<PictureFeatures>,
    /// CLIP's embeddings of the pictures with the person painted over.
    pub grounds: Vec<Vec<f32>>,
    /// Mean cosine of pictures and their prompts, where there are prompts.
    pub clip_t: Option<f64>,
    /// 1 − the mean cosine of pictures of one prompt and different seeds, where there are several.
    pub diversity: Option<f64>,
}

impl Readings {
    /// Reads `pictures`, of each prompt as many as there are `seeds`; `texts` are the prompts' embeddings,
    /// none for photos.
    pub fn new(pictures: &[Picture], judges: &Judges, texts: &[Vec<f32>], seeds: usize) -> Result<Self> {
        let readings = judges.read(pictures)?;
        let seen: Vec<&SeenPerson> = readings.iter().filter_map(|reading| reading.person.as_ref()).collect();
        let joints: Vec<Joints> = seen.iter().map(|person| person.joints).collect();
        let widths = pictures.iter().zip(&readings).map(|(picture, reading)| widths(picture, reading));
        let widths: Vec<Widths> = widths.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let covered: Vec<Picture> =
            pictures.iter().zip(&readings).map(|(picture, reading)| cover(picture, reading)).collect();
        let without_head = |(picture, reading): (&Picture, &Reading)| {
            Some(small(&reading.person.as_ref()?.without_head(picture)?))
        };
        let masked = pictures.iter().zip(&readings).take(MASKED).map(without_head).collect();
        let seen = BodyReading {
            count: pictures.len(),
            limbs: limb_ratios(&joints)?,
            widths: median_widths(&widths),
            body: judges.body(&seen)?,
            joints,
        };
        let (mut embeddings, mut inception, mut people) = (Vec::new(), Vec::new(), Vec::new());
        for reading in readings {
            embeddings.push(reading.embedding);
            inception.push(reading.inception);
            people.push(reading.people);
        }
        let of_prompt = embeddings.chunks(seeds.max(1)).zip(texts);
        let to_text = of_prompt.flat_map(|(of, text)| of.iter().map(|one| cosine(one, text)));
        Ok(Self {
            seen,
            people,
            grounds: judges.likeness.of_pictures(&covered)?,
            clip_t: mean(to_text),
            diversity: mean(embeddings.chunks(seeds.max(1)).filter_map(spread)),
            first: pictures.first().cloned(),
            masked,
            inception,
            embeddings,
        })
    }
}

fn widths(picture: &Picture, reading: &Reading) -> Result<Option<Widths>> {
    let person = reading.person.as_ref();
    let Some(found) = person.and_then(|person| Silhouette::of(picture, &person.joints)) else {
        return Ok(None);
    };
    let mask = Mask::new(found.width, found.height, &found.mask)?;
    Ok(Some(silhouette_widths(&mask, &found.joints)?))
}

/// A picture that is no larger than [`MASKED_PX`].
fn small(picture: &Picture) -> Picture {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let longest = width.max(height);
    if longest <= MASKED_PX {
        return picture.clone();
    }
    let side = |side: u32| (side * MASKED_PX / longest).max(1);
    Picture::from_image(thumbnail(&picture.image(), side(width), side(height)))
}

/// The picture with grey where the person is: what is left is the ground.
fn cover(picture: &Picture, reading: &Reading) -> Picture {
    let mut covered = picture.clone();
    let Some(person) = &reading.person else {
        return covered;
    };
    for (at, pixel) in covered.rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((at % picture.width) as f32, (at / picture.width) as f32);
        if (person.bbox.x0..=person.bbox.x1).contains(&x) && (person.bbox.y0..=person.bbox.y1).contains(&y) {
            pixel.fill(128);
        }
    }
    covered
}

/// Of two vectors of length 1.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// `None` of none.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// 1 − the mean cosine of all pairs.
fn spread(of: &[Vec<f32>]) -> Option<f64> {
    let pairs = of.iter().enumerate().flat_map(|(i, a)| of[i + 1..].iter().map(move |b| cosine(a, b)));
    mean(pairs).map(|alike| 1.0 - alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_to_be_looked_at_are_small_and_keep_their_shape() {
        let large = Picture::from_rgb(vec![7; 3 * 768 * 512], 768, 512, "");
        let found = small(&large);
        assert_eq!((found.width, found.height, found.rgb[0]), (384, 256, 7));
        let little = Picture::from_rgb(vec![7; 3 * 64 * 64], 64, 64, "");
        assert_eq!(small(&little), little);
    }

    #[test]
    fn means_and_spreads_of_nothing_are_none() {
        assert_eq!(mean(std::iter::empty()), None);
        assert_eq!(spread(&[vec![1.0, 0.0]]), None);
        assert_eq!(spread(&[vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 0.0]]), Some(1.0 - 1.0 / 3.0));
    }
}
