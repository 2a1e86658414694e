//! Faces of one gallery that are another person's, through the program: a photo of somebody else among a
//! person's photos.

use std::fs;
use std::path::PathBuf;

use crate::support::{Workplace, files_below, json_lines, project, text};
use serde_json::Value;
use synth::{Collection, CollectionSpec};

/// What the README suggests. The fixture tells light skin from dark, so the two people are chosen by that.
const LOWEST: &str = "rules.identity.min_similarity=0.35";

/// A work folder that imports `ada`, six photos of one person and one of another, and a list of models beside it.
struct Gallery {
    place: Workplace,
    photos: PathBuf,
    models: PathBuf,
}

impl Gallery {
    fn new() -> Self {
        let place = Workplace::demo(1, 1, 1);
        let photos = place.path().join("photos");
        fs::create_dir_all(photos.join("ada")).expect("a folder can be made");
        let collection = Collection::new(CollectionSpec { seed: 31, identities: 3, photos_per_identity: 12 });
        for (person, name, count) in [(0, "own", 6), (2, "other", 1)] {
            let of_person = collection.identities[person].photos.iter();
            for (number, photo) in of_person.filter(|photo| photo.plant.is_none()).take(count).enumerate() {
                fs::write(photos.join(format!("ada/{name}-{number}.jpg")), photo.bytes()).expect("a photo");
            }
        }
        let models = place.path().join("models.toml");
        let demo = project().join("data/models");
        let listed = fs::read_to_string(demo.join("models.toml")).expect("the demo models are listed");
        fs::write(&models, listed.replace("file = \"", &format!("file = \"{}/", demo.display())))
            .expect("a list");
        let recipe = format!(
            "name = \"mine\"\nmodels = {models:?}\n\n[[imports]]\nname = \"mine\"\npath = {photos:?}\n\n\
             [rules]\nmin_photos = 1\n"
        );
        fs::write(place.recipe(), recipe).expect("a recipe can be written");
        let gallery = Self { place, photos, models };
        gallery.succeed(&["import", &gallery.photos.display().to_string(), "--name", "mine"]);
        gallery
    }

    fn succeed(&self, arguments: &[&str]) -> std::process::Output {
        self.place.succeed(arguments)
    }

    fn add_model(&self) {
        let file = project().join("curate/tests/fixtures/face_embedding.onnx");
        let (file, models) = (file.display().to_string(), self.models.display().to_string());
        self.succeed(&["models", "add", &file, "--role", "face_embedding", "--models", &models]);
    }

    fn explained(&self, file: &str) -> Value {
        json_lines(&self.succeed(&["--json", "explain", &format!("file:ada/{file}"), "--set", LOWEST]))
            .remove(0)
    }

    fn snapshot(&self, set: &[&str]) -> snapshot::Snapshot {
        let line =
            json_lines(&self.succeed(&[&["--json", "dataset"], set].concat())).pop().expect("a snapshot");
        let id = line["id"].as_str().expect("an id").to_owned();
        snapshot::Snapshot::open(&self.place.workdir().join(format!("snapshots/mine-{id}")))
            .expect("a snapshot")
    }
}

/// What was stored of a photo by a kind of probe.
fn scores(explained: &Value, kind: &str) -> Vec<Value> {
    let all = explained["scores"].as_array().expect("scores").iter();
    all.filter(|score| score["kind"] == kind).cloned().collect()
}

#[test]
fn a_photo_of_another_person_is_dropped_and_everything_that_shows_photos_says_why() {
    let gallery = Gallery::new();
    gallery.add_model();
    let without = gallery.snapshot(&[]);
    assert_eq!(without.photos().len(), 7, "without the rule, all photos are good");

    // From the stored scores it is known what lacks.
    let shown = text(&gallery.succeed(&["judge", "--dry-run", "--set", LOWEST]).stdout);
    assert!(shown.contains("not_measured"), "{shown}");
    gallery.succeed(&["measure", "--set", LOWEST]);
    let changes = json_lines(&gallery.succeed(&["--json", "judge", "--dry-run", "--set", LOWEST]));
    let moved: Vec<_> = changes.iter().filter(|line| line["change"] == "photo").collect();
    assert_eq!(moved.len(), 1, "{changes:?}");
    assert!(moved[0]["photo"].as_str().expect("an address").ends_with("other-0.jpg"), "{moved:?}");
    let reason = changes.iter().find(|line| line["change"] == "reason").expect("a reason");
    assert_eq!((&reason["reason"], &reason["after"]), (&"other_person".into(), &1.into()));

    let with = gallery.snapshot(&["--set", LOWEST]);
    assert_eq!(with.photos().len(), 6);
    assert!(with.photos().iter().all(|photo| photo.facts.scores.similarity > Some(0.35)));
    let dropped = with.dropped().expect("dropped photos");
    let [photo::Reason::OtherPerson { similarity }] = dropped[0].facts.reasons[..] else {
        panic!("{dropped:?}")
    };
    assert_eq!(dropped[0].facts.scores.similarity, Some(similarity));
    assert!(dropped[0].facts.url.ends_with("other-0.jpg") && similarity < 0.35, "{similarity}");
    let role = |model: &snapshot::ModelRef| model.role == "face_embedding";
    assert!(with.manifest().spec.models.iter().any(role) && !without.manifest().spec.models.iter().any(role));

    let shown = text(&gallery.succeed(&["explain", "file:ada/other-0.jpg", "--set", LOWEST]).stdout);
    assert!(shown.contains(&format!("other_person: similarity {similarity:.3}")), "{shown}");
    assert!(shown.contains("face_embedding the directions of 1 face"), "{shown}");
    let page = gallery.place.path().join("report.html");
    gallery.succeed(&["report", "--out", &page.display().to_string(), "--set", LOWEST]);
    let page = fs::read_to_string(&page).expect("the page was written");
    assert!(page.contains("\"name\":\"other_person\""));
    assert!(page.contains(&format!("\"similarity\":{similarity}")), "the page has what is compared");

    let looser = gallery.snapshot(&["--set", LOWEST, "--set", "rules.site.mine.identity.min_similarity=-1"]);
    assert_eq!(looser.photos().len(), 7, "a site may do without");
}

#[test]
fn a_model_that_no_rule_asks_for_changes_nothing_and_the_rule_measures_nothing_twice() {
    let gallery = Gallery::new();
    let before = gallery.snapshot(&[]);
    let files = files_below(before.path());
    let scores_before = gallery.explained("own-0.jpg")["scores"].clone();
    gallery.add_model();
    assert_eq!(json_lines(&gallery.succeed(&["--json", "measure"])).remove(0)["measured"], 0);
    assert_eq!(gallery.snapshot(&[]).id(), before.id());
    gallery.place.forget_work();
    gallery.succeed(&["import", &gallery.photos.display().to_string(), "--name", "mine"]);
    let again = gallery.snapshot(&["--threads", "1"]);
    let told_by_time =
        |path: &PathBuf| ["build.json", "fetches.parquet"].iter().any(|name| path.ends_with(name));
    for ((path, first), (_, second)) in files.iter().zip(&files_below(again.path())) {
        assert!(told_by_time(path) || first == second, "{} differs", path.display());
    }
    assert_eq!(gallery.explained("own-0.jpg")["scores"], scores_before);

    gallery.succeed(&["measure", "--threads", "1", "--set", LOWEST]);
    let scored = gallery.explained("own-0.jpg");
    for kind in ["image", "watermark", "faces", "people"] {
        let of_kind = scores(&scored, kind);
        assert_eq!(of_kind.len(), 1, "{kind} was measured once");
        assert!(scores_before.as_array().expect("scores").contains(&of_kind[0]), "{kind}");
    }
    let embedded = scores(&scored, "face_embedding");
    assert_eq!(embedded[0]["value"][0]["face"], 0);
    assert_eq!(
        json_lines(&gallery.succeed(&["--json", "measure", "--set", LOWEST])).remove(0)["measured"],
        0
    );

    gallery.place.forget_work();
    gallery.succeed(&["import", &gallery.photos.display().to_string(), "--name", "mine"]);
    gallery.succeed(&["measure", "--threads", "5", "--set", LOWEST]);
    assert_eq!(scores(&gallery.explained("own-0.jpg"), "face_embedding"), embedded, "on five threads");
}

#[test]
fn a_rule_without_a_model_is_refused_before_anything_is_done_and_says_what_to_do() {
    let gallery = Gallery::new();
    let refused = |arguments: &[&str]| {
        let output = gallery.place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    };
    for command in [&["dataset"][..], &["measure"], &["judge", "--dry-run"]] {
        let said = refused(&[command, &["--set", LOWEST]].concat());
        for word in ["rules.identity.min_similarity", "models.toml", "`face_embedding`", "bolid models add"] {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
    }
    assert!(
        refused(&["judge", "--set", "rules.site.mine.identity.min_similarity=0.4"]).contains("models add")
    );
    assert!(refused(&["judge", "--set", "detectors.face_embedding=arc"]).contains("models add"));
    gallery.add_model();
    assert!(refused(&["judge", "--set", "detectors.face_embedding=arc"]).contains("declares face_embedding"));
    assert!(refused(&["judge", "--set", "rules.identity.min_similarity=35"]).contains("-1 to 1"));
    assert!(refused(&["judge", "--set", "rules.identity.min_likeness=0.3"]).contains("min_similarity"));
}

#[test]
fn a_face_embedding_model_is_listed_and_verified_but_not_quantized() {
    let gallery = Gallery::new();
    gallery.add_model();
    let (photos, models) =
        (gallery.photos.join("ada").display().to_string(), gallery.models.display().to_string());
    let listed = json_lines(&gallery.succeed(&["--json", "models", "list", "--models", &models]));
    assert_eq!(
        (&listed[3]["role"], &listed[3]["output"]),
        (&"face_embedding".into(), &"embedding[n,512]".into())
    );
    gallery.succeed(&["models", "verify", "--models", &models]);
    let before = fs::read_to_string(&gallery.models).expect("the list");
    let refused = gallery.place.run(&[
        "models",
        "quantize",
        "face_embedding",
        "--photos",
        &photos,
        "--models",
        &models,
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("are not quantized"), "{}", text(&refused.stderr));
    assert_eq!(fs::read_to_string(&gallery.models).expect("the list"), before);
    let wrong = project().join("curate/tests/fixtures/face_embedding_of_128.onnx").display().to_string();
    let refused =
        gallery.place.run(&["models", "add", &wrong, "--role", "face_embedding", "--models", &models]);
    assert!(
        text(&refused.stderr).contains("embedding[n,512], but is f32 [?,128]"),
        "{}",
        text(&refused.stderr)
    );
}
