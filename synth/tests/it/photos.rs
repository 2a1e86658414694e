//! Photos of known bodies: the same on every call and thread, and the truth fits the pixels.

use glam::Vec3;
use photo::joints::{JOINT_NAMES, LIMBS};
use rayon::prelude::*;
use synth::camera::Camera;
use synth::pose::Pose;
use synth::skeleton::Skeleton;
use synth::{Body, Framing, Rendered, Shot, noise};

fn shot(seed: u64, people: u64, framing: Framing) -> Shot {
    let people = (0..people).map(|i| Body::sample(noise::subseed(seed, i))).collect();
    Shot { seed, width: 240, height: 320, people, framing }
}

fn draw(threads: usize) -> Vec<Rendered> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        (0..8).into_par_iter().map(|seed| synth::render(&shot(seed, seed % 3, Framing::Wild))).collect()
    })
}

#[test]
fn one_and_many_threads_draw_the_same_bytes() {
    for (one, many) in draw(1).iter().zip(&draw(8)) {
        assert_eq!(one.rgb, many.rgb);
        assert_eq!(one.truth, many.truth);
    }
}

#[test]
fn another_seed_is_another_photo() {
    let (a, b) = (synth::render(&shot(1, 1, Framing::Full)), synth::render(&shot(2, 1, Framing::Full)));
    let apart = |(x, y): (&u8, &u8)| u64::from(x.abs_diff(*y));
    let mean = a.rgb.iter().zip(&b.rgb).map(apart).sum::<u64>() as f32 / a.rgb.len() as f32;
    assert!(mean > 10.0, "{mean}");
}

#[test]
fn visible_joints_and_faces_lie_in_the_box_of_their_person() {
    let mut seen = 0;
    for seed in 0..60 {
        let rendered = synth::render(&shot(seed, 1 + seed % 4, Framing::Wild));
        for person in &rendered.truth.people {
            let b = person.bbox;
            assert!(b.x0 >= 0.0 && b.y0 >= 0.0 && b.x1 <= 240.0 && b.y1 <= 320.0, "{b:?}");
            for (joint, name) in person.joints.0.iter().zip(JOINT_NAMES) {
                if joint.confidence > 0.0 {
                    // the truth is exact, but a nose tip may stand out of the visible outline by a sample
                    let inside = (b.x0 - 1.5..b.x1 + 1.5).contains(&joint.x)
                        && (b.y0 - 1.5..b.y1 + 1.5).contains(&joint.y);
                    assert!(inside, "seed {seed}: {name} at {joint:?} is outside of {b:?}");
                    seen += 1;
                }
            }
            if let Some(face) = person.face {
                assert!(face.intersection(&b) > 0.9 * face.area(), "seed {seed}: {face:?} outside of {b:?}");
                let nose = person.joints.0[0];
                // in profile the tip is the outline itself
                let inside =
                    (face.x0 - 1.0..face.x1 + 1.0).contains(&nose.x) && face.contains(face.x0, nose.y);
                assert!(inside, "seed {seed}: {nose:?} outside of {face:?}");
            }
        }
    }
    assert!(seen > 1000, "{seen} visible joints");
}

#[test]
fn a_good_photo_shows_one_face_and_most_joints() {
    let (mut faces, mut joints) = (0, 0);
    for seed in 0..40 {
        let rendered = synth::render(&shot(seed, 1, Framing::Full));
        let person = &rendered.truth.people[0];
        faces += usize::from(person.face.is_some());
        joints += person.joints.visible().count();
    }
    assert!(faces >= 38, "{faces} of 40 faces");
    assert!(joints >= 40 * 13, "{joints} of 680 joints");
}

#[test]
fn limbs_measured_in_a_frontal_view_are_the_body_s() {
    for seed in 0..40 {
        let body = Body::sample(seed);
        let skeleton = Skeleton::new(&body, &Pose::neutral(), Vec3::ZERO, 0.0);
        // 60 m away, so that perspective changes lengths by less than one in a hundred
        let camera = Camera::looking_at(Vec3::new(0.0, 0.9, 60.0), Vec3::new(0.0, 0.9, 0.0), 0.0);
        let camera = Camera { focal_px: 20_000.0, ..camera };
        let at = |point: Vec3| camera.project(point).truncate();
        let sole = skeleton.ankle[0] - Vec3::Y * body.ankle * body.height_m;
        let crown = skeleton.head + Vec3::Y * 0.5 * body.head * body.height_m;
        let height_px = (at(sole) - at(crown)).y.abs();
        let measured = |a: Vec3, b: Vec3| at(a).distance(at(b)) / height_px;
        let s = &skeleton;
        for (name, measured, expected) in [
            ("shoulder_width", measured(s.shoulder[0], s.shoulder[1]), body.shoulder_width),
            ("hip_width", measured(s.hip[0], s.hip[1]), body.hip_width),
            ("upper_arm", measured(s.shoulder[0], s.elbow[0]), body.upper_arm),
            ("thigh", measured(s.hip[1], s.knee[1]), body.thigh),
            ("shin", measured(s.knee[1], s.ankle[1]), body.shin),
            ("torso", measured(s.chest, s.pelvis), body.torso),
        ] {
            assert!(
                (measured / expected - 1.0).abs() < 0.04,
                "seed {seed}: {name} {measured} is not {expected}"
            );
        }
    }
}

#[test]
fn no_visible_limb_is_longer_than_the_body_allows() {
    for seed in 0..30 {
        let rendered = synth::render(&shot(seed, 1, Framing::Full));
        let person = &rendered.truth.people[0];
        let tall = person.bbox.height().max(person.bbox.width());
        for (a, b) in LIMBS {
            let (a, b) = (person.joints.0[a], person.joints.0[b]);
            let length = (a.x - b.x).hypot(a.y - b.y);
            assert!(length < 0.62 * tall, "seed {seed}: {a:?} to {b:?}, {tall}");
        }
    }
}

#[test]
fn captions_follow_the_body() {
    let mut body = Body::sample(3);
    (body.woman, body.height_m, body.waist_width) = (true, 1.80, 0.146);
    body.hair_word = "red".to_owned();
    body.hair_style = synth::body::HairStyle::Short;
    assert_eq!(body.words(), "tall woman with short red hair");
    (body.height_m, body.waist_width) = (1.55, 0.20);
    assert_eq!(body.words(), "short heavyset woman with short red hair");
}

#[test]
fn photos_without_people_have_an_empty_truth() {
    for seed in 0..6 {
        let truth = synth::render(&shot(seed, 0, Framing::Full)).truth;
        assert!(truth.people.is_empty());
        assert_eq!(truth.caption, "a photo without people");
    }
}
