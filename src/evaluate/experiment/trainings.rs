//! The trainings of an experiment: found where they have ended, gone on with or begun where not.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use snapshot::SnapshotRef;
use train::Device;
use train::adapter::file::LORA;
use train::run::RunFolder;

use super::plan::{ExperimentPlan, Given};
use crate::cli::{AdapterArgs, DeviceArgs, DreamboothArgs, Global, HowArgs};
use crate::config;
use crate::evaluate::people::Subject;
use crate::generate::adapter::ChosenAdapter;
use crate::generate::body;
use crate::output::Output;
use crate::training::adapter::config::{AdapterConfig, Base};
use crate::training::adapter::{cache, fit, probe};
use crate::training::dreambooth;

/// A training that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// What it is.
    pub what: Kind,
    /// The seed that it was trained from.
    pub seed: u64,
    /// Whom it was trained on, where that is one person.
    pub person: Option<String>,
    /// The run's id.
    pub run: Option<String>,
    /// Steps; null of an adapter that was given.
    pub steps: Option<u64>,
    /// Whether it was given rather than trained here.
    pub was_given: bool,
    /// Where its files are: the adapter's folder, or the update's file.
    #[serde(skip)]
    pub files: PathBuf,
}

/// A kind of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The adapter.
    Adapter,
    /// A reference stream by IP-Adapter's recipe.
    IpAdapter,
    /// One person as an update of the base.
    Dreambooth,
}

/// The adapter's configuration with what the plan sets over it.
pub fn adapter_config(plan: &ExperimentPlan, more: &[String]) -> Result<AdapterConfig> {
    let set: Vec<String> = plan.adapter.set.iter().chain(more).cloned().collect();
    Ok(config::load_training(&plan.adapter.config, &set, env::vars())?)
}

/// Whether L_id needs a probe that is made of this configuration.
fn has_probe(config: &AdapterConfig) -> bool {
    config.objective.alpha_id > 0.0 && config.probe.model.is_none()
}

/// What trains.
pub struct Trainings<'a> {
    /// What is to be trained.
    pub plan: &'a ExperimentPlan,
    /// On what.
    pub device: DeviceArgs,
    /// Where runs are.
    pub global: &'a Global,
    /// How each training shows what it came to.
    pub output: Output,
}

impl Trainings<'_> {
    /// The adapters of all seeds.
    pub fn adapters(&self) -> Result<Vec<Trained>> {
        // What was given is looked at first: a wrong one is refused before hours of training.
        let given =
            self.plan.adapter.given.iter().map(|given| self.given(given)).collect::<Result<Vec<_>>>()?;
        let one = |&seed: &u64| match given.iter().find(|given| given.seed == seed) {
            Some(given) => Ok(given.clone()),
            None => self.adapter(Kind::Adapter, &[], seed),
        };
        self.plan.training_seeds.iter().map(one).collect()
    }

    /// Reference streams by IP-Adapter's recipe, of all seeds.
    pub fn ip_adapters(&self) -> Result<Vec<Trained>> {
        let set = &self.plan.ip_adapter.set;
        self.plan.training_seeds.iter().map(|&seed| self.adapter(Kind::IpAdapter, set, seed)).collect()
    }

    fn given(&self, given: &Given) -> Result<Trained> {
        let config = adapter_config(self.plan, &[])?;
        let folder = given.folder.display().to_string();
        let chosen = ChosenAdapter::find(&folder, self.global)?;
        let base = chosen.base().unwrap_or_default();
        if base != config.base.path {
            bail!(
                "`adapter.given`: {folder} was trained through the base `{base}`, the configuration has `{}`: \
                 take the entry out, and it is trained",
                config.base.path
            );
        }
        let runs_dir = self.global.workdir.join("runs");
        body::body_vae(&runs_dir, Some(&chosen), Some(&config.body.model), &Device::Cpu)
            .with_context(|| format!("`adapter.given`: {folder}"))?;
        let (found, wanted) =
            (chosen.run_id(), fit::id(&self.adapter_args(Kind::Adapter, &[], given.seed)?, self.global)?);
        if found != Some(wanted.as_str()) {
            bail!(
                "`adapter.given`: {folder} is of {}, the configuration with the seed {} makes the run \
                 {wanted}: that adapter was trained with other settings, on other photos or by another version \
                 of the program; take the entry out, and it is trained",
                found.map_or("no known run".to_owned(), |id| format!("the run {id}")),
                given.seed
            );
        }
        Ok(Trained {
            what: Kind::Adapter,
            seed: given.seed,
            person: None,
            run: Some(wanted),
            steps: None,
            was_given: true,
            files: chosen.folder,
        })
    }

    /// The arguments of an adapter of one seed. Runs of the configuration's own seed, with nothing set over
    /// it, are those of `bolid train adapter`.
    fn adapter_args(&self, what: Kind, more: &[String], seed: u64) -> Result<AdapterArgs> {
        let plan = self.plan;
        let mut set: Vec<String> = plan.adapter.set.iter().chain(more).cloned().collect();
        let config = adapter_config(plan, more)?;
        let of_probe = self.of_configuration(&set);
        if !set.is_empty() || seed != config.seed {
            let kind = if what == Kind::IpAdapter { "-ip-adapter" } else { "" };
            if has_probe(&config) {
                // One probe for all: it is frozen, and not what is compared.
                set.push(format!("probe.model={:?}", probe::id(&of_probe, self.global)?));
            }
            set.extend([format!("seed={seed}"), format!("name=\"{}{kind}-seed-{seed}\"", plan.name)]);
        }
        Ok(self.of_configuration(&set))
    }

    fn of_configuration(&self, set: &[String]) -> AdapterArgs {
        AdapterArgs { config: self.plan.adapter.config.clone(), how: self.how(set, None) }
    }

    /// An adapter of one seed.
    fn adapter(&self, what: Kind, more: &[String], seed: u64) -> Result<Trained> {
        let Self { plan, global, output, .. } = *self;
        if has_probe(&adapter_config(plan, more)?) {
            let set: Vec<String> = plan.adapter.set.iter().chain(more).cloned().collect();
            self.probe(&self.of_configuration(&set))?;
        }
        let args = self.adapter_args(what, more, seed)?;
        let run = match fit::ended(&args, global)? {
            Some(run) => run,
            None => {
                cache::run(&args, global, output)?;
                fit::run(&args, global, output)?;
                fit::ended(&args, global)?.context("the training came to no end")?
            }
        };
        Ok(Trained::of_run(what, seed, None, &run, run.model_dir()))
    }

    /// Trains the pose probe, where it is not there.
    fn probe(&self, args: &AdapterArgs) -> Result<()> {
        if probe::ended(args, self.global)?.is_none() {
            cache::run(args, self.global, self.output)?;
            probe::run(args, self.global, self.output)?;
            probe::ended(args, self.global)?.context("the pose probe's training came to no end")?;
        }
        Ok(())
    }

    /// An update for each of `people`, on the first photos of `photos`, which has none but those that may be given.
    pub fn dreambooths(&self, people: &[Subject], photos: &SnapshotRef) -> Result<Vec<Trained>> {
        let base = adapter_config(self.plan, &[])?.base;
        let of = |subject: &Subject| {
            self.dreambooth(subject, photos, &base).with_context(|| format!("DreamBooth of {}", subject.name))
        };
        people.iter().map(of).collect()
    }

    fn dreambooth(&self, subject: &Subject, photos: &SnapshotRef, base: &Base) -> Result<Trained> {
        let mut set = self.plan.dreambooth.set.clone();
        set.extend([
            format!("name=\"{}-dreambooth-{}\"", self.plan.name, last_part(&subject.name)),
            format!("person={:?}", subject.name),
            "data.split=\"all\"".to_owned(),
            format!("base.path={:?}", base.path),
            format!("base.size_px={}", base.size_px),
            format!("dreambooth.prompt=\"a photo of a {IDENTIFIER} {}\"", subject.noun),
            format!("dreambooth.class_prompt=\"a photo of a {}\"", subject.noun),
        ]);
        let how = self.how(&set, Some(photos.id.clone()));
        let args = DreamboothArgs { config: self.plan.dreambooth.config.clone(), how };
        let run = match dreambooth::ended(&args, self.global)? {
            Some(run) => run,
            None => {
                dreambooth::run(&args, self.global, self.output)?;
                dreambooth::ended(&args, self.global)?.context("the training came to no end")?
            }
        };
        let (seed, file) = (run.record().spec.seed, run.model_dir().join(LORA));
        Ok(Trained::of_run(Kind::Dreambooth, seed, Some(subject.name.clone()), &run, file))
    }

    fn how(&self, set: &[String], snapshot: Option<String>) -> HowArgs {
        HowArgs {
            overrides: set.to_vec(),
            snapshot,
            resume: false,
            go_on: true,
            allow_change: Vec::new(),
            dry_run: false,
            device: self.device,
        }
    }
}

/// The word by which an update knows its person.
pub const IDENTIFIER: &str = "sks";

/// `f00003-0` of `drawn/f00003-0`.
pub fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Trained {
    fn of_run(what: Kind, seed: u64, person: Option<String>, run: &RunFolder, files: PathBuf) -> Self {
        let record = run.record();
        let steps = record.spec.config["fit"]["steps"].as_u64();
        Self { what, seed, person, run: Some(record.id.clone()), steps, was_given: false, files }
    }

    /// The files that decide what it draws.
    pub fn model_files(&self) -> Vec<PathBuf> {
        use train::adapter::file::{BODY, REFERENCE};
        let is_file = |path: &Path| path.is_file();
        match self.what {
            Kind::Dreambooth => vec![self.files.clone()],
            _ => [BODY, REFERENCE, LORA]
                .iter()
                .map(|name| self.files.join(name))
                .filter(|path| is_file(path))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ExperimentArgs;

    #[test]
    fn the_plans_that_come_along_ask_for_trainings_that_there_are() {
        for size in ["quick", "full"] {
            let args = ExperimentArgs {
                config: format!("data/recipes/experiment-{size}.toml").into(),
                overrides: Vec::new(),
                out: None,
                page: None,
                from: None,
                device: DeviceArgs::default(),
                recipe: None,
            };
            let plan = ExperimentPlan::load(&args).expect("a plan");
            let ours = adapter_config(&plan, &[]).expect("an adapter's configuration");
            let theirs = adapter_config(&plan, &plan.ip_adapter.set).expect("IP-Adapter's");
            ours.check().expect("values in range");
            theirs.check().expect("values in range");
            assert_eq!(plan.name, size);
            assert_eq!((theirs.dropout.without_body_stream, ours.dropout.without_body_stream), (1.0, 0.0));
            assert_eq!(theirs.fit.steps, ours.fit.steps, "both learn as long");
            assert_eq!(theirs.objective.alpha_id, 0.0, "theirs knows no pose");
            assert!(plan.adapter.given.iter().all(|given| given.folder.is_dir()));
        }
    }
}
