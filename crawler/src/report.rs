//! What a crawl did, and what it is doing.

use std::collections::BTreeMap;

use catalog::blob::Stored;
use photo::FailureClass;
use serde::Serialize;

/// What just happened, for progress bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A listing was read, or is still the same.
    PageRead,
    /// A listing could not be read, or not all of it.
    PageFailed {
        /// Its address.
        url: String,
        /// Why not.
        class: FailureClass,
    },
    /// All listings are done with: so many photos are due.
    PhotosDue(u64),
    /// A simulated crawl would ask for this photo.
    WouldFetch {
        /// Its page, or the file itself where there is none.
        url: String,
    },
    /// A photo's bytes were stored.
    PhotoStored {
        /// How many.
        bytes: u64,
    },
    /// A photo is still the same.
    PhotoUnchanged,
    /// A photo could not be had, or is not wanted.
    PhotoFailed(FailureClass),
    /// A host was given up; what it has stays due.
    Left {
        /// Which host, and why.
        reason: String,
        /// It was a listing, not a photo.
        was_page: bool,
    },
}

impl Event {
    /// How a download ended.
    pub(crate) fn of(result: &Result<Stored, (FailureClass, String)>) -> Self {
        match result {
            Ok(stored) => Self::PhotoStored { bytes: stored.bytes },
            Err((class, _)) => Self::PhotoFailed(*class),
        }
    }
}

/// What a crawl did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CrawlReport {
    /// The site's name in the catalog.
    pub site: String,
    /// Listings read.
    pub pages_read: u64,
    /// Listings that are still the same.
    pub pages_unchanged: u64,
    /// Listings that could not be read, or not all of them, by class.
    pub pages_failed: BTreeMap<FailureClass, u64>,
    /// Photos whose bytes were stored.
    pub photos_stored: u64,
    /// Photos that are still the same.
    pub photos_unchanged: u64,
    /// Photos that could not be had or are not wanted, by class.
    pub photos_failed: BTreeMap<FailureClass, u64>,
    /// Bytes stored.
    pub bytes: u64,
    /// Photos that a simulated crawl would ask for.
    pub photos_due: u64,
    /// Pages and photos left for another run, by the reason.
    pub left: BTreeMap<String, u64>,
    /// Rows of a list that name no photo or cannot be read.
    #[serde(skip_serializing_if = "is_none")]
    pub bad_rows: u64,
    /// Photos of an earlier import that are no longer in the folder or list, or passed over in it now.
    #[serde(skip_serializing_if = "is_none")]
    pub photos_gone: u64,
    /// The same, and another photo of the folder or list has their bytes now.
    #[serde(skip_serializing_if = "is_none")]
    pub photos_moved: u64,
    /// Captions of a folder that name none of its photos.
    #[serde(skip_serializing_if = "is_none")]
    pub captions_unmatched: u64,
    /// Captions of a folder that could not be read.
    #[serde(skip_serializing_if = "is_none")]
    pub captions_unreadable: u64,
    /// Files of a folder that were not taken in, by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub passed_over: BTreeMap<String, u64>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl CrawlReport {
    /// Whether something went wrong, other than what was left out on purpose.
    pub fn has_failures(&self) -> bool {
        let mut classes = self.pages_failed.keys().chain(self.photos_failed.keys());
        !self.left.is_empty() || self.bad_rows > 0 || classes.any(|class| class.is_failure())
    }

    /// Adds what another part of the same run did.
    pub(crate) fn add(&mut self, other: Self) {
        self.pages_read += other.pages_read;
        self.pages_unchanged += other.pages_unchanged;
        self.photos_stored += other.photos_stored;
        self.photos_unchanged += other.photos_unchanged;
        self.bytes += other.bytes;
        self.photos_due += other.photos_due;
        for (mine, others) in
            [(&mut self.pages_failed, other.pages_failed), (&mut self.photos_failed, other.photos_failed)]
        {
            for (class, count) in others {
                *mine.entry(class).or_default() += count;
            }
        }
        for (reason, count) in other.left {
            *self.left.entry(reason).or_default() += count;
        }
    }

    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::PageRead => {} // counted where it is known whether the page had changed
            Event::PageFailed { class, .. } => *self.pages_failed.entry(*class).or_default() += 1,
            Event::PhotosDue(_) => {}
            Event::WouldFetch { .. } => self.photos_due += 1,
            Event::PhotoStored { bytes } => {
                self.photos_stored += 1;
                self.bytes += bytes;
            }
            Event::PhotoUnchanged => self.photos_unchanged += 1,
            Event::PhotoFailed(class) => *self.photos_failed.entry(*class).or_default() += 1,
            Event::Left { reason, .. } => *self.left.entry(reason.clone()).or_default() += 1,
        }
    }
}
