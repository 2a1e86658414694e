//! Who is who by their addresses: two people are never one by accident, nor is one person two.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::server::site::Site;
use crate::server::world::png;
use crate::server::{Reply, Request};
use catalog::Catalog;
use photo::FailureClass;

/// The photos of each person, by slug.
async fn people(site: &Site) -> BTreeMap<String, Vec<String>> {
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    let mut people = BTreeMap::new();
    for person in catalog.identities("bad").await.unwrap() {
        let photos = catalog.photos(person.id).await.unwrap().into_iter();
        people.insert(person.slug, photos.map(|photo| photo.source_url).collect());
    }
    catalog.close().await;
    people
}

async fn failed_pages(site: &Site) -> Vec<(String, String, String)> {
    let catalog = Catalog::open(site.folder.path()).await.unwrap();
    let failed = catalog.failed_pages("bad").await.unwrap();
    catalog.close().await;
    failed
}

fn to(address: &str) -> Option<Reply> {
    Some(Reply::status(301).with("Location", address))
}

#[tokio::test]
async fn a_person_whom_one_list_names_with_a_slash_at_the_end_and_another_without_is_one() {
    for with_slash_first in [false, true] {
        let lists = ["<a class=person href=/ada>Ada</a>", "<a class=person href=/ada/>Ada</a>"];
        let mut site = Site::new(&["a.png"], move |request| match request.path.as_str() {
            "/" => Some(Reply::ok(lists[usize::from(with_slash_first)])),
            "/more" => Some(Reply::ok(lists[usize::from(!with_slash_first)])),
            "/ada" => to("/ada/"),
            _ => None,
        })
        .await;
        site.profile().start = vec!["/".into(), "/more".into()];
        let report = site.crawl().await;
        assert!(report.pages_failed.is_empty(), "{report:?}");
        let photos = vec!["http://127.0.0.1/a.png".to_owned()];
        assert_eq!(people(&site).await, [("ada".to_owned(), photos)].into());
        assert_eq!(site.requests("/a.png"), 1);
    }
}

#[tokio::test]
async fn a_gallery_that_leads_to_somebody_else_s_or_back_to_the_list_takes_no_photos_from_there() {
    let site = Site::new(&["a.png", "b.png"], |request| match request.path.as_str() {
        "/" => Some(Reply::ok(
            "<a class=person href=/ada>Ada</a><a class=person href=/bea>Bea</a><a class=person href=/cleo>Cleo</a>
             <a class=photo href=/banner.png></a>",
        )),
        "/ada" => to("/ada/"),
        "/bea" => to("/ada"),
        "/cleo" => to("/"),
        _ => None,
    })
    .await;
    let report = site.crawl().await;
    assert_eq!(report.pages_failed, [(FailureClass::RedirectRefused, 2)].into());
    let counts: Vec<_> = people(&site).await.into_iter().map(|(slug, photos)| (slug, photos.len())).collect();
    let expected = [("ada", 2), ("bea", 0), ("cleo", 0)].map(|(slug, count)| (slug.to_owned(), count));
    assert_eq!(counts, expected);
    let failed = failed_pages(&site).await;
    assert!(failed[0].0.ends_with("/bea") && failed[0].2.contains("the gallery of `ada`"), "{failed:?}");
    assert!(failed[1].0.ends_with("/cleo") && failed[1].2.contains("a list of people"), "{failed:?}");
}

#[tokio::test]
async fn a_numbered_gallery_whose_page_past_the_end_leads_to_the_list_of_people_ends_there() {
    let mut site = Site::new(&["a.png"], |request| match request.path.as_str() {
        "/" => Some(Reply::ok("<a class=person href=/ada/>Ada</a><a class=photo href=/banner.png></a>")),
        "/ada/?page=2" => Some(Reply::ok("<a class=photo href=/b.png></a>")),
        "/ada/?page=3" => to("/"),
        _ => None,
    })
    .await;
    site.profile().gallery.page_parameter =
        Some(crawler::profile::PageParameter { name: "page".to_owned(), first: 1 });
    site.settings.fresh_for = Duration::ZERO;
    for _ in 0..2 {
        let report = site.crawl().await;
        assert!(!report.has_failures(), "{report:?}");
        let photos = ["a.png", "b.png"].map(|name| format!("http://127.0.0.1/{name}"));
        assert_eq!(people(&site).await["ada"], photos);
        tokio::time::sleep(Duration::from_millis(5)).await; // into another millisecond
    }
    assert_eq!(site.requests("/ada/?page=3"), 2, "another page may come to be there");
    assert_eq!(site.requests("/ada/?page=4"), 0);
}

fn sections(request: &Request) -> Option<Reply> {
    match request.path.as_str() {
        "/" => Some(Reply::ok(
            "<a class=person href='/models#anna'>Anna</a><a class=person href='/models#bea'>Bea</a>",
        )),
        "/models" => Some(Reply::ok("<a class=photo href=/a.png></a><a class=photo href=/b.png></a>")),
        "/people/anna.json" => Some(Reply::ok("<a class=photo href=/a.png></a>")),
        "/people/bea.json" => Some(Reply::ok("<a class=photo href=/b.png></a>")),
        "/a.png" | "/b.png" => Some(Reply::ok(png(70, 70, 1))),
        _ => None,
    }
}

#[tokio::test]
async fn people_who_are_parts_of_one_page_are_refused_by_crawl_and_check_until_the_profile_tells_them_apart()
{
    let mut site = Site::new(&[], sections).await;
    let report = site.crawl().await;
    assert_eq!(report.pages_failed, [(FailureClass::NoLink, 1)].into());
    assert!(people(&site).await.is_empty());
    let failed = failed_pages(&site).await;
    for part in ["`http://127.0.0.1/models#anna`", "`http://127.0.0.1/models#bea`", "index.link", "template"]
    {
        assert!(failed[0].2.contains(part), "{part}: {failed:?}");
    }
    let checked = crawler::check(&site.settings).await.unwrap();
    assert!(checked.stopped.is_some_and(|why| why.contains("models#bea")), "what `--check` says");

    let mut link = site.profile().index.link[0].clone();
    link.pattern = Some(crawler::rule::Pattern::try_from("#(.+)$".to_owned()).unwrap());
    link.template = Some("/people/{}.json".to_owned());
    site.profile().index.link = link.into();
    let report = site.crawl().await;
    assert!(report.pages_failed.is_empty(), "what other rules refused is asked for at once: {report:?}");
    let people = people(&site).await;
    assert_eq!(people["anna.json"], ["http://127.0.0.1/a.png"]);
    assert_eq!(people["bea.json"], ["http://127.0.0.1/b.png"]);
}

#[tokio::test]
async fn people_who_are_parts_of_one_page_are_a_failure_that_takes_nobody_else_of_the_list_with_them() {
    let site = Site::new(&["a.png"], |request| match request.path.as_str() {
        "/" => Some(Reply::ok(
            "<a class=person href='#'>Top</a><a class=person href='/models#anna'>Anna</a>
             <a class=person href='/models#bea'>Bea</a><a class=person href='/ada/'>Ada</a>
             <a class=person href='#'>More</a>",
        )),
        _ => None,
    })
    .await;
    let report = site.crawl().await;
    assert_eq!(report.pages_failed, [(FailureClass::NoLink, 1)].into());
    assert!(report.has_failures());
    assert_eq!(people(&site).await, [("ada".to_owned(), vec!["http://127.0.0.1/a.png".to_owned()])].into());
    assert!(failed_pages(&site).await[0].2.contains("models#bea"));
    let checked = crawler::check(&site.settings).await.unwrap();
    assert!(checked.photo.is_some() && checked.stopped.is_none() && !checked.is_well(), "{checked:?}");
    assert!(checked.advice.is_some_and(|what| what.contains("models#bea")), "what `--check` says");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_not_asked_for_again_before_it_is_due() {
    let mut site = Site::new(&[], |request| match request.path.as_str() {
        "/" => Some(Reply::ok("[{\"url\": \"/ada/\"")),
        _ => None,
    })
    .await;
    let select = |text: &str| crawler::rule::Select::try_from(text.to_owned()).unwrap();
    site.profile().index.format = Some(crawler::reading::Format::Json);
    site.profile().index.card = select("").into();
    site.settings.fresh_for = Duration::from_secs(3600);
    assert_eq!(site.crawl().await.pages_failed, [(FailureClass::NoLink, 1)].into());
    assert!(site.crawl().await.pages_failed.is_empty());
    assert_eq!(site.requests("/"), 1);
    assert!(failed_pages(&site).await[0].2.contains("no JSON"), "it stays stored");
    site.settings.fresh_for = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(5)).await; // into another millisecond
    assert_eq!(site.crawl().await.pages_failed, [(FailureClass::NoLink, 1)].into());
    assert_eq!(site.requests("/"), 2);
}
