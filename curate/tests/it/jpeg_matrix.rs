//! Every layout that libjpeg-turbo writes is decoded to the same picture, up to the rounding of colours, or
//! refused by name.
//!
//! Needs `cjpeg` and `djpeg` (Debian: libjpeg-turbo-progs): `cargo test --test it jpeg_matrix:: -- --ignored
//! --nocapture`.

use std::fs;
use std::path::Path;
use std::process::Command;

use curate::decode;
use curate::decode::DecodeError;

/// Sides that are no multiple of any unit.
const SIDES: (u32, u32) = (203, 157);

/// A plane that is shifted, missing or scaled wrongly is off by dozens of levels. Rounding is not: zune-jpeg's
/// inverse DCT is a level off libjpeg-turbo's in some 1 % of the samples, its upsampling in some 10 %, and a
/// level of Cb is 1.77 levels of blue. Its colours are exact. libjpeg-turbo's own two inverse DCTs (`djpeg -dct
/// int` and `float`) are up to 3 levels apart.
const MOST_LEVELS: i32 = 4;

/// What is counted as equal.
const EQUAL_LEVELS: i32 = 2;

/// The part of a picture's samples that may be further off than that; of this scene it is 0.0005 at most.
const MOST_BEYOND: f64 = 0.001;

fn run(program: &str, arguments: &[&str], input: &Path) -> Vec<u8> {
    let output =
        Command::new(program).args(arguments).arg(input).output().expect("libjpeg-turbo-progs is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// The pixels of a binary PPM, whose header has three lines.
fn rgb(ppm: &[u8]) -> Vec<u8> {
    assert!(ppm.starts_with(b"P6\n"), "djpeg writes PPM");
    ppm.splitn(4, |&byte| byte == b'\n').last().expect("a header has three lines").to_vec()
}

/// Soft shapes with a few edges: a decoder that shifts a plane by a pixel is off by far more than two levels.
fn scene() -> Vec<u8> {
    let (width, height) = SIDES;
    let mut ppm = format!("P6 {width} {height} 255\n").into_bytes();
    for y in 0..height {
        for x in 0..width {
            let wave = |period: f32, phase: f32| {
                let angle = (x as f32 + 0.7 * y as f32) / period + phase;
                127.0 + 90.0 * angle.sin()
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

#[test]
#[ignore = "needs cjpeg and djpeg: Debian's libjpeg-turbo-progs"]
fn every_layout_is_decoded_to_the_picture_of_libjpeg_turbo_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("scene.ppm"), scene()).expect("a file can be written");
    fs::write(path("apart.txt"), "0;\n1;\n2;\n").expect("a file can be written");
    let apart = path("apart.txt").display().to_string();
    let factors = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 2), (3, 1), (1, 3), (3, 2)];
    let mut samplings = Vec::new();
    for luma in factors {
        for chroma in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)] {
            samplings
                .push(format!("{}x{},{}x{},{}x{}", luma.0, luma.1, chroma.0, chroma.1, chroma.0, chroma.1));
        }
        samplings.push(format!("{}x{},1x1,{}x{}", luma.0, luma.1, luma.0, luma.1));
    }
    let processes: [&[&str]; 6] = [
        &[],
        &["-progressive"],
        &["-restart", "3B"],
        &["-scans", &apart],
        &["-arithmetic"],
        &["-optimize", "-rgb"],
    ];
    let (mut equal, mut near, mut refused, mut wrong) = (0, 0, 0, Vec::new());
    let mut farthest = 0.0;
    for sampling in &samplings {
        for process in processes {
            let arguments: Vec<&str> =
                ["-quality", "92", "-sample", sampling].iter().chain(process).copied().collect();
            let written =
                Command::new("cjpeg").args(&arguments).arg(path("scene.ppm")).output().expect("cjpeg");
            if !written.status.success() {
                continue; // more than ten blocks a unit are not legal
            }
            fs::write(path("a.jpg"), &written.stdout).expect("a file can be written");
            let expected = rgb(&run("djpeg", &["-ppm"], &path("a.jpg")));
            match decode(&written.stdout) {
                Ok(photo) => {
                    let pairs = photo.image.as_raw().iter().zip(&expected);
                    let levels: Vec<_> = pairs.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).collect();
                    let most = levels.iter().copied().max().unwrap_or(255);
                    let beyond = levels.iter().filter(|&&level| level > EQUAL_LEVELS).count();
                    let beyond = beyond as f64 / expected.len() as f64;
                    let is_of_size = photo.image.as_raw().len() == expected.len();
                    if is_of_size && most <= EQUAL_LEVELS {
                        equal += 1;
                    } else if is_of_size && most <= MOST_LEVELS && beyond <= MOST_BEYOND {
                        near += 1;
                        farthest = f64::max(farthest, beyond);
                    } else {
                        wrong.push(format!("{arguments:?}: off by {most}, {beyond:.5} by more than 2"));
                    }
                }
                Err(DecodeError::Unsupported { .. }) => refused += 1,
                Err(error) => wrong.push(format!("{arguments:?}: {error}")),
            }
        }
    }
    println!("{equal} equal, {near} off by rounding, {refused} refused, {} wrong", wrong.len());
    println!("off by more than {EQUAL_LEVELS} levels: {farthest:.5} of a picture's samples at most");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal + near + refused >= 200, "{equal} + {near} + {refused}");
}
