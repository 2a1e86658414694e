//! Intervals by bootstrap over people.
//!
//! What is drawn anew is *people*, never views: views of one person err alike. Retrieval resamples
//! the queries and keeps the gallery: a person drawn twice would otherwise stand in the gallery
//! twice, tie with themself, and be counted as wrong, and those left out would make the gallery
//! smaller and the search easier. Among twins whole families are drawn, for if one is taken for the
//! other, the other is likely to be taken for the one.
//!
//! The probe is not fitted anew: the intervals are those of a given model and probe on other
//! people.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Draws per interval: the ends of a 95 % interval then move by about a tenth of its width between
/// seeds.
pub const DRAWS: usize = 1000;
/// The share of draws inside an interval.
pub const LEVEL: f64 = 0.95;

/// `draws` samples with replacement of `units` indices; another `stream` is independent. A pure
/// function of its arguments, so that several statistics can be compared on the same people.
pub fn samples(units: usize, draws: usize, seed: u64, stream: u64) -> Vec<Vec<usize>> {
    let sample = |draw: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream << 32 | draw as u64);
        (0..units).map(|_| rng.random_range(0..units)).collect()
    };
    (0..draws).into_par_iter().map(sample).collect()
}

/// The middle 95 % of a statistic over such samples (the percentile interval). Draws without a
/// value (NaN) are left out; without any, both ends are NaN.
pub fn interval(mut values: Vec<f64>) -> [f64; 2] {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    [quantile(&values, tail), quantile(&values, 1.0 - tail)]
}

/// The interval of `statistic`, which is given the indices of the people drawn.
pub fn bootstrap(units: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64 + Sync) -> [f64; 2] {
    interval(samples(units, DRAWS, seed, 0).par_iter().map(|people| statistic(people)).collect())
}

/// Widens the interval of a share that is 0 or 1, where all draws are alike and a bootstrap claims
/// certainty: of `units` that all agree, the share may still be as far off as 1 − 0.05^(1/units),
/// about 3/units.
pub fn widen_certainty(interval: [f64; 2], share: f64, units: usize) -> [f64; 2] {
    let off = 1.0 - 0.05f64.powf(1.0 / units.max(1) as f64);
    if share >= 1.0 {
        [interval[0].min(1.0 - off), 1.0]
    } else if share <= 0.0 {
        [0.0, interval[1].max(off)]
    } else {
        interval
    }
}

/// The quantile `share` of sorted values, between two of them in proportion (type 7 of Hyndman and
/// Fan, numpy's default); NaN of none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    sorted[low] + part * (sorted[(low + 1).min(last)] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, .1, .5, .9, 1])
        let expected = [1.0, 1.3, 3.0, 6.8, 8.0];
        for (share, expected) in [0.0, 0.1, 0.5, 0.9, 1.0].into_iter().zip(expected) {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], share) - expected).abs() < 1e-12);
        }
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn the_interval_of_a_mean_is_reproducible_and_as_wide_as_theory_says() {
        // 200 values of 0..1 spread evenly: the mean is 0.5, its standard error √(1/12/200) =
        // 0.0204
        let values: Vec<f64> = (0..200).map(|i| (f64::from(i) + 0.5) / 200.0).collect();
        let mean = |people: &[usize]| people.iter().map(|&i| values[i]).sum::<f64>() / people.len() as f64;
        let [low, high] = bootstrap(200, 7, mean);
        assert_eq!([low, high], bootstrap(200, 7, mean));
        assert_ne!([low, high], bootstrap(200, 8, mean));
        assert!(low < 0.5 && high > 0.5);
        assert!(((high - low) / (2.0 * 1.96 * 0.0204) - 1.0).abs() < 0.1, "{low} to {high}");
    }

    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        let mut covered = 0;
        for trial in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(1000 + trial);
            let hits: Vec<f64> = (0..60).map(|_| f64::from(u8::from(rng.random_bool(0.7)))).collect();
            let share = |people: &[usize]| people.iter().map(|&i| hits[i]).sum::<f64>() / 60.0;
            let [low, high] = bootstrap(60, trial, share);
            covered += usize::from(low <= 0.7 && 0.7 <= high);
        }
        assert!((180..=198).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn a_share_of_one_is_not_certain() {
        let [low, high] = widen_certainty([1.0, 1.0], 1.0, 100);
        assert!((low - 0.9705).abs() < 1e-4 && high == 1.0);
        assert_eq!(widen_certainty([0.4, 0.6], 0.5, 100), [0.4, 0.6]);
        assert_eq!(widen_certainty([0.0, 0.0], 0.0, 1), [0.0, 0.95]);
    }
}
