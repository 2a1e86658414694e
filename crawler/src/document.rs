//! A page as text: the charset by byte order mark, header, meta element or profile; never an error. Pure.

use encoding_rs::{Encoding, UTF_8};
use url::Url;

use crate::prescan;

/// A page that was read.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its address on the site, after redirects.
    pub url: Url,
    /// The body.
    pub body: Vec<u8>,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The values of all `X-Robots-Tag` headers.
    pub robots_tags: Vec<String>,
}

impl Document {
    /// The body as text, in the `charset` of the profile where the page names none or wrongly UTF-8; bytes that are wrong in the charset become U+FFFD.
    pub fn text(&self, charset: Option<&'static Encoding>) -> String {
        self.decoded(charset).0
    }

    /// The same, and the charset it was read in: queries of the page's links go out in it.
    pub(crate) fn decoded(&self, charset: Option<&'static Encoding>) -> (String, &'static Encoding) {
        let by_header = self.content_type.as_deref().and_then(|kind| prescan::labelled(kind, "charset"));
        let declared = by_header.or_else(|| prescan::declared(&self.body));
        let encoding = match (declared, charset) {
            (declared, Some(fallback))
                if declared.is_none_or(|found| found == UTF_8)
                    && std::str::from_utf8(&self.body).is_err() =>
            {
                fallback
            }
            _ => declared.unwrap_or(UTF_8),
        };
        let (text, encoding, _) = encoding.decode(&self.body);
        (text.into_owned(), encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYRILLIC: &[u8] = b"\xcc\xe5\xe3\xe0\xed"; // «Меган» in windows-1251

    fn text(body: &[u8], content_type: Option<&str>, charset: Option<&'static Encoding>) -> String {
        let url = Url::parse("http://x/").unwrap();
        let content_type = content_type.map(Into::into);
        Document { url, body: body.to_vec(), content_type, robots_tags: Vec::new() }.text(charset)
    }

    #[test]
    fn header_meta_element_and_profile_each_name_the_charset() {
        assert_eq!(text(CYRILLIC, Some("text/html; charset=\"windows-1251\""), None), "Меган");
        let meta =
            [b"<html><META http-equiv=x content='text/html; charset=cp1251'>".as_slice(), CYRILLIC].concat();
        assert!(text(&meta, Some("text/html"), None).ends_with("Меган"));
        let meta = [b"<meta charset=windows-1251>".as_slice(), CYRILLIC].concat();
        assert!(text(&meta, None, None).ends_with("Меган"));
        assert_eq!(
            text(CYRILLIC, Some("text/html; charset=utf-8"), Some(encoding_rs::WINDOWS_1251)),
            "Меган"
        );
    }

    #[test]
    fn a_declaration_counts_anywhere_in_the_head_and_nowhere_else() {
        let page = |before: &str| [before.as_bytes(), b"<meta charset=windows-1251>", CYRILLIC].concat();
        let late = format!("<head><style>{}</style>", "a{}".repeat(4000));
        assert!(text(&page(&late), None, None).ends_with("Меган"));
        assert!(text(&page("<!-- <meta charset=koi8-r> -->"), None, None).ends_with("Меган"));
        assert!(!text(&page("<body>"), None, None).ends_with("Меган"));
        assert_eq!(text("<meta charset=utf-16>Ж".as_bytes(), None, None), "<meta charset=utf-16>Ж");
    }

    #[test]
    fn wrong_bytes_and_unknown_charsets_stay_readable() {
        assert_eq!(text(b"a\xffb", None, None), "a\u{fffd}b");
        assert_eq!(text("Ж".as_bytes(), Some("text/html; charset=klingon"), None), "Ж");
        assert_eq!(text(b"\xef\xbb\xbfa", Some("text/html; charset=windows-1251"), None), "a");
    }
}
