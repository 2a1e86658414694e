//! A figure between its two anchors: 1 where generated pictures are as near to a person as other photos of that person
//! are, 0 where they are no nearer than photos of somebody else.

use super::error::EvaluationError;
use crate::bodybench::bootstrap::{DRAWS, LEVEL, interval, samples};

/// Which end of a figure is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// An error or a distance.
    Less,
    /// A similarity or a share.
    More,
}

/// One figure of one identity; `None` where there was nothing to measure it on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OfIdentity {
    /// Of pictures generated for the identity, beside its photos.
    pub value: Option<f64>,
    /// Of photos of another person beside its photos.
    pub floor: Option<f64>,
    /// Of its other photos beside its photos.
    pub ceiling: Option<f64>,
}

/// A figure over identities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BodyScore {
    /// Identities that have the value and both anchors. All that follows is of those.
    pub identities: usize,
    /// Identities that lack one, and do not count.
    pub left_out: usize,
    /// Mean of the values, in the figure's own unit.
    pub value: f64,
    /// Mean of the floors.
    pub floor: f64,
    /// Mean of the ceilings.
    pub ceiling: f64,
    /// `None` where the ceiling is not better than the floor: the figure does not tell people apart, and a place
    /// between the two means nothing.
    pub normalised: Option<Normalised>,
}

/// The score (value − floor)/(ceiling − floor). It may lie outside of 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalised {
    /// The mean over identities.
    pub mean: f64,
    /// 95 % of draws of identities, which move the anchors too.
    pub interval: Option<[f64; 2]>,
    /// The mean over the worst tenth of the identities, rounded up to whole ones.
    pub worst_tenth: f64,
    /// As `interval`.
    pub worst_tenth_interval: Option<[f64; 2]>,
}

/// The score of a figure over `identities`, with bootstrap intervals over them; `seed` decides the draws.
///
/// The anchors are means over all identities, for those of one may be closer to each other than their noise, and the
/// quotient anything. There is no interval of one identity, nor where more than one draw in 20 has its anchors the
/// wrong way round.
///
/// # Errors
/// Where no identity has all three, or one of them is NaN or infinite.
pub fn body_score(
    identities: &[OfIdentity],
    better: Better,
    seed: u64,
) -> Result<BodyScore, EvaluationError> {
    for (row, identity) in identities.iter().enumerate() {
        for (what, value) in [
            ("values of identities", identity.value),
            ("floors of identities", identity.floor),
            ("ceilings of identities", identity.ceiling),
        ] {
            if let Some(value) = value.filter(|value| !value.is_finite()) {
                return Err(EvaluationError::NotFinite { what, row, value });
            }
        }
    }
    let whole = |identity: &OfIdentity| Some([identity.value?, identity.floor?, identity.ceiling?]);
    let known: Vec<[f64; 3]> = identities.iter().filter_map(whole).collect();
    EvaluationError::at_least("identities with a value, a floor and a ceiling", known.len(), 1)?;
    let everybody: Vec<usize> = (0..known.len()).collect();
    let [value, floor, ceiling] = means(&known, &everybody);
    let normalised = scores(&known, &everybody, better).map(|[mean, worst_tenth]| {
        let [interval, worst_tenth_interval] = intervals(&known, better, seed);
        Normalised { mean, interval, worst_tenth, worst_tenth_interval }
    });
    let left_out = identities.len() - known.len();
    Ok(BodyScore { identities: known.len(), left_out, value, floor, ceiling, normalised })
}

/// Of the mean and of the worst tenth.
fn intervals(known: &[[f64; 3]], better: Better, seed: u64) -> [Option<[f64; 2]>; 2] {
    if known.len() < 2 {
        return [None; 2];
    }
    let draws = samples(known.len(), DRAWS, seed, 0);
    let drawn: Vec<[f64; 2]> = draws.iter().filter_map(|draw| scores(known, draw, better)).collect();
    let enough = drawn.len() as f64 >= LEVEL * DRAWS as f64;
    [0, 1].map(|of| enough.then(|| interval(drawn.iter().map(|scores| scores[of]).collect())))
}

/// The mean score and that of the worst tenth of the identities drawn; `None` where their anchors are not apart in the
/// right direction.
fn scores(known: &[[f64; 3]], drawn: &[usize], better: Better) -> Option<[f64; 2]> {
    let [_, floor, ceiling] = means(known, drawn);
    let is_apart = match better {
        Better::Less => ceiling < floor,
        Better::More => ceiling > floor,
    };
    if !is_apart {
        return None;
    }
    let score = |&identity: &usize| (known[identity][0] - floor) / (ceiling - floor);
    let mut scores: Vec<f64> = drawn.iter().map(score).collect();
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    scores.sort_by(f64::total_cmp);
    let worst = &scores[..scores.len().div_ceil(10)];
    Some([mean, worst.iter().sum::<f64>() / worst.len() as f64])
}

/// Of the values, floors and ceilings of those drawn.
fn means(known: &[[f64; 3]], drawn: &[usize]) -> [f64; 3] {
    [0, 1, 2].map(|of| drawn.iter().map(|&identity| known[identity][of]).sum::<f64>() / drawn.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(value: f64, floor: f64, ceiling: f64) -> OfIdentity {
        OfIdentity { value: Some(value), floor: Some(floor), ceiling: Some(ceiling) }
    }

    /// Errors of 20 people, floors about 0.10 and ceilings about 0.02; the last two are as far off as somebody else.
    fn errors() -> Vec<OfIdentity> {
        let spread = |i: usize| (i * 7 % 20) as f64 / 1000.0 - 0.0095;
        let of = |i: usize| {
            let value = if i < 18 { 0.04 } else { 0.10 };
            identity(value, 0.10 + spread(i), 0.02 + 0.5 * spread(i + 3))
        };
        (0..20).map(of).collect()
    }

    fn negated(identities: &[OfIdentity]) -> Vec<OfIdentity> {
        let negate = |value: Option<f64>| value.map(|value| -value);
        let of = |of: &OfIdentity| OfIdentity {
            value: negate(of.value),
            floor: negate(of.floor),
            ceiling: negate(of.ceiling),
        };
        identities.iter().map(of).collect()
    }

    #[test]
    fn a_score_is_the_place_between_somebody_else_and_the_same_person() {
        let score = body_score(&errors(), Better::Less, 1).unwrap();
        assert!((score.floor - 0.10).abs() < 1e-12 && (score.ceiling - 0.02).abs() < 1e-12);
        let normalised = score.normalised.unwrap();
        // 18 at (0.04 − 0.10)/(0.02 − 0.10) = 0.75 and 2 at 0
        assert!((score.value - 0.046).abs() < 1e-12);
        assert!((normalised.mean - 0.675).abs() < 1e-12);
        assert!(normalised.worst_tenth.abs() < 1e-12);
        let [low, high] = normalised.interval.unwrap();
        // of 20 drawn 0 to 5 are such as the last two: 0.75·20/20 to 0.75·15/20, and the anchors move a little
        assert!(low < 0.62 && low > 0.52 && high > 0.72 && high < 0.80, "{low} to {high}");
        let [low, high] = normalised.worst_tenth_interval.unwrap();
        assert!(low < 1e-12 && high > 0.7, "{low} to {high}");
    }

    #[test]
    fn the_direction_of_a_figure_does_not_change_its_score() {
        let less = body_score(&errors(), Better::Less, 4).unwrap().normalised;
        let more = body_score(&negated(&errors()), Better::More, 4).unwrap().normalised;
        assert_eq!(less, more);
        assert_ne!(less, body_score(&errors(), Better::Less, 5).unwrap().normalised);
        assert_eq!(less, body_score(&errors(), Better::Less, 4).unwrap().normalised);
    }

    #[test]
    fn anchors_that_do_not_tell_people_apart_give_no_score() {
        let same = [identity(0.1, 0.3, 0.3), identity(0.2, 0.5, 0.5)];
        for better in [Better::Less, Better::More] {
            let score = body_score(&same, better, 1).unwrap();
            assert!(score.normalised.is_none());
            assert!((score.value - 0.15).abs() < 1e-15 && score.identities == 2);
        }
        assert!(body_score(&errors(), Better::More, 1).unwrap().normalised.is_none());
        // apart on the whole, but not in many draws
        let hardly = [identity(0.1, 0.2, 0.1), identity(0.1, 0.1, 0.19)];
        let normalised = body_score(&hardly, Better::Less, 1).unwrap().normalised.unwrap();
        assert_eq!((normalised.interval, normalised.worst_tenth_interval), (None, None));
    }

    #[test]
    fn an_identity_without_a_value_or_an_anchor_is_left_out_and_counted() {
        let mut identities = errors();
        let whole = body_score(&identities, Better::Less, 1).unwrap();
        identities.extend([
            OfIdentity { value: None, ..identity(0.0, 0.9, 0.8) },
            OfIdentity { floor: None, ..identity(0.5, 0.0, 0.1) },
            OfIdentity::default(),
        ]);
        let found = body_score(&identities, Better::Less, 1).unwrap();
        assert_eq!((found.identities, found.left_out), (20, 3));
        assert_eq!(found.normalised, whole.normalised);
        let one = body_score(&[identity(0.05, 0.1, 0.0)], Better::Less, 1).unwrap().normalised.unwrap();
        assert_eq!((one.mean, one.worst_tenth, one.interval), (0.5, 0.5, None));
    }

    #[test]
    fn nobody_and_values_that_are_none_are_refused() {
        let refused =
            |identities: &[OfIdentity]| body_score(identities, Better::Less, 1).unwrap_err().to_string();
        let nobody = "identities with a value, a floor and a ceiling: 0 given, at least 1 needed";
        assert_eq!(refused(&[]), nobody);
        assert_eq!(refused(&[OfIdentity { value: None, ..identity(0.0, 1.0, 0.5) }]), nobody);
        let broken = [identity(0.1, 0.2, 0.1), identity(0.1, f64::NAN, 0.1)];
        assert_eq!(refused(&broken), "floors of identities: row 1 holds NaN; finite numbers were expected");
        let endless = OfIdentity { ceiling: Some(f64::INFINITY), ..OfIdentity::default() };
        assert!(refused(&[endless]).starts_with("ceilings of identities: row 0 holds inf"));
    }
}
