//! Voxels that are connected with a seed, in an image of any size: tile by tile, as far as the flood comes.

use crate::{Job, Region, Result};
use ndarray::Array3;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// Voxels of a tile along each axis.
pub const TILE: usize = 64;

/// What was flooded.
#[derive(Debug, Clone, Default)]
pub struct Flood {
    /// By the number of the tile along z, y and x: its voxels, those that are flooded.
    pub tiles: BTreeMap<[usize; 3], Array3<bool>>,
    /// How many voxels are.
    pub count: u64,
    /// Whether it was stopped, because it had taken more than it might.
    pub runs_away: bool,
}

impl Flood {
    /// The first voxel of a tile.
    pub fn start(tile: [usize; 3]) -> [usize; 3] {
        tile.map(|i| i * TILE)
    }
}

/// Floods from a seed `[z, y, x]` over voxels that share a face, within a part of an image. `open` says of the voxels
/// of a region which may be flooded. It stops once more than `most` are.
///
/// # Errors
/// What `open` says, or that the job was cancelled.
pub fn flood(
    within: Region,
    seed: [usize; 3],
    most: u64,
    job: &Job,
    open: impl Fn(Region) -> Result<Array3<bool>>,
) -> Result<Flood> {
    let mut found = Flood::default();
    if (0..3).any(|a| seed[a] < within.start[a] || seed[a] >= within.end()[a]) {
        return Ok(found);
    }
    // Tiles with the voxels through which the flood comes in, those nearest to the seed first.
    let mut waiting: BTreeMap<[usize; 3], Vec<[usize; 3]>> = BTreeMap::new();
    let mut order = VecDeque::new();
    let mut may: BTreeMap<[usize; 3], Array3<bool>> = BTreeMap::new();
    let home = seed.map(|v| v / TILE);
    waiting.insert(home, vec![seed]);
    order.push_back(home);
    let mut stack = Vec::new();
    while let Some(tile) = order.pop_front() {
        job.check()?;
        let start = Flood::start(tile);
        let region = Region { start, shape: [TILE; 3] }.intersection(&within);
        let may = match may.entry(tile) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(open(region)?),
        };
        let shape = region.shape;
        let flooded = found.tiles.entry(tile).or_insert_with(|| Array3::from_elem(shape, false));
        for at in waiting.remove(&tile).unwrap_or_default() {
            let at: [usize; 3] = std::array::from_fn(|a| at[a] - region.start[a]);
            if may[at] && !flooded[at] {
                flooded[at] = true;
                stack.push(at);
            }
        }
        while let Some(at) = stack.pop() {
            found.count += 1;
            for a in 0..3 {
                for up in [false, true] {
                    let mut to = at;
                    if (up && at[a] + 1 < shape[a]) || (!up && at[a] > 0) {
                        to[a] = if up { at[a] + 1 } else { at[a] - 1 };
                        if may[to] && !flooded[to] {
                            flooded[to] = true;
                            stack.push(to);
                        }
                        continue;
                    }
                    // Into the next tile.
                    let mut next: [usize; 3] = std::array::from_fn(|b| at[b] + region.start[b]);
                    if (up && next[a] + 1 >= within.end()[a]) || (!up && next[a] == within.start[a]) {
                        continue;
                    }
                    next[a] = if up { next[a] + 1 } else { next[a] - 1 };
                    let beyond = next.map(|v| v / TILE);
                    let entry = waiting.entry(beyond).or_insert_with(|| {
                        order.push_back(beyond);
                        Vec::new()
                    });
                    entry.push(next);
                }
            }
        }
        if found.count > most {
            found.runs_away = true;
            break;
        }
    }
    found.tiles.retain(|_, flooded| flooded.iter().any(|v| *v));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel that winds through the image, one voxel wide.
    fn winding(z: usize, y: usize, x: usize) -> bool {
        let end = if y % 8 < 4 { 129 } else { 0 };
        z == 70 && (y.is_multiple_of(4) || x == end)
    }

    #[test]
    fn a_flood_goes_round_corners_through_many_tiles_and_back() {
        let (shape, job) = ([80, 100, 130], Job::silent());
        let open = |region: Region| {
            let [z0, y0, x0] = region.start;
            Ok(Array3::from_shape_fn(region.shape, |(z, y, x)| winding(z + z0, y + y0, x + x0)))
        };
        let all =
            (0..100).flat_map(|y| (0..130).map(move |x| (y, x))).filter(|(y, x)| winding(70, *y, *x)).count();
        let found = flood(Region::whole(shape), [70, 0, 5], u64::MAX, &job, open).unwrap();
        assert_eq!((found.count, found.runs_away), (all as u64, false));
        let again: usize = found.tiles.values().flatten().filter(|v| **v).count();
        assert_eq!(again, all);
        let some = flood(Region::whole(shape), [70, 0, 5], 100, &job, open).unwrap();
        assert!(some.runs_away && some.count < all as u64);
        let none = flood(Region::whole(shape), [3, 3, 3], u64::MAX, &job, open).unwrap();
        assert_eq!((none.count, none.tiles.len()), (0, 0));
        let part = Region::new([70, 0, 10], [1, 5, 20]);
        assert_eq!(flood(part, [70, 0, 12], u64::MAX, &job, open).unwrap().count, 20);
        job.cancel();
        assert!(flood(Region::whole(shape), [70, 0, 5], u64::MAX, &job, open).is_err());
    }
}
