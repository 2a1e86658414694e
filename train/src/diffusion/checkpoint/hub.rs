//! Checkpoints by repository id, through the cache that all Hugging Face tools share.

use crate::error::{Error, Result};
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Of all files of a repository, those to fetch.
type Wanted<'a> = dyn Fn(&BTreeSet<String>) -> Vec<String> + 'a;

/// Access to model repositories: a local cache, and the network behind it unless offline.
#[derive(Clone, Debug)]
pub struct Hub {
    cache: PathBuf,
    offline: bool,
}

impl Hub {
    /// A cache folder (`…/hub`, with `models--owner--name` inside).
    pub fn new(cache: impl Into<PathBuf>, offline: bool) -> Self {
        Self { cache: cache.into(), offline }
    }

    /// The cache and mode of `HF_HUB_CACHE`, `HF_HOME` and `HF_HUB_OFFLINE`, as in Python's `huggingface_hub`.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let offline = set("HF_HUB_OFFLINE")
            .is_some_and(|v| ["1", "on", "yes", "true"].contains(&v.to_lowercase().as_str()));
        let cache = match (set("HF_HUB_CACHE"), set("HF_HOME"), std::env::home_dir()) {
            (Some(cache), ..) => cache.into(),
            (None, Some(home), _) => PathBuf::from(home).join("hub"),
            (None, None, home) => home.unwrap_or_default().join(".cache/huggingface/hub"),
        };
        Self { cache, offline }
    }

    /// The folder of a checkpoint, downloaded as far as it is not in the cache. `revision` is a branch, a tag
    /// or a commit.
    ///
    /// Of every model only one variant is fetched (see [`wanted_files`]). Offline, or where the network
    /// fails, the cache is used as it is.
    pub fn checkpoint(&self, repository: &str, revision: &str, prefer_half: bool) -> Result<PathBuf> {
        self.folder(repository, revision, &|names| wanted_files(names, prefer_half))
    }

    /// The folder of a single model such as an image encoder: what lies at the top of its repository
    /// (see [`wanted_of_model`]), otherwise as [`checkpoint`](Self::checkpoint).
    ///
    /// # Errors
    /// Where the network fails and it is not in the cache.
    pub fn model(&self, repository: &str, revision: &str) -> Result<PathBuf> {
        self.folder(repository, revision, &wanted_of_model)
    }

    fn folder(&self, repository: &str, revision: &str, wanted: &Wanted<'_>) -> Result<PathBuf> {
        if !self.offline {
            match self.download(repository, revision, wanted) {
                Err(error) => match self.cached(repository, revision) {
                    Some(folder) => {
                        tracing::warn!(repository, %error, "the network failed; using {}", folder.display());
                    }
                    None => return Err(error),
                },
                Ok(folder) => return Ok(folder),
            }
        }
        self.cached(repository, revision).ok_or_else(|| Error::Hub {
            repository: repository.to_owned(),
            file: format!("revision {revision}"),
            reason: format!(
                "it is not in the cache {} and the program is offline; fetch it once without HF_HUB_OFFLINE, \
                or give a folder instead",
                self.cache.display()
            ),
        })
    }

    /// The folder of a revision in the cache.
    fn cached(&self, repository: &str, revision: &str) -> Option<PathBuf> {
        let repo = Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned());
        let folder = self.cache.join(repo.folder_name());
        let named = std::fs::read_to_string(folder.join("refs").join(revision)).ok();
        let commit = named.as_deref().map_or(revision, str::trim);
        let snapshot = Cache::new(self.cache.clone()).repo(repo).pointer_path(commit);
        snapshot.is_dir().then_some(snapshot)
    }

    fn download(&self, repository: &str, revision: &str, wanted: &Wanted<'_>) -> Result<PathBuf> {
        let failed = |file: &str, reason: String| Error::Hub {
            repository: repository.to_owned(),
            file: file.to_owned(),
            reason,
        };
        let api = ApiBuilder::from_env().with_cache_dir(self.cache.clone()).with_progress(false).build();
        let api = api.map_err(|e| failed("(nothing yet)", e.to_string()))?;
        let repo = api.repo(Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned()));
        let info = repo.info().map_err(|e| failed("the list of files", e.to_string()))?;
        let names: BTreeSet<String> = info.siblings.into_iter().map(|s| s.rfilename).collect();
        let mut root = None;
        for name in wanted(&names) {
            tracing::info!(repository, file = name, "fetching");
            let path = repo.get(&name).map_err(|e| failed(&name, e.to_string()))?;
            root = root.or_else(|| path.ancestors().nth(name.split('/').count()).map(PathBuf::from));
        }
        root.ok_or_else(|| {
            failed("config.json", "the repository holds no model that is read here".to_owned())
        })
    }
}

/// Of all files of a repository, those a checkpoint is loaded from: configurations, tokenizers, and of every
/// model the safetensors of one variant (`fp16` where it is preferred and there).
pub fn wanted_files(all: &BTreeSet<String>, prefer_half: bool) -> Vec<String> {
    let parts = [
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
        ("text_encoder_2", "model"),
    ];
    let texts = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
        "merges.txt",
        "special_tokens_map.json",
        "scheduler_config.json",
    ];
    let folders = ["unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"];
    let in_folder = |name: &&String| {
        name.split_once('/').is_some_and(|(f, file)| folders.contains(&f) && texts.contains(&file))
    };
    let mut wanted: Vec<String> = all.iter().filter(in_folder).cloned().collect();
    if all.contains("model_index.json") {
        wanted.push("model_index.json".to_owned());
    }
    for (folder, stem) in parts {
        let start = format!("{folder}/{stem}");
        let of_model = |name: &&String| {
            name.starts_with(&start)
                && (name.ends_with(".safetensors") || name.contains(".safetensors.index."))
        };
        let is_half = |name: &str| name.contains(".fp16");
        // Other variants ("non_ema", "fp32") have a word of their own between stem and suffix.
        let is_plain = |name: &str| {
            let rest = &name[start.len()..];
            [".safetensors", ".safetensors.index.json"].contains(&rest) || rest.starts_with('-')
        };
        let half: Vec<&String> = all.iter().filter(of_model).filter(|n| is_half(n)).collect();
        let plain: Vec<&String> = all.iter().filter(of_model).filter(|n| is_plain(n)).collect();
        let chosen = if (prefer_half && !half.is_empty()) || plain.is_empty() { half } else { plain };
        wanted.extend(chosen.into_iter().cloned());
    }
    wanted
}

/// Of all files at the top of a repository, those a single model is loaded from: configurations, tokenizer and the
/// safetensors of one layout. Other formats, which repositories keep beside them, are left where they are.
pub fn wanted_of_model(all: &BTreeSet<String>) -> Vec<String> {
    let texts = [
        "config.json",
        "open_clip_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
    ];
    let mut wanted: Vec<String> =
        texts.iter().filter(|text| all.contains(**text)).map(|text| (*text).to_owned()).collect();
    let is_of = |name: &str, stem: &str| {
        let rest = name.strip_prefix(stem).unwrap_or_default();
        [".safetensors", ".safetensors.index.json"].contains(&rest)
            || (rest.starts_with('-') && rest.ends_with(".safetensors")) // a shard
    };
    let stems = ["model", "open_clip_model"];
    let stem = stems.iter().find(|stem| all.iter().any(|name| is_of(name, stem)));
    wanted.extend(all.iter().filter(|name| stem.is_some_and(|stem| is_of(name, stem))).cloned());
    wanted
}
