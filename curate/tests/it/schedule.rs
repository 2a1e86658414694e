//! Which models are asked, by the rules and by what is known.

use curate::{Measurements, ModelSchedule, Role, judge};
use photo::tiles::Region;
use photo::{BoundingBox, Detection, Digest, ImageFacts, Joint, Joints, Person, Rules, WatermarkScore};

const ORDER: [Role; 3] = [Role::Watermark, Role::People, Role::Faces];

fn schedule(rules: &Rules) -> ModelSchedule {
    ModelSchedule::EarlyExit { order: ORDER.to_vec(), rules: vec![rules.clone()] }
}

/// Every score of a photo; `mark`: its watermark score.
fn whole(width: u32, mark: f32, people: usize, faces: usize) -> Measurements {
    let bbox = |i: usize, side: f32| BoundingBox {
        x0: 200.0 * i as f32,
        y0: 0.0,
        x1: 200.0 * i as f32 + side,
        y1: side,
    };
    let joints = Joints([Joint { x: 50.0, y: 50.0, confidence: 0.9 }; 17]);
    let facts = ImageFacts {
        format: "jpeg".to_owned(),
        width,
        height: 1600,
        orientation: 1,
        file_bytes: 300_000,
        sharpness: 100.0,
        brightness: 0.5,
        perceptual_hash: "0".repeat(16),
        inner_hash: "0".repeat(16),
        ..ImageFacts::default()
    };
    Measurements {
        facts,
        watermark: Some(WatermarkScore { regions: vec![(Region::Frame, mark)] }),
        people: Some((0..people).map(|i| Person { bbox: bbox(i, 150.0), score: 0.9, joints }).collect()),
        faces: Some((0..faces).map(|i| Detection { bbox: bbox(i, 20.0), score: 0.9 }).collect()),
        face_embedding: None,
    }
}

/// The models that are asked of a photo about which they would say `truth`, one after the other.
fn asked(schedule: &ModelSchedule, truth: &Measurements) -> Vec<Role> {
    let seen = schedule.visible(truth.clone());
    let order = if *schedule == ModelSchedule::All { Role::REQUIRED } else { ORDER };
    order.into_iter().filter(|&role| seen.has(role)).collect()
}

#[test]
fn a_photo_that_may_be_kept_is_shown_to_every_model() {
    assert_eq!(asked(&schedule(&Rules::default()), &whole(1200, 0.1, 1, 1)), ORDER);
}

#[test]
fn models_behind_a_certain_drop_are_not_asked() {
    let rules = Rules::default();
    assert_eq!(asked(&schedule(&rules), &whole(999, 0.1, 1, 1)), [], "too small");
    assert_eq!(asked(&schedule(&rules), &whole(1200, 0.9, 1, 1)), [Role::Watermark]);
    assert_eq!(asked(&schedule(&rules), &whole(1200, 0.1, 0, 0)), [Role::Watermark, Role::People]);
    assert_eq!(asked(&schedule(&rules), &whole(1200, 0.1, 2, 2)), [Role::Watermark, Role::People]);
    assert_eq!(
        asked(&schedule(&rules), &whole(1200, 0.1, 1, 0)),
        ORDER,
        "no face has to be named as the reason"
    );
    assert_eq!(asked(&ModelSchedule::All, &whole(999, 0.9, 0, 0)), Role::REQUIRED);
}

#[test]
fn looser_rules_ask_further() {
    let mut rules = Rules::default();
    let seen = schedule(&rules).visible(whole(1200, 0.6, 1, 1));
    assert_eq!(schedule(&rules).next(&seen), None);
    rules.watermark.max_score = 0.7;
    assert_eq!(schedule(&rules).next(&seen), Some(Role::People));
}

/// Keep or drop is the same whether or not every model was asked, and no reason is made up.
#[test]
fn what_is_not_asked_never_changes_a_verdict() {
    let rules = Rules { min_photos: 1, ..Rules::default() };
    for (width, mark, people, faces) in [999, 1200]
        .into_iter()
        .flat_map(|width| [0.1, 0.9].map(|mark| (width, mark)))
        .flat_map(|(width, mark)| {
            (0..3).flat_map(move |people| (0..3).map(move |faces| (width, mark, people, faces)))
        })
    {
        let every = whole(width, mark, people, faces);
        let verdict = |measured: Measurements| {
            let photo = curate::Candidate {
                key: "a",
                sha256: Digest::of("a"),
                measured: Ok(&measured),
                decided: None,
            };
            let gallery = curate::Gallery { site: "x", identity: "x/ada".to_owned(), photos: vec![photo] };
            judge(&[gallery], &rules).verdicts.remove(0).remove(0)
        };
        let (all, some) = (verdict(every.clone()), verdict(schedule(&rules).visible(every)));
        assert_eq!(all.is_keep(), some.is_keep(), "{width} {mark} {people} {faces}: {all}; {some}");
        let names =
            |verdict: &photo::Verdict| verdict.reasons().iter().map(photo::Reason::name).collect::<Vec<_>>();
        assert!(names(&some).iter().all(|name| names(&all).contains(name)), "{all}; {some}");
    }
}

#[test]
fn faces_are_embedded_last_and_only_of_photos_that_a_rule_would_compare() {
    let mut rules = Rules::default();
    let faultless = whole(1200, 0.1, 1, 1);
    assert_eq!(schedule(&rules).next(&faultless), None, "no rule compares faces");
    rules.identity.min_similarity = Some(0.35);
    assert_eq!(schedule(&rules).next(&faultless), Some(Role::FaceEmbedding));
    for dropped in
        [whole(1200, 0.1, 1, 0), whole(1200, 0.1, 2, 2), whole(1200, 0.9, 1, 1), whole(900, 0.1, 1, 1)]
    {
        assert_eq!(schedule(&rules).next(&dropped), None, "{dropped:?}");
    }
    let mut some = whole(1200, 0.1, 1, 1);
    some.faces = None;
    assert_eq!(schedule(&rules).next(&some), Some(Role::Faces), "faces come before their directions");
    let embedded = Measurements { face_embedding: Some(Vec::new()), ..whole(1200, 0.1, 1, 1) };
    assert_eq!(schedule(&rules).next(&embedded), None);
    assert_eq!(schedule(&rules).visible(embedded.clone()), embedded);
    assert_eq!(
        schedule(&Rules::default()).visible(embedded).face_embedding,
        None,
        "what is not asked for is not seen"
    );
    assert_eq!(ModelSchedule::All.next(&whole(900, 0.9, 0, 0)), Some(Role::FaceEmbedding));
}
