//! Exact Euclidean distance to the other side of a mask: the metric, and the lower envelopes along lines.

pub mod lines;

pub use lines::{Squared, transform};

use crate::{Geometry, VoxelType};

/// How squared distances are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// In squared voxels, of this edge length.
    Isotropic(f64),
    /// In squared units, with this spacing `[z, y, x]`.
    Anisotropic([f64; 3]),
}

impl Metric {
    /// For an image of `shape` voxels, in its unit.
    pub fn new(shape: [usize; 3], geometry: &Geometry) -> Self {
        let [z, y, x] = geometry.spacing();
        // An axis of one voxel has no distances along it.
        let used: Vec<f64> =
            [z, y, x].into_iter().zip(shape).filter(|(_, n)| *n > 1).map(|(s, _)| s).collect();
        let first = used.first().copied().unwrap_or(x);
        if used.iter().all(|s| (s - first).abs() <= 1e-9 * first) && fits(shape) {
            Self::Isotropic(first)
        } else {
            Self::Anisotropic([z, y, x])
        }
    }

    /// For an image of `shape` voxels, in voxels.
    pub fn voxels(shape: [usize; 3]) -> Self {
        if fits(shape) { Self::Isotropic(1.0) } else { Self::Anisotropic([1.0; 3]) }
    }

    /// The type of squared distances.
    pub fn field(self) -> VoxelType {
        match self {
            Self::Isotropic(_) => VoxelType::U32,
            Self::Anisotropic(_) => VoxelType::F32,
        }
    }

    /// The distance whose square was counted as `squared`.
    #[inline(always)]
    pub fn distance<T: Squared>(self, squared: T) -> f64 {
        let value = squared.value();
        match self {
            Self::Isotropic(edge) => value.sqrt() * edge,
            Self::Anisotropic(_) => value.sqrt(),
        }
    }

    /// The squared distance, in units.
    #[inline(always)]
    pub fn square<T: Squared>(self, squared: T) -> f64 {
        match self {
            Self::Isotropic(edge) => squared.value() * (edge * edge),
            Self::Anisotropic(_) => squared.value(),
        }
    }
}

/// Whether all squared distances in voxels fit the integers that count them.
fn fits(shape: [usize; 3]) -> bool {
    shape.iter().map(|&n| (n as u128).pow(2)).sum::<u128>() < u128::from(u32::INFINITE)
}
