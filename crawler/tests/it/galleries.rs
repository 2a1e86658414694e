//! Galleries of every shape, behind servers that fail, through copies that link the site by other names, in
//! crawls that are stopped at any moment: what is stored in the end is the server's truth, and a later crawl
//! asks for nothing whole.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::server::world::{Kind, MIN_SIDE, SHAPES, Shape, World};
use crate::server::{Reply, Request, Server, Step};
use catalog::Catalog;
use crawler::{CrawlReport, CrawlSettings, Source, crawl};
use photo::fetch::FAILURE_CLASSES;
use photo::{Digest, FailureClass};
use url::Url;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing; but pages link the site by its own name, with and without its scheme.
    OtherNames,
    /// Answers break off, are errors, or do not come.
    Breaks,
    /// It asks for pauses.
    Throttles,
}

const FAULTS: [Fault; 3] = [Fault::OtherNames, Fault::Breaks, Fault::Throttles];

/// The site's own address; all requests go to a copy of it on this machine.
const SITE: &str = "https://gallery.example/";

/// The same number for the same seed and text.
fn drawn(seed: u64, text: &str) -> u64 {
    let digest = Digest::of(format!("{seed} {text}")).to_string();
    u64::from_str_radix(&digest[..12], 16).unwrap()
}

/// The links of a page as a copy has them that nobody rewrote.
fn with_other_names(reply: Reply, seed: u64, host: &str) -> Reply {
    let Reply::Full { status, headers, body } = reply else { return reply };
    let is_page = headers.iter().any(|(name, _)| name == "Content-Type");
    if !is_page || body.is_empty() {
        return Reply::Full { status, headers, body };
    }
    let names = [format!("https://{host}/"), format!("http://{host}/"), format!("//{host}/"), "/".to_owned()];
    let name = &names[seed as usize % names.len()];
    let mut page = body;
    for quote in ["href='", "src='", "\"element_url\": \""] {
        page = replaced(&page, &format!("{quote}/"), &format!("{quote}{name}"));
    }
    Reply::Full { status, headers, body: page }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn broken(seed: u64, path: &str, reply: Reply) -> Reply {
    let Reply::Full { headers, body, .. } = reply else { return reply };
    let mut head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n", body.len() + 1);
    for (name, value) in &headers {
        head += &format!("{name}: {value}\r\n");
    }
    let begun =
        vec![Step::Bytes(format!("{head}\r\n").into_bytes()), Step::Bytes(body[..body.len() / 2].to_vec())];
    match drawn(seed, path) % 3 {
        0 => Reply::status(500),
        1 => Reply::Raw(begun),
        _ => Reply::Raw(begun.into_iter().chain([Step::Reset]).collect()),
    }
}

struct Gallery {
    world: World,
    server: Server,
    /// Whether the fault shows.
    is_bad: Arc<AtomicBool>,
    settings: CrawlSettings,
    folder: tempfile::TempDir,
}

impl Gallery {
    async fn new(shape: Shape, fault: Fault, seed: u64) -> Self {
        let people = 2 + (seed % 2) as usize;
        let profile = shape.profile().at(Url::parse(SITE).unwrap());
        let host = profile.base_url.as_ref().unwrap().host_str().unwrap().to_owned();
        let is_bad = Arc::new(AtomicBool::new(true));
        let (world, flag, asked) =
            (World::new(shape, people), Arc::clone(&is_bad), Mutex::<HashMap<String, u64>>::default());
        let server = Server::start(move |request: &Request| {
            let reply = world.answer(request);
            let mut asked = asked.lock().unwrap();
            let count = asked.entry(request.path.clone()).or_default();
            *count += 1;
            match fault {
                Fault::OtherNames => with_other_names(reply, seed, &host),
                _ if !flag.load(Ordering::SeqCst) => reply,
                // Two of three paths fail the first time, and two of three the second time.
                Fault::Breaks
                    if !drawn(seed, &format!("{} {count}", request.path)).is_multiple_of(3) && *count < 3 =>
                {
                    broken(seed, &request.path, reply)
                }
                Fault::Throttles if *count == 1 && drawn(seed, &request.path).is_multiple_of(12) => {
                    let pause = if drawn(seed, "pause").is_multiple_of(2) { "0" } else { "-1" };
                    Reply::status(429).with("Retry-After", pause)
                }
                _ => reply,
            }
        })
        .await;
        let mut settings = CrawlSettings::new(profile);
        settings.mirror = Some(server.url.clone());
        settings.min_side = MIN_SIDE;
        settings.delay = Some(Duration::ZERO);
        if let Source::Site(profile) = &mut settings.source {
            (profile.pace.trip_after, profile.limits.backoff_ms, profile.limits.idle_ms) = (1000, 2, 5000);
        }
        Self {
            world: World::new(shape, people),
            server,
            is_bad,
            settings,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn open(&self) -> Catalog {
        Catalog::open(self.folder.path()).await.unwrap()
    }

    async fn crawl(&self) -> CrawlReport {
        tokio::time::sleep(Duration::from_millis(3)).await; // into another millisecond
        let catalog = self.open().await;
        let report = crawl(&catalog, &self.settings, &|_| ()).await.unwrap();
        catalog.close().await;
        report
    }

    /// Crawls that are stopped in the middle, and then one that is not; what broke is tried again.
    async fn crawl_to_the_end(&self, seed: u64) {
        for kill in 0..seed % 4 {
            let catalog = self.open().await;
            let moment = Duration::from_millis(5 + drawn(seed, &format!("kill {kill}")) % 120);
            drop(tokio::time::timeout(moment, crawl(&catalog, &self.settings, &|_| ())).await);
            drop(catalog);
        }
        let transient: Vec<FailureClass> =
            FAILURE_CLASSES.into_iter().filter(|class| class.is_transient()).collect();
        for _ in 0..5 {
            self.crawl().await;
            let catalog = self.open().await;
            let forgotten = catalog.forget_failures(self.settings.site(), &transient).await.unwrap();
            catalog.close().await;
            if forgotten == 0 {
                return;
            }
        }
        panic!("something breaks again and again");
    }

    async fn digests(&self) -> BTreeSet<String> {
        let catalog = self.open().await;
        let mut digests = BTreeSet::new();
        for person in catalog.identities(self.settings.site()).await.unwrap() {
            let rows = catalog.photos(person.id).await.unwrap();
            assert!(rows.iter().all(|row| row.sha256.is_some() || row.failure.is_some()), "each has an end");
            digests.extend(rows.into_iter().filter_map(|row| Some(row.sha256?.to_string())));
        }
        catalog.close().await;
        digests
    }
}

async fn check(shape: Shape, fault: Fault, seed: u64) {
    let name = format!("{shape:?}, {fault:?}, seed {seed}");
    let mut gallery = Gallery::new(shape, fault, seed).await;
    gallery.crawl_to_the_end(seed).await;
    assert_eq!(gallery.digests().await, gallery.world.truth(), "{name}");
    assert_eq!(blob_count(gallery.folder.path()), gallery.world.truth().len(), "{name}");

    gallery.settings.fresh_for = Duration::ZERO;
    gallery.crawl().await;
    gallery.is_bad.store(false, Ordering::SeqCst);
    gallery.server.clear_log();
    let report = gallery.crawl().await;
    assert_eq!(gallery.digests().await, gallery.world.truth(), "{name}");
    let truth = gallery.world.truth().len() as u64;
    assert_eq!((report.photos_stored, report.photos_unchanged, report.pages_read), (0, truth, 0), "{name}");
    let missing = gallery.world.photos().filter(|&(p, n)| World::kind(p, n) == Kind::Missing).count();
    let log = gallery.server.log();
    for entry in &log {
        assert!(entry.is_conditional || entry.status == 404, "{name}: {} is asked for anew", entry.path);
        assert!(matches!(entry.status, 304 | 404), "{name}: {} gave {}", entry.path, entry.status);
    }
    assert_eq!(log.iter().filter(|entry| entry.status == 404).count(), missing, "{name}");
    let paths: BTreeSet<&str> = log.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths.len(), log.len(), "{name}: nothing is asked for twice");
}

fn blob_count(folder: &Path) -> usize {
    let folders = std::fs::read_dir(folder.join("blobs")).unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter(|folder| !folder.ends_with("partial"))
        .map(|folder| std::fs::read_dir(folder).unwrap().count())
        .sum()
}

/// Four shapes, three faults, three seeds, each stopped up to three times.
#[tokio::test]
async fn thirty_six_galleries_end_with_the_server_s_truth_and_are_asked_for_nothing_whole_later() {
    for shape in SHAPES {
        for fault in FAULTS {
            for seed in 1..=3 {
                check(shape, fault, seed).await;
            }
        }
    }
}
