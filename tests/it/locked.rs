//! `bolid dataset --locked`: a snapshot is rebuilt from its URLs and digests, and what changed or vanished is told.

use std::fs;
use std::path::PathBuf;

use crate::support::{Workplace, json_lines, project, text};

#[test]
fn a_snapshot_is_rebuilt_with_the_same_id_while_every_url_gives_the_same_bytes() {
    let place = Workplace::demo(5, 2, 6);
    let id = place.snapshot_id(&[]);
    let output = place.succeed(&["--json", "dataset", "--locked", &id]);
    let lines = json_lines(&output);
    let last = lines.last().unwrap();
    assert_eq!((&last["same_id"], &last["changed_or_vanished"]), (&true.into(), &0.into()), "{last}");
    assert!(place.workdir().join(format!("locked/{id}/snapshots/demo-{id}/manifest.json")).exists());
}

/// The demo as `make dataset` makes it. Its measurements may be rounded otherwise on this processor; its id
/// is the same.
#[test]
fn the_demo_has_the_id_that_the_readme_names() {
    let place = Workplace::demo(1, 1, 1);
    let recipe = project().join("data/recipes/demo.toml");
    let output = place.succeed(&["--json", "dataset", "--recipe", recipe.to_str().unwrap()]);
    let lines = json_lines(&output);
    let [.., snapshot, lock] = lines.as_slice() else { panic!("a snapshot and its lock are shown") };
    assert_eq!(lock["same_id"], true, "`make demo-lock` follows a change of the demo: {lock}");
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let name = snapshot["snapshot"].as_str().unwrap();
    assert!(readme.contains(name), "README.md names another snapshot than {name}");
}

#[test]
fn a_snapshot_by_a_variant_is_rebuilt_with_both_its_files_and_refused_with_one() {
    let place = Workplace::demo(5, 1, 6);
    let registry = place.path().join("models.toml");
    let models = fs::read_to_string(project().join("data/models/models.toml")).unwrap();
    let mut models: toml::Table = models.parse().unwrap();
    for model in models["model"].as_array_mut().unwrap() {
        let model = model.as_table_mut().unwrap();
        let file = project().join("data/models").join(model["file"].as_str().unwrap());
        model.insert("file".into(), file.to_str().unwrap().into());
    }
    let original = models.clone();
    // Another file that says the same: an empty `doc_string` (field 6) behind the rest of it.
    let model = models["model"].as_array_mut().unwrap()[1].as_table_mut().unwrap();
    let file = model["file"].as_str().unwrap().to_owned();
    let variant = [fs::read(&file).unwrap(), vec![0x32, 0]].concat();
    let exact = format!("name = \"original\"\nfile = {file:?}\nsha256 = {}", model["sha256"]);
    model.insert("exact".into(), toml::Value::Table(exact.parse().unwrap()));
    model.insert("sha256".into(), photo::Digest::of(&variant).to_string().into());
    let copy = place.path().join("variant.onnx");
    fs::write(&copy, variant).unwrap();
    model.insert("file".into(), copy.to_str().unwrap().into());
    fs::write(&registry, models.to_string()).unwrap();
    let models = format!("models={:?}", registry.to_str().unwrap());
    let id = place.snapshot_id(&["--set", &models]);
    let rebuilt = place.succeed(&["--json", "dataset", "--set", &models, "--locked", &id]);
    assert_eq!(json_lines(&rebuilt).last().unwrap()["same_id"], true);
    fs::write(&registry, original.to_string()).unwrap();
    let refused = place.run(&["dataset", "--set", &models, "--locked", &id]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("`original` with digest"), "{}", text(&refused.stderr));
}

#[test]
fn files_that_changed_or_vanished_are_told_and_left_out() {
    let place = Workplace::demo(6, 2, 6);
    let id = place.snapshot_id(&[]);
    // The same photos once more, as a folder.
    let folder = place.path().join("photos");
    let manifest = fs::read_to_string(place.snapshot_folder(&id).join("manifest.json")).unwrap();
    assert!(manifest.contains("inputs"));
    let blobs: Vec<PathBuf> = crate::support::files_below(&place.workdir().join("blobs"))
        .into_iter()
        .map(|(path, _)| place.workdir().join("blobs").join(path))
        .collect();
    assert!(blobs.len() >= 8, "{}", blobs.len());
    fs::create_dir_all(folder.join("ada")).unwrap();
    for (i, blob) in blobs.iter().enumerate() {
        fs::copy(blob, folder.join(format!("ada/{i:02}.jpg"))).unwrap();
    }
    let recipe = format!(
        "name = \"folder\"\nmodels = {:?}\n\n[[imports]]\nname = \"mine\"\npath = \
         {folder:?}\n\n[rules]\nmin_photos = 1\n",
        project().join("data/models/models.toml")
    );
    fs::write(place.recipe(), recipe).unwrap();
    let built = place.run(&["--json", "dataset"]);
    let lines = json_lines(&built);
    let id = lines.last().unwrap()["id"].as_str().unwrap().to_owned();

    let same = place.run(&["--json", "dataset", "--locked", &id]);
    assert_eq!(json_lines(&same).last().unwrap()["same_id"], true, "{}", text(&same.stderr));
    fs::remove_dir_all(place.workdir().join("locked")).unwrap();

    fs::write(folder.join("ada/00.jpg"), fs::read(folder.join("ada/01.jpg")).unwrap()).unwrap();
    fs::remove_file(folder.join("ada/02.jpg")).unwrap();
    let output = place.run(&["--json", "dataset", "--locked", &id]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    assert_eq!(lines.last().unwrap()["changed_or_vanished"], 2);
    let outcome = |url: &str| {
        let line =
            lines.iter().find(|line| line["url"] == url).unwrap_or_else(|| panic!("{url} in {lines:?}"));
        line["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (outcome("file:ada/00.jpg").as_str(), outcome("file:ada/02.jpg").as_str()),
        ("changed", "unreadable")
    );
}
