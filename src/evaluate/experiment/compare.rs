//! From what was read to results.

use anyhow::Result;
use photo::Joints;
use train::bodybench::input::Gaussian;
use train::evaluation::{LimbRatios, LimbStatistic, limb_ratio_error, limb_ratios_by, width_error};

use super::arm::Arm;
use super::plan::ExperimentPlan;
use super::record::{PhotoRecord, PictureRecord};
use super::results::{ArmFigures, Comparison, Estimate, LimbSeparation, Photos};
use super::runner::Read;
use super::statistics::{OfArm, Resamples, Values};
use super::trainings::Kind;
use crate::evaluate::proportions::{Spreads, distance};
use crate::evaluate::readings::{BodyReading, mean};
use crate::evaluate::retrieval::first_places;

/// Numbers of photos that limbs are read off to see how well each statistic tells people apart.
const PHOTOS: [usize; 4] = [1, 2, 4, 8];
/// What is compared: the one, and beside what.
const PAIRS: [(&str, &str); 9] = [
    ("ref", "text"),
    ("body", "text"),
    ("both", "text"),
    ("ip-adapter", "text"),
    ("dreambooth", "text"),
    ("body", "ref"),
    ("both", "ref"),
    ("body", "ip-adapter"),
    ("body", "dreambooth"),
];

/// What was measured of one arm.
struct Measured {
    by: Option<Kind>,
    limbs: Values,
    widths: Values,
    apart: Values,
    first: Values,
    clip_t: Values,
    clip_i: Values,
    leak: Values,
    person_found: f64,
}

/// The figures of all arms of the table, those by views, and the comparisons.
pub struct Figures {
    /// The table's.
    pub arms: Vec<ArmFigures>,
    /// By views.
    pub by_views: Vec<ArmFigures>,
    /// Comparisons.
    pub comparisons: Vec<Comparison>,
    /// What photos say.
    pub photos: Photos,
}

/// Computes them. `strangers` has for each person somebody to be mistaken for; DreamBooth was given so many
/// photos of each.
pub fn compare(
    plan: &ExperimentPlan,
    read: &Read,
    strangers: &[usize],
    dreambooth_photos: usize,
) -> Result<Figures> {
    let photos = &read.photos;
    let held_out: Vec<&BodyReading> = photos.iter().map(|one| &one.held_out).collect();
    let given: Vec<&BodyReading> = photos.iter().map(|one| &one.given).collect();
    let others: Vec<&BodyReading> = strangers.iter().map(|&who| held_out[who]).collect();
    let spreads = Spreads::of(&given, &held_out);
    let resamples = Resamples::new(photos.len(), plan.training_seeds.len());
    let apart = |found: &[&BodyReading]| -> Values {
        vec![found.iter().zip(&held_out).map(|(a, b)| distance(a, b, &spreads)).collect()]
    };
    let (floor, ceiling) = (apart(&others), apart(&given));
    let measured: Vec<(&Arm, Measured)> = read
        .arms
        .iter()
        .map(|(arm, records)| Ok((arm, measure(arm, records, &held_out, &spreads)?)))
        .collect::<Result<_>>()?;
    let scale = Scale { resamples, floor, ceiling };
    let figures = |(arm, of): &(&Arm, Measured)| scale.summarise(arm, of, dreambooth_photos);
    let at = |key: &str| measured.iter().find(|(arm, _)| arm.key == key);
    let by_views = |&views: &usize| at(&Arm::of_views(views, plan)).map(figures);
    let beside = |&(one, other): &(&str, &str)| {
        let ((_, a), (_, b)) = (at(one)?, at(other)?);
        Some(scale.compare((one, a), (other, b)))
    };
    Ok(Figures {
        arms: measured.iter().filter(|(arm, _)| !arm.is_by_views(plan)).map(figures).collect(),
        by_views: plan.view_counts.iter().filter_map(by_views).collect(),
        comparisons: PAIRS.iter().filter_map(beside).collect(),
        photos: of_photos(&scale.resamples, photos, &others, strangers)?,
    })
}

impl Measured {
    fn of<'a>(&self, values: &'a Values) -> OfArm<'a> {
        OfArm { values, by: self.by }
    }
}

/// Photos of the person that an arm is given.
fn photos_of(arm: &Arm, dreambooth_photos: usize) -> usize {
    match (arm.by, arm.condition.lambda_body > 0.0) {
        (None, _) => 0,
        (Some(Kind::Dreambooth), _) => dreambooth_photos,
        (_, true) => arm.views,
        (_, false) => 1,
    }
}

fn measure(
    arm: &Arm,
    records: &[Vec<PictureRecord>],
    held_out: &[&BodyReading],
    spreads: &Spreads,
) -> Result<Measured> {
    let gallery: Vec<Option<Gaussian>> = held_out.iter().map(|seen| seen.body.clone()).collect();
    let each =
        |of: &dyn Fn(&PictureRecord, &BodyReading) -> Option<f64>| collect_values(records, held_out, of);
    let first = |row: &Vec<PictureRecord>| {
        let queries: Vec<Option<Gaussian>> = row.iter().map(|one| one.seen.body.clone()).collect();
        first_places(&queries, &gallery)
    };
    let seen = || records.iter().flatten().map(|one| &one.seen);
    let (found, count) =
        seen().fold((0, 0), |(found, count), one| (found + one.joints.len(), count + one.count));
    Ok(Measured {
        by: arm.by,
        limbs: each(&|one, photos| limb_ratio_error(&one.seen.limbs, &photos.limbs)),
        widths: each(&|one, photos| width_error(&one.seen.widths, &photos.widths)),
        apart: each(&|one, photos| distance(&one.seen, photos, spreads)),
        first: records.iter().map(first).collect::<Result<_>>()?,
        clip_t: each(&|one, _| one.clip_t),
        clip_i: each(&|one, _| one.clip_i),
        leak: each(&|one, _| one.background_leak),
        person_found: found as f64 / count.max(1) as f64,
    })
}

fn collect_values(
    records: &[Vec<PictureRecord>],
    held_out: &[&BodyReading],
    of: &dyn Fn(&PictureRecord, &BodyReading) -> Option<f64>,
) -> Values {
    let row =
        |row: &Vec<PictureRecord>| row.iter().zip(held_out).map(|(one, photos)| of(one, photos)).collect();
    records.iter().map(row).collect()
}

/// What all arms are measured by: how far a body is from another person's photos, and from own ones.
struct Scale {
    resamples: Resamples,
    floor: Values,
    ceiling: Values,
}

impl Scale {
    fn summarise(&self, arm: &Arm, of: &Measured, dreambooth_photos: usize) -> ArmFigures {
        let resamples = &self.resamples;
        ArmFigures {
            arm: arm.key.clone(),
            photos: photos_of(arm, dreambooth_photos),
            trainings: if of.by.is_none() { 0 } else { of.limbs.len() },
            person_found: of.person_found,
            limb_ratio_error: resamples.mean(of.of(&of.limbs)),
            width_error: resamples.mean(of.of(&of.widths)),
            body_score: self.score(of.of(&of.apart), None),
            retrieval_at_1: resamples.share(of.of(&of.first)),
            clip_t: resamples.mean(of.of(&of.clip_t)),
            clip_i: resamples.mean(of.of(&of.clip_i)),
            background_leak: resamples.mean(of.of(&of.leak)),
        }
    }

    fn compare(&self, (one, a): (&str, &Measured), (other, b): (&str, &Measured)) -> Comparison {
        let ratio = |which: fn(&Measured) -> &Values| {
            let arms = [a.of(which(a)), b.of(which(b))];
            self.resamples.statistic(&arms, |means| means[0] / means[1] - 1.0)
        };
        Comparison {
            arm: one.to_owned(),
            beside: other.to_owned(),
            limb_ratio_error: ratio(|of| &of.limbs),
            width_error: ratio(|of| &of.widths),
            body_score: self.score(a.of(&a.apart), Some(b.of(&b.apart))),
            retrieval_at_1: self.resamples.difference_of_shares(a.of(&a.first), b.of(&b.first)),
            clip_t: ratio(|of| &of.clip_t),
        }
    }

    /// (value − floor)/(ceiling − floor); less that of `beside`, where there is one.
    fn score(&self, value: OfArm<'_>, beside: Option<OfArm<'_>>) -> Estimate {
        let of_photos = |values| OfArm { values, by: None };
        let mut arms = vec![value, of_photos(&self.floor), of_photos(&self.ceiling)];
        arms.extend(beside);
        self.resamples.statistic(&arms, |means| match (means[2] < means[1], means.get(3)) {
            // Where own photos are no nearer than another person's, a place between the two means nothing.
            (false, _) => f64::NAN,
            (true, None) => (means[0] - means[1]) / (means[2] - means[1]),
            (true, Some(other)) => (means[0] - other) / (means[2] - means[1]),
        })
    }
}

fn of_photos(
    resamples: &Resamples,
    photos: &[PhotoRecord],
    others: &[&BodyReading],
    strangers: &[usize],
) -> Result<Photos> {
    let given = || photos.iter().map(|one| &one.given);
    let held_out = || photos.iter().map(|one| &one.held_out);
    let bodies = |of: &mut dyn Iterator<Item = &BodyReading>| -> Vec<Option<Gaussian>> {
        of.map(|seen| seen.body.clone()).collect()
    };
    let own = |of: fn(&BodyReading, &BodyReading) -> Option<f64>| -> Values {
        vec![given().zip(held_out()).map(|(a, b)| of(a, b)).collect()]
    };
    let other = |of: fn(&BodyReading, &BodyReading) -> Option<f64>| -> Values {
        vec![others.iter().zip(held_out()).map(|(a, b)| of(a, b)).collect()]
    };
    let limbs = |a: &BodyReading, b: &BodyReading| limb_ratio_error(&a.limbs, &b.limbs);
    let widths = |a: &BodyReading, b: &BodyReading| width_error(&a.widths, &b.widths);
    let mean_of = |values: &Values| resamples.mean(OfArm { values, by: None });
    let (found, count) = given()
        .chain(held_out())
        .fold((0, 0), |(found, count), one| (found + one.joints.len(), count + one.count));
    let first = vec![first_places(&bodies(&mut given()), &bodies(&mut held_out()))?];
    Ok(Photos {
        person_found: found as f64 / count.max(1) as f64,
        limb_ratio_error_own: mean_of(&own(limbs)),
        limb_ratio_error_other: mean_of(&other(limbs)),
        width_error_own: mean_of(&own(widths)),
        width_error_other: mean_of(&other(widths)),
        retrieval_at_1_own: resamples.share(OfArm { values: &first, by: None }),
        retrieval_at_1_chance: 1.0 / photos.len().max(1) as f64,
        limb_statistics: separations(photos, strangers)?,
    })
}

/// How well limbs tell people apart, by either statistic and from several numbers of photos.
fn separations(photos: &[PhotoRecord], strangers: &[usize]) -> Result<Vec<LimbSeparation>> {
    let mut found = Vec::new();
    for (name, statistic) in
        [("median", LimbStatistic::Median), ("quantile 0.8", LimbStatistic::HighQuantile)]
    {
        let of = |joints: &[Joints]| Ok(limb_ratios_by(joints, statistic)?);
        let known: Vec<LimbRatios> =
            photos.iter().map(|one| of(&one.held_out.joints)).collect::<Result<_>>()?;
        let most = photos.iter().map(|one| one.given.joints.len()).min().unwrap_or(0);
        for count in PHOTOS.into_iter().filter(|&count| count <= most) {
            let asked: Vec<LimbRatios> =
                photos.iter().map(|one| of(&one.given.joints[..count])).collect::<Result<_>>()?;
            found.push(separation(name, count, &asked, &known, strangers));
        }
    }
    Ok(found)
}

fn separation(
    statistic: &str,
    photos: usize,
    asked: &[LimbRatios],
    known: &[LimbRatios],
    strangers: &[usize],
) -> LimbSeparation {
    let error = |who: usize, of: usize| limb_ratio_error(&asked[who], &known[of]);
    let everybody = || 0..asked.len();
    let nearer = everybody().flat_map(|of| {
        let own = error(of, of);
        let beside = everybody().filter(move |&who| who != of).filter_map(move |who| Some((own?, who, of)));
        beside.collect::<Vec<_>>()
    });
    let nearer = nearer.filter_map(|(own, who, of)| {
        let other = error(who, of)?;
        Some(if own < other {
            1.0
        } else if own > other {
            0.0
        } else {
            0.5
        })
    });
    LimbSeparation {
        statistic: statistic.to_owned(),
        photos,
        told_apart: mean(nearer),
        own: mean(everybody().filter_map(|of| error(of, of))),
        other: mean(everybody().filter_map(|of| error(strangers[of], of))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_apart_as_often_as_their_own_photos_are_nearer() {
        let ratios =
            |shift: f64| -> LimbRatios { std::array::from_fn(|limb| Some(0.5 + 0.1 * limb as f64 + shift)) };
        let known = [ratios(0.0), ratios(0.1), ratios(0.3)];
        let exact = separation("median", 2, &known, &known, &[1, 2, 1]);
        assert_eq!((exact.told_apart, exact.own), (Some(1.0), Some(0.0)));
        assert!(exact.other > Some(0.05));
        // The first two are mistaken for each other, and the third for nobody.
        let swapped = separation("median", 2, &[known[1], known[0], known[2]], &known, &[1, 0, 1]);
        assert!((swapped.told_apart.expect("a share") - 4.0 / 6.0).abs() < 1e-9, "{swapped:?}");
        let blind = separation("median", 2, &[[None; 7]; 3], &known, &[1, 2, 0]);
        assert_eq!((blind.told_apart, blind.own), (None, None));
    }
}
