//! Buffers that are used again: the first touch of fresh pages costs as much time as the arithmetic on them.

use super::real::Real;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

/// A buffer with unspecified content; it goes back to the pool when dropped.
pub(in crate::grad) struct Scratch<T: Real> {
    buffer: Vec<T>,
    len: usize,
}

/// Buffers that the pool keeps: as many as the largest operation needs at once and a step's layers save for
/// their backward pass. More would only hold memory.
const KEPT: usize = 12;

impl<T: Real> Scratch<T> {
    /// None at all.
    pub(super) fn none() -> Self {
        Self { buffer: Vec::new(), len: 0 }
    }

    /// A buffer of `len` elements: the smallest kept one that is large enough.
    pub(super) fn take(len: usize) -> Self {
        let mut pool = T::pool().lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..pool.len()).filter(|&i| pool[i].len() >= len);
        if let Some(i) = fitting.min_by_key(|&i| pool[i].len()) {
            return Self { buffer: pool.swap_remove(i), len };
        }
        // If none is large enough, the largest is dropped for a new, larger one.
        if let Some(i) = (0..pool.len()).max_by_key(|&i| pool[i].len()) {
            pool.swap_remove(i);
        }
        drop(pool);
        Self { buffer: vec![T::zero(); len], len }
    }
}

impl<T: Real> Drop for Scratch<T> {
    fn drop(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut pool = T::pool().lock().unwrap_or_else(PoisonError::into_inner);
        pool.push(std::mem::take(&mut self.buffer));
        if pool.len() > KEPT {
            let smallest = (0..pool.len()).min_by_key(|&i| pool[i].len());
            smallest.map(|i| pool.swap_remove(i));
        }
    }
}

impl<T: Real> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.buffer[..self.len]
    }
}

impl<T: Real> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer[..self.len]
    }
}
