//! Pages of a stranger's site: charset, HTML, JSON, JSON in a script, `srcset`, links.

use std::path::Path;
use std::sync::OnceLock;

use catalog::page::{Found, PageKind};
use crawler::Profile;
use crawler::address::Addresses;
use crawler::document::Document;
use crawler::extract::Extractor;
use photo::FailureClass;
use url::Url;

/// The profiles of the project. The first byte of an input says whose page the others are.
const PROFILES: [&str; 11] = [
    include_str!("../../data/sites/coppermine.toml"),
    include_str!("../../data/sites/demo.toml"),
    include_str!("../../data/sites/fgallery.toml"),
    include_str!("../../data/sites/gallery.toml"),
    include_str!("../../data/sites/igal2.toml"),
    include_str!("../../data/sites/lazygal.toml"),
    include_str!("../../data/sites/piwigo.toml"),
    include_str!("../../data/sites/sigal.toml"),
    include_str!("../../data/sites/theplace.toml"),
    include_str!("../../data/sites/theplace-ru.toml"),
    include_str!("../../data/sites/theplace2-ru.toml"),
];

/// Photos as JSON, as JSON in a script, and in a `srcset`.
const JSON: &str =
    "format = 'json'\ncard = ''\nlink = { select = '/file' }\ncaption = [{ select = '/title' }]";
const SCRIPT: &str = "script = {}\ncard = ''\nlink = { select = '/file' }\ncaption = [{ select = '/title' }]";
const SRCSET: &str = "card = 'img'\nlink = { attr = 'srcset' }";

/// A site: its profile and addresses.
type Site = (Profile, Addresses);

fn site(text: &str) -> Site {
    let profile = Profile::parse(text, Path::new("site.toml")).unwrap();
    let profile = profile.at(Url::parse("https://gallery.example/").unwrap());
    let addresses = Addresses::new(profile.base_url.clone().unwrap(), None, &profile.hosts);
    (profile, addresses)
}

fn gallery(rules: &str) -> Site {
    site(&format!("site = 'x'\nstart = ['/']\n[index]\nlink = {{ select = 'a' }}\n[gallery]\n{rules}\n"))
}

fn document((_, addresses): &Site, body: &[u8], content_type: Option<&str>) -> Document {
    let url = addresses.base().unwrap().join("a/b/").unwrap();
    let content_type = content_type.map(str::to_owned);
    Document { url, body: body.to_vec(), content_type, robots_tags: Vec::new() }
}

fn listing(site: &Site, body: &[u8], kind: PageKind) -> Result<Found, (FailureClass, String)> {
    let (profile, addresses) = site;
    Extractor { profile, addresses }.listing(&document(site, body, None), kind, Some(1))
}

pub fn check(bytes: &[u8]) {
    static SITES: OnceLock<Vec<Site>> = OnceLock::new();
    let sites = SITES.get_or_init(|| PROFILES.map(site).into());
    let Some((&which, body)) = bytes.split_first() else { return };
    let site = &sites[usize::from(which.wrapping_sub(b'a')) % sites.len()];
    let (profile, addresses) = site;
    let extractor = Extractor { profile, addresses };
    for (kind, identity) in
        [(PageKind::Index, None), (PageKind::Index, Some(1)), (PageKind::Identity, Some(1))]
    {
        match extractor.listing(&document(site, body, None), kind, identity) {
            Ok(found) => what_is_found_is_of_the_site(site, &found),
            Err(refusal) => is_of_a_page(&refusal),
        }
    }
    match extractor.photo_links(&document(site, body, None)) {
        Ok(links) => {
            links.larger.iter().chain(&links.file).for_each(|url| is_of_the_site(site, url.as_str()));
        }
        Err(refusal) => is_of_a_page(&refusal),
    }
    let is_marked =
        [&b"\xEF\xBB\xBF"[..], b"\xFE\xFF", b"\xFF\xFE"].iter().any(|mark| body.starts_with(mark));
    if !is_marked {
        let text = document(site, body, Some("text/html; charset=utf-8")).text(None);
        assert_eq!(text, String::from_utf8_lossy(body));
        if body.starts_with(b"[") || body.starts_with(b"{") {
            json_in_a_script_is_json(body);
        }
        if let Ok(srcset) = str::from_utf8(body) {
            the_address_of_a_srcset_stands_in_it(srcset);
        }
    }
}

fn is_of_a_page((class, detail): &(FailureClass, String)) {
    let is_known = matches!(class, FailureClass::TooLarge | FailureClass::NoLink | FailureClass::OptOut);
    assert!(is_known && !detail.is_empty(), "{class:?}: {detail}");
}

fn is_of_the_site((profile, addresses): &Site, url: &str) {
    let url = Url::parse(url).unwrap();
    assert!(matches!(url.scheme(), "http" | "https") && url.fragment().is_none(), "{url}");
    let host = url.host_str().unwrap();
    let is_own = addresses.base().unwrap().host_str() == Some(host)
        || profile.hosts.iter().any(|own| own.split(':').next() == Some(host));
    assert!(is_own, "{url}");
}

fn what_is_found_is_of_the_site(site: &Site, found: &Found) {
    for page in &found.pages {
        is_of_the_site(site, &page.url);
    }
    for person in &found.identities {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        assert!(person.slug.chars().all(is_safe) && !person.slug.is_empty(), "{person:?}");
        assert!(!person.slug.starts_with('.') && person.slug.len() <= 90, "{person:?}");
        assert!(person.name.chars().count() <= 200, "{person:?}");
        person.page_url.iter().for_each(|url| is_of_the_site(site, url));
    }
    for photo in &found.photos {
        is_of_the_site(site, &photo.source_url);
        photo.file_url.iter().for_each(|url| is_of_the_site(site, url));
        assert!(photo.caption.as_ref().is_none_or(|caption| caption.text.chars().count() <= 1000));
        assert!(photo.hint.is_none_or(|(width, height)| width.min(height) >= 32), "{photo:?}");
    }
}

/// JSON is a literal of JavaScript, whose reader has to see the same in it.
fn json_in_a_script_is_json(body: &[u8]) {
    static SITES: OnceLock<[Site; 2]> = OnceLock::new();
    let [plain, script] = SITES.get_or_init(|| [JSON, SCRIPT].map(gallery));
    let Ok(found) = listing(plain, body, PageKind::Identity) else { return };
    // Either would end the script, or begin another.
    if body.contains(&b'<') || str::from_utf8(body).is_err() {
        return;
    }
    let page = [b"<script>", body, b"</script>"].concat();
    let again = listing(script, &page, PageKind::Identity).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_eq!(format!("{:?}", again.photos), format!("{:?}", found.photos));
}

fn the_address_of_a_srcset_stands_in_it(srcset: &str) {
    static SITE: OnceLock<Site> = OnceLock::new();
    // What HTML would change, or end the attribute by.
    if srcset.contains(['"', '&', '\0', '\r', '<']) || srcset.len() > 500 {
        return;
    }
    let site = SITE.get_or_init(|| gallery(SRCSET));
    let page = format!("<img srcset=\"{srcset}\">");
    let found = listing(site, page.as_bytes(), PageKind::Identity).unwrap();
    let (_, addresses) = site;
    let at = document(site, b"", None).url;
    for photo in found.photos {
        let words = srcset.split_ascii_whitespace();
        let mut parts =
            words.flat_map(|word| word.match_indices(',').map(move |(at, _)| &word[at + 1..]).chain([word]));
        let is_there = parts.any(|part| {
            let url = addresses.canonical(&at, part.trim_matches(','));
            url.is_some_and(|url| url.as_str() == photo.source_url)
        });
        assert!(is_there, "{photo:?}");
    }
}
