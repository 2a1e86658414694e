//! `bolid train dreambooth`: one person as a low-rank update of a base.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use anyhow::{Context, Result, bail};
use photo::range::OutOfRange;
use serde::{Deserialize, Serialize};
use serde_json::json;
use snapshot::{Pixels, Snapshot};
use train::DType;
use train::adapter::Pipeline;
use train::adapter::file::{LORA, LORA_KOHYA};
use train::cache::CachedText;
use train::diffusion::checkpoint::Checkpoint;
use train::diffusion::lora::{TrainedLora, save_for_diffusers, save_for_kohya};
use train::diffusion::prompt::PromptEncoder;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::SamplerKind;
use train::dreambooth::page::page;
use train::dreambooth::{DreamBoothBatch, DreamBoothSettings, DreamBoothSource, Known, Objective, prepare};
use train::fit::{self, FitSettings, Task, TaskError, Validation, ValidationContext};
use train::parameters::Parameters;
use train::report::{FILE, Grid, Picture, Row};
use train::run::{RunFolder, RunSpec};
use train::views::{People, Person, ViewReader};

use super::adapter::config::Base;
use super::config::{Data, TrainConfigError};
use super::{data, kinds, model, runs, shown, start, together};
use crate::cli::{DreamboothArgs, Global};
use crate::config;
use crate::output::Output;
use crate::progress;

/// The grid's file in the run's folder.
const GRID: &str = "grid.png";
/// Pictures of each prompt in the grid.
const SHOWN: usize = 4;
/// Noise of its own for each of: pictures of the class, what is shown, what judges. Noise that was trained on
/// would flatter.
const CLASS_SEED: u64 = 0x00C1_A550;
const SHOWN_SEED: u64 = 0x0005_40B0;
const JUDGED_SEED: u64 = 0x0001_D6ED;
/// Steps whose batches, drawn of held-out photos, judge it.
const JUDGED_STEPS: u64 = 8;

/// The configuration. Tables may be left out, but for `base`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DreamBoothConfig {
    /// The first part of the run's name.
    name: String,
    /// What every random number follows from.
    #[serde(default)]
    seed: u64,
    /// Who is trained on, as the snapshot names them.
    person: String,
    /// The snapshot.
    #[serde(default)]
    data: Data,
    /// The base.
    base: Base,
    /// Prompts, photos, the class.
    #[serde(default)]
    dreambooth: DreamBoothSettings,
    /// The loop.
    #[serde(default)]
    fit: FitSettings,
}

impl DreamBoothConfig {
    fn load(args: &DreamboothArgs) -> Result<Self> {
        let mut overrides = args.how.overrides.clone();
        overrides.extend(args.how.snapshot.iter().map(|name| format!("data.snapshot={name:?}")));
        let mut config: Self = config::load_training(&args.config, &overrides, env::vars())?;
        if args.how.snapshot.is_some() {
            config.data.drawn = None;
        }
        let checked: Result<(), OutOfRange> = config.dreambooth.check();
        checked.map_err(|source| TrainConfigError::OutOfRange { config: args.config.clone(), source })?;
        config.fit.batch = config.dreambooth.batch;
        config.fit.check()?;
        data::check(&args.config, &config.data)?;
        Ok(config)
    }

    fn spec(&self, snapshot: &Snapshot) -> RunSpec {
        start::spec(kinds::DREAMBOOTH, self.name.clone(), snapshot, self.seed, json!(self))
    }
}

/// The run that the same arguments would make, where it is there and has ended.
pub fn ended(args: &DreamboothArgs, global: &Global) -> Result<Option<RunFolder>> {
    let config = DreamBoothConfig::load(args)?;
    let snapshot = data::open(&args.config, &config.data, &global.workdir)?;
    start::ended(&global.workdir.join(runs::FOLDER), &config.spec(&snapshot))
}

/// Runs the command.
pub fn run(args: &DreamboothArgs, global: &Global, output: Output) -> Result<()> {
    together::refuse_group("train dreambooth")?;
    let config = DreamBoothConfig::load(args)?;
    let text = fs::read_to_string(&args.config).with_context(|| format!("read {}", args.config.display()))?;
    let settings = &config.dreambooth;
    let folder = model::base_folder(&config.base.path, &config.base.revision)?;
    let device = args.how.device.open()?;
    let base = Checkpoint::open(&folder, DType::F32, &device)
        .with_context(|| format!("`base.path = {:?}` is no base in diffusers' layout", config.base.path))?
        .with_compute(config.fit.precision.on(&device));
    let snapshot = data::open(&args.config, &config.data, &global.workdir)?;
    let person = find(&snapshot, &config)?;
    let reader = ViewReader::new(&snapshot, config.base.size_px).with_context(|| {
        format!("`base.size_px = {}` has to be a divisor of the snapshot's size", config.base.size_px)
    })?;

    let spec = config.spec(&snapshot);
    let parameters = Parameters::seeded(config.seed);
    let lora = TrainedLora::new(settings.rank, settings.alpha, parameters.builder(DType::F32, &device));
    let unet = base.unet_with(Some(lora))?.with_checkpointing(config.base.checkpointing);
    let vae = base.vae()?;
    let scheduler = base.scheduler()?;
    let (schedule, prediction) = (scheduler.noise_schedule()?, scheduler.prediction()?);
    let prompts = PromptEncoder::load(&base)?;
    let read = |text: &str| CachedText::read(&prompts, text);
    let texts = [read(&settings.prompt)?, read(&settings.class_prompt)?];
    let nothing = CachedText::negative(&prompts, "", base.zeroes_empty_prompt()?)?;
    let pipeline = Pipeline {
        unet: &unet,
        vae: &vae,
        scheduler: &scheduler,
        size_px: (config.base.size_px, config.base.size_px),
        sampling: Sampling {
            kind: SamplerKind::DpmSolver,
            steps: settings.class_steps,
            guidance: settings.class_guidance,
        },
    };
    // A run that may not be begun is refused before minutes go into pictures of the class.
    let begun = match args.how.dry_run {
        true => None,
        false => Some(start::run(&global.workdir.join("runs"), &spec, &text, &args.how)?),
    };

    // Updates begin at zero: what is drawn now is the base's.
    let class = match settings.prior_weight > 0.0 {
        false => None,
        true => {
            // One step takes no more of them.
            let count = if begun.is_some() { settings.class_pictures } else { settings.batch };
            let bar = progress::stage("dreambooth", count as u64, "class pictures");
            let seed = config.seed ^ CLASS_SEED;
            let drawn = prepare::draw(&pipeline, (&texts[1], &nothing), count, seed, &mut || bar.inc(1))?;
            bar.finish_and_clear();
            Some(Known { latents: drawn, text: texts[1].clone() })
        }
    };
    let latents = |rows: &[usize]| -> Result<Vec<_>> {
        Ok(prepare::encode(&vae, &reader.read(rows, Pixels::Image)?, reader.side())?)
    };
    let source = DreamBoothSource {
        photos: Known { latents: latents(&person.views)?, text: texts[0].clone() },
        class,
        batch: config.fit.batch,
        scaling: (vae.config().shift_factor, vae.config().scaling_factor),
        size_px: config.base.size_px,
        timesteps: schedule.len(),
        seed: config.seed,
        device: device.clone(),
    };
    let judge = Judge {
        source: match person.held_out.is_empty() {
            true => None,
            false => {
                let photos = Known { latents: latents(&person.held_out)?, text: texts[0].clone() };
                Some(DreamBoothSource { photos, seed: config.seed ^ JUDGED_SEED, ..source.clone() })
            }
        },
        pipeline: &pipeline,
        texts: &texts,
        nothing: &nothing,
        settings,
        text: &text,
        photo: Picture::from_planes(&reader.read(&person.views[..1], Pixels::Image)?, reader.side(), ""),
        seed: config.seed ^ SHOWN_SEED,
        objective: Objective {
            unet: &unet,
            schedule: &schedule,
            prediction,
            prior_weight: settings.prior_weight,
        },
    };
    let facts = BTreeMap::from([
        ("run".to_owned(), spec.id()),
        ("snapshot".to_owned(), snapshot.id()),
        ("program_version".to_owned(), spec.program_version.clone()),
        ("base".to_owned(), config.base.path.clone()),
        ("prompt".to_owned(), settings.prompt.clone()),
    ]);
    let load = |step: u64| -> Result<DreamBoothBatch, TaskError> { Ok(source.batch(step)?) };
    let task = Task {
        load: &load,
        loss: &|batch, _| Ok(judge.objective.loss(batch)?),
        describe: &|batch| {
            let rows: Vec<usize> = batch.chosen.iter().map(|&at| person.views[at]).collect();
            data::describe(&snapshot, &rows)
        },
        validate: &|context| judge.validate(context),
        save_model: &|values, folder| {
            let shape = (settings.rank, settings.alpha);
            save_for_diffusers(&folder.join(LORA), values, shape, &facts)?;
            Ok(save_for_kohya(&folder.join(LORA_KOHYA), values, shape, &facts)?)
        },
        // A of an update stands behind B, which begins at zero.
        may_be_zero: &|name| name.ends_with("lora_A.weight"),
        may_be_absent: &|_| false,
    };
    let Some((folder, resume)) = begun else {
        let dry = fit::dry_run(&parameters, &task, &config.fit)?;
        return Ok(output.show(&dry, shown::dry_run_text)?);
    };
    let mut progress = shown::FitProgress::default();
    let finished =
        fit::fit(&folder, &parameters, &task, &config.fit, &resume, &mut |event| progress.show(event))?;
    progress.finish();
    runs::refuse_withdrawn(&folder)?;
    output.show(&shown::Trained::new(&folder, &finished), shown::Trained::text)?;
    Ok(())
}

/// The person, with as many photos to train on as asked for.
fn find(snapshot: &Snapshot, config: &DreamBoothConfig) -> Result<Person> {
    let people = People::of(snapshot, config.data.split.split(), config.data.hold_out)?;
    let Some(mut person) = people.people.iter().find(|person| person.identity == config.person).cloned()
    else {
        if people.left_out.contains(&config.person) {
            bail!(
                "`person = {:?}`: snapshot {} has fewer than two photos of them to train on; set \
                 `data.hold_out = false`, or take more photos",
                config.person,
                snapshot.id()
            );
        }
        let is_there = snapshot.photos().iter().any(|photo| photo.identity == config.person);
        let distance = |person: &&Person| strsim::damerau_levenshtein(&person.identity, &config.person);
        let nearest =
            people.people.iter().min_by_key(distance).map_or("none", |person| person.identity.as_str());
        match is_there {
            true => bail!(
                "`person = {:?}`: they are on another side of snapshot {}: set `data.split = \"all\"`",
                config.person,
                snapshot.id()
            ),
            false => bail!(
                "`person = {:?}`: snapshot {} has nobody of that name; the nearest name is {nearest}",
                config.person,
                snapshot.id()
            ),
        }
    };
    let (wanted, there) = (config.dreambooth.photos, person.views.len());
    if there < wanted {
        bail!(
            "`dreambooth.photos = {wanted}`: snapshot {} has {there} photos of {} to train on; lower it, or set \
             `data.hold_out = false`",
            snapshot.id(),
            config.person
        );
    }
    person.views.truncate(wanted);
    Ok(person)
}

/// What the update is judged by, and the page.
struct Judge<'a> {
    /// Held-out photos and the class; `None` where no photo is held out.
    source: Option<DreamBoothSource>,
    objective: Objective<'a>,
    pipeline: &'a Pipeline<'a>,
    texts: &'a [CachedText; 2],
    nothing: &'a CachedText,
    settings: &'a DreamBoothSettings,
    text: &'a str,
    photo: Picture,
    seed: u64,
}

impl Judge<'_> {
    fn validate(&self, context: &ValidationContext<'_>) -> Result<Validation, TaskError> {
        // Somebody may be erased while a training goes on: it must not write their pictures again.
        runs::refuse_withdrawn(context.run)?;
        let means = match &self.source {
            Some(source) => self.objective.means(source, JUDGED_STEPS)?,
            None => BTreeMap::new(),
        };
        let named = |(name, mean)| (if name == "photos" { "held_out" } else { name }.to_owned(), mean);
        let numbers: BTreeMap<String, f64> = means.into_iter().map(named).collect();
        let grid = self.grid()?;
        let html = page(context.run, self.text, grid.clone(), Some((context.step, &numbers)))?.to_html();
        // Again, now that the pictures are there: drawing them took a while.
        runs::refuse_withdrawn(context.run)?;
        context.run.replace_file(FILE, html.as_bytes())?;
        context.run.replace_file(GRID, &grid.montage().png())?;
        Ok(Validation {
            minimise: numbers.contains_key("held_out").then(|| "held_out".to_owned()),
            numbers,
            pictures: grid.for_tensorboard().into_iter().collect(),
        })
    }

    /// Pictures of both prompts, from the same noise.
    fn grid(&self) -> Result<Grid> {
        let mut rows = Vec::new();
        for (text, prompt) in self.texts.iter().zip([&self.settings.prompt, &self.settings.class_prompt]) {
            let pictures = prepare::pictures(self.pipeline, (text, self.nothing), SHOWN, self.seed)?;
            let photo = rows.is_empty().then(|| self.photo.clone());
            let cells = std::iter::once(photo).chain(pictures.into_iter().map(Some)).collect();
            rows.push(Row { label: prompt.clone(), cells });
        }
        let columns = (1..=SHOWN).map(|number| format!("noise {number}"));
        Ok(Grid {
            title: "Both prompts".to_owned(),
            note: "Above, with the identifier; below, the class, which should stay as the base draws it."
                .to_owned(),
            columns: std::iter::once("a photo".to_owned()).chain(columns).collect(),
            rows,
        })
    }
}
