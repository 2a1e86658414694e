//! Several processes, here threads with a model each, joined over loopback as processes are.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use candle_core::Device;
use serde_json::Value;
use train::error::chain;
use train::fit::{FitError, Resume, fit_in, follow};
use train::grad;
use train::group::{Group, Ranks};
use train::run::{RunFolder, RunLog, tensors};

use super::trial::{CONFIG, Model, Trial, checkpoint, run_path};

/// An address of this machine that nobody listens at.
fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// What each process of a group of `size` ended with; the first trains in the trial's folder.
fn together(trials: &[Trial], resume: &Resume) -> Vec<Result<(), FitError>> {
    let first = address();
    thread::scope(|scope| {
        let process = |(rank, trial): (usize, &Trial)| {
            let ranks = Ranks { rank, size: trials.len(), first: first.clone(), job: String::new() };
            let (trial, resume) = (trial.clone(), resume.clone());
            scope.spawn(move || {
                let group = Group::join(&ranks)?;
                let model = Model::new().expect("a model");
                trial.with_task(&model, |task| {
                    if rank > 0 {
                        return follow(&group, &trial.spec(), &model.parameters, task, &trial.settings);
                    }
                    let run = match resume {
                        Resume::Never => RunFolder::create(&trial.runs, &trial.spec(), CONFIG, 0)?,
                        Resume::Newest { .. } => RunFolder::resume(&trial.runs, &trial.spec())?,
                    };
                    let settings = &trial.settings;
                    fit_in(Some(&group), &run, &model.parameters, task, settings, &resume, &mut |_| {})
                        .map(drop)
                })
            })
        };
        let started: Vec<_> = trials.iter().enumerate().map(process).collect();
        started.into_iter().map(|process| process.join().expect("no panic")).collect()
    })
}

fn trial(folder: &tempfile::TempDir, accumulate: u64) -> Trial {
    let mut trial = Trial::new(folder);
    trial.settings.accumulate = accumulate;
    trial
}

fn steps(run: &Path) -> Vec<Value> {
    let mut lines = RunLog::read(&run.join("log.jsonl")).expect("a log");
    lines.retain(|line| line["kind"] == "step");
    lines
}

/// The largest difference of any parameter and any loss or term of two runs.
fn differ(one: &Path, other: &Path) -> f64 {
    let mut most = 0f64;
    let (a, b) = (steps(one), steps(other));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        let of = |line: &Value, name: &str| match name {
            "loss" | "gradient_norm" => line[name].as_f64().expect("a number"),
            term => line["terms"][term].as_f64().expect("a number"),
        };
        for name in ["loss", "gradient_norm", "sum", "product"] {
            most = most.max((of(a, name) - of(b, name)).abs());
        }
    }
    let load = |run: &Path| tensors::load(&checkpoint(run, 12).join("parameters.safetensors"), &Device::Cpu);
    let (a, b) = (load(one).expect("parameters"), load(other).expect("parameters"));
    for (name, a) in &a {
        let apart = (a - &b[name]).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("a number");
        most = most.max(f64::from(apart));
    }
    most
}

#[test]
fn two_and_three_processes_have_the_losses_and_the_model_of_one() {
    for size in [2, 3] {
        let (alone, shared) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (one, many) = (trial(&alone, 6), trial(&shared, 6));
        one.start().expect("a training");
        for ended in together(&vec![many.clone(); size], &Resume::Never) {
            ended.expect("a training");
        }
        let differ = differ(&run_path(&one), &run_path(&many));
        assert!(differ <= 1e-5, "{size} processes: {differ:.1e}");
    }
}

#[test]
fn a_training_without_kernels_differs_from_one_with_them_by_rounding_alone() {
    let (alone, shared) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (one, other) = (trial(&alone, 2), trial(&shared, 2));
    one.start().expect("a training");
    grad::composed_only(|| other.start()).expect("a training");
    let differ = differ(&run_path(&one), &run_path(&other));
    assert!(differ > 0.0, "it went another way: sums in another order are rounded otherwise");
    assert!(differ <= 1e-5, "{differ:.1e}");
}

#[test]
fn a_group_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let (alone, shared) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (one, many) = (trial(&alone, 2), trial(&shared, 2));
    one.start().expect("a training");
    let dying = Trial { dies_at: Some(15), ..many.clone() };
    assert!(together(&[many.clone(), dying], &Resume::Never).iter().all(Result::is_err));
    for ended in together(&[many.clone(), many.clone()], &Resume::Newest { allow_change: Vec::new() }) {
        ended.expect("a training");
    }
    let differ = differ(&run_path(&one), &run_path(&many));
    assert!(differ <= 1e-5, "{differ:.1e}");
}

#[test]
fn the_failure_of_one_process_ends_all_with_its_reason() {
    for failing in [0, 1, 2] {
        let folder = tempfile::tempdir().expect("a folder");
        let good = trial(&folder, 3);
        let mut trials = vec![good.clone(); 3];
        trials[failing].dies_at = Some(9 + failing as u64);
        let ended = together(&trials, &Resume::Never);
        for (rank, ended) in ended.iter().enumerate() {
            let said = chain(ended.as_ref().expect_err("an end"));
            assert!(said.contains("killed"), "process {rank}: {said}");
            if rank != failing && (rank == 0 || failing == 0) {
                assert!(said.contains(&format!("process {failing} failed")), "process {rank}: {said}");
            }
        }
    }
}

#[test]
fn a_batch_without_finite_numbers_is_skipped_by_all_and_named_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = Trial { nan_at: vec![9], ..trial(&folder, 2) };
    for ended in together(&[trial.clone(), trial.clone()], &Resume::Never) {
        ended.expect("a training");
    }
    let lines = RunLog::read(&run_path(&trial).join("log.jsonl")).expect("a log");
    let skipped: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "skipped").collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!((&skipped[0]["step"], &skipped[0]["batch"]), (&5.into(), &"photos of batch 9".into()));
}

#[test]
fn batches_that_cannot_be_shared_evenly_are_refused_by_the_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = trial(&folder, 3);
    for ended in together(&[trial.clone(), trial.clone()], &Resume::Never) {
        let said = chain(&ended.expect_err("refused"));
        assert!(said.contains("fit.accumulate = 3"), "{said}");
    }
}

#[test]
fn a_process_with_another_setting_is_refused_by_the_key_and_none_trains() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = trial(&folder, 2);
    let mut steps = first.clone();
    steps.settings.steps = 13;
    let snapshot = Trial { snapshot: "ba9876543210", ..first.clone() };
    for (other, key) in [(steps, "fit.steps is 12 there and 13 here"), (snapshot, "snapshot.id")] {
        for ended in together(&[first.clone(), other], &Resume::Never) {
            let said = chain(&ended.expect_err("refused"));
            assert!(said.contains("another training") && said.contains(key), "{said}");
        }
        assert!(steps_of(&first).is_empty());
        std::fs::remove_dir_all(run_path(&first)).expect("a run's folder");
    }
}

/// The lines of steps, where there is a log.
fn steps_of(trial: &Trial) -> Vec<Value> {
    if run_path(trial).join("log.jsonl").is_file() { steps(&run_path(trial)) } else { Vec::new() }
}

#[test]
fn gradients_whose_sum_overflows_skip_the_step_and_leave_the_parameters() {
    for size in [1, 2] {
        let folder = tempfile::tempdir().expect("a folder");
        let trial = Trial { huge_at: vec![8, 9], ..trial(&folder, 2) };
        if size == 1 {
            trial.start().expect("a training");
        } else {
            for ended in together(&[trial.clone(), trial.clone()], &Resume::Never) {
                ended.expect("a training");
            }
        }
        let lines = RunLog::read(&run_path(&trial).join("log.jsonl")).expect("a log");
        let skipped: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "skipped").collect();
        assert_eq!(skipped.len(), 1, "{size} processes");
        assert_eq!((&skipped[0]["step"], &skipped[0]["what"]), (&5.into(), &"gradient norm".into()));
        let parameters =
            tensors::load(&checkpoint(&run_path(&trial), 12).join("parameters.safetensors"), &Device::Cpu)
                .expect("parameters");
        for (name, values) in parameters {
            let values = values.flatten_all().and_then(|values| values.to_vec1::<f32>()).expect("numbers");
            assert!(values.iter().all(|value| value.is_finite()), "{name}");
        }
    }
}

fn ranks(rank: usize, first: &str, job: &str) -> Ranks {
    Ranks { rank, size: 2, first: first.to_owned(), job: job.to_owned() }
}

#[test]
fn strangers_at_the_port_do_not_keep_a_group_from_its_start() {
    let first = address();
    let (own, ranks_of_first) = (first.clone(), ranks(0, &first, "one"));
    let listening = thread::spawn(move || Group::join(&ranks_of_first));
    let connected = || loop {
        match TcpStream::connect(&own) {
            Ok(stream) => break stream,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    // One says nothing, one speaks another protocol, one announces what would fill the memory.
    let silent = connected();
    connected().write_all(b"GET / HTTP/1.1\r\n\r\n").expect("a connection");
    connected().write_all(&[&[0][..], &(1u64 << 33).to_le_bytes()].concat()).expect("a connection");
    let other = Group::join(&ranks(1, &first, "another")).expect_err("refused").to_string();
    assert!(other.contains("another training") && other.contains("BOLID_PORT"), "{other}");
    let second = Group::join(&ranks(1, &first, "one")).expect("a group");
    let joined = listening.join().expect("no panic").expect("a group");
    assert_eq!((joined.rank(), joined.size(), second.rank()), (0, 2, 1));
    drop(silent);
}

#[test]
fn a_stranger_who_sends_a_byte_at_a_time_does_not_keep_a_group_from_its_start() {
    let first = address();
    let ranks_of_first = ranks(0, &first, "");
    let listening = thread::spawn(move || Group::join(&ranks_of_first));
    let mut slow = loop {
        match TcpStream::connect(&first) {
            Ok(stream) => break stream,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    // A greeting of the longest kind, which would take a quarter of an hour.
    slow.write_all(&[&[0][..], &4096u64.to_le_bytes()].concat()).expect("a connection");
    let sending = thread::spawn(move || {
        while slow.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    let second = Group::join(&ranks(1, &first, "")).expect("a group");
    let joined = listening.join().expect("no panic").expect("a group");
    assert_eq!((joined.rank(), second.rank()), (0, 1));
    sending.join().expect("no panic");
}

#[test]
fn another_program_that_answers_at_the_port_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let first = listener.local_addr().expect("an address").to_string();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").expect("a connection");
    });
    let said = Group::join(&ranks(1, &first, "")).expect_err("refused").to_string();
    assert!(said.contains("cannot join the first one at") && said.contains(&first), "{said}");
    answering.join().expect("no panic");
}
