//! The people of an index page, each by an address of their own: told apart, or left out. Pure.

use std::collections::HashMap;

use catalog::identity::NewIdentity;
use catalog::spelling::plain;
use photo::FailureClass;
use photo::redact::redacted;
use url::Url;

use crate::address::path_and_query;
use crate::rule::Pattern;
use crate::slug::slug_of;
use crate::sniff::Refusal;

/// No name is longer.
const MAX_NAME_CHARS: usize = 200;

/// Who is on an index page, in its order.
pub(crate) struct People<'r> {
    /// What of an address names the person.
    rule: Option<&'r Pattern>,
    people: Vec<Person>,
    /// Their numbers, by their addresses without what is written in several ways.
    at: HashMap<String, usize>,
}

struct Person {
    url: Url,
    name: Option<String>,
    /// Whether a card links the page as such, so that links to its parts are about the same person.
    is_linked_whole: bool,
    /// Links to parts of the page.
    parts: Vec<Part>,
}

/// A link to a part of a page: what stands behind the `#`, and the card's name.
struct Part {
    fragment: String,
    name: Option<String>,
}

impl<'r> People<'r> {
    pub(crate) fn new(rule: Option<&'r Pattern>) -> Self {
        Self { rule, people: Vec::new(), at: HashMap::new() }
    }

    /// Adds the person of a card that leads to `url`, or to the part of it that `fragment` names. Several cards with
    /// one address are one person, called as the first says, at the first spelling of which the rule finds the name.
    pub(crate) fn add(&mut self, url: Url, fragment: Option<&str>, name: Option<String>) {
        let next = self.people.len();
        let number = *self.at.entry(plain(url.as_str())).or_insert(next);
        if number == next {
            let (name, parts) = (name.clone(), Vec::new());
            self.people.push(Person { url, name, is_linked_whole: false, parts });
        } else if let Some(rule) = self.rule {
            let is_named = |url: &Url| rule.find(&path_and_query(url)).is_some();
            let person = &mut self.people[number];
            if !is_named(&person.url) && is_named(&url) {
                person.url = url;
            }
        }
        let person = &mut self.people[number];
        match fragment {
            Some(fragment) => person.parts.push(Part { fragment: fragment.to_owned(), name }),
            None => person.is_linked_whole = true,
        }
    }

    /// Their identities, and the pages of their galleries; and `no_link` where several people have one page, of which
    /// requests cannot ask for parts. Those are left out.
    pub(crate) fn identities(self) -> (Vec<NewIdentity>, Option<Refusal>) {
        let rule = self.rule;
        let (several, single): (Vec<_>, Vec<_>) = self.people.into_iter().partition(Person::is_several);
        let refused = several.split_first().map(|(first, others)| {
            let more = match others.len() {
                0 => String::new(),
                count => format!("; further such pages: {count}"),
            };
            (FailureClass::NoLink, first.what_to_set() + &more)
        });
        let mut people: Vec<_> = single.into_iter().map(|person| person.identity(rule)).collect();
        if rule.is_none() {
            tell_apart(&mut people);
        }
        (people, refused)
    }
}

impl Person {
    /// Whether cards of different names lead to different parts of the page, and none to the page: a server is never
    /// told which part is meant, so that all of them would be one person with everybody's photos.
    fn is_several(&self) -> bool {
        let Some((first, others)) = self.parts.split_first().filter(|_| !self.is_linked_whole) else {
            return false;
        };
        let has_other_address = |part: &Part| part.fragment != first.fragment || part.fragment.is_empty();
        let has_other_name = |part: &Part| part.name.is_none() || part.name != first.name;
        others.iter().any(|part| has_other_address(part) && has_other_name(part))
    }

    fn what_to_set(&self) -> String {
        let address = redacted(self.url.as_str());
        let parts: Vec<_> =
            self.parts.iter().take(3).map(|part| format!("`{address}#{}`", part.fragment)).collect();
        let more = if self.parts.len() > parts.len() { ", …" } else { "" };
        format!(
            "{} people have one page, {}{more}, and are left out: what stands behind `#` is not sent to a server. In \
             `index.link`, select links to a page of each, or make its address of what is there (`pattern`, \
             `template`); if it is one person, select one link of theirs",
            self.parts.len(),
            parts.join(", ")
        )
    }

    fn identity(self, rule: Option<&Pattern>) -> NewIdentity {
        let path = path_and_query(&self.url);
        let key = match rule {
            Some(pattern) => pattern.find(&path).unwrap_or(&path).to_owned(),
            // `gallery.php?id=1` and `gallery.php?id=2` are two people
            None => self
                .url
                .query()
                .map_or_else(|| last_part(&path).to_owned(), |query| format!("{}?{query}", last_part(&path))),
        };
        let name = self.name.unwrap_or_else(|| key.clone());
        NewIdentity {
            slug: slug_of(&key),
            name: name.chars().take(MAX_NAME_CHARS).collect(),
            page_url: Some(self.url.into()),
            is_slug_certain: rule.is_some(),
        }
    }
}

/// People of one page whose addresses end alike, `/anna/photos/` and `/bea/photos/`, are called by all of the path.
fn tell_apart(people: &mut [NewIdentity]) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for person in &*people {
        *count.entry(person.slug.clone()).or_default() += 1;
    }
    for person in people.iter_mut().filter(|person| count[&person.slug] > 1) {
        let url = person.page_url.as_deref().and_then(|url| Url::parse(url).ok());
        if let Some(url) = url {
            person.slug = slug_of(path_and_query(&url).trim_matches('/'));
        }
    }
}

fn last_part(path: &str) -> &str {
    let last =
        path.split('?').next().unwrap_or(path).trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    last.strip_suffix(".html").unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slugs of people whose cards lead to these addresses, with these names.
    fn slugs(cards: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut people = People::new(None);
        for (link, name) in cards {
            let (link, fragment) =
                link.split_once('#').map_or((*link, None), |(link, part)| (link, Some(part)));
            let url = Url::parse("https://x.example/").unwrap().join(link).unwrap();
            people.add(url, fragment, Some((*name).to_owned()).filter(|name| !name.is_empty()));
        }
        let (identities, refused) = people.identities();
        match refused {
            Some((class, detail)) => {
                assert_eq!((class, identities), (FailureClass::NoLink, Vec::new()));
                Err(detail)
            }
            None => Ok(identities.into_iter().map(|person| person.slug).collect()),
        }
    }

    #[test]
    fn addresses_that_differ_in_the_query_or_an_inner_part_are_different_people() {
        let by_query = slugs(&[("/gallery.php?id=1", "A"), ("/gallery.php?id=2", "B")]).unwrap();
        assert_ne!(by_query[0], by_query[1]);
        assert!(by_query.iter().all(|slug| slug.starts_with("gallery.php-id-")), "{by_query:?}");
        let inner = slugs(&[("/anna/photos/", "A"), ("/bea/photos/", "B")]).unwrap();
        assert!(inner[0].starts_with("anna-photos-") && inner[1].starts_with("bea-photos-"), "{inner:?}");
        assert_eq!(slugs(&[("/anna/", "A"), ("/bea.html", "B")]).unwrap(), ["anna", "bea"]);
    }

    #[test]
    fn an_address_with_and_without_its_last_slash_is_one_person() {
        assert_eq!(slugs(&[("/anna", "Anna"), ("/anna/", "Anna B."), ("/anna?", "")]).unwrap(), ["anna"]);
        assert_eq!(slugs(&[("/?id=1", "Anna"), ("/?id=2", "Bea")]).unwrap().len(), 2);
        assert_eq!(slugs(&[("/anna/?id=1", "Anna"), ("/anna?id=1", "Anna")]).unwrap().len(), 1);
    }

    #[test]
    fn people_who_are_parts_of_one_page_are_refused_with_what_to_set() {
        for cards in [
            [("/models#anna", "Anna"), ("/models#bea", "Bea")],
            [("/models#anna", ""), ("/models#bea", "")],
            [("/models#anna", "Anna"), ("/models/#bea", "Bea")],
            [("/#/anna", "Anna"), ("/#/bea", "Bea")],
            [("/#", "Anna"), ("/#", "Bea")],
        ] {
            let refused = slugs(&cards).unwrap_err();
            let shown = format!("https://x.example{}", cards[0].0);
            for part in ["2 people", &shown, "index.link", "template"] {
                assert!(refused.contains(part), "{part}: {refused}");
            }
        }
    }

    #[test]
    fn people_who_are_parts_of_one_page_take_nobody_else_with_them() {
        let url = |link: &str| Url::parse("https://x.example/").unwrap().join(link).unwrap();
        let mut people = People::new(None);
        for (link, fragment, name) in [
            ("/anna", Some("photos"), "12 photos"),
            ("/anna", Some("bio"), "Biography"),
            ("/bea", None, "Bea"),
            ("/models", Some("cleo"), "Cleo"),
            ("/models", Some("dora"), "Dora"),
        ] {
            people.add(url(link), fragment, Some(name.to_owned()));
        }
        let (identities, refused) = people.identities();
        assert_eq!(identities.iter().map(|person| person.slug.as_str()).collect::<Vec<_>>(), ["bea"]);
        let (_, detail) = refused.unwrap();
        assert!(detail.contains("/anna#bio`, and are left out"), "{detail}");
        assert!(detail.ends_with("further such pages: 1"), "{detail}");
    }

    #[test]
    fn a_person_is_called_by_the_spelling_of_the_address_in_which_the_rule_finds_the_name() {
        let rule = Pattern::try_from("/photos/([^/]+)/".to_owned()).unwrap();
        for links in [["/photos/Ada", "/photos/Ada/"], ["/photos/Ada/", "/photos/Ada"]] {
            let mut people = People::new(Some(&rule));
            for link in links {
                let url = Url::parse("https://x.example/").unwrap().join(link).unwrap();
                people.add(url, None, Some("Ada".to_owned()));
            }
            let (identities, refused) = people.identities();
            assert_eq!((identities.len(), refused), (1, None));
            assert_eq!(identities[0].slug, "Ada");
            assert_eq!(identities[0].page_url.as_deref(), Some("https://x.example/photos/Ada/"));
        }
    }

    #[test]
    fn links_to_parts_of_one_person_s_page_are_that_person() {
        assert_eq!(
            slugs(&[("/anna", "Anna"), ("/anna#comments", "3 comments"), ("/anna#more", "More")]).unwrap(),
            ["anna"]
        );
        assert_eq!(slugs(&[("/anna#photos", "Anna"), ("/anna#videos", "Anna")]).unwrap(), ["anna"]);
        assert_eq!(
            slugs(&[("/anna#top", ""), ("/anna#top", "Anna"), ("/bea#top", "Bea")]).unwrap(),
            ["anna", "bea"]
        );
    }
}
