//! Prompts to token ids, with the tokenizer files of a checkpoint.

use super::json::Settings;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tokenizers::Tokenizer;

/// What splits a prompt into words before byte pairs are merged (transformers' `CLIPTokenizer`).
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// CLIP's tokenizer.
#[derive(Debug)]
pub struct ClipTokenizer {
    tokenizer: Tokenizer,
    begin: u32,
    end: u32,
    pad: u32,
    length: usize,
}

/// A prompt as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Begin, the prompt, end, padding; always of the tokenizer's length (77).
    pub ids: Vec<u32>,
    /// The end of the prompt, where it did not fit.
    pub cut: Option<String>,
}

impl ClipTokenizer {
    /// Reads `tokenizer.json`, or `vocab.json` and `merges.txt`, and the special tokens of
    /// `tokenizer_config.json` from a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let config = folder.join("tokenizer_config.json");
        let config = if config.exists() {
            Settings::read(&config)?
        } else {
            Settings::new(config.display().to_string(), json!({}))?
        };
        let special = |key: &str, default: &str| match config.value(key) {
            Some(Value::String(token)) => token.clone(),
            Some(token) => token["content"].as_str().unwrap_or(default).to_owned(),
            None => default.to_owned(),
        };
        let (begin, end) = (special("bos_token", "<|startoftext|>"), special("eos_token", "<|endoftext|>"));
        let (pad, unknown) = (special("pad_token", &end), special("unk_token", &end));
        let fast = folder.join("tokenizer.json");
        let (path, tokenizer) = if fast.exists() {
            (fast.clone(), guarded(|| Tokenizer::from_file(&fast)))
        } else {
            let path = folder.join("vocab.json");
            // A padding token of its own (SD 2 and SDXL: "!") is cut out of the text wherever it stands, as
            // transformers does.
            let own_padding = (pad != end).then_some(pad.as_str());
            let tokens: Vec<&str> = [begin.as_str(), end.as_str()].into_iter().chain(own_padding).collect();
            let json = from_vocabulary(folder, &unknown, &tokens)?;
            (path, guarded(|| Tokenizer::from_bytes(json.to_string())))
        };
        let mut tokenizer = tokenizer.map_err(|e| Error::malformed(&path, e))?;
        // Cutting and padding are done here, so that what is cut can be shown.
        tokenizer.with_truncation(None).map_err(|e| Error::malformed(&path, e))?;
        tokenizer.with_padding(None);
        let id = |token: &str| {
            tokenizer
                .token_to_id(token)
                .ok_or_else(|| Error::malformed(&path, format!("has no token {token:?}")))
        };
        // Files without a limit write a huge number.
        let length = config.or("model_max_length", 77.0)?;
        let length = if (3.0..=4096.0).contains(&length) { length as usize } else { 77 };
        Ok(Self { begin: id(&begin)?, end: id(&end)?, pad: id(&pad)?, length, tokenizer })
    }

    /// Tokens per prompt, begin and end included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many tokens a text has, begin and end not counted, however long it is.
    pub fn count(&self, text: &str) -> Result<usize> {
        let encoding = guarded(|| self.tokenizer.encode(text, false))
            .map_err(|e| Error::Tokenise { text: text.to_owned(), reason: e.to_string() })?;
        Ok(encoding.len())
    }

    /// Token ids of a prompt. What does not fit is returned as [`Tokens::cut`].
    pub fn encode(&self, prompt: &str) -> Result<Tokens> {
        let encoding = guarded(|| self.tokenizer.encode(prompt, false))
            .map_err(|e| Error::Tokenise { text: prompt.to_owned(), reason: e.to_string() })?;
        let room = self.length - 2;
        let words = encoding.get_ids();
        let mut ids = vec![self.begin];
        ids.extend(words.iter().take(room));
        ids.push(self.end);
        ids.resize(self.length, self.pad);
        let cut = (words.len() > room).then(|| {
            let from = encoding.get_offsets().get(room).map_or(0, |offsets| offsets.0);
            prompt.get(from..).unwrap_or(prompt).to_owned()
        });
        Ok(Tokens { ids, cut })
    }
}

/// Calls the tokenizer library and turns a panic into an error: it unwraps values of `tokenizer.json`, and a
/// malformed file must not end the program. The library keeps no state that a panic could leave half changed.
pub(crate) fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the tokenizer's library panicked".into()))
}

/// `tokenizer.json` of a CLIP checkpoint that only has `vocab.json` and `merges.txt` (transformers' `CLIPConverter`).
fn from_vocabulary(folder: &Path, unknown: &str, special: &[&str]) -> Result<Value> {
    let (vocabulary, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    if !vocabulary.exists() || !merges.exists() {
        let wanted = vec!["tokenizer.json".to_owned(), "vocab.json and merges.txt".to_owned()];
        return Err(Error::NotFound { folder: folder.to_owned(), wanted });
    }
    let text = std::fs::read_to_string(&vocabulary).map_err(Error::read(&vocabulary))?;
    let vocab: Value = serde_json::from_str(&text).map_err(|e| Error::malformed(&vocabulary, e))?;
    let text = std::fs::read_to_string(&merges).map_err(Error::read(&merges))?;
    let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty());
    let merges: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let added: Vec<Value> = special
        .iter()
        .map(|token| {
            json!({"id": vocab[token], "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Lowercase"}
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
        ]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges}
    }))
}
