//! `bolid evaluate`: how well pictures show whom they are to show.
//!
//! | file | what |
//! |---|---|
//! | [`people`] | who is judged |
//! | [`condition`] | what pictures are conditioned on |
//! | [`renderer`] | draws them |
//! | [`judge`] | what networks say of a picture |
//! | [`silhouette`] | which pixels are the person |
//! | [`readings`] | what all pictures of one person in one condition say together |
//! | [`proportions`] | how far two bodies are apart |
//! | [`compute`] | from all that to figures |
//! | [`retrieval`] | whose photos a body is most like |
//! | [`sets`] | how far pictures are from photos as sets |
//! | [`figures`] | what comes out, `evaluation.json` |
//! | [`experiment`] | `bolid experiment`: conditions and baselines side by side, over several trainings |
//! | [`table`](mod@table) | the same for a terminal |
//! | [`page`] | the same as a page |
//! | [`survey`] | what people say, asked on a page of its own |

mod compute;
mod condition;
pub mod experiment;
mod figures;
mod judge;
mod page;
mod people;
mod proportions;
mod readings;
mod renderer;
mod retrieval;
mod sets;
mod silhouette;
mod survey;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use curate::FeatureNetwork;
use snapshot::Snapshot;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::{Sampler, SamplerKind, SchedulerConfig};
use train::generate::{Embedding, Likeness, ModelFiles, Models};
use train::report::{Grid, Picture, Row};
use train::run::RunFolder;

use crate::cli::{EvaluateArgs, Global, LAMBDA_BODY};
use crate::exit::Done;
use crate::generate::adapter::ChosenAdapter;
use crate::generate::{BASE, base_folder, body};
use crate::output::Output;
use crate::progress;
use crate::runtime::onnx_runtime;
use crate::training::{model, runs, together};
use crate::which;
use compute::{AskedPose, Judged};
use condition::Condition;
use figures::Evaluation;
use judge::Judges;
use people::{Sides, Subject};
use readings::Readings;
use renderer::{PERSON, Renderer, SubjectInputs};
use survey::answers::Answers;
use survey::page::Key;
use survey::question::questions;
use survey::results::SurveyResults;

/// What is drawn where no --prompts are named: clothes that nobody was seen in, nothing of the body. Hair is
/// named, everybody's the same, since all captions that the demo base was trained on name it: without it the
/// base leaves out colours of clothes, and pictures agree with their prompts half as well.
const PROMPTS: [&str; 4] = [
    "a photo of a {person} with short dark brown hair wearing a red T-shirt and jeans",
    "a photo of a {person} with short dark brown hair wearing a white shirt and black trousers",
    "a photo of a {person} with short dark brown hair wearing a green sweater and grey trousers",
    "a photo of a {person} with short dark brown hair wearing a black T-shirt and beige shorts",
];
/// More of them for people whom nobody photographed: half of the pictures have to find the other half.
const PRIOR_PROMPTS: [&str; 4] = [
    "a photo of a {person} with short dark brown hair wearing a yellow sweater and brown trousers",
    "a photo of a {person} with short dark brown hair wearing a light blue shirt and jeans",
    "a photo of a {person} with short dark brown hair wearing a purple T-shirt and navy trousers",
    "a photo of a {person} with short dark brown hair wearing a cream turtleneck and olive trousers",
];
/// The largest weight of a stream that still gives pictures.
const MOST_LAMBDA: f64 = 2.0;
/// People on the page's sheet.
const SHEET_PEOPLE: usize = 8;

/// Runs the command.
pub fn run(args: &EvaluateArgs, global: &Global, output: Output) -> Result<Done> {
    together::refuse_group("evaluate")?;
    let Some(adapter_name) = &args.adapter else { return survey_results(args, output) };
    let prompts = prompts(args)?;
    check(args)?;
    let adapter = ChosenAdapter::find(adapter_name, global)?;
    let snapshot = args.snapshot.as_deref().map(|name| open(name, global)).transpose()?;
    let base_name = args.base.clone().or_else(|| adapter.base()).unwrap_or_else(|| BASE.to_owned());
    let base = base_folder(&base_name, &args.revision)?;
    let files = ModelFiles {
        base_name: base_name.clone(),
        base: base.clone(),
        unet: None,
        loras: Vec::new(),
        adapter: Some(adapter.folder.clone()),
        image_encoder: args.image_encoder.as_deref().map(model::image_encoder_folder).transpose()?,
    };
    let device = args.device.open()?;
    let models = Models::load(files, &device).with_context(|| format!("load the base `{base_name}`"))?;
    let chosen =
        body::body_vae(&global.workdir.join("runs"), Some(&adapter), args.body_model.as_deref(), &device)?;
    if let Some(snapshot) = &snapshot {
        for run in adapter.run.iter().chain(&chosen.run) {
            refuse_known_people(run, snapshot)?;
        }
    }
    let clip = args.clip.clone().unwrap_or_else(|| base.join("clip"));
    let likeness =
        Likeness::load(&clip, &device).with_context(|| format!("load CLIP from {}", clip.display()))?;
    let plan = which::plan(&args.recipe, &global.workdir)?;
    let view_px = chosen.saved.model.config().view_px;
    let inception = match &args.inception {
        Some(file) => Some(FeatureNetwork::load(file, &onnx_runtime()?)?),
        None => None,
    };
    let judges = Judges::new(&plan, chosen.saved.model, likeness, inception)?;
    let scheduler = models.scheduler().clone();
    let kind = match &args.scheduler {
        Some(name) => name.parse().map_err(|text: String| anyhow::anyhow!("--scheduler: {text}"))?,
        None => scheduler.sampler()?,
    };
    if kind == SamplerKind::Ddpm {
        // Pictures that are drawn side by side take the mean of every step.
        bail!(
            "the scheduler ddpm adds fresh noise at every step, which is not drawn here: name ddim, euler or dpm++2m"
        );
    }
    Sampler::new(kind, &scheduler, args.steps)?; // refuses what the schedule cannot do before anything is drawn
    let sides = Sides { picture_px: models.size_px(), view_px };
    let people = match (&snapshot, args.people_seed) {
        (Some(snapshot), _) => people::of_snapshot(snapshot, args.people, args.views, sides)?,
        (None, Some(seed)) => {
            people::drawn(&people::spec(seed, args.people, args.views, sides), args.views, sides)?
        }
        (None, None) => bail!("say who is judged: --snapshot SNAPSHOT or --people-seed N"),
    };
    let sampling = Sampling { kind, steps: args.steps, guidance: args.guidance.max(1.0) };
    let seeds: Vec<u64> = (0..args.seeds).map(|i| args.seed.wrapping_add(i)).collect();
    let renderer = Renderer::new(&models, &scheduler, sampling, prompts.clone(), seeds)?;
    let conditions = condition::all(&args.lambda_body, &args.lambda_ref);

    let judged = judge_people(&people, &conditions, &renderer, &judges, &models)?;
    let prior = match args.prior_bodies {
        0 => None,
        count => Some(prior_bodies(count, args, &models, &scheduler, sampling, &judges)?),
    };
    let provenance = figures::Provenance {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: adapter_name.clone(),
        models: models.names().clone(),
        body_vae: chosen.saved.digest,
        clip: judges.likeness.digest(),
        feature_network: judges.inception.as_ref().map_or(figures::CLIP.to_owned(), FeatureNetwork::name),
        pose_model: judges.detectors.cache_key(curate::Role::People),
        people: match (&snapshot, args.people_seed) {
            (Some(snapshot), _) => format!("held-out people of {}", snapshot.id()),
            (None, seed) => format!("synthetic people of seed {}", seed.unwrap_or_default()),
        },
        views: args.views,
        prompts,
        seeds: renderer.seeds().to_vec(),
        steps: args.steps,
        guidance: args.guidance,
        scheduler: crate::generate::name_of(kind).to_owned(),
        size_px: renderer.side(),
    };
    let evaluation = Evaluation::new(provenance, &judged, prior)?;
    let default = || global.workdir.join("evaluations").join(last_part(adapter_name));
    let folder = args.out.clone().unwrap_or_else(default);
    write(&folder, &evaluation, sheet(&people, &judged))?;
    // The page shows people: whoever erases one learns of it.
    for run in adapter.run.iter().chain(&chosen.run) {
        runs::exports::note(run.path(), &folder.join(page::FILE), "evaluation")?;
    }
    output.show(&evaluation, table::table)?;
    eprintln!("bolid: {}", folder.join(page::FILE).display());
    // Last: where nothing can be asked, the figures are there.
    if args.survey {
        let names: Vec<&str> = people.iter().map(|subject| subject.name.as_str()).collect();
        let questions = questions(&judged, &names, args.seed)?;
        survey::page::write(&folder, &Key::new(adapter_name, &questions)?, &questions)?;
        for run in adapter.run.iter().chain(&chosen.run) {
            for file in [survey::page::PAGE_FILE, survey::page::KEY_FILE] {
                runs::exports::note(run.path(), &folder.join(file), "survey")?;
            }
        }
        let page = folder.join(survey::page::PAGE_FILE);
        eprintln!("bolid: {} asks {} questions", page.display(), questions.len());
    }
    Ok(Done::Success)
}

/// What a survey came to.
fn survey_results(args: &EvaluateArgs, output: Output) -> Result<Done> {
    let first =
        args.survey_results.first().context("no answers: name the files that the survey's page saved")?;
    let key = args.survey_key.clone().unwrap_or_else(|| first.with_file_name(survey::page::KEY_FILE));
    let key = Key::read(&key)?;
    let mut answers = Answers::default();
    for file in &args.survey_results {
        answers.read(file, &key)?;
    }
    output.show(&SurveyResults::new(&key, &answers), SurveyResults::table)?;
    Ok(Done::Success)
}

/// The prompts, checked.
fn prompts(args: &EvaluateArgs) -> Result<Vec<String>> {
    let Some(path) = &args.prompts else {
        return Ok(PROMPTS.iter().map(|&prompt| prompt.to_owned()).collect());
    };
    let text = fs::read_to_string(path).with_context(|| format!("read the prompts {}", path.display()))?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(empty) = lines.iter().position(|line| line.trim().is_empty()) {
        bail!("{}, line {}: an empty prompt; take the line out", path.display(), empty + 1);
    }
    if lines.is_empty() {
        bail!("{}: there is no prompt; write one a line", path.display());
    }
    Ok(lines)
}

fn check(args: &EvaluateArgs) -> Result<()> {
    for (flag, values) in [("lambda-body", &args.lambda_body), ("lambda-ref", &args.lambda_ref)] {
        if let Some(wrong) = values.iter().find(|value| !(0.0..=MOST_LAMBDA).contains(*value)) {
            bail!("--{flag} {wrong}: weights of streams are from 0 to 2; 1 is as trained");
        }
    }
    for (flag, value, least) in [
        ("people", args.people, 2),
        ("views", args.views, 1),
        ("steps", args.steps, 1),
        ("seeds", args.seeds as usize, 1),
    ] {
        if value < least {
            bail!("--{flag} {value}: {least} or more are needed");
        }
    }
    if args.prior_bodies == 1 {
        bail!("--prior-bodies 1: one is to be told from another; give 0 or from 2 on");
    }
    if !(0.0..=100.0).contains(&args.guidance) {
        bail!("--guidance {}: from 0 to 100; 3 to 8 are usual, up to 1 is none", args.guidance);
    }
    Ok(())
}

fn open(name: &str, global: &Global) -> Result<Snapshot> {
    let path = snapshot::find(&global.workdir.join("snapshots"), name)?;
    Ok(Snapshot::open(&path)?)
}

/// Refuses people of the test side where the run was trained on that too.
fn refuse_known_people(run: &RunFolder, snapshot: &Snapshot) -> Result<()> {
    let spec = &run.record().spec;
    let split = spec.config["data"]["split"].as_str().unwrap_or_default();
    if spec.snapshot.id == snapshot.id() && matches!(split, "all" | "test") {
        bail!(
            "run `{}` was trained on the people of snapshot {} who would be judged (`data.split = \"{split}\"`): use \
             --people-seed, another snapshot, or train with `data.split = \"train\"`",
            spec.name,
            snapshot.id()
        );
    }
    Ok(())
}

/// Draws everybody in every condition, and reads pictures and photos alike.
fn judge_people(
    people: &[Subject],
    conditions: &[Condition],
    renderer: &Renderer<'_>,
    judges: &Judges,
    models: &Models,
) -> Result<Judged> {
    let per_person = renderer.prompts("").count() * renderer.seeds().len();
    let bar = progress::stage("evaluate", (people.len() * conditions.len() * per_person) as u64, "pictures");
    let mut judged = Judged {
        asked: people.iter().map(|subject| AskedPose::of(&subject.given[0])).collect(),
        strangers: people::strangers(people),
        given: Vec::new(),
        held_out: Vec::new(),
        conditions: conditions.iter().map(|&condition| (condition, Vec::new())).collect(),
    };
    for subject in people {
        let photos = |views: &[people::View]| -> Result<Readings> {
            let pictures: Vec<Picture> = views.iter().map(|view| view.picture.clone()).collect();
            Readings::new(&pictures, judges, &[], 1)
        };
        judged.given.push(photos(&subject.given)?);
        judged.held_out.push(photos(&subject.held_out)?);
        let c_body: Vec<f32> =
            people::posterior(&judges.body_vae, &subject.given)?.mean()?.detach().flatten_all()?.to_vec1()?;
        let shown = &subject.given[0].picture;
        let reference = models.embed(&subject.name, &shown.rgb, shown.width, shown.height)?;
        let inputs = SubjectInputs {
            name: &subject.name,
            noun: subject.noun,
            body: &c_body,
            reference: Some(&reference.values),
        };
        let texts: Vec<Vec<f32>> = renderer
            .prompts(subject.noun)
            .map(|prompt| judges.likeness.of_text(&prompt))
            .collect::<Result<_, _>>()?;
        for (condition, found) in &mut judged.conditions {
            let pictures = renderer.draw(inputs, *condition)?;
            bar.inc(pictures.len() as u64);
            found.push(Readings::new(&pictures, judges, &texts, renderer.seeds().len())?);
        }
    }
    bar.finish_and_clear();
    Ok(judged)
}

/// Whether people whom nobody photographed are the same in every picture: one half of their pictures, of
/// other prompts, has to find the other.
fn prior_bodies(
    count: usize,
    args: &EvaluateArgs,
    models: &Models,
    scheduler: &SchedulerConfig,
    sampling: Sampling,
    judges: &Judges,
) -> Result<figures::PriorBodies> {
    let prompts: Vec<String> =
        PROMPTS.iter().chain(&PRIOR_PROMPTS).map(|prompt| prompt.replace(PERSON, "person")).collect();
    let renderer = Renderer::new(models, scheduler, sampling, prompts, vec![args.seed])?;
    let width = models.adapter().map_or(0, |adapter| adapter.body.embed_dim());
    let lambda_body = args.lambda_body.first().copied().unwrap_or(LAMBDA_BODY);
    let condition = Condition { lambda_body, lambda_ref: 0.0 };
    let bar =
        progress::stage("evaluate", (count * (PROMPTS.len() + PRIOR_PROMPTS.len())) as u64, "prior bodies");
    let mut halves = Vec::new();
    for seed in 0..count as u64 {
        let body = Embedding::of_seed(args.seed.wrapping_add(seed), width).values;
        let name = format!("seed:{seed}");
        let inputs = SubjectInputs { name: &name, noun: "person", body: &body, reference: None };
        let mut pictures = renderer.draw(inputs, condition)?;
        bar.inc(pictures.len() as u64);
        let other = pictures.split_off(PROMPTS.len());
        halves.push((Readings::new(&pictures, judges, &[], 1)?, Readings::new(&other, judges, &[], 1)?));
    }
    bar.finish_and_clear();
    figures::PriorBodies::of(&halves)
}

/// A name for a folder: the last part of what was typed.
fn last_part(typed: &str) -> String {
    let last = Path::new(typed).file_name().map(|name| name.to_string_lossy().into_owned());
    last.unwrap_or_else(|| "adapter".to_owned())
}

/// Some people with a photo, and a picture in every condition.
fn sheet(people: &[Subject], judged: &Judged) -> Grid {
    let columns = ["photo".to_owned(), "another".to_owned()].into_iter();
    let columns = columns.chain(judged.conditions.iter().map(|(condition, _)| condition.label())).collect();
    let row = |(index, subject): (usize, &Subject)| {
        let photos = [&subject.given, &subject.held_out].map(|views| Some(views[0].picture.clone()));
        let drawn = judged.conditions.iter().map(|(_, found)| found[index].first.clone());
        Row { label: subject.name.clone(), cells: photos.into_iter().chain(drawn).collect() }
    };
    let rows = people.iter().enumerate().take(SHEET_PEOPLE).map(row).collect();
    Grid {
        title: "Pictures".to_owned(),
        note:
            "Two photos of each, in clothes of their own; then the first prompt from the same noise in every \
               condition."
                .to_owned(),
        columns,
        rows,
    }
}

fn write(folder: &Path, evaluation: &Evaluation, sheet: Grid) -> Result<()> {
    let doing = || format!("write the evaluation into {}", folder.display());
    fs::create_dir_all(folder).with_context(doing)?;
    let text = serde_json::to_string_pretty(evaluation)?;
    fs::write(folder.join(figures::FILE), text + "\n").with_context(doing)?;
    fs::write(folder.join(page::FILE), page::page(evaluation, sheet).to_html()).with_context(doing)
}
