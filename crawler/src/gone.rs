//! Local photos that are no longer in the folder or list that they came from.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Catalog;
use catalog::fetch::FetchRecord;
use catalog::photo::PhotoRow;
use photo::FailureClass;

use crate::error::CrawlError;
use crate::list::{List, Place};
use crate::report::CrawlReport;
use crate::slug::slug_of;

/// Marks the photos of `site` that came from a disk and that `list` does not name: their rows stay, without bytes, so
/// that they are in no dataset. Those whose bytes lie elsewhere in the list now are counted as moved.
///
/// What may lie in a folder that could not be read is left as it was.
pub(crate) async fn mark_gone(
    catalog: &Catalog,
    site: &str,
    list: &List,
    report: &mut CrawlReport,
) -> Result<(), CrawlError> {
    let named: BTreeSet<(String, String)> = list
        .entries
        .iter()
        .filter(|entry| matches!(entry.place, Place::File(_)))
        .map(|entry| (slug_of(entry.identity.as_deref().unwrap_or(site)), entry.url()))
        .collect();
    let mut missing = Vec::new();
    // By digest, where a photo of the list is.
    let mut here: BTreeMap<String, String> = BTreeMap::new();
    let mut unreadable = Vec::new();
    for person in catalog.identities(site).await? {
        for row in catalog.photos(person.id).await? {
            if !row.source_url.starts_with("file:") {
                continue;
            }
            let is_named = named.contains(&(person.slug.clone(), row.source_url.clone()));
            match (is_named, row.sha256.clone(), row.failure.as_deref()) {
                (true, Some(sha256), _) => {
                    here.insert(sha256, row.source_url);
                }
                (true, None, Some(failure)) if failure == FailureClass::Unreadable.name() => {
                    unreadable.push(format!("{}/", row.source_url));
                }
                (false, _, failure) if failure != Some(FailureClass::Gone.name()) => missing.push(row),
                _ => {}
            }
        }
    }
    let may_be_there = |row: &PhotoRow| unreadable.iter().any(|folder| row.source_url.starts_with(folder));
    let mut records = Vec::new();
    for row in missing.iter().filter(|row| !may_be_there(row)) {
        let place = row.sha256.as_ref().and_then(|sha256| here.get(sha256));
        let detail = match place {
            Some(place) => {
                report.photos_moved += 1;
                format!("the same photo is {place} now")
            }
            None => {
                report.photos_gone += 1;
                format!("no longer in {}", list.root.display())
            }
        };
        records.push((row.id, FetchRecord::new(Err((FailureClass::Gone, detail)))));
    }
    Ok(catalog.record_fetches(&records).await?)
}
