//! What a recipe says of captions: where they are from, in which order, and by which rules they are cleaned.

use std::collections::BTreeSet;
use std::path::PathBuf;

use photo::CaptionSource;
use photo::range::{OutOfRange, check};
use photo::redact::redacted;
use serde::{Deserialize, Serialize};
use url::Url;

/// `[captions]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Captions {
    /// The sources in their order: the first that has a text for a photo, of which the rules leave something, is taken.
    pub sources: Vec<CaptionSource>,
    /// The server, where it is a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerSettings>,
    /// The model, where it is a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSettings>,
    /// How texts are cleaned.
    pub rules: Rules,
}

impl Default for Captions {
    fn default() -> Self {
        Self { sources: vec![CaptionSource::Own], server: None, model: None, rules: Rules::default() }
    }
}

/// A server that speaks the OpenAI chat protocol with images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The protocol's root, such as `http://127.0.0.1:8000/v1`.
    pub url: Url,
    /// The model's name there.
    pub model: String,
    /// What is asked with each photo.
    #[serde(default = "prompt")]
    pub prompt: String,
    /// The environment variable that holds the key; none for a server that asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Requests under way at once.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// Requests of one run, repeated ones included; any number where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u64>,
    /// How long a request may take.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// How often a photo is asked about before its failure is stored.
    #[serde(default = "attempts")]
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles from attempt to attempt.
    #[serde(default = "backoff_ms")]
    pub backoff_ms: u64,
    /// How long a server that says that it is asked too often is waited for.
    #[serde(default = "wait_s")]
    pub wait_s: u64,
    /// The longest answer, in the model's tokens.
    #[serde(default = "answer_tokens")]
    pub answer_tokens: u32,
    /// How freely the model chooses its words; at 0 it says the likeliest, the same each time.
    #[serde(default)]
    pub temperature: f32,
}

/// A BLIP or BLIP-2 on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// A folder in transformers' layout, or a repository id such as `Salesforce/blip-image-captioning-base`.
    pub path: PathBuf,
    /// The repository's branch, tag or commit.
    #[serde(default = "revision")]
    pub revision: String,
    /// What the model goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The longest answer, in the model's tokens.
    #[serde(default = "model_tokens")]
    pub answer_tokens: usize,
}

/// How texts are cleaned. What is left out changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The first sentence alone.
    #[serde(skip_serializing_if = "is_false")]
    pub one_sentence: bool,
    /// Phrases that are taken out, such as `a photo of`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_phrases: Vec<String>,
    /// The person's name and its parts are taken out.
    #[serde(skip_serializing_if = "is_false")]
    pub remove_names: bool,
    /// A text with one of these words is not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden_words: Vec<String>,
    /// The most tokens of CLIP, the trigger included; words behind them are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Whose tokens: the base's folder or repository id, or a folder with a tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// What every caption begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Clothes, posture and place are what a body adapter's prompts vary; the body itself is what it is to learn from photos.
fn prompt() -> String {
    "Describe the person's clothes, posture and surroundings in one short sentence. Give no name and no opinion."
        .to_owned()
}

/// A few: llama.cpp and Ollama answer one to four at once by themselves. A server that batches more is told.
fn concurrency() -> usize {
    4
}

/// A large model on a CPU takes a minute for a photo.
fn timeout_s() -> u64 {
    120
}

fn attempts() -> u32 {
    4
}

fn backoff_ms() -> u64 {
    1000
}

/// Limits per minute are the usual ones; this is five of them.
fn wait_s() -> u64 {
    300
}

/// A short sentence has some 40 tokens; CLIP reads 75.
fn answer_tokens() -> u32 {
    200
}

fn revision() -> String {
    "main".to_owned()
}

/// What CLIP reads at most is 75.
fn model_tokens() -> usize {
    60
}

/// Settings that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A number that makes no sense.
    #[error(transparent)]
    Range(#[from] OutOfRange),
    /// Nothing to take a caption from.
    #[error("`captions.sources` is empty; name at least one of own, server, model")]
    NoSource,
    /// The same source at two places.
    #[error("`captions.sources` names `{0}` twice")]
    SourceTwice(CaptionSource),
    /// A source of which nothing is said.
    #[error("`captions.sources` names `{0}`, but there is no section `[captions.{0}]`")]
    NoSection(CaptionSource),
    /// An address that is no server's.
    #[error("`captions.server.url = {0}` is no http or https address")]
    NotHttp(String),
    /// An address with a secret in it.
    #[error(
        "`captions.server.url` holds a password or a key, which the recipe would show; put it into an environment \
         variable and name that with `captions.server.api_key_env`"
    )]
    SecretInUrl,
    /// A variable that would be read as a key of the recipe.
    #[error(
        "`captions.server.api_key_env = {0}` cannot hold the key: it is empty, or begins with `BOLID_`, which is read \
         as a value of the recipe"
    )]
    Variable(String),
    /// A text that is empty.
    #[error("`{0}` holds an empty text")]
    EmptyText(&'static str),
    /// Tokens of nobody knows which vocabulary.
    #[error(
        "`captions.rules.max_tokens` needs `captions.rules.tokenizer`: the folder or repository id of the base whose \
         tokens are counted"
    )]
    NoTokenizer,
}

impl Captions {
    /// Checks names and ranges, before anything is asked.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.sources.is_empty() {
            return Err(SettingsError::NoSource);
        }
        let mut seen = BTreeSet::new();
        for &source in &self.sources {
            if !seen.insert(source) {
                return Err(SettingsError::SourceTwice(source));
            }
            let is_there = match source {
                CaptionSource::Own => true,
                CaptionSource::Server => self.server.is_some(),
                CaptionSource::Model => self.model.is_some(),
            };
            if !is_there {
                return Err(SettingsError::NoSection(source));
            }
        }
        self.server.as_ref().map_or(Ok(()), ServerSettings::check)?;
        self.model.as_ref().map_or(Ok(()), ModelSettings::check)?;
        self.rules.check()
    }
}

impl ServerSettings {
    fn check(&self) -> Result<(), SettingsError> {
        if !matches!(self.url.scheme(), "http" | "https") || self.url.host().is_none() {
            return Err(SettingsError::NotHttp(redacted(self.url.as_str()).into_owned()));
        }
        if redacted(self.url.as_str()) != self.url.as_str() {
            return Err(SettingsError::SecretInUrl);
        }
        if let Some(name) = &self.api_key_env
            && (name.is_empty() || name.starts_with("BOLID_") || name.contains(['=', '\0']))
        {
            return Err(SettingsError::Variable(name.clone()));
        }
        not_empty("captions.server.model", &self.model)?;
        not_empty("captions.server.prompt", &self.prompt)?;
        let Self { concurrency, max_requests, timeout_s, attempts, backoff_ms, wait_s, .. } = self;
        let most = max_requests.unwrap_or(1);
        // A process may open 1024 files by default on most systems.
        check("captions.server.concurrency", concurrency, (1..=512).contains(concurrency), "1 to 512")?;
        check("captions.server.max_requests", &most, most > 0, "1 or more")?;
        check("captions.server.timeout_s", timeout_s, (1..=3600).contains(timeout_s), "1 to 3600")?;
        check("captions.server.attempts", attempts, (1..=20).contains(attempts), "1 to 20")?;
        check("captions.server.backoff_ms", backoff_ms, (1..=60_000).contains(backoff_ms), "1 to 60000")?;
        check("captions.server.wait_s", wait_s, *wait_s <= 86_400, "0 to 86400")?;
        let Self { answer_tokens, temperature, .. } = self;
        let is_in_range = (1..=4096).contains(answer_tokens);
        check("captions.server.answer_tokens", answer_tokens, is_in_range, "1 to 4096")?;
        check("captions.server.temperature", temperature, (0.0..=2.0).contains(temperature), "0 to 2")?;
        Ok(())
    }
}

impl ModelSettings {
    fn check(&self) -> Result<(), SettingsError> {
        not_empty("captions.model.path", &self.path.to_string_lossy())?;
        let tokens = &self.answer_tokens;
        check("captions.model.answer_tokens", tokens, (1..=512).contains(tokens), "1 to 512")?;
        Ok(())
    }
}

impl Rules {
    fn check(&self) -> Result<(), SettingsError> {
        for phrase in &self.remove_phrases {
            not_empty("captions.rules.remove_phrases", phrase)?;
        }
        for word in &self.forbidden_words {
            not_empty("captions.rules.forbidden_words", word)?;
        }
        if let Some(trigger) = &self.trigger {
            not_empty("captions.rules.trigger", trigger)?;
        }
        let Some(tokens) = self.max_tokens else { return Ok(()) };
        check("captions.rules.max_tokens", &tokens, (2..=1000).contains(&tokens), "2 to 1000")?;
        if self.tokenizer.is_none() { Err(SettingsError::NoTokenizer) } else { Ok(()) }
    }
}

fn not_empty(key: &'static str, text: &str) -> Result<(), SettingsError> {
    if text.trim().is_empty() { Err(SettingsError::EmptyText(key)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Captions {
        let server = serde_json::json!({ "url": url, "model": "m" });
        let json = serde_json::json!({ "sources": ["own", "server"], "server": server });
        serde_json::from_value(json).expect("settings")
    }

    fn refused(change: impl FnOnce(&mut Captions)) -> String {
        let mut captions = server("http://127.0.0.1:8000/v1");
        change(&mut captions);
        captions.check().expect_err("settings that make no sense").to_string()
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        server("http://127.0.0.1:8000/v1").check().unwrap();
        Captions::default().check().unwrap();
        assert!(refused(|captions| captions.sources.clear()).contains("captions.sources"));
        assert!(refused(|captions| captions.sources.push(CaptionSource::Own)).contains("`own` twice"));
        assert!(refused(|captions| captions.server = None).contains("[captions.server]"));
        assert!(
            refused(|captions| captions.rules.max_tokens = Some(75)).contains("captions.rules.tokenizer")
        );
        assert!(
            refused(|captions| captions.rules.forbidden_words.push(" ".to_owned()))
                .contains("forbidden_words")
        );
        let of_server = |change: fn(&mut ServerSettings)| {
            refused(|captions| change(captions.server.as_mut().expect("a server")))
        };
        assert!(of_server(|server| server.concurrency = 0).contains("captions.server.concurrency = 0"));
        assert!(of_server(|server| server.temperature = f32::NAN).contains("temperature"));
        assert!(of_server(|server| server.api_key_env = Some("BOLID_KEY".to_owned())).contains("BOLID_KEY"));
    }

    #[test]
    fn an_address_with_a_secret_is_refused_without_being_shown() {
        for url in ["http://me:hunter2@127.0.0.1/v1", "https://a.example/v1?api_key=hunter2"] {
            let error = server(url).check().unwrap_err().to_string();
            assert!(error.contains("api_key_env") && !error.contains("hunter2"), "{error}");
        }
        assert!(server("ftp://a.example/v1").check().unwrap_err().to_string().contains("no http"));
    }

    #[test]
    fn an_unknown_source_is_an_error_that_names_the_known_ones() {
        let error = serde_json::from_str::<Captions>(r#"{"sources": ["page"]}"#).unwrap_err().to_string();
        assert!(error.contains("`page`") && error.contains("`server`"), "{error}");
    }
}
