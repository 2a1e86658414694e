//! Keys of recipe, rules and settings that changed, one by one; models.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::manifest::{Manifest, ModelRef};

/// A key that has another value, or is only there once. Of a list, an item that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingChange {
    /// Where it stands: `rules.watermark.max_score`, `recipe.sites[]`.
    pub key: String,
    /// Its value in the first snapshot.
    pub before: Option<Value>,
    /// Its value in the second one.
    pub after: Option<Value>,
}

/// A model that is another file, or is only there once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelChange {
    /// What it is for.
    pub role: String,
    /// What the first snapshot was measured with.
    pub before: Option<ModelRef>,
    /// What the second one was.
    pub after: Option<ModelRef>,
}

/// The keys in which two manifests differ, photos and models left out.
pub(super) fn changes(before: &Manifest, after: &Manifest) -> Vec<SettingChange> {
    let (before, mut after) = (settings(before), settings(after));
    let mut changes = Vec::new();
    for (key, old) in before {
        compare(&key, Some(old), after.remove(&key), &mut changes);
    }
    for (key, new) in after {
        compare(&key, None, Some(new), &mut changes);
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key)); // stable: items of a list that went stand before those that came
    changes
}

/// Everything that a manifest says of how its snapshot was made, photos and models left out, by path.
fn settings(manifest: &Manifest) -> BTreeMap<String, Value> {
    let spec = &manifest.spec;
    let all = json!({
        "format_version": manifest.format_version,
        "name": spec.name,
        "prepare": spec.prepare,
        "program_version": spec.program_version,
        "recipe": spec.recipe,
        "rules": spec.rules,
        "size_px": spec.size_px,
    });
    let mut leaves = BTreeMap::new();
    flatten("", all, &mut leaves);
    leaves
}

/// Every value that is no object under its path.
fn flatten(key: &str, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(&path, value, leaves);
            }
        }
        // A setting that is left out and one that is null say the same.
        Value::Null => {}
        leaf => {
            leaves.insert(key.to_owned(), as_written(leaf));
        }
    }
}

/// A number of 32 bits as a person wrote it: 0.4 rather than 0.4000000059604645.
pub fn as_written(value: Value) -> Value {
    let short = value.as_f64().map(|number| number as f32).filter(|short| value == f64::from(*short));
    match short.and_then(|short| short.to_string().parse::<f64>().ok()) {
        Some(number) if value.is_f64() => json!(number),
        _ => value,
    }
}

fn compare(key: &str, before: Option<Value>, after: Option<Value>, changes: &mut Vec<SettingChange>) {
    if before == after {
        return;
    }
    let list = |value: &Option<Value>| match value {
        Some(Value::Array(items)) => Some(items.clone()),
        None => Some(Vec::new()),
        Some(_) => None,
    };
    let is_list = matches!(before, Some(Value::Array(_))) || matches!(after, Some(Value::Array(_)));
    let (Some(old), Some(mut new), true) = (list(&before), list(&after), is_list) else {
        changes.push(SettingChange { key: key.to_owned(), before, after });
        return;
    };
    let key = format!("{key}[]");
    let length = changes.len();
    for item in old.clone() {
        match new.iter().position(|other| *other == item) {
            Some(index) => drop(new.remove(index)),
            None => changes.push(SettingChange { key: key.clone(), before: Some(item), after: None }),
        }
    }
    changes.extend(new.into_iter().map(|item| SettingChange {
        key: key.clone(),
        before: None,
        after: Some(item),
    }));
    // The same items in another order.
    if changes.len() == length && !old.is_empty() {
        changes.push(SettingChange { key, before, after });
    }
}

/// The models that differ: of each role, those of one snapshot beside those of the other.
pub(super) fn model_changes(before: &[ModelRef], after: &[ModelRef]) -> Vec<ModelChange> {
    let roles: BTreeSet<&str> = before.iter().chain(after).map(|model| model.role.as_str()).collect();
    let mut changes = Vec::new();
    for role in roles {
        let only = |of: &[ModelRef], other: &[ModelRef]| {
            let own = of.iter().filter(|model| model.role == role && !other.contains(model));
            own.cloned().collect::<Vec<_>>()
        };
        let (old, new) = (only(before, after), only(after, before));
        for index in 0..old.len().max(new.len()) {
            let (before, after) = (old.get(index).cloned(), new.get(index).cloned());
            changes.push(ModelChange { role: role.to_owned(), before, after });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(before: Value, after: Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let mut changes = Vec::new();
        let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
        flatten("", before, &mut old);
        flatten("", after, &mut new);
        for (key, value) in old {
            compare(&key, Some(value), new.remove(&key), &mut changes);
        }
        changes.into_iter().map(|change| (change.key, change.before, change.after)).collect()
    }

    #[test]
    fn a_key_is_named_by_its_path_and_a_list_by_what_came_and_went() {
        let before = json!({ "a": { "b": 1, "c": "x" }, "sites": ["one", "two"], "none": null });
        let after = json!({ "a": { "b": 2, "c": "x" }, "sites": ["two", "three"] });
        assert_eq!(
            between(before, after),
            [
                ("a.b".into(), Some(json!(1)), Some(json!(2))),
                ("sites[]".into(), Some(json!("one")), None),
                ("sites[]".into(), None, Some(json!("three"))),
            ]
        );
    }

    #[test]
    fn numbers_of_32_bits_are_as_they_were_written_and_others_stay() {
        assert_eq!(as_written(json!(0.4_f32)), json!(0.4));
        for number in [json!(0.1), json!(64.123_456_789), json!(1000), json!(-0.5), json!("0.4")] {
            assert_eq!(as_written(number.clone()), number);
        }
    }

    #[test]
    fn another_order_of_a_list_is_a_change_and_the_same_order_none() {
        let (one, two) = (json!({ "l": ["a", "b"] }), json!({ "l": ["b", "a"] }));
        assert_eq!(between(one.clone(), one.clone()), []);
        assert_eq!(between(one, two).len(), 1);
    }
}
