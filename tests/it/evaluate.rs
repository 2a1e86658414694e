//! `bolid evaluate` as a user runs it, with the demo base and an adapter of a few steps, on few people in few steps.

use std::fs;

use serde_json::Value;

use crate::support::tiny::{run_named, with_demo_adapter};
use crate::support::{json_lines, refused};

fn with_adapter<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--json", "evaluate", "--adapter", "few", "--people-seed", "3"][..], more].concat()
}

#[test]
fn every_condition_has_every_figure_and_the_same_again() {
    let place = with_demo_adapter();
    let out = place.path().join("evaluation").display().to_string();
    let small = ["--people", "3", "--views", "2", "--seeds", "1", "--steps", "6", "--prior-bodies", "2"];
    let run = || -> Value {
        let printed =
            place.succeed(&with_adapter(&[&small[..], &["--lambda-body", "0.5,1", "--out", &out]].concat()));
        json_lines(&printed).remove(0)
    };
    let found = run();
    let conditions = found["conditions"].as_array().expect("conditions");
    let names: Vec<&str> = conditions.iter().filter_map(|one| one["condition"].as_str()).collect();
    assert_eq!(names, ["text", "ref", "body", "body", "both", "both"]);
    for one in conditions {
        for key in ["limb_ratio_error", "width_error", "retrieval_at_1", "clip_t", "body_score"] {
            let figure = one[key].as_object().unwrap_or_else(|| panic!("{key}"));
            assert!(["value", "low", "high"].iter().all(|part| figure.contains_key(*part)), "{key}");
        }
        assert_eq!((one["fid"]["network"].as_str(), one["fid"]["photos"].as_u64()), (Some("clip"), Some(6)));
        assert!(one["fid"]["note"].as_str().is_some_and(|note| note.contains("2048")));
        assert!(one["kid"]["value"].is_f64() && one["clip_t"]["value"].is_f64());
    }
    assert!(found["anchors"]["person_found"].as_f64() > Some(0.9), "{}", found["anchors"]);
    assert!(found["provenance"]["models"]["adapter"]["sha256"].is_string());
    let written = fs::read_to_string(format!("{out}/evaluation.json")).expect("the figures");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), found);
    let page = fs::read_to_string(format!("{out}/evaluation.html")).expect("the page");
    assert!(page.contains("body score") && page.contains("data:image/jpeg"));
    assert_eq!(run(), found);
    // The page shows people.
    let exports = fs::read_to_string(run_named(&place, "few").join("exports.jsonl")).expect("what was made");
    assert!(exports.contains("evaluation.html"));
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    let place = with_demo_adapter();
    let prompts = place.path().join("prompts.txt");
    fs::write(&prompts, "a photo of a {person}\n\na man\n").expect("a file");
    let prompts = prompts.display().to_string();
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--prompts", &prompts], &["prompts.txt, line 2", "empty"]),
        (&["--prompts", "nowhere.txt"], &["nowhere.txt"]),
        (&["--lambda-body", "7"], &["--lambda-body 7", "0 to 2"]),
        (&["--people", "1"], &["--people 1"]),
        (&["--views", "0"], &["--views 0"]),
        (&["--prior-bodies", "1"], &["--prior-bodies 1"]),
        (&["--body-model", "nowhere"], &["nowhere"]),
        (&["--clip", "nowhere"], &["nowhere"]),
        (&["--scheduler", "ddpm"], &["ddpm", "euler"]),
        (&["--steps", "1001"], &["1001"]),
    ];
    for (more, named) in cases {
        refused(&place, &with_adapter(more), named);
    }
    refused(&place, &["evaluate"], &["--adapter"]);
    refused(&place, &["evaluate", "--adapter", "few"], &["--snapshot"]);
    refused(&place, &["evaluate", "--adapter", "few", "--snapshot", "nowhere"], &["nowhere"]);
    let known = ["evaluate", "--adapter", "few", "--snapshot", "drawn", "--views", "1"];
    refused(&place, &known, &["run `few` was trained on the people", "data.split = \"all\""]);
    refused(&place, &["evaluate", "--adapter", "elsewhere", "--people-seed", "1"], &["elsewhere", "run"]);
}
