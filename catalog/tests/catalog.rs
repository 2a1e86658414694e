//! The catalog as stages use it: what is due, what is remembered, what is never done twice.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use catalog::Catalog;
use catalog::duplicate::Duplicate;
use catalog::erasure::Target;
use catalog::export::NewExport;
use catalog::fetch::FetchRecord;
use catalog::gallery::{MeasurementLine, Piece};
use catalog::identity::NewIdentity;
use catalog::measurement::{Probe, Said};
use catalog::page::{DuePage, Found, NewPage, PageAnswer, PageKind, PageOutcome};
use catalog::photo::NewPhoto;
use photo::measurement::Kind;
use photo::{Digest, FailureClass, IdentityName, Reason, Verdict};
use serde_json::json;

const SITE: &str = "demo";

async fn catalog_with_photos(folder: &Path, count: usize) -> (Catalog, i64) {
    let catalog = Catalog::open(folder).await.unwrap();
    let person =
        NewIdentity { slug: "ada".into(), name: "Ada".into(), page_url: None, is_slug_certain: true };
    let identity = catalog.add_identity(SITE, &person).await.unwrap().unwrap();
    let photo = |i| NewPhoto { source_url: format!("http://demo/{i}"), ..NewPhoto::default() };
    catalog.add_photos(identity, &(0..count).map(photo).collect::<Vec<_>>()).await.unwrap();
    (catalog, identity)
}

fn stored(catalog: &Catalog, bytes: &[u8]) -> FetchRecord {
    FetchRecord {
        file_url: Some("http://demo/file.jpg".into()),
        http_status: Some(200),
        etag: Some("\"1\"".into()),
        attempts: 1,
        ..FetchRecord::new(Ok(catalog.blobs().store(bytes).unwrap()))
    }
}

fn failed(class: FailureClass) -> FetchRecord {
    FetchRecord { attempts: 3, ..FetchRecord::new(Err((class, "as the test wants it".into()))) }
}

async fn due_page(catalog: &Catalog, cutoff: i64) -> Option<DuePage> {
    let crawl = catalog.begin_crawl(SITE).await.unwrap();
    catalog.due_pages(SITE, crawl, cutoff, "rules", 0, 1).await.unwrap().pop()
}

#[tokio::test]
async fn a_photo_is_due_until_its_download_is_recorded_and_again_after_the_cutoff() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 2).await;
    let due = catalog.due_photos(SITE, 0, 0, 10).await.unwrap();
    assert_eq!(due.len(), 2);
    catalog.record_fetches(&[(due[0].id, stored(&catalog, b"one"))]).await.unwrap();
    assert_eq!(catalog.due_photos(SITE, 0, 0, 10).await.unwrap(), due[1..]);
    let again = catalog.due_photos(SITE, i64::MAX, 0, 10).await.unwrap();
    assert_eq!(again[0].etag.as_deref(), Some("\"1\""));
    assert_eq!(again[0].file_url.as_deref(), Some("http://demo/file.jpg"));
}

#[tokio::test]
async fn only_an_answer_about_the_file_itself_forgets_earlier_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, identity) = catalog_with_photos(folder.path(), 1).await;
    let id = catalog.due_photos(SITE, 0, 0, 1).await.unwrap()[0].id;
    catalog.record_fetches(&[(id, stored(&catalog, b"one"))]).await.unwrap();
    catalog.record_fetches(&[(id, failed(FailureClass::Timeout))]).await.unwrap();
    let row = catalog.photos(identity).await.unwrap().remove(0);
    assert_eq!(row.sha256, Some(Digest::of("one")));
    assert!(row.detail.unwrap().contains("timeout"));
    let with_status = |status| FetchRecord { http_status: Some(status), ..failed(FailureClass::Http4xx) };
    catalog.record_fetches(&[(id, with_status(403))]).await.unwrap();
    let row = catalog.photos(identity).await.unwrap().remove(0);
    assert_eq!(row.sha256, Some(Digest::of("one")), "a wall says nothing of the file");
    assert!(row.detail.unwrap().contains("http_4xx"));
    catalog.record_fetches(&[(id, with_status(410))]).await.unwrap();
    let row = catalog.photos(identity).await.unwrap().remove(0);
    assert_eq!((row.sha256, row.failure), (None, Some(FailureClass::Http4xx)));
    let former = catalog.former_versions(id).await.unwrap();
    assert_eq!((former.len(), former[0].0.as_str()), (1, Digest::of("one").to_string().as_str()));
    assert_eq!(former[0].2, "http_4xx");
}

#[tokio::test]
async fn forgotten_failures_are_due_again_and_only_those_of_the_named_classes() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 2).await;
    let due = catalog.due_photos(SITE, 0, 0, 10).await.unwrap();
    catalog.record_fetches(&[(due[0].id, failed(FailureClass::Timeout))]).await.unwrap();
    catalog.record_fetches(&[(due[1].id, failed(FailureClass::Robots))]).await.unwrap();
    assert_eq!(
        catalog.failure_counts(SITE).await.unwrap(),
        [(FailureClass::Robots, 1), (FailureClass::Timeout, 1)]
    );
    assert_eq!(catalog.forget_failures(SITE, &[FailureClass::Timeout]).await.unwrap(), 1);
    assert_eq!(catalog.due_photos(SITE, 0, 0, 10).await.unwrap(), due[..1]);
}

#[tokio::test]
async fn reading_an_index_page_queues_the_people_it_lists_and_their_photos() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let index = NewPage { url: "http://demo/photos".into(), kind: PageKind::Index, identity_id: None };
    catalog.add_page(SITE, &index).await.unwrap();
    catalog.add_page(SITE, &index).await.unwrap();

    let person = NewIdentity {
        slug: "ada".into(),
        name: "Ada".into(),
        page_url: Some("http://demo/ada".into()),
        is_slug_certain: true,
    };
    let read = |found| PageOutcome::Read { found, answer: PageAnswer::default() };
    let page = due_page(&catalog, 0).await.unwrap();
    assert_eq!((page.kind, page.identity_id), (PageKind::Index, None));
    let found = Found { identities: vec![person], ..Found::default() };
    catalog.record_page(SITE, &page, &read(found)).await.unwrap();

    let page = due_page(&catalog, 0).await.unwrap();
    assert_eq!((page.url.as_str(), page.kind), ("http://demo/ada", PageKind::Identity));
    let photo =
        NewPhoto { source_url: "http://demo/1".into(), hint: Some((800, 900)), ..NewPhoto::default() };
    let found = Found { photos: vec![photo], ..Found::default() };
    catalog.record_page(SITE, &page, &read(found)).await.unwrap();
    assert_eq!(due_page(&catalog, 0).await, None);
    assert_eq!(catalog.due_photos(SITE, 0, 0, 9).await.unwrap()[0].hint_width, Some(800));
}

#[tokio::test]
async fn an_unfinished_crawl_goes_on_and_a_finished_one_is_followed_by_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let first = catalog.begin_crawl(SITE).await.unwrap();
    assert_eq!(catalog.begin_crawl(SITE).await.unwrap(), first);
    assert_ne!(catalog.begin_crawl("other").await.unwrap().id, first.id);
    catalog.finish_crawl(first).await.unwrap();
    assert_ne!(catalog.begin_crawl(SITE).await.unwrap().id, first.id);
    assert_eq!(first.cutoff(Duration::from_millis(5)), first.started_at - 5);
}

#[tokio::test]
async fn a_failed_page_is_due_in_the_next_crawl_but_not_again_in_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let crawl = catalog.begin_crawl(SITE).await.unwrap();
    let index = NewPage { url: "http://demo/photos".into(), kind: PageKind::Index, identity_id: None };
    catalog.add_page(SITE, &index).await.unwrap();
    let page = due_page(&catalog, 0).await.unwrap();
    let failure = PageOutcome::Failed { class: FailureClass::Http5xx, detail: "503".into(), answer: None };
    catalog.record_page(SITE, &page, &failure).await.unwrap();
    assert_eq!(due_page(&catalog, 0).await, None);
    assert_eq!(catalog.failed_pages(SITE).await.unwrap()[0].1, "http_5xx");
    catalog.finish_crawl(crawl).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(due_page(&catalog, 0).await.map(|page| page.url), Some("http://demo/photos".into()));
}

#[tokio::test]
async fn what_was_refused_stays_so_with_its_validators_while_its_server_is_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, identity) = catalog_with_photos(folder.path(), 1).await;
    let id = catalog.due_photos(SITE, 0, 0, 1).await.unwrap()[0].id;
    let refused = FetchRecord {
        etag: Some("\"1\"".into()),
        refused_by: Some("limits".into()),
        ..failed(FailureClass::TooSmall)
    };
    catalog.record_fetches(&[(id, refused)]).await.unwrap();
    catalog.record_fetches(&[(id, failed(FailureClass::Timeout))]).await.unwrap();
    let due = catalog.due_photos(SITE, i64::MAX, 0, 1).await.unwrap().remove(0);
    assert_eq!((due.failure, due.etag.as_deref()), (Some(FailureClass::TooSmall), Some("\"1\"")));
    assert_eq!(
        (due.refused_by.as_deref(), due.detail.as_deref()),
        (Some("limits"), Some("as the test wants it"))
    );
    catalog.record_fetches(&[(id, failed(FailureClass::Http4xx))]).await.unwrap();
    let row = catalog.photos(identity).await.unwrap().remove(0);
    assert_eq!((row.failure, row.etag), (Some(FailureClass::Http4xx), None));
}

#[tokio::test]
async fn an_unchanged_page_is_read_or_refused_as_before_and_one_beyond_a_limit_is_not_met_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let crawl = catalog.begin_crawl(SITE).await.unwrap();
    let index = NewPage { url: "http://demo/photos".into(), kind: PageKind::Index, identity_id: None };
    catalog.add_page(SITE, &index).await.unwrap();
    let page = due_page(&catalog, i64::MAX).await.unwrap();
    let answer =
        |etag: &str| PageAnswer { etag: Some(etag.into()), last_modified: None, read_by: "rules".into() };
    let failed = |class, answer| PageOutcome::Failed { class, detail: "as the test wants it".into(), answer };
    let after = async |outcome: PageOutcome| {
        let page = due_page(&catalog, i64::MAX).await.unwrap();
        catalog.record_page(SITE, &page, &outcome).await.unwrap();
        let page = due_page(&catalog, i64::MAX).await.unwrap();
        (page.etag, page.failure)
    };
    let text = |text: &str| Some(text.to_owned());
    let read = PageOutcome::Read { found: Found::default(), answer: answer("1") };
    assert_eq!(after(read).await, (text("1"), None));
    assert_eq!(after(failed(FailureClass::Http5xx, None)).await, (text("1"), Some(FailureClass::Http5xx)));
    assert_eq!(after(PageOutcome::Unchanged).await, (text("1"), None));
    let refused = failed(FailureClass::TooLarge, Some(answer("2")));
    assert_eq!(after(refused).await, (text("2"), Some(FailureClass::TooLarge)));
    assert_eq!(after(PageOutcome::Unchanged).await, (text("2"), Some(FailureClass::TooLarge)));
    assert_eq!(after(failed(FailureClass::Timeout, None)).await, (text("2"), Some(FailureClass::TooLarge)));
    catalog.finish_crawl(crawl).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(due_page(&catalog, 0).await, None, "the next crawl does not meet it again");
    catalog.forget_failures(SITE, &[FailureClass::TooLarge]).await.unwrap();
    let page_again = due_page(&catalog, 0).await.unwrap();
    assert_eq!((page_again.id, page_again.etag), (page.id, None), "asked for, it is read anew");
    assert_eq!(page_again.refused_by, None, "and a failure on the way is stored as its own");
}

/// An index page that is in the catalog, as it is due.
async fn catalog_with_index(folder: &Path) -> (Catalog, DuePage) {
    let catalog = Catalog::open(folder).await.unwrap();
    let index = NewPage { url: "http://demo/photos".into(), kind: PageKind::Index, identity_id: None };
    catalog.add_page(SITE, &index).await.unwrap();
    let page = due_page(&catalog, 0).await.unwrap();
    (catalog, page)
}

#[tokio::test]
async fn a_page_whose_people_are_partly_refused_keeps_the_others_and_stays_a_failure_of_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, page) = catalog_with_index(folder.path()).await;
    let ada = NewIdentity {
        slug: "ada".into(),
        name: "Ada".into(),
        page_url: Some("http://demo/ada".into()),
        is_slug_certain: true,
    };
    let refused = Some((FailureClass::NoLink, "two people have one page".to_owned()));
    let found = Found { identities: vec![ada], refused, ..Found::default() };
    let answer = PageAnswer { etag: Some("1".into()), last_modified: None, read_by: "rules".into() };
    catalog.record_page(SITE, &page, &PageOutcome::Read { found, answer }).await.unwrap();
    assert_eq!(catalog.identities(SITE).await.unwrap().len(), 1);
    let failed = catalog.failed_pages(SITE).await.unwrap();
    assert_eq!((failed[0].1.as_str(), failed[0].2.as_str()), ("no_link", "two people have one page"));
    let page = due_page(&catalog, i64::MAX).await.unwrap();
    assert_eq!((page.read_by.as_deref(), page.refused_by.as_deref()), (None, Some("rules")));
    assert_eq!(page.etag.as_deref(), Some("1"), "it is asked for conditionally, and refused as before");
}

#[tokio::test]
async fn a_refused_page_that_times_out_is_as_due_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, page) = catalog_with_index(folder.path()).await;
    let failed = |class, answer| PageOutcome::Failed { class, detail: "as the test wants it".into(), answer };
    let answer = PageAnswer { etag: None, last_modified: None, read_by: "rules".into() };
    catalog.record_page(SITE, &page, &failed(FailureClass::NoLink, Some(answer))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let page = due_page(&catalog, now).await.unwrap();
    catalog.record_page(SITE, &page, &failed(FailureClass::Timeout, None)).await.unwrap();
    assert_eq!(due_page(&catalog, now).await, Some(page));
}

#[tokio::test]
async fn a_content_is_measured_once_per_probe_even_when_two_photos_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 2).await;
    for photo in catalog.due_photos(SITE, 0, 0, 10).await.unwrap() {
        catalog.record_fetches(&[(photo.id, stored(&catalog, b"same"))]).await.unwrap();
    }
    let probe = |model: &str| Probe { kind: Kind::Watermark, digest: Digest::of(model) };
    let sites = [SITE.to_owned()];
    let (old, new) = (probe("old"), probe("new"));
    assert_eq!(catalog.unmeasured(&sites, &[old]).await.unwrap()[&Digest::of("same")], [old]);
    catalog
        .add_measurements(Digest::of("same"), &[(old, Said::from_text("{\"score\":0.25}".to_owned()))])
        .await
        .unwrap();
    assert!(catalog.unmeasured(&sites, &[old]).await.unwrap().is_empty());
    assert_eq!(catalog.unmeasured(&sites, &[old, new]).await.unwrap()[&Digest::of("same")], [new]);
    let owned = |line: MeasurementLine| [line.sha256, line.kind, line.value].map(str::to_owned);
    let parse = move |piece: &Piece| piece.lines().map(owned).collect::<Vec<_>>();
    let lines = catalog.measured_in_pieces(&sites, &[old], parse).await.unwrap().concat();
    let expected = [&Digest::of("same").to_string(), "watermark", "{\"score\":0.25}"].map(str::to_owned);
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn verdicts_of_new_rules_stand_beside_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 1).await;
    let id = catalog.due_photos(SITE, 0, 0, 1).await.unwrap()[0].id;
    let (strict, loose) = (Digest::of("strict"), Digest::of("loose"));
    let drop = Verdict::Drop(vec![Reason::NoFace, Reason::TooSmall { width: 900, height: 1200 }]);
    catalog.record_verdicts(strict, &[(id, &drop)]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    catalog.record_verdicts(loose, &[(id, &Verdict::Keep)]).await.unwrap();
    assert_eq!(catalog.newest_verdicts(&[SITE.to_owned()]).await.unwrap(), [(id, Verdict::Keep)]);
    assert_eq!(catalog.newest_verdicts(&["other".to_owned()]).await.unwrap(), []);
    let all = catalog.verdicts_on(id).await.unwrap();
    assert!(all.contains(&(strict.to_string(), drop)) && all.len() == 2, "{all:?}");
}

#[tokio::test]
async fn a_group_of_copies_is_read_from_each_of_its_photos_and_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 3).await;
    let ids: Vec<i64> =
        catalog.due_photos(SITE, 0, 0, 3).await.unwrap().iter().map(|photo| photo.id).collect();
    let (rules, sites) = (Digest::of("rules"), [SITE.to_owned()]);
    let copy = |photo_id, distance, mirrored| Duplicate { photo_id, centre_id: ids[1], distance, mirrored };
    let group = [copy(ids[0], 5, true), copy(ids[1], 0, false)];
    catalog.record_duplicates(rules, &sites, &group).await.unwrap();
    catalog.record_verdicts(rules, &[(ids[1], &Verdict::Keep)]).await.unwrap();
    for id in &ids[..2] {
        let found = catalog.group_of(*id, &rules.to_string()).await.unwrap();
        let places: Vec<_> =
            found.iter().map(|member| (member.photo_id, member.distance, member.keep)).collect();
        assert_eq!(places, [(ids[1], 0, Some(true)), (ids[0], 5, None)]);
        assert!(found[1].mirrored);
    }
    assert_eq!(catalog.group_of(ids[2], &rules.to_string()).await.unwrap(), []);
    catalog.record_duplicates(rules, &sites, &[]).await.unwrap();
    assert_eq!(catalog.group_of(ids[0], &rules.to_string()).await.unwrap(), []);
}

#[tokio::test]
async fn a_photo_is_found_by_row_digest_beginning_and_url() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 2).await;
    let id = catalog.due_photos(SITE, 0, 0, 1).await.unwrap()[0].id;
    catalog.record_fetches(&[(id, stored(&catalog, b"one"))]).await.unwrap();
    let digest = Digest::of("one");
    for text in [id.to_string(), digest.short(), digest.to_string(), "http://demo/0".into()] {
        assert_eq!(catalog.find_photos(&text).await.unwrap(), [id], "{text}");
    }
    assert_eq!(catalog.find_photos("http://demo/none").await.unwrap(), Vec::<i64>::new());
}

#[tokio::test]
async fn counts_follow_photos_from_waiting_to_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 3).await;
    let due = catalog.due_photos(SITE, 0, 0, 10).await.unwrap();
    catalog.record_fetches(&[(due[0].id, stored(&catalog, b"one"))]).await.unwrap();
    catalog.record_fetches(&[(due[1].id, failed(FailureClass::Dns))]).await.unwrap();
    let probe = Probe { kind: Kind::Image, digest: Digest::of("decoder") };
    catalog.add_measurements(Digest::of("one"), &[(probe, Said::from_text("{}".to_owned()))]).await.unwrap();
    let counts = catalog.site_counts().await.unwrap().remove(0);
    let got = (counts.identities, counts.photos, counts.stored, counts.waiting, counts.measured);
    assert_eq!(got, (1, 3, 1, 1, 1));
}

#[tokio::test]
async fn what_is_stored_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, identity) = catalog_with_photos(folder.path(), 1).await;
    let id = catalog.due_photos(SITE, 0, 0, 1).await.unwrap()[0].id;
    catalog.record_fetches(&[(id, stored(&catalog, b"one"))]).await.unwrap();
    catalog.record_snapshot("0123456789ab", "demo", "snapshots/demo", &[(id, true)]).await.unwrap();
    let settings = Digest::of("settings");
    catalog.record_prepared(Digest::of("one"), settings, &json!({"sigma_px": 80})).await.unwrap();
    catalog.close().await;
    let catalog = Catalog::open(folder.path()).await.unwrap();
    assert_eq!(catalog.photos(identity).await.unwrap()[0].sha256, Some(Digest::of("one")));
    assert_eq!(catalog.snapshots_with(id).await.unwrap()[0].0.id, "0123456789ab");
    let value: serde_json::Value = catalog.prepared(Digest::of("one"), settings).await.unwrap().unwrap();
    assert_eq!(value["sigma_px"], 80);
    assert_eq!(catalog.origin(id).await.unwrap().unwrap().slug, "ada");
}

#[tokio::test]
async fn one_slug_at_two_addresses_is_two_people_unless_a_rule_makes_the_slug() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let person = |url: &str, is_slug_certain: bool| NewIdentity {
        slug: "photos".into(),
        name: "P".into(),
        page_url: Some(url.into()),
        is_slug_certain,
    };
    for site in ["first", "again"] {
        for url in ["http://demo/anna/photos/", "http://demo/bea/photos/", "http://demo/anna/photos/"] {
            catalog.add_identity(site, &person(url, false)).await.unwrap();
        }
        let people = catalog.identities(site).await.unwrap();
        assert_eq!(people.len(), 2);
        assert_eq!(people[0].slug, "photos");
        assert!(people[1].slug.starts_with("photos-"));
    }
    // Another page shows somebody known, called otherwise there: an address is one person.
    let renamed = NewIdentity { slug: "bea-photos".into(), ..person("http://demo/bea/photos/", false) };
    catalog.add_identity("first", &renamed).await.unwrap();
    assert_eq!(catalog.identities("first").await.unwrap().len(), 2);
    for url in ["http://demo/anna/photos/", "http://demo/bea/photos/"] {
        catalog.add_identity("ruled", &person(url, true)).await.unwrap();
    }
    assert_eq!(catalog.identities("ruled").await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_address_with_and_without_its_last_slash_is_one_person_and_who_were_two_stay_two() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let person = |slug: &str, url: &str, is_slug_certain: bool| NewIdentity {
        slug: slug.into(),
        name: "Anna".into(),
        page_url: Some(url.into()),
        is_slug_certain,
    };
    for url in ["http://demo/anna", "http://demo/anna/", "http://demo/anna/?", "http://demo/anna"] {
        catalog.add_identity(SITE, &person("anna", url, false)).await.unwrap();
    }
    catalog.add_identity(SITE, &person("anna", "http://demo/m/anna/", false)).await.unwrap();
    let people = catalog.identities(SITE).await.unwrap();
    assert_eq!(people.len(), 2, "{people:?}");
    assert_eq!(people[0].slug, "anna");

    let before = ["http://demo/anna", "http://demo/anna/"];
    for (slug, url) in ["anna", "anna-1a2b3c4d"].into_iter().zip(before) {
        catalog.add_identity("before", &person(slug, url, true)).await.unwrap();
    }
    for url in before {
        catalog.add_identity("before", &person("anna", url, false)).await.unwrap();
    }
    let slugs: Vec<_> = catalog.identities("before").await.unwrap().into_iter().map(|one| one.slug).collect();
    assert_eq!(slugs, ["anna", "anna-1a2b3c4d"]);

    let target = Target::Identity(IdentityName::new(SITE, "anna"));
    catalog.erase(&target).await.unwrap().unwrap();
    let again = catalog.add_identity(SITE, &person("anna-b", "http://demo/anna/", false)).await.unwrap();
    assert_eq!(again, None, "who was erased does not come back by another spelling");
}

#[tokio::test]
async fn a_page_of_others_is_known_however_its_address_is_spelled() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    let mut ids = Vec::new();
    for slug in ["anna", "bea"] {
        let person =
            NewIdentity { slug: slug.into(), name: slug.into(), page_url: None, is_slug_certain: true };
        ids.push(catalog.add_identity(SITE, &person).await.unwrap());
    }
    let page = |url: &str, identity_id| NewPage { url: url.into(), kind: PageKind::Identity, identity_id };
    catalog.add_page(SITE, &page("http://demo/", None)).await.unwrap();
    catalog.add_page(SITE, &page("http://demo/anna/", ids[0])).await.unwrap();
    let owner = async |url: &str, id| catalog.page_of_others(SITE, url, id).await.unwrap();
    assert_eq!(owner("http://demo/anna", ids[1]).await, Some(Some("anna".to_owned())));
    assert_eq!(owner("http://demo/anna", ids[0]).await, None, "it is her own");
    assert_eq!(owner("http://demo/?", ids[0]).await, Some(None), "a list of people");
    assert_eq!(owner("http://demo/unknown", ids[0]).await, None);
}

#[tokio::test]
async fn an_export_is_known_by_its_photos_and_counts_those_that_are_erased() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, _) = catalog_with_photos(folder.path(), 3).await;
    let due = catalog.due_photos(SITE, 0, 0, 3).await.unwrap();
    let contents: [&[u8]; 3] = [b"one", b"two", b"two"]; // the third shows the second once more
    for (photo, bytes) in due.iter().zip(contents) {
        catalog.record_fetches(&[(photo.id, stored(&catalog, bytes))]).await.unwrap();
    }
    let export = NewExport { path: "/out", snapshot: "demo-0123", format: "parquet", pixels: "photo" };
    let photos =
        [("demo/ada", Digest::of("one")), ("demo/ada", Digest::of("two")), ("demo/bea", Digest::of("one"))];
    let id = catalog.begin_export(export, &photos).await.unwrap();
    assert_eq!(catalog.begin_export(export, &photos).await.unwrap(), id, "the same one again");
    let with = catalog.exports_with(due[0].id).await.unwrap();
    assert_eq!((with.len(), with[0].path.as_str(), &with[0].sha256), (1, "/out", &None));
    catalog.finish_export(id, Digest::of("export.json")).await.unwrap();
    assert!(catalog.exports_with(due[2].id).await.unwrap()[0].sha256.is_some());
    assert_eq!(catalog.exports_with_erased().await.unwrap(), []);

    catalog.erase(&Target::Bytes(Digest::of("two"))).await.unwrap().unwrap();
    let held = catalog.exports_with_erased().await.unwrap();
    assert_eq!((held.len(), held[0].erased_photos), (1, 1), "one photo, under two addresses");
    catalog.erase(&Target::Identity(IdentityName::new(SITE, "ada"))).await.unwrap().unwrap();
    assert_eq!(catalog.exports_with_erased().await.unwrap()[0].erased_photos, 2);

    let other = NewExport { snapshot: "demo-4567", ..export };
    catalog.begin_export(other, &[]).await.unwrap();
    assert_eq!(catalog.exports_with_erased().await.unwrap(), [], "another export in that folder");
    let held = catalog.begin_export(NewExport { path: "/else", ..export }, &photos).await.unwrap();
    catalog.forget_export(held).await.unwrap();
    assert_eq!(catalog.exports_with(due[0].id).await.unwrap(), []);
}
