//! Views from a snapshot on disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use photo::{Affine, BoundingBox, Digest, Joint, Joints, Rules, Split};
use snapshot::{IdentityRows, PhotoRow, Pixels, PreparedTensors, Scores, Snapshot, SnapshotSpec, Writer};
use train::Device;
use train::body::{BodyBatch, BodyVaeConfig};
use train::views::{
    AugmentSettings, BatchSource, Measures, People, Person, SamplerSettings, ViewReader, plan,
};

const SIZE_PX: usize = 8;

/// People who are all of the train split, with the numbers of photos given.
fn snapshot(dir: &Path, photos: &[usize]) -> Snapshot {
    snapshot_of(dir, photos, SIZE_PX)
}

fn spec(size_px: usize) -> SnapshotSpec {
    spec_with(0.0, size_px)
}

fn spec_with(validation: f64, size_px: usize) -> SnapshotSpec {
    SnapshotSpec {
        name: "demo".into(),
        recipe: serde_json::json!({ "splits": { "validation": validation, "test": 0.0 } }),
        rules: Rules::default(),
        prepare: serde_json::Value::Null,
        models: vec![],
        program_version: "0.1.0".into(),
        size_px: size_px as u32,
    }
}

fn snapshot_of(dir: &Path, photos: &[usize], size_px: usize) -> Snapshot {
    snapshot_by(dir, spec(size_px), photos)
}

fn snapshot_by(dir: &Path, spec: SnapshotSpec, photos: &[usize]) -> Snapshot {
    let size_px = spec.size_px as usize;
    let names = (0..).map(|i| format!("demo/person-{i}"));
    let mut writer = Writer::create(dir, spec).unwrap();
    for (identity, &count) in names.zip(photos) {
        let photos = (0..count).map(|i| row(&identity, i));
        let photos = if size_px == SIZE_PX { photos.collect() } else { photos.map(standing).collect() };
        let rows = IdentityRows { identity, photos, ..IdentityRows::default() };
        writer.add_identity(rows, |row: &PhotoRow| prepare(row, size_px)).unwrap();
    }
    Snapshot::open(&writer.finish(0).unwrap().path).unwrap()
}

fn row(identity: &str, i: usize) -> PhotoRow {
    let url = format!("http://gallery.test/{identity}/{i}.jpg");
    let mut joints = Joints::default();
    joints.0[3] = Joint { x: 3.5, y: 0.5, confidence: 0.75 };
    PhotoRow {
        sha256: Digest::of(&url),
        url,
        page_url: None,
        last_modified: None,
        caption: None,
        caption_source: None,
        scores: Scores::default(),
        width: 1000,
        height: 1000,
        person_box: BoundingBox { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 },
        joints,
        joints_in_photo: joints,
        affine: Affine::IDENTITY,
    }
}

/// Tensors filled with two bytes of the photo's digest.
fn prepare(row: &PhotoRow, size_px: usize) -> Result<PreparedTensors, std::io::Error> {
    let [image, weighted, ..] = *row.sha256.as_bytes();
    let filled = |byte| vec![byte; 3 * size_px * size_px];
    Ok(PreparedTensors { image: filled(image), weighted: filled(weighted) })
}

#[test]
fn a_view_has_the_tensors_and_joints_of_its_photo_at_the_size_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[3, 2]);
    let rows = [4, 0, 2];
    for side in [SIZE_PX, SIZE_PX / 2] {
        let reader = ViewReader::new(&snapshot, side).unwrap();
        let (image, weighted) = (reader.read(&rows, Pixels::Image), reader.read(&rows, Pixels::Weighted));
        let views = image.unwrap();
        let weighted = weighted.unwrap();
        for (k, &row) in rows.iter().enumerate() {
            let [expected, expected_weighted, ..] = *snapshot.photos()[row].facts.sha256.as_bytes();
            let of = |planes: &[u8]| planes[k * 3 * side * side..][..3 * side * side].to_vec();
            assert!(of(&views).iter().all(|&byte| byte == expected));
            assert!(of(&weighted).iter().all(|&byte| byte == expected_weighted));
        }
        // Pixel 3 has its centre at 4 of 8 px.
        assert_eq!(reader.poses(&rows)[0].joints[3], [0.5, 0.125, 0.75]);
    }
}

#[test]
fn a_size_that_cannot_be_pooled_to_is_refused_with_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[2]);
    let message = ViewReader::new(&snapshot, 5).unwrap_err().to_string();
    assert!(message.contains("8 px") && message.contains("model.view_px"), "{message}");
}

#[test]
fn held_out_views_are_in_no_step_and_all_others_come() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[16, 9, 7, 1]);
    let people = People::of(&snapshot, Some(Split::Train), true).unwrap();
    for person in &people.people {
        assert!(!person.held_out.is_empty(), "{person:?}");
    }
    assert_eq!(people.left_out.len(), 1);
    let held: BTreeSet<usize> = people.people.iter().flat_map(|person| person.held_out.clone()).collect();
    let seen: BTreeSet<usize> = (0..60)
        .flat_map(|step| plan(&people, &SamplerSettings::default(), 3, step).rows)
        .flat_map(|row| row.views)
        .collect();
    assert!(held.is_disjoint(&seen));
    let marked = (0..).zip(snapshot.photos()).filter(|(_, photo)| photo.held_out).map(|(row, _)| row);
    assert_eq!(held, marked.collect(), "what other readers of the snapshot hold out too");
    assert_eq!(held.len() + seen.len(), 16 + 9 + 7);
}

#[test]
fn what_is_held_out_of_a_person_does_not_depend_on_the_others() {
    let (alone, together) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digests = |snapshot: &Snapshot| -> Vec<Digest> {
        let people = People::of(snapshot, None, true).unwrap();
        let first = people.people.iter().find(|person| person.views.len() + person.held_out.len() == 16);
        first.unwrap().held_out.iter().map(|&row| snapshot.photos()[row].facts.sha256).collect()
    };
    let one = digests(&snapshot(alone.path(), &[16]));
    assert!(!one.is_empty());
    assert_eq!(one, digests(&snapshot(together.path(), &[16, 9, 5])));
}

#[test]
fn of_people_outside_the_train_split_an_eighth_of_the_views_is_held_out() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot_by(dir.path(), spec_with(0.99, SIZE_PX), &[16, 16, 16]);
    let people = People::of(&snapshot, None, true).unwrap();
    let split = |person: &Person| snapshot.photos()[person.views[0]].split;
    let others: Vec<_> = people.people.iter().filter(|person| split(person) == Split::Validation).collect();
    assert!(!others.is_empty());
    for person in others {
        assert_eq!((person.views.len(), person.held_out.len()), (14, 2), "{person:?}");
        assert!(person.held_out.iter().all(|&row| !snapshot.photos()[row].held_out), "nothing is marked");
    }
}

#[test]
fn a_split_without_people_says_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[3, 1]);
    let message = People::of(&snapshot, Some(Split::Test), true).unwrap_err().to_string();
    assert!(message.contains("test split") && message.contains("data.split"), "{message}");
}

#[test]
fn a_damaged_shard_is_named_with_its_photo_and_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[3]);
    let photo = &snapshot.photos()[0];
    fs::write(snapshot.path().join(&photo.shard), "short").unwrap();
    let reader = ViewReader::new(&snapshot, SIZE_PX).unwrap();
    let message = reader.read(&[0], Pixels::Image).unwrap_err().to_string();
    assert!(message.contains(&photo.facts.sha256.to_string()), "{message}");
    assert!(message.contains(snapshot.path().to_str().unwrap()), "{message}");
}

#[test]
fn views_of_a_compressed_snapshot_are_those_of_the_plain_one_and_a_damaged_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let plain = snapshot_of(dir.path(), &[3, 2], 32);
    let spec = SnapshotSpec { prepare: serde_json::json!({ "compression": "zstd" }), ..spec(32) };
    let small = snapshot_by(dir.path(), spec, &[3, 2]);
    let rows = [4, 0, 3, 1, 2, 0];
    for side in [32, 8] {
        let readers = [&plain, &small].map(|snapshot| ViewReader::new(snapshot, side).unwrap());
        for pixels in [Pixels::Image, Pixels::Weighted] {
            let [expected, found] = readers.map(|reader| reader.read(&rows, pixels).unwrap());
            assert_eq!(expected, found);
        }
    }

    // The end of the frame of the first person's last weighted tensor: before the table of 8 frames.
    let (intact, photo) = (&small.photos()[1], &small.photos()[2]);
    let path = small.path().join(&photo.shard);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - (8 + 8 * 8 + 9) - 1;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let reader = ViewReader::new(&small, 32).unwrap();
    reader.read(&[1], Pixels::Weighted).unwrap();
    let error = reader.read(&[1, 2], Pixels::Weighted).unwrap_err();
    let message = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    for expected in [&photo.facts.sha256.to_string(), &photo.shard, "the weighted tensor of row 2 is damaged"]
    {
        assert!(message.contains(expected), "{expected} is not in: {message}");
    }
    assert!(!message.contains(&intact.facts.sha256.to_string()), "{message}");
}

#[test]
fn tensors_that_a_snapshot_was_made_without_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let spec = SnapshotSpec { prepare: serde_json::json!({ "tensors": "weighted" }), ..spec(SIZE_PX) };
    let mut writer = Writer::create(dir.path(), spec).unwrap();
    let identity = "demo/anna".to_owned();
    let rows = IdentityRows { photos: vec![row(&identity, 0)], identity, ..IdentityRows::default() };
    let weighted =
        |row: &PhotoRow| prepare(row, SIZE_PX).map(|both| PreparedTensors { image: vec![], ..both });
    writer.add_identity(rows, weighted).unwrap();
    let snapshot = Snapshot::open(&writer.finish(0).unwrap().path).unwrap();
    let reader = ViewReader::new(&snapshot, SIZE_PX).unwrap();
    assert_eq!(reader.read(&[0], Pixels::Weighted).unwrap().len(), 3 * SIZE_PX * SIZE_PX);
    let message = reader.read(&[0], Pixels::Image).unwrap_err().to_string();
    assert!(message.contains("holds no image tensors") && message.contains("`[prepare]`"), "{message}");
}

/// Shoulders, hips and an arm, in px of a view of 32.
fn standing(row: PhotoRow) -> PhotoRow {
    let mut joints = Joints::default();
    let places = [
        (5, 20.0, 9.0),
        (6, 11.0, 9.0),
        (7, 23.0, 14.0),
        (9, 24.0, 18.0),
        (11, 18.0, 18.0),
        (12, 13.0, 18.0),
    ];
    for (joint, x, y) in places {
        joints.0[joint] = Joint { x, y, confidence: 0.9 };
    }
    PhotoRow { joints, ..row }
}

#[test]
fn a_batch_agrees_with_itself_however_its_views_were_changed() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot_of(dir.path(), &[6, 6], 32);
    let people = People::of(&snapshot, None, false).unwrap();
    let reader = ViewReader::new(&snapshot, 32).unwrap();
    let config =
        BodyVaeConfig { latent: 8, view_px: 32, decoded_px: 32, palette: true, ..BodyVaeConfig::default() };
    let measures = Measures::standardised(vec![vec![1.0], vec![3.0]]);
    let settings = SamplerSettings { people: 2, views: 4, drawn: 1, ..SamplerSettings::default() };
    let strong =
        AugmentSettings { crop: 0.6, drop_joints: 0.3, move_joints: 0.0, ..AugmentSettings::default() };
    let moving = AugmentSettings { move_joints: 0.05, ..strong.clone() };
    for step in 0..4 {
        let plan = plan(&people, &settings, 7, step);
        let batch = |augment: &AugmentSettings| {
            let source = BatchSource {
                true_poses: None,
                encoded: reader,
                decoded: reader,
                measures: Some(&measures),
                config: &config,
                augment,
                device: &Device::Cpu,
            };
            source.batch(&plan).unwrap()
        };
        let largest = |batch: &BodyBatch| -> f32 {
            let offsets: Vec<f32> = batch.moved.wanted().flatten_all().unwrap().to_vec1().unwrap();
            offsets.into_iter().map(f32::abs).fold(0.0, f32::max)
        };
        let still = batch(&strong);
        assert!(largest(&still) < 1e-3, "mirrored, cut and with joints dropped, and none of them moved");
        assert!(largest(&batch(&moving)) > 0.1);
        assert_eq!((still.views.len(), still.target.poses.len(), still.target.palettes.len()), (8, 1, 1));
        let drawn = plan.rows.iter().position(|row| row.is_drawn).unwrap();
        let row = &plan.rows[drawn];
        let from: Vec<u32> = still.target.from.to_vec1().unwrap();
        assert_eq!(from, [(2 * drawn + 1 - row.sides[row.target]) as u32], "the set without the target");
        let known: Vec<Vec<f32>> = still.measures.unwrap().to_vec2().unwrap();
        let expected: Vec<Vec<f32>> =
            plan.rows.iter().map(|row| measures.of_people[row.person].clone()).collect();
        assert_eq!(known, expected);
    }
}
