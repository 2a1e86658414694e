//! Blanks and commas that a removal leaves.

/// A text on one line, with one blank between words.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there is anything to read.
pub fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// The text without empty brackets, marks that belong to nothing, and blanks before marks.
pub fn tidy(text: &str) -> String {
    let mut text = one_line(text);
    for (left, right) in [('(', ')'), ('[', ']'), ('“', '”')] {
        text = text.replace(&format!("{left} {right}"), "").replace(&format!("{left}{right}"), "");
    }
    let mut tidied = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        // A comma or colon that its word was taken from, behind another one or at the beginning.
        let is_mark = word.chars().all(|c| matches!(c, ',' | ';' | ':' | '.'));
        if is_mark && (tidied.is_empty() || tidied.ends_with([',', ';', ':', '.'])) {
            continue;
        }
        if !is_mark && !tidied.is_empty() {
            tidied.push(' ');
        }
        tidied.push_str(word);
    }
    let begun = tidied.trim_start_matches([' ', ',', ';', ':', '.', '-', '–', '—', '|']);
    begun.trim_end_matches([' ', ',', ';', ':', '-', '–', '—', '|', '(']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_beside_a_word_goes_with_it() {
        for (text, tidied) in [
            (" , in a red dress", "in a red dress"),
            ("a dress , , and a hat", "a dress, and a hat"),
            ("a dress ( ) by the sea", "a dress by the sea"),
            (": a hat –", "a hat"),
            ("a dress .", "a dress."),
            ("- -", ""),
        ] {
            assert_eq!(tidy(text), tidied, "{text}");
        }
        assert_eq!(one_line(" a\n\tb "), "a b");
        assert!(has_words("ß") && !has_words("., –"));
    }
}
