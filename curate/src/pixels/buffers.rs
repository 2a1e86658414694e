//! Large buffers that a thread uses again. Fresh memory of this size comes from the system, which clears it
//! page by page: for a photo on its way to tensors that took as long as the weighting did.

use std::cell::RefCell;

/// What a thread keeps at most: the buffers of one photo of 12 megapixels that is decoded whole, or of some
/// twenty that is decoded at half its size.
const MAX_KEPT_BYTES: usize = 64 << 20;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of zeros.
pub(crate) fn zeros(length: usize) -> Vec<u8> {
    let Some(mut buffer) = kept(length) else {
        return vec![0; length]; // the system's pages are clear
    };
    buffer.resize(length, 0);
    buffer
}

/// An empty buffer that takes so many bytes.
pub(crate) fn empty(capacity: usize) -> Vec<u8> {
    kept(capacity).unwrap_or_else(|| Vec::with_capacity(capacity))
}

/// The smallest buffer at hand that is large enough, emptied.
fn kept(capacity: usize) -> Option<Vec<u8>> {
    FREE.with_borrow_mut(|free| {
        let fits = |&i: &usize| free[i].capacity() >= capacity;
        let smallest = (0..free.len()).filter(fits).min_by_key(|&i| free[i].capacity());
        let mut buffer = free.swap_remove(smallest?);
        buffer.clear();
        Some(buffer)
    })
}

/// Keeps a buffer for what this thread does next. The smallest ones go first where there are too many.
pub(crate) fn keep(buffer: Vec<u8>) {
    if buffer.capacity() > MAX_KEPT_BYTES {
        return; // it would push out all others, and then itself
    }
    FREE.with_borrow_mut(|free| {
        free.push(buffer);
        free.sort_by_key(Vec::capacity);
        let mut kept: usize = free.iter().map(Vec::capacity).sum();
        while kept > MAX_KEPT_BYTES {
            kept -= free.remove(0).capacity();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_buffer_comes_back_without_what_was_in_it() {
        let first = vec![7; 5000];
        let place = first.as_ptr();
        keep(vec![9; 100]);
        keep(first);
        keep(vec![9; 9000]);
        let again = zeros(4000);
        assert_eq!(again.as_ptr(), place);
        assert!(again.len() == 4000 && again.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        for _ in 0..5 {
            keep(Vec::with_capacity(MAX_KEPT_BYTES / 3));
        }
        keep(Vec::with_capacity(MAX_KEPT_BYTES + 1));
        let kept = || FREE.with_borrow(|free| free.iter().map(Vec::capacity).sum::<usize>());
        assert!(kept() <= MAX_KEPT_BYTES);
        keep(Vec::with_capacity(10));
        assert!(kept() >= 10);
    }
}
