//! Every layout that libjpeg-turbo writes is decoded to the very picture that libjpeg-turbo makes of it, or
//! refused by name.
//!
//! The committed samples need nothing. The whole matrix needs `cjpeg` and `djpeg` of 2.1 or later (Debian:
//! libjpeg-turbo-progs): `cargo test --test it jpeg_matrix:: -- --ignored --nocapture`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use curate::decode;
use curate::decode::DecodeError;
use photo::Digest;

/// Sides in px: some that are no multiple of any unit, and some where a component has one or two samples.
const SIDES: [(u32, u32); 5] = [(203, 157), (33, 64), (5, 7), (3, 40), (1, 1)];

/// The shares of luma that are tried, and those of both colours.
const LUMA: [(u8, u8); 10] = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 2), (3, 1), (1, 3), (3, 2)];
const CHROMA: [(u8, u8); 5] = [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)];

/// Scripts of scans: each component alone, in their order and in another one, colours together, and
/// progressive ones that send bits late and components apart.
const SCRIPTS: [(&str, &str); 5] = [
    ("apart", "0;\n1;\n2;\n"),
    ("turned", "2;\n0;\n1;\n"),
    ("colours_together", "0;\n1 2;\n"),
    (
        "late_bits",
        "0 1 2: 0-0, 0, 2;\n0: 1-63, 0, 3;\n2: 1-63, 0, 1;\n1: 1-5, 0, 0;\n1: 6-63, 0, 1;\n0: 1-63, 3, 2;\n\
         0 1 2: 0-0, 2, 1;\n0 1 2: 0-0, 1, 0;\n0: 1-63, 2, 1;\n2: 1-63, 1, 0;\n1: 6-63, 1, 0;\n0: 1-63, 1, 0;\n",
    ),
    (
        "dc_apart",
        "1: 0-0, 0, 0;\n0: 0-0, 0, 2;\n2: 0-0, 0, 0;\n0: 0-0, 2, 1;\n0: 0-0, 1, 0;\n\
         0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    ),
];

/// The pixels of a binary PPM or PGM, whose header has three lines, as RGB.
fn rgb(pnm: &[u8]) -> Vec<u8> {
    let samples = pnm.splitn(4, |&byte| byte == b'\n').last().expect("a header has three lines");
    match &pnm[..3] {
        b"P6\n" => samples.to_vec(),
        b"P5\n" => samples.iter().flat_map(|&level| [level; 3]).collect(),
        other => panic!("djpeg writes PPM or PGM: {other:?}"),
    }
}

/// Soft shapes with a few edges, and some grain.
fn scene((width, height): (u32, u32)) -> Vec<u8> {
    let mut ppm = format!("P6 {width} {height} 255\n").into_bytes();
    let mut random = 7_u32;
    for y in 0..height {
        for x in 0..width {
            let mut wave = |period: f32, phase: f32| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let angle = (x as f32 + 0.7 * y as f32) / period + phase;
                127.0 + 90.0 * angle.sin() + (random >> 28) as f32
            };
            let edge = if (60..140).contains(&x) && (40..110).contains(&y) { 60.0 } else { 0.0 };
            ppm.extend(
                [wave(23.0, 0.0) + edge, wave(31.0, 1.0), wave(17.0, 2.0) - edge]
                    .map(|v| v.clamp(0.0, 255.0) as u8),
            );
        }
    }
    ppm
}

/// A program's output; `None` where it refuses.
fn output(program: &str, arguments: &[&str], input: &Path) -> Option<Vec<u8>> {
    let output =
        Command::new(program).args(arguments).arg(input).output().expect("libjpeg-turbo-progs is installed");
    output.status.success().then_some(output.stdout)
}

/// What becomes of a file that cjpeg wrote.
enum Outcome {
    Equal,
    /// Coded arithmetically, which libjpeg-turbo reads.
    Refused,
    Wrong(String),
}

fn outcome(jpeg: &Path, is_arithmetic: bool) -> Outcome {
    let expected = output("djpeg", &["-pnm"], jpeg).map(|pnm| rgb(&pnm));
    match (decode(&fs::read(jpeg).expect("it was written")), expected) {
        (Err(DecodeError::Unsupported { .. }), Some(_)) if is_arithmetic => Outcome::Refused,
        (Err(error), _) => Outcome::Wrong(error.to_string()),
        (Ok(_), None) => Outcome::Wrong("djpeg refuses it".to_owned()),
        (Ok(photo), Some(expected)) if *photo.image.as_raw() == expected => Outcome::Equal,
        (Ok(photo), Some(expected)) => {
            let pairs = photo.image.as_raw().iter().zip(&expected);
            let most = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            Outcome::Wrong(format!("off by {most}, {} of {} bytes", photo.image.len(), expected.len()))
        }
    }
}

/// Every pair of shares, and such where the two colours differ.
fn samplings() -> Vec<String> {
    let written = |parts: [(u8, u8); 3]| parts.map(|(h, v)| format!("{h}x{v}")).join(",");
    let mut samplings = Vec::new();
    for luma in LUMA {
        samplings.extend(CHROMA.map(|chroma| written([luma, chroma, chroma])));
        samplings.push(written([luma, (1, 1), luma]));
    }
    samplings
}

/// The arguments of cjpeg beside a sampling.
fn processes(folder: &Path) -> Vec<Vec<String>> {
    let said = |arguments: &str| arguments.split(' ').map(str::to_owned).collect();
    let mut processes: Vec<Vec<String>> = [
        "-quality 92",
        "-quality 5 -optimize",
        "-quality 100 -progressive",
        "-quality 85 -restart 3B",
        "-quality 85 -progressive -restart 1",
        "-quality 95 -arithmetic",
        "-quality 95 -optimize -rgb",
        "-quality 60 -grayscale",
    ]
    .map(said)
    .to_vec();
    for (name, script) in SCRIPTS {
        let path: PathBuf = folder.join(name);
        fs::write(&path, script).expect("a file can be written");
        processes.push(said(&format!("-quality 90 -scans {}", path.display())));
    }
    processes
}

#[test]
#[ignore = "needs cjpeg and djpeg: Debian's libjpeg-turbo-progs"]
fn every_layout_is_decoded_to_the_very_picture_of_libjpeg_turbo_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, jpeg) = (folder.path().join("scene.ppm"), folder.path().join("a.jpg"));
    let processes = processes(folder.path());
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for sides in SIDES {
        fs::write(&source, scene(sides)).expect("a file can be written");
        for (sampling, process) in samplings().iter().flat_map(|of| processes.iter().map(move |by| (of, by)))
        {
            let mut arguments = vec!["-sample", sampling];
            arguments.extend(process.iter().map(String::as_str));
            let Some(written) = output("cjpeg", &arguments, &source) else {
                continue; // more than ten blocks a unit are not legal
            };
            fs::write(&jpeg, written).expect("a file can be written");
            match outcome(&jpeg, arguments.contains(&"-arithmetic")) {
                Outcome::Equal => equal += 1,
                Outcome::Refused => refused += 1,
                Outcome::Wrong(how) => wrong.push(format!("{sides:?} {arguments:?}: {how}")),
            }
        }
    }
    println!("{equal} equal, {refused} arithmetic, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal >= 2000, "{equal}");
}

/// Files of `fixtures/jpeg` and the digests of their pixels as libjpeg-turbo makes them, of those with inks the
/// product of each with black: written by `fixtures/make_jpeg_layouts.py`.
const SAMPLES: &str = include_str!("../fixtures/jpeg/pixels.txt");

#[test]
fn samples_of_every_layout_are_decoded_to_the_very_pixels_of_libjpeg_turbo() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg");
    let mut seen = 0;
    for line in SAMPLES.lines() {
        let (name, digest) = line.split_once(' ').expect("a name and a digest");
        let bytes = fs::read(folder.join(name)).expect("the sample is there");
        let photo = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Digest::of(photo.image.as_raw()).to_string(), digest, "{name}");
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}
