//! The report's page and the decisions made on it, through the program.

mod support;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use support::{Workplace, text};

/// The data that a page is drawn from.
fn data(page: &str) -> Value {
    let from = page.find("id=\"data\">").expect("the page has data") + "id=\"data\">".len();
    let json = &page[from..from + page[from..].find("</script>").expect("the data ends")];
    serde_json::from_str(json).expect("the data is JSON")
}

#[test]
fn the_page_holds_every_photo_with_its_verdict_and_loads_nothing() {
    let place = Workplace::demo(51, 2, 6);
    let id = place.snapshot_id(&[]);
    let out = place.path().join("report.html");
    let written = |arguments: &[&str]| {
        place.succeed(&[&["report", "--out", out.to_str().expect("a plain path")], arguments].concat());
        fs::read_to_string(&out).expect("the page was written")
    };
    let page = written(&[]);
    for link in ["src=\"http", "href=\"http", "url(http", "@import", "fetch("] {
        assert!(!page.contains(link), "{link}");
    }
    let of_catalog = data(&page);
    let snapshot = snapshot::Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot can be opened");
    let kept = |data: &Value| {
        data["photos"].as_array().expect("photos").iter().filter(|photo| photo["keep"] == true).count()
    };
    assert_eq!(kept(&of_catalog), snapshot.photos().len());
    let of_snapshot = data(&written(&[&id]));
    assert_eq!(kept(&of_snapshot), snapshot.photos().len());
    for data in [of_catalog, of_snapshot] {
        let photos = data["photos"].as_array().expect("photos");
        assert_eq!(photos.len(), snapshot.photos().len() + snapshot.dropped().expect("dropped photos").len());
        let good = photos.iter().find(|photo| photo["keep"] == true).expect("a kept photo");
        assert!(good["thumb"].as_str().expect("a thumbnail").starts_with("data:image/jpeg;base64,"));
        assert_eq!(good["joints"].as_array().expect("joints").len(), 17);
        assert!(good["scores"]["watermark"].is_number() && good["people"][0].is_array());
    }
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

/// `make test-report`: needs Chromium.
#[test]
#[ignore = "needs Chromium; `make test-report` runs it"]
fn the_page_works_in_a_browser_with_5000_photos() {
    let place = Workplace::demo(53, 1, 8);
    place.snapshot_id(&[]);
    let out = place.path().join("report.html");
    place.succeed(&["report", "--out", out.to_str().expect("a plain path")]);
    let page = fs::read_to_string(&out).expect("the page was written");
    // The same few photos again and again, under many people.
    let mut many = data(&page);
    let few = many["photos"].as_array().expect("photos").clone();
    let photos: Vec<Value> = (0..5000)
        .map(|number| {
            let mut photo = few[number % few.len()].clone();
            photo["identity"] = json!(number / 100);
            photo
        })
        .collect();
    many["photos"] = json!(photos);
    many["identities"] = json!((0..50).map(|person| format!("demo/person-{person}")).collect::<Vec<_>>());
    let old = page.find("id=\"data\">").expect("data") + "id=\"data\">".len();
    let end = old + page[old..].find("</script>").expect("its end");
    fs::write(&out, format!("{}{many}{}", &page[..old], &page[end..])).expect("the page can be written");

    let started = std::time::Instant::now();
    let profile = place.path().join("chromium");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--window-size=1400,950", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("file://{}#selftest", out.display()))
        .output()
        .expect("Chromium starts");
    let page = text(&output.stdout);
    let told = page
        .split("data-selftest=\"")
        .nth(1)
        .expect("the page tested itself")
        .split('"')
        .next()
        .unwrap_or("");
    let told: Value =
        serde_json::from_str(&told.replace("&quot;", "\"").replace("&amp;", "&")).expect("JSON");
    println!(
        "{:.1} s in the browser, {} ms for what was done: {told}",
        started.elapsed().as_secs_f64(),
        told["milliseconds"]
    );
    assert_eq!((&told["photos"], &told["external"]), (&json!(5000), &json!(0)));
    assert_eq!(told["lost"], told["expectedLost"]);
    assert!(told["lost"].as_u64() > Some(0), "a threshold of 0.01 drops photos");
    let cards = |name: &str| told[name].as_u64().expect("a number");
    assert!(
        (1..500).contains(&cards("cards")) && (1..500).contains(&cards("cardsAfterScroll")),
        "only those near"
    );
    let lines: Vec<Value> = told["lines"]
        .as_str()
        .expect("lines")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a decision"))
        .collect();
    assert!(lines.len() >= 2 && lines.iter().all(|line| line["keep"].is_boolean()), "{lines:?}");
}
