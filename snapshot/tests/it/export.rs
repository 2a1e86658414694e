//! Exports hold what the snapshot holds, nothing that must not leave, and the same bytes however they came to
//! be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageDecoder, ImageReader};
use photo::Digest;
use serde_json::Value;
use snapshot::export::journal::JOURNAL;
use snapshot::export::spec::PART_BYTES;
use snapshot::export::{
    EXPORT, ExportError, ExportManifest, ExportSpec, Exported, Format, PixelSource, export,
};
use snapshot::{Pixels, Snapshot, withdraw};

use crate::common::contents;
use crate::common::photos::{Gallery, SECRETS, profile};

const FORMATS: [Format; 5] =
    [Format::Webdataset, Format::Imagefolder, Format::Parquet, Format::Kohya, Format::IpAdapter];

fn spec(format: Format, pixels: PixelSource) -> ExportSpec {
    ExportSpec { format, pixels, part_bytes: PART_BYTES, repeats: None }
}

/// Tar and Parquet files of a few photos each.
fn small_parts(format: Format) -> ExportSpec {
    ExportSpec { part_bytes: 40_000, ..spec(format, PixelSource::Photo) }
}

fn written(gallery: &Gallery, spec: &ExportSpec, out: &Path) -> Result<Exported, ExportError> {
    export(&gallery.snapshot, &|sha256| gallery.original(sha256), spec, out, || Ok(()), &|_| ())
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Name, bytes, and the header's user, group and time.
type TarEntry = (String, Vec<u8>, (u64, u64, u64));

/// The entries of all tar files of an export.
fn tar_entries(out: &Path) -> Vec<TarEntry> {
    let mut entries = Vec::new();
    for (name, bytes) in contents(out).into_iter().filter(|(name, _)| name.ends_with(".tar")) {
        let mut archive = tar::Archive::new(Cursor::new(bytes));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = format!("{name}/{}", entry.path().unwrap().display());
            let header = entry.header();
            let told = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            entries.push((path, bytes, told));
        }
    }
    entries
}

fn side(photo: &snapshot::KeptPhoto) -> &'static str {
    if photo.held_out { "held_out" } else { photo.split.name() }
}

fn stem(photo: &snapshot::KeptPhoto) -> String {
    Path::new(&photo.shard).file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_format_holds_every_photo_and_lists_every_file_with_its_digest() {
    let gallery = Gallery::new();
    for format in FORMATS {
        let out = gallery.path().join(format.name());
        let exported = written(&gallery, &spec(format, PixelSource::Photo), &out).unwrap();
        assert_eq!((exported.manifest.photos, exported.kept), (42, 0), "{format:?}");
        let files = contents(&out);
        assert_eq!(exported.digest, Digest::of(&files[EXPORT]));
        assert_eq!(ExportManifest::read(&out).unwrap(), (exported.manifest.clone(), exported.digest));
        let listed: BTreeMap<_, _> =
            exported.manifest.files().map(|file| (file.path.clone(), (file.bytes, file.sha256))).collect();
        let there: BTreeMap<_, _> = files
            .iter()
            .filter(|(name, _)| *name != EXPORT)
            .map(|(name, bytes)| (name.clone(), (bytes.len() as u64, Digest::of(bytes))))
            .collect();
        assert_eq!(listed, there, "{format:?}");
    }
    let photos = gallery.snapshot.photos();
    let splits: BTreeSet<_> = photos.iter().map(side).collect();
    assert_eq!(
        splits,
        BTreeSet::from(["held_out", "test", "train", "validation"]),
        "the gallery has all of them"
    );

    let of = |format: Format| contents(&gallery.path().join(format.name()));
    let kohya = of(Format::Kohya);
    let folder = of(Format::Imagefolder);
    let adapter = of(Format::IpAdapter);
    let is_there = |files: &BTreeMap<String, Vec<u8>>, path: &str| {
        ["jpg", "png", "webp"].iter().filter(|ending| files.contains_key(&format!("{path}.{ending}"))).count()
            == 1
    };
    for photo in photos {
        let (side, stem, row) = (side(photo), stem(photo), photo.row);
        assert!(is_there(&folder, &format!("{side}/{stem}/{row:05}")), "{side}/{stem}/{row:05}");
        assert!(is_there(&adapter, &format!("images/{stem}/{row:05}")), "{stem}/{row:05}");
        assert!(is_there(&kohya, &format!("{side}/1_{stem}/{row:05}")), "{stem}/{row:05}");
        let caption = kohya.get(&format!("{side}/1_{stem}/{row:05}.txt"));
        let expected = photo.facts.caption.as_ref().map(|text| text.replace("\n ", " ").into_bytes());
        assert_eq!(caption, expected.as_ref(), "one line, or no file");
    }
    let rows: Vec<Value> = std::str::from_utf8(&folder["train/metadata.jsonl"])
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), photos.iter().filter(|photo| side(photo) == "train").count());
    for row in rows {
        assert!(folder.contains_key(&format!("train/{}", row["file_name"].as_str().unwrap())), "{row}");
    }
    let list: Vec<Value> = serde_json::from_slice(&adapter["test.json"]).unwrap();
    assert!(list.iter().all(|item| item["text"].is_string()
        && adapter.contains_key(&format!("images/{}", item["image_file"].as_str().unwrap()))));
    assert!(
        folder.contains_key("README.md") && of(Format::Parquet).contains_key("data/held_out-00000.parquet")
    );
}

#[test]
fn no_metadata_leaves_and_every_pixel_stays() {
    let gallery = Gallery::new();
    let out = gallery.path().join("out");
    written(&gallery, &spec(Format::Imagefolder, PixelSource::Photo), &out).unwrap();
    let files = contents(&out);
    let originals = contents(&gallery.path().join("blobs"));
    for secret in SECRETS {
        assert!(originals.values().any(|bytes| has(bytes, secret)), "{secret:?} is in a photo");
    }
    let mut kinds = BTreeSet::new();
    for photo in gallery.snapshot.photos() {
        let path = format!("{}/{}/{:05}", side(photo), stem(photo), photo.row);
        let (name, bytes) = files.range(path.clone()..).next().unwrap();
        assert!(name.starts_with(&path));
        for secret in SECRETS {
            assert!(!has(bytes, secret), "{name} holds {secret:?}");
        }
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap();
        let format = reader.format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        assert_eq!(decoder.exif_metadata().unwrap(), None, "{name}");
        let original = fs::read(gallery.original(photo.facts.sha256)).unwrap();
        let had_profile = !original.starts_with(b"BM");
        assert_eq!(decoder.icc_profile().unwrap(), had_profile.then(profile), "{name}");
        assert_eq!(decoder.dimensions(), (photo.facts.width, photo.facts.height), "{name}");
        let image = DynamicImage::from_decoder(decoder).unwrap();
        assert_eq!(image, gallery.upright(photo.facts.sha256), "{name}");
        let was = image::guess_format(&original).unwrap();
        kinds.insert((format!("{was:?}"), format!("{format:?}")));
    }
    let kinds: Vec<(&str, &str)> = kinds.iter().map(|(was, is)| (was.as_str(), is.as_str())).collect();
    let expected = [
        ("Bmp", "Png"),
        ("Jpeg", "Jpeg"),
        ("Jpeg", "Png"),
        ("Png", "Png"),
        ("WebP", "Png"),
        ("WebP", "WebP"),
    ];
    assert_eq!(kinds, expected, "what is turned, and what trainers do not read, becomes PNG");
}

#[test]
fn addresses_leave_without_what_is_secret_in_them() {
    let gallery = Gallery::new();
    for format in FORMATS {
        let out = gallery.path().join(format.name());
        written(&gallery, &spec(format, PixelSource::Image), &out).unwrap();
        for (name, bytes) in contents(&out) {
            assert!(!has(&bytes, "S3CRET-PASS"), "{format:?}: {name}");
        }
    }
    let rows = fs::read_to_string(gallery.path().join("imagefolder/train/metadata.jsonl")).unwrap();
    assert!(rows.contains("http://gallery.test/") && rows.contains("token=***"), "{rows}");
}

#[test]
fn one_thread_and_two_write_the_same_bytes() {
    let gallery = Gallery::new();
    for format in FORMATS {
        let outs = [1, 2].map(|threads| {
            let out = gallery.path().join(format!("{}-{threads}", format.name()));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| written(&gallery, &small_parts(format), &out)).unwrap();
            contents(&out)
        });
        assert!(outs[0] == outs[1], "{format:?}");
        if matches!(format, Format::Webdataset | Format::Parquet) {
            assert!(outs[0].len() > 6, "{format:?}: several parts, {:?}", outs[0].keys());
        }
    }
}

#[test]
fn a_tar_file_ends_before_its_bound_and_tells_neither_user_nor_time() {
    let gallery = Gallery::new();
    let out = gallery.path().join("out");
    written(&gallery, &small_parts(Format::Webdataset), &out).unwrap();
    let tars = contents(&out).into_iter().filter(|(name, _)| name.ends_with(".tar"));
    for (name, bytes) in tars {
        assert!(bytes.len() <= 40_000, "{name}: {}", bytes.len());
    }
    let entries = tar_entries(&out);
    assert!(entries.iter().all(|(.., told)| *told == (0, 0, 0)));
    let mut keys = BTreeSet::new();
    for photo in gallery.snapshot.photos() {
        let key = format!("{}-{:05}", stem(photo), photo.row);
        let of_key: Vec<_> = entries.iter().filter(|(path, ..)| path.contains(&format!("/{key}."))).collect();
        assert_eq!(of_key.len(), if photo.facts.caption.is_some() { 3 } else { 2 }, "{key}");
        assert!(of_key.iter().all(|(path, ..)| path.starts_with(side(photo))), "{key} is on its side");
        let json = of_key.iter().find(|(path, ..)| path.ends_with(".json")).unwrap();
        let facts: Value = serde_json::from_slice(&json.1).unwrap();
        assert_eq!(facts["identity"], photo.identity);
        assert_eq!(facts["joints"][16][1].as_f64().unwrap() as f32, photo.facts.joints_in_photo.0[16].y);
        keys.insert(key);
    }
    assert_eq!(keys.len(), 42);
}

#[test]
fn tensors_leave_as_the_snapshot_has_them_with_joints_and_box_in_their_pixels() {
    let gallery = Gallery::new();
    for (source, pixels) in [(PixelSource::Image, Pixels::Image), (PixelSource::Weighted, Pixels::Weighted)] {
        let out = gallery.path().join(source.name());
        // No file of a photo is asked for.
        let none = |_| PathBuf::from("/nowhere");
        let begun = || Ok::<(), ExportError>(());
        export(&gallery.snapshot, &none, &spec(Format::Webdataset, source), &out, begun, &|_| ()).unwrap();
        let entries = tar_entries(&out);
        for photo in gallery.snapshot.photos() {
            let key = format!("/{}-{:05}", stem(photo), photo.row);
            let bytes = |ending: &str| {
                &entries.iter().find(|(path, ..)| path.ends_with(&format!("{key}.{ending}"))).unwrap().1
            };
            let image = image::load_from_memory(bytes("png")).unwrap().into_rgb8();
            let mut planes = vec![0; 3 * 16 * 16];
            gallery
                .snapshot
                .shard(photo)
                .unwrap()
                .read_pixels(pixels, photo.row as usize, &mut planes)
                .unwrap();
            for (i, pixel) in image.pixels().enumerate() {
                assert_eq!(pixel.0, [planes[i], planes[256 + i], planes[512 + i]]);
            }
            let facts: Value = serde_json::from_slice(bytes("json")).unwrap();
            let number = |value: &Value| value.as_f64().unwrap() as f32;
            let joint = photo.facts.joints.0[3];
            assert_eq!(
                [0, 1, 2].map(|i| number(&facts["joints"][3][i])),
                [joint.x, joint.y, joint.confidence]
            );
            let left = photo.facts.affine.apply(photo.facts.person_box.x0.into(), 0.0).0 as f32;
            assert_eq!((number(&facts["person_box"][0]), &facts["width"]), (left, &16.into()));
        }
    }
}

#[test]
fn a_stopped_export_goes_on_and_ends_with_the_bytes_of_one_that_was_not_stopped() {
    let gallery = Gallery::new();
    for format in [Format::Webdataset, Format::Parquet, Format::Imagefolder] {
        let (out, whole) = (gallery.path().join(format.name()), gallery.path().join("whole"));
        written(&gallery, &small_parts(format), &whole).unwrap();
        let last = gallery.snapshot.photos().iter().filter(|photo| side(photo) == "validation");
        let lost = gallery.original(last.map(|photo| photo.facts.sha256).max().unwrap());
        let aside = gallery.path().join("aside");
        let done = AtomicUsize::new(0);
        // One of the last photos disappears when the first is written: one thread, so that it is not yet
        // read.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let stopped = pool.install(|| {
            let progress = |_| {
                if done.fetch_add(1, Ordering::Relaxed) == 0 {
                    fs::rename(&lost, &aside).unwrap();
                }
            };
            let original = |sha256| gallery.original(sha256);
            let begun = || Ok::<(), ExportError>(());
            export(&gallery.snapshot, &original, &small_parts(format), &out, begun, &progress)
        });
        let error = stopped.unwrap_err().to_string();
        assert!(error.contains(lost.to_str().unwrap()), "{error}");
        assert!(!out.join(EXPORT).exists() && out.join(JOURNAL).exists());
        fs::rename(&aside, &lost).unwrap();
        // What a kill leaves of the line that it cuts; of the part that it interrupts, the stop has left
        // something.
        let mut journal = fs::read(out.join(JOURNAL)).unwrap();
        let noted = journal.iter().filter(|&&byte| byte == b'\n').count() - 1;
        journal.extend(b"{\"photos\":3,\"fi");
        fs::write(out.join(JOURNAL), journal).unwrap();

        let exported = written(&gallery, &small_parts(format), &out).unwrap();
        assert!(
            noted > 0 && exported.kept > 0 && exported.kept < 42,
            "{format:?}: {noted}, {}",
            exported.kept
        );
        assert!(contents(&out) == contents(&whole), "{format:?}");
        fs::remove_dir_all(&whole).unwrap();
    }
}

#[test]
fn a_part_that_was_damaged_is_written_again_and_the_others_are_kept() {
    let gallery = Gallery::new();
    let out = gallery.path().join("out");
    written(&gallery, &small_parts(Format::Webdataset), &out).unwrap();
    let before = contents(&out);
    let again = written(&gallery, &small_parts(Format::Webdataset), &out).unwrap();
    assert_eq!(again.kept, 42, "what is whole is kept");
    let mut bytes = before["train-000001.tar"].clone();
    bytes[600] ^= 1;
    fs::write(out.join("train-000001.tar"), bytes).unwrap();
    fs::remove_file(out.join("test-000000.tar")).unwrap();
    let repaired = written(&gallery, &small_parts(Format::Webdataset), &out).unwrap();
    assert!((1..42).contains(&repaired.kept), "{}", repaired.kept);
    assert!(contents(&out) == before);
}

#[test]
fn what_cannot_be_exported_is_refused_by_name_and_nothing_is_overwritten() {
    let gallery = Gallery::new();
    let photo = spec(Format::Imagefolder, PixelSource::Photo);
    let refused = |spec: &ExportSpec, out: &Path, named: &str| {
        let before = contents(gallery.path());
        let error = written(&gallery, spec, out).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains(out.to_str().unwrap()), "{error}");
        assert!(contents(gallery.path()) == before);
    };
    let other = gallery.path().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("thesis.tex"), "years of work").unwrap();
    refused(&photo, &other, "thesis.tex");
    refused(&photo, &gallery.snapshot.path().join("export"), "lies in the snapshot");
    let link = gallery.path().join("link");
    std::os::unix::fs::symlink(gallery.snapshot.path(), &link).unwrap();
    refused(&photo, &link.join("export"), "lies in the snapshot");
    fs::remove_file(&link).unwrap();
    let out = gallery.path().join("out");
    written(&gallery, &photo, &out).unwrap();
    refused(&spec(Format::Kohya, PixelSource::Photo), &out, "imagefolder of pixels `photo`");
    refused(&spec(Format::Imagefolder, PixelSource::Image), &out, "another export");

    let sha256 = gallery.snapshot.photos()[5].facts.sha256;
    let file = gallery.original(sha256);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let error = written(&gallery, &photo, &gallery.path().join("new")).unwrap_err();
    assert!(matches!(&error, ExportError::DamagedPhoto { path } if *path == file), "{error}");
    fs::remove_file(&file).unwrap();
    let error = written(&gallery, &photo, &gallery.path().join("newer")).unwrap_err();
    assert!(
        matches!(&error, ExportError::MissingPhotos { missing: 1, photos: 42, first } if *first == sha256),
        "{error}"
    );
    assert!(error.to_string().contains("--pixels image"), "{error}");
}

#[test]
fn a_pixel_that_changed_on_the_disk_does_not_leave() {
    let gallery = Gallery::new();
    let shard = gallery.snapshot.path().join(&gallery.snapshot.photos()[0].shard);
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let out = gallery.path().join("out");
    let error = written(&gallery, &spec(Format::Webdataset, PixelSource::Image), &out).unwrap_err();
    assert!(error.to_string().contains(shard.to_str().unwrap()), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_withdrawn_snapshot_is_refused() {
    let gallery = Gallery::new();
    let snapshots = gallery.path().join("snapshots");
    withdraw(&snapshots, |mention| mention.identity == "demo/carl", "asked", 1).unwrap();
    let error = Snapshot::open(gallery.snapshot.path()).unwrap_err().to_string();
    assert!(error.contains("withdrawn"), "{error}");
}
