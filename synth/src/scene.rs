//! A shot, the description of one photo, and the scene it decides: people, things, light, camera.

use glam::{Mat3, Vec3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::backdrop::{Backdrop, Place};
use crate::body::{Body, HairStyle};
use crate::camera::Camera;
use crate::clothes::Outfit;
use crate::clutter;
use crate::colour::{hsv, linear};
use crate::face::FaceLook;
use crate::figure::Figure;
use crate::mesh::Mesh;
use crate::noise::{self, mix};
use crate::pose::Pose;
use crate::skeleton::Skeleton;

/// How much of the people is in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// From head to feet.
    Full,
    /// From the knees up.
    Knees,
    /// From the hips up.
    Hips,
    /// As it comes: small, cut by the frame, from behind, behind things. For training detectors.
    Wild,
}

/// The description of one photo. Everything else follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// Decides pose, clothes, place, light and camera.
    pub seed: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Who is in the photo.
    pub people: Vec<Body>,
    /// How much of them.
    pub framing: Framing,
}

/// Where light comes from.
#[derive(Clone, Copy, Debug)]
pub struct Light {
    /// Unit vector to the light.
    pub direction: Vec3,
    /// Linear colour of the direct light.
    pub key: Vec3,
    /// Linear colour from above.
    pub sky: Vec3,
    /// Linear colour from below.
    pub ground: Vec3,
    /// Half width of the shadows' edges, metres.
    pub softness_m: f32,
}

/// What lens, sensor and raw converter do.
#[derive(Clone, Copy, Debug)]
pub struct Film {
    /// Factor on the light.
    pub exposure: f32,
    /// Factors on red, green, blue.
    pub white: Vec3,
    /// Darkening of the corners.
    pub vignette: f32,
    /// Standard deviation of the noise, of 255.
    pub noise: f32,
    /// Blur of the whole photo, share of its longer side.
    pub blur: f32,
    /// Blur of the background, share of its longer side.
    pub background_blur: f32,
    /// Contrast around middle grey, 1 leaves it.
    pub contrast: f32,
    /// Saturation, 1 leaves it.
    pub saturation: f32,
}

/// Everything that is drawn.
#[derive(Debug)]
pub struct Scene {
    /// The people, nearest to the middle first.
    pub figures: Vec<Figure>,
    /// People and the things around them.
    pub near: Mesh,
    /// Things behind, drawn blurred.
    pub far: Mesh,
    /// The camera, for a photo of `width` × `height`.
    pub camera: Camera,
    /// The light.
    pub light: Light,
    /// The place.
    pub backdrop: Backdrop,
    /// Lens and sensor.
    pub film: Film,
}

impl Light {
    fn sample(rng: &mut ChaCha8Rng, place: Place) -> Self {
        let outdoors = matches!(place, Place::Street | Place::Park | Place::Beach);
        let azimuth: f32 =
            if rng.random_bool(0.85) { rng.random_range(-1.2..1.2) } else { rng.random_range(-2.6..2.6) };
        let elevation: f32 = rng.random_range(0.40..1.15);
        let direction =
            Vec3::new(azimuth.sin() * elevation.cos(), elevation.sin(), azimuth.cos() * elevation.cos());
        let warm = hsv(rng.random_range(0.04..0.13), rng.random_range(0.0..0.22), 1.0);
        let cool = hsv(rng.random_range(0.55..0.63), rng.random_range(0.0..0.22), 1.0);
        let share: f32 = rng.random_range(0.25..0.70);
        Self {
            direction,
            key: warm * mix(0.55, 1.25, share),
            sky: (if outdoors { cool } else { warm.lerp(cool, 0.4) }) * mix(0.72, 0.30, share),
            ground: hsv(rng.random(), 0.15, 1.0) * mix(0.34, 0.16, share),
            softness_m: if outdoors { rng.random_range(0.008..0.04) } else { rng.random_range(0.02..0.09) },
        }
    }
}

impl Film {
    fn sample(rng: &mut ChaCha8Rng, wild: bool) -> Self {
        let range = |rng: &mut ChaCha8Rng, low: f32, high: f32, more: f32| {
            let spread = if wild { more } else { 0.0 };
            rng.random_range(low - spread..high + spread)
        };
        let temperature = range(rng, -0.06, 0.06, 0.05);
        Self {
            exposure: range(rng, 0.85, 1.15, 0.15),
            white: Vec3::new(1.0 + temperature, 1.0 + rng.random_range(-0.02..0.02), 1.0 - temperature),
            vignette: rng.random_range(0.0..0.35),
            noise: rng.random_range(0.8..4.0) * if wild && rng.random_bool(0.15) { 2.5 } else { 1.0 },
            blur: if rng.random_bool(0.3) { rng.random_range(0.0002..0.0006) } else { 0.0 }
                * if wild { 1.6 } else { 1.0 },
            background_blur: if rng.random_bool(0.3) { 0.0 } else { rng.random_range(0.0006..0.009) },
            contrast: range(rng, 0.95, 1.15, 0.05),
            saturation: if wild && rng.random_bool(0.06) { 0.0 } else { range(rng, 0.85, 1.15, 0.1) },
        }
    }
}

fn face(rng: &mut ChaCha8Rng, body: &Body) -> FaceLook {
    let skin = linear(body.skin);
    let smile: f32 = rng.random_range(-0.2..1.0);
    let makeup = if body.woman { rng.random_range(0.0..1.0f32) } else { 0.0 };
    let lip = (skin * Vec3::new(0.85, 0.52, 0.52))
        .lerp(linear([0.72, 0.16, 0.20]), if makeup > 0.6 { 0.6 } else { 0.1 });
    FaceLook {
        skin,
        iris: linear(body.eyes),
        hair: linear(body.hair) * 0.8,
        lip,
        lips: body.lips,
        beard: body.beard,
        brows: if body.woman { 0.85 } else { 1.2 },
        smile,
        open: if smile > 0.4 && rng.random_bool(0.6) { rng.random_range(0.3..0.9) } else { 0.0 },
        gaze: [rng.random_range(-0.8..0.8), rng.random_range(-0.4..0.4)],
        lids: rng.random_range(0.75..1.1),
        liner: makeup * 0.9,
        stubble_scalp: body.hair_style == HairStyle::Buzz,
    }
}

impl Scene {
    /// The scene of a shot.
    pub fn new(shot: &Shot) -> Self {
        Self::with(shot, false)
    }

    /// The scene of a shot, its solid things `coarse` where the photo is small.
    pub(crate) fn with(shot: &Shot, coarse: bool) -> Self {
        let rng = &mut noise::stream(shot.seed, 5);
        let wild = shot.framing == Framing::Wild;
        let mut backdrop = Backdrop::sample(noise::subseed(shot.seed, 1));
        let light = Light::sample(rng, backdrop.place);
        let film = Film::sample(rng, wild);
        let count = shot.people.len();
        let distance: f32 = rng.random_range(2.8..6.5) + 0.5 * count.saturating_sub(1) as f32;
        let side: f32 = rng.random_range(-0.35..0.35);
        let eye_height = if wild { rng.random_range(0.4..2.6) } else { rng.random_range(0.85..1.75) };
        let eye = Vec3::new(side.sin() * distance, eye_height, side.cos() * distance);
        let roll: f32 = if rng.random_bool(0.3) { rng.random_range(-0.05..0.05) } else { 0.0 };
        let camera = Camera::looking_at(
            eye,
            Vec3::new(0.0, rng.random_range(0.7..1.1), 0.0),
            roll * if wild { 2.0 } else { 1.0 },
        );
        let mut near = Mesh { coarse, ..Mesh::default() };
        let mut far = Mesh::default();
        let figures = people(shot, rng, &camera, &mut near);
        let deepest = figures.iter().map(|f| f.skeleton.pelvis.z).fold(0.0, f32::min);
        backdrop.wall_z = backdrop.wall_z.max(0.55 - deepest);
        for (owner, figure) in figures.iter().enumerate() {
            figure.build(&mut near, owner as u8);
        }
        let corners: Vec<Vec3> = near.vertices.iter().map(|vertex| vertex.position).collect();
        clutter(shot, rng, &backdrop, &figures, &mut near, &mut far);
        let camera = frame(shot, rng, camera, &figures, &corners);
        Self { figures, near, far, camera, light, backdrop, film }
    }
}

/// Places and dresses the people; a seat goes under whoever sits.
fn people(shot: &Shot, rng: &mut ChaCha8Rng, camera: &Camera, near: &mut Mesh) -> Vec<Figure> {
    let wild = shot.framing == Framing::Wild;
    let count = shot.people.len();
    let gap: f32 = rng.random_range(0.48..1.0);
    let mut figures = Vec::with_capacity(count);
    for (index, body) in shot.people.iter().enumerate() {
        let seed = noise::subseed(shot.seed, 100 + index as u64);
        let lively = wild || rng.random_bool(0.25);
        let mut pose = Pose::sample(seed, lively);
        let outfit = Outfit::sample(seed, body.woman, pose.knees_up());
        let slot = index as f32 - (count as f32 - 1.0) * 0.5;
        let depth: f32 =
            if count == 1 { 0.0 } else { rng.random_range(-0.35..0.35) * if wild { 3.0 } else { 1.0 } };
        let place = Vec3::new(slot * gap + rng.random_range(-0.08..0.08), 0.0, depth);
        let to_eye = (camera.eye.x - place.x).atan2(camera.eye.z - place.z);
        // away from the camera's direction: mostly three-quarter views, wild ones from every side
        let away: f32 = match (wild, rng.random_range(0..100)) {
            (true, 0..14) => rng.random_range(2.0..4.3),
            (true, 14..34) => rng.random_range(-1.9..1.9),
            (_, 34..60) => rng.random_range(-0.25..0.25),
            _ => rng.random_range(-1.05..1.05),
        };
        let yaw = to_eye + away;
        let (most, swing) = if wild { (1.25, 0.9) } else { (0.72, 0.5) };
        let from_behind = away.abs() > 1.95;
        // the head turns towards the camera where it can
        let wanted: f32 = rng.random_range(-most..most) - away;
        pose.head_yaw = if from_behind { rng.random_range(-0.5..0.5) } else { wanted.clamp(-1.2, 1.2) };
        if !from_behind {
            let seen = (away + pose.head_yaw).clamp(-most, most);
            pose.head_yaw = seen - away;
            pose.twist += (pose.head_yaw * 0.35).clamp(-swing, swing);
        }
        let mut skeleton = Skeleton::new(body, &pose, place, yaw);
        // an arm before the face spoils a photo: other arms are tried; a wild photo may keep it
        let may_hide = wild && rng.random_bool(0.25);
        for attempt in 0..16 {
            if may_hide || !hides_face(&skeleton, body, camera) {
                break;
            }
            let other = Pose::sample(noise::subseed(seed, 200 + attempt), lively);
            if other.sits == pose.sits {
                (pose.hands, pose.hand_bend) = (other.hands, other.hand_bend);
                skeleton = Skeleton::new(body, &pose, place, yaw);
            }
        }
        if pose.sits {
            let under = Vec3::new(skeleton.pelvis.x, 0.0, skeleton.pelvis.z)
                + Mat3::from_rotation_y(yaw) * Vec3::new(0.0, 0.0, -0.03);
            let height = skeleton.pelvis.y - body.thigh_radius * body.height_m * 1.15;
            clutter::seat(near, rng, under, height.max(0.2), yaw);
        }
        let face = face(rng, body);
        figures.push(Figure {
            body: body.clone(),
            skeleton,
            outfit,
            face,
            seed: noise::subseed(body.hair_word.len() as u64, seed),
        });
    }
    figures
}

/// Whether a hand or an arm lies before the face as the camera sees it.
fn hides_face(s: &Skeleton, body: &Body, camera: &Camera) -> bool {
    let head_m = body.head * body.height_m;
    let face = camera.project(s.head + s.head_frame.col(2) * (0.35 * head_m));
    let reach = 0.62 * head_m * face.z;
    (0..2).any(|side| {
        let tip = s.wrist[side] + s.hand[side] * (body.hand * body.height_m);
        (0..=8).any(|i| {
            let t = i as f32 / 4.0;
            let point =
                if t < 1.0 { s.elbow[side].lerp(s.wrist[side], t) } else { s.wrist[side].lerp(tip, t - 1.0) };
            let p = camera.project(point);
            p.z > face.z * 0.99 && (p.x - face.x).hypot(p.y - face.y) < reach
        })
    })
}

/// Things behind, beside and (low) before the people.
fn clutter(
    shot: &Shot,
    rng: &mut ChaCha8Rng,
    backdrop: &Backdrop,
    figures: &[Figure],
    near: &mut Mesh,
    far: &mut Mesh,
) {
    let wild = shot.framing == Framing::Wild;
    let outdoors = matches!(backdrop.place, Place::Street | Place::Park | Place::Beach);
    let busy = match backdrop.place {
        Place::Studio => 1,
        Place::Bokeh | Place::Beach => 3,
        _ => 7,
    };
    let count = rng.random_range(0..=busy) + if figures.is_empty() { rng.random_range(2..5) } else { 0 };
    for _ in 0..count {
        let deep = if outdoors { 5.0 } else { (backdrop.wall_z - 0.35).max(0.3) };
        let z = -rng.random_range(0.25..deep.max(0.3));
        let mut x = rng.random_range(-2.2..2.2) * (1.0 + z.abs() * 0.15);
        let blocked = |x: f32| {
            figures.iter().any(|f| (f.skeleton.pelvis - Vec3::new(x, f.skeleton.pelvis.y, z)).length() < 0.75)
        };
        if blocked(x) {
            x += 1.5 * x.signum();
        }
        let size = rng.random_range(0.7..1.4);
        let layer = if z < -1.3 { &mut *far } else { &mut *near };
        clutter::thing(layer, rng, Vec3::new(x, 0.0, z), size);
    }
    if backdrop.place == Place::Street && rng.random_bool(0.5) {
        for _ in 0..rng.random_range(1..4) {
            let foot = Vec3::new(rng.random_range(-7.0..7.0), 0.0, -rng.random_range(4.0..9.0));
            clutter::far_block(far, rng, foot);
        }
    }
    // something low before the people hides legs now and then; wild photos hide more
    if rng.random_bool(if wild { 0.22 } else { 0.08 }) {
        let x = rng.random_range(-0.7..0.7);
        let z = rng.random_range(0.5..1.1);
        let size = if wild { rng.random_range(0.5..0.9) } else { 0.42 };
        clutter::thing(near, rng, Vec3::new(x, 0.0, z), size);
    }
}

/// Sets focal length and optical axis so that the people fill the frame as the shot asks.
fn frame(shot: &Shot, rng: &mut ChaCha8Rng, camera: Camera, figures: &[Figure], corners: &[Vec3]) -> Camera {
    let (width, height) = (shot.width as f32, shot.height as f32);
    let wild = shot.framing == Framing::Wild;
    let (mut x0, mut y0, mut x1, mut y1) =
        (f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY);
    if figures.is_empty() {
        let span = rng.random_range(0.5..1.2);
        let (x, y) = (rng.random_range(-0.4..0.4), rng.random_range(0.3..1.2));
        for (dx, dy) in [(-0.4 * span, -span), (0.4 * span, span)] {
            let p = camera.project(Vec3::new(x + dx, (y + dy).max(-0.2), 0.0));
            (x0, y0, x1, y1) = (x0.min(p.x), y0.min(p.y), x1.max(p.x), y1.max(p.y));
        }
    }
    for &corner in corners {
        let p = camera.project(corner);
        (x0, y0, x1, y1) = (x0.min(p.x), y0.min(p.y), x1.max(p.x), y1.max(p.y));
    }
    let lowest = |joint: &dyn Fn(&Figure) -> Vec3| {
        figures.iter().map(|f| camera.project(joint(f)).y).fold(f32::NEG_INFINITY, f32::max)
    };
    let full = figures.is_empty();
    match shot.framing {
        Framing::Knees if !full => y1 = lowest(&|f| f.skeleton.knee[0].min(f.skeleton.knee[1])),
        Framing::Hips if !full => y1 = lowest(&|f| f.skeleton.pelvis - Vec3::Y * 0.14),
        _ => {}
    }
    let (box_width, box_height) = ((x1 - x0).max(1e-3), (y1 - y0).max(1e-3));
    let cut = matches!(shot.framing, Framing::Knees | Framing::Hips);
    let share = match shot.framing {
        Framing::Full => rng.random_range(0.62..0.94),
        Framing::Knees | Framing::Hips => rng.random_range(0.84..0.93),
        Framing::Wild => match rng.random_range(0..100) {
            0..12 => rng.random_range(0.22..0.5),
            12..30 => rng.random_range(0.95..2.2),
            _ => rng.random_range(0.5..0.95),
        },
    };
    let widest = if wild { 1.5 } else { 0.93 };
    let focal = (share * height / box_height).min(widest * width / box_width);
    let (used_width, used_height) = (box_width * focal, box_height * focal);
    let slack = |total: f32, used: f32| (total - used).max(0.0);
    let mut left = 0.5 * (width - used_width) + rng.random_range(-0.42..0.42) * slack(width, used_width);
    let mut top = if cut {
        height - used_height
    } else {
        0.5 * (height - used_height) + rng.random_range(-0.35..0.42) * slack(height, used_height)
    };
    if wild && rng.random_bool(0.3) {
        left += rng.random_range(-0.4..0.4) * used_width.min(width);
        top += rng.random_range(-0.25..0.45) * used_height.min(height);
    } else if wild && used_height > height {
        top = rng.random_range(0.02..0.12) * height;
    }
    Camera { focal_px: focal, centre_x: left - x0 * focal, centre_y: top - y0 * focal, ..camera }
}
