//! The review page's judge, `rules.js`, and `curate::judge` agree on random photos, thresholds and decisions. An
//! embedded engine runs the script as it stands; `make test-report` tests the page itself in a browser.

use std::collections::{BTreeMap, BTreeSet};

use curate::{Candidate, Gallery, Judgement, Measurements, judge};
use photo::embedding::DIMENSIONS;
use photo::rules::{FacesRule, JointsRule, PeopleRule, WatermarkRule};
use photo::site_rules::{SiteIdentity, SitePeople, SiteRules, SiteScore, SiteWatermark};
use photo::tiles::Region;
use photo::{Embedding, FaceEmbedding, ImageFacts, Joint, WatermarkScore};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::*;

const RULES_JS: &str = include_str!("../../snapshot/src/pages/review/rules.js");

/// Scores and thresholds are drawn from the same few values, so that many lie on an edge or a bit beside it.
const LEVELS: [f32; 8] = [0.0, 0.1, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0];

/// Sides of photos in px. Boxes lie on sixteenths of them, which are exact both as pixels and as the page's shares
/// of four digits: what is on the edge of a rule for one judge is so for the other.
const SIDES_PX: [u32; 3] = [480, 512, 640];

const SITES: [&str; 2] = ["common", "own"];

/// A person and the photos that are judged.
struct Drawn {
    site: &'static str,
    identity: String,
    photos: Vec<DrawnPhoto>,
}

struct DrawnPhoto {
    url: String,
    content: Content,
    decided: Option<bool>,
}

/// Which photos are drawn.
#[derive(Clone, Copy, Default)]
struct Variety {
    /// Some models were not asked.
    gaps: bool,
    /// Some photos look like others.
    copies: bool,
    /// Some faces are not like the others of their identity.
    strangers: bool,
    /// Some photos were decided on by hand.
    decisions: bool,
}

fn level(rng: &mut impl Rng) -> f32 {
    let level = *LEVELS.choose(rng).expect("some levels");
    match rng.random_range(0..8) {
        0 => level.next_down().max(0.0),
        1 => level.next_up().min(1.0),
        _ => level,
    }
}

/// A box whose corners lie on sixteenths of the photo's sides, within sixteenths `x` and `y`.
fn draw_box(rng: &mut impl Rng, sides: [u32; 2], x: [u32; 2], y: [u32; 2]) -> BoundingBox {
    let mut ends = |[from, to]: [u32; 2], side_px: u32| {
        let start = rng.random_range(from..to);
        let end = rng.random_range(start + 1..=to);
        [start, end].map(|place| (place * side_px / 16) as f32)
    };
    let ([x0, x1], [y0, y1]) = (ends(x, sides[0]), ends(y, sides[1]));
    BoundingBox { x0, y0, x1, y1 }
}

fn draw_person(rng: &mut impl Rng, sides: [u32; 2]) -> Person {
    let confidence = level(rng);
    let joint = |_| Joint { x: 9.0, y: 9.0, confidence: if rng.random_bool(0.1) { confidence } else { 0.0 } };
    let joints = Joints(std::array::from_fn(joint));
    let bbox = if rng.random_bool(0.5) {
        BoundingBox { x0: 0.0, y0: 0.0, x1: (sides[0] / 2) as f32, y1: sides[1] as f32 }
    } else {
        draw_box(rng, sides, [0, 16], [0, 16])
    };
    Person { bbox, score: level(rng), joints }
}

/// A face at the upper left or anywhere, so that most lie in a person's box, and some lie in it by half.
fn draw_face(rng: &mut impl Rng, sides: [u32; 2]) -> Detection {
    let within = if rng.random_bool(0.7) { [0, 9] } else { [0, 16] };
    Detection { bbox: draw_box(rng, sides, within, within), score: level(rng) }
}

/// The embedding of a face whose cosine to the usual one is `cosine`.
fn embedding(cosine: f32) -> Embedding {
    let mut values = [0.0; DIMENSIONS];
    (values[0], values[1]) = (cosine, (1.0 - cosine * cosine).sqrt());
    Embedding::of(&values).expect("it has a direction")
}

/// Photos without fault by the default thresholds are frequent enough for an identity to keep some.
fn draw_measurements(rng: &mut impl Rng, variety: Variety) -> Measurements {
    let sides = [*SIDES_PX.choose(rng).expect("a side"), *SIDES_PX.choose(rng).expect("a side")];
    let [width, height] = sides;
    let hash = if variety.copies {
        format!("{:016x}", rng.random_range(0..3_u64) * 0xFFFF_FFFF)
    } else {
        String::new()
    };
    let facts = ImageFacts {
        width,
        height,
        sharpness: 100.0,
        perceptual_hash: hash.clone(),
        inner_hash: hash,
        ..ImageFacts::default()
    };
    let is_good = rng.random_bool(0.4);
    let (people, faces) = if is_good {
        let joints = Joints([Joint { x: 9.0, y: 9.0, confidence: 1.0 }; 17]);
        let bbox = BoundingBox { x0: 0.0, y0: 0.0, x1: width as f32, y1: height as f32 };
        let face = draw_box(rng, sides, [4, 8], [0, 4]);
        (vec![Person { bbox, score: 1.0, joints }], vec![Detection { bbox: face, score: 1.0 }])
    } else {
        let people: Vec<Person> = (0..rng.random_range(0..4)).map(|_| draw_person(rng, sides)).collect();
        (people, (0..rng.random_range(0..4)).map(|_| draw_face(rng, sides)).collect())
    };
    let cosine = if variety.strangers && rng.random_bool(0.3) { level(rng) } else { 1.0 };
    let of_face = |face| FaceEmbedding { face, embedding: embedding(cosine) };
    let embeddings = (0..faces.len()).map(of_face).collect();
    let regions = match rng.random_range(0..4) {
        0 => Vec::new(), // no model looks for marks
        _ if is_good => vec![(Region::Frame, 0.0)],
        _ => vec![(Region::Frame, level(rng)), (Region::BottomRight, level(rng))],
    };
    let mut is_asked = || !variety.gaps || rng.random_bool(0.85);
    Measurements {
        facts,
        watermark: is_asked().then_some(WatermarkScore { regions }),
        people: is_asked().then_some(people),
        faces: is_asked().then_some(faces),
        face_embedding: is_asked().then_some(embeddings),
    }
}

fn draw_people(rng: &mut impl Rng, variety: Variety) -> Vec<Drawn> {
    (0..4).map(|number| draw_gallery(number, rng, variety)).collect()
}

fn draw_gallery(number: usize, rng: &mut impl Rng, variety: Variety) -> Drawn {
    let site = *SITES.choose(rng).expect("a site");
    let identity = format!("{site}/person-{number}");
    let photos = (0..rng.random_range(1..9)).map(|place| {
        let is_readable = rng.random_bool(0.95);
        let measured = draw_measurements(rng, variety);
        let measured = if is_readable { Ok(measured) } else { Err("it ends early".to_owned()) };
        let sha256 = Digest::of(format!("{number} {place}"));
        let decided = (variety.decisions && rng.random_bool(0.3)).then(|| rng.random_bool(0.5));
        DrawnPhoto { url: place.to_string(), content: Content { sha256, measured }, decided }
    });
    let mut photos: Vec<DrawnPhoto> = photos.collect();
    if photos.len() > 3 && rng.random_bool(0.5) {
        // The same bytes have the same measurements, and a decision is on the bytes.
        (photos[1].content, photos[1].decided) = (photos[0].content.clone(), photos[0].decided);
    }
    Drawn { site, identity, photos }
}

fn draw_rules(rng: &mut impl Rng, compares: bool) -> Rules {
    let own = SiteRules {
        min_side: sometimes(rng, |_| 600),
        min_photos: sometimes(rng, |_| 2),
        watermark: SiteWatermark { max_score: sometimes(rng, level) },
        faces: SiteScore { min_score: sometimes(rng, level) },
        people: SitePeople {
            min_score: sometimes(rng, level),
            min_score_with_face: sometimes(rng, level),
            min_relative_height: sometimes(rng, share),
        },
        joints: SiteScore { min_score: sometimes(rng, level) },
        identity: SiteIdentity { min_similarity: sometimes(rng, |_| -1.0).filter(|_| compares) },
    };
    let mut rules = Rules {
        min_side: *[0, 480, 481, 512, 513].choose(rng).expect("a side"),
        min_photos: rng.random_range(0..4),
        watermark: WatermarkRule { max_score: level(rng) },
        faces: FacesRule { min_score: level(rng) },
        people: PeopleRule {
            min_score: level(rng),
            min_score_with_face: level(rng),
            min_relative_height: share(rng),
        },
        joints: JointsRule { min_score: level(rng) },
        site: [("own".to_owned(), own)].into(),
        ..Rules::default()
    };
    rules.identity.min_similarity = compares.then(|| level(rng));
    rules
}

fn sometimes<R: Rng, T>(rng: &mut R, draw: impl FnOnce(&mut R) -> T) -> Option<T> {
    if rng.random_bool(0.3) { Some(draw(rng)) } else { None }
}

/// A share of a height that is exact for both judges, or none that a height on sixteenths ever is.
fn share(rng: &mut impl Rng) -> f32 {
    *[0.0, 0.25, 0.37, 0.5, 1.0].choose(rng).expect("a share")
}

fn judged(people: &[Drawn], rules: &Rules) -> Judgement {
    judge(&people.iter().map(gallery).collect::<Vec<_>>(), rules)
}

fn gallery(person: &Drawn) -> Gallery<'_> {
    let photos = person.photos.iter().map(candidate).collect();
    Gallery { site: person.site, identity: person.identity.clone(), photos }
}

fn candidate(photo: &DrawnPhoto) -> Candidate<'_> {
    Candidate {
        key: &photo.url,
        sha256: photo.content.sha256,
        measured: photo.content.measured.as_ref().map_err(String::as_str),
        decided: photo.decided,
    }
}

/// The names of each photo's reasons, in the page's order.
fn reasons(judgement: &Judgement) -> Vec<BTreeSet<String>> {
    let names = |verdict: &photo::Verdict| verdict.reasons().iter().map(|of| of.name().to_owned()).collect();
    judgement.verdicts.iter().flatten().map(names).collect()
}

/// The page on which these photos stand.
fn page(people: &[Drawn], rules: &Rules, judgement: &Judgement) -> String {
    let prepare = PrepareSettings::default();
    let mut photos = Vec::new();
    for (number, person) in people.iter().enumerate() {
        let judged = judgement.verdicts[number].iter().zip(&judgement.similarities[number]);
        for (photo, (verdict, &similarity)) in person.photos.iter().zip(judged) {
            let measured = photo.content.measured.as_ref().ok();
            let mut shown = ReviewPhoto {
                identity: number,
                url: photo.url.clone(),
                keep: verdict.is_keep(),
                decided: photo.decided,
                reasons: verdict.reasons().to_vec(),
                scores: measured.map(|measured| create::scores_of(measured, similarity)).unwrap_or_default(),
                ..ReviewPhoto::default()
            };
            add_content(&mut shown, &photo.content, &rules.of_site(person.site), &prepare);
            photos.push(shown);
        }
    }
    snapshot::review_page(&Review {
        name: "drawn".to_owned(),
        rules: rules.clone(),
        alpha: prepare.alpha,
        identities: people.iter().map(|person| person.identity.clone()).collect(),
        photos,
    })
}

/// What the page's script makes of its photos.
#[derive(serde::Deserialize)]
struct PageVerdicts {
    /// The reasons of each photo by the rules and decisions that the page was made by.
    before: Vec<BTreeSet<String>>,
    /// What the script would say against photos that are kept: nothing, where it judges as `curate::judge` does.
    odd: Vec<Vec<String>>,
    /// The reasons of each photo by other thresholds and decisions.
    after: Vec<BTreeSet<String>>,
}

/// Runs the page's script. `changes`: thresholds that sliders were moved to. `decisions`: what was decided on the
/// page, by a photo's place; `None` takes an earlier decision back.
fn said_by_page(
    page: &str,
    changes: &Map<String, Value>,
    decisions: &BTreeMap<usize, Option<bool>>,
) -> PageVerdicts {
    let data = page.split_once("id=\"data\">").and_then(|(_, rest)| rest.split_once("</script>"));
    let (data, _) = data.expect("the page's data");
    let stand_in =
        format!("globalThis.document = {{ getElementById: () => ({{ textContent: {} }}) }};", json!(data));
    let ask = format!(
        "{RULES_JS}
         const decisions = {}, after = judge({}, photo => decisions[photo.number]);
         JSON.stringify({{ before, after, odd: photos.map(photo => photo.odd) }});",
        json!(decisions),
        json!(changes)
    );
    let engine = rquickjs::Runtime::new().expect("a JavaScript engine");
    let said: String = rquickjs::Context::full(&engine).expect("its globals").with(|context| {
        context.eval::<(), _>(stand_in).expect("a page's data");
        context.eval(ask).unwrap_or_else(|_| panic!("rules.js fails: {:?}", context.catch()))
    });
    serde_json::from_str(&said).expect("what the script says of photos")
}

fn every_reason() -> BTreeSet<String> {
    let names = [
        "unreadable",
        "too_small",
        "watermark",
        "no_person",
        "no_face",
        "several_people",
        "no_visible_joint",
        "other_person",
        "duplicate",
        "near_duplicate",
        "two_identities",
        "not_measured",
        "review",
        "too_few_photos",
    ];
    names.map(str::to_owned).into()
}

/// Thresholds as the page's sliders change them, and the rules with those.
fn changed(rng: &mut impl Rng, rules: &Rules) -> (Map<String, Value>, Rules) {
    let (mut changes, mut changed) = (Map::new(), rules.clone());
    let mut thresholds = vec![
        ("watermark.max_score", &mut changed.watermark.max_score),
        ("faces.min_score", &mut changed.faces.min_score),
        ("people.min_score", &mut changed.people.min_score),
        ("people.min_score_with_face", &mut changed.people.min_score_with_face),
    ];
    // There is a slider only where faces are compared.
    thresholds
        .extend(changed.identity.min_similarity.as_mut().map(|lowest| ("identity.min_similarity", lowest)));
    for (rule, threshold) in thresholds {
        if rng.random_bool(0.4) {
            *threshold = level(rng);
            // A slider's value has the digits that `--set` is told.
            changes.insert(rule.to_owned(), serde_json::from_str(&threshold.to_string()).expect("a number"));
        }
    }
    if rng.random_bool(0.4) {
        changed.min_side = *[0, 481, 513, 600].choose(rng).expect("a side");
        changes.insert("min_side".to_owned(), json!(changed.min_side));
    }
    (changes, changed)
}

#[test]
fn the_page_judges_every_photo_as_it_was_judged() {
    let mut seen = BTreeSet::new();
    for seed in 0..600 {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let people = draw_people(rng, Variety { gaps: true, copies: true, strangers: true, decisions: true });
        let mut rules = draw_rules(rng, seed % 2 == 0);
        let similarities = judged(&people, &rules).similarities;
        if let Some(&similarity) = similarities.iter().flatten().flatten().collect::<Vec<_>>().choose(rng) {
            rules.identity.min_similarity = Some(*similarity); // on the edge
        }
        let judgement = judged(&people, &rules);
        let said = said_by_page(&page(&people, &rules, &judgement), &Map::new(), &BTreeMap::new());
        let expected = reasons(&judgement);
        assert_eq!(said.before, expected, "seed {seed}");
        assert_eq!(said.after, expected, "seed {seed}");
        assert!(said.odd.iter().all(Vec::is_empty), "seed {seed}: {:?}", said.odd);
        seen.extend(expected.into_iter().flatten());
    }
    assert_eq!(seen, every_reason());
}

#[test]
fn the_page_judges_by_other_thresholds_as_judge_would() {
    let (mut lost, mut won, mut seen) = (0, 0, BTreeSet::new());
    for seed in 0..600 {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let people = draw_people(rng, Variety { gaps: true, ..Variety::default() });
        let rules = draw_rules(rng, seed % 2 == 0);
        let before = judged(&people, &rules);
        let (changes, changed) = changed(rng, &rules);
        let said = said_by_page(&page(&people, &rules, &before), &changes, &BTreeMap::new());
        let after = reasons(&judged(&people, &changed));
        assert_eq!(said.after, after, "seed {seed}: {changes:?} on {rules:?}");
        for (before, after) in reasons(&before).iter().zip(&after) {
            lost += usize::from(before.is_empty() && !after.is_empty());
            won += usize::from(!before.is_empty() && after.is_empty());
        }
        seen.extend(after.into_iter().flatten());
    }
    assert!(lost > 50 && won > 50, "{lost} lost, {won} won");
    // Copies, strangers and decisions are not among these photos.
    let left_out = ["other_person", "near_duplicate", "two_identities", "review"].map(str::to_owned).into();
    assert_eq!(seen, &every_reason() - &left_out);
}

#[test]
fn a_face_is_the_others_from_the_similarity_that_the_slider_says() {
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let mut rules = Rules { min_side: 0, min_photos: 0, ..Rules::default() };
    let person = |photos| [Drawn { site: "common", identity: "common/ada".to_owned(), photos }];
    let photo = |place: usize, measured| {
        let content = Content { sha256: Digest::of(place.to_string()), measured: Ok(measured) };
        DrawnPhoto { url: place.to_string(), content, decided: None }
    };
    let is_good = |measured: &Measurements| {
        judged(&person(vec![photo(0, measured.clone())]), &rules).verdicts[0][0].is_keep()
    };
    let drawn = std::iter::repeat_with(|| draw_measurements(rng, Variety::default()));
    let cosines = [1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.2];
    let good: Vec<Measurements> = drawn.filter(is_good).take(cosines.len()).collect();
    let photos = good.into_iter().zip(cosines).enumerate().map(|(place, (measured, cosine))| {
        let faces = 0..measured.faces.as_ref().map_or(0, Vec::len);
        let embedded = faces.map(|face| FaceEmbedding { face, embedding: embedding(cosine) });
        photo(place, Measurements { face_embedding: Some(embedded.collect()), ..measured })
    });
    let people = person(photos.collect());
    rules.identity.min_similarity = Some(0.4);
    let before = judged(&people, &rules);
    for (lowest, dropped) in [(0.1, 0), (0.4, 1), (0.8, 2)] {
        let changes = [("identity.min_similarity".to_owned(), json!(lowest))].into_iter().collect();
        let said = said_by_page(&page(&people, &rules, &before), &changes, &BTreeMap::new());
        let mut changed = rules.clone();
        changed.identity.min_similarity = Some(lowest as f32);
        let after = reasons(&judged(&people, &changed));
        assert_eq!(said.after, after, "{lowest}");
        assert_eq!(
            after.iter().filter(|reasons| reasons.contains("other_person")).count(),
            dropped,
            "{lowest}"
        );
    }
}

#[test]
fn what_is_decided_on_the_page_keeps_and_drops_as_judge_will() {
    let (mut kept, mut dropped, mut taken_back) = (0, 0, 0);
    for seed in 0..600 {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut people = draw_people(rng, Variety { decisions: true, ..Variety::default() });
        let rules = draw_rules(rng, false);
        let before = judged(&people, &rules);
        let page = page(&people, &rules, &before);
        let mut decisions = BTreeMap::new();
        let mut of_bytes = BTreeMap::new();
        for (number, photo) in people.iter_mut().flat_map(|person| &mut person.photos).enumerate() {
            let choice =
                [None, Some(None), Some(Some(true)), Some(Some(false))].choose(rng).copied().flatten();
            // A decision is on the bytes: copies share it.
            if let Some(decision) = *of_bytes.entry(photo.content.sha256).or_insert(choice) {
                decisions.insert(number, decision);
                photo.decided = decision;
                kept += usize::from(decision == Some(true));
                dropped += usize::from(decision == Some(false));
                taken_back += usize::from(decision.is_none());
            }
        }
        let said = said_by_page(&page, &Map::new(), &decisions);
        let mut expected = reasons(&judged(&people, &rules));
        // Of what is dropped by hand on the page, the page says that alone.
        for (number, _) in decisions.iter().filter(|(_, decision)| **decision == Some(false)) {
            assert!(expected[*number].contains("review"), "seed {seed}");
            expected[*number] = ["review".to_owned()].into();
        }
        assert_eq!(said.after, expected, "seed {seed}: {decisions:?}");
    }
    assert!(
        kept > 100 && dropped > 100 && taken_back > 100,
        "{kept} kept, {dropped} dropped, {taken_back} back"
    );
}
