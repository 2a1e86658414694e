//! Pages to links, names, sizes and captions, by a profile's rules. Pure.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use catalog::page::{Found, NewPage, PageKind};
use catalog::photo::{Caption, NewPhoto};
use catalog::spelling::plain;
use encoding_rs::Encoding;
use photo::FailureClass;
use regex::Regex;
use url::{Url, form_urlencoded};

use crate::address::{Addresses, path_and_query};
use crate::document::Document;
use crate::node::{Node, Tree, Use};
use crate::people::People;
use crate::permission::{self, Subject};
use crate::profile::Profile;
use crate::reading::Level;
use crate::rule::Rule;
use crate::sniff::Refusal;
use crate::stopwatch::Stopwatch;

/// How long a page may take a processor, parsing and looking for what it lists: one of a thousand cards takes some 20 ms.
const MAX_TIME: Duration = Duration::from_secs(3);

/// Longer captions are cut: they are sentences, not articles.
const MAX_CAPTION_CHARS: usize = 1000;

/// Reads pages of one site.
#[derive(Clone, Copy, Debug)]
pub struct Extractor<'a> {
    /// The site's rules.
    pub profile: &'a Profile,
    /// The site's addresses.
    pub addresses: &'a Addresses,
}

impl Extractor<'_> {
    /// What an index or gallery page lists. `identity_id` is the person whose page it is.
    pub fn listing(
        &self,
        document: &Document,
        kind: PageKind,
        identity_id: Option<i64>,
    ) -> Result<Found, Refusal> {
        let level = match kind {
            PageKind::Index => Level::Index,
            PageKind::Identity => Level::Gallery,
        };
        let (page, mut watch) = self.open_timed(document, level)?;
        let mut found = match kind {
            PageKind::Index => self.index(&page, identity_id, &mut watch)?,
            PageKind::Identity => self.gallery(&page, identity_id, &mut watch)?,
        };
        found.max_pages = Some(self.profile.limits.pages);
        Ok(found)
    }

    /// The page that shows a photo larger, and the file that the photo page links. `None` for what it does not link;
    /// an error where it links neither.
    pub fn photo_links(&self, document: &Document) -> Result<PhotoLinks, Refusal> {
        let Some(rules) = &self.profile.photo else { return Ok(PhotoLinks::default()) };
        let page = self.open(document, Level::Photo)?;
        let first = |rules: &[Rule]| {
            let links = rules.iter().flat_map(|rule| page.tree.root().values(rule, Use::Link));
            links.into_iter().find_map(|link| self.follow(&page, &link))
        };
        let links = PhotoLinks { larger: first(&rules.larger), file: first(&rules.file) };
        if links.larger.is_none() && links.file.is_none() {
            page.tree.found(false)?;
            return Err((FailureClass::NoLink, format!("{} links no file of this site", document.url)));
        }
        Ok(links)
    }

    /// Whether the profile lets an address be entered.
    pub fn may_enter(&self, url: &Url) -> bool {
        let path = path_and_query(url);
        !self.profile.never.iter().any(|pattern| pattern.matches(&path))
    }

    pub(crate) fn open(&self, document: &Document, level: Level) -> Result<Page, Refusal> {
        Ok(self.open_timed(document, level)?.0)
    }

    /// The same, and the watch that runs since.
    fn open_timed(&self, document: &Document, level: Level) -> Result<(Page, Stopwatch), Refusal> {
        let (text, encoding) = document.decoded(self.profile.charset.map(|charset| charset.0));
        let mut watch = Stopwatch::start(MAX_TIME);
        let tree = Tree::parse(&text, self.profile.reading(level), &mut watch)?;
        // Where photos have no pages of their own, the gallery stands for them.
        let subject = match level {
            Level::Index => Subject::Listing,
            Level::Gallery if self.profile.photo.is_some() => Subject::Listing,
            Level::Gallery | Level::Photo => Subject::PhotoPage,
        };
        if let Some(text) = permission::opt_out(subject, &document.robots_tags, &tree.metas()) {
            return Err((FailureClass::OptOut, format!("{}: {text}", document.url)));
        }
        let base = tree.base().and_then(|base| document.url.join(&base).ok());
        let base = base.unwrap_or_else(|| document.url.clone());
        Ok((Page { tree, base, url: document.url.clone(), encoding }, watch))
    }

    pub(crate) fn follow(&self, page: &Page, link: &str) -> Option<Url> {
        self.addresses.canonical_in(&page.base, link, page.encoding).filter(|url| self.may_enter(url))
    }

    /// Where a card leads: by the first rule that gives an address of the site.
    fn link<'r>(&self, page: &Page, card: Node<'_>, rules: &'r [Rule]) -> Option<Link<'r>> {
        rules.iter().find_map(|rule| {
            let link = card.value(rule, Use::Link)?;
            let fragment = link.split_once('#').map(|(_, fragment)| fragment.to_owned());
            Some(Link { url: self.follow(page, &link)?, fragment, rule })
        })
    }

    fn index(&self, page: &Page, identity_id: Option<i64>, watch: &mut Stopwatch) -> Result<Found, Refusal> {
        let rules = &self.profile.index;
        let root = page.tree.root();
        let mut found =
            Found { pages: self.pages(page, &rules.pages, PageKind::Index, identity_id), ..Found::default() };
        let mut people = People::new(rules.slug.as_ref());
        let (found_by, cards) = root.cards(&rules.card);
        page.tree.found(!cards.is_empty())?;
        let mut seen = HashSet::new();
        for card in cards {
            watch.check()?;
            let Some(link) = self.link(page, card, rules.links(found_by)) else { continue };
            if link.fragment.as_deref() == Some("") && page.is_at(&link.url) {
                continue; // `href="#"`, the start of this page, or what a script replaces: nobody's address
            }
            if identity_id.is_some() {
                if seen.insert(link.url.clone()) {
                    let url = link.url.into();
                    found.pages.push(NewPage { url, kind: PageKind::Identity, identity_id });
                }
                continue;
            }
            let name = match &rules.name {
                Some(rule) => card.value(rule, Use::Text),
                None => {
                    let text = Rule { select: link.rule.select.clone(), ..Rule::default() };
                    card.value(&text, Use::Text)
                }
            };
            people.add(link.url, link.fragment.as_deref(), name);
        }
        (found.identities, found.refused) = people.identities();
        Ok(found)
    }

    fn gallery(
        &self,
        page: &Page,
        identity_id: Option<i64>,
        watch: &mut Stopwatch,
    ) -> Result<Found, Refusal> {
        let rules = &self.profile.gallery;
        let mut found = Found {
            pages: self.pages(page, &rules.pages, PageKind::Identity, identity_id),
            ..Found::default()
        };
        let (found_by, cards) = page.tree.root().cards(&rules.card);
        page.tree.found(!cards.is_empty())?;
        let mut seen = HashSet::new();
        let mut parts = Vec::new();
        for card in &cards {
            watch.check()?;
            let Some(link) = self.link(page, *card, rules.links(found_by)) else { continue };
            if let Some(fragment) = link.fragment.filter(|_| page.is_at(&link.url)) {
                parts.push(fragment);
            } else if seen.insert(link.url.clone()) {
                found.photos.push(self.photo(*card, link.url.into()));
            }
        }
        // Where other pages are listed, the photos may be there, and these be links of a menu.
        if let Some(first) = parts.first().filter(|_| found.photos.is_empty() && found.pages.is_empty()) {
            return Err((FailureClass::NoLink, leads_to_itself(first, parts.len())));
        }
        if let Some(parameter) = &rules.page_parameter
            && !cards.is_empty()
        {
            let url = next_page(&page.url, &parameter.name, parameter.first).into();
            found.pages.push(NewPage { url, kind: PageKind::Identity, identity_id });
        }
        Ok(found)
    }

    fn photo(&self, card: Node<'_>, source_url: String) -> NewPhoto {
        let rules = &self.profile.gallery;
        let sizes: Vec<_> = rules.size.iter().filter_map(|rule| card.value(rule, Use::Text)).collect();
        let captions = rules.caption.iter().filter_map(|rule| {
            let text: String = card.value(rule, Use::Text)?.chars().take(MAX_CAPTION_CHARS).collect();
            Some(Caption { text, source: rule.attr.clone().unwrap_or_else(|| "text".into()) })
        });
        let file_url = self.profile.photo.is_none().then(|| source_url.clone());
        NewPhoto {
            source_url,
            file_url,
            hint: parse_size(&sizes.join("x")),
            caption: captions.into_iter().next(),
        }
    }

    fn pages(&self, page: &Page, rules: &[Rule], kind: PageKind, identity_id: Option<i64>) -> Vec<NewPage> {
        let links = rules.iter().flat_map(|rule| page.tree.root().values(rule, Use::Link));
        let mut seen = HashSet::new();
        let urls = links.filter_map(|link| self.follow(page, &link)).filter(|url| seen.insert(url.clone()));
        urls.map(|url| NewPage { url: url.into(), kind, identity_id }).collect()
    }
}

/// Where a photo page leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhotoLinks {
    /// A page that shows the photo larger.
    pub larger: Option<Url>,
    /// The full-size file.
    pub file: Option<Url>,
}

/// Where a card leads.
struct Link<'r> {
    url: Url,
    /// What stands behind the `#`, which is no part of the address.
    fragment: Option<String>,
    /// The rule that says so.
    rule: &'r Rule,
}

/// A parsed page and where it stands.
pub(crate) struct Page {
    pub(crate) tree: Tree,
    base: Url,
    pub(crate) url: Url,
    /// The charset of its links' queries.
    encoding: &'static Encoding,
}

impl Page {
    /// Whether an address is this page's own.
    fn is_at(&self, url: &Url) -> bool {
        plain(self.url.as_str()) == plain(url.as_str())
    }
}

fn leads_to_itself(fragment: &str, count: usize) -> String {
    format!(
        "all links to photos ({count}, such as `#{fragment}`) lead to parts of the gallery's own page: in `gallery.link`, \
         select what names the file, such as `{{ select = \"img\", attr = \"src\" }}`"
    )
}

/// The size in px that a text states: `1000x1335`, `[1000 × 1335]`, `1,024 x 1,536 px`. `None` where there is none, or
/// where it is doubtful: a size of paper, or several sizes of which no single one says that it is in px. A photo that is
/// left out by a hint is never looked at, so a doubtful one decides nothing.
fn parse_size(text: &str) -> Option<(u32, u32)> {
    // A number with or without separators of thousands; the last of the letters between is Cyrillic.
    static SIZE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let number = r"\d{1,3}(?:[,.'’\u{a0}\u{202f}]\d{3})+|\d{1,6}";
        let unit = r#"px|pixels?|cm|mm|inch(?:es)?|["″]"#;
        Regex::new(&format!(r"(?i)({number})\s*(?:{unit})?\s*[x×*х]\s*({number})(?:\s*({unit}))?")).ok()
    });
    /// No gallery states the size of a photo this small; paper is measured in such numbers.
    const LEAST_PX: u32 = 32;
    let side = |digits: &str| -> Option<u32> {
        digits.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
    };
    let mut sizes: Vec<((u32, u32), bool)> = Vec::new();
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    for captures in SIZE.as_ref()?.captures_iter(text) {
        let (Some(width), Some(height)) = (captures.get(1), captures.get(2)) else { continue };
        let (before, after) = (&text[..width.start()], &text[height.end()..]);
        let is_part_of_number = is_digit(before.chars().next_back())
            || before.ends_with(['.', ',']) && is_digit(before.chars().rev().nth(1))
            || is_digit(after.chars().next())
            || after.starts_with(['.', ',']) && is_digit(after.chars().nth(1));
        if is_part_of_number {
            continue;
        }
        let unit = captures.get(3).map(|unit| unit.as_str().to_lowercase());
        let is_px = unit.as_deref().is_some_and(|unit| unit.starts_with('p'));
        let (Some(width), Some(height)) = (side(width.as_str()), side(height.as_str())) else { continue };
        let size = (width, height);
        let is_photo = size.0.min(size.1) >= LEAST_PX && (is_px || unit.is_none());
        if is_photo && !sizes.contains(&(size, is_px)) {
            sizes.push((size, is_px));
        }
    }
    let in_px: Vec<(u32, u32)> = sizes.iter().filter(|(_, is_px)| *is_px).map(|(size, _)| *size).collect();
    match (in_px.as_slice(), sizes.as_slice()) {
        ([size], _) | ([], [(size, _)]) => Some(*size),
        _ => None,
    }
}

/// The same address with the next number. All else of the query stays as it is written: it need not be UTF-8.
fn next_page(url: &Url, parameter: &str, first: u32) -> Url {
    let name_of = |pair: &str| -> String {
        form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
    };
    let pairs: Vec<&str> =
        url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    let number = pairs
        .iter()
        .filter(|pair| name_of(pair) == parameter)
        .find_map(|pair| pair.split_once('=')?.1.parse::<u32>().ok());
    let number = number.unwrap_or(first).saturating_add(1).to_string();
    let own = form_urlencoded::Serializer::new(String::new()).append_pair(parameter, &number).finish();
    let others = pairs.into_iter().filter(|pair| name_of(pair) != parameter);
    let mut next = url.clone();
    next.set_query(Some(&others.chain([own.as_str()]).collect::<Vec<_>>().join("&")));
    next
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PROFILE: &str = r#"
        site = "x"
        base_url = "https://x.example/"
        start = ["/photos"]
        never = ["^/photos/random"]
        [index]
        pages = [{ select = ".letters a" }]
        card = ".card"
        link = { select = "a.name" }
        slug = '/photos/([^/]+)/'
        [gallery]
        pages = [{ select = "nav a" }]
        card = ".pic"
        link = { select = "a" }
        size = [{ select = ".size" }]
        caption = [{ select = "img", attr = "alt" }, { select = "a", attr = "title" }]
        [photo]
        file = [{ select = ".big a, a.full" }]
    "#;

    fn read(path: &str, html: &str, kind: PageKind) -> Result<Found, Refusal> {
        let profile = Profile::parse(PROFILE, Path::new("x.toml")).unwrap();
        let addresses = Addresses::new(profile.base_url.clone().unwrap(), None, &[]);
        let extractor = Extractor { profile: &profile, addresses: &addresses };
        extractor.listing(&document(path, html), kind, (kind == PageKind::Identity).then_some(7))
    }

    fn document(path: &str, html: &str) -> Document {
        let url = Url::parse("https://x.example/").unwrap().join(path).unwrap();
        Document { url, body: html.as_bytes().to_vec(), content_type: None, robots_tags: Vec::new() }
    }

    #[test]
    fn an_index_gives_people_and_further_pages_and_no_page_that_is_never_entered() {
        let html = r#"<div class=letters><a href=/photos/A>A</a><a href=/photos/random>?</a><a href=/photos/A#x>A</a></div>
            <div class=card><a class=name href="/photos/Ada-md1/"> Ada
            Lovelace</a></div><div class=card><a class=name href="https://elsewhere.example/photos/B-md2/">B</a></div>
            <div class=card><a class=name href="/photos/Ada-md3/">Ada Lovelace</a></div>"#;
        let found = read("/photos", html, PageKind::Index).unwrap();
        assert_eq!(
            found.pages.iter().map(|page| page.url.as_str()).collect::<Vec<_>>(),
            ["https://x.example/photos/A"]
        );
        let people: Vec<_> = found.identities.iter().map(|p| (p.slug.as_str(), p.name.as_str())).collect();
        assert_eq!(people, [("Ada-md1", "Ada Lovelace"), ("Ada-md3", "Ada Lovelace")]);
    }

    #[test]
    fn people_who_are_parts_of_one_page_are_refused_and_the_others_of_the_index_are_not() {
        let card = |link: &str| format!("<div class=card><a class=name href=\"{link}\">{link}</a></div>");
        let cards = |links: [&str; 3]| links.map(card).concat();
        let found = read("/photos", &cards(["/photos/Ada/", "/models#anna", "/models#bea"]), PageKind::Index)
            .unwrap();
        assert_eq!(found.identities.iter().map(|person| &person.slug).collect::<Vec<_>>(), ["Ada"]);
        let (class, detail) = found.refused.unwrap();
        assert_eq!(class, FailureClass::NoLink);
        assert!(
            detail.contains("`https://x.example/models#anna`, `https://x.example/models#bea`"),
            "{detail}"
        );
        let same =
            read("/photos", &cards(["/photos/Ada/", "/photos/Ada", "/photos/Ada/#pics"]), PageKind::Index)
                .unwrap();
        assert_eq!((same.identities.len(), same.refused), (1, None));
        assert_eq!(same.identities[0].page_url.as_deref(), Some("https://x.example/photos/Ada/"));
    }

    #[test]
    fn placeholders_that_a_loose_selector_finds_are_nobody() {
        let card = |link: &str| format!("<div class=card><a class=name href=\"{link}\">{link}</a></div>");
        let html = ["#", "/photos/Ada/", "/photos#", "#"].map(card).concat();
        let found = read("/photos", &html, PageKind::Index).unwrap();
        assert_eq!(found.identities.iter().map(|person| &person.slug).collect::<Vec<_>>(), ["Ada"]);
        assert_eq!(found.refused, None);
    }

    #[test]
    fn photos_that_are_parts_of_their_gallery_s_page_are_refused_where_there_are_no_others() {
        let html = "<a class=pic href=#1></a><a class=pic href=#2></a>";
        let rules = "link = { select = 'a.pic' }";
        let (class, detail) = gallery_of(rules, html).unwrap_err();
        assert_eq!(class, FailureClass::NoLink);
        assert!(detail.contains("(2, such as `#1`)") && detail.contains("gallery.link"), "{detail}");
        let mixed = format!("{html}<a class=pic href=3.jpg#view></a>");
        assert_eq!(gallery_of(rules, &mixed).unwrap(), ["https://x.example/ada/3.jpg"]);
    }

    #[test]
    fn a_gallery_that_lists_other_pages_keeps_them_where_its_own_links_are_parts_of_it() {
        let html = "<nav><a href=/photos/Ada/2/>2</a></nav><div class=pic><a href=#top></a></div>";
        let found = read("/photos/Ada/", html, PageKind::Identity).unwrap();
        assert_eq!(found.photos, []);
        assert_eq!(found.pages[0].url, "https://x.example/photos/Ada/2/");
    }

    #[test]
    fn a_gallery_gives_photos_with_size_and_the_best_caption() {
        let html = r#"<base href="/photos/Ada-md1/"><nav><a href="page2/">2</a></nav>
            <div class=pic><a href=pic-1.html title=t><img alt=" A  walk "></a><span class=size>[1000 х 1335]</span></div>
            <div class=pic><a href=pic-2.html title="In a hat"><img alt=""></a></div>"#;
        let found = read("/photos/Ada-md1/page1/", html, PageKind::Identity).unwrap();
        assert_eq!(found.pages[0].url, "https://x.example/photos/Ada-md1/page2/");
        assert_eq!(found.pages[0].identity_id, Some(7));
        assert_eq!(found.photos[0].source_url, "https://x.example/photos/Ada-md1/pic-1.html");
        assert_eq!(found.photos[0].hint, Some((1000, 1335)));
        assert_eq!(found.photos[0].file_url, None);
        let caption = |i: usize| found.photos[i].caption.clone().unwrap();
        assert_eq!((caption(0).text.as_str(), caption(0).source.as_str()), ("A  walk", "alt"));
        assert_eq!((caption(1).text.as_str(), caption(1).source.as_str()), ("In a hat", "title"));
    }

    fn gallery_of(rules: &str, html: &str) -> Result<Vec<String>, Refusal> {
        let text = format!(
            "site = 'x'\nbase_url = 'https://x.example/'\nstart = ['/']\n[index]\nlink = {{ select = 'a' }}\n[gallery]\n{rules}"
        );
        let profile = Profile::parse(&text, Path::new("x.toml")).unwrap();
        let addresses = Addresses::new(profile.base_url.clone().unwrap(), None, &[]);
        let extractor = Extractor { profile: &profile, addresses: &addresses };
        let found = extractor.listing(&document("/ada/", html), PageKind::Identity, Some(7))?;
        Ok(found.photos.into_iter().map(|photo| photo.source_url).collect())
    }

    #[test]
    fn a_script_that_cannot_be_read_hides_neither_a_later_one_nor_the_photos_of_the_page() {
        const A: &str = "https://x.example/ada/a.jpg";
        let any = "script = {}\ncard = ''\nlink = { select = '/big' }";
        let html =
            "<script src=/menu.js></script><script>menu()</script><script>[{\"big\": \"a.jpg\"}]</script>";
        assert_eq!(gallery_of(any, html).unwrap(), [A]);
        let sigal =
            "script = { after = 'var data\\s*=' }\ncard = ['a.photo', '']\nlink = [{}, { select = '/big' }]";
        let counter = "<script>var data = count();</script>";
        assert_eq!(gallery_of(sigal, &format!("{counter}<a class=photo href=a.jpg>")).unwrap(), [A]);
        let later = format!("{counter}<script>var data = [{{big: 'a.jpg'}}];</script>");
        assert_eq!(gallery_of(sigal, &later).unwrap(), [A]);
        let (class, detail) =
            gallery_of(sigal, &format!("{counter}<script>var data = [x]</script>")).unwrap_err();
        assert_eq!(class, FailureClass::NoLink);
        assert!(detail.contains("before `count();`"), "the first is told of: {detail}");
        assert_eq!(gallery_of(sigal, "<script>menu()</script>").unwrap(), [""; 0]);
    }

    #[test]
    fn links_that_are_the_cards_are_read_by_the_rule_that_selected_them() {
        let rules = "link = [{ select = 'b', attr = 'id', template = 'n/{}.jpg' }, { select = 'a' }]";
        let by_second = gallery_of(rules, "<a id=top href=a.jpg></a><a href=b.jpg></a>").unwrap();
        assert_eq!(by_second, ["https://x.example/ada/a.jpg", "https://x.example/ada/b.jpg"]);
        assert_eq!(
            gallery_of(rules, "<b id=1></b><a href=a.jpg>").unwrap(),
            ["https://x.example/ada/n/1.jpg"]
        );
    }

    #[test]
    fn a_photo_page_gives_the_file_or_says_why_not() {
        let profile = Profile::parse(PROFILE, Path::new("x.toml")).unwrap();
        let addresses = Addresses::new(profile.base_url.clone().unwrap(), None, &[]);
        let extractor = Extractor { profile: &profile, addresses: &addresses };
        let page = |html: &str| document("/photos/Ada-md1/pic-1.html", html);
        let link = |html: &str| extractor.photo_links(&page(html)).map(|links| links.file.unwrap());
        let file = link("<div class=big><a href='/archive/ada/img/image(458).jpg'></a></div>").unwrap();
        assert_eq!(file.as_str(), "https://x.example/archive/ada/img/image(458).jpg");
        assert_eq!(link("<p>").unwrap_err().0, FailureClass::NoLink);
        assert_eq!(
            link("<a class=full href='https://ads.example/'></a>").unwrap_err().0,
            FailureClass::NoLink
        );
        let (class, text) =
            link("<meta name=robots content=noai><a class=full href=/x.jpg></a>").unwrap_err();
        assert_eq!(class, FailureClass::OptOut);
        assert!(text.contains("noai"));
    }

    #[test]
    fn sizes_are_read_in_the_ways_that_sites_write_them() {
        assert_eq!(parse_size("Filename=a1x.jpg Filesize=300KB Dimensions=1200x1800"), Some((1200, 1800)));
        assert_eq!(parse_size("1000 × 1335 px"), Some((1000, 1335)));
        assert_eq!(parse_size("large"), None);
        assert_eq!(parse_size("[1,024 x 1,536]"), Some((1024, 1536)));
        assert_eq!(parse_size("1.024×1.536 px, 300 KB"), Some((1024, 1536)));
        assert_eq!(parse_size("1024px x 768px"), Some((1024, 768)));
        assert_eq!(parse_size("print 10x15 cm, 1024x1536 px"), Some((1024, 1536)));
        assert_eq!(parse_size("640x480 in colour"), Some((640, 480)));
        assert_eq!(parse_size("id 9,999,999,999x1, 640x480 px"), Some((640, 480)));
    }

    #[test]
    fn a_doubtful_size_is_none() {
        let doubtful = [
            "print 10x15",
            "60 x 90 cm",
            "10.5x15.2",
            "thumb 200x300, full 1000x1500",
            "1234567x12",
            "3x4, 40 x 50\"",
        ];
        for text in doubtful {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn numbered_pages_count_on_from_the_address() {
        let url = |text| Url::parse(text).unwrap();
        assert_eq!(next_page(&url("http://x/ws?m=a"), "page", 0).as_str(), "http://x/ws?m=a&page=1");
        assert_eq!(next_page(&url("http://x/ws?page=4&m=a"), "page", 0).as_str(), "http://x/ws?m=a&page=5");
        let cyrillic = next_page(&url("http://x/ws?q=%C0%ED%ED%E0&page=4"), "page", 0);
        assert_eq!(cyrillic.as_str(), "http://x/ws?q=%C0%ED%ED%E0&page=5", "windows-1251 stays");
    }
}
