//! What can be wrong with a snapshot, told with what to do about it.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// A snapshot that is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot {path} is {}:{}", state(problems), list(problems), path = path.display())]
pub struct VerifyError {
    /// The folder.
    pub path: PathBuf,
    /// Everything that is wrong, at least one thing, sorted by file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// The file, relative to the snapshot's folder; `.` is the folder itself.
    pub file: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The content is not what was written.
    Changed,
    /// It ends too early, as where a copy was interrupted.
    Short {
        /// Its length.
        bytes: u64,
        /// The length that was written; `None` of a file whose length is listed nowhere.
        expected: Option<u64>,
    },
    /// It is listed and not there.
    Missing,
    /// It is there and not listed.
    Extra,
    /// It cannot be read.
    Unreadable(String),
    /// The folder's name is not that of the dataset and the id of the manifest.
    WrongName(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match &self.kind {
            ProblemKind::Changed => f.write_str("changed since it was written"),
            ProblemKind::Short { bytes, expected: Some(expected) } => {
                write!(f, "only {bytes} of {expected} bytes are there")
            }
            ProblemKind::Short { bytes, expected: None } => write!(f, "ends after {bytes} bytes"),
            ProblemKind::Missing => f.write_str("missing"),
            ProblemKind::Extra => f.write_str("no file of this snapshot"),
            ProblemKind::Unreadable(why) => write!(f, "cannot be read: {why}"),
            ProblemKind::WrongName(expected) => write!(f, "the folder should be called {expected}"),
        }
    }
}

/// As many files as a person reads; whoever needs all of them has [`VerifyError::problems`].
const LISTED: usize = 20;

/// A group of problems and what to do about it.
type Advice = (fn(&ProblemKind) -> bool, &'static str);
const ADVICE: [Advice; 5] = [
    (
        |kind| matches!(kind, ProblemKind::Missing | ProblemKind::Short { .. }),
        "A copy was interrupted: copy these files again from where the snapshot is whole, e.g. with `rsync -a`.",
    ),
    (
        |kind| matches!(kind, ProblemKind::Changed),
        "Somebody or the disk changed these files: take them from another copy, or make the snapshot again with `bolid \
         dataset --locked`.",
    ),
    (
        |kind| matches!(kind, ProblemKind::Unreadable(_)),
        "The system did not let these files be read: look at their permissions, and at the disk.",
    ),
    (
        |kind| matches!(kind, ProblemKind::WrongName(_)),
        "Give the folder its name back: the id in it is how others refer to the snapshot.",
    ),
    (|kind| matches!(kind, ProblemKind::Extra), "Move away what is no file of the snapshot."),
];

/// What is wrong in one word: what is only not all there can be completed, what changed cannot be trusted.
fn state(problems: &[Problem]) -> &'static str {
    let is_part = |problem: &Problem| {
        matches!(problem.kind, ProblemKind::Missing | ProblemKind::Short { .. } | ProblemKind::Extra)
    };
    if problems.iter().all(is_part) { "incomplete" } else { "damaged" }
}

/// The problems in groups, each with what to do about it.
fn list(problems: &[Problem]) -> String {
    let mut text = String::new();
    for (belongs, advice) in ADVICE {
        let group: Vec<&Problem> = problems.iter().filter(|problem| belongs(&problem.kind)).collect();
        if group.is_empty() {
            continue;
        }
        for problem in group.iter().take(LISTED) {
            let _ = write!(text, "\n  {problem}");
        }
        if group.len() > LISTED {
            let _ = write!(text, "\n  and {} more", group.len() - LISTED);
        }
        let _ = write!(text, "\n{advice}");
    }
    text
}
