//! Boxes of voxels.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A box of voxels: `start` and `shape`, each `[z, y, x]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Region {
    /// First voxel.
    pub start: [usize; 3],
    /// Number of voxels along each axis.
    pub shape: [usize; 3],
}

impl Region {
    /// The box of `shape` voxels from `start`.
    pub fn new(start: [usize; 3], shape: [usize; 3]) -> Self {
        Self { start, shape }
    }

    /// All of an image.
    pub fn whole(shape: [usize; 3]) -> Self {
        Self { start: [0; 3], shape }
    }

    /// One past the last voxel.
    pub fn end(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.start[a] + self.shape[a])
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no voxels in it.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The half-open ranges, for slicing.
    pub fn ranges(&self) -> [Range<usize>; 3] {
        std::array::from_fn(|a| self.start[a]..self.start[a] + self.shape[a])
    }

    /// Grown by `halo` on both sides of each axis, clipped to an image of `shape`.
    pub fn grown(&self, halo: [usize; 3], shape: [usize; 3]) -> Self {
        let start: [usize; 3] = std::array::from_fn(|a| self.start[a].saturating_sub(halo[a]));
        let end = self.end();
        Self {
            start,
            shape: std::array::from_fn(|a| {
                end[a].saturating_add(halo[a]).min(shape[a]).saturating_sub(start[a])
            }),
        }
    }

    /// What both share; empty (shape with a 0) if nothing.
    pub fn intersection(&self, other: &Self) -> Self {
        let start: [usize; 3] = std::array::from_fn(|a| self.start[a].max(other.start[a]));
        let (e, f) = (self.end(), other.end());
        Self { start, shape: std::array::from_fn(|a| e[a].min(f[a]).saturating_sub(start[a])) }
    }

    /// The same box seen from an origin at `origin`, which must not lie beyond `start`.
    pub fn relative_to(&self, origin: [usize; 3]) -> Self {
        Self { start: std::array::from_fn(|a| self.start[a] - origin[a]), shape: self.shape }
    }

    /// Whether `other` lies inside.
    pub fn contains(&self, other: &Self) -> bool {
        let (e, f) = (self.end(), other.end());
        (0..3).all(|a| self.start[a] <= other.start[a] && f[a] <= e[a])
    }

    /// Boxes of at most `block` voxels an axis that tile this one, z slowest.
    pub fn tiles(&self, block: [usize; 3]) -> Vec<Self> {
        let cuts = |a: usize| {
            let step = block[a].max(1);
            (0..self.shape[a])
                .step_by(step)
                .map(move |s| (self.start[a] + s, step.min(self.shape[a] - s)))
                .collect::<Vec<_>>()
        };
        let (zs, ys, xs) = (cuts(0), cuts(1), cuts(2));
        let mut tiles = Vec::with_capacity(zs.len() * ys.len() * xs.len());
        for &(z, dz) in &zs {
            for &(y, dy) in &ys {
                for &(x, dx) in &xs {
                    tiles.push(Self::new([z, y, x], [dz, dy, dx]));
                }
            }
        }
        tiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_each_voxel_once() {
        let region = Region::new([1, 0, 2], [5, 7, 3]);
        let tiles = region.tiles([2, 3, 4]);
        assert_eq!(tiles.iter().map(Region::len).sum::<usize>(), region.len());
        assert!(tiles.iter().all(|t| region.contains(t)));
        for (i, a) in tiles.iter().enumerate() {
            assert!(tiles[i + 1..].iter().all(|b| a.intersection(b).is_empty()));
        }
    }

    #[test]
    fn growing_stops_at_the_image() {
        let r = Region::new([0, 4, 2], [2, 2, 2]).grown([1, 1, 9], [8, 6, 5]);
        assert_eq!(r, Region::new([0, 3, 0], [3, 3, 5]));
    }
}
