//! A recipe with the sites it names: all that taking photos in needs.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;
use crawler::{Profile, ProfileError};
use curate::{ModelError, Registry, Role};
use photo::{CaptionSource, Digest, IdentityName};
use serde_json::Value;
use snapshot::Snapshot;
use url::Url;

use super::error::PlanError;
use crate::config;
use crate::recipe::{Recipe, Site};

/// A recipe and its sites, loaded and checked before anything is touched.
#[derive(Debug)]
pub struct LoadedRecipe {
    /// The recipe, with paths made relative to the current folder.
    pub recipe: Recipe,
    /// The recipe's file, where it has one.
    pub path: Option<PathBuf>,
    /// The sites to crawl.
    pub sites: Vec<Target>,
    /// The captions of the snapshot that is rebuilt, which stand in place of the recipe's.
    pub recorded_captions: Option<RecordedCaptions>,
    /// Sources beside the recipe's, which are not asked for new photos, with the licences they state.
    pub stored: BTreeMap<String, Option<String>>,
    /// The list of models, where something had to be known of it already: it is not opened again.
    registry: Option<Registry>,
}

/// Where the captions of a snapshot are from, as it says.
#[derive(Clone, Debug, Default)]
pub struct RecordedCaptions {
    /// What its recipe says of them.
    pub about: Value,
    /// The sources of those that are not the photos' own, by the person and the photo's bytes.
    pub sources: BTreeMap<(IdentityName, Digest), CaptionSource>,
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

/// A list of models that no recipe names.
#[derive(Debug)]
pub struct ListOfModels {
    /// The file.
    pub path: PathBuf,
    /// What is in it, where it was read to find out whether it will do.
    pub registry: Option<Registry>,
}

impl LoadedRecipe {
    /// Reads a recipe and the site profiles it names.
    ///
    /// # Errors
    /// What cannot be read, or makes no sense.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let recipe = config::load(path, overrides, env::vars())?;
        let load = |site: &Site| Target::load(&site.profile, site.base_url.clone());
        let sites = recipe.sites.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let path = Some(path.to_owned());
        let (recorded_captions, stored) = (None, BTreeMap::new());
        Self { recipe, path, sites, recorded_captions, stored, registry: None }.checked()
    }

    /// The defaults, for sources that are stored already.
    ///
    /// # Errors
    /// What of `overrides` makes no sense.
    pub fn of_sources(
        name: &str,
        sources: BTreeMap<String, Option<String>>,
        models: ListOfModels,
        overrides: &[String],
    ) -> Result<Self> {
        let mut recipe = config::of_defaults(name, &models.path, overrides, env::vars())?;
        let registry = match models.registry {
            Some(registry) if recipe.models == models.path => registry,
            // Not read yet, or `overrides` name another.
            _ => Registry::read(&recipe.models)
                .map_err(|cause| PlanError::Models { recipe: name.to_owned(), cause: Box::new(cause) })?,
        };
        if !registry.has(Role::Watermark) && recipe.detectors.watermark.is_none() {
            recipe.detectors.turn_off(Role::Watermark); // nobody asks for what no model of the list can say
        }
        let registry = Some(registry);
        let (path, sites, recorded_captions) = (None, Vec::new(), None);
        Self { recipe, path, sites, recorded_captions, stored: sources, registry }.checked()
    }

    fn checked(mut self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }

    fn check(&mut self) -> Result<(), PlanError> {
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
        let captions = self.recipe.captions.as_ref().map_or(Ok(()), caption::Captions::check);
        captions.map_err(|cause| PlanError::Captions { recipe: recipe.clone(), cause })?;
        self.recipe.prepare.check().map_err(|cause| PlanError::Prepare { recipe, cause })
    }

    /// Whether what is to be imported is there, and the lock can be read; commands that import nothing
    /// do without it.
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
    fn check_faces(&mut self) -> Result<(), PlanError> {
        if !self.embeds_faces() {
            return Ok(());
        }
        self.choose_embedder().map_err(|cause| {
            let recipe = self.recipe.name.clone();
            PlanError::FaceEmbedding { recipe, cause: Box::new(cause) }
        })
    }

    fn choose_embedder(&mut self) -> Result<(), ModelError> {
        let registry = self.take_registry()?;
        let name = self.recipe.detectors.name(Role::FaceEmbedding);
        let chosen = registry.choose(Role::FaceEmbedding, name).map(drop);
        self.registry = Some(registry);
        chosen
    }

    /// The list of models, which is read where that was not done yet. Whoever takes it keeps it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn take_registry(&mut self) -> Result<Registry, ModelError> {
        self.registry.take().map_or_else(|| Registry::read(&self.recipe.models), Ok)
    }

    /// Goes by this list of models.
    pub fn use_registry(&mut self, registry: Registry) {
        registry.path().clone_into(&mut self.recipe.models);
        self.registry = Some(registry);
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

    /// Whether a model for face embeddings is used: one that is only registered waits for a rule that
    /// asks for it.
    pub fn embeds_faces(&self) -> bool {
        let is_chosen = self.recipe.detectors.face_embedding.is_some() && !self.is_off(Role::FaceEmbedding);
        is_chosen || self.recipe.rules.compare_faces()
    }

    /// Whether the recipe goes without a role's model, so that what it would say is not checked.
    pub fn is_off(&self, role: Role) -> bool {
        self.recipe.detectors.is_off(role)
    }
}
