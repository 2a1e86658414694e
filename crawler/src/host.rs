//! The hosts of a crawl: their pace, their bound on requests in flight, their robots.txt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use photo::FailureClass;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::address;
use crate::error::{Failure, Stop};
use crate::pace::{Pace, PaceSettings, Turn};
use crate::robots::Robots;

/// The rules and when they were asked for, or why the host cannot be reached.
pub(crate) type KnownRobots = Result<(Arc<Robots>, Instant), Failure>;

/// The hosts that were met.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    by_origin: HashMap<String, Arc<Host>>,
    pacings: HashMap<String, Arc<Pacing>>,
}

impl Hosts {
    /// The host of an address, the same for the same origin.
    pub(crate) fn at(&mut self, wire: &Url, settings: &PaceSettings) -> Arc<Host> {
        let Self { by_origin, pacings } = self;
        let origin = address::origin(wire);
        let new = || {
            let pacing = pacings.entry(address::authority(wire));
            let pacing = Arc::clone(pacing.or_insert_with(|| Arc::new(Pacing::new(settings))));
            Arc::new(Host::new(origin.clone(), address::authority(wire), pacing))
        };
        Arc::clone(by_origin.entry(origin.clone()).or_insert_with(new))
    }
}

/// What is shared by all requests to one origin.
#[derive(Debug)]
pub(crate) struct Host {
    /// `scheme://host:port`.
    pub(crate) origin: String,
    /// `host:port`, what has a pace of its own.
    pub(crate) authority: String,
    /// Locked while they are asked for.
    pub(crate) robots: tokio::sync::Mutex<Option<KnownRobots>>,
    pacing: Arc<Pacing>,
}

/// What is shared by all requests to one machine: it answers http and https with the same processors.
#[derive(Debug)]
struct Pacing {
    slots: Arc<Semaphore>,
    pace: Mutex<Pace>,
    /// What the rules of each origin ask for; the longest counts.
    crawl_delays: Mutex<HashMap<String, Duration>>,
    epoch: Instant,
    left_because: Mutex<Option<String>>,
    /// How the last known photos failed, and how many in a row did so alike.
    turned_away: Mutex<Option<(FailureClass, u32)>>,
}

/// So many photos in a row that were had before and now fail alike are a wall before the host, not bad photos.
const TURNED_AWAY_IN_A_ROW: u32 = 5;

impl Pacing {
    fn new(settings: &PaceSettings) -> Self {
        Self {
            // The profile's bound on requests in flight: four unless it says otherwise.
            slots: Arc::new(Semaphore::new(settings.in_flight)),
            pace: Mutex::new(Pace::new(settings.clone())),
            crawl_delays: Mutex::default(),
            epoch: Instant::now(),
            left_because: Mutex::default(),
            turned_away: Mutex::default(),
        }
    }
}

impl Host {
    fn new(origin: String, authority: String, pacing: Arc<Pacing>) -> Self {
        Self { origin, authority, robots: tokio::sync::Mutex::default(), pacing }
    }

    /// Waits until a request may start. The request is in flight as long as the permit lives.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Stop> {
        let closed = |_| Stop::HostLeft(format!("{} is closed", self.origin));
        let permit = Arc::clone(&self.pacing.slots).acquire_owned().await.map_err(closed)?;
        loop {
            let turn = self.with_pace(Pace::turn);
            match turn {
                Turn::Go => return Ok(permit),
                Turn::NotBefore(at) => sleep_until(self.pacing.epoch + at).await,
                Turn::Never => return Err(Stop::HostLeft(self.why_left())),
            }
        }
    }

    pub(crate) fn set_crawl_delay(&self, delay: Duration) {
        let mut delays = self.pacing.crawl_delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.insert(self.origin.clone(), delay);
        let longest = delays.values().max().copied().unwrap_or_default();
        self.with_pace(|pace, _| pace.set_crawl_delay(longest));
    }

    pub(crate) fn succeeded(&self, latency: Duration) {
        self.with_pace(|pace, _| pace.succeeded(latency));
    }

    pub(crate) fn failed(&self, detail: &str) {
        self.with_pace(Pace::failed);
        *self.pacing.left_because.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail.to_owned());
    }

    /// Leaves the host alone for as long as it asks, or for this run where that is longer than `longest`.
    pub(crate) fn pause(&self, pause: Duration, longest: Duration) {
        if pause <= longest {
            self.with_pace(|pace, now| pace.pause(now, pause));
        } else {
            self.leave(&format!("it asks for a pause of {} s", pause.as_secs()));
        }
    }

    /// A photo that was had before failed with `class`, which says nothing of the photo itself. After some in a row the
    /// host is left: what it has stays as it was.
    pub(crate) fn turned_away(&self, class: FailureClass) {
        let mut row = self.pacing.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        let count = row.filter(|(before, _)| *before == class).map_or(0, |(_, count)| count) + 1;
        *row = Some((class, count));
        if count >= TURNED_AWAY_IN_A_ROW {
            self.leave(&format!(
                "it is blocked: {count} photos in a row that were had before fail alike ({class})"
            ));
        }
    }

    /// A photo could be had, or is the same.
    pub(crate) fn let_in(&self) {
        *self.pacing.turned_away.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn leave(&self, why: &str) {
        self.with_pace(|pace, _| pace.give_up());
        *self.pacing.left_because.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    fn why_left(&self) -> String {
        let why = self.pacing.left_because.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} is left for another run: {}",
            self.origin,
            why.as_deref().unwrap_or("it failed too often")
        )
    }

    fn with_pace<T>(&self, change: impl FnOnce(&mut Pace, Duration) -> T) -> T {
        let mut pace = self.pacing.pace.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut pace, self.pacing.epoch.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_has_one_pace_whatever_the_scheme() {
        let mut hosts = Hosts::default();
        let mut at = |text: &str| hosts.at(&Url::parse(text).unwrap(), &PaceSettings::default());
        let (plain, secure) = (at("http://a.example/x"), at("https://a.example/y"));
        assert_ne!(plain.origin, secure.origin, "each has a robots.txt of its own");
        assert!(Arc::ptr_eq(&plain.pacing, &secure.pacing));
        assert!(Arc::ptr_eq(&plain, &at("http://a.example/z")));
        assert!(!Arc::ptr_eq(&plain.pacing, &at("http://a.example:81/").pacing));
    }
}
