//! What strangers write cannot lead the program inside, nor stop it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::server::site::Site;
use crate::server::world::png;
use crate::server::{Reply, Server, Step};
use catalog::Catalog;
use crawler::list::{Entry, Place};
use crawler::{CrawlReport, CrawlSettings, List, ListProfile, Source, import};
use photo::{Digest, FailureClass};

fn list_of(urls: &[String]) -> List {
    let entry = |url: &String| Entry {
        place: Place::Url(url.clone()),
        file: None,
        identity: None,
        caption: None,
        hint: None,
    };
    List { entries: urls.iter().map(entry).collect(), ..List::default() }
}

async fn take_in(folder: &std::path::Path, urls: &[String], allow_private: bool) -> CrawlReport {
    let list = ListProfile { allow_private, ..ListProfile::default() };
    let mut settings = CrawlSettings::of(Source::List("list".into(), list));
    settings.contact = Some("me@example.org".into());
    settings.delay = Some(Duration::ZERO);
    let catalog = Catalog::open(folder).await.unwrap();
    let report = import(&catalog, &list_of(urls), &settings, &|_| ()).await.unwrap();
    catalog.close().await;
    report
}

async fn details(folder: &std::path::Path) -> Vec<(String, String)> {
    let catalog = Catalog::open(folder).await.unwrap();
    let mut details = Vec::new();
    for person in catalog.identities("list").await.unwrap() {
        let rows = catalog.photos(person.id).await.unwrap().into_iter();
        details.extend(rows.filter_map(|row| Some((row.failure?.to_string(), row.detail?))));
    }
    catalog.close().await;
    details
}

#[tokio::test]
async fn a_list_does_not_lead_to_this_machine_unless_that_is_said() {
    let server = Server::start(|request| match request.path.as_str() {
        "/robots.txt" => Reply::status(404),
        _ => Reply::ok(png(70, 70, 1)),
    })
    .await;
    let port = server.url.port().unwrap();
    let urls = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "0"]
        .map(|host| format!("http://{host}:{port}/a.png"));
    let folder = tempfile::tempdir().unwrap();
    let report = take_in(folder.path(), &urls, false).await;
    assert_eq!(report.photos_failed[&FailureClass::Private], 5, "{report:?}");
    assert!(report.has_failures());
    assert_eq!(server.log().len(), 0, "not even robots.txt is asked for");
    for (class, detail) in details(folder.path()).await {
        assert!(class == "private" && detail.contains("--allow-private"), "{class}: {detail}");
    }
    let report = take_in(folder.path(), &urls, true).await;
    assert_eq!(report.photos_stored, 5, "what was refused is tried again as soon as it may be: {report:?}");
}

#[tokio::test]
async fn metadata_of_clouds_and_private_networks_are_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let urls = ["169.254.169.254", "10.0.0.1", "192.168.1.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]"]
        .map(|host| format!("http://{host}/latest/meta-data/"));
    let started = std::time::Instant::now();
    let report = take_in(folder.path(), &urls, false).await;
    assert_eq!(report.photos_failed, [(FailureClass::Private, 6)].into());
    assert!(started.elapsed() < Duration::from_secs(5), "no connection was tried");
}

#[tokio::test]
async fn a_site_on_this_machine_is_asked_and_another_port_of_it_is_not() {
    let other = Server::start(|_| Reply::ok(png(70, 70, 1))).await;
    let secret = other.url.join("/secret.png").unwrap().to_string();
    let target = secret.clone();
    let site = Site::new(&["a.png", "moved.png", &secret], move |request| {
        (request.path == "/moved.png").then(|| Reply::status(302).with("Location", &target))
    })
    .await;
    let report = site.crawl().await;
    assert_eq!((report.photos_stored, report.photos_failed[&FailureClass::RedirectRefused]), (1, 1));
    assert_eq!(other.log().len(), 0);
}

#[tokio::test]
async fn a_robots_txt_that_leads_inside_is_not_followed() {
    let inside = Server::start(|_| Reply::ok("User-agent: *\nAllow: /")).await;
    let target = inside.url.join("/robots.txt").unwrap().to_string();
    let site = Site::new(&["a.png"], move |request| {
        (request.path == "/robots.txt").then(|| Reply::status(302).with("Location", &target))
    })
    .await;
    let report = site.crawl().await;
    assert!(report.left.keys().any(|reason| reason.contains("robots.txt cannot be had")), "{report:?}");
    assert_eq!(inside.log().len(), 0);
}

#[tokio::test]
async fn a_copy_on_this_machine_needs_no_contact_and_leads_to_nobody_else_without_one() {
    let mut site = Site::new(&["a.png", "http://cdn.example/b.png"], |_| None).await;
    site.profile().base_url = Some("https://photos.example/".parse().unwrap());
    site.profile().hosts = vec!["cdn.example".into()];
    let report = site.crawl().await;
    assert_eq!(report.photos_stored, 1);
    assert!(
        report.left.keys().any(|reason| reason.contains("cdn.example") && reason.contains("--contact")),
        "{report:?}"
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_photo_that_comes_packed_goes_on_by_range_of_the_packed_bytes() {
    let photo = png(900, 700, 1);
    let (body, times) = (gzip(&photo), Arc::new(AtomicUsize::new(0)));
    assert!(body.len() > 1 << 20);
    let (packed, counter) = (body.clone(), Arc::clone(&times));
    let site = Site::new(&["long.png"], move |request| {
        (request.path == "/long.png").then(|| {
            let etag = "\"1-gzip\"";
            if counter.fetch_add(1, Ordering::SeqCst) == 0 {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: {etag}\r\nContent-Length: {}\r\n\r\n",
                    packed.len()
                );
                let half = packed[..packed.len() / 2].to_vec();
                return Reply::Raw(vec![
                    Step::Bytes(head.into_bytes()),
                    Step::Bytes(half),
                    Step::Wait(Duration::from_secs(60)),
                ]);
            }
            let range =
                request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
            let from: usize = range.expect("the rest is asked for").parse().unwrap();
            assert_eq!(request.header("if-range"), Some(etag));
            let headers = vec![
                ("ETag".to_owned(), etag.to_owned()),
                ("Content-Encoding".to_owned(), "gzip".to_owned()),
                ("Content-Range".to_owned(), format!("bytes {from}-{}/{}", packed.len() - 1, packed.len())),
            ];
            Reply::Full { status: 206, headers, body: packed[from..].to_vec() }
        })
    })
    .await;
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    let cut = Duration::from_millis(300); // before the limit on a body that stands still
    let killed = tokio::time::timeout(cut, crawler::crawl(&catalog, &site.settings, &|_| ())).await;
    assert!(killed.is_err());
    catalog.close().await;
    site.crawl().await;
    assert_eq!(site.outcomes().await["long.png"], Ok(Digest::of(&photo).to_string()));
    assert_eq!(times.load(Ordering::SeqCst), 2);
    let unfinished = std::fs::read_dir(site.folder.path().join("blobs/partial")).unwrap().count();
    assert_eq!(unfinished, 0);
}

#[tokio::test]
async fn packed_bodies_that_end_in_the_middle_are_truncated() {
    let page = gzip("<a class=person href=/ada/>Ada</a>".repeat(50).as_bytes());
    let photo = gzip(&png(70, 70, 1));
    let site = Site::new(&["cut.png"], move |request| match request.path.as_str() {
        "/robots.txt" => None,
        "/" => Some(Reply::ok("<a class=person href=/ada/>Ada</a><a class=person href=/cut/>Cut</a>")),
        "/cut/" => Some(Reply::ok(&page[..page.len() / 2]).with("Content-Encoding", "gzip")),
        "/cut.png" => Some(Reply::ok(&photo[..photo.len() / 2]).with("Content-Encoding", "gzip")),
        _ => None,
    })
    .await;
    let report = site.crawl().await;
    assert_eq!(report.pages_failed, [(FailureClass::Truncated, 1)].into());
    assert_eq!(site.outcomes().await["cut.png"].as_ref().unwrap_err().0, FailureClass::Truncated);
}

/// Six sorts of 10 MB that a parser of HTML takes long for.
fn hostile() -> [(&'static str, String); 6] {
    const LENGTH: usize = 10 << 20;
    let repeated = |text: &str| text.repeat(LENGTH / text.len());
    let attributes: String = (0..60_000).map(|i| format!(" a{i}=1")).collect();
    let open: String = (0..30_000).map(|i| format!("<b a={i}>")).collect();
    // Few enough elements to be parsed; each is a card with all those inside it.
    let column = "<div class=photo>".repeat(400) + &"</div>".repeat(400);
    let cards = column.repeat(450);
    let filled = format!("{cards}<!-- {} -->", "-".repeat(LENGTH - cards.len()));
    [
        ("deep", repeated("<div>")),
        ("attributes", repeated(&format!("<p{attributes}>"))),
        ("formatting", format!("{open}{}", "<p>x".repeat((LENGTH - open.len()) / 4))),
        ("tables", repeated("<a><table>")),
        ("foreign", repeated("<svg><foreignObject>")),
        ("cards", filled),
    ]
}

#[tokio::test]
async fn hostile_pages_end_within_their_limits_and_are_not_met_again() {
    let pages = hostile();
    let people: String =
        pages.iter().map(|(name, _)| format!("<a class=person href=/hostile/{name}/>{name}</a>")).collect();
    let mut site = Site::new(&[], move |request| match request.path.as_str() {
        "/" => Some(Reply::ok(format!("{people}<a class=person href=/ada/>Ada</a>"))),
        path => {
            let name = path.strip_prefix("/hostile/")?.trim_end_matches('/');
            let (_, page) = pages.iter().find(|(known, _)| *known == name)?;
            Some(tagged(request, page.clone()))
        }
    })
    .await;
    site.profile().limits.page_bytes = 16 << 20;
    site.profile().limits.total_ms = 60_000;
    site.profile().limits.idle_ms = 60_000; // the test's server has few processors, and those have pages to read
    let select = |text: &str| crawler::rule::Select::try_from(text.to_owned()).unwrap();
    site.profile().gallery.link =
        crawler::rule::Rule { select: Some(select("a.photo")), ..Default::default() }.into();
    site.profile().gallery.card = select("a.photo, div.photo").into();
    let before = processor_time();
    let report = site.crawl().await;
    let used = processor_time() - before;
    // How long the cards take is close to the limit.
    let failed = report.pages_failed[&FailureClass::TooLarge];
    assert!((5..=6).contains(&failed), "{report:?}");
    assert!(used < Duration::from_secs(6 * 5), "{used:?} for six pages");

    // The next run does not meet them again, by whatever option, unless it is asked to.
    site.server.clear_log();
    let again = site.crawl().await;
    assert_eq!(site.server.log().iter().filter(|entry| entry.path.starts_with("/hostile/")).count(), 0);
    assert!(again.pages_failed.is_empty());
    site.settings.fresh_for = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let stale = site.crawl().await;
    let asked: Vec<u16> =
        site.server.log().iter().filter(|e| e.path.starts_with("/hostile/")).map(|e| e.status).collect();
    assert_eq!(asked, [304; 6], "they are the same, so nothing is parsed");
    assert_eq!(stale.pages_failed, report.pages_failed);
}

fn tagged(request: &crate::server::Request, page: String) -> Reply {
    match request.header("if-none-match") {
        Some("\"h\"") => Reply::status(304),
        _ => Reply::ok(page).with("ETag", "\"h\""),
    }
}

/// From one request of a host to the next.
const DELAY: Duration = Duration::from_millis(40);

#[tokio::test]
async fn while_hostile_pages_are_read_other_pages_and_photos_come_at_their_pace() {
    let pages = hostile();
    let mut site = Site::new(&[], move |request| {
        let path = request.path.as_str();
        Some(match path {
            "/" => {
                let hostile = pages.iter().map(|(name, _)| format!("hostile/{name}"));
                let people = hostile.chain((0..80).map(|i| format!("{i}")));
                Reply::ok(
                    people.map(|at| format!("<a class=person href=/{at}/>{at}</a>")).collect::<String>(),
                )
            }
            "/robots.txt" => return None,
            _ if path.starts_with("/hostile/") => {
                let (_, page) = pages.iter().find(|(name, _)| path.contains(name))?;
                Reply::ok(page.clone())
            }
            _ if path.ends_with('/') => Reply::ok(format!("<a class=photo title=x href={path}x.png>x</a>")),
            _ => return None,
        })
    })
    .await;
    site.profile().limits.page_bytes = 16 << 20;
    site.profile().limits.total_ms = 60_000;
    site.profile().limits.idle_ms = 60_000;
    site.profile().pace.in_flight = 4;
    site.settings.delay = Some(DELAY);
    let started = std::time::Instant::now();
    let report = site.crawl().await;
    let took = started.elapsed();
    assert_eq!((report.pages_failed[&FailureClass::TooLarge], report.photos_stored), (5, 80), "{report:?}");
    // Four are asked for at a time, so the server may note two requests in another order than they were sent in.
    let mut log = site.server.log();
    log.sort_by_key(|entry| entry.at);
    let pages: Vec<_> =
        log.iter().filter(|entry| is_of_somebody(&entry.path)).map(|entry| entry.at).collect();
    assert_eq!(pages.len(), 86);
    // Read on the thread that asks, each hostile page would hold the others up for the seconds that it takes,
    // most of the crawl's time in all. On so few processors as reading leaves, and with a body of ten
    // megabytes to send now and then, a request may come late; how late depends on the machine, and so does
    // the whole.
    let pauses = pages.windows(2).map(|pair| pair[1] - pair[0]).filter(|pause| *pause > 10 * DELAY);
    let held_up: Duration = pauses.sum();
    assert!(held_up < took / 4, "nothing was asked for during {held_up:?} of {took:?}");
}

/// Whether this is the page of one of the people, hostile or not.
fn is_of_somebody(path: &str) -> bool {
    path.starts_with("/hostile/") || path.trim_matches('/').parse::<usize>().is_ok()
}

/// What all threads of this process have used.
fn processor_time() -> Duration {
    cpu_time::ProcessTime::now().as_duration()
}
