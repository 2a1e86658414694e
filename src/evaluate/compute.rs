//! From what was read off pictures and photos to figures.

use anyhow::Result;
use photo::Joints;
use train::evaluation::{
    Better, Features, OfIdentity, PoseTarget, average_precision, body_score, limb_ratio_error, pck,
    width_error,
};

use super::condition::Condition;
use super::figures::{Anchors, ConditionFigures, Evaluation, Figure, PriorBodies, Provenance, SEED, Worst};
use super::people::View;
use super::proportions::{Spreads, distance};
use super::readings::{BodyReading, Readings, cosine, mean};
use super::retrieval::{accepted, bodies, first_places, retrieval, share_of};
use super::sets::{features, frechet, kernel, score_of_classes};

/// How near a joint has to be, in shares of the person's size: PCK@0.1, as `bolid train pose-probe` reports it.
const NEAR: f64 = 0.1;

/// The pose of a person's reference: what pictures with one are asked for (the paper's p_ref, 4.4).
pub struct AskedPose {
    joints: Joints,
    area_px2: f64,
}

impl AskedPose {
    /// Of the reference.
    pub fn of(reference: &View) -> Self {
        Self { joints: reference.joints, area_px2: reference.area_px2 }
    }
}

/// Everything that was read, person by person in one order.
pub struct Judged {
    /// The pose of everybody's reference.
    pub asked: Vec<AskedPose>,
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
        let spreads = Spreads::of(&seen(&judged.given), &seen(&judged.held_out));
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
    let errors = Errors::of(&seen(found), &seen(held_out));
    let anchors = Errors::anchors(judged);
    let firsts = first_places(&bodies(found), &bodies(held_out))?;
    let own_firsts = first_places(&bodies(&judged.given), &bodies(held_out))?;
    let chance = Some(1.0 / found.len().max(1) as f64);
    let of_retrieval = |i: usize| OfIdentity { value: firsts[i], floor: chance, ceiling: own_firsts[i] };
    let pose = |i: usize| {
        let near = found[i].seen.joints.iter().map(|joints| pck(joints, &judged.asked[i].joints, NEAR));
        Ok(mean(near.collect::<Result<Vec<_>, _>>()?.into_iter().flatten()))
    };
    let poses = (0..found.len()).map(pose).collect::<Result<Vec<_>>>()?;
    let leak = |i: usize| {
        let reference = judged.given[i].grounds.first()?;
        mean(found[i].grounds.iter().map(|ground| cosine(ground, reference)))
    };
    let like = |i: usize| compare_embeddings(&found[i].embeddings, &held_out[i].embeddings);
    let drawn = features(found)?;
    let pictures: usize = found.iter().map(|one| one.seen.count).sum();
    Ok(ConditionFigures {
        condition: condition.name(),
        lambda_body: condition.lambda_body,
        lambda_ref: condition.lambda_ref,
        pictures: pictures / found.len().max(1),
        person_found: share_found(found),
        limb_ratio_error: Figure::over(&errors.limbs, Worst::High),
        limb_score: normalise_errors(&errors, &anchors, |errors| &errors.limbs)?,
        width_error: Figure::over(&errors.widths, Worst::High),
        width_score: normalise_errors(&errors, &anchors, |errors| &errors.widths)?,
        body_score: score_of(found, judged, spreads)?,
        retrieval_at_1: share_of(&firsts),
        retrieval_score: normalised(&(0..found.len()).map(of_retrieval).collect::<Vec<_>>(), Better::More)?,
        tar_at_1_far: accepted(&bodies(found), &bodies(held_out))?,
        pose_oks_ap: oks_ap(found, &judged.asked)?,
        pose_pck: Figure::over(&poses, Worst::Low),
        clip_t: Figure::over(&each(&|i| found[i].clip_t), Worst::Low),
        clip_i: Figure::over(&each(&like), Worst::Low),
        background_leak: Figure::over(&each(&leak), Worst::High),
        diversity: Figure::over(&each(&|i| found[i].diversity), Worst::Low),
        kid: kernel(drawn.as_ref(), photos, network)?,
        fid: frechet(drawn.as_ref(), photos, network)?,
        inception_score: score_of_classes(found)?,
    })
}

fn compare_embeddings(pictures: &[Vec<f32>], photos: &[Vec<f32>]) -> Option<f64> {
    let of = |one: &Vec<f32>| photos.iter().map(|photo| cosine(one, photo)).collect::<Vec<_>>();
    mean(pictures.iter().flat_map(of))
}

fn normalise_errors(
    errors: &Errors,
    anchors: &[Errors; 2],
    which: fn(&Errors) -> &Vec<Option<f64>>,
) -> Result<Figure> {
    let [floor, ceiling] = anchors.each_ref().map(which);
    let value = which(errors);
    let of = |i: usize| OfIdentity { value: value[i], floor: floor[i], ceiling: ceiling[i] };
    normalised(&(0..value.len()).map(of).collect::<Vec<_>>(), Better::Less)
}

/// How far limbs and widths are from those in the person's other photos, person by person.
struct Errors {
    limbs: Vec<Option<f64>>,
    widths: Vec<Option<f64>>,
}

impl Errors {
    fn of(found: &[&BodyReading], photos: &[&BodyReading]) -> Self {
        let pairs = || found.iter().zip(photos);
        Self {
            limbs: pairs().map(|(a, b)| limb_ratio_error(&a.limbs, &b.limbs)).collect(),
            widths: pairs().map(|(a, b)| width_error(&a.widths, &b.widths)).collect(),
        }
    }

    /// The floor, another person; and the ceiling, the person's own other photos.
    fn anchors(judged: &Judged) -> [Self; 2] {
        let photos = seen(&judged.held_out);
        let strangers: Vec<&BodyReading> = judged.strangers.iter().map(|&who| photos[who]).collect();
        [Self::of(&strangers, &photos), Self::of(&seen(&judged.given), &photos)]
    }
}

fn anchors(judged: &Judged) -> Result<Anchors> {
    let Judged { given, held_out, .. } = judged;
    let [floor, ceiling] = Errors::anchors(judged);
    let over = |values: &[Option<f64>]| Figure::over(values, Worst::High);
    Ok(Anchors {
        person_found: (share_found(given) + share_found(held_out)) / 2.0,
        limb_ratio_error_ceiling: over(&ceiling.limbs),
        limb_ratio_error_floor: over(&floor.limbs),
        width_error_ceiling: over(&ceiling.widths),
        width_error_floor: over(&floor.widths),
        retrieval_at_1_ceiling: retrieval(&bodies(given), &bodies(held_out))?,
        retrieval_at_1_chance: 1.0 / given.len().max(1) as f64,
        pose_oks_ap: oks_ap(given, &judged.asked)?,
    })
}

/// What is seen of everybody.
fn seen(of: &[Readings]) -> Vec<&BodyReading> {
    of.iter().map(|one| &one.seen).collect()
}

/// OKS-AP of the references' poses over all pictures; `None` where no reference has a visible joint.
fn oks_ap(found: &[Readings], asked: &[AskedPose]) -> Result<Option<f64>> {
    let is_seen = |(_, asked): &(&Readings, &AskedPose)| asked.joints.visible().count() > 0;
    let drawn = found.iter().zip(asked).filter(is_seen);
    let targets: Vec<PoseTarget> = drawn.flat_map(|(one, asked)| list_targets(one, asked)).collect();
    if targets.is_empty() {
        return Ok(None);
    }
    Ok(Some(average_precision(&targets)?.mean))
}

fn list_targets(one: &Readings, asked: &AskedPose) -> Vec<PoseTarget> {
    let target = |people: &Vec<_>| PoseTarget {
        joints: asked.joints,
        area_px2: asked.area_px2,
        found: people.clone(),
    };
    one.people.iter().map(target).collect::<Vec<_>>()
}

/// The distances of proportions to a person's other photos: of the pictures, of another person, of the person's own.
fn score_of(found: &[Readings], judged: &Judged, spreads: &Spreads) -> Result<Figure> {
    let Judged { strangers, given, held_out, .. } = judged;
    let (found, given, held_out) = (seen(found), seen(given), seen(held_out));
    let of = |i: usize| OfIdentity {
        value: distance(found[i], held_out[i], spreads),
        floor: distance(held_out[strangers[i]], held_out[i], spreads),
        ceiling: distance(given[i], held_out[i], spreads),
    };
    normalised(&(0..found.len()).map(of).collect::<Vec<_>>(), Better::Less)
}

/// A figure between its anchors; nothing where nobody has all three.
fn normalised(people: &[OfIdentity], better: Better) -> Result<Figure> {
    let is_whole = |one: &OfIdentity| one.value.and(one.floor).and(one.ceiling).is_some();
    if !people.iter().any(is_whole) {
        return Ok(Figure::NONE);
    }
    let score = body_score(people, better, SEED)?;
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
    let (found, all) = of
        .iter()
        .map(|one| &one.seen)
        .fold((0, 0), |(found, all), one| (found + one.joints.len(), all + one.count));
    found as f64 / all.max(1) as f64
}

impl PriorBodies {
    /// From the two halves of everybody's pictures.
    pub fn of(halves: &[(Readings, Readings)]) -> Result<Self> {
        let (queries, gallery): (Vec<_>, Vec<_>) =
            halves.iter().map(|(query, other)| (query.seen.body.clone(), other.seen.body.clone())).unzip();
        Ok(Self {
            count: halves.len(),
            retrieval_at_1: retrieval(&queries, &gallery)?,
            chance: 1.0 / halves.len().max(1) as f64,
        })
    }
}
