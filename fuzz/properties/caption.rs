//! What a captions' server answers, and what rules make of it.

use caption::hygiene::Cleaner;
use caption::hygiene::phrases::pattern;
use caption::{Names, Rules, protocol};

/// Words in place of CLIP's tokens, which need a vocabulary.
fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

pub fn check(bytes: &[u8]) {
    if let Ok(text) = protocol::text_of(bytes) {
        assert!(!text.is_empty() && text == text.trim(), "a text has words: {text:?}");
        text_is_cleaned(&text);
    }
    let complaint = protocol::complaint(bytes);
    assert!(complaint.chars().count() <= 301 && !complaint.contains(char::is_control), "{complaint:?}");
    text_is_cleaned(&String::from_utf8_lossy(bytes));
}

fn text_is_cleaned(text: &str) {
    let rules = Rules {
        one_sentence: true,
        remove_phrases: vec!["a photo of".to_owned(), "photo".to_owned()],
        remove_names: true,
        forbidden_words: vec!["sponsored".to_owned(), "#ad".to_owned()],
        max_tokens: Some(9),
        tokenizer: None,
        trigger: Some("sks person".to_owned()),
    };
    let names = Names::of("Anna van Berg", "anna-berg");
    let cleaned = Cleaner::new(&rules).clean(text, &names, words);
    let ends = (cleaned.changes.last().map(|change| &change.after), &cleaned.text);
    assert!(ends.0.is_none_or(|after| after == ends.1), "the last change gives the text");
    let Some(text) = cleaned.text else { return };
    assert!(words(&text) <= 9 && text.starts_with("sks person"), "{text:?}");
    assert!(!text.contains(['\n', '\r', '\t']) && text == text.trim(), "one line: {text:?}");
    assert!(!names.pattern().is_some_and(|pattern| pattern.is_match(&text)), "a name is left: {text:?}");
    let forbidden = pattern(["sponsored", "#ad"].into_iter());
    assert!(!forbidden.is_some_and(|pattern| pattern.is_match(&text)), "a forbidden word is left: {text:?}");
}
