//! The report's page and the decisions made on it, through the program.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Workplace, browser, json_lines, text};
use photo::Digest;
use serde_json::{Value, json};
use synth::{Collection, CollectionSpec, Plant};

/// The data that a page is drawn from.
fn data(page: &str) -> Value {
    let from = page.find("id=\"data\">").expect("the page has data") + "id=\"data\">".len();
    let json = &page[from..from + page[from..].find("</script>").expect("the data ends")];
    serde_json::from_str(json).expect("the data is JSON")
}

fn page(place: &Workplace, arguments: &[&str]) -> String {
    let out = place.path().join("report.html");
    place.succeed(&[&["report", "--out", out.to_str().expect("a plain path")], arguments].concat());
    fs::read_to_string(&out).expect("the page was written")
}

#[test]
fn the_page_holds_every_photo_with_its_verdict_and_loads_nothing() {
    let place = Workplace::demo(51, 2, 6);
    let id = place.snapshot_id(&[]);
    let of_catalog = page(&place, &[]);
    let of_snapshot = page(&place, &[&id]);
    let snapshot = snapshot::Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot can be opened");
    let dropped = snapshot.dropped().expect("dropped photos");
    for page in [of_catalog, of_snapshot] {
        for link in ["src=\"http", "href=\"http", "url(http", "@import", "fetch("] {
            assert!(!page.contains(link), "{link}");
        }
        let data = data(&page);
        let photos = data["photos"].as_array().expect("photos");
        assert_eq!(photos.len(), snapshot.photos().len() + dropped.len());
        assert_eq!(photos.iter().filter(|photo| photo["keep"] == true).count(), snapshot.photos().len());
        let good = photos.iter().position(|photo| photo["keep"] == true).expect("a kept photo");
        assert!(page.contains(&format!("id=\"t{good}\">/9j/")), "a JPEG in base64");
        let good = &photos[good];
        assert_eq!(good["joints"].as_array().expect("joints").len(), 17);
        assert!(good["scores"]["watermark"].is_number() && good["people"][0]["box"][3].is_number());
        let sigma = good["sigma"].as_f64().expect("a width of the weights");
        assert!((sigma - 64.0 / 1024.0).abs() < 1e-4, "of the padded square: {sigma}");
        for reason in photos.iter().flat_map(|photo| photo["reasons"].as_array().expect("reasons")) {
            let (name, text) =
                (reason["name"].as_str().expect("a name"), reason["text"].as_str().expect("a text"));
            assert!(text.starts_with(&name.replace('_', " ")), "{text}");
        }
    }
}

#[test]
fn a_snapshot_without_its_catalog_still_has_a_page() {
    let place = Workplace::demo(51, 2, 6);
    let id = place.snapshot_id(&[]);
    let moved = place.path().join("moved");
    fs::rename(place.snapshot_folder(&id), &moved).expect("a snapshot can be moved");
    place.forget_work();
    let data = data(&page(&place, &[moved.to_str().expect("a plain path")]));
    let kept = data["photos"].as_array().expect("photos").iter().find(|photo| photo["keep"] == true);
    let kept = kept.expect("a kept photo");
    assert!(kept["people"][0]["box"][3].is_number() && kept["scores"]["face"].is_number());
    assert!(kept["faces"][0]["score"].is_number(), "a snapshot says what was measured: {}", kept["faces"]);
    assert_eq!(kept["pictured"], json!(false));
}

#[test]
fn a_decision_stands_over_the_rules_and_makes_another_snapshot() {
    let place = Workplace::demo(52, 1, 6);
    let before = place.snapshot_id(&[]);
    let photo =
        snapshot::Snapshot::open(&place.snapshot_folder(&before)).expect("a snapshot").photos()[0].clone();
    let sha256 = photo.facts.sha256.to_string();
    let decide = |keep: Option<bool>| {
        let file = place.path().join("decisions.jsonl");
        let line = json!({ "identity": photo.identity, "sha256": sha256, "keep": keep });
        fs::write(&file, format!("{line}\n")).expect("a file can be written");
        place.succeed(&["review", "import", file.to_str().expect("a plain path")]);
    };
    decide(Some(false));
    let after = place.snapshot_id(&[]);
    assert_ne!(after, before);
    let snapshot = snapshot::Snapshot::open(&place.snapshot_folder(&after)).expect("a snapshot");
    let dropped = snapshot.dropped().expect("dropped photos");
    let of_photo = dropped.iter().find(|dropped| dropped.facts.sha256 == Some(photo.facts.sha256));
    assert_eq!(of_photo.expect("it is dropped").facts.reasons, [photo::Reason::Review]);
    assert_eq!(snapshot.manifest().spec.recipe["decisions"][0]["sha256"], sha256.as_str());
    let shown = text(&place.succeed(&["explain", &sha256]).stdout);
    assert!(shown.contains("drop, by hand") && shown.contains("review"), "{shown}");
    decide(None);
    assert_eq!(place.snapshot_id(&[]), before, "taken back, the dataset is the former one");

    let file = place.path().join("bad.jsonl");
    fs::write(&file, "{\"identity\": \"a/b\", \"sha256\": \"12\", \"keep\": true}\n")
        .expect("a file can be written");
    let refused = place.run(&["review", "import", file.to_str().expect("a plain path")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("line 1"), "{}", text(&refused.stderr));
}

/// A place that imports photos of two people under the name `mine`, without broken ones and copies; and the first good
/// photo of the first one.
fn imported(rules: &str, photos_each: usize) -> (Workplace, Vec<u8>) {
    let place = Workplace::demo(1, 1, 1);
    let folder = place.path().join("photos");
    let mut good = None;
    let spec = CollectionSpec { seed: 63, identities: 2, photos_per_identity: photos_each };
    for (number, person) in Collection::new(spec).identities.iter().enumerate() {
        let folder = folder.join(format!("person-{number}"));
        fs::create_dir_all(&folder).expect("a folder can be made");
        for (number, photo) in person.photos.iter().enumerate() {
            let is_odd = matches!(
                photo.plant,
                Some(Plant::Broken { .. } | Plant::Duplicate { .. } | Plant::NearDuplicate { .. })
            );
            if is_odd {
                continue;
            }
            if photo.plant.is_none() {
                good.get_or_insert_with(|| photo.bytes());
            }
            fs::write(folder.join(format!("{number:02}.jpg")), photo.bytes())
                .expect("a photo can be written");
        }
    }
    place.import_instead("mine", &folder);
    let recipe = fs::read_to_string(place.recipe()).expect("a recipe can be read");
    fs::write(place.recipe(), recipe + rules).expect("a recipe can be written");
    place.succeed(&["import", folder.to_str().expect("a plain path"), "--name", "mine"]);
    (place, good.expect("a good photo"))
}

#[test]
fn a_photo_that_no_model_was_asked_of_is_measured_and_kept_when_it_is_kept_by_hand() {
    let (place, good) = imported("min_side = 5000\n", 4);
    let sha256 = Digest::of(&good).to_string();
    let explained = || json_lines(&place.succeed(&["--json", "explain", &sha256])).remove(0);
    let scores = |missing: bool| {
        let explained = explained();
        let scores = explained["scores"].as_array().expect("scores").clone();
        scores.iter().filter(|score| (score["value"] == "not_measured") == missing).count()
    };
    let verdict = || {
        let verdicts = explained()["verdicts"].as_array().expect("verdicts").clone();
        verdicts
            .into_iter()
            .find(|verdict| verdict["current"] == true)
            .map(|verdict| verdict["verdict"].clone())
    };
    place.succeed(&["measure"]);
    let judged = place.run(&["judge"]);
    assert_eq!(judged.status.code(), Some(3), "nothing is kept");
    assert!(text(&judged.stderr).contains("rules.min_side"), "{}", text(&judged.stderr));
    assert_eq!((scores(true), scores(false)), (3, 1), "its size alone drops it");
    assert_eq!(verdict().expect("a verdict")["drop"][0]["reason"], "too_small");

    let decide = |keep: Option<bool>| {
        let file = place.path().join("decisions.jsonl");
        let line = json!({ "identity": "mine/person-0", "sha256": sha256, "keep": keep });
        fs::write(&file, line.to_string()).expect("a file can be written");
        place.succeed(&["review", "import", file.to_str().expect("a plain path")]);
    };
    decide(Some(true));
    let refused = place.run(&["judge"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("1 photos lack scores"), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("run `bolid measure`"), "{}", text(&refused.stderr));
    assert_eq!(json_lines(&place.succeed(&["--json", "measure"])).remove(0)["measured"], 1);
    place.succeed(&["judge"]);
    assert_eq!(scores(true), 0, "every model was asked");
    assert_eq!(verdict(), Some(json!("keep")));
    assert_eq!(json_lines(&place.succeed(&["--json", "measure"])).remove(0)["measured"], 0);

    decide(None);
    assert_eq!(place.run(&["judge"]).status.code(), Some(3), "nothing is kept");
    assert_eq!(verdict().expect("a verdict")["drop"][0]["reason"], "too_small", "taken back, the rules hold");
}

/// Settings that tighten, loosen and do both; `min_photos` follows.
const SETTINGS: &str = r#"[{"watermark.max_score": 0.05}, {"watermark.max_score": 1}, {"people.min_score": 0.86},
    {"people.min_score": 0.99, "people.min_score_with_face": 0.99}, {"faces.min_score": 0.9}, {"min_side": 1150},
    {"min_side": 500}, {"people.min_score": 0.05, "people.min_score_with_face": 0.05, "faces.min_score": 0.05},
    {"watermark.max_score": 1, "people.min_score": 0.9, "min_side": 500}]"#;

#[test]
#[ignore = "needs Chromium; `make test-report` runs it"]
fn thresholds_on_the_page_do_what_judge_would_and_its_decisions_are_taken_in() {
    let (place, _) = imported("", 24);
    let set = ["--set", "rules.min_photos=10"];
    place.succeed(&["measure"]);
    place.succeed(&[&["judge"], &set[..]].concat());
    let report = page(&place, &set);
    let script = format!("const settings = {SETTINGS};\n{}", include_str!("../review/thresholds.js"));
    let told = browser::told(place.path(), &report, &script);
    let kept_of = |lines: &[Value]| lines.last().expect("a total")["kept"].clone();
    let judged = json_lines(&place.succeed(&[&["--json", "judge"], &set[..]].concat()));
    assert_eq!(told["before"], kept_of(&judged));

    let settings: Vec<serde_json::Map<String, Value>> = serde_json::from_str(SETTINGS).expect("JSON");
    let (mut lost, mut won, mut open) = (0, 0, 0);
    for (setting, tried) in settings.iter().zip(told["tried"].as_array().expect("what was tried")) {
        let mut arguments: Vec<String> = ["--json", "judge", "--dry-run"].map(str::to_owned).into();
        arguments.extend(set.map(str::to_owned));
        for (rule, value) in setting {
            arguments.extend(["--set".to_owned(), format!("rules.{rule}={value}")]);
            let command = tried["command"].as_str().expect("a command");
            assert!(command.contains(&format!("--set rules.{rule}={value}")), "{command}");
        }
        let lines = json_lines(&place.succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
        let moved = |is_kept_before: bool| -> BTreeSet<String> {
            let moved = lines
                .iter()
                .filter(|line| line["change"] == "photo" && (line["before"] == "keep") == is_kept_before);
            moved.map(|line| line["photo"].as_str().expect("an address").to_owned()).collect()
        };
        let said = |name: &str| -> BTreeSet<String> {
            serde_json::from_value(tried[name].clone()).expect("addresses")
        };
        let unmeasured = lines.iter().find(|line| line["reason"] == "not_measured");
        let unmeasured = unmeasured.map_or(0, |line| line["after"].as_u64().expect("a count"));
        assert_eq!(said("lost"), moved(true), "{setting:?}");
        assert_eq!(said("won"), moved(false), "{setting:?}");
        assert_eq!(tried["open"], unmeasured, "{setting:?}");
        (lost, won, open) = (lost + said("lost").len(), won + said("won").len(), open + unmeasured);
    }
    println!("{lost} lost, {won} won, {open} to be measured over all settings");
    assert!(lost > 0 && won > 0 && open > 0, "the settings show all three");

    assert!(told["said"].as_str().expect("a word").contains("cannot be kept"), "{}", told["said"]);
    let lines = told["lines"].as_str().expect("lines");
    assert_eq!((lines.lines().count(), &told["remembered"]), (2, &json!(2)));
    let file = place.path().join("decisions.jsonl");
    fs::write(&file, lines).expect("a file can be written");
    place.succeed(&["review", "import", file.to_str().expect("a plain path")]);
    place.succeed(&["measure"]);
    let judged = json_lines(&place.succeed(&[&["--json", "judge"], &set[..]].concat()));
    assert_eq!(told["kept"], kept_of(&judged), "as the page said");
    let data = data(&page(&place, &set));
    let decided = |keep: bool| {
        let photos = data["photos"].as_array().expect("photos");
        photos.iter().filter(|photo| photo["decided"] == keep && photo["keep"] == keep).count()
    };
    assert_eq!((decided(true), decided(false)), (1, 1));
}

#[test]
#[ignore = "needs Chromium; `make test-report` runs it"]
fn the_page_works_in_a_browser_with_5000_photos() {
    let place = Workplace::demo(53, 1, 8);
    place.snapshot_id(&[]);
    let few = page(&place, &[]);
    let many = repeated(&few, 5000);
    let told = browser::told(place.path(), &many, include_str!("../review/many.js"));
    println!("{} MB, milliseconds: {}", many.len() / 1_000_000, told["milliseconds"]);
    let number = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{name} is a number: {told}"));
    let is_true = |name: &str| assert_eq!(told[name], true, "{name}");
    assert_eq!((number("photos"), &told["loaded"], number("judgedOtherwise")), (5000, &json!([]), 0));
    assert!((1..500).contains(&number("cards")), "only those near the window: {}", told["cards"]);
    assert_eq!(number("cards"), number("pictures"));
    is_true("drawn");
    assert!(number("lost") > 0, "a threshold of 0.01 drops photos");
    assert_eq!(told["lost"], told["expectedLost"]);
    assert_eq!(told["effect"], format!("{} would drop", number("lost")));
    assert_eq!(number("lostAfterReset"), 0);
    let dropped =
        data(&many)["photos"].as_array().expect("photos").iter().filter(|p| p["keep"] == false).count();
    assert_eq!(number("dropped"), dropped as u64);
    is_true("ordered");
    is_true("isAtTheEnd");
    assert!((1..500).contains(&number("cardsAfterScroll")), "only those near: {}", told["cardsAfterScroll"]);
    assert_eq!(number("went"), 2, "two steps, and on after the decision");
    for name in ["wentDown", "wentToPerson", "isClose", "isStillClose"] {
        is_true(name);
    }
    let lines = told["lines"].as_str().expect("lines").lines();
    let decisions: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("a decision")).collect();
    let people: BTreeSet<&str> = decisions.iter().filter_map(|line| line["identity"].as_str()).collect();
    assert_eq!(people, ["demo/person-0", "demo/person-1"].into());
    assert!(decisions.iter().all(|line| line["keep"] == false), "{decisions:?}");
}

/// The page with its photos again and again, a hundred each of many people; every photo with a digest of its own.
fn repeated(page: &str, count: usize) -> String {
    let mut data = data(page);
    let few = data["photos"].as_array().expect("photos").clone();
    let thumbnail = |number: usize| {
        let (_, from) = page.split_once(&format!("id=\"t{number}\">"))?;
        Some(from.split_once("</script>")?.0)
    };
    let thumbnails: Vec<Option<&str>> = (0..few.len()).map(thumbnail).collect();
    let photo = |number: usize| {
        let mut photo = few[number % few.len()].clone();
        photo["identity"] = json!(number / 100);
        photo["sha256"] = json!(Digest::of(number.to_string()));
        photo
    };
    data["photos"] = (0..count).map(photo).collect();
    data["identities"] = (0..count.div_ceil(100)).map(|person| format!("demo/person-{person}")).collect();
    let data = data.to_string().replace('<', "\\u003c");
    let (before, rest) = page.split_once("id=\"data\">").expect("data");
    let (_, script) = rest.split_once("</script>").expect("their end");
    let (script, _) = script.split_once("<script type=\"text/plain\"").expect("thumbnails");
    let thumbnails = (0..count).filter_map(|number| {
        let jpeg = thumbnails[number % few.len()]?;
        Some(format!("<script type=\"text/plain\" id=\"t{number}\">{jpeg}</script>\n"))
    });
    let thumbnails: String = thumbnails.collect();
    format!("{before}id=\"data\">{data}</script>{script}{thumbnails}</body></html>\n")
}
