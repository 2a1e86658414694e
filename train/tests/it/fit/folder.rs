//! The folder of a run.

use std::fs;

use train::run::{RunError, RunFolder, RunState, Withdrawn};

use super::trial::{CONFIG, Trial, message};

#[test]
fn a_run_is_made_once_and_held_by_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let none = RunFolder::resume(&trial.runs, &trial.spec()).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(none.contains("no test run named tiny"), "{none}");
    let (run, _) = trial.start().expect("a training");
    let again = message(trial.start());
    assert!(again.contains("--resume") && again.contains("another name"), "{again}");
    let held = RunFolder::resume(&trial.runs, &trial.spec());
    assert!(matches!(held, Err(RunError::Locked { .. })), "{held:?}");
    let listed = RunFolder::list(&trial.runs).expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].state, listed[0].step), (RunState::Running, Some(12)));
    drop(run);
    assert_eq!(RunFolder::list(&trial.runs).expect("a list")[0].state, RunState::Finished);
}

#[test]
fn a_withdrawn_run_says_so_in_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial::new(&folder);
    let run = RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0).expect("a run");
    assert_eq!(run.withdrawn().expect("no note"), None);
    let note = Withdrawn { reason: "erased".to_owned(), photos: 3, withdrawn_at_ms: 5 };
    run.withdraw(&note).expect("a note");
    run.withdraw(&note).expect("the same note");
    assert_eq!(RunFolder::list(&trial.runs).expect("a list")[0].withdrawn, Some(note));
    assert_eq!(fs::read_to_string(run.path().join("config.toml")).expect("a file"), CONFIG);
}
