//! How long to wait before the same request again: `Retry-After`, or an exponential back-off with full jitter. Pure.

use std::time::{Duration, SystemTime};

/// No single back-off is longer than this.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait that a `Retry-After` header asks for: seconds or a date.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More than a number can hold is very long, not nothing.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// The wait after the attempt of that number (from 1): `jitter` in 0..1 of a span that doubles. Drawing from the
/// whole span spreads out clients that failed together (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
pub fn back_off(first: Duration, attempt: u32, jitter: f64) -> Duration {
    let span = first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    span.mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_the_past_means_now() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after(" 120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:00 GMT", now), Some(Duration::from_secs(23)));
        assert_eq!(retry_after("Sunday, 06-Nov-94 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("", now), None);
        assert_eq!(retry_after("99999999999999999999999", now), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn the_span_doubles_up_to_a_minute() {
        let first = Duration::from_millis(500);
        let seconds = |attempt| back_off(first, attempt, 1.0).as_secs_f64();
        assert_eq!([1, 2, 3, 20, u32::MAX].map(seconds), [0.5, 1.0, 2.0, 60.0, 60.0]);
        assert_eq!(back_off(first, 3, 0.25), first);
    }
}
