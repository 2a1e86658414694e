//! Why a recipe cannot be carried out.

use std::path::PathBuf;

use curate::{ModelError, Role};

/// A recipe that cannot be carried out: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Nothing to work on.
    #[error("recipe `{0}` names no site and no import; add `sites = [\"….toml\"]` or an `[[imports]]`")]
    NoSource(String),
    /// Two sources with one name would be mixed up.
    #[error("recipe `{recipe}` has two sources called `{name}`; give each import a name of its own")]
    SourceTwice { recipe: String, name: String },
    /// Thresholds for a source that the recipe does not have.
    #[error(
        "recipe `{recipe}` has thresholds in `[rules.site.{name}]`, but no source of that name; it has {known}"
    )]
    UnknownSite {
        recipe: String,
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
        recipe: String,
        /// Which, and what is expected.
        problem: photo::range::OutOfRange,
    },
    /// A folder or list that is not there.
    #[error("recipe `{recipe}`: the import `{name}` is at {path}, which does not exist", path = .path.display())]
    NoImport { recipe: String, name: String, path: PathBuf },
    /// A list of models that cannot be read, or that lacks a model which the recipe needs.
    #[error("recipe `{recipe}`: `models`: {cause}")]
    Models { recipe: String, cause: Box<ModelError> },
    /// Faces are to be compared, but there is no one model that does it.
    #[error(
        "recipe `{recipe}` compares the faces of each person (`rules.identity.min_similarity`, or \
         `detectors.face_embedding`): {cause}, or leave that out of the recipe"
    )]
    FaceEmbedding {
        recipe: String,
        /// What is missing.
        cause: Box<ModelError>,
    },
    /// A role is off that nothing works without.
    #[error(
        "recipe `{recipe}`: `detectors.{role}` cannot be \"none\": without it nobody knows how many people a photo shows \
         and where; only `detectors.watermark` and `detectors.face_embedding` may be"
    )]
    NeedsRole { recipe: String, role: Role },
    /// The lock cannot be used.
    #[error("recipe `{recipe}`: `lock`: {cause}")]
    Lock { recipe: String, cause: snapshot::Error },
    /// Nothing says where captions are from.
    #[error(
        "recipe `{0}` has no section `[captions]`: photos keep the captions of their pages and sidecars; name a source \
         to be asked, as `sources = [\"own\", \"server\"]` there"
    )]
    NoCaptions(String),
    /// What is said of captions makes no sense.
    #[error("recipe `{recipe}`: {cause}")]
    Captions {
        recipe: String,
        /// Which, and what is expected.
        cause: caption::SettingsError,
    },
    /// The settings of `prepare` make no sense.
    #[error("recipe `{recipe}`: {cause}")]
    Prepare {
        recipe: String,
        /// Which, and what is expected.
        cause: curate::prepare::SettingsError,
    },
}
