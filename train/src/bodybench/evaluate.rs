//! From what was made of everybody's views to the figures.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::baselines::{joint_features, mean_row};
use super::bootstrap;
use super::calibration::{self, Calibration, CalibrationByViews};
use super::error::BenchError;
use super::figures::{
    Baseline, BaselineByViews, Baselines, BodyBench, ByViews, Figures, Intervals, IntervalsByViews, Measures,
    OfBaselines, Probe, R2, Retrieval, Twins,
};
use super::input::{BenchInput, Gaussian, Person, Views};
use super::matrix::Matrix;
use super::outcome::{Draw, Outcome, Targets, columns};
use super::probe::{Ridge, lambda_grid};
use super::retrieval::{families, family_ranks, ranks};
use super::scores::{cosine_scores, evidence_scores};
use super::standardise::Scaler;
use super::{LENGTHS, WIDTHS};

/// All figures of a bench. `seed` names its people, and decides the draws of the bootstrap.
///
/// - Retrieval of c_body is by evidence ([`evidence_scores`]), that of baselines by cosine in units
///   of the training people's spread; `by_cosine` has c_body's by cosine as well.
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
    let baseline = |outcomes: &[Outcome]| Baseline {
        figures: bench.figures(&outcomes[at]),
        by_views: counts
            .clone()
            .map(|k| BaselineByViews { views: seen(k), figures: bench.figures(&outcomes[k]) })
            .collect(),
    };
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

/// What all readings share.
struct Bench<'a> {
    input: &'a BenchInput,
    /// The training people's measures, `[people, measures]`.
    training: Matrix,
    targets: Targets,
    families: Vec<Vec<usize>>,
    draws: Vec<Draw>,
}

/// The features of everybody.
struct Reading {
    training: Matrix,
    bench: [Matrix; 2],
    twins: [Matrix; 2],
}

/// The model from one number of views.
struct FromViews {
    reading: Reading,
    outcome: Outcome,
    probe: Ridge,
}

impl Reading {
    fn new(input: &BenchInput, features: impl Fn(&Views) -> Vec<f64> + Sync) -> Self {
        let of = |people: &[Person], half: fn(&Person) -> &Views| {
            Matrix::from_rows(people.par_iter().map(|person| features(half(person))).collect::<Vec<_>>())
        };
        let halves = |people: &[Person]| [of(people, |person| &person.a), of(people, |person| &person.b)];
        Self {
            training: of(&input.training, |person| &person.a),
            bench: halves(&input.bench),
            twins: halves(&input.twins),
        }
    }
}

impl<'a> Bench<'a> {
    fn new(input: &'a BenchInput, seed: u64) -> Self {
        let measures = |people: &[Person]| Matrix::from_rows(people.iter().map(|person| &person.measures));
        let indices = |names: &[&str]| {
            (0..input.measures.len()).filter(|&i| names.contains(&input.measures[i].as_str())).collect()
        };
        let of_person: Vec<usize> = input.twins.iter().map(|twin| twin.family).collect();
        let families = families(&of_person);
        Self {
            input,
            training: measures(&input.training),
            targets: Targets {
                truth: columns(&measures(&input.bench)),
                lengths: indices(&LENGTHS),
                widths: indices(&WIDTHS),
            },
            draws: Draw::bootstrap(input.bench.len(), families.len(), seed),
            families,
        }
    }

    fn model(&self, k: usize) -> Result<FromViews, BenchError> {
        let reading = Reading::new(self.input, |views| widened(&views.estimates[k].posterior.mean));
        let scores = |people: &[Person]| {
            let half = |half: fn(&Person) -> &Views| {
                people.iter().map(|person| half(person).estimates[k].posterior.clone()).collect::<Vec<_>>()
            };
            evidence_scores(&half(|person| &person.a), &half(|person| &person.b))
        };
        let (bench, twins) = (scores(&self.input.bench), scores(&self.input.twins));
        let (outcome, probe) = self.outcome(&reading, &bench, &twins)?;
        Ok(FromViews { reading, outcome, probe })
    }

    fn by_cosine(&self, reading: &Reading) -> Result<Outcome, BenchError> {
        let scaler = Scaler::fit(&reading.training);
        let scores = |[a, b]: &[Matrix; 2]| cosine_scores(&scaler.apply(a), &scaler.apply(b));
        Ok(self.outcome(reading, &scores(&reading.bench), &scores(&reading.twins))?.0)
    }

    fn outcome(
        &self,
        reading: &Reading,
        bench: &Matrix,
        twins: &Matrix,
    ) -> Result<(Outcome, Ridge), BenchError> {
        let probe = Ridge::fit(&reading.training, &self.training, &lambda_grid(self.training.rows()))?;
        let outcome = Outcome {
            ranks: ranks(bench),
            twin_ranks: family_ranks(twins, &self.families),
            predicted: columns(&probe.predict(&reading.bench[0])?),
        };
        Ok((outcome, probe))
    }

    fn everybody(&self) -> Draw {
        Draw::everybody(self.input.bench.len(), self.families.len())
    }

    fn figures(&self, outcome: &Outcome) -> Figures {
        outcome.figures(&self.targets, &self.everybody())
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

    fn posteriors(&self, k: usize) -> impl Iterator<Item = &Gaussian> {
        self.input.bench.iter().map(move |person| &person.a.estimates[k].posterior)
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

    fn calibration(&self, model: &[FromViews], at: usize) -> (Calibration, calibration::Copies) {
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
        let pairs = |k: usize| {
            let pair = move |person: &'a Person| {
                (&person.a.estimates[k].posterior, &person.b.estimates[k].posterior)
            };
            self.input.bench.iter().map(pair)
        };
        let by_views = |k: usize| CalibrationByViews {
            views: self.input.view_counts[k],
            sigma: sigma[k],
            error: error[k],
            sigma_ratio: sigma[k] / sigma[0],
            error_ratio: error[k] / error[0],
            disagreement: calibration::disagreement(pairs(k), &active),
        };
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

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
