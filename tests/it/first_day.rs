//! What a newcomer does where there is no checkout: the demo, photos of their own, an engine's gallery.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use synth::collection::{Collection, CollectionSpec};

use crate::support::{json_lines, text};

/// The program in an empty folder, with no recipe in the environment.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bolid"));
    command.current_dir(folder).env_remove("BOLID_RECIPE").env_remove("BOLID_WORKDIR");
    command.env("XDG_CONFIG_HOME", folder.join("none")); // the user's own models are nobody's here
    command.args(arguments).output().expect("bolid starts")
}

fn photos(folder: &Path) {
    let spec = CollectionSpec { seed: 5, identities: 1, photos_per_identity: 5 };
    for person in &Collection::new(spec).identities {
        fs::create_dir_all(folder.join(&person.slug)).unwrap();
        for photo in &person.photos {
            fs::write(folder.join(&person.slug).join(&photo.file_name), photo.bytes()).unwrap();
        }
    }
}

#[test]
fn in_an_empty_folder_the_demo_is_carried_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["dataset"]);
    assert_eq!(output.status.code(), Some(2));
    for named in ["--recipe", "bolid init", "--demo"] {
        assert!(text(&output.stderr).contains(named), "{}", text(&output.stderr));
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is made for a command that cannot run"
    );

    let few =
        ["--set", "demo.identities=1", "--set", "demo.photos_per_identity=4", "--set", "rules.min_photos=1"];
    let output = run(folder.path(), &[&["--json", "dataset", "--demo"], &few[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    assert!(lines.iter().any(|line| line["id"].is_string()), "{}", text(&output.stdout));
}

#[test]
fn a_recipe_for_a_folder_of_photos_runs_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    photos(&folder.path().join("My photos"));
    let output = run(folder.path(), &["init", "--from", "My photos"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = run(folder.path(), &["--json", "dataset", "--recipe", "recipe.toml"]);
    assert!(output.status.code().is_some_and(|code| code == 0 || code == 3), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    assert!(
        lines.iter().any(|line| line["snapshot"].as_str().is_some_and(|name| name.starts_with("My-photos-"))),
        "{}",
        text(&output.stdout)
    );

    fs::write(folder.path().join("models/faces.onnx"), "a model of my own").unwrap();
    fs::remove_file(folder.path().join("models/models.toml")).unwrap();
    let other = run(folder.path(), &["init", "--from", "My photos", "other.toml"]);
    assert!(text(&other.stderr).contains("faces.onnx"), "{}", text(&other.stderr));
    assert_eq!(fs::read(folder.path().join("models/faces.onnx")).unwrap(), b"a model of my own");

    let again = run(folder.path(), &["init", "--from", "My photos"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("there already"), "{}", text(&again.stderr));
}

#[test]
fn a_recipe_for_a_gallery_names_the_profile_of_its_software() {
    let folder = tempfile::tempdir().unwrap();
    let site = "https://gallery.example.org/pictures/";
    let unnamed = run(folder.path(), &["init", "--from", site]);
    for engine in ["coppermine", "piwigo"] {
        assert!(text(&unnamed.stderr).contains(engine), "{}", text(&unnamed.stderr));
    }
    let output = run(folder.path(), &["init", "--from", site, "--engine", "piwigo", "gallery.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // It is read whole before the first request; nobody is named there whom the site could write to.
    let crawl = run(folder.path(), &["crawl", "--recipe", "gallery.toml"]);
    assert!(text(&crawl.stderr).contains("contact"), "{}", text(&crawl.stderr));
    let recipe = fs::read_to_string(folder.path().join("gallery.toml")).unwrap();
    assert!(recipe.contains(site) && folder.path().join("piwigo.toml").exists(), "{recipe}");
}

#[test]
fn what_init_cannot_begin_with_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["init", "--from", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nowhere"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
