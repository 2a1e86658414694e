//! What was erased on request, as salted hashes: enough to know it again, too little to know what it was.
//!
//! Bytes are known again by the hash of their SHA-256 with the salt. The plain SHA-256 would do as well, but
//! then a copy of the catalog could be compared with lists of known photos.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use photo::{Digest, IdentityName};
use sqlx::SqliteConnection;

use crate::column::parse;
use crate::{Catalog, Error, Result};

/// What the addresses of erased photos are replaced by begins with this, so that no crawl asks for them.
pub const ERASED_SCHEME: &str = "erased:";

/// What a tombstone stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Erased<'a> {
    /// `site/slug`.
    Identity(&'a str),
    Url(&'a str),
    Bytes(Digest),
}

impl Erased<'_> {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Identity(_) => "identity",
            Self::Url(_) => "url",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// All tombstones, in memory: every photo that comes in is compared with them.
#[derive(Debug, Default)]
pub struct Tombstones {
    salt: String,
    digests: HashSet<Digest>,
}

impl Tombstones {
    /// Reads the tombstones; none where nothing was ever erased.
    pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Self> {
        let read = Error::db("read tombstones");
        let salt: Option<String> = sqlx::query_scalar("SELECT salt FROM tombstone_salt")
            .fetch_optional(&mut *connection)
            .await
            .map_err(read)?;
        let Some(salt) = salt else { return Ok(Self::default()) };
        let digests: Vec<String> = sqlx::query_scalar("SELECT digest FROM tombstone")
            .fetch_all(connection)
            .await
            .map_err(Error::db("read tombstones"))?;
        let digest = |text: &String| parse("digest", text, || "a tombstone".to_owned());
        let digests = digests.iter().map(digest).collect::<Result<_>>()?;
        Ok(Self { salt, digests })
    }

    pub(crate) fn digest(&self, erased: Erased<'_>) -> Digest {
        let kind = erased.kind();
        match erased {
            Erased::Identity(text) | Erased::Url(text) => {
                Digest::of(format!("{}\0{kind}\0{text}", self.salt))
            }
            Erased::Bytes(sha256) => Digest::of(format!("{}\0{kind}\0{sha256}", self.salt)),
        }
    }

    fn has(&self, erased: Erased<'_>) -> bool {
        !self.digests.is_empty() && self.digests.contains(&self.digest(erased))
    }

    /// Whether nothing was ever erased.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether this person was erased.
    pub fn has_identity(&self, site: &str, slug: &str) -> bool {
        !self.digests.is_empty() && self.has_identity_key(IdentityName::new(site, slug).as_str())
    }

    /// Whether this person (`site/slug`) was erased.
    pub fn has_identity_key(&self, key: &str) -> bool {
        self.has(Erased::Identity(key))
    }

    /// Whether the photo at this address was erased.
    pub fn has_url(&self, url: &str) -> bool {
        self.has(Erased::Url(url))
    }

    /// Whether these bytes were erased.
    pub fn has_bytes(&self, sha256: Digest) -> bool {
        self.has(Erased::Bytes(sha256))
    }

    /// What stands in place of the address of an erased photo.
    pub(crate) fn placeholder(&self, url: &str) -> String {
        format!("{ERASED_SCHEME}{}", self.digest(Erased::Url(url)))
    }
}

impl Catalog {
    /// What was erased on request.
    pub fn tombstones(&self) -> Arc<Tombstones> {
        Arc::clone(&self.tombstones.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes notice of tombstones that were just stored.
    pub(crate) async fn reload_tombstones(&self) -> Result<()> {
        let mut connection = self.writer.acquire().await.map_err(Error::db("read tombstones"))?;
        let loaded = Arc::new(Tombstones::load(&mut connection).await?);
        *self.tombstones.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }
}
