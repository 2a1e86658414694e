//! The review page: every photo of a catalogue or snapshot with its verdict, in one file that opens offline.

use photo::joints::LIMBS;
use serde::Serialize;

use crate::thumbnail;

/// What a review page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Review {
    /// The dataset's name.
    pub name: String,
    /// The people, `site/slug`.
    pub identities: Vec<String>,
    /// The photos, person by person.
    pub photos: Vec<ReviewPhoto>,
    /// The thresholds that can be tried.
    pub sliders: Vec<Slider>,
    /// The Gaussians' σ as a share of the photo's longer side.
    pub sigma: f64,
}

/// A photo on the page. Coordinates are shares of its width and height.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewPhoto {
    /// The person's place in the list.
    pub identity: usize,
    /// The photo's bytes, where there are some.
    pub sha256: Option<String>,
    /// Where it comes from.
    pub url: String,
    /// Width in pixels, upright.
    pub width: Option<u32>,
    /// Height in pixels, upright.
    pub height: Option<u32>,
    /// Whether it is kept.
    pub keep: bool,
    /// Whether a person decided that.
    pub decided: bool,
    /// Names and texts of the reasons.
    pub reasons: Vec<(&'static str, String)>,
    /// What was measured.
    pub scores: ReviewScores,
    /// The people's boxes: left, top, right, bottom.
    pub people: Vec<[f32; 4]>,
    /// The faces' boxes.
    pub faces: Vec<[f32; 4]>,
    /// The main person's joints: x, y, confidence, 0 where one does not count.
    pub joints: Option<Vec<[f32; 3]>>,
    /// A small JPEG in a `data:` URI.
    pub thumb: Option<String>,
}

/// The scores that have a slider.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ReviewScores {
    /// The highest probability of a watermark.
    pub watermark: Option<f32>,
    /// The surest face.
    pub face: Option<f32>,
    /// The surest person.
    pub person: Option<f32>,
    /// The shorter side in pixels.
    pub side: Option<u32>,
    /// Variance of the Laplacian.
    pub sharpness: Option<f32>,
    /// How alike the face is to the person's other faces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
}

/// A threshold that can be tried on the page.
#[derive(Clone, Debug, Serialize)]
pub struct Slider {
    /// The score's field in [`ReviewScores`].
    pub name: &'static str,
    /// As people read it.
    pub label: &'static str,
    /// The name of the reason that it decides on.
    pub reason: &'static str,
    /// Whether scores over the threshold are dropped, rather than those under it.
    pub over: bool,
    /// The smallest value that can be chosen.
    pub min: f64,
    /// The largest one.
    pub max: f64,
    /// Between two values.
    pub step: f64,
    /// The rule as it is.
    pub at: f64,
}

/// A thumbnail of interleaved RGB pixels that already have its size, as a `data:` URI.
pub fn thumbnail_uri(rgb: &[u8], width: u32, height: u32) -> String {
    thumbnail::uri_of_rgb(rgb, width, height)
}

/// The page.
pub fn review_page(review: &Review) -> String {
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(flatten)]
        review: &'a Review,
        limbs: [(usize, usize); 16],
    }
    let data = serde_json::to_string(&Data { review, limbs: LIMBS }).expect("a review has a JSON form");
    // Inside a script element only `<` could end it; JSON may write it as an escape.
    let data = data.replace('<', "\\u003c");
    let (name, style) = (crate::report::escape(&review.name), include_str!("report.css"));
    let (own_style, script) = (include_str!("review.css"), include_str!("review.js"));
    format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}: review</title>
<style>
{style}{own_style}</style></head>
<body class="review"><header><h1>{name}</h1><p id="totals"></p></header>
<main><aside>
<section><h2>Show</h2><input type="search" id="search" placeholder="person, address or digest">
<div class="chips" id="filters" style="margin:.6rem 0"></div>
<label><input type="checkbox" id="boxes"> boxes</label> <label><input type="checkbox" id="joints"> joints</label>
<label><input type="checkbox" id="weights"> weights</label></section>
<section><h2>What a threshold would drop</h2><div id="sliders"></div>
<p style="margin:.6rem 0 0"><button id="reset">As in the rules</button></p></section>
<section><h2>Decisions</h2><p id="decided"></p><button id="save" class="main">Save as JSONL</button>
<p class="keys"><kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>k</kbd> keep, <kbd>d</kbd> drop,
<kbd>u</kbd> undo, <kbd>Enter</kbd> look closer, <kbd>s</kbd> save, <kbd>b</kbd> <kbd>j</kbd> <kbd>w</kbd> layers.
Then: <code>bolid review import FILE.jsonl</code></p></section>
</aside><div id="people"></div></main><dialog id="one"></dialog>
<script type="application/json" id="data">{data}</script>
<script>
{script}</script></body></html>
"#
    )
}
