//! Profiles of sites.

use std::path::Path;

use crawler::Profile;
use url::Url;

pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return }; // no file of text is read otherwise
    let path = Path::new("site.toml");
    let profile = match Profile::parse(text, path) {
        Ok(profile) => profile,
        Err(error) => {
            assert!(error.to_string().contains("site.toml"), "{error}");
            return;
        }
    };
    assert!(!profile.site.contains(['/', '\\']) && !profile.site.starts_with('.'), "{}", profile.site);
    // As another program writes the same TOML, it is the same profile.
    let table: toml::Table = text.parse().unwrap();
    let printed = toml::to_string(&table).unwrap();
    let again = Profile::parse(&printed, path).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(format!("{profile:?}"), format!("{again:?}"), "{printed}");
    let named = profile.at(Url::parse("https://gallery.example:8080/").unwrap());
    assert!(named.base_url.is_some_and(|base| matches!(base.scheme(), "http" | "https")));
}
