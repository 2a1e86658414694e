//! Phrases and words, whole ones, in any case.

use regex::Regex;

/// What finds any of the phrases: letters and digits beside a match are none of it, any blanks are one, and of two that
/// begin at the same place the longer is found. `None` where there are no phrases.
pub fn pattern<'a>(phrases: impl Iterator<Item = &'a str>) -> Option<Regex> {
    let mut phrases: Vec<&str> = phrases.map(str::trim).filter(|phrase| !phrase.is_empty()).collect();
    phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    phrases.dedup();
    let each: Vec<String> = phrases.into_iter().map(bounded).collect();
    of_alternatives(&each, "")
}

/// The alternatives with `end` behind each.
pub(super) fn of_alternatives(each: &[String], end: &str) -> Option<Regex> {
    if each.is_empty() {
        return None;
    }
    let text = format!("(?i)(?:{}){end}", each.join("|"));
    Some(Regex::new(&text).expect("escaped words are a pattern"))
}

/// One phrase as a pattern. `\b` stands only where a letter or digit does: beside "#" it would ask for one.
pub(super) fn bounded(phrase: &str) -> String {
    let words: Vec<String> = phrase.split_whitespace().map(regex::escape).collect();
    let edge = |c: Option<char>| if c.is_some_and(|c| c.is_alphanumeric() || c == '_') { r"\b" } else { "" };
    format!("{}{}{}", edge(phrase.chars().next()), words.join(r"\s+"), edge(phrase.chars().next_back()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_phrases_are_found_in_any_case_and_the_longer_first() {
        let found = |phrases: &[&str], text: &str| {
            let pattern = pattern(phrases.iter().copied())?;
            Some(pattern.find(text)?.as_str().to_owned())
        };
        assert_eq!(found(&["a photo", "a photo of"], "A  Photo of her").as_deref(), Some("A  Photo of"));
        assert_eq!(found(&["photo"], "photograph"), None);
        assert_eq!(found(&["größe"], "in GRÖSSE, GRÖßE").as_deref(), Some("GRÖßE"));
        assert_eq!(found(&["#ad", "c++"], "x #AD").as_deref(), Some("#AD"));
        assert_eq!(found(&["(c)"], "by (C) her").as_deref(), Some("(C)"));
        assert!(pattern([" "].into_iter()).is_none());
    }
}
