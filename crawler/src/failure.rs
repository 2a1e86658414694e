//! What went wrong on the wire, as one of the closed list of failure classes.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use photo::FailureClass;
use reqwest::StatusCode;

use crate::reach::PrivateAddress;

/// The class and text of a request that brought no complete answer.
pub(crate) fn of_error(error: &reqwest::Error) -> (FailureClass, String) {
    let mut text = String::new();
    let mut kind = None;
    let mut source = error.source();
    let mut is_private = false;
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        is_private |= cause.is::<PrivateAddress>();
        kind = kind.or_else(|| cause.downcast_ref::<io::Error>().map(io::Error::kind));
        source = cause.source();
    }
    let class = match is_private {
        true => FailureClass::Private,
        false => class_of(error, kind, &text.to_ascii_lowercase()),
    };
    (class, if text.is_empty() { error.to_string() } else { text })
}

/// hyper and rustls keep the types of their errors to themselves, so that their texts have to tell.
fn class_of(error: &reqwest::Error, kind: Option<ErrorKind>, text: &str) -> FailureClass {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if error.is_timeout() && error.is_connect() {
        FailureClass::Connect
    } else if error.is_timeout() || kind == Some(ErrorKind::TimedOut) {
        FailureClass::Timeout
    } else if says(&["dns error", "failed to lookup"]) {
        FailureClass::Dns
    } else if says(&["certificate", "handshake", "tls", "corrupt message", "fatal alert", "peer misbehaved"])
    {
        FailureClass::Tls
    } else if matches!(
        kind,
        Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
    ) {
        FailureClass::Reset
    } else if says(&["end of file before message length", "unexpected eof during chunk"])
        || (error.is_decode() && kind == Some(ErrorKind::UnexpectedEof))
    {
        // The second: an encoded body, complete by its length or without one, ends in the middle.
        FailureClass::Truncated
    } else if says(&["invalid http", "invalid content-length", "message head is too large", "parse"])
        || error.is_decode()
    {
        FailureClass::Protocol
    } else if error.is_connect() {
        FailureClass::Connect
    } else {
        FailureClass::Reset
    }
}

/// The class of a status that is no success and no redirect; `None`: the status is one of those.
pub(crate) fn of_status(status: StatusCode, has_retry_after: bool) -> Option<FailureClass> {
    match status.as_u16() {
        429 => Some(FailureClass::Throttled),
        503 if has_retry_after => Some(FailureClass::Throttled),
        400..=499 => Some(FailureClass::Http4xx),
        500..=599 => Some(FailureClass::Http5xx),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::dns::{Name, Resolve, Resolving};
    use std::sync::Arc;

    /// Every name leads to this machine.
    struct Inside;

    impl Resolve for Inside {
        fn resolve(&self, _: Name) -> Resolving {
            let error = PrivateAddress::new("photos.example", [127, 0, 0, 1].into());
            Box::pin(async { Err(error.into()) })
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_told_from_one_that_leads_nowhere() {
        let client = reqwest::Client::builder().dns_resolver(Arc::new(Inside)).no_proxy().build().unwrap();
        let error = client.get("http://photos.example/").send().await.unwrap_err();
        let (class, text) = of_error(&error);
        assert_eq!(class, FailureClass::Private, "{text}");
        assert!(text.contains("photos.example has the address 127.0.0.1"), "{text}");
    }
}
