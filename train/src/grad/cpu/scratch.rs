//! Working memory that is used again: fresh pages from the system cost as much time as the arithmetic on them.

use super::real::Real;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

/// A buffer with unspecified content; it goes back to the pool when dropped.
pub(super) struct Scratch<T: Real>(Vec<T>);

/// Buffers kept for later. More than the largest operation needs at once would only hold memory.
const KEPT: usize = 8;

impl<T: Real> Scratch<T> {
    /// A buffer of `len` elements: the smallest kept one that is large enough, else the largest, grown.
    pub(super) fn take(len: usize) -> Self {
        let mut pool = T::pool().lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..pool.len()).filter(|&i| pool[i].capacity() >= len);
        let best = fitting.min_by_key(|&i| pool[i].capacity());
        let best = best.or_else(|| (0..pool.len()).max_by_key(|&i| pool[i].capacity()));
        let mut buffer = best.map(|i| pool.swap_remove(i)).unwrap_or_default();
        drop(pool);
        if buffer.capacity() < len {
            // Growing would copy what nobody needs.
            buffer = vec![T::zero(); len];
        }
        buffer.resize(len, T::zero());
        Self(buffer)
    }
}

impl<T: Real> Drop for Scratch<T> {
    fn drop(&mut self) {
        let mut pool = T::pool().lock().unwrap_or_else(PoisonError::into_inner);
        pool.push(std::mem::take(&mut self.0));
        if pool.len() > KEPT {
            let smallest = (0..pool.len()).min_by_key(|&i| pool[i].capacity());
            smallest.map(|i| pool.swap_remove(i));
        }
    }
}

impl<T: Real> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Real> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
