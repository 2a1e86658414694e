//! The trainings of a work folder: how they are shown, and what becomes of them when somebody is erased.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Workplace, files_below, json_lines, text};
use serde_json::{Value, json};

/// A run's folder as a training of five steps leaves it, without the model.
fn run_on(place: &Workplace, id: &str, name: &str, snapshot: &str) -> PathBuf {
    let folder = place.workdir().join("runs").join(format!("{name}-{id}"));
    fs::create_dir_all(folder.join("checkpoints/step-00000005")).expect("a folder can be made");
    let record = json!({
        "format_version": 1,
        "id": id,
        "kind": "body-vae",
        "name": name,
        "snapshot": { "id": snapshot, "name": "demo" },
        "program_version": "0.1.0",
        "seed": 7,
        "config": { "fit": { "steps": 10 }, "model": { "width": 756 } },
        "created_at_ms": 1_700_000_000_000_u64,
    });
    fs::write(folder.join("run.json"), record.to_string()).expect("a record can be written");
    for (step, loss, is_best) in [(3, 0.5, true), (5, 0.75, false)] {
        log(&folder, &json!({ "kind": "step", "step": step, "loss": loss }));
        let numbers = json!({ "loss": loss });
        log(&folder, &json!({ "kind": "validation", "step": step, "numbers": numbers, "is_best": is_best }));
    }
    folder
}

fn log(run: &Path, line: &Value) {
    append(&run.join("log.jsonl"), line);
}

fn append(path: &Path, line: &Value) {
    let before = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, format!("{before}{line}\n")).expect("a line can be written");
}

/// What a training on somebody leaves that shows or names them.
fn leave_traces(run: &Path, identity: &str, sha256: &str) {
    let batch = format!("photos {sha256} of {identity}");
    log(run, &json!({ "kind": "skipped", "step": 4, "what": "loss", "value": "NaN", "batch": batch }));
    for name in ["report.html", "grids/step-5.png", "events.out.tfevents.1700000000.bolid.000000"] {
        let path = run.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, format!("a picture of {identity}")).expect("a file can be written");
    }
}

fn export(place: &Workplace, run: &Path, name: &str) -> String {
    let path = place.path().join(name);
    fs::write(&path, name).expect("a file can be written");
    let path = path.display().to_string();
    let sha256 = photo::Digest::of(name);
    append(&run.join("exports.jsonl"), &json!({ "path": path, "sha256": sha256, "what": "embedding" }));
    path
}

/// Some kept photo of a snapshot: whose it is, and its digest.
fn somebody(place: &Workplace, id: &str) -> (String, String) {
    let snapshot = snapshot::Snapshot::open(&place.snapshot_folder(id)).expect("a snapshot can be opened");
    let photo = &snapshot.photos()[0];
    (photo.identity.clone(), photo.facts.sha256.to_string())
}

fn listed(place: &Workplace) -> Vec<Value> {
    json_lines(&place.succeed(&["--json", "runs", "list"]))
}

#[test]
fn runs_are_listed_and_shown_by_id_name_or_folder() {
    let place = Workplace::demo(1, 1, 1);
    let none = place.succeed(&["runs", "list"]);
    assert!(text(&none.stdout).contains("No run"), "{}", text(&none.stdout));
    let run = run_on(&place, "0123456789ab", "first", "aaaaaaaaaaaa");
    run_on(&place, "cdef01234567", "second", "bbbbbbbbbbbb");
    run_on(&place, "cdef89abcdef", "second", "bbbbbbbbbbbb");
    let exported = export(&place, &run, "ada.safetensors");

    let lines = listed(&place);
    assert_eq!(lines.len(), 3);
    let first = &lines[0];
    assert_eq!((&first["id"], &first["name"]), (&json!("0123456789ab"), &json!("first")));
    assert_eq!((&first["step"], &first["steps"], &first["loss"]), (&5.into(), &10.into(), &0.75.into()));
    assert_eq!(first["best"], json!({ "step": 3, "numbers": { "loss": 0.5 } }));
    assert_eq!((&first["state"], &first["withdrawn"]), (&json!("stopped"), &Value::Null));
    let table = text(&place.succeed(&["runs", "list"]).stdout);
    assert!(table.contains("demo-aaaaaaaaaaaa") && table.contains("5 of 10"), "{table}");

    for wanted in ["0123", "first", "first-0123456789ab", &run.display().to_string()] {
        let shown = json_lines(&place.succeed(&["--json", "runs", "show", wanted])).remove(0);
        assert_eq!((&shown["id"], &shown["seed"]), (&json!("0123456789ab"), &7.into()), "{wanted}");
        assert_eq!(shown["config"]["model"]["width"], 756);
        assert_eq!(shown["log"].as_array().map(Vec::len), Some(4));
        assert_eq!(shown["exports"][0]["path"], exported.as_str());
    }
    let words = text(&place.succeed(&["runs", "show", "first"]).stdout);
    for said in ["model.width = 756", "step 3: loss 0.5", "ada.safetensors", "demo-aaaaaaaaaaaa"] {
        assert!(words.contains(said), "{said} in {words}");
    }
    for (wanted, said) in [("second", "second-cdef89abcdef"), ("third", "there is none; there are first-")] {
        let refused = place.run(&["runs", "show", wanted]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains(said), "{}", text(&refused.stderr));
    }
}

#[test]
fn erasing_tells_which_runs_and_exported_files_saw_it_and_no_kill_hides_one() {
    let place = Workplace::demo(44, 2, 4);
    let id = place.snapshot_id(&[]);
    let (identity, sha256) = somebody(&place, &id);
    let run = run_on(&place, "0123456789ab", "saw", &id);
    leave_traces(&run, &identity, &sha256);
    let exported = export(&place, &run, "ada.safetensors");
    run_on(&place, "cdef01234567", "elsewhere", "bbbbbbbbbbbb");
    // One that went on with another snapshot after its fifth step.
    let changed = run_on(&place, "fedcba987654", "changed", "cccccccccccc");
    let mut record: Value =
        serde_json::from_slice(&fs::read(changed.join("run.json")).expect("a record")).expect("JSON");
    record["changes"] = json!([{ "step": 5, "key": "snapshot.id", "from": "cccccccccccc", "to": id }]);
    fs::write(changed.join("run.json"), record.to_string()).expect("a record can be written");

    let erased = json_lines(&place.succeed(&["--json", "erase", "--yes", "--identity", &identity])).remove(0);
    let runs = erased["runs_withdrawn"].as_array().expect("a list");
    assert_eq!(
        runs.iter().map(|run| &run["run"]).collect::<Vec<_>>(),
        ["changed-fedcba987654", "saw-0123456789ab"]
    );
    let saw = &runs[1];
    assert_eq!((&saw["snapshots"], &saw["exports"][0]["path"]), (&json!([id]), &json!(exported)));
    assert!(saw["photos"].as_u64() > Some(0), "{saw}");
    assert_eq!(erased["runs_unknown"], json!(["elsewhere-cdef01234567"]));

    // Nothing in the work folder shows or names them; the figures of the run stay.
    for (path, bytes) in files_below(&place.workdir()) {
        for trace in [&identity, &sha256] {
            let is_inside = bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
            assert!(!is_inside, "{trace} in {}", path.display());
        }
    }
    let left = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    assert_eq!(left.lines().count(), 4, "{left}");
    let lines = listed(&place);
    let states: Vec<bool> = lines.iter().map(|line| line["withdrawn"].is_object()).collect();
    assert_eq!(states, [true, false, true], "{lines:?}");
    let shown = text(&place.succeed(&["runs", "show", "saw"]).stdout);
    assert!(shown.contains("withdrawn") && shown.contains("ada.safetensors"), "{shown}");
    // The other person, erased by a program that is killed again and again.
    let next = place.snapshot_id(&[]);
    assert_ne!(next, id);
    let (other, _) = somebody(&place, &next);
    let later = run_on(&place, "99999999abcd", "later", &next);
    for milliseconds in [2, 5, 9, 14, 20, 30, 45] {
        let mut child = place.start(&["erase", "--yes", "--identity", &other]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().expect("SIGKILL");
        child.wait().expect("a killed process ends");
    }
    place.succeed(&["erase", "--yes", "--identity", &other]);
    let note: Value =
        serde_json::from_slice(&fs::read(later.join("withdrawn.json")).expect("a note")).expect("JSON");
    assert!(note["photos"].as_u64() > Some(0), "{note}");
    assert!(!place.snapshot_folder(&next).join("photos.parquet").exists());
}

#[test]
fn a_withdrawn_run_is_used_neither_by_its_name_nor_by_the_folder_of_its_model() {
    let place = Workplace::demo(1, 1, 1);
    let run = run_on(&place, "0123456789ab", "saw", "aaaaaaaaaaaa");
    let note = json!({ "reason": "photos were erased on request", "photos": 3, "withdrawn_at_ms": 1 });
    fs::write(run.join("withdrawn.json"), note.to_string()).expect("a note can be written");
    fs::create_dir(run.join("model")).expect("a folder can be made");
    fs::write(run.join("model/config.json"), "{}").expect("a file can be written");
    for model in ["saw".to_owned(), run.display().to_string(), run.join("model").display().to_string()] {
        for command in [vec!["encode", "demo/ada", "--out", "unused"], vec!["bodybench"]] {
            let refused = place.run(&[&command[..], &["--run", &model]].concat());
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{said}");
            assert!(said.contains("saw-0123456789ab is withdrawn: photos were erased"), "{model}: {said}");
        }
    }
}
