//! Figures of a whole structure that are no sums over neighbourhoods: anisotropy by mean intercept
//! length and fractal dimension.

use super::linear::{axes, eliminate, oriented};
use crate::Geometry;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StructureFigures {
    /// Mean intercept lengths along the axes of the fitted ellipsoid, greatest first, in world units.
    pub intercepts: [f64; 3],
    /// The axis of the greatest, a unit vector `(x, y, z)`.
    pub axis: [f64; 3],
    /// Slope of box counts.
    pub fractal_dimension: f64,
}

/// Directions of test lines.
const DIRECTIONS: usize = 601;
/// About how many test points are used in each direction.
const POINTS: f64 = 400_000.0;

/// The figures of a mask `[z, y, x]`; NaN where the structure has no boundary.
pub fn structure(mask: &[u8], shape: [usize; 3], geometry: &Geometry) -> StructureFigures {
    let (intercepts, axis) = mean_intercepts(mask, shape, geometry);
    StructureFigures { intercepts, axis: axis.to_array(), fractal_dimension: fractal_dimension(mask, shape) }
}

/// Mean intercept lengths (T. Harrigan and R. Mann, J. Materials Science 19 (1984) 761,
/// doi:10.1007/BF00540446): in each of many directions, the length of parallel test lines divided
/// by the number of times that they enter or leave the structure, halved. 1 ÷ its square is fitted
/// by a quadratic form, whose ellipsoid has the axes that are returned.
fn mean_intercepts(mask: &[u8], shape: [usize; 3], geometry: &Geometry) -> ([f64; 3], DVec3) {
    let world = geometry.world_from_index.matrix3;
    let index = world.inverse();
    let edge = world.determinant().abs().cbrt();
    // Test points lie on parallel lines so far apart that their number is bounded.
    let volume = shape.iter().product::<usize>() as f64;
    let apart = (volume / POINTS).sqrt().max(1.0) * edge;
    let found: Vec<(DVec3, f64)> = (0..DIRECTIONS)
        .into_par_iter()
        .map(|i| {
            let direction = spiral(i, DIRECTIONS);
            (direction, intercept(mask, shape, world, index, direction, apart, 0.5 * edge))
        })
        .collect();
    let nan = ([f64::NAN; 3], DVec3::splat(f64::NAN));
    if found.iter().any(|(_, length)| !length.is_finite()) {
        return nan;
    }
    let mut a = vec![vec![0.0; 7]; 6];
    for (d, length) in &found {
        let row = [d.x * d.x, d.y * d.y, d.z * d.z, 2.0 * d.x * d.y, 2.0 * d.x * d.z, 2.0 * d.y * d.z];
        let target = 1.0 / (length * length);
        for i in 0..6 {
            for j in 0..6 {
                a[i][j] += row[i] * row[j];
            }
            a[i][6] += row[i] * target;
        }
    }
    eliminate(&mut a);
    let v = |i: usize| a[i][6];
    let form = DMat3::from_cols(
        DVec3::new(v(0), v(3), v(4)),
        DVec3::new(v(3), v(1), v(5)),
        DVec3::new(v(4), v(5), v(2)),
    );
    let (values, vectors) = axes(form);
    if values[2] <= 0.0 {
        return nan;
    }
    // The least value of the form belongs to the greatest length.
    ([2, 1, 0].map(|k| 1.0 / values[k].sqrt()), oriented(vectors[2]))
}

/// Length of test lines in one direction ÷ half the changes along them, within the image.
fn intercept(
    mask: &[u8],
    shape: [usize; 3],
    world: DMat3,
    index: DMat3,
    direction: DVec3,
    apart: f64,
    step: f64,
) -> f64 {
    let size = DVec3::new(shape[2] as f64, shape[1] as f64, shape[0] as f64);
    let centre = world * (size / 2.0);
    let reach = (0..8)
        .map(|c| {
            let corner = DVec3::new((c & 1) as f64, (c >> 1 & 1) as f64, (c >> 2) as f64) * size;
            (world * corner - centre).length()
        })
        .fold(0.0, f64::max);
    let (u, v) = direction.any_orthonormal_pair();
    let lines = (reach / apart).ceil() as i64;
    let (mut points, mut changes) = (0u64, 0u64);
    let stride = index * (direction * step);
    for i in -lines..=lines {
        for j in -lines..=lines {
            let origin = index * (centre + (u * i as f64 + v * j as f64) * apart);
            let Some((first, last)) = inside(origin, stride, size) else { continue };
            let mut before = None;
            for k in first..=last {
                let p = origin + stride * k as f64;
                let (x, y, z) = (p.x as usize, p.y as usize, p.z as usize);
                if p.min_element() < 0.0 || x >= shape[2] || y >= shape[1] || z >= shape[0] {
                    continue;
                }
                let here = mask[(z * shape[1] + y) * shape[2] + x] != 0;
                if let Some(before) = before {
                    points += 1;
                    changes += u64::from(before != here);
                }
                before = Some(here);
            }
        }
    }
    2.0 * points as f64 * step / changes as f64
}

/// The steps of a line that lie in the box from 0 to `size`.
fn inside(origin: DVec3, stride: DVec3, size: DVec3) -> Option<(i64, i64)> {
    let (mut first, mut last) = (f64::NEG_INFINITY, f64::INFINITY);
    for a in 0..3 {
        if stride[a].abs() < 1e-12 {
            if origin[a] < 0.0 || origin[a] >= size[a] {
                return None;
            }
            continue;
        }
        let (p, q) = (-origin[a] / stride[a], (size[a] - origin[a]) / stride[a]);
        first = first.max(p.min(q));
        last = last.min(p.max(q));
    }
    (first <= last && first.is_finite()).then(|| (first.ceil() as i64, last.floor() as i64))
}

/// Directions spread evenly over the half-sphere.
fn spiral(i: usize, n: usize) -> DVec3 {
    const GOLDEN: f64 = 2.399_963_229_728_653;
    let z = (i as f64 + 0.5) / n as f64;
    let r = (1.0 - z * z).sqrt();
    let (sin, cos) = (i as f64 * GOLDEN).sin_cos();
    DVec3::new(r * cos, r * sin, z)
}

/// Minus the slope of log(boxes that hold boundary) over log(side), by least squares, for sides of
/// 1, 2, 4, … voxels up to a quarter of the image (D. Fazzalari and I. Parkinson 1996,
/// doi:10.1002/jbmr.5650110413). Boxes that hold both structure and background count.
fn fractal_dimension(mask: &[u8], shape: [usize; 3]) -> f64 {
    let limit = shape.iter().copied().max().unwrap_or(0) / 4;
    let mut logs = Vec::new();
    let mut side = 2;
    while side <= limit {
        let boxes: Vec<usize> = shape.iter().map(|n| n.div_ceil(side)).collect();
        let count: usize = (0..boxes[0] * boxes[1])
            .into_par_iter()
            .map(|k| {
                let (bz, by) = (k / boxes[1] * side, k % boxes[1] * side);
                let mut seen = vec![0u8; boxes[2]];
                for z in bz..(bz + side).min(shape[0]) {
                    for y in by..(by + side).min(shape[1]) {
                        let row = &mask[(z * shape[1] + y) * shape[2]..][..shape[2]];
                        for (seen, piece) in seen.iter_mut().zip(row.chunks(side)) {
                            for v in piece {
                                *seen |= if *v != 0 { 2 } else { 1 };
                            }
                        }
                    }
                }
                seen.iter().filter(|s| **s == 3).count()
            })
            .sum();
        if count > 0 {
            logs.push(((side as f64).ln(), (count as f64).ln()));
        }
        side *= 2;
    }
    let n = logs.len() as f64;
    if logs.len() < 2 {
        return f64::NAN;
    }
    let (mx, my) = (logs.iter().map(|l| l.0).sum::<f64>() / n, logs.iter().map(|l| l.1).sum::<f64>() / n);
    let sxy: f64 = logs.iter().map(|l| (l.0 - mx) * (l.1 - my)).sum();
    let sxx: f64 = logs.iter().map(|l| (l.0 - mx) * (l.0 - mx)).sum();
    -sxy / sxx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    #[test]
    fn balls_are_isotropic_and_ellipsoids_have_their_axes() {
        let n = 128usize;
        for (ratio, truth) in [(1.0, 1.0), (2.0, 2.0)] {
            // A lattice of ellipsoids that are `ratio` times as long along z.
            let mask: Vec<u8> = (0..n * n * n)
                .map(|i| {
                    let (z, y, x) = (i / (n * n), i / n % n, i % n);
                    let off = |v: usize, s: f64| (v as f64 / s) % 32.0 - 15.5;
                    let r = off(z, ratio).powi(2) + off(y, 1.0).powi(2) + off(x, 1.0).powi(2);
                    u8::from(r < 150.0)
                })
                .collect();
            let f = structure(&mask, [n; 3], &Geometry::from_spacing([1.0; 3], Unit::Voxel));
            let found = f.intercepts[0] / f.intercepts[2];
            println!("{found:.3} for {truth}: {:?} along {:?}", f.intercepts, f.axis);
            assert!((found / truth - 1.0).abs() < 0.12, "{found} for {truth}");
            if ratio > 1.0 {
                assert!(f.axis[2] > 0.99);
            }
            assert!((1.8..3.0).contains(&f.fractal_dimension), "{}", f.fractal_dimension);
        }
    }
}
