//! A gallery's worth of photos: identities, good photos, and everything that curation must find among them.

use image::RgbImage;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::encode;
use crate::names;
use crate::noise;
use crate::render::{Rendered, render};
use crate::scene::{Framing, Scene, Shot};
use crate::spoil::{CHANGES, Change, DAMAGES, Damage};
use crate::truth::{Truth, caption};
use crate::watermark::{MARK_KINDS, Mark, MarkKind};

/// The size of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollectionSpec {
    /// Decides everything.
    pub seed: u64,
    /// How many people have a gallery.
    pub identities: usize,
    /// Photos of each.
    pub photos_per_identity: usize,
}

impl Default for CollectionSpec {
    fn default() -> Self {
        Self { seed: 1, identities: 8, photos_per_identity: 24 }
    }
}

/// Why a photo does not belong into a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "plant", rename_all = "snake_case")]
pub enum Plant {
    /// It carries a watermark.
    Watermark {
        /// The mark.
        mark: Mark,
    },
    /// Nobody is in it.
    NoPerson,
    /// More than one person is in it.
    SeveralPeople {
        /// How many.
        count: usize,
    },
    /// A side is shorter than 1000 px.
    TooSmall,
    /// The same bytes as an earlier photo of the identity.
    Duplicate {
        /// The earlier photo's index.
        of: usize,
    },
    /// Almost the same as an earlier photo of the identity.
    NearDuplicate {
        /// The earlier photo's index.
        of: usize,
        /// The difference.
        change: Change,
    },
    /// The file is no photo.
    Broken {
        /// In what way.
        damage: Damage,
    },
}

impl Plant {
    /// The name of the reason (`photo::Reason::name`) that judging must give.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Watermark { .. } => "watermark",
            Self::NoPerson => "no_person",
            Self::SeveralPeople { .. } => "several_people",
            Self::TooSmall => "too_small",
            Self::Duplicate { .. } => "duplicate",
            Self::NearDuplicate { .. } => "near_duplicate",
            Self::Broken { .. } => "unreadable",
        }
    }
}

/// Something odd about a good photo that must not cost it its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// PNG bytes under a .jpg name.
    PngNamedJpg,
    /// Pixels on their side, set upright by the EXIF orientation.
    ExifOrientation,
}

/// One photo of an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyntheticPhoto {
    /// Position within the identity, from 0.
    pub index: usize,
    /// File name, unique within the identity.
    pub file_name: String,
    /// Pixels across, upright; of the intact photo where the file is broken.
    pub width: u32,
    /// Pixels down, upright.
    pub height: u32,
    /// Why it must be dropped; `None` for a good photo.
    pub plant: Option<Plant>,
    /// What is odd, but harmless.
    pub quirk: Option<Quirk>,
    /// The photo, before anything was done to it; that of the original for duplicates.
    shot: Shot,
    /// The JPEG quality of the first saving.
    quality: u8,
}

/// One person and the photos in the person's gallery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Name in URLs, unique in the collection.
    pub slug: String,
    /// Display name; invented.
    pub name: String,
    /// The body.
    pub body: Body,
    /// The photos in the gallery's order.
    pub photos: Vec<SyntheticPhoto>,
}

/// All of it: a description, pixels are made on demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// What it was made from.
    pub spec: CollectionSpec,
    /// The people.
    pub identities: Vec<Identity>,
}

/// Kinds of plants before they are placed.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Watermark(MarkKind),
    NoPerson,
    Several(usize),
    TooSmall,
    Duplicate,
    Near(Change),
    Broken(Damage),
}

/// Of ten photos, how many are planted rejects.
const PLANTED_SHARE: f64 = 0.3;

/// The order in which plants are handed out: each kind once first, then the frequent ones of real galleries.
fn kinds(rng: &mut ChaCha8Rng, count: usize) -> Vec<Kind> {
    let mut once: Vec<Kind> = MARK_KINDS.map(Kind::Watermark).to_vec();
    once.extend([Kind::NoPerson, Kind::Several(2), Kind::Several(3), Kind::TooSmall, Kind::Duplicate]);
    once.extend(CHANGES.map(Kind::Near));
    once.extend(DAMAGES.map(Kind::Broken));
    let mut frequent = once.clone();
    frequent.extend(MARK_KINDS.map(Kind::Watermark));
    frequent.extend([Kind::NoPerson, Kind::Several(2), Kind::Several(2), Kind::TooSmall, Kind::Duplicate]);
    once.shuffle(rng);
    while once.len() < count {
        frequent.shuffle(rng);
        once.extend(&frequent);
    }
    once.truncate(count);
    once
}

impl Collection {
    /// The collection that `spec` describes.
    pub fn new(spec: CollectionSpec) -> Self {
        let rng = &mut noise::stream(spec.seed, 10);
        let planted = (spec.photos_per_identity as f64 * PLANTED_SHARE).round() as usize;
        let kinds = kinds(rng, planted * spec.identities);
        let mut identities: Vec<Identity> = Vec::with_capacity(spec.identities);
        for number in 0..spec.identities {
            let body = Body::sample(noise::subseed(spec.seed, 1000 + number as u64));
            let name = loop {
                let name = names::person(rng, body.woman);
                if identities.iter().all(|identity| identity.name != name) {
                    break name;
                }
            };
            let seed = noise::subseed(spec.seed, 2000 + number as u64);
            let kinds = &kinds[number * planted..(number + 1) * planted];
            let photos = photos(seed, &body, spec.photos_per_identity, kinds, number);
            identities.push(Identity { slug: names::slug(&name), name, body, photos });
        }
        Self { spec, identities }
    }
}

/// Good photos with the plants spread among them.
fn photos(seed: u64, body: &Body, count: usize, kinds: &[Kind], number: usize) -> Vec<SyntheticPhoto> {
    let rng = &mut noise::stream(seed, 11);
    let mut photos: Vec<SyntheticPhoto> = (0..count).map(|index| good(seed, body, index, rng)).collect();
    // the first photo stays good, so that every duplicate finds an original before it
    let mut places: Vec<usize> = (1..count).collect();
    places.shuffle(rng);
    places.truncate(kinds.len());
    // copies last, so that originals are known to be good by then
    let copy = |kind: &Kind| matches!(kind, Kind::Duplicate | Kind::Near(_));
    let mut order: Vec<(usize, Kind)> = Vec::with_capacity(kinds.len());
    order.extend(places.iter().copied().zip(kinds.iter().copied().filter(|kind| !copy(kind))));
    let copies: Vec<Kind> = kinds.iter().copied().filter(copy).collect();
    let rest: Vec<usize> = places[order.len()..].to_vec();
    let taken: Vec<usize> = places.clone();
    order.extend(rest.into_iter().zip(copies));
    for (index, kind) in order {
        plant(&mut photos, index, kind, &taken, rng);
    }
    // one quirk per identity for the first few identities: two per usual collection
    let quirk = [Some(Quirk::PngNamedJpg), Some(Quirk::ExifOrientation)].get(number).copied().flatten();
    let originals: Vec<usize> = photos.iter().filter_map(SyntheticPhoto::original).collect();
    let plain = |photo: &&mut SyntheticPhoto| photo.plant.is_none() && !originals.contains(&photo.index);
    if let Some(photo) = photos.iter_mut().rev().find(plain) {
        photo.quirk = quirk;
    }
    photos
}

fn good(seed: u64, body: &Body, index: usize, rng: &mut ChaCha8Rng) -> SyntheticPhoto {
    let seed = noise::subseed(seed, index as u64);
    let (width, height) = match rng.random_range(0..100) {
        0..80 => {
            let width = rng.random_range(1040..1300u32);
            (width, (f64::from(width) * rng.random_range(1.2..1.5)).round().min(1800.0) as u32)
        }
        80..90 => {
            let side = rng.random_range(1100..1400);
            (side, side)
        }
        _ => (rng.random_range(1300..1700), rng.random_range(1040..1240)),
    };
    let framing = match rng.random_range(0..100) {
        0..68 => Framing::Full,
        68..86 => Framing::Knees,
        _ => Framing::Hips,
    };
    let file_name = match rng.random_range(0..10) {
        0 => format!("image({}).jpg", 100 + index * 7),
        1 => format!("1_({index})({}).jpg", rng.random_range(10..99)),
        _ => format!("{:08x}-{:03}.jpg", noise::subseed(seed, 5) as u32, index + 1),
    };
    let shot = Shot { seed, width, height, people: vec![body.clone()], framing };
    SyntheticPhoto {
        index,
        file_name,
        width,
        height,
        plant: None,
        quirk: None,
        shot,
        quality: rng.random_range(82..96),
    }
}

/// Turns the good photo at `index` into a plant; `taken` are the places of all plants.
fn plant(photos: &mut [SyntheticPhoto], index: usize, kind: Kind, taken: &[usize], rng: &mut ChaCha8Rng) {
    let seed = photos[index].shot.seed;
    let earlier: Vec<usize> = (0..index).filter(|i| !taken.contains(i)).collect();
    let of = *earlier.choose(rng).unwrap_or(&0);
    let (original_shot, original_quality) = (photos[of].shot.clone(), photos[of].quality);
    let photo = &mut photos[index];
    let plant = match kind {
        Kind::Watermark(kind) => {
            let mark = Mark { seed: noise::subseed(seed, 9), kind, strength: rng.random_range(0.0..1.0f32) };
            Plant::Watermark { mark }
        }
        Kind::NoPerson => {
            photo.shot.people.clear();
            Plant::NoPerson
        }
        Kind::Several(count) => {
            let others = (1..count as u64).map(|i| Body::sample(noise::subseed(seed, 60 + i)));
            photo.shot.people.extend(others);
            photo.shot.framing =
                *[Framing::Full, Framing::Full, Framing::Knees].choose(rng).expect("framings are listed");
            Plant::SeveralPeople { count }
        }
        Kind::TooSmall => {
            (photo.shot.width, photo.shot.height) =
                *[(600, 900), (480, 720), (800, 1100), (960, 1280), (1280, 853)]
                    .choose(rng)
                    .expect("sizes are listed");
            Plant::TooSmall
        }
        Kind::Duplicate | Kind::Near(_) => {
            (photo.shot, photo.quality) = (original_shot, original_quality);
            match kind {
                Kind::Near(change) => Plant::NearDuplicate { of, change: fitting(change, &photo.shot) },
                _ => Plant::Duplicate { of },
            }
        }
        Kind::Broken(damage) => Plant::Broken { damage },
    };
    (photo.width, photo.height) = (photo.shot.width, photo.shot.height);
    if let Plant::NearDuplicate { change, .. } = plant {
        (photo.width, photo.height) = change.size(photo.width, photo.height);
    }
    photo.plant = Some(plant);
}

/// A copy that shrinks below 1000 px would be dropped as too small first: it is mirrored instead.
fn fitting(change: Change, shot: &Shot) -> Change {
    let (width, height) = change.size(shot.width, shot.height);
    if width.min(height) < 1000 { Change::Mirrored } else { change }
}

impl SyntheticPhoto {
    /// The name of the reason that judging must give; `None` for a good photo.
    pub fn expected_reason(&self) -> Option<&'static str> {
        self.plant.as_ref().map(Plant::reason)
    }

    /// The same photo at another size: `shorter` × `longer` px, upright or wide as it was. Not for changed copies.
    pub fn resized(mut self, shorter: u32, longer: u32) -> Self {
        let is_wide = self.shot.width > self.shot.height;
        (self.shot.width, self.shot.height) = if is_wide { (longer, shorter) } else { (shorter, longer) };
        (self.width, self.height) = (self.shot.width, self.shot.height);
        self
    }

    /// The index of the photo that this one copies.
    pub fn original(&self) -> Option<usize> {
        match self.plant {
            Some(Plant::Duplicate { of } | Plant::NearDuplicate { of, .. }) => Some(of),
            _ => None,
        }
    }

    /// The shot with a seed for which everybody's face is seen and a single person is large enough. Found by
    /// looking at small renderings.
    pub(crate) fn settled(&self) -> Shot {
        let candidates = (0..12).map(|attempt| match attempt {
            0 => self.shot.clone(),
            _ => Shot { seed: noise::subseed(self.shot.seed, 300 + attempt), ..self.shot.clone() },
        });
        candidates.clone().find(looks_right).unwrap_or_else(|| self.shot.clone())
    }

    /// The pixels and the truth, upright, without mark, change or damage.
    pub fn rendered(&self) -> Rendered {
        render(&self.settled())
    }

    /// What is known of the file's pixels; `None` where the file is broken.
    pub fn truth(&self) -> Option<Truth> {
        let truth = self.rendered().truth;
        match &self.plant {
            Some(Plant::Broken { .. }) => None,
            Some(Plant::Watermark { mark }) => {
                Some(Truth { watermark: Some(mark.kind.name().to_owned()), ..truth })
            }
            Some(Plant::NearDuplicate { change, .. }) => Some(self.changed(&truth, *change)),
            _ => Some(truth),
        }
    }

    fn changed(&self, truth: &Truth, change: Change) -> Truth {
        let (w, h) = (self.width, self.height);
        match change {
            Change::Reencoded | Change::Darkened => truth.clone(),
            Change::Rescaled => truth.moved(w as f32 / truth.width as f32, 0.0, 0.0, w, h),
            Change::Cropped => {
                let shift = |whole: u32, left: u32| -(((whole - left) / 2) as f32);
                truth.moved(1.0, shift(truth.width, w), shift(truth.height, h), w, h)
            }
            Change::Mirrored => truth.moved(w as f32 / truth.width as f32, 0.0, 0.0, w, h).mirrored(),
        }
    }

    /// A sentence that describes the photo. Cheap beside rendering, though not free.
    pub fn caption(&self) -> String {
        let scene = Scene::new(&self.settled());
        let people: Vec<_> = scene.figures.iter().map(|f| (f.body.clone(), f.outfit.words.clone())).collect();
        caption(&people)
    }

    /// The file: the same bytes on every call and every machine thread.
    pub fn bytes(&self) -> Vec<u8> {
        let rng = &mut noise::stream(noise::subseed(self.shot.seed, self.index as u64), 12);
        if let Some(Plant::Broken { damage: damage @ (Damage::Html | Damage::Garbage | Damage::Empty) }) =
            self.plant
        {
            return damage.apply(&[], rng); // nothing of the photo is left in these
        }
        let rendered = self.rendered();
        let (width, height) = (rendered.width, rendered.height);
        let mut image = RgbImage::from_raw(width, height, rendered.rgb).expect("three bytes a pixel");
        match &self.plant {
            Some(Plant::Watermark { mark }) => {
                let ink = mark.ink(width as usize, height as usize);
                mark.apply(&mut image, &ink);
                encode::jpeg(&image, self.quality)
            }
            Some(Plant::NearDuplicate { change, .. }) => {
                let first = encode::jpeg(&image, self.quality);
                let decoded = image::load_from_memory(&first).expect("own JPEG decodes").to_rgb8();
                encode::jpeg(&change.apply(&decoded), self.quality - rng.random_range(12..30))
            }
            Some(Plant::Broken { damage }) => damage.apply(&encode::jpeg(&image, self.quality), rng),
            _ => match self.quirk {
                Some(Quirk::PngNamedJpg) => encode::png(&image),
                Some(Quirk::ExifOrientation) => encode::jpeg_on_its_side(&image, self.quality),
                None => encode::jpeg(&image, self.quality),
            },
        }
    }
}

/// Whether the people of a shot are large and seen, by a small picture of it.
fn looks_right(shot: &Shot) -> bool {
    let wanted = shot.people.len();
    let scale = 200.0 / shot.width.max(shot.height) as f32;
    let small = |length: u32| (length as f32 * scale).round() as u32;
    let little = Shot { width: small(shot.width), height: small(shot.height), ..shot.clone() };
    let truth = render(&little).truth;
    let frame = (little.width * little.height) as f32;
    truth.people.len() == wanted
        && truth.people.iter().all(|person| {
            let face = person.face.is_some_and(|face| face.height() > 0.045 * little.height as f32);
            let tall = person.bbox.height() > 0.46 * little.height as f32;
            face && person.area_px > 0.012 * frame && (tall || wanted > 1)
        })
}
