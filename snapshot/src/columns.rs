//! The columns of the three tables: rows to columns and back.

use photo::tiles::{REGIONS, Region};
use photo::{Affine, BoundingBox, CaptionSource, Digest, Joint, Joints, Rules, Split};

use crate::error::Error;
use crate::manifest::SnapshotSpec;
use crate::row::{Dropped, DroppedRow, FetchRow, KeptPhoto, PhotoRow, Scores};
use crate::table::{Column, Table};

/// A column that only snapshots have whose rules compare faces.
const SIMILARITY: &str = "similarity";
/// A column that only snapshots have whose recipe says where captions are from.
const CAPTION_SOURCE: &str = "caption_source";
/// A column that snapshots of format 1 do not have.
const HELD_OUT: &str = "held_out";

type Result<T> = std::result::Result<T, Error>;

/// The columns of `photos.parquet`, with the likeness of faces where the rules compare them, and the sources of captions
/// where the recipe names some.
pub(crate) fn of_photos(photos: &[KeptPhoto], spec: &SnapshotSpec) -> Vec<Column> {
    let digests: Vec<String> = photos.iter().map(|photo| photo.facts.sha256.to_string()).collect();
    let facts = || photos.iter().map(|photo| &photo.facts);
    let mut columns = vec![
        Column::required(
            "identity",
            "the person: site/slug",
            photos.iter().map(|photo| photo.identity.as_str()),
        ),
        Column::required(
            "split",
            "train, validation or test, by the hash of the identity",
            photos.iter().map(|photo| photo.split.name()),
        ),
        Column::required(
            HELD_OUT,
            "whether the photo of a person of the train split is held out of training, by the hash of its bytes",
            photos.iter().map(|photo| photo.held_out),
        ),
        Column::required("url", "address of the file", facts().map(|row| row.url.as_str())),
        Column::nullable("page_url", "page that shows the photo", facts().map(|row| row.page_url.as_deref())),
        Column::required("sha256", "SHA-256 of the file's bytes", digests.iter().map(String::as_str)),
        Column::nullable(
            "last_modified",
            "Last-Modified as the server said it",
            facts().map(|row| row.last_modified.as_deref()),
        ),
        Column::nullable(
            "caption",
            "what the page says of the photo",
            facts().map(|row| row.caption.as_deref()),
        ),
        Column::required("width", "px, upright", facts().map(|row| i64::from(row.width))),
        Column::required("height", "px, upright", facts().map(|row| i64::from(row.height))),
        Column::list(
            "person_box",
            "left, top, right, bottom in px of the photo",
            facts().map(|row| {
                let BoundingBox { x0, y0, x1, y1 } = row.person_box;
                [x0, y0, x1, y1]
            }),
        ),
        Column::list(
            "joints",
            "17 × (x, y, confidence) in px of the tensor, in COCO's order; confidence 0: not visible",
            facts().map(|row| flat(&row.joints)),
        ),
        Column::list(
            "joints_in_photo",
            "17 × (x, y, confidence) in px of the photo",
            facts().map(|row| flat(&row.joints_in_photo)),
        ),
        Column::list(
            "affine",
            "a, b, c, d, e, f with x' = ax + by + c, y' = dx + ey + f from px of the photo to px of the tensor",
            facts().map(|row| row.affine.0),
        ),
        Column::required("shard", "file with the tensors", photos.iter().map(|photo| photo.shard.as_str())),
        Column::required(
            "row",
            "index along the first axis of the shard's tensors",
            photos.iter().map(|photo| i64::from(photo.row)),
        ),
    ];
    columns.extend(of_scores(facts().map(|row| &row.scores), &spec.rules));
    if spec.names_caption_sources() {
        columns.push(Column::nullable(
            CAPTION_SOURCE,
            "source of the caption, server or model; null: the photo's own",
            facts().map(|row| row.caption_source.map(CaptionSource::name)),
        ));
    }
    columns
}

/// The columns of `dropped.parquet`, likewise.
pub(crate) fn of_dropped(dropped: &[Dropped], rules: &Rules) -> Vec<Column> {
    let digests: Vec<Option<String>> =
        dropped.iter().map(|photo| photo.facts.sha256.map(|digest| digest.to_string())).collect();
    let details: Vec<String> = dropped
        .iter()
        .map(|photo| String::from_utf8_lossy(&crate::manifest::compact(&photo.facts.reasons)).into())
        .collect();
    let facts = || dropped.iter().map(|photo| &photo.facts);
    let mut columns = vec![
        Column::required(
            "identity",
            "the person: site/slug",
            dropped.iter().map(|photo| photo.identity.as_str()),
        ),
        Column::required("url", "address of the file", facts().map(|row| row.url.as_str())),
        Column::nullable("page_url", "page that shows the photo", facts().map(|row| row.page_url.as_deref())),
        Column::nullable("sha256", "SHA-256 of the file's bytes", digests.iter().map(Option::as_deref)),
        Column::nullable("width", "px, upright", facts().map(|row| row.width.map(i64::from))),
        Column::nullable("height", "px, upright", facts().map(|row| row.height.map(i64::from))),
        Column::list(
            "reasons",
            "names of all reasons for which it was dropped",
            facts().map(|row| row.reasons.iter().map(photo::Reason::name)),
        ),
        Column::required(
            "reasons_json",
            "the reasons with their details",
            details.iter().map(String::as_str),
        ),
    ];
    columns.extend(of_scores(facts().map(|row| &row.scores), rules));
    columns
}

/// The columns of `fetches.parquet`.
pub(crate) fn of_fetches(fetches: &[FetchRow]) -> Vec<Column> {
    let digests: Vec<String> = fetches.iter().map(|row| row.sha256.to_string()).collect();
    vec![
        Column::required("sha256", "SHA-256 of the file's bytes", digests.iter().map(String::as_str)),
        Column::required("url", "address of the file", fetches.iter().map(|row| row.url.as_str())),
        Column::required(
            "fetched_at_ms",
            "Unix time in milliseconds",
            fetches.iter().map(|row| row.fetched_at_ms),
        ),
    ]
}

fn of_scores<'a>(scores: impl Iterator<Item = &'a Scores> + Clone, rules: &Rules) -> Vec<Column> {
    let names = scores.clone().map(|row| row.watermark_region.map(Region::name));
    let mut columns = vec![
        Column::nullable(
            "watermark",
            "highest probability of a watermark, 0..1",
            scores.clone().map(|row| row.watermark),
        ),
        Column::nullable("watermark_region", "region with that probability", names),
        Column::nullable("face", "score of the surest face, 0..1", scores.clone().map(|row| row.face)),
        Column::nullable("person", "score of the surest person, 0..1", scores.clone().map(|row| row.person)),
        Column::nullable(
            "sharpness",
            "variance of the Laplacian of the luma",
            scores.clone().map(|row| row.sharpness),
        ),
        Column::nullable("brightness", "mean luma, 0..1", scores.clone().map(|row| row.brightness)),
        Column::nullable(
            "perceptual_hash",
            "64 bits as 16 hex digits; near-duplicates differ in few bits",
            scores.clone().map(|row| row.perceptual_hash.as_deref()),
        ),
    ];
    if rules.compare_faces() {
        columns.push(Column::nullable(
            SIMILARITY,
            "cosine similarity of the face to most faces of the person, -1..1",
            scores.map(|row| row.similarity),
        ));
    }
    columns
}

fn flat(joints: &Joints) -> impl Iterator<Item = f32> + use<> {
    joints.0.into_iter().flat_map(|joint| [joint.x, joint.y, joint.confidence])
}

/// The rows of `photos.parquet`.
pub(crate) fn read_photos(table: &Table) -> Result<Vec<KeptPhoto>> {
    let identity = one(table, "identity", table.texts("identity")?)?;
    let mut split = one(table, "split", table.texts("split")?)?;
    let mut held_out = table.has(HELD_OUT).then(|| table.bools(HELD_OUT)).transpose()?.map(maybe);
    let mut url = one(table, "url", table.texts("url")?)?;
    let mut page_url = maybe(table.texts("page_url")?);
    let mut sha256 = one(table, "sha256", table.texts("sha256")?)?;
    let mut last_modified = maybe(table.texts("last_modified")?);
    let mut caption = maybe(table.texts("caption")?);
    let mut caption_source =
        table.has(CAPTION_SOURCE).then(|| table.texts(CAPTION_SOURCE)).transpose()?.map(maybe);
    let mut width = one(table, "width", table.ints("width")?)?;
    let mut height = one(table, "height", table.ints("height")?)?;
    let mut person_box = array::<_, 4>(table, "person_box", table.floats("person_box")?)?;
    let mut joints = array::<_, 51>(table, "joints", table.floats("joints")?)?;
    let mut joints_in_photo = array::<_, 51>(table, "joints_in_photo", table.floats("joints_in_photo")?)?;
    let mut affine = array::<_, 6>(table, "affine", table.doubles("affine")?)?;
    let mut shard = one(table, "shard", table.texts("shard")?)?;
    let mut row = one(table, "row", table.ints("row")?)?;
    let mut scores = read_scores(table)?;
    let mut photos = Vec::with_capacity(identity.len());
    for identity in identity {
        let short = || table.wrong("the columns differ in length");
        let facts = PhotoRow {
            url: url.next().ok_or_else(short)?,
            page_url: page_url.next().ok_or_else(short)?,
            sha256: digest(table, &sha256.next().ok_or_else(short)?)?,
            last_modified: last_modified.next().ok_or_else(short)?,
            caption: caption.next().ok_or_else(short)?,
            caption_source: match caption_source.as_mut().and_then(Iterator::next).flatten() {
                Some(name) => {
                    Some(named(table, CAPTION_SOURCE, &name, &CAPTION_SOURCES, CaptionSource::name)?)
                }
                None => None,
            },
            scores: scores.next().ok_or_else(short)??,
            width: whole(table, "width", width.next().ok_or_else(short)?)?,
            height: whole(table, "height", height.next().ok_or_else(short)?)?,
            person_box: {
                let [x0, y0, x1, y1] = person_box.next().ok_or_else(short)?;
                BoundingBox { x0, y0, x1, y1 }
            },
            joints: joints_of(&joints.next().ok_or_else(short)?),
            joints_in_photo: joints_of(&joints_in_photo.next().ok_or_else(short)?),
            affine: Affine(affine.next().ok_or_else(short)?),
        };
        photos.push(KeptPhoto {
            identity,
            split: named(table, "split", &split.next().ok_or_else(short)?, &SPLITS, Split::name)?,
            held_out: held_out.as_mut().and_then(Iterator::next).flatten().unwrap_or(false),
            shard: shard.next().ok_or_else(short)?,
            row: whole(table, "row", row.next().ok_or_else(short)?)?,
            facts,
        });
    }
    Ok(photos)
}

/// The rows of `dropped.parquet`.
pub(crate) fn read_dropped(table: &Table) -> Result<Vec<Dropped>> {
    let identity = one(table, "identity", table.texts("identity")?)?;
    let mut url = one(table, "url", table.texts("url")?)?;
    let mut page_url = maybe(table.texts("page_url")?);
    let mut sha256 = maybe(table.texts("sha256")?);
    let mut width = maybe(table.ints("width")?);
    let mut height = maybe(table.ints("height")?);
    let mut reasons = one(table, "reasons_json", table.texts("reasons_json")?)?;
    let mut scores = read_scores(table)?;
    let mut dropped = Vec::with_capacity(identity.len());
    for identity in identity {
        let short = || table.wrong("the columns differ in length");
        let reasons = reasons.next().ok_or_else(short)?;
        let facts = DroppedRow {
            url: url.next().ok_or_else(short)?,
            page_url: page_url.next().ok_or_else(short)?,
            sha256: sha256.next().ok_or_else(short)?.map(|text| digest(table, &text)).transpose()?,
            width: width.next().ok_or_else(short)?.map(|px| whole(table, "width", px)).transpose()?,
            height: height.next().ok_or_else(short)?.map(|px| whole(table, "height", px)).transpose()?,
            scores: scores.next().ok_or_else(short)??,
            reasons: serde_json::from_str(&reasons)
                .map_err(|error| table.wrong(format!("column `reasons_json`: {error}")))?,
        };
        dropped.push(Dropped { identity, facts });
    }
    Ok(dropped)
}

/// The rows of `fetches.parquet`.
pub(crate) fn read_fetches(table: &Table) -> Result<Vec<FetchRow>> {
    let sha256 = one(table, "sha256", table.texts("sha256")?)?;
    let url = one(table, "url", table.texts("url")?)?;
    let fetched_at_ms = one(table, "fetched_at_ms", table.ints("fetched_at_ms")?)?;
    sha256
        .zip(url)
        .zip(fetched_at_ms)
        .map(|((sha256, url), fetched_at_ms)| {
            Ok(FetchRow { sha256: digest(table, &sha256)?, url, fetched_at_ms })
        })
        .collect()
}

fn read_scores(table: &Table) -> Result<impl Iterator<Item = Result<Scores>>> {
    let watermark = maybe(table.floats("watermark")?);
    let mut region = maybe(table.texts("watermark_region")?);
    let mut face = maybe(table.floats("face")?);
    let mut person = maybe(table.floats("person")?);
    let mut sharpness = maybe(table.floats("sharpness")?);
    let mut brightness = maybe(table.floats("brightness")?);
    let mut perceptual_hash = maybe(table.texts("perceptual_hash")?);
    let mut similarity = table.has(SIMILARITY).then(|| table.floats(SIMILARITY)).transpose()?.map(maybe);
    Ok(watermark.map(move |watermark| {
        let region = region.next().flatten();
        Ok(Scores {
            watermark,
            watermark_region: region
                .map(|name| named(table, "watermark_region", &name, &REGIONS, Region::name))
                .transpose()?,
            face: face.next().flatten(),
            person: person.next().flatten(),
            sharpness: sharpness.next().flatten(),
            brightness: brightness.next().flatten(),
            perceptual_hash: perceptual_hash.next().flatten(),
            similarity: similarity.as_mut().and_then(Iterator::next).flatten(),
        })
    }))
}

const CAPTION_SOURCES: [CaptionSource; 3] = [CaptionSource::Own, CaptionSource::Server, CaptionSource::Model];

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Rows that must have one value each.
fn one<T>(table: &Table, name: &str, rows: Vec<Vec<T>>) -> Result<impl ExactSizeIterator<Item = T> + use<T>> {
    Ok(array::<T, 1>(table, name, rows)?.map(|[value]| value))
}

/// Rows that have a value or none.
fn maybe<T>(rows: Vec<Vec<T>>) -> impl Iterator<Item = Option<T>> {
    rows.into_iter().map(|row| row.into_iter().next())
}

/// Rows that must have `N` values each.
fn array<T, const N: usize>(
    table: &Table,
    name: &str,
    rows: Vec<Vec<T>>,
) -> Result<impl ExactSizeIterator<Item = [T; N]> + use<T, N>> {
    let arrays = rows.into_iter().map(|row| {
        let length = row.len();
        row.try_into()
            .map_err(|_| table.wrong(format!("column `{name}` has {length} values in a row, not {N}")))
    });
    Ok(arrays.collect::<Result<Vec<[T; N]>>>()?.into_iter())
}

fn digest(table: &Table, text: &str) -> Result<Digest> {
    text.parse().map_err(|error| table.wrong(format!("column `sha256`: {error}")))
}

fn whole(table: &Table, name: &str, number: i64) -> Result<u32> {
    number.try_into().map_err(|_| table.wrong(format!("column `{name}` holds {number}")))
}

fn named<T: Copy>(
    table: &Table,
    column: &str,
    name: &str,
    all: &[T],
    name_of: fn(T) -> &'static str,
) -> Result<T> {
    let found = all.iter().copied().find(|&value| name_of(value) == name);
    found.ok_or_else(|| table.wrong(format!("column `{column}` holds `{name}`")))
}

fn joints_of(flat: &[f32; 51]) -> Joints {
    let mut joints = Joints::default();
    for (joint, xyc) in joints.0.iter_mut().zip(flat.chunks_exact(3)) {
        *joint = Joint { x: xyc[0], y: xyc[1], confidence: xyc[2] };
    }
    joints
}
