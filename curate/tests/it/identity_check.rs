//! Faces of one identity that are another person's.

use curate::{Candidate, Gallery, Judgement, Measurements, NoMajority};
use photo::embedding::DIMENSIONS;
use photo::site_rules::SiteRules;
use photo::tiles::Region;
use photo::{
    BoundingBox, Detection, Digest, Embedding, FaceEmbedding, ImageFacts, Joint, Joints, Person, Reason,
    Rules, Verdict, WatermarkScore,
};

const LOWEST: f32 = 0.35;

fn rules() -> Rules {
    let mut rules = Rules { min_photos: 1, ..Rules::default() };
    rules.identity.min_similarity = Some(LOWEST);
    rules.duplicates.max_distance = 0; // all photos here have hashes of their own, which are near each other
    rules
}

/// A direction that looks random and is always the same.
fn random(seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let number = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    // The sum of four is nearly normal, so that two of them are nearly at right angles.
    (0..DIMENSIONS).map(|_| (0..4).map(|_| number(&mut state)).sum()).collect()
}

/// A face of a person: `alike` is its cosine to what all faces of the person have in common.
fn face_of(person: u64, number: u64, alike: f32) -> Embedding {
    let (common, own) = (random(person), random(1000 * person + number + 1));
    let other = (1.0 - alike * alike).sqrt();
    let mixed: Vec<f32> = common.iter().zip(&own).map(|(a, b)| alike * a + other * b).collect();
    Embedding::of(&mixed).expect("a direction")
}

/// A photo, known by the digest of its key.
#[derive(Clone)]
struct Photo {
    key: String,
    sha256: Digest,
    measured: Measurements,
    decided: Option<bool>,
}

/// A photo without fault that shows a face of that person.
fn photo(person: u64, number: u64) -> Photo {
    photo_of(person, number, 0.8)
}

fn photo_of(person: u64, number: u64, alike: f32) -> Photo {
    let joints = Joints([Joint { x: 500.0, y: 150.0, confidence: 0.9 }; 17]);
    let bbox = BoundingBox { x0: 300.0, y0: 50.0, x1: 600.0, y1: 1100.0 };
    let face = BoundingBox { x0: 400.0, y0: 100.0, x1: 500.0, y1: 200.0 };
    let key = format!("{person}-{number:02}");
    let measured = Measurements {
        facts: ImageFacts {
            format: "jpeg".to_owned(),
            width: 1200,
            height: 1600,
            orientation: 1,
            file_bytes: 300_000,
            sharpness: 100.0,
            brightness: 0.5,
            perceptual_hash: format!("{:016x}", 100 * person + number),
            inner_hash: format!("{:016x}", 100 * person + number),
            ..ImageFacts::default()
        },
        watermark: Some(WatermarkScore { regions: vec![(Region::Frame, 0.02)] }),
        faces: Some(vec![Detection { bbox: face, score: 0.9 }]),
        people: Some(vec![Person { bbox, score: 0.95, joints }]),
        face_embedding: Some(vec![FaceEmbedding { face: 0, embedding: face_of(person, number, alike) }]),
    };
    Photo { sha256: Digest::of(&key), key, measured, decided: None }
}

fn photos(person: u64, numbers: std::ops::Range<u64>) -> Vec<Photo> {
    numbers.map(|number| photo(person, number)).collect()
}

fn gallery<'a>(identity: &str, photos: &'a [Photo]) -> Gallery<'a> {
    let candidate = |photo: &'a Photo| Candidate {
        key: &photo.key,
        sha256: photo.sha256,
        measured: Ok(&photo.measured),
        decided: photo.decided,
    };
    Gallery {
        site: "site",
        identity: format!("site/{identity}"),
        photos: photos.iter().map(candidate).collect(),
    }
}

fn judge(photos: &[Photo], rules: &Rules) -> Judgement {
    curate::judge(&[gallery("ada", photos)], rules)
}

/// The keys of the photos that are another person's.
fn others(photos: &[Photo], rules: &Rules) -> Vec<String> {
    let judged = judge(photos, rules);
    let is_other = |verdict: &Verdict| verdict.reasons().iter().any(|reason| reason.name() == "other_person");
    let flagged = photos.iter().zip(&judged.verdicts[0]).filter(|(_, verdict)| is_other(verdict));
    flagged.map(|(photo, _)| photo.key.clone()).collect()
}

#[test]
fn a_face_of_another_person_is_dropped_with_its_similarity_and_the_others_stay() {
    let mut all = photos(1, 0..6);
    all.insert(3, photo(2, 0));
    let judged = judge(&all, &rules());
    for (place, verdict) in judged.verdicts[0].iter().enumerate() {
        let similarity = judged.similarities[0][place].expect("every face was compared");
        if place == 3 {
            assert_eq!(verdict.reasons(), [Reason::OtherPerson { similarity }]);
            assert!(similarity.abs() < 0.2, "{similarity}");
            assert!(verdict.to_string().starts_with("drop: other_person: similarity "), "{verdict}");
        } else {
            assert!(verdict.is_keep() && similarity > 0.65, "{similarity}: {verdict}");
        }
    }
    assert!(judged.without_majority.is_empty());
}

#[test]
fn without_the_rule_no_face_is_compared() {
    let mut all = photos(1, 0..6);
    all.push(photo(2, 0));
    let mut off = rules();
    off.identity.min_similarity = None;
    let judged = judge(&all, &off);
    assert!(judged.verdicts[0].iter().all(Verdict::is_keep));
    assert!(judged.similarities[0].iter().all(Option::is_none));
    assert_eq!(Rules::default().identity.min_similarity, None, "the rule is off unless a recipe asks for it");
    for photo in &mut all {
        photo.measured.face_embedding = None;
    }
    assert_eq!(judge(&all, &off).verdicts, judged.verdicts);
}

#[test]
fn two_faces_have_no_majority_and_three_may() {
    assert_eq!(others(&[photo(1, 0), photo(2, 0)], &rules()), [""; 0]);
    assert!(
        judge(&[photo(1, 0), photo(2, 0)], &rules()).without_majority.is_empty(),
        "two faces say nothing"
    );
    assert_eq!(others(&[photo(1, 0), photo(2, 0), photo(1, 1)], &rules()), ["2-00"]);
}

#[test]
fn where_two_people_share_a_gallery_equally_nobody_is_dropped_and_that_is_said() {
    let half = |other: u64| [photos(1, 0..5), photos(2, 0..other)].concat();
    let judged = curate::judge(&[gallery("pure", &photos(3, 0..4)), gallery("ada", &half(5))], &rules());
    assert!(judged.verdicts.iter().flatten().all(Verdict::is_keep));
    assert_eq!(judged.without_majority, [NoMajority { gallery: 1, faces: 10, largest: 5 }]);
    assert!(judged.similarities[1].iter().all(Option::is_none), "there is nobody to be like");
    assert_eq!(others(&half(4), &rules()).len(), 4, "one face more decides");
    assert_eq!(others(&half(6), &rules()).len(), 5, "whoever has it");
    let strangers: Vec<Photo> = (1..9).map(|person| photo(person, 0)).collect();
    assert_eq!(
        judge(&strangers, &rules()).without_majority,
        [NoMajority { gallery: 0, faces: 8, largest: 1 }]
    );
}

#[test]
fn the_many_decide_even_where_the_few_are_more_alike() {
    let many = (0..8).map(|number| photo_of(1, number, 0.7));
    let few = (0..6).map(|number| photo_of(2, number, 0.99));
    let all: Vec<Photo> = many.chain(few).collect();
    let found = others(&all, &rules());
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|key| key.starts_with("2-")), "{found:?}");
}

#[test]
fn verdicts_do_not_depend_on_the_order_of_photos() {
    let mut all = [photos(1, 0..7), photos(2, 0..3), photos(3, 0..2)].concat();
    let by_key = |all: &[Photo]| {
        let mut judged: Vec<_> =
            all.iter().map(|photo| photo.key.clone()).zip(judge(all, &rules()).verdicts.remove(0)).collect();
        judged.sort_by(|a, b| a.0.cmp(&b.0));
        judged
    };
    let expected = by_key(&all);
    assert_eq!(expected.iter().filter(|(_, verdict)| !verdict.is_keep()).count(), 5);
    for turn in 0..all.len() {
        all.rotate_left(turn);
        all.swap(0, turn);
        assert_eq!(by_key(&all), expected);
    }
}

#[test]
fn a_face_at_the_threshold_stays_and_a_site_may_have_one_of_its_own() {
    // The seventh photo shows the person less clearly, the last one somebody else.
    let all = [photos(1, 0..6), vec![photo_of(1, 6, 0.5), photo(2, 0)]].concat();
    let lowest = judge(&all, &rules()).similarities[0][..7].iter().flatten().copied().fold(1.0, f32::min);
    let at = |threshold: f32| {
        let mut rules = rules();
        rules.identity.min_similarity = Some(threshold);
        others(&all, &rules).len()
    };
    assert_eq!((at(lowest), at(lowest + 0.0001)), (1, 2));
    let with_own = |site: &str, threshold: f32| {
        let mut own = SiteRules::default();
        own.identity.min_similarity = Some(threshold);
        others(&all, &Rules { site: [(site.to_owned(), own)].into(), ..rules() }).len()
    };
    assert_eq!((with_own("site", -1.0), with_own("other", -1.0)), (0, 1));
    assert_eq!(with_own("site", lowest + 0.0001), 2);
}

#[test]
fn a_photo_whose_face_was_not_embedded_waits_for_it_only_where_the_rule_asks() {
    let mut all = photos(1, 0..4);
    all[2].measured.face_embedding = None;
    let waits = [Reason::NotMeasured { missing: vec!["face_embedding".to_owned()] }];
    assert_eq!(judge(&all, &rules()).verdicts[0][2].reasons(), waits);
    let mut by_hand = all.clone();
    by_hand[2].decided = Some(true);
    assert_eq!(judge(&by_hand, &rules()).verdicts[0][2].reasons(), waits);
    all[2].measured.facts.width = 800;
    assert_eq!(judge(&all, &rules()).verdicts[0][2].reasons()[0].name(), "too_small");
}

/// Models are asked on demand: photos with a fault of their own mostly have no embedding. Where they have
/// one, it must change nothing.
#[test]
fn photos_with_a_fault_of_their_own_have_no_voice() {
    let mut all = [photos(1, 0..4), photos(2, 0..6)].concat();
    for photo in &mut all[4..9] {
        photo.measured.watermark = Some(WatermarkScore { regions: vec![(Region::Frame, 0.9)] });
    }
    assert_eq!(others(&all, &rules()), ["2-05"]);
    let with_every_score = judge(&all, &rules());
    for photo in &mut all[4..9] {
        photo.measured.face_embedding = None;
    }
    assert_eq!(judge(&all, &rules()), with_every_score);
}

#[test]
fn decisions_stand_over_the_rule_and_what_was_dropped_by_hand_has_no_voice() {
    let mut all = [photos(1, 0..3), photos(2, 0..4)].concat();
    assert_eq!(others(&all, &rules()), ["1-00", "1-01", "1-02"]);
    all[0].decided = Some(true);
    assert_eq!(others(&all, &rules()), ["1-01", "1-02"]);
    for photo in &mut all[3..6] {
        photo.decided = Some(false);
    }
    assert_eq!(
        others(&all, &rules()),
        ["2-03"],
        "three of the second person's photos are known not to belong"
    );
}

#[test]
fn copies_of_the_same_bytes_count_once() {
    let mut all = [photos(1, 0..2), photos(2, 0..3)].concat();
    let first = all[2].clone();
    for copy in &mut all[3..5] {
        *copy = Photo { key: copy.key.clone(), ..first.clone() };
    }
    assert_eq!(others(&all, &rules()), ["2-00", "2-01", "2-02"]);
}

#[test]
fn a_good_photo_never_falls_to_a_copy_that_is_another_persons() {
    let mut all = photos(1, 0..4);
    let mut larger = photo(2, 0);
    larger.measured.facts.width = 4000;
    larger.measured.facts.perceptual_hash = all[0].measured.facts.perceptual_hash.clone();
    larger.measured.facts.inner_hash = all[0].measured.facts.inner_hash.clone();
    all.push(larger);
    let judged = judge(&all, &rules());
    assert!(judged.verdicts[0][..4].iter().all(Verdict::is_keep));
    assert_eq!(judged.verdicts[0][4].reasons()[0].name(), "other_person");
    let few = judge(&all, &Rules { min_photos: 5, ..rules() });
    assert_eq!(few.verdicts[0][0].reasons(), [Reason::TooFewPhotos { kept: 4 }]);
}

#[test]
fn only_the_face_that_counts_is_compared() {
    let mut all = photos(1, 0..4);
    // A weaker face in the same box, which the rules do not count, was embedded as well.
    let of_stranger = face_of(2, 0, 0.8);
    let measured = &mut all[1].measured;
    let weaker = Detection { score: 0.3, ..measured.faces.as_ref().unwrap()[0] };
    measured.faces.as_mut().unwrap().push(weaker);
    measured.face_embedding.as_mut().unwrap().push(FaceEmbedding { face: 1, embedding: of_stranger.clone() });
    assert_eq!(others(&all, &rules()), [""; 0]);
    // A face that counts, but was not embedded, is compared with nothing.
    all[1].measured.face_embedding = Some(vec![FaceEmbedding { face: 1, embedding: of_stranger }]);
    let judged = judge(&all, &rules());
    assert!(judged.verdicts[0].iter().all(Verdict::is_keep));
    assert_eq!(judged.similarities[0][1], None);
}
