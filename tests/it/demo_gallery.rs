//! The demo gallery as the crawler meets it, over HTTP and with the project's own site profile.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use catalog::Catalog;
use crawler::{CrawlSettings, Profile, crawl};
use photo::{Digest, FailureClass};
use synth::gallery::{Gallery, Place, Server, serve};
use synth::{Collection, CollectionSpec, Plant};

const SPEC: CollectionSpec = CollectionSpec { seed: 5, identities: 2, photos_per_identity: 13 };

async fn start(spec: CollectionSpec) -> Server {
    let gallery = Gallery::new(Collection::new(spec));
    serve(gallery, "127.0.0.1:0".parse().unwrap(), true).await.unwrap()
}

fn settings(server: &Server) -> CrawlSettings {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sites/demo.toml");
    let mut settings = CrawlSettings::new(Profile::load(Path::new(path)).unwrap());
    settings.mirror = Some(server.url().parse().unwrap());
    settings.min_side = 1000;
    settings
}

#[tokio::test]
async fn a_crawl_of_the_demo_gallery_stores_its_photos_once_and_minds_its_rules() {
    let server = start(SPEC).await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let mut settings = settings(&server);
    let report = crawl(&catalog, &settings, &|_| ()).await.unwrap();

    let gallery = Gallery::new(Collection::new(SPEC));
    let mut files = 0;
    for (identity, person) in gallery.collection().identities.iter().enumerate() {
        let slug = format!("{}-md{}", person.slug, 100 + identity);
        let people = catalog.identities("demo").await.unwrap();
        let id = people.iter().find(|found| found.slug == slug).unwrap().id;
        let rows = catalog.photos(id).await.unwrap();
        assert_eq!(rows.len(), person.photos.len());
        for row in rows {
            let url = row.source_url.strip_prefix("http://127.0.0.1:8765").unwrap();
            let photo = &person.photos[gallery.find(url).unwrap().photo];
            assert_eq!(row.caption.as_deref(), Some(photo.caption().as_str()));
            match (&photo.plant, row.failure.map(FailureClass::name)) {
                (Some(Plant::TooSmall), failure) => assert_eq!(failure, Some("too_small")),
                (Some(Plant::Broken { .. }), Some(failure)) => assert_eq!(failure, "not_an_image"),
                (_, failure) => {
                    assert_eq!(failure, None, "{photo:?}");
                    assert_eq!(row.sha256, Some(Digest::of(photo.bytes())));
                }
            }
            files += usize::from(photo.plant != Some(Plant::TooSmall));
        }
    }

    let log = server.log();
    assert_eq!(log[0].path, "/robots.txt");
    let paths: Vec<_> = log.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len(), "nothing is asked for twice");
    assert!(
        !paths.iter().any(|path| path.contains("orig_") || path.contains("top") || path.contains("random"))
    );
    assert_eq!(paths.iter().filter(|path| path.starts_with("/archive/")).count(), files);
    assert_eq!(report.pages_failed.get(&FailureClass::Robots), Some(&1));

    crawl(&catalog, &settings, &|_| ()).await.unwrap();
    assert_eq!(server.log().len(), log.len(), "all of it is fresh");
    settings.fresh_for = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let report = crawl(&catalog, &settings, &|_| ()).await.unwrap();
    assert_eq!((report.photos_stored, report.pages_read), (0, 0));
    assert!(report.photos_unchanged > 10);
    let again: Vec<_> = server.log()[log.len()..].to_vec();
    let broken = |path: &str| {
        let photo = gallery.find(path).map(|Place { identity, photo }| {
            gallery.collection().identities[identity].photos[photo].plant.clone()
        });
        matches!(photo, Some(Some(Plant::Broken { .. })))
    };
    for entry in again {
        assert!(entry.status == 304 || broken(&entry.path), "{} gave {}", entry.path, entry.status);
    }
    server.stop().await.unwrap();
}
