//! Memory for voxels.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The system's allocator, which asks for huge pages where a block is large: the pages of a fresh
/// volume then cost a five-hundredth of the page faults; elsewhere than on Linux it doesn't. A few
/// large blocks that were freed are kept for the next of the same size, since the kernel takes
/// longer to clear pages than most kernels take to fill them. A large block of another size gives
/// them back first, so that they never add to what large blocks need at most. Programs install it
/// with `#[global_allocator]`.
pub struct HugePages;

/// Smaller blocks gain little.
const LARGE: usize = 4 << 20;

/// Bytes that are kept at most.
const KEPT: usize = 128 << 20;
/// The share of the memory to work within that is kept at most.
const KEPT_SHARE: usize = 16;

/// Bytes to work within, for what may be in memory or on the disk.
static BUDGET: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Says how many bytes of memory the program should work within.
pub fn work_within(bytes: u64) {
    BUDGET.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
}

/// A share of the memory to work within: one of so many.
pub fn share(of: usize) -> usize {
    BUDGET.load(Ordering::Relaxed) / of
}

/// Has one heap for all threads where the address space of the process is limited: glibc reserves 64 MB of it for each
/// further one. Programs call it first.
pub fn spare_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: `limit` is a valid place for the answer; the heap is told before other threads begin.
        unsafe {
            if libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) == 0 && limit.rlim_cur != libc::RLIM_INFINITY
            {
                libc::mallopt(libc::M_ARENA_MAX, 1);
            }
        }
    }
}

/// Bytes of freed blocks that are kept at most.
pub fn most_kept() -> usize {
    share(KEPT_SHARE).min(KEPT)
}

/// Ends a program that has no more memory; it is told how many bytes were asked for, and may allocate little.
pub type Exhausted = fn(usize) -> !;

static EXHAUSTED: OnceLock<Exhausted> = OnceLock::new();

thread_local! {
    /// Whether this thread can do without what it asks for.
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

/// Says what is done where memory is not to be had, instead of aborting. The first call counts.
pub fn on_exhaustion(end: Exhausted) {
    let _ = EXHAUSTED.set(end);
}

/// Whether the system gives so many bytes in one piece.
pub fn is_to_be_had(bytes: usize) -> bool {
    ASKS.set(true);
    let there = Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    ASKS.set(false);
    there
}

/// Bytes of memory that this process uses now, and the most that it has used; none where the system doesn't say.
pub fn in_use_and_peak() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
    };
    Some((of("VmRSS:")?, of("VmHWM:")?))
}

/// What the system gave, also once all that is kept was given back to it.
fn insist(bytes: usize, ask: impl Fn() -> *mut u8) -> *mut u8 {
    static ENDING: AtomicBool = AtomicBool::new(false);
    let block = ask();
    if !block.is_null() {
        return block;
    }
    give_back_kept();
    let block = ask();
    if block.is_null()
        && !ASKS.try_with(Cell::get).unwrap_or(true)
        && let Some(end) = EXHAUSTED.get()
        && !ENDING.swap(true, Ordering::Relaxed)
    {
        end(bytes);
    }
    block
}

/// A block that was freed, with its layout.
#[derive(Clone, Copy)]
struct Block(*mut u8, Layout);

// SAFETY: nobody else knows a block that was freed.
unsafe impl Send for Block {}

/// The blocks that are kept, the oldest first.
static KEPT_BLOCKS: Mutex<[Option<Block>; 8]> = Mutex::new([None; 8]);

/// A kept block of this layout. If there is none, the others are given back, so that the new one comes
/// in their place.
fn reuse(layout: Layout) -> Option<*mut u8> {
    let mut kept = KEPT_BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = kept.iter_mut().find(|b| b.is_some_and(|b| b.1 == layout)).and_then(Option::take);
    if found.is_none() {
        kept.iter_mut().filter_map(Option::take).for_each(give_back);
    }
    found.map(|block| block.0)
}

/// Keeps a block that was freed; those that were kept longest make room for it.
fn keep(block: Block) {
    let mut kept = KEPT_BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = |kept: &[Option<Block>]| kept.iter().flatten().map(|b| b.1.size()).sum::<usize>();
    while kept.iter().all(Option::is_some) || bytes(&*kept) + block.1.size() > most_kept() {
        let Some(oldest) = kept.iter_mut().find_map(Option::take) else { break };
        give_back(oldest);
    }
    // Those that are left move up.
    let mut rest = kept.into_iter().flatten().chain([block]);
    *kept = std::array::from_fn(|_| rest.next());
}

/// Gives all blocks that are kept back to the system.
pub fn give_back_kept() {
    let mut kept = KEPT_BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    kept.iter_mut().filter_map(Option::take).for_each(give_back);
}

fn give_back(Block(block, layout): Block) {
    // SAFETY: the block was allocated with this layout, and was freed by its owner.
    unsafe { System.dealloc(block, layout) };
}

fn is_kept(layout: Layout) -> bool {
    (LARGE..=most_kept()).contains(&layout.size())
}

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

// SAFETY: every request goes to the system's allocator unchanged, or is met with a block that it gave
// for the same layout and whose owner has freed it.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE
            && let Some(block) = reuse(layout)
        {
            return block;
        }
        // SAFETY: as the caller guarantees.
        let block = insist(layout.size(), || unsafe { System.alloc(layout) });
        advise(block, layout.size());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE
            && let Some(block) = reuse(layout)
        {
            // SAFETY: the block is as large as the layout says.
            unsafe { block.write_bytes(0, layout.size()) };
            return block;
        }
        // SAFETY: as the caller guarantees.
        let block = insist(layout.size(), || unsafe { System.alloc_zeroed(layout) });
        advise(block, layout.size());
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller guarantees; a block that can't grow stays as it is.
        let block = insist(size, || unsafe { System.realloc(block, layout, size) });
        advise(block, size);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_kept(layout) {
            return keep(Block(block, layout));
        }
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(block, layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_for_the_same_size_and_is_zero_if_asked() {
        let layout = |n: usize| Layout::from_size_align(LARGE + n * 4096, 8).unwrap();
        // SAFETY: every block is freed once with its own layout and written within it.
        unsafe {
            let first = HugePages.alloc(layout(1));
            first.write_bytes(7, layout(1).size());
            HugePages.dealloc(first, layout(1));
            let again = HugePages.alloc_zeroed(layout(1));
            assert!((0..layout(1).size()).step_by(997).all(|i| *again.add(i) == 0));
            assert_eq!(again, first);
            HugePages.dealloc(again, layout(1));
            // Another size gives it back.
            let other = HugePages.alloc(layout(2));
            assert!(KEPT_BLOCKS.lock().unwrap().iter().all(Option::is_none));
            HugePages.dealloc(other, layout(2));
            // More than are kept.
            let many: Vec<_> = (3..20).map(|n| (HugePages.alloc(layout(n)), layout(n))).collect();
            many.into_iter().for_each(|(block, layout)| HugePages.dealloc(block, layout));
            let kept = KEPT_BLOCKS.lock().unwrap();
            assert!(kept.iter().flatten().map(|b| b.1.size()).sum::<usize>() <= KEPT);
            assert_eq!(kept.iter().flatten().last().map(|b| b.1), Some(layout(19)));
        }
    }
}
