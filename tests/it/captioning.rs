//! `bolid caption` as a user runs it, against a server on loopback that plays any part.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use catalog::Catalog;
use photo::{CaptionSource, Digest};
use serde_json::Value;
use snapshot::Snapshot;

use crate::support::chat::{ChatServer, Part, ReceivedRequest, answer, cut, said, says, says_after};
use crate::support::{Workplace, files_below, json_lines, photos_of, project, text};

/// A place with photos of `people` that are measured, and `[captions]` in its recipe.
fn place(people: usize, photos: usize, captions: &str) -> Workplace {
    let place = Workplace::demo(1, 1, 1);
    let folder = place.path().join("photos");
    photos_of(7, people, photos, &folder);
    place.import_instead("mine", &folder);
    place.succeed(&["import", folder.to_str().unwrap(), "--name", "mine"]);
    place.succeed(&["measure"]);
    recipe(&place, captions);
    place
}

fn recipe(place: &Workplace, captions: &str) {
    place.import_instead("mine", &place.path().join("photos"));
    let text = fs::read_to_string(place.recipe()).unwrap();
    fs::write(place.recipe(), format!("{text}\n{captions}")).unwrap();
}

/// `[captions]` with a server alone.
fn by_server(url: &str, more: &str) -> String {
    format!(
        "[captions]\nsources = [\"server\"]\n[captions.server]\nurl = {url:?}\nmodel = \"m\"\nbackoff_ms = 20\n{more}\n"
    )
}

/// The table of the stage: source to its line.
fn table(output: &std::process::Output) -> BTreeMap<String, Value> {
    let lines = json_lines(output).into_iter().filter(|line| line["waiting"].is_u64());
    lines.filter_map(|line| Some((line["source"].as_str()?.to_owned(), line))).collect()
}

fn count(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"))
}

/// Parts by the order in which pictures are first asked about.
fn roles(count: usize) -> impl Fn(&ReceivedRequest) -> usize {
    let seen: Mutex<HashMap<Digest, usize>> = Mutex::default();
    move |asked| {
        let mut seen = seen.lock().unwrap();
        let next = seen.len();
        *seen.entry(asked.picture).or_insert(next) % count
    }
}

#[test]
fn every_photo_ends_with_a_caption_or_a_stored_reason_whatever_the_server_does() {
    let is_well = Arc::new(AtomicBool::new(false));
    let role = roles(10);
    let server = {
        let is_well = Arc::clone(&is_well);
        ChatServer::start(move |asked| {
            let text = format!("a person {}", asked.picture.short());
            if is_well.load(Ordering::SeqCst) {
                return says(&text);
            }
            match (role(asked), asked.time) {
                (1, 1) => answer(429, "Retry-After: 1\r\n", "{\"error\":{\"message\":\"slow down\"}}"),
                (2, 1 | 2) => answer(500, "", "oops"),
                (3, 1) => cut(&text),
                (4, _) => answer(200, "", "<html>not the protocol</html>"),
                (5, _) => Part::Stall,
                (6, _) => answer(400, "", "{\"error\":{\"message\":\"the image is odd\"}}"),
                (7, _) => says(" "),
                (8, _) => {
                    let mut long = said(&text);
                    long["choices"][0]["finish_reason"] = "length".into();
                    answer(200, "", &long.to_string())
                }
                (9, _) => says_after(Duration::from_millis(300), &text),
                _ => says(&text),
            }
        })
    };
    let place = place(2, 24, &by_server(&server.url, "timeout_s = 1\nattempts = 3\nconcurrency = 5"));
    let output = place.run(&["--json", "caption"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let lines = table(&output);
    let kept = count(&lines["server"], "photos") + count(&lines["none"], "photos");
    assert!(kept >= 20, "{kept} kept photos");
    assert_eq!(count(&lines["server"], "waiting"), 0, "{lines:?}");
    assert_eq!(count(&lines["server"], "captioned"), count(&lines["server"], "photos"));
    let failures = lines["server"]["failures"].as_object().unwrap();
    let classes: Vec<&str> = failures.keys().map(String::as_str).collect();
    for class in ["malformed", "timeout", "http_4xx", "empty", "cut"] {
        assert!(classes.contains(&class), "{class} in {classes:?}");
    }
    assert_eq!(classes.len(), 5, "what can be had by another try is had: {classes:?}");
    assert_eq!(count(&lines["server"], "requests"), server.log().len() as u64);
    // The server's words are kept, and a photo's way shows them.
    let status = text(&place.succeed(&["status"]).stdout);
    assert!(status.contains("server m") && status.contains("malformed"), "{status}");

    let before = server.log().len();
    assert_eq!(place.run(&["--json", "caption"]).status.code(), Some(3), "what failed is still failed");
    assert_eq!(server.log().len(), before, "nothing is asked twice");

    is_well.store(true, Ordering::SeqCst);
    let failed: u64 = failures.values().filter_map(Value::as_u64).sum();
    let output = place.succeed(&["--json", "caption", "--retry", "malformed,timeout,http_4xx,empty,cut"]);
    assert_eq!(server.log().len() as u64, before as u64 + failed, "those alone");
    assert_eq!(count(&table(&output)["server"], "photos"), kept);
}

#[test]
fn a_server_that_is_not_there_leaves_photos_due_and_one_that_refuses_ends_the_run() {
    let refuses = Arc::new(AtomicBool::new(true));
    let server = {
        let refuses = Arc::clone(&refuses);
        ChatServer::start(move |_| match refuses.load(Ordering::SeqCst) {
            true => answer(404, "", "{\"error\":{\"message\":\"no model m\"}}"),
            false => says("a person"),
        })
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = place(1, 12, &by_server(&format!("http://{closed}/v1"), "attempts = 2"));
    let output = place.run(&["--json", "caption"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let lines = table(&output);
    let waiting = count(&lines["server"], "waiting");
    assert!(waiting > 5 && lines["server"]["failures"]["unreached"].is_u64(), "{lines:?}");

    recipe(&place, &by_server(&server.url, "attempts = 2\nconcurrency = 1"));
    let output = place.run(&["--json", "caption"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("404") && said.contains("no model m") && said.contains("captions.server.url"),
        "{said}"
    );
    assert_eq!(server.log().len(), 1, "one refusal is enough");

    refuses.store(false, Ordering::SeqCst);
    let lines = table(&place.succeed(&["--json", "caption"]));
    assert_eq!(count(&lines["server"], "photos"), waiting, "the address is no part of what was asked");
}

#[test]
fn no_more_requests_are_made_than_allowed_and_the_next_run_goes_on() {
    let server = ChatServer::start(|asked| says(&format!("a person {}", asked.picture.short())));
    let place = place(1, 16, &by_server(&server.url, "max_requests = 3\nconcurrency = 4"));
    let lines = table(&place.succeed(&["--json", "caption", "--dry-run"]));
    let kept = count(&lines["server"], "waiting");
    assert!(kept > 8 && server.log().is_empty(), "{lines:?}");
    let lines = table(&place.succeed(&["--json", "caption"]));
    assert_eq!((server.log().len(), count(&lines["server"], "photos")), (3, 3));
    place.succeed(&["--json", "caption", "--max-requests", "2"]);
    assert_eq!(server.log().len(), 5);
    let lines = table(&place.succeed(&["--json", "caption", "--max-requests", "1000"]));
    assert_eq!((server.log().len() as u64, count(&lines["server"], "photos")), (kept, kept));
}

#[test]
fn the_key_is_sent_and_stands_in_no_file_and_no_line() {
    const KEY: &str = "sk-0123456789abcdef-secret";
    let refuses = Arc::new(AtomicBool::new(true));
    let server = {
        let refuses = Arc::clone(&refuses);
        // It repeats the key in what it refuses and in what it says, also behind much else.
        ChatServer::start(move |asked| match (refuses.load(Ordering::SeqCst), asked.time) {
            (true, _) => answer(401, "", &format!("{{\"error\":{{\"message\":\"wrong key {KEY}\"}}}}")),
            (false, 1) => answer(500, "", &format!("{}{KEY}", "x".repeat(290))),
            (false, _) => says(&format!("a person with {KEY}")),
        })
    };
    let captions = by_server(&server.url, "attempts = 2\napi_key_env = \"CAPTION_TEST_KEY\"");
    let place = place(1, 8, &captions);
    let output = place.command(&["caption"]).env_remove("CAPTION_TEST_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "without a key nothing is asked: {}", text(&output.stderr));
    assert!(text(&output.stderr).contains("CAPTION_TEST_KEY") && server.log().is_empty());
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("CAPTION_TEST_KEY", KEY).env("BOLID_LOG", "trace").output().unwrap()
    };
    let mut outputs = vec![run(&["-vv", "caption"])];
    assert_eq!(outputs[0].status.code(), Some(1));
    refuses.store(false, Ordering::SeqCst);
    outputs.push(run(&["-vv", "caption"]));
    assert_eq!(outputs[1].status.code(), Some(0), "{}", text(&outputs[1].stderr));
    outputs.push(run(&["dataset"]));
    outputs.push(run(&["status"]));
    let asked = server.log();
    assert!(asked.iter().all(|asked| asked.authorization == Some(format!("Bearer {KEY}"))));
    assert_eq!(asked[0].path, "/v1/chat/completions");
    let body = &asked[0].body;
    assert_eq!((&body["model"], &body["temperature"]), (&Value::from("m"), &Value::from(0.0)));
    let content = &body["messages"][0]["content"];
    assert!(content[0]["text"].as_str().is_some_and(|prompt| prompt.contains("clothes")), "{}", content[0]);
    let image = content[1]["image_url"]["url"].as_str().expect("an address");
    assert!(image.starts_with("data:image/jpeg;base64,"), "{}", &image[..40]);
    for output in &outputs {
        for said in [&output.stdout, &output.stderr] {
            assert!(!text(said).contains(KEY) && !text(said).contains("sk-0123"), "{}", text(said));
        }
    }
    for (path, bytes) in files_below(place.path()) {
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{}", path.display());
        assert!(!text(&bytes).contains("sk-0123"), "{}", path.display());
    }
}

/// The pictures whose answers are stored: the server's words name the picture.
fn stored(place: &Workplace) -> HashSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let catalog = Catalog::open(&place.workdir()).await.unwrap();
        let mut texts = HashSet::new();
        for (_, photos) in catalog.galleries(&["mine".to_owned()]).await.unwrap() {
            for sha256 in photos.into_iter().filter_map(|photo| photo.sha256) {
                let said = catalog.captions_of(sha256).await.unwrap();
                texts.extend(said.into_iter().filter_map(|said| said.text));
            }
        }
        catalog.close().await;
        texts
    })
}

#[test]
fn twenty_kills_at_random_moments_lose_no_answer_that_was_stored() {
    const KILLS: u32 = 20;
    const CONCURRENCY: usize = 3;
    let words = |picture: Digest| format!("a person {picture}");
    let server =
        ChatServer::start(move |asked| says_after(Duration::from_millis(120), &words(asked.picture)));
    let place = place(2, 48, &by_server(&server.url, &format!("concurrency = {CONCURRENCY}")));
    let started = Instant::now();
    let kept = count(&table(&place.succeed(&["--json", "caption", "--dry-run"]))["server"], "waiting");
    let start_ms = started.elapsed().as_millis() as u64;
    assert!(kept >= 40, "{kept} kept photos");
    let mut seed = 5_u64;
    for kill in 0..KILLS {
        let (known, before) = (stored(&place), server.log().len());
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = place.start(&["caption"]);
        std::thread::sleep(Duration::from_millis(start_ms / 2 + (seed >> 33) % 300));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        for asked in &server.log()[before..] {
            assert!(
                !known.contains(&words(asked.picture)),
                "kill {kill}: a stored answer was asked for again"
            );
        }
    }
    let output = place.succeed(&["--json", "caption"]);
    assert_eq!(count(&table(&output)["server"], "photos"), kept);
    assert_eq!(stored(&place).len() as u64, kept);
    // ReceivedRequest again is what was in flight at a kill, and nothing else.
    let requests = server.log().len();
    let most = kept as usize + KILLS as usize * CONCURRENCY;
    assert!(requests <= most, "{requests} requests for {kept} photos");
    assert!(requests > kept as usize, "some requests were in flight at a kill");
}

#[test]
fn the_first_source_of_which_the_rules_leave_something_is_taken_and_told_everywhere() {
    let server = ChatServer::start(|_| says("A photo of a person in a red coat. It is nice."));
    let place = Workplace::demo(1, 1, 1);
    let folder = place.path().join("photos");
    photos_of(7, 1, 16, &folder);
    let person = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let name = person.file_name().unwrap().to_str().unwrap().to_owned();
    let photos: Vec<_> = fs::read_dir(&person).unwrap().map(|entry| entry.unwrap().path()).collect();
    for (place, photo) in photos.iter().enumerate() {
        let own = match place % 3 {
            0 => name.clone(),
            1 => format!("{name} wearing a green hat"),
            _ => continue,
        };
        fs::write(photo.with_extension("txt"), own).unwrap();
    }
    place.import_instead("mine", &folder);
    let plain = place.snapshot_id(&[]);
    let captions = format!(
        "[captions]\nsources = [\"own\", \"server\"]\n[captions.server]\nurl = {:?}\nmodel = \"m\"\n\
         [captions.rules]\nremove_names = true\nremove_phrases = [\"a photo of\"]\none_sentence = true\n\
         trigger = \"sks\"\n",
        server.url
    );
    recipe(&place, &captions);
    let id = place.snapshot_id(&[]);
    assert_ne!(id, plain);
    let folder_of = |id: &str| place.workdir().join(format!("snapshots/mine-{id}"));
    let snapshot = Snapshot::open(&folder_of(&id)).unwrap();
    let mut sources = BTreeMap::new();
    for photo in snapshot.photos() {
        let (caption, source) = (photo.facts.caption.as_deref(), photo.facts.caption_source);
        let expected = match source {
            None => "sks, wearing a green hat",
            Some(CaptionSource::Server) => "sks, a person in a red coat.",
            Some(other) => panic!("{other}"),
        };
        assert_eq!(caption, Some(expected));
        *sources.entry(source).or_insert(0) += 1;
    }
    assert_eq!(sources.len(), 2, "{sources:?}");
    assert_eq!(server.log().len(), sources[&Some(CaptionSource::Server)], "own captions ask nobody");
    let manifest = fs::read_to_string(folder_of(&id).join("manifest.json")).unwrap();
    assert!(manifest.contains("\"captions\"") && !manifest.contains("127.0.0.1"), "{manifest}");
    let card = fs::read_to_string(folder_of(&id).join("README.md")).unwrap();
    assert!(card.contains("are from the server"), "{card}");
    let croissant = fs::read_to_string(folder_of(&id).join("croissant.json")).unwrap();
    assert!(croissant.contains("photos/caption_source"), "{croissant}");
    let plain_card = fs::read_to_string(folder_of(&plain).join("croissant.json")).unwrap();
    assert!(!plain_card.contains("caption_source"));

    let shown = text(&place.succeed(&["judge", "--dry-run"]).stdout);
    for part in ["remove_names", "remove_phrases", "one_sentence", "not used", "a person in a red coat."] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let sha256 = snapshot.photos().iter().find(|photo| photo.facts.caption_source.is_some()).unwrap();
    let explained = text(&place.succeed(&["explain", &sha256.facts.sha256.to_string()]).stdout);
    assert!(explained.contains("It is nice.   (by server m)"), "{explained}");
    let diff = text(&place.succeed(&["snapshot", "diff", &plain, &id, "--full"]).stdout);
    assert!(diff.contains("a person in a red coat. (by server)"), "{diff}");

    // Fewer tokens of the demo base's tokenizer, whose folder is nobody else's business.
    let tokenizer = project().join("data/models/tiny-sd");
    recipe(&place, &format!("{captions}max_tokens = 6\ntokenizer = {tokenizer:?}\n"));
    let short = Snapshot::open(&folder_of(&place.snapshot_id(&[]))).unwrap();
    for photo in short.photos() {
        let caption = photo.facts.caption.as_deref().unwrap();
        assert!(
            caption.starts_with("sks, ") && caption.len() < "sks, wearing a green hat".len(),
            "{caption}"
        );
    }
    let rules = &short.manifest().spec.recipe["captions"]["rules"];
    assert_eq!(rules["tokenizer"].as_str().map(str::len), Some(64), "{rules}");

    // A rebuild asks nobody and ends with the same id.
    let before = server.log().len();
    let rebuilt = place.succeed(&["--json", "dataset", "--locked", &id]);
    assert_eq!(json_lines(&rebuilt).last().unwrap()["same_id"], true);
    assert_eq!(server.log().len(), before);
    // Without the section, the dataset is the plain one.
    recipe(&place, "");
    assert_eq!(place.snapshot_id(&[]), plain);
}

#[test]
fn a_model_on_this_machine_captions_what_a_server_would_not() {
    let server = ChatServer::start(|_| answer(400, "", "no"));
    let model = project().join("train/tests/data/captions/blip");
    let captions = format!(
        "[captions]\nsources = [\"server\", \"model\"]\n[captions.server]\nurl = {:?}\nmodel = \"m\"\n\
         [captions.model]\npath = {model:?}\nanswer_tokens = 6\n",
        server.url
    );
    let place = place(1, 8, &captions);
    let output = place.run(&["--json", "caption", "--device", "cpu"]);
    let lines = table(&output);
    let kept = server.log().len() as u64;
    assert!(kept > 3, "{kept} kept photos");
    let of_model = &lines["model"];
    assert_eq!(count(of_model, "captioned") + count(of_model, "failed"), kept, "{lines:?}");
    assert_eq!(count(of_model, "photos"), count(of_model, "captioned"), "{lines:?}");
    let again = table(&place.run(&["--json", "caption", "--device", "cpu"]));
    assert_eq!((count(&again["model"], "captioned"), count(&again["server"], "requests")), (0, 0));
    assert_eq!(count(&again["model"], "photos"), count(of_model, "photos"));
}
