//! From what was read off pictures and photos to figures.

use anyhow::Result;
use train::bodybench::bootstrap::{bootstrap, widen_certainty};
use train::bodybench::input::Gaussian;
use train::bodybench::scores::evidence_scores;
use train::evaluation::{
    Better, Features, OfIdentity, Similarities, Subsets, body_score, frechet_distance, inception_score,
    kernel_distance, limb_ratio_error, width_error,
};

use super::condition::Condition;
use super::figures::{
    Anchors, ConditionFigures, Evaluation, Figure, PriorBodies, Provenance, SetDistance, SetScore,
};
use super::proportions::{Spreads, distance};
use super::readings::{Readings, cosine, mean};

/// Fewer pictures make a Fréchet distance mean little (Heusel et al., arXiv:1706.08500).
const ENOUGH_FOR_FID: usize = 2048;
/// What bootstrap and subsets are drawn from.
const SEED: u64 = 1;
/// Subsets of a kernel distance, and the largest that they are.
const SUBSETS: usize = 10;
const SUBSET: usize = 100;
/// The share of strangers who are accepted.
const FAR: f64 = 0.01;

/// Parts of a set that an Inception score is computed on, as its authors do.
const SCORED_PARTS: usize = 10;

/// Everything that was read, person by person in one order.
pub struct Judged {
    /// For each person somebody to be mistaken for.
    pub strangers: Vec<usize>,
    /// Photos that c_body was made of.
    pub given: Vec<Readings>,
    /// Other photos.
    pub held_out: Vec<Readings>,
    /// Pictures of everybody in each condition.
    pub conditions: Vec<(Condition, Vec<Readings>)>,
}

impl Evaluation {
    /// From what was read.
    pub fn new(provenance: Provenance, judged: &Judged, prior_bodies: Option<PriorBodies>) -> Result<Self> {
        let spreads = Spreads::of(&judged.given, &judged.held_out);
        let photos = features(&judged.held_out)?;
        let conditions = judged
            .conditions
            .iter()
            .map(|(condition, found)| {
                let network = &provenance.feature_network;
                condition_figures(*condition, found, judged, &spreads, photos.as_ref(), network)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            provenance,
            people: judged.given.len(),
            anchors: anchors(judged)?,
            conditions,
            prior_bodies,
        })
    }
}

fn condition_figures(
    condition: Condition,
    found: &[Readings],
    judged: &Judged,
    spreads: &Spreads,
    photos: Option<&Features>,
    network: &str,
) -> Result<ConditionFigures> {
    let held_out = &judged.held_out;
    let each = |of: &dyn Fn(usize) -> Option<f64>| -> Vec<Option<f64>> { (0..found.len()).map(of).collect() };
    let limbs = each(&|i| limb_ratio_error(&found[i].limbs, &held_out[i].limbs));
    let widths = each(&|i| width_error(&found[i].widths, &held_out[i].widths));
    let leak = |i: usize| {
        let reference = judged.given[i].grounds.first()?;
        mean(found[i].grounds.iter().map(|ground| cosine(ground, reference)))
    };
    let like = |i: usize| {
        let of = |one: &Vec<f32>| {
            held_out[i].embeddings.iter().map(|photo| cosine(one, photo)).collect::<Vec<_>>()
        };
        mean(found[i].embeddings.iter().flat_map(of))
    };
    let drawn = features(found)?;
    let pictures: usize = found.iter().map(|one| one.count).sum();
    Ok(ConditionFigures {
        condition: condition.name(),
        lambda_body: condition.lambda_body,
        lambda_ref: condition.lambda_ref,
        pictures: pictures / found.len().max(1),
        person_found: share_found(found),
        limb_ratio_error: Figure::over(&limbs, Worst::High),
        width_error: Figure::over(&widths, Worst::High),
        body_score: score_of(found, judged, spreads)?,
        retrieval_at_1: retrieval(&bodies(found), &bodies(held_out))?,
        tar_at_1_far: accepted(&bodies(found), &bodies(held_out))?,
        clip_t: Figure::over(&each(&|i| found[i].clip_t), Worst::Low),
        clip_i: Figure::over(&each(&like), Worst::Low),
        background_leak: Figure::over(&each(&leak), Worst::High),
        diversity: Figure::over(&each(&|i| found[i].diversity), Worst::Low),
        kid: kernel(drawn.as_ref(), photos, network)?,
        fid: frechet(drawn.as_ref(), photos, network)?,
        inception_score: score_of_classes(found)?,
    })
}

fn anchors(judged: &Judged) -> Result<Anchors> {
    let Judged { strangers, given, held_out, .. } = judged;
    let over = |of: &dyn Fn(usize) -> Option<f64>| {
        Figure::over(&(0..given.len()).map(of).collect::<Vec<_>>(), Worst::High)
    };
    Ok(Anchors {
        person_found: (share_found(given) + share_found(held_out)) / 2.0,
        limb_ratio_error_ceiling: over(&|i| limb_ratio_error(&given[i].limbs, &held_out[i].limbs)),
        limb_ratio_error_floor: over(&|i| {
            limb_ratio_error(&held_out[strangers[i]].limbs, &held_out[i].limbs)
        }),
        width_error_ceiling: over(&|i| width_error(&given[i].widths, &held_out[i].widths)),
        width_error_floor: over(&|i| width_error(&held_out[strangers[i]].widths, &held_out[i].widths)),
        retrieval_at_1_ceiling: retrieval(&bodies(given), &bodies(held_out))?,
        retrieval_at_1_chance: 1.0 / given.len().max(1) as f64,
    })
}

/// The distances of proportions to a person's other photos: of the pictures, of another person, of the person's own.
fn score_of(found: &[Readings], judged: &Judged, spreads: &Spreads) -> Result<Figure> {
    let Judged { strangers, given, held_out, .. } = judged;
    let of = |i: usize| OfIdentity {
        value: distance(&found[i], &held_out[i], spreads),
        floor: distance(&held_out[strangers[i]], &held_out[i], spreads),
        ceiling: distance(&given[i], &held_out[i], spreads),
    };
    let people: Vec<OfIdentity> = (0..found.len()).map(of).collect();
    let is_whole = |one: &OfIdentity| one.value.and(one.floor).and(one.ceiling).is_some();
    if !people.iter().any(is_whole) {
        return Ok(Figure::NONE);
    }
    let score = body_score(&people, Better::Less, SEED)?;
    let ends = score.normalised.and_then(|normalised| normalised.interval);
    Ok(Figure {
        value: score.normalised.map(|normalised| normalised.mean),
        low: ends.map(|ends| ends[0]),
        high: ends.map(|ends| ends[1]),
        worst_tenth: score.normalised.map(|normalised| normalised.worst_tenth),
        people: score.identities,
    })
}

fn share_found(of: &[Readings]) -> f64 {
    let (found, all) = of.iter().fold((0, 0), |(found, all), one| (found + one.found, all + one.count));
    found as f64 / all.max(1) as f64
}

fn bodies(of: &[Readings]) -> Vec<Option<Gaussian>> {
    of.iter().map(|one| one.body.clone()).collect()
}

/// Those of whom something is seen on either side, who they are, and how alike each two are.
fn similarities(
    queries: &[Option<Gaussian>],
    gallery: &[Option<Gaussian>],
) -> (Vec<usize>, Vec<usize>, Vec<f64>) {
    let seen = |of: &[Option<Gaussian>]| -> (Vec<usize>, Vec<Gaussian>) {
        of.iter().enumerate().filter_map(|(who, body)| Some((who, body.clone()?))).unzip()
    };
    let ((of_queries, queries), (of_gallery, gallery)) = (seen(queries), seen(gallery));
    let scores = evidence_scores(&queries, &gallery);
    (of_queries, of_gallery, scores.iter().flatten().copied().collect())
}

/// How often a body finds its person; those in whose pictures nobody is seen are not found.
fn retrieval(queries: &[Option<Gaussian>], gallery: &[Option<Gaussian>]) -> Result<Figure> {
    let people = queries.len();
    let (asked, there, values) = similarities(queries, gallery);
    let mut first = vec![Some(0.0); people];
    for (row, who) in asked.iter().enumerate() {
        let row = &values[row * there.len()..][..there.len()];
        let found = Similarities::new(std::slice::from_ref(who), &there, row)?.first_places();
        first[*who] = Some(found.map_or(0.0, |found| found.share));
    }
    let mut figure = Figure::over(&first, Worst::Low);
    if let (Some(share), Some(low), Some(high)) = (figure.value, figure.low, figure.high) {
        let [low, high] = widen_certainty([low, high], share, people);
        (figure.low, figure.high, figure.worst_tenth) = (Some(low), Some(high), None);
    }
    Ok(figure)
}

/// The share of people accepted where [`FAR`] of strangers are.
fn accepted(queries: &[Option<Gaussian>], gallery: &[Option<Gaussian>]) -> Result<Option<f64>> {
    let (asked, there, values) = similarities(queries, gallery);
    if asked.is_empty() || there.is_empty() {
        return Ok(None);
    }
    let found = Similarities::new(&asked, &there, &values)?.true_accepts(FAR)?;
    Ok(found.map(|found| found.share))
}

/// Inception's features where they are there, CLIP's embeddings otherwise.
fn features(of: &[Readings]) -> Result<Option<Features>> {
    let inception: Vec<&[f32]> =
        of.iter().flat_map(|one| one.inception.iter().map(|found| &found.features[..])).collect();
    match inception.first() {
        Some(first) if !first.is_empty() => Ok(Some(Features::new(first.len(), &inception.concat())?)),
        _ => {
            let clip: Vec<&[f32]> =
                of.iter().flat_map(|one| one.embeddings.iter().map(Vec::as_slice)).collect();
            let Some(first) = clip.first() else { return Ok(None) };
            Ok(Some(Features::new(first.len(), &clip.concat())?))
        }
    }
}

/// The Inception score of pictures, where the network classifies and there are enough.
fn score_of_classes(of: &[Readings]) -> Result<Option<SetScore>> {
    let logits: Vec<&[f32]> =
        of.iter().flat_map(|one| one.inception.iter().map(|found| &found.logits[..])).collect();
    let Some(width) = logits.first().map(|first| first.len()).filter(|width| *width > 0) else {
        return Ok(None);
    };
    let parts = SCORED_PARTS.min(logits.len());
    let found = inception_score(&Features::new(width, &logits.concat())?, parts)?;
    Ok(Some(SetScore {
        value: found.mean,
        deviation: found.deviation,
        parts,
        pictures: logits.len(),
        note: "of people alone, one class to most classifiers: it says little of how good they are, nothing of whom they \
               show"
            .to_owned(),
    }))
}

fn set_distance(pictures: Option<&Features>, photos: Option<&Features>, network: &str) -> SetDistance {
    SetDistance {
        value: None,
        deviation: None,
        network: network.to_owned(),
        pictures: pictures.map_or(0, Features::rows),
        photos: photos.map_or(0, Features::rows),
        note: None,
    }
}

fn kernel(pictures: Option<&Features>, photos: Option<&Features>, network: &str) -> Result<SetDistance> {
    let mut distance = set_distance(pictures, photos, network);
    if let (Some(pictures), Some(photos)) = (pictures, photos) {
        let size = pictures.rows().min(photos.rows()).min(SUBSET);
        if size >= 2 {
            let subsets = Subsets { count: SUBSETS, size, seed: SEED };
            let found = kernel_distance(pictures, photos, subsets)?;
            (distance.value, distance.deviation) = (Some(found.mean), Some(found.deviation));
        }
    }
    Ok(distance)
}

fn frechet(pictures: Option<&Features>, photos: Option<&Features>, network: &str) -> Result<SetDistance> {
    let mut distance = set_distance(pictures, photos, network);
    if let (Some(pictures), Some(photos)) = (pictures, photos) {
        let least = pictures.rows().min(photos.rows());
        if least >= 2 {
            distance.value = Some(frechet_distance(pictures, photos)?);
        }
        distance.note = (least < ENOUGH_FOR_FID).then(|| {
            format!(
                "of {least} pictures; below {ENOUGH_FOR_FID} it is biased upwards: compare sets of one size"
            )
        });
    }
    Ok(distance)
}

/// Which end of a figure is bad.
#[derive(Clone, Copy)]
enum Worst {
    High,
    Low,
}

impl Figure {
    /// Nobody has a value.
    const NONE: Self = Self { value: None, low: None, high: None, worst_tenth: None, people: 0 };

    /// The mean of what is known, with its interval.
    fn over(values: &[Option<f64>], worst: Worst) -> Self {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let people = known.len();
        if people == 0 {
            return Self::NONE;
        }
        let mean_of = |of: &[usize]| of.iter().map(|&i| known[i]).sum::<f64>() / of.len() as f64;
        // One person says nothing of others.
        let ends = (people > 1).then(|| bootstrap(people, SEED, mean_of));
        let mut sorted = known.clone();
        sorted.sort_by(f64::total_cmp);
        if matches!(worst, Worst::High) {
            sorted.reverse();
        }
        sorted.truncate(people.div_ceil(10));
        let tenth = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let all: Vec<usize> = (0..people).collect();
        Self {
            value: Some(mean_of(&all)),
            low: ends.map(|ends| ends[0]),
            high: ends.map(|ends| ends[1]),
            worst_tenth: Some(tenth),
            people,
        }
    }
}

impl PriorBodies {
    /// From the two halves of everybody's pictures.
    pub fn of(halves: &[(Readings, Readings)]) -> Result<Self> {
        let (queries, gallery): (Vec<_>, Vec<_>) =
            halves.iter().map(|(query, other)| (query.body.clone(), other.body.clone())).unzip();
        Ok(Self {
            count: halves.len(),
            retrieval_at_1: retrieval(&queries, &gallery)?,
            chance: 1.0 / halves.len().max(1) as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_of_those_who_have_a_value_and_one_person_has_no_interval() {
        let some: Vec<Option<f64>> = (0..20).map(|i| Some(f64::from(i))).chain([None; 3]).collect();
        let figure = Figure::over(&some, Worst::High);
        assert_eq!((figure.value, figure.worst_tenth, figure.people), (Some(9.5), Some(18.5), 20));
        assert!(figure.low < figure.value && figure.value < figure.high);
        assert_eq!(Figure::over(&some, Worst::Low).worst_tenth, Some(0.5));
        let one = Figure::over(&[None, Some(0.3)], Worst::High);
        assert_eq!((one.value, one.low, one.high, one.people), (Some(0.3), None, None, 1));
        assert_eq!(Figure::over(&[None], Worst::Low).value, None);
    }

    #[test]
    fn whoever_is_not_seen_is_not_found() {
        let body = |at: f32| Some(Gaussian { mean: vec![at, -at], precision: vec![9.0, 9.0] });
        let gallery = [body(2.0), body(-2.0), body(0.1)];
        let queries = [body(1.9), None, body(-2.1)];
        let figure = retrieval(&queries, &gallery).expect("figures");
        assert_eq!((figure.value, figure.people), (Some(1.0 / 3.0), 3));
        assert_eq!(retrieval(&[None, None], &gallery[..2]).expect("figures").value, Some(0.0));
        assert_eq!(accepted(&[None], &gallery[..1]).expect("figures"), None);
    }
}
