//! A gallery on loopback for measurements of speed: `cargo run --release -p crawler --example loopback -- serve` prints
//! its port and serves until its input ends; `… -- crawl` crawls 100,000 small photos of 100 people, each on a host of
//! its own, and tells memory, and speed from start to end.
//!
//! `/` lists the people, `/p/N/PAGE` 100 photos of one, `/s/…` is a small photo, `/l/…` one of some 380 KB; every path
//! has bytes of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use catalog::Catalog;
use crawler::{CrawlSettings, Event, Profile, crawl};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

const PEOPLE: usize = 100;
const PAGES: usize = 10;
const PER_PAGE: usize = 100;

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve().await,
        Some("crawl") => many().await,
        _ => eprintln!("serve | crawl"),
    }
}

async fn serve() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let gallery = Arc::new(Gallery { port, small: jpeg(16, 16), large: jpeg(1200, 1600) });
    println!("{port}");
    tokio::task::spawn_blocking(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let app = Router::new().fallback(answer).with_state(gallery);
    axum::serve(listener, app).await.expect("it serves");
}

struct Gallery {
    port: u16,
    small: Vec<u8>,
    large: Vec<u8>,
}

/// Noise over waves, of a quality that makes some 380 KB of 1200 × 1600 px.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut seed = 1_u32;
    let image = RgbImage::from_fn(width, height, |x, y| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = 127.0 + 90.0 * (f64::from(x + 2 * y) / 170.0).sin();
        let value = (wave + f64::from(seed >> 28) * 1.75) as u8;
        Rgb([value, value.wrapping_add(9), value / 2])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Jpeg).expect("memory holds it");
    bytes.into_inner()
}

async fn answer(State(gallery): State<Arc<Gallery>>, uri: Uri) -> Response {
    let path = uri.path();
    let photo = |jpeg: &[u8]| {
        // What follows the end of a JPEG is no part of the picture, but of the bytes.
        let body = Bytes::from([jpeg, path.as_bytes()].concat());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("image/jpeg"));
        headers.insert(header::ETAG, header::HeaderValue::from_static("\"1\""));
        (headers, body).into_response()
    };
    let host = |n: usize| format!("http://127.0.0.{}:{}", n + 2, gallery.port);
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", ""] => {
            let person = |n| format!("<a class=person href='{}/p/{n}/0'>{n}</a>", host(n));
            (0..PEOPLE).map(person).collect::<String>().into_response()
        }
        ["", "p", person, page] => {
            let (Ok(person), Ok(page)) = (person.parse::<usize>(), page.parse::<usize>()) else {
                return StatusCode::NOT_FOUND.into_response();
            };
            let page_link = |n| format!("<a class=page href='/p/{person}/{n}'>{n}</a>");
            let photo_link = |n| format!("<a class=photo href='/s/{person}/{page}/{n}.jpg'>x</a>");
            let links = (0..PAGES).map(page_link).chain((0..PER_PAGE).map(photo_link));
            links.collect::<String>().into_response()
        }
        ["", "s", ..] => photo(&gallery.small),
        ["", "l", ..] => photo(&gallery.large),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Its full speed is allowed by this profile alone.
fn profile(port: u16) -> Profile {
    let hosts: Vec<String> = (0..PEOPLE).map(|n| format!("127.0.0.{}:{port}", n + 2)).collect();
    let text = format!(
        "site = 'many'\nbase_url = 'http://127.0.0.1:{port}/'\nstart = ['/']\nhosts = {hosts:?}\n\
         [pace]\ndelay_ms = 0\n\
         [index]\ncard = 'a.person'\nlink = {{}}\nslug = '^/p/([0-9]+)'\n\
         [gallery]\npages = [{{ select = 'a.page' }}]\ncard = 'a.photo'\nlink = {{}}\n"
    );
    Profile::parse(&text, Path::new("many.toml")).expect("the profile is valid")
}

async fn many() {
    let mut server = Command::new(std::env::current_exe().expect("this program"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the gallery starts");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it says its port");
    let settings = CrawlSettings::new(profile(line.trim().parse().expect("a port")));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = Catalog::open(folder.path()).await.expect("a new catalog");
    let total = PEOPLE * PAGES * PER_PAGE;
    let times: Mutex<Vec<Instant>> = Mutex::new(Vec::with_capacity(total));
    let started = Instant::now();
    let report = crawl(&catalog, &settings, &|event| {
        if matches!(event, Event::PhotoStored { .. }) {
            times.lock().expect("nobody panicked").push(Instant::now());
        }
    })
    .await
    .expect("the crawl ends");
    let elapsed = started.elapsed();
    drop(server.stdin.take());
    let _ = server.wait();

    assert_eq!(report.photos_stored, total as u64, "{report:?}");
    let times = times.into_inner().expect("nobody panicked");
    let tenth = total / 10;
    let speed = |from: usize| tenth as f64 / (times[from + tenth - 1] - times[from]).as_secs_f64();
    let (first, last) = (speed(0), speed(total - tenth));
    println!("crawl of {total} small photos on {PEOPLE} hosts: {:.0} s with listings", elapsed.as_secs_f64());
    println!("  first tenth {first:.0} photos/s, last tenth {last:.0}: {:.2} of the first", last / first);
    println!("  peak memory {} MB", peak_memory_mb());
}

/// The largest resident set of this process so far (Linux).
fn peak_memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}
