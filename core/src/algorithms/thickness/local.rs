//! Local thickness of masks in memory, for the operator and for measurements.

use crate::algorithms::distance::{Metric, Squared, lines, transform};
use crate::algorithms::thickness::balls::{self, Centre, Ridge};
use crate::algorithms::thickness::paint::paint;
use crate::{Job, Region, Result};
use rayon::prelude::*;

/// Local thickness of masks of one shape. Radii are squared and travel as `u32`: whole numbers where
/// the spacing is isotropic, else the bits of an `f32`; both order like the radius.
#[derive(Debug, Clone, Copy)]
pub struct LocalThickness {
    /// How distances are counted.
    pub metric: Metric,
    shape: [usize; 3],
}

impl LocalThickness {
    /// For masks `[z, y, x]`.
    pub fn new(shape: [usize; 3], metric: Metric) -> Self {
        Self { metric, shape }
    }

    /// The diameter of a ball of this squared radius, in the unit of the spacing.
    pub fn diameter(&self, bits: u32) -> f64 {
        2.0 * match self.metric {
            Metric::Isotropic(_) => self.metric.distance(bits),
            Metric::Anisotropic(_) => self.metric.distance(f32::from_bits(bits)),
        }
    }

    /// How many voxels along each axis the ball of this squared radius reaches, at most.
    pub fn reach(&self, bits: u32) -> [usize; 3] {
        match self.metric {
            Metric::Isotropic(_) => [bits.saturating_sub(1).isqrt() as usize; 3],
            Metric::Anisotropic(spacing) => spacing.map(|s| (self.diameter(bits) / 2.0 / s) as usize),
        }
    }

    /// Whether these squared distances are of a mask without background, which bounds no ball.
    pub fn unbounded(&self, squared: &[u32]) -> bool {
        let infinite = match self.metric {
            Metric::Isotropic(_) => u32::INFINITE,
            Metric::Anisotropic(_) => f32::INFINITE.to_bits(),
        };
        squared.first() == Some(&infinite)
    }

    /// Squared distances of the voxels of a mask to its nearest voxel that is 0.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn squared(&self, mask: &[u8], job: &Job) -> Result<Vec<u32>> {
        Ok(match self.metric {
            Metric::Isotropic(_) => transform::<u32>(mask, self.shape, true, self.metric, job)?,
            Metric::Anisotropic(_) => {
                let mut squared = vec![0u32; mask.len()];
                let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut squared);
                lines::within_slices(mask, floats, self.shape, true, self.metric, job)?;
                lines::across_slices(floats, self.shape, self.metric, job, |v| v)?;
                squared
            }
        })
    }

    /// The balls that no neighbour's ball contains, largest first, of squared distances that are not
    /// [unbounded](Self::unbounded).
    pub fn centres(&self, squared: &[u32]) -> Vec<Centre> {
        let whole = Region::whole(self.shape);
        let mut centres = self.centres_in(squared, whole, whole);
        Self::sort(&mut centres);
        centres
    }

    /// Those in the block `out`, in no order; `squared` covers `source`, the block grown by one voxel.
    pub fn centres_in(&self, squared: &[u32], source: Region, out: Region) -> Vec<Centre> {
        let greatest = squared.par_iter().copied().max().unwrap_or(0);
        Ridge::new(self.metric, greatest).centres(squared, source, out, self.shape)
    }

    /// Largest first.
    pub fn sort(centres: &mut [Centre]) {
        balls::sort(centres);
    }

    /// For each voxel of a region the squared radius of the largest of these balls, largest first, that contains it; 0
    /// outside, and everywhere where nothing bounds the balls. `squared` are the squared distances there.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn largest(
        &self,
        centres: &[Centre],
        mut squared: Vec<u32>,
        region: Region,
        job: &Job,
    ) -> Result<Vec<u32>> {
        if self.unbounded(&squared) {
            squared.fill(0);
            return Ok(squared);
        }
        paint(&mut squared, region, self.shape, centres, self.metric, job)?;
        Ok(squared)
    }
}
