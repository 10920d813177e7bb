//! Voxels that histograms count: all, those of the crop box, or those of a slice.

use crate::view::{Layer, Scene};
use voxelry_core::Region;
use voxelry_core::io::ImageSource;

/// Voxels that a histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistogramSource {
    /// All of the image.
    Whole,
    /// Voxels in the crop box.
    Box,
    /// The slice that is shown.
    Slice,
}

impl HistogramSource {
    pub(super) const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Whole, "Whole", "Histogram of the whole image"),
        (Self::Box, "Box", "Histogram of the crop box, which can be dragged (K)"),
        (Self::Slice, "Slice", "Histogram of the current slice"),
    ];

    /// The part of a layer, if it isn't all of it.
    pub(super) fn part(self, scene: &Scene, layer: &Layer, axis: usize) -> Option<Region> {
        let part = match self {
            Self::Whole => return None,
            Self::Box => scene.boxed(),
            Self::Slice => {
                let (mut start, mut shape) = ([0; 3], scene.shape());
                (start[axis], shape[axis]) = (scene.voxel()[axis], 1);
                Region { start, shape }
            }
        };
        // Layers on another grid have a box of their own.
        let own =
            layer.source.info().geometry().world_from_index.inverse() * scene.geometry().world_from_index;
        let zyx = |v: [usize; 3]| glam::DVec3::new(v[2] as f64, v[1] as f64, v[0] as f64);
        let (a, b) = (zyx(part.start) - 0.5, zyx(part.end()) - 0.5);
        let corners = (0..8).map(|i| {
            let pick = |bit: usize| if i >> bit & 1 == 0 { a[bit] } else { b[bit] };
            own.transform_point3(glam::DVec3::new(pick(0), pick(1), pick(2))) + 0.5
        });
        let none = [glam::DVec3::INFINITY, glam::DVec3::NEG_INFINITY];
        let [low, high] = corners.fold(none, |[low, high], p| [low.min(p), high.max(p)]);
        let shape = layer.source.info().shape();
        let inside = |v: glam::DVec3, a: usize| (v[2 - a].round().max(0.0) as usize).min(shape[a]);
        let start: [usize; 3] = std::array::from_fn(|a| inside(low, a).min(shape[a] - 1));
        let end: [usize; 3] = std::array::from_fn(|a| inside(high, a).max(start[a] + 1));
        Some(Region { start, shape: std::array::from_fn(|a| end[a] - start[a]) })
    }
}
