//! Synthetic people, drawn straight into small tensors: thousands of known bodies in minutes.
//!
//! A view is a photo of `synth` at twice the tensors' size, its joints disturbed as a detector disturbs them, brought
//! into the square by `curate::prepare` and reduced by half as training reduces tensors: what the pipeline makes of a
//! large photo of the same shot (`tests/it/drawn.rs`), without the large photo, its JPEG and the detectors. The bodies
//! are not stored: [`people`] draws them again from the spec.
//!
//! A spec may ask for portraits instead (`synth::portrait`), which is what the demo base draws.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use curate::{PrepareSettings, Prepared};
use image::RgbImage;
use photo::{Affine, BoundingBox, Digest, Joints, Person, Rules};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use snapshot::{IdentityRows, PhotoRow, PreparedTensors, Scores, SnapshotRef, SnapshotSpec, Writer};
use synth::disturb::disturb;
use synth::portrait::{self, Portrait};
use synth::{Body, PersonTruth, Rendered, View, noise, true_joints};
use train::body::Pose;
use train::views::pooling::pool;

use crate::progress;

/// Raised whenever the same spec would give other views.
const VERSION: u32 = 4;
/// The snapshots' name.
const NAME: &str = "drawn";
/// People drawn at a time: enough for all cores, and a few MB.
const BATCH: usize = 16;

/// Which people are drawn, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawSpec {
    /// Decides everything.
    pub seed: u64,
    /// How many looks: sex, skin, hair and face.
    pub families: usize,
    /// People of each look, who differ only in the measures of their bodies; 1: nobody has a twin.
    pub twins: usize,
    /// Views of each person.
    pub views: usize,
    /// Side of the tensors in px.
    pub size_px: u32,
    /// Portraits of people who stand in a studio, from head to feet, instead of photos as galleries have them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub portraits: bool,
    /// What captions say.
    #[serde(default, skip_serializing_if = "Captions::is_whole")]
    pub captions: Captions,
}

/// What captions of drawn photos say of the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Captions {
    /// Height, build, hair and clothes: `a tall slim woman with long red hair wearing …`.
    #[default]
    Whole,
    /// The clothes alone: `a woman wearing …`, as people prompt and captioning models write. What the text
    /// does not tell of a body, an adapter has to learn from c_body; of whole captions it learns that c_body
    /// says little that is new.
    Clothes,
}

impl Captions {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }

    fn of(self, whole: String, person: &PersonTruth) -> String {
        match self {
            Self::Whole => whole,
            Self::Clothes => format!("a photo of a {} wearing {}", person.body.noun(), person.clothes),
        }
    }
}

/// A person whose body is known.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnPerson {
    /// `drawn/f00012-0`: the family and the place in it.
    pub identity: String,
    /// The index of the family, from 0.
    pub family: usize,
    /// The body.
    pub body: Body,
    /// Names the person's views.
    pub seed: u64,
}

/// A view of a person, as the pipeline would have prepared it.
#[derive(Clone, Debug)]
pub struct DrawnView {
    /// Image, weighted image and gated joints, all at the spec's size.
    pub prepared: Prepared,
    /// The address under which snapshots list it, unique.
    pub url: String,
    /// The digest of the rendered pixels and the address.
    pub sha256: Digest,
    /// The photo in a sentence.
    pub caption: String,
    /// Width of the rendering in px.
    pub width: u32,
    /// Height of the rendering in px.
    pub height: u32,
    /// The disturbed joints in px of the rendering, gated.
    pub joints_in_photo: Joints,
    /// What is known exactly, in px of the rendering.
    pub truth: PersonTruth,
}

/// The people of a spec, family by family. More families leave the earlier ones as they were.
pub fn people(spec: &DrawSpec) -> Vec<DrawnPerson> {
    let families = (0..spec.families).flat_map(|family| {
        let seed = noise::subseed(spec.seed, 1000 + family as u64);
        let first = Body::sample(seed);
        (0..spec.twins.max(1)).map(move |twin| DrawnPerson {
            identity: format!("{NAME}/f{family:05}-{twin}"),
            family,
            body: if twin == 0 { first.clone() } else { first.twin(noise::subseed(seed, twin as u64)) },
            seed: noise::subseed(seed, 500_000 + twin as u64),
        })
    });
    families.collect()
}

/// The view `index` of a person: the same on every call and thread.
pub fn view(person: &DrawnPerson, index: usize, spec: &DrawSpec) -> DrawnView {
    let seed = noise::subseed(person.seed, index as u64);
    let min_score = Rules::default().joints.min_score;
    let (image, mut truth, joints, attempt) = if spec.portraits {
        let Portrait { image, truth, .. } = portrait::draw(seed, &person.body, 2 * spec.size_px);
        let frame = (image.width() as f32, image.height() as f32);
        let (seen, rng) = (&truth.people[0], &mut noise::stream(seed, 30));
        let joints = disturb(&seen.joints, &seen.bbox, frame, rng).gated(min_score);
        (image, truth, joints, 0)
    } else {
        let View { rendered, joints, attempt, .. } =
            View::draw(seed, &person.body, 2 * spec.size_px, min_score);
        let Rendered { width, height, rgb, truth } = rendered;
        (RgbImage::from_raw(width, height, rgb).expect("three bytes a pixel"), truth, joints, attempt)
    };
    let (width, height) = image.dimensions();
    let url = format!("synth://{}/{}/{index}/{attempt}", spec.seed, person.identity);
    let sha256 = Digest::of_json(&(Digest::of(image.as_raw()), &url));
    let truth_of_person = truth.people.swap_remove(0);
    let seen = Person { bbox: truth_of_person.bbox, score: 1.0, joints };
    let prepared =
        curate::prepare(&image, &seen, &settings(2 * spec.size_px)).expect("a view has a visible joint");
    DrawnView {
        prepared: halved(&prepared),
        url,
        sha256,
        caption: spec.captions.of(truth.caption, &truth_of_person),
        width,
        height,
        joints_in_photo: joints,
        truth: truth_of_person,
    }
}

/// Where the joints of a photo of the spec's snapshot really are, in shares of the tensor: computed from its address
/// and its transform, since nothing of it is stored. All have confidence 1, hidden ones too.
///
/// # Errors
/// Where `photo` is not one of `person`'s drawn views.
pub fn true_pose(person: &DrawnPerson, photo: &PhotoRow, spec: &DrawSpec) -> Result<Pose> {
    let mut parts = photo.url.rsplit('/');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
    let (attempt, index) = (number(), number());
    let (Some(attempt), Some(index)) = (attempt, index) else {
        bail!("{} is not the address of a drawn view; draw the snapshot again", photo.url);
    };
    let seed = noise::subseed(person.seed, index);
    let joints = if spec.portraits {
        // Where its square was cut is not known before it is drawn.
        portrait::draw(seed, &person.body, 2 * spec.size_px).truth.people[0].joints
    } else {
        true_joints(seed, &person.body, 2 * spec.size_px, attempt)
    };
    let joints = joints.mapped(&photo.affine);
    let share = |px: f32| (px + 0.5) / spec.size_px as f32;
    Ok(Pose { joints: joints.0.map(|joint| [share(joint.x), share(joint.y), joint.confidence]) })
}

/// The same at half the side: each pixel the mean of four.
fn halved(prepared: &Prepared) -> Prepared {
    let map = Affine::scale_then_shift(0.5, 0.5, -0.25, -0.25); // pixel centres to pixel centres
    let [a, b, c, d, e, f] = prepared.affine.0;
    let corner = |x: f32, y: f32| map.apply(f64::from(x), f64::from(y));
    let ((x0, y0), (x1, y1)) =
        (corner(prepared.person.x0, prepared.person.y0), corner(prepared.person.x1, prepared.person.y1));
    let side = prepared.size_px as usize;
    let half = |planes: &[u8]| {
        let mut means = vec![0; planes.len() / 4];
        pool(planes, side, side / 2, &mut means);
        means
    };
    Prepared {
        size_px: prepared.size_px / 2,
        image: half(&prepared.image),
        weighted: half(&prepared.weighted),
        joints: prepared.joints.mapped(&map),
        person: BoundingBox { x0: x0 as f32, y0: y0 as f32, x1: x1 as f32, y1: y1 as f32 },
        affine: Affine([0.5 * a, 0.5 * b, 0.5 * c - 0.25, 0.5 * d, 0.5 * e, 0.5 * f - 0.25]),
    }
}

/// The defaults of recipes, the weighting as wide in the picture as at their size.
fn settings(size_px: u32) -> PrepareSettings {
    let default = PrepareSettings::default();
    let sigma_px = default.sigma_px * f64::from(size_px) / f64::from(default.size_px);
    PrepareSettings { size_px, sigma_px, ..default }
}

/// The snapshot of a spec under `snapshots_dir`: the one that is there, or a new one.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn snapshot(snapshots_dir: &Path, spec: &DrawSpec) -> Result<SnapshotRef> {
    let inputs = SnapshotSpec {
        name: NAME.to_owned(),
        recipe: json!({ "drawn": spec, "version": VERSION }),
        rules: Rules::default(),
        prepare: json!(settings(spec.size_px)),
        models: Vec::new(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        size_px: spec.size_px,
    };
    if let Some(found) = find(snapshots_dir, &inputs)? {
        return Ok(found);
    }
    let people = people(spec);
    let bar = progress::stage("draw", (people.len() * spec.views) as u64, "views");
    let mut writer = Writer::create(snapshots_dir, inputs)?;
    // One thread writes while all cores draw: syncing a shard waits for the disk. The writer's own pool keeps it from
    // waiting for the drawing as well.
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(1).build().context("start a thread that writes")?;
    let (sender, batches) = mpsc::sync_channel::<Vec<(IdentityRows, Tensors)>>(1);
    let writer = thread::scope(|scope| -> Result<Writer> {
        let bar = &bar;
        let writing = scope.spawn(move || -> Result<Writer> {
            for (rows, tensors) in batches.iter().flatten() {
                let views = rows.photos.len() as u64;
                let of = |row: &PhotoRow| tensors.get(&row.sha256).cloned().context("a view has tensors");
                pool.install(|| writer.add_identity(rows, of))?;
                bar.inc(views);
            }
            Ok(writer)
        });
        for batch in people.chunks(BATCH) {
            let drawn = batch.par_iter().map(|person| identity(person, spec)).collect();
            if sender.send(drawn).is_err() {
                break; // the writer has failed, and says why below
            }
        }
        drop(sender);
        writing.join().expect("the writer returns its errors")
    })?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64);
    let written = writer.finish(now_ms)?;
    bar.finish_and_clear();
    Ok(written)
}

/// The snapshot that was made from the same spec. The views are not drawn to find it: the spec decides them.
fn find(snapshots_dir: &Path, inputs: &SnapshotSpec) -> Result<Option<SnapshotRef>> {
    for found in snapshot::list(snapshots_dir)?.snapshots {
        if found.name == inputs.name {
            let (manifest, _) = snapshot::Manifest::read(&found.path.join(snapshot::manifest::MANIFEST))?;
            if manifest.spec == *inputs {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

type Tensors = HashMap<Digest, PreparedTensors>;

/// A person's rows and tensors.
fn identity(person: &DrawnPerson, spec: &DrawSpec) -> (IdentityRows, Tensors) {
    let views: Vec<DrawnView> =
        (0..spec.views).into_par_iter().map(|index| view(person, index, spec)).collect();
    let mut rows = IdentityRows { identity: person.identity.clone(), ..IdentityRows::default() };
    let mut tensors = HashMap::with_capacity(views.len());
    for view in views {
        rows.photos.push(row(&view));
        let Prepared { image, weighted, .. } = view.prepared;
        tensors.insert(view.sha256, PreparedTensors { image, weighted });
    }
    (rows, tensors)
}

fn row(view: &DrawnView) -> PhotoRow {
    PhotoRow {
        url: view.url.clone(),
        page_url: None,
        sha256: view.sha256,
        last_modified: None,
        caption: Some(view.caption.clone()),
        caption_source: None,
        scores: Scores::default(),
        width: view.width,
        height: view.height,
        person_box: view.truth.bbox,
        joints: view.prepared.joints,
        joints_in_photo: view.joints_in_photo,
        affine: view.prepared.affine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot::{Pixels, Snapshot};

    const SPEC: DrawSpec = DrawSpec {
        seed: 5,
        families: 3,
        twins: 2,
        views: 4,
        size_px: 48,
        portraits: false,
        captions: Captions::Whole,
    };

    #[test]
    fn captions_of_clothes_say_nothing_of_the_body_and_the_same_of_the_rest() {
        let clothes = DrawSpec { portraits: true, captions: Captions::Clothes, ..SPEC };
        let whole = DrawSpec { captions: Captions::Whole, ..clothes.clone() };
        let person = &people(&clothes)[0];
        let (said, all) = (view(person, 1, &clothes), view(person, 1, &whole));
        assert_eq!((said.sha256, &said.prepared.image), (all.sha256, &all.prepared.image));
        let (_, worn) = all.caption.split_once(" wearing ").expect("clothes");
        assert_eq!(said.caption, format!("a photo of a {} wearing {worn}", person.body.noun()));
        assert!(all.caption.contains(&person.body.words()), "{}", all.caption);
    }

    #[test]
    fn the_same_spec_is_the_same_snapshot_on_any_number_of_threads_and_is_found_again() {
        let drawn = |threads| {
            let folder = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let drawn = pool.install(|| snapshot(folder.path(), &SPEC)).unwrap();
            let again = snapshot(folder.path(), &SPEC).unwrap();
            assert_eq!((&again.id, &again.path), (&drawn.id, &drawn.path));
            let other = snapshot(folder.path(), &DrawSpec { views: 3, ..SPEC }).unwrap();
            assert_ne!(other.id, drawn.id);
            drawn.id
        };
        assert_eq!(drawn(1), drawn(5));
    }

    #[test]
    fn the_snapshot_holds_the_views_as_they_are_in_memory() {
        holds_the_views(&SPEC);
    }

    #[test]
    fn and_portraits_with_feet_and_head_in_them() {
        let spec = DrawSpec { views: 3, portraits: true, ..SPEC };
        holds_the_views(&spec);
        let view = view(&people(&spec)[1], 0, &spec);
        let joints = view.truth.joints.0;
        assert!(
            (view.width, view.height) == (96, 96)
                && joints.iter().all(|joint| (0.0..96.0).contains(&joint.y))
        );
        assert!(view.prepared.person.height() > 0.7 * 48.0, "{:?}", view.prepared.person);
    }

    fn holds_the_views(spec: &DrawSpec) {
        let folder = tempfile::tempdir().unwrap();
        let written = Snapshot::open(&snapshot(folder.path(), spec).unwrap().path).unwrap();
        let people = people(spec);
        assert_eq!((people.len(), written.photos().len()), (6, 6 * spec.views));
        for person in &people {
            for index in 0..spec.views {
                let view = view(person, index, spec);
                let photo = written.photos().iter().find(|photo| photo.facts.url == view.url).unwrap();
                assert_eq!(photo.identity, person.identity);
                assert_eq!(photo.facts.joints, view.prepared.joints);
                let pose = true_pose(person, &photo.facts, spec).unwrap();
                let truth = view.truth.joints.mapped(&view.prepared.affine);
                for (found, truth) in pose.joints.iter().zip(truth.0) {
                    assert!((found[0] * 48.0 - 0.5 - truth.x).abs() < 1e-3, "{found:?} {truth:?}");
                    assert!((found[1] * 48.0 - 0.5 - truth.y).abs() < 1e-3, "{found:?} {truth:?}");
                }
                let shard = written.shard(photo).unwrap();
                let mut bytes = vec![0; 3 * 48 * 48];
                for (kind, expected) in
                    [(Pixels::Image, &view.prepared.image), (Pixels::Weighted, &view.prepared.weighted)]
                {
                    shard.read_pixels(kind, photo.row as usize, &mut bytes).unwrap();
                    assert_eq!(&bytes, expected);
                }
            }
        }
    }

    #[test]
    fn more_families_and_views_leave_the_earlier_ones_as_they_were() {
        let few = people(&SPEC);
        let many = people(&DrawSpec { families: 7, views: 9, ..SPEC });
        assert_eq!(few, many[..few.len()]);
        let more = DrawSpec { views: 9, ..SPEC };
        assert_eq!(view(&few[0], 3, &SPEC).sha256, view(&few[0], 3, &more).sha256);
    }
}
