//! Reads all of an image to see whether it can be read.

use super::{Frame, ImageSource};
use crate::{Error, Job, Region, Result};
use rayon::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many damaged pieces are named; further ones are counted.
const NAMED: usize = 1000;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verified {
    /// Pieces that were read: chunks, or parts of files that have none.
    pub pieces: u64,
    /// How many of them are damaged.
    pub damaged: u64,
    /// What is wrong with each, with the name of its file or key, in the order of the image; the first thousand.
    pub reasons: Vec<String>,
}

/// Reads every chunk of every level, channel and time. Checksums are checked where the format has them. A chunk that a
/// Zarr array lacks is no damage: it stands for the fill value.
///
/// # Errors
/// If the job is cancelled. Damage is no error here.
pub fn verify(source: &dyn ImageSource, job: &Job) -> Result<Verified> {
    let info = source.info();
    let frames = info.channels.len() as u64 * info.times as u64;
    let tiles: Vec<(usize, Vec<Region>)> = info
        .levels
        .iter()
        .map(|level| Region::whole(level.shape).tiles(level.chunk))
        .enumerate()
        .collect();
    let pieces = tiles.iter().map(|(_, t)| t.len() as u64).sum::<u64>() * frames;
    let voxels: u64 = info.levels.iter().map(|l| Region::whole(l.shape).len() as u64).sum();
    job.stage("verify", voxels * frames);
    let damaged = AtomicU64::new(0);
    let mut reasons = Vec::new();
    for time in 0..info.times {
        for channel in 0..info.channels.len() {
            for (level, tiles) in &tiles {
                let frame = Frame { level: *level, channel, time };
                let found = Mutex::new(Vec::new());
                tiles.par_iter().enumerate().try_for_each(|(number, tile)| {
                    job.check()?;
                    match source.read(frame, *tile) {
                        Err(Error::Cancelled) => return Err(Error::Cancelled),
                        Err(error) => {
                            damaged.fetch_add(1, Ordering::Relaxed);
                            let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
                            if found.len() < NAMED {
                                found.push((number, error.to_string()));
                            }
                        }
                        Ok(_) => {}
                    }
                    job.advance(tile.len() as u64);
                    Ok(())
                })?;
                let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
                found.sort();
                let room = NAMED - reasons.len();
                reasons.extend(found.into_iter().map(|(_, reason)| reason).take(room));
            }
        }
    }
    Ok(Verified { pieces, damaged: damaged.into_inner(), reasons })
}
