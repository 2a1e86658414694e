//! Names that are safe as part of a file name, and still tell people apart. Pure.

use photo::Digest;

/// Longer names are cut: some file systems allow 255 bytes for a whole file name.
const MAX_CHARS: usize = 80;

/// A slug from what a site calls a person. Where something had to be changed, a digest of the original follows, so
/// that two people never share one slug.
pub fn slug_of(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let cleaned: String = text.chars().map(|c| if is_plain(c) { c } else { '-' }).take(MAX_CHARS).collect();
    let cleaned = cleaned.trim_matches(['-', '.']);
    if cleaned == text && !cleaned.is_empty() {
        return cleaned.to_owned();
    }
    let digest = &Digest::of(text).short()[..8];
    if cleaned.is_empty() { digest.to_owned() } else { format!("{cleaned}-{digest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_stays_and_others_become_safe_and_distinct() {
        assert_eq!(slug_of("Sydney-Sweeney-md6824"), "Sydney-Sweeney-md6824");
        let odd = ["../../etc/passwd", "..", "", "Меган", "Мила", "a/b", "a\\b", "con:1", &"x".repeat(300)];
        let slugs: std::collections::HashSet<_> = odd.iter().map(|text| slug_of(text)).collect();
        assert_eq!(slugs.len(), odd.len());
        for slug in slugs {
            assert!(
                !slug.is_empty()
                    && slug.len() <= 90
                    && !slug.contains(['/', '\\', ':'])
                    && !slug.starts_with('.')
            );
        }
    }
}
