//! What captions are taken from and by: the recipe's sources, each named by what decides its words, and the rules.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use caption::hygiene::Cleaner;
use caption::{Captions, Cleaned, ModelSettings, Names, ServerSettings, picture};
use photo::{CaptionSource, Digest};
use serde_json::{Value, json};
use train::cache::spec::digest_of_files;
use train::diffusion::checkpoint::{Hub, tensor_files};
use train::diffusion::tokenizer::ClipTokenizer;

use crate::training::model::{base_folder, is_repository};

/// Raised whenever the same server or model would be asked otherwise.
const VERSION: u32 = 1;

/// Sources and rules, ready to be used.
#[derive(Debug)]
pub struct CaptionPlan {
    /// The sources in their order.
    pub sources: Vec<PlannedSource>,
    cleaner: Cleaner,
    tokenizer: Option<ClipTokenizer>,
    about: Value,
}

/// A source of the recipe.
#[derive(Debug)]
pub struct PlannedSource {
    /// Which.
    pub source: CaptionSource,
    /// The name under which its words are stored: of what decides them, and of no address or key.
    pub digest: Digest,
    /// What the digest is of.
    pub about: Value,
    /// How it is asked.
    pub how: How,
}

/// How a source is asked.
#[derive(Clone, Debug)]
pub enum How {
    /// It is not: the text is there.
    Stored,
    /// By requests.
    Server(ServerSettings),
    /// By a model in a folder.
    Model(ModelSettings, PathBuf),
}

impl CaptionPlan {
    /// Finds the models and tokenizers that the recipe names; nothing is asked.
    ///
    /// # Errors
    /// The first that is not there.
    pub fn of(captions: &Captions) -> Result<Self> {
        let sources: Vec<PlannedSource> =
            captions.sources.iter().map(|&source| planned(source, captions)).collect::<Result<_>>()?;
        let rules = &captions.rules;
        let mut about_rules = json!(rules);
        let mut tokenizer = None;
        if let (Some(most), Some(path)) = (rules.max_tokens, &rules.tokenizer) {
            let folder = tokenizer_folder(path)?;
            let found = read_tokenizer(&folder).context("`captions.rules.tokenizer`")?;
            // Where it lies is nobody else's business; what is in it is.
            about_rules["tokenizer"] = json!(tokenizer_digest(&folder)?);
            let trigger = rules.trigger.as_deref().unwrap_or_default();
            ensure!(
                found.count(trigger)? < most,
                "`captions.rules.max_tokens = {most}` leaves no room behind the trigger `{trigger}`"
            );
            tokenizer = Some(found);
        }
        let about: Vec<&Value> = sources.iter().map(|source| &source.about).collect();
        let about = json!({ "sources": about, "rules": about_rules });
        Ok(Self { cleaner: Cleaner::new(rules), about, sources, tokenizer })
    }

    /// Whether a source is asked for texts.
    pub fn asks(&self) -> bool {
        self.sources.iter().any(|source| !matches!(source.how, How::Stored))
    }

    /// What a snapshot says of it.
    pub fn about(&self) -> &Value {
        &self.about
    }

    /// Applies the rules to a text.
    pub fn clean(&self, text: &str, names: &Names) -> Cleaned {
        self.cleaner.clean(text, names, |text| {
            let count = self.tokenizer.as_ref().map(|tokenizer| tokenizer.count(text));
            count.and_then(Result::ok).unwrap_or(usize::MAX) // what cannot be counted does not fit
        })
    }
}

fn planned(source: CaptionSource, captions: &Captions) -> Result<PlannedSource> {
    let section = || format!("the recipe has no section `[captions.{source}]`");
    let (about, how) = match source {
        CaptionSource::Own => (json!({ "source": source }), How::Stored),
        CaptionSource::Server => {
            let settings = captions.server.clone().with_context(section)?;
            let ServerSettings { model, prompt, temperature, .. } = &settings;
            // No limit of length: a text that came to its end would have done so under a larger one.
            let about = json!({
                "source": source,
                "model": model,
                "prompt": prompt,
                "temperature": temperature,
                "longer_px": picture::LONGER_PX,
                "version": [VERSION, picture::VERSION],
            });
            (about, How::Server(settings))
        }
        CaptionSource::Model => {
            let settings = captions.model.clone().with_context(section)?;
            let folder = model_folder(&settings)?;
            let ModelSettings { prompt, answer_tokens, .. } = &settings;
            let about = json!({
                "source": source,
                "model": model_digest(&folder).context("`captions.model.path`")?,
                "prompt": prompt,
                "answer_tokens": answer_tokens,
                "longer_px": picture::LONGER_PX,
                "version": [VERSION],
            });
            (about, How::Model(settings, folder))
        }
    };
    // Of the text, whose keys are in one order whatever features of `serde_json` other crates switch on.
    let mut named: Vec<(&String, &Value)> = about.as_object().into_iter().flatten().collect();
    named.sort_by_key(|(key, _)| key.as_str());
    let digest = Digest::of_json(&named);
    Ok(PlannedSource { source, digest, about, how })
}

/// The folder of a model: as named, or a repository's in the cache.
fn model_folder(settings: &ModelSettings) -> Result<PathBuf> {
    let name = settings.path.to_string_lossy();
    if is_repository(&name) {
        return Ok(Hub::from_env().model(&name, &settings.revision)?);
    }
    ensure!(settings.path.is_dir(), "`captions.model.path = {name}` is no folder and no repository id");
    Ok(settings.path.clone())
}

/// The digest over all files that decide what a model says.
fn model_digest(folder: &Path) -> Result<Digest> {
    let texts = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "processor_config.json",
    ];
    let texts = texts.map(|name| folder.join(name)).into_iter().filter(|path| path.is_file());
    let mut files: Vec<PathBuf> = texts.collect();
    files.extend(tensor_files(folder, "model", false)?);
    Ok(digest_of_files(&files)?)
}

/// The folder of the tokenizer of a base, or that is one.
fn tokenizer_folder(path: &Path) -> Result<PathBuf> {
    let folder = base_folder(&path.to_string_lossy(), "main").context("`captions.rules.tokenizer`")?;
    let inner = folder.join("tokenizer");
    Ok(if inner.is_dir() { inner } else { folder })
}

fn read_tokenizer(folder: &Path) -> Result<ClipTokenizer> {
    ensure!(folder.is_dir(), "{} is no folder and no repository id", folder.display());
    Ok(ClipTokenizer::read(folder)?)
}

fn tokenizer_digest(folder: &Path) -> Result<Digest> {
    let names = ["tokenizer.json", "vocab.json", "merges.txt"].map(|name| folder.join(name));
    Ok(digest_of_files(&names.into_iter().filter(|path| path.is_file()).collect::<Vec<_>>())?)
}
