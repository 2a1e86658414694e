//! Crawls after the first: what was seen is asked for conditionally, whether it was stored or refused, and no body
//! comes twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::server::site::Site;
use crate::server::world::{MIN_SIDE, Shape, World, png};
use crate::server::{Reply, Request, Server};
use catalog::Catalog;
use catalog::erasure::Target;
use crawler::{CrawlReport, CrawlSettings, Profile, crawl};
use photo::{Digest, FailureClass};

/// An answer with a validator; 304 where the request has it.
fn tagged(request: &Request, etag: &str, reply: Reply) -> Reply {
    if request.header("if-none-match") == Some(etag) { Reply::status(304) } else { reply.with("ETag", etag) }
}

async fn again(site: &mut Site) -> CrawlReport {
    site.settings.fresh_for = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(5)).await; // into another millisecond
    site.server.clear_log();
    site.crawl().await
}

#[tokio::test]
async fn what_was_refused_is_asked_for_conditionally_and_stays_refused_for_its_reason() {
    let names = ["small.png", "page.png", "heif.png", "long.png", "bomb.png", "refused.png", "good.png"];
    let mut site = Site::new(&names, |request| {
        let body = match request.path.as_str() {
            "/small.png" => png(63, 200, 1),
            "/page.png" => b"<!DOCTYPE html><title>Log in</title>".to_vec(),
            "/heif.png" => [b"\0\0\0\x18ftypheic".as_slice(), &[0; 64]].concat(),
            "/long.png" => vec![0; 4_000_000],
            "/bomb.png" => {
                let mut bomb = png(70, 70, 1);
                bomb[16..24].copy_from_slice(&[0, 0, 200, 0, 0, 0, 200, 0]);
                bomb
            }
            "/refused.png" => {
                let reply = Reply::ok(png(70, 70, 9)).with("X-Robots-Tag", "noai");
                return Some(tagged(request, "\"refused\"", reply));
            }
            "/good.png" => png(70, 70, 5),
            _ => return None,
        };
        Some(tagged(request, "\"1\"", Reply::ok(body)))
    })
    .await;
    let first = site.crawl().await;
    assert_eq!(first.photos_failed.values().sum::<u64>(), 6, "{first:?}");
    let before = site.outcomes().await;
    for _ in 0..2 {
        let report = again(&mut site).await;
        for entry in site.server.log().iter().filter(|entry| entry.path.ends_with(".png")) {
            assert_eq!((entry.status, entry.is_conditional), (304, true), "{}", entry.path);
        }
        assert_eq!(report.photos_failed, first.photos_failed);
        assert_eq!((report.photos_stored, report.photos_unchanged), (0, 1));
        assert_eq!(site.outcomes().await, before);
    }
}

#[tokio::test]
async fn other_limits_look_at_what_was_refused_once_more_and_at_nothing_else() {
    let mut site = Site::new(&["small.png", "page.png"], |request| match request.path.as_str() {
        "/small.png" => Some(tagged(request, "\"1\"", Reply::ok(png(50, 50, 1)))),
        "/page.png" => Some(tagged(request, "\"2\"", Reply::ok("<title>Log in</title>"))),
        _ => None,
    })
    .await;
    assert_eq!(site.crawl().await.photos_stored, 0);
    site.settings.min_side = 50;
    let report = again(&mut site).await;
    assert_eq!(report.photos_stored, 1);
    assert_eq!(site.outcomes().await["small.png"], Ok(Digest::of(png(50, 50, 1)).to_string()));
    let report = again(&mut site).await;
    assert_eq!((report.photos_unchanged, report.photos_failed[&FailureClass::NotAnImage]), (1, 1));
    assert!(site.server.log().iter().all(|entry| entry.status != 200 || !entry.path.ends_with(".png")));
}

#[tokio::test]
async fn a_server_out_of_order_takes_no_validator_away() {
    let is_down = Arc::new(AtomicUsize::new(0));
    let down = Arc::clone(&is_down);
    let mut site = Site::new(&["small.png"], move |request| {
        (request.path == "/small.png").then(|| match down.load(Ordering::SeqCst) {
            0 => tagged(request, "\"1\"", Reply::ok(png(20, 20, 1))),
            _ => Reply::status(500),
        })
    })
    .await;
    site.crawl().await;
    is_down.store(1, Ordering::SeqCst);
    let report = again(&mut site).await;
    assert_eq!(report.photos_failed[&FailureClass::Http5xx], 1, "the run says what it met");
    is_down.store(0, Ordering::SeqCst);
    again(&mut site).await;
    let asked: Vec<u16> =
        site.server.log().iter().filter(|e| e.path == "/small.png").map(|e| e.status).collect();
    assert_eq!(asked, [304]);
    assert_eq!(site.outcomes().await["small.png"].as_ref().unwrap_err().0, FailureClass::TooSmall);
}

const WITH_PAGES: &str = r#"
    site = "pages"
    base_url = "http://127.0.0.1/"
    start = ["/"]
    [index]
    card = "a.person"
    link = {}
    [gallery]
    card = "a.photo"
    link = {}
    [photo]
    file = [{ select = "a.file" }]
    [pace]
    delay_ms = 0
    [limits]
    backoff_ms = 1
    attempts = 2
"#;

/// Photos of two people with a page each. Three pages show one file, one is opted out, one links nothing, and
/// one's file is forbidden.
fn with_pages(request: &Request) -> Reply {
    let reply = match request.path.as_str() {
        "/robots.txt" => Reply::ok("User-agent: *\nDisallow: /private/"),
        "/" => Reply::ok("<a class=person href=/ada/>Ada</a><a class=person href=/bea/>Bea</a>"),
        "/ada/" => Reply::ok(
            "<a class=photo href=/p1></a><a class=photo href=/p2></a><a class=photo href=/out></a>\
             <a class=photo href=/none></a><a class=photo href=/forbidden></a>",
        ),
        "/bea/" => Reply::ok("<a class=photo href=/p3></a><a class=photo href=/small></a>"),
        "/p1" | "/p2" | "/p3" => Reply::ok("<a class=file href=/shared.png></a>"),
        "/out" => Reply::ok("<meta name=robots content=noai><a class=file href=/out.png></a>"),
        "/none" => Reply::ok("<a class=other href=/none.png></a>"),
        "/forbidden" => Reply::ok("<a class=file href=/private/1.png></a>"),
        "/small" => Reply::ok("<a class=file href=/small.png></a>"),
        "/shared.png" => Reply::ok(png(70, 70, 3)),
        "/small.png" => Reply::ok(png(30, 30, 3)),
        _ => return Reply::status(404),
    };
    tagged(request, &format!("\"{}\"", request.path), reply)
}

async fn pages_site() -> (Server, CrawlSettings, tempfile::TempDir) {
    let server = Server::start(with_pages).await;
    let profile = Profile::parse(WITH_PAGES, std::path::Path::new("pages.toml")).unwrap();
    let mut settings = CrawlSettings::new(profile);
    settings.mirror = Some(server.url.clone());
    settings.min_side = 64;
    settings.fresh_for = Duration::ZERO;
    (server, settings, tempfile::tempdir().unwrap())
}

async fn run(folder: &std::path::Path, settings: &CrawlSettings) -> CrawlReport {
    let catalog = Catalog::open(folder).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let report = crawl(&catalog, settings, &|_| ()).await.unwrap();
    catalog.close().await;
    report
}

#[tokio::test]
async fn a_file_behind_several_pages_is_asked_for_once_and_stands_under_each() {
    let (server, settings, folder) = pages_site().await;
    let report = run(folder.path(), &settings).await;
    assert_eq!((server.count("/shared.png"), report.photos_stored), (1, 3));
    for _ in 0..2 {
        server.clear_log();
        let report = run(folder.path(), &settings).await;
        assert_eq!((server.count("/shared.png"), report.photos_unchanged), (1, 3), "{report:?}");
        for entry in server.log() {
            assert_eq!((entry.status, entry.is_conditional), (304, true), "{}", entry.path);
        }
    }
}

/// Photo pages that are another every time, each with a page behind it that shows the photo larger and stays the same.
fn with_larger_pages(request: &Request, times: &AtomicUsize) -> Reply {
    let time = times.fetch_add(1, Ordering::SeqCst);
    let reply = match request.path.as_str() {
        "/robots.txt" => return Reply::status(404),
        "/" => Reply::ok("<a class=person href=/ada/>Ada</a>"),
        "/ada/" => Reply::ok("<a class=photo href=/p1></a><a class=photo href=/p2></a>"),
        "/p1" => return Reply::ok(format!("<a class=larger href=/large1></a><!-- {time} -->")),
        "/p2" => return Reply::ok(format!("<a class=larger href=/large2></a><!-- {time} -->")),
        "/large1" => Reply::ok("<a class=file href=/1.png></a>"),
        "/large2" => Reply::ok("<meta name=robots content=noai><a class=file href=/2.png></a>"),
        "/1.png" => Reply::ok(png(70, 70, 3)),
        _ => return Reply::status(404),
    };
    tagged(request, &format!("\"{}\"", request.path), reply)
}

#[tokio::test]
async fn a_larger_page_behind_a_page_that_always_changes_is_asked_for_conditionally() {
    let times = AtomicUsize::new(0);
    let server = Server::start(move |request| with_larger_pages(request, &times)).await;
    let text = WITH_PAGES.replace("[photo]", "[photo]\nlarger = [{ select = \"a.larger\" }]");
    let profile = Profile::parse(&text, std::path::Path::new("pages.toml")).unwrap();
    let mut settings = CrawlSettings::new(profile);
    settings.mirror = Some(server.url.clone());
    settings.min_side = 64;
    settings.fresh_for = Duration::ZERO;
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &settings).await;
    assert_eq!((first.photos_stored, first.photos_failed[&FailureClass::OptOut]), (1, 1), "{first:?}");
    for _ in 0..2 {
        server.clear_log();
        let report = run(folder.path(), &settings).await;
        assert_eq!(
            (report.photos_unchanged, report.photos_failed[&FailureClass::OptOut]),
            (1, 1),
            "{report:?}"
        );
        let asked = ["/large1", "/large2", "/1.png", "/2.png"].map(|path| {
            server
                .log()
                .iter()
                .filter(|entry| entry.path == path)
                .map(|entry| entry.status)
                .collect::<Vec<u16>>()
        });
        assert_eq!(asked, [vec![304], vec![304], vec![304], vec![]]);
    }

    // Whoever asks for erasure names the page that they see.
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let removed = catalog.erase(&Target::Url("http://127.0.0.1/large1".to_owned())).await.unwrap();
    assert_eq!(removed.map(|removed| removed.photos), Some(1));
    catalog.close().await;
    server.clear_log();
    run(folder.path(), &settings).await;
    assert_eq!((server.count("/large1"), server.count("/1.png")), (0, 0), "neither by a page that shows it");
}

#[tokio::test]
async fn a_file_that_an_earlier_process_had_is_not_asked_for_again_by_another_page() {
    let (server, mut settings, folder) = pages_site().await;
    settings.fresh_for = Duration::from_secs(3600);
    settings.identities = vec!["ada".into()];
    run(folder.path(), &settings).await;
    settings.identities = vec!["bea".into()];
    let report = run(folder.path(), &settings).await;
    assert_eq!((server.count("/shared.png"), report.photos_stored), (1, 1));
}

#[tokio::test]
async fn pages_that_were_refused_stay_refused_by_a_304_and_their_files_are_not_asked_for() {
    let (server, settings, folder) = pages_site().await;
    let first = run(folder.path(), &settings).await;
    let expected = [
        (FailureClass::Robots, 1),
        (FailureClass::OptOut, 1),
        (FailureClass::TooSmall, 1),
        (FailureClass::NoLink, 1),
    ];
    assert_eq!(first.photos_failed, expected.into());
    let second = run(folder.path(), &settings).await;
    assert_eq!(second.photos_failed, first.photos_failed);
    assert_eq!(server.count("/out.png") + server.count("/none.png") + server.count("/private/1.png"), 0);
}

#[tokio::test]
async fn a_page_that_forbids_its_photo_later_is_obeyed_by_every_crawl_after() {
    let is_out = Arc::new(AtomicUsize::new(0));
    let flag = Arc::clone(&is_out);
    let server = Server::start(move |request| match (request.path.as_str(), flag.load(Ordering::SeqCst)) {
        ("/small", 1) => {
            let page = Reply::ok("<meta name=robots content=noai><a class=file href=/small.png></a>");
            tagged(request, "\"out\"", page)
        }
        _ => with_pages(request),
    })
    .await;
    let (_, mut settings, folder) = pages_site().await;
    settings.mirror = Some(server.url.clone());
    settings.min_side = 0;
    assert_eq!(run(folder.path(), &settings).await.photos_stored, 4);
    is_out.store(1, Ordering::SeqCst);
    for _ in 0..2 {
        server.clear_log();
        let report = run(folder.path(), &settings).await;
        assert_eq!(report.photos_failed[&FailureClass::OptOut], 2);
        assert_eq!(server.count("/small.png"), 0);
    }
}

#[tokio::test]
async fn a_profile_that_changed_reads_pages_anew_though_they_are_the_same() {
    let (server, settings, folder) = pages_site().await;
    run(folder.path(), &settings).await;
    let text = WITH_PAGES
        .replace("a.file", "a.file, a.other")
        .replace("card = \"a.person\"", "card = \"a[class=person]\"");
    let profile = Profile::parse(&text, std::path::Path::new("pages.toml")).unwrap();
    let changed = CrawlSettings { source: CrawlSettings::new(profile).source, ..settings };
    server.clear_log();
    let report = run(folder.path(), &changed).await;
    assert_eq!(server.count("/none.png"), 1, "the new rule finds its file");
    assert_eq!(report.photos_failed.get(&FailureClass::NoLink), None, "{report:?}");
    assert_eq!(report.pages_unchanged, 0);
    let shared: Vec<u16> =
        server.log().iter().filter(|e| e.path == "/shared.png").map(|e| e.status).collect();
    assert_eq!(shared, [304], "files are what they were");
}

#[tokio::test]
async fn a_photo_that_its_size_hint_drops_has_a_row_and_a_reason_under_every_option() {
    let world = World::new(Shape::ThePlace, 2);
    let server = Server::start(move |request| world.answer(request)).await;
    type Option = fn(&mut CrawlSettings);
    let options: [(&str, Option); 4] = [
        ("max_photos", |settings| settings.max_photos = Some(1)),
        ("min_photos", |settings| settings.min_photos = 99),
        ("simulate", |settings| settings.simulate = true),
        ("nothing", |_| ()),
    ];
    for (name, set) in options {
        let mut settings = CrawlSettings::new(Shape::ThePlace.profile());
        settings.mirror = Some(server.url.clone());
        settings.min_side = MIN_SIDE;
        settings.delay = Some(Duration::ZERO);
        set(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        let report = run(folder.path(), &settings).await;
        assert_eq!(report.photos_failed[&FailureClass::TooSmall], 1, "{name}");
        let catalog = Catalog::open(folder.path()).await.unwrap();
        let mut reasons = Vec::new();
        for person in catalog.identities("theplace").await.unwrap() {
            let rows = catalog.photos(person.id).await.unwrap().into_iter();
            reasons.extend(
                rows.filter_map(|row| row.detail).filter(|detail| detail.contains("the gallery says")),
            );
        }
        assert_eq!(reasons.len(), 1, "{name}: {reasons:?}");
        catalog.close().await;
    }
}

#[tokio::test]
async fn a_retry_after_holds_for_the_process_after_a_kill() {
    let times = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&times);
    let site = Site::new(&["a.png", "b.png"], move |request| {
        let is_first = request.path.ends_with(".png") && counter.fetch_add(1, Ordering::SeqCst) == 0;
        is_first.then(|| Reply::status(429).with("Retry-After", "2"))
    })
    .await;
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    // Killed once the answer was read and noted, however long a busy machine takes to get there.
    let refused = async {
        while !site.server.log().iter().any(|entry| entry.status == 429) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    tokio::select! {
        _ = crawl(&catalog, &site.settings, &|_| ()) => panic!("it waits"),
        () = refused => {}
    }
    catalog.close().await;
    let refused_at = site.server.log().iter().find(|entry| entry.status == 429).unwrap().at;
    site.server.clear_log();
    let started = Instant::now();
    site.crawl().await;
    // The other photo may have been on its way when the first was refused.
    let outcomes = site.outcomes().await;
    assert!(outcomes.len() == 2 && outcomes.values().all(Result::is_ok), "{outcomes:?}");
    let log = site.server.log();
    assert!(
        !log.is_empty() && log.iter().all(|entry| entry.at - refused_at > Duration::from_millis(1900)),
        "{log:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_long_retry_after_leaves_the_host_in_the_next_run_without_a_request() {
    let site = Site::new(&["a.png"], |request| {
        request.path.ends_with("a.png").then(|| Reply::status(429).with("Retry-After", "99999999999"))
    })
    .await;
    site.crawl().await;
    site.server.clear_log();
    let report = site.crawl().await;
    assert!(report.left.keys().any(|reason| reason.contains("pause")), "{report:?}");
    assert_eq!(site.server.log().len(), 0);
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    let authority = site.server.url.authority();
    let left = catalog.host_pause(authority).await.unwrap().unwrap();
    assert!(left <= Duration::from_secs(7 * 24 * 3600), "not for good: {left:?}");
}

#[tokio::test]
async fn a_list_that_writes_one_address_in_several_ways_has_it_fetched_once_and_asked_for_conditionally() {
    let server = Server::start(|request| match request.path.as_str() {
        "/robots.txt" => Reply::status(404),
        _ => tagged(request, "\"1\"", Reply::ok(png(70, 70, 1))),
    })
    .await;
    let (base, folder) = (server.url.as_str().replace("http", "HTTP"), tempfile::tempdir().unwrap());
    let entry = |end: &str| crawler::list::Entry {
        place: crawler::list::Place::Url(format!("{base}{end}")),
        file: None,
        identity: None,
        caption: None,
        hint: None,
    };
    let entries = ["a b.png", "a%20b.png", "a b.png#1", "./a b.png#2"].map(entry).to_vec();
    let list = crawler::List { entries, ..crawler::List::default() };
    let profile = crawler::ListProfile { allow_private: true, ..crawler::ListProfile::default() };
    let mut settings = CrawlSettings::of(crawler::Source::List("list".into(), profile));
    (settings.fresh_for, settings.delay) = (Duration::ZERO, Some(Duration::ZERO));
    for status in [200, 304, 304] {
        server.clear_log();
        let catalog = Catalog::open(folder.path()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let report = crawler::import(&catalog, &list, &settings, &|_| ()).await.unwrap();
        catalog.close().await;
        let asked: Vec<u16> = server
            .log()
            .iter()
            .filter(|entry| entry.path == "/a%20b.png")
            .map(|entry| entry.status)
            .collect();
        assert_eq!(asked, [status]);
        assert_eq!(report.photos_stored + report.photos_unchanged, 4, "{report:?}");
    }
}
