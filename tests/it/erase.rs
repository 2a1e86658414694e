//! Erasing a person or a photo: nothing of it is left anywhere in the work folder, and it does not come back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{Workplace, files_below, json_lines, text};
use photo::Digest;

/// The JPEG bytes of a photo that no model needs to understand.
fn some_photo(seed: u32) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(1100, 1200, |x, y| {
        let wave = |k: u32| ((x * (k + seed) / 7) ^ (y * k / 5)) as u8;
        image::Rgb([wave(1), wave(2), wave(3)])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("memory holds it");
    bytes.into_inner()
}

/// What may not be left of a person: names, addresses, digests.
fn traces(place: &Workplace, slug: &str) -> Vec<String> {
    let snapshot = newest_snapshot(place);
    let key = format!("/{slug}");
    let kept = snapshot
        .photos()
        .iter()
        .filter(|photo| photo.identity.ends_with(&key))
        .map(|photo| (photo.facts.url.clone(), photo.facts.page_url.clone(), Some(photo.facts.sha256)));
    let dropped = snapshot.dropped().expect("its dropped photos").into_iter();
    let dropped = dropped
        .filter(|photo| photo.identity.ends_with(&key))
        .map(|photo| (photo.facts.url, photo.facts.page_url, photo.facts.sha256));
    let mut traces = vec![slug.to_owned()];
    let shown =
        json_lines(&place.succeed(&["--json", "explain", &snapshot.photos()[0].facts.sha256.to_string()]));
    traces.push(shown[0]["origin"]["identity"].as_str().expect("a name").to_owned());
    for (url, page_url, sha256) in kept.chain(dropped) {
        // The end of an address is enough to know it again, whatever stands before it.
        let tail = |url: String| url.rsplit_once("://").map_or(url.clone(), |(_, tail)| tail.to_owned());
        traces.extend(
            [Some(tail(url)), page_url.map(tail), sha256.map(|sha256| sha256.to_string())]
                .into_iter()
                .flatten(),
        );
    }
    traces
}

fn newest_snapshot(place: &Workplace) -> snapshot::Snapshot {
    let listed = snapshot::list(&place.workdir().join("snapshots")).expect("a list");
    let newest = listed.snapshots.last().expect("a snapshot");
    snapshot::Snapshot::open(&newest.path).expect("a snapshot can be opened")
}

/// Every trace that stands in a file's name or bytes.
fn left(workdir: &Path, traces: &[String]) -> Vec<String> {
    let mut left = Vec::new();
    for (path, bytes) in files_below(workdir) {
        let name = path.display().to_string();
        for trace in traces {
            let is_inside = bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
            if is_inside || name.contains(trace.as_str()) {
                left.push(format!("{trace} in {name}"));
            }
        }
    }
    left
}

fn first_slug(place: &Workplace) -> String {
    let identity = newest_snapshot(place).photos()[0].identity.clone();
    identity.split_once('/').expect("site/slug").1.to_owned()
}

#[test]
fn an_erased_person_is_nowhere_in_the_work_folder_and_does_not_come_back() {
    let place = Workplace::demo(41, 2, 6);
    let id = place.snapshot_id(&[]);
    let slug = first_slug(&place);
    let traces = traces(&place, &slug);
    assert!(traces.len() > 6 && !left(&place.workdir(), &traces).is_empty());

    let cache = place.workdir().join("cache");
    fs::create_dir_all(cache.join("0123456789ab")).expect("a cache");
    fs::write(cache.join("0123456789ab/photos-00000.safetensors"), b"latents").expect("a file");
    let identity = format!("demo/{slug}");
    let asked = place.run(&["erase", "--identity", &identity]);
    assert_eq!(asked.status.code(), Some(1), "a script that does not say --yes erases nothing");
    assert!(text(&asked.stderr).contains("--yes"), "{}", text(&asked.stderr));
    let planned =
        json_lines(&place.succeed(&["--json", "erase", "--dry-run", "--identity", &identity])).remove(0);
    let erased = json_lines(&place.succeed(&["--json", "erase", "--yes", "--identity", &identity])).remove(0);
    for counted in ["identities", "photos", "contents", "shared_contents"] {
        assert_eq!(planned[counted], erased[counted], "a dry run says what goes");
    }
    assert_eq!((&erased["identities"], &erased["photos"]), (&1.into(), &6.into()));
    assert_eq!(erased["snapshots_withdrawn"][0], format!("demo-{id}"));
    assert_eq!(left(&place.workdir(), &traces), Vec::<String>::new());
    assert!(!cache.exists(), "latents decode to photos");

    let listed = json_lines(&place.succeed(&["--json", "snapshot", "list"]));
    assert!(listed[0]["withdrawn"].is_array(), "{listed:?}");
    let verified = place.run(&["snapshot", "verify", &id]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stderr).contains("withdrawn"), "{}", text(&verified.stderr));

    // The site still shows the person, on listings that have changed since.
    // Photos of the other person have moved there, which is a failure of theirs.
    let output = place.run(&[
        "--json",
        "dataset",
        "--set",
        "crawl.fresh_for=\"0s\"",
        "--set",
        "demo.photos_per_identity=7",
    ]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", text(&output.stderr));
    let new = json_lines(&output).pop().expect("a snapshot")["id"].as_str().expect("an id").to_owned();
    assert_ne!(new, id);
    assert!(newest_snapshot(&place).photos().iter().all(|photo| photo.identity != identity));
    assert_eq!(left(&place.workdir(), &traces), Vec::<String>::new());
    let again = place.succeed(&["erase", "--yes", "--identity", &identity]);
    assert!(text(&again.stdout).contains("erased before"), "{}", text(&again.stdout));
}

#[test]
fn an_erased_photo_is_refused_by_its_address_and_its_bytes_wherever_they_come_from() {
    let place = Workplace::demo(42, 1, 5);
    place.snapshot_id(&[]);
    let (url, sha256) = {
        let snapshot = newest_snapshot(&place);
        let photo = &snapshot.photos()[0].facts;
        (photo.page_url.clone().unwrap_or_else(|| photo.url.clone()), photo.sha256)
    };
    let bytes = fs::read(blob(&place, sha256)).expect("the photo is stored");
    place.succeed(&["erase", "--yes", "--url", &url]);
    assert!(!blob(&place, sha256).exists());

    place.snapshot_id(&["--set", "crawl.fresh_for=\"0s\"", "--set", "demo.photos_per_identity=6"]);
    assert_eq!(left(&place.workdir(), &[url.clone(), sha256.to_string()]), Vec::<String>::new());
    let status = json_lines(&place.succeed(&["--json", "status"])).remove(0);
    let failures = status["failures"].as_array().expect("failures");
    assert!(failures.contains(&serde_json::json!(["erased", 1])), "{status}");

    let folder = place.path().join("other");
    fs::create_dir_all(folder.join("eve")).expect("a folder can be made");
    fs::write(folder.join("eve/renamed.jpg"), bytes).expect("a photo can be written");
    let imported = place.run(&["--json", "import", &folder.display().to_string()]);
    let report = json_lines(&imported).remove(0);
    assert_eq!(report["photos_failed"]["erased"], 1, "{report}");
    assert!(!blob(&place, sha256).exists());
}

fn blob(place: &Workplace, sha256: Digest) -> std::path::PathBuf {
    let name = sha256.to_string();
    place.workdir().join("blobs").join(&name[..2]).join(name)
}

#[test]
fn bytes_that_stand_under_somebody_else_stay_there_until_they_are_erased_themselves() {
    let place = Workplace::demo(1, 1, 1);
    let folder = place.path().join("photos");
    let photo = some_photo(1);
    for (person, name) in [("ada", "one.jpg"), ("bea", "two.jpg")] {
        fs::create_dir_all(folder.join(person)).expect("a folder can be made");
        fs::write(folder.join(person).join(name), &photo).expect("a photo can be written");
    }
    place.succeed(&["import", &folder.display().to_string(), "--name", "mine"]);
    let sha256 = Digest::of(&photo);
    let erased =
        json_lines(&place.succeed(&["--json", "erase", "--yes", "--identity", "mine/ada"])).remove(0);
    assert_eq!((&erased["contents"], &erased["shared_contents"]), (&0.into(), &1.into()));
    assert!(blob(&place, sha256).exists());
    let imported =
        json_lines(&place.run(&["--json", "import", &folder.display().to_string(), "--name", "mine"]));
    assert_eq!(imported[0]["photos_failed"]["erased"], 1, "{imported:?}");

    place.succeed(&["erase", "--yes", "--photo", &sha256.to_string()]);
    assert_eq!(left(&place.workdir(), &[sha256.to_string()]), Vec::<String>::new());
    let unknown = place.run(&["erase", "--yes", "--identity", "mine/nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("mine/nobody"));
    assert_eq!(place.run(&["erase"]).status.code(), Some(2));
}

#[test]
fn an_erasure_that_is_killed_again_and_again_is_finished_by_the_next_command() {
    let place = Workplace::demo(43, 1, 4);
    place.snapshot_id(&[]);
    let slug = first_slug(&place);
    let traces = traces(&place, &slug);
    let identity = format!("demo/{slug}");
    for milliseconds in [2, 5, 9, 14, 20, 30, 45] {
        let mut child = place.start(&["erase", "--yes", "--identity", &identity]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().expect("SIGKILL");
        child.wait().expect("a killed process ends");
    }
    place.succeed(&["erase", "--yes", "--identity", &identity]);
    assert_eq!(left(&place.workdir(), &traces), Vec::<String>::new());
    place.succeed(&["status"]);
}
