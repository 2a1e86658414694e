//! Every byte of a snapshot is covered.

use std::fs;
use std::path::Path;

use crate::common::{identities, spec, write};
use snapshot::verify;
use snapshot::verify::{Problem, ProblemKind};

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for folder in ["", "shards/"] {
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

#[test]
fn a_flipped_byte_in_any_file_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let files = files(&snapshot);
    assert_eq!(files.len(), 11, "8 files and 3 shards: {files:?}");
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
    fs::write(snapshot.join("README.md"), "short").unwrap();
    fs::remove_file(snapshot.join("shards/demo__carl.safetensors")).unwrap();
    fs::create_dir(snapshot.join("shards/empty")).unwrap();
    fs::write(snapshot.join("notes.txt"), "mine").unwrap();
    let expected = [
        problem("README.md", ProblemKind::Changed),
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
