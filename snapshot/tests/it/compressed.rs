//! Snapshots whose shards are compressed: the same tensors, bytes that nothing moves, and damage that is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{contents, identities, prepare, rows, spec, write};
use photo::Digest;
use snapshot::export::{ExportError, ExportSpec, Format, PixelSource, export};
use snapshot::{
    Error, IdentityRows, PhotoRow, Pixels, PreparedTensors, Shard, Snapshot, SnapshotSpec, WriteError,
    Writer, diff, verify,
};

fn compressed() -> SnapshotSpec {
    let mut spec = spec();
    spec.prepare["compression"] = "zstd".into();
    spec
}

/// The plain snapshot and the compressed one of the same photos, in a folder.
fn both(dir: &Path) -> [Snapshot; 2] {
    [spec(), compressed()].map(|spec| Snapshot::open(&write(dir, spec, identities(), 7).path).unwrap())
}

fn read(shard: &Shard, pixels: Pixels, row: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; 3 * shard.size_px().pow(2)];
    shard.read_pixels(pixels, row, &mut bytes).map(|()| bytes)
}

/// A shard of three photos, where it is, and its bytes.
fn shard(dir: &Path) -> (PathBuf, Vec<u8>) {
    let written = write(dir, compressed(), vec![rows("demo/carl", 3)], 7);
    let path = written.path.join("shards/demo__carl.safetensors.zst");
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn a_compressed_snapshot_holds_the_tensors_and_rows_of_the_plain_one() {
    let dir = tempfile::tempdir().unwrap();
    let [plain, small] = both(dir.path());
    assert_ne!(plain.id(), small.id(), "the id stands for the bytes as they are stored");
    assert_eq!(plain.photos().len(), small.photos().len());
    for (a, b) in plain.photos().iter().zip(small.photos()) {
        assert_eq!((&a.facts, &a.identity, a.row), (&b.facts, &b.identity, b.row));
        assert_eq!(format!("{}.zst", a.shard), b.shard);
        let shards = [plain.shard(a).unwrap(), small.shard(b).unwrap()];
        for pixels in [Pixels::Image, Pixels::Weighted] {
            let [a, b] = shards.each_ref().map(|shard| read(shard, pixels, b.row as usize).unwrap());
            assert_eq!(a, b);
        }
        assert_eq!(shards[1].read_joints(b.row as usize).unwrap(), a.facts.joints);
        let [whole, frames] = [plain.path().join(&a.shard), small.path().join(&b.shard)];
        let frames = fs::File::open(frames).unwrap();
        assert_eq!(zstd::decode_all(frames).unwrap(), fs::read(whole).unwrap(), "what `zstd -d` makes");
    }
    verify(small.path()).unwrap();
    let changes = diff(&plain, &small).unwrap();
    let keys: Vec<&str> = changes.settings.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["prepare.compression"]);
    let pages = ["README.md", "croissant.json"];
    let [card, croissant] = pages.map(|page| fs::read_to_string(small.path().join(page)).unwrap());
    assert!(card.contains("shards/*.safetensors.zst") && card.contains("`zstandard`"), "{card}");
    assert!(!card.contains("safe_open"), "{card}");
    assert!(croissant.contains("\"shards/*.safetensors.zst\"") && croissant.contains("application/zstd"));
}

#[test]
fn no_compression_gives_the_same_shards_and_pages_whether_it_is_asked_for_or_not() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut asked = compressed();
    asked.prepare["compression"] = "none".into();
    let [silent, asked] = [(spec(), &dirs[0]), (asked, &dirs[1])]
        .map(|(spec, dir)| write(dir.path(), spec, identities(), 7).path);
    for file in ["shards/demo__carl.safetensors", "README.md", "croissant.json", "photos.parquet"] {
        assert!(fs::read(silent.join(file)).unwrap() == fs::read(asked.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_compression_that_there_is_not_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec();
    spec.prepare["compression"] = "gzip".into();
    let error = Writer::create(dir.path(), spec).unwrap_err().to_string();
    assert!(error.contains("prepare.compression") && error.contains("gzip"), "{error}");
    let mut large = compressed();
    large.size_px = 8193;
    let mut writer = Writer::create(dir.path(), large).unwrap();
    let error = writer.add_identity(rows("demo/carl", 1), prepare).unwrap_err().to_string();
    assert!(error.contains("8193×8193 px, compressed ones at most 8192"), "{error}");
    drop(writer);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Prepares the first photos last, so that on several threads frames come in another order.
fn slow_at_first(row: &PhotoRow) -> Result<PreparedTensors, std::io::Error> {
    let delay = 255 - row.sha256.as_bytes()[0];
    std::thread::sleep(Duration::from_micros(u64::from(delay) * 40));
    prepare(row)
}

#[test]
fn neither_threads_nor_the_order_of_photos_moves_a_byte() {
    let written = [1, 2, 8].map(|threads| {
        let dir = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let path = pool.install(|| {
            let mut people = identities();
            people.rotate_left(threads % 3);
            let mut writer = Writer::create(dir.path(), compressed()).unwrap();
            for mut rows in people {
                if threads == 1 {
                    rows.photos.reverse();
                }
                writer.add_identity(rows, slow_at_first).unwrap();
            }
            writer.finish(7).unwrap().path
        });
        (path.file_name().unwrap().to_owned(), contents(&path))
    });
    assert!(written[0] == written[1] && written[0] == written[2]);
    assert!(written[0].1.contains_key("shards/demo__Жанна.safetensors.zst"));
}

#[test]
fn what_was_interrupted_and_written_again_has_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let done = AtomicUsize::new(0);
    let interrupted = |row: &PhotoRow| match done.fetch_add(1, Ordering::Relaxed) {
        0..3 => prepare(row),
        _ => Err(std::io::Error::other("no luck")),
    };
    let mut writer = Writer::create(dir.path(), compressed()).unwrap();
    let first = identities().swap_remove(0);
    let error = writer.add_identity(first, interrupted).unwrap_err();
    assert!(matches!(error, WriteError::Prepare { .. }), "{error}");
    for rows in identities() {
        writer.add_identity(rows, prepare).unwrap();
    }
    let again = writer.finish(7).unwrap();
    let other = tempfile::tempdir().unwrap();
    let at_once = write(other.path(), compressed(), identities(), 7);
    assert_eq!(again.id, at_once.id);
    assert!(contents(&again.path) == contents(&at_once.path), "and nothing else lies in its folder");
}

#[test]
fn no_changed_byte_of_a_shard_becomes_another_pixel() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = shard(dir.path());
    let whole = Shard::open(&path).unwrap();
    let tensors = [Pixels::Image, Pixels::Weighted];
    let places = tensors.map(|pixels| [0, 1, 2].map(|row| (pixels, row)));
    let expected = places.map(|of| of.map(|(pixels, row)| read(&whole, pixels, row).unwrap()));
    let mut damaged = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0xFF;
        fs::write(&path, changed).unwrap();
        let found = match Shard::open(&path) {
            Ok(found) => found,
            Err(error) => {
                assert!(error.to_string().contains("demo__carl.safetensors.zst"), "byte {at}: {error}");
                continue;
            }
        };
        for (places, expected) in places.iter().zip(&expected) {
            for ((pixels, row), expected) in places.iter().zip(expected) {
                match read(&found, *pixels, *row) {
                    Ok(read) => assert!(read == *expected, "byte {at} changes {} {row}", pixels.name()),
                    Err(error) => {
                        damaged += 1;
                        let part = format!("the {} tensor of row {row} is damaged", pixels.name());
                        let said = error.to_string();
                        assert!(said.contains(&part) && said.contains("demo__carl"), "byte {at}: {said}");
                    }
                }
            }
        }
    }
    assert!(damaged > bytes.len() / 2, "most bytes are those of photos; {damaged} readings failed");
}

#[test]
fn a_shard_that_was_cut_off_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = shard(dir.path());
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = Shard::open(&path).unwrap_err().to_string();
        assert!(error.contains("demo__carl.safetensors.zst is not a shard"), "{length}: {error}");
    }
    assert!(verify(path.ancestors().nth(2).unwrap()).is_err());
}

/// The shard with other lengths in its table.
fn with_lengths(bytes: &[u8], change: impl Fn(usize, &mut [u32; 2])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let footer = bytes.len() - 9;
    let count = u32::from_le_bytes(bytes[footer..footer + 4].try_into().unwrap()) as usize;
    let entries = bytes[footer - 8 * count..footer].as_chunks_mut::<8>().0;
    for (index, entry) in entries.iter_mut().enumerate() {
        let mut lengths = [&entry[..4], &entry[4..]].map(|half| u32::from_le_bytes(half.try_into().unwrap()));
        change(index, &mut lengths);
        entry.copy_from_slice(lengths.map(u32::to_le_bytes).as_flattened());
    }
    bytes
}

/// A shard of these frames: what each holds.
fn framed(frames: &[&[u8]]) -> Vec<u8> {
    let mut lengths: Vec<u8> = Vec::new();
    let mut bytes = Vec::new();
    for frame in frames {
        let small = zstd::bulk::compress(frame, 3).unwrap();
        lengths.extend([small.len() as u32, frame.len() as u32].map(u32::to_le_bytes).as_flattened());
        bytes.extend(small);
    }
    bytes.extend([0x184D_2A5E, lengths.len() as u32 + 9].map(u32::to_le_bytes).as_flattened());
    bytes.extend(lengths);
    bytes.extend((frames.len() as u32).to_le_bytes());
    bytes.push(0);
    bytes.extend(0x8F92_EAB1_u32.to_le_bytes());
    bytes
}

#[test]
fn lengths_that_are_not_those_of_the_header_are_refused_before_they_are_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = shard(dir.path());
    let refused = |bytes: Vec<u8>, expected: &str| {
        fs::write(&path, bytes).unwrap();
        let error = Shard::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected} is not in: {error}");
    };
    let photo = with_lengths(&bytes, |index, lengths| {
        if index == 4 {
            lengths[1] = u32::MAX;
        }
    });
    refused(photo, "frame 4 is to become 4294967295 bytes, the header asks for 768");
    let header = with_lengths(&bytes, |index, lengths| {
        if index == 0 {
            lengths[1] = u32::MAX;
        }
    });
    refused(header, "its header claims 4294967295 bytes");
    // A frame that reaches into the next one.
    let compressed = with_lengths(&bytes, |index, lengths| match index {
        4 => lengths[0] += 1,
        5 => lengths[0] -= 1,
        _ => {}
    });
    fs::write(&path, compressed).unwrap();
    let error = read(&Shard::open(&path).unwrap(), Pixels::Image, 2).unwrap_err().to_string();
    assert!(error.contains("the image tensor of row 2 is damaged"), "{error}");
    let mut count = bytes.clone();
    let footer = count.len() - 9;
    count[footer..footer + 4].fill(0xFF);
    refused(count, "claims 4294967295 frames");

    // Headers of a few bytes that ask for a terabyte.
    let header = |photos: u64, size: u64| {
        let (joints, image) = (photos * 17 * 12, photos * 3 * size * size);
        let confidence = joints + photos * 17 * 4;
        let mut json = format!(
            "{{\"joints\":{{\"data_offsets\":[0,{joints}],\"dtype\":\"F32\",\"shape\":[{photos},17,3]}},\
             \"confidence\":{{\"data_offsets\":[{joints},{confidence}],\"dtype\":\"F32\",\"shape\":[{photos},17]}},\
             \"image\":{{\"data_offsets\":[{confidence},{}],\"dtype\":\"U8\",\"shape\":[{photos},3,{size},{size}]}}}}",
            confidence + image
        );
        json.push_str(&" ".repeat(json.len().next_multiple_of(8) - json.len()));
        [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat()
    };
    refused(framed(&[&header(1, 65536), &[0; 272]]), "65536×65536 px, compressed ones at most 8192");
    refused(framed(&[&header(1 << 24, 16), &[0; 272]]), "16777216 photos are too many");
    refused(framed(&[&header(1 << 20, 8192), &[0; 272]]), "it has 2 frames, its header asks for 1048578");
    refused(framed(&[&header(1, 16), &[0; 272], &[0; 767]]), "frame 2 is to become 767 bytes");
    fs::write(&path, framed(&[&header(1, 16), &[0; 272], &[9; 768]])).unwrap();
    assert_eq!(read(&Shard::open(&path).unwrap(), Pixels::Image, 0).unwrap(), [9; 768], "and none is taken");

    // A frame that holds more than its table and its header say.
    let mut more = framed(&[&header(1, 16), &[0; 272], &[0; 1 << 20]]);
    more = with_lengths(&more, |index, lengths| {
        if index == 2 {
            lengths[1] = 768;
        }
    });
    fs::write(&path, more).unwrap();
    let error = read(&Shard::open(&path).unwrap(), Pixels::Image, 0).unwrap_err();
    assert!(matches!(error, Error::Frame { .. }), "{error}");
}

#[test]
fn a_shard_of_another_size_than_the_manifest_says_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [_, small] = both(dir.path());
    let other = SnapshotSpec { size_px: 8, ..compressed() };
    let mut writer = Writer::create(&dir.path().join("other"), other).unwrap();
    let tiny = |_: &PhotoRow| Ok::<_, Error>(PreparedTensors { image: vec![1; 192], weighted: vec![2; 192] });
    writer.add_identity(rows("demo/carl", 3), tiny).unwrap();
    let other = Snapshot::open(&writer.finish(7).unwrap().path).unwrap();
    let photo = small.photos().iter().find(|photo| photo.identity == "demo/carl").unwrap();
    fs::copy(other.path().join(&photo.shard), small.path().join(&photo.shard)).unwrap();
    let error = small.shard(photo).unwrap_err().to_string();
    assert!(error.contains("its images have 8 px, the manifest says 16"), "{error}");
}

#[test]
fn exports_of_the_tensors_are_the_same_files_from_either_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    // A name with a dot, which stands in names of exports.
    let named = || -> Vec<IdentityRows> { identities().into_iter().chain([rows("demo/v1.2", 2)]).collect() };
    let exported = [spec(), compressed()].map(|spec| {
        let snapshot = Snapshot::open(&write(dir.path(), spec, named(), 7).path).unwrap();
        [Format::Webdataset, Format::Imagefolder].map(|format| {
            let out = dir.path().join(format!("{}-{}", snapshot.id(), format.name()));
            let spec =
                ExportSpec { format, pixels: PixelSource::Weighted, part_bytes: 1 << 20, repeats: None };
            let original = |sha256: Digest| dir.path().join(sha256.to_string());
            export(&snapshot, &original, &spec, &out, || Ok::<(), ExportError>(()), &|_| ()).unwrap();
            let mut files = contents(&out);
            // The manifest and the card of an export name the snapshot that it comes from.
            files.retain(|name, _| {
                name.ends_with(".tar") || name.ends_with(".png") || name.ends_with(".jsonl")
            });
            assert!(!files.is_empty());
            files
        })
    });
    assert!(exported[0] == exported[1]);
}
