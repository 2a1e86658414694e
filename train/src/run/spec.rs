//! What makes a run the one it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use photo::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::RunError;

/// The version of `run.json` that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The snapshot that a run was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotName {
    /// First 12 hex digits of the digest of its manifest.
    pub id: String,
    /// The dataset's name.
    pub name: String,
}

/// All that decides what comes out of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Kind of model, such as `body-vae`.
    pub kind: String,
    /// Name given to the run; no part of its id.
    pub name: String,
    /// What it is trained on.
    pub snapshot: SnapshotName,
    /// Version of the program.
    pub program_version: String,
    /// What every random number of the training follows from.
    pub seed: u64,
    /// The configuration with its defaults filled in.
    pub config: Value,
    /// The model that it begins with, where that is not random. What decides the result is in `config`: its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
}

/// The model that a training begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitFrom {
    /// What it was called.
    pub name: String,
    /// The ids of the snapshots that it has seen, as far as the work folder knows them.
    pub snapshots: Vec<String>,
}

impl RunSpec {
    /// First 12 hex digits of the SHA-256 over kind, configuration, snapshot id, program version and seed. Runs of the
    /// same id would end with the same model.
    pub fn id(&self) -> String {
        let content: BTreeMap<&str, Value> = BTreeMap::from([
            ("kind", self.kind.as_str().into()),
            ("config", self.config.clone()),
            ("snapshot", self.snapshot.id.as_str().into()),
            ("program_version", self.program_version.as_str().into()),
            ("seed", self.seed.into()),
        ]);
        Digest::of(canonical(&content.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())).short()
    }
}

/// A setting that was another before a run was resumed, with leave to change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The step after which it changed.
    pub step: u64,
    /// The setting, such as `fit.learning_rate`.
    pub key: String,
    /// What it was; null where it was not there.
    pub from: Value,
    /// What it is now.
    pub to: Value,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// [`RunSpec::id`].
    pub id: String,
    /// What is trained.
    #[serde(flatten)]
    pub spec: RunSpec,
    /// When the folder was made, in Unix milliseconds.
    pub created_at_ms: u64,
    /// What changed on the way. A snapshot changed for another is here, so that erasing finds both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl RunRecord {
    /// Reads `run.json`.
    ///
    /// # Errors
    /// Where it cannot be read, is none, or is of a later version of the program.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(RunError::io("read", path))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| RunError::malformed(path, e))?;
        match value.get("format_version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(version) => {
                let reason = format!("format version {version}; this program reads version {FORMAT_VERSION}");
                return Err(RunError::malformed(path, reason));
            }
            None => return Err(RunError::malformed(path, "there is no format_version in it")),
        }
        serde_json::from_value(value).map_err(|e| RunError::malformed(path, e))
    }

    /// The ids of every snapshot that the model has seen, also before this run.
    pub fn snapshot_ids(&self) -> Vec<&str> {
        let changed = self.changes.iter().filter(|change| change.key == "snapshot.id");
        let values = changed.flat_map(|change| [&change.from, &change.to]);
        let values = values.filter_map(Value::as_str).chain([self.spec.snapshot.id.as_str()]);
        let before = self.spec.init_from.iter().flat_map(|model| &model.snapshots).map(String::as_str);
        let mut ids: Vec<&str> = values.chain(before).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// JSON whose keys are sorted at every level, without spaces: the same value always has the same text.
pub(crate) fn canonical(object: &Map<String, Value>) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let map: BTreeMap<&String, Value> = map.iter().map(|(k, v)| (k, sorted(v))).collect();
                Value::Object(map.into_iter().map(|(k, v)| (k.clone(), v)).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(&Value::Object(object.clone())).to_string()
}

/// Every value that is no table, by its path: `{"fit": {"steps": 5}}` has `fit.steps`.
pub(crate) fn flattened(value: &Value) -> BTreeMap<String, Value> {
    fn visit(prefix: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    visit(&path, value, found);
                }
            }
            other => {
                found.insert(prefix.to_owned(), other.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    visit("", value, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(config: Value) -> RunSpec {
        RunSpec {
            kind: "body-vae".to_owned(),
            name: "a".to_owned(),
            snapshot: SnapshotName { id: "0123456789ab".to_owned(), name: "demo".to_owned() },
            program_version: "1".to_owned(),
            seed: 7,
            config,
            init_from: None,
        }
    }

    #[test]
    fn the_id_follows_from_content_and_not_from_the_name_or_the_order_of_keys() {
        let one = spec(json!({"fit": {"steps": 5, "batch": 2}}));
        let other = RunSpec { name: "b".to_owned(), ..spec(json!({"fit": {"batch": 2, "steps": 5}})) };
        assert_eq!(one.id(), other.id());
        assert_eq!(one.id().len(), 12);
        assert_ne!(one.id(), spec(json!({"fit": {"batch": 2, "steps": 6}})).id());
        assert_ne!(one.id(), RunSpec { seed: 8, ..one.clone() }.id());
    }

    #[test]
    fn nested_settings_are_named_by_their_path() {
        let flat = flattened(&json!({"fit": {"steps": 5}, "views": [1, 2]}));
        assert_eq!(
            flat,
            BTreeMap::from([("fit.steps".to_owned(), json!(5)), ("views".to_owned(), json!([1, 2]))])
        );
    }
}
