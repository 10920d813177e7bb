//! Hard use: programs that are killed at any moment, two at once on one target, disks that fill up, images that change
//! while they are read. A few moments each; `VOXELRY_LONG=1` tries 200.

mod changing;
mod killed;
mod memory;
mod stores;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use voxelry_tests::program::{names, tree, voxelry};

/// Whether there is time for many moments.
fn long() -> bool {
    std::env::var_os("VOXELRY_LONG").is_some()
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Files by their paths; one for what is a file.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// What has a name now; none if nothing has.
fn content(path: &Path) -> Option<Tree> {
    match std::fs::metadata(path) {
        Err(_) => None,
        Ok(about) if about.is_dir() => Some(tree(path)),
        Ok(_) => Some(BTreeMap::from([(PathBuf::new(), std::fs::read(path).unwrap())])),
    }
}

fn remove(path: &Path) {
    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

/// Names in a folder that only a program looks at.
fn hidden(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.starts_with('.')).collect()
}

/// Starts a command that says nothing.
fn start(folder: &Path, arguments: &str) -> Child {
    let mut command = voxelry(folder, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long a command takes.
#[track_caller]
fn time(folder: &Path, arguments: &str) -> Duration {
    let begun = Instant::now();
    assert!(start(folder, arguments).wait().unwrap().success(), "voxelry {arguments}");
    begun.elapsed()
}
