//! Requests: robots.txt first, then the host's turn, then redirects within the site; pages are read whole.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use catalog::Catalog;
use catalog::robots::RobotsRow;
use photo::FailureClass;
use photo::redact::redacted;
use photo::retry;
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, ClientBuilder, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::address::{self, Addresses};
use crate::document::Document;
use crate::error::{CrawlError, Failure, Stop};
use crate::failure;
use crate::headers::{
    RequestKind, Validators, conditional, is_redirect, location, robots_tags, text, validators_of,
};
use crate::host::{Host, Hosts};
use crate::pace::PaceSettings;
use crate::permission::AGENT;
use crate::profile::Limits;
use crate::reach::{PublicOnly, Reach};
use crate::robots::{self, Robots};
use crate::rule::Pattern;

/// robots.txt is asked for again after this long (RFC 9309, 2.4).
const ROBOTS_AGE: Duration = Duration::from_secs(24 * 3600);

/// A crawl at this pace looks as if it stood still, unless somebody says why.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// What a request needs to know of the site.
#[derive(Debug)]
pub struct FetchSettings {
    /// Where the site is.
    pub addresses: Addresses,
    /// Paths that are never entered, not by a redirect either.
    pub never: Vec<Pattern>,
    /// How fast.
    pub pace: PaceSettings,
    /// How much, how long, how often.
    pub limits: Limits,
    /// A mail address or page of whoever runs the crawl.
    pub contact: Option<String>,
    /// Which machines may be asked.
    pub reach: Reach,
    /// A robots.txt older than this is asked for again; at most a day.
    pub fresh_for: Duration,
}

/// What becomes of a body that is encoded for the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// It is decoded as it comes.
    Decoded,
    /// It comes as it was sent where that is gzip, so that its bytes can be counted and gone on with.
    AsSent,
}

#[derive(Debug)]
struct Clients {
    decoding: Client,
    as_sent: Client,
}

impl Clients {
    fn new(settings: &FetchSettings, resolver: Option<&Arc<PublicOnly>>) -> Result<Self, CrawlError> {
        let version = env!("CARGO_PKG_VERSION");
        let agent = match &settings.contact {
            Some(contact) => format!("{AGENT}/{version} (+{contact})"),
            None => format!("{AGENT}/{version}"),
        };
        let builder = || configure(settings, resolver, &agent);
        Ok(Self {
            decoding: builder().build().map_err(CrawlError::Client)?,
            as_sent: builder().no_gzip().build().map_err(CrawlError::Client)?,
        })
    }
}

fn configure(settings: &FetchSettings, resolver: Option<&Arc<PublicOnly>>, agent: &str) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(agent)
        // Each hop is checked against robots.txt and the site's hosts.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_millis(settings.limits.connect_ms))
        .read_timeout(Duration::from_millis(settings.limits.idle_ms))
        .pool_max_idle_per_host(settings.pace.in_flight);
    match resolver {
        Some(resolver) => builder.dns_resolver(Arc::clone(resolver)),
        None => builder,
    }
}

/// A document, or that it is still the same.
#[derive(Debug)]
pub enum Fetched<T> {
    /// It came.
    New(T, Validators),
    /// The server says that it has not changed (304).
    NotModified,
}

/// Makes requests on behalf of one crawl.
#[derive(Debug)]
pub struct Fetcher<'a> {
    pub(crate) settings: FetchSettings,
    /// For addresses that may be private.
    open: Clients,
    /// For all others.
    public: Clients,
    /// Where robots.txt and pauses are kept between runs.
    catalog: Option<&'a Catalog>,
    hosts: Mutex<Hosts>,
}

/// An answer whose body is still to come. Its host counts it as in flight as long as it lives.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// Where it came from in the end, as stored.
    pub(crate) url: Url,
    /// By when the body must be there.
    pub(crate) deadline: Instant,
    /// What robots.txt says of it.
    pub(crate) allowed_by: String,
    _slot: OwnedSemaphorePermit,
}

impl<'a> Fetcher<'a> {
    /// A client that has asked nothing yet.
    pub fn new(settings: FetchSettings, catalog: Option<&'a Catalog>) -> Result<Self, CrawlError> {
        let open = Clients::new(&settings, None)?;
        let public = Clients::new(&settings, Some(&Arc::new(PublicOnly::new())))?;
        Ok(Self { settings, open, public, catalog, hosts: Mutex::default() })
    }

    /// Reads a page whole.
    pub async fn document(&self, url: &Url, validators: &Validators) -> Result<Fetched<Document>, Stop> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.document_once(url, validators).await {
                Err(stop) => self.before_next_attempt(stop, attempt).await?,
                fetched => return fetched,
            }
        }
    }

    async fn document_once(&self, url: &Url, validators: &Validators) -> Result<Fetched<Document>, Stop> {
        let mut answer = self.send(url, conditional(validators), Coding::Decoded).await?;
        if answer.response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::NotModified);
        }
        let headers = answer.response.headers();
        let content_type = text(headers, header::CONTENT_TYPE);
        let (validators, robots_tags) = (validators_of(headers), robots_tags(headers));
        let body = self.body(&mut answer, self.settings.limits.page_bytes).await;
        let body = body.map_err(|stop| stop.refusing(&validators))?;
        Ok(Fetched::New(Document { url: answer.url, body, content_type, robots_tags }, validators))
    }

    /// Waits before the next attempt, or gives the failure back where there is to be none.
    pub(crate) async fn before_next_attempt(&self, stop: Stop, attempt: u32) -> Result<(), Stop> {
        match stop {
            Stop::Failed(failure)
                if failure.class.is_transient() && attempt < self.settings.limits.attempts =>
            {
                let first = Duration::from_millis(self.settings.limits.backoff_ms);
                sleep(retry::back_off(first, attempt, rand::random())).await;
                Ok(())
            }
            Stop::Failed(failure) => Err(Stop::Failed(Failure { attempts: attempt, ..failure })),
            other => Err(other),
        }
    }

    /// Asks for a document as soon as its host's robots.txt and pace allow it, and follows redirects.
    pub(crate) async fn send(&self, url: &Url, headers: HeaderMap, coding: Coding) -> Result<Answer, Stop> {
        let mut url = url.clone();
        for _ in 0..=self.settings.limits.redirects {
            let wire = self.settings.addresses.to_wire(&url);
            let host = self.host(&wire);
            let decision = self.robots(&host).await?.decide(&address::path_and_query(&wire));
            if !decision.allowed {
                return Err(Stop::Failed(Failure::new(FailureClass::Robots, decision.text)));
            }
            let (response, deadline, slot) = self.ask(&host, &wire, headers.clone(), coding).await?;
            if !is_redirect(response.status()) {
                return Ok(Answer { response, url, deadline, allowed_by: decision.text, _slot: slot });
            }
            url = self.redirected(&url, &response)?;
        }
        let detail = format!("more than {} redirects", self.settings.limits.redirects);
        Err(Stop::Failed(Failure::new(FailureClass::RedirectRefused, detail)))
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, Stop> {
        let location = location(response.headers());
        let target =
            location.as_deref().and_then(|location| self.settings.addresses.redirected(from, location));
        let may_enter = |url: &Url| {
            let path = address::path_and_query(url);
            !self.settings.never.iter().any(|pattern| pattern.matches(&path))
        };
        target.filter(may_enter).ok_or_else(|| {
            let where_to = location.map_or("nowhere".to_owned(), |location| {
                format!("to `{}`, where the profile does not go", redacted(&location))
            });
            let detail = format!("{} leads {where_to}", response.status());
            let mut failure = Failure::new(FailureClass::RedirectRefused, detail);
            failure.http_status = Some(response.status().as_u16());
            Stop::Failed(failure)
        })
    }

    /// One request, no redirect. Statuses that are failures become failures here, and slow the host down.
    async fn ask(
        &self,
        host: &Host,
        wire: &Url,
        headers: HeaderMap,
        coding: Coding,
    ) -> Result<(Response, Instant, OwnedSemaphorePermit), Stop> {
        let client = self.client(wire, coding)?;
        let slot = host.turn().await?;
        let kind = RequestKind::of(&headers);
        let started = Instant::now();
        let deadline = started + Duration::from_millis(self.settings.limits.total_ms);
        let sent = timeout_at(deadline, client.get(wire.clone()).headers(headers).send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let (class, detail) = failure::of_error(&error);
                if class != FailureClass::Private {
                    host.failed(&detail);
                }
                return Err((class, detail).into());
            }
            Err(_) => {
                let detail = format!("no answer within {} ms", self.settings.limits.total_ms);
                host.failed(&detail);
                return Err((FailureClass::Timeout, detail).into());
            }
        };
        let status = response.status();
        let pause = text(response.headers(), header::RETRY_AFTER)
            .and_then(|value| retry::retry_after(&value, SystemTime::now()));
        let Some(class) = failure::of_status(status, pause.is_some()) else {
            host.succeeded(started.elapsed());
            kind.check(status)?;
            return Ok((response, deadline, slot));
        };
        let detail = format!("{status} for {}", redacted(wire.as_str()));
        match class {
            // An answer like any other for the host's health.
            FailureClass::Http4xx => host.succeeded(started.elapsed()),
            FailureClass::Throttled => {
                let default = Duration::from_millis(self.settings.limits.backoff_ms);
                host.pause(pause.unwrap_or(default), self.longest_wait());
                if let (Some(pause), Some(catalog)) = (pause.filter(|pause| !pause.is_zero()), self.catalog) {
                    catalog.record_host_pause(&address::authority(wire), pause).await?;
                }
            }
            _ => host.failed(&detail),
        }
        let mut failure = Failure::new(class, detail);
        failure.http_status = Some(status.as_u16());
        Err(Stop::Failed(failure))
    }

    /// The client that may ask an address, if any may.
    fn client(&self, wire: &Url, coding: Coding) -> Result<&Client, Stop> {
        self.settings.reach.check(wire)?;
        if self.settings.contact.is_none() && !address::is_loopback(wire) {
            // A copy on this machine may still lead to machines of others.
            let host = wire.host_str().unwrap_or_default().to_owned();
            return Err(Stop::HostLeft(CrawlError::NoContact { host }.to_string()));
        }
        let clients = if self.settings.reach.is_open(wire) { &self.open } else { &self.public };
        Ok(match coding {
            Coding::Decoded => &clients.decoding,
            Coding::AsSent => &clients.as_sent,
        })
    }

    fn longest_wait(&self) -> Duration {
        Duration::from_secs(self.settings.limits.wait_s)
    }

    /// The next piece of a body; `None` at its end.
    pub(crate) async fn piece(&self, answer: &mut Answer) -> Result<Option<impl AsRef<[u8]> + use<>>, Stop> {
        match timeout_at(answer.deadline, answer.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(failure::of_error(&error).into()),
            Err(_) => {
                let detail = format!("the body was not complete within {} ms", self.settings.limits.total_ms);
                Err((FailureClass::Timeout, detail).into())
            }
        }
    }

    async fn body(&self, answer: &mut Answer, max_bytes: u64) -> Result<Vec<u8>, Stop> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(answer).await? {
            body.extend_from_slice(piece.as_ref());
            if body.len() as u64 > max_bytes {
                let detail = format!("the page has more than {max_bytes} bytes");
                return Err((FailureClass::TooLarge, detail).into());
            }
        }
        Ok(body)
    }

    /// Notes that a photo at this stored address, which was had before, was turned away.
    pub(crate) fn turned_away(&self, stored: &str, class: FailureClass) {
        if let Ok(url) = Url::parse(stored) {
            self.host(&self.settings.addresses.to_wire(&url)).turned_away(class);
        }
    }

    /// Notes that one could be had.
    pub(crate) fn let_in(&self, stored: &str) {
        if let Ok(url) = Url::parse(stored) {
            self.host(&self.settings.addresses.to_wire(&url)).let_in();
        }
    }

    fn host(&self, wire: &Url) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.at(wire, &self.settings.pace)
    }

    /// The host's rules, asked for once a day.
    async fn robots(&self, host: &Host) -> Result<Arc<Robots>, Stop> {
        let mut known = host.robots.lock().await;
        match &*known {
            Some(Ok((robots, asked_at))) if asked_at.elapsed() < ROBOTS_AGE => return Ok(Arc::clone(robots)),
            Some(Err(failure)) => return Err(Stop::Failed(failure.clone())),
            _ => {}
        }
        let robots = match self.load_robots(host).await {
            Err(Stop::Failed(failure)) => {
                *known = Some(Err(failure.clone()));
                return Err(Stop::Failed(failure));
            }
            robots => Arc::new(robots?),
        };
        let delay = robots.crawl_delay.unwrap_or_default();
        let longest = self.longest_wait();
        if delay > longest {
            host.leave(&format!(
                "its robots.txt asks for {} s between requests, more than `limits.wait_s` = {}",
                delay.as_secs(),
                longest.as_secs()
            ));
        } else if delay >= WORTH_TELLING {
            tracing::warn!(
                host = host.origin,
                seconds = delay.as_secs(),
                "its robots.txt asks for so long between requests"
            );
        }
        host.set_crawl_delay(delay);
        *known = Some(Ok((Arc::clone(&robots), Instant::now())));
        Ok(robots)
    }

    async fn load_robots(&self, host: &Host) -> Result<Robots, Stop> {
        let stored = match self.catalog {
            Some(catalog) => {
                // It asked an earlier process for it.
                if let Some(left) = catalog.host_pause(&host.authority).await? {
                    host.pause(left, self.longest_wait());
                }
                catalog.robots(&host.origin).await?
            }
            None => None,
        };
        if let Some(row) = &stored
            && age(row.fetched_at) < self.settings.fresh_for.min(ROBOTS_AGE)
        {
            return Ok(read_robots(row));
        }
        let mut attempt = 0;
        let row = loop {
            attempt += 1;
            match self.robots_once(host, stored.as_ref()).await {
                Ok(row) => break row,
                Err(stop) => match self.before_next_attempt(stop, attempt).await {
                    Ok(()) => {}
                    // 4xx: there are no rules (RFC 9309, 2.3.1.3).
                    Err(Stop::Failed(Failure {
                        class: FailureClass::Http4xx,
                        http_status: Some(status),
                        ..
                    })) => {
                        break RobotsRow { status, ..RobotsRow::default() };
                    }
                    Err(Stop::Failed(failure)) if failure.class.is_unreached() => {
                        return Err(Stop::Failed(failure)); // what is asked of the host fails like its robots.txt
                    }
                    // Unreachable: nothing may be asked (2.3.1.4), so that everything stays due.
                    Err(Stop::Failed(failure)) => {
                        host.leave(&format!("robots.txt cannot be had ({})", failure.detail));
                        return host.turn().await.and_then(|_| Err(Stop::Failed(failure)));
                    }
                    Err(other) => return Err(other),
                },
            }
        };
        if let Some(catalog) = self.catalog {
            catalog.record_robots(&host.origin, &row).await?;
        }
        Ok(read_robots(&row))
    }

    async fn robots_once(&self, host: &Host, stored: Option<&RobotsRow>) -> Result<RobotsRow, Stop> {
        let old = stored.filter(|row| row.status == 200);
        let validators =
            old.map(|row| Validators { etag: row.etag.clone(), last_modified: row.last_modified.clone() });
        let refused = |detail: String| Stop::Failed(Failure::new(FailureClass::RedirectRefused, detail));
        let mut url =
            Url::parse(&format!("{}/robots.txt", host.origin)).map_err(|error| refused(error.to_string()))?;
        for _ in 0..=self.settings.limits.redirects {
            let headers = conditional(&validators.clone().unwrap_or_default());
            let (response, deadline, slot) = self.ask(host, &url, headers, Coding::Decoded).await?;
            let (status, headers) = (response.status(), response.headers());
            if let (StatusCode::NOT_MODIFIED, Some(old)) = (status, old) {
                return Ok(old.clone());
            }
            if is_redirect(status) {
                // Rules may be kept elsewhere (RFC 9309, 2.3.1.2).
                let location = location(headers).unwrap_or_default();
                url = url.join(&location).map_err(|error| refused(format!("`{location}`: {error}")))?;
                self.settings.reach.check(&url).map_err(|(_, detail)| refused(detail))?;
                continue;
            }
            let Validators { etag, last_modified } = validators_of(headers);
            let mut answer = Answer { response, url, deadline, allowed_by: String::new(), _slot: slot };
            let mut body = Vec::new();
            while let Some(piece) = self.piece(&mut answer).await? {
                body.extend_from_slice(piece.as_ref());
                if body.len() as u64 > robots::MAX_BYTES {
                    break; // what follows is ignored (2.5)
                }
            }
            let body = String::from_utf8_lossy(&robots::whole_lines(body)).into_owned();
            return Ok(RobotsRow { status: status.as_u16(), body, etag, last_modified, fetched_at: 0 });
        }
        Err(refused("robots.txt redirects in circles".into()))
    }
}

fn read_robots(row: &RobotsRow) -> Robots {
    match row.status {
        200..=299 => Robots::parse(&row.body, AGENT),
        status => Robots::absent(format!("robots.txt: status {status}, so there are no rules")),
    }
}

fn age(unix_ms: i64) -> Duration {
    let then = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    SystemTime::now().duration_since(then).unwrap_or(Duration::ZERO)
}
