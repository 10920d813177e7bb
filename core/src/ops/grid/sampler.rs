//! Values between voxels, and an image sampled along any affine map.

use crate::program::{Block, Local};
use crate::{Job, Region, Result, Volume, Voxel, parallel, with_volume};
use glam::{DAffine3, DVec3};
use ndarray::Array3;
use std::sync::Arc;

/// How values between voxels are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interpolation {
    /// The nearest voxel's, the upper of two.
    Nearest,
    /// Linear along each axis.
    Linear,
    /// Cubic along each axis (Keys 1981, doi:10.1109/TASSP.1981.1163711, a = −½).
    Cubic,
}

/// The voxels along an axis that a sample is made of, and their weights.
#[derive(Debug, Clone, Copy)]
pub struct Taps {
    /// Indices of the voxels; those without a weight repeat another's.
    pub index: [usize; 4],
    /// Their weights.
    pub weight: [f64; 4],
}

impl Interpolation {
    /// The taps of a sample at a place along an axis of `n` voxels, beyond whose ends the last voxel is repeated.
    #[inline]
    pub fn taps(self, at: f64, n: usize) -> Taps {
        let last = n as i64 - 1;
        let clamp = |i: i64| i.clamp(0, last) as usize;
        if self == Self::Nearest {
            return Taps { index: [clamp((at + 0.5).floor() as i64); 4], weight: [1.0, 0.0, 0.0, 0.0] };
        }
        let (base, t) = (at.floor() as i64, at - at.floor());
        // A sample on a voxel is that voxel: its neighbours need not be finite, or there.
        if t == 0.0 {
            return Taps { index: [clamp(base); 4], weight: [1.0, 0.0, 0.0, 0.0] };
        }
        if self == Self::Linear {
            let (a, b) = (clamp(base), clamp(base + 1));
            return Taps { index: [a, b, b, b], weight: [1.0 - t, t, 0.0, 0.0] };
        }
        let index = [-1, 0, 1, 2].map(|d| clamp(base + d));
        let weight = [
            t * (-0.5 + t * (1.0 - 0.5 * t)),
            1.0 + t * t * (-2.5 + 1.5 * t),
            t * (0.5 + t * (2.0 - 1.5 * t)),
            t * t * (-0.5 + 0.5 * t),
        ];
        Taps { index, weight }
    }

    /// How many taps may have a weight.
    pub fn taps_used(self) -> usize {
        match self {
            Self::Nearest => 1,
            Self::Linear => 2,
            Self::Cubic => 4,
        }
    }
}

impl Taps {
    /// The least and the greatest voxel that has a weight.
    pub fn ends(&self) -> (usize, usize) {
        let used = (0..4).filter(|&i| self.weight[i] != 0.0).map(|i| self.index[i]);
        used.fold((usize::MAX, 0), |(low, high), i| (low.min(i), high.max(i)))
    }

    /// Σ weight · value over the voxels that have a weight, in order.
    #[inline(always)]
    pub fn apply(&self, used: usize, value: impl Fn(usize) -> f64) -> f64 {
        let mut sum = if self.weight[0] == 0.0 { 0.0 } else { self.weight[0] * value(self.index[0]) };
        for i in 1..used {
            if self.weight[i] != 0.0 {
                sum += self.weight[i] * value(self.index[i]);
            }
        }
        sum
    }
}

/// Distance in voxels that is put down to rounding of headers and affine maps.
const SNAP: f64 = 1e-6;

/// An image sampled along an affine map.
pub struct Sampler {
    /// Index `(x, y, z)` in the image of a sample's index.
    pub index_from_sample: DAffine3,
    /// How values between voxels are found.
    pub kernel: Interpolation,
    /// Value of the samples that lie outside of all voxels.
    pub fill: f64,
}

impl Sampler {
    /// Index in the image of a sample `[z, y, x]`; the same bits whichever block asks. At the centre or the face of a
    /// voxel if it is that but for rounding.
    #[inline(always)]
    fn place(&self, [z, y, x]: [usize; 3]) -> DVec3 {
        let m = self.index_from_sample.matrix3;
        let row = self.index_from_sample.translation + m.z_axis * z as f64 + m.y_axis * y as f64;
        let at = row + m.x_axis * x as f64;
        let near = (at * 2.0).round() * 0.5;
        DVec3::select((at - near).abs().cmplt(DVec3::splat(SNAP)), near, at)
    }

    fn sample<T: Voxel>(&self, input: &Array3<T>, block: &Block, job: &Job) -> Result<Volume> {
        let (shape, held, out) = (block.image(), block.sources[0].start, block.out);
        let (_, ny, nx) = input.dim();
        let source = input.as_slice().expect("volumes are in C order");
        let (used, fill) = (self.kernel.taps_used(), T::from_f64(self.fill));
        let value =
            |z: usize, y: usize, x: usize| source[((z - held[0]) * ny + y - held[1]) * nx + x - held[2]];
        let mut made = Array3::<T>::from_elem(out.shape, fill);
        let target = made.as_slice_mut().expect("just made");
        let [_, oy, ox] = out.shape;
        parallel::chunks(target, (oy * ox).max(1), job, &|z, plane| {
            for (y, line) in plane.chunks_exact_mut(ox).enumerate() {
                for (x, v) in line.iter_mut().enumerate() {
                    let at = self.place([out.start[0] + z, out.start[1] + y, out.start[2] + x]);
                    let inside = |a: usize| at[2 - a] >= -0.5 && at[2 - a] <= shape[a] as f64 - 0.5;
                    if !(inside(0) && inside(1) && inside(2)) {
                        continue;
                    }
                    let [tz, ty, tx] = [0, 1, 2].map(|a| self.kernel.taps(at[2 - a], shape[a]));
                    *v =
                        if self.kernel == Interpolation::Nearest {
                            value(tz.index[0], ty.index[0], tx.index[0])
                        } else {
                            T::from_f64(tz.apply(used, |z| {
                                ty.apply(used, |y| tx.apply(used, |x| value(z, y, x).to_f64()))
                            }))
                        };
                }
            }
            job.advance(plane.len() as u64);
            Result::Ok(())
        })?;
        Ok(made.into())
    }
}

impl Local for Sampler {
    fn source(&self, out: Region, input: usize, shape: [usize; 3]) -> Region {
        if input > 0 {
            // Of other images only the grid matters.
            return Region::new([0; 3], [1; 3]);
        }
        let (first, end) = (out.start, out.end());
        let corners = (0..8).map(|i| {
            self.place(std::array::from_fn(|a| if i >> a & 1 == 0 { first[a] } else { end[a] - 1 }))
        });
        let (low, high) =
            corners.fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
        // Taps reach two voxels; one more is for rounding.
        let within = |v: f64, a: usize| v.clamp(0.0, shape[a] as f64 - 1.0) as usize;
        let start: [usize; 3] = std::array::from_fn(|a| within(low[2 - a].floor() - 3.0, a));
        Region::new(start, std::array::from_fn(|a| within(high[2 - a].ceil() + 3.0, a) + 1 - start[a]))
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        with_volume!(&**input, |a| self.sample(a, block, job))
    }
}
