//! What keeps a bench from being computed.

/// A bench whose figures would mean nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum BenchError {
    /// A side has too few people.
    #[error("bodybench: {found} {side} people, at least {needed} are needed; draw more")]
    TooFewPeople {
        /// `training`, `bench` or `twin`.
        side: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A family of twins has one member, who would always be found.
    #[error("bodybench: family {family} has one twin only; draw at least 2 of each family")]
    LonelyTwin { family: usize },
    /// The numbers of views are not what curves need.
    #[error(
        "bodybench: numbers of views {counts:?} with the main one {headline}: give them ascending from \
         1, the main \
         one among them and above 1"
    )]
    ViewCounts {
        /// The numbers.
        counts: Vec<usize>,
        /// The one the main figures are for.
        headline: usize,
    },
    /// Someone lacks something, or has it in another width than the others.
    #[error("bodybench: {side} person {person} has {found} {what}, {expected} were expected")]
    Count {
        side: &'static str,
        /// Index of the person.
        person: usize,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        expected: usize,
    },
    /// A number is no number.
    #[error(
        "bodybench: {side} person {person}: {what} holds {value}; finite numbers were expected, and \
         precisions of \
         1 or more"
    )]
    Value {
        side: &'static str,
        /// Index of the person.
        person: usize,
        /// Where it stands.
        what: &'static str,
        value: f32,
    },
    /// A measure of a group is not among those given.
    #[error("bodybench: measure `{name}` is missing; given are {}", given.join(", "))]
    MissingMeasure {
        name: &'static str,
        /// What there is.
        given: Vec<String>,
    },
    /// A measure of a group is the same in everybody, so that there is nothing to explain.
    #[error("bodybench: measure `{name}` is the same in all {side} people; draw people who differ")]
    ConstantMeasure { name: String, side: &'static str },
    /// A penalty that leaves the system singular.
    #[error(
        "ridge: with penalty {lambda} the system of {size} unknowns has no stable solution; raise it above 0"
    )]
    Singular {
        /// The penalty.
        lambda: f64,
        /// The number of unknowns.
        size: usize,
    },
    /// The tensor library failed.
    #[error("bodybench: a product of matrices failed")]
    Candle(#[from] candle_core::Error),
}
