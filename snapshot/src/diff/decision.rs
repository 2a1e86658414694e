//! What people decided of photos over the rules, as the recipes of two snapshots have it.

use std::collections::BTreeMap;

use photo::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::photo::PhotoState;

/// A decision that came, went or was turned round: `true` keeps the photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionChange {
    /// In the first snapshot; `None` where nobody decided.
    pub before: Option<bool>,
    /// In the second one.
    pub after: Option<bool>,
}

/// The decisions of a snapshot.
#[derive(Default)]
pub(super) struct Decisions(BTreeMap<(String, Digest), bool>);

/// Reads `recipe.decisions`; what is no decision there is none.
pub(super) fn of(recipe: &Value) -> Decisions {
    #[derive(Deserialize)]
    struct Decision {
        identity: String,
        sha256: Digest,
        keep: Option<bool>,
    }
    let listed = recipe.get("decisions").and_then(Value::as_array).into_iter().flatten();
    let decisions = listed.filter_map(|item| Decision::deserialize(item).ok());
    Decisions(decisions.filter_map(|found| Some(((found.identity, found.sha256), found.keep?))).collect())
}

impl Decisions {
    pub fn get(&self, photo: &PhotoState) -> Option<bool> {
        self.0.get(&(photo.identity.clone(), photo.sha256?)).copied()
    }
}

/// The change, where there is one.
pub(super) fn change(before: Option<bool>, after: Option<bool>) -> Option<DecisionChange> {
    (before != after).then_some(DecisionChange { before, after })
}
