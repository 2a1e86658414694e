//! How long a thread has worked on a page. Waiting for a processor or a machine that slept does not count, so that what
//! is stored of a page does not depend on what else the machine had to do.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use photo::FailureClass;

use crate::sniff::Refusal;

/// A limit on processor time. It is for one thread.
pub(crate) struct Stopwatch {
    limit: Duration,
    /// Where the system does not tell a thread's time, that of the wall counts.
    started: Option<ThreadTime>,
    /// The thread cannot have worked longer than this before.
    look_at: Instant,
}

impl Stopwatch {
    pub(crate) fn start(limit: Duration) -> Self {
        Self { limit, started: ThreadTime::try_now().ok(), look_at: Instant::now() + limit }
    }

    /// Refuses to go on after the limit. Cheap enough for every few bytes: the thread's time, which is a call into the
    /// system, is asked for only where the wall's would be too long.
    pub(crate) fn check(&mut self) -> Result<(), Refusal> {
        let now = Instant::now();
        if now < self.look_at {
            return Ok(());
        }
        let worked = self.started.map(|started| started.elapsed());
        match worked.and_then(|worked| self.limit.checked_sub(worked)) {
            Some(left) if !left.is_zero() => {
                self.look_at = now + left;
                Ok(())
            }
            _ => {
                let limit_ms = self.limit.as_millis();
                Err((FailureClass::TooLarge, format!("the page takes more than {limit_ms} ms to read")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_and_waiting_does_not() {
        let mut watch = Stopwatch::start(Duration::from_millis(50));
        std::thread::sleep(Duration::from_millis(80));
        assert!(watch.check().is_ok());
        let begun = Instant::now();
        while watch.check().is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never ends");
        }
    }
}
