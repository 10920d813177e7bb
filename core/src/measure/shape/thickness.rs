//! Distributions of local thickness: for each voxel of an object or a structure, the diameter of the
//! largest ball that fits inside and contains it (T. Hildebrand and P. Rüegsegger 1997,
//! doi:10.1046/j.1365-2818.1997.1340694.x).

use crate::algorithms::thickness::LocalThickness;
use crate::measure::shape::balls::BallCount;
use serde::{Deserialize, Serialize};

/// How many voxels have each thickness. Counts are whole numbers, so that the figures don't depend on
/// the order in which voxels were counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

impl Distribution {
    /// Of counted balls of one row, by radius.
    pub fn of_balls(counts: &[BallCount]) -> Self {
        Self { counts: counts.iter().map(|c| (c.1, c.2)).collect() }
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
    use crate::algorithms::distance::Metric;
    use crate::measure::shape::balls::counts;
    use crate::measure::sums::Objects;
    use crate::{Job, Region};

    #[test]
    fn a_slab_has_one_thickness() {
        let mask: Vec<u8> = (0..12 * 25).map(|i| u8::from((3..9).contains(&(i / 25)))).collect();
        for (metric, edge) in [(Metric::Isotropic(0.5), 0.5), (Metric::Anisotropic([2.0, 1.0, 1.0]), 2.0)] {
            let local = LocalThickness::new([12, 5, 5], metric);
            let job = Job::silent();
            let squared = local.squared(&mask, &job).unwrap();
            let whole = Region::whole([12, 5, 5]);
            let radii = local.largest(&local.centres(&squared), squared, whole, &job).unwrap();
            let found = counts(&Objects::default(), None, &radii, whole, &job).unwrap();
            let found = Distribution::of_balls(&found);
            assert_eq!(found.counts.iter().map(|c| c.1).sum::<u64>(), 150);
            assert_eq!(found.moments(&local), Moments { mean: 6.0 * edge, sd: 0.0, max: 6.0 * edge });
        }
    }

    #[test]
    fn nothing_has_no_thickness() {
        let local = LocalThickness::new([2, 3, 4], Metric::Isotropic(1.0));
        assert!(Distribution::default().moments(&local).mean.is_nan());
        let (job, whole) = (Job::silent(), Region::whole([2, 3, 4]));
        let squared = local.squared(&[1; 24], &job).unwrap();
        assert!(local.unbounded(&squared));
        assert_eq!(local.largest(&[], squared, whole, &job).unwrap(), [0; 24]);
    }
}
