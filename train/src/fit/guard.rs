//! Whether a checkpoint was made with the settings at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use super::settings::{FREE, FitSettings};
use crate::run::spec::flattened;
use crate::run::{Change, RunSpec};

/// A setting that is another than in the checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The setting, such as `fit.batch` or `snapshot.id`.
    pub key: String,
    /// In the checkpoint; null where it has none.
    pub from: Value,
    /// Now; null where there is none.
    pub to: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was {} and is {}", self.key, self.from, self.to)
    }
}

/// The version of the program: a change is noted, and needs no leave. Bytes may differ from then on.
const VERSION: &str = "program_version";

/// Everything that decides what comes out, by key.
pub(super) fn settings_of(spec: &RunSpec, settings: &FitSettings) -> BTreeMap<String, Value> {
    let mut all = flattened(&spec.config);
    all.extend(flattened(&json!({
        "kind": spec.kind,
        "seed": spec.seed,
        "snapshot": {"id": spec.snapshot.id},
        VERSION: spec.program_version,
        "fit": settings,
    })));
    all
}

/// The same of a run that has no checkpoint yet, as `run.json` has it.
pub(super) fn recorded(spec: &RunSpec, settings: &FitSettings) -> BTreeMap<String, Value> {
    let own = flattened(&spec.config);
    let mut all = settings_of(spec, settings);
    if own.keys().any(|key| key.starts_with("fit.")) {
        all.retain(|key, _| !key.starts_with("fit."));
        all.extend(own);
    }
    all
}

/// Compares the settings of a checkpoint with those at hand: what changed by leave, and what without.
pub(super) fn compare(
    step: u64,
    checkpoint: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
    allow_change: &[String],
) -> (Vec<Change>, Vec<Difference>) {
    let now = read_back(now);
    let (mut changes, mut refused) = (Vec::new(), Vec::new());
    let keys: BTreeSet<&String> = checkpoint.keys().chain(now.keys()).collect();
    for key in keys {
        let of = |settings: &BTreeMap<String, Value>| settings.get(key).cloned().unwrap_or(Value::Null);
        let (from, to) = (of(checkpoint), of(&now));
        if from == to {
            continue;
        }
        let is_allowed = key == VERSION
            || FREE.contains(&key.as_str())
            || allow_change.iter().any(|allowed| {
                key.strip_prefix(allowed.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
        if is_allowed {
            changes.push(Change { step, key: key.clone(), from, to });
        } else {
            refused.push(Difference { key: key.clone(), from, to });
        }
    }
    (changes, refused)
}

/// What of this process's settings is another than the first one's: processes of one training must agree in all but
/// [`FREE`].
pub(super) fn between_processes(
    first: &BTreeMap<String, Value>,
    own: &BTreeMap<String, Value>,
) -> Vec<Difference> {
    let (changes, mut differences) = compare(0, first, own, &[]);
    let of_program = changes.into_iter().filter(|change| change.key == VERSION);
    differences.extend(of_program.map(|Change { key, from, to, .. }| Difference { key, from, to }));
    differences
}

/// The settings as they come out of a file: numbers with a fraction may differ in the last bit when read.
fn read_back(settings: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let text = serde_json::to_string(settings).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| settings.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: &Value) -> BTreeMap<String, Value> {
        flattened(value)
    }

    #[test]
    fn leave_is_given_by_key_or_by_table() {
        let old = map(&json!({"fit": {"steps": 5, "save_every": 2}, "views": 8, "viewsize": 1}));
        let new = map(&json!({"fit": {"steps": 6, "save_every": 3}, "views": 9, "viewsize": 2}));
        let keys = |differences: &[Difference]| -> Vec<String> {
            differences.iter().map(|difference| difference.key.clone()).collect()
        };
        let (changes, refused) = compare(4, &old, &new, &[]);
        assert_eq!(keys(&refused), ["fit.steps", "views", "viewsize"]);
        assert_eq!(refused[0].to_string(), "fit.steps was 5 and is 6");
        assert_eq!(changes.len(), 1);
        let (changes, refused) = compare(4, &old, &new, &["fit".to_owned(), "views".to_owned()]);
        assert_eq!(keys(&refused), ["viewsize"]);
        assert_eq!(changes.len(), 3);
    }

    #[test]
    fn a_key_that_is_new_or_gone_differs() {
        let (_, refused) = compare(0, &map(&json!({"a": 1})), &map(&json!({"b": 2})), &[]);
        let said: Vec<String> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["a was 1 and is null", "b was null and is 2"]);
    }
}
