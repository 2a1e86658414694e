//! A small dataset whose every value is a function of its place.

pub mod photos;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use photo::tiles::Region;
use photo::{Affine, BoundingBox, Digest, Joint, Joints, Reason, Rules};
use serde_json::json;
use snapshot::{
    DroppedRow, FetchRow, IdentityRows, ModelRef, PhotoRow, PreparedTensors, Scores, SnapshotRef,
    SnapshotSpec, Writer,
};

pub const SIZE_PX: u32 = 16;

pub fn spec() -> SnapshotSpec {
    let model =
        |role: &str| ModelRef { role: role.into(), name: format!("{role}-small"), sha256: Digest::of(role) };
    SnapshotSpec {
        name: "demo".into(),
        recipe: json!({ "name": "demo", "rules": { "min_side": 1000 }, "float": 0.1 }),
        rules: Rules::default(),
        prepare: json!({ "sigma_px": 64.3, "fit": "pad", "alpha": 0.25 }),
        models: vec![model("watermark"), model("faces"), model("pose")],
        program_version: "0.1.0".into(),
        size_px: SIZE_PX,
    }
}

/// People with 5, 1, 3 and 0 kept photos; two dropped ones each.
pub fn identities() -> Vec<IdentityRows> {
    let people = [("demo/anna-berg", 5), ("demo/Жанна", 1), ("demo/carl", 3), ("demo/dora", 0)];
    people.map(|(identity, photos)| rows(identity, photos)).into()
}

pub fn rows(identity: &str, photos: usize) -> IdentityRows {
    let photos: Vec<_> = (0..photos).map(|i| kept(identity, i)).collect();
    let dropped: Vec<_> = (0..2).map(|i| dropped(identity, i)).collect();
    let fetch = |sha256, url: &str| FetchRow { sha256, url: url.into(), fetched_at_ms: 1_700_000_000_000 };
    let fetches = photos.iter().map(|row| fetch(row.sha256, &row.url));
    let fetches =
        fetches.chain(dropped.iter().filter_map(|row| Some(fetch(row.sha256?, &row.url)))).collect();
    IdentityRows { identity: identity.into(), photos, dropped, fetches, ..IdentityRows::default() }
}

pub fn kept(identity: &str, i: usize) -> PhotoRow {
    let url = format!("http://gallery.test/{identity}/{i}.jpg");
    let mut joints = Joints::default();
    for (j, joint) in joints.0.iter_mut().enumerate() {
        *joint = Joint { x: j as f32 * 0.9, y: i as f32 + 0.1, confidence: if j == i { 0.0 } else { 0.875 } };
    }
    let affine = Affine([0.012, 0.0, 1.5, 0.0, 0.012, 0.1]);
    PhotoRow {
        page_url: i.is_multiple_of(2).then(|| format!("http://gallery.test/{identity}/{i}.html")),
        sha256: Digest::of(&url),
        last_modified: i.is_multiple_of(3).then(|| "Sat, 01 Aug 2026 10:00:00 GMT".into()),
        caption: Some(format!("<{identity}> \"in\" the park & {i}")),
        caption_source: None,
        scores: Scores {
            watermark: Some(0.0123 * i as f32),
            watermark_region: Some(Region::BottomRight),
            face: Some(0.9),
            person: Some(0.8),
            sharpness: Some(123.4567),
            brightness: Some(0.5),
            perceptual_hash: Some(format!("{i:016x}")),
            similarity: None,
        },
        width: 1200,
        height: 1600 + i as u32,
        person_box: BoundingBox { x0: 10.5, y0: 20.0, x1: 900.0, y1: 1500.0 + i as f32 },
        joints,
        joints_in_photo: joints.mapped(&affine.inverse().unwrap()),
        affine,
        url,
    }
}

pub fn dropped(identity: &str, i: usize) -> DroppedRow {
    let url = format!("http://gallery.test/{identity}/bad-{i}.jpg");
    let sha256 = Digest::of(&url);
    let scores = Scores { watermark: Some(0.97), ..Scores::default() };
    let watermark = Reason::Watermark { score: 0.97, region: Region::Centre };
    let (width, scores, reasons) = if i == 0 {
        (Some(800), scores, vec![Reason::TooSmall { width: 800, height: 600 }, watermark])
    } else {
        (None, Scores::default(), vec![Reason::Unreadable { detail: "no \"JPEG\"".into() }])
    };
    DroppedRow {
        page_url: None,
        sha256: Some(sha256),
        width,
        height: width.map(|_| 600),
        scores,
        reasons,
        url,
    }
}

/// Tensors that tell from which photo they are.
pub fn prepare(row: &PhotoRow) -> Result<PreparedTensors, std::io::Error> {
    let plane = (SIZE_PX * SIZE_PX) as usize;
    let first = row.sha256.as_bytes()[0];
    let image: Vec<u8> = (0..3 * plane).map(|i| first.wrapping_add((i % 251) as u8)).collect();
    Ok(PreparedTensors { weighted: image.iter().map(|p| p / 2).collect(), image })
}

pub fn write(
    dir: &Path,
    spec: SnapshotSpec,
    identities: Vec<IdentityRows>,
    created_at_ms: i64,
) -> SnapshotRef {
    let mut writer = Writer::create(dir, spec).unwrap();
    for rows in identities {
        writer.add_identity(rows, prepare).unwrap();
    }
    writer.finish(created_at_ms).unwrap()
}

/// Every file below a folder with its bytes.
pub fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}
