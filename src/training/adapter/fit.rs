//! `bolid train adapter`: the two streams, trained through the frozen base.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::json;
use train::DType;
use train::adapter::file::IMAGE_ENCODER;
use train::adapter::page::{GridPlan, page};
use train::adapter::{
    Adapter, AdapterBatch, AdapterSource, Case, CaseErrors, Cases, ClipJudge, Objective, Pipeline, Widths,
    file, plan,
};
use train::cache::{CachedText, Encoders};
use train::diffusion::checkpoint::load_clip;
use train::diffusion::lora::TrainedLora;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::SamplerKind;
use train::diffusion::tokenizer::ClipTokenizer;
use train::fit::{self, Task, TaskError, Validation, ValidationContext};
use train::parameters::Parameters;
use train::report::{FILE, Grid};
use train::run::{RunFolder, RunSpec};
use train::views::ViewReader;

use super::inputs::Inputs;
use super::probe;
use crate::cli::{AdapterArgs, Global};
use crate::output::Output;
use crate::training::{data, kinds, runs, shown, start, together};

/// The grid's file in the run's folder.
const GRID: &str = "grid.png";

/// Runs the command.
pub fn run(args: &AdapterArgs, global: &Global, output: Output) -> Result<()> {
    let inputs = Inputs::load(args, global)?;
    let encoders = inputs.encoders()?;
    let (config, device) = (&inputs.config, &inputs.device);
    let captions = inputs.all_captions()?;
    let judge = load_judge(&inputs, &captions)?;
    let saved_probe = match config.objective.alpha_id > 0.0 {
        true => Some(probe::load(&inputs, &encoders.spec().vae.to_string())?),
        false => None,
    };
    let cache = inputs.store(&encoders)?;
    let vae = inputs.base.vae()?;
    let parameters = Parameters::seeded(config.seed);
    let lora = config.adapter.lora().map(|(rank, alpha)| {
        TrainedLora::new(rank, alpha, parameters.builder(DType::F32, device).pp("lora"))
    });
    let unet = inputs.base.unet_with(lora)?.with_checkpointing(config.base.checkpointing);
    let scheduler = inputs.base.scheduler()?;
    let schedule = scheduler.noise_schedule()?;
    let widths = Widths { image: encoders.image_width(), body: encoders.body().model.config().latent };
    let source = AdapterSource {
        snapshot: &inputs.snapshot,
        cache: &cache,
        captions: &captions,
        no_text: cache.text("")?,
        widths,
        scaling: (vae.config().shift_factor, vae.config().scaling_factor),
        size_px: config.base.size_px,
        timesteps: schedule.len(),
        sigma: sigma(&inputs),
        objective: &config.objective,
        device,
    };
    let objective = Objective {
        unet: &unet,
        schedule: &schedule,
        prediction: scheduler.prediction()?,
        vae: &vae,
        probe: saved_probe.as_ref().map(|saved| &saved.probe),
        judge: judge.as_ref(),
        settings: &config.objective,
    };
    let adapter = Adapter::new(&unet, widths, &parameters, device)?;
    Adapter::begin(&unet, &parameters, config.adapter.initial_gain)?;
    if let Some(initial) = &inputs.initial {
        initial.begin_adapter(&parameters, &config.base.path, encoders.body().digest, device)?;
    }
    let pipeline = Pipeline {
        unet: &unet,
        vae: &vae,
        scheduler: &scheduler,
        size_px: (config.base.size_px, config.base.size_px),
        sampling: Sampling {
            kind: SamplerKind::DpmSolver,
            steps: config.validation.grid_steps,
            guidance: config.validation.grid_guidance,
        },
    };
    let report = Report::new(&inputs, &encoders, &source, &objective, &pipeline)?;
    let spec = spec(&inputs);
    let facts = BTreeMap::from([
        ("run".to_owned(), spec.id()),
        ("snapshot".to_owned(), inputs.snapshot.id()),
        ("program_version".to_owned(), spec.program_version.clone()),
        ("base".to_owned(), config.base.path.clone()),
        ("body_vae".to_owned(), encoders.body().digest.to_string()),
        (IMAGE_ENCODER.to_owned(), encoders.spec().image.to_string()),
    ]);
    let load = |step: u64| -> Result<AdapterBatch, TaskError> {
        let plan = plan(&inputs.people, &inputs.origins, &config.samples, &config.dropout, config.seed, step);
        Ok(source.batch(&plan)?)
    };
    let task = Task {
        load: &load,
        loss: &|batch, context| Ok(objective.loss(&adapter, batch, context.step)?),
        describe: &|batch| data::describe(&inputs.snapshot, &batch.photos),
        validate: &|context| report.validate(context, &adapter),
        save_model: &|values, folder| {
            Ok(file::save(folder, values, &facts, DType::F32, config.adapter.lora())?)
        },
        // The embeddings of a batch may all be dropped; A of an update stands behind B, which begins at zero.
        may_be_zero: &|name| name.ends_with("image_proj.proj.weight") || name.ends_with("lora_A.weight"),
        // A step without the reference stream may be the first after resuming.
        may_be_absent: &|name| {
            let without_body = config.dropout.without_body_stream > 0.0;
            name.starts_with("reference.") || (without_body && name.starts_with("body."))
        },
    };
    if args.how.dry_run {
        let dry = fit::dry_run(&parameters, &task, &config.fit)?;
        return Ok(output.show(&dry, shown::dry_run_text)?);
    }
    let begin = || start::run(inputs.runs_dir(), &spec, &inputs.text, &args.how);
    let group = inputs.group.as_ref();
    let Some((folder, finished)) = together::train(group, &spec, begin, &parameters, &task, &config.fit)?
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
    let spec = start::spec(kinds::ADAPTER, config.name.clone(), &inputs.snapshot, config.seed, json!(config));
    inputs.initial.iter().fold(spec, |spec, initial| initial.in_spec(spec))
}

/// CLIP for L_CLIP, where that is switched on.
fn load_judge(inputs: &Inputs, captions: &[&str]) -> Result<Option<ClipJudge>> {
    let config = &inputs.config;
    if config.objective.beta_clip == 0.0 {
        return Ok(None);
    }
    let folder = config.base.clip.clone().unwrap_or_else(|| inputs.base.folder().join("clip"));
    let needs = || explain_need(config.objective.beta_clip);
    let clip = load_clip(&folder, DType::F32, &inputs.device).with_context(needs)?;
    let tokenizer = ClipTokenizer::read(&folder).with_context(needs)?;
    let trained = inputs.people.people.iter().flat_map(|person| &person.views);
    let captions: BTreeSet<&str> = trained.map(|&view| captions[view]).collect();
    Ok(Some(ClipJudge::new(clip, &tokenizer, &captions)?))
}

fn explain_need(beta_clip: f64) -> String {
    format!(
        "`objective.beta_clip = {beta_clip}` needs a whole CLIP model: set `base.clip` to the folder of one, \
         such as openai/clip-vit-large-patch14, or `objective.beta_clip = 0`"
    )
}

/// W_norm's σ in shares of the view, as the snapshot was prepared with; 64 of 1024 px where it does not say.
fn sigma(inputs: &Inputs) -> f32 {
    let spec = &inputs.snapshot.manifest().spec;
    let sigma_px = spec.prepare["sigma_px"].as_f64().unwrap_or(f64::from(spec.size_px) / 16.0);
    (sigma_px / f64::from(spec.size_px)) as f32
}

/// What the adapter is judged by, and the page.
struct Report<'a> {
    inputs: &'a Inputs,
    source: &'a AdapterSource<'a>,
    objective: &'a Objective<'a>,
    pipeline: &'a Pipeline<'a>,
    photos: ViewReader<'a>,
    groups: Vec<Cases>,
    grid: GridPlan,
}

impl<'a> Report<'a> {
    fn new(
        inputs: &'a Inputs,
        encoders: &Encoders,
        source: &'a AdapterSource<'a>,
        objective: &'a Objective<'a>,
        pipeline: &'a Pipeline<'a>,
    ) -> Result<Self> {
        let judging = &inputs.config.validation;
        let (most, each) = (judging.people, judging.photos);
        let groups = vec![
            Cases::held_out(&inputs.people.people, &inputs.origins, most, each),
            Cases::unseen(inputs.judged_unseen(), &inputs.origins, most, each),
        ];
        // People whom nobody was trained on are what a grid should show; held-out photos where there are none.
        let shown = groups.iter().rev().find(|group| !group.cases.is_empty());
        let cases: &[Case] = shown.map_or(&[], |group| &group.cases);
        let views = inputs.config.samples.body_views;
        let bodies = GridPlan::bodies(cases, source, judging.grid_bodies, views)?;
        let mut prompts: Vec<String> = judging.prompts.clone();
        if prompts.is_empty() {
            let captions = cases.iter().map(|case| source.captions[case.target].to_owned());
            prompts = captions.take(2).collect();
            prompts.dedup();
        }
        let states = |prompt: String| -> Result<(String, CachedText)> {
            let text = CachedText::read(encoders.prompts(), &prompt)?;
            Ok((prompt, text))
        };
        let prompts = prompts.into_iter().map(states).collect::<Result<_>>()?;
        Ok(Self {
            inputs,
            source,
            objective,
            pipeline,
            photos: ViewReader::new(&inputs.snapshot, inputs.config.base.size_px)?,
            groups,
            grid: GridPlan { prompts, bodies, seed: inputs.config.seed },
        })
    }

    fn errors(&self, adapter: &Adapter) -> Result<Vec<Vec<CaseErrors>>> {
        let views = self.inputs.config.samples.body_views;
        let of = |group: &Cases| Ok(group.errors(self.objective, adapter, self.source, views)?);
        self.groups.iter().map(of).collect()
    }

    fn validate(&self, context: &ValidationContext<'_>, adapter: &Adapter) -> Result<Validation, TaskError> {
        // Somebody may be erased while a training goes on: it must not write their pictures again.
        runs::refuse_withdrawn(context.run)?;
        let errors = self.errors(adapter)?;
        let numbers: BTreeMap<String, f64> =
            self.groups.iter().zip(&errors).flat_map(|(group, errors)| group.numbers(errors)).collect();
        let minimise = ["unseen_right", "seen_right"].into_iter().find(|name| numbers.contains_key(*name));
        let grid = self.write(context, adapter, &numbers, &errors)?;
        let pictures = grid.for_tensorboard().into_iter().collect();
        Ok(Validation { minimise: minimise.map(str::to_owned), numbers, pictures })
    }

    /// Writes page and grid; the log does not have this validation yet.
    fn write(
        &self,
        context: &ValidationContext<'_>,
        adapter: &Adapter,
        numbers: &BTreeMap<String, f64>,
        errors: &[Vec<CaseErrors>],
    ) -> Result<Grid> {
        let grid = self.grid.draw(self.pipeline, &self.source.no_text, adapter, self.photos)?;
        let groups = self.groups.iter().zip(errors);
        let cases: Vec<(&Case, CaseErrors)> =
            groups.flat_map(|(group, errors)| group.cases.iter().zip(errors.iter().copied())).collect();
        let latest = Some((context.step, numbers));
        let page = page(context.run, &self.inputs.text, grid.clone(), &cases, self.photos, latest)?;
        let html = page.to_html();
        // Again, now that the pictures are there: drawing them took a while.
        runs::refuse_withdrawn(context.run)?;
        context.run.replace_file(FILE, html.as_bytes())?;
        let montage = grid.montage();
        if montage.width > 0 {
            context.run.replace_file(GRID, &montage.png())?;
        }
        Ok(grid)
    }
}
