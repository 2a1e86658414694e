//! The review page: every photo of a catalogue or snapshot with its verdict, in one file that opens offline.

use base64::prelude::{BASE64_STANDARD, Engine};
use photo::joints::LIMBS;
use photo::{Digest, Reason, Rules};
use serde::{Serialize, Serializer};

use crate::pages::thumbnail;
use crate::row::Scores;

/// The page's script. `rules.js` judges, `panel.js` has thresholds and filters, `grid.js` the cards,
/// `keys.js` comes last.
const SCRIPT: &str = concat!(
    include_str!("review/rules.js"),
    include_str!("review/dom.js"),
    include_str!("review/decisions.js"),
    include_str!("review/overlay.js"),
    include_str!("review/panel.js"),
    include_str!("review/grid.js"),
    include_str!("review/keys.js"),
);

/// What a review page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Review {
    /// The dataset's name.
    pub name: String,
    /// The rules by which the photos were judged.
    pub rules: Rules,
    /// What is left of a pixel far from every joint, in 0..=1.
    pub alpha: f32,
    /// The people, `site/slug`.
    pub identities: Vec<String>,
    /// The photos, person by person.
    pub photos: Vec<ReviewPhoto>,
}

/// A photo on the page. Coordinates are shares of its width and height.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReviewPhoto {
    /// The person's place in the list.
    pub identity: usize,
    /// The photo's bytes, where there are some.
    pub sha256: Option<Digest>,
    /// Where it comes from.
    pub url: String,
    /// Width in pixels, upright.
    pub width: Option<u32>,
    /// Height in pixels, upright.
    pub height: Option<u32>,
    /// Whether it is kept.
    pub keep: bool,
    /// What a person decided earlier: whether it is kept.
    pub decided: Option<bool>,
    /// Why it is dropped.
    #[serde(serialize_with = "in_words")]
    pub reasons: Vec<Reason>,
    /// Whether its pixels could be read, so that thresholds apply to it.
    pub readable: bool,
    /// What was measured.
    pub scores: Scores,
    /// Whether the watermark model was asked. Its score may be missing all the same: the model may be turned off.
    pub watermark_measured: bool,
    /// Whether the face embedding model was asked, which only rules that compare faces ask for.
    pub embedding_measured: bool,
    /// The people that were found, whether they count or not; `None` where the model was not asked.
    pub people: Option<Vec<FoundBox>>,
    /// The faces that were found, likewise.
    pub faces: Option<Vec<FoundBox>>,
    /// The main person's joints: x, y, confidence, 0 where one does not count.
    pub joints: Option<Vec<[f32; 3]>>,
    /// The Gaussians' σ as a share of the photo's longer side.
    pub sigma: Option<f64>,
    /// A small JPEG.
    #[serde(rename = "pictured", serialize_with = "is_there")]
    pub thumbnail: Option<Vec<u8>>,
}

/// A face or a person.
#[derive(Clone, Debug, Serialize)]
pub struct FoundBox {
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// How sure the model is.
    pub score: f32,
    /// The confidence of a person's surest joint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint: Option<f32>,
}

fn in_words<S: Serializer>(reasons: &[Reason], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct InWords {
        name: &'static str,
        text: String,
        /// Whether no decision can keep the photo. A decision takes the place of an earlier one, and missing scores
        /// are measured for it.
        bars_keeping: bool,
    }
    serializer.collect_seq(reasons.iter().map(|reason| {
        let (name, text) = (reason.name(), reason.to_string());
        InWords {
            name,
            text: text.replacen(name, &name.replace('_', " "), 1),
            bars_keeping: reason.is_final() && !matches!(reason, Reason::Review | Reason::NotMeasured { .. }),
        }
    }))
}

fn is_there<S: Serializer>(thumbnail: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(thumbnail.is_some())
}

/// A thumbnail of interleaved RGB pixels that already have its size, as a JPEG.
pub fn thumbnail_jpeg(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    thumbnail::jpeg(rgb, width, height)
}

/// The page. The thumbnails stand behind the script, which is at work before they are read.
pub fn review_page(review: &Review) -> String {
    #[derive(Serialize)]
    struct Data<'a> {
        /// Decisions that a browser holds belong to this very page.
        id: String,
        #[serde(flatten)]
        review: &'a Review,
        limbs: [(usize, usize); 16],
    }
    let id = Digest::of_json(review).short();
    let data = serde_json::to_string(&Data { id, review, limbs: LIMBS }).expect("a review has a JSON form");
    // Inside a script element only `<` could end it; JSON may write it as an escape.
    let data = data.replace('<', "\\u003c");
    let name = crate::pages::report::escape(&review.name);
    let style = concat!(include_str!("report.css"), include_str!("review/style.css"));
    let body = include_str!("review/body.html").replace("NAME", &name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}: review</title>\n\
         <style>\n{style}</style></head>\n{body}\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{SCRIPT}</script>\n"
    );
    for (number, photo) in review.photos.iter().enumerate() {
        if let Some(jpeg) = &photo.thumbnail {
            page += &format!(
                "<script type=\"text/plain\" id=\"t{number}\">{}</script>\n",
                BASE64_STANDARD.encode(jpeg)
            );
        }
    }
    page += "</body></html>\n";
    page
}
