//! Figures of what raters answered.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answers::Answers;
use super::page::Key;
use super::question::{Compared, Side};

/// The quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// What a survey came to.
#[derive(Debug, PartialEq, Serialize)]
pub struct SurveyResults {
    /// The survey's id.
    pub survey: String,
    /// The adapter, as it was named.
    pub adapter: String,
    /// Raters who count.
    pub raters: usize,
    /// Raters who do not: they missed an attention check, or answered none.
    pub left_out: Vec<String>,
    /// What was compared.
    pub comparisons: Vec<Comparison>,
}

/// How often the picture with the body's stream was taken for the person.
#[derive(Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The condition with the body's stream.
    pub with: String,
    /// The condition without it.
    pub without: String,
    /// Answers.
    pub answers: u64,
    /// How many of them chose the picture with it.
    pub chosen: u64,
    /// Their share; 0.5 is guessing.
    pub share: f64,
    /// Lower end of Wilson's 95 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl SurveyResults {
    /// Of those raters who passed every attention check that they met.
    pub fn new(key: &Key, answers: &Answers) -> Self {
        let (attentive, others): (Vec<_>, Vec<_>) =
            answers.0.iter().partition(|(_, of)| passes_checks(key, of));
        let mut counts: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for (question, answer) in attentive.iter().flat_map(|(_, of)| of.iter()) {
            let asked = &key.questions[*question];
            if let Compared::Pair { with, without } = &asked.compared {
                let (chosen, all) = counts.entry((with, without)).or_default();
                *chosen += u64::from(asked.expected == *answer);
                *all += 1;
            }
        }
        Self {
            survey: key.survey.clone(),
            adapter: key.adapter.clone(),
            raters: attentive.len(),
            left_out: others.into_iter().map(|(rater, _)| rater.clone()).collect(),
            comparisons: counts.into_iter().map(|(pair, counts)| compare(pair, counts)).collect(),
        }
    }

    /// For a terminal.
    pub fn table(&self) -> String {
        let rows = self.comparisons.iter().map(|one| {
            vec![
                format!("{} against {}", one.with, one.without),
                one.answers.to_string(),
                format!("{:.0} %", 100.0 * one.share),
                format!("{:.0} to {:.0} %", 100.0 * one.low, 100.0 * one.high),
            ]
        });
        let table = crate::output::table(&["compared", "answers", "the first is the person", "95 %"], rows);
        let left_out = match &self.left_out[..] {
            [] => String::new(),
            some => format!(
                "; left out, for they missed an attention check or answered none: {}",
                some.join(", ")
            ),
        };
        format!("{table}\n{} raters{left_out}", self.raters)
    }
}

fn compare((with, without): (&str, &str), (chosen, answers): (u64, u64)) -> Comparison {
    let [low, high] = wilson(chosen, answers);
    Comparison {
        with: with.to_owned(),
        without: without.to_owned(),
        answers,
        chosen,
        share: chosen as f64 / answers as f64,
        low,
        high,
    }
}

/// Whether a rater answered attention checks, and all of them right.
fn passes_checks(key: &Key, answers: &BTreeMap<usize, Side>) -> bool {
    let mut checks = answers
        .iter()
        .filter(|(question, _)| key.questions[**question].compared == Compared::Check)
        .peekable();
    checks.peek().is_some() && checks.all(|(question, answer)| key.questions[*question].expected == *answer)
}

/// Wilson's 95 % interval of a share (Wilson 1927; recommended for few answers by Brown, Cai and DasGupta
/// 2001). It takes answers for independent; those of one rater, or on one person, are alike, so the true
/// interval is wider.
fn wilson(chosen: u64, of: u64) -> [f64; 2] {
    let (n, share) = (of as f64, chosen as f64 / of as f64);
    let centre = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    [-spread, spread].map(|side| ((centre + side) / (1.0 + Z * Z / n)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::survey::page::KeyQuestion;
    use crate::evaluate::survey::question::Side;

    #[test]
    fn intervals_are_wilson_s() {
        // scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        for (chosen, of, expected) in
            [(7, 10, [0.396_778, 0.892_208]), (0, 12, [0.0, 0.242_494]), (60, 100, [0.502_003, 0.690_599])]
        {
            for (found, expected) in wilson(chosen, of).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{chosen} of {of}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn only_attentive_raters_count() {
        let question = |compared, expected| KeyQuestion { person: "p".to_owned(), compared, expected };
        let pair = Compared::Pair { with: "body".to_owned(), without: "text".to_owned() };
        let key = Key {
            survey: "s".to_owned(),
            adapter: "mine".to_owned(),
            questions: vec![
                question(pair.clone(), Side::A),
                question(Compared::Check, Side::B),
                question(pair, Side::B),
            ],
        };
        let rater = |of: &[(usize, Side)]| of.iter().copied().collect::<BTreeMap<usize, Side>>();
        let answers = Answers(BTreeMap::from([
            ("asleep".to_owned(), rater(&[(0, Side::A), (1, Side::A), (2, Side::B)])),
            ("unchecked".to_owned(), rater(&[(0, Side::A)])),
            ("awake".to_owned(), rater(&[(0, Side::A), (1, Side::B), (2, Side::A)])),
        ]));
        let found = SurveyResults::new(&key, &answers);
        assert_eq!(
            (found.raters, &found.left_out[..]),
            (1, &["asleep".to_owned(), "unchecked".to_owned()][..])
        );
        assert_eq!(found.comparisons.len(), 1);
        assert_eq!((found.comparisons[0].chosen, found.comparisons[0].answers), (1, 2));
        assert!(found.table().contains("body against text"));
    }
}
