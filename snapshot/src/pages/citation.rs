//! `citation.bib`: how to cite a snapshot by its id. The id stands for the files that the manifest lists, so this file,
//! which names it, is none of them: `build.json` lists it.

use std::time::{Duration, UNIX_EPOCH};

use photo::Digest;

use crate::manifest::{Counts, SnapshotSpec};

/// The file's name.
pub(crate) const FILE: &str = "citation.bib";

pub(crate) fn page(spec: &SnapshotSpec, counts: &Counts, manifest: Digest, created_at_ms: i64) -> String {
    let (name, id) = (&spec.name, manifest.short());
    let title = name.replace('_', "\\_"); // outside of mathematics, LaTeX takes no other
    let created = UNIX_EPOCH + Duration::from_millis(created_at_ms.max(0) as u64);
    // "Sun, 29 Nov 2026 20:30:31 GMT"
    let date = httpdate::fmt_http_date(created);
    let year = date.split(' ').nth(3).unwrap_or_default();
    format!(
        "@misc{{{name}-{id},
  title   = {{{{{title}}}: {photos} photos of {people} people}},
  year    = {{{year}}},
  version = {{{id}}},
  note    = {{A snapshot by BoLID {version}, identified by the SHA-256 of its manifest: {manifest}}}
}}
",
        photos = counts.photos,
        people = counts.identities,
        version = spec.program_version,
    )
}
