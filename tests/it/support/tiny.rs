//! A tiny base, and people drawn into small tensors to train an adapter for it: seconds instead of hours.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Workplace, project};

/// People of nine views, and what a run of seconds takes.
const DRAWN: &str =
    "[data]\nsplit = \"all\"\n\n[data.drawn]\nseed = 5\nfamilies = 4\ntwins = 1\nviews = 9\nsize_px = 64\n\n";

/// A workplace with a base, a body-VAE that was trained for two steps, and the adapter's configuration.
pub fn workplace() -> (Workplace, PathBuf) {
    let place = Workplace::demo(1, 1, 1);
    let vae = place.path().join("vae.toml");
    let small = "[model]\nlatent = 16\nview_px = 64\ndecoded_px = 32\nchannels = 16\nwidth = 16\n\
                 strip_width = 16\nheads = 2\ndecoder_channels = [16, 8]\n\n[views]\npeople = 3\n\
                 views = 4\n\n[fit]\nsteps = 2\nwarmup_steps = 1\n";
    fs::write(&vae, format!("name = \"small\"\nseed = 3\n\n{DRAWN}{small}")).expect("a configuration");
    place.succeed(&["train", "vae", "--config", vae.to_str().expect("letters")]);
    let base = base(place.path());
    let config = place.path().join("adapter.toml");
    let base = base.to_str().expect("letters");
    let rest = format!(
        "[base]\npath = {base:?}\nsize_px = 64\n\n[body]\nmodel = \"small\"\n\n[samples]\nbatch = 3\n\
         body_views = 3\n\n[objective]\nalpha_id = 0.1\n\n[probe.network]\nchannels = 16\nblocks = 1\n\n\
         [probe.fit]\nsteps = 4\nbatch = 4\nsave_every = 2\n\n[validation]\npeople = 2\nphotos = 1\n\
         grid_bodies = 1\ngrid_steps = 2\n\n[fit]\nsteps = 6\nwarmup_steps = 1\nsave_every = 2\n\
         validate_every = 3\n"
    );
    fs::write(&config, format!("name = \"tiny\"\nseed = 4\n\n{DRAWN}{rest}")).expect("a configuration");
    (place, config)
}

/// A workplace with the demo base's adapter of a few steps, an adapter's run called `few`.
pub fn with_demo_adapter() -> Workplace {
    let place = Workplace::demo(1, 1, 1);
    let config = place.path().join("few.toml");
    let drawn = "[data]\nsplit = \"all\"\n\n[data.drawn]\nseed = 5\nfamilies = 4\ntwins = 1\nviews = 6\nsize_px = 128\n\
                 portraits = true\n\n";
    let base = project().join("data/models/tiny-sd");
    let rest = format!(
        "[base]\npath = {base:?}\nsize_px = 64\n\n[samples]\nbatch = 2\nbody_views = 2\n\n[objective]\n\
         prediction = \"v_prediction\"\nalpha_id = 0\nbeta_clip = 0\n\n[validation]\npeople = 2\nphotos = 1\n\
         grid_bodies = 1\ngrid_steps = 1\n\n[fit]\nsteps = 3\nwarmup_steps = 1\nsave_every = 3\nvalidate_every = 3\n"
    );
    fs::write(&config, format!("name = \"few\"\nseed = 4\n\n{drawn}{rest}")).expect("a configuration");
    for command in ["cache", "adapter"] {
        place.succeed(&adapter(command, &config, &[]));
    }
    place
}

/// The golden set's models as a checkpoint: UNet and VAE of SD 1.5's kind, text and image encoder, a
/// tokenizer of letters.
pub fn base(parent: &Path) -> PathBuf {
    let root = parent.join("base");
    let golden = project().join("tests/golden");
    for (part, case, file) in [
        ("unet", "unet_sd15", "diffusion_pytorch_model.safetensors"),
        ("vae", "vae_kl", "diffusion_pytorch_model.safetensors"),
        ("text_encoder", "clip_text", "model.safetensors"),
        ("image_encoder", "clip_vision", "model.safetensors"),
    ] {
        let (from, to) = (golden.join(case), root.join(part));
        fs::create_dir_all(&to).expect("a folder");
        fs::copy(from.join("config.json"), to.join("config.json")).expect("a copy");
        fs::copy(from.join("weights.safetensors"), to.join(file)).expect("a copy");
    }
    let write = |path: &str, text: String| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    let scheduler = r#"{"_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "num_train_timesteps": 1000, "clip_sample": false, "steps_offset": 1,
        "set_alpha_to_one": false, "prediction_type": "epsilon"}"#;
    write("scheduler/scheduler_config.json", scheduler.to_owned());
    // Every letter by itself, within a word and at its end; whatever else stands in a text is an unknown token.
    let letters = ('a'..='z').flat_map(|letter| [letter.to_string(), format!("{letter}</w>")]);
    let tokens =
        ["<|startoftext|>".to_owned(), "!".to_owned(), "<|endoftext|>".to_owned()].into_iter().chain(letters);
    let entries: Vec<String> = tokens.enumerate().map(|(id, token)| format!("{token:?}: {id}")).collect();
    write("tokenizer/vocab.json", format!("{{{}}}", entries.join(", ")));
    write("tokenizer/merges.txt", "#version: 0.2\n".to_owned());
    root
}

/// The arguments of one of the adapter's commands.
pub fn adapter<'a>(command: &'a str, config: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["--json", "train", command, "--config", config.to_str().expect("letters")], more].concat()
}

/// The run of this name: its folder ends with its id.
pub fn run_named(place: &Workplace, name: &str) -> PathBuf {
    let mut runs =
        fs::read_dir(place.workdir().join("runs")).expect("runs").map(|entry| entry.expect("a run").path());
    let is_named = |path: &PathBuf| {
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
        file.is_some_and(|file| file.rsplit_once('-').is_some_and(|(found, _)| found == name))
    };
    runs.find(is_named).unwrap_or_else(|| panic!("a run {name}"))
}

/// As if the run had been killed after its checkpoint at step `kept`: what came later goes.
pub fn kill_after(run: &Path, kept: u64) {
    for entry in fs::read_dir(run.join("checkpoints")).expect("checkpoints") {
        let path = entry.expect("a checkpoint").path();
        let step =
            path.file_name().and_then(|name| name.to_str()?.strip_prefix("step-")?.parse::<u64>().ok());
        if step.is_some_and(|step| step > kept) {
            fs::remove_dir_all(path).expect("it is there");
        }
    }
    fs::remove_dir_all(run.join("model")).expect("a model");
}
