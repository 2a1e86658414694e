//! A recipe with everything it names, loaded and checked before anything is touched.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use catalog::decision::Decision;
use catalog::measurement::Probe;
use crawler::{Profile, ProfileError};
use curate::model::ModelEntry;
use curate::{Detectors, ModelError, ModelSchedule, Registry, Role};
use photo::Digest;
use snapshot::Snapshot;
use url::Url;

use crate::cli::RecipeArgs;
use crate::recipe::{Recipe, Site};
use crate::{config, judge, measure, runtime, which};

/// A recipe that cannot be carried out: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Nothing to work on.
    #[error("recipe `{0}` names no site and no import; add `sites = [\"….toml\"]` or an `[[imports]]`")]
    NoSource(String),
    /// Two sources with one name would be mixed up.
    #[error("recipe `{recipe}` has two sources called `{name}`; give each import a name of its own")]
    SourceTwice {
        /// The recipe.
        recipe: String,
        /// The name.
        name: String,
    },
    /// Thresholds for a source that the recipe does not have.
    #[error(
        "recipe `{recipe}` has thresholds in `[rules.site.{name}]`, but no source of that name; it has {known}"
    )]
    UnknownSite {
        /// The recipe.
        recipe: String,
        /// The name.
        name: String,
        /// The names of its sources.
        known: String,
    },
    /// A name that no snapshot can have.
    #[error("recipe: `name`: {0}")]
    Name(snapshot::WriteError),
    /// A threshold or share that makes no sense.
    #[error("recipe `{recipe}`: {problem}")]
    Rule {
        /// The recipe.
        recipe: String,
        /// Which, and what is expected.
        problem: photo::range::OutOfRange,
    },
    /// A folder or list that is not there.
    #[error("recipe `{recipe}`: the import `{name}` is at {path}, which does not exist", path = .path.display())]
    NoImport {
        /// The recipe.
        recipe: String,
        /// The import.
        name: String,
        /// Its path.
        path: PathBuf,
    },
    /// Faces are to be compared, but there is no one model that does it.
    #[error(
        "recipe `{recipe}` compares the faces of each person (`rules.identity.min_similarity`, or \
         `detectors.face_embedding`): {cause}, or leave that out of the recipe"
    )]
    FaceEmbedding {
        /// The recipe.
        recipe: String,
        /// What is missing.
        cause: Box<ModelError>,
    },
    /// A role is off that nothing works without.
    #[error(
        "recipe `{recipe}`: `detectors.{role}` cannot be \"none\": without it nobody knows how many people a photo shows \
         and where; only `detectors.watermark` and `detectors.face_embedding` may be"
    )]
    NeedsRole {
        /// The recipe.
        recipe: String,
        /// The role.
        role: Role,
    },
    /// The lock cannot be used.
    #[error("recipe `{recipe}`: `lock`: {cause}")]
    Lock {
        /// The recipe.
        recipe: String,
        /// Why not.
        cause: snapshot::Error,
    },
    /// The settings of `prepare` make no sense.
    #[error("recipe `{recipe}`: {cause}")]
    Prepare {
        /// The recipe.
        recipe: String,
        /// Which, and what is expected.
        cause: curate::prepare::SettingsError,
    },
}

/// A recipe that can be carried out.
#[derive(Debug)]
pub struct Plan {
    /// The recipe, with paths made relative to the current folder.
    pub recipe: Recipe,
    /// The recipe's file, where it has one.
    pub path: Option<PathBuf>,
    /// The sites to crawl.
    pub sites: Vec<Target>,
    /// Sources beside the recipe's, which are not asked for new photos, with the licences they state.
    pub stored: BTreeMap<String, Option<String>>,
}

/// A site and where its requests go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The site.
    pub profile: Profile,
    /// The host that is asked instead of the site's own.
    pub mirror: Option<Url>,
}

impl Target {
    /// Reads a profile. `base_url` is the site, for the profile of an engine; for others it is a mirror.
    pub fn load(profile: &Path, base_url: Option<Url>) -> Result<Self, ProfileError> {
        let profile = Profile::load(profile)?;
        Ok(match (&profile.base_url, base_url) {
            (None, Some(base_url)) => Self { profile: profile.at(base_url), mirror: None },
            (_, mirror) => Self { profile, mirror },
        })
    }
}

impl Plan {
    /// The plan of a command that takes photos in ([`which::recipe`]).
    ///
    /// # Errors
    /// What cannot be read, or makes no sense; [`NoRecipe`](crate::cli::NoRecipe).
    pub fn load(args: &RecipeArgs, workdir: &Path) -> Result<Self> {
        Self::read(&which::recipe(args, workdir)?, &args.overrides)
    }

    /// Reads a recipe and the site profiles it names.
    ///
    /// # Errors
    /// What cannot be read, or makes no sense.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let recipe = config::load(path, overrides, env::vars())?;
        let load = |site: &Site| Target::load(&site.profile, site.base_url.clone());
        let sites = recipe.sites.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let plan = Self { recipe, path: Some(path.to_owned()), sites, stored: BTreeMap::new() };
        plan.check()?;
        Ok(plan)
    }

    /// A plan for these sources, with these models, by the defaults.
    ///
    /// # Errors
    /// What of `overrides` makes no sense.
    pub fn of_sources(
        name: &str,
        sources: BTreeMap<String, Option<String>>,
        models: &Path,
        overrides: &[String],
    ) -> Result<Self> {
        let mut recipe = config::of_defaults(name, models, overrides, env::vars())?;
        let registry = Registry::read(&recipe.models)?;
        if !registry.has(Role::Watermark) && recipe.detectors.watermark.is_none() {
            recipe.detectors.turn_off(Role::Watermark); // nobody asks for what no model of the list can say
        }
        let plan = Self { recipe, path: None, sites: Vec::new(), stored: sources };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), PlanError> {
        let recipe = self.recipe.name.clone();
        snapshot::check_name(&recipe).map_err(PlanError::Name)?;
        let in_range = self.recipe.rules.check().and_then(|()| self.recipe.splits.check());
        in_range.map_err(|problem| PlanError::Rule { recipe: recipe.clone(), problem })?;
        let mut names = self.site_names();
        if names.is_empty() {
            return Err(PlanError::NoSource(recipe));
        }
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(PlanError::SourceTwice { recipe, name: pair[0].clone() });
        }
        if let Some(name) = self.recipe.rules.site.keys().find(|name| !names.contains(name)) {
            return Err(PlanError::UnknownSite { recipe, name: name.clone(), known: names.join(", ") });
        }
        if let Some(role) = Role::ALL.into_iter().find(|&role| self.is_off(role) && !role.may_be_off()) {
            return Err(PlanError::NeedsRole { recipe, role });
        }
        self.check_faces()?;
        self.recipe.prepare.check().map_err(|cause| PlanError::Prepare { recipe, cause })
    }

    /// Whether what is to be imported is there, and the lock can be read; commands that import nothing do without it.
    ///
    /// # Errors
    /// Naming the first that is not.
    pub fn check_imports(&self) -> Result<(), PlanError> {
        match self.recipe.imports.iter().find(|import| !import.path.exists()) {
            Some(import) => Err(PlanError::NoImport {
                recipe: self.recipe.name.clone(),
                name: import.name.clone(),
                path: import.path.clone(),
            }),
            None => self.check_lock(),
        }
    }

    /// Whether the recipe's lock, where it has one, can be compared with.
    fn check_lock(&self) -> Result<(), PlanError> {
        let Some(lock) = &self.recipe.lock else { return Ok(()) };
        let opened = Snapshot::open(lock).and_then(|opened| opened.require_measurements());
        opened.map_err(|cause| PlanError::Lock { recipe: self.recipe.name.clone(), cause })
    }

    /// Whether faces can be compared, where that is asked for.
    fn check_faces(&self) -> Result<(), PlanError> {
        let recipe = self.recipe.name.clone();
        if !self.embeds_faces() {
            return Ok(());
        }
        let chosen = Registry::read(&self.recipe.models)
            .and_then(|registry| self.choose(&registry, Role::FaceEmbedding).map(drop));
        chosen.map_err(|cause| PlanError::FaceEmbedding { recipe, cause: Box::new(cause) })
    }

    /// The names under which the catalog holds the recipe's photos.
    pub fn site_names(&self) -> Vec<String> {
        let sites = self.sites.iter().map(|site| site.profile.site.clone());
        let imports = self.recipe.imports.iter().map(|import| import.name.clone());
        sites.chain(imports).chain(self.stored.keys().cloned()).collect()
    }

    /// Whether all photos are those of the demo gallery.
    pub fn is_of_demo(&self) -> bool {
        self.recipe.imports.is_empty() && self.site_names() == ["demo"]
    }

    /// The licences that profiles and imports state, by source.
    pub fn licences(&self) -> BTreeMap<&str, &str> {
        let sites = self.sites.iter().map(|site| (site.profile.site.as_str(), &site.profile.licence));
        let imports = self.recipe.imports.iter().map(|import| (import.name.as_str(), &import.licence));
        let stored = self.stored.iter().map(|(name, licence)| (name.as_str(), licence));
        let all = sites.chain(imports).chain(stored);
        all.filter_map(|(name, licence)| Some((name, licence.as_deref()?))).collect()
    }

    /// The recipe's models, loaded and checked.
    pub fn detectors(&self) -> Result<Arc<Detectors>> {
        let registry = Registry::read(&self.recipe.models)?;
        let mut choice = self.recipe.detectors.clone();
        if self.embeds_faces() {
            choice.face_embedding = Some(self.choose(&registry, Role::FaceEmbedding)?.name.clone());
        }
        let runtime = runtime::onnx_runtime()?;
        Ok(Arc::new(Detectors::load(&registry, &choice, &runtime, self.recipe.measure.device)?))
    }

    /// Whether a model for face embeddings is used: one that is only registered waits for a rule that asks for it.
    fn embeds_faces(&self) -> bool {
        let is_chosen = self.recipe.detectors.face_embedding.is_some() && !self.is_off(Role::FaceEmbedding);
        is_chosen || self.recipe.rules.compare_faces()
    }

    fn choose<'a>(&self, registry: &'a Registry, role: Role) -> Result<&'a ModelEntry, ModelError> {
        registry.choose(role, self.recipe.detectors.name(role))
    }

    /// The registered model of each role that is used, in the order of the roles.
    pub fn models(&self) -> Result<Vec<ModelEntry>, ModelError> {
        let registry = Registry::read(&self.recipe.models)?;
        let face_embedding = self.embeds_faces().then_some(Role::FaceEmbedding);
        let used = Role::REQUIRED.into_iter().chain(face_embedding).filter(|&role| !self.is_off(role));
        used.map(|role| self.choose(&registry, role).cloned()).collect()
    }

    /// Whether the recipe goes without a role's model, so that what it would say is not checked.
    pub fn is_off(&self, role: Role) -> bool {
        self.recipe.detectors.is_off(role)
    }

    /// What is asked of every photo. Reads the list of models, not the models.
    pub fn probes(&self) -> Result<Vec<Probe>, ModelError> {
        Ok(measure::probes(&self.models()?, self.recipe.measure.device))
    }

    /// Which models are asked of a photo.
    pub fn schedule(&self) -> Result<ModelSchedule, ModelError> {
        if self.recipe.measure.all {
            return Ok(ModelSchedule::All);
        }
        let registry = Registry::read(&self.recipe.models)?;
        let choose = |role| (!self.is_off(role)).then(|| self.choose(&registry, role)).transpose();
        ModelSchedule::early_exit(&self.recipe.rules, &registry, choose)
    }

    /// The name under which verdicts by this recipe and these decisions are stored.
    pub fn rules_digest(&self, decisions: &[Decision]) -> Result<Digest> {
        Ok(judge::rules_digest(&self.recipe.rules, &self.probes()?, self.recipe.measure.all, decisions))
    }
}
