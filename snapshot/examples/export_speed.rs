//! How long an export to tar files takes, beside `tar` packing the same photos as they lie there; and the
//! memory it takes.
//!
//!     cargo run --release -p snapshot --example export_speed -- 5000 [FOLDER]
//!
//! The photos are twenty pictures of 1000×1400 px, each copy with a comment of its own, so that all are
//! different files. The export reads and checks each, leaves the comments out, packs, and hashes what it
//! wrote; `tar` reads and packs.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use photo::{Affine, BoundingBox, Digest, Joints, Rules};
use snapshot::export::spec::PART_BYTES;
use snapshot::export::{ExportError, ExportSpec, Format, PixelSource, export};
use snapshot::{IdentityRows, PhotoRow, PreparedTensors, Scores, Snapshot, SnapshotSpec, Writer};

/// The tensors are not exported here, and as small as they can be.
const SIZE_PX: u32 = 2;
const PHOTOS_PER_PERSON: usize = 100;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(5000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("export_speed"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let blobs = folder.join("blobs");
    let (snapshot, bytes) = photos(&folder, &blobs, count)?;
    let mb = bytes as f64 / 1e6;
    println!("{count} photos, {mb:.0} MB, {} threads", rayon::current_num_threads());

    let plain = folder.join("plain.tar");
    // Twice: the first one reads the files into the system's cache, as writing them may not have left all
    // there.
    let mut tar_s = 0.0;
    for _ in 0..2 {
        let started = Instant::now();
        let status =
            Command::new("tar").arg("-cf").arg(&plain).arg("-C").arg(&folder).arg("blobs").status()?;
        fs::File::open(&plain)?.sync_all()?;
        tar_s = started.elapsed().as_secs_f64();
        assert!(status.success(), "tar failed");
        fs::remove_file(&plain)?;
    }
    println!("tar                {tar_s:7.1} s  {:6.0} photos/s", count as f64 / tar_s);

    let out = folder.join("out");
    let spec = ExportSpec {
        format: Format::Webdataset,
        pixels: PixelSource::Photo,
        part_bytes: PART_BYTES,
        repeats: None,
    };
    let original = |sha256| path(&blobs, sha256);
    let started = Instant::now();
    let begun = || Ok::<(), ExportError>(());
    let exported = export(&snapshot, &original, &spec, &out, begun, &|_| ())?;
    let export_s = started.elapsed().as_secs_f64();
    assert_eq!(exported.manifest.photos, count);
    println!(
        "export, webdataset {export_s:7.1} s  {:6.0} photos/s  {:.2} of the time of tar  peak {} MB",
        count as f64 / export_s,
        export_s / tar_s,
        peak_mb()?
    );
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Writes the photos and a snapshot of them; gives their length.
fn photos(folder: &Path, blobs: &Path, count: usize) -> Result<(Snapshot, u64)> {
    let pictures: Vec<Vec<u8>> = (0..20).map(picture).collect::<Result<_>>()?;
    let mut bytes = 0;
    let spec = SnapshotSpec {
        name: "speed".into(),
        recipe: serde_json::json!({}),
        rules: Rules::default(),
        prepare: serde_json::json!({}),
        models: Vec::new(),
        program_version: env!("CARGO_PKG_VERSION").into(),
        size_px: SIZE_PX,
    };
    let mut writer = Writer::create(&folder.join("snapshots"), spec)?;
    for first in (0..count).step_by(PHOTOS_PER_PERSON) {
        let mut photos = Vec::new();
        for number in first..count.min(first + PHOTOS_PER_PERSON) {
            let comment = format!("photo {number:09}");
            let segment = [&[0xFF, 0xFE, 0, comment.len() as u8 + 2], comment.as_bytes()].concat();
            let picture = &pictures[number % pictures.len()];
            let photo = [&picture[..2], &segment, &picture[2..]].concat();
            bytes += photo.len() as u64;
            let sha256 = Digest::of(&photo);
            let file = path(blobs, sha256);
            fs::create_dir_all(file.parent().ok_or("a blob has a folder")?)?;
            fs::write(&file, photo)?;
            photos.push(row(number, sha256));
        }
        let identity = format!("speed/{first}");
        writer.add_identity(IdentityRows { identity, photos, ..IdentityRows::default() }, |_| {
            let plane = vec![0; 3 * (SIZE_PX * SIZE_PX) as usize];
            Ok::<_, std::io::Error>(PreparedTensors { image: plane.clone(), weighted: plane })
        })?;
    }
    let written = writer.finish(0)?;
    Ok((Snapshot::open(&written.path)?, bytes))
}

/// Where the work folder has the bytes of a photo.
fn path(blobs: &Path, sha256: Digest) -> PathBuf {
    let name = sha256.to_string();
    blobs.join(&name[..2]).join(name)
}

/// A picture with as many details as a photo: about 250 kB.
fn picture(seed: u32) -> Result<Vec<u8>> {
    let image = RgbImage::from_fn(1000, 1400, |x, y| {
        let grain = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503 + seed)) >> 27;
        let level = |k: u32| ((x / (3 + k) + y / (5 + seed % 7)) % 190 + grain) as u8;
        Rgb([level(0), level(1), level(2)])
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&image)?;
    Ok(bytes)
}

fn row(number: usize, sha256: Digest) -> PhotoRow {
    PhotoRow {
        url: format!("http://speed.test/{number}.jpg"),
        page_url: None,
        sha256,
        last_modified: None,
        caption: Some(format!("photo {number}")),
        caption_source: None,
        scores: Scores::default(),
        width: 1000,
        height: 1400,
        person_box: BoundingBox { x0: 0.0, y0: 0.0, x1: 1000.0, y1: 1400.0 },
        joints: Joints::default(),
        joints_in_photo: Joints::default(),
        affine: Affine::IDENTITY,
    }
}

/// The most memory that this process has held, in MB (Linux).
fn peak_mb() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1000)
}
