//! Coarser levels of an image: which axes to halve, and how to halve a block.
//!
//! Intensities are averaged, labels take the most frequent value, so that a coarse label is always
//! one of the labels below it. A level has `ceil(n / 2)` voxels along a halved axis; the last
//! voxel of an odd axis is made of what there is. Blocks that begin at even indices give the same
//! voxels as the whole image would, so a pyramid can be built block by block.

use crate::{Region, Volume, Voxel, VoxelType};
use ndarray::Array3;
use rayon::prelude::*;

/// The factor (1 or 2) of each axis, `[z, y, x]`, by which the next coarser level is smaller.
///
/// An axis is halved unless its spacing is already at least twice the finest, so that voxels
/// become more cube-shaped from level to level. Axes of one voxel are not halved and do not count.
/// Spacings that are not positive count as 1.
pub fn factors(shape: [usize; 3], spacing: [f64; 3]) -> [usize; 3] {
    let spacing = spacing.map(|s| if s.is_finite() && s > 0.0 { s } else { 1.0 });
    let finest = (0..3).filter(|&a| shape[a] > 1).map(|a| spacing[a]).fold(f64::INFINITY, f64::min);
    // The slack forgives spacings that were rounded when they were written down.
    std::array::from_fn(|a| if shape[a] > 1 && spacing[a] < 2.0 * finest * (1.0 - 1e-6) { 2 } else { 1 })
}

/// Shape of the level that `factor` makes of `shape`.
pub fn coarser(shape: [usize; 3], factor: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|a| shape[a].div_ceil(factor[a].max(1)))
}

/// The factors from level to level, until a level fits into `enough` voxels along every axis.
pub fn plan(shape: [usize; 3], spacing: [f64; 3], enough: [usize; 3]) -> Vec<[usize; 3]> {
    let (mut shape, mut spacing, mut plan) = (shape, spacing, Vec::new());
    while (0..3).any(|a| shape[a] > enough[a].max(1)) {
        let factor = factors(shape, spacing);
        shape = coarser(shape, factor);
        spacing = std::array::from_fn(|a| spacing[a] * factor[a] as f64);
        plan.push(factor);
    }
    plan
}

/// The region of the finer level, of `shape`, that a region of the coarser level is made of.
pub fn finer_region(coarse: Region, factor: [usize; 3], shape: [usize; 3]) -> Region {
    let start: [usize; 3] = std::array::from_fn(|a| coarse.start[a] * factor[a]);
    Region {
        start,
        shape: std::array::from_fn(|a| (coarse.shape[a] * factor[a]).min(shape[a].saturating_sub(start[a]))),
    }
}

/// A block made coarser by `factor` (1 or 2 along each axis, `[z, y, x]`).
///
/// Intensities: the mean of the up to eight voxels below; integers round halves up, floating-point
/// values are summed in `f64` in C order and NaN counts as missing. Labels: the most frequent
/// value, of several the one that comes first in C order.
pub fn downsample(block: &Volume, factor: [usize; 3], labels: bool) -> Volume {
    if factor == [1; 3] {
        return block.clone();
    }
    let mut coarse = Volume::zeros(block.voxel_type(), coarser(block.shape(), factor));
    downsample_into(block, Region::whole(block.shape()), factor, labels, &mut coarse, [0; 3]);
    coarse
}

/// The same of a part of a volume, written into `target` from the voxel `at`. Both have the same voxel type.
pub fn downsample_into(
    volume: &Volume,
    part: Region,
    factor: [usize; 3],
    labels: bool,
    target: &mut Volume,
    at: [usize; 3],
) {
    assert!(factor.iter().all(|f| (1..=2).contains(f)), "pyramids halve: factor {factor:?}");
    macro_rules! halve {
        ($($variant:ident $mean:ident),*) => {
            match (volume, target) {
                $((Volume::$variant(a), Volume::$variant(t)) => {
                    by_row(a, part, factor, if labels { most_frequent_row } else { $mean }, t, at);
                })*
                _ => unreachable!("a level has the voxel type of the one below"),
            }
        };
    }
    halve!(
        U8 mean_row_u8, I8 mean_row_i8, U16 mean_row_u16, I16 mean_row_i16, U32 mean_row_u32, I32 mean_row_i32,
        U64 mean_row_u64, I64 mean_row_i64, F32 mean_row_f32, F64 mean_row_f64
    );
}

/// Fills one output row from the one, two or four input rows below it.
type RowKernel<T> = fn(&[&[T]], usize, &mut [T]);

/// Threads share parts that have at least so many voxels.
const SHARED: usize = 1 << 18;

fn by_row<T: Voxel>(
    volume: &Array3<T>,
    part: Region,
    factor: [usize; 3],
    kernel: RowKernel<T>,
    target: &mut Array3<T>,
    at: [usize; 3],
) {
    let ((_, whole_y, whole_x), [nz, ny, nx]) = (volume.dim(), part.shape);
    let shape = coarser(part.shape, factor);
    let (_, target_y, target_x) = target.dim();
    if part.is_empty() {
        return;
    }
    let source = volume.as_slice().expect("volumes are in C order");
    let planes = target_y * target_x;
    let target = &mut target.as_slice_mut().expect("volumes are in C order")[at[0] * planes..];
    let target = target[..shape[0] * planes].par_chunks_mut(planes).enumerate();
    target.with_min_len(SHARED.div_ceil(ny * nx)).for_each(|(z, plane)| {
        for (y, row) in plane.chunks_mut(target_x).skip(at[1]).take(shape[1]).enumerate() {
            let mut rows: [&[T]; 4] = [&[]; 4];
            let mut count = 0;
            for zz in z * factor[0]..((z + 1) * factor[0]).min(nz) {
                for yy in y * factor[1]..((y + 1) * factor[1]).min(ny) {
                    let at = ((part.start[0] + zz) * whole_y + part.start[1] + yy) * whole_x + part.start[2];
                    rows[count] = &source[at..at + nx];
                    count += 1;
                }
            }
            kernel(&rows[..count], factor[2], &mut row[at[2]..at[2] + shape[2]]);
        }
    });
}

/// How a voxel type is averaged without losing a bit before the end.
macro_rules! integer_mean {
    ($($name:ident $t:ident $sum:ident),*) => { $(
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "aarch64+neon"
        ))]
        fn $name(rows: &[&[$t]], fx: usize, out: &mut [$t]) {
            // The number of voxels is a power of two, so a shift divides; an arithmetic shift of
            // (sum + half) rounds halves up for negative sums too.
            let bits = rows.len().trailing_zeros();
            let mean = |sum: $sum, bits: u32| ((sum + ((1 << bits) >> 1)) >> bits) as $t;
            let pairs = if fx == 2 { rows[0].len() / 2 } else { 0 };
            match (rows, fx) {
                ([a, b, c, d], 2) => {
                    for ((((o, a), b), c), d) in out.iter_mut().zip(a.chunks_exact(2)).zip(b.chunks_exact(2))
                        .zip(c.chunks_exact(2)).zip(d.chunks_exact(2)) {
                        let sum = (a[0] as $sum + a[1] as $sum) + (b[0] as $sum + b[1] as $sum)
                            + (c[0] as $sum + c[1] as $sum) + (d[0] as $sum + d[1] as $sum);
                        *o = mean(sum, 3);
                    }
                }
                (_, 2) => {
                    for (i, o) in out[..pairs].iter_mut().enumerate() {
                        let sum: $sum = rows.iter().map(|r| r[2 * i] as $sum + r[2 * i + 1] as $sum).sum();
                        *o = mean(sum, bits + 1);
                    }
                }
                _ => {}
            }
            for i in pairs..out.len() {
                let sum: $sum = rows.iter().map(|r| r[i * fx] as $sum).sum();
                out[i] = mean(sum, bits);
            }
        }
    )* };
}

integer_mean!(
    mean_row_u8 u8 u32, mean_row_i8 i8 i32, mean_row_u16 u16 u32, mean_row_i16 i16 i32,
    mean_row_u32 u32 u64, mean_row_i32 i32 i64, mean_row_u64 u64 u128, mean_row_i64 i64 i128
);

macro_rules! float_mean {
    ($($name:ident $t:ident),*) => { $(
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "aarch64+neon"
        ))]
        fn $name(rows: &[&[$t]], fx: usize, out: &mut [$t]) {
            let nx = rows[0].len();
            for (i, o) in out.iter_mut().enumerate() {
                let below = i * fx..((i + 1) * fx).min(nx);
                let mut sum = 0.0f64;
                for row in rows {
                    for v in &row[below.clone()] {
                        sum += f64::from(*v);
                    }
                }
                let mut count = (rows.len() * below.len()) as f64;
                if sum.is_nan() {
                    (sum, count) = (0.0, 0.0);
                    for row in rows {
                        for v in row[below.clone()].iter().filter(|v| !v.is_nan()) {
                            sum += f64::from(*v);
                            count += 1.0;
                        }
                    }
                }
                // 0 / 0 is NaN: nothing but NaN below.
                *o = (sum / count) as $t;
            }
        }
    )* };
}

float_mean!(mean_row_f32 f32, mean_row_f64 f64);

fn most_frequent_row<T: Voxel>(rows: &[&[T]], fx: usize, out: &mut [T]) {
    let nx = rows[0].len();
    for (i, o) in out.iter_mut().enumerate() {
        let below = i * fx..((i + 1) * fx).min(nx);
        let first = rows[0][below.start];
        let mut all = [first; 8];
        let mut count = 0;
        let mut same = true;
        for row in rows {
            for v in &row[below.clone()] {
                all[count] = *v;
                same &= *v == first;
                count += 1;
            }
        }
        *o = if same { first } else { most_frequent(&all[..count]) };
    }
}

fn most_frequent<T: Voxel>(values: &[T]) -> T {
    let mut best = (0, values[0]);
    for (i, v) in values.iter().enumerate() {
        let count = values[i..].iter().filter(|w| *w == v).count();
        if count > best.0 {
            best = (count, *v);
        }
    }
    best.1
}

/// Whether voxels of a type can be labels.
pub fn can_label(voxel: VoxelType) -> bool {
    !voxel.is_float()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: Voxel>(shape: [usize; 3], seed: u64) -> Array3<T> {
        let mut state = seed;
        Array3::from_shape_simple_fn(shape, || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            T::from_f64(((state >> 40) as f64) - 8_000_000.0)
        })
    }

    /// The definition, voxel by voxel, in 128-bit arithmetic.
    fn plain<T: Voxel>(a: &Array3<T>, f: [usize; 3], labels: bool) -> Array3<T> {
        let (nz, ny, nx) = a.dim();
        Array3::from_shape_fn(coarser([nz, ny, nx], f), |(z, y, x)| {
            let mut below = Vec::new();
            for zz in z * f[0]..((z + 1) * f[0]).min(nz) {
                for yy in y * f[1]..((y + 1) * f[1]).min(ny) {
                    for xx in x * f[2]..((x + 1) * f[2]).min(nx) {
                        below.push(a[[zz, yy, xx]]);
                    }
                }
            }
            if labels {
                let count = |v: &T| below.iter().filter(|w| *w == v).count();
                let most = below.iter().map(count).max().unwrap();
                *below.iter().find(|v| count(v) == most).unwrap()
            } else if T::TYPE.is_float() {
                let good: Vec<f64> = below.iter().map(|v| v.to_f64()).filter(|v| !v.is_nan()).collect();
                T::from_f64(good.iter().fold(0.0, |s, v| s + v) / good.len() as f64)
            } else {
                let n = below.len() as i128;
                let sum: i128 = below.iter().map(|v| v.to_f64() as i128).sum();
                T::from_f64((2 * sum + n).div_euclid(2 * n) as f64)
            }
        })
    }

    #[test]
    fn halving_is_what_its_definition_says_for_odd_and_thin_shapes() {
        for shape in [[1, 1, 1], [1, 5, 7], [2, 2, 2], [3, 4, 5], [5, 1, 9], [7, 6, 1], [4, 8, 33]] {
            for bits in 0..8usize {
                let f = [1 + (bits & 1), 1 + (bits >> 1 & 1), 1 + (bits >> 2)];
                for voxel in VoxelType::ALL {
                    crate::with_voxel!(voxel, |T| {
                        let a: Array3<T> = numbers(shape, bits as u64);
                        let v = Volume::from(a.clone());
                        assert_eq!(
                            downsample(&v, f, false),
                            Volume::from(plain(&a, f, false)),
                            "{shape:?} {f:?} {voxel}"
                        );
                        let few = a.mapv(|v| T::from_f64((v.to_f64() as i64).rem_euclid(3) as f64));
                        let expected = Volume::from(plain(&few, f, true));
                        assert_eq!(
                            downsample(&Volume::from(few), f, true),
                            expected,
                            "{shape:?} {f:?} {voxel}"
                        );
                    });
                }
            }
        }
    }

    #[test]
    fn not_a_number_counts_as_missing() {
        let v = Volume::from(
            Array3::from_shape_vec((1, 1, 5), vec![1.0f32, f32::NAN, f32::NAN, f32::NAN, 4.0]).unwrap(),
        );
        let Volume::F32(a) = downsample(&v, [1, 1, 2], false) else { panic!() };
        assert_eq!((a[[0, 0, 0]], a[[0, 0, 2]]), (1.0, 4.0));
        assert!(a[[0, 0, 1]].is_nan());
    }

    #[test]
    fn coarse_axes_wait_for_the_fine_ones() {
        assert_eq!(factors([100, 100, 100], [1.0, 1.0, 1.0]), [2, 2, 2]);
        assert_eq!(factors([100, 100, 100], [2.0, 1.0, 1.0]), [1, 2, 2]);
        assert_eq!(factors([100, 100, 100], [1.9, 1.0, 1.0]), [2, 2, 2]);
        assert_eq!(factors([1, 100, 100], [0.1, 1.0, 1.0]), [1, 2, 2]);
        assert_eq!(factors([1, 1, 9], [f64::NAN, 0.0, -3.0]), [1, 1, 2]);
        assert_eq!(plan([40, 300, 300], [4.0, 1.0, 1.0], [64; 3]), vec![[1, 2, 2], [1, 2, 2], [2, 2, 2]]);
        assert!(plan([1, 1, 1], [1.0; 3], [64; 3]).is_empty());
    }

    #[test]
    fn blocks_give_what_the_whole_gives() {
        let shape = [9, 14, 11];
        let f = [2, 2, 2];
        let whole = Volume::from(numbers::<u16>(shape, 3));
        let coarse = downsample(&whole, f, false);
        for tile in Region::whole(coarser(shape, f)).tiles([2, 3, 4]) {
            let below = whole.crop(finer_region(tile, f, shape));
            assert_eq!(downsample(&below, f, false), coarse.crop(tile));
            let mut there = Volume::zeros(whole.voxel_type(), coarse.shape());
            downsample_into(&whole, finer_region(tile, f, shape), f, false, &mut there, tile.start);
            assert_eq!(there.crop(tile), coarse.crop(tile));
            let outside = there.view::<u16>().unwrap().iter().filter(|v| **v != 0).count();
            assert!(outside <= tile.len());
        }
    }
}
