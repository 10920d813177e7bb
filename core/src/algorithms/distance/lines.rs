//! Squared distances along lines, many columns at once.
//!
//! The squared distance to the nearest seed is found one axis after the other: along x as the
//! distance to the nearer end of a run, then along y and z as `min over j of g(j) + w²(i − j)²`.
//! Sixteen columns go together. Each voxel looks outwards step by step, until the step alone is
//! farther than what it has found, which takes as many steps as its distance in voxels. A column
//! whose distances are long (a property of the column alone, so that the result depends on no
//! neighbour) gets the lower envelope of its parabolas instead, which is linear in its length.
//! Both minimise the same rounded sums; the envelope may pick another of two that differ in their
//! last bit, so which of them runs is decided for each column by itself.

use crate::algorithms::distance::Metric;
use crate::{Job, Result, Voxel};
use multiversion::multiversion;
use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

/// Columns that go together: one cache line of a row.
const LANES: usize = 16;
/// Columns that are copied together.
const WIDE: usize = 64;
/// Mean distance, in voxels, beyond which a column gets the envelope.
const FAR: f32 = 40.0;

/// A type of squared distances.
pub trait Squared: Voxel {
    /// No distance.
    const ZERO: Self;
    /// Farther than all.
    const INFINITE: Self;
    /// The square of `d` steps, each of which squares to `weight`.
    fn step(d: usize, weight: f64) -> Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The lesser.
    fn least(self, other: Self) -> Self;
    /// As a float, with infinity for [`Squared::INFINITE`].
    fn value(self) -> f64;
    /// The square root in steps whose inverse length is given, roughly.
    fn steps(self, inverse: f32) -> f32;
    /// A float in the same bits.
    fn hold(value: f32) -> Self;
    /// One sweep over sixteen columns.
    fn sweep(
        tile: &[[Self; LANES]],
        out: &mut [[Self; LANES]],
        far: &mut [bool; LANES],
        squares: &[Self],
        inverse: f32,
    );
}

impl Squared for u32 {
    const ZERO: Self = 0;
    const INFINITE: Self = 1 << 31;
    #[inline(always)]
    fn step(d: usize, _: f64) -> Self {
        (d * d) as u32
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // Squares of steps stay below 2³¹, so this cannot wrap.
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn least(self, other: Self) -> Self {
        self.min(other)
    }
    #[inline(always)]
    fn value(self) -> f64 {
        if self == Self::INFINITE { f64::INFINITY } else { f64::from(self) }
    }
    #[inline(always)]
    fn steps(self, _: f32) -> f32 {
        (self as i32 as f32).abs().sqrt()
    }
    #[inline(always)]
    fn hold(value: f32) -> Self {
        value.to_bits()
    }
    fn sweep(
        tile: &[[Self; LANES]],
        out: &mut [[Self; LANES]],
        far: &mut [bool; LANES],
        squares: &[Self],
        inverse: f32,
    ) {
        sweep_u32(tile, out, far, squares, inverse);
    }
}

impl Squared for f32 {
    const ZERO: Self = 0.0;
    const INFINITE: Self = f32::INFINITY;
    #[inline(always)]
    fn step(d: usize, weight: f64) -> Self {
        (weight * (d * d) as f64) as f32
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn least(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn value(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn steps(self, inverse: f32) -> f32 {
        self.sqrt() * inverse
    }
    #[inline(always)]
    fn hold(value: f32) -> Self {
        value
    }
    fn sweep(
        tile: &[[Self; LANES]],
        out: &mut [[Self; LANES]],
        far: &mut [bool; LANES],
        squares: &[Self],
        inverse: f32,
    ) {
        sweep_f32(tile, out, far, squares, inverse);
    }
}

/// Squared distances of the voxels on one side (`inside`: those that are not 0) to the nearest voxel
/// on the other; 0 on the other. `mask` is `[z, y, x]`.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn transform<T: Squared>(
    mask: &[u8],
    shape: [usize; 3],
    inside: bool,
    metric: Metric,
    job: &Job,
) -> Result<Vec<T>> {
    let mut squared = vec![T::ZERO; mask.len()];
    within_slices(mask, &mut squared, shape, inside, metric, job)?;
    across_slices(&mut squared, shape, metric, job, |v| v)?;
    Ok(squared)
}

/// The squared distances within each slice.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn within_slices<T: Squared>(
    mask: &[u8],
    squared: &mut [T],
    [_, ny, nx]: [usize; 3],
    inside: bool,
    metric: Metric,
    job: &Job,
) -> Result<()> {
    let (wy, wx) = match metric {
        Metric::Isotropic(_) => (1.0, 1.0),
        Metric::Anisotropic([_, y, x]) => (y * y, x * x),
    };
    if squared.is_empty() {
        return Ok(());
    }
    let squares: Vec<T> = (0..nx.max(1)).map(|d| T::step(d, wx)).collect();
    let plan = Plan::new(ny, wy);
    squared.par_chunks_mut(ny * nx).zip(mask.par_chunks(ny * nx)).try_for_each_init(
        Tile::default,
        |tile, (plane, mask)| {
            job.check()?;
            for (row, mask) in plane.chunks_exact_mut(nx).zip(mask.chunks_exact(nx)) {
                along_x(row, mask, inside, &squares);
            }
            let view = ArrayViewMut2::from_shape((ny, nx), plane).expect("a plane");
            columns(view, &plan, tile, |v| v);
            Ok(())
        },
    )
}

/// From squared distances within slices to squared distances in the volume, mapped by `f`.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn across_slices<T: Squared>(
    squared: &mut [T],
    shape: [usize; 3],
    metric: Metric,
    job: &Job,
    f: impl Fn(T) -> T + Sync,
) -> Result<()> {
    let weight = match metric {
        Metric::Isotropic(_) => 1.0,
        Metric::Anisotropic([z, _, _]) => z * z,
    };
    let plan = Plan::new(shape[0], weight);
    let mut view = ArrayViewMut3::from_shape(shape, squared).expect("the shape of the volume");
    view.axis_iter_mut(Axis(1)).into_par_iter().try_for_each_init(Tile::default, |tile, view| {
        job.check()?;
        let voxels = view.len();
        columns(view, &plan, tile, &f);
        job.advance(voxels as u64);
        Ok(())
    })
}

/// Squared distance along a row to the nearer end of the run that a voxel lies in. The ends of the
/// row are not ends of runs.
fn along_x<T: Squared>(row: &mut [T], mask: &[u8], inside: bool, squares: &[T]) {
    let (mut at, n) = (0, row.len());
    while at < n {
        if (mask[at] != 0) != inside {
            row[at] = T::ZERO;
            at += 1;
            continue;
        }
        let start = at;
        while at < n && (mask[at] != 0) == inside {
            at += 1;
        }
        let run = &mut row[start..at];
        let length = run.len();
        match (start > 0, at < n) {
            (false, false) => run.fill(T::INFINITE),
            (true, false) => run.copy_from_slice(&squares[1..=length]),
            (false, true) => run.iter_mut().rev().zip(&squares[1..]).for_each(|(v, s)| *v = *s),
            (true, true) => {
                let half = length.div_ceil(2);
                run[..half].copy_from_slice(&squares[1..=half]);
                run[half..].iter_mut().rev().zip(&squares[1..]).for_each(|(v, s)| *v = *s);
            }
        }
    }
}

/// What is the same for all columns of an axis.
struct Plan<T> {
    squares: Vec<T>,
    inverse: f32,
    weight: f64,
}

impl<T: Squared> Plan<T> {
    fn new(n: usize, weight: f64) -> Self {
        let squares = (0..n.max(1)).map(|d| T::step(d, weight)).collect();
        Self { squares, inverse: (1.0 / weight.sqrt()) as f32, weight }
    }
}

/// Working memory of a thread.
struct Tile<T> {
    source: Vec<[T; LANES]>,
    out: Vec<[T; LANES]>,
    envelope: Envelope,
    column: Vec<T>,
}

impl<T> Default for Tile<T> {
    fn default() -> Self {
        Self { source: Vec::new(), out: Vec::new(), envelope: Envelope::default(), column: Vec::new() }
    }
}

/// Runs along the columns of a plane `[line, column]`.
fn columns<T: Squared>(mut plane: ArrayViewMut2<T>, plan: &Plan<T>, tile: &mut Tile<T>, f: impl Fn(T) -> T) {
    let (n, width) = plane.dim();
    if n == 1 {
        plane.mapv_inplace(f);
        return;
    }
    let strips = WIDE / LANES;
    tile.source.resize(strips * n, [T::ZERO; LANES]);
    tile.out.resize(n, [T::ZERO; LANES]);
    for start in (0..width).step_by(WIDE) {
        let wide = WIDE.min(width - start);
        let mut part = plane.slice_mut(s![.., start..start + wide]);
        for (i, row) in part.outer_iter().enumerate() {
            let row = row.to_slice().expect("rows are contiguous");
            for (strip, lanes) in row.chunks(LANES).enumerate() {
                tile.source[strip * n + i][..lanes.len()].copy_from_slice(lanes);
            }
        }
        for strip in 0..wide.div_ceil(LANES) {
            let lanes = LANES.min(wide - strip * LANES);
            let source = &mut tile.source[strip * n..(strip + 1) * n];
            if lanes < LANES {
                source.iter_mut().for_each(|row| row[lanes..].fill(T::ZERO));
            }
            let mut far = [false; LANES];
            T::sweep(source, &mut tile.out, &mut far, &plan.squares, plan.inverse);
            for lane in (0..lanes).filter(|&l| far[l]) {
                tile.column.clear();
                tile.column.extend(source.iter().map(|row| row[lane]));
                tile.envelope.along(&mut tile.column, plan);
                tile.out.iter_mut().zip(&tile.column).for_each(|(row, v)| row[lane] = *v);
            }
            for (mut row, out) in part.outer_iter_mut().zip(&tile.out) {
                let row = row.as_slice_mut().expect("rows are contiguous");
                let target = &mut row[strip * LANES..strip * LANES + lanes];
                target.iter_mut().zip(out).for_each(|(t, v)| *t = f(*v));
            }
        }
    }
}

#[inline(always)]
fn sweep<T: Squared>(
    tile: &[[T; LANES]],
    out: &mut [[T; LANES]],
    far: &mut [bool; LANES],
    squares: &[T],
    inverse: f32,
) {
    let n = tile.len();
    let budget = FAR * n as f32;
    let mut cost = [0f32; LANES];
    let mut closed = false;
    for i in 0..n {
        let mut best = tile[i];
        if closed {
            // Columns that were given up no longer make the others wait.
            for l in 0..LANES {
                best[l] = if far[l] { T::ZERO } else { best[l] };
            }
        }
        let mut d = 1;
        let reach = i.max(n - 1 - i);
        while d <= reach {
            let step = squares[d];
            if !best.iter().fold(false, |any, v| any | (*v > step)) {
                break;
            }
            // Both directions of two steps before the next look at what is left.
            for d in d..(d + 2).min(reach + 1) {
                let step = squares[d];
                if i >= d {
                    let before = &tile[i - d];
                    for l in 0..LANES {
                        best[l] = best[l].least(before[l].plus(step));
                    }
                }
                if i + d < n {
                    let after = &tile[i + d];
                    for l in 0..LANES {
                        best[l] = best[l].least(after[l].plus(step));
                    }
                }
            }
            d += 2;
        }
        out[i] = best;
        for l in 0..LANES {
            cost[l] += best[l].steps(inverse).min(n as f32);
        }
        if cost.iter().fold(false, |any, c| any | (*c > budget)) {
            closed = true;
            for l in 0..LANES {
                far[l] |= cost[l] > budget;
            }
        }
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn sweep_u32(
    tile: &[[u32; LANES]],
    out: &mut [[u32; LANES]],
    far: &mut [bool; LANES],
    squares: &[u32],
    inverse: f32,
) {
    sweep(tile, out, far, squares, inverse);
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn sweep_f32(
    tile: &[[f32; LANES]],
    out: &mut [[f32; LANES]],
    far: &mut [bool; LANES],
    squares: &[f32],
    inverse: f32,
) {
    sweep(tile, out, far, squares, inverse);
}

/// The lower envelope of the parabolas of a column.
#[derive(Default)]
struct Envelope {
    /// Where the apex of each parabola lies, its height, and from where on it is the lowest.
    apex: Vec<(usize, f64, f64)>,
    source: Vec<f64>,
}

impl Envelope {
    fn along<T: Squared>(&mut self, column: &mut [T], plan: &Plan<T>) {
        self.apex.clear();
        let w = plan.weight;
        for (i, v) in column.iter().enumerate() {
            let height = v.value();
            if height == f64::INFINITY {
                continue;
            }
            let from = loop {
                let Some(&(j, other, from)) = self.apex.last() else { break f64::NEG_INFINITY };
                // Where both parabolas are equal: the later one is lower beyond. Heights of integer
                // metrics are exact here; the quotient is compared with whole numbers only.
                let at = (height - other) / (2.0 * w * (i - j) as f64) + (i + j) as f64 / 2.0;
                if at > from {
                    break at;
                }
                self.apex.pop();
            };
            self.apex.push((i, height, from));
        }
        if self.apex.is_empty() {
            return;
        }
        self.source.clear();
        let mut k = 0;
        // The heights are needed as they were.
        let heights: Vec<T> = self.apex.iter().map(|(i, _, _)| column[*i]).collect();
        for (i, v) in column.iter_mut().enumerate() {
            while k + 1 < self.apex.len() && self.apex[k + 1].2 < i as f64 {
                k += 1;
            }
            *v = heights[k].plus(plan.squares[self.apex[k].0.abs_diff(i)]);
        }
    }
}
