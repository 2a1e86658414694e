//! The program is killed at any moment of a crawl, again and again, and ends in the state of an undisturbed crawl.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::server::world::{SHAPES, Shape, World};
use catalog::Catalog;

const KILLS: u32 = 20;
const PEOPLE: usize = 5;

fn profile(shape: Shape) -> &'static str {
    match shape {
        Shape::ThePlace => "theplace",
        Shape::ThePlaceRu => "theplace-ru",
        Shape::Coppermine => "coppermine",
        Shape::Piwigo => "piwigo",
    }
}

fn crawl(shape: Shape, server: &Server, workdir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bolid"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["crawl", "--site", &format!("data/sites/{}.toml", profile(shape)), "--delay", "8ms"])
        .args([
            "--base-url",
            server.url.as_str(),
            "--contact",
            "me@example.org",
            "--set",
            "rules.min_side=64",
        ])
        .env("BOLID_WORKDIR", workdir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Everything that a crawl leaves, but for times: person, photo, bytes or failure, caption.
async fn state(workdir: &Path, site: &str) -> Vec<String> {
    let catalog = Catalog::open(workdir).await.unwrap();
    let mut rows = Vec::new();
    for person in catalog.identities(site).await.unwrap() {
        for photo in catalog.photos(person.id).await.unwrap() {
            let (source, file) = (photo.source_url, photo.file_url.unwrap_or_default());
            let outcome = (photo.sha256, photo.failure, photo.caption);
            rows.push(format!("{} {} {source} {file} {outcome:?}", person.slug, person.name));
        }
    }
    catalog.close().await;
    rows
}

fn blobs(workdir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in std::fs::read_dir(workdir.join("blobs")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            names.insert(file.unwrap().file_name().to_string_lossy().into_owned());
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_at_random_moments_end_in_the_state_of_an_undisturbed_crawl_for_each_shape() {
    for shape in SHAPES {
        let world = World::new(shape, PEOPLE);
        let server = Server::start(move |request| world.answer(request)).await;
        let wait = |mut child: Child| tokio::task::spawn_blocking(move || child.wait().unwrap());
        let undisturbed = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let status = wait(crawl(shape, &server, undisturbed.path())).await.unwrap();
        assert_eq!(status.code(), Some(3), "some photos fail on purpose");
        // Twenty runs of a random part of this together stay below a whole crawl, however fast the machine is.
        let longest_ms = (started.elapsed().as_millis() as u64 / 14).max(1);
        let asked = |path: &str| path.starts_with("/files/") || path.starts_with("/private/");
        let undisturbed_files = server.log().iter().filter(|entry| asked(&entry.path)).count();
        server.clear_log();

        let folder = tempfile::tempdir().unwrap();
        let mut seed = 11_u64;
        for _ in 0..KILLS {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut child = crawl(shape, &server, folder.path());
            tokio::time::sleep(Duration::from_millis(8 + (seed >> 33) % longest_ms)).await;
            child.kill().unwrap(); // SIGKILL
            let status = wait(child).await.unwrap();
            assert!(status.code().is_none(), "{shape:?}: it was through before it was killed ({status})");
        }
        let status = wait(crawl(shape, &server, folder.path())).await.unwrap();
        assert_eq!(status.code(), Some(3));

        let site = match shape {
            Shape::Coppermine | Shape::Piwigo => {
                format!("{}-127.0.0.1-{}", profile(shape), server.url.port().unwrap())
            }
            _ => profile(shape).to_owned(),
        };
        let expected = state(undisturbed.path(), &site).await;
        assert!(expected.len() > 40, "{}", expected.len());
        assert_eq!(state(folder.path(), &site).await, expected, "{shape:?}");
        let truth = World::new(shape, PEOPLE).truth();
        assert_eq!(blobs(folder.path()), truth, "every permitted large photo once, and nothing else");
        // At most what was in flight at a kill is asked for again.
        let files = server.log().iter().filter(|entry| asked(&entry.path)).count();
        assert!(files <= undisturbed_files + 4 * KILLS as usize, "{files} for {undisturbed_files} files");
    }
}
