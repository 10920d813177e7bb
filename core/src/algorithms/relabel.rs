//! New numbers for labels, and the first voxel of each.

use crate::{Job, Region, Result};
use rayon::prelude::*;
use std::collections::HashMap;

/// New labels by old ones.
pub type Numbers = HashMap<u32, u32>;

/// Calls `f` with each run of equal labels other than 0: its start and its label.
#[inline(always)]
pub fn runs(labels: &[u32], mut f: impl FnMut(usize, u32)) {
    let mut last = 0;
    for (i, &label) in labels.iter().enumerate() {
        if label != last {
            last = label;
            if label != 0 {
                f(i, label);
            }
        }
    }
}

/// The labels of a stretch of voxels in the order in which they appear, with where that is.
pub fn firsts(labels: &[u32]) -> Vec<(u32, usize)> {
    let (mut seen, mut order) = (HashMap::new(), Vec::new());
    runs(labels, |i, label| {
        seen.entry(label).or_insert_with(|| order.push((label, i)));
    });
    order
}

/// Where each label of a block is first seen: linear indices in the image of `shape`.
pub fn first_voxels(labels: &[u32], block: Region, shape: [usize; 3]) -> HashMap<u32, u64> {
    let chunks: Vec<Vec<(u32, usize)>> = labels.par_chunks(CHUNK).map(firsts).collect();
    let mut all = HashMap::new();
    for (chunk, found) in chunks.into_iter().enumerate() {
        for (label, i) in found {
            all.entry(label).or_insert_with(|| global(chunk * CHUNK + i, block, shape));
        }
    }
    all
}

/// [`map`] on several threads.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn map_all(labels: &mut [u32], numbers: &Numbers, job: &Job) -> Result<()> {
    labels.par_chunks_mut(CHUNK).try_for_each(|chunk| {
        job.check()?;
        map(chunk, numbers);
        job.advance(chunk.len() as u64);
        Ok(())
    })
}

/// New labels for old, both as written and as found: 0 stays 0.
pub fn map(labels: &mut [u32], numbers: &Numbers) {
    let mut last = (0, 0);
    for label in labels {
        if *label != last.0 {
            last = (*label, numbers.get(label).copied().unwrap_or(0));
        }
        *label = last.1;
    }
}

/// Voxels that one task looks at.
pub const CHUNK: usize = 1 << 18;

/// Linear index in an image of `shape` of a linear index in a block of it.
pub fn global(i: usize, block: Region, shape: [usize; 3]) -> u64 {
    let [_, ny, nx] = block.shape;
    let [z, y, x] = [i / (ny * nx) + block.start[0], i / nx % ny + block.start[1], i % nx + block.start[2]];
    ((z * shape[1] + y) * shape[2] + x) as u64
}
