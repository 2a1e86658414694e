//! `croissant.json`: the snapshot in the vocabulary of MLCommons Croissant 1.1, which dataset tools and
//! search engines read (<http://mlcommons.org/croissant/1.1>).
//!
//! Nothing in it depends on the clock, since the snapshot's id stands for it. `datePublished`, which the
//! vocabulary asks for, is therefore the day on which the newest photo was last changed at its source;
//! `build.json` says when the snapshot was written. `url` and `creator` are left out: a snapshot does not
//! know where it will be published, or by whom.

mod rai;

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::columns;
use crate::manifest::{Counts, DROPPED, FileEntry, MEASUREMENTS, PHOTOS, SnapshotSpec, sorted};
use crate::measurement;
use crate::pages::composition::Composition;
use crate::row::KeptPhoto;
use crate::table::{Column, Shape};

/// The page's file name.
pub(crate) const FILE: &str = "croissant.json";

/// What stands where no licence is known.
const NO_LICENCE: &str =
    "Not stated: the photos are under the rights of those who took them and of those whom they show.";

/// The page of a snapshot with these tables.
pub(crate) fn page(
    spec: &SnapshotSpec,
    counts: &Counts,
    composition: &Composition,
    photos: &[KeptPhoto],
    tables: &[FileEntry],
) -> Vec<u8> {
    let mut distribution: Vec<Value> = tables.iter().map(file_object).collect();
    distribution.push(json!({
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": format!(
            "Per person: {images} u8 [n,3,{s},{s}], joints f32 [n,17,3], confidence f32 [n,17]{compressed}.",
            images = spec.images().join(" and "),
            compressed =
                if spec.is_compressed() { "; safetensors in the seekable format of zstd" } else { "" },
            s = spec.size_px
        ),
        "encodingFormat": if spec.is_compressed() { "application/zstd" } else { "application/octet-stream" },
        "includes": spec.shards(),
    }));
    let Counts { photos: kept, identities, .. } = counts;
    let date = newest_change(photos);
    let mut page = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": spec.name,
        "description": format!(
            "{kept} photos of {identities} people, grouped by person and curated, with 17 body joints each and \
             tensors weighted around them."
        ),
        "version": "1.0.0",
        "license": licences(composition),
        "citeAs": citation(spec, counts, date.as_deref()),
        "keywords": ["people", "human body", "pose estimation", "identity", "text-to-image"],
        "isLiveDataset": false,
        "distribution": distribution,
        "recordSet": [
            splits(),
            record_set("photos", "A record per kept photo.", PHOTOS, &columns::of_photos(&[], spec)),
            record_set("dropped", "A record per dropped photo.", DROPPED, &columns::of_dropped(&[], &spec.rules)),
            record_set("measurements", "A record per measured value.", MEASUREMENTS, &measurement::columns(&[])),
        ],
    });
    let rai = rai::properties(spec, counts, composition);
    for (name, value) in rai.as_object().into_iter().flatten() {
        page[name] = value.clone();
    }
    if let Some(date) = date {
        page["datePublished"] = date.into();
    }
    crate::manifest::pretty(&sorted(page))
}

/// The day of the newest `Last-Modified`, as `2026-08-01`.
fn newest_change(photos: &[KeptPhoto]) -> Option<String> {
    let changes = photos.iter().filter_map(|photo| photo.facts.last_modified.as_deref());
    let newest = changes.filter_map(|text| httpdate::parse_http_date(text).ok()).max()?;
    // "Sat, 01 Aug 2026 10:00:00 GMT"
    let text = httpdate::fmt_http_date(newest.max(UNIX_EPOCH));
    let [_, day, month, year, ..] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    Some(format!("{year}-{month:02}-{day}"))
}

/// The licences of the sources; what has none is said as well.
fn licences(composition: &Composition) -> Vec<&str> {
    let sources = composition.sources.iter();
    let mut licences: Vec<&str> =
        sources.map(|source| source.licence.as_deref().unwrap_or(NO_LICENCE)).collect();
    licences.sort_unstable();
    licences.dedup();
    if licences.is_empty() { vec![NO_LICENCE] } else { licences }
}

/// BibTeX without the id, which is the digest of the manifest, which lists this file: `citation.bib` has it.
fn citation(spec: &SnapshotSpec, counts: &Counts, date: Option<&str>) -> String {
    let SnapshotSpec { name, program_version, .. } = spec;
    let year = date.and_then(|date| date.split('-').next());
    let year = year.map_or(String::new(), |year| format!(", year = {{{year}}}"));
    format!(
        "@misc{{{name}, title = {{{{{name}}}: {} photos of {} people}}{year}, note = {{A snapshot by BoLID \
         {program_version}; citation.bib names its id}}}}",
        counts.photos, counts.identities
    )
}

fn file_object(entry: &FileEntry) -> Value {
    json!({
        "@type": "cr:FileObject",
        "@id": entry.path,
        "name": entry.path,
        "contentUrl": entry.path,
        "contentSize": format!("{} B", entry.bytes),
        "encodingFormat": "application/x-parquet",
        "sha256": entry.sha256.to_string(),
    })
}

/// The sides of a dataset in the vocabulary's own terms.
fn splits() -> Value {
    let field = |name: &str, kind: &str| {
        let id = format!("splits/{name}");
        json!({ "@type": "cr:Field", "@id": id, "name": id, "dataType": kind })
    };
    let side = |name: &str, url: &str| json!({ "splits/name": name, "splits/url": format!("cr:{url}") });
    json!({
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The sides of the dataset; a person is on one of them.",
        "dataType": "cr:Split",
        "key": { "@id": "splits/name" },
        "field": [field("name", "sc:Text"), field("url", "sc:URL")],
        "data": [side("train", "TrainingSplit"), side("validation", "ValidationSplit"), side("test", "TestSplit")],
    })
}

fn record_set(name: &str, description: &str, file: &str, columns: &[Column]) -> Value {
    let fields: Vec<Value> = columns
        .iter()
        .map(|column| {
            let mut field = json!({
                "@type": "cr:Field",
                "@id": format!("{name}/{}", column.name),
                "name": format!("{name}/{}", column.name),
                "description": column.description,
                "dataType": column.croissant_type(),
                "source": { "fileObject": { "@id": file }, "extract": { "column": column.name } },
            });
            if matches!(column.shape, Shape::List | Shape::Rows(_)) {
                field["isArray"] = true.into();
                field["arrayShape"] = "-1".into();
            }
            field
        })
        .collect();
    json!({ "@type": "cr:RecordSet", "@id": name, "name": name, "description": description, "field": fields })
}

/// The context of the specification's appendix 1, and the terms that `mlcroissant` 1.1 expects beside them.
fn context() -> Value {
    let mut context = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "description": { "@container": "@language" },
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "name": { "@container": "@language" },
    });
    for term in TERMS {
        context[term] = format!("cr:{term}").into();
    }
    context
}

/// Terms that are Croissant's own.
const TERMS: [&str; 35] = [
    "annotation",
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "excludes",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "readLines",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "sdVersion",
    "separator",
    "source",
    "subField",
    "transform",
    "unArchive",
    "value",
];
