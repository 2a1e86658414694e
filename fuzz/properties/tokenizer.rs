//! Tokenizers of checkpoints that others made: `tokenizer.json`, or `vocab.json`, a byte of 0, and `merges.txt`.

use train::diffusion::tokenizer::ClipTokenizer;

use super::scratch::with_files;

pub fn check(bytes: &[u8]) {
    let parts: Vec<&[u8]> = bytes.splitn(2, |&byte| byte == 0).collect();
    let files = match parts.as_slice() {
        [vocabulary, merges] => vec![("vocab.json", *vocabulary), ("merges.txt", *merges)],
        _ => vec![("tokenizer.json", bytes)],
    };
    with_files(&files, |folder| {
        let Ok(tokenizer) = ClipTokenizer::read(folder) else { return };
        for prompt in ["", "a photo of Zoë, 1.5 m!", "<|endoftext|> \u{1F600}\u{301}"] {
            if let Ok(tokens) = tokenizer.encode(prompt) {
                assert_eq!(tokens.ids.len(), tokenizer.length());
            }
        }
    });
}
