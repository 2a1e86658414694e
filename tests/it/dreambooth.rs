//! `bolid train dreambooth` as a user runs it: one drawn person, the demo base, a few steps.

use std::fs;
use std::path::Path;

use crate::support::tiny::{kill_after, run_named};
use crate::support::{Workplace, project, refused};

const CONFIG: &str = "name = \"one\"\nseed = 4\nperson = \"drawn/f00001-0\"\n\n[data]\nsplit = \"all\"\n\n\
                      [data.drawn]\nseed = 5\nfamilies = 2\ntwins = 1\nviews = 8\nsize_px = 64\n\
                      portraits = true\n\n[dreambooth]\nclass_pictures = 3\nclass_steps = 2\nrank = 2\n\n\
                      [fit]\nsteps = 4\nwarmup_steps = 1\nsave_every = 2\nvalidate_every = 2\n";

fn workplace() -> (Workplace, String) {
    let place = Workplace::demo(1, 1, 1);
    let config = place.path().join("one.toml");
    let base = project().join("data/models/tiny-sd");
    fs::write(&config, format!("{CONFIG}\n[base]\npath = {base:?}\nsize_px = 64\n"))
        .expect("a configuration");
    let config = config.display().to_string();
    (place, config)
}

#[test]
fn a_person_becomes_an_update_that_draws_and_that_a_kill_does_not_change() {
    let (place, config) = workplace();
    let train = ["train", "dreambooth", "--config", &config];
    place.succeed(&train);
    let run = run_named(&place, "one");
    let weights = |name: &str| fs::read(run.join("model").join(name)).expect("an update");
    let (ours, kohya) = (weights("lora.safetensors"), weights("lora_kohya.safetensors"));
    let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    assert!(log.contains("held_out") && log.contains("\"class\"") && log.contains("\"photos\""));
    assert!(run.join("grid.png").is_file());
    let page = fs::read_to_string(run.join("report.html")).expect("a report");
    assert!(page.contains("sks person"));

    kill_after(&run, 2);
    place.succeed(&[&train[..], &["--resume"]].concat());
    assert!(weights("lora.safetensors") == ours && weights("lora_kohya.safetensors") == kohya);

    let lora = run.join("model/lora.safetensors").display().to_string();
    let base = project().join("data/models/tiny-sd").display().to_string();
    let picture = place.path().join("sks.png").display().to_string();
    let prompt = ["generate", "--prompt", "a photo of sks person", "--steps", "2", "--base", &base];
    place.succeed(&[&prompt[..], &["--lora", &lora, "--out", &picture]].concat());
    assert!(Path::new(&picture).is_file());
}

#[test]
fn what_cannot_be_trained_is_refused_by_name_before_the_first_step() {
    let (place, config) = workplace();
    let cases: [(&str, &[&str]); 10] = [
        ("person=\"drawn/f00001\"", &["drawn/f00001", "nearest", "drawn/f00001-0"]),
        ("dreambooth.photos=40", &["dreambooth.photos = 40", "7 photos"]),
        ("dreambooth.photos=0", &["dreambooth.photos"]),
        ("dreambooth.prompt=\" \"", &["dreambooth.prompt", "words"]),
        ("dreambooth.rank=0", &["dreambooth.rank"]),
        ("dreambooth.prior_weight=-1", &["dreambooth.prior_weight"]),
        ("dreambooth.class_guidance=0.5", &["dreambooth.class_guidance"]),
        ("base.path=\"nowhere\"", &["nowhere"]),
        ("base.size_px=60", &["base.size_px = 60"]),
        ("dreambooth.batch=0", &["dreambooth.batch"]),
    ];
    for (value, named) in cases {
        refused(&place, &["train", "dreambooth", "--config", &config, "--set", value], named);
    }
}
