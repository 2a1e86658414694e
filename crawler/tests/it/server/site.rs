//! A site of one person whose gallery links files, each answered as a test wants it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use catalog::Catalog;
use crawler::{CrawlReport, CrawlSettings, Profile, crawl};
use photo::FailureClass;
use tempfile::TempDir;

use super::world::png;
use super::{Reply, Request, Server};

/// One person whose gallery links files; all limits are small, so that reaching them takes no time.
pub const PROFILE: &str = r#"
    site = "bad"
    base_url = "http://127.0.0.1/"
    start = ["/"]
    [index]
    card = "a.person"
    link = {}
    [gallery]
    pages = [{ select = "a.page" }]
    card = "a.photo"
    link = {}
    caption = [{ attr = "title" }]
    [pace]
    delay_ms = 0
    trip_after = 1000
    [limits]
    page_bytes = 100000
    photo_bytes = 3000000
    pages = 20
    connect_ms = 500
    idle_ms = 400
    total_ms = 1500
    attempts = 2
    backoff_ms = 1
    wait_s = 5
"#;

/// A site of one person whose gallery links files.
pub struct Site {
    pub server: Server,
    pub settings: CrawlSettings,
    pub folder: TempDir,
}

impl Site {
    /// A site with these files, answered by `answer` where it does not give `None`, else by a small photo.
    pub async fn new(
        files: &[&str],
        answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let gallery = files.iter().fold(String::new(), |mut html, file| {
            let href = if file.contains("://") { (*file).to_owned() } else { format!("/{file}") };
            write!(html, "<a class=photo title='{file}' href='{href}'>x</a>").unwrap();
            html
        });
        let server = Server::start(move |request| {
            answer(request).unwrap_or_else(|| match request.path.as_str() {
                "/" => Reply::ok("<a class=person href=/ada/>Ada</a>"),
                "/ada/" => Reply::ok(gallery.clone()),
                "/robots.txt" => Reply::status(404),
                path => Reply::ok(png(70, 70, path.len())),
            })
        })
        .await;
        let profile = Profile::parse(PROFILE, Path::new("bad.toml")).unwrap();
        let mut settings = CrawlSettings::new(profile);
        settings.mirror = Some(server.url.clone());
        settings.min_side = 64;
        Self { server, settings, folder: tempfile::tempdir().unwrap() }
    }

    pub fn profile(&mut self) -> &mut Profile {
        match &mut self.settings.source {
            crawler::Source::Site(profile) => profile,
            crawler::Source::List(..) => unreachable!("it is a site"),
        }
    }

    pub async fn crawl(&self) -> CrawlReport {
        let catalog = Catalog::open(self.folder.path()).await.unwrap();
        let report = crawl(&catalog, &self.settings, &|_| ()).await.unwrap();
        catalog.close().await;
        report
    }

    /// What is stored of every photo, by its caption: the digest, or the failure's class and detail.
    pub async fn outcomes(&self) -> BTreeMap<String, Result<String, (FailureClass, String)>> {
        let catalog = Catalog::open(self.folder.path()).await.unwrap();
        let mut outcomes = BTreeMap::new();
        for person in catalog.identities("bad").await.unwrap() {
            for photo in catalog.photos(person.id).await.unwrap() {
                let failure = photo.failure.map(|class| (class, photo.detail.unwrap()));
                let outcome =
                    failure.map_or_else(|| Ok(photo.sha256.map_or_else(String::new, String::from)), Err);
                outcomes.insert(photo.caption.unwrap_or_default(), outcome);
            }
        }
        catalog.close().await;
        outcomes
    }

    pub fn requests(&self, path: &str) -> usize {
        self.server.count(path)
    }
}
