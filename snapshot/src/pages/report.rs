//! `report.html`: one page that opens offline and shows what is in the snapshot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use photo::Joints;
use photo::joints::{JOINT_NAMES, LIMBS};
use rayon::prelude::*;

use crate::error::Error;
use crate::manifest::{Counts, ModelRef, SnapshotSpec};
use crate::pages::thumbnail;
use crate::row::{Dropped, KeptPhoto};
use crate::shard::{Pixels, Shard};

/// The page's file name.
pub(crate) const FILE: &str = "report.html";

/// Samples of each person, spread over the photos: enough to see whether it is one person.
const SAMPLES: usize = 6;
/// People with samples. With 12 thumbnails of about 5 kB each, the page stays below [`MAX_BYTES`].
const MAX_PEOPLE: usize = 24;
/// Mail programs and code hosts still show a page of this size.
const MAX_BYTES: usize = 1_900_000;

pub(crate) fn page(
    dir: &Path,
    spec: &SnapshotSpec,
    counts: &Counts,
    photos: &[KeptPhoto],
    dropped: &[Dropped],
) -> Result<String, Error> {
    let mut html = String::new();
    let name = escape(&spec.name);
    let style = include_str!("report.css");
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}</title>\n<style>\n{style}</style></head>\n\
         <body>\n<header><h1>{name}</h1><p>A snapshot by bolid {}. Tensors of {s}×{s} px.</p></header>\n",
        escape(&spec.program_version),
        s = spec.size_px
    );
    html.push_str(&tiles(counts));
    html.push_str("<div class=\"columns\">\n");
    let _ = writeln!(html, "<div>{}{}{}</div>", reasons(counts), sides(counts), models(spec));
    html.push_str(&visibility(photos));
    html.push_str("</div>\n");
    html.push_str(&people(dir, photos, dropped, MAX_BYTES.saturating_sub(html.len()))?);
    html.push_str("</body></html>\n");
    Ok(html)
}

fn tiles(counts: &Counts) -> String {
    let mut html = String::from("<section class=\"tiles\">");
    let seen = counts.photos + counts.dropped;
    let facts =
        [("people", counts.identities), ("photos kept", counts.photos), ("photos dropped", counts.dropped)];
    for (what, number) in facts {
        let _ = write!(html, "<div><b>{number}</b><span>{what}</span></div>");
    }
    let _ = write!(html, "<div><b>{}</b><span>kept</span></div>", percent(counts.photos, seen));
    html.push_str("</section>\n");
    html
}

fn reasons(counts: &Counts) -> String {
    let mut rows: Vec<_> = counts.reasons.iter().collect();
    rows.sort_by_key(|(name, photos)| (std::cmp::Reverse(**photos), name.as_str()));
    let bars: String = rows
        .into_iter()
        .map(|(name, &photos)| bar(&name.replace('_', " "), photos, counts.dropped, &photos.to_string()))
        .collect();
    let bars = if bars.is_empty() {
        "<p>Nothing was dropped.</p>".to_owned()
    } else {
        format!("<table>{bars}</table>")
    };
    format!(
        "<section><h2>Why photos were dropped</h2><p>A photo counts under each of its reasons.</p>{bars}</section>\n"
    )
}

fn sides(counts: &Counts) -> String {
    let rows: String = counts
        .sides()
        .map(|(name, side)| {
            let label = format!("{} photos of {}", side.photos, people_in_words(side.identities));
            bar(name, side.photos, counts.photos, &label)
        })
        .collect();
    format!(
        "<section><h2>Splits</h2><p>By person: nobody is on two sides.</p><table>{rows}</table></section>\n"
    )
}

fn models(spec: &SnapshotSpec) -> String {
    let row = |model: &ModelRef| {
        let (role, name) = (escape(&model.role), escape(&model.name));
        format!("<tr><th>{role}</th><td>{name}</td><td><code>{}</code></td></tr>", model.sha256.short())
    };
    let rows: String = spec.models.iter().map(row).collect();
    format!(
        "<section><h2>Models</h2><p>With the beginnings of their digests.</p><table>{rows}</table></section>\n"
    )
}

fn people_in_words(number: usize) -> String {
    if number == 1 { "1 person".to_owned() } else { format!("{number} people") }
}

fn visibility(photos: &[KeptPhoto]) -> String {
    let visible =
        |joint: usize| photos.iter().filter(|photo| photo.facts.joints.0[joint].confidence > 0.0).count();
    let bars: String = JOINT_NAMES
        .iter()
        .enumerate()
        .map(|(joint, name)| {
            let number = visible(joint);
            bar(&name.replace('_', " "), number, photos.len(), &percent(number, photos.len()))
        })
        .collect();
    format!(
        "<section><h2>Visible joints</h2><p>Share of the kept photos.</p><table>{bars}</table></section>\n"
    )
}

fn bar(name: &str, part: usize, whole: usize, label: &str) -> String {
    let width = 100.0 * part as f64 / whole.max(1) as f64;
    format!(
        "<tr><th>{}</th><td class=\"bar\"><i style=\"width:{width:.1}%\"></i></td><td>{label}</td></tr>",
        escape(name)
    )
}

/// Samples of people, as many as the page has room for.
fn people(dir: &Path, photos: &[KeptPhoto], dropped: &[Dropped], room: usize) -> Result<String, Error> {
    let mut dropped_of: BTreeMap<&str, usize> = BTreeMap::new();
    for photo in dropped {
        *dropped_of.entry(&photo.identity).or_default() += 1;
    }
    let people: Vec<&[KeptPhoto]> = photos.chunk_by(|a, b| a.identity == b.identity).collect();
    // one person's thumbnails per task: each reads whole photos and keeps a few kB
    let shown = people.par_iter().take(MAX_PEOPLE).map(|photos| {
        let dropped = dropped_of.get(photos[0].identity.as_str()).copied().unwrap_or(0);
        person(dir, photos, dropped)
    });
    let shown = shown.collect::<Result<Vec<String>, Error>>()?;
    let mut html = String::new();
    let mut number = 0;
    for person in shown {
        if html.len() + person.len() > room {
            break;
        }
        html.push_str(&person);
        number += 1;
    }
    let of =
        if number < people.len() { format!("{number} of {} people. ", people.len()) } else { String::new() };
    Ok(format!(
        "<section><h2>Samples</h2><p>{of}Above the photo with its joints (<span class=\"l\">left</span>, \
         <span class=\"r\">right</span>), below the photo as it is weighted around them.</p></section>\n{html}"
    ))
}

fn person(dir: &Path, photos: &[KeptPhoto], dropped: usize) -> Result<String, Error> {
    let shard = Shard::open(&dir.join(&photos[0].shard))?;
    let mut pixels = vec![0; 3 * shard.size_px().pow(2)];
    let mut html = format!(
        "<section class=\"person\"><h3>{}</h3><p>{}, {} kept, {dropped} dropped</p><div class=\"samples\">\n",
        escape(&photos[0].identity),
        photos[0].split.name(),
        photos.len()
    );
    let samples = SAMPLES.min(photos.len());
    for photo in (0..samples).map(|i| &photos[i * photos.len() / samples]) {
        html.push_str("<figure>");
        for kind in [Pixels::Image, Pixels::Weighted].into_iter().filter(|kind| shard.holds(*kind)) {
            shard.read_pixels(kind, photo.row as usize, &mut pixels)?;
            let uri = thumbnail::data_uri(&pixels, shard.size_px());
            let overlay = if kind == Pixels::Image || !shard.holds(Pixels::Image) {
                skeleton(&photo.facts.joints, shard.size_px())
            } else {
                String::new()
            };
            let title = escape(photo.facts.caption.as_deref().unwrap_or(&photo.facts.url));
            let _ = write!(html, "<div><img src=\"{uri}\" alt=\"\" title=\"{title}\">{overlay}</div>");
        }
        let _ = writeln!(html, "<figcaption>{}</figcaption></figure>", photo.facts.sha256.short());
    }
    html.push_str("</div></section>\n");
    Ok(html)
}

/// The visible joints and the limbs between them, as a drawing in pixels of the tensor.
fn skeleton(joints: &Joints, size_px: usize) -> String {
    let mut svg = format!("<svg viewBox=\"0 0 {size_px} {size_px}\">");
    let thickness = size_px as f64 / 110.0;
    for (a, b) in LIMBS {
        let [from, to] = [joints.0[a], joints.0[b]];
        if from.confidence > 0.0 && to.confidence > 0.0 {
            let class = if name_side(a) == name_side(b) { name_side(a) } else { "n" };
            let (x1, y1, x2, y2) = (from.x, from.y, to.x, to.y);
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{x1:.0}\" y1=\"{y1:.0}\" x2=\"{x2:.0}\" y2=\"{y2:.0}\" stroke-width=\"{thickness:.2}\"/>"
            );
        }
    }
    for (i, joint) in joints.0.iter().enumerate().filter(|(_, joint)| joint.confidence > 0.0) {
        let _ = write!(
            svg,
            "<circle class=\"{}\" cx=\"{:.0}\" cy=\"{:.0}\" r=\"{thickness:.2}\"/>",
            name_side(i),
            joint.x,
            joint.y
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The class of a joint: COCO's odd joints are the left ones, the nose (0) is neither.
fn name_side(joint: usize) -> &'static str {
    if joint == 0 {
        "n"
    } else if joint % 2 == 1 {
        "l"
    } else {
        "r"
    }
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * part as f64 / whole as f64) }
}

/// Text for HTML, attributes included: names and captions come from the web.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
