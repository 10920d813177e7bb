//! How much memory there is, and which blocks fit into it.

use std::path::Path;

/// Bytes of memory that this process may use at most: the machine's, or less where a limit of the process or of its
/// control groups is lower; 4 GiB where the system doesn't say.
pub fn physical_memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let groups = group_limit(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    let known = [
        total(&read("/proc/meminfo")),
        process_limit(&read("/proc/self/limits"), &read("/proc/self/status")),
        groups,
    ];
    known.into_iter().flatten().min().unwrap_or(4 << 30)
}

/// What `/proc/meminfo` says.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// What the limits in `/proc/self/limits` that memory counts against leave, after what `/proc/self/status` says is taken:
/// libraries and stacks take much of an address space, but little memory.
fn process_limit(limits: &str, status: &str) -> Option<u64> {
    let taken = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
    };
    let left = |(limit, of): (&str, &str)| {
        let line = limits.lines().find_map(|line| line.strip_prefix(limit))?;
        let most: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(most.saturating_sub(taken(of).unwrap_or(0)))
    };
    [("Max address space", "VmSize:"), ("Max data size", "VmData:")].into_iter().filter_map(left).min()
}

/// The least limit of the control groups of a process and of those that they are in, of both versions. `groups` is
/// `/proc/self/cgroup`; in a container its paths may be the host's, which then aren't there.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|c| c == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = root.join(path.trim_start_matches('/'));
        let within = group.ancestors().take_while(|group| group.starts_with(&root));
        least = within.filter_map(|group| read(&group.join(name))).chain(least).min();
    }
    least
}

/// Bytes that the program takes beside what a run works on, and what a device takes in addition where it is the processor
/// itself.
const PROGRAM: u64 = 40 << 20;
const DEVICE: u64 = 88 << 20;

/// Bytes that the program takes beside what a run works on.
pub fn overhead(device: bool) -> u64 {
    if device { PROGRAM + DEVICE } else { PROGRAM }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_processes_and_of_control_groups_count() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:   24 kB\n"), Some(24 << 10));
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax data size  unlimited  unlimited  bytes\n";
        assert_eq!(process_limit(limits, "VmSize: 5 kB"), None);
        let limited = format!("{limits}Max address space         3000000   unlimited   bytes\n");
        assert_eq!(process_limit(&limited, ""), Some(3_000_000));
        assert_eq!(process_limit(&limited, "VmSize:   1000 kB\n"), Some(3_000_000 - 1_024_000));
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let groups = "12:cpu,memory:/a/b\n3:cpuset:/\n0::/c/d\n";
        assert_eq!(group_limit(groups, folder.path()), None);
        put("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(group_limit(groups, folder.path()), Some(9_223_372_036_854_771_712));
        put("memory/a/memory.limit_in_bytes", "5000\n");
        put("c/d/memory.max", "max\n");
        assert_eq!(group_limit(groups, folder.path()), Some(5000));
        put("c/memory.max", "4000\n");
        assert_eq!(group_limit(groups, folder.path()), Some(4000));
        // A container's own group is at the root, whatever the path says.
        put("memory.max", "3000\n");
        assert_eq!(group_limit("0::/elsewhere\n", folder.path()), Some(3000));
    }
}
