//! From what was made of everybody's views to the figures.

use std::collections::BTreeMap;

use super::baselines::{joint_features, mean_row};
use super::bootstrap;
use super::calibration::{self, Calibration, CalibrationByViews, Copies};
use super::error::BenchError;
use super::figures::{
    Baseline, BaselineByViews, Baselines, BodyBench, ByViews, Figures, Intervals, IntervalsByViews, Measures,
    OfBaselines, Probe, R2, Retrieval, Twins,
};
use super::input::{BenchInput, Gaussian, Person, Views};
use super::outcome::Outcome;
use super::reading::{Bench, FromViews, Reading, widened};
use super::standardise::Scaler;
use super::{LENGTHS, WIDTHS};

/// All figures of a bench. `seed` names its people, and decides the draws of the bootstrap.
///
/// - Retrieval of c_body is by evidence ([`evidence_scores`](super::scores::evidence_scores)), that
///   of baselines by cosine in units of the training people's spread; `by_cosine` has c_body's by
///   cosine as well.
/// - From each number of views, a probe is fitted on the training people *from as many views*: the
///   mean of a posterior is drawn to 0 the more the less was seen, so that a probe fitted at 8
///   views would read one view too small.
///
/// Takes about 20 s on two cores for 3000 training people, 5 numbers of views and c_body of
/// 756.
///
/// # Errors
/// Names the side, the person and what is missing, too much, or no number.
pub fn evaluate(input: &BenchInput, seed: u64) -> Result<BodyBench, BenchError> {
    input.check()?;
    let bench = Bench::new(input, seed);
    let at = input.headline().unwrap_or_default();
    let counts = 0..input.view_counts.len();

    let model = counts.clone().map(|k| bench.model(k)).collect::<Result<Vec<_>, _>>()?;
    let of_views = |features: &(dyn Fn(&Views, usize) -> Vec<f64> + Sync)| {
        let assess = |k: usize| bench.by_cosine(&Reading::new(input, |views| features(views, k)));
        counts.clone().map(assess).collect::<Result<Vec<Outcome>, _>>()
    };
    let seen = |k: usize| input.view_counts[k];
    let joints = of_views(&|views, k| joint_features(&views.joints[..seen(k)]))?;
    let pixels = of_views(&|views, k| mean_row(&views.pooled[..seen(k)]))?;
    let mean = of_views(&|views, k| widened(&views.estimates[k].view_mean))?;

    let main = &model[at].outcome;
    let figures = bench.figures(main);
    let by_cosine = bench.figures(&bench.by_cosine(&model[at].reading)?);
    let baseline = |outcomes: &[Outcome]| bench.summarise(outcomes, at);
    let of_baselines = |f: &dyn Fn(&Outcome) -> Figures<[f64; 2]>| OfBaselines {
        joints: f(&joints[at]),
        pixels: f(&pixels[at]),
        mean: f(&mean[at]),
    };
    let intervals_of = |outcome: &Outcome| outcome.intervals(&bench.targets, &bench.draws);
    let (calibration, copies) = bench.calibration(&model, at);
    Ok(BodyBench {
        seed,
        people: input.bench.len(),
        retrieval_at_1: figures.retrieval_at_1,
        twins_retrieval_at_1: figures.twins_retrieval_at_1,
        r2: R2 { lengths: figures.r2_lengths, widths: figures.r2_widths, each: bench.each(main) },
        by_views: counts.clone().map(|k| bench.by_views(&model[k], k)).collect(),
        intervals: Intervals {
            figures: intervals_of(main),
            each: bench.each_interval(main),
            by_views: counts
                .clone()
                .map(|k| IntervalsByViews { views: seen(k), figures: intervals_of(&model[k].outcome) })
                .collect(),
            baselines: of_baselines(&intervals_of),
            above: of_baselines(&|outcome| main.above(outcome, &bench.targets, &bench.draws)),
        },
        baselines: Baselines { joints: baseline(&joints), pixels: baseline(&pixels), mean: baseline(&mean) },
        views: input.headline_views,
        model: input.model.clone(),
        twins: Twins { people: input.twins.len(), families: bench.families.len() },
        chance: bench.chance(),
        mean_rank: mean_rank(main),
        by_cosine: Retrieval {
            retrieval_at_1: by_cosine.retrieval_at_1,
            twins_retrieval_at_1: by_cosine.twins_retrieval_at_1,
        },
        probe: bench.probe(&model[at]),
        measures: Measures {
            lengths: LENGTHS.map(str::to_owned).to_vec(),
            widths: WIDTHS.map(str::to_owned).to_vec(),
        },
        calibration,
        copies,
    })
}

impl<'a> Bench<'a> {
    fn summarise(&self, outcomes: &[Outcome], at: usize) -> Baseline {
        Baseline {
            figures: self.figures(&outcomes[at]),
            by_views: (0..self.input.view_counts.len())
                .map(|k| BaselineByViews {
                    views: self.input.view_counts[k],
                    figures: self.figures(&outcomes[k]),
                })
                .collect(),
        }
    }

    fn each(&self, outcome: &Outcome) -> BTreeMap<String, Option<f64>> {
        let everybody = self.everybody();
        let r2 = |(i, name): (usize, &String)| (name.clone(), outcome.r2(&self.targets, i, &everybody));
        self.input.measures.iter().enumerate().map(r2).collect()
    }

    fn each_interval(&self, outcome: &Outcome) -> BTreeMap<String, [f64; 2]> {
        let everybody = self.everybody();
        let varies = |(i, _): &(usize, &String)| outcome.r2(&self.targets, *i, &everybody).is_some();
        let interval = |(i, name): (usize, &String)| {
            let of_draws = self.draws.iter().filter_map(|draw| outcome.r2(&self.targets, i, draw));
            (name.clone(), bootstrap::interval(of_draws.collect()))
        };
        self.input.measures.iter().enumerate().filter(varies).map(interval).collect()
    }

    fn by_views(&self, model: &FromViews, k: usize) -> ByViews {
        let everywhere = vec![true; model.reading.training.cols()];
        ByViews {
            views: self.input.view_counts[k],
            figures: self.figures(&model.outcome),
            sigma: calibration::mean_sigma(self.posteriors(k), &everywhere),
        }
    }

    fn chance(&self) -> Retrieval {
        Retrieval {
            retrieval_at_1: 1.0 / self.input.bench.len() as f64,
            // each family adds one lucky guess to as many people as it has
            twins_retrieval_at_1: self.families.len() as f64 / self.input.twins.len() as f64,
        }
    }

    fn probe(&self, model: &FromViews) -> Probe {
        let left_out = model.probe.leave_one_out();
        let group = |indices: &[usize]| {
            indices.iter().filter_map(|&i| left_out[i]).sum::<f64>() / indices.len() as f64
        };
        Probe {
            people: self.training.rows(),
            features: model.reading.training.cols(),
            lambda: self.input.measures.iter().cloned().zip(model.probe.lambda().iter().copied()).collect(),
            leave_one_out_lengths: group(&self.targets.lengths),
            leave_one_out_widths: group(&self.targets.widths),
        }
    }

    fn calibration(&self, model: &[FromViews], at: usize) -> (Calibration, Copies) {
        let training = self.input.training.iter();
        let active =
            calibration::active(training.map(|person| person.a.estimates[at].posterior.mean.as_slice()));
        let scaler = Scaler::fit(&self.training);
        let errors: Vec<Vec<f64>> =
            model.iter().map(|model| model.outcome.errors(&self.targets, scaler.scale())).collect();
        let rms = |errors: &[f64]| {
            (errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64).sqrt()
        };
        let sigma: Vec<f64> =
            (0..model.len()).map(|k| calibration::mean_sigma(self.posteriors(k), &active)).collect();
        let error: Vec<f64> = errors.iter().map(|errors| rms(errors)).collect();
        let by_views = |k: usize| self.calibrate(k, &sigma, &error, &active);
        let of_person = |gaussian: &Gaussian| gaussian.sigma(|dimension| active[dimension]);
        let sigma_of_people: Vec<f64> = self.posteriors(at).map(of_person).collect();
        let calibration = Calibration {
            active_dimensions: active.iter().filter(|&&active| active).count(),
            by_views: (0..model.len()).map(by_views).collect(),
            spearman_views: calibration::spearman(&sigma, &error),
            spearman_people: calibration::spearman(&sigma_of_people, &errors[at]),
        };
        let copied = self.input.bench.iter().filter_map(|person| person.copies.as_ref());
        let sigma_copies = calibration::mean_sigma(copied, &active);
        let copies = calibration::copies(self.input.headline_views, sigma[0], sigma_copies, sigma[at]);
        (calibration, copies)
    }

    fn calibrate(&self, k: usize, sigma: &[f64], error: &[f64], active: &[bool]) -> CalibrationByViews {
        CalibrationByViews {
            views: self.input.view_counts[k],
            sigma: sigma[k],
            error: error[k],
            sigma_ratio: sigma[k] / sigma[0],
            error_ratio: error[k] / error[0],
            disagreement: calibration::disagreement(self.pair_posteriors(k), active),
        }
    }

    fn pair_posteriors(&self, k: usize) -> impl Iterator<Item = (&'a Gaussian, &'a Gaussian)> {
        let pair =
            move |person: &'a Person| (&person.a.estimates[k].posterior, &person.b.estimates[k].posterior);
        self.input.bench.iter().map(pair)
    }
}

fn mean_rank(outcome: &Outcome) -> Retrieval {
    let mean = |ranks: &mut dyn Iterator<Item = usize>| {
        let (sum, count) = ranks.fold((0, 0), |(sum, count), rank| (sum + rank, count + 1));
        sum as f64 / f64::from(count)
    };
    Retrieval {
        retrieval_at_1: mean(&mut outcome.ranks.iter().copied()),
        twins_retrieval_at_1: mean(&mut outcome.twin_ranks.iter().flatten().copied()),
    }
}
