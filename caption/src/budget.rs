//! How many requests may still be made.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts requests, and says when there were enough.
#[derive(Debug)]
pub struct Budget {
    most: Option<u64>,
    made: AtomicU64,
}

impl Budget {
    /// `most` requests; without a number, any.
    pub fn new(most: Option<u64>) -> Self {
        Self { most, made: AtomicU64::new(0) }
    }

    /// Takes one, if there is one left. What is taken is spent, whatever becomes of the request.
    pub fn take(&self) -> bool {
        let most = self.most.unwrap_or(u64::MAX);
        let next = |made| (made < most).then_some(made + 1);
        self.made.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).is_ok()
    }

    /// How many were made.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_together_take_no_more_than_there_is() {
        let budget = Budget::new(Some(100));
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while budget.take() {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((taken.into_inner(), budget.made()), (100, 100));
        assert!(!Budget::new(Some(0)).take() && Budget::new(None).take());
    }
}
