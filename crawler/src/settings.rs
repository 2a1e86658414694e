//! What to crawl, and what of it.

use std::time::Duration;

use catalog::Catalog;
use catalog::fetch::DuePhoto;
use photo::Digest;
use url::Url;

use crate::address::{Addresses, is_loopback};
use crate::error::CrawlError;
use crate::fetch::{FetchSettings, Fetcher};
use crate::list::ListProfile;
use crate::pace::PaceSettings;
use crate::profile::{Limits, Profile};
use crate::reach::Reach;
use crate::rule::Pattern;
use crate::sniff::{Refusal, SizeLimits, check_size};

/// Tasks beyond this only wait for their host's turn. Each holds a row of the catalog and, while its body comes, a few
/// hundred kilobytes of buffers.
const MOST_AT_ONCE: usize = 256;

/// Raised where the program itself reads pages or judges files in another way than before, so that what was refused or
/// found empty is looked at anew.
const READER: u32 = 2;

/// Where photos come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The pages of a gallery site.
    Site(Box<Profile>),
    /// A list of files, which stands in the catalog already, under this name.
    List(String, ListProfile),
}

impl Source {
    /// The site's name in the catalog.
    pub fn site(&self) -> &str {
        match self {
            Self::Site(profile) => &profile.site,
            Self::List(name, _) => name,
        }
    }

    /// The rules of the pages, where there are pages.
    pub fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Site(profile) => Some(profile),
            Self::List(..) => None,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        match self {
            Self::Site(profile) => &profile.limits,
            Self::List(_, list) => &list.limits,
        }
    }

    fn pace(&self) -> &PaceSettings {
        match self {
            Self::Site(profile) => &profile.pace,
            Self::List(_, list) => &list.pace,
        }
    }

    fn hosts(&self) -> &[String] {
        match self {
            Self::Site(profile) => &profile.hosts,
            Self::List(_, list) => &list.hosts,
        }
    }

    fn allow_private(&self) -> bool {
        match self {
            Self::Site(profile) => profile.allow_private,
            Self::List(_, list) => list.allow_private,
        }
    }

    fn never(&self) -> &[Pattern] {
        match self {
            Self::Site(profile) => &profile.never,
            Self::List(..) => &[],
        }
    }

    fn contact(&self) -> Option<&String> {
        match self {
            Self::Site(profile) => profile.user_agent_contact.as_ref(),
            Self::List(_, list) => list.user_agent_contact.as_ref(),
        }
    }
}

/// What to crawl, and what of it.
#[derive(Clone, Debug)]
pub struct CrawlSettings {
    /// The site or list.
    pub source: Source,
    /// Where requests go instead of the profile's address. Stored addresses stay the profile's.
    pub mirror: Option<Url>,
    /// Where the owner of a site reaches whoever crawls it; instead of the profile's.
    pub contact: Option<String>,
    /// Private networks and this machine may be asked, whoever wrote the address; the profile may say so too.
    pub allow_private: bool,
    /// The smallest width and height in pixels.
    pub min_side: u32,
    /// What was fetched less than this long ago is not asked for again.
    pub fresh_for: Duration,
    /// The time between two requests, instead of the profile's. robots.txt may ask for more.
    pub delay: Option<Duration>,
    /// The most photos per person.
    pub max_photos: Option<usize>,
    /// People of whom the site shows fewer photos are left out.
    pub min_photos: usize,
    /// Slugs or names of the people wanted; empty: all.
    pub identities: Vec<String>,
    /// Reads the listings only, and tells what would be downloaded.
    pub simulate: bool,
}

impl CrawlSettings {
    /// Everything that a profile's site shows, as of today.
    pub fn new(profile: Profile) -> Self {
        Self::of(Source::Site(Box::new(profile)))
    }

    /// Everything that a site shows or a list names, as of today.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            mirror: None,
            contact: None,
            allow_private: false,
            min_side: 0,
            fresh_for: Duration::from_secs(24 * 3600), // as long as RFC 9309 lets robots.txt be kept
            delay: None,
            max_photos: None,
            min_photos: 0,
            identities: Vec::new(),
            simulate: false,
        }
    }

    /// The site's name in the catalog.
    pub fn site(&self) -> &str {
        self.source.site()
    }

    /// Whether a person is among those wanted.
    pub(crate) fn is_wanted(&self, slug: &str, name: &str) -> bool {
        let is_named =
            |text: &String| text.eq_ignore_ascii_case(slug) || text.to_lowercase() == name.to_lowercase();
        self.identities.is_empty() || self.identities.iter().any(is_named)
    }

    /// Whether a crawl can begin: the address is known, and a stranger is told whom to write to. Asks for nothing.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self) -> Result<(), CrawlError> {
        self.fetcher(self.addresses()?, None).map(drop)
    }

    /// Whom a site's owner is told to write to.
    pub(crate) fn contact(&self) -> Option<&String> {
        self.contact.as_ref().or_else(|| self.source.contact())
    }

    /// How many photos and pages may be worked on at once, over all hosts. Every host bounds its own requests.
    pub(crate) fn at_once(&self) -> usize {
        match &self.source {
            Source::Site(profile) => (profile.pace.in_flight * (1 + profile.hosts.len())).min(MOST_AT_ONCE),
            Source::List(..) => MOST_AT_ONCE, // a list may name any number of hosts
        }
    }

    pub(crate) fn addresses(&self) -> Result<Addresses, CrawlError> {
        let hosts = self.source.hosts();
        let Some(profile) = self.source.profile() else { return Ok(Addresses::anywhere(hosts)) };
        let no_base = || CrawlError::NoBaseUrl { site: profile.site.clone() };
        let base = profile.base_url.clone().ok_or_else(no_base)?;
        Ok(Addresses::new(base, self.mirror.clone(), hosts))
    }

    pub(crate) fn fetcher<'a>(
        &self,
        addresses: Addresses,
        catalog: Option<&'a Catalog>,
    ) -> Result<Fetcher<'a>, CrawlError> {
        // A copy on this machine is asked without; should it lead to machines of others, they are not asked.
        let asked = match addresses.wire_base() {
            Some(base) if is_loopback(base) => Vec::new(),
            base => {
                let others =
                    self.source.hosts().iter().filter_map(|host| Url::parse(&format!("http://{host}/")).ok());
                base.cloned().into_iter().chain(others).collect()
            }
        };
        let stranger = asked.into_iter().find(|url| !is_loopback(url));
        if let (None, Some(url)) = (self.contact(), stranger) {
            return Err(CrawlError::NoContact { host: url.host_str().unwrap_or_default().to_owned() });
        }
        let mut pace = self.source.pace().clone();
        if let Some(delay) = self.delay {
            pace.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        }
        let reach = Reach::new(self.allow_private || self.source.allow_private());
        let own = addresses.base().into_iter().chain(addresses.wire_base());
        let reach = own.fold(reach, Reach::and);
        let reach = self.source.hosts().iter().fold(reach, |reach, host| reach.and_host(host));
        let settings = FetchSettings {
            reach,
            addresses,
            never: self.source.never().to_vec(),
            pace,
            limits: self.source.limits().clone(),
            contact: self.contact().cloned(),
            fresh_for: self.fresh_for,
        };
        Fetcher::new(settings, catalog)
    }

    /// Why the size that a gallery or list states of a photo refuses it.
    pub(crate) fn refused_by_hint(&self, photo: &DuePhoto) -> Option<Refusal> {
        self.refused_by_size(photo.hint_width.zip(photo.hint_height))
    }

    /// The same, of a size in pixels.
    pub(crate) fn refused_by_size(&self, hint: Option<(u32, u32)>) -> Option<Refusal> {
        let (width, height) = hint?;
        let (class, detail) = check_size(width.into(), height.into(), self.size_limits()).err()?;
        Some((class, format!("the gallery says {detail}")))
    }

    /// The rules that pages are read by, as a name: other rules may find something else on the same page.
    pub(crate) fn page_rules(&self) -> String {
        let Some(profile) = self.source.profile() else { return format!("{READER} list") };
        let Profile { format, hosts, never, charset, limits, index, gallery, photo, .. } = profile;
        let rules = (format, hosts, never, charset, limits.page_bytes, limits.pages, index, gallery, photo);
        Digest::of(format!("{READER} {rules:?}")).short()
    }

    /// The limits that files are refused by, as a name: others may let the same bytes pass.
    pub(crate) fn file_limits(&self) -> String {
        let SizeLimits { min_side, max_pixels } = self.size_limits();
        let max_bytes = self.source.limits().photo_bytes;
        Digest::of(format!("{READER} {min_side} {max_pixels} {max_bytes}")).short()
    }

    pub(crate) fn size_limits(&self) -> SizeLimits {
        SizeLimits { min_side: self.min_side, max_pixels: self.source.limits().photo_pixels }
    }
}
