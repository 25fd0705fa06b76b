//! A heap that counts, for the tests that promise how much of it is used.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's heap. Counts by thread, so that the test runner's own threads do not disturb.
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// How often this thread has allocated, or made an allocation larger or smaller.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Bytes that this thread has allocated and not given back.
pub fn live_bytes() -> i64 {
    LIVE_BYTES.get()
}

fn note(allocations: u64, grown: usize, shrunk: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    LIVE_BYTES.set(LIVE_BYTES.get() + grown as i64 - shrunk as i64);
}

// SAFETY: every call is the system allocator's; counting touches two cells that need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size(), 0);
        // SAFETY: the caller's promise is passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, 0, layout.size());
        // SAFETY: the caller's promise is passed on unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(1, new_size, layout.size());
        // SAFETY: the caller's promise is passed on unchanged.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
