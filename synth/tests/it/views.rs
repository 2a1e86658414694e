//! Views for training: people who differ in their bodies only, joints as detectors report them, small photos that
//! show what large ones do.

use photo::{BoundingBox, Joint, Joints};
use rayon::prelude::*;
use synth::disturb::disturb;
use synth::{Body, View, noise};

const MIN_SCORE: f32 = 0.5;

fn views(count: u64) -> Vec<View> {
    let draw = |seed| View::draw(seed, &Body::sample(noise::subseed(seed, 1)), 192, MIN_SCORE);
    (0..count).into_par_iter().map(draw).collect()
}

#[test]
fn twins_look_alike_and_are_built_differently() {
    for seed in 0..40 {
        let body = Body::sample(seed);
        let twin = body.twin(seed + 1000);
        assert_eq!(twin, body.twin(seed + 1000));
        assert_ne!(twin, body.twin(seed + 1001));
        let look = |body: &Body| {
            let face = [body.face_width, body.jaw, body.nose, body.lips, body.beard];
            (body.woman, body.skin, body.eyes, body.hair, body.hair_word.clone(), body.hair_style, face)
        };
        assert_eq!(look(&twin), look(&body));
        let differing = body.measures().iter().zip(twin.measures()).filter(|((_, a), (_, b))| a != b).count();
        // a man's bust is the same for everybody who is not heavy, an ankle's share hardly moves
        assert!(differing >= 19, "seed {seed}: {differing} measures differ");
    }
}

#[test]
fn a_twin_s_measures_are_spread_as_those_of_its_sex() {
    let woman = (0..).map(Body::sample).find(|body| body.woman).unwrap();
    let twins: Vec<Body> = (0..400).map(|seed| woman.twin(seed)).collect();
    let women: Vec<Body> = (0..900).map(Body::sample).filter(|body| body.woman).collect();
    let spread = |bodies: &[Body], index: usize| {
        let values: Vec<f32> = bodies.iter().map(|body| body.measures()[index].1).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let squares: f32 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, (squares / values.len() as f32).sqrt())
    };
    for (index, (name, _)) in woman.measures().iter().enumerate().take(21) {
        let ((mean, sd), (expected, expected_sd)) = (spread(&twins, index), spread(&women, index));
        assert!((mean - expected).abs() < 0.25 * expected_sd, "{name}: {mean}, not {expected}");
        assert!((0.8..1.25).contains(&(sd / expected_sd)), "{name}: {sd}, not {expected_sd}");
    }
}

#[test]
fn one_and_many_threads_draw_the_same_views() {
    let draw = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| views(8))
    };
    for (one, many) in draw(1).iter().zip(&draw(8)) {
        assert_eq!(one.rendered.rgb, many.rendered.rgb);
        assert_eq!(one.rendered.truth, many.rendered.truth);
        assert_eq!(one.joints, many.joints);
    }
}

#[test]
fn every_view_shows_one_person_with_a_face_and_joints() {
    let views = views(60);
    let mut faces = 0;
    for view in &views {
        let [person] = &view.rendered.truth.people[..] else { panic!("{:?}", view.rendered.truth) };
        assert!(view.joints.visible().count() > 0);
        assert!(view.joints.visible().all(|joint| joint.confidence >= MIN_SCORE));
        faces += usize::from(person.face.is_some());
    }
    assert!(faces >= 57, "{faces} of {} faces", views.len());
}

#[test]
fn a_detector_is_close_to_visible_joints_guesses_hidden_ones_and_finds_nothing_beyond_the_frame() {
    let frame = (200.0, 300.0);
    let person_box = BoundingBox { x0: 40.0, y0: 20.0, x1: 160.0, y1: 280.0 };
    let mut joints = Joints([Joint { x: 100.0, y: 150.0, confidence: 1.0 }; 17]);
    joints.0[14].confidence = 0.0;
    joints.0[15] = Joint { x: 100.0, y: 340.0, confidence: 0.0 };
    let (mut close, mut seen, mut visible, mut hidden) = (0, 0, Vec::new(), Vec::new());
    for seed in 0..200 {
        let found = disturb(&joints, &person_box, frame, &mut noise::stream(seed, 0));
        assert_eq!(found, disturb(&joints, &person_box, frame, &mut noise::stream(seed, 0)));
        let off = |joint: usize| {
            let (found, truth) = (found.0[joint], joints.0[joint]);
            (found.x - truth.x).hypot(found.y - truth.y) / person_box.height()
        };
        close += (0..13).filter(|&joint| off(joint) < 0.05).count();
        seen += found.0[..13].iter().filter(|joint| joint.confidence >= MIN_SCORE).count();
        visible.push(off(13));
        hidden.push(off(14));
        assert!(found.0[15].confidence < MIN_SCORE, "{:?}", found.0[15]);
    }
    assert!(close > 2300 && seen > 2450, "of 2600 joints {close} are close and {seen} are seen");
    let median = |mut values: Vec<f32>| {
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    };
    let (visible, hidden) = (median(visible), median(hidden));
    assert!(hidden > 1.6 * visible, "a visible knee is {visible} off, a hidden one {hidden}");
}
