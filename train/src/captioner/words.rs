//! Texts to token ids and back, with the tokenizer file of a checkpoint.

use crate::diffusion::tokenizer::guarded;
use crate::error::{Error, Result};
use std::path::Path;
use tokenizers::Tokenizer;

/// A tokenizer in the one-file layout.
#[derive(Debug)]
pub(super) struct Words {
    tokenizer: Tokenizer,
}

impl Words {
    /// Reads `tokenizer.json` of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            let wanted = vec!["tokenizer.json".to_owned()];
            return Err(Error::NotFound { folder: folder.to_owned(), wanted });
        }
        let read = guarded(|| Tokenizer::from_file(&path));
        let mut tokenizer = read.map_err(|error| Error::malformed(&path, error))?;
        tokenizer.with_truncation(None).map_err(|error| Error::malformed(&path, error))?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer })
    }

    /// The ids of a text alone, without any that the tokenizer puts around it.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = guarded(|| self.tokenizer.encode(text, false));
        let encoding =
            encoding.map_err(|error| Error::Tokenise { text: text.to_owned(), reason: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `new` ids that follow `before`, without special tokens.
    ///
    /// Both are decoded together: a word may go on from the last id before.
    pub(super) fn decode_after(&self, before: &[u32], new: &[u32]) -> Result<String> {
        let (all, start) = (self.decode(&[before, new].concat())?, self.decode(before)?);
        let text = match all.strip_prefix(&start) {
            Some(rest) => rest.to_owned(),
            None => self.decode(new)?,
        };
        Ok(text.trim().to_owned())
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        guarded(|| self.tokenizer.decode(ids, true))
            .map_err(|error| Error::Tokenise { text: format!("{ids:?}"), reason: error.to_string() })
    }
}
