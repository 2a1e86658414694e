//! Addresses: the catalog names everything under the site's own address, whichever mirror is asked. Pure.

use encoding_rs::{Encoding, UTF_8};
use url::{Host, ParseError, Url};

/// The site's address, and where requests really go.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `None`: a list of files anywhere.
    base: Option<Url>,
    mirror: Option<Url>,
    hosts: Vec<String>,
}

impl Addresses {
    /// A site. `hosts` are further hosts that files may lie on.
    pub fn new(base: Url, mirror: Option<Url>, hosts: &[String]) -> Self {
        Self { base: Some(base), mirror, ..Self::anywhere(hosts) }
    }

    /// Files anywhere, which may redirect within their own host and to `hosts`.
    pub fn anywhere(hosts: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { base: None, mirror: None, hosts }
    }

    /// The site's own address.
    pub fn base(&self) -> Option<&Url> {
        self.base.as_ref()
    }

    /// Where the site's own requests go.
    pub fn wire_base(&self) -> Option<&Url> {
        self.mirror.as_ref().or(self.base.as_ref())
    }

    /// The address to ask for, given the one to store.
    pub fn to_wire(&self, canonical: &Url) -> Url {
        let at_mirror = self.base.as_ref().zip(self.mirror.as_ref());
        let at_mirror = at_mirror.and_then(|(base, mirror)| {
            // A site links itself by http and https; the mirror stands for both.
            let mut own = canonical.clone();
            if own.host_str() == base.host_str() && own.port().is_none() && base.port().is_none() {
                own.set_scheme(base.scheme()).ok()?;
            }
            moved(&own, base, mirror)
        });
        at_mirror.unwrap_or_else(|| canonical.clone())
    }

    /// The address to store, given a link as it stands on `page` (stored form): without fragment, on the
    /// site itself or one of its other hosts. `None` for links elsewhere.
    pub fn canonical(&self, page: &Url, link: &str) -> Option<Url> {
        self.canonical_in(page, link, UTF_8)
    }

    /// The same of a link on a page in `encoding`: the query goes out in it, as browsers send it and as the site, which
    /// wrote it, reads it (URL Standard, "query state"). Paths are in UTF-8 everywhere.
    pub fn canonical_in(&self, page: &Url, link: &str, encoding: &'static Encoding) -> Option<Url> {
        let mut url = self.own(page, link, encoding)?;
        self.secure(&mut url);
        Some(url)
    }

    /// The same of a redirect's target, by the scheme that the server says: one that leads from https to http and was led
    /// back would go in a circle.
    pub fn redirected(&self, from: &Url, location: &str) -> Option<Url> {
        self.own(from, location, UTF_8)
    }

    fn own(&self, page: &Url, link: &str, encoding: &'static Encoding) -> Option<Url> {
        let mut url = self.resolved(page, link.trim(), encoding)?;
        url.set_fragment(None);
        let is_web = matches!(url.scheme(), "http" | "https");
        (is_web && self.is_own(&url, page)).then_some(url)
    }

    /// Where a link leads, in stored form. It is resolved against the address that was really asked: a mirror writes
    /// `//its-host/…` under a scheme of its own. `/…` means the site's root where the mirror is a folder of its host,
    /// as in copies whose links nobody rewrote.
    fn resolved(&self, page: &Url, link: &str, encoding: &'static Encoding) -> Option<Url> {
        if let Some((base, mirror)) = self.base.as_ref().zip(self.mirror.as_ref())
            && let Ok(wire) = join(&self.to_wire(page), link, encoding)
            && let Some(own) = moved(&wire, mirror, base)
        {
            return Some(own);
        }
        join(page, link, encoding).ok()
    }

    /// A site that is named by https links itself by http as well, in old pages above all: one document, one address.
    /// The other way round nothing is changed: it would be asked for in the clear.
    fn secure(&self, url: &mut Url) {
        let Some(base) = self.base.as_ref().filter(|base| base.scheme() == "https") else { return };
        let is_same = base.host_str() == url.host_str() && base.port().is_none() && url.port().is_none();
        if is_same && url.scheme() == "http" {
            // From http to https nothing can go wrong.
            let _ = url.set_scheme("https");
        }
    }

    fn is_own(&self, url: &Url, page: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let home = self.base.as_ref().unwrap_or(page);
        let same_host = home.host_str() == Some(host) && home.port() == url.port();
        same_host || self.hosts.iter().any(|own| own == host || *own == authority(url))
    }
}

/// `host:port`, with the port only where it is not the scheme's own.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `scheme://host:port`: what has a pace and a robots.txt of its own.
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Path and query, the part that robots.txt and profiles speak of.
pub fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// Whether the address is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Joins a link whose query is in `encoding`; characters that it lacks become `&#…;`.
fn join(page: &Url, link: &str, encoding: &'static Encoding) -> Result<Url, ParseError> {
    let options = Url::options().base_url(Some(page));
    options.encoding_override(Some(&|query| encoding.encode(query).0)).parse(link)
}

/// The same document under another base.
fn moved(url: &Url, from: &Url, to: &Url) -> Option<Url> {
    if url.origin() != from.origin() {
        return None;
    }
    let rest = url.path().strip_prefix(from.path().trim_end_matches('/'))?;
    let mut target = to.clone();
    target.set_path(&format!("{}{rest}", to.path().trim_end_matches('/')));
    target.set_query(url.query());
    Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn addresses() -> Addresses {
        let mirror = Some(url("http://127.0.0.1:4321/copy/"));
        Addresses::new(url("https://site.example/"), mirror, &["cdn.example".into()])
    }

    #[test]
    fn a_site_of_https_has_one_address_for_a_link_by_either_scheme() {
        let page = url("https://site.example/a/");
        for base in [None, Some(url("http://127.0.0.1:4321/"))] {
            let addresses = Addresses::new(url("https://site.example/"), base, &["cdn.example".into()]);
            let stored = |link: &str| addresses.canonical(&page, link).map(String::from);
            for link in ["http://site.example/b?c=1", "https://site.example/b?c=1", "//site.example/b?c=1"] {
                assert_eq!(stored(link).as_deref(), Some("https://site.example/b?c=1"), "{link}");
            }
            let redirect = addresses.redirected(&page, "http://site.example/b").map(String::from);
            assert_eq!(redirect.as_deref(), Some("http://site.example/b"), "as the server says");
            assert_eq!(
                stored("http://cdn.example/b").as_deref(),
                Some("http://cdn.example/b"),
                "not the site"
            );
            assert_eq!(stored("http://site.example:8080/b"), None, "another server");
        }
        let plain = Addresses::new(url("http://site.example/"), None, &[]);
        let stored = plain.canonical(&url("http://site.example/"), "https://site.example/b");
        assert_eq!(stored.map(String::from).as_deref(), Some("https://site.example/b"));
    }

    #[test]
    fn stored_addresses_are_the_same_whatever_mirror_is_asked() {
        let addresses = addresses();
        let page = url("https://site.example/photos/a/");
        for link in
            ["pic-1.html#top", "/photos/a/pic-1.html", "http://127.0.0.1:4321/copy/photos/a/pic-1.html"]
        {
            let stored = addresses.canonical(&page, link).unwrap();
            assert_eq!(stored.as_str(), "https://site.example/photos/a/pic-1.html");
            assert_eq!(addresses.to_wire(&stored).as_str(), "http://127.0.0.1:4321/copy/photos/a/pic-1.html");
        }
    }

    #[test]
    fn a_mirror_s_own_links_and_those_of_the_other_scheme_stay_on_the_mirror() {
        let addresses = addresses();
        let page = url("https://site.example/photos/a/");
        let stored = addresses.canonical(&page, "//127.0.0.1:4321/copy/b.html").unwrap();
        assert_eq!(stored.as_str(), "https://site.example/b.html");
        let plain = addresses.canonical(&page, "http://site.example/c.html").unwrap();
        assert_eq!(addresses.to_wire(&plain).as_str(), "http://127.0.0.1:4321/copy/c.html");
        let without = Addresses::new(url("https://site.example/"), None, &[]);
        assert_eq!(without.to_wire(&plain), plain, "without a mirror, it is what is stored");
    }

    #[test]
    fn a_query_goes_out_in_the_charset_of_its_page() {
        let page = url("https://site.example/");
        let link = |encoding| addresses().canonical_in(&page, "/поиск?q=Анна", encoding).unwrap().to_string();
        assert!(link(encoding_rs::WINDOWS_1251).ends_with("/%D0%BF%D0%BE%D0%B8%D1%81%D0%BA?q=%C0%ED%ED%E0"));
        assert!(link(UTF_8).ends_with("?q=%D0%90%D0%BD%D0%BD%D0%B0"));
    }

    #[test]
    fn links_elsewhere_are_left_and_named_hosts_are_followed() {
        let addresses = addresses();
        let page = url("https://site.example/");
        for link in [
            "https://other.example/x",
            "mailto:a@b",
            "javascript:void(0)",
            "https://site.example:81/",
            "data:,x",
        ] {
            assert_eq!(addresses.canonical(&page, link), None, "{link}");
        }
        let file = addresses.canonical(&page, "//CDN.example/x.jpg?v=2").unwrap();
        assert_eq!(addresses.to_wire(&file).as_str(), "https://cdn.example/x.jpg?v=2");
    }

    #[test]
    fn a_file_of_a_list_may_redirect_within_its_host_only() {
        let list = Addresses::anywhere(&["cdn.example".into()]);
        let file = url("http://a.example/1.jpg");
        for target in ["/2.jpg", "https://a.example/1.jpg", "https://cdn.example/1.jpg"] {
            assert!(list.redirected(&file, target).is_some(), "{target}");
        }
        for target in ["https://b.example/1.jpg", "http://a.example:81/", "file:///etc/passwd"] {
            assert_eq!(list.redirected(&file, target), None, "{target}");
        }
    }

    #[test]
    fn dots_in_a_link_do_not_climb_out_of_the_site() {
        let page = url("https://site.example/photos/");
        let stored = addresses().canonical(&page, "../../../../etc/passwd").unwrap();
        assert_eq!(stored.as_str(), "https://site.example/etc/passwd");
    }
}
