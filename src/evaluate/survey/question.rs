//! Which pictures are asked about, in which order.

use anyhow::{Result, bail};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use train::report::Picture;

use crate::evaluate::compute::Judged;
use crate::evaluate::condition::Condition;
use crate::evaluate::readings::Readings;

/// One attention check for so many questions: a rater who guesses passes three of them by chance once in eight.
const QUESTIONS_PER_CHECK: usize = 8;
/// Checks of a survey, however short.
const LEAST_CHECKS: usize = 3;

/// Where an alternative stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// What a question compares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Compared {
    /// Two pictures of one prompt from the same noise, that differ in nothing but the body's stream.
    Pair {
        /// The condition with it.
        with: String,
        /// The condition without it.
        without: String,
    },
    /// The photo itself beside a photo of somebody else: whoever looks is right.
    Check,
}

/// A question, and what is shown.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whom it is about.
    pub person: String,
    /// What it compares.
    pub compared: Compared,
    /// A photo of the person with the head painted over.
    pub photo: Picture,
    /// The alternatives A and B.
    pub alternatives: [Picture; 2],
    /// The one with the person's body in it.
    pub expected: Side,
}

/// All questions of an evaluation, in an order that follows from `seed`. A picture in which nobody is found
/// is not asked about: its head cannot be painted over.
///
/// # Errors
/// Where nothing can be compared, or nobody's attention checked.
pub fn questions(judged: &Judged, names: &[&str], seed: u64) -> Result<Vec<Question>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut questions = Vec::new();
    for (with, without) in pairs(judged) {
        let compared = Compared::Pair {
            with: judged.conditions[with].0.label(),
            without: judged.conditions[without].0.label(),
        };
        for (person, name) in names.iter().enumerate() {
            let [with, without] = [with, without].map(|at| &judged.conditions[at].1[person].masked);
            let drawn =
                with.iter().zip(without).find_map(|(with, without)| Some([with.clone()?, without.clone()?]));
            if let (Some(photo), Some(drawn)) = (shown(&judged.held_out[person]), drawn) {
                questions.push(question((*name).to_owned(), compared.clone(), photo, drawn, rng));
            }
        }
    }
    let mut people: Vec<usize> = (0..names.len()).collect();
    people.shuffle(rng);
    let checks = questions.len().div_ceil(QUESTIONS_PER_CHECK).max(LEAST_CHECKS);
    let of_person = |&person: &usize| {
        let stranger = &judged.held_out[judged.strangers[person]];
        Some((person, shown(&judged.held_out[person])?, shown(stranger)?))
    };
    let there: Vec<(usize, Picture, Picture)> = people.iter().filter_map(of_person).collect();
    if questions.is_empty() || there.is_empty() {
        bail!(
            "--survey: of {} people, nobody was found both in a photo and in pictures of one prompt with and \
             without the body, so nothing can be asked: take more --people, or a --lambda-body above 0",
            names.len()
        );
    }
    for (person, own, other) in there.into_iter().cycle().take(checks) {
        questions.push(question(names[person].to_owned(), Compared::Check, own.clone(), [own, other], rng));
    }
    questions.shuffle(rng);
    Ok(questions)
}

/// The first photo whose head could be painted over.
fn shown(photos: &Readings) -> Option<Picture> {
    photos.masked.iter().flatten().next().cloned()
}

/// Conditions that differ in nothing but the body's stream, by their places.
fn pairs(judged: &Judged) -> Vec<(usize, usize)> {
    let at = |wanted: Condition| judged.conditions.iter().position(|(condition, _)| *condition == wanted);
    let pair = |(place, (condition, _)): (usize, &(Condition, _))| {
        let without = at(Condition { lambda_body: 0.0, ..*condition })?;
        (condition.lambda_body > 0.0).then_some((place, without))
    };
    judged.conditions.iter().enumerate().filter_map(pair).collect()
}

/// A question whose right alternative, the first of the two, stands on either side.
fn question(
    person: String,
    compared: Compared,
    photo: Picture,
    [right, other]: [Picture; 2],
    rng: &mut ChaCha8Rng,
) -> Question {
    let (alternatives, expected) =
        if rng.random() { ([right, other], Side::A) } else { ([other, right], Side::B) };
    Question { person, compared, photo, alternatives, expected }
}
