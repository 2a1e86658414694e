//! Checking every byte of a snapshot. Nothing is written, so that it works on a disk that is read-only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use photo::Digest;
use rayon::prelude::*;

use crate::error::Error;
use crate::files;
use crate::manifest::{BUILD, Build, FileEntry, MANIFEST, Manifest};
use crate::problem::{Problem, ProblemKind, VerifyError};

/// A snapshot of which every byte is there as it was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// The first 12 hex digits of the manifest's digest.
    pub id: String,
    /// How many files were read.
    pub files: usize,
    /// Their length.
    pub bytes: u64,
    /// Files in the folder that are none of the snapshot's.
    pub extra: Vec<String>,
}

/// Reads every file of the snapshot in the folder `path` and compares it with what was written. Finds
/// everything that is wrong, not only the first thing. Files that are none of the snapshot's are no error by
/// themselves: what is read of it is as it was written.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    let mut problems = Vec::new();
    let build = read_build(path, &mut problems);
    let manifest = read_manifest(path, build.as_ref(), &mut problems);

    let mut listed: Vec<&FileEntry> = Vec::new();
    listed.extend(manifest.iter().flat_map(|(manifest, _)| &manifest.files));
    listed.extend(build.iter().flat_map(|build| &build.files));
    let results: Vec<Result<u64, Problem>> = listed.par_iter().map(|entry| check(path, entry)).collect();
    let mut bytes = 0;
    for result in results {
        match result {
            Ok(length) => bytes += length,
            Err(problem) => problems.push(problem),
        }
    }

    // a damaged list makes no file an extra one
    if manifest.is_some() && build.is_some() {
        let known: BTreeSet<&str> =
            listed.iter().map(|entry| entry.path.as_str()).chain([MANIFEST, BUILD]).collect();
        match files::walk(path) {
            Ok(found) => {
                let extra = found.into_iter().filter(|file| !known.contains(file.as_str()));
                problems.extend(extra.map(|file| Problem { file, kind: ProblemKind::Extra }));
            }
            Err(error) => problems.push(unreadable(".", &error)),
        }
    }
    problems.sort();
    problems.dedup();
    match manifest {
        Some((_, digest)) if problems.iter().all(|problem| problem.kind == ProblemKind::Extra) => {
            Ok(Verified {
                id: digest.short(),
                files: listed.len() + 2,
                bytes,
                extra: problems.into_iter().map(|problem| problem.file).collect(),
            })
        }
        _ => Err(VerifyError { path: path.to_owned(), problems }),
    }
}

/// Reads and checks `build.json`. `None` where it cannot be believed.
fn read_build(path: &Path, problems: &mut Vec<Problem>) -> Option<Build> {
    let file = path.join(BUILD);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(absent(BUILD, &error));
            return None;
        }
    };
    // its own bytes count too, so that a space more or less is found
    let build = serde_json::from_slice::<Build>(&bytes).ok();
    let build = build.filter(|build| build.seal == Some(build.expected_seal()) && build.to_bytes() == bytes);
    if build.is_none() {
        problems.push(changed_or_cut(BUILD, &bytes));
    }
    build
}

/// Reads and checks `manifest.json`: against the folder's name and against the build, which tell a changed manifest
/// from a renamed folder.
fn read_manifest(
    path: &Path,
    build: Option<&Build>,
    problems: &mut Vec<Problem>,
) -> Option<(Manifest, Digest)> {
    let file = path.join(MANIFEST);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(absent(MANIFEST, &error));
            return None;
        }
    };
    let digest = Digest::of(&bytes);
    let folder =
        fs::canonicalize(path).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let folder = folder.unwrap_or_default();
    let is_right = match build {
        Some(build) => build.manifest == digest,
        None => folder.ends_with(&digest.short()),
    };
    if !is_right {
        problems.push(changed_or_cut(MANIFEST, &bytes));
        return None;
    }
    let manifest = match Manifest::parse(&file, &bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            problems.push(unreadable(MANIFEST, &error));
            return None;
        }
    };
    if manifest.to_bytes() != bytes {
        problems.push(changed(MANIFEST));
    }
    let expected = format!("{}-{}", manifest.spec.name, digest.short());
    if folder != expected {
        problems.push(Problem { file: ".".to_owned(), kind: ProblemKind::WrongName(expected) });
    }
    Some((manifest, digest))
}

/// Compares a file with its entry; returns its length.
fn check(dir: &Path, entry: &FileEntry) -> Result<u64, Problem> {
    let is_inside = Path::new(&entry.path).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_inside {
        let kind = ProblemKind::Unreadable("it lies outside the snapshot".to_owned());
        return Err(Problem { file: entry.path.clone(), kind });
    }
    match fs::symlink_metadata(dir.join(&entry.path)) {
        Ok(metadata) if metadata.is_file() && metadata.len() < entry.bytes => {
            let kind = ProblemKind::Short { bytes: metadata.len(), expected: Some(entry.bytes) };
            return Err(Problem { file: entry.path.clone(), kind });
        }
        Ok(metadata) if !metadata.is_file() || metadata.len() != entry.bytes => {
            return Err(changed(&entry.path));
        }
        Ok(_) => {}
        Err(error) => return Err(absent(&entry.path, &error)),
    }
    match files::entry(dir, &entry.path) {
        Ok(found) if found == *entry => Ok(found.bytes),
        Ok(_) => Err(changed(&entry.path)),
        Err(error) => Err(unreadable(&entry.path, &error)),
    }
}

fn changed(file: &str) -> Problem {
    Problem { file: file.to_owned(), kind: ProblemKind::Changed }
}

/// Of a JSON file whose length is listed nowhere: ours end with a brace on a line of its own, and text that
/// stops in the middle of a value before that was cut off.
fn changed_or_cut(file: &str, bytes: &[u8]) -> Problem {
    let stops = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err_and(|error| error.is_eof());
    if stops && !bytes.ends_with(b"\n}\n") {
        let kind = ProblemKind::Short { bytes: bytes.len() as u64, expected: None };
        return Problem { file: file.to_owned(), kind };
    }
    changed(file)
}

fn unreadable(file: &str, error: &Error) -> Problem {
    Problem { file: file.to_owned(), kind: ProblemKind::Unreadable(error.to_string()) }
}

fn absent(file: &str, error: &std::io::Error) -> Problem {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ProblemKind::Missing,
        _ => ProblemKind::Unreadable(error.to_string()),
    };
    Problem { file: file.to_owned(), kind }
}
