//! `bolid train pose-probe`: joints read off cached latents.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;
use train::DType;
use train::fit::{self, FitSettings, Loss, Task, TaskError, Validation};
use train::parameters::Parameters;
use train::probe::file::{self, SavedProbe};
use train::probe::pck::Base;
use train::probe::{PoseProbe, ProbeBatch, ProbeConfig, ProbeSource, pck, pck_of_estimates, probe_loss};
use train::run::{RunFolder, RunSpec};

use super::inputs::Inputs;
use crate::cli::{AdapterArgs, Global};
use crate::output::Output;
use crate::training::{data, kinds, runs, shown, start, together};

/// What is added to the configuration's name for the run's.
const SUFFIX: &str = "-probe";
/// Photos that it is judged on, at the most.
const JUDGED: usize = 64;
/// The fact that names the autoencoder whose latents it reads.
const VAE: &str = "vae";

/// Runs the command.
pub fn run(args: &AdapterArgs, global: &Global, output: Output) -> Result<()> {
    let inputs = Inputs::load(args, global)?;
    let encoders = inputs.encoders()?;
    let cache = inputs.store(&encoders)?;
    let (config, device) = (&inputs.config, &inputs.device);
    let vae = inputs.base.vae()?;
    let shape = ProbeConfig {
        channels: config.probe.network.channels,
        blocks: config.probe.network.blocks,
        latent_channels: vae.config().latent_channels,
        latent_side: config.base.size_px / vae.config().downscale(),
    };
    shape.check().with_context(|| format!("table `probe.network` of {}", args.config.display()))?;
    let parameters = Parameters::seeded(config.seed);
    let probe = PoseProbe::new(&shape, &parameters.builder(DType::F32, device))?;
    let views: Vec<usize> =
        inputs.people.people.iter().flat_map(|person| person.views.iter().copied()).collect();
    let mut held_out: Vec<usize> =
        inputs.people.people.iter().flat_map(|person| person.held_out.iter().copied()).collect();
    held_out.truncate(JUDGED);
    let fit_settings = &config.probe.fit;
    let source = ProbeSource {
        snapshot: &inputs.snapshot,
        cache: &cache,
        scaling: (vae.config().shift_factor, vae.config().scaling_factor),
        photos: &views,
        batch: fit_settings.batch,
        max_sigma: fit_settings.max_sigma,
        seed: config.seed,
        device,
    };
    let unet = inputs.base.unet()?;
    let scheduler = inputs.base.scheduler()?;
    let schedule = scheduler.noise_schedule()?;
    let base = Base { unet: &unet, schedule: &schedule, prediction: scheduler.prediction()? };
    let spec = spec(&inputs);
    let facts = BTreeMap::from([
        ("run".to_owned(), spec.id()),
        ("snapshot".to_owned(), inputs.snapshot.id()),
        (VAE.to_owned(), encoders.spec().vae.to_string()),
    ]);
    let no_text = cache.text("")?.states.to_device(device)?;
    let load = |step: u64| -> Result<ProbeBatch, TaskError> { Ok(source.batch(step)?) };
    let task = Task {
        load: &load,
        loss: &|batch, _| {
            let (heat, places) = probe_loss(&probe, &batch.latents, &batch.poses)?;
            // Heat maps say where to begin; the mean places are what L_id asks for.
            let total = (&heat + (&places * 10.0)?)?;
            Ok(Loss { total, terms: vec![("heat", heat), ("places", places)] })
        },
        describe: &|batch| data::describe(&inputs.snapshot, &batch.photos),
        validate: &|context| {
            runs::refuse_withdrawn(context.run)?;
            if held_out.is_empty() {
                return Ok(Validation::default());
            }
            let batch = source.clean(&held_out)?;
            let (heat, _) = probe_loss(&probe, &batch.latents, &batch.poses)?;
            let mut numbers = BTreeMap::from([("heat".to_owned(), f64::from(heat.to_scalar::<f32>()?))]);
            numbers.extend(
                pck(&probe.joints(&batch.latents)?.detach(), &batch.poses)?
                    .map(|pck| ("pck_clean".to_owned(), pck)),
            );
            let text = no_text.unsqueeze(0)?.repeat((held_out.len(), 1, 1))?;
            for (alpha, pck) in pck_of_estimates(&probe, &base, &batch, &text)? {
                numbers.extend(pck.map(|pck| (format!("pck_at_{alpha}"), pck)));
            }
            Ok(Validation { numbers, minimise: Some("heat".to_owned()), pictures: Vec::new() })
        },
        save_model: &|values, folder| Ok(file::save(folder, &shape, values, &facts)?),
        may_be_zero: &|_| false,
        may_be_absent: &|_| false,
    };
    let settings = FitSettings {
        steps: fit_settings.steps,
        batch: fit_settings.batch,
        learning_rate: fit_settings.learning_rate,
        warmup_steps: 50.min(fit_settings.steps / 2), // small and normalised: it needs no more
        ema_decay: 0.99,                              // the last 100 of a few hundred steps
        save_every: fit_settings.save_every,
        validate_every: fit_settings.save_every,
        ..FitSettings::default()
    };
    if args.how.dry_run {
        let dry = fit::dry_run(&parameters, &task, &settings)?;
        return Ok(output.show(&dry, shown::dry_run_text)?);
    }
    let begin = || start::run(inputs.runs_dir(), &spec, &inputs.text, &args.how);
    let group = inputs.group.as_ref();
    let Some((folder, finished)) = together::train(group, &spec, begin, &parameters, &task, &settings)?
    else {
        return Ok(());
    };
    runs::refuse_withdrawn(&folder)?;
    output.show(&shown::Trained::new(&folder, &finished), shown::Trained::text)?;
    Ok(())
}

/// The run that the same arguments would make, where it is there and has ended.
pub fn ended(args: &AdapterArgs, global: &Global) -> Result<Option<RunFolder>> {
    let inputs = Inputs::load(args, global)?;
    start::ended(inputs.runs_dir(), &spec(&inputs))
}

/// The id of the run that the same arguments would make, whether or not it is there.
pub fn id(args: &AdapterArgs, global: &Global) -> Result<String> {
    Ok(spec(&Inputs::load(args, global)?).id())
}

fn spec(inputs: &Inputs) -> RunSpec {
    let config = &inputs.config;
    let of_probe = json!({ "probe": config.probe, "base": config.base, "data": config.data });
    start::spec(
        kinds::POSE_PROBE,
        format!("{}{SUFFIX}", config.name),
        &inputs.snapshot,
        config.seed,
        of_probe,
    )
}

/// The probe that L_id is to use: of the run or folder that the configuration names, of the run that
/// `pose-probe` makes of this configuration, or of the run of its name. One of another autoencoder's latents
/// is refused.
pub fn load(inputs: &Inputs, vae_digest: &str) -> Result<SavedProbe> {
    let config = &inputs.config;
    // By its id first: a configuration that was changed leaves several runs of one name.
    let own = spec(inputs);
    let own = match runs::find_by_id(inputs.runs_dir(), &own.id())? {
        Some(_) => own.id(),
        None => own.name,
    };
    let wanted = config.probe.model.as_deref().unwrap_or(&own);
    let as_folder = Path::new(wanted);
    let folder = if as_folder.join("config.json").is_file() {
        as_folder.to_owned()
    } else {
        let run = runs::find_usable(inputs.runs_dir(), wanted).with_context(|| {
            format!(
                "`objective.alpha_id = {}` needs a pose probe: `bolid train pose-probe` makes it, \
                 `objective.alpha_id = 0` goes without",
                config.objective.alpha_id
            )
        })?;
        run.model_dir()
    };
    let saved = file::load(&folder, &inputs.device)?;
    if saved.facts.get(VAE).map(String::as_str) != Some(vae_digest) {
        bail!(
            "the pose probe in {} reads latents of another autoencoder; train one for this base",
            folder.display()
        );
    }
    Ok(saved)
}
