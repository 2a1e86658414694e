//! Exports as a user makes them: photos out of the work folder, known to `explain` and `erase`, and never of
//! what was withdrawn.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use snapshot::export::journal::JOURNAL;
use snapshot::export::{EXPORT, ExportManifest};

use crate::support::{Workplace, files_below, json_lines, refused, text};

#[test]
fn an_export_is_named_by_explain_and_by_erase_and_is_refused_once_its_snapshot_is_withdrawn() {
    let place = Workplace::demo(43, 2, 6);
    let id = place.snapshot_id(&[]);
    let out = place.path().join("exports/tars");
    let out = out.to_str().expect("letters");
    let export = ["--json", "snapshot", "export", "demo", "--format", "webdataset", "--out", out];
    let exported = json_lines(&place.succeed(&export)).remove(0);
    let snapshot = snapshot::Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot");
    assert_eq!(exported["photos"], snapshot.photos().len());
    assert_eq!(exported["snapshot"], format!("demo-{id}"));
    let (_, digest) = ExportManifest::read(out.as_ref()).expect("export.json");
    assert_eq!(exported["sha256"], digest.to_string());

    let photo = &snapshot.photos()[0];
    let sha256 = photo.facts.sha256.to_string();
    let explained = text(&place.succeed(&["explain", &sha256]).stdout);
    assert!(explained.contains(&format!("in {out}: webdataset of demo-{id}")), "{explained}");
    assert!(explained.contains(&digest.short()), "{explained}");
    let dropped = snapshot.dropped().expect("dropped photos").into_iter().find_map(|row| row.facts.sha256);
    let dropped = dropped.expect("a dropped photo with bytes").to_string();
    let explained = text(&place.succeed(&["explain", &dropped]).stdout);
    assert!(!explained.contains("  exports"), "{explained}");

    let again = json_lines(&place.succeed(&export)).remove(0);
    assert_eq!(again["kept"], again["photos"], "what is there is kept");
    refused(
        &place,
        &["snapshot", "export", "demo", "--format", "kohya", "--out", out],
        &["another export", "webdataset"],
    );
    refused(
        &place,
        &["snapshot", "export", "demo", "--format", "parquet", "--repeats", "3", "--out", out],
        &["--repeats"],
    );

    let erased = place.succeed(&["erase", "--yes", "--identity", &photo.identity]);
    let erased = text(&erased.stdout);
    let of_one = snapshot.photos().iter().filter(|other| other.identity == photo.identity).count();
    let told = format!("{out} (webdataset of snapshot demo-{id}) holds {of_one} photos that were erased");
    assert!(erased.contains(&told), "{erased}");
    let of_withdrawn = ["snapshot", "export", &id, "--format", "webdataset", "--out", out];
    refused(&place, &of_withdrawn, &["withdrawn"]);
    fs::remove_dir_all(out).expect("a folder can be removed");
    let slug = snapshot.photos().last().expect("another photo").identity.clone();
    let erased = text(&place.succeed(&["erase", "--yes", "--identity", &slug]).stdout);
    assert!(!erased.contains(out), "it is gone: {erased}");
}

#[test]
fn a_killed_export_goes_on_and_ends_with_the_bytes_of_one_that_was_left_alone() {
    let place = Workplace::demo(44, 3, 8);
    place.snapshot_id(&[]);
    let folder = |name: &str| place.path().join(name);
    let export = |out: &str| -> Vec<String> {
        let out = folder(out).display().to_string();
        let words =
            ["snapshot", "export", "demo", "--format", "webdataset", "--pixels", "image", "--shard-mb", "1"];
        words.into_iter().map(str::to_owned).chain(["--out".to_owned(), out]).collect()
    };
    let run = |arguments: &[String]| {
        let words: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        json_lines(&place.succeed(&words)).remove(0)
    };
    run(&export("whole"));

    let words = export("killed");
    let mut child = place.start(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let journal = folder("killed").join(JOURNAL);
    let started = Instant::now();
    let parts = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count().saturating_sub(1));
    while parts() == 0 && !folder("killed").join(EXPORT).exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no part in two minutes");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let finished = run(&export("killed"));
    assert!(finished["kept"].as_u64() > Some(0), "{finished}");
    assert!(files_below(&folder("killed")) == files_below(&folder("whole")));
    assert_ne!(finished["sha256"], Value::Null);
}
