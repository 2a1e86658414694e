//! The program where there is no checkout and no recipe: what is stored, and what a snapshot says of itself,
//! are enough.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{Elsewhere, checkout_in, files_below, json_lines, photos_of, text};

const FEW: [&str; 6] =
    ["--set", "demo.identities=1", "--set", "demo.photos_per_identity=6", "--set", "rules.min_photos=1"];

fn sites(place: &Elsewhere) -> Vec<(String, u64)> {
    let lines = json_lines(&place.succeed(&["--json", "status"]));
    lines
        .iter()
        .map(|line| (line["site"].as_str().unwrap().to_owned(), line["photos"].as_u64().unwrap()))
        .collect()
}

fn snapshot_of(output: &Output) -> String {
    let lines = json_lines(output);
    lines.iter().find_map(|line| line["id"].as_str()).expect("a snapshot").to_owned()
}

#[test]
fn imported_photos_are_measured_judged_shown_and_published_without_a_recipe() {
    let place = Elsewhere::new();
    photos_of(5, 1, 6, &place.path().join("My photos"));
    place.succeed(&["import", "My photos"]);
    let looked = place.succeed(&["judge", "--dry-run"]);
    assert!(text(&looked.stderr).contains("photos were not measured yet"), "{}", text(&looked.stderr));
    let refused = place.run(&["judge"]);
    assert!(text(&refused.stderr).contains("run `bolid measure`"), "{}", text(&refused.stderr));
    let measured = place.succeed(&["--json", "measure"]);
    assert!(json_lines(&measured)[0]["measured"].as_u64() > Some(0), "{}", text(&measured.stderr));
    assert!(text(&measured.stderr).contains("My photos"), "{}", text(&measured.stderr));
    let judged = json_lines(&place.succeed(&["--json", "judge"]));
    assert_eq!(judged.last().unwrap()["photos"], 6);
    assert!(judged.last().unwrap()["kept"].as_u64() > Some(0), "{judged:?}");
    place.succeed(&["report", "--out", "report.html"]);
    place.succeed(&["judge", "--dry-run", "--set", "rules.min_side=800"]);
    let id = snapshot_of(&place.succeed(&["--json", "dataset"]));
    assert!(place.path().join(format!("data/work/snapshots/My-photos-{id}")).exists());
}

#[test]
fn a_folder_that_was_imported_and_stands_in_a_recipe_is_one_site() {
    let place = Elsewhere::new();
    photos_of(5, 1, 4, &place.path().join("photos"));
    place.succeed(&["import", "photos"]);
    place.succeed(&["init", "--from", "photos"]);
    let recipe = fs::read_to_string(place.path().join("recipe.toml")).unwrap();
    let renamed = recipe.replace("name = \"photos\"\npath", "name = \"mine\"\npath");
    assert_ne!(renamed, recipe);
    fs::write(place.path().join("recipe.toml"), renamed).unwrap();
    let built = place.succeed(&["dataset"]);
    assert_eq!(sites(&place), [("mine".to_owned(), 4)]);
    assert!(text(&built.stderr).contains("`mine` from now on"), "{}", text(&built.stderr));
    place.succeed(&["import", "photos"]);
    assert_eq!(sites(&place), [("mine".to_owned(), 4)], "the recipe's name is known");
}

#[test]
fn two_folders_of_one_name_keep_it_where_a_recipe_has_another_for_one_of_them() {
    let place = Elsewhere::new();
    for (seed, name) in [(5, "a"), (6, "b")] {
        let folder = place.path().join(name);
        photos_of(seed, 1, 2, &folder);
        let person = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        fs::rename(person, folder.join(format!("somebody-in-{name}"))).unwrap();
        place.succeed(&["import", name, "--name", "both"]);
    }
    place.succeed(&["init", "--from", "b"]);
    for command in [&["dataset"][..], &["import", "b"]] {
        let refused = place.run(command);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("name it `both` in the recipe") && said.contains("somebody-in-a"), "{said}");
    }
    assert_eq!(sites(&place), [("both".to_owned(), 4)]);
}

#[test]
fn a_simulated_import_renames_nothing_and_forgets_no_recipe() {
    let place = Elsewhere::new();
    for name in ["one", "two"] {
        photos_of(5, 1, 2, &place.path().join(name));
    }
    place.succeed(&["import", "one"]);
    place.succeed(&["init", "--from", "one", "one.toml"]);
    place.succeed(&["dataset", "--recipe", "one.toml"]);
    let note = place.path().join("data/work/recipe-path");
    let before = fs::read_to_string(&note).unwrap();

    let recipe = fs::read_to_string(place.path().join("one.toml")).unwrap();
    let renamed = recipe.replace("name = \"one\"\npath", "name = \"mine\"\npath");
    assert_ne!(renamed, recipe);
    fs::write(place.path().join("one.toml"), &renamed).unwrap();
    place.succeed(&["import", "one", "--simulate"]);
    assert_eq!(sites(&place), [("one".to_owned(), 2)]);
    place.succeed(&["import", "two", "--name", "one", "--simulate"]);
    assert_eq!(fs::read_to_string(&note).unwrap(), before);
    let imported = place.succeed(&["import", "one"]);
    assert!(text(&imported.stderr).contains("`mine` from now on"), "{}", text(&imported.stderr));

    fs::write(place.path().join("one.toml"), "no recipe").unwrap();
    place.succeed(&["import", "two"]);
    assert!(note.exists(), "one that cannot be read just now is not forgotten");
    fs::write(place.path().join("one.toml"), &renamed).unwrap();
    let imported = place.succeed(&["import", "two"]);
    assert!(text(&imported.stderr).contains("does not name `two`"), "{}", text(&imported.stderr));
    assert!(!note.exists());
}

#[test]
fn retry_asks_for_what_failed_and_follows_no_recipe_that_does_not_name_it() {
    let place = Elsewhere::new();
    checkout_in(place.path());
    photos_of(5, 1, 2, &place.path().join("photos"));
    let photos: Vec<_> =
        files_below(&place.path().join("photos")).into_iter().map(|(path, _)| path).collect();
    let here = place.path().join("photos").join(&photos[1]);
    let away = place.path().join("away");
    fs::rename(&here, &away).unwrap();
    let rows: String = photos.iter().map(|photo| format!("photos/{},ada\n", photo.display())).collect();
    fs::write(place.path().join("list.csv"), format!("file,identity\n{rows}")).unwrap();
    let imported = place.run(&["import", "list.csv"]);
    assert!(text(&imported.stdout).contains("1 photos dropped: unreadable"), "{}", text(&imported.stdout));
    fs::rename(&away, &here).unwrap();
    place.succeed(&["init", "--from", "photos"]); // a recipe here, of something else
    let retried = json_lines(&place.succeed(&["--json", "retry", "--class", "unreadable"]));
    assert_eq!((&retried[0]["retried"], &retried[1]["photos_stored"]), (&1.into(), &1.into()), "{retried:?}");
    assert_eq!(sites(&place), [("list".to_owned(), 2)]);
}

#[test]
fn a_work_folder_is_gone_on_with_by_the_recipe_that_made_it() {
    let place = Elsewhere::new();
    let id = snapshot_of(&place.succeed(&[&["--json", "dataset", "--demo"], &FEW[..]].concat()));
    for command in [
        &["judge", "--dry-run"][..],
        &["explain", "1"],
        &["report", "--out", "all.html"],
        &["report", &id, "--out", "one.html"],
        &["snapshot", "verify", &id, "--deep"],
        &["measure"],
    ] {
        place.succeed(command);
    }
    let page = fs::read_to_string(place.path().join("one.html")).unwrap();
    assert!(page.contains(&id) && page.contains("data:image/jpeg"), "{}", page.len());
    let output = place.succeed(&["--json", "dataset", "--locked", &id]);
    let rebuilt = json_lines(&output);
    assert_eq!(rebuilt.last().unwrap()["same_id"], true, "{rebuilt:?}");
    assert!(text(&output.stderr).contains("bolid: by the recipe "), "{}", text(&output.stderr));

    // The snapshot alone, in another folder that knows nothing of it, beside a recipe that cannot be read.
    let elsewhere = Elsewhere::new();
    fs::write(elsewhere.path().join("recipe.toml"), "no recipe").unwrap();
    let snapshot = place.path().join(format!("data/work/snapshots/demo-{id}"));
    let snapshot = snapshot.to_str().unwrap();
    elsewhere.succeed(&["report", snapshot, "--out", "page.html"]);
    let output = elsewhere.succeed(&["--json", "dataset", "--locked", snapshot]);
    let rebuilt = json_lines(&output);
    assert_eq!(rebuilt.last().unwrap()["same_id"], true, "{rebuilt:?}");
    assert!(text(&output.stderr).contains("recipe.toml is passed over"), "{}", text(&output.stderr));
}

#[test]
fn a_snapshot_of_a_folder_is_rebuilt_without_a_recipe_from_where_it_was_imported() {
    let place = Elsewhere::new();
    photos_of(5, 1, 4, &place.path().join("photos"));
    place.succeed(&["import", "photos"]);
    let built = place.succeed(&["--json", "dataset"]);
    let id = snapshot_of(&built);
    let rebuilt = place.run(&["--json", "dataset", "--locked", &id]);
    assert_eq!(json_lines(&rebuilt).last().unwrap()["same_id"], true, "{}", text(&rebuilt.stderr));
}

#[test]
fn a_recipe_that_is_named_goes_before_the_one_that_is_here() {
    let place = Elsewhere::new();
    for name in ["one", "two"] {
        photos_of(5, 1, 1, &place.path().join(name));
        place.succeed(&["init", "--from", name, &format!("{name}.toml")]);
        place.run(&["import", name]);
    }
    fs::copy(place.path().join("one.toml"), place.path().join("recipe.toml")).unwrap();
    let of = |arguments: &[&str]| {
        let output = place.run(&[&["--json", "measure"], arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        json_lines(&output)[0]["measured"].as_u64().unwrap()
    };
    assert_eq!((of(&[]), of(&[])), (1, 0), "recipe.toml names the first");
    let seen = json_lines(&place.run(&["--json", "judge", "--recipe", "two.toml"]));
    assert!(seen[0]["identity"].as_str().unwrap().starts_with("two/"), "{seen:?}");
}

#[test]
fn no_command_makes_a_work_folder_that_it_only_wanted_to_read() {
    let place = Elsewhere::new();
    for command in [
        &["status"][..],
        &["list"],
        &["explain", "1"],
        &["measure"],
        &["judge"],
        &["judge", "--dry-run"],
        &["prepare"],
        &["report", "--out", "r.html"],
        &["retry", "--class", "timeout"],
        &["snapshot", "create"],
        &["snapshot", "export", "x", "--format", "kohya", "--out", "x"],
        &["measurements", "export", "m.parquet"],
        &["review", "import", "x.jsonl"],
        &["erase", "--url", "x", "--dry-run"],
    ] {
        let output = place.run(command);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(
            said.contains("no work folder data/work") && said.contains("`bolid crawl`"),
            "{command:?}: {said}"
        );
    }
    place.succeed(&["snapshot", "list"]);
    assert!(!place.run(&["snapshot", "verify", "x"]).status.success());
    assert!(!place.run(&["report", "x", "--out", "r.html"]).status.success());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn the_version_names_commit_and_features_and_an_installation_gets_completions_and_manual_pages() {
    let place = Elsewhere::new();
    let version = text(&place.succeed(&["--version"]).stdout);
    assert!(
        version.starts_with("bolid 0.") && version.contains("(commit ") && version.contains("features: ")
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&place.succeed(&["completions", shell]).stdout);
        assert!(script.contains("dataset") && script.contains("dry-run"), "{shell}");
    }
    place.succeed(&["man", "pages"]);
    let page = |name: &str| fs::read_to_string(place.path().join("pages").join(name)).unwrap();
    assert!(page("bolid.1").contains("Exit codes") && page("bolid-snapshot-verify.1").contains("deep"));
}

#[test]
fn a_list_of_models_and_a_recipe_are_named_where_none_is_here() {
    let place = Elsewhere::new();
    let output = place.run(&["models", "list"]);
    assert!(text(&output.stderr).contains("bolid models add"), "{}", text(&output.stderr));
    let output = place.run(&["dataset"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("bolid init"), "{}", text(&output.stderr));
    assert!(!Path::new(&place.path().join("data")).exists());
}
