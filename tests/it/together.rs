//! Trainings in several processes, as torchrun starts them: each with its rank in the environment.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Workplace, text};
use crate::training::{config, only_folder, train};

/// Two steps' batches each, so that two processes can share a step.
const SHARED: [&str; 2] = ["--set", "fit.accumulate=2"];

fn of_group(mut command: Command, rank: usize, port: u16) -> Command {
    // A scheduler that runs this test must not be taken for the one of the group.
    for variable in ["BOLID_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE", "SLURM_JOB_ID"] {
        command.env_remove(variable);
    }
    command
        .env("WORLD_SIZE", "2")
        .env("RANK", rank.to_string())
        .env("LOCAL_RANK", rank.to_string())
        .env("MASTER_ADDR", "127.0.0.1")
        .env("MASTER_PORT", port.to_string());
    command
}

/// What two processes of one group end with, each with arguments of its own.
fn together(place: &Workplace, arguments: [&[&str]; 2]) -> [Output; 2] {
    for _ in 0..5 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let start = |rank: usize| {
            let mut command = of_group(place.command(arguments[rank]), rank, port);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bolid starts")
        };
        let (first, mut second) = (start(0), start(1));
        let first = first.wait_with_output().expect("bolid ends");
        // Another test may have taken the port before the first process listened at it. Nothing has happened then.
        let is_taken = text(&first.stderr).contains("cannot listen at");
        if is_taken {
            second.kill().expect("it runs, or has ended");
        }
        let second = second.wait_with_output().expect("bolid ends");
        if !is_taken {
            return [first, second];
        }
    }
    panic!("no port stays free");
}

fn losses(run: &Path) -> Vec<f64> {
    let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON object"));
    lines.filter(|line| line["kind"] == "step").map(|line| line["loss"].as_f64().expect("a number")).collect()
}

#[test]
fn two_processes_draw_once_and_train_the_model_of_one() {
    let (alone, shared) = (Workplace::demo(1, 1, 1), Workplace::demo(1, 1, 1));
    alone.succeed(&train(&config(&alone), &SHARED));
    let config = config(&shared);
    let arguments = train(&config, &SHARED);
    let [first, second] = together(&shared, [&arguments, &arguments]);
    for ended in [&first, &second] {
        assert!(ended.status.success(), "{}", text(&ended.stderr));
    }
    assert!(second.stdout.is_empty(), "the first tells of the run: {}", text(&second.stdout));
    assert_eq!(text(&first.stdout).lines().count(), 1);
    only_folder(&shared.workdir().join("snapshots"));
    let of = |place: &Workplace| losses(&only_folder(&place.workdir().join("runs")));
    let (one, two) = (of(&alone), of(&shared));
    assert_eq!((one.len(), two.len()), (6, 6));
    for (one, two) in one.iter().zip(&two) {
        assert!((one - two).abs() <= 1e-4 * one.abs(), "{one} {two}");
    }
}

#[test]
fn processes_of_differing_configurations_end_with_the_key_that_differs() {
    let place = Workplace::demo(1, 1, 1);
    let config = config(&place);
    let first = train(&config, &SHARED);
    for (more, said) in [
        (["--set", "fit.steps=7"], "fit.steps is 6 there and 7 here"),
        (["--set", "fit.precision=\"bf16\""], "fit.precision is \"auto\" there and \"bf16\" here"),
        (["--set", "loss.temperature=0.2"], "loss.temperature is"),
    ] {
        let second = train(&config, &[SHARED, more].concat());
        for ended in together(&place, [&first, &second]) {
            let message = text(&ended.stderr);
            assert!(!ended.status.success() && message.contains(said), "{message}");
        }
        // Nothing was trained, and the same run can begin.
        let run = only_folder(&place.workdir().join("runs"));
        assert!(!run.join("checkpoints").join("step-00000002").exists());
        fs::remove_dir_all(run).expect("a run's folder");
    }
}

#[test]
fn commands_that_work_in_one_process_refuse_a_group_by_name() {
    let place = Workplace::demo(1, 1, 1);
    for (named, arguments) in [
        ("train cache", &["train", "cache"][..]),
        ("train dreambooth", &["train", "dreambooth"]),
        ("encode", &["encode", "demo/ada", "--out", "ada.safetensors"]),
        ("generate", &["generate", "--prompt", "a person"]),
        ("evaluate", &["evaluate", "--adapter", "first", "--people-seed", "7"]),
        ("experiment", &["experiment"]),
    ] {
        let ended = of_group(place.command(arguments), 1, 29500).output().expect("bolid starts");
        let message = text(&ended.stderr);
        assert!(!ended.status.success());
        assert!(message.contains(&format!("`{named}` works in one process")), "{named}: {message}");
    }
}
