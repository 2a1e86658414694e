//! `croissant.json`: the snapshot in the vocabulary of MLCommons Croissant 1.0, which dataset tools read.

use serde_json::{Value, json};

use crate::columns;
use crate::manifest::{DROPPED, FileEntry, PHOTOS, SnapshotSpec, sorted};
use crate::table::{Column, Shape};

/// The page's file name.
pub(crate) const FILE: &str = "croissant.json";

pub(crate) fn page(spec: &SnapshotSpec, tables: &[FileEntry]) -> Vec<u8> {
    let mut distribution: Vec<Value> = tables.iter().map(file_object).collect();
    distribution.push(json!({
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": format!(
            "Per person: image and weighted u8 [n,3,{s},{s}], joints f32 [n,17,3], confidence f32 [n,17].",
            s = spec.size_px
        ),
        "encodingFormat": "application/octet-stream",
        "includes": "shards/*.safetensors",
    }));
    let page = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": spec.name,
        "description": "Photos of people by identity, curated, with 17 body joints each and tensors weighted around them.",
        "version": "1.0.0",
        "distribution": distribution,
        "recordSet": [
            record_set("photos", "A record per kept photo.", PHOTOS, &columns::of_photos(&[], &spec.rules)),
            record_set("dropped", "A record per dropped photo.", DROPPED, &columns::of_dropped(&[], &spec.rules)),
        ],
    });
    crate::manifest::pretty(&sorted(page))
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
            if column.shape == Shape::List {
                field["repeated"] = true.into();
            }
            field
        })
        .collect();
    json!({ "@type": "cr:RecordSet", "@id": name, "name": name, "description": description, "field": fields })
}

/// The context that the Croissant 1.0 specification prescribes.
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
        "examples": { "@id": "cr:examples", "@type": "@json" },
    });
    for term in [
        "citeAs",
        "equivalentProperty",
        "samplingRate",
        "column",
        "extract",
        "field",
        "fileProperty",
        "fileObject",
        "fileSet",
        "format",
        "includes",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "separator",
        "source",
        "subField",
        "transform",
    ] {
        context[term] = format!("cr:{term}").into();
    }
    context
}
