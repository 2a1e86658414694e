//! Batches from a snapshot on disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use photo::{Affine, BoundingBox, Digest, Joint, Joints, Rules, Split};
use snapshot::{IdentityRows, PhotoRow, PreparedTensors, Scores, Snapshot, SnapshotSpec, Writer};
use train::batches::{BatchError, BatchSettings, Batches, Position};

const SIZE_PX: usize = 8;

/// People of the train split by name, with the numbers of photos given.
fn snapshot(dir: &Path, photos: &[usize]) -> Snapshot {
    let spec = SnapshotSpec {
        name: "demo".into(),
        recipe: "".into(),
        rules: Rules::default(),
        prepare: serde_json::Value::Null,
        models: vec![],
        program_version: "0.1.0".into(),
        size_px: SIZE_PX as u32,
    };
    let names = (0..).map(|i| format!("demo/person-{i}")).filter(|name| Split::of(name) == Split::Train);
    let mut writer = Writer::create(dir, spec).unwrap();
    for (identity, &count) in names.zip(photos) {
        let photos = (0..count).map(|i| row(&identity, i)).collect();
        let rows = IdentityRows { identity, photos, ..IdentityRows::default() };
        writer.add_identity(rows, prepare).unwrap();
    }
    Snapshot::open(&writer.finish(0).unwrap().path).unwrap()
}

fn row(identity: &str, i: usize) -> PhotoRow {
    let url = format!("http://gallery.test/{identity}/{i}.jpg");
    let mut joints = Joints::default();
    joints.0[3] = Joint { x: i as f32, y: 0.5, confidence: 0.75 };
    PhotoRow {
        sha256: Digest::of(&url),
        url,
        page_url: None,
        last_modified: None,
        caption: None,
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
fn prepare(row: &PhotoRow) -> Result<PreparedTensors, std::io::Error> {
    let [image, weighted, ..] = *row.sha256.as_bytes();
    let filled = |byte| vec![byte; 3 * SIZE_PX * SIZE_PX];
    Ok(PreparedTensors { image: filled(image), weighted: filled(weighted) })
}

fn settings() -> BatchSettings {
    BatchSettings { identities_per_batch: 2, views_per_identity: 3, split: Split::Train, seed: 11 }
}

/// The photos of each group of the next `count` batches.
fn photos(batches: &mut Batches<'_>, count: usize) -> Vec<Vec<Vec<usize>>> {
    let batch = |groups: Vec<train::batches::Group>| groups.into_iter().map(|group| group.photos).collect();
    batches.take(count).map(|read| batch(read.unwrap().groups)).collect()
}

#[test]
fn a_group_has_the_tensors_of_its_photos() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[7, 3, 2, 1]);
    let mut batches = Batches::new(&snapshot, settings()).unwrap();
    let per_epoch = batches.batches_per_epoch();
    for batch in batches.by_ref().take(per_epoch) {
        for group in batch.unwrap().groups {
            let pixels = 3 * SIZE_PX * SIZE_PX;
            assert_eq!(group.size_px, SIZE_PX);
            assert_eq!(group.image.len(), group.photos.len() * pixels);
            assert_eq!(group.joints.len(), group.photos.len() * 51);
            for (k, &photo) in group.photos.iter().enumerate() {
                let photo = &snapshot.photos()[photo];
                assert_eq!(photo.identity, group.identity);
                let [image, weighted, ..] = *photo.facts.sha256.as_bytes();
                assert!(group.image[k * pixels..][..pixels].iter().all(|&byte| byte == image));
                assert!(group.weighted[k * pixels..][..pixels].iter().all(|&byte| byte == weighted));
                let joint = photo.facts.joints.0[3];
                assert_eq!(group.joints[k * 51 + 9..][..3], [joint.x, joint.y, 0.75]);
                assert_eq!(group.confidence[k * 17..][..17], photo.facts.joints.confidences());
            }
        }
    }
    assert_eq!(batches.position(), Position { epoch: 1, step: 0 });
}

#[test]
fn an_epoch_covers_every_view_that_fills_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[6, 3, 2, 1, 9]);
    let mut batches = Batches::new(&snapshot, settings()).unwrap();
    let alone =
        snapshot.photos().chunk_by(|a, b| a.identity == b.identity).find(|photos| photos.len() == 1).unwrap();
    assert_eq!(batches.left_out(), [alone[0].identity.as_str()]);
    let per_epoch = batches.batches_per_epoch();
    for _ in 0..3 {
        let seen = photos(&mut batches, per_epoch).concat().concat();
        let distinct: BTreeSet<usize> = seen.iter().copied().collect();
        assert_eq!((seen.len(), distinct.len()), (20, 20));
    }
}

#[test]
fn the_same_seed_gives_the_same_order_and_another_seed_another() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[12, 9, 8, 6]);
    let order =
        |seed| photos(&mut Batches::new(&snapshot, BatchSettings { seed, ..settings() }).unwrap(), 20);
    assert_eq!(order(11), order(11));
    assert_ne!(order(11), order(12));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| order(11)), order(11));
}

#[test]
fn going_on_at_any_position_gives_the_batches_of_an_undisturbed_run() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[7, 5, 4]);
    let all = photos(&mut Batches::new(&snapshot, settings()).unwrap(), 15);
    for done in 0..10 {
        let mut before = Batches::new(&snapshot, settings()).unwrap();
        photos(&mut before, done);
        let kept = serde_json::to_string(&before.position()).unwrap();
        let position = serde_json::from_str(&kept).unwrap();
        let mut after = Batches::at(&snapshot, settings(), position).unwrap();
        assert_eq!(photos(&mut after, 15 - done), all[done..], "after {done}");
    }
}

#[test]
fn a_damaged_shard_is_named_with_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[3]);
    let shard = &snapshot.photos()[0].shard;
    fs::write(snapshot.path().join(shard), "short").unwrap();
    let error = Batches::new(&snapshot, settings()).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.contains(shard) && error.contains(snapshot.path().to_str().unwrap()), "{error}");
}

#[test]
fn settings_and_splits_that_give_no_batch_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[3, 1]);
    for (identities, views) in [(0, 2), (1, 1), (1, 0)] {
        let settings =
            BatchSettings { identities_per_batch: identities, views_per_identity: views, ..settings() };
        assert!(matches!(Batches::new(&snapshot, settings), Err(BatchError::Setting { .. })));
    }
    let test = BatchSettings { split: Split::Test, ..settings() };
    let error = Batches::new(&snapshot, test).unwrap_err().to_string();
    assert!(error.contains("test split"), "{error}");
}
