//! A scene to linear light, and what is visible of whom.

use glam::Vec3;
use photo::joints::JOINT_COUNT;
use photo::{BoundingBox, Joint, Joints};

use crate::develop::{self, Picture};
use crate::face::{EYE_X, EYE_Y, NOSE_Y};
use crate::figure::Figure;
use crate::head::HeadShape;
use crate::layer::Layer;
use crate::mesh::Mesh;
use crate::raster::EMPTY;
use crate::scene::{Scene, Shot};
use crate::shade::{self, Shadow};
use crate::surface::{Group, Look, OBJECT};
use crate::truth::{PersonTruth, Truth, caption};

/// How finely a photo is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grain {
    /// Samples per pixel and side at silhouettes: 1 or 2.
    samples: usize,
    /// Side of the shadow map in samples.
    shadow: usize,
    /// Pixels of the photo per pixel of what lies behind the people, each way.
    behind: usize,
    /// Factor on the sensor's noise.
    noise: f32,
    /// Parts with more triangles than pixels get fewer.
    coarse: bool,
}

impl Grain {
    /// For a photo that is looked at as it is. What lies behind is out of focus anyway: a large photo has a quarter
    /// of its pixels there.
    fn photo(width: usize, height: usize) -> Self {
        let large = width * height > 700_000;
        let (shadow, behind) = if large { (640, 2) } else { (384, 1) };
        Self { samples: 2, shadow, behind, noise: 1.0, coarse: false }
    }

    /// For a photo of a few hundred pixels that is reduced by half before anybody looks at it: what halving averages
    /// away is not drawn. The noise of a large photo's pixels is gone when the photo is that small.
    pub(crate) const HALVED: Self = Self { samples: 1, shadow: 256, behind: 2, noise: 0.0, coarse: true };
}

/// A rendered photo.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// sRGB bytes, row by row.
    pub rgb: Vec<u8>,
    /// What is known of it.
    pub truth: Truth,
}

/// Draws a shot: pixels as a camera would store them, and the truth about them.
pub fn render(shot: &Shot) -> Rendered {
    render_with(shot, Grain::photo(shot.width as usize, shot.height as usize))
}

/// How much of each pixel people cover, 0 to 255, row by row: to set them before another background.
pub fn silhouette(shot: &Shot) -> Vec<u8> {
    let scene = Scene::new(shot);
    let (width, height) = (shot.width as usize, shot.height as usize);
    let view = Layer::new(&scene, &scene.near, width, height, 2);
    let is_person = |&id: &u32| id != EMPTY && scene.near.surfaces[view.surface(id) as usize].owner != OBJECT;
    let covered = |at: usize| view.ids(at % width, at / width).iter().filter(|id| is_person(id)).count();
    (0..width * height).map(|at| (covered(at) * 255 / 4) as u8).collect()
}

/// Draws a shot as finely as `grain` says.
pub(crate) fn render_with(shot: &Shot, grain: Grain) -> Rendered {
    let mut scene = Scene::with(shot, grain.coarse);
    scene.film.noise *= grain.noise;
    let (width, height) = (shot.width as usize, shot.height as usize);
    let shadow = Shadow::new(&scene, grain.shadow);
    let mut picture = background(&scene, &shadow, width, height, grain.behind);
    let view = Layer::new(&scene, &scene.near, width, height, grain.samples);
    let mut seen = vec![Seen::default(); scene.figures.len()];
    // With one sample a pixel, every other pixel inside a surface is the mean of its neighbours: a pass for those.
    let passes = if grain.samples == 1 { 2 } else { 1 };
    for y in 0..height {
        for (pass, x) in
            (0..passes).flat_map(|pass| ((y + pass) % passes..width).step_by(passes).map(move |x| (pass, x)))
        {
            let ids = view.ids(x, y);
            if ids == [EMPTY; 4] {
                continue;
            }
            let at = y * width + x;
            picture.pixels[at] = if pass == 1 && view.is_inside(x, y) {
                (picture.pixels[at - 1] + picture.pixels[at + 1]) * 0.5
            } else {
                let middle = (x as f32 + 0.5, y as f32 + 0.5);
                view.pixel(&scene, &shadow, ids, middle, picture.pixels[at])
            };
            for &id in &ids[..grain.samples * grain.samples] {
                if id != EMPTY {
                    let surface = &scene.near.surfaces[view.surface(id) as usize];
                    if surface.owner != OBJECT {
                        seen[surface.owner as usize].add(x, y, matches!(surface.look, Look::Face(_)));
                    }
                }
            }
        }
    }
    let rgb = develop::to_bytes(picture, &scene.film, shot.seed);
    let people = scene.figures.iter().zip(&seen).enumerate();
    let people: Vec<PersonTruth> = people
        .filter(|(_, (_, seen))| seen.samples > 0)
        .map(|(owner, (figure, seen))| person(&scene, &view, owner as u8, figure, seen, width, height))
        .collect();
    let described: Vec<_> = people.iter().map(|p| (p.body.clone(), p.clothes.clone())).collect();
    let truth = Truth {
        width: shot.width,
        height: shot.height,
        caption: caption(&described),
        people,
        watermark: None,
    };
    Rendered { width: shot.width, height: shot.height, rgb, truth }
}

/// Everything behind the near layer, a pixel for `scale` × `scale` of the photo.
fn background(scene: &Scene, shadow: &Shadow, width: usize, height: usize, scale: usize) -> Picture {
    let (w, h) = (width.div_ceil(scale), height.div_ceil(scale));
    let small = Scene {
        camera: scene.camera.scaled(1.0 / scale as f32),
        near: Mesh::default(),
        far: Mesh::default(),
        figures: Vec::new(),
        backdrop: scene.backdrop.clone(),
        ..*scene
    };
    let view = Layer::new(&small, &scene.far, w, h, 1);
    let feet: Vec<Vec3> = scene.figures.iter().flat_map(|f| f.skeleton.ankle).collect();
    let mut picture = Picture::new(w, h);
    for y in 0..h {
        for x in 0..w {
            let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
            let id = view.raster.triangle[y * w + x];
            picture.pixels[y * w + x] = if id == EMPTY {
                let ray = small.camera.ray(px, py);
                let across = (px / w as f32 - 0.5) * 2.0;
                let behind = small.backdrop.at(small.camera.eye, ray, across, 1.0 - py / h as f32);
                shade::behind(scene, shadow, &behind, &feet)
            } else {
                view.colour(&small, shadow, id, px, py)
            };
        }
    }
    let sigma_px = scene.film.background_blur * w.max(h) as f32;
    develop::blur(&mut picture, sigma_px);
    if scale == 1 { picture } else { develop::enlarge(&picture, width, height) }
}

/// What was seen of a person while drawing.
#[derive(Clone, Debug)]
struct Seen {
    samples: usize,
    x0: usize,
    y0: usize,
    x1: usize,
    y1: usize,
    face: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self { samples: 0, x0: usize::MAX, y0: usize::MAX, x1: 0, y1: 0, face: 0 }
    }
}

impl Seen {
    fn add(&mut self, x: usize, y: usize, face: bool) {
        self.samples += 1;
        self.face += usize::from(face);
        (self.x0, self.y0) = (self.x0.min(x), self.y0.min(y));
        (self.x1, self.y1) = (self.x1.max(x + 1), self.y1.max(y + 1));
    }
}

/// Where the joints are, in COCO's order.
fn landmarks(figure: &Figure) -> [Vec3; JOINT_COUNT] {
    let s = &figure.skeleton;
    let h = figure.body.height_m;
    let half = 0.5 * figure.body.head * h;
    let shape = HeadShape::new(&figure.body);
    let on_head = |p: Vec3| s.head + s.head_frame * (p * half);
    let mut points =
        [on_head(shape.point(Vec3::new(0.0, NOSE_Y, (1.0 - NOSE_Y * NOSE_Y).sqrt()))); JOINT_COUNT];
    for (i, sign) in [1.0, -1.0].into_iter().enumerate() {
        let eye_depth = shape.point(Vec3::new(sign * 0.36, 0.02, 0.93).normalize()).z + 0.02;
        points[1 + i] = on_head(Vec3::new(sign * EYE_X, EYE_Y, eye_depth));
        points[3 + i] = on_head(Vec3::new(sign * figure.body.face_width * 1.02, -0.03, -0.08));
        points[5 + i] = s.shoulder[i];
        points[7 + i] = s.elbow[i];
        points[9 + i] = s.wrist[i];
        points[11 + i] = s.hip[i] + s.pelvis_frame.col(0) * (sign * 0.012 * h);
        points[13 + i] = s.knee[i];
        points[15 + i] = s.ankle[i];
    }
    points
}

/// The joints of the one person of a shot in px, hidden ones too and those beyond the frame: nothing is drawn.
/// All have confidence 1.
pub(crate) fn joints_of(shot: &Shot) -> Joints {
    let scene = Scene::with(shot, true);
    let project = |point: Vec3| {
        let p = scene.camera.project(point);
        Joint { x: p.x - 0.5, y: p.y - 0.5, confidence: 1.0 }
    };
    scene.figures.first().map_or_else(Joints::default, |figure| Joints(landmarks(figure).map(project)))
}

fn person(
    scene: &Scene,
    view: &Layer<'_>,
    owner: u8,
    figure: &Figure,
    seen: &Seen,
    width: usize,
    height: usize,
) -> PersonTruth {
    let h = figure.body.height_m;
    let points = landmarks(figure);
    // what may lie over a joint without hiding it: the joint's own flesh and clothes
    let torso = |g: Group| matches!(g, Group::Torso | Group::Skirt);
    let head = |g: Group| g == Group::Head;
    let mut joints = Joints::default();
    let is_inside =
        |p: Vec3| p.z > 0.0 && (0.0..width as f32).contains(&p.x) && (0.0..height as f32).contains(&p.y);
    let mut put = |index: usize, own: &dyn Fn(Group) -> bool, depth_m: f32| {
        let p = scene.camera.project(points[index]);
        let visible = is_inside(p) && is_uncovered(view, p, owner, own, depth_m);
        joints.0[index] = Joint { x: p.x - 0.5, y: p.y - 0.5, confidence: f32::from(u8::from(visible)) };
    };
    put(0, &head, 0.03);
    for side in 0..2u8 {
        let i = side as usize;
        put(1 + i, &head, 0.025);
        put(3 + i, &head, 0.045);
        put(5 + i, &|g| torso(g) || g == Group::Arm(side) || head(g), 0.095 * h);
        put(7 + i, &|g| g == Group::Arm(side), 0.065 * h);
        put(9 + i, &|g| g == Group::Arm(side), 0.06 * h);
        let leg = move |g: Group| g == Group::Leg(side);
        put(11 + i, &move |g| torso(g) || leg(g), 0.105 * h);
        put(13 + i, &move |g| leg(g) || g == Group::Skirt, 0.10 * h);
        put(15 + i, &move |g| leg(g) || g == Group::Skirt, 0.08 * h);
    }
    let bbox = BoundingBox { x0: seen.x0 as f32, y0: seen.y0 as f32, x1: seen.x1 as f32, y1: seen.y1 as f32 };
    PersonTruth {
        bbox,
        face: face_box(scene, figure, &joints, seen, view.samples, width, height),
        joints,
        area_px: seen.samples as f32 / (view.samples * view.samples) as f32,
        body: figure.body.clone(),
        clothes: figure.outfit.words.clone(),
    }
}

/// Whether nothing but what is `own` of the person lies over a projected point by `depth_m` or more.
fn is_uncovered(view: &Layer<'_>, p: Vec3, owner: u8, own: &dyn Fn(Group) -> bool, depth_m: f32) -> bool {
    let samples = view.samples as f32;
    let at = (p.y * samples) as usize * view.raster.width + (p.x * samples) as usize;
    let id = view.raster.triangle[at];
    let near_enough = id == EMPTY || 1.0 / p.z - 1.0 / view.raster.nearness[at] < depth_m;
    let mine = id == EMPTY || {
        let surface = &view.mesh.surfaces[view.surface(id) as usize];
        surface.owner == owner && own(surface.group)
    };
    near_enough && mine
}

/// The box of the front of the head that turns towards the camera, where enough of it is seen.
fn face_box(
    scene: &Scene,
    figure: &Figure,
    joints: &Joints,
    seen: &Seen,
    samples: usize,
    width: usize,
    height: usize,
) -> Option<BoundingBox> {
    let s = &figure.skeleton;
    let half = 0.5 * figure.body.head * figure.body.height_m;
    let shape = HeadShape::new(&figure.body);
    let to_eye = (scene.camera.eye - s.head).normalize();
    let facing = s.head_frame.col(2).dot(to_eye);
    let features = joints.0[..3].iter().filter(|joint| joint.confidence > 0.0).count();
    if facing < 0.25 || features < 2 {
        return None;
    }
    let mut bbox =
        BoundingBox { x0: f32::INFINITY, y0: f32::INFINITY, x1: f32::NEG_INFINITY, y1: f32::NEG_INFINITY };
    for row in 0..24 {
        for column in 0..25 {
            let (y, longitude) = (0.62 - 1.62 * row as f32 / 23.0, (column as f32 / 24.0 - 0.5) * 2.9);
            let level = (1.0 - y * y).max(0.0).sqrt();
            let direction = Vec3::new(level * longitude.sin(), y, level * longitude.cos());
            let point = s.head + s.head_frame * (shape.point(direction) * half);
            let p = scene.camera.project(point);
            bbox.x0 = bbox.x0.min(p.x);
            bbox.y0 = bbox.y0.min(p.y);
            bbox.x1 = bbox.x1.max(p.x);
            bbox.y1 = bbox.y1.max(p.y);
        }
    }
    let whole = bbox.area();
    let bbox = bbox.clipped(width as f32, height as f32);
    let enough = bbox.area() > 0.6 * whole && seen.face as f32 / (samples * samples) as f32 > 0.22 * whole;
    (enough && bbox.height() >= 6.0).then_some(bbox)
}
