//! Whether a page or file lets itself be used: `X-Robots-Tag` and `<meta name="robots">`. Pure.

/// The name that rules may address this program by.
pub const AGENT: &str = "bolid";

/// What asks for permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A page that only leads to others: it may ask not to be followed, or speak for the images on it.
    Listing,
    /// A photo's own page, or a listing that links the files themselves.
    PhotoPage,
    /// The file.
    File,
}

impl Subject {
    /// Whether the directive forbids the use. `noindex` on a listing speaks of that listing alone, which is
    /// not kept anyway; galleries put it on their second and later pages.
    fn is_forbidden_by(self, directive: &str) -> bool {
        match directive {
            "noai" | "noimageai" | "noimageindex" | "none" => true,
            "noindex" => self != Self::Listing,
            "nofollow" => self == Self::Listing,
            _ => false,
        }
    }
}

/// The text that forbids the use, the first one found; `None`: nothing does.
///
/// `headers` are the values of all `X-Robots-Tag` headers, `metas` the name and content of meta elements.
pub fn opt_out(subject: Subject, headers: &[String], metas: &[(String, String)]) -> Option<String> {
    let by_header = headers.iter().find(|value| header_forbids(subject, value));
    if let Some(value) = by_header {
        return Some(format!("X-Robots-Tag: {value}"));
    }
    let by_meta = metas.iter().find(|(name, content)| {
        is_addressed(name.trim()) && directives(content).any(|directive| subject.is_forbidden_by(&directive))
    });
    by_meta.map(|(name, content)| format!("<meta name=\"{name}\" content=\"{content}\">"))
}

/// `noai`, `noindex, nofollow` or `otherbot: noindex, bolid: noai`: a name holds until the next one.
fn header_forbids(subject: Subject, value: &str) -> bool {
    let mut addressed = true;
    for piece in value.split(',') {
        let mut directive = piece.trim();
        if let Some((name, rest)) = directive.split_once(':')
            && !is_valued(name)
        {
            addressed = is_addressed(name.trim());
            directive = rest.trim();
        }
        if addressed && subject.is_forbidden_by(&directive.to_ascii_lowercase()) {
            return true;
        }
    }
    false
}

/// Directives that have a colon themselves.
fn is_valued(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name == "unavailable_after" || name.starts_with("max-")
}

fn is_addressed(name: &str) -> bool {
    name == "*" || name.eq_ignore_ascii_case("robots") || name.eq_ignore_ascii_case(AGENT)
}

fn directives(content: &str) -> impl Iterator<Item = String> {
    content.split(',').map(|directive| directive.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(subject: Subject, value: &str) -> Option<String> {
        opt_out(subject, &[value.to_owned()], &[])
    }

    #[test]
    fn each_opt_out_of_a_file_is_obeyed_and_quoted() {
        for value in
            ["noai", "noimageai", "noindex", "noimageindex", "none", "max-snippet:-1, NoAI", "bolid: noai"]
        {
            assert_eq!(header(Subject::File, value), Some(format!("X-Robots-Tag: {value}")));
        }
        for value in
            ["all", "index, follow", "otherbot: noai, noindex", "unavailable_after: 1 Jan 2090", "nofollow"]
        {
            assert_eq!(header(Subject::File, value), None, "{value}");
        }
        assert!(header(Subject::File, "otherbot: noai, bolid: noindex").is_some());
    }

    #[test]
    fn a_listing_is_left_when_it_asks_not_to_be_followed() {
        assert!(header(Subject::Listing, "noindex, nofollow").is_some());
        assert!(header(Subject::Listing, "noindex, follow").is_none());
        assert!(header(Subject::PhotoPage, "noindex, follow").is_some());
    }

    #[test]
    fn a_meta_element_counts_only_by_its_name() {
        let meta =
            |name: &str| opt_out(Subject::PhotoPage, &[], &[(name.to_owned(), "noai, noimageai".to_owned())]);
        assert_eq!(meta("Robots").unwrap(), "<meta name=\"Robots\" content=\"noai, noimageai\">");
        assert!(meta("bolid").is_some() && meta("googlebot").is_none() && meta("description").is_none());
    }
}
