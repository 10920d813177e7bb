//! Distributions of local thickness: for each voxel of an object or a structure, the diameter of the
//! largest ball that fits inside and contains it (T. Hildebrand and P. Rüegsegger 1997,
//! doi:10.1046/j.1365-2818.1997.1340694.x).

use crate::ops::thickness::LocalThickness;
use crate::{Job, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How many voxels have each thickness. Counts are whole numbers, so that the figures don't depend on
/// the order in which voxels were counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// Squared radii as [`LocalThickness`] has them, ascending, each with its number of voxels.
    pub counts: Vec<(u32, u64)>,
}

/// Mean, standard deviation (of the population) and greatest of the voxels' thickness.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Moments {
    pub mean: f64,
    pub sd: f64,
    pub max: f64,
}

impl Moments {
    /// Where there is nothing to measure.
    pub const NONE: Self = Self { mean: f64::NAN, sd: f64::NAN, max: f64::NAN };
}

/// How many voxels have each squared radius; those of 0 are left out.
fn counts(radii: &[u32]) -> Vec<(u32, u64)> {
    // Voxels of one ball lie side by side: runs are few.
    let pieces: Vec<Vec<(u32, u64)>> = radii
        .par_chunks(1 << 16)
        .map(|piece| {
            let runs = piece.chunk_by(|a, b| a == b).filter(|run| run[0] != 0);
            merged(runs.map(|run| (run[0], run.len() as u64)).collect())
        })
        .collect();
    merged(pieces.concat())
}

fn merged(mut counts: Vec<(u32, u64)>) -> Vec<(u32, u64)> {
    counts.sort_unstable();
    counts.chunk_by(|a, b| a.0 == b.0).map(|same| (same[0].0, same.iter().map(|c| c.1).sum())).collect()
}

impl Distribution {
    /// Of the voxels of a mask that are not 0, whose squared distances are these. Empty where nothing
    /// bounds the balls.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn of_distances(local: &LocalThickness, squared: &[u32], job: &Job) -> Result<Self> {
        if local.unbounded(squared) {
            return Ok(Self::default());
        }
        Ok(Self::of_radii(&local.largest(&local.centres(squared), job)?))
    }

    /// Of the voxels whose largest balls have these squared radii; 0 is no ball.
    pub fn of_radii(radii: &[u32]) -> Self {
        Self { counts: counts(radii) }
    }

    /// The figures; NaN without voxels.
    pub fn moments(&self, local: &LocalThickness) -> Moments {
        let voxels: u64 = self.counts.iter().map(|c| c.1).sum();
        let Some(&(greatest, _)) = self.counts.last() else { return Moments::NONE };
        let n = voxels as f64;
        let over = |f: &dyn Fn(f64) -> f64| {
            self.counts.iter().map(|&(bits, count)| f(local.diameter(bits)) * count as f64).sum::<f64>() / n
        };
        let mean = over(&|d| d);
        Moments { mean, sd: over(&|d| (d - mean) * (d - mean)).sqrt(), max: local.diameter(greatest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::distance::Metric;

    #[test]
    fn a_slab_has_one_thickness() {
        let mask: Vec<u8> = (0..12 * 25).map(|i| u8::from((3..9).contains(&(i / 25)))).collect();
        for (metric, edge) in [(Metric::Isotropic(0.5), 0.5), (Metric::Anisotropic([2.0, 1.0, 1.0]), 2.0)] {
            let local = LocalThickness::new([12, 5, 5], metric);
            let squared = local.squared(&mask, &Job::silent()).unwrap();
            let found = Distribution::of_distances(&local, &squared, &Job::silent()).unwrap();
            assert_eq!(found.counts.iter().map(|c| c.1).sum::<u64>(), 150);
            assert_eq!(found.moments(&local), Moments { mean: 6.0 * edge, sd: 0.0, max: 6.0 * edge });
        }
    }

    #[test]
    fn nothing_bounds_a_mask_without_background() {
        let local = LocalThickness::new([2, 3, 4], Metric::Isotropic(1.0));
        for value in [0, 1] {
            let squared = local.squared(&[value; 24], &Job::silent()).unwrap();
            let found = Distribution::of_distances(&local, &squared, &Job::silent()).unwrap();
            assert_eq!(found, Distribution::default());
            assert!(found.moments(&local).mean.is_nan());
        }
    }
}
