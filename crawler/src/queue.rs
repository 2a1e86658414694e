//! What is due, in the order of the catalog: pages until none is left, then photos.

use std::collections::{HashMap, HashSet, VecDeque};

use catalog::Catalog;
use catalog::fetch::DuePhoto;
use catalog::page::{Crawl, DuePage};

use crate::settings::CrawlSettings;

/// Few enough for memory, enough to ask the database rarely.
const BATCH: u32 = 256;

/// A piece of work.
pub(crate) enum Due {
    Page(DuePage),
    Photo(Box<DuePhoto>),
}

pub(crate) struct Queue<'a> {
    catalog: &'a Catalog,
    settings: &'a CrawlSettings,
    site: &'a str,
    crawl: Crawl,
    cutoff: i64,
    /// See [`CrawlSettings::page_rules`].
    page_rules: String,
    buffer: VecDeque<Due>,
    after_page: i64,
    after_photo: i64,
    in_photos: bool,
    /// Whether a person is wanted, by row.
    wanted: HashMap<i64, bool>,
    /// The photos of a person that may be asked for, where their number is bounded.
    chosen: HashMap<i64, HashSet<i64>>,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(catalog: &'a Catalog, settings: &'a CrawlSettings, crawl: Crawl) -> Self {
        Self {
            catalog,
            settings,
            site: settings.site(),
            crawl,
            cutoff: crawl.cutoff(settings.fresh_for),
            page_rules: settings.page_rules(),
            buffer: VecDeque::new(),
            after_page: 0,
            after_photo: 0,
            in_photos: false,
            wanted: HashMap::new(),
            chosen: HashMap::new(),
        }
    }

    /// Whatever was fetched before this moment (Unix milliseconds) is asked for again.
    pub(crate) fn cutoff(&self) -> i64 {
        self.cutoff
    }

    /// Whether all pages are done with, so that the number of photos is known.
    pub(crate) fn is_in_photos(&self) -> bool {
        self.in_photos
    }

    /// How many photos are due, chosen or not.
    pub(crate) async fn photos_due(&self) -> catalog::Result<u64> {
        self.catalog.count_due_photos(self.site, self.cutoff).await
    }

    /// The next piece of work; `None` where there is none now. While pages are being read more may come.
    pub(crate) async fn next(&mut self, pages_in_flight: usize) -> catalog::Result<Option<Due>> {
        loop {
            while let Some(due) = self.buffer.pop_front() {
                if self.is_wanted(&due).await? {
                    return Ok(Some(due));
                }
            }
            if self.in_photos {
                let batch = self.catalog.due_photos(self.site, self.cutoff, self.after_photo, BATCH).await?;
                let Some(last) = batch.last() else { return Ok(None) };
                self.after_photo = last.id;
                self.buffer.extend(batch.into_iter().map(|photo| Due::Photo(Box::new(photo))));
                continue;
            }
            let (crawl, after) = (self.crawl, self.after_page);
            let batch =
                self.catalog.due_pages(self.site, crawl, self.cutoff, &self.page_rules, after, BATCH).await?;
            match batch.last() {
                Some(last) => {
                    self.after_page = last.id;
                    self.buffer.extend(batch.into_iter().map(Due::Page));
                }
                None if pages_in_flight > 0 => return Ok(None),
                None => self.in_photos = true,
            }
            if self.in_photos {
                return Ok(None); // the caller learns that pages are done, and asks again
            }
        }
    }

    async fn is_wanted(&mut self, due: &Due) -> catalog::Result<bool> {
        let identity_id = match due {
            Due::Page(page) => page.identity_id,
            Due::Photo(photo) => Some(photo.identity_id),
        };
        let Some(identity_id) = identity_id else { return Ok(true) };
        if !self.is_person_wanted(identity_id).await? {
            return Ok(false);
        }
        match due {
            // It costs no request, and is to have its reason, whatever the number of photos is bounded by.
            Due::Photo(photo) if self.settings.refused_by_hint(photo).is_some() => Ok(true),
            Due::Photo(photo) if self.is_bounded() => self.is_chosen(photo).await,
            _ => Ok(true),
        }
    }

    async fn is_person_wanted(&mut self, identity_id: i64) -> catalog::Result<bool> {
        if self.settings.identities.is_empty() {
            return Ok(true);
        }
        if let Some(wanted) = self.wanted.get(&identity_id) {
            return Ok(*wanted);
        }
        for person in self.catalog.identities(self.site).await? {
            let wanted = self.settings.is_wanted(&person.slug, &person.name);
            self.wanted.insert(person.id, wanted);
        }
        Ok(self.wanted.get(&identity_id).copied().unwrap_or(false))
    }

    fn is_bounded(&self) -> bool {
        self.settings.max_photos.is_some() || self.settings.min_photos > 0
    }

    /// The first photos of a person by their addresses, so that every run chooses the same.
    async fn is_chosen(&mut self, photo: &DuePhoto) -> catalog::Result<bool> {
        if !self.chosen.contains_key(&photo.identity_id) {
            let min_side = self.settings.min_side;
            let mut ids = self.catalog.photos_of_size(photo.identity_id, min_side).await?;
            if ids.len() < self.settings.min_photos {
                ids.clear();
            }
            ids.truncate(self.settings.max_photos.unwrap_or(usize::MAX));
            self.chosen.insert(photo.identity_id, ids.into_iter().collect());
        }
        Ok(self.chosen[&photo.identity_id].contains(&photo.id))
    }
}
