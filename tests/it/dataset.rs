//! The whole way over the demo gallery: repeatable, resumable, the same on any number of threads.

use std::time::{Duration, Instant};

use crate::support::{Workplace, files_below, json_lines, project, text};

#[test]
fn the_same_recipe_gives_the_same_bytes_again_and_from_nothing_on_one_thread() {
    let place = Workplace::demo(3, 2, 8);
    let id = place.snapshot_id(&[]);
    let built_at_once = files_below(&place.snapshot_folder(&id));

    assert_eq!(place.snapshot_id(&[]), id, "a second run");
    place.forget_work();
    assert_eq!(place.snapshot_id(&["--threads", "1"]), id, "from nothing, on one thread");

    let built_alone = files_below(&place.snapshot_folder(&id));
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&built_at_once), names(&built_alone));
    for ((path, first), (_, second)) in built_at_once.iter().zip(&built_alone) {
        // These two say when the photos came and when this copy was built, which is no part of the id.
        let tells_time = ["build.json", "fetches.parquet"].iter().any(|name| path.ends_with(name));
        assert!(tells_time || first == second, "{} differs", path.display());
    }
}

#[test]
fn a_second_run_asks_for_nothing_and_computes_nothing_again() {
    let place = Workplace::demo(4, 1, 6);
    let id = place.snapshot_id(&[]);
    let before = files_below(&place.workdir().join("blobs"));
    let crawl = json_lines(&place.succeed(&["--json", "crawl"])).remove(0);
    assert_eq!(
        (crawl["pages_read"].as_u64(), crawl["photos_stored"].as_u64()),
        (Some(0), Some(0)),
        "{crawl}"
    );
    let measured = json_lines(&place.succeed(&["--json", "measure"])).remove(0);
    assert_eq!(measured["measured"], 0);
    let prepared = json_lines(&place.succeed(&["--json", "prepare"])).remove(0);
    assert_eq!(prepared["prepared"], 0);
    assert_eq!(place.snapshot_id(&[]), id);
    assert_eq!(files_below(&place.workdir().join("blobs")), before);
}

/// Kills the run at moments spread over its length, then lets it finish.
#[test]
fn a_run_killed_again_and_again_ends_with_the_snapshot_of_an_undisturbed_run() {
    let undisturbed = Workplace::demo(5, 2, 6);
    let started = Instant::now();
    let id = undisturbed.snapshot_id(&[]);
    let length = started.elapsed();

    let disturbed = Workplace::demo(5, 2, 6);
    // The moments are uneven on purpose, so that each falls into another stage, and differ from run to run.
    let jitter = f64::from(started.elapsed().subsec_nanos() % 1000) / 1000.0;
    for part in [0.05, 0.15, 0.3, 0.45, 0.6, 0.75] {
        let mut child = disturbed.start(&["dataset"]);
        std::thread::sleep(length.mul_f64(part * (0.7 + 0.6 * jitter)).max(Duration::from_millis(30)));
        child.kill().expect("SIGKILL");
        child.wait().expect("a killed process ends");
    }
    assert_eq!(disturbed.snapshot_id(&[]), id, "jitter {jitter}");
    disturbed.succeed(&["snapshot", "verify", &id]);
}

#[test]
fn explain_tells_a_photos_whole_way_and_status_counts_it() {
    let place = Workplace::demo(6, 1, 6);
    let id = place.snapshot_id(&[]);
    let snapshot = snapshot::Snapshot::open(&place.snapshot_folder(&id)).expect("a snapshot can be opened");
    let photo = &snapshot.photos()[0];
    let shown = text(&place.succeed(&["explain", &photo.facts.sha256.to_string()]).stdout);
    for expected in [photo.facts.url.as_str(), "keep", "watermark", "people", "faces", &id] {
        assert!(shown.contains(expected), "`{expected}` is missing in\n{shown}");
    }
    let status = json_lines(&place.succeed(&["--json", "status"]));
    assert_eq!(status[0]["site"], "demo");
    assert_eq!(status[0]["photos"], 6);
    let output = place.run(&["explain", "http://nowhere/photo.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("http://nowhere/photo.jpg"));
}

#[test]
fn a_flipped_byte_in_a_snapshot_is_found_and_the_file_named() {
    let place = Workplace::demo(7, 1, 5);
    let id = place.snapshot_id(&[]);
    let folder = place.snapshot_folder(&id);
    for (path, bytes) in files_below(&folder) {
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(folder.join(&path), &changed).expect("a file can be changed");
        let output = place.run(&["snapshot", "verify", &folder.display().to_string()]);
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        assert!(
            text(&output.stderr).contains(path.to_str().expect("a plain name")),
            "{}",
            text(&output.stderr)
        );
        std::fs::write(folder.join(&path), &bytes).expect("a file can be changed back");
    }
    place.succeed(&["snapshot", "verify", &id]);
}

#[test]
fn the_demo_recipe_of_the_repository_is_valid() {
    let place = Workplace::demo(1, 1, 1);
    let recipe = project().join("data/recipes/demo.toml");
    let output =
        place.run(&["--json", "judge", "--dry-run", "--recipe", recipe.to_str().expect("a plain path")]);
    // Nothing is wrong with it; only the photos are not there yet.
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no work folder"), "{}", text(&output.stderr));
}
