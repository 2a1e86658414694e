//! A simulated import asks for what an import asks for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::server::world::png;
use crate::server::{Reply, Server};
use catalog::Catalog;
use catalog::identity::NewIdentity;
use catalog::photo::NewPhoto;
use crawler::list::{Entry, Place};
use crawler::{CrawlSettings, Event, List, ListProfile, Source, import};
use photo::FailureClass;

/// What a case sets.
type Change = fn(&mut CrawlSettings);

struct Fixture {
    server: Server,
    list: List,
}

impl Fixture {
    async fn new() -> Self {
        let server = Server::start(|request| match request.path.as_str() {
            "/robots.txt" => Reply::status(404),
            _ => Reply::ok(png(600, 800, 1)),
        })
        .await;
        let row = |person: &str, place: Place, hint: Option<(u32, u32)>| Entry {
            place,
            file: None,
            identity: Some(person.to_owned()),
            caption: None,
            hint,
        };
        let url = |name: &str| Place::Url(format!("{}{name}.png", server.url));
        let entries = vec![
            row("Ada", url("b"), Some((600, 800))),
            row("Ada", url("a"), Some((400, 800))),
            row("Ada", url("c"), None),
            row("Ada", Place::File("here.png".into()), None),
            row("Ben", url("new"), None),
            row("Cem", url("d"), None),
        ];
        Self { list: List { entries, ..List::default() }, server }
    }

    /// A catalog that knows a photo of Ben's from an earlier list.
    async fn catalog(&self, folder: &Path) -> Catalog {
        let catalog = Catalog::open(folder).await.unwrap();
        let ben = NewIdentity {
            slug: "Ben".to_owned(),
            name: "Ben".to_owned(),
            page_url: None,
            is_slug_certain: true,
        };
        let ben = catalog.add_identity("list", &ben).await.unwrap().unwrap();
        let source_url = format!("{}known.png", self.server.url);
        let known = NewPhoto {
            file_url: Some(source_url.clone()),
            source_url,
            hint: Some((900, 900)),
            caption: None,
        };
        catalog.add_photos(ben, &[known]).await.unwrap();
        catalog
    }

    fn settings(&self, set: Change) -> CrawlSettings {
        let profile = ListProfile { allow_private: true, ..ListProfile::default() };
        let mut settings = CrawlSettings::of(Source::List("list".to_owned(), profile));
        settings.min_side = 500;
        settings.delay = Some(Duration::ZERO);
        set(&mut settings);
        settings
    }

    /// The photos that a simulated import tells, and how many it finds too small; it leaves the catalog as it was.
    async fn told(&self, set: Change) -> (BTreeSet<String>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let catalog = self.catalog(folder.path()).await;
        let told = Mutex::new(BTreeSet::new());
        let see = |event: &Event| {
            if let Event::WouldFetch { url } = event {
                told.lock().unwrap().insert(url.replace(self.server.url.as_str(), "/"));
            }
        };
        let simulated = CrawlSettings { simulate: true, ..self.settings(set) };
        let report = import(&catalog, &self.list, &simulated, &see).await.unwrap();
        let told = told.into_inner().unwrap();
        assert_eq!(report.photos_due, told.len() as u64);
        let people = catalog.identities("list").await.unwrap();
        assert_eq!(people.iter().map(|person| person.slug.as_str()).collect::<Vec<_>>(), ["Ben"]);
        assert_eq!(catalog.photos(people[0].id).await.unwrap().len(), 1);
        (told, report.photos_failed.get(&FailureClass::TooSmall).copied().unwrap_or(0))
    }

    /// The photos that an import asks the server for.
    async fn asked(&self, set: Change) -> BTreeSet<String> {
        self.server.clear_log();
        let folder = tempfile::tempdir().unwrap();
        let catalog = self.catalog(folder.path()).await;
        import(&catalog, &self.list, &self.settings(set), &|_| ()).await.unwrap();
        let asked = self.server.log().into_iter().map(|request| request.path);
        asked.filter(|path| path != "/robots.txt").collect()
    }
}

#[tokio::test]
async fn a_simulated_import_tells_what_an_import_asks_for_and_leaves_the_catalog_as_it_is() {
    let fixture = Fixture::new().await;
    // Of the largest number of photos, the local one is the first of Ada's.
    let cases: [(Change, &str, u64); 4] = [
        (|_| (), "/b /c /d /known /new", 1),
        (|of| of.max_photos = Some(2), "/b /d /known /new", 1),
        (|of| of.min_photos = 2, "/b /c /known /new", 1),
        (|of| of.identities = vec!["cem".to_owned()], "/d", 0),
    ];
    for (set, expected, too_small) in cases {
        let told = fixture.told(set).await;
        let expected = expected.split(' ').map(|name| format!("{name}.png")).collect();
        assert_eq!(told, (expected, too_small));
        assert_eq!(fixture.asked(set).await, told.0);
    }
}
