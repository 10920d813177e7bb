//! Flips and permutations of axes: the same voxels in another order.

use super::{Geometry, Region, Volume, Voxel};
use crate::{Job, Result, parallel, with_volume};
use glam::{DAffine3, DMat3, DVec3};
use ndarray::{ArrayView3, Axis};

/// A flip and permutation of the axes of an image: axis `a` of the result runs along axis `axes[a]` of the image,
/// backwards where `reversed[a]`. Both are in the order `z, y, x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The axis of the image that each axis of the result runs along.
    pub axes: [usize; 3],
    /// Where it runs backwards.
    pub reversed: [bool; 3],
}

impl Turn {
    /// Leaves everything as it is.
    pub const NONE: Self = Self { axes: [0, 1, 2], reversed: [false; 3] };

    /// All 48 flips and permutations, those that change least first.
    pub fn all() -> Vec<Self> {
        let permutations = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]];
        let mut all: Vec<Self> = permutations
            .into_iter()
            .flat_map(|axes| {
                (0..8).map(move |bits| Self { axes, reversed: [4, 2, 1].map(|b| bits & b != 0) })
            })
            .collect();
        all.sort_by_key(|turn| {
            let moved = (0..3).filter(|&a| turn.axes[a] != a).count();
            moved * 4 + turn.reversed.iter().filter(|r| **r).count()
        });
        all
    }

    /// Says that an image was reordered onto the grid of the first, and how.
    pub fn said(&self) -> String {
        format!("was reordered onto the grid of the first image, whose axes x, y, z are its {self}")
    }

    /// The shape of the result for an image of this shape.
    pub fn shape(&self, shape: [usize; 3]) -> [usize; 3] {
        self.axes.map(|a| shape[a])
    }

    /// The region of an image of this shape that a region of the result is made of.
    pub fn source(&self, out: Region, shape: [usize; 3]) -> Region {
        let mut source = Region::whole(shape);
        for (new, &axis) in self.axes.iter().enumerate() {
            source.shape[axis] = out.shape[new];
            source.start[axis] = if self.reversed[new] {
                shape[axis] - out.start[new] - out.shape[new]
            } else {
                out.start[new]
            };
        }
        source
    }

    /// The geometry of the result for an image of this shape: every voxel keeps its place in the world.
    pub fn geometry(&self, old: &Geometry, shape: [usize; 3]) -> Geometry {
        Geometry { world_from_index: old.world_from_index * self.old_from_new(shape), ..*old }
    }

    /// The index in the image, as `(x, y, z)`, of an index in the result.
    pub fn old_from_new(&self, shape: [usize; 3]) -> DAffine3 {
        let (mut matrix, mut origin) = (DMat3::ZERO, DVec3::ZERO);
        for (new, &axis) in self.axes.iter().enumerate() {
            matrix.col_mut(2 - new)[2 - axis] = if self.reversed[new] { -1.0 } else { 1.0 };
            if self.reversed[new] {
                origin[2 - axis] = shape[axis] as f64 - 1.0;
            }
        }
        DAffine3::from_mat3_translation(matrix, origin)
    }

    /// The voxels in their new order.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn apply(&self, volume: &Volume, job: &Job) -> Result<Volume> {
        with_volume!(volume, |a| self.apply_to(a.view(), job))
    }

    /// The voxels of a typed array in their new order.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn apply_to<T: Voxel>(&self, mut input: ArrayView3<T>, job: &Job) -> Result<Volume> {
        for a in 0..3 {
            if self.reversed[a] {
                input.invert_axis(Axis(self.axes[a]));
            }
        }
        let input = input.permuted_axes(self.axes);
        let mut out = ndarray::Array3::from_elem(input.dim(), T::default());
        let slabs = out.axis_chunks_iter_mut(Axis(0), 8).zip(input.axis_chunks_iter(Axis(0), 8));
        parallel::items(slabs, job, &|_, (mut target, source)| {
            // In tiles, so that lines that are turned stay in the cache.
            let targets = target.axis_chunks_iter_mut(Axis(1), 64);
            for (mut target, source) in targets.zip(source.axis_chunks_iter(Axis(1), 64)) {
                target.assign(&source);
            }
            job.advance(target.len() as u64);
            Ok(())
        })?;
        Ok(T::into_volume(out))
    }
}

/// The axes of the image in the order of the result's x, y and z, with a minus where they run backwards: `-x, y, z`.
impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |a: usize| {
            format!("{}{}", if self.reversed[a] { "-" } else { "" }, ["z", "y", "x"][self.axes[a]])
        };
        write!(f, "{}, {}, {}", name(2), name(1), name(0))
    }
}
