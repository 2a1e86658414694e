//! The site's pages as HTML. Pure.

use std::fmt::Write as _;

use super::{Gallery, PER_PAGE, PREVIEW_SUFFIX, Place, THUMBNAIL_SUFFIX};

/// The pages of the meta-galleries show what the others do, so that a crawler has no business there.
pub(super) const ROBOTS: &str =
    "User-agent: *\nDisallow: /photos/top\nDisallow: /photos/random\nAllow: /\nCrawl-delay: 0\n";

const STYLE: &str = include_str!("style.css");

/// The start page.
pub(super) fn home(gallery: &Gallery) -> String {
    let people = gallery.collection().identities.len();
    let photos: usize = gallery.collection().identities.iter().map(|identity| identity.photos.len()).sum();
    let body = format!(
        "<p class=lead>{people} people who do not exist, {photos} photos of them. Drawn by a program, for a program \
         that collects photos.</p>"
    );
    page(gallery, "Photos", &body)
}

/// The people of a letter.
pub(super) fn letter(gallery: &Gallery, letter: char) -> String {
    let begins = |name: &str| name.chars().next().is_some_and(|first| first.to_ascii_uppercase() == letter);
    let identities = gallery.collection().identities.iter().enumerate();
    let cards =
        identities.filter(|(_, person)| begins(&person.name)).map(|(identity, _)| card(gallery, identity));
    let body = format!("<div class=\"models\">{}</div>", cards.collect::<String>());
    page(gallery, &format!("Photos: {letter}"), &body)
}

/// Everybody's first photos, which stand in their galleries too.
pub(super) fn top(gallery: &Gallery) -> String {
    let identities = 0..gallery.collection().identities.len();
    let cards: String = identities.map(|identity| pic(gallery, Place { identity, photo: 0 })).collect();
    page(gallery, "Top photos", &format!("<div class=\"pics\">{cards}</div>"))
}

/// A page of a person's photos, from 1.
pub(super) fn person(gallery: &Gallery, identity: usize, page_number: usize) -> String {
    let first = (page_number - 1) * PER_PAGE;
    let photos = first..(first + PER_PAGE).min(gallery.photos(identity).len());
    let cards: String = photos.map(|photo| pic(gallery, Place { identity, photo })).collect();
    let name = &gallery.collection().identities[identity].name;
    let body = format!("<div class=\"pics\">{cards}</div>{}", pagination(gallery, identity, page_number));
    page(gallery, &format!("{name} photos"), &body)
}

/// One photo, with a link to the file.
pub(super) fn photo(gallery: &Gallery, place: Place) -> String {
    let file = escape(&gallery.file_path(place));
    let photo = gallery.photo(place);
    let name = &gallery.collection().identities[place.identity].name;
    let caption = escape(gallery.caption(place));
    let body = format!(
        "<div class=\"big-photo-wrapper\"><a href=\"{file}\"><img src=\"/cache{file}{PREVIEW_SUFFIX}\" \
         alt=\"{caption}\"></a>\
         </div><p class=lead>{caption}</p><p class=note>{} × {} px · <a href=\"{}\">all photos of {}</a></p>",
        photo.width,
        photo.height,
        gallery.person_path(place.identity, 1),
        escape(name),
    );
    page(gallery, &format!("{name}, photo {}", place.photo + 1), &body)
}

fn card(gallery: &Gallery, identity: usize) -> String {
    let person = &gallery.collection().identities[identity];
    let cover = escape(&gallery.file_path(Place { identity, photo: 0 }));
    format!(
        "<div class=\"model-card\"><img src=\"/cache{cover}{THUMBNAIL_SUFFIX}\" alt=\"\" loading=\"lazy\">\
         <div class=\"model-card__body\"><a class=\"model-card__body__title\" href=\"{}\">{}</a>\
         <div class=\"model-card__body__data\"><span>{} photos</span></div></div></div>",
        gallery.person_path(identity, 1),
        escape(&person.name),
        person.photos.len(),
    )
}

fn pic(gallery: &Gallery, place: Place) -> String {
    let photo = gallery.photo(place);
    format!(
        "<div class=\"pic-card\"><a class=\"link\" href=\"{}\"><img src=\"/cache{}{THUMBNAIL_SUFFIX}\" alt=\"{}\" \
         loading=\"lazy\"></a><span class=\"size-wr\">{}x{}</span></div>",
        gallery.photo_path(place),
        escape(&gallery.file_path(place)),
        escape(gallery.caption(place)),
        photo.width,
        photo.height,
    )
}

fn pagination(gallery: &Gallery, identity: usize, current: usize) -> String {
    let mut links = String::new();
    for number in 1..=gallery.page_count(identity) {
        let class = if number == current { "page-link current" } else { "page-link" };
        let path = gallery.person_path(identity, number);
        // Writing to a text cannot fail.
        let _ = write!(links, "<a class=\"{class}\" href=\"{path}\">{number}</a>");
    }
    format!("<nav aria-label=\"Photo pagination\">{links}</nav>")
}

fn page(gallery: &Gallery, title: &str, body: &str) -> String {
    let letter = |letter: &char| format!("<a class=\"letter-item\" href=\"/photos/{letter}\">{letter}</a>");
    let letters: String = gallery.letters().iter().map(letter).collect();
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <header><a class=\"brand\" href=\"/photos\">bolid demo gallery</a><div class=\"box_photo_letters\">{letters}\
         <a class=\"letter-item\" href=\"/photos/top\">top</a></div>\
         <a class=\"meta\" href=\"/photos/random\">random</a></header>\
         <main><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;")
}
