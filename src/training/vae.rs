//! `bolid train vae`: a snapshot to a body-VAE.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fs;

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde_json::json;
use snapshot::Snapshot;
use train::DType;
use train::body::page::page;
use train::body::validation::HeldOut;
use train::body::{BodyBatch, BodyVae, Pose, file, loss};
use train::fit::{self, Task, TaskError, Validation};
use train::parameters::Parameters;
use train::report::Grid;
use train::views::{BatchSource, Measures, People, Person, ViewReader, plan};

use super::config::{TrainConfig, TrainConfigError};
use super::draw::{DrawSpec, DrawnPerson};
use super::initial::{self, InitialModel};
use super::{data, draw, kinds, runs, shown, start, together};
use crate::cli::{Global, TrainArgs};
use crate::config;
use crate::output::Output;
use crate::progress;

/// People that the validation looks at, at the most.
const VALIDATED_PEOPLE: usize = 32;

/// Photos below which a run begins with a warning.
const FEW_PHOTOS: usize = 10_000;

/// Runs the command.
pub fn run(args: &TrainArgs, global: &Global, output: Output) -> Result<()> {
    let (config, text) = load_config(args)?;
    let runs_dir = global.workdir.join("runs");
    let initial = config.init_from.as_deref();
    let initial = initial.map(|name| InitialModel::find(name, initial::BODY_VAE, &runs_dir)).transpose()?;
    let group = together::join()?;
    let open = || data::open(&args.config, &config.data, &global.workdir);
    let snapshot = together::first_alone(group.as_ref(), open)?;
    let people = People::of(&snapshot, config.data.split.split(), config.data.hold_out)?;
    let encoded = ViewReader::new(&snapshot, config.model.view_px)?;
    let decoded = ViewReader::new(&snapshot, config.model.decoded_px)?;
    warn_of_size(&people);
    let drawn = config.data.drawn.as_ref().map(Drawn::of);
    let measures = known_measures(args, &config, &people, drawn.as_ref())?;
    let true_poses = drawn.as_ref().map(|drawn| drawn.poses(&snapshot)).transpose()?;

    let device = args.how.device.open()?;
    let parameters = Parameters::seeded(config.seed);
    let compute = config.fit.precision.on(&device);
    let model = BodyVae::new(&config.model, &parameters.builder(DType::F32, &device))?.with_compute(compute);
    let held_out = HeldOut::new(encoded, decoded, &people.people, VALIDATED_PEOPLE)?;
    if let Some(initial) = &initial {
        initial.begin_body_vae(&config.model, &parameters, &device)?;
    }
    let spec = start::spec(kinds::BODY_VAE, config.name.clone(), &snapshot, config.seed, json!(config));
    let spec = initial.iter().fold(spec, |spec, initial| initial.in_spec(spec));
    let source = BatchSource {
        encoded,
        decoded,
        true_poses: true_poses.as_deref(),
        measures: measures.as_ref(),
        config: &config.model,
        augment: &config.augment,
        device: &device,
    };
    let load = |step: u64| -> Result<BodyBatch, TaskError> {
        Ok(source.batch(&plan(&people, &config.views, config.seed, step))?)
    };
    let describe = |batch: &BodyBatch| data::describe(&snapshot, &batch.photos);
    let facts = BTreeMap::from([
        ("run".to_owned(), spec.id()),
        ("snapshot".to_owned(), snapshot.id()),
        ("program_version".to_owned(), spec.program_version.clone()),
    ]);
    let task = Task {
        load: &load,
        loss: &|batch, context| Ok(loss::loss(&model, batch, &config.loss, context.step)?),
        describe: &describe,
        validate: &|context| {
            // Somebody may be erased while a training goes on: it must not write their pictures again.
            runs::refuse_withdrawn(context.run)?;
            let numbers = held_out.numbers(&model, config.loss.evidence_temperature, &device)?;
            let minimise = numbers.contains_key("held_out").then(|| "held_out".to_owned());
            let page = page(context.run, &held_out, &model, &text, Some((context.step, &numbers)))?;
            let pictures = page.grids.iter().filter_map(Grid::for_tensorboard).collect();
            let html = page.to_html();
            // Again, now that the pictures are there: drawing them took a while.
            runs::refuse_withdrawn(context.run)?;
            context.run.replace_file(train::report::FILE, html.as_bytes())?;
            Ok(Validation { numbers, minimise, pictures })
        },
        save_model: &|values, folder| Ok(file::save(folder, &config.model, values, &facts, DType::F32)?),
        may_be_zero: &may_be_zero,
        may_be_absent: &|_| false,
    };
    if args.how.dry_run {
        let dry = fit::dry_run(&parameters, &task, &config.fit)?;
        return Ok(output.show(&dry, shown::dry_run_text)?);
    }
    let begin = || start::run(&runs_dir, &spec, &text, &args.how);
    let Some((folder, finished)) =
        together::train(group.as_ref(), &spec, begin, &parameters, &task, &config.fit)?
    else {
        return Ok(());
    };
    runs::refuse_withdrawn(&folder)?;
    // Once more, of the model file and the whole log.
    let saved = file::load(&folder.model_dir(), &device)?;
    let html = page(&folder, &held_out, &saved.model, &text, None)?.to_html();
    folder.replace_file(train::report::FILE, html.as_bytes())?;
    output.show(&shown::Trained::new(&folder, &finished), shown::Trained::text)?;
    Ok(())
}

/// The configuration with flags and environment over it, and its text.
fn load_config(args: &TrainArgs) -> Result<(TrainConfig, String)> {
    let mut overrides = args.how.overrides.clone();
    overrides.extend(args.how.snapshot.iter().map(|name| format!("data.snapshot={name:?}")));
    let mut config: TrainConfig = config::load_training(&args.config, &overrides, env::vars())?;
    if args.how.snapshot.is_some() {
        config.data.drawn = None;
    }
    config.check().map_err(|source| TrainConfigError::OutOfRange { config: args.config.clone(), source })?;
    config.fit.batch = config.views.people * config.views.views;
    config.fit.check()?;
    data::check(&args.config, &config.data)?;
    let text = fs::read_to_string(&args.config).with_context(|| format!("read {}", args.config.display()))?;
    Ok((config, text))
}

/// The measures of `people` that the model is to read: known of synthetic people alone.
fn known_measures(
    args: &TrainArgs,
    config: &TrainConfig,
    people: &People,
    drawn: Option<&Drawn<'_>>,
) -> Result<Option<Measures>> {
    let wanted = &config.model.measures;
    if wanted.is_empty() {
        return Ok(None);
    }
    let refuse = |problem: String| TrainConfigError::Measures { config: args.config.clone(), problem };
    let Some(drawn) = drawn else {
        return Err(
            refuse("nobody's body is known in a snapshot of photos; leave it empty".to_owned()).into()
        );
    };
    let of_person = |person: &Person| -> Result<Vec<f32>> {
        let known = drawn.person(&person.identity)?.body.measures();
        wanted.iter().map(|name| Ok(find_measure(&known, name).map_err(refuse)?)).collect()
    };
    let of_people = people.people.iter().map(of_person).collect::<Result<_>>()?;
    Ok(Some(Measures::standardised(of_people)))
}

/// One of a body's measures, or what is wrong with its name.
fn find_measure(known: &[(&str, f32)], name: &str) -> Result<f32, String> {
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
        format!("no body has a `{name}`; there are {}", names.join(", "))
    })
}

/// The synthetic people of a snapshot, of whom everything is known.
struct Drawn<'a> {
    spec: &'a DrawSpec,
    by_identity: HashMap<String, DrawnPerson>,
}

impl<'a> Drawn<'a> {
    fn of(spec: &'a DrawSpec) -> Self {
        let people = draw::people(spec).into_iter();
        Self { spec, by_identity: people.map(|person| (person.identity.clone(), person)).collect() }
    }

    fn person(&self, identity: &str) -> Result<&DrawnPerson> {
        self.by_identity.get(identity).with_context(|| {
            format!("{identity} is in the snapshot and not among the people of `data.drawn`")
        })
    }

    /// Where the joints of each photo really are: about a minute for 80,000.
    fn poses(&self, snapshot: &Snapshot) -> Result<Vec<Pose>> {
        let bar = progress::stage("joints", snapshot.photos().len() as u64, "views");
        let of_photo = |photo: &snapshot::KeptPhoto| {
            let pose = draw::true_pose(self.person(&photo.identity)?, &photo.facts, self.spec);
            bar.inc(1);
            pose
        };
        let poses = snapshot.photos().par_iter().map(of_photo).collect();
        bar.finish_and_clear();
        poses
    }
}

fn warn_of_size(people: &People) {
    let photos: usize = people.people.iter().map(|person| person.views.len()).sum();
    if photos < FEW_PHOTOS {
        eprintln!(
            "bolid: {photos} photos of {} people: enough to see that everything works, not to learn bodies from; \
             below about {FEW_PHOTOS} photos expect people never trained on to be told apart by their looks alone",
            people.people.len()
        );
    }
    if people.people.iter().all(|person| person.held_out.is_empty()) {
        eprintln!(
            "bolid: no view is held out to judge the model by: nobody has 8 photos, or `data.hold_out` is off"
        );
    }
    if !people.left_out.is_empty() {
        let names = people.left_out.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        eprintln!("bolid: left out, with fewer than 2 photos: {} people ({names})", people.left_out.len());
    }
}

/// A bias of keys adds the same to every score of a softmax, so its gradient is rounding at most.
fn may_be_zero(name: &str) -> bool {
    name.ends_with("key.bias")
}
