//! `bolid crawl`, `retry` and `import` as a user types them, against a gallery on loopback.

use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::world::{Shape, World, png};
use crate::server::{Reply, Server};
use crate::support::{Workplace, json_lines, text};
use photo::Digest;
use synth::collection::{Collection, CollectionSpec};

/// Runs while the gallery, which lives on this test's runtime, answers.
async fn run(place: &Arc<Workplace>, arguments: &[&str]) -> Output {
    let place = Arc::clone(place);
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.run(&arguments)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn gallery(people: usize) -> Server {
    let world = World::new(Shape::ThePlace, people);
    Server::start(move |request| world.answer(request)).await
}

fn place() -> Arc<Workplace> {
    Arc::new(Workplace::demo(1, 1, 1))
}

const SITE: [&str; 8] = [
    "--site",
    "data/sites/theplace.toml",
    "--contact",
    "me@example.org",
    "--delay",
    "1ms",
    "--set",
    "rules.min_side=64",
];

#[tokio::test]
async fn check_walks_to_a_photo_and_names_the_rule_that_finds_nothing() {
    let (server, place) = (gallery(2).await, place());
    let base = server.url.to_string();
    let output = run(&place, &[&["crawl", "--check", "--base-url", &base], &SITE[..]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for part in
        ["✓ index.card", "✓ gallery.link", "✓ gallery.size[0]", "64x128", "✓ photo.file[0]", "reached "]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(shown.contains("– photo.file[1]"), "{shown}");
    assert!(!place.workdir().join("catalog.db").exists(), "nothing is stored");

    let profile = fs::read_to_string(crate::support::project().join("data/sites/theplace.toml")).unwrap();
    let stale = place.path().join("stale.toml");
    fs::write(&stale, profile.replace("\".pic-card\"", "\".photo-tile\"")).unwrap();
    let arguments = [
        "crawl",
        "--check",
        "--base-url",
        &base,
        "--contact",
        "me@example.org",
        "--site",
        stale.to_str().unwrap(),
    ];
    let output = run(&place, &arguments).await;
    assert_eq!(output.status.code(), Some(3));
    let shown = text(&output.stdout);
    assert!(shown.contains("✗ gallery.card") && shown.contains("`.photo-tile`"), "{shown}");
    assert!(shown.contains("stopped before a photo"), "{shown}");
}

#[tokio::test]
async fn simulate_prints_the_photos_and_asks_for_no_file() {
    let (server, place) = (gallery(1).await, place());
    let base = server.url.to_string();
    let arguments = [&["--json", "crawl", "--simulate", "--base-url", &base], &SITE[..]].concat();
    let lines = json_lines(&run(&place, &arguments).await);
    let urls: Vec<_> = lines.iter().filter_map(|line| line["would_fetch"].as_str()).collect();
    assert_eq!(urls.len(), 9, "the gallery says that one is too small");
    assert!(urls[0].starts_with("https://www.theplace-2.com/photos/P-md0/pic-"), "{}", urls[0]);
    assert!(server.log().iter().all(|entry| !entry.path.starts_with("/files/")));
}

#[tokio::test]
async fn retry_asks_for_the_failures_of_its_classes_and_for_nothing_else() {
    let world = World::new(Shape::ThePlace, 2);
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let server = Server::start(move |request| {
        let is_hit = request.path == "/files/0/0.png" || request.path == "/files/1/1.png";
        if is_hit && down.load(Ordering::SeqCst) { Reply::status(500) } else { world.answer(request) }
    })
    .await;
    let (place, base) = (place(), server.url.to_string());
    let crawl = [&["crawl", "--base-url", &base], &SITE[..]].concat();
    let crawled = run(&place, &crawl).await;
    assert_eq!(crawled.status.code(), Some(3));
    is_down.store(false, Ordering::SeqCst);
    server.clear_log();
    let said = text(&crawled.stderr);
    let advice = said.split('`').find_map(|part| part.strip_prefix("bolid retry ")).expect("how to go on");
    // What the crawl was told, the retry is told.
    let told = SITE.chunks(2).map(|pair| pair.join(" "));
    for part in told.chain(["--class http_4xx,http_5xx".to_owned(), base.clone()]) {
        assert!(advice.contains(&part), "{part} in {advice}");
    }
    // What is missing is asked for with it; here it is left alone.
    let advice = advice.replace("http_4xx,http_5xx", "http_5xx");
    let more = ["--json", "retry"];
    let output = run(&place, &more.into_iter().chain(advice.split(' ')).collect::<Vec<_>>()).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    assert_eq!((&lines[0]["retried"], &lines[1]["photos_stored"]), (&2.into(), &2.into()));
    let files: Vec<_> =
        server.log().into_iter().filter(|entry| entry.path.starts_with("/files/")).map(|e| e.path).collect();
    assert_eq!(files.len(), 2, "{files:?}");
}

#[tokio::test]
async fn lists_of_urls_are_taken_in_with_captions_and_once() {
    let server = Server::start(|request| match request.path.as_str() {
        "/robots.txt" => Reply::ok("User-agent: *\nDisallow: /private/\n"),
        "/opted-out.png" => Reply::ok(png(70, 70, 8)).with("X-Robots-Tag", "noai"),
        "/gone.png" => Reply::status(404),
        path => Reply::ok(png(70, 70, path.len())).with("ETag", "\"x\""),
    })
    .await;
    let base = server.url.as_str().trim_end_matches('/');
    let place = place();
    let list = place.path().join("people.csv");
    let rows = [
        format!("{base}/a.png,a walk,ada,70,70"),
        format!("{base}/bb.png,,ada,,"),
        format!("{base}/ccc.png,\"a hat, red\",ben,70,70"),
        format!("{base}/private/d.png,,ben,,"),
        format!("{base}/opted-out.png,,ben,,"),
        format!("{base}/gone.png,,ben,,"),
        format!("{base}/small.png,,ben,60,70"),
        "nonsense,,ben,,".to_owned(),
    ];
    fs::write(&list, format!("url,caption,identity,width,height\n{}\n", rows.join("\n"))).unwrap();
    let import = [
        "--json",
        "import",
        list.to_str().unwrap(),
        "--delay",
        "0ms",
        "--min-side",
        "64",
        "--name",
        "people",
    ];
    // All of it is one server on this machine, so that the list names it.
    let output = run(&place, &import).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let report = &json_lines(&output)[0];
    assert_eq!(report["photos_stored"], 3, "{report}");
    let failed: Vec<_> = report["photos_failed"].as_object().unwrap().iter().collect();
    let counts =
        failed.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>().join(", ");
    assert_eq!(counts, "http_4xx 1, no_link 1, opt_out 1, robots 1, too_small 1");
    let log = server.log();
    assert_eq!(log[0].path, "/robots.txt");
    assert!(log.iter().all(|entry| entry.path != "/private/d.png" && entry.path != "/small.png"));
    assert!(server.peak() <= 4);

    let catalog = catalog::Catalog::open(&place.workdir()).await.unwrap();
    let people = catalog.identities("people").await.unwrap();
    assert_eq!(people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["ada", "ben"]);
    let photos = catalog.photos(people[0].id).await.unwrap();
    assert_eq!(photos[0].caption.as_deref(), Some("a walk"));
    assert_eq!(photos[0].sha256, Some(Digest::of(png(70, 70, "/a.png".len()))));
    catalog.close().await;

    server.clear_log();
    let again = json_lines(&run(&place, &import).await).remove(0);
    assert_eq!((&again["photos_stored"], server.log().len()), (&0.into(), 0));
}

/// The server is asked once the models are loaded; measuring, judging and the snapshot come after it.
#[tokio::test]
async fn a_list_of_models_that_is_changed_during_a_run_changes_nothing_of_the_run() {
    let place = place();
    let demo = crate::support::project().join("data/models");
    let listed = fs::read_to_string(demo.join("models.toml")).unwrap();
    let models = place.path().join("models.toml");
    fs::write(&models, listed.replace("file = \"", &format!("file = \"{}/", demo.display()))).unwrap();
    let collection = Collection::new(CollectionSpec { seed: 31, identities: 1, photos_per_identity: 6 });
    let usual = collection.identities[0].photos.iter().filter(|photo| photo.plant.is_none());
    let photos: Vec<Vec<u8>> = usual.map(synth::SyntheticPhoto::bytes).collect();
    let names: Vec<String> = (0..photos.len()).map(|number| format!("/{number}.jpg")).collect();

    let changed = models.clone();
    let paths = names.clone();
    let server = Server::start(move |request| {
        fs::write(&changed, "this is no list of models").unwrap();
        let photo = paths.iter().position(|path| *path == request.path).map(|at| photos[at].clone());
        photo.map_or_else(|| Reply::status(404), Reply::ok)
    })
    .await;
    let base = server.url.to_string();
    let rows: String =
        names.iter().map(|name| format!("{}{name},ada\n", base.trim_end_matches('/'))).collect();
    let [list, profile] = ["list.csv", "pace.toml"].map(|name| place.path().join(name));
    fs::write(&list, format!("url,identity\n{rows}")).unwrap();
    fs::write(&profile, "[pace]\ndelay_ms = 1\n").unwrap();
    let recipe = format!(
        "name = \"mine\"\nmodels = {models:?}\n\n[[imports]]\nname = \"mine\"\npath = {list:?}\n\
         profile = {profile:?}\n\n[rules]\nmin_photos = 1\n"
    );
    fs::write(place.recipe(), recipe).unwrap();

    let output = run(&place, &["--json", "dataset"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&models).unwrap(), "this is no list of models");
    let snapshot = json_lines(&output).pop().unwrap();
    assert!(snapshot["photos"].as_u64() > Some(0) && snapshot["id"].is_string(), "{snapshot}");
    let next = run(&place, &["judge"]).await;
    assert_eq!(next.status.code(), Some(2), "the next run reads the list as it is then");
    assert!(text(&next.stderr).contains("models.toml"), "{}", text(&next.stderr));
}

#[tokio::test]
async fn a_host_that_is_not_this_machine_is_not_asked_without_a_contact() {
    let place = place();
    let list = place.path().join("list.txt");
    fs::write(&list, "http://127.0.0.1:9/a.png\nhttps://photos.example/b.png\n").unwrap();
    let output = run(&place, &["import", list.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("photos.example"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_site_that_is_named_needs_no_recipe_and_no_size_refuses_its_photos() {
    let (server, place) = (gallery(1).await, place());
    let (elsewhere, base) = (place.path().join("elsewhere"), server.url.to_string());
    fs::create_dir(&elsewhere).unwrap();
    let run = |more: Vec<&str>| {
        let mut command = place.command(&["crawl", "--delay", "0ms", "--base-url", &base]);
        command.args(more).env_remove("BOLID_RECIPE").current_dir(&elsewhere);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let profile = crate::support::project().join("data/sites/theplace.toml");
    let output = run(vec!["--site", profile.to_str().unwrap(), "--json"]).await.unwrap();
    let report = &json_lines(&output)[0];
    assert_eq!(report["photos_failed"]["too_small"], serde_json::Value::Null, "{report}");
    assert!(report["photos_stored"].as_u64().unwrap() > 5, "{report}");
    let output = run(vec![]).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert_eq!(told.matches("--recipe").count(), 1, "the cause is told once: {told}");
}

#[tokio::test]
async fn a_crawl_at_work_can_be_looked_at() {
    let (server, place) = (gallery(3).await, place());
    let base = server.url.to_string();
    let crawl = [&["crawl", "--base-url", &base], &SITE[..]].concat();
    let slow: Vec<&str> =
        crawl.iter().map(|&argument| if argument == "1ms" { "100ms" } else { argument }).collect();
    let mut child = place.start(&slow);
    for _ in 0..600 {
        if server.log().iter().any(|entry| entry.path.starts_with("/files/")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let status = run(&place, &["--json", "status"]).await;
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    assert!(text(&status.stderr).contains("another bolid process is at work"), "{}", text(&status.stderr));
    let counts = &json_lines(&status)[0];
    assert_eq!(counts["photos"], 30, "{counts}");
    let refused = run(&place, &["crawl", "--base-url", &base, "--site", "data/sites/theplace.toml"]).await;
    assert_eq!(refused.status.code(), Some(1), "two do not write");
    child.kill().unwrap();
    child.wait().unwrap();
    let status = run(&place, &["--json", "status"]).await;
    assert!(text(&status.stderr).is_empty(), "{}", text(&status.stderr));
}
