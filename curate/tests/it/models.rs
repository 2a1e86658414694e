//! Models that fit and models that do not, on the tiny files of `fixtures/make_models.py`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{fixture, new, png, runtime};
use curate::decode::facts_cache_key;
use curate::detect::nms::MIN_STORED_SCORE;
use curate::detect::{self, NewModel};
use curate::{
    DecodedPhoto, Detectors, Device, FeatureNetwork, MeasureError, Measurements, MinDecodeSize, ModelChoice,
    ModelError, ModelSchedule, Registry, Role, decode,
};
use image::{Rgb, RgbImage};
use photo::{Digest, Rules};
use tempfile::TempDir;

/// A registry of the three fixtures that fit.
fn registry(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("models.toml");
    for (name, role) in [("watermark", Role::Watermark), ("faces", Role::Faces), ("people", Role::People)] {
        detect::add(&path, &new(name, role), &runtime()).unwrap();
    }
    path
}

fn load(registry: &Path) -> Result<Detectors, ModelError> {
    Detectors::load(&Registry::read(registry)?, &ModelChoice::default(), &runtime(), Device::Cpu)
}

/// Lit by red and green: the fixtures see a face and a person there.
fn lit(cell: (u32, u32), side: u32) -> RgbImage {
    crate::support::lit(cell, side, [230, 204, 0])
}

fn photo(image: RgbImage) -> DecodedPhoto {
    decode(&png(image)).unwrap()
}

#[test]
fn what_models_see_comes_back_in_photo_pixels() {
    let folder = TempDir::new().unwrap();
    let detectors = load(&registry(&folder)).unwrap();
    let seen = detectors.measure(&png(lit((1, 2), 256))).unwrap();
    let [person] = seen.people.as_deref().unwrap() else { panic!("{:?}", seen.people) };
    assert_eq!((person.bbox.x0, person.bbox.y0, person.bbox.x1, person.bbox.y1), (64.0, 128.0, 128.0, 192.0));
    assert_eq!(person.score, 0.902); // 230 of 255
    assert_eq!(
        (person.joints.0[16].x, person.joints.0[16].y, person.joints.0[16].confidence),
        (96.0, 160.0, 0.8)
    );
    let [face] = seen.faces.as_deref().unwrap() else { panic!("{:?}", seen.faces) };
    assert_eq!((face.bbox, face.score), (person.bbox, person.score));
    // no blue: the logits are [0, −10]
    let watermark = seen.watermark.unwrap();
    assert_eq!(watermark.regions.len(), 10);
    assert!(watermark.regions.iter().all(|&(_, score)| score == 0.0));
    let blue =
        RgbImage::from_fn(256, 256, |x, y| if x >= 154 && y >= 154 { Rgb([0, 0, 255]) } else { Rgb([0; 3]) });
    let (region, score) = detectors.watermark(&photo(blue)).unwrap().highest().unwrap();
    assert_eq!((region, score), (photo::tiles::Region::BottomRight, 1.0));
}

#[test]
fn results_are_the_same_on_one_thread_and_on_many() {
    let folder = TempDir::new().unwrap();
    let detectors = load(&registry(&folder)).unwrap();
    let photos: Vec<(usize, Vec<u8>)> =
        (0..24).map(|i| (i, png(lit((i as u32 % 4, i as u32 / 7), 100 + 3 * i as u32)))).collect();
    let measured = |threads: usize| -> Vec<Measurements> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let results = std::sync::Mutex::new(Vec::new());
        pool.install(|| {
            detectors.measure_each(photos.iter().map(|(i, bytes)| (*i, bytes)), |i, measured| {
                results.lock().unwrap().push((i, measured.unwrap()));
            });
        });
        let mut results = results.into_inner().unwrap();
        results.sort_by_key(|(i, _)| *i);
        results.into_iter().map(|(_, measured)| measured).collect()
    };
    let on_one = measured(1);
    assert_eq!(on_one.len(), photos.len());
    assert_eq!(on_one, measured(5));
    let json = serde_json::to_string(&on_one).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Measurements>>(&json).unwrap(), on_one);
}

#[test]
fn a_file_that_takes_one_image_at_a_time_is_run_image_by_image() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder);
    let expected = load(&path).unwrap().people(&photo(lit((3, 0), 64))).unwrap();
    let one = NewModel { name: "people".to_owned(), ..new("people_batch_of_one", Role::People) };
    detect::add(&path, &one, &runtime()).unwrap();
    assert_eq!(load(&path).unwrap().people(&photo(lit((3, 0), 64))).unwrap(), expected);
    assert_eq!(expected.len(), 1);
}

#[test]
fn an_unreadable_photo_is_told_apart_from_a_failing_model() {
    let folder = TempDir::new().unwrap();
    let error = load(&registry(&folder)).unwrap().measure(b"no photo").unwrap_err();
    assert!(matches!(error, MeasureError::Unreadable(_)), "{error}");
}

#[test]
fn scores_are_stored_under_the_model_and_its_settings() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder);
    let before = load(&path).unwrap().cache_key(Role::People);
    assert_eq!(before, load(&path).unwrap().cache_key(Role::People));
    let one = NewModel { name: "people".to_owned(), ..new("people_batch_of_one", Role::People) };
    detect::add(&path, &one, &runtime()).unwrap();
    let after = load(&path).unwrap();
    assert_ne!(before, after.cache_key(Role::People));
    assert_ne!(after.cache_key(Role::Faces), Some(facts_cache_key(MinDecodeSize::WHOLE)));
    const { assert!(MIN_STORED_SCORE <= 0.25, "rules may ask for scores down to a quarter") };
}

/// The error of a registry whose `faces` entry is changed by `change`.
fn refusal(change: impl FnOnce(String, &Path) -> String) -> String {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder);
    fs::copy(fixture("faces"), folder.path().join("faces.onnx")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&fixture("faces").canonicalize().unwrap().display().to_string(), "faces.onnx");
    assert!(text.contains("\"faces.onnx\""));
    fs::write(&path, change(text, folder.path())).unwrap();
    load(&path).unwrap_err().to_string()
}

#[track_caller]
fn assert_tells(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn the_model_with_the_least_work_is_asked_first_and_faces_after_people() {
    let folder = TempDir::new().unwrap();
    let registry = Registry::read(&registry(&folder)).unwrap();
    let choose = |role| registry.choose(role, None);
    let work = |role| detect::work(&registry, choose(role).unwrap());
    let until = |off: Option<Role>| {
        let chosen = |role| (Some(role) != off).then(|| choose(role)).transpose();
        match ModelSchedule::early_exit(&Rules::default(), &registry, chosen).unwrap() {
            ModelSchedule::EarlyExit { order, .. } => order,
            ModelSchedule::All => panic!("not every model is asked"),
        }
    };
    assert_eq!(until(Some(Role::Watermark)), [Role::People, Role::Faces], "a role that is off is not asked");
    let order = until(None);
    let place = |role| order.iter().position(|&other| other == role).unwrap();
    assert!(place(Role::People) < place(Role::Faces));
    assert_eq!(place(Role::Watermark) == 0, work(Role::Watermark) <= work(Role::People));
    assert_eq!(work(Role::Watermark), {
        let bytes = fs::metadata(fixture("watermark")).unwrap().len();
        u128::from(bytes) * 64 * 64 * 10 // the frame and nine tiles
    });
}

#[test]
fn a_missing_file_is_named() {
    let error = refusal(|text, _| text.replace("faces.onnx", "gone.onnx"));
    assert_tells(&error, &["gone.onnx", "`faces`", "cannot be read"]);
}

#[test]
fn a_damaged_file_is_named_with_both_digests() {
    let declared = Digest::of(fs::read(fixture("faces")).unwrap());
    let error = refusal(|text, folder| {
        let mut bytes = fs::read(folder.join("faces.onnx")).unwrap();
        bytes[100] ^= 1;
        fs::write(folder.join("faces.onnx"), bytes).unwrap();
        text
    });
    assert_tells(&error, &["faces.onnx", "`faces`", &declared.to_string(), "damaged", "models add"]);
}

#[test]
fn a_file_that_is_no_model_is_refused_even_with_its_digest() {
    let error = refusal(|text, folder| {
        fs::write(folder.join("faces.onnx"), "nonsense").unwrap();
        let declared = Digest::of(fs::read(fixture("faces")).unwrap());
        text.replace(&declared.to_string(), &Digest::of("nonsense").to_string())
    });
    assert_tells(&error, &["cannot load", "`faces`", "faces.onnx"]);
}

#[test]
fn an_entry_that_contradicts_its_role_is_refused() {
    let error = refusal(|text, _| text.replace("yolo[n,5,anchors]", "yolo[n,6,anchors]"));
    assert_tells(&error, &["`faces`", "yolo[n,5,anchors]", "yolo[n,6,anchors]"]);
    let error = refusal(|text, _| {
        let faces = text.find("name = \"faces\"").unwrap();
        let (head, tail) = text.split_at(faces);
        head.to_owned() + &tail.replacen("[64, 64]", "[640, 640]", 1)
    });
    assert_tells(&error, &["`faces`", "`images`", "[n,3,640,640]", "[?,3,64,64]"]);
}

#[test]
fn a_registry_with_an_unknown_key_a_typo_or_a_name_twice_is_refused() {
    let error = refusal(|text, _| text.replacen("role", "rolle", 1));
    assert_tells(&error, &["models.toml", "rolle", "line"]);
    let error = refusal(|text, _| text.replace("\"watermark\"\nrole", "\"faces\"\nrole"));
    assert_tells(&error, &["models.toml", "`faces` twice"]);
    let error = refusal(|text, _| text[..text.find("[[model]]\nname = \"people\"").unwrap()].to_owned());
    assert_tells(&error, &["no model with the role `people`", "models add"]);
    let missing = Registry::read(Path::new("/nowhere/models.toml")).unwrap_err().to_string();
    assert_tells(&missing, &["/nowhere/models.toml"]);
}

#[test]
fn of_several_models_of_a_role_one_has_to_be_named() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder);
    detect::add(&path, &NewModel { name: "second".to_owned(), ..new("faces", Role::Faces) }, &runtime())
        .unwrap();
    let registry = Registry::read(&path).unwrap();
    assert_tells(&registry.choose(Role::Faces, None).unwrap_err().to_string(), &["several", "faces, second"]);
    assert_eq!(registry.choose(Role::Faces, Some("second")).unwrap().name, "second");
    assert_tells(
        &registry.choose(Role::Faces, Some("third")).unwrap_err().to_string(),
        &["`third`", "faces, second"],
    );
}

#[test]
fn files_of_another_shape_are_not_added() {
    let cases = [
        ("faces_with_a_sixth_row", Role::Faces, "[?,6,16]"),
        ("faces_that_hide_a_sixth_row", Role::Faces, "[1,6,16]"),
        ("faces", Role::People, "[?,5,16]"),
        ("watermark", Role::Faces, "[?,2]"),
        ("watermark_of_three_classes", Role::Watermark, "[?,3]"),
        ("watermark_of_bytes", Role::Watermark, "[?,3,64,64]"),
        ("face_embedding_of_128", Role::FaceEmbedding, "[?,128]"),
        ("face_embedding_of_64_px", Role::FaceEmbedding, "64×64 px"),
        ("watermark", Role::FaceEmbedding, "64×64 px"),
        ("face_embedding", Role::Watermark, "[?,512]"),
    ];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("models.toml");
    for (name, role, found) in cases {
        let error = detect::add(&path, &new(name, role), &runtime()).unwrap_err();
        assert!(matches!(error, ModelError::Contract { .. }), "{error}");
        assert_tells(&error.to_string(), &[name, role.name(), found]);
    }
    assert!(!path.exists(), "a refused model leaves no trace");
}

#[test]
fn adding_replaces_the_entry_of_the_name_and_keeps_comments() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder);
    let text = fs::read_to_string(&path).unwrap();
    let commented =
        format!("# our models\n\n{}", text.replace("role = \"people\"", "role = \"people\" # the pose"));
    fs::write(&path, &commented).unwrap();
    let again = NewModel { licence: Some("MIT".to_owned()), ..new("people", Role::People) };
    let entry = detect::add(&path, &again, &runtime()).unwrap();
    assert_eq!((entry.input_size, entry.output.as_str()), ([64, 64], "yolo[n,56,anchors]"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("# our models\n")
            && text.contains("# the pose")
            && text.contains("licence = \"MIT\"")
    );
    let registry = Registry::read(&path).unwrap();
    assert_eq!(registry.models().len(), 3);
    assert_eq!(registry.choose(Role::People, None).unwrap(), &entry);
}

#[test]
fn a_missing_library_says_what_to_run() {
    // In a process of its own, since a library once loaded stays.
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program)
        .env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so")
        .args(["--exact", "models::what_models_see_comes_back_in_photo_pixels"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_tells(&text, &["/nowhere/libonnxruntime.so", "pip install onnxruntime", "ORT_DYLIB_PATH"]);
}

#[test]
fn a_network_of_features_takes_pictures_of_any_size() {
    let network = FeatureNetwork::load(&fixture("features"), &runtime()).unwrap();
    assert!(network.has_logits() && network.name().starts_with("features "), "{}", network.name());
    let even = RgbImage::from_pixel(6, 8, Rgb([51, 102, 255]));
    let half = RgbImage::from_fn(6, 8, |_, y| if y < 4 { Rgb([255, 0, 0]) } else { Rgb([0; 3]) });
    // onnxruntime 1.31 for Python says the same of both.
    let expected: [([f32; 5], [f32; 4]); 2] = [
        ([0.2, 0.6, 1.0, 1.4, 1.8], [-0.5, 2.0, -0.4, 0.0]),
        ([-0.875, -0.75, -0.625, -0.5, -0.375], [1.25, -0.3125, -0.125, 0.9375]),
    ];
    let found = network.run(&[even, half]).unwrap();
    for (found, (features, logits)) in found.iter().zip(expected) {
        let pairs = found.features.iter().zip(features).chain(found.logits.iter().zip(logits));
        assert!(pairs.into_iter().all(|(found, expected)| (found - expected).abs() < 1e-5), "{found:?}");
    }
    let many = vec![RgbImage::new(9, 9); 40];
    assert_eq!(network.run(&many).unwrap().len(), 40);
    for (file, named) in [
        ("features_of_another_name", "an output should be `features`, but is pooled, logits"),
        ("watermark_of_bytes", "an output should be `features`"),
        ("nowhere", "cannot be read"),
    ] {
        let error = FeatureNetwork::load(&fixture(file), &runtime()).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains(file), "{error}");
    }
}
