//! How the download of a photo ended. A failure is data: stored, counted and shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The closed list of what can go wrong between a link and stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The host has no address.
    Dns,
    /// The host does not accept the connection.
    Connect,
    /// The certificate or the handshake is wrong.
    Tls,
    /// The address is of this machine or a private network, where strangers' links do not lead.
    Private,
    /// No answer, or no progress, within the limit.
    Timeout,
    /// The connection broke while the body came.
    Reset,
    /// The answer is no valid HTTP, or has too many or too long headers.
    Protocol,
    /// A 4xx status other than 429.
    #[serde(rename = "http_4xx")]
    Http4xx,
    /// A 5xx status.
    #[serde(rename = "http_5xx")]
    Http5xx,
    /// 429, or 503 with `Retry-After`.
    Throttled,
    /// robots.txt forbids the path.
    Robots,
    /// The page or the file asks not to be used (`noai`, `noimageai`, `noindex`, …).
    OptOut,
    /// The size hint or the image header is below the smallest side.
    TooSmall,
    /// The body is longer than the limit.
    TooLarge,
    /// The body is no image.
    NotAnImage,
    /// The body is an image of a kind that is not read.
    Unsupported,
    /// The body ended before its declared length.
    Truncated,
    /// A redirect leads where the profile does not allow, or in circles.
    RedirectRefused,
    /// The photo page links no file.
    NoLink,
    /// The file could not be read from the disk (import).
    Unreadable,
    /// It is no longer in the folder or list that it was imported from.
    Gone,
    /// Other bytes came than those that a locked rebuild asks for.
    Changed,
    /// It was erased on request, and is not taken in again.
    Erased,
}

/// Every class, in the order of the summary table.
pub const FAILURE_CLASSES: [FailureClass; 23] = [
    FailureClass::Dns,
    FailureClass::Connect,
    FailureClass::Tls,
    FailureClass::Private,
    FailureClass::Timeout,
    FailureClass::Reset,
    FailureClass::Protocol,
    FailureClass::Http4xx,
    FailureClass::Http5xx,
    FailureClass::Throttled,
    FailureClass::Robots,
    FailureClass::OptOut,
    FailureClass::TooSmall,
    FailureClass::TooLarge,
    FailureClass::NotAnImage,
    FailureClass::Unsupported,
    FailureClass::Truncated,
    FailureClass::RedirectRefused,
    FailureClass::NoLink,
    FailureClass::Unreadable,
    FailureClass::Gone,
    FailureClass::Changed,
    FailureClass::Erased,
];

impl FailureClass {
    /// The class's name in tables, the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Private => "private",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Http4xx => "http_4xx",
            Self::Http5xx => "http_5xx",
            Self::Throttled => "throttled",
            Self::Robots => "robots",
            Self::OptOut => "opt_out",
            Self::TooSmall => "too_small",
            Self::TooLarge => "too_large",
            Self::NotAnImage => "not_an_image",
            Self::Unsupported => "unsupported",
            Self::Truncated => "truncated",
            Self::RedirectRefused => "redirect_refused",
            Self::NoLink => "no_link",
            Self::Unreadable => "unreadable",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Erased => "erased",
        }
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Dns
                | Self::Connect
                | Self::Timeout
                | Self::Reset
                | Self::Http5xx
                | Self::Throttled
                | Self::Truncated
        )
    }

    /// Whether the host was not even reached: what was asked for stays due in any later run.
    pub fn is_unreached(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Tls | Self::Private)
    }

    /// Whether an answer came whole enough to be refused for what it is, as the same answer would be again.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::OptOut | Self::TooSmall | Self::TooLarge | Self::NotAnImage | Self::Unsupported)
    }

    /// Whether it is a failure, which `bolid retry` may mend and which the exit code tells: the photo was
    /// neither left out on purpose nor refused for what it is, as the rules would refuse it.
    pub fn is_failure(self) -> bool {
        !self.is_by_choice() && !self.is_of_photo()
    }

    /// Whether the photo itself is the reason, so that judging drops it.
    pub fn is_of_photo(self) -> bool {
        matches!(self, Self::TooSmall | Self::NotAnImage | Self::Unsupported | Self::Unreadable)
    }

    /// What is said of a photo or page with it: `failed`, `dropped` or `left out`.
    pub fn in_word(self) -> &'static str {
        match self {
            class if class.is_of_photo() => "dropped",
            class if class.is_by_choice() => "left out",
            _ => "failed",
        }
    }

    /// Whether the photo was left out on purpose, so that nothing is wrong with the run.
    pub fn is_by_choice(self) -> bool {
        matches!(self, Self::Robots | Self::OptOut | Self::TooSmall | Self::Gone | Self::Erased)
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no failure class.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no failure class; the classes are {list}", list = FAILURE_CLASSES.map(FailureClass::name).join(", "))]
pub struct ParseFailureClassError(String);

impl FromStr for FailureClass {
    type Err = ParseFailureClassError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = FAILURE_CLASSES.into_iter().find(|class| class.name() == text);
        found.ok_or_else(|| ParseFailureClassError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_failure_or_dropped_or_left_out() {
        use FailureClass as Class;
        let words =
            [Class::Timeout, Class::Http4xx, Class::NotAnImage, Class::TooSmall, Class::Robots, Class::Gone];
        let words = words.map(|class| (class.in_word(), class.is_failure()));
        let (failed, dropped, left_out) = (("failed", true), ("dropped", false), ("left out", false));
        assert_eq!(words, [failed, failed, dropped, dropped, left_out, left_out]);
    }

    #[test]
    fn every_class_is_read_back_from_its_name_and_from_json() {
        for class in FAILURE_CLASSES {
            assert_eq!(class.name().parse::<FailureClass>().unwrap(), class);
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
        assert!("http_4x".parse::<FailureClass>().unwrap_err().to_string().contains("http_4xx"));
    }
}
