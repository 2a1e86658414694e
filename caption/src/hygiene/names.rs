//! A person's name and its parts, in a text.

use regex::Regex;

use super::phrases::{bounded, of_alternatives};

/// Shorter parts of a name are too often words of their own ("Li", "de"); in the whole name they are found.
const LEAST_LETTERS: usize = 3;

/// Parts of names that are words of captions as well: particles, and what folders are called that name nobody.
const WORDS: [&str; 34] = [
    "and", "bin", "boy", "the", "van", "von", "der", "den", "del", "las", "los", "san", "girl", "lady",
    "man", "men", "miss", "model", "models", "person", "people", "woman", "women", "photo", "photos",
    "picture", "pictures", "image", "images", "gallery", "set", "unknown", "nobody", "somebody",
];

/// What a text may call a person.
#[derive(Clone, Debug)]
pub struct Names {
    pattern: Option<Regex>,
}

impl Names {
    /// The names of an identity: as shown to people, and as addresses have it.
    pub fn of(name: &str, slug: &str) -> Self {
        let parts = |name: &str| -> Vec<String> {
            let parts = name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let (name, slug) = (parts(name), parts(slug));
        let is_own = |part: &&String| {
            part.chars().filter(|c| c.is_alphabetic()).count() >= LEAST_LETTERS
                && !WORDS.contains(&part.to_lowercase().as_str())
        };
        let mut each: Vec<String> = Vec::new();
        // The whole before its parts, with whatever stands between them.
        for whole in [&name, &slug].into_iter().filter(|parts| parts.iter().any(|part| is_own(&part))) {
            let escaped: Vec<String> = whole.iter().map(|part| regex::escape(part)).collect();
            each.push(format!(r"\b{}\b", escaped.join(r"[\s_.\-]+")));
        }
        each.extend(name.iter().chain(&slug).filter(is_own).map(|part| bounded(part)));
        each.dedup();
        Self { pattern: of_alternatives(&each, r"(?:['’]s\b)?") }
    }

    /// What finds them, where there is anything to be found.
    pub fn pattern(&self) -> Option<&Regex> {
        self.pattern.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(name: &str, slug: &str, text: &str) -> String {
        match Names::of(name, slug).pattern() {
            Some(pattern) => pattern.replace_all(text, "_").into_owned(),
            None => text.to_owned(),
        }
    }

    #[test]
    fn the_whole_name_its_parts_and_the_slug_are_found_whole_and_in_any_case() {
        let rest = |text| rest("Anna van Berg", "anna-v-berg-2", text);
        assert_eq!(rest("Anna van Berg in a van"), "_ in a van");
        assert_eq!(rest("ANNA and berg's dog"), "_ and _ dog");
        assert_eq!(rest("anna_v_berg_2.jpg"), "_.jpg");
        assert_eq!(rest("Annabel on an iceberg"), "Annabel on an iceberg");
    }

    #[test]
    fn a_folder_that_names_nobody_takes_no_word_out() {
        for (name, slug) in [("person-0001", "person-0001"), ("Li", "li"), ("", ""), ("12", "12")] {
            let text = "a person in a red dress, 12 steps up";
            assert_eq!(rest(name, slug, text), text, "{name}");
        }
    }
}
