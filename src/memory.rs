//! A bound on the memory that decoded photos take together, whatever their size and the number of threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Room for one photo of the largest size that is accepted, or for some twenty of 12 megapixels decoded whole.
const BYTES: u64 = 1 << 30;

/// Memory that photos are decoded into.
#[derive(Debug)]
pub struct Memory {
    free: Mutex<u64>,
    returned: Condvar,
    all: u64,
}

/// A part of it, which is returned when this is dropped.
#[derive(Debug)]
pub struct Reserved<'a> {
    bytes: u64,
    of: &'a Memory,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of_bytes(BYTES)
    }
}

impl Memory {
    fn of_bytes(all: u64) -> Self {
        Self { free: Mutex::new(all), returned: Condvar::new(), all }
    }

    /// Waits until as many bytes are free. More than there are at all count as all: such a photo is decoded alone.
    pub fn reserve(&self, bytes: u64) -> Reserved<'_> {
        let bytes = bytes.min(self.all);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.returned.wait_while(free, |free| *free < bytes);
        *enough.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Reserved { bytes, of: self }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        *self.of.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.of.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn no_more_is_reserved_at_once_than_there_is() {
        let memory = Memory::of_bytes(100);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (memory, held, most) = (&memory, &held, &most);
                scope.spawn(move || {
                    for round in 0..200 {
                        let bytes = 1 + (thread * 37 + round * 11) % 130;
                        let reserved = memory.reserve(bytes);
                        let now = held.fetch_add(reserved.bytes, Ordering::SeqCst) + reserved.bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(reserved.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((50..=100).contains(&most.into_inner()));
        assert_eq!(*memory.free.lock().unwrap(), 100);
    }
}
