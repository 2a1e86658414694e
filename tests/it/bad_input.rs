//! What goes wrong is named, stored, and loses nothing.

use std::fs;

use crate::support::{Workplace, json_lines, project, refused, text};

fn models_in(place: &Workplace, change: impl Fn(&str) -> String) -> String {
    let folder = place.path().join("models");
    fs::create_dir_all(&folder).expect("a folder can be made");
    for entry in fs::read_dir(project().join("data/models")).expect("the project has models") {
        let path = entry.expect("an entry can be read").path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            fs::copy(&path, folder.join(path.file_name().expect("a file has a name")))
                .expect("a model can be copied");
        }
    }
    let registry =
        fs::read_to_string(project().join("data/models/models.toml")).expect("the project lists its models");
    let path = folder.join("models.toml");
    fs::write(&path, change(&registry)).expect("a list can be written");
    format!("models={}", path.display())
}

#[test]
fn a_missing_or_damaged_model_is_refused_by_name_before_any_photo_is_touched() {
    let place = Workplace::demo(1, 1, 4);
    let same = models_in(&place, str::to_owned);
    let faces = place.path().join("models/faces.onnx");

    let mut bytes = fs::read(&faces).expect("the model was copied");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&faces, bytes).expect("the model can be damaged");
    let output = place.run(&["dataset", "--set", &same]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("faces.onnx"), "{}", text(&output.stderr));

    fs::remove_file(&faces).expect("the model can be removed");
    let output = place.run(&["dataset", "--set", &same]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("faces.onnx"), "{}", text(&output.stderr));
    assert!(!place.workdir().join("blobs").exists(), "nothing may be crawled with a broken model");
}

#[test]
fn a_model_of_the_wrong_shape_is_refused_with_what_was_expected() {
    let place = Workplace::demo(1, 1, 4);
    let registry = place.path().join("models.toml");
    let pose = project().join("data/models/pose.onnx");
    let (pose, registry) = (pose.to_str().expect("a plain path"), registry.to_str().expect("a plain path"));
    let output = place.run(&["models", "add", pose, "--role", "faces", "--models", registry]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("pose.onnx") && said.contains("56"), "{said}");
    assert!(!std::path::Path::new(registry).exists(), "a refused model is not registered");
}

#[test]
fn an_unknown_recipe_key_ends_with_code_2_and_names_file_line_and_nearest_key() {
    let place = Workplace::demo(1, 1, 4);
    let recipe = fs::read_to_string(place.recipe()).expect("a recipe") + "min_sides = 4\n";
    fs::write(place.recipe(), recipe).expect("a recipe can be written");
    let output = place.run(&["dataset"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("recipe.toml, line 12") && said.contains("`min_side`"), "{said}");
    assert_eq!(place.run(&["datasets"]).status.code(), Some(2), "bad usage");
}

#[test]
fn two_folders_of_one_name_are_not_brought_together_unasked() {
    let place = Workplace::demo(1, 1, 1);
    let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let folder = |name: &str| {
        let folder = place.path().join(name);
        fs::create_dir_all(folder.join("ada")).expect("a folder can be made");
        photo.save(folder.join("ada/1.jpg")).expect("a photo can be written");
        folder.display().to_string()
    };
    let (first, second) = (folder("a/photos"), folder("b/photos"));
    place.succeed(&["import", &first]);
    place.succeed(&["import", &first]);
    let refused = place.run(&["import", &second]);
    let message = text(&refused.stderr);
    assert!(!refused.status.success());
    assert!(message.contains(&first) && message.contains("--name"), "{message}");
    place.succeed(&["import", &second, "--name", "others"]);
    for name in ["set.1", "set.2"] {
        let stored = json_lines(&place.succeed(&["--json", "import", &folder(name)])).remove(0);
        assert_eq!(
            (stored["site"].as_str(), stored["photos_stored"].as_u64()),
            (Some(name), Some(1)),
            "{stored}"
        );
    }
}

#[test]
fn a_folder_that_is_called_like_a_crawled_site_does_not_join_it_unasked() {
    let place = Workplace::demo(1, 1, 1);
    place.succeed(&["crawl"]);
    let folder = place.path().join("demo");
    fs::create_dir_all(folder.join("ada")).expect("a folder can be made");
    let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, 7]));
    photo.save(folder.join("ada/1.jpg")).expect("a photo can be written");
    let folder = folder.display().to_string();
    refused(&place, &["import", &folder], &["`demo`", "--name"]);
    place.succeed(&["import", &folder, "--name", "mine"]);
}

#[test]
fn retry_forgets_nothing_before_it_may_ask_for_all_of_it() {
    let place = Workplace::demo(1, 1, 1);
    let list = place.path().join("far.txt");
    fs::write(&list, "http://192.168.0.1/1.jpg\n").expect("a list can be written");
    let contact = ["--contact", "me@example.org"];
    let imported = place.run(&[&["import", &list.display().to_string()], &contact[..]].concat());
    let said = text(&imported.stderr);
    assert_eq!(imported.status.code(), Some(3), "{said}");
    assert!(said.contains("`bolid retry --class private --contact me@example.org`"), "{said}");
    refused(&place, &["retry", "--class", "private"], &["192.168.0.1", "--contact"]);
    assert_eq!(json_lines(&place.succeed(&["--json", "status"]))[0]["failed"], 1);
    let retried = place.run(&[&["--json", "retry", "--class", "private"], &contact[..]].concat());
    assert_eq!(json_lines(&retried)[0]["retried"], 1, "{}", text(&retried.stderr));
}

#[test]
fn two_lists_whose_names_differ_in_their_endings_alone_do_not_share_their_people() {
    let place = Workplace::demo(1, 1, 1);
    let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, 7]));
    photo.save(place.path().join("1.png")).expect("a photo can be written");
    let list = |name: &str, rows: &str| {
        let path = place.path().join(name);
        fs::write(&path, rows).expect("a list can be written");
        path.display().to_string()
    };
    let lists = [
        list("people.csv", "file_name,identity\n1.png,Ada\n"),
        list("people.jsonl", "{\"file_name\": \"1.png\", \"identity\": \"Ada\"}\n"),
        list("people.txt", "http://127.0.0.1:9/ada/1.png\n"),
    ];
    let import = |path: &str, more: &[&str]| {
        let output = place.run(&[&["--json", "import", path, "--delay", "1ms"], more].concat());
        let lines = json_lines(&output);
        let site = lines.iter().find_map(|line| line["site"].as_str()).unwrap_or_default().to_owned();
        (site, output.status.code(), text(&output.stderr))
    };
    // A simulated import takes no name, whichever list it is of.
    for path in &lists {
        let (site, code, said) = import(path, &["--simulate"]);
        assert_eq!((site.as_str(), code), ("people", Some(0)), "{said}");
    }
    assert!(json_lines(&place.succeed(&["--json", "status"])).is_empty(), "nothing is stored");
    for time in ["first", "again"] {
        let [first, second, third] = lists.each_ref().map(|path| import(path, &[]));
        assert_eq!((first.0.as_str(), first.1), ("people", Some(0)), "{time}: {}", first.2);
        assert_eq!((second.0.as_str(), second.1), ("people.jsonl", Some(0)), "{time}: {}", second.2);
        // Its address answers nothing, which is stored as a failure, and tried again as it was asked.
        assert_eq!((third.0.as_str(), third.1), ("people.txt", Some(3)), "{time}: {}", third.2);
        assert!(third.2.contains("`bolid retry --class connect --delay 1ms`"), "{time}: {}", third.2);
        for (path, name) in lists.iter().zip(["people", "people.jsonl", "people.txt"]) {
            let (site, code, said) = import(path, &["--simulate"]);
            assert_eq!((site.as_str(), code), (name, Some(0)), "{time}: {said}");
        }
    }
    let photos = json_lines(&place.succeed(&["--json", "list", "photos"]));
    let verdicts: Vec<_> = photos.iter().filter_map(|photo| photo["verdict"].as_str()).collect();
    assert_eq!(verdicts, ["not judged", "not judged", "connect"], "none is gone: {photos:?}");
    fs::create_dir(place.path().join("elsewhere")).expect("a folder can be made");
    let other = list("elsewhere/people.csv", "url,identity\nhttp://127.0.0.1:9/ada/2.png,Ada\n");
    refused(&place, &["import", &other], &["people.csv", "--name"]);
}

#[test]
fn an_import_is_the_present_state_of_its_folder_and_what_was_deleted_or_moved_is_counted() {
    let place = Workplace::demo(1, 1, 1);
    let root = place.path().join("photos");
    for (path, seed) in [("ada/1.png", 1), ("ada/2.png", 2), ("bea/3.png", 3)] {
        let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, seed]));
        fs::create_dir_all(root.join(path).parent().expect("a file is in a folder")).expect("a folder");
        photo.save(root.join(path)).expect("a photo can be written");
    }
    let name = root.display().to_string();
    let import = || {
        let report = json_lines(&place.succeed(&["--json", "import", &name])).remove(0);
        ["photos_stored", "photos_unchanged", "photos_gone", "photos_moved"]
            .map(|key| report[key].as_u64().unwrap_or(0))
    };
    assert_eq!(import(), [3, 0, 0, 0]);
    fs::rename(root.join("ada/2.png"), root.join("bea/2.png")).expect("a photo can be moved");
    fs::rename(root.join("bea/3.png"), place.path().join("3.png")).expect("a photo can be taken away");
    assert_eq!(import(), [1, 1, 1, 1]);
    assert_eq!(import(), [0, 2, 0, 0], "what is gone is told once");
    fs::rename(place.path().join("3.png"), root.join("bea/3.png")).expect("a photo can come back");
    assert_eq!(import(), [1, 2, 0, 0]);
    let other = place.path().join("other/photos");
    fs::create_dir_all(other.join("cat")).expect("a folder can be made");
    fs::copy(root.join("ada/1.png"), other.join("cat/4.png")).expect("a photo can be copied");
    let other =
        json_lines(&place.succeed(&["--json", "import", &other.display().to_string(), "--name", "photos"]));
    assert_eq!(other[0]["photos_gone"].as_u64(), None, "another folder of the name: {}", other[0]);
}

#[test]
fn an_imported_folder_of_odd_files_ends_with_a_reason_for_each_and_the_run_goes_on() {
    let place = Workplace::demo(1, 1, 4);
    let folder = place.path().join("photos/ada");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let photo = image::RgbImage::from_fn(1200, 1000, |x, y| {
        image::Rgb([(x / 5) as u8, (y / 4) as u8, ((x ^ y) & 255) as u8])
    });
    photo.save(folder.join("whole.png")).expect("a PNG can be written");
    photo.save(folder.join("whole.jpg")).expect("a JPEG can be written");
    let jpeg = fs::read(folder.join("whole.jpg")).expect("the JPEG was written");
    fs::write(folder.join("truncated.jpg"), &jpeg[..jpeg.len() / 2]).expect("a file can be written");
    fs::rename(folder.join("whole.png"), folder.join("png-named.jpg")).expect("a file can be renamed");
    fs::write(folder.join("empty.jpg"), b"").expect("a file can be written");
    fs::write(folder.join("page.jpg"), b"<html>no photo</html>").expect("a file can be written");
    image::RgbImage::new(40, 30).save(folder.join("tiny.png")).expect("a PNG can be written");

    let recipe = fs::read_to_string(place.recipe()).expect("a recipe");
    let models =
        recipe.lines().find(|line| line.starts_with("models")).expect("a recipe names models").to_owned();
    let photos = place.path().join("photos");
    let recipe = format!(
        "name = \"mine\"\n{models}\n[[imports]]\nname = \"mine\"\npath = {photos:?}\n[rules]\nmin_photos = 0\n"
    );
    fs::write(place.recipe(), recipe).expect("a recipe can be written");
    let output = place.run(&["--json", "dataset"]);
    assert_eq!(output.status.code(), Some(3), "nothing is kept: {}", text(&output.stderr));

    let lines = json_lines(&output);
    let imported = lines.iter().find(|line| line["site"] == "mine").expect("what came of the import");
    assert!(imported["photos_stored"].as_u64() > Some(0), "{imported}");
    let id = lines.last().expect("a snapshot")["id"].as_str().expect("an id").to_owned();
    let folder = place.workdir().join(format!("snapshots/mine-{id}"));
    let dropped =
        snapshot::Snapshot::open(&folder).expect("a snapshot").dropped().expect("its dropped photos");
    let reasons = |name: &str| {
        let found = dropped.iter().find(|photo| photo.facts.url.ends_with(name));
        let photo = found.unwrap_or_else(|| panic!("{name} is not among the dropped"));
        photo.facts.reasons.iter().map(photo::Reason::name).collect::<Vec<_>>()
    };
    assert_eq!(reasons("truncated.jpg"), ["unreadable"]);
    assert_eq!(reasons("page.jpg"), ["unreadable"]);
    assert_eq!(reasons("empty.jpg"), ["unreadable"]);
    assert!(reasons("tiny.png").contains(&"too_small"));
    // Readable whatever its name, but nobody is in it.
    for name in ["png-named.jpg", "whole.jpg"] {
        assert!(reasons(name).contains(&"no_person"), "{name}: {:?}", reasons(name));
    }
}

#[test]
fn a_full_disk_is_said_clearly_and_what_was_stored_stays() {
    // A small tmpfs stands for a full disk.
    let place = Workplace::demo(8, 1, 6);
    let disk = place.path().join("disk");
    fs::create_dir_all(&disk).expect("a folder can be made");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(&disk)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("not tested: no file system can be mounted here (it needs root)");
        return;
    }
    let work = disk.join("work");
    let output = place.command(&["dataset"]).env("BOLID_WORKDIR", &work).output().expect("bolid starts");
    let (code, said) = (output.status.code(), text(&output.stderr));
    let moved = place.workdir();
    let copied = std::process::Command::new("cp").arg("-r").arg(&work).arg(&moved).status();
    let unmounted = std::process::Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("free some space") || said.contains("disk is full"), "{said}");
    // With room again, the same command goes on from what is stored.
    assert!(copied.is_ok_and(|status| status.success()));
    let undisturbed = Workplace::demo(8, 1, 6);
    assert_eq!(place.snapshot_id(&[]), undisturbed.snapshot_id(&[]));
}
