//! How much memory there is, and which blocks fit into it.

/// Bytes of physical memory; 4 GiB where the system doesn't say. A container's limit counts where
/// it is lower.
pub fn physical_memory() -> u64 {
    let total = total_memory().unwrap_or(4 << 30);
    match std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|s| s.trim().parse::<u64>().ok())
    {
        Some(limit) => total.min(limit),
        None => total,
    }
}

fn total_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Bytes that a voxel of a block takes while a step works on it: inputs, output, working copies.
const BYTES_PER_VOXEL: f64 = 64.0;

/// The edge of cubic blocks such that as many as there are threads, and one waiting for each, fit
/// into `memory` bytes: a multiple of 32 voxels, from 32 to 512.
pub fn block_for(memory: u64) -> [usize; 3] {
    let voxels = memory as f64 / (2.0 * rayon::current_num_threads() as f64 * BYTES_PER_VOXEL);
    [(voxels.cbrt() as usize / 32 * 32).clamp(32, 512); 3]
}

/// The bytes that blocks of this shape take together: the inverse of [`block_for`].
pub fn memory_for(block: [usize; 3]) -> u64 {
    let voxels: usize = block.iter().product();
    (voxels as f64 * 2.0 * rayon::current_num_threads() as f64 * BYTES_PER_VOXEL) as u64
}
