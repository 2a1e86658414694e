//! Text for a terminal of 80 columns.

/// As wide as tables are.
pub const COLUMNS: usize = 80;

/// The text, or its beginning and an ellipsis where it has more than `width` characters.
pub fn beginning(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text, or an ellipsis and its end: what tells addresses and folders apart.
pub fn end(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let rest = text.chars().skip((length + 1).saturating_sub(width));
    std::iter::once('…').chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_the_side_that_says_less_and_never_wider_than_asked_for() {
        assert_eq!((beginning("Жанна", 5), end("Жанна", 5)), ("Жанна".into(), "Жанна".into()));
        assert_eq!((beginning("Жанна", 4), end("Жанна", 4)), ("Жан…".into(), "…нна".into()));
        assert_eq!(end("http://gallery.test/ada/004.jpg", 12), "…ada/004.jpg");
    }
}
