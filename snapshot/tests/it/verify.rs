//! Every byte of a snapshot is covered.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{identities, spec, write};
use snapshot::{Problem, ProblemKind, verify};

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for folder in ["", "shards/", "plots/"] {
        for entry in fs::read_dir(dir.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                names.push(format!("{folder}{}", entry.file_name().to_str().unwrap()));
            }
        }
    }
    names
}

fn problems(dir: &Path) -> Vec<Problem> {
    verify(dir).unwrap_err().problems
}

fn problem(file: &str, kind: ProblemKind) -> Problem {
    Problem { file: file.into(), kind }
}

fn short(bytes: u64, expected: u64) -> ProblemKind {
    ProblemKind::Short { bytes, expected: Some(expected) }
}

#[test]
fn a_flipped_byte_in_any_file_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let files = files(&snapshot);
    assert_eq!(files.len(), 18, "10 files, 3 shards and 5 drawings: {files:?}");
    for file in files {
        let path = snapshot.join(&file);
        let content = fs::read(&path).unwrap();
        let positions = (0..24).map(|i| i * (content.len() - 1) / 23);
        for (position, mask) in
            positions.flat_map(|position| [(position, 1), (position, 0x80), (position, 0x20)])
        {
            let mut flipped = content.clone();
            flipped[position] ^= mask;
            fs::write(&path, flipped).unwrap();
            let error = verify(&snapshot).unwrap_err();
            assert_eq!(error.problems, [problem(&file, ProblemKind::Changed)], "byte {position}");
            assert!(error.to_string().contains(&file));
        }
        fs::write(&path, content).unwrap();
    }
    verify(&snapshot).unwrap();
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let readme_bytes = fs::metadata(snapshot.join("README.md")).unwrap().len();
    fs::write(snapshot.join("README.md"), "short").unwrap();
    fs::remove_file(snapshot.join("shards/demo__carl.safetensors")).unwrap();
    fs::create_dir(snapshot.join("shards/empty")).unwrap();
    fs::write(snapshot.join("notes.txt"), "mine").unwrap();
    let expected = [
        problem("README.md", short(5, readme_bytes)),
        problem("notes.txt", ProblemKind::Extra),
        problem("shards/demo__carl.safetensors", ProblemKind::Missing),
        problem("shards/empty/", ProblemKind::Extra),
    ];
    assert_eq!(problems(&snapshot), expected);
}

#[test]
fn a_renamed_folder_is_told_from_a_changed_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1);
    let renamed = dir.path().join("mine");
    fs::rename(&snapshot.path, &renamed).unwrap();
    let expected = format!("demo-{}", snapshot.id);
    assert_eq!(problems(&renamed), [problem(".", ProblemKind::WrongName(expected))]);
}

#[test]
fn a_missing_manifest_or_build_or_folder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    for file in ["manifest.json", "build.json"] {
        let content = fs::read(snapshot.join(file)).unwrap();
        fs::remove_file(snapshot.join(file)).unwrap();
        assert_eq!(problems(&snapshot), [problem(file, ProblemKind::Missing)]);
        fs::write(snapshot.join(file), content).unwrap();
    }
    assert_eq!(problems(&dir.path().join("nowhere")).len(), 2);
}

#[test]
fn a_manifest_that_says_the_same_in_other_bytes_is_not_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let mut manifest = fs::read(snapshot.join("manifest.json")).unwrap();
    manifest.push(b'\n');
    fs::write(snapshot.join("manifest.json"), manifest).unwrap();
    assert_eq!(problems(&snapshot), [problem("manifest.json", ProblemKind::Changed)]);
}

#[test]
fn a_copy_that_was_interrupted_is_told_from_damage_and_both_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let tables = ["photos.parquet", "dropped.parquet"].map(|name| snapshot.join(name));
    let whole = tables.clone().map(|path| fs::read(path).unwrap());
    fs::write(&tables[0], &whole[0][..100]).unwrap();
    fs::remove_file(&tables[1]).unwrap();
    let error = verify(&snapshot).unwrap_err();
    assert_eq!(
        error.problems,
        [
            problem("dropped.parquet", ProblemKind::Missing),
            problem("photos.parquet", short(100, whole[0].len() as u64))
        ]
    );
    let message = error.to_string();
    assert!(message.contains("is incomplete:") && message.contains("only 100 of "), "{message}");
    assert!(message.contains("rsync") && !message.contains("--locked"), "{message}");

    let mut longer = whole[0].clone();
    longer.push(0);
    fs::write(&tables[0], longer).unwrap();
    fs::write(&tables[1], &whole[1]).unwrap();
    let message = verify(&snapshot).unwrap_err().to_string();
    assert!(message.contains("is damaged:") && message.contains("photos.parquet: changed"), "{message}");
    assert!(message.contains("--locked") && !message.contains("rsync"), "{message}");
}

#[test]
fn a_manifest_and_a_build_file_that_were_copied_in_part_end_too_early() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    for file in ["manifest.json", "build.json"] {
        let content = fs::read(snapshot.join(file)).unwrap();
        for length in [0, 7, content.len() / 2, content.len() - 2] {
            fs::write(snapshot.join(file), &content[..length]).unwrap();
            let kind = ProblemKind::Short { bytes: length as u64, expected: None };
            assert_eq!(problems(&snapshot), [problem(file, kind)]);
        }
        fs::write(snapshot.join(file), content).unwrap();
    }
}

#[test]
fn a_file_too_many_is_named_and_the_snapshot_is_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path(), spec(), identities(), 1);
    let whole = verify(&written.path).unwrap();
    assert_eq!(whole.extra, [""; 0]);
    fs::write(written.path.join("shards/.nfs0001"), "left by a file system").unwrap();
    let extra = vec!["shards/.nfs0001".to_owned()];
    assert_eq!(verify(&written.path).unwrap(), snapshot::Verified { extra, ..whole });
}

#[test]
fn many_missing_files_are_counted_rather_than_listed() {
    let dir = tempfile::tempdir().unwrap();
    let people = (0..30).map(|i| crate::common::rows(&format!("demo/person-{i}"), 1)).collect();
    let snapshot = write(dir.path(), spec(), people, 1).path;
    fs::remove_dir_all(snapshot.join("shards")).unwrap();
    let error = verify(&snapshot).unwrap_err();
    assert_eq!(error.problems.len(), 30);
    assert!(error.to_string().contains("\n  and 10 more\n"), "{error}");
}

#[test]
fn nothing_is_written_where_a_snapshot_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let state = || {
        let mut state = Vec::new();
        for path in files(&snapshot).into_iter().map(|file| snapshot.join(file)).chain([snapshot.clone()]) {
            let metadata = fs::metadata(&path).unwrap();
            state.push((path, metadata.len(), metadata.modified().unwrap()));
        }
        state.sort();
        state
    };
    let set_writable = |writable: bool| {
        for (path, ..) in state() {
            let mut permissions = fs::metadata(&path).unwrap().permissions();
            permissions
                .set_mode(if path.is_dir() { 0o555 } else { 0o444 } | if writable { 0o200 } else { 0 });
            fs::set_permissions(path, permissions).unwrap();
        }
    };
    let before = state();
    set_writable(false);
    let verified = verify(&snapshot);
    assert_eq!(state(), before);
    set_writable(true); // or the folder could not be removed
    verified.unwrap();
}
