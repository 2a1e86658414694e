//! A user's own models: where they are registered, how one of several is chosen, what is said where one is
//! missing or was made for other photos.

use std::fs;

use crate::support::{Elsewhere, Workplace, checkout_in, json_lines, photos_of, project, refused, text};

#[test]
fn a_model_is_added_to_the_users_list_and_never_to_that_of_the_program() {
    let place = Elsewhere::new();
    let checkout = place.path().join("checkout");
    checkout_in(&checkout);
    let list = checkout.join("data/models/models.toml");
    let before = fs::read_to_string(&list).unwrap();
    let pose = project().join("data/models/pose.onnx");
    let pose = pose.to_str().unwrap();
    let refused = place.run(&["models", "add", pose, "--role", "people", "--models", list.to_str().unwrap()]);
    assert!(text(&refused.stderr).contains("belongs to bolid itself"), "{}", text(&refused.stderr));
    // In the checkout, no list is named either.
    let workdir = place.path().join("work");
    let workdir = ["--workdir", workdir.to_str().unwrap()];
    let mut command = place.command(&[&["models", "add", pose, "--role", "people"], &workdir[..]].concat());
    let added = command.current_dir(&checkout).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    let own = place.own_models();
    assert!(
        text(&added.stderr).contains(own.to_str().unwrap()),
        "how a recipe names it: {}",
        text(&added.stderr)
    );
    assert!(fs::read_to_string(&own).unwrap().contains("pose"));
    assert_eq!(fs::read_to_string(&list).unwrap(), before);

    // A recipe's list goes before one's own; that of the unpacked demo is the program's.
    photos_of(5, 1, 1, &place.path().join("photos"));
    place.succeed(&["init", "--from", "photos"]);
    place.succeed(&["models", "add", pose, "--role", "people", "--name", "second"]);
    assert!(fs::read_to_string(place.path().join("models/models.toml")).unwrap().contains("second"));
    assert!(!fs::read_to_string(&own).unwrap().contains("second"));
}

#[test]
fn one_of_several_models_is_chosen_as_the_error_says_or_the_others_are_removed() {
    let place = Elsewhere::new();
    photos_of(5, 1, 2, &place.path().join("photos"));
    place.succeed(&["init", "--from", "photos"]);
    let pose = project().join("data/models/pose.onnx");
    let added =
        place.succeed(&["models", "add", pose.to_str().unwrap(), "--role", "people", "--name", "second"]);
    assert!(text(&added.stderr).contains("people = \"second\""), "{}", text(&added.stderr));
    let ambiguous = place.run(&["dataset"]);
    let said = text(&ambiguous.stderr);
    for way in ["[detectors]", "people = \"demo-people\"", "--set detectors.people=demo-people"] {
        assert!(said.contains(way), "{way} in {said}");
    }
    place.succeed(&["dataset", "--set", "detectors.people=demo-people"]);
    place.succeed(&["models", "remove", "second"]);
    place.succeed(&["measure"]);
    let unknown = place.run(&["models", "remove", "second"]);
    assert!(text(&unknown.stderr).contains("demo-people"), "what there is: {}", text(&unknown.stderr));
    assert!(pose.exists(), "the file stays");
}

#[test]
fn without_a_model_for_watermarks_the_run_and_the_card_say_that_they_are_not_checked() {
    let place = Workplace::demo(7, 1, 12);
    let with = json_lines(&place.succeed(&["--json", "dataset"]));
    let all =
        |lines: &[serde_json::Value]| lines.iter().find(|line| line["identity"] == "all").cloned().unwrap();
    assert!(all(&with)["reasons"]["watermark"].as_u64() > Some(0), "{}", all(&with));
    let off = ["--set", "detectors.watermark=none"];
    let output = place.succeed(&[&["--json", "dataset"], &off[..]].concat());
    assert!(text(&output.stderr).contains("watermarks are not checked"), "{}", text(&output.stderr));
    let without = json_lines(&output);
    assert!(all(&without)["reasons"]["watermark"].is_null(), "{}", all(&without));
    assert!(all(&without)["kept"].as_u64() > all(&with)["kept"].as_u64());
    let id = without.iter().find_map(|line| line["id"].as_str()).unwrap();
    let card = fs::read_to_string(place.snapshot_folder(id).join("README.md")).unwrap();
    assert!(card.contains("Watermarks were not checked"), "{card}");
    let again = json_lines(&place.succeed(&[&["--json", "measure"], &off[..]].concat()));
    assert_eq!(again[0]["measured"], 0, "what nobody asks for is not missing");
    let rebuilt = json_lines(&place.succeed(&["--json", "dataset", "--locked", id]));
    assert_eq!(rebuilt.last().unwrap()["same_id"], true, "{rebuilt:?}");
    refused(&place, &["dataset", "--set", "detectors.people=none"], &["detectors.people", "how many people"]);
}

#[test]
fn models_that_know_drawn_people_only_say_so_once_where_they_meet_other_photos() {
    let said =
        |output: &std::process::Output| text(&output.stderr).matches("trained on drawn people").count();
    let demo = Workplace::demo(7, 1, 4);
    assert_eq!(said(&demo.succeed(&["dataset"])), 0);
    let place = Elsewhere::new();
    photos_of(5, 1, 4, &place.path().join("photos"));
    place.succeed(&["import", "photos"]);
    let output = place.run(&["dataset"]);
    assert_eq!(said(&output), 1, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("bolid models add"), "{}", text(&output.stderr));
}
