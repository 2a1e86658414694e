//! A text cut to so many tokens.

use super::tidy::tidy;

/// As many whole words of the text as `fits` lets stand; `None` where not one does. Who takes fewer words away takes no
/// fewer tokens: the number is searched, not tried word by word.
pub fn fitting(text: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    if fits(text) {
        return Some(text.to_owned());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let some = |count: usize| tidy(&words[..count].join(" "));
    let (mut fit, mut too_many) = (0, words.len());
    while fit + 1 < too_many {
        let middle = usize::midpoint(fit, too_many);
        *if fits(&some(middle)) { &mut fit } else { &mut too_many } = middle;
    }
    (fit > 0).then(|| some(fit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_whole_words_stay_as_there_is_room_for() {
        let fits = |most: usize| move |text: &str| text.len() <= most;
        let text = "one, two, three four";
        for most in 0..=text.len() {
            let cut = fitting(text, fits(most));
            let expected = match most {
                0..3 => None,
                3..8 => Some("one"),
                8..15 => Some("one, two"),
                15..20 => Some("one, two, three"),
                _ => Some(text),
            };
            assert_eq!(cut.as_deref(), expected, "{most}");
        }
    }
}
