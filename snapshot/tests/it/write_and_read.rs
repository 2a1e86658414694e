//! What is written is read back; the same inputs give the same bytes; half a snapshot is none.

use std::fs;
use std::path::Path;

use crate::common::{contents, identities, prepare, rows, spec, write};
use photo::{Digest, Reason};
use snapshot::{
    Pixels, PreparedTensors, Snapshot, SnapshotSpec, WriteError, Writer, find, find_inputs, inputs_digest,
    list, verify,
};

#[test]
fn rows_and_tensors_are_read_back_as_they_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path(), spec(), identities(), 7);
    assert_eq!((written.counts.identities, written.counts.photos, written.counts.dropped), (3, 9, 8));
    assert_eq!(written.counts.reasons["too_small"], 4);
    verify(&written.path).unwrap();

    let snapshot = Snapshot::open(&written.path).unwrap();
    assert_eq!(snapshot.reference(), written);
    for given in identities() {
        let mut photos = given.photos;
        photos.sort_by_key(|photo| photo.sha256);
        let read: Vec<_> =
            snapshot.photos().iter().filter(|photo| photo.identity == given.identity).collect();
        assert_eq!(read.len(), photos.len());
        for (read, given) in read.into_iter().zip(photos) {
            assert_eq!(read.facts, given);
            let shard = snapshot.shard(read).unwrap();
            let expected = prepare(&given).unwrap();
            let mut pixels = vec![0; expected.image.len()];
            shard.read_pixels(Pixels::Image, read.row as usize, &mut pixels).unwrap();
            assert_eq!(pixels, expected.image);
            shard.read_pixels(Pixels::Weighted, read.row as usize, &mut pixels).unwrap();
            assert_eq!(pixels, expected.weighted);
            assert_eq!(shard.read_joints(read.row as usize).unwrap(), given.joints);
        }
    }
    let mut facts: Vec<_> = snapshot.dropped().unwrap().into_iter().map(|row| row.facts).collect();
    let mut expected: Vec<_> = identities().into_iter().flat_map(|rows| rows.dropped).collect();
    facts.sort_by_key(|row| row.sha256);
    expected.sort_by_key(|row| row.sha256);
    assert_eq!(facts, expected);
    assert_eq!(snapshot.fetches().unwrap().len(), 17);
}

#[test]
fn a_snapshot_of_one_tensor_has_shards_and_pages_without_the_other() {
    for (asked, held, other) in
        [("image", Pixels::Image, Pixels::Weighted), ("weighted", Pixels::Weighted, Pixels::Image)]
    {
        let dir = tempfile::tempdir().unwrap();
        let spec = SnapshotSpec { prepare: serde_json::json!({ "tensors": asked }), ..spec() };
        let mut writer = Writer::create(dir.path(), spec).unwrap();
        let one = |row: &_| {
            let both = prepare(row)?;
            Ok::<_, std::io::Error>(match held {
                Pixels::Image => PreparedTensors { weighted: vec![], ..both },
                Pixels::Weighted => PreparedTensors { image: vec![], ..both },
            })
        };
        let error = writer.add_identity(rows("demo/anna", 3), prepare).unwrap_err();
        assert!(matches!(error, WriteError::TensorSize { .. }), "{error}");
        writer.add_identity(rows("demo/anna", 3), one).unwrap();
        let path = writer.finish(7).unwrap().path;
        verify(&path).unwrap();
        let snapshot = Snapshot::open(&path).unwrap();
        let shard = snapshot.shard(&snapshot.photos()[2]).unwrap();
        let mut pixels = vec![0; 3 * shard.size_px().pow(2)];
        shard.read_pixels(held, 2, &mut pixels).unwrap();
        let expected = one(&snapshot.photos()[2].facts).unwrap();
        assert_eq!(pixels, [expected.image, expected.weighted].concat());
        shard.read_pixels(other, 2, &mut pixels).unwrap_err();
        let croissant = fs::read_to_string(path.join("croissant.json")).unwrap();
        assert!(croissant.contains(&format!("Per person: {asked} u8")), "{croissant}");
    }
}

#[test]
fn tensors_that_there_are_not_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let spec = SnapshotSpec { prepare: serde_json::json!({ "tensors": "depth" }), ..spec() };
    let error = Writer::create(dir.path(), spec).unwrap_err().to_string();
    assert!(error.contains("prepare.tensors") && error.contains("depth"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_likeness_of_faces_is_written_only_where_the_rules_compare_them() {
    let dir = tempfile::tempdir().unwrap();
    let croissant = |path: &Path| fs::read_to_string(path.join("croissant.json")).unwrap();
    assert!(!croissant(&write(dir.path(), spec(), identities(), 7).path).contains("photos/similarity"));

    let mut comparing = spec();
    comparing.rules.identity.min_similarity = Some(0.35);
    let mut people = identities();
    people[0].photos[1].scores.similarity = Some(0.6125);
    people[0].dropped[0].reasons.push(Reason::OtherPerson { similarity: 0.1 });
    people[0].dropped[0].scores.similarity = Some(0.1);
    let written = write(dir.path(), comparing, people, 7);
    assert!(croissant(&written.path).contains("photos/similarity"));
    let snapshot = Snapshot::open(&written.path).unwrap();
    let kept: Vec<f32> = snapshot.photos().iter().filter_map(|photo| photo.facts.scores.similarity).collect();
    let dropped = snapshot.dropped().unwrap();
    let others: Vec<_> = dropped.iter().filter(|photo| photo.facts.scores.similarity == Some(0.1)).collect();
    assert_eq!((kept, others.len()), (vec![0.6125], 1));
    assert!(others[0].facts.reasons.contains(&Reason::OtherPerson { similarity: 0.1 }));
    assert_eq!(written.counts.reasons["other_person"], 1);
}

#[test]
fn order_threads_and_time_do_not_move_a_byte_of_what_the_id_stands_for() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = write(dirs[0].path(), spec(), identities(), 1);

    let mut shuffled = identities();
    shuffled.reverse();
    for rows in &mut shuffled {
        rows.photos.reverse();
        rows.dropped.reverse();
        rows.fetches.iter_mut().for_each(|fetch| fetch.fetched_at_ms += 1000);
    }
    let mut other_order = spec();
    other_order.models.reverse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let second = pool.install(|| write(dirs[1].path(), other_order, shuffled, 2));

    assert_eq!(first.id, second.id);
    let [mut first, mut second] = [contents(&first.path), contents(&second.path)];
    for by_time in ["build.json", "fetches.parquet"] {
        assert!(first.remove(by_time).unwrap() != second.remove(by_time).unwrap(), "{by_time}");
    }
    assert!(first == second, "files differ");
}

#[test]
fn another_score_or_setting_gives_another_id() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(dir.path(), spec(), identities(), 1);
    let mut rows = identities();
    rows[0].photos[0].scores.face = Some(0.9001);
    let second = write(dir.path(), spec(), rows, 1);
    let mut changed = spec();
    changed.rules.min_photos = 3;
    let third = write(dir.path(), changed, identities(), 1);
    let mut ids = vec![first.id, second.id, third.id];
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn writing_the_same_again_returns_the_snapshot_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(dir.path(), spec(), identities(), 1);
    let before = contents(&first.path);
    assert_eq!(write(dir.path(), spec(), identities(), 2), first);
    assert!(contents(&first.path) == before, "files differ");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_inputs_tell_before_any_work_whether_the_snapshot_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut reversed = identities();
    reversed.reverse();
    let inputs = inputs_digest(&spec(), &reversed);
    assert_eq!(find_inputs(dir.path(), inputs).unwrap(), None);
    let written = write(dir.path(), spec(), identities(), 1);
    assert_eq!(find_inputs(dir.path(), inputs).unwrap(), Some(written));
    let fewer = inputs_digest(&spec(), &reversed[1..]);
    assert_eq!(find_inputs(dir.path(), fewer).unwrap(), None);
}

#[test]
fn snapshots_are_found_by_name_id_prefix_and_folder() {
    let dir = tempfile::tempdir().unwrap();
    let demo = write(dir.path(), spec(), identities(), 1);
    let mut other = spec();
    other.name = "other".into();
    let other = write(dir.path(), other, identities(), 1);
    fs::create_dir(dir.path().join("notes")).unwrap();

    let listing = list(dir.path()).unwrap();
    assert_eq!(listing.snapshots, [demo.clone(), other.clone()]);
    assert!(listing.unreadable[0].to_string().contains("notes/manifest.json"));
    let by_path = demo.path.to_str().unwrap();
    for wanted in ["demo", &demo.id, &demo.id[..5], &format!("demo-{}", demo.id), by_path] {
        assert_eq!(find(dir.path(), wanted).unwrap(), demo.path, "{wanted}");
    }
    let error = find(dir.path(), "demonic").unwrap_err().to_string();
    assert!(error.contains("demonic") && error.contains(&other.id), "{error}");

    let mut changed = spec();
    changed.size_px = crate::common::SIZE_PX;
    changed.rules.min_side = 500;
    let second = write(dir.path(), changed, identities(), 1);
    let error = find(dir.path(), "demo").unwrap_err().to_string();
    assert!(error.contains(&second.id) && error.contains(&demo.id), "{error}");
    assert!(list(&dir.path().join("nowhere")).unwrap().snapshots.is_empty());
}

#[test]
fn a_failed_photo_is_named_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), spec()).unwrap();
    let given = rows("demo/anna", 4);
    let bad = given.photos[2].sha256;
    let result = writer.add_identity(given, |row| match row.sha256 == bad {
        true => Err("the blob is gone"),
        false => Ok(prepare(row).unwrap()),
    });
    let error = result.unwrap_err().to_string();
    assert!(
        error.contains(&bad.to_string()) && error.contains("demo/anna") && error.contains("the blob is gone")
    );
    let short = |row: &_| prepare(row).map(|tensors| PreparedTensors { weighted: vec![0; 5], ..tensors });
    let error = writer.add_identity(rows("demo/berta", 1), short).unwrap_err();
    assert!(matches!(error, WriteError::TensorSize { weighted: 5, .. }), "{error}");
    drop(writer);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_person_whose_photo_failed_can_be_added_again_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), spec()).unwrap();
    let mut given = rows("demo/anna", 3);
    writer.add_identity(given.clone(), |_| Err::<PreparedTensors, _>("no luck")).unwrap_err();
    given.photos.pop();
    writer.add_identity(given.clone(), prepare).unwrap();
    let other = tempfile::tempdir().unwrap();
    assert_eq!(writer.finish(1).unwrap().id, write(other.path(), spec(), vec![given], 1).id);
}

#[test]
fn what_a_crash_left_is_removed_and_what_another_writer_has_open_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let crashed = dir.path().join(".tmp-demo-1-0");
    fs::create_dir(&crashed).unwrap();
    fs::write(crashed.join("photos.parquet"), "half").unwrap();

    let mut first = Writer::create(dir.path(), spec()).unwrap();
    assert!(!crashed.exists());
    let mut second = Writer::create(dir.path(), spec()).unwrap();
    first.add_identity(rows("demo/anna", 2), prepare).unwrap();
    second.add_identity(rows("demo/anna", 2), prepare).unwrap();
    let first = first.finish(1).unwrap();
    assert_eq!(second.finish(2).unwrap(), first);
    verify(&first.path).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn bad_names_and_doubles_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", "../up", ".tmp-x", "a/b"] {
        let error = Writer::create(dir.path(), SnapshotSpec { name: name.into(), ..spec() }).unwrap_err();
        assert!(matches!(error, WriteError::Name(_)), "{name}");
    }
    let mut writer = Writer::create(dir.path(), spec()).unwrap();
    writer.add_identity(rows("demo/anna", 1), prepare).unwrap();
    let error = writer.add_identity(rows("demo/anna", 1), prepare).unwrap_err();
    assert!(matches!(error, WriteError::IdentityTwice(name) if name == "demo/anna"));
    let mut twice = rows("demo/berta", 2);
    twice.photos[1].sha256 = twice.photos[0].sha256;
    let error = writer.add_identity(twice, prepare).unwrap_err();
    assert!(matches!(error, WriteError::PhotoTwice { identity, .. } if identity == "demo/berta"));
}

#[test]
fn a_snapshot_without_any_photo_is_one_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let empty = write(dir.path(), spec(), vec![], 1);
    verify(&empty.path).unwrap();
    assert!(Snapshot::open(&empty.path).unwrap().photos().is_empty());
}

#[test]
fn the_report_stands_alone_and_quotes_what_came_from_the_web() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let report = fs::read_to_string(snapshot.join("report.html")).unwrap();
    assert!(report.contains("&lt;demo/anna-berg&gt; &quot;in&quot; the park &amp; 0"));
    assert!(!report.contains("<demo/"));
    assert_eq!(report.matches("<img ").count(), 2 * 9, "each photo, plain and weighted");
    assert_eq!(report.matches("src=\"data:image/jpeg;base64,").count(), 2 * 9);
    assert!(!report.contains("src=\"http") && !report.contains("<script") && !report.contains("<link"));
}

#[test]
fn croissant_describes_every_column_and_names_the_digests_of_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = write(dir.path(), spec(), identities(), 1).path;
    let page = fs::read(snapshot.join("croissant.json")).unwrap();
    let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
    let sets = page["recordSet"].as_array().unwrap();
    let fields = sets.iter().find(|set| set["@id"] == "photos").unwrap()["field"].as_array().unwrap();
    let columns: Vec<_> =
        fields.iter().map(|field| field["source"]["extract"]["column"].as_str().unwrap()).collect();
    for column in
        ["identity", "split", "sha256", "joints", "affine", "shard", "row", "watermark", "perceptual_hash"]
    {
        assert!(columns.contains(&column), "{column}");
    }
    let digest = Digest::of(fs::read(snapshot.join("photos.parquet")).unwrap());
    assert_eq!(page["distribution"][0]["sha256"], digest.to_string());
}
