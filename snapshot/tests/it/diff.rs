//! What is different between two snapshots, and why.

use std::path::Path;

use crate::common::{dropped, rows, spec, write};
use photo::tiles::Region;
use photo::{Digest, Reason, Split};
use snapshot::diff::Aspect;
use snapshot::{Diff, IdentityRows, Snapshot, SnapshotSpec};

/// The differences between snapshots of these people.
fn between(before: (SnapshotSpec, Vec<IdentityRows>), after: (SnapshotSpec, Vec<IdentityRows>)) -> Diff {
    let dir = tempfile::tempdir().unwrap();
    let open = |(spec, rows): (SnapshotSpec, Vec<IdentityRows>), folder: &str| {
        let folder: &Path = &dir.path().join(folder);
        Snapshot::open(&write(folder, spec, rows, 1).path).unwrap()
    };
    snapshot::diff(&open(before, "before"), &open(after, "after")).unwrap()
}

fn of_rows(before: Vec<IdentityRows>, after: Vec<IdentityRows>) -> Diff {
    between((spec(), before), (spec(), after))
}

#[test]
fn photos_that_came_went_and_changed_their_verdict_are_named() {
    let before = vec![rows("demo/anna", 3), rows("demo/carl", 1)];
    let mut anna = rows("demo/anna", 4);
    let gone = anna.photos.remove(0);
    anna.dropped.push(snapshot::DroppedRow {
        url: gone.url.clone(),
        sha256: Some(gone.sha256),
        ..dropped("demo/anna", 1)
    });
    let diff = of_rows(before, vec![anna]);
    assert_eq!(diff.added.len(), 1);
    assert!(diff.added[0].url.ends_with("demo/anna/3.jpg") && diff.added[0].verdict.is_keep());
    assert_eq!(diff.removed.len(), 3); // carl's kept and two dropped ones
    assert_eq!(diff.changed.len(), 1);
    let changed = &diff.changed[0];
    assert_eq!(changed.after.url, gone.url);
    assert!(changed.before.verdict.is_keep() && !changed.after.verdict.is_keep());
    assert!(changed.what.contains(&Aspect::Verdict));
    assert_eq!(diff.unchanged, 4, "two kept and two dropped ones of anna");
    let people: Vec<_> = diff.people.iter().map(|person| person.identity.as_str()).collect();
    assert_eq!(people, ["demo/anna", "demo/carl"]);
    assert!(diff.people[1].after.is_none() && diff.people[1].before.unwrap().kept == 1);
}

#[test]
fn a_snapshot_does_not_differ_from_itself() {
    let diff = of_rows(vec![rows("demo/anna", 3)], vec![rows("demo/anna", 3)]);
    assert_eq!(diff.before, diff.after);
    let lists =
        [diff.settings.len(), diff.models.len(), diff.people.len(), diff.added.len(), diff.removed.len()];
    assert_eq!((lists, diff.moved.len(), diff.changed.len(), diff.unchanged), ([0; 5], 0, 0, 5));
}

#[test]
fn a_verdict_that_changed_comes_with_the_score_and_the_limit_behind_it() {
    let mut stricter = spec();
    stricter.rules.watermark.max_score = 0.01;
    let mut anna = rows("demo/anna", 2);
    let marked = anna.photos.remove(1);
    anna.dropped.push(snapshot::DroppedRow {
        url: marked.url.clone(),
        page_url: marked.page_url.clone(),
        sha256: Some(marked.sha256),
        width: Some(marked.width),
        height: Some(marked.height),
        scores: marked.scores.clone(),
        reasons: vec![Reason::Watermark { score: 0.0123, region: Region::BottomRight }],
    });
    let diff = between((spec(), vec![rows("demo/anna", 2)]), (stricter, vec![anna]));
    let [changed] = &diff.changed[..] else { panic!("{:?}", diff.changed) };
    assert_eq!(changed.what, [Aspect::Verdict]);
    let [behind] = &changed.behind[..] else { panic!("{:?}", changed.behind) };
    let score = behind.score.as_ref().unwrap();
    assert_eq!((behind.reason, score.name), ("watermark", "watermark"));
    assert_eq!((score.before, score.after), (Some(0.0123), Some(0.0123)));
    let limit = &behind.limits[0];
    assert_eq!(limit.key, "rules.watermark.max_score");
    assert_eq!((limit.before.as_f64(), limit.after.as_f64()), (Some(0.5), Some(0.01)));
    assert_eq!(diff.settings.len(), 1);
    assert_eq!(diff.settings[0].key, "rules.watermark.max_score");
}

#[test]
fn a_limit_is_that_of_the_photos_own_site() {
    let mut own = spec();
    let of_site = photo::site_rules::SiteRules { min_photos: Some(4), ..Default::default() };
    own.rules.site.insert("demo".to_owned(), of_site);
    let mut anna = rows("demo/anna", 2);
    for photo in std::mem::take(&mut anna.photos) {
        anna.dropped.push(snapshot::DroppedRow {
            url: photo.url,
            sha256: Some(photo.sha256),
            reasons: vec![Reason::TooFewPhotos { kept: 2 }],
            ..dropped("demo/anna", 0)
        });
    }
    let diff = between((spec(), vec![rows("demo/anna", 2)]), (own, vec![anna]));
    assert_eq!(diff.changed.len(), 2);
    let behind = &diff.changed[0].behind[0];
    assert_eq!((&behind.limits[0].before, &behind.limits[0].after), (&100.into(), &4.into()));
    let score = behind.score.as_ref().unwrap();
    assert_eq!((score.before, score.after), (Some(2.0), Some(2.0)));
}

#[test]
fn a_photo_that_stands_under_another_person_moved_and_neither_came_nor_went() {
    let anna = rows("demo/anna", 3);
    let renamed = IdentityRows { identity: "demo/anna-berg".into(), ..anna.clone() };
    let diff = of_rows(vec![anna, rows("demo/carl", 2)], vec![renamed, rows("demo/carl", 2)]);
    assert_eq!((diff.added.len(), diff.removed.len(), diff.changed.len()), (0, 0, 0));
    assert_eq!(diff.moved.len(), 5, "three kept and two dropped ones");
    assert!(diff.moved.iter().all(|photo| photo.what.contains(&Aspect::Identity)));
    assert_eq!(
        (diff.moved[0].before.identity.as_str(), diff.moved[0].after.identity.as_str()),
        ("demo/anna", "demo/anna-berg")
    );
}

#[test]
fn new_bytes_under_an_old_address_and_old_bytes_at_a_new_one_are_changes() {
    let mut anna = rows("demo/anna", 3);
    anna.photos[0].sha256 = Digest::of("other bytes");
    anna.photos[1].url = "http://gallery.test/elsewhere.jpg".into();
    anna.photos[2].caption = Some("another caption".into());
    anna.photos[2].joints_in_photo.0[5].x += 3.0;
    let diff = of_rows(vec![rows("demo/anna", 3)], vec![anna]);
    assert_eq!((diff.added.len(), diff.removed.len(), diff.moved.len()), (0, 0, 0));
    let what: Vec<&[Aspect]> = diff.changed.iter().map(|photo| photo.what.as_slice()).collect();
    assert_eq!(what, [&[Aspect::Bytes][..], &[Aspect::Address], &[Aspect::Caption, Aspect::Joints]]);
    assert_eq!(diff.changed[2].joints_moved_px, Some(3.0));
}

#[test]
fn of_the_same_bytes_at_two_addresses_the_kept_one_stays_the_kept_one() {
    let with_copy = |kept: usize| {
        let mut anna = rows("demo/anna", 1);
        let photo = anna.photos[0].clone();
        let urls = ["http://gallery.test/a.jpg", "http://gallery.test/b.jpg"];
        anna.photos[0].url = urls[kept].into();
        anna.dropped.push(snapshot::DroppedRow {
            url: urls[1 - kept].into(),
            sha256: Some(photo.sha256),
            reasons: vec![Reason::Duplicate { of: photo.sha256 }],
            ..dropped("demo/anna", 0)
        });
        anna
    };
    let diff = of_rows(vec![with_copy(0)], vec![with_copy(1)]);
    // Each address is still there with the same bytes, so that it is the verdicts that changed.
    assert_eq!(diff.changed.len(), 2);
    assert!(diff.changed.iter().all(|photo| photo.what.contains(&Aspect::Verdict)));
    assert_eq!((diff.added.len(), diff.removed.len()), (0, 0));
}

#[test]
fn a_score_that_moved_without_consequences_is_told_apart_from_what_a_person_calls_a_change() {
    let mut anna = rows("demo/anna", 2);
    anna.photos[0].scores.face = Some(0.91);
    let diff = of_rows(vec![rows("demo/anna", 2)], vec![anna]);
    assert_eq!(diff.changed.len(), 1);
    assert_eq!(diff.changed[0].what, [Aspect::Scores]);
    assert!(!diff.changed[0].is_notable());
}

#[test]
fn recipe_models_version_and_splits_are_compared_key_by_key() {
    let mut other = spec();
    other.recipe["splits"] = serde_json::json!({ "validation": 0.2, "test": 0.1 });
    other.recipe["float"] = serde_json::json!(0.2);
    other.program_version = "0.2.0".into();
    other.models.retain(|model| model.role != "pose");
    other.models[0].sha256 = Digest::of("another watermark model");
    let diff = between((spec(), vec![rows("demo/anna", 1)]), (other, vec![rows("demo/anna", 1)]));
    let keys: Vec<_> = diff.settings.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["program_version", "recipe.float", "recipe.splits.test", "recipe.splits.validation"]);
    let models: Vec<_> = diff
        .models
        .iter()
        .map(|model| (model.role.as_str(), model.before.is_some(), model.after.is_some()))
        .collect();
    assert_eq!(models, [("pose", true, false), ("watermark", true, true)]);
}

#[test]
fn a_person_who_changes_sides_is_told_once_and_the_photos_follow() {
    let splits = |share: f64| {
        let mut spec = spec();
        spec.recipe["splits"] = serde_json::json!({ "validation": 0.0, "test": share });
        spec
    };
    let people = || vec![rows("demo/anna", 3), rows("demo/carl", 3)];
    let diff = between((splits(0.0), people()), (splits(0.5), people()));
    let sides: Vec<_> =
        diff.people.iter().map(|one| (one.before.unwrap().split, one.after.unwrap().split)).collect();
    assert_eq!(sides, [(Some(Split::Train), Some(Split::Test))]);
    assert_eq!(diff.changed.len(), 3);
    assert!(diff.changed.iter().all(|photo| !photo.is_notable()), "{:?}", diff.changed[0].what);
}

#[test]
fn a_decision_that_people_took_is_told_with_the_photo_it_is_about() {
    let kept = rows("demo/anna", 2);
    let mut without = kept.clone();
    let photo = without.photos.remove(0);
    without.dropped.push(snapshot::DroppedRow {
        url: photo.url.clone(),
        sha256: Some(photo.sha256),
        reasons: vec![Reason::Review],
        ..dropped("demo/anna", 0)
    });
    let mut decided = spec();
    decided.recipe["decisions"] =
        serde_json::json!([{ "identity": "demo/anna", "sha256": photo.sha256, "keep": false }]);
    let diff = between((spec(), vec![kept]), (decided, vec![without]));
    let changed = diff.changed.iter().find(|changed| changed.after.url == photo.url).unwrap();
    let decision = changed.decided.unwrap();
    assert_eq!((decision.before, decision.after), (None, Some(false)));
    assert_eq!(changed.behind[0].reason, "review");
}
