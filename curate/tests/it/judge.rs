//! Every rule on its own, and what the photos of one person have to do with each other.

use std::collections::BTreeMap;

use curate::{Candidate, Gallery, Judgement, Measurements};
use photo::tiles::Region;
use photo::{
    AcrossIdentities, BoundingBox, Detection, Digest, ImageFacts, Joint, Joints, Person, Reason, Rules,
    Verdict, WatermarkScore,
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
            inner_hash: format!("{hash:016x}"),
            ..ImageFacts::default()
        },
        watermark: Some(WatermarkScore { regions: vec![(Region::Frame, 0.02), (Region::BottomRight, 0.1)] }),
        faces: Some(vec![face(400.0)]),
        people: Some(vec![person(300.0)]),
        face_embedding: None,
    }
}

/// Hashes that are at least 16 bits apart, also mirrored.
fn far_hash(index: u32) -> u64 {
    0xFFFF_u64 << (16 * index)
}

/// A photo of its own key's bytes.
#[derive(Clone)]
struct Photo {
    key: &'static str,
    sha256: Digest,
    measured: Result<Measurements, String>,
    decided: Option<bool>,
}

fn candidate(key: &'static str, measured: Measurements) -> Photo {
    Photo { key, sha256: Digest::of(key), measured: Ok(measured), decided: None }
}

fn gallery<'a>(identity: &str, photos: &'a [Photo]) -> Gallery<'a> {
    let candidate = |photo: &'a Photo| Candidate {
        key: photo.key,
        sha256: photo.sha256,
        measured: photo.measured.as_ref().map_err(String::as_str),
        decided: photo.decided,
    };
    let site = "site";
    Gallery { site, identity: format!("{site}/{identity}"), photos: photos.iter().map(candidate).collect() }
}

/// The verdicts on the photos of one identity, by key.
fn judge(photos: &[Photo], rules: &Rules) -> BTreeMap<&'static str, Verdict> {
    let mut judged = curate::judge(&[gallery("ada", photos)], rules);
    photos.iter().map(|photo| photo.key).zip(judged.verdicts.remove(0)).collect()
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
    let photo = Photo { measured: Err("jpeg is truncated".to_owned()), ..candidate("a", good(0)) };
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
        measured.facts.inner_hash = measured.facts.perceptual_hash.clone();
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

/// Two people with a photo each; the second one's is larger and differs in 5 bits.
fn two_people() -> ([Photo; 2], [Photo; 2]) {
    let mut larger = good(0b1_1111);
    larger.facts.width = 1300;
    (
        [candidate("a1", good(0)), candidate("a2", good(far_hash(2)))],
        [candidate("b1", larger), candidate("b2", good(far_hash(3)))],
    )
}

fn judge_both(ada: &[Photo], bea: &[Photo], across_identities: AcrossIdentities) -> Judgement {
    let mut rules = rules();
    rules.duplicates.across_identities = across_identities;
    let judged = curate::judge(&[gallery("ada", ada), gallery("bea", bea)], &rules);
    // Nothing depends on which gallery comes first.
    let mut turned = curate::judge(&[gallery("bea", bea), gallery("ada", ada)], &rules);
    turned.verdicts.reverse();
    assert_eq!(turned.verdicts, judged.verdicts);
    judged
}

#[test]
fn a_photo_under_two_identities_drops_from_both_unless_the_rules_say_otherwise() {
    let (ada, bea) = two_people();
    let conflict = |identity: &str, of: &str| {
        let (identity, of) = (format!("site/{identity}"), Digest::of(of));
        Verdict::Drop(vec![Reason::TwoIdentities { identity, of, distance: 5 }])
    };
    let judged = judge_both(&ada, &bea, AcrossIdentities::Drop);
    assert_eq!(judged.verdicts[0], [conflict("bea", "b1"), Verdict::Keep]);
    assert_eq!(judged.verdicts[1], [conflict("ada", "a1"), Verdict::Keep]);
    assert_eq!(judged.groups.len(), 1);
    let judged = judge_both(&ada, &bea, AcrossIdentities::KeepBest);
    assert_eq!(judged.verdicts[0], [conflict("bea", "b1"), Verdict::Keep]);
    assert_eq!(judged.verdicts[1], [Verdict::Keep, Verdict::Keep]);
    let judged = judge_both(&ada, &bea, AcrossIdentities::Ignore);
    assert!(judged.verdicts.iter().flatten().all(Verdict::is_keep));
    assert!(judged.groups.is_empty());
}

/// A wall with the person of [`good`] before it, in a coat of a colour.
fn before_a_wall(coat: [u8; 3]) -> String {
    let photo = image::RgbImage::from_fn(300, 400, |x, y| {
        let is_person = (75..150).contains(&x) && (13..275).contains(&y); // a quarter of the box of `person`
        image::Rgb(if is_person { coat } else { [236, 236, 232] })
    });
    curate::pixels::thumbnail::Thumbnail::of(&photo).to_string()
}

#[test]
fn different_people_before_one_wall_are_two_photos_however_near_their_hashes() {
    let (mut ada, mut bea) = two_people();
    let kept = |ada: &[Photo], bea: &[Photo]| {
        let judged = judge_both(ada, bea, AcrossIdentities::Drop);
        (judged.verdicts[0][0].is_keep(), judged.verdicts[1][0].is_keep(), judged.groups.len())
    };
    let set =
        |photo: &mut Photo, coat| photo.measured.as_mut().unwrap().facts.thumbnail = before_a_wall(coat);
    set(&mut ada[0], [205, 140, 30]);
    set(&mut bea[0], [30, 30, 34]);
    assert_eq!(kept(&ada, &bea), (true, true, 0));
    // The same coat, and what saving again does to it.
    set(&mut bea[0], [200, 142, 34]);
    assert_eq!(kept(&ada, &bea), (false, false, 1));
    // The hashes alone decide where one photo has no thumbnail.
    bea[0].measured.as_mut().unwrap().facts.thumbnail.clear();
    assert_eq!(kept(&ada, &bea), (false, false, 1));
}

#[test]
fn the_same_bytes_are_the_same_photo_whatever_was_asked_of_them() {
    let (mut ada, mut bea) = two_people();
    for (photo, coat) in [(&mut ada[0], [205, 140, 30]), (&mut bea[0], [30, 30, 34])] {
        photo.measured.as_mut().unwrap().facts.thumbnail = before_a_wall(coat);
    }
    bea[0].sha256 = ada[0].sha256;
    let judged = judge_both(&ada, &bea, AcrossIdentities::Drop);
    assert!(!judged.verdicts[0][0].is_keep() && !judged.verdicts[1][0].is_keep());
}

#[test]
fn a_copy_that_is_dropped_for_itself_still_shows_the_conflict() {
    let (ada, mut bea) = two_people();
    bea[0].measured.as_mut().unwrap().facts.height = 400;
    let judged = judge_both(&ada, &bea, AcrossIdentities::Drop);
    assert_eq!(judged.verdicts[0][0].reasons()[0].name(), "two_identities");
    let names: Vec<_> = judged.verdicts[1][0].reasons().iter().map(Reason::name).collect();
    assert_eq!(names, ["too_small", "two_identities"]);
}

#[test]
fn the_same_bytes_under_two_identities_are_a_conflict_too() {
    let (ada, mut bea) = two_people();
    bea[0] = Photo { key: "b1", ..ada[0].clone() };
    let judged = judge_both(&ada, &bea, AcrossIdentities::Drop);
    assert!(!judged.verdicts[0][0].is_keep() && !judged.verdicts[1][0].is_keep());
}

#[test]
fn a_mirrored_copy_is_a_near_duplicate() {
    let hash = curate::pixels::hash::PerceptualHash::from_bits(0x0123_4567_89AB_CDEF);
    let photos = [candidate("a", good(hash.bits())), candidate("b", good(hash.mirrored().bits() ^ 0b11))];
    let verdicts = judge(&photos, &rules());
    assert_eq!(verdicts.values().filter(|verdict| verdict.is_keep()).count(), 1);
    let judged = curate::judge(&[gallery("ada", &photos)], &rules());
    assert!(judged.groups[0].members[1].mirrored);
    assert_eq!(judged.groups[0].members[1].distance, 2);
}

#[test]
fn a_larger_but_blurred_copy_falls_to_a_sharp_one() {
    let (mut blurred, mut heavy) = (good(0b1), good(0b11));
    (blurred.facts.width, blurred.facts.sharpness) = (2400, 50.0);
    (heavy.facts.file_bytes, heavy.facts.sharpness) = (400_000, 90.0);
    let photos = [candidate("a", good(0)), candidate("blurred", blurred), candidate("heavy", heavy)];
    let verdicts = judge(&photos, &rules());
    let kept: Vec<_> =
        verdicts.iter().filter(|(_, verdict)| verdict.is_keep()).map(|(key, _)| *key).collect();
    assert_eq!(kept, ["heavy"], "nearly as sharp as the sharpest, and with more bytes");
    let of = |key: &str| verdicts[key].reasons().to_vec();
    assert_eq!(of("blurred"), [Reason::NearDuplicate { of: Digest::of("heavy"), distance: 1 }]);
}

#[test]
fn min_photos_counts_distinct_photos() {
    let mut photos = vec![candidate("a", good(far_hash(0))), candidate("b", good(far_hash(1)))];
    photos.push(candidate("near", good(far_hash(1) ^ 0b1)));
    photos.push(Photo { key: "same", ..photos[0].clone() });
    let kept = |min_photos: usize| {
        let verdicts = judge(&photos, &Rules { min_photos, ..rules() });
        verdicts.values().filter(|verdict| verdict.is_keep()).count()
    };
    assert_eq!((kept(2), kept(3)), (2, 0));
}

#[test]
fn a_site_may_have_thresholds_of_its_own() {
    let mut small = good(0);
    small.facts.width = 700;
    let mut rules = rules();
    rules.site.entry("site".to_owned()).or_default().min_side = Some(600);
    assert!(judge(&[candidate("a", small.clone())], &rules)["a"].is_keep());
    rules.site.clear();
    rules.site.entry("other".to_owned()).or_default().min_side = Some(600);
    assert!(!judge(&[candidate("a", small)], &rules)["a"].is_keep());
}

#[test]
fn the_group_of_a_photo_holds_its_copies_of_the_same_bytes() {
    let original = candidate("a", good(0));
    let photos = [original.clone(), Photo { key: "z", ..original }, candidate("c", good(0b1))];
    let judged = curate::judge(&[gallery("ada", &photos)], &rules());
    let members: Vec<usize> = judged.groups[0].members.iter().map(|member| member.photo).collect();
    assert_eq!(judged.groups.len(), 1);
    assert_eq!(members.len(), 3);
    assert!([0, 1, 2].iter().all(|photo| members.contains(photo)));
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

#[test]
fn a_decision_is_the_highest_rule() {
    let mut marked = good(0);
    marked.watermark.as_mut().unwrap().regions[0].1 = 0.9;
    let kept = Photo { decided: Some(true), ..candidate("a", marked.clone()) };
    assert!(judge(std::slice::from_ref(&kept), &rules())["a"].is_keep());
    let dropped = Photo { decided: Some(false), ..candidate("b", good(far_hash(1))) };
    assert_eq!(judge(&[dropped], &rules())["b"].reasons(), [Reason::Review]);
    // The copy that was dropped by hand leaves its place to another, larger or not.
    let mut larger = good(0b1);
    larger.facts.width = 1300;
    let verdicts = judge(
        &[candidate("a", good(0)), Photo { decided: Some(false), ..candidate("b", larger.clone()) }],
        &rules(),
    );
    assert!(verdicts["a"].is_keep() && !verdicts["b"].is_keep());
    // Both copies stay where a person wants both.
    let both = [
        Photo { decided: Some(true), ..candidate("a", good(0)) },
        Photo { decided: Some(true), ..candidate("b", larger) },
    ];
    assert!(judge(&both, &rules()).values().all(Verdict::is_keep));
    // Nothing can be made of a photo without people.
    marked.people = Some(Vec::new());
    let empty = Photo { decided: Some(true), ..candidate("a", marked) };
    assert_eq!(judge(&[empty], &rules())["a"].reasons(), [Reason::NoPerson]);
}
