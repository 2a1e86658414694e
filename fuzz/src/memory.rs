//! How many bytes a check holds at once. libFuzzer looks at the whole process, now and then; a header of a few bytes that
//! asks for gigabytes, gets them and gives them back is not seen there.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST_HELD: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, and the sum of what it has given out.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn taken(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    MOST_HELD.fetch_max(held, Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it came; the counts are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Does some work.
///
/// # Panics
/// Where it holds more than `most_bytes` at once, beside what was held before.
pub fn within(most_bytes: usize, work: impl FnOnce()) {
    let before = HELD.load(Relaxed);
    MOST_HELD.store(before, Relaxed);
    work();
    let held = MOST_HELD.load(Relaxed).saturating_sub(before);
    assert!(held <= most_bytes, "{held} bytes were held at once, {most_bytes} are allowed");
}
