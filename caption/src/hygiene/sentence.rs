//! The first sentence of a text.

/// Abbreviations whose full stop ends no sentence, without it.
const ABBREVIATIONS: [&str; 12] =
    ["dr", "e.g", "etc", "i.e", "jr", "mr", "mrs", "ms", "no", "prof", "st", "vs"];

/// What may stand behind a sentence's last mark and belongs to it.
const CLOSING: [char; 6] = ['"', '\'', '”', '’', ')', '»'];

/// The text up to the mark that ends its first sentence, or all of it.
pub fn first(text: &str) -> &str {
    let mut from = 0;
    while let Some(found) = text[from..].find(['.', '!', '?', '…', '。', '！', '？']) {
        let at = from + found;
        let mark = text[at..].chars().next().expect("a mark was found");
        let rest = &text[at + mark.len_utf8()..];
        let closing = rest.len() - rest.trim_start_matches(CLOSING).len();
        let end = at + mark.len_utf8() + closing;
        if ends(&text[..at], mark, &text[end..]) {
            return &text[..end];
        }
        from = at + mark.len_utf8();
    }
    text
}

/// Whether a mark between these two parts ends a sentence.
fn ends(before: &str, mark: char, after: &str) -> bool {
    if after.trim_start().is_empty() || matches!(mark, '。' | '！' | '？') {
        return true;
    }
    // "3.5", "a.jpg", "?!": something goes on without a blank.
    let Some(next) = after.strip_prefix(' ').and_then(|after| after.trim_start().chars().next()) else {
        return false;
    };
    let word = before.rsplit([' ', '(']).next().unwrap_or_default().to_lowercase();
    let is_short = word.chars().count() == 1 || ABBREVIATIONS.contains(&word.as_str());
    let goes_on = next.is_lowercase() || (mark == '.' && is_short);
    !goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_where_the_next_begins() {
        for (text, sentence) in [
            ("A woman on a beach. She smiles.", "A woman on a beach."),
            ("A woman on a beach", "A woman on a beach"),
            ("She says \"Stop!\" Then she goes.", "She says \"Stop!\""),
            ("Dr. Who in St. Moritz, at 3.5 km. Next.", "Dr. Who in St. Moritz, at 3.5 km."),
            ("J. R. in a hat. And.", "J. R. in a hat."),
            ("Really?! Yes.", "Really?!"),
            ("a hat, etc. and more. More.", "a hat, etc. and more."),
            ("红裙。站着。", "红裙。"),
            ("…", "…"),
            ("", ""),
        ] {
            assert_eq!(first(text), sentence, "{text}");
        }
    }
}
