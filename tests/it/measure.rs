//! Measuring on many threads, in parts, on demand: what is stored never depends on how it came about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Workplace, json_lines, text};
use serde_json::Value;
use synth::{Collection, CollectionSpec, Plant};

/// A place whose recipe imports a folder `photos`, which is empty at first.
fn place(rules: &str) -> Workplace {
    let place = Workplace::demo(1, 1, 1);
    let folder = place.path().join("photos");
    fs::create_dir(&folder).unwrap();
    let recipe = format!(
        "name = \"test\"\nmodels = {:?}\n\n[[imports]]\nname = \"test\"\npath = \
         {folder:?}\n\n[rules]\nmin_photos = 1\n{rules}",
        crate::support::project().join("data/models/models.toml"),
    );
    fs::write(place.recipe(), recipe).unwrap();
    place
}

/// Photos of synthetic people: file name and bytes. The last is large enough to be decoded at half its size.
fn photos() -> Vec<(String, Vec<u8>)> {
    let spec = CollectionSpec { seed: 31, identities: 1, photos_per_identity: 24 };
    let all = Collection::new(spec).identities.remove(0).photos;
    let (planted, good): (Vec<_>, Vec<_>) = all.into_iter().partition(|photo| photo.plant.is_some());
    let large = good[0].clone().resized(1800, 2400);
    // Broken files and second copies never become photos of their own.
    let is_odd = |photo: &synth::SyntheticPhoto| {
        matches!(photo.plant, Some(Plant::Broken { .. } | Plant::Duplicate { .. }))
    };
    let planted = planted.into_iter().filter(|photo| !is_odd(photo));
    let chosen = planted.take(6).chain(good.into_iter().take(3)).chain([large]);
    chosen.enumerate().map(|(i, photo)| (format!("{i:02}.jpg"), photo.bytes())).collect()
}

fn import(place: &Workplace, photos: &[(String, Vec<u8>)]) {
    let folder = place.path().join("photos");
    for (name, bytes) in photos {
        fs::write(folder.join(name), bytes).unwrap();
    }
    place.succeed(&["import", folder.to_str().unwrap(), "--name", "test"]);
}

/// What is stored of every photo, by file name: scores and verdicts.
fn stored(place: &Workplace, photos: &[(String, Vec<u8>)]) -> BTreeMap<String, (Value, Value)> {
    let explain = |bytes: &[u8]| {
        let explained = place.succeed(&["--json", "explain", &photo::Digest::of(bytes).to_string()]);
        let mut lines = json_lines(&explained);
        let line = lines.remove(0);
        (line["scores"].clone(), line["verdicts"].clone())
    };
    photos.iter().map(|(name, bytes)| (name.clone(), explain(bytes))).collect()
}

#[test]
fn scores_and_verdicts_are_the_same_on_any_number_of_threads_and_in_any_parts() {
    let photos = photos();
    let at_once = place("");
    import(&at_once, &photos);
    at_once.succeed(&["measure", "--threads", "1"]);
    at_once.succeed(&["judge"]);
    let expected = stored(&at_once, &photos);
    assert!(expected.values().any(|(_, verdicts)| verdicts[0]["verdict"] == "keep"));

    let on_many = place("");
    import(&on_many, &photos);
    on_many.succeed(&["measure", "--threads", "5"]);
    on_many.succeed(&["judge"]);
    assert_eq!(stored(&on_many, &photos), expected, "on five threads");

    let in_parts = place("");
    for part in photos.chunks(3) {
        import(&in_parts, part);
        in_parts.succeed(&["measure"]);
    }
    in_parts.succeed(&["judge"]);
    assert_eq!(stored(&in_parts, &photos), expected, "three photos at a time");
}

#[test]
fn what_became_of_a_photos_colours_and_of_its_end_is_stored_and_told() {
    let place = place("min_side = 1\n");
    let chart = |name: &str| {
        let path = crate::support::project().join("curate/tests/fixtures/colour").join(name);
        (name.to_owned(), fs::read(path).unwrap())
    };
    let (wide, srgb, unended) = (chart("p3.jpg"), chart("srgb.jpg"), chart("adobe.jpg"));
    let unended = ("unended.jpg".to_owned(), unended.1[..unended.1.len() - 2].to_vec());
    let mut broken = wide.1.clone();
    let profile = broken.windows(12).position(|window| window == b"ICC_PROFILE\0").unwrap() + 14;
    broken[profile + 36] = b'x'; // of `acsp`, by which profiles are known
    let broken = ("broken.jpg".to_owned(), broken);
    let photos = [wide, srgb, unended, broken];
    import(&place, &photos);
    place.succeed(&["measure"]);
    let told = |photo: &(String, Vec<u8>)| {
        let explained = place.succeed(&["explain", &photo::Digest::of(&photo.1).to_string()]);
        text(&explained.stdout)
    };
    let [wide, srgb, unended, broken] = photos.each_ref().map(told);
    assert!(wide.contains("colours converted to sRGB from “Wide P3”"), "{wide}");
    assert!(!srgb.contains("sRGB") && !srgb.contains("end marker"), "{srgb}");
    assert!(unended.contains("whole, though the file's end marker is missing"), "{unended}");
    assert!(unended.contains("from “Wide gamma 2.2”"), "{unended}");
    assert!(broken.contains("colours taken as sRGB: the colour profile is broken"), "{broken}");
}

fn is_missing(score: &Value) -> bool {
    score["value"] == "not_measured"
}

#[test]
fn models_that_could_not_change_a_drop_are_asked_on_demand_or_by_all() {
    let photos = photos();
    let place = place("");
    import(&place, &photos);
    place.succeed(&["measure"]);
    place.succeed(&["judge"]);
    let some = stored(&place, &photos);
    let scores = |of: &BTreeMap<String, (Value, Value)>| -> Vec<Value> {
        of.values().flat_map(|(scores, _)| scores.as_array().unwrap().clone()).collect()
    };
    assert!(scores(&some).iter().any(is_missing), "among the planted photos are some that one model drops");

    // Rules under which every photo that can be read may be kept as far as the first model goes.
    let loose = [
        "--set",
        "rules.min_side=1",
        "--set",
        "rules.people.min_score=0.99",
        "--set",
        "rules.watermark.max_score=1",
    ];
    let shown = place.succeed(&[&["judge", "--dry-run"], &loose[..]].concat());
    assert!(text(&shown.stdout).contains("not_measured"), "{}", text(&shown.stdout));
    let refused = place.run(&[&["prepare"], &loose[..]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("bolid measure"), "{}", text(&refused.stderr));
    let measured = json_lines(&place.succeed(&[&["--json", "measure"], &loose[..]].concat())).remove(0);
    assert!(measured["measured"].as_u64().unwrap() > 0);
    let shown = place.succeed(&[&["judge", "--dry-run"], &loose[..]].concat());
    assert!(!text(&shown.stdout).contains("not_measured"), "{}", text(&shown.stdout));

    // What the other rules asked for changes nothing under the first ones.
    place.succeed(&["judge"]);
    let again = stored(&place, &photos);
    for (name, (_, verdicts)) in &some {
        assert_eq!(&again[name].1, verdicts, "{name}");
    }
    place.succeed(&["measure", "--all"]);
    assert!(!scores(&stored(&place, &photos)).iter().any(is_missing));
    assert_eq!(json_lines(&place.succeed(&["--json", "measure"])).remove(0)["measured"], 0);
}

#[test]
fn a_device_that_is_not_there_is_refused_with_what_is_missing() {
    let place = place("");
    import(&place, &photos()[..1]);
    let output = place.run(&["measure", "--device", "cuda"]);
    let said = text(&output.stderr);
    if Path::new("/proc/driver/nvidia/version").exists() && output.status.success() {
        return; // there is one
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(["onnxruntime-gpu", "NVIDIA", "cuDNN"].iter().any(|word| said.contains(word)), "{said}");
    assert!(said.contains("cuda"), "{said}");
    let unknown = place.run(&["measure", "--device", "tpu"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("cpu, cuda"), "{}", text(&unknown.stderr));
    let by_recipe = place.run(&["dataset", "--set", "measure.device=cuda"]);
    assert_eq!(by_recipe.status.code(), Some(1), "{}", text(&by_recipe.stderr));
}

#[test]
fn a_variant_is_quantized_where_python_has_what_it_takes_and_refused_with_a_reason_otherwise() {
    let place = place("");
    import(&place, &photos());
    let folder = place.path().join("photos");
    let registry = place.path().join("models.toml");
    let file = crate::support::project().join("data/models/faces.onnx");
    let copy = place.path().join("faces.onnx");
    fs::copy(file, &copy).unwrap();
    let (photos, registry) = (folder.to_str().unwrap(), registry.to_str().unwrap());
    place.succeed(&["models", "add", copy.to_str().unwrap(), "--role", "faces", "--models", registry]);
    let quantize = |python: &str, more: &[&str]| {
        let quantize = ["models", "quantize", "faces", "--photos", photos, "--models", registry];
        place.run(&[&quantize[..], &["--python", python], more].concat())
    };
    let refused = quantize("/nowhere/python", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("make python"), "{}", text(&refused.stderr));
    assert!(!fs::read_to_string(registry).unwrap().contains("int8"), "a failure registers nothing");
    let Some(python) = std::env::var_os("BOLID_PYTHON").map(PathBuf::from) else { return };
    let python = python.to_str().unwrap();
    // Whether it saves time is for this machine to say; the list and the folder say the same.
    let tried = json_lines(&quantize(python, &["--json"])).remove(0);
    let is_registered = tried["registered"].as_bool().unwrap();
    assert_eq!(fs::read_to_string(registry).unwrap().contains("faces-int8"), is_registered);
    assert_eq!(place.path().join("faces-int8.onnx").exists(), is_registered);
    let done = quantize(python, &["--anyway"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("% of the time of faces"), "{}", text(&done.stdout));
    let listed = json_lines(&place.succeed(&["--json", "models", "list", "--models", registry]));
    assert_eq!(listed[1]["name"], "faces-int8");
    place.succeed(&["models", "verify", "--models", registry]);
}

/// A stand-in for Python that makes the variant by a shell command.
#[cfg(unix)]
fn python_that_runs(place: &Workplace, name: &str, command: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file = place.path().join(name);
    // Called as: -c SCRIPT --model FILE --inputs DIR --output FILE
    fs::write(&file, format!("#!/bin/sh\nmodel=$4 output=$8\n{command}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[cfg(unix)]
#[test]
fn quantizing_again_or_in_vain_leaves_every_file_of_the_list_as_it_is() {
    let place = place("");
    import(&place, &photos()[..4]);
    let photos = place.path().join("photos");
    let list = place.path().join("models.toml");
    let list = list.to_str().unwrap();
    for (name, role) in [("faces", "faces"), ("pose", "people")] {
        let copy = place.path().join(format!("{name}.onnx"));
        fs::copy(crate::support::project().join(format!("data/models/{name}.onnx")), &copy).unwrap();
        place.succeed(&["models", "add", copy.to_str().unwrap(), "--role", role, "--models", list]);
    }
    let quantize = |python: &str, more: &[&str]| {
        let quantize =
            ["models", "quantize", "faces", "--photos", photos.to_str().unwrap(), "--models", list];
        place.run(&[&quantize[..], &["--python", python], more].concat())
    };
    let copying = python_that_runs(&place, "copying", "cp \"$model\" \"$output\"");
    let broken = python_that_runs(&place, "broken", "echo no model > \"$output\"");
    let first = quantize(&copying, &["--anyway"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let files = || -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = files();
    assert!(before.contains_key(&place.path().join("faces-int8.onnx")));
    for (python, name, said) in [
        (&copying, "faces", "the file of `faces` itself"),
        (&copying, "pose", "is another model"),
        (&broken, "faces-int8", "faces-int8"),
    ] {
        let refused = quantize(python, &["--as-name", name, "--anyway"]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(text(&refused.stderr).contains(said), "{name}: {}", text(&refused.stderr));
        assert!(files() == before, "{name}");
    }
    // Registered again or found to save nothing: either way what the list names is there.
    let again = quantize(&copying, &[]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    place.succeed(&["models", "verify", "--models", list]);
    assert!(files() == before, "the copy is the same, and nothing is left beside it");
    let mut names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.any(|name| name.to_string_lossy().starts_with(".quantize")));
}

#[test]
fn open_axes_are_found_when_a_model_is_added_and_a_multiple_that_does_not_fit_is_refused() {
    let place = place("");
    let registry = place.path().join("models.toml");
    let list = ["--models", registry.to_str().unwrap()];
    for (file, role, multiple) in [("pose", "people", Some(64)), ("watermark", "watermark", None)] {
        let file = crate::support::project().join(format!("data/models/{file}.onnx"));
        let add = [&["--json", "models", "add", file.to_str().unwrap(), "--role", role], &list[..]].concat();
        let added = json_lines(&place.succeed(&add)).remove(0);
        assert_eq!(added["input_multiple"].as_u64(), multiple, "{role}");
    }
    let text_of = fs::read_to_string(&registry).unwrap();
    let verify = [&["models", "verify"], &list[..]].concat();
    for (multiple, said) in [("32", "cannot run"), ("50", "a divisor of 640")] {
        let wrong = text_of.replace("input_multiple = 64", &format!("input_multiple = {multiple}"));
        fs::write(&registry, wrong).unwrap();
        let refused = place.run(&verify);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stdout).contains(said), "{}", text(&refused.stdout));
    }
}
