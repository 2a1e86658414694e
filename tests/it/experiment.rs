//! `bolid experiment` as a user runs it: two people, one training of each kind, a few steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::support::{Workplace, json_lines, project, refused};

const PLAN: &str = "name = \"tiny\"\npeople_seed = 3\npeople = 2\nviews = 2\nview_counts = [1, 2]\n\
                    held_out = 2\nsteps = 3\n\
                    prompts = [\"a photo of a {person} wearing a red T-shirt and blue jeans\"]\n\
                    training_seeds = [4]\n\n[adapter]\nconfig = \"adapter.toml\"\n\
                    set = [\"fit.steps=2\"]\n\n[ip_adapter]\nset = [\n\
                    \"samples.reference=\\\"target\\\"\", \"dropout.without_body_stream=1\",\n\
                    \"dropout.without_reference_stream=0\", \"validation.people=0\",\n]\n\n\
                    [dreambooth]\nconfig = \"dreambooth.toml\"\n";

const ADAPTER: &str = "name = \"few\"\nseed = 4\n\n[data]\nsplit = \"all\"\n\n[data.drawn]\nseed = 5\n\
                       families = 4\ntwins = 1\nviews = 6\nsize_px = 128\nportraits = true\n\n[samples]\n\
                       batch = 2\nbody_views = 2\n\n[objective]\nprediction = \"v_prediction\"\n\n\
                       [validation]\npeople = 2\nphotos = 1\ngrid_bodies = 1\ngrid_steps = 1\n\n[fit]\n\
                       steps = 3\nwarmup_steps = 1\nsave_every = 3\nvalidate_every = 3\n";

const DREAMBOOTH: &str = "name = \"one\"\nseed = 4\nperson = \"anybody\"\n\n[data]\nhold_out = false\n\n\
                          [dreambooth]\nphotos = 2\nclass_pictures = 1\nclass_steps = 2\nrank = 2\n\n\
                          [fit]\nsteps = 2\nwarmup_steps = 1\nsave_every = 2\nvalidate_every = 2\n";

fn workplace() -> (Workplace, String) {
    let place = Workplace::demo(1, 1, 1);
    let base = format!("\n[base]\npath = {:?}\nsize_px = 64\n", project().join("data/models/tiny-sd"));
    let write = |name: &str, text: String| fs::write(place.path().join(name), text).expect("a file");
    write("adapter.toml", format!("{ADAPTER}{base}"));
    write("dreambooth.toml", format!("{DREAMBOOTH}{base}"));
    write("plan.toml", PLAN.to_owned());
    let plan = place.path().join("plan.toml").display().to_string();
    (place, plan)
}

/// Every file below `folder` that is a record, a model or a picture, with the time it was written.
fn written(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let time = entry.metadata().and_then(|about| about.modified()).expect("a time");
            if path.is_dir() { folders.push(path) } else { all.push((path, time)) }
        }
    }
    all.sort();
    all
}

#[test]
fn an_experiment_that_was_killed_ends_as_one_that_was_not_and_does_nothing_twice() {
    let (place, plan) = workplace();
    let page = place.path().join("docs/experiment.md");
    let page_text = page.display().to_string();
    let arguments = ["--json", "experiment", "--config", &plan, "--page", &page_text];
    let folder = place.workdir().join("evaluations/experiment-tiny");

    let mut killed = place.start(&arguments);
    let begun = Instant::now();
    while !folder.join("body.seed-4/f00000-0.json").is_file() {
        assert!(begun.elapsed() < Duration::from_secs(600), "the body's pictures are drawn");
        assert!(killed.try_wait().expect("a process").is_none(), "it is at work");
        sleep(Duration::from_millis(20));
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ended");
    assert!(!folder.join("experiment.json").exists() && !page.exists());
    let before = written(&folder);

    let printed = place.succeed(&arguments);
    let results = json_lines(&printed).pop().expect("results are printed last");
    let after = written(&folder);
    assert!(before.iter().all(|one| after.contains(one)), "what was read before stays as it was");
    assert_eq!(json_lines(&printed).len(), 1, "no training is done again: {printed:?}");

    let names = |list: &str, key: &str| -> Vec<String> {
        let of = results[list].as_array().expect("a list").iter();
        of.map(|one| one[key].as_str().map_or_else(|| one[key].to_string(), str::to_owned)).collect()
    };
    assert_eq!(names("arms", "arm"), ["text", "ref", "body", "both", "ip-adapter", "dreambooth"]);
    assert_eq!(names("arms", "photos"), ["0", "1", "2", "2", "1", "2"]);
    assert_eq!(names("by_views", "photos"), ["1", "2"]);
    for key in ["compute", "body_vae"] {
        assert!(results["provenance"][key].is_string(), "{key}: {}", results["provenance"]);
    }
    for one in results["comparisons"].as_array().expect("comparisons") {
        assert!(one["body_score"]["people"].as_u64() <= Some(2), "{one}");
    }
    for arm in results["arms"].as_array().expect("arms") {
        assert!(arm["clip_t"]["value"].is_f64() && arm["person_found"].is_f64(), "{arm}");
    }
    let what: Vec<&str> = results["provenance"]["trainings"]
        .as_array()
        .expect("trainings")
        .iter()
        .filter_map(|one| one["what"].as_str())
        .collect();
    assert_eq!(what, ["adapter", "ip-adapter", "dreambooth", "dreambooth"]);
    assert!(results["photos"]["person_found"].as_f64() > Some(0.9), "{}", results["photos"]);

    let text = fs::read_to_string(&page).expect("the page");
    for words in [
        "# The experiment",
        "| limb-ratio error",
        "## What limits it",
        "seed 4 (run ",
        "(experiment/limbs.svg)",
        "the adapter's configuration with `samples.reference=\"target\"`, `dropout.without_body_stream=1`, ",
        "Learning rate, steps and batch are the same for all adapters",
        "Set over the adapter's configuration: `fit.steps=2`.",
        "Set over DreamBooth's configuration: nothing.",
        "These are 45 intervals of 95 %",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let drawn = written(&page.with_file_name("experiment"));
    assert_eq!(drawn.len(), 9, "{drawn:?}");
    for image in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(page.with_file_name(image).is_file(), "{image}");
    }

    let json = fs::read(folder.join("experiment.json")).expect("results");
    let elsewhere = place.path().join("again/page.md");
    let from = folder.join("experiment.json").display().to_string();
    place.succeed(&["experiment", "--from", &from, "--page", &elsewhere.display().to_string()]);
    assert_eq!(fs::read_to_string(&elsewhere).expect("the page"), text);
    for (path, _) in &drawn {
        let again = elsewhere.with_file_name("experiment").join(path.file_name().expect("a name"));
        assert!(
            fs::read(path).expect("a drawing") == fs::read(again).expect("a drawing"),
            "{}",
            path.display()
        );
    }

    // An adapter that is given has to be of the very run that the configuration makes.
    let runs = fs::read_dir(place.workdir().join("runs")).expect("runs").flatten();
    let ours = runs.map(|run| run.path()).find(|run| {
        let name = run.file_name().expect("a name").to_string_lossy().into_owned();
        name.starts_with("tiny-seed-4-")
    });
    let model = ours.expect("the adapter's run").join("model").display().to_string();
    let given = format!("adapter.given=[{{seed=4, folder={model:?}}}]");
    let printed = place.succeed(&[&arguments[..], &["--set", &given]].concat());
    let results = json_lines(&printed).pop().expect("results");
    assert_eq!(results["provenance"]["trainings"][0]["was_given"], true, "{results}");
    let other = ["experiment", "--config", &plan, "--set", &given, "--set", "adapter.set.fit.steps=4"];
    refused(&place, &other, &[&model, "is of the run", "take the entry out"]);

    place.forget_work();
    place.succeed(&arguments);
    let uninterrupted = fs::read(folder.join("experiment.json")).expect("results");
    assert!(uninterrupted == json, "{}", String::from_utf8_lossy(&uninterrupted));
}

#[test]
fn what_cannot_be_compared_is_refused_by_name_before_anything_is_trained() {
    let (place, plan) = workplace();
    let cases: [(&str, &[&str]); 14] = [
        ("people=1", &["people = 1", "2 or more"]),
        ("views=3", &["views = 3", "view_counts"]),
        ("view_counts=[2, 1]", &["view_counts", "rising"]),
        ("training_seeds=[]", &["training_seeds"]),
        ("training_seeds=[2, 2]", &["training_seeds"]),
        ("name=\"a b\"", &["name = a b"]),
        ("prompts=[\"a house\"]", &["a house", "{person}"]),
        ("prompts=[]", &["prompts"]),
        ("guidance=0.5", &["guidance = 0.5"]),
        ("adapter.config=\"nowhere.toml\"", &["nowhere.toml"]),
        ("adapter.set=[\"fit.stepz=2\"]", &["stepz", "steps"]),
        ("adapter.set.fit.stepz=2", &["stepz", "steps"]),
        ("adapter.given=[{seed=9, folder=\"x\"}]", &["adapter.given.seed = 9"]),
        ("adapter.given=[{seed=4, folder=\"nowhere\"}]", &["nowhere"]),
    ];
    for (value, named) in cases {
        refused(&place, &["experiment", "--config", &plan, "--set", value], named);
    }
    assert!(!place.workdir().join("runs").exists());
    let of_older = place.path().join("older.json");
    fs::write(&of_older, "{\"format_version\": 0}").expect("a file");
    refused(&place, &["experiment", "--from", &of_older.display().to_string()], &["older.json", "version 0"]);
    refused(&place, &["experiment", "--from", "nowhere.json"], &["nowhere.json"]);
    refused(&place, &["experiment", "--config", "nowhere.toml"], &["nowhere.toml"]);
}
