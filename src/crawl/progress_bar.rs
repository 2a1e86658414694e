//! A crawl or import on a progress bar.

use std::sync::{Mutex, PoisonError};

use crawler::Event;

use crate::progress::{self, Stage};

/// Follows a crawl or import on a progress bar.
pub struct CrawlProgress {
    bar: Stage,
    wanted: Mutex<Vec<String>>,
}

impl CrawlProgress {
    /// A bar of that name.
    pub fn new(name: &'static str) -> Self {
        Self { bar: progress::stage(name, 0, "photos"), wanted: Mutex::default() }
    }

    /// Moves the bar.
    pub fn see(&self, event: &Event) {
        match event {
            Event::PageRead => self.bar.set_message("reading listings"),
            Event::PageFailed { .. } => {} // the crawler has said which, and why
            Event::PhotosDue(due) => {
                self.bar.set_message("");
                self.bar.set_length(*due);
            }
            Event::WouldFetch { url } => {
                self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(url.clone());
            }
            Event::PhotoStored { .. } | Event::PhotoUnchanged | Event::PhotoFailed(_) => self.bar.inc(1),
            Event::Left { .. } => {} // the report counts what is left, and why
        }
    }

    /// Takes the bar away; gives the addresses that a simulated run would ask for.
    pub fn finish(self) -> Vec<String> {
        self.bar.finish_and_clear();
        self.wanted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
