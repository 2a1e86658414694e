//! What ends a crawl, and what ends one request. Failures of single photos are data, not errors.

use photo::FailureClass;

use crate::headers::Validators;
use crate::profile::ProfileError;

/// Why a crawl or an import cannot go on. What was stored before is kept; the next run continues.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The profile names no address and none was given.
    #[error("the profile of `{site}` is for any site that runs this engine: say which one with --base-url")]
    NoBaseUrl {
        /// The profile's name.
        site: String,
    },
    /// A start page is no address on the site.
    #[error("start page `{start}` of `{site}` is no address on the site")]
    BadStart {
        /// The profile's name.
        site: String,
        /// As the profile has it.
        start: String,
    },
    /// Nobody could be asked about this crawl.
    #[error(
        "{host} is not this machine: say where its owner reaches you, a mail address or page (--contact, `user_agent_contact` in the profile, or `crawl.contact` in the recipe)"
    )]
    NoContact {
        /// The host that would be asked.
        host: String,
    },
    /// No HTTP client could be set up.
    #[error("set up the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// A folder or list to import cannot be read.
    #[error("import {path}: {detail}", path = .path.display())]
    Import {
        /// The folder or list.
        path: std::path::PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

/// How a request failed, after all attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub class: FailureClass,
    /// What exactly.
    pub detail: String,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// How many requests were made; 0: it is known from another photo of the same file, or without any.
    pub attempts: u32,
    /// Of an answer that was refused for what it is: a 304 to them means that it would be refused again.
    pub validators: Option<Validators>,
}

impl Failure {
    pub(crate) fn new(class: FailureClass, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), http_status: None, attempts: 0, validators: None }
    }
}

/// Why a request gave nothing.
#[derive(Debug)]
pub enum Stop {
    /// It failed, which is stored.
    Failed(Failure),
    /// It was not made, because its host failed too often or cannot say what it permits; it stays due.
    HostLeft(String),
    /// The answer could not be stored.
    Catalog(catalog::Error),
}

impl Stop {
    /// Adds the validators of an answer that was refused for what it is: too small, no image, opted out. A body that
    /// broke off says nothing of what it is.
    pub(crate) fn refusing(self, validators: &Validators) -> Self {
        match self {
            Self::Failed(failure) if failure.class.is_refusal() => {
                Self::Failed(Failure { validators: Some(validators.clone()), ..failure })
            }
            other => other,
        }
    }
}

impl From<(FailureClass, String)> for Stop {
    fn from((class, detail): (FailureClass, String)) -> Self {
        Self::Failed(Failure::new(class, detail))
    }
}

impl From<catalog::Error> for Stop {
    fn from(error: catalog::Error) -> Self {
        Self::Catalog(error)
    }
}
