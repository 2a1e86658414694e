//! `bolid generate` as a user runs it, with a tiny base and an adapter of a few steps.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::tiny::{adapter, base, run_named, workplace};
use crate::support::{Workplace, json_lines, project, refused};

/// A workplace with a base.
fn with_base() -> (Workplace, String) {
    let place = Workplace::demo(1, 1, 1);
    let base = base(place.path()).display().to_string();
    (place, base)
}

fn at(place: &Workplace, name: &str) -> String {
    place.path().join(name).display().to_string()
}

fn bytes(path: &str) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn pixels(path: impl AsRef<Path>) -> Vec<u8> {
    image::open(path).expect("a picture").to_rgb8().into_raw()
}

#[test]
fn a_seed_is_one_picture_alone_among_others_and_drawn_again_from_its_own_settings() {
    let (place, base) = with_base();
    let draw = |more: &[&str]| {
        let usual = ["--json", "generate", "--base", &base, "--prompt", "a person", "--steps", "3"];
        json_lines(&place.succeed(&[&usual, more].concat()))
    };
    for scheduler in ["ddpm", "ddim", "euler", "dpm++2m"] {
        let (one, same, repeated) =
            (at(&place, "one.png"), at(&place, "same.png"), at(&place, "repeated.png"));
        let drawn = draw(&["--seed", "7", "--scheduler", scheduler, "--out", &one]);
        assert_eq!((drawn.len(), drawn[0]["seed"].as_u64()), (1, Some(7)));
        draw(&["--seed", "7", "--scheduler", scheduler, "--out", &same, "--threads", "1"]);
        assert!(bytes(&one) == bytes(&same), "{scheduler}");
        place.succeed(&["generate", "--from", &one, "--out", &repeated]);
        assert!(bytes(&one) == bytes(&repeated), "{scheduler}");
        let many =
            draw(&["--seed", "6", "--batch", "3", "--scheduler", scheduler, "--out", &at(&place, scheduler)]);
        let files: Vec<PathBuf> =
            many.iter().map(|line| PathBuf::from(line["file"].as_str().expect("a file"))).collect();
        assert!(pixels(&files[1]) == pixels(&one) && pixels(&files[0]) != pixels(&one), "{scheduler}");
    }
    let text = String::from_utf8_lossy(&bytes(&at(&place, "one.png"))).into_owned();
    assert!(text.contains("a person\nSteps: 3, Sampler: DPM++ 2M, CFG scale: 4, Seed: 7, Size: 64x64"));
    let preview = at(&place, "preview.png");
    draw(&["--width", "32", "--height", "64", "--preview", &preview, "--out", &at(&place, "tall.png")]);
    assert_eq!(image::image_dimensions(preview).expect("a picture"), (32, 64));
}

#[test]
fn a_body_changes_the_picture_by_its_weight_and_at_zero_it_is_the_bases_to_the_bit() {
    let (place, config) = workplace();
    for command in ["cache", "adapter"] {
        place.succeed(&adapter(command, &config, &["--set", "objective.alpha_id=0"]));
    }
    let base = at(&place, "base");
    let encoded = at(&place, "person.safetensors");
    let runs = json_lines(&place.succeed(&["--json", "runs", "list"]));
    let snapshot = runs.iter().find_map(|run| run["snapshot"]["id"].as_str().or(run["snapshot"].as_str()));
    let snapshot = snapshot.expect("runs name their snapshot").to_owned();
    place.succeed(&[
        "encode",
        "drawn/f00001-0",
        "--snapshot",
        &snapshot,
        "--run",
        "small",
        "--out",
        &encoded,
    ]);
    let draw = |name: &str, more: &[&str]| {
        let out = at(&place, name);
        let usual = ["generate", "--prompt", "a person", "--steps", "3", "--out", &out];
        place.succeed(&[&usual, more].concat());
        pixels(out)
    };
    let adapted = ["--adapter", "tiny"];
    let plain = draw("plain.png", &["--base", &base]);
    assert_eq!(draw("0.png", &[&adapted[..], &["--body", "seed:1", "--lambda-body", "0"]].concat()), plain);
    let one = draw("1.png", &[&adapted[..], &["--body", "seed:1"]].concat());
    assert_ne!(one, plain);
    assert_ne!(one, draw("2.png", &[&adapted[..], &["--body", "seed:2"]].concat()));
    let person = draw("person.png", &[&adapted[..], &["--body", "drawn/f00001-0"]].concat());
    assert_eq!(person, draw("file.png", &[&adapted[..], &["--body", &encoded]].concat()));
    let reference = draw("ref.png", &[&adapted[..], &["--ref", &at(&place, "1.png")]].concat());
    assert_ne!(reference, plain);
    place.succeed(&["generate", "--from", &at(&place, "person.png"), "--out", &at(&place, "again.png")]);
    assert!(bytes(&at(&place, "again.png")) == bytes(&at(&place, "person.png")));

    let sheet = at(&place, "sheet");
    let grid = ["--grid", "lambda-body=0,0.5,1", "--grid", "body=seed:1,prior"];
    let usual = ["--json", "generate", "--prompt", "a person", "--steps", "2", "--out", &sheet];
    let cells = json_lines(&place.succeed(&[&usual[..], &adapted, &grid].concat()));
    assert_eq!(cells.len(), 6);
    let size = image::image_dimensions(Path::new(&sheet).join("grid.png")).expect("a sheet");
    assert_eq!(size, (3 * 64 + 2 * 2, 2 * 64 + 2));

    // Whoever erases learns where c_body went.
    let run = run_named(&place, "tiny");
    let exports = fs::read_to_string(run.join("exports.jsonl")).expect("what was made");
    assert!(exports.contains("person.png") && exports.contains("again.png") && exports.contains("sheet"));
    let body_vae =
        fs::read_to_string(run_named(&place, "small").join("exports.jsonl")).expect("what was made");
    assert!(body_vae.contains("person.png") && !body_vae.contains("again.png"));

    // Another body-VAE's numbers mean something else.
    let other = bytes(&encoded);
    let text = String::from_utf8_lossy(&other).into_owned();
    let at_digest = text.find("\"model\":\"").expect("the model's digest") + 9;
    let mut other = other;
    other[at_digest] = if other[at_digest] == b'0' { b'1' } else { b'0' };
    let spoilt = at(&place, "other.safetensors");
    fs::write(&spoilt, other).expect("a file");
    let with = |body: &'static str| ["generate", "--prompt", "x", "--adapter", "tiny", "--body", body];
    refused(
        &place,
        &["generate", "--prompt", "x", "--adapter", "tiny", "--body", &spoilt],
        &["body-VAE", "adapter was trained with"],
    );
    refused(&place, &with("drawn/f00001-9"), &["drawn/f00001-9", "nearest name is drawn/f0000"]);
    refused(&place, &with("seed:x"), &["seed:x", "no seed"]);
    refused(&place, &with("tests/golden/README.md"), &["none of 1 files shows one person"]);
    let note = r#"{"reason": "erased", "photos": 1, "withdrawn_at_ms": 1}"#;
    fs::write(run.join("withdrawn.json"), note).expect("a note");
    refused(&place, &with("seed:1"), &["withdrawn", "erased"]);
    refused(&place, &["generate", "--from", &at(&place, "1.png"), "--out", &sheet], &["withdrawn"]);
}

#[test]
fn what_cannot_be_drawn_is_refused_by_name_and_leaves_no_file() {
    let (place, base) = with_base();
    let out = at(&place, "out.png");
    let cases: [(&[&str], &[&str]); 15] = [
        (&["--prompt", "  "], &["--prompt", "empty"]),
        (&["--prompt", "x", "--ref", "nowhere.png", "--adapter", "data/models"], &["data/models"]),
        (&["--prompt", "x", "--body", "seed:1", "--adapter", "nowhere"], &["nowhere", "run"]),
        (&["--prompt", "x", "--lambda-body", "7"], &["--lambda-body 7", "0 to 2"]),
        (&["--prompt", "x", "--lambda-ref", "NaN"], &["--lambda-ref NaN"]),
        (&["--prompt", "x", "--scheduler", "heun"], &["heun", "ddpm, ddim, euler"]),
        (&["--prompt", "x", "--spacing", "even"], &["even", "trailing"]),
        (&["--prompt", "x", "--width", "100"], &["--width 100", "multiples of 8"]),
        (&["--prompt", "x", "--height", "0"], &["--height 0"]),
        (&["--prompt", "x", "--steps", "0"], &["--steps 0"]),
        (&["--prompt", "x", "--steps", "1001"], &["1001"]),
        (&["--prompt", "x", "--batch", "0"], &["--batch 0"]),
        (&["--prompt", "x", "--grid", "colour=1,2"], &["no axis `colour`"]),
        (&["--prompt", "x", "--lora", "x.safetensors:high"], &["--lora", "weight"]),
        (&["--prompt", "x", "--unet", "nowhere.safetensors"], &["nowhere.safetensors"]),
    ];
    for (more, named) in cases {
        refused(&place, &[&["generate", "--base", &base, "--out", &out], more].concat(), named);
    }
    refused(
        &place,
        &["generate", "--prompt", "x", "--base", "./nowhere", "--out", &out],
        &["./nowhere", "no such folder"],
    );
    refused(&place, &["generate", "--from", &at(&place, "none.png"), "--out", &out], &["none.png"]);
    let strange = project().join("curate/tests/fixtures/progressive.jpg").display().to_string();
    refused(&place, &["generate", "--from", &strange, "--out", &out], &["progressive.jpg"]);
    assert!(!Path::new(&out).exists());

    // Weights that are no numbers: the step is named.
    let broken = Path::new(&base).join("unet/diffusion_pytorch_model.safetensors");
    let mut weights = fs::read(&broken).expect("weights");
    let end = weights.len();
    weights[end - 4096..].fill(0xff);
    fs::write(&broken, weights).expect("weights");
    refused(
        &place,
        &["generate", "--base", &base, "--prompt", "x", "--out", &out],
        &["sampling step 1 of 25", "not finite"],
    );
    assert!(!Path::new(&out).exists());
}
