//! When the next request to a host may start: a token bucket, robots' Crawl-delay, Retry-After, latency, a circuit
//! breaker. Pure: time is a duration since any fixed moment, and is passed in.

use std::time::Duration;

use serde::Deserialize;

/// How fast a host is asked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaceSettings {
    /// The time between the starts of two requests, in milliseconds. One page a second is what people do.
    pub delay_ms: u64,
    /// How many requests may start without that delay after a time of rest.
    pub burst: u32,
    /// How many requests may be under way at once. Browsers open six; four leaves room for the site's visitors.
    pub in_flight: usize,
    /// After this many failures in a row the host is left alone for a while.
    pub trip_after: u32,
    /// For how long, in milliseconds; it doubles each time.
    pub trip_ms: u64,
    /// After this many such rests in a row the host is left for another run.
    pub trips: u32,
}

impl Default for PaceSettings {
    fn default() -> Self {
        Self { delay_ms: 1000, burst: 1, in_flight: 4, trip_after: 8, trip_ms: 30_000, trips: 3 }
    }
}

/// The slowest pace that latency alone may bring about.
const SLOWEST: Duration = Duration::from_secs(60);

/// Whether a request may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now. The request counts as started.
    Go,
    /// Not before this moment; then ask again.
    NotBefore(Duration),
    /// Not in this run: the host has failed too often.
    Never,
}

/// The pace of one host.
#[derive(Clone, Debug)]
pub struct Pace {
    settings: PaceSettings,
    crawl_delay: Duration,
    /// Follows the host's latency, and errors; only ever slows down.
    adapted: Duration,
    /// When the bucket is full again (the generic cell rate algorithm's theoretical arrival time).
    full_at: Duration,
    paused_until: Duration,
    failures_in_a_row: u32,
    trips_in_a_row: u32,
    /// For good: no answer that was still under way brings the host back.
    given_up: bool,
}

impl Pace {
    /// A host that was never asked.
    pub fn new(settings: PaceSettings) -> Self {
        Self {
            settings,
            crawl_delay: Duration::ZERO,
            adapted: Duration::ZERO,
            full_at: Duration::ZERO,
            paused_until: Duration::ZERO,
            failures_in_a_row: 0,
            trips_in_a_row: 0,
            given_up: false,
        }
    }

    /// Sets robots' Crawl-delay, which nothing undercuts.
    pub fn set_crawl_delay(&mut self, delay: Duration) {
        self.crawl_delay = delay;
    }

    /// The time between the starts of two requests.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.settings.delay_ms).max(self.crawl_delay).max(self.adapted)
    }

    /// Asks to start a request.
    pub fn turn(&mut self, now: Duration) -> Turn {
        if self.given_up || self.trips_in_a_row > self.settings.trips {
            return Turn::Never;
        }
        if now < self.paused_until {
            return Turn::NotBefore(self.paused_until);
        }
        let interval = self.interval();
        // Crawl-delay is a time between any two requests, so it allows no burst.
        let burst = if self.crawl_delay.is_zero() { self.settings.burst.max(1) } else { 1 };
        let earliest = self.full_at.saturating_sub(interval * (burst - 1));
        if now < earliest {
            return Turn::NotBefore(earliest);
        }
        self.full_at = self.full_at.max(now) + interval;
        Turn::Go
    }

    /// An answer came: the pace moves half-way to what the host's latency bears.
    pub fn succeeded(&mut self, latency: Duration) {
        let target = latency / u32::try_from(self.settings.in_flight).unwrap_or(u32::MAX).max(1);
        self.adapted = ((self.adapted + target) / 2).min(SLOWEST);
        self.failures_in_a_row = 0;
        self.trips_in_a_row = 0;
    }

    /// No answer, or a server error, came: the pace halves, and after too many in a row the host gets a rest.
    pub fn failed(&mut self, now: Duration) {
        self.adapted = (self.interval() * 2).min(SLOWEST).max(self.adapted);
        if now < self.paused_until {
            return; // requests that were under way when the breaker tripped
        }
        self.failures_in_a_row += 1;
        if self.failures_in_a_row >= self.settings.trip_after {
            let rest = Duration::from_millis(self.settings.trip_ms) * 2_u32.pow(self.trips_in_a_row.min(16));
            self.paused_until = now + rest;
            self.trips_in_a_row += 1;
            self.failures_in_a_row = self.settings.trip_after.saturating_sub(1); // one more trips it again
        }
    }

    /// The host asks for a pause (`Retry-After`): nothing starts before it ends.
    pub fn pause(&mut self, now: Duration, pause: Duration) {
        self.paused_until = self.paused_until.max(now + pause);
        self.adapted = (self.interval() * 2).min(SLOWEST).max(self.adapted);
    }

    /// Leaves the host for another run.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(delay_ms: u64, burst: u32) -> Pace {
        Pace::new(PaceSettings { delay_ms, burst, ..PaceSettings::default() })
    }

    /// The starts of `count` requests that are asked for at once.
    fn starts(pace: &mut Pace, mut now: Duration, count: usize) -> Vec<Duration> {
        let mut starts = Vec::new();
        while starts.len() < count {
            match pace.turn(now) {
                Turn::Go => starts.push(now),
                Turn::NotBefore(at) => {
                    assert!(at > now);
                    now = at;
                }
                Turn::Never => break,
            }
        }
        starts
    }

    #[test]
    fn requests_start_one_delay_apart_and_a_rest_saves_up_no_more_than_the_burst() {
        assert_eq!(
            starts(&mut pace(100, 1), Duration::ZERO, 4),
            [Duration::ZERO, 100 * MS, 200 * MS, 300 * MS]
        );
        let mut bursty = pace(100, 3);
        assert_eq!(
            starts(&mut bursty, Duration::ZERO, 5),
            [Duration::ZERO, Duration::ZERO, Duration::ZERO, 100 * MS, 200 * MS]
        );
        let later = Duration::from_secs(1000);
        assert_eq!(starts(&mut bursty, later, 4), [later, later, later, later + 100 * MS]);
    }

    #[test]
    fn crawl_delay_is_never_undercut_not_even_by_a_burst() {
        let mut pace = pace(1, 5);
        pace.set_crawl_delay(2000 * MS);
        assert_eq!(starts(&mut pace, Duration::ZERO, 3), [Duration::ZERO, 2000 * MS, 4000 * MS]);
    }

    #[test]
    fn nothing_starts_before_a_retry_after_ends_and_the_pace_is_slower_then() {
        let mut pace = pace(100, 1);
        assert_eq!(pace.turn(Duration::ZERO), Turn::Go);
        pace.pause(50 * MS, 5000 * MS);
        pace.pause(60 * MS, 1000 * MS); // a shorter one does not shorten it
        assert_eq!(starts(&mut pace, 60 * MS, 2), [5050 * MS, 5450 * MS]);
    }

    #[test]
    fn a_slow_host_is_asked_more_slowly_and_an_error_never_speeds_up() {
        let mut pace = pace(0, 1);
        for _ in 0..20 {
            pace.succeeded(400 * MS);
        }
        assert!(pace.interval() > 99 * MS && pace.interval() <= 100 * MS, "{:?}", pace.interval());
        let before = pace.interval();
        pace.failed(Duration::ZERO);
        assert_eq!(pace.interval(), before * 2);
        pace.succeeded(MS);
        assert!(pace.interval() > before / 2);
    }

    #[test]
    fn the_breaker_rests_longer_each_time_and_gives_up_in_the_end() {
        let mut pace = pace(0, 1);
        let mut now = Duration::ZERO;
        for rest in [30, 60, 120] {
            for _ in 0..8 {
                pace.failed(now);
            }
            assert_eq!(pace.turn(now), Turn::NotBefore(now + Duration::from_secs(rest)));
            now += Duration::from_secs(rest);
        }
        pace.failed(now);
        assert_eq!(pace.turn(now + Duration::from_secs(1_000_000)), Turn::Never);
    }

    #[test]
    fn a_host_that_was_left_stays_left_whatever_answer_was_still_under_way() {
        let mut pace = pace(0, 1);
        pace.give_up();
        pace.succeeded(MS);
        assert_eq!(pace.turn(Duration::from_secs(1_000_000)), Turn::Never);
    }

    #[test]
    fn one_success_closes_the_breaker() {
        let mut pace = pace(0, 1);
        for _ in 0..8 {
            pace.failed(Duration::ZERO);
        }
        let later = Duration::from_secs(31);
        pace.succeeded(MS);
        for _ in 0..7 {
            pace.failed(later);
        }
        assert!(matches!(pace.turn(later + SLOWEST), Turn::Go));
    }
}
