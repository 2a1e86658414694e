//! `bolid snapshot list`, `diff` and `verify` as a user sees them.

use std::fs;

use crate::support::{Workplace, json_lines, text};
use serde_json::Value;
use snapshot::{IdentityRows, PreparedTensors, Snapshot, Writer};

/// The longest line of a text, in characters.
fn width(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn the_list_fits_a_terminal_and_tells_date_size_splits_and_shared_tensors() {
    let place = Workplace::demo(11, 3, 6);
    let first = place.snapshot_id(&[]);
    // Another name: the same people, and the same tensors.
    let second = place.snapshot_id(&["--set", "name=a-name-that-is-longer-than-any-column"]);
    let shown = text(&place.succeed(&["snapshot", "list"]).stdout);
    let table: Vec<&str> = shown.lines().filter(|line| !line.contains("snapshots")).collect();
    assert!(width(&table.join("\n")) <= 80, "{shown}");
    for expected in [first.as_str(), &second, "1/1/1", "a-name-that-…", "shares the tensors of 3 people with"]
    {
        assert!(shown.contains(expected), "{expected} is missing in\n{shown}");
    }
    let lines = json_lines(&place.succeed(&["--json", "snapshot", "list"]));
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let folder = line["path"].as_str().expect("a path");
        let on_disk: usize =
            crate::support::files_below(folder.as_ref()).iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(line["bytes"], on_disk);
        assert_eq!((&line["format_version"], &line["withdrawn"]), (&2.into(), &Value::Null));
        assert!(line["created_at_ms"].as_i64().is_some_and(|at| at > 1_700_000_000_000));
    }
    let shares: Vec<_> = lines.iter().filter_map(|line| line["shares"].as_array()?.first()).collect();
    assert_eq!(shares.len(), 1, "the newer one names the older one, not the other way round: {lines:?}");
    assert_eq!(shares[0]["people"], 3);
}

#[test]
fn a_withdrawn_snapshot_is_marked_in_the_list() {
    let place = Workplace::demo(12, 1, 6);
    let id = place.snapshot_id(&[]);
    let snapshot = Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot");
    let identity = snapshot.photos()[0].identity.clone();
    place.succeed(&["erase", "--yes", "--identity", &identity]);
    let shown = text(&place.succeed(&["snapshot", "list"]).stdout);
    assert!(shown.contains(&format!("{id}  demo           withdrawn 20")), "{shown}");
}

#[test]
fn a_diff_shows_the_score_and_the_limit_behind_a_verdict_and_ends_with_exit_code_0() {
    let place = Workplace::demo(13, 3, 8);
    let before = place.snapshot_id(&[]);
    let largest = |snapshot: &Snapshot| {
        snapshot.photos().iter().filter_map(|photo| photo.facts.scores.watermark).fold(0.0, f32::max)
    };
    let highest = largest(&Snapshot::open(&place.snapshot_folder(&before)).expect("a snapshot"));
    let limit = format!("rules.watermark.max_score={}", highest - 1e-4);
    let after = place.snapshot_id(&["--set", &limit]);
    let shown = text(&place.succeed(&["snapshot", "diff", &before, &after]).stdout);
    assert!(width(&shown) <= 80, "{shown}");
    for expected in
        ["settings (1)", "rules.watermark.max_score  0.5 → ", "before: keep", "after:  drop: watermark"]
    {
        assert!(shown.contains(expected), "{expected} is missing in\n{shown}");
    }
    let summary = shown.find("photos kept").expect("a summary");
    assert!(summary < shown.find("settings (1)").expect("settings"), "the summary comes first:\n{shown}");

    let diff = json_lines(&place.succeed(&["--json", "snapshot", "diff", &before, &after])).remove(0);
    let changed = diff["changed"].as_array().expect("a list");
    let limits = &changed[0]["behind"][0]["limits"][0];
    assert_eq!((&limits["key"], &limits["before"]), (&"rules.watermark.max_score".into(), &0.5.into()));
    let none = text(&place.succeed(&["snapshot", "diff", &before, &before]).stdout);
    assert!(none.contains("the same snapshot"), "{none}");
}

#[test]
fn a_long_list_is_limited_unless_all_of_it_is_asked_for() {
    let place = Workplace::demo(14, 2, 8);
    let before = place.snapshot_id(&[]);
    let after = place.snapshot_id(&["--set", "rules.min_side=1200"]);
    let limited = text(&place.succeed(&["snapshot", "diff", &before, &after, "--limit", "1"]).stdout);
    let full = text(&place.succeed(&["snapshot", "diff", &before, &after, "--full"]).stdout);
    assert!(limited.contains(" more (--limit N, --full)"), "{limited}");
    assert!(!full.contains("more (--limit") && full.lines().count() > limited.lines().count(), "{full}");
    assert!(full.contains("rules.min_side 1000 → 1200"), "{full}");
}

#[test]
fn tensors_made_again_from_the_photos_are_the_published_ones_and_missing_photos_are_counted() {
    let place = Workplace::demo(15, 2, 6);
    let id = place.snapshot_id(&[]);
    let snapshot = Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot");
    let verified = json_lines(&place.succeed(&["--json", "snapshot", "verify", &id, "--deep", "0"]));
    assert_eq!(verified[1]["recomputed"], snapshot.photos().len());
    assert_eq!(
        (&verified[1]["without_bytes"], &verified[1]["differing"]),
        (&0.into(), &Value::Array(vec![]))
    );

    let name = snapshot.photos()[0].facts.sha256.to_string();
    fs::remove_file(place.workdir().join("blobs").join(&name[..2]).join(&name))
        .expect("a blob can be removed");
    let verified = json_lines(&place.succeed(&["--json", "snapshot", "verify", &id, "--deep"]));
    assert_eq!(
        (&verified[1]["without_bytes"], &verified[1]["of"]),
        (&1.into(), &snapshot.photos().len().into())
    );
}

#[test]
fn a_tensor_that_is_not_what_the_photo_gives_is_named_with_how_far_it_is_off() {
    let place = Workplace::demo(16, 1, 6);
    let id = place.snapshot_id(&[]);
    let original = Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot");
    let mut spec = original.manifest().spec.clone();
    spec.name = "other".to_owned();
    let identity = original.photos()[0].identity.clone();
    let photos: Vec<_> = original.photos().iter().map(|photo| photo.facts.clone()).collect();
    let wrong = photos[0].sha256;
    let mut writer = Writer::create(&place.workdir().join("snapshots"), spec).expect("a writer");
    let rows = IdentityRows { identity, photos, ..IdentityRows::default() };
    let tensors = |facts: &snapshot::PhotoRow| {
        let photo =
            original.photos().iter().find(|photo| photo.facts.sha256 == facts.sha256).expect("a photo");
        let shard = original.shard(photo)?;
        let mut image = vec![0; 3 * shard.size_px().pow(2)];
        let mut weighted = image.clone();
        shard.read_pixels(snapshot::Pixels::Image, photo.row as usize, &mut image)?;
        shard.read_pixels(snapshot::Pixels::Weighted, photo.row as usize, &mut weighted)?;
        if facts.sha256 == wrong {
            weighted[7] ^= 4;
        }
        Ok::<_, snapshot::Error>(PreparedTensors { image, weighted })
    };
    writer.add_identity(rows, tensors).expect("a person can be added");
    let other = writer.finish(1).expect("a snapshot").id;
    place.succeed(&["snapshot", "verify", &other]); // every byte is as it was written …
    let output = place.run(&["snapshot", "verify", &other, "--deep", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    assert!(shown.contains(&wrong.short()) && shown.contains("weighted: 1 of "), "{shown}");
    assert!(shown.contains("by up to 4 of 255"), "{shown}");
}

#[test]
fn an_interrupted_copy_and_a_file_too_many_have_exit_codes_of_their_own() {
    let place = Workplace::demo(17, 1, 6);
    let id = place.snapshot_id(&[]);
    let folder = place.snapshot_folder(&id);
    fs::write(folder.join("notes.txt"), "mine").expect("a file can be added");
    let output = place.run(&["snapshot", "verify", &id]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stderr).contains("notes.txt is no file of the snapshot"),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("every byte as it was written"));

    fs::remove_file(folder.join("photos.parquet")).expect("a file can be removed");
    let output = place.run(&["--json", "snapshot", "verify", &id]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("is incomplete:") && message.contains("photos.parquet: missing"), "{message}");
    assert_eq!(json_lines(&output)[0]["problems"][1]["file"], "photos.parquet");
}

#[test]
fn splits_that_leave_nobody_to_train_on_are_bad_configuration() {
    let place = Workplace::demo(18, 1, 1);
    let output =
        place.run(&["judge", "--dry-run", "--set", "splits.test=0.6", "--set", "splits.validation=0.4"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("splits.validation + splits.test"), "{}", text(&output.stderr));
}

#[test]
fn a_stated_licence_is_on_the_card() {
    let place = Workplace::demo(19, 1, 4);
    let photos = place.path().join("photos/ada");
    fs::create_dir_all(&photos).expect("a folder");
    let spec = synth::CollectionSpec { seed: 19, identities: 1, photos_per_identity: 6 };
    let collection = synth::Collection::new(spec);
    for (i, photo) in collection.identities[0].photos.iter().filter(|photo| photo.plant.is_none()).enumerate()
    {
        fs::write(photos.join(format!("{i}.jpg")), photo.bytes()).expect("a photo");
    }
    place.import_instead("mine", &place.path().join("photos"));
    let recipe = fs::read_to_string(place.recipe()).expect("a recipe");
    let recipe = recipe.replace("[rules]", "licence = \"CC-BY-4.0\"\n\n[rules]");
    fs::write(place.recipe(), recipe).expect("a recipe can be written");
    let line = json_lines(&place.succeed(&["--json", "dataset"])).pop().expect("a snapshot");
    let card =
        fs::read_to_string(format!("{}/README.md", line["path"].as_str().expect("a path"))).expect("a card");
    assert!(card.contains("| local files | CC-BY-4.0 |"), "{card}");
}
