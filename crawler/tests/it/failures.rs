//! Bad servers: every kind of failure ends as a stored class within its limits, and the crawl goes on to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::server::site::Site;
use crate::server::world::png;
use crate::server::{Reply, Request, Step};
use catalog::Catalog;
use crawler::crawl;
use photo::{Digest, FailureClass};
use tokio::io::AsyncWriteExt as _;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n";

fn raw(head: &str, steps: Vec<Step>) -> Reply {
    let mut all = vec![Step::Bytes(head.as_bytes().to_vec())];
    all.extend(steps);
    Reply::Raw(all)
}

fn bytes(body: impl Into<Vec<u8>>) -> Step {
    Step::Bytes(body.into())
}

/// A PNG whose header says 51200 × 51200.
fn bomb() -> Vec<u8> {
    let mut png = png(70, 70, 1);
    png[16..24].copy_from_slice(&[0, 0, 200, 0, 0, 0, 200, 0]);
    png
}

fn bad_reply(request: &Request) -> Option<Reply> {
    let whole = png(70, 70, 5);
    let sized = format!("{HEAD}Content-Length: {}\r\n\r\n", whole.len());
    let closing = format!("{HEAD}Connection: close\r\n\r\n");
    let part = whole[..whole.len() / 2].to_vec();
    Some(match request.path.as_str() {
        "/short.png" => raw(&sized, vec![bytes(part)]),
        "/reset.png" => raw(&sized, vec![bytes(part), Step::Wait(Duration::from_millis(20)), Step::Reset]),
        "/stall.png" => raw(&sized, vec![bytes(part), Step::Wait(Duration::from_secs(60))]),
        "/silent.png" => Reply::Raw(vec![Step::Wait(Duration::from_secs(60))]),
        "/drip.png" => {
            let drops = whole.iter().flat_map(|byte| [bytes([*byte]), Step::Wait(Duration::from_millis(50))]);
            raw(&sized, drops.collect())
        }
        "/endless.png" => raw(&closing, vec![bytes(whole), Step::Forever(vec![0; 1 << 16])]),
        "/announced.png" => raw(&format!("{HEAD}Content-Length: 99999999999\r\n\r\n"), vec![bytes(whole)]),
        "/html.png" => Reply::ok("<!DOCTYPE html><title>Log in</title>"),
        "/noise.png" => Reply::ok((0..5000_u32).map(|i| (i * 37 % 251) as u8).collect::<Vec<_>>()),
        "/empty.png" => Reply::ok(""),
        "/bomb.png" => Reply::ok(bomb()),
        "/small.png" => Reply::ok(png(63, 200, 1)),
        "/circle.png" => Reply::status(302).with("Location", "/circle.png"),
        "/elsewhere.png" => Reply::status(301).with("Location", "http://127.0.0.2:9/x.png"),
        "/nowhere.png" => Reply::status(302),
        "/headers.png" => {
            let headers: String = (0..5000).map(|i| format!("X-{i}: y\r\n")).collect();
            raw(&format!("{HEAD}{headers}Content-Length: 3\r\n\r\n"), vec![bytes("abc")])
        }
        "/garbage.png" => Reply::Raw(vec![bytes("220 ftp ready\r\n\r\n")]),
        "/gone.png" => Reply::status(410),
        "/broken.png" => Reply::status(500),
        "/unchanged.png" => Reply::status(304),
        "/part.png" => Reply::Full { status: 206, headers: Vec::new(), body: whole },
        "/choices.png" => Reply::status(300),
        "/moved.png" => raw("HTTP/1.1 302 Found\r\nLocation: /да.png\r\nContent-Length: 0\r\n\r\n", vec![]),
        "/%D0%B4%D0%B0.png" => Reply::ok(whole),
        "/busy.png" => Reply::status(429).with("Retry-After", "0"),
        "/refused.png" => {
            Reply::ok(png(70, 70, 9)).with("X-Robots-Tag", "otherbot: noindex, bolid: noimageai")
        }
        _ => return None,
    })
}

#[tokio::test]
async fn every_bad_answer_ends_as_its_own_class_and_the_good_ones_are_stored() {
    use FailureClass::*;
    let expected = [
        ("short", Truncated, 2),
        ("reset", Reset, 2),
        ("stall", Timeout, 2),
        ("silent", Timeout, 2),
        ("drip", Timeout, 2),
        ("endless", TooLarge, 1),
        ("announced", TooLarge, 1),
        ("html", NotAnImage, 1),
        ("noise", NotAnImage, 1),
        ("empty", NotAnImage, 1),
        ("bomb", TooLarge, 1),
        ("small", TooSmall, 1),
        ("circle", RedirectRefused, 6),
        ("elsewhere", RedirectRefused, 1),
        ("nowhere", RedirectRefused, 1),
        ("headers", Protocol, 1),
        ("garbage", Protocol, 1),
        ("gone", Http4xx, 1),
        ("broken", Http5xx, 2),
        ("busy", Throttled, 2),
        ("unchanged", Protocol, 1),
        ("part", Protocol, 1),
        ("choices", Protocol, 1),
        ("refused", OptOut, 1),
    ];
    let files: Vec<String> = expected.iter().map(|(name, ..)| format!("{name}.png")).collect();
    let mut names: Vec<&str> = files.iter().map(String::as_str).collect();
    names.extend(["good1.png", "good22.png", "moved.png"]);
    let site = Site::new(&names, bad_reply).await;
    let started = Instant::now();
    let report = site.crawl().await;
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());

    let outcomes = site.outcomes().await;
    for (name, class, requests) in expected {
        let file = format!("{name}.png");
        let (found, detail) = outcomes[&file].clone().expect_err(name);
        assert_eq!(found, class, "{name}: {detail}");
        assert!(!detail.is_empty(), "{name}");
        assert_eq!(site.requests(&format!("/{file}")), requests, "{name}: {detail}");
    }
    for name in ["good1.png", "good22.png"] {
        assert_eq!(outcomes[name], Ok(Digest::of(png(70, 70, name.len() + 1)).to_string()));
    }
    assert_eq!(outcomes["moved.png"], Ok(Digest::of(png(70, 70, 5)).to_string()), "a Location in raw UTF-8");
    assert_eq!(report.photos_stored, 3);
    assert!(report.has_failures());
    let unfinished = std::fs::read_dir(site.folder.path().join("blobs/partial")).unwrap().count();
    assert_eq!(unfinished, 0, "nothing half-fetched stays");
}

#[tokio::test]
async fn hosts_that_cannot_be_reached_fail_by_dns_connect_and_tls() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    let no_tls = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    // No resolver is asked for a name with so long a part, so that the answer does not depend on the network.
    let no_name = format!("{}.invalid", "x".repeat(64));
    let files = [
        format!("http://{no_name}/a.png"),
        format!("http://{closed}/b.png"),
        format!("https://127.0.0.1:{plain_port}/c.png"),
    ];
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut site = Site::new(&names, |_| None).await;
    let hosts = [no_name, closed.to_string(), format!("127.0.0.1:{plain_port}")];
    site.profile().hosts = hosts.to_vec();
    site.settings.contact = Some("me@example.org".to_owned());
    let report = site.crawl().await;
    let outcomes = site.outcomes().await;
    let class = |file: &str| outcomes[file].clone().unwrap_err().0;
    assert_eq!(class(&files[0]), FailureClass::Dns);
    assert_eq!(class(&files[1]), FailureClass::Connect);
    assert_eq!(class(&files[2]), FailureClass::Tls);
    assert!(report.left.is_empty() && report.has_failures(), "{report:?}");
    let again = site.crawl().await;
    assert_eq!(again.photos_failed.values().sum::<u64>(), 3, "they stay due: {again:?}");
    no_tls.abort();
}

#[tokio::test]
async fn pages_that_are_too_long_or_not_utf8_or_without_end_stop_nothing() {
    let site = Site::new(&["good.png"], |request| {
        Some(match request.path.as_str() {
            "/" => Reply::ok(
                "<a class=person href=/ada/>Ada</a><a class=person href=/long/>Long</a>\
                 <a class=person href=/calendar/1>Calendar</a><a class=person href=/odd/>Odd</a>",
            ),
            "/long/" => {
                let steps = vec![Step::Forever(b"<p>more".repeat(1000))];
                raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n", steps)
            }
            "/odd/" => Reply::ok(b"\xfa\xfb<a class=photo title='odd \xd0' href=/odd.png>\xff</a>".to_vec()),
            path => {
                let day: u32 = path.strip_prefix("/calendar/")?.parse().ok()?;
                Reply::ok(format!(
                    "<a class=page href=/calendar/{}>next</a><a class=photo title=day{day} href=/day{day}.png></a>",
                    day + 1
                ))
            }
        })
    })
    .await;
    let report = site.crawl().await;
    assert_eq!(report.pages_failed, BTreeMap::from([(FailureClass::TooLarge, 1)]));
    let outcomes = site.outcomes().await;
    let days = outcomes.keys().filter(|name| name.starts_with("day")).count();
    assert_eq!(days, 20, "the profile's limit on pages ends a calendar");
    assert!(outcomes.contains_key("good.png"));
    assert!(outcomes.keys().any(|name| name.starts_with("odd")), "{outcomes:?}");
}

#[tokio::test]
async fn names_with_dots_and_slashes_stay_inside_the_work_folder() {
    let site = Site::new(&[], |request| {
        Some(match request.path.as_str() {
            "/" => Reply::ok(
                "<a class=person href='/x/..%2f..%2fescape'>../../escape</a><a class=person href='/y/...'>..</a>",
            ),
            "/x/..%2f..%2fescape" | "/y/..." => Reply::ok("<a class=photo title=up href='/../../up.png'></a>"),
            _ => return None,
        })
    })
    .await;
    site.crawl().await;
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    let people = catalog.identities("bad").await.unwrap();
    assert_eq!(people.len(), 2);
    for person in people {
        assert!(!person.slug.contains(['/', '\\']) && !person.slug.starts_with('.'), "{}", person.slug);
    }
    assert!(site.requests("/up.png") > 0);
}

#[tokio::test]
async fn nothing_reaches_a_host_before_its_retry_after_has_ended() {
    for by_date in [false, true] {
        let times = Arc::new(AtomicUsize::new(0));
        let names: Vec<String> = (0..12).map(|i| format!("{i}.png")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let site = Site::new(&names, move |request| {
            let is_third = request.path.ends_with(".png") && times.fetch_add(1, Ordering::SeqCst) == 2;
            let later = std::time::SystemTime::now() + Duration::from_secs(2);
            let value = if by_date { httpdate::fmt_http_date(later) } else { "1".to_owned() };
            is_third.then(|| Reply::status(if by_date { 503 } else { 429 }).with("Retry-After", &value))
        })
        .await;
        let report = site.crawl().await;
        assert_eq!(report.photos_stored, 12, "{report:?}");
        let log = site.server.log();
        let refused = log.iter().position(|entry| matches!(entry.status, 429 | 503)).unwrap();
        // Requests that were under way when the answer came are no disregard of it: four at most.
        let after: Vec<Duration> =
            log[refused + 1..].iter().map(|entry| entry.at - log[refused].at).collect();
        // A date has whole seconds, so that two seconds ahead are one at least.
        let (early, late): (Vec<_>, Vec<_>) =
            after.into_iter().partition(|waited| *waited < Duration::from_millis(50));
        assert!(early.len() <= 3, "{early:?}");
        assert!(
            late.iter().all(|waited| *waited > Duration::from_millis(950)),
            "by date {by_date}: {late:?}"
        );
    }
}

#[tokio::test]
async fn a_pause_longer_than_is_waited_for_leaves_the_host_for_another_run() {
    let site = Site::new(&["a.png", "b.png"], |request| {
        request.path.ends_with("a.png").then(|| Reply::status(429).with("Retry-After", "86400"))
    })
    .await;
    let report = site.crawl().await;
    assert!(report.left.keys().any(|reason| reason.contains("86400 s")), "{report:?}");
}

#[tokio::test]
async fn the_delay_is_kept_and_a_crawl_delay_undercut_by_nothing() {
    for (robots, delay, least) in
        [("", Duration::from_millis(40), 40), ("User-agent: *\nCrawl-delay: 0.1\n", Duration::ZERO, 100)]
    {
        let mut site = Site::new(&["a.png", "b.png", "c.png", "d.png"], move |request| {
            (request.path == "/robots.txt").then(|| Reply::ok(robots))
        })
        .await;
        site.settings.delay = Some(delay);
        site.crawl().await;
        let log = site.server.log();
        assert_eq!(log[0].path, "/robots.txt");
        // The first page may follow robots.txt, which brings the delay, at once.
        let starts: Vec<Instant> = log[1..].iter().map(|entry| entry.at).collect();
        let all = *starts.last().unwrap() - starts[0];
        let expected = Duration::from_millis(least) * (starts.len() as u32 - 1);
        // The log notes arrivals: one may be held up by some milliseconds, not all.
        assert!(all + Duration::from_millis(10) >= expected, "{all:?} for {} requests", starts.len());
        assert!(site.server.peak() <= 4);
    }
}

#[tokio::test]
async fn while_robots_txt_cannot_be_had_nothing_is_asked_and_all_stays_due() {
    let broken = Arc::new(AtomicUsize::new(1));
    let flag = Arc::clone(&broken);
    let site = Site::new(&["a.png"], move |request| {
        (request.path == "/robots.txt" && flag.load(Ordering::SeqCst) == 1).then(|| Reply::status(500))
    })
    .await;
    let report = site.crawl().await;
    assert!(report.left.keys().any(|reason| reason.contains("robots.txt")), "{report:?}");
    assert!(site.server.log().iter().all(|entry| entry.path == "/robots.txt"));
    broken.store(0, Ordering::SeqCst);
    assert_eq!(site.crawl().await.photos_stored, 1);
}

/// A photo of more than a megabyte, and what a server with ranges answers.
fn ranged(whole: &[u8], request: &Request, etag: &str) -> Reply {
    let range = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match range {
        Some(from) if request.header("if-range") == Some(etag) => {
            let from: usize = from;
            let headers = vec![
                ("ETag".to_owned(), etag.to_owned()),
                ("Content-Range".to_owned(), format!("bytes {from}-{}/{}", whole.len() - 1, whole.len())),
            ];
            Reply::Full { status: 206, headers, body: whole[from..].to_vec() }
        }
        _ => Reply::ok(whole.to_vec()).with("ETag", etag),
    }
}

/// The first part of the photo; then the connection breaks, or hangs.
fn first_part(whole: &[u8], etag: &str, then: Step) -> Reply {
    let head = format!("{HEAD}ETag: {etag}\r\nContent-Length: {}\r\n\r\n", whole.len());
    raw(&head, vec![bytes(&whole[..whole.len() / 2]), Step::Wait(Duration::from_millis(50)), then])
}

fn long_photo(seed: usize) -> Vec<u8> {
    let long = png(900, 700, seed);
    assert!(long.len() > 1 << 20, "{}", long.len());
    long
}

#[tokio::test]
async fn a_body_that_broke_off_goes_on_by_range_and_begins_anew_where_the_file_has_changed() {
    for changes in [false, true] {
        let times = AtomicUsize::new(0);
        let site = Site::new(&["long.png"], move |request| {
            let is_first = request.path == "/long.png" && times.fetch_add(1, Ordering::SeqCst) == 0;
            match (request.path == "/long.png", is_first, changes) {
                (false, ..) => None,
                (_, true, _) => Some(first_part(&long_photo(1), "\"v1\"", Step::Reset)),
                (_, false, false) => Some(ranged(&long_photo(1), request, "\"v1\"")),
                (_, false, true) => Some(ranged(&long_photo(2), request, "\"v2\"")),
            }
        })
        .await;
        site.crawl().await;
        let seed = if changes { 2 } else { 1 };
        assert_eq!(site.outcomes().await["long.png"], Ok(Digest::of(long_photo(seed)).to_string()));
        let log = site.server.log();
        let asked: Vec<_> = log.iter().filter(|entry| entry.path == "/long.png").collect();
        assert_eq!(asked.len(), 2);
        let range = asked[1].range.as_deref().expect("the second request is for the rest");
        assert!(range.starts_with("bytes=") && range != "bytes=0-", "{range}");
        assert_eq!(asked[1].status, if changes { 200 } else { 206 });
    }
}

#[tokio::test]
async fn a_site_that_turns_away_takes_nothing_from_what_was_had_and_is_left() {
    let names: Vec<String> = (0..12).map(|i| format!("p{i}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for wall in ["403", "challenge", "login", "gone"] {
        let is_up = Arc::new(AtomicUsize::new(0));
        let flag = Arc::clone(&is_up);
        let mut site = Site::new(&names, move |request| {
            let is_photo = request.path.ends_with(".png");
            (is_photo && flag.load(Ordering::SeqCst) == 1).then(|| match wall {
                "403" => Reply::status(403),
                "challenge" => Reply::ok("<!DOCTYPE html><title>One moment</title>"),
                "login" => Reply::status(302).with("Location", "http://127.0.0.2:9/login"),
                _ => Reply::status(404),
            })
        })
        .await;
        assert_eq!(site.crawl().await.photos_stored, 12);
        is_up.store(1, Ordering::SeqCst);
        site.settings.fresh_for = Duration::ZERO;
        let report = site.crawl().await;
        let had = site.outcomes().await.values().filter(|outcome| outcome.is_ok()).count();
        if wall == "gone" {
            assert_eq!(had, 0, "404 is the answer for each file");
        } else {
            assert_eq!(had, 12, "{wall}");
            assert!(report.left.keys().any(|reason| reason.contains("blocked")), "{wall}: {report:?}");
            assert!(report.has_failures());
        }
    }
}

#[tokio::test]
async fn two_versions_are_never_in_one_file_whatever_a_server_does_with_ranges() {
    // Ignores If-Range and sends the rest of another file; sends less than was asked for; sends no validator.
    for fault in ["other file", "less", "no validator"] {
        let times = AtomicUsize::new(0);
        let site = Site::new(&["long.png"], move |request| {
            (request.path == "/long.png").then(|| {
                if times.fetch_add(1, Ordering::SeqCst) == 0 {
                    return first_part(&long_photo(1), "\"v1\"", Step::Reset);
                }
                let whole = long_photo(2);
                let range =
                    request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
                let Some(from) = range.and_then(|from| from.parse::<usize>().ok()) else {
                    return Reply::ok(whole).with("ETag", "\"v2\"");
                };
                let end = if fault == "less" { from + 1000 } else { whole.len() };
                let mut headers =
                    vec![("Content-Range".to_owned(), format!("bytes {from}-{}/{}", end - 1, whole.len()))];
                match fault {
                    "other file" => headers.push(("ETag".to_owned(), "\"v2\"".to_owned())),
                    "less" => headers.push(("ETag".to_owned(), "\"v1\"".to_owned())),
                    _ => {}
                }
                Reply::Full { status: 206, headers, body: whole[from..end].to_vec() }
            })
        })
        .await;
        site.crawl().await;
        assert_eq!(site.outcomes().await["long.png"], Ok(Digest::of(long_photo(2)).to_string()), "{fault}");
    }
}

#[tokio::test]
async fn a_robots_txt_that_is_no_answer_permits_nothing() {
    for status in [300, 304, 206] {
        let site = Site::new(&["a.png"], move |request| {
            (request.path == "/robots.txt").then(|| Reply::status(status))
        })
        .await;
        let report = site.crawl().await;
        assert!(report.left.keys().any(|reason| reason.contains("robots.txt")), "{status}: {report:?}");
        assert!(site.server.log().iter().all(|entry| entry.path == "/robots.txt"), "{status}");
    }
}

#[tokio::test]
async fn a_killed_download_goes_on_by_range_in_the_next_run() {
    let times = AtomicUsize::new(0);
    let site = Site::new(&["long.png"], move |request| {
        (request.path == "/long.png").then(|| match times.fetch_add(1, Ordering::SeqCst) {
            0 => first_part(&long_photo(1), "\"v1\"", Step::Wait(Duration::from_secs(60))),
            _ => ranged(&long_photo(1), request, "\"v1\""),
        })
    })
    .await;
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    let cut = Duration::from_millis(300); // before the limit on a body that stands still
    assert!(tokio::time::timeout(cut, crawl(&catalog, &site.settings, &|_| ())).await.is_err());
    catalog.close().await;
    site.crawl().await;
    assert_eq!(site.outcomes().await["long.png"], Ok(Digest::of(long_photo(1)).to_string()));
    let log = site.server.log();
    let last = log.iter().rfind(|entry| entry.path == "/long.png").unwrap();
    assert_eq!(last.status, 206, "{last:?}");
    let unfinished = std::fs::read_dir(site.folder.path().join("blobs/partial")).unwrap().count();
    assert_eq!(unfinished, 0);
}
