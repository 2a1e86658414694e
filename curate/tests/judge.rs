//! Every rule on its own, and what the photos of one person have to do with each other.

use std::collections::BTreeMap;

use curate::{Candidate, Measurements, judge};
use photo::tiles::Region;
use photo::{
    BoundingBox, Detection, Digest, ImageFacts, Joint, Joints, Person, Reason, Rules, Verdict, WatermarkScore,
};

fn rules() -> Rules {
    Rules { min_side: 1000, min_photos: 1, ..Rules::default() }
}

fn face(x0: f32) -> Detection {
    Detection { bbox: BoundingBox { x0, y0: 100.0, x1: x0 + 100.0, y1: 200.0 }, score: 0.9 }
}

fn person(x0: f32) -> Person {
    let joints = Joints([Joint { x: x0 + 100.0, y: 150.0, confidence: 0.9 }; 17]);
    Person { bbox: BoundingBox { x0, y0: 50.0, x1: x0 + 300.0, y1: 1100.0 }, score: 0.95, joints }
}

/// Measurements of a photo without fault.
fn good(hash: u64) -> Measurements {
    Measurements {
        facts: ImageFacts {
            format: "jpeg".to_owned(),
            width: 1200,
            height: 1600,
            orientation: 1,
            file_bytes: 300_000,
            sharpness: 100.0,
            brightness: 0.5,
            perceptual_hash: format!("{hash:016x}"),
        },
        watermark: Some(WatermarkScore { regions: vec![(Region::Frame, 0.02), (Region::BottomRight, 0.1)] }),
        faces: Some(vec![face(400.0)]),
        people: Some(vec![person(300.0)]),
    }
}

/// Hashes that are at least 16 bits apart, also mirrored.
fn far_hash(index: u32) -> u64 {
    0xFFFF_u64 << (16 * index)
}

fn candidate(key: &'static str, measured: Measurements) -> Candidate<&'static str> {
    Candidate { key, sha256: Digest::of(key), measured: Ok(measured) }
}

/// The reasons of a single photo that differs from a good one by `change`.
fn reasons(change: impl FnOnce(&mut Measurements)) -> Vec<Reason> {
    let mut measured = good(0);
    change(&mut measured);
    judge(&[candidate("a", measured)], &rules())["a"].reasons().to_vec()
}

#[test]
fn a_photo_without_fault_is_kept() {
    assert_eq!(reasons(|_| ()), []);
}

#[test]
fn each_fault_of_a_photo_has_its_reason_and_the_scores_behind_it() {
    assert_eq!(reasons(|m| m.facts.width = 999), [Reason::TooSmall { width: 999, height: 1600 }]);
    assert_eq!(
        reasons(|m| m.watermark.as_mut().unwrap().regions[1].1 = 0.51),
        [Reason::Watermark { score: 0.51, region: Region::BottomRight }]
    );
    assert_eq!(reasons(|m| m.watermark.as_mut().unwrap().regions[1].1 = 0.5), []);
    assert_eq!(reasons(|m| (m.faces, m.people) = (Some(vec![]), Some(vec![]))), [Reason::NoPerson]);
    assert_eq!(reasons(|m| m.faces = Some(vec![])), [Reason::NoFace]);
    assert_eq!(reasons(|m| m.faces.as_mut().unwrap()[0].score = 0.39), [Reason::NoFace]);
    assert_eq!(
        reasons(|m| m.people.as_mut().unwrap().push(person(700.0))),
        [Reason::SeveralPeople { faces: 1, people: 2 }]
    );
    assert_eq!(
        reasons(|m| m.faces.as_mut().unwrap().push(face(310.0))),
        [Reason::SeveralPeople { faces: 2, people: 1 }]
    );
    let hide = |m: &mut Measurements| {
        m.people.as_mut().unwrap()[0].joints.0.iter_mut().for_each(|joint| joint.confidence = 0.49);
    };
    assert_eq!(reasons(hide), [Reason::NoVisibleJoint]);
}

#[test]
fn a_photo_with_several_faults_has_every_reason() {
    let found = reasons(|m| {
        m.facts.height = 10;
        m.watermark.as_mut().unwrap().regions[0].1 = 0.9;
        (m.faces, m.people) = (Some(vec![]), Some(vec![]));
    });
    assert_eq!(found.iter().map(Reason::name).collect::<Vec<_>>(), ["too_small", "watermark", "no_person"]);
}

#[test]
fn an_unreadable_photo_keeps_what_the_decoder_said() {
    let photo =
        Candidate { key: "a", sha256: Digest::of("a"), measured: Err("jpeg is truncated".to_owned()) };
    let verdict = &judge(&[photo], &rules())["a"];
    assert_eq!(verdict.reasons(), [Reason::Unreadable { detail: "jpeg is truncated".to_owned() }]);
}

#[test]
fn of_equal_bytes_the_first_key_stays() {
    let mut photos = vec![candidate("b", good(0)), candidate("a", good(0)), candidate("c", good(0))];
    photos.iter_mut().for_each(|photo| photo.sha256 = Digest::of("same"));
    let verdicts = judge(&photos, &rules());
    assert!(verdicts["a"].is_keep());
    for key in ["b", "c"] {
        assert_eq!(verdicts[key].reasons(), [Reason::Duplicate { of: Digest::of("same") }]);
    }
}

#[test]
fn of_photos_that_look_the_same_the_larger_stays_then_the_one_with_more_bytes() {
    let mut larger = good(0b111);
    larger.facts.width = 1300;
    let mut heavier = good(0);
    heavier.facts.file_bytes = 300_001;
    let verdicts =
        judge(&[candidate("a", good(0)), candidate("b", larger), candidate("c", heavier.clone())], &rules());
    assert!(verdicts["b"].is_keep());
    let near = |of: &str| [Reason::NearDuplicate { of: Digest::of(of), distance: 3 }];
    assert_eq!(verdicts["a"].reasons(), near("b"));
    assert_eq!(verdicts["c"].reasons(), near("b"));
    let verdicts = judge(&[candidate("a", good(0)), candidate("c", heavier)], &rules());
    assert!(verdicts["c"].is_keep() && !verdicts["a"].is_keep());
}

#[test]
fn a_good_photo_never_falls_to_one_that_is_dropped() {
    let mut larger = good(0);
    larger.facts.width = 5000;
    larger.watermark.as_mut().unwrap().regions[0].1 = 0.99;
    let verdicts = judge(&[candidate("a", good(0)), candidate("b", larger)], &rules());
    assert!(verdicts["a"].is_keep());
    assert_eq!(verdicts["b"].reasons().len(), 1);
}

#[test]
fn hashes_farther_apart_than_the_rule_are_other_photos() {
    let at = |distance: u32| {
        judge(&[candidate("a", good(0)), candidate("b", good((1 << distance) - 1))], &rules())
    };
    let limit = rules().duplicates.max_distance;
    assert_eq!(at(limit).values().filter(|verdict| verdict.is_keep()).count(), 1);
    assert_eq!(at(limit + 1).values().filter(|verdict| verdict.is_keep()).count(), 2);
}

#[test]
fn too_few_photos_drop_the_remaining_ones_only() {
    let mut bad = good(far_hash(2));
    bad.faces = Some(vec![]);
    let photos = [candidate("a", good(far_hash(0))), candidate("b", good(far_hash(1))), candidate("c", bad)];
    let verdicts = judge(&photos, &Rules { min_photos: 3, ..rules() });
    for key in ["a", "b"] {
        assert_eq!(verdicts[key].reasons(), [Reason::TooFewPhotos { kept: 2 }]);
    }
    assert_eq!(verdicts["c"].reasons(), [Reason::NoFace]);
    assert!(judge(&photos, &Rules { min_photos: 2, ..rules() })["a"].is_keep());
}

#[test]
fn verdicts_do_not_depend_on_the_order_of_arrival() {
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut photos: Vec<_> = keys.iter().map(|key| candidate(key, good(0))).collect();
    for (index, photo) in (0..).zip(&mut photos) {
        let measured = photo.measured.as_mut().unwrap();
        measured.facts.perceptual_hash = format!("{:016x}", far_hash(index / 3) >> ((index % 3) * 2));
        measured.facts.file_bytes = u64::from(index * 7 % 4);
    }
    photos[5].sha256 = photos[2].sha256;
    let expected: BTreeMap<&str, Verdict> = judge(&photos, &rules());
    assert_eq!(expected.len(), keys.len());
    for turn in 0..keys.len() {
        photos.rotate_left(turn);
        photos.swap(0, turn);
        assert_eq!(judge(&photos, &rules()), expected);
    }
}

#[test]
fn scores_that_were_not_asked_for_are_a_reason_of_their_own_only_where_no_other_is_certain() {
    assert_eq!(
        reasons(|m| (m.watermark, m.faces) = (None, None)),
        [Reason::NotMeasured { missing: vec!["watermark".to_owned(), "faces".to_owned()] }]
    );
    assert_eq!(reasons(|m| (m.people, m.faces) = (Some(vec![]), None)), [Reason::NoPerson]);
    assert_eq!(
        reasons(|m| (m.people, m.faces) = (Some(vec![person(300.0), person(700.0)]), None)),
        [Reason::SeveralPeople { faces: 0, people: 2 }]
    );
    let all_missing = |m: &mut Measurements| {
        *m = Measurements::of(ImageFacts { width: 999, ..m.facts.clone() });
    };
    assert_eq!(reasons(all_missing), [Reason::TooSmall { width: 999, height: 1600 }]);
}
