//! What models said travels: with a snapshot, with a recipe's lock, and in a file of its own.

use std::path::Path;

use photo::Digest;
use serde_json::Value;
use snapshot::{MeasurementReader, MeasurementRow, MeasurementWriter};

use crate::support::{Workplace, json_lines, text};

fn rows(path: &Path) -> Vec<MeasurementRow> {
    let reader = MeasurementReader::open(path).unwrap();
    reader.groups().collect::<Result<Vec<_>, _>>().unwrap().concat()
}

fn write(path: &Path, rows: &[MeasurementRow]) {
    let mut writer = MeasurementWriter::create(path).unwrap();
    writer.write(rows).unwrap();
    writer.finish().unwrap();
}

/// The rows, with the brightness of the first readable photo moved: as a processor that rounds the other way
/// says it, or as none does.
fn with_brightness_moved(rows: &[MeasurementRow], by: f64) -> (MeasurementRow, Vec<MeasurementRow>) {
    let mut rows = rows.to_vec();
    let row = rows.iter_mut().find(|row| row.value.contains("brightness")).unwrap();
    let mut value: Value = serde_json::from_str(&row.value).unwrap();
    let brightness = &mut value["readable"]["brightness"];
    // As it is stored: an f32 of four digits.
    let moved = (brightness.as_f64().unwrap() + by) as f32;
    *brightness = serde_json::from_str(&format!("{moved:.4}")).unwrap();
    row.value = value.to_string();
    (row.clone(), rows)
}

/// Stores other rows in the place's catalog, and makes a snapshot of them; its id.
fn snapshot_by(place: &Workplace, rows: &[MeasurementRow]) -> String {
    let file = place.path().join("other.parquet");
    write(&file, rows);
    place.succeed(&["measurements", "import", "--replace", file.to_str().unwrap()]);
    place.snapshot_id(&[])
}

fn exported(place: &Workplace) -> Vec<MeasurementRow> {
    let file = place.path().join("all.parquet");
    place.succeed(&["measurements", "export", file.to_str().unwrap()]);
    rows(&file)
}

#[test]
fn a_rebuild_takes_what_the_snapshot_says_was_measured_and_remeasure_shows_what_differs() {
    let place = Workplace::demo(5, 1, 6);
    let first = place.snapshot_id(&[]);
    let own = exported(&place);
    // No processor measures this; so whoever ends with the same id did not measure.
    let (moved, all) = with_brightness_moved(&own, 0.05);
    let id = snapshot_by(&place, &all);
    assert_ne!(id, first);

    let rebuilt = place.succeed(&["--json", "dataset", "--locked", &id]);
    assert_eq!(json_lines(&rebuilt).last().unwrap()["same_id"], true);

    let output = place.run(&["--json", "dataset", "--locked", &id, "--remeasure"]);
    assert_eq!(output.status.code(), Some(3), "another id is told by the exit code");
    let lines = json_lines(&output);
    assert_eq!(lines.last().unwrap()["same_id"], false);
    let compared = lines.iter().find(|line| line["kinds"].is_object()).unwrap();
    let differing: Vec<(&str, u64)> = ["image", "watermark", "faces", "people"]
        .map(|kind| (kind, compared["kinds"][kind]["differing"].as_u64().unwrap()))
        .to_vec();
    assert_eq!(differing, [("image", 1), ("watermark", 0), ("faces", 0), ("people", 0)]);
    assert_eq!(compared["beyond_rounding"][0]["sha256"], moved.sha256.to_string());
    let largest = compared["kinds"]["image"]["largest"]["score"].as_f64().unwrap();
    assert!((largest - 0.05).abs() < 1e-3, "{largest}");
}

#[test]
fn a_lock_settles_what_lies_within_rounding_and_tells_what_does_not() {
    let place = Workplace::demo(5, 1, 6);
    let first = place.snapshot_id(&[]);
    let own = exported(&place);
    for (by, is_same) in [(0.0001, true), (0.05, false)] {
        let id = snapshot_by(&place, &with_brightness_moved(&own, by).1);
        assert_ne!(id, first);
        let lock = place.path().join(format!("lock-{by}"));
        let folder = place.snapshot_folder(&id);
        let over = place.run(&["snapshot", "lock", &id, "--out", folder.to_str().unwrap()]);
        assert!(!over.status.success() && text(&over.stderr).contains("must not change"));
        place.succeed(&["snapshot", "verify", &id]);
        place.succeed(&["snapshot", "lock", &id, "--out", lock.to_str().unwrap()]);
        // Here everything is measured anew.
        let other = Workplace::demo(5, 1, 6);
        let output =
            other.succeed(&["--json", "dataset", "--set", &format!("lock={:?}", lock.to_str().unwrap())]);
        let lines = json_lines(&output);
        let [.., snapshot, outcome] = lines.as_slice() else { panic!("a snapshot and its lock are shown") };
        assert_eq!(outcome["lock"], id.as_str());
        assert_eq!(outcome["same_id"], is_same, "{outcome}");
        assert_eq!(snapshot["id"] == id.as_str(), is_same);
        let counts = [&outcome["settled"], &outcome["different"]].map(|count| count.as_u64().unwrap());
        assert_eq!(counts, if is_same { [1, 0] } else { [0, 1] });
    }
}

#[test]
fn another_work_folder_takes_measurements_over_and_measures_nothing_itself() {
    let place = Workplace::demo(5, 1, 6);
    let id = place.snapshot_id(&[]);
    let file = place.path().join("all.parquet");
    place.succeed(&["measurements", "export", file.to_str().unwrap()]);
    let file = file.to_str().unwrap();

    let other = Workplace::demo(5, 1, 6);
    other.run(&["crawl"]); // exit code 3: one of the demo's files is no photo
    let tried = &json_lines(&other.succeed(&["--json", "measurements", "import", "--dry-run", file]))[0];
    let added = tried["added"].as_u64().unwrap();
    assert!(added > 0 && tried["no_such_photo"] == 0, "{tried}");
    let taken = &json_lines(&other.succeed(&["--json", "measurements", "import", file]))[0];
    assert_eq!(taken["added"], added, "a dry run stores nothing and says the same");
    let measured = &json_lines(&other.succeed(&["--json", "measure"]))[0];
    assert_eq!(measured["measured"], 0);
    assert_eq!(other.snapshot_id(&[]), id);
}

#[test]
fn scores_that_come_without_facts_of_the_photo_are_kept_when_the_facts_are_computed() {
    let place = Workplace::demo(5, 1, 6);
    place.run(&["crawl"]);
    place.succeed(&["measure"]);
    assert!(exported(&place).iter().any(|row| row.kind == "faces" && row.value.starts_with("[{")));
    // No model says this, so whoever has it afterwards ran none.
    let scores: Vec<MeasurementRow> = exported(&place)
        .into_iter()
        .filter(|row| row.kind != "image" && !row.value.starts_with('"'))
        .map(|row| MeasurementRow {
            value: if row.kind == "faces" { "[]".to_owned() } else { row.value },
            ..row
        })
        .collect();
    let file = place.path().join("scores.parquet");
    write(&file, &scores);

    let other = Workplace::demo(5, 1, 6);
    other.run(&["crawl"]);
    other.succeed(&["measurements", "import", file.to_str().unwrap()]);
    let measured = &json_lines(&other.succeed(&["--json", "measure"]))[0];
    assert!(measured["measured"].as_u64().unwrap() > 0, "the facts were missing");
    let after = exported(&other);
    assert!(scores.iter().all(|row| after.contains(row)));
    assert!(after.iter().any(|row| row.kind == "image"));
}

#[test]
fn what_earlier_settings_asked_for_is_no_part_of_the_snapshot() {
    // Some faces are as sure as that and some are not, and of those nobody asks for watermarks.
    let few = ["--set", "rules.faces.min_score=0.75"];
    let place = Workplace::demo(5, 1, 6);
    let id = place.snapshot_id(&few);
    let lacking = exported(&place).iter().filter(|row| row.value == "\"not_measured\"").count();
    assert!(lacking > 0, "a photo is dropped before every model is asked");

    let asked = Workplace::demo(5, 1, 6);
    asked.snapshot_id(&[few.as_slice(), &["--set", "measure.all=true"]].concat());
    assert_eq!(asked.snapshot_id(&few), id);

    // Values come in the place of those that were not asked for, never the other way.
    let file = asked.path().join("all.parquet");
    write(&file, &exported(&asked));
    let taken = &json_lines(&place.succeed(&["--json", "measurements", "import", file.to_str().unwrap()]))[0];
    assert_eq!(taken["added"], lacking);
    let own = place.path().join("few.parquet");
    write(
        &own,
        &exported(&place)
            .iter()
            .map(|row| MeasurementRow {
                value: if row.kind == "image" { row.value.clone() } else { "\"not_measured\"".to_owned() },
                ..row.clone()
            })
            .collect::<Vec<_>>(),
    );
    place.succeed(&["measurements", "import", "--replace", own.to_str().unwrap()]);
    let left = exported(&place).iter().filter(|row| row.value == "\"not_measured\"").count();
    assert_eq!((left, place.snapshot_id(&few)), (0, id));
}

#[test]
fn rows_that_hold_no_measurement_are_refused_by_name_and_the_others_are_taken() {
    let place = Workplace::demo(5, 1, 6);
    place.snapshot_id(&[]);
    let before = exported(&place);
    let file = place.path().join("bad.parquet");
    let of = before[0].sha256;
    let row = |sha256, kind: &str, value: &str| MeasurementRow {
        sha256,
        kind: kind.to_owned(),
        probe: Digest::of("another model"),
        value: value.to_owned(),
    };
    write(
        &file,
        &[
            row(of, "smile", "0.5"),
            row(of, "faces", "{\"bbox\""),
            row(of, "people", "[{\"score\":true}]"),
            row(of, "faces", "\n[]"), // judging reads a value per line
            row(of, "faces", "[{\"bbox\":{\"x0\":1e39,\"y0\":0,\"x1\":1,\"y1\":1},\"score\":0.5}]"), // no f32
            row(Digest::of("a photo that is not here"), "faces", "[]"),
            row(of, "faces", "[]"),
        ],
    );
    let output = place.run(&["--json", "measurements", "import", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let result = &json_lines(&output)[0];
    assert_eq!((&result["added"], &result["no_such_photo"]), (&1.into(), &1.into()), "{result}");
    let refused: Vec<&str> =
        result["refused"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(refused.len(), 5);
    assert!(refused[0].contains("`smile`") && refused.iter().all(|line| line.contains(&of.to_string())));
    let after = exported(&place);
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|row| after.contains(row)));

    std::fs::write(&file, "no parquet").unwrap();
    let output = place.run(&["measurements", "import", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("bad.parquet"), "{}", text(&output.stderr));
}
