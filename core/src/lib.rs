//! The engine of Voxelry: volumes, files, operators, measurements, recipes and the block engine.
//!
//! Arrays are indexed `[z, y, x]` in C order throughout; geometry is in `f64`. This crate knows no
//! GPU, no window and no async runtime, so that the desktop program, the command line and a worker
//! of the pool run the same code.

pub mod algorithms;
pub mod blocks;
pub mod error;
pub mod io;
pub mod jobs;
pub mod labels;
pub mod measure;
pub mod memory;
pub mod ops;
mod parallel;
pub mod picture;
pub mod program;
pub mod recipe;
pub mod results;
pub mod table;
pub mod volume;

pub use error::{Error, Result};
pub use io::sample;
pub use jobs::{Event, Job};
pub use volume::{Geometry, Region, Unit, Volume, Voxel, VoxelType};

/// Uses this many threads for everything; results don't depend on it. Call it once, before any work.
///
/// # Errors
/// If threads are already running.
pub fn set_threads(threads: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Error::Usage(format!("the number of threads can't be set: {e}")))
}
