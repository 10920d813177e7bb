//! Memory for voxels.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which asks for huge pages where a block is large: the pages of a fresh
/// volume then cost a five-hundredth of the page faults. Programs install it with
/// `#[global_allocator]`; elsewhere than on Linux it is the system's allocator alone.
pub struct HugePages;

/// Smaller blocks gain little.
const LARGE: usize = 4 << 20;

fn advise(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= LARGE && !block.is_null() {
        const PAGE: usize = 4096;
        let inset = block.align_offset(PAGE);
        // SAFETY: the range lies inside the block, and the advice changes no content.
        unsafe { libc::madvise(block.add(inset).cast(), size - inset, libc::MADV_HUGEPAGE) };
    }
    let _ = (block, size);
}

// SAFETY: every request goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller guarantees.
        let block = unsafe { System.alloc(layout) };
        advise(block, layout.size());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller guarantees.
        let block = unsafe { System.alloc_zeroed(layout) };
        advise(block, layout.size());
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller guarantees.
        let block = unsafe { System.realloc(block, layout, size) };
        advise(block, size);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(block, layout) };
    }
}
