//! Whole crawls of sites of three shapes: the end state is the server's truth, and the server's log shows manners.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::server::world::{Kind, MIN_SIDE, SHAPES, Shape, World};
use crate::server::{Reply, Server};
use catalog::Catalog;
use crawler::{CrawlReport, CrawlSettings, crawl};
use photo::FailureClass;

fn settings(shape: Shape, server: &Server) -> CrawlSettings {
    let mut settings = CrawlSettings::new(shape.profile().at(server.url.clone()));
    settings.mirror = Some(server.url.clone());
    settings.min_side = MIN_SIDE;
    settings.delay = Some(Duration::ZERO);
    settings
}

async fn serve(shape: Shape, people: usize) -> Server {
    let world = World::new(shape, people);
    Server::start(move |request| world.answer(request)).await
}

async fn run(folder: &Path, settings: &CrawlSettings) -> CrawlReport {
    let catalog = Catalog::open(folder).await.unwrap();
    let report = crawl(&catalog, settings, &|_| ()).await.unwrap();
    catalog.close().await;
    report
}

/// Everything that a crawl leaves, but for times: person, photo, bytes or failure, caption.
async fn state(folder: &Path, site: &str) -> Vec<String> {
    let catalog = Catalog::open(folder).await.unwrap();
    let mut rows = Vec::new();
    for person in catalog.identities(site).await.unwrap() {
        for photo in catalog.photos(person.id).await.unwrap() {
            rows.push(format!(
                "{} {} {:?} {} {} {:?} {:?} {:?}",
                person.slug,
                person.name,
                person.page_url,
                photo.source_url,
                photo.file_url.unwrap_or_default(),
                photo.sha256,
                photo.failure.map(FailureClass::name),
                photo.caption
            ));
        }
    }
    catalog.close().await;
    rows
}

async fn stored_digests(folder: &Path, site: &str) -> Vec<String> {
    let catalog = Catalog::open(folder).await.unwrap();
    let mut digests = Vec::new();
    for person in catalog.identities(site).await.unwrap() {
        digests.extend(
            catalog
                .photos(person.id)
                .await
                .unwrap()
                .into_iter()
                .filter_map(|photo| Some(photo.sha256?.to_string())),
        );
    }
    catalog.close().await;
    digests
}

#[tokio::test]
async fn every_permitted_large_photo_is_stored_once_and_nothing_else_for_each_shape() {
    for shape in SHAPES {
        let (server, world) = (serve(shape, 4).await, World::new(shape, 4));
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(shape, &server);
        let report = run(folder.path(), &settings).await;

        let digests = stored_digests(folder.path(), settings.site()).await;
        let distinct: BTreeSet<_> = digests.iter().cloned().collect();
        assert_eq!(digests.len(), distinct.len());
        assert_eq!(distinct, world.truth(), "{shape:?}");
        assert_eq!(blob_count(folder.path()), distinct.len(), "{shape:?}");

        let of_kind = |kind| world.photos().filter(|&(p, n)| World::kind(p, n) == kind).count() as u64;
        let failed = |class| report.photos_failed.get(&class).copied().unwrap_or(0);
        assert_eq!(failed(FailureClass::TooSmall), of_kind(Kind::Small));
        assert_eq!(failed(FailureClass::OptOut), of_kind(Kind::FileOptOut) + of_kind(Kind::PageOptOut));
        assert_eq!(failed(FailureClass::Robots), of_kind(Kind::Disallowed));
        assert_eq!(failed(FailureClass::NotAnImage), of_kind(Kind::Html));
        assert_eq!(failed(FailureClass::Http4xx), of_kind(Kind::Missing));
        assert!(report.has_failures() && report.left.is_empty());
    }
}

#[tokio::test]
async fn the_log_shows_robots_first_no_forbidden_path_and_each_file_once() {
    for shape in SHAPES {
        let server = serve(shape, 4).await;
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &settings(shape, &server)).await;
        let log = server.log();
        assert_eq!(log[0].path, "/robots.txt");
        let paths: Vec<_> = log.iter().map(|entry| entry.path.as_str()).collect();
        let distinct: BTreeSet<_> = paths.iter().collect();
        assert_eq!(paths.len(), distinct.len(), "{shape:?}: no path is asked for twice");
        for forbidden in ["/private/", "/photos/top", "lastup", "login", "orig_", "normal_"] {
            assert!(!paths.iter().any(|path| path.contains(forbidden)), "{shape:?} {forbidden}");
        }
        assert!(server.peak() <= 4, "{} requests at once", server.peak());
        assert!(log.iter().all(|entry| entry.user_agent.starts_with("bolid/")));
        // A size that the gallery states spares the photo page and the file.
        let world = World::new(shape, 4);
        let small = world.photos().find(|&(p, n)| World::kind(p, n) == Kind::Small).unwrap();
        if shape == Shape::ThePlace {
            let page = format!("/photos/P-md{}/pic-{}.html", small.0, small.1);
            assert!(!paths.contains(&page.as_str()));
        }
    }
}

#[tokio::test]
async fn a_second_crawl_asks_nothing_while_all_is_fresh_and_gets_only_304_when_not() {
    for shape in SHAPES {
        let server = serve(shape, 2).await;
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(shape, &server);
        let first = run(folder.path(), &settings).await;
        let before = state(folder.path(), settings.site()).await;

        server.clear_log();
        let report = run(folder.path(), &settings).await;
        assert_eq!(server.log().len(), 0, "{shape:?}: {:?}", server.log());
        assert_eq!((report.photos_stored, report.photos_unchanged), (0, 0));

        settings.fresh_for = Duration::ZERO;
        tokio::time::sleep(Duration::from_millis(5)).await; // into another millisecond
        let report = run(folder.path(), &settings).await;
        assert_eq!(report.photos_stored, 0);
        assert_eq!(report.pages_read, 0, "{shape:?}");
        // A file that is missing has no validators; all others were seen, also those that were refused.
        for entry in server.log() {
            assert!(
                entry.is_conditional || entry.status == 404,
                "{shape:?}: {} is asked for anew",
                entry.path
            );
            assert!(matches!(entry.status, 304 | 404), "{shape:?}: {} gave {}", entry.path, entry.status);
        }
        assert_eq!(report.photos_failed, first.photos_failed, "{shape:?}");
        assert_eq!(report.has_failures(), first.has_failures());
        assert_eq!(state(folder.path(), settings.site()).await, before);
    }
}

#[tokio::test]
async fn addresses_and_identities_are_the_same_whichever_mirror_was_asked() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut states = Vec::new();
    for folder in &folders {
        let server = serve(Shape::ThePlace, 2).await;
        run(folder.path(), &settings(Shape::ThePlace, &server)).await;
        states.push(state(folder.path(), "theplace").await);
    }
    assert_eq!(states[0], states[1]);
    assert!(states[0][0].contains("https://www.theplace-2.com/photos/P-md0/pic-0.html"), "{}", states[0][0]);
}

#[tokio::test]
async fn cyrillic_names_and_captions_in_windows_1251_arrive_as_they_were_meant() {
    let server = serve(Shape::ThePlaceRu, 1).await;
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &settings(Shape::ThePlaceRu, &server)).await;
    let rows = state(folder.path(), "theplace-ru").await;
    assert!(rows[0].contains("Мила 0") && rows[0].contains("идёт"), "{}", rows[0]);
}

#[tokio::test]
async fn a_crawl_dropped_at_any_moment_goes_on_to_the_same_state() {
    for shape in SHAPES {
        let server = serve(shape, 3).await;
        let settings = settings(shape, &server);
        let undisturbed = tempfile::tempdir().unwrap();
        let started = Instant::now();
        run(undisturbed.path(), &settings).await;
        let whole = started.elapsed();
        let expected = state(undisturbed.path(), settings.site()).await;
        server.clear_log();

        let folder = tempfile::tempdir().unwrap();
        let mut seed = 7_u64;
        let mut interruptions: u32 = 0;
        loop {
            let catalog = Catalog::open(folder.path()).await.unwrap();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Each run may last a little longer than the one before, so that all of them together end: the first three
            // get no more than six tenths of what an undisturbed run takes, however fast the machine is.
            let longest = whole * (interruptions + 1) / 10;
            let moment = longest.mul_f64((seed >> 33) as f64 / f64::from(1_u32 << 31));
            let done = tokio::time::timeout(moment, crawl(&catalog, &settings, &|_| ())).await;
            drop(catalog);
            match done {
                Ok(report) => {
                    report.unwrap();
                    break;
                }
                Err(_) => interruptions += 1,
            }
        }
        assert!(interruptions >= 2, "only {interruptions} interruptions");
        assert_eq!(state(folder.path(), settings.site()).await, expected, "{shape:?}");
        // At most what was in flight at an interruption is asked for again.
        let files = server.log().iter().filter(|entry| entry.path.starts_with("/files/")).count();
        let photos = World::new(shape, 3).photos().count();
        assert!(files <= photos + 4 * interruptions as usize, "{files} requests for {photos} files");
    }
}

#[tokio::test]
async fn what_changed_is_stored_anew_and_what_vanished_is_gone() {
    let world = World::new(Shape::ThePlace, 1);
    let changed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&changed);
    let server = Server::start(move |request| {
        if flag.load(std::sync::atomic::Ordering::SeqCst) {
            match request.path.as_str() {
                "/files/0/0.png" => {
                    return Reply::ok(crate::server::world::png(70, 70, 999)).with("ETag", "\"new\"");
                }
                "/files/0/1.png" => return Reply::status(404),
                "/photos/P-md0/pic-3.html" => return Reply::ok("<meta name=robots content=noai>"),
                _ => {}
            }
        }
        world.answer(request)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(Shape::ThePlace, &server);
    run(folder.path(), &settings).await;
    changed.store(true, std::sync::atomic::Ordering::SeqCst);
    settings.fresh_for = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let report = run(folder.path(), &settings).await;
    assert_eq!(report.photos_stored, 1);
    let rows = state(folder.path(), "theplace").await;
    let row = |name: &str| rows.iter().find(|row| row.contains(name)).unwrap();
    let digest = photo::Digest::of(crate::server::world::png(70, 70, 999)).to_string();
    assert!(row("pic-0.html").contains(&digest));
    assert!(row("pic-1.html").contains("None Some(\"http_4xx\")"), "{}", row("pic-1.html"));
    assert!(row("pic-3.html").contains("None Some(\"opt_out\")"), "{}", row("pic-3.html"));
}

#[tokio::test]
async fn only_the_people_and_as_many_photos_as_asked_for_are_downloaded() {
    let server = serve(Shape::ThePlace, 3).await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(Shape::ThePlace, &server);
    settings.identities = vec!["p-MD1".into()];
    settings.max_photos = Some(2);
    let report = run(folder.path(), &settings).await;
    assert_eq!(report.photos_stored, 2);
    assert!(!server.log().iter().any(|entry| entry.path.starts_with("/photos/P-md0")));

    settings.identities = vec!["Ada 0".into()]; // two people of one name
    settings.max_photos = None;
    settings.min_photos = 99;
    assert_eq!(run(folder.path(), &settings).await.photos_stored, 0);

    settings.min_photos = 0;
    settings.simulate = true;
    server.clear_log();
    let report = run(folder.path(), &settings).await;
    assert!(report.photos_due > 10);
    assert!(!server.log().iter().any(|entry| entry.path.starts_with("/files/")));
}

#[tokio::test]
async fn a_host_that_is_not_this_machine_needs_a_contact() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let settings = CrawlSettings::new(Shape::ThePlace.profile());
    let error = crawl(&catalog, &settings, &|_| ()).await.unwrap_err().to_string();
    assert!(error.contains("www.theplace-2.com") && error.contains("user_agent_contact"), "{error}");
    let settings = CrawlSettings::new(Shape::Coppermine.profile());
    let error = crawl(&catalog, &settings, &|_| ()).await.unwrap_err().to_string();
    assert!(error.contains("--base-url"), "{error}");
}

fn blob_count(folder: &Path) -> usize {
    let folders = std::fs::read_dir(folder.join("blobs")).unwrap().map(|entry| entry.unwrap().path());
    folders.map(|folder| std::fs::read_dir(folder).unwrap().count()).sum()
}
