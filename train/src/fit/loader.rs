//! Batches read on a thread of their own, while the step before them computes.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::task::TaskError;

/// The batches of a range of micro steps, in order.
pub(super) struct Batches<B> {
    receiver: Receiver<Result<B, TaskError>>,
    /// Time spent waiting for them since it was last [taken](Self::take_waited).
    waited: Duration,
}

impl<B> Batches<B> {
    /// The next batch, or what its loading failed with.
    pub fn next(&mut self) -> Result<B, TaskError> {
        let started = Instant::now();
        let batch = self.receiver.recv();
        self.waited += started.elapsed();
        // The thread ends early only where it panics, and `load_ahead` then panics likewise.
        batch.unwrap_or_else(|_| Err("the thread that loads batches has ended".into()))
    }

    pub fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

/// Runs `body` while another thread loads the batches of `micro_steps`, at most `ahead` of them before they are used:
/// the bound on memory, since a loader is often faster than the steps, and batches are what is large.
pub(super) fn load_ahead<B: Send, T>(
    load: &(dyn Fn(u64) -> Result<B, TaskError> + Sync),
    micro_steps: impl Iterator<Item = u64> + Send,
    ahead: usize,
    body: impl FnOnce(Batches<B>) -> T,
) -> T {
    thread::scope(|scope| {
        // One more is loaded already and waits until there is room in the channel.
        let (sender, receiver) = sync_channel(ahead.saturating_sub(1));
        let loader = scope.spawn(move || {
            for micro_step in micro_steps {
                let batch = load(micro_step);
                let failed = batch.is_err();
                // Nobody takes it once the steps have ended with an error.
                if sender.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        let result = body(Batches { receiver, waited: Duration::ZERO });
        if let Err(panic) = loader.join() {
            resume_unwind(panic);
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn batches_come_in_order_and_an_error_comes_in_its_place() {
        let load = |step: u64| if step == 5 { Err("no fifth".into()) } else { Ok(step) };
        let found: Vec<Result<u64, String>> = load_ahead(&load, 2..9, 2, |mut batches| {
            (0..4).map(|_| batches.next().map_err(|error| error.to_string())).collect()
        });
        assert_eq!(found, [Ok(2), Ok(3), Ok(4), Err("no fifth".to_owned())]);
    }

    #[test]
    fn no_more_are_loaded_ahead_than_asked_for() {
        let loaded = AtomicU64::new(0);
        let load = |step: u64| {
            loaded.fetch_add(1, Ordering::SeqCst);
            Ok(step)
        };
        load_ahead(&load, 0..100, 2, |mut batches| {
            for taken in 0..20 {
                thread::sleep(Duration::from_millis(1));
                let ahead = loaded.load(Ordering::SeqCst) - taken;
                // Two that wait, and one that is being loaded.
                assert!(ahead <= 3, "{ahead}");
                assert_eq!(batches.next().ok(), Some(taken));
            }
        });
        assert!(loaded.into_inner() < 100);
    }
}
