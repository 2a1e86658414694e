//! Files that several pages show: each is asked for once in a crawl, whoever comes first. What was asked for long ago,
//! or before the process was killed, the catalog knows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use catalog::blob::Stored;
use url::Url;

use crate::error::Failure;
use crate::headers::Validators;

/// How asking for a file ended.
pub(crate) type FileEnd = Result<FileAnswer, Failure>;

/// A file's bytes and what came with them.
#[derive(Clone, Debug)]
pub(crate) struct FileAnswer {
    pub(crate) stored: Stored,
    pub(crate) validators: Validators,
    pub(crate) http_status: u16,
    pub(crate) permission: Option<String>,
    /// How many requests were made.
    pub(crate) attempts: u32,
}

/// One file: locked while somebody asks for it.
pub(crate) type FileSlot = Arc<tokio::sync::Mutex<Option<FileEnd>>>;

/// Files remembered beside the catalog: more than are worked on at once (256) and wait to be committed (64), so that
/// what is forgotten here is known there.
const REMEMBERED: usize = 1024;

/// The files that were asked for last.
#[derive(Debug, Default)]
pub(crate) struct Files {
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    by_url: HashMap<String, FileSlot>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl Files {
    pub(crate) fn slot(&self, url: &Url) -> FileSlot {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = recent.by_url.get(url.as_str()) {
            return Arc::clone(slot);
        }
        if recent.order.len() >= REMEMBERED
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.by_url.remove(&oldest);
        }
        let slot = FileSlot::default();
        recent.order.push_back(url.to_string());
        recent.by_url.insert(url.to_string(), Arc::clone(&slot));
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_slot_and_old_ones_make_room() {
        let files = Files::default();
        let slot = |n: usize| files.slot(&Url::parse(&format!("http://a.example/{n}")).unwrap());
        let first = slot(0);
        assert!(Arc::ptr_eq(&first, &slot(0)));
        (1..=REMEMBERED).for_each(|n| drop(slot(n)));
        assert!(!Arc::ptr_eq(&first, &slot(0)));
        assert_eq!(files.recent.lock().unwrap().by_url.len(), REMEMBERED);
    }
}
