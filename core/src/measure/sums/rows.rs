//! Walks the runs of objects in a region, for the passes that come after the sums.

use crate::measure::sums::Objects;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Volume, Voxel, parallel, with_volume};

/// A run of one object along x.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Image position of its first voxel, `[z, y, x]`.
    pub at: [usize; 3],
    /// Number of voxels.
    pub length: usize,
    /// Row of the object in the sums.
    pub row: usize,
}

/// Calls `visit` with the runs of each plane of `out`, planes in parallel, and collects what it
/// returns in the order of the planes.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn by_plane<R: Send>(
    objects: &Objects,
    labels: &RegionView,
    out: Region,
    job: &Job,
    visit: impl Fn(usize, &[Run]) -> R + Sync,
) -> Result<Vec<R>> {
    let [oz, oy, ox] = out.start;
    let [d, h, w] = out.shape;
    parallel::map(d, job, &|z| {
        let z = oz + z;
        let mut runs = Vec::new();
        for y in oy..oy + h {
            let from = labels.offset([z, y, ox]);
            row_runs(objects, labels.volume, from, w, [z, y, ox], &mut runs);
        }
        let found = visit(z, &runs);
        job.advance((h * w) as u64);
        Ok(found)
    })
}

/// Calls `visit` with the runs of each plane of slabs of `out`, slabs in parallel: what is found in the
/// planes of a slab is begun with `begin` and handed to `end`, in no fixed order.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn by_slab<S>(
    objects: &Objects,
    labels: &RegionView,
    out: Region,
    job: &Job,
    (begin, visit, end): (impl Fn() -> S + Sync, impl Fn(&mut S, &[Run]) + Sync, impl Fn(S) + Sync),
) -> Result<()> {
    let [oz, oy, ox] = out.start;
    let [d, h, w] = out.shape;
    let thickness = d.div_ceil(rayon::current_num_threads() * 4).clamp(4, 16);
    parallel::each(d.div_ceil(thickness), job, &|slab| {
        let mut found = begin();
        let mut runs = Vec::new();
        for z in slab * thickness..d.min((slab + 1) * thickness) {
            job.check()?;
            runs.clear();
            for y in oy..oy + h {
                let at = [oz + z, y, ox];
                row_runs(objects, labels.volume, labels.offset(at), w, at, &mut runs);
            }
            visit(&mut found, &runs);
            job.advance((h * w) as u64);
        }
        end(found);
        Ok(())
    })
}

fn row_runs(
    objects: &Objects,
    labels: &Volume,
    from: usize,
    width: usize,
    at: [usize; 3],
    runs: &mut Vec<Run>,
) {
    if let Some(a) = u32::of(labels) {
        let ids = &a.as_slice().expect("volumes are in C order")[from..from + width];
        split(objects, ids.iter().map(|&v| u64::from(v)), at, runs);
    } else {
        let is_mask = labels.voxel_type() == crate::VoxelType::U8;
        with_volume!(labels, |a| {
            let ids = &a.as_slice().expect("volumes are in C order")[from..from + width];
            let id = |v: f64| if is_mask { u64::from(v != 0.0) } else { u64::from(u32::from_f64(v)) };
            split(objects, ids.iter().map(|v| id(v.to_f64())), at, runs);
        });
    }
}

#[inline(always)]
fn split(objects: &Objects, ids: impl Iterator<Item = u64>, [z, y, x0]: [usize; 3], runs: &mut Vec<Run>) {
    let mut last = 0;
    let mut row = None;
    for (x, id) in ids.enumerate() {
        if id != last {
            last = id;
            row = if id == 0 { None } else { objects.labels.find(id) };
            if let Some(row) = row {
                runs.push(Run { at: [z, y, x0 + x], length: 1, row });
            }
        } else if row.is_some()
            && let Some(run) = runs.last_mut()
        {
            run.length += 1;
        }
    }
}
