//! Runs that are killed and resumed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use train::run::{RunFolder, RunLog};

use super::trial::{Trial, left, message, run_path};

#[test]
fn a_run_killed_at_any_step_and_resumed_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (undisturbed, finished) = Trial::new(&folder).start().expect("a training");
    let expected = left(&undisturbed);
    assert_eq!(finished.step, 12);
    assert!(finished.best.as_ref().is_some_and(|best| best.step != 12), "the best is apart: {finished:?}");
    for step in 0..12 {
        let folder = tempfile::tempdir().expect("a folder");
        let trial = Trial::new(&folder);
        let dying = Trial { dies_at: Some(step), ..trial.clone() };
        assert!(message(dying.start()).contains(&format!("batch {step}")));
        let (run, finished) = trial.resume(&[]).expect("a resumed training");
        let from = finished.resumed.expect("resumed").step;
        assert!(from <= step, "killed at {step}, resumed at {from}");
        let (files, lines) = left(&run);
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            expected.0.keys().collect::<Vec<_>>(),
            "killed at {step}"
        );
        for (name, bytes) in &files {
            assert!(*bytes == expected.0[name], "{name} differs when killed at {step}");
        }
        assert_eq!(lines, expected.1, "killed at {step}");
    }
}

/// Where the process that is killed trains; the test beside trains in a folder of its own.
const RUNS: &str = "BOLID_TEST_RUNS";

#[test]
fn a_slow_training_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trial = Trial { pause: Duration::from_millis(10), ..Trial::new(&folder) };
    if let Some(runs) = std::env::var_os(RUNS) {
        trial.runs = runs.into();
    }
    let result = if run_path(&trial).exists() { trial.resume(&[]) } else { trial.start() };
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn a_process_killed_outright_again_and_again_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = left(&Trial::new(&folder).start().expect("a training").0);
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let mut kills = 0;
    for milliseconds in (20..).step_by(17) {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "fit::resume::a_slow_training_in_a_process_of_its_own"])
            .env(RUNS, &trial.runs)
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        thread::sleep(Duration::from_millis(milliseconds));
        if let Some(status) = child.try_wait().expect("a process") {
            assert!(status.success(), "{status}");
            break;
        }
        child.kill().expect("a process that is killed");
        child.wait().expect("a process that has ended");
        kills += 1;
    }
    assert!(kills > 2, "killed {kills} times");
    let run = RunFolder::open(&run_path(&trial)).expect("a run");
    assert!(left(&run) == expected, "killed {kills} times");
}

#[test]
fn the_log_has_every_step_once_after_two_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(5), ..trial.clone() }.start().is_err());
    assert!(Trial { dies_at: Some(11), ..trial.clone() }.resume(&[]).is_err());
    let (run, _) = trial.resume(&[]).expect("a resumed training");
    let lines = RunLog::read(&run.log_path()).expect("a log");
    let steps = |kind: &str| -> Vec<u64> {
        lines.iter().filter(|line| line["kind"] == kind).filter_map(|line| line["step"].as_u64()).collect()
    };
    assert_eq!(steps("step"), (1..=12).collect::<Vec<u64>>());
    assert_eq!(steps("validation"), [0, 2, 4, 6, 8, 10, 12]);
    assert_eq!(steps("finished"), [12]);
    assert_eq!(steps("resumed").len(), 2);
}

#[test]
fn a_finished_run_that_is_resumed_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let before = left(&trial.start().expect("a training").0);
    let (run, finished) = trial.resume(&[]).expect("nothing to do");
    assert_eq!((finished.step, finished.loss), (12, None));
    assert!(left(&run) == before);
}

#[test]
fn another_setting_than_the_checkpoints_is_refused_by_key_unless_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(7), ..trial.clone() }.start().is_err());
    let mut other = trial.clone();
    other.settings.learning_rate = 0.5;
    other.settings.batch = 16;
    other.settings.keep_last = 5; // changes nothing of the result
    other.snapshot = "ba9876543210";
    let refused = message(other.resume(&["fit.learning_rate"]));
    assert!(refused.contains("fit.batch was 4 and is 16"), "{refused}");
    assert!(refused.contains("snapshot.id was \"0123456789ab\" and is \"ba9876543210\""), "{refused}");
    assert!(!refused.contains("learning_rate") && !refused.contains("keep_last"), "{refused}");
    let (run, finished) = other.resume(&["fit", "snapshot.id"]).expect("a resumed training");
    let changes = finished.resumed.expect("resumed").changes;
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["fit.batch", "fit.keep_last", "fit.learning_rate", "snapshot.id"]);
    let record = RunFolder::open(run.path()).expect("a run");
    assert_eq!(record.record().snapshot_ids(), ["0123456789ab", "ba9876543210"]);
    // The next one goes on with the settings that were allowed, without further leave.
    drop(run);
    assert!(other.resume(&[]).is_ok());
}

#[test]
fn a_run_without_a_checkpoint_is_guarded_by_its_own_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(1), ..trial.clone() }.start().is_err());
    let mut other = trial.clone();
    other.settings.learning_rate = 0.5;
    let refused = message(other.resume(&[]));
    assert!(refused.contains("fit.learning_rate was 0.02 and is 0.5"), "{refused}");
    assert!(other.resume(&["fit.learning_rate"]).is_ok());
}

/// `BOLID_PYTHON=/path/to/python cargo test --release -p train --test it fit:: -- --ignored` (`make test-python`).
#[test]
#[ignore = "needs Python with tensorboard: make test-python"]
fn tensorboard_reads_every_step_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    assert!(Trial { dies_at: Some(5), ..trial.clone() }.start().is_err());
    assert!(Trial { dies_at: Some(11), ..trial.clone() }.resume(&[]).is_err());
    let (run, _) = trial.resume(&[]).expect("a resumed training");
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/events.py");
    let output = Command::new(&python).arg(script).arg(run.path()).output().expect("Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{python} failed (does it have tensorboard?):\n{said}");
}
