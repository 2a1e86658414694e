//! One person as a training tensor shows them: a small photo, and the joints a detector would find in it.

use photo::Joints;
use rand::Rng;

use crate::body::Body;
use crate::disturb::disturb;
use crate::noise;
use crate::render::{Grain, Rendered, joints_of, render_with};
use crate::scene::{Framing, Shot};
use crate::truth::PersonTruth;

/// Seeds tried for a photo on which the person is seen well.
const ATTEMPTS: u64 = 6;

/// A small photo of one person.
#[derive(Clone, Debug)]
pub struct View {
    /// What was drawn.
    pub shot: Shot,
    /// The pixels, and the truth about the one person.
    pub rendered: Rendered,
    /// The joints as a detector would report them, gated: a confidence of 0 is a joint that is not visible.
    pub joints: Joints,
    /// Which of the seeds tried it is, from 0.
    pub attempt: u64,
}

impl View {
    /// The view that `seed` names, `longer_px` at its longer side; joints of a confidence below `min_score` do not
    /// count. At least one does.
    pub fn draw(seed: u64, body: &Body, longer_px: u32, min_score: f32) -> Self {
        Self::find(seed, min_score, |seed| shot(seed, body, longer_px))
    }

    /// The same in a square photo of `side_px`.
    pub fn draw_square(seed: u64, body: &Body, side_px: u32, min_score: f32) -> Self {
        let square = |seed| Shot { width: side_px, height: side_px, ..shot(seed, body, side_px) };
        Self::find(seed, min_score, square)
    }

    /// The first of a few shots that shows the person well, else the first that shows the person.
    fn find(seed: u64, min_score: f32, shot: impl Fn(u64) -> Shot) -> Self {
        let mut passable = None;
        // What decides is where the person stands: the same seeds are taken at every size, up to rounding.
        for attempt in 0_u64.. {
            let Some(view) = Self::attempt(shot(seed_of(seed, attempt)), attempt, min_score) else {
                continue;
            };
            let truth = &view.rendered.truth;
            if is_good(&truth.people[0], truth.width as f32, truth.height as f32) {
                return view;
            }
            let first = passable.get_or_insert(view);
            if attempt + 1 >= ATTEMPTS {
                return first.clone();
            }
        }
        unreachable!("there are more seeds than that")
    }

    /// `None` where nobody is seen, or no joint.
    fn attempt(shot: Shot, attempt: u64, min_score: f32) -> Option<Self> {
        let rendered = render_with(&shot, Grain::HALVED);
        let person = rendered.truth.people.first()?;
        let frame = (rendered.width as f32, rendered.height as f32);
        let joints = disturb(&person.joints, &person.bbox, frame, &mut noise::stream(shot.seed, 30));
        let joints = joints.gated(min_score);
        joints.visible().next()?;
        Some(Self { shot, rendered, joints, attempt })
    }
}

/// Where the joints of a view really are, in px of its rendering, hidden ones too: `seed`, `body` and `longer_px` as
/// [`View::draw`] had them, `attempt` as it found it. Nothing is drawn: it takes a fifteenth of the time.
pub fn true_joints(seed: u64, body: &Body, longer_px: u32, attempt: u64) -> Joints {
    joints_of(&shot(seed_of(seed, attempt), body, longer_px))
}

fn seed_of(seed: u64, attempt: u64) -> u64 {
    if attempt == 0 { seed } else { noise::subseed(seed, 300 + attempt) }
}

/// Proportions and framing as a collection's good photos have them.
fn shot(seed: u64, body: &Body, longer_px: u32) -> Shot {
    let rng = &mut noise::stream(seed, 31);
    let shape: u32 = rng.random_range(0..100);
    let ratio: f64 = match shape {
        0..80 => rng.random_range(1.2..1.5),
        80..90 => 1.0,
        _ => rng.random_range(1.15..1.55),
    };
    let shorter_px = (f64::from(longer_px) / ratio).round() as u32;
    let (width, height) = if shape < 90 { (shorter_px, longer_px) } else { (longer_px, shorter_px) };
    let framing = match rng.random_range(0..100) {
        0..68 => Framing::Full,
        68..86 => Framing::Knees,
        _ => Framing::Hips,
    };
    Shot { seed, width, height, people: vec![body.clone()], framing }
}

/// Whether a collection would take the photo as a good one: the face is seen, the body is large enough.
fn is_good(person: &PersonTruth, width: f32, height: f32) -> bool {
    let face = person.face.is_some_and(|face| face.height() > 0.045 * height);
    face && person.area_px > 0.012 * width * height && person.bbox.height() > 0.46 * height
}
