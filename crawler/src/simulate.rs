//! What an import would ask for. Nothing is stored: a name with rows but without a source would be anybody's.

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
struct Person {
    name: String,
    /// By their addresses.
    photos: BTreeMap<String, Photo>,
}

struct Photo {
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
            let new = Photo { hint: None, is_due: matches!(entry.place, Place::Url(_)) };
            let photo = person.photos.entry(url).or_insert(new);
            photo.hint = entry.hint.or(photo.hint);
        }
    }
    for (slug, Person { name, photos }) in people {
        if !settings.is_wanted(&slug, &name) {
            continue;
        }
        let is_small =
            |photo: &Photo| photo.hint.is_some_and(|(width, height)| width.min(height) < settings.min_side);
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
async fn known(catalog: &Catalog, settings: &CrawlSettings) -> Result<BTreeMap<String, Person>, CrawlError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = now.saturating_sub(settings.fresh_for).as_millis();
    let cutoff = i64::try_from(millis).unwrap_or(i64::MAX);
    let is_due = |row: &PhotoRow| {
        let class = row.failure.as_deref().and_then(|class| class.parse::<FailureClass>().ok());
        let is_old = row.fetched_at.is_none_or(|fetched_at| fetched_at < cutoff);
        !row.source_url.starts_with("file:") && (is_old || class.is_some_and(FailureClass::is_unreached))
    };
    let mut people = BTreeMap::new();
    for person in catalog.identities(settings.site()).await? {
        let rows = catalog.photos(person.id).await?;
        let rows = rows.into_iter().filter(|row| !row.source_url.starts_with(ERASED_SCHEME));
        let photo = |row: PhotoRow| {
            let hint = row.hint_width.zip(row.hint_height);
            let photo = Photo { hint, is_due: is_due(&row) };
            (row.source_url, photo)
        };
        people.insert(person.slug, Person { name: person.name, photos: rows.map(photo).collect() });
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::import::import;
    use crate::list::{Entry, ListProfile};
    use crate::settings::Source;
    use catalog::identity::NewIdentity;
    use catalog::photo::NewPhoto;

    fn row(person: &str, place: Place, hint: Option<(u32, u32)>) -> Entry {
        Entry { place, file: None, identity: Some(person.to_owned()), caption: None, hint }
    }

    fn url(name: &str) -> Place {
        Place::Url(format!("http://127.0.0.1:9/{name}.jpg"))
    }

    #[tokio::test]
    async fn a_simulated_import_tells_what_it_would_ask_for_and_leaves_the_catalog_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).await.unwrap();
        let ben = NewIdentity {
            slug: "Ben".to_owned(),
            name: "Ben".to_owned(),
            page_url: None,
            is_slug_certain: true,
        };
        let ben = catalog.add_identity("list", &ben).await.unwrap().unwrap();
        let known = row("Ben", url("known"), None).photo();
        catalog.add_photos(ben, &[NewPhoto { hint: Some((900, 900)), ..known }]).await.unwrap();
        let list = List {
            entries: vec![
                row("Ada", url("b"), Some((600, 800))),
                row("Ada", url("a"), Some((400, 800))),
                row("Ada", url("c"), None),
                row("Ada", Place::File("here.jpg".into()), None),
                row("Ben", url("new"), None),
                row("Cem", url("d"), None),
            ],
            ..List::default()
        };
        let would_ask = async |set: fn(&mut CrawlSettings)| {
            let mut settings = CrawlSettings::of(Source::List("list".to_owned(), ListProfile::default()));
            settings.simulate = true;
            settings.min_side = 500;
            set(&mut settings);
            let asked = Mutex::new(Vec::new());
            let see = |event: &Event| {
                if let Event::WouldFetch { url } = event {
                    let name = url.trim_start_matches("http://127.0.0.1:9/").trim_end_matches(".jpg");
                    asked.lock().unwrap().push(name.to_owned());
                }
            };
            let report = import(&catalog, &list, &settings, &see).await.unwrap();
            let asked = asked.into_inner().unwrap();
            assert_eq!(report.photos_due, asked.len() as u64);
            (asked.join(" "), report.photos_failed.get(&FailureClass::TooSmall).copied().unwrap_or(0))
        };
        assert_eq!(would_ask(|_| ()).await, ("b c known new d".to_owned(), 1));
        // The local photo is the first of Ada's.
        assert_eq!(would_ask(|of| of.max_photos = Some(2)).await, ("b known new d".to_owned(), 1));
        assert_eq!(would_ask(|of| of.min_photos = 2).await, ("b c known new".to_owned(), 1));
        assert_eq!(would_ask(|of| of.identities = vec!["cem".to_owned()]).await, ("d".to_owned(), 0));

        let people = catalog.identities("list").await.unwrap();
        assert_eq!(people.iter().map(|person| person.slug.as_str()).collect::<Vec<_>>(), ["Ben"]);
        assert_eq!(catalog.photos(ben).await.unwrap().len(), 1);
    }
}
