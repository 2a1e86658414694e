//! What went wrong on the wire, as one of the closed list of failure classes.

use std::error::Error as _;

use photo::CaptionFailure;
use reqwest::StatusCode;

/// What a status that is no success means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something is wrong with this request, or with the server just now.
    Failed(CaptionFailure),
    /// The server would answer no request of this kind: the key, the address or the model is wrong.
    Refused,
}

/// The class and text of a request that brought no complete answer.
pub(crate) fn of_error(error: &reqwest::Error) -> (CaptionFailure, String) {
    let class = if error.is_connect() {
        CaptionFailure::Unreached
    } else if error.is_timeout() {
        CaptionFailure::Timeout
    } else {
        CaptionFailure::Interrupted
    };
    let mut text = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    if text.is_empty() {
        // Its own text would show the address.
        text = if error.is_timeout() { "no answer in time" } else { "the connection failed" }.to_owned();
    }
    (class, text)
}

/// What a status means; `None`: it is a success.
pub(crate) fn of_status(status: StatusCode, has_retry_after: bool) -> Option<Meaning> {
    Some(match status.as_u16() {
        200..=299 => return None,
        408 => Meaning::Failed(CaptionFailure::Timeout),
        429 => Meaning::Failed(CaptionFailure::Throttled),
        503 if has_retry_after => Meaning::Failed(CaptionFailure::Throttled),
        // What may be about this very photo: its size, its kind, what a filter sees in it.
        400 | 406 | 409..=428 | 430..=499 => Meaning::Failed(CaptionFailure::Http4xx),
        500..=599 => Meaning::Failed(CaptionFailure::Http5xx),
        // A redirect is not followed either: the key is for the server that was named.
        _ => Meaning::Refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_or_address_is_no_photos_fault() {
        let of = |status: u16| of_status(StatusCode::from_u16(status).unwrap(), false);
        assert_eq!(of(200), None);
        for status in [301, 307, 401, 402, 403, 404, 405] {
            assert_eq!(of(status), Some(Meaning::Refused), "{status}");
        }
        for (status, class) in [
            (400, CaptionFailure::Http4xx),
            (413, CaptionFailure::Http4xx),
            (422, CaptionFailure::Http4xx),
            (408, CaptionFailure::Timeout),
            (429, CaptionFailure::Throttled),
            (500, CaptionFailure::Http5xx),
            (503, CaptionFailure::Http5xx),
        ] {
            assert_eq!(of(status), Some(Meaning::Failed(class)), "{status}");
        }
        let busy = of_status(StatusCode::SERVICE_UNAVAILABLE, true);
        assert_eq!(busy, Some(Meaning::Failed(CaptionFailure::Throttled)));
    }
}
