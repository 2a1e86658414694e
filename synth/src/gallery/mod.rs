//! A gallery site that shows a [`Collection`], in the shape of the *theplace* sites: letters → people → pages of
//! photos → photo page → full-size file. Paths, pages and dates are pure; [`server`] speaks HTTP.
//!
//! ```text
//! /photos                            letters, each with its people
//! /photos/A                          people of one letter
//! /photos/NAME-md100/                photos of one person; further ones at page2/, page3/, …
//! /photos/NAME-md100/pic-1000000.html  one photo, which links the file
//! /archive/NAME/img/FILE.jpg         the file
//! /cache/archive/NAME/img/FILE.jpg-gthumb-ghdata300.jpg   a thumbnail; -gwdata1200-…: a preview
//! /photos/top, /photos/random        linked, but forbidden by robots.txt
//! /archive/NAME/img/orig_FILE.jpg    there, but linked by no page
//! ```

mod cache;
mod pages;
pub mod server;
mod thumbnail;

use std::sync::OnceLock;

use ::photo::Digest;

use crate::collection::{Collection, SyntheticPhoto};

pub use server::{LogEntry, Server, serve};

/// Photos on one page of a gallery.
const PER_PAGE: usize = 12;
const FIRST_PERSON: usize = 100;
const FIRST_PHOTO: usize = 1_000_000;
/// The longer side of thumbnails and previews in pixels.
const THUMBNAIL_PX: u32 = 300;
const PREVIEW_PX: u32 = 900;
const THUMBNAIL_SUFFIX: &str = "-gthumb-ghdata300.jpg";
const PREVIEW_SUFFIX: &str = "-gthumb-gwdata1200-ghdata1200-gfitdatamax.jpg";

/// A photo's place: the person's and the photo's position in the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Of the person.
    pub identity: usize,
    /// Of the photo among the person's.
    pub photo: usize,
}

/// What a path of the site stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The start page.
    Home,
    /// The rules for crawlers.
    Robots,
    /// The people of one letter.
    Letter(char),
    /// Photos that other pages show as well; forbidden by robots.txt.
    Top,
    /// The photos of a person: position and page, from 1.
    Person(usize, usize),
    /// One photo's page.
    Photo(Place),
    /// The file; also under its unpublished name.
    File(Place),
    /// A small JPEG with that longer side in pixels.
    Small(Place, u32),
}

/// A gallery site.
#[derive(Debug)]
pub struct Gallery {
    collection: Collection,
    /// Finding a caption means looking at small renderings, so each is found once.
    captions: Vec<OnceLock<String>>,
}

impl Gallery {
    /// A site that shows the collection.
    pub fn new(collection: Collection) -> Self {
        let count = collection.identities.iter().map(|identity| identity.photos.len()).sum();
        Self { collection, captions: (0..count).map(|_| OnceLock::new()).collect() }
    }

    /// What it shows.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// The path of a photo's page, which is the photo's source URL in a catalog.
    pub fn photo_path(&self, place: Place) -> String {
        format!("{}pic-{}.html", self.person_path(place.identity, 1), FIRST_PHOTO + self.number(place))
    }

    /// The photo whose page or file has the path.
    pub fn find(&self, path: &str) -> Option<Place> {
        match self.route(path)? {
            Route::Photo(place) | Route::File(place) => Some(place),
            _ => None,
        }
    }

    /// What a path (percent-decoded) stands for.
    pub fn route(&self, path: &str) -> Option<Route> {
        match path {
            "/" | "/photos" | "/photos/" => return Some(Route::Home),
            "/robots.txt" => return Some(Route::Robots),
            "/photos/top" | "/photos/random" => return Some(Route::Top),
            _ => {}
        }
        if let Some(rest) = path.strip_prefix("/cache/archive/") {
            let (slug, name) = rest.split_once("/img/")?;
            let preview = name.strip_suffix(PREVIEW_SUFFIX).map(|file| (file, PREVIEW_PX));
            let (file, size_px) =
                preview.or_else(|| Some((name.strip_suffix(THUMBNAIL_SUFFIX)?, THUMBNAIL_PX)))?;
            return Some(Route::Small(self.file(slug, file)?, size_px));
        }
        if let Some(rest) = path.strip_prefix("/archive/") {
            let (slug, file) = rest.split_once("/img/")?;
            let published = file.strip_prefix("orig_").unwrap_or(file);
            return Some(Route::File(self.file(slug, published)?));
        }
        let rest = path.strip_prefix("/photos/")?;
        let mut letters = rest.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            return self.letters().contains(&letter).then_some(Route::Letter(letter));
        }
        let (person, rest) = rest.split_once('/')?;
        let identity = person.rsplit_once("-md")?.1.parse::<usize>().ok()?.checked_sub(FIRST_PERSON)?;
        if self.person_path(identity, 1) != format!("/photos/{person}/") {
            return None;
        }
        if let Some(page) = rest.strip_prefix("page").and_then(|rest| rest.strip_suffix('/')) {
            let page = page.parse().ok()?;
            return (1..=self.page_count(identity)).contains(&page).then_some(Route::Person(identity, page));
        }
        if let Some(number) = rest.strip_prefix("pic-").and_then(|rest| rest.strip_suffix(".html")) {
            let first = self.number(Place { identity, photo: 0 });
            let photo = number.parse::<usize>().ok()?.checked_sub(FIRST_PHOTO + first)?;
            return (photo < self.photos(identity).len()).then_some(Route::Photo(Place { identity, photo }));
        }
        rest.is_empty().then_some(Route::Person(identity, 1))
    }

    /// The page at a route, as HTML or, for robots.txt, as text; `None` for files.
    pub fn page(&self, route: Route) -> Option<String> {
        match route {
            Route::Home => Some(pages::home(self)),
            Route::Robots => Some(pages::ROBOTS.to_owned()),
            Route::Letter(letter) => Some(pages::letter(self, letter)),
            Route::Top => Some(pages::top(self)),
            Route::Person(identity, page) => Some(pages::person(self, identity, page)),
            Route::Photo(place) => Some(pages::photo(self, place)),
            Route::File(_) | Route::Small(..) => None,
        }
    }

    /// What changes when the document at a route does, found without rendering anything.
    fn etag(&self, route: Route) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let subject = match route {
            Route::File(place) | Route::Small(place, _) | Route::Photo(place) => {
                format!("{:?}", self.photo(place))
            }
            _ => format!("{:?}", self.collection.spec),
        };
        format!("\"{}\"", Digest::of(format!("{version} {route:?} {subject}")).short())
    }

    /// A date that follows from the seed and the photo: seconds since 1970, in the years 2015 to 2019.
    fn modified(&self, route: Route) -> u64 {
        let day = match route {
            Route::File(place) | Route::Small(place, _) | Route::Photo(place) => self.number(place) as u64,
            _ => 1000,
        };
        1_420_070_400 + (self.collection.spec.seed % 365 + day % 1460) * 86_400
    }

    fn photo(&self, place: Place) -> &SyntheticPhoto {
        &self.collection.identities[place.identity].photos[place.photo]
    }

    fn photos(&self, identity: usize) -> &[SyntheticPhoto] {
        self.collection.identities.get(identity).map_or(&[], |identity| &identity.photos)
    }

    fn caption(&self, place: Place) -> &str {
        self.captions[self.number(place)].get_or_init(|| self.photo(place).caption())
    }

    /// The photo's position among all photos of the site.
    fn number(&self, place: Place) -> usize {
        (0..place.identity).map(|identity| self.photos(identity).len()).sum::<usize>() + place.photo
    }

    /// First letters of the people's names, in order.
    fn letters(&self) -> Vec<char> {
        let first = |name: &str| name.chars().next().map(|letter| letter.to_ascii_uppercase());
        let mut letters: Vec<_> =
            self.collection.identities.iter().filter_map(|identity| first(&identity.name)).collect();
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    fn page_count(&self, identity: usize) -> usize {
        self.photos(identity).len().div_ceil(PER_PAGE).max(1)
    }

    fn person_path(&self, identity: usize, page: usize) -> String {
        let slug = self.collection.identities.get(identity).map_or("", |identity| identity.slug.as_str());
        let base = format!("/photos/{slug}-md{}/", FIRST_PERSON + identity);
        if page == 1 { base } else { format!("{base}page{page}/") }
    }

    fn file_path(&self, place: Place) -> String {
        let identity = &self.collection.identities[place.identity];
        format!("/archive/{}/img/{}", identity.slug, self.photo(place).file_name)
    }

    fn file(&self, slug: &str, file_name: &str) -> Option<Place> {
        let identity = self.collection.identities.iter().position(|identity| identity.slug == slug)?;
        let photo = self.photos(identity).iter().position(|photo| photo.file_name == file_name)?;
        Some(Place { identity, photo })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::CollectionSpec;

    #[test]
    fn every_path_that_a_page_links_leads_somewhere_and_none_to_an_unpublished_file() {
        let spec = CollectionSpec { seed: 3, identities: 3, photos_per_identity: 14 };
        let gallery = Gallery::new(Collection::new(spec));
        let mut queue = vec!["/photos".to_owned()];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(path) = queue.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            assert!(!path.contains("orig_"));
            let route = gallery.route(&path).unwrap_or_else(|| panic!("{path} leads nowhere"));
            let Some(html) = gallery.page(route) else { continue };
            let links = html.split(['"', '\'']).filter(|link| link.starts_with('/') && link.len() > 1);
            queue.extend(links.map(str::to_owned));
        }
        let files = seen.iter().filter(|path| matches!(gallery.route(path), Some(Route::File(_)))).count();
        assert_eq!(files, 3 * 14);
        for identity in 0..3 {
            for photo in 0..14 {
                let place = Place { identity, photo };
                assert_eq!(gallery.find(&gallery.photo_path(place)), Some(place));
            }
        }
        let unpublished = gallery.file_path(Place { identity: 0, photo: 0 }).replace("/img/", "/img/orig_");
        assert!(gallery.route(&unpublished).is_some());
        assert_eq!(gallery.route("/photos/x-md100/"), None);
        assert_eq!(gallery.route("/photos/x-md99999999999999999999/"), None);
    }
}
