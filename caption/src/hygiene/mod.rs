//! Rules from a text to a text: pure, and each change is told with the rule that made it.
//!
//! | file | what |
//! |---|---|
//! | [`names`] | a person's name and its parts, in a text |
//! | [`phrases`] | phrases and words, whole ones, in any case |
//! | [`sentence`] | the first sentence of a text |
//! | [`length`] | a text cut to so many tokens |
//! | [`tidy`](mod@tidy) | blanks and commas that a removal leaves |

pub mod length;
pub mod names;
pub mod phrases;
pub mod sentence;
pub mod tidy;

pub use names::Names;

use regex::Regex;
use serde::Serialize;

use crate::settings::Rules;
use tidy::{has_words, one_line, tidy};

/// A rule that changed a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Line breaks and runs of blanks are one blank.
    OneLine,
    /// [`Rules::one_sentence`].
    OneSentence,
    /// [`Rules::remove_phrases`].
    RemovePhrases,
    /// [`Rules::remove_names`].
    RemoveNames,
    /// [`Rules::forbidden_words`].
    ForbiddenWords,
    /// [`Rules::max_tokens`].
    MaxTokens,
    /// [`Rules::trigger`].
    Trigger,
}

impl Rule {
    /// Its name, as in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneLine => "one_line",
            Self::OneSentence => "one_sentence",
            Self::RemovePhrases => "remove_phrases",
            Self::RemoveNames => "remove_names",
            Self::ForbiddenWords => "forbidden_words",
            Self::MaxTokens => "max_tokens",
            Self::Trigger => "trigger",
        }
    }
}

/// What a rule did to a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The rule.
    pub rule: Rule,
    /// The text that it was given.
    pub before: String,
    /// The text that it gave; `None` where nothing was left, or the text may not be used.
    pub after: Option<String>,
}

/// What the rules made of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// The text; `None` where there is none to be used.
    pub text: Option<String>,
    /// What was changed, in order.
    pub changes: Vec<Change>,
}

/// The rules, ready to be applied.
#[derive(Clone, Debug)]
pub struct Cleaner {
    rules: Rules,
    phrases: Option<Regex>,
    forbidden: Option<Regex>,
}

impl Cleaner {
    /// Of these rules.
    pub fn new(rules: &Rules) -> Self {
        Self {
            phrases: phrases::pattern(rules.remove_phrases.iter().map(String::as_str)),
            forbidden: phrases::pattern(rules.forbidden_words.iter().map(String::as_str)),
            rules: rules.clone(),
        }
    }

    /// Applies the rules in their order, which is that of [`Rule`]. `tokens` counts those of a text; it is asked only
    /// where the rules bound them.
    pub fn clean(&self, text: &str, names: &Names, tokens: impl Fn(&str) -> usize) -> Cleaned {
        let mut state = Cleaned { text: Some(text.to_owned()), changes: Vec::new() };
        state.apply(Rule::OneLine, |text| Some(one_line(text)));
        if self.rules.one_sentence {
            state.apply(Rule::OneSentence, |text| Some(sentence::first(text).to_owned()));
        }
        if let Some(pattern) = &self.phrases {
            state.apply(Rule::RemovePhrases, |text| Some(without(pattern, text)));
        }
        if let Some(pattern) = names.pattern().filter(|_| self.rules.remove_names) {
            state.apply(Rule::RemoveNames, |text| Some(without(pattern, text)));
        }
        if let Some(pattern) = &self.forbidden {
            state.apply(Rule::ForbiddenWords, |text| (!pattern.is_match(text)).then(|| text.to_owned()));
        }
        if let Some(most) = self.rules.max_tokens {
            let room = |text: &str| tokens(&self.with_trigger(text)) <= most;
            state.apply(Rule::MaxTokens, |text| length::fitting(text, room));
        }
        state.apply(Rule::Trigger, |text| Some(self.with_trigger(text)));
        state
    }

    fn with_trigger(&self, text: &str) -> String {
        match &self.rules.trigger {
            Some(trigger) if !text.starts_with(trigger.as_str()) => format!("{trigger}, {text}"),
            _ => text.to_owned(),
        }
    }
}

impl Cleaned {
    fn apply(&mut self, rule: Rule, change: impl FnOnce(&str) -> Option<String>) {
        let Some(before) = self.text.take() else { return };
        self.text = change(&before).filter(|text| has_words(text));
        if self.text.as_ref() != Some(&before) {
            self.changes.push(Change { rule, before, after: self.text.clone() });
        }
    }
}

/// Cleans one text; who has many keeps a [`Cleaner`].
pub fn clean(text: &str, names: &Names, rules: &Rules, tokens: impl Fn(&str) -> usize) -> Cleaned {
    Cleaner::new(rules).clean(text, names, tokens)
}

/// The text without what the pattern finds, nor what it finds once that is gone: "a a photo of photo of".
fn without(pattern: &Regex, text: &str) -> String {
    let mut text = text.to_owned();
    while pattern.is_match(&text) {
        text = tidy(&pattern.replace_all(&text, " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            one_sentence: true,
            remove_phrases: vec!["a photo of".to_owned(), "photo".to_owned()],
            remove_names: true,
            forbidden_words: vec!["sponsored".to_owned()],
            max_tokens: Some(8),
            tokenizer: None,
            trigger: Some("sks person".to_owned()),
        }
    }

    /// Words in place of CLIP's tokens.
    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn cleaned(text: &str) -> Cleaned {
        clean(text, &Names::of("Anna Berg", "anna-berg"), &rules(), words)
    }

    #[test]
    fn each_change_is_told_with_its_rule_in_order() {
        let text = "A photo of Anna Berg  in a red dress on a wide beach at noon. She smiles.";
        let done = cleaned(text);
        assert_eq!(done.text.as_deref(), Some("sks person, in a red dress on a"));
        let rules: Vec<Rule> = done.changes.iter().map(|change| change.rule).collect();
        use Rule::{MaxTokens, OneLine, OneSentence, RemoveNames, RemovePhrases, Trigger};
        assert_eq!(rules, [OneLine, OneSentence, RemovePhrases, RemoveNames, MaxTokens, Trigger]);
        assert_eq!(done.changes[0].before, text);
        for pair in done.changes.windows(2) {
            assert_eq!(pair[0].after.as_ref(), Some(&pair[1].before), "one begins where the last one ended");
        }
        assert_eq!(done.changes.last().unwrap().after, done.text);
    }

    #[test]
    fn what_only_names_the_person_or_has_a_forbidden_word_is_no_caption() {
        for (text, rule) in [
            ("Anna Berg", Rule::RemoveNames),
            ("A photo of ANNA-BERG's.", Rule::RemoveNames),
            ("Sponsored: a red dress", Rule::ForbiddenWords),
            (" \n ", Rule::OneLine),
        ] {
            let done = cleaned(text);
            assert_eq!(done.text, None, "{text}");
            let last = done.changes.last().unwrap();
            assert_eq!((last.rule, &last.after), (rule, &None), "{text}");
        }
    }

    #[test]
    fn without_rules_only_line_breaks_change() {
        let plain = |text: &str| clean(text, &Names::of("Anna", "anna"), &Rules::default(), |_| 0);
        let text = "Anna, in a photo. And more!";
        assert_eq!(plain(text), Cleaned { text: Some(text.to_owned()), changes: Vec::new() });
        assert_eq!(plain("a\n b").text.as_deref(), Some("a b"));
    }

    #[test]
    fn what_a_removal_puts_together_is_removed_as_well() {
        let rules = Rules { remove_phrases: vec!["a photo of".to_owned()], ..Rules::default() };
        let done = clean("a a photo of photo of her", &Names::of("", ""), &rules, words);
        assert_eq!(done.text.as_deref(), Some("her"));
    }

    #[test]
    fn rules_applied_twice_change_nothing_more() {
        let once = cleaned("Photo: Anna, in a red dress, and Berg's dog").text.unwrap();
        assert_eq!(once, "sks person, in a red dress, and dog");
        let rules = Rules { max_tokens: None, ..rules() };
        let twice = clean(&once, &Names::of("Anna Berg", "anna-berg"), &rules, words);
        assert_eq!(twice.text, Some(once));
    }
}
