//! Galleries as other software writes them, read by the committed profiles: the originals, each once, and no preview.
//! Samples: `crawler/tests/software`. `make test-galleries` crawls what the programs themselves make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::world::png;
use crate::server::{Reply, Request, Server};
use catalog::Catalog;
use crawler::check::CheckReport;
use crawler::{CrawlSettings, Profile, check, crawl};
use url::Url;

const SITE: &str = "https://gallery.example/";

/// The sample's pages; every other path is a photo of 70×70 px, previews included, so that one would be seen.
async fn serve(sample: &str) -> Server {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/software").join(sample);
    Server::start(move |request: &Request| {
        let path = request.path.trim_start_matches('/');
        let path = if path.is_empty() || path.ends_with('/') {
            format!("{path}index.html")
        } else {
            path.to_owned()
        };
        match std::fs::read(folder.join(&path)) {
            Ok(page) => Reply::ok(page).with("Content-Type", "text/html"),
            Err(_) if path == "robots.txt" => Reply::status(404),
            Err(_) => Reply::ok(png(70, 70, path.len())),
        }
    })
    .await
}

fn profile(name: &str) -> Profile {
    let path: PathBuf = format!("{}/../data/sites/{name}.toml", env!("CARGO_MANIFEST_DIR")).into();
    Profile::load(&path).unwrap()
}

fn settings(profile: Profile, server: &Server) -> CrawlSettings {
    let mut settings = CrawlSettings::new(profile.at(Url::parse(SITE).unwrap()));
    settings.mirror = Some(server.url.clone());
    settings.delay = Some(Duration::ZERO);
    settings.min_side = 64;
    settings
}

/// By the file's path: the person's slug and name, and the photo's caption.
type Photos = BTreeMap<String, (String, String, String)>;

async fn crawled(settings: &CrawlSettings) -> Photos {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let report = crawl(&catalog, settings, &|_| ()).await.unwrap();
    assert!(report.pages_failed.is_empty(), "{report:?}");
    let mut photos = Photos::new();
    let mut rows = 0;
    for person in catalog.identities(settings.site()).await.unwrap() {
        for photo in catalog.photos(person.id).await.unwrap() {
            if photo.sha256.is_none() {
                continue; // the gallery says that it is too small
            }
            rows += 1;
            let file = photo.file_url.unwrap().replace(SITE, "");
            let shown = (person.slug.clone(), person.name.clone(), photo.caption.unwrap_or_default());
            photos.insert(file, shown);
        }
    }
    assert_eq!(photos.len(), rows, "each file once");
    catalog.close().await;
    photos
}

async fn check_sample(sample: &str, engine: &str, files: [&str; 2], captions: [&str; 2]) {
    let server = serve(sample).await;
    let photos = crawled(&settings(profile(engine), &server)).await;
    let photo =
        |i: usize| (files[i].to_owned(), ("ada".to_owned(), "Ada L.".to_owned(), captions[i].to_owned()));
    assert_eq!(photos, Photos::from([photo(0), photo(1)]), "{sample}");
    for entry in server.log() {
        let is_photo = entry.path.ends_with(".jpg") || entry.path.ends_with(".png");
        assert!(
            !is_photo || files.contains(&entry.path.trim_start_matches('/')),
            "{sample}: {} is asked",
            entry.path
        );
    }
}

#[tokio::test]
async fn sigal_gives_originals_in_each_of_its_three_themes() {
    let files = ["ada/original/IMG_0.jpg", "ada/original/photo%201.jpg"];
    check_sample("sigal-colorbox", "sigal", files, ["IMG_0", "a hat"]).await;
    check_sample("sigal-galleria", "sigal", files, ["IMG_0", "a hat"]).await;
    check_sample("sigal-photoswipe", "sigal", files, ["", ""]).await;
}

#[tokio::test]
async fn lazygal_gives_the_original_or_the_largest_size_over_all_pages() {
    let files = ["ada/IMG_0.jpg", "ada/photo%201.jpg"];
    check_sample("lazygal-original", "lazygal", files, ["IMG 0", "a hat"]).await;
    check_sample("lazygal-sizes", "lazygal", files, ["IMG 0", "a hat"]).await;
}

#[tokio::test]
async fn igal2_gives_the_photo_behind_a_slide_or_on_it() {
    let files = ["ada/IMG_0.jpg", "ada/photo%201.jpg"];
    check_sample("igal2", "igal2", files, ["IMG_0", "a hat"]).await;
    check_sample("igal2-slides", "igal2", files, ["IMG_0", "a hat"]).await;
}

#[tokio::test]
async fn fgallery_is_read_by_its_json_and_gives_originals_where_there_are_any() {
    let server = serve("fgallery").await;
    let photos = crawled(&settings(profile("fgallery"), &server)).await;
    let by_person: Vec<_> = photos
        .iter()
        .map(|(file, (slug, _, caption))| (file.as_str(), slug.as_str(), caption.as_str()))
        .collect();
    let expected = [
        ("ada/files/IMG_0.jpg", "ada", "a hat"),
        ("ada/files/photo_1.jpg", "ada", ""),
        ("bea/imgs/IMG_0.jpg", "bea", ""),
    ];
    assert_eq!(by_person, expected);
    assert_eq!(server.count("/ada/files/small.jpg"), 0, "its size stands in the JSON");
}

#[tokio::test]
async fn a_single_album_is_a_site_whose_start_page_is_the_gallery() {
    let server = serve("fgallery").await;
    let text = "site = 'one'\nstart = ['ada/data.json']\n[index.single]\nname = 'Ada'\n[gallery]\nformat = 'json'\n\
                card = '/data'\nlink = [{ select = '/file/0' }, { select = '/img/0' }]";
    let profile = Profile::parse(text, Path::new("one.toml")).unwrap();
    let settings = settings(profile, &server);
    let photos = crawled(&settings).await;
    assert_eq!(photos.len(), 3);
    assert!(photos.values().all(|(_, name, _)| name == "Ada"), "{photos:?}");
    assert!(check(&settings).await.unwrap().is_well());
}

#[tokio::test]
async fn the_largest_of_a_srcset_is_taken_and_links_may_be_the_cards() {
    let server = Server::start(|request: &Request| match request.path.as_str() {
        "/" => Reply::ok("<a class=who href=/ada/>Ada</a>"),
        "/ada/" => Reply::ok("<img class=p src=/s.jpg srcset='/s.jpg 400w, /l.jpg 1600w, /m.jpg 800w'>"),
        "/robots.txt" => Reply::status(404),
        path => Reply::ok(png(70, 70, path.len())),
    })
    .await;
    let text = "site = 'one'\nstart = ['/']\n[index]\nlink = { select = 'a.who' }\n[gallery]\n\
                link = { select = 'img.p', attr = 'srcset' }";
    let photos = crawled(&settings(Profile::parse(text, Path::new("one.toml")).unwrap(), &server)).await;
    assert_eq!(photos.keys().collect::<Vec<_>>(), ["l.jpg"]);
    assert_eq!(photos["l.jpg"].1, "Ada");
}

async fn checked(sample: &str, profile: Profile, min_side: u32) -> CheckReport {
    let server = serve(sample).await;
    let mut settings = settings(profile, &server);
    settings.min_side = min_side;
    check(&settings).await.unwrap()
}

#[tokio::test]
async fn the_check_tells_of_each_alternative_and_of_data_in_a_script() {
    let report = checked("sigal-galleria", profile("sigal"), 64).await;
    assert!(report.is_well() && report.advice.is_none(), "{report:?}");
    let values = |rule: &str| report.findings.iter().find(|found| found.rule == rule).unwrap().values;
    assert_eq!(values("gallery.script"), 1);
    assert_eq!([values("gallery.card[0]"), values("gallery.card[1]")], [0, 2]);
    assert_eq!([values("gallery.link[0]"), values("gallery.link[1]")], [0, 2]);
}

#[tokio::test]
async fn the_check_says_that_photos_are_previews_and_what_to_do() {
    let report = checked("sigal-colorbox", profile("sigal"), 1000).await;
    assert!(!report.is_well());
    assert_eq!(report.too_small, ["70×70", "70×70"]);
    let advice = report.advice.unwrap();
    for part in [
        "below `rules.min_side` = 1000 px",
        "previews",
        "`gallery.link`",
        "bolid import",
        "rules.min_side=70",
    ] {
        assert!(advice.contains(part), "{part} in {advice}");
    }
}

#[tokio::test]
async fn the_check_points_to_the_script_or_to_an_import_where_a_page_is_made_by_javascript() {
    let plain = |card: &str| {
        let text = format!(
            "site = 'x'\nstart = ['./']\n[index]\nlink = {{ select = 'li a, #albums a' }}\n[gallery]\n\
             card = '{card}'\nlink = {{ select = 'a' }}"
        );
        Profile::parse(&text, Path::new("x.toml")).unwrap()
    };
    let advice = checked("sigal-galleria", plain("figure"), 64).await.advice.unwrap();
    for part in ["made by JavaScript", "One of its scripts names photos", "script = {", "bolid import"] {
        assert!(advice.contains(part), "{part} in {advice}");
    }
    let advice = checked("fgallery", plain("figure"), 64).await.advice.unwrap();
    for part in ["made by JavaScript", "format = \"json\"", "fgallery.toml", "bolid import"] {
        assert!(advice.contains(part), "{part} in {advice}");
    }
    let report = checked("lazygal-sizes", plain("figure"), 64).await;
    assert!(
        report.stopped.is_some() && report.advice.is_none(),
        "a page without scripts is not made by one: {report:?}"
    );
}
