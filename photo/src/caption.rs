//! Where a photo's caption is from, and why there is none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A source of captions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptionSource {
    /// The photo's own: what its page, its sidecar or its list says.
    Own,
    /// A server that speaks the OpenAI chat protocol.
    Server,
    /// A captioning model on this machine.
    Model,
}

impl CaptionSource {
    /// Its name in recipes, tables and snapshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Server => "server",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for CaptionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The closed list of reasons for which a source has no caption for a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptionFailure {
    /// The server was not reached: no address, no connection, no handshake.
    Unreached,
    /// No whole answer within the limit.
    Timeout,
    /// The connection broke, or the answer ended before its length.
    Interrupted,
    /// A 4xx status that is about this request.
    #[serde(rename = "http_4xx")]
    Http4xx,
    /// A 5xx status.
    #[serde(rename = "http_5xx")]
    Http5xx,
    /// 429, or 503 with `Retry-After`, for longer than it is waited.
    Throttled,
    /// The answer is no answer of the protocol, or longer than one is read.
    Malformed,
    /// The text was cut off at the most tokens of an answer.
    Cut,
    /// The answer has no text.
    Empty,
    /// The model refused to say anything.
    Declined,
    /// The photo cannot be decoded.
    Unreadable,
}

/// Every class, in the order of tables.
pub const CAPTION_FAILURES: [CaptionFailure; 11] = [
    CaptionFailure::Unreached,
    CaptionFailure::Timeout,
    CaptionFailure::Interrupted,
    CaptionFailure::Http4xx,
    CaptionFailure::Http5xx,
    CaptionFailure::Throttled,
    CaptionFailure::Malformed,
    CaptionFailure::Cut,
    CaptionFailure::Empty,
    CaptionFailure::Declined,
    CaptionFailure::Unreadable,
];

impl CaptionFailure {
    /// The class's name in tables, the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreached => "unreached",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Http4xx => "http_4xx",
            Self::Http5xx => "http_5xx",
            Self::Throttled => "throttled",
            Self::Malformed => "malformed",
            Self::Cut => "cut",
            Self::Empty => "empty",
            Self::Declined => "declined",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreached | Self::Timeout | Self::Interrupted | Self::Http5xx | Self::Throttled)
    }

    /// Whether nobody has looked at the photo: it stays due in any later run, as a photo does whose host was not
    /// reached. All other failures hold until somebody asks for another try.
    pub fn stays_due(self) -> bool {
        matches!(self, Self::Unreached | Self::Throttled)
    }
}

impl fmt::Display for CaptionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no such class.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no failure class of captions; the classes are {list}",
    list = CAPTION_FAILURES.map(CaptionFailure::name).join(", ")
)]
pub struct ParseCaptionFailureError(String);

impl FromStr for CaptionFailure {
    type Err = ParseCaptionFailureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = CAPTION_FAILURES.into_iter().find(|class| class.name() == text);
        found.ok_or_else(|| ParseCaptionFailureError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_read_back_from_its_name_and_from_json() {
        for class in CAPTION_FAILURES {
            assert_eq!(class.name().parse::<CaptionFailure>().unwrap(), class);
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
        assert!("http_4x".parse::<CaptionFailure>().unwrap_err().to_string().contains("http_4xx"));
    }

    #[test]
    fn what_stays_due_may_succeed_later() {
        assert!(CAPTION_FAILURES.iter().all(|class| !class.stays_due() || class.is_transient()));
    }
}
