//! Sums of separable kernels, tile by tile: all three axes while the tile is in the cache, and each
//! voxel of the image read and written once.
//!
//! A tile is swept along z. Of each plane come the rows filtered along x, of these the rows filtered
//! along y, which are kept in a ring as deep as the kernel along z. Each output is a sum in an order
//! fixed by the kernel alone, so tiles, blocks and threads don't show in the result.

use super::tile::Sample;
use super::{Border, Frame, Sink, before, by_tiles, is_wide, sized};
use crate::program::{Block, Local};
use crate::{Job, Result, Volume, VoxelType};
use multiversion::multiversion;
use std::sync::Arc;

/// A kernel along one axis, even or odd about its middle.
#[derive(Debug, Clone, PartialEq)]
pub struct Taps {
    /// Weights from the middle to the end. An odd kernel has 0 in the middle; the weights are those
    /// of the voxels after it.
    pub weights: Vec<f64>,
    /// Whether the weights before the middle are the negative ones.
    pub odd: bool,
}

impl Taps {
    /// Leaves the image as it is.
    pub fn identity() -> Self {
        Self { weights: vec![1.0], odd: false }
    }

    /// The sum over `2 radius + 1` voxels.
    pub fn sum(radius: usize) -> Self {
        Self { weights: vec![1.0; radius + 1], odd: false }
    }

    /// A Gaussian of standard deviation `sigma` voxels, cut off at `truncate` of them, of sum 1.
    pub fn gaussian(sigma: f64, truncate: f64) -> Self {
        if sigma <= 1e-15 {
            return Self::identity();
        }
        let radius = (truncate * sigma + 0.5) as usize;
        let mut weights: Vec<f64> =
            (0..=radius).map(|i| (-0.5 * (i * i) as f64 / (sigma * sigma)).exp()).collect();
        let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
        weights.iter_mut().for_each(|w| *w /= sum);
        Self { weights, odd: false }
    }

    /// The first derivative of that Gaussian: the response to a ramp of slope 1 is 1, but for the
    /// cut-off ends.
    pub fn gaussian_slope(sigma: f64, truncate: f64) -> Self {
        let mut taps = Self::gaussian(sigma, truncate);
        for (i, w) in taps.weights.iter_mut().enumerate() {
            *w *= i as f64 / (sigma * sigma);
        }
        Self { odd: true, ..taps }
    }

    /// The second derivative of that Gaussian.
    pub fn gaussian_curvature(sigma: f64, truncate: f64) -> Self {
        let mut taps = Self::gaussian(sigma, truncate);
        let s2 = sigma * sigma;
        for (i, w) in taps.weights.iter_mut().enumerate() {
            *w *= ((i * i) as f64 / s2 - 1.0) / s2;
        }
        taps
    }

    /// How far it reaches.
    pub fn radius(&self) -> usize {
        self.weights.len() - 1
    }
}

/// What is written of the sums and the voxel itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// The first sum times a factor.
    Scaled(f64),
    /// The length of the vector of the sums, each times a factor.
    Magnitude([f64; 3]),
    /// The sum of the sums, each times a factor.
    Total([f64; 3]),
    /// `v + amount · (v − sum)` where the difference is at least `threshold`, else `v`.
    Sharpened { amount: f64, threshold: f64 },
    /// `v − sum`.
    Difference,
    /// `v ∕ sum`; 0 where the sum is 0.
    Ratio,
}

/// One term: a kernel, and which of the previous stage's results it filters.
pub type Term = (usize, Taps);

/// A filter made of separable kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct Separable {
    /// Kernels along x.
    pub x: Vec<Taps>,
    /// Kernels along y of the results along x.
    pub y: Vec<Term>,
    /// Kernels along z of the results along y: the sums.
    pub z: Vec<Term>,
    /// What is written.
    pub finish: Finish,
    /// How the image goes on.
    pub border: Border,
    /// Type of the result.
    pub output: VoxelType,
    /// Whether integers are summed in `f64`, so that sums of them are exact.
    pub exact: bool,
}

impl Separable {
    /// One separable kernel, `[z, y, x]`.
    pub fn single([z, y, x]: [Taps; 3], finish: Finish, border: Border, output: VoxelType) -> Self {
        Self { x: vec![x], y: vec![(0, y)], z: vec![(0, z)], finish, border, output, exact: false }
    }

    fn radius(&self) -> [usize; 3] {
        let largest = |terms: &[Term]| terms.iter().map(|t| t.1.radius()).max().unwrap_or(0);
        [largest(&self.z), largest(&self.y), self.x.iter().map(Taps::radius).max().unwrap_or(0)]
    }

    fn run<R: Real>(&self, block: &Block, input: &Volume, job: &Job) -> Result<Volume> {
        let radius = self.radius();
        let bank = Bank::<R> {
            x: self.x.iter().map(Weights::from).collect(),
            y: self.y.iter().map(|(i, t)| (*i, t.into())).collect(),
            z: self.z.iter().map(|(i, t)| (*i, t.into())).collect(),
            radius,
            finish: &self.finish,
            frame: Frame { input, source: block.sources[0], image: block.image(), border: self.border },
        };
        let size = tile_size(radius, block.out.shape);
        by_tiles(self.output, block.out, size, job, Buffers::<R>::default, |b, tile| {
            bank.tile(b, tile);
            Ok(())
        })
    }
}

/// Large enough that the surroundings cost little, small enough for the ring to stay in the cache.
fn tile_size(radius: [usize; 3], out: [usize; 3]) -> [usize; 3] {
    let x = if radius[1].max(radius[2]) > 16 { 64 } else { 128 };
    [(4 * radius[0]).max(64), (2 * radius[1]).max(32), if out[2] <= x + x / 2 { out[2] } else { x }]
}

impl Local for Separable {
    fn halo(&self) -> [usize; 3] {
        self.radius()
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let wide = is_wide(input.voxel_type()) || self.exact && !input.voxel_type().is_float();
        if wide { self.run::<f64>(block, input, job) } else { self.run::<f32>(block, input, job) }
    }
}

/// The numbers that sums are made of.
trait Real: Sample + std::ops::AddAssign + std::ops::Add<Output = Self> {
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    fn put(values: &[Self], sink: &mut dyn Sink, z: usize, y: usize);
    /// See [`sums`].
    fn sums(data: &[Self], starts: &[usize], weights: &Weights<Self>, out: &mut [Self]);
}

macro_rules! real {
    ($t:ident, $sums:ident, $put:ident) => {
        #[multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "aarch64+neon"
        ))]
        fn $sums(data: &[$t], starts: &[usize], weights: &Weights<$t>, out: &mut [$t]) {
            let r = weights.half.len() - 1;
            let (chunks, _) = out.as_chunks_mut::<LANES>();
            for (i, chunk) in chunks.iter_mut().enumerate() {
                let x = i * LANES;
                let at = |k: usize| -> &[$t; LANES] {
                    data[starts[k] + x..].first_chunk().expect("buffers end with room for a vector")
                };
                let w = weights.half[0];
                let middle = at(r);
                let mut sum: [$t; LANES] = std::array::from_fn(|l| w * middle[l]);
                if weights.odd {
                    for k in 1..=r {
                        let (w, a, b) = (weights.half[k], at(r - k), at(r + k));
                        for l in 0..LANES {
                            sum[l] += w * (b[l] - a[l]);
                        }
                    }
                } else {
                    for k in 1..=r {
                        let (w, a, b) = (weights.half[k], at(r - k), at(r + k));
                        for l in 0..LANES {
                            sum[l] += w * (a[l] + b[l]);
                        }
                    }
                }
                *chunk = sum;
            }
        }

        impl Real for $t {
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
            fn put(values: &[Self], sink: &mut dyn Sink, z: usize, y: usize) {
                sink.$put(z, y, values);
            }
            fn sums(data: &[Self], starts: &[usize], weights: &Weights<Self>, out: &mut [Self]) {
                $sums(data, starts, weights, out);
            }
        }
    };
}

real!(f32, sums_f32, put);
real!(f64, sums_f64, put_wide);

/// Rows are computed in chunks of this many voxels, so that sums stay in registers.
const LANES: usize = 32;

struct Weights<R> {
    half: Vec<R>,
    odd: bool,
}

impl<R: Real> From<&Taps> for Weights<R> {
    fn from(taps: &Taps) -> Self {
        Self { half: taps.weights.iter().map(|w| R::of(*w)).collect(), odd: taps.odd }
    }
}

struct Bank<'a, R> {
    x: Vec<Weights<R>>,
    y: Vec<(usize, Weights<R>)>,
    z: Vec<(usize, Weights<R>)>,
    radius: [usize; 3],
    finish: &'a Finish,
    frame: Frame<'a>,
}

#[derive(Default)]
struct Buffers<R> {
    plane: Vec<R>,
    x: Vec<R>,
    ring: Vec<R>,
    row: Vec<R>,
    starts: Vec<usize>,
}

impl<R: Real> Bank<'_, R> {
    fn tile(&self, b: &mut Buffers<R>, tile: &mut dyn Sink) {
        let region = tile.region();
        let [tz, ty, tx] = region.shape;
        let [rz, ry, rx] = self.radius;
        let stride = tx.next_multiple_of(LANES);
        let rows = ty + 2 * ry;
        let across = stride + 2 * rx;
        let plane = sized(&mut b.plane, rows * across);
        let filtered_x = sized(&mut b.x, self.x.len() * rows * stride);
        let depth = 2 * rz + 1;
        let slot = self.y.len() * ty * stride;
        let ring = sized(&mut b.ring, depth * slot);
        let row = sized(&mut b.row, (self.z.len() + 1) * stride);
        let starts = &mut b.starts;
        let origin = before(region.start, self.radius);
        let mut last = None;
        for p in 0..tz + 2 * rz {
            let z = origin[0] + p as isize;
            let source = self.frame.index(0, z);
            let now = (p % depth) * slot;
            if last == Some(source) {
                // Beyond a border, and in an image of one plane, planes repeat.
                let before = ((p + depth - 1) % depth) * slot;
                if depth > 1 {
                    ring.copy_within(before..before + slot, now);
                }
            } else {
                self.frame.fill([z, origin[1], origin[2]], [1, rows, tx + 2 * rx], across, plane);
                self.filter_plane(plane, filtered_x, &mut ring[now..now + slot], [ty, stride], starts);
            }
            last = Some(source);
            if p < 2 * rz {
                continue;
            }
            for y in 0..ty {
                for (m, (from, weights)) in self.z.iter().enumerate() {
                    let r = weights.half.len() - 1;
                    starts.clear();
                    starts.extend(
                        (0..=2 * r)
                            .map(|k| ((p + depth - rz - r + k) % depth) * slot + (from * ty + y) * stride),
                    );
                    R::sums(ring, starts, weights, &mut row[m * stride..][..stride]);
                }
                let (sums, own) = row.split_at_mut(self.z.len() * stride);
                if !matches!(self.finish, Finish::Scaled(_) | Finish::Magnitude(_) | Finish::Total(_)) {
                    let [z0, y0, x0] = region.start.map(|s| s as isize);
                    self.frame.fill(
                        [z0 + (p - 2 * rz) as isize, y0 + y as isize, x0],
                        [1, 1, tx],
                        stride,
                        own,
                    );
                }
                finish(self.finish, sums, own, stride);
                R::put(&sums[..tx], tile, p - 2 * rz, y);
            }
        }
    }

    fn filter_plane(
        &self,
        plane: &[R],
        filtered_x: &mut [R],
        out: &mut [R],
        [ty, stride]: [usize; 2],
        starts: &mut Vec<usize>,
    ) {
        let [_, ry, rx] = self.radius;
        let rows = ty + 2 * ry;
        let across = stride + 2 * rx;
        for (i, weights) in self.x.iter().enumerate() {
            let r = weights.half.len() - 1;
            for y in 0..rows {
                starts.clear();
                starts.extend((0..=2 * r).map(|k| y * across + rx - r + k));
                R::sums(plane, starts, weights, &mut filtered_x[(i * rows + y) * stride..][..stride]);
            }
        }
        for (j, (from, weights)) in self.y.iter().enumerate() {
            let r = weights.half.len() - 1;
            for y in 0..ty {
                starts.clear();
                starts.extend((0..=2 * r).map(|k| (from * rows + y + ry - r + k) * stride));
                R::sums(filtered_x, starts, weights, &mut out[(j * ty + y) * stride..][..stride]);
            }
        }
    }
}

/// Turns the sums into the result, in the place of the first.
fn finish<R: Real>(how: &Finish, sums: &mut [R], own: &[R], stride: usize) {
    let (first, rest) = sums.split_at_mut(stride);
    match how {
        Finish::Scaled(1.0) => {}
        Finish::Scaled(factor) => first.iter_mut().for_each(|s| *s = R::of(s.wide() * factor)),
        Finish::Magnitude(factor) => {
            let (second, third) = rest.split_at(stride);
            for ((a, b), c) in first.iter_mut().zip(second).zip(third) {
                let v = [a.wide() * factor[0], b.wide() * factor[1], c.wide() * factor[2]];
                *a = R::of((v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt());
            }
        }
        Finish::Total(factor) => {
            let (second, third) = rest.split_at(stride);
            for ((a, b), c) in first.iter_mut().zip(second).zip(third) {
                *a = R::of(a.wide() * factor[0] + b.wide() * factor[1] + c.wide() * factor[2]);
            }
        }
        Finish::Sharpened { amount, threshold } => {
            for (s, v) in first.iter_mut().zip(own) {
                let detail = v.wide() - s.wide();
                // Written so that NaN passes on.
                let small = detail.abs() < *threshold;
                *s = if small { *v } else { R::of(v.wide() + amount * detail) };
            }
        }
        Finish::Difference => {
            first.iter_mut().zip(own).for_each(|(s, v)| *s = R::of(v.wide() - s.wide()));
        }
        Finish::Ratio => {
            for (s, v) in first.iter_mut().zip(own) {
                *s = R::of(if s.wide() == 0.0 { 0.0 } else { v.wide() / s.wide() });
            }
        }
    }
}
