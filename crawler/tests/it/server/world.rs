//! Sites of three shapes with the same people and photos, and the truth about them.

use std::collections::BTreeSet;

use photo::Digest;

use super::{Reply, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    ThePlace,
    ThePlaceRu,
    Coppermine,
    /// By its JSON API.
    Piwigo,
}

pub const SHAPES: [Shape; 4] = [Shape::ThePlace, Shape::ThePlaceRu, Shape::Coppermine, Shape::Piwigo];
/// Photos below this are too small.
pub const MIN_SIDE: u32 = 64;
const PER_PAGE: usize = 4;
const PHOTOS: usize = 10;

impl Shape {
    pub fn profile(self) -> crawler::Profile {
        let name = match self {
            Self::ThePlace => "theplace",
            Self::ThePlaceRu => "theplace-ru",
            Self::Coppermine => "coppermine",
            Self::Piwigo => "piwigo",
        };
        let path = format!("{}/../data/sites/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let mut profile = crawler::Profile::load(path.as_ref()).unwrap();
        profile.hosts.clear(); // the mirror stands for all of the site's names
        profile.limits.backoff_ms = 5;
        profile
    }
}

/// What is special about a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Good,
    Small,
    /// The file says `X-Robots-Tag: noai`.
    FileOptOut,
    /// The photo page says `noimageai`.
    PageOptOut,
    /// robots.txt forbids the file.
    Disallowed,
    Html,
    Missing,
}

const KINDS: [Kind; 7] = [
    Kind::Good,
    Kind::Small,
    Kind::FileOptOut,
    Kind::PageOptOut,
    Kind::Disallowed,
    Kind::Html,
    Kind::Missing,
];

pub struct World {
    pub shape: Shape,
    people: usize,
    charset_1251: bool,
}

impl World {
    pub fn new(shape: Shape, people: usize) -> Self {
        Self { shape, people, charset_1251: shape == Shape::ThePlaceRu }
    }

    /// Every third photo has something special.
    pub fn kind(person: usize, photo: usize) -> Kind {
        if photo % 3 == 2 { KINDS[1 + (person * 3 + photo / 3) % 6] } else { Kind::Good }
    }

    pub fn photos(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.people).flat_map(|person| (0..PHOTOS).map(move |photo| (person, photo)))
    }

    /// The digests of all photos that are permitted and large.
    pub fn truth(&self) -> BTreeSet<String> {
        let good = self.photos().filter(|&(person, photo)| Self::kind(person, photo) == Kind::Good);
        good.map(|(person, photo)| Digest::of(file(person, photo)).to_string()).collect()
    }

    fn name(&self, person: usize) -> String {
        // Two people share one name.
        if self.charset_1251 { format!("Мила {}", person / 2) } else { format!("Ada {}", person / 2) }
    }

    pub fn answer(&self, request: &Request) -> Reply {
        let Some(body) = self.page(&request.path) else { return self.file(request) };
        let bytes = if self.charset_1251 { encode_1251(&body) } else { body.into_bytes() };
        let etag = format!("\"{}\"", Digest::of(&bytes).short());
        if request.header("if-none-match") == Some(&etag) {
            return Reply::status(304);
        }
        Reply::ok(bytes).with("ETag", &etag).with("Content-Type", "text/html")
    }

    fn file(&self, request: &Request) -> Reply {
        let Some((person, photo)) =
            numbers(&request.path, "/files/").or_else(|| numbers(&request.path, "/private/"))
        else {
            return Reply::status(404);
        };
        let etag = format!("\"{person}-{photo}\"");
        if request.header("if-none-match") == Some(&etag) {
            return Reply::status(304);
        }
        let reply = match Self::kind(person, photo) {
            Kind::Missing => return Reply::status(404),
            Kind::Html => Reply::ok("<html><body>Please log in</body></html>"),
            // An API has no photo page to say it on.
            Kind::PageOptOut if self.shape == Shape::Piwigo => {
                Reply::ok(file(person, photo)).with("X-Robots-Tag", "noai")
            }
            Kind::FileOptOut => Reply::ok(file(person, photo)).with("X-Robots-Tag", "noai"),
            _ => Reply::ok(file(person, photo)),
        };
        reply.with("ETag", &etag)
    }

    /// The page at a path, whatever the shape.
    fn page(&self, path: &str) -> Option<String> {
        if path == "/robots.txt" {
            return Some("User-agent: *\nDisallow: /private/\nDisallow: /photos/top\n".into());
        }
        match self.shape {
            Shape::ThePlace => self.the_place(path),
            Shape::ThePlaceRu => self.the_place_ru(path),
            Shape::Coppermine => self.coppermine(path),
            Shape::Piwigo => self.piwigo(path),
        }
    }

    fn the_place(&self, path: &str) -> Option<String> {
        let letters = "<div class=box_photo_letters><a class=letter-item href=/photos/A>A</a>\
                       <a class=letter-item href=/photos/top>Top</a></div>";
        if path == "/photos" {
            return Some(letters.into());
        }
        if path == "/photos/A" {
            let card = |person| {
                format!(
                    "<div class=model-card><div class=model-card__body><a class=model-card__body__title \
                     href='/photos/P-md{person}/'>{}</a></div></div>",
                    self.name(person)
                )
            };
            return Some(letters.to_owned() + &(0..self.people).map(card).collect::<String>());
        }
        let rest = path.strip_prefix("/photos/P-md")?;
        let (person, rest) = rest.split_once('/')?;
        let person: usize = person.parse().ok()?;
        if let Some(photo) = rest.strip_prefix("pic-") {
            let photo = photo.strip_suffix(".html")?.parse().ok()?;
            let link =
                format!("<div class=big-photo-wrapper><a href='{}'></a></div>", file_path(person, photo));
            return Some(head(person, photo) + &link);
        }
        let page =
            if rest.is_empty() { 1 } else { rest.strip_prefix("page")?.strip_suffix('/')?.parse().ok()? };
        let links =
            pages().map(|n| format!("<a class=page-link href='/photos/P-md{person}/page{n}/'>{n}</a>"));
        let nav = format!("<nav aria-label='Photo pagination'>{}</nav>", links.collect::<String>());
        let card = |photo| {
            let (width, height) = size(person, photo);
            format!(
                "<div class=pic-card><a class=link href='/photos/P-md{person}/pic-{photo}.html'><img alt='walking'></a>\
                 <span class=size-wr>{width}x{height}</span></div>"
            )
        };
        Some(nav + &on_page(page).map(card).collect::<String>())
    }

    fn the_place_ru(&self, path: &str) -> Option<String> {
        if path == "/photos/" || path.starts_with("/photos/?s_id=") {
            let row = |person| {
                format!("<tr><td><a href='/photos/M-mid{person}.html'>{}</a></td></tr>", self.name(person))
            };
            let rows: String =
                (0..self.people).filter(|p| path.ends_with(&format!("={}", p % 4))).map(row).collect();
            return Some(format!("<table id=models_list>{rows}</table>"));
        }
        if let Some((person, photo)) = path.strip_prefix("/photos/pic/").and_then(|rest| rest.split_once('-'))
        {
            let (person, photo) = (person.parse().ok()?, photo.strip_suffix(".html")?.parse().ok()?);
            let link = format!("<div class=pic-big-box><img src='{}'></div>", file_path(person, photo));
            return Some(head(person, photo) + &link);
        }
        let (person, page): (usize, usize) = if let Some(query) = path.strip_prefix("/photos/gallery.php?id=")
        {
            let (person, page) = query.split_once("&page=")?;
            (person.parse().ok()?, page.parse().ok()?)
        } else {
            (path.strip_prefix("/photos/M-mid")?.strip_suffix(".html")?.parse().ok()?, 1)
        };
        let links = pages().map(|n| format!("<a href='gallery.php?id={person}&amp;page={n}'>{n}</a>"));
        let nav = format!("<div class='listalka ltop'>{}</div>", links.collect::<String>());
        let card = |photo| {
            format!(
                "<div class=pic_box><a href='/photos/pic/{person}-{photo}.html'><img alt='идёт' src='X_s.jpg'></a></div>"
            )
        };
        let cards: String = on_page(page).map(card).collect();
        Some(format!("{nav}<div class=gallery-pics-list>{cards}</div>"))
    }

    fn piwigo(&self, path: &str) -> Option<String> {
        let query = path.strip_prefix("/ws.php?format=json&method=pwg.categories.")?;
        if query.starts_with("getList") {
            let album = |n| format!("{{\"id\": {n}, \"name\": \"{}\"}}", self.name(n));
            let albums = (0..self.people).map(album).collect::<Vec<_>>().join(", ");
            return Some(format!("{{\"stat\": \"ok\", \"result\": {{\"categories\": [{albums}]}}}}"));
        }
        let number = |name: &str| query.split(name).nth(1)?.split('&').next()?.parse::<usize>().ok();
        let (album, page) = (number("cat_id=")?, number("&page=")?);
        let image = |photo| {
            let ((width, height), file) = (size(album, photo), file_path(album, photo));
            format!(
                "{{\"element_url\": \"{file}\", \"width\": {width}, \"height\": \"{height}\", \"comment\": null, \
                 \"name\": \"walking\"}}"
            )
        };
        let shown = if page < pages().count() { on_page(page + 1).map(image).collect() } else { Vec::new() };
        Some(format!("{{\"stat\": \"ok\", \"result\": {{\"images\": [{}]}}}}", shown.join(", ")))
    }

    fn coppermine(&self, path: &str) -> Option<String> {
        if path == "/index.php" {
            let albums = (0..self.people)
                .map(|a| format!("<span class=alblink><a href='thumbnails.php?album={a}'>A</a></span>"));
            let meta = "<span class=alblink><a href='thumbnails.php?album=lastup&cat=0'>Last</a></span><a href=login.php>Login</a>";
            return Some(meta.to_owned() + &albums.collect::<String>());
        }
        if let Some(query) = path.strip_prefix("/thumbnails.php?album=") {
            let (album, page) = query.split_once("&page=").unwrap_or((query, "1"));
            let (album, page): (usize, usize) = (album.parse().ok()?, page.parse().ok()?);
            let nav = pages().map(|n| format!("<a href='thumbnails.php?album={album}&amp;page={n}'>{n}</a>"));
            let card = |photo| {
                let ((width, height), pid) = (size(album, photo), album * 100 + photo);
                format!(
                    "<td class=thumbnails><a href='displayimage.php?album={album}&amp;pid={pid}'><img class='image thumbnail' \
                     alt='a.jpg' title='Filename=a.jpg\nFilesize=3KB\nDimensions={width}x{height}\nDate added'></a></td>"
                )
            };
            let cards: String = on_page(page).map(card).collect();
            return Some(format!("{}<table><tr>{cards}</tr></table>", nav.collect::<String>()));
        }
        let query = path.strip_prefix("/displayimage.php?")?;
        let is_full = query.ends_with("&fullsize=1");
        let pid = query.split("pid=").nth(1)?.split('&').next()?.parse::<usize>().ok()?;
        let (album, photo) = (pid / 100, pid % 100);
        let image = if is_full {
            format!("<img class=image src='{}'>", file_path(album, photo).trim_start_matches('/'))
        } else {
            format!(
                "<a href='javascript:;' onclick=\"MM_openBrWindow('displayimage.php?pid={pid}&amp;fullsize=1','x')\">\
                 <img class=image src='albums/normal_{pid}.jpg'></a>"
            )
        };
        Some(head(album, photo) + &image)
    }
}

fn pages() -> impl Iterator<Item = usize> {
    1..=PHOTOS.div_ceil(PER_PAGE)
}

fn on_page(page: usize) -> impl Iterator<Item = usize> {
    let first = (page - 1) * PER_PAGE;
    first..(first + PER_PAGE).min(PHOTOS)
}

fn head(person: usize, photo: usize) -> String {
    match World::kind(person, photo) {
        Kind::PageOptOut => "<meta name=robots content='index, noimageai'>".into(),
        _ => String::new(),
    }
}

fn file_path(person: usize, photo: usize) -> String {
    let folder = if World::kind(person, photo) == Kind::Disallowed { "private" } else { "files" };
    format!("/{folder}/{person}/{photo}.png")
}

fn numbers(path: &str, folder: &str) -> Option<(usize, usize)> {
    let (person, photo) = path.strip_prefix(folder)?.strip_suffix(".png")?.split_once('/')?;
    Some((person.parse().ok()?, photo.parse().ok()?))
}

fn size(person: usize, photo: usize) -> (u32, u32) {
    match World::kind(person, photo) {
        Kind::Small => (MIN_SIDE * 2, MIN_SIDE - 1),
        _ => (MIN_SIDE, MIN_SIDE * 2),
    }
}

/// A photo's bytes, different for every one.
pub fn file(person: usize, photo: usize) -> Vec<u8> {
    let (width, height) = size(person, photo);
    png(width, height, person * 1000 + photo)
}

pub fn png(width: u32, height: u32, seed: usize) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let noise = (x.wrapping_mul(73) ^ y.wrapping_mul(151)).wrapping_mul(seed as u32 + 17);
        image::Rgb([(noise >> 3) as u8, (noise >> 7) as u8, seed as u8])
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(width, height, pixel).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn encode_1251(text: &str) -> Vec<u8> {
    encoding_rs::WINDOWS_1251.encode(text).0.into_owned()
}
