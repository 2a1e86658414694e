//! What an experiment is made of: a TOML file, whose paths are relative to its folder.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use photo::range::{OutOfRange, check};
use serde::{Deserialize, Serialize};

use super::super::PROMPTS;
use crate::cli::{ExperimentArgs, LAMBDA_BODY};
use crate::config;
use crate::training::config::TrainConfigError;

/// The file. What may be left out is as `bolid evaluate` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentPlan {
    /// The first part of the names of its runs, and of its folder.
    pub name: String,
    /// The synthetic people of this seed; those of a training are refused.
    pub people_seed: u64,
    /// How many.
    pub people: usize,
    /// Photos of each that c_body is made of; the first is the reference.
    #[serde(default = "eight")]
    pub views: usize,
    /// For errors against the number of views; `views` is among them.
    #[serde(default = "view_counts")]
    pub view_counts: Vec<usize>,
    /// Other photos of each, in other clothes, that pictures are compared with.
    #[serde(default = "eight")]
    pub held_out: usize,
    /// Prompts; `{person}` becomes woman or man.
    #[serde(default = "prompts")]
    pub prompts: Vec<String>,
    /// Pictures of each prompt, from as many seeds.
    #[serde(default = "one")]
    pub seeds: u64,
    /// The first of them.
    #[serde(default = "one")]
    pub seed: u64,
    /// Steps of a picture.
    #[serde(default = "steps")]
    pub steps: usize,
    /// Guidance.
    #[serde(default = "guidance")]
    pub guidance: f64,
    /// Weight of the body's stream.
    #[serde(default = "lambda_body")]
    pub lambda_body: f64,
    /// Weight of the reference's stream.
    #[serde(default = "lambda_ref")]
    pub lambda_ref: f64,
    /// Each training is done once from each of them.
    pub training_seeds: Vec<u64>,
    /// The adapter.
    pub adapter: AdapterTraining,
    /// IP-Adapter's recipe.
    pub ip_adapter: Variation,
    /// DreamBooth.
    pub dreambooth: Training,
}

/// A training by its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The configuration's file.
    pub config: PathBuf,
    /// What is set over it, as by `--set`.
    #[serde(default)]
    pub set: Vec<String>,
}

/// The adapter's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterTraining {
    /// The configuration's file.
    pub config: PathBuf,
    /// What is set over it.
    #[serde(default)]
    pub set: Vec<String>,
    /// Adapters that are there already.
    #[serde(default)]
    pub given: Vec<Given>,
}

/// An adapter of this very configuration that need not be trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The seed that it was trained from.
    pub seed: u64,
    /// Its folder.
    pub folder: PathBuf,
}

/// A training that differs from the adapter's in some settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// In which.
    pub set: Vec<String>,
}

/// A plan's lists of settings.
#[derive(Clone, Copy)]
enum List {
    Adapter,
    IpAdapter,
    Dreambooth,
}

/// `--set adapter.set.fit.steps=100` adds `fit.steps=100` to the list: who wants fewer steps need not name
/// all other settings.
fn added_to(flag: &str) -> Option<(List, &str)> {
    [
        ("adapter.set.", List::Adapter),
        ("ip_adapter.set.", List::IpAdapter),
        ("dreambooth.set.", List::Dreambooth),
    ]
    .into_iter()
    .find_map(|(prefix, list)| Some((list, flag.strip_prefix(prefix)?)))
}

fn one() -> u64 {
    1
}

fn eight() -> usize {
    8
}

fn view_counts() -> Vec<usize> {
    vec![1, 2, 4, 8, 16]
}

fn prompts() -> Vec<String> {
    PROMPTS.iter().map(|&prompt| prompt.to_owned()).collect()
}

fn steps() -> usize {
    25
}

fn lambda_body() -> f64 {
    LAMBDA_BODY
}

fn lambda_ref() -> f64 {
    1.0
}

fn guidance() -> f64 {
    3.0
}

impl ExperimentPlan {
    /// Reads and checks it.
    pub fn load(args: &ExperimentArgs) -> Result<Self> {
        let (added, overrides): (Vec<String>, Vec<String>) =
            args.overrides.iter().cloned().partition(|flag| added_to(flag).is_some());
        let mut plan: Self = config::load_training(&args.config, &overrides, std::iter::empty())?;
        for (list, setting) in added.iter().filter_map(|flag| added_to(flag)) {
            match list {
                List::Adapter => &mut plan.adapter.set,
                List::IpAdapter => &mut plan.ip_adapter.set,
                List::Dreambooth => &mut plan.dreambooth.set,
            }
            .push(setting.to_owned());
        }
        plan.check()
            .map_err(|source| TrainConfigError::OutOfRange { config: args.config.clone(), source })?;
        let folder = args.config.parent().unwrap_or(Path::new(""));
        for path in [&mut plan.adapter.config, &mut plan.dreambooth.config] {
            *path = folder.join(&path);
            if !path.is_file() {
                bail!("{}: the configuration {} is not there", args.config.display(), path.display());
            }
        }
        for given in &mut plan.adapter.given {
            given.folder = folder.join(&given.folder);
        }
        Ok(plan)
    }

    /// The most views that c_body is made of.
    pub fn most_views(&self) -> usize {
        self.view_counts.iter().copied().max().unwrap_or(self.views)
    }

    /// The seeds of each prompt.
    pub fn seeds(&self) -> Vec<u64> {
        (0..self.seeds).map(|index| self.seed.wrapping_add(index)).collect()
    }

    fn check(&self) -> Result<(), OutOfRange> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = &self.name;
        let is_named = !name.is_empty() && name.chars().all(is_name);
        check("name", name, is_named, "letters, digits and dashes: folders are called by it")?;
        check("people", &self.people, self.people >= 2, "2 or more: one is told from another")?;
        let counts = format!("{:?}", self.view_counts);
        let rises = self.view_counts.windows(2).all(|pair| pair[0] < pair[1]);
        let is_from_one = self.view_counts.first().is_some_and(|&first| first >= 1);
        check("view_counts", &counts, rises && is_from_one, "rising numbers from 1 on")?;
        check("views", &self.views, self.view_counts.contains(&self.views), "one of `view_counts`")?;
        check("held_out", &self.held_out, self.held_out >= 1, "at least 1")?;
        let prompts = self.prompts.join(" | ");
        let has_words = !self.prompts.is_empty() && self.prompts.iter().all(|one| !one.trim().is_empty());
        check("prompts", &prompts, has_words, "prompts with words")?;
        check("seeds", &self.seeds, self.seeds >= 1, "at least 1")?;
        check("steps", &self.steps, self.steps >= 1, "at least 1")?;
        let guidance = self.guidance;
        check("guidance", &guidance, (1.0..=100.0).contains(&guidance), "1 to 100; 1 is none")?;
        for (key, lambda) in [("lambda_body", self.lambda_body), ("lambda_ref", self.lambda_ref)] {
            check(key, &lambda, lambda > 0.0 && lambda <= 2.0, "above 0, up to 2")?;
        }
        let seeds = format!("{:?}", self.training_seeds);
        let differ = (1..self.training_seeds.len())
            .all(|at| !self.training_seeds[..at].contains(&self.training_seeds[at]));
        let is_some = !self.training_seeds.is_empty();
        check("training_seeds", &seeds, is_some && differ, "different seeds, at least one")?;
        for given in &self.adapter.given {
            let is_asked = self.training_seeds.contains(&given.seed);
            check("adapter.given.seed", &given.seed, is_asked, "one of `training_seeds`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::DeviceArgs;
    use crate::evaluate::experiment::trainings::adapter_config;

    #[test]
    fn a_plan_is_made_smaller_by_set_and_keeps_its_other_settings() {
        let overrides = [
            "people=4",
            "training_seeds=[2]",
            "adapter.set.fit.steps=120",
            "ip_adapter.set.fit.learning_rate=1e-3",
            "dreambooth.set.fit.steps=40",
        ];
        let args = |overrides: &[&str]| ExperimentArgs {
            config: "data/recipes/experiment-quick.toml".into(),
            overrides: overrides.iter().map(|&one| one.to_owned()).collect(),
            out: None,
            page: None,
            from: None,
            device: DeviceArgs::default(),
            recipe: None,
        };
        let usual = ExperimentPlan::load(&args(&[])).expect("a plan");
        let small = ExperimentPlan::load(&args(&overrides)).expect("a plan");
        assert_eq!((small.people, &small.training_seeds[..]), (4, &[2][..]));
        assert_eq!(small.adapter.set[..usual.adapter.set.len()], usual.adapter.set);
        assert_eq!(small.dreambooth.set.last().map(String::as_str), Some("fit.steps=40"));
        let ours = adapter_config(&small, &[]).expect("the adapter's configuration");
        let theirs = adapter_config(&small, &small.ip_adapter.set).expect("IP-Adapter's");
        let families = ours.data.drawn.as_ref().map(|drawn| drawn.families);
        assert_eq!((ours.fit.steps, theirs.fit.steps, families), (120, 120, Some(96)));
        assert_eq!((theirs.fit.learning_rate, ours.objective.alpha_id), (1e-3, 0.0));
        assert!(ours.fit.check().is_ok(), "as few steps as the docs say");
    }
}
