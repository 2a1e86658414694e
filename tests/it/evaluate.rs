//! `bolid evaluate` as a user runs it, with the demo base and an adapter of a few steps, on few people in few steps.

use std::fs;

use serde_json::Value;

use crate::support::tiny::{run_named, with_demo_adapter};
use crate::support::{json_lines, project, refused};

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
        for key in ["limb_score", "width_score", "retrieval_score", "pose_pck"] {
            assert!(one[key].as_object().is_some_and(|figure| figure.contains_key("low")), "{key}");
        }
        assert!((0.0..=1.0).contains(&one["pose_oks_ap"].as_f64().expect("an average precision")));
        assert!(one["kid"]["value"].is_f64() && one["clip_t"]["value"].is_f64());
    }
    assert!(found["anchors"]["person_found"].as_f64() > Some(0.9), "{}", found["anchors"]);
    assert!(found["provenance"]["models"]["adapter"]["sha256"].is_string());
    let written = fs::read_to_string(format!("{out}/evaluation.json")).expect("the figures");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), found);
    let page = fs::read_to_string(format!("{out}/evaluation.html")).expect("the page");
    assert!(page.contains("Figures</h2>") && page.contains("body score") && page.contains("data:image/jpeg"));
    assert_eq!(run(), found);
    // The page shows people.
    let exports = fs::read_to_string(run_named(&place, "few").join("exports.jsonl")).expect("what was made");
    assert!(exports.contains("evaluation.html"));
}

#[test]
fn a_survey_asks_without_a_hint_and_its_answers_become_shares() {
    let place = with_demo_adapter();
    let out = place.path().join("asked");
    let small = ["--people", "3", "--views", "2", "--seeds", "1", "--steps", "6", "--prior-bodies", "0"];
    let network = project().join("curate/tests/fixtures/features.onnx").display().to_string();
    let more = ["--survey", "--inception", &network, "--out", &out.display().to_string()];
    // By the rules of photos few pictures of six steps show somebody, and of others nothing is asked.
    let rules = ["--set", "rules.people.min_score=0.02", "--set", "rules.joints.min_score=0.02"];
    let printed = place.succeed(&with_adapter(&[&small[..], &more[..], &rules[..]].concat()));
    for one in json_lines(&printed)[0]["conditions"].as_array().expect("conditions") {
        let network = one["fid"]["network"].as_str().expect("a name");
        assert!(network.starts_with("features ") && one["fid"]["value"].is_f64(), "{network}");
        assert!(
            one["inception_score"]["value"].as_f64() >= Some(1.0)
                && one["inception_score"]["note"].is_string()
        );
    }
    let key: Value = serde_json::from_str(&fs::read_to_string(out.join("survey-key.json")).expect("the key"))
        .expect("JSON");
    let questions = key["questions"].as_array().expect("questions");
    let page = fs::read_to_string(out.join("survey.html")).expect("the page");
    assert_eq!(page.matches("data:image/jpeg").count(), 3 * questions.len());
    for question in questions {
        assert!(!page.contains(question["person"].as_str().expect("a name")));
    }
    assert!(questions.iter().any(|question| question["kind"] == "check"), "{key}");

    let answers = |name: &str, is_right: &dyn Fn(usize) -> bool| {
        let mut text = "survey,rater,question,answer,seconds\n".to_owned();
        for (index, question) in questions.iter().enumerate() {
            let is_a = (question["expected"] == "a") == is_right(index);
            let answer = if is_a { "a" } else { "b" };
            text +=
                &format!("{},{name},{},{answer},1.5\n", key["survey"].as_str().expect("an id"), index + 1);
        }
        let file = out.join(format!("{name}.csv"));
        fs::write(&file, text).expect("a file");
        file.display().to_string()
    };
    let files = [answers("sees", &|_| true), answers("guesses", &|_| false)];
    let printed = place.succeed(&["--json", "evaluate", "--survey-results", &files[0], &files[1]]);
    let results = json_lines(&printed).remove(0);
    assert_eq!((results["raters"].as_u64(), results["left_out"][0].as_str()), (Some(1), Some("guesses")));
    let comparisons = results["comparisons"].as_array().expect("comparisons");
    assert_eq!(comparisons.len(), 2, "body against text, both against ref: {results}");
    for one in comparisons {
        assert_eq!((one["share"].as_f64(), one["high"].as_f64()), (Some(1.0), Some(1.0)), "{results}");
        assert!(one["low"].as_f64() < Some(1.0));
    }
    let of_another = files[0].replace(".csv", "-2.csv");
    fs::write(&of_another, "survey,rater,question,answer\nelsewhere,r,1,a\n").expect("a file");
    refused(&place, &["evaluate", "--survey-results", &of_another], &["line 2", "elsewhere", "--survey-key"]);
    refused(&place, &["evaluate", "--survey-results", "nowhere.csv"], &["survey-key.json"]);
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    let place = with_demo_adapter();
    let prompts = place.path().join("prompts.txt");
    fs::write(&prompts, "a photo of a {person}\n\na man\n").expect("a file");
    let prompts = prompts.display().to_string();
    let cases: [(&[&str], &[&str]); 11] = [
        (&["--prompts", &prompts], &["prompts.txt, line 2", "empty"]),
        (&["--prompts", "nowhere.txt"], &["nowhere.txt"]),
        (&["--lambda-body", "7"], &["--lambda-body 7", "0 to 2"]),
        (&["--people", "1"], &["--people 1"]),
        (&["--views", "0"], &["--views 0"]),
        (&["--prior-bodies", "1"], &["--prior-bodies 1"]),
        (&["--body-model", "nowhere"], &["nowhere"]),
        (&["--clip", "nowhere"], &["nowhere"]),
        (&["--inception", "nowhere.onnx"], &["nowhere.onnx"]),
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
