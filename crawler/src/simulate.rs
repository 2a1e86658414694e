//! What an import would ask for. Nothing is stored: a name with rows but without a source would be anybody's.
//!
//! The choice that a crawl makes of stored rows, in SQL, is made here of rows that are not stored: a test holds the two
//! together.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use catalog::Catalog;
use catalog::photo::PhotoRow;
use catalog::tombstone::ERASED_SCHEME;
use photo::FailureClass;

use crate::error::CrawlError;
use crate::list::{List, Place};
use crate::report::{CrawlReport, Event};
use crate::settings::CrawlSettings;
use crate::slug::slug_of;

#[derive(Default)]
struct ListedPerson {
    name: String,
    /// By their addresses.
    photos: BTreeMap<String, ListedPhoto>,
}

struct ListedPhoto {
    /// Width and height in pixels, as the list states them.
    hint: Option<(u32, u32)>,
    is_due: bool,
}

/// Tells of every photo on the web that an import of `list` would ask for, by the choice that a crawl makes of the rows
/// that an import stores.
pub(crate) async fn simulate(
    catalog: &Catalog,
    list: &List,
    settings: &CrawlSettings,
    report: &mut CrawlReport,
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<(), CrawlError> {
    let mut people = known(catalog, settings).await?;
    let tombstones = catalog.tombstones();
    let mut tell = |event: Event| {
        report.count(&event);
        progress(&event);
    };
    for entry in &list.entries {
        let name = entry.identity.as_deref().unwrap_or(settings.site());
        let slug = slug_of(name);
        if tombstones.has_identity(settings.site(), &slug) {
            tell(Event::PhotoFailed(FailureClass::Erased));
            continue;
        }
        let url = entry.url();
        let person = people.entry(slug).or_default();
        name.clone_into(&mut person.name);
        if !tombstones.has_url(&url) {
            let new = ListedPhoto { hint: None, is_due: matches!(entry.place, Place::Url(_)) };
            let photo = person.photos.entry(url).or_insert(new);
            photo.hint = entry.hint.or(photo.hint);
        }
    }
    for (slug, ListedPerson { name, photos }) in people {
        if !settings.is_wanted(&slug, &name) {
            continue;
        }
        let is_small = |photo: &ListedPhoto| {
            photo.hint.is_some_and(|(width, height)| width.min(height) < settings.min_side)
        };
        let count = photos.values().filter(|photo| !is_small(photo)).count();
        let most = if count < settings.min_photos { 0 } else { settings.max_photos.unwrap_or(usize::MAX) };
        let mut chosen = 0;
        for (url, photo) in photos {
            let refusal = settings.refused_by_size(photo.hint);
            let is_chosen = !is_small(&photo) && chosen < most;
            chosen += usize::from(!is_small(&photo));
            match refusal {
                _ if !photo.is_due => {}
                Some((class, _)) => tell(Event::PhotoFailed(class)),
                None if is_chosen => tell(Event::WouldFetch { url }),
                None => {}
            }
        }
    }
    Ok(())
}

/// What is stored under the name already; what was fetched lately is not due.
async fn known(
    catalog: &Catalog,
    settings: &CrawlSettings,
) -> Result<BTreeMap<String, ListedPerson>, CrawlError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = now.saturating_sub(settings.fresh_for).as_millis();
    let cutoff = i64::try_from(millis).unwrap_or(i64::MAX);
    let is_due = |row: &PhotoRow| {
        let is_old = row.fetched_at.is_none_or(|fetched_at| fetched_at < cutoff);
        !row.source_url.starts_with("file:")
            && (is_old || row.failure.is_some_and(FailureClass::is_unreached))
    };
    let mut people = BTreeMap::new();
    for person in catalog.identities(settings.site()).await? {
        let rows = catalog.photos(person.id).await?;
        let rows = rows.into_iter().filter(|row| !row.source_url.starts_with(ERASED_SCHEME));
        let photo = |row: PhotoRow| {
            let hint = row.hint_width.zip(row.hint_height);
            let photo = ListedPhoto { hint, is_due: is_due(&row) };
            (row.source_url, photo)
        };
        people.insert(person.slug, ListedPerson { name: person.name, photos: rows.map(photo).collect() });
    }
    Ok(people)
}
