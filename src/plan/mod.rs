//! What a command works by: a recipe, its sources, and the models that measure for it. It is built once,
//! before anything is touched, and then only read: a list of models that is changed during a run changes
//! nothing of it.
//!
//! | module | what |
//! |---|---|
//! | [`loaded`] | a recipe with its sites, which is enough to take photos in |
//! | [`probes`] | what is measured, named by models and settings |
//! | [`error`] | why a recipe cannot be carried out |

mod error;
mod loaded;
mod probes;

use std::sync::Arc;

use anyhow::Result;
use catalog::decision::Decision;
use catalog::measurement::Probe;
use curate::model::ModelEntry;
use curate::{Detectors, ModelError, ModelSchedule, Registry, Role};
use photo::Digest;

pub use error::PlanError;
pub use loaded::{ListOfModels, LoadedRecipe, RecordedCaptions, Target};

use crate::recipe::Recipe;
use crate::{judge, runtime};

/// A recipe that can be carried out, with its models.
#[derive(Debug)]
pub struct Plan {
    /// The recipe and its sources.
    pub loaded: LoadedRecipe,
    /// The registered model of each role that is used, in the order of the roles.
    pub models: Vec<ModelEntry>,
    /// What is asked of every photo.
    pub probes: Vec<Probe>,
    /// Which models are asked of a photo.
    pub schedule: ModelSchedule,
    registry: Registry,
}

impl Plan {
    /// Chooses a recipe's models. Reads the list of models, not the models.
    ///
    /// # Errors
    /// What is wrong with the list, or a role that it has no model for.
    pub fn of(loaded: LoadedRecipe) -> Result<Self, PlanError> {
        let recipe = loaded.recipe.name.clone();
        Self::with_models(loaded).map_err(|cause| PlanError::Models { recipe, cause: Box::new(cause) })
    }

    fn with_models(mut loaded: LoadedRecipe) -> Result<Self, ModelError> {
        let registry = loaded.take_registry()?;
        let models = models(&loaded, &registry)?;
        let Recipe { measure, rules, .. } = &loaded.recipe;
        let probes = probes::probes(&models, measure.device);
        let schedule = match measure.all {
            true => ModelSchedule::All,
            false => ModelSchedule::early_exit(rules, &registry, |role| {
                Ok(models.iter().find(|model| model.role == role))
            })?,
        };
        Ok(Self { loaded, models, probes, schedule, registry })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.loaded.recipe
    }

    /// The names under which the catalog holds the recipe's photos.
    pub fn site_names(&self) -> Vec<String> {
        self.loaded.site_names()
    }

    /// The recipe's models, loaded and checked.
    ///
    /// # Errors
    /// The first model that is missing, damaged or does not fit its role, or what the device lacks.
    pub fn detectors(&self) -> Result<Arc<Detectors>> {
        let mut choice = self.recipe().detectors.clone();
        if self.loaded.embeds_faces() {
            let chosen = self.registry.choose(Role::FaceEmbedding, choice.name(Role::FaceEmbedding))?;
            choice.set(Role::FaceEmbedding, Some(&chosen.name));
        }
        let runtime = runtime::onnx_runtime()?;
        Ok(Arc::new(Detectors::load(&self.registry, &choice, &runtime, self.recipe().measure.device)?))
    }

    /// The name under which verdicts by this recipe and these decisions are stored.
    pub fn rules_digest(&self, decisions: &[Decision]) -> Digest {
        let Recipe { rules, measure, .. } = self.recipe();
        judge::rules_digest(rules, &self.probes, measure.all, decisions)
    }
}

/// The model of each role that a recipe uses.
fn models(loaded: &LoadedRecipe, registry: &Registry) -> Result<Vec<ModelEntry>, ModelError> {
    let face_embedding = loaded.embeds_faces().then_some(Role::FaceEmbedding);
    let used = Role::REQUIRED.into_iter().chain(face_embedding).filter(|&role| !loaded.is_off(role));
    used.map(|role| registry.choose(role, loaded.recipe.detectors.name(role)).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const RECIPE: &str =
        "name = \"mine\"\nmodels = \"models.toml\"\n\n[[imports]]\nname = \"mine\"\npath = \"photos\"\n";

    /// A list with a model of each role. Their files are not needed before models are loaded.
    fn list() -> String {
        let model = |role: &Role| {
            let size = if *role == Role::FaceEmbedding { "[112, 112]" } else { "[640, 640]" };
            format!(
                "[[model]]\nname = \"{role}\"\nrole = \"{role}\"\nfile = \"{role}.onnx\"\nsha256 = \"{}\"\n\
                 input_size = {size}\nnormalisation = \"unit\"\noutput = \"any\"\n",
                Digest::of(role.name())
            )
        };
        Role::ALL.iter().map(model).collect()
    }

    #[test]
    fn a_list_that_was_opened_to_check_the_recipe_is_not_opened_again_for_the_plan() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [recipe, models] = ["recipe.toml", "models.toml"].map(|name| folder.path().join(name));
        fs::write(&recipe, format!("{RECIPE}[rules.identity]\nmin_similarity = 0.3\n")).unwrap();
        fs::write(&models, list()).unwrap();
        let loaded = LoadedRecipe::read(&recipe, &[]).unwrap(); // looks for the model that compares faces
        fs::write(&models, "this is no list of models").unwrap();
        let plan = Plan::of(loaded).unwrap();
        assert_eq!(plan.models.len(), 4);
        assert_eq!(plan.probes.len(), 5, "image facts, and one for each role");
        assert!(matches!(plan.schedule, ModelSchedule::EarlyExit { .. }));
    }

    #[test]
    fn a_list_that_cannot_be_read_keeps_nobody_from_loading_a_recipe_and_is_told_by_the_plan() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recipe = folder.path().join("recipe.toml");
        fs::write(&recipe, RECIPE).unwrap();
        let loaded = LoadedRecipe::read(&recipe, &[]).expect("a crawl needs no models");
        let error = Plan::of(loaded).unwrap_err().to_string();
        assert!(error.contains("models.toml"), "{error}");
    }
}
