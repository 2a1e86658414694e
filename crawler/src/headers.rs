//! Headers as text and back, and what a status may answer. Pure.

use photo::FailureClass;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Stop};

/// What tells whether a document has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// The `ETag`.
    pub etag: Option<String>,
    /// The `Last-Modified`.
    pub last_modified: Option<String>,
}

/// The kind of a request, which says what may answer it.
pub(crate) struct RequestKind {
    /// It has validators, so that the answer may be that nothing changed.
    is_conditional: bool,
    /// It asks for a range.
    is_range: bool,
}

impl RequestKind {
    pub fn of(headers: &HeaderMap) -> Self {
        let has = |name| headers.contains_key(name);
        Self {
            is_conditional: has(header::IF_NONE_MATCH) || has(header::IF_MODIFIED_SINCE),
            is_range: has(header::RANGE),
        }
    }

    /// Refuses a status that is no answer to the request: taken for one, it would be "unchanged" of what was never
    /// had, a part for the whole, or an empty list of rules.
    pub fn check(&self, status: StatusCode) -> Result<(), Stop> {
        let problem = match status {
            StatusCode::NOT_MODIFIED if !self.is_conditional => "to a request without validators",
            StatusCode::PARTIAL_CONTENT if !self.is_range => "to a request for the whole",
            StatusCode::MULTIPLE_CHOICES => "which names several places and gives nothing",
            _ => return Ok(()),
        };
        let mut failure = Failure::new(FailureClass::Protocol, format!("{status} {problem}"));
        failure.http_status = Some(status.as_u16());
        Err(Stop::Failed(failure))
    }
}

pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A header's value; bytes beyond ASCII become the characters of Latin-1, which [`value_of`] turns into the same bytes.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.as_bytes().iter().map(|&byte| char::from(byte)).collect())
}

/// The header that [`text`] read; `None` where no header may have that value.
pub(crate) fn value_of(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Where a redirect leads. Servers send addresses in raw UTF-8 or in a charset of their own: as browsers do, bytes
/// beyond ASCII are percent-encoded as they are.
pub(crate) fn location(headers: &HeaderMap) -> Option<String> {
    let encoded = |&byte: &u8| {
        if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    Some(headers.get(header::LOCATION)?.as_bytes().iter().map(encoded).collect())
}

pub(crate) fn robots_tags(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("x-robots-tag").iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

pub(crate) fn validators_of(headers: &HeaderMap) -> Validators {
    Validators { etag: text(headers, header::ETAG), last_modified: text(headers, header::LAST_MODIFIED) }
}

pub(crate) fn conditional(validators: &Validators) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs =
        [(header::IF_NONE_MATCH, &validators.etag), (header::IF_MODIFIED_SINCE, &validators.last_modified)];
    for (name, value) in pairs {
        if let Some(value) = value.as_deref().and_then(value_of) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn a_location_beyond_ascii_is_encoded_byte_by_byte() {
        let found = |value: &[u8]| location(&headers(header::LOCATION, value)).unwrap();
        assert_eq!(found("/фото/1.jpg".as_bytes()), "/%D1%84%D0%BE%D1%82%D0%BE/1.jpg");
        assert_eq!(found(b"/caf\xe9"), "/caf%E9", "Latin-1");
        assert_eq!(found(b"/a%20b?c=d"), "/a%20b?c=d");
    }

    #[test]
    fn an_etag_beyond_ascii_is_sent_back_as_it_came() {
        let etag = "\"é—1\"".as_bytes();
        let read = validators_of(&headers(header::ETAG, etag));
        assert_eq!(conditional(&read)[header::IF_NONE_MATCH].as_bytes(), etag);
    }

    #[test]
    fn statuses_that_answer_another_request_are_refused() {
        let whole = RequestKind::of(&HeaderMap::new());
        let conditional = RequestKind::of(&headers(header::IF_NONE_MATCH, b"\"1\""));
        let part = RequestKind::of(&headers(header::RANGE, b"bytes=5-"));
        for (kind, status, is_answer) in [
            (&whole, 200, true),
            (&whole, 304, false),
            (&whole, 206, false),
            (&whole, 300, false),
            (&conditional, 304, true),
            (&conditional, 206, false),
            (&part, 206, true),
            (&part, 304, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(kind.check(status).is_ok(), is_answer, "{status}");
        }
    }
}
