//! What a snapshot is composed of, in numbers: what its card says and draws.

use std::collections::{BTreeMap, BTreeSet};

use photo::identity_name::site_of;
use photo::joints::JOINT_COUNT;
use photo::{CaptionSource, Joints};
use serde_json::Value;

use crate::manifest::SnapshotSpec;
use crate::row::{Dropped, KeptPhoto, Scores};

/// The numbers of a snapshot.
pub(crate) struct Composition {
    /// The kept photos of each person.
    pub photos_per_person: Vec<f64>,
    /// The shorter side of each kept photo in px.
    pub shorter_sides_px: Vec<f64>,
    /// Scores of kept photos by name, where any was measured.
    pub scores: Vec<(&'static str, Vec<f64>)>,
    /// In how many kept photos each joint is seen.
    pub joints_seen: [usize; JOINT_COUNT],
    /// What is seen of the bodies.
    pub bodies: Bodies,
    /// Kept photos with a face of the least score, and those of which it was asked.
    pub faces: (usize, usize),
    /// Photos of people of the train split that are held out.
    pub held_out: usize,
    /// Kept photos by the source of their caption, where the recipe names some.
    pub captions: Option<Captions>,
    /// Sources by name.
    pub sources: Vec<Source>,
}

/// Where captions are from, as numbers of kept photos.
#[derive(Default)]
pub(crate) struct Captions {
    /// The photos' own.
    pub own: usize,
    /// By other sources.
    pub others: BTreeMap<CaptionSource, usize>,
    /// Photos without one.
    pub none: usize,
}

/// How much of a body is seen, as numbers of kept photos.
#[derive(Default)]
pub(crate) struct Bodies {
    /// Shoulders, hips, knees and ankles, all eight.
    pub whole: usize,
    /// Shoulders and hips, but not all of the legs.
    pub upper: usize,
    /// Less.
    pub part: usize,
}

/// A site or import.
pub(crate) struct Source {
    pub name: String,
    pub identities: usize,
    pub kept: usize,
    pub dropped: usize,
    /// The hosts of its files, sorted; none of local ones.
    pub hosts: Vec<String>,
    /// Under what licence its photos are, where the recipe or profile says so.
    pub licence: Option<String>,
}

const SHOULDERS_AND_HIPS: [usize; 4] = [5, 6, 11, 12];
const KNEES_AND_ANKLES: [usize; 4] = [13, 14, 15, 16];

impl Composition {
    pub fn of(spec: &SnapshotSpec, photos: &[KeptPhoto], dropped: &[Dropped]) -> Self {
        let people = photos.chunk_by(|a, b| a.identity == b.identity);
        let mut joints_seen = [0; JOINT_COUNT];
        let mut bodies = Bodies::default();
        for photo in photos {
            let joints = &photo.facts.joints;
            for (count, joint) in joints_seen.iter_mut().zip(joints.0) {
                *count += usize::from(joint.confidence > 0.0);
            }
            *bodies.part_of(joints) += 1;
        }
        let face_scores = photos.iter().filter_map(|photo| {
            let limit = spec.rules.of_site(site_of(&photo.identity)).faces.min_score;
            photo.facts.scores.face.map(|score| score >= limit)
        });
        let face_scores: Vec<bool> = face_scores.collect();
        Self {
            photos_per_person: people.map(|photos| photos.len() as f64).collect(),
            shorter_sides_px: photos
                .iter()
                .map(|photo| f64::from(photo.facts.width.min(photo.facts.height)))
                .collect(),
            scores: scores(photos),
            joints_seen,
            bodies,
            faces: (face_scores.iter().filter(|seen| **seen).count(), face_scores.len()),
            held_out: photos.iter().filter(|photo| photo.held_out).count(),
            captions: spec.names_caption_sources().then(|| Captions::of(photos)),
            sources: sources(spec, photos, dropped),
        }
    }
}

impl Captions {
    fn of(photos: &[KeptPhoto]) -> Self {
        let mut captions = Self::default();
        for photo in photos {
            match (&photo.facts.caption, photo.facts.caption_source) {
                (None, _) => captions.none += 1,
                (Some(_), None) => captions.own += 1,
                (Some(_), Some(source)) => *captions.others.entry(source).or_default() += 1,
            }
        }
        captions
    }

    /// A sentence for each.
    pub fn in_words(&self) -> String {
        let others: String =
            self.others.iter().map(|(source, photos)| format!(", {photos} are from the {source}")).collect();
        format!("{} captions are the photos' own{others}; {} photos have none.", self.own, self.none)
    }
}

impl Bodies {
    fn part_of(&mut self, joints: &Joints) -> &mut usize {
        let all = |which: [usize; 4]| which.into_iter().all(|joint| joints.0[joint].confidence > 0.0);
        match (all(SHOULDERS_AND_HIPS), all(KNEES_AND_ANKLES)) {
            (true, true) => &mut self.whole,
            (true, false) => &mut self.upper,
            (false, _) => &mut self.part,
        }
    }
}

fn scores(photos: &[KeptPhoto]) -> Vec<(&'static str, Vec<f64>)> {
    type Score = fn(&Scores) -> Option<f32>;
    let all: [(&str, Score); 6] = [
        ("watermark", |scores| scores.watermark),
        ("face", |scores| scores.face),
        ("person", |scores| scores.person),
        ("similarity", |scores| scores.similarity),
        ("sharpness", |scores| scores.sharpness),
        ("brightness", |scores| scores.brightness),
    ];
    all.into_iter()
        .map(|(name, score)| {
            let measured = photos.iter().filter_map(|photo| score(&photo.facts.scores));
            (name, measured.map(f64::from).collect::<Vec<f64>>())
        })
        .filter(|(_, measured)| !measured.is_empty())
        .collect()
}

/// What is counted of one source.
#[derive(Default)]
struct Tally<'a> {
    people: BTreeSet<&'a str>,
    hosts: BTreeSet<&'a str>,
    kept: usize,
    dropped: usize,
}

fn sources(spec: &SnapshotSpec, photos: &[KeptPhoto], dropped: &[Dropped]) -> Vec<Source> {
    let mut tallies: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    for photo in photos {
        let source = tallies.entry(site_of(&photo.identity)).or_default();
        source.people.insert(&photo.identity);
        source.hosts.extend(host_of(&photo.facts.url));
        source.kept += 1;
    }
    for photo in dropped {
        let source = tallies.entry(site_of(&photo.identity)).or_default();
        source.hosts.extend(host_of(&photo.facts.url));
        source.dropped += 1;
    }
    let licences = &spec.recipe["licences"];
    tallies.into_iter().map(|source| describe(source, licences)).collect()
}

fn describe((name, tally): (&str, Tally<'_>), licences: &Value) -> Source {
    Source {
        name: name.to_owned(),
        identities: tally.people.len(),
        kept: tally.kept,
        dropped: tally.dropped,
        hosts: tally.hosts.into_iter().map(str::to_owned).collect(),
        licence: licences[name].as_str().map(str::to_owned),
    }
}

/// The host and port of an address; `None` of a local file's.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    rest.split(['/', '?', '#']).next().map(|host| host.rsplit('@').next().unwrap_or(host))
}

/// The least, middle and largest of some numbers; of an even count the lower of the two in the middle, so
/// that it is one of them. `None` of no numbers.
pub(crate) fn spread(numbers: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some([*sorted.first()?, sorted[(sorted.len() - 1) / 2], *sorted.last()?])
}

/// How many numbers fall into each of at most `MOST_BINS` ranges of round, equal width: `(from, to, count)`,
/// `to` exclusive.
pub(crate) fn histogram(numbers: &[f64]) -> Vec<(f64, f64, usize)> {
    let Some([least, _, largest]) = spread(numbers) else { return Vec::new() };
    let widths = (0..12).flat_map(|power| [1.0, 2.0, 5.0].map(|unit| unit * 10f64.powi(power)));
    let bins_of = |width: f64| (largest / width).floor() - (least / width).floor() + 1.0;
    let Some(width) = widths.into_iter().find(|&width| bins_of(width) <= MOST_BINS) else {
        return Vec::new();
    };
    let first = (least / width).floor();
    let mut bins: Vec<(f64, f64, usize)> = (0..bins_of(width) as usize)
        .map(|bin| first + bin as f64)
        .map(|bin| (bin * width, (bin + 1.0) * width, 0))
        .collect();
    for number in numbers {
        bins[((number / width).floor() - first) as usize].2 += 1;
    }
    bins
}

/// More bars than these are no longer taken in at a glance.
const MOST_BINS: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_round_bins_and_counts_every_number_once() {
        assert_eq!(histogram(&[]), []);
        assert_eq!(histogram(&[3.0]), [(3.0, 4.0, 1)]);
        let bins = histogram(&[999.0, 1000.0, 1400.0, 3200.0]);
        assert_eq!(bins[0], (500.0, 1000.0, 1));
        assert_eq!(bins.iter().map(|bin| bin.2).sum::<usize>(), 4);
        assert!(bins.len() == 6 && bins.last().is_some_and(|bin| bin.0 <= 3200.0 && 3200.0 < bin.1));
    }

    #[test]
    fn hosts_are_read_off_addresses_and_local_files_have_none() {
        assert_eq!(host_of("https://u@gallery.test:81/a/b.jpg?x=http://other"), Some("gallery.test:81"));
        assert_eq!(host_of("http://gallery.test?x"), Some("gallery.test"));
        assert_eq!(host_of("file:ada/1.jpg"), None);
    }

    #[test]
    fn the_middle_of_an_even_count_is_one_of_the_numbers() {
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0]), Some([1.0, 2.0, 4.0]));
        assert_eq!(spread(&[]), None);
    }
}
