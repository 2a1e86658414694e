//! Local photos that are no longer in the folder or list that they came from.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Catalog;
use catalog::fetch::FetchRecord;
use catalog::photo::PhotoRow;
use photo::{Digest, FailureClass};

use crate::error::CrawlError;
use crate::list::{List, Place};
use crate::litter;
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
    let mut here: BTreeMap<Digest, String> = BTreeMap::new();
    let mut unreadable = Vec::new();
    for person in catalog.identities(site).await? {
        for row in catalog.photos(person.id).await? {
            if !row.source_url.starts_with("file:") {
                continue;
            }
            let is_named = named.contains(&(person.slug.clone(), row.source_url.clone()));
            match (is_named, row.sha256, row.failure) {
                (true, Some(sha256), _) => {
                    here.insert(sha256, row.source_url);
                }
                (true, None, Some(FailureClass::Unreadable)) => {
                    unreadable.push(format!("{}/", row.source_url));
                }
                (false, _, failure) if failure != Some(FailureClass::Gone) => missing.push(row),
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
                still_there(list, &row.source_url)
                    .unwrap_or_else(|| format!("no longer in {}", list.root.display()))
            }
        };
        records.push((row.id, FetchRecord::new(Err((FailureClass::Gone, detail)))));
    }
    Ok(catalog.record_fetches(&records).await?)
}

/// What is to be said of a photo that an earlier version took in and that is in the folder, passed over as litter.
fn still_there(list: &List, source_url: &str) -> Option<String> {
    let path = source_url.strip_prefix("file:")?;
    let (name, kind) = path.split('/').find_map(|name| Some((name, litter::kind_of(name)?)))?;
    // Only the walk through a folder passes over litter; a list may name such a file.
    let is_there = list.passed_over.contains_key(kind) && list.root.join(path).exists();
    let root = list.root.display();
    is_there.then(|| format!("still in {root}, but passed over: `{name}` counts as {kind}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use catalog::identity::NewIdentity;
    use catalog::photo::NewPhoto;

    use super::*;

    #[tokio::test]
    async fn a_photo_that_is_passed_over_now_is_not_said_to_be_missing_from_its_folder() {
        let (folder, workdir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("ada")).unwrap();
        fs::write(folder.path().join("ada/1.jpg.tmp"), b"still there").unwrap();
        let catalog = Catalog::open(workdir.path()).await.unwrap();
        let ada =
            NewIdentity { slug: "ada".into(), name: "Ada".into(), page_url: None, is_slug_certain: true };
        let id = catalog.add_identity("folder", &ada).await.unwrap().unwrap();
        let photo = |name: &str| NewPhoto { source_url: format!("file:ada/{name}"), ..NewPhoto::default() };
        let photos = ["1.jpg.tmp", "2.jpg.tmp", "3.jpg"].map(photo);
        catalog.add_photos(id, &photos).await.unwrap();
        let passed_over = [("unfinished".to_owned(), 1)].into();
        let list = List { root: folder.path().to_owned(), passed_over, is_complete: true, ..List::default() };
        let mut report = CrawlReport::default();
        mark_gone(&catalog, "folder", &list, &mut report).await.unwrap();
        assert_eq!(report.photos_gone, 3);
        let rows = catalog.photos(id).await.unwrap();
        let details: Vec<_> = rows.iter().map(|row| row.detail.as_deref().unwrap()).collect();
        assert!(details[0].starts_with("still in "), "{details:?}");
        assert!(details[0].ends_with("`1.jpg.tmp` counts as unfinished"), "{details:?}");
        assert!(details[1..].iter().all(|detail| detail.starts_with("no longer in ")), "{details:?}");
        catalog.close().await;
    }
}
