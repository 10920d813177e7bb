//! Two label images on one grid: the voxels that their labels share, and the distances between their surfaces.

use super::sums::index::Index;
use crate::algorithms::distance::{Metric, lines};
use crate::{Error, Geometry, Job, Result};
use ndarray::Array3;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Voxels of each pair of labels, of `a` and `b`, background (0) among them.
///
/// # Errors
/// If the shapes differ, or [`Error::Cancelled`].
pub fn shared(a: &Array3<u32>, b: &Array3<u32>, job: &Job) -> Result<BTreeMap<(u32, u32), u64>> {
    if a.dim() != b.dim() {
        let shape = |v: &Array3<u32>| format!("{:?}", <[usize; 3]>::from(v.dim()));
        return Err(Error::Usage(format!(
            "label images of {} and {} voxels can't be compared",
            shape(a),
            shape(b)
        )));
    }
    let slice = |v: &'_ Array3<u32>| v.as_slice().is_some();
    assert!(slice(a) && slice(b), "volumes are in C order");
    let (a, b) = (a.as_slice().unwrap_or_default(), b.as_slice().unwrap_or_default());
    let parts: Vec<Vec<(u64, u64)>> = a
        .par_chunks(1 << 20)
        .zip(b.par_chunks(1 << 20))
        .map(|(a, b)| {
            job.check()?;
            Ok(of_part(a, b))
        })
        .collect::<Result<_>>()?;
    let mut all = BTreeMap::new();
    for (key, n) in parts.into_iter().flatten() {
        *all.entry(((key >> 32) as u32, key as u32)).or_insert(0) += n;
    }
    Ok(all)
}

/// Pairs as one number each, and their voxels.
fn of_part(a: &[u32], b: &[u32]) -> Vec<(u64, u64)> {
    let mut index = Index::default();
    let mut counts: Vec<u64> = Vec::new();
    let mut nothing = 0;
    let mut at = 0;
    while at < a.len() {
        let (p, q) = (a[at], b[at]);
        let from = at;
        while at < a.len() && a[at] == p && b[at] == q {
            at += 1;
        }
        // Keys of the index are never 0.
        let key = u64::from(p) << 32 | u64::from(q);
        if key == 0 {
            nothing += (at - from) as u64;
            continue;
        }
        let number = index.number(key);
        if number == counts.len() {
            counts.push(0);
        }
        counts[number] += (at - from) as u64;
    }
    let mut found: Vec<(u64, u64)> = index.keys().iter().copied().zip(counts).collect();
    if nothing > 0 {
        found.push((0, nothing));
    }
    found
}

/// Distances between the surfaces of two masks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurfaceDistances {
    /// The greatest distance from a surface to the other (Hausdorff).
    pub greatest: f64,
    /// The 95th percentile of all distances in both directions.
    pub percentile_95: f64,
    /// Mean of the two mean distances from a surface to the other.
    pub mean: f64,
}

/// Distances between the surfaces of what is not 0 in `a` and `b`, in world units; none if either is empty. Voxels of a
/// surface have a voxel outside of the mask, or none, beside a face; distances are between their centres.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn surface_distances(
    a: &Array3<u32>,
    b: &Array3<u32>,
    geometry: &Geometry,
    job: &Job,
) -> Result<Option<SurfaceDistances>> {
    let shape = <[usize; 3]>::from(a.dim());
    let (sa, sb) = (surface(a), surface(b));
    if !sa.contains(&1) || !sb.contains(&1) {
        return Ok(None);
    }
    let metric = Metric::new(shape, geometry);
    let distances = |from: &[u8], to: &[u8]| -> Result<Vec<f64>> {
        let on = |k: &usize| from[*k] != 0;
        Ok(match metric {
            Metric::Isotropic(_) => {
                let all = lines::transform::<u32>(to, shape, false, metric, job)?;
                (0..all.len()).filter(on).map(|k| metric.distance(all[k])).collect()
            }
            Metric::Anisotropic(_) => {
                let all = lines::transform::<f32>(to, shape, false, metric, job)?;
                (0..all.len()).filter(on).map(|k| metric.distance(all[k])).collect()
            }
        })
    };
    let (there, back) = (distances(&sa, &sb)?, distances(&sb, &sa)?);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let mean = f64::midpoint(mean(&there), mean(&back));
    let mut all = there;
    all.extend(back);
    all.sort_unstable_by(f64::total_cmp);
    let at = 0.95 * (all.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let percentile_95 = all[low] + part * (all[(low + 1).min(all.len() - 1)] - all[low]);
    Ok(Some(SurfaceDistances { greatest: all[all.len() - 1], percentile_95, mean }))
}

/// The voxels of a mask of which one beside a face is outside.
fn surface(mask: &Array3<u32>) -> Vec<u8> {
    let shape = <[usize; 3]>::from(mask.dim());
    let strides = [shape[1] * shape[2], shape[2], 1];
    let voxels: Vec<bool> = mask.iter().map(|v| *v != 0).collect();
    let on_surface = |(k, inside): (usize, &bool)| {
        let beside = |axis: usize| {
            let at = k / strides[axis] % shape[axis];
            // Along an axis of one voxel there is no surface.
            shape[axis] > 1
                && (at == 0
                    || at + 1 == shape[axis]
                    || !voxels[k - strides[axis]]
                    || !voxels[k + strides[axis]])
        };
        u8::from(*inside && (0..3).any(beside))
    };
    voxels.iter().enumerate().map(on_surface).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    #[test]
    fn shared_voxels_are_those_counted_one_by_one() {
        let a = Array3::from_shape_fn((3, 40, 50), |(z, y, x)| ((z + y / 7 + x / 9) % 5) as u32);
        let b = Array3::from_shape_fn((3, 40, 50), |(z, y, x)| ((z + y / 6 + x / 11) % 4) as u32);
        let mut expected = BTreeMap::new();
        for (p, q) in a.iter().zip(&b) {
            *expected.entry((*p, *q)).or_insert(0) += 1;
        }
        assert_eq!(shared(&a, &b, &Job::silent()).unwrap(), expected);
        assert!(shared(&a, &Array3::zeros((3, 40, 49)), &Job::silent()).is_err());
    }

    #[test]
    fn surfaces_of_a_box_that_moved_are_as_far_apart_as_it_moved() {
        let cube = |x0: usize| {
            Array3::from_shape_fn((12, 12, 20), |(z, y, x)| {
                u32::from((3..9).contains(&z) && (3..9).contains(&y) && (x0..x0 + 6).contains(&x))
            })
        };
        let geometry = Geometry::from_spacing([1.0, 1.0, 0.5], Unit::Micrometre);
        let found = surface_distances(&cube(3), &cube(7), &geometry, &Job::silent()).unwrap().unwrap();
        assert_eq!(found.greatest, 2.0);
        assert!(found.mean > 0.0 && found.mean < found.percentile_95 && found.percentile_95 <= 2.0);
        let same = surface_distances(&cube(3), &cube(3), &geometry, &Job::silent()).unwrap().unwrap();
        assert_eq!(same, SurfaceDistances { greatest: 0.0, percentile_95: 0.0, mean: 0.0 });
        assert_eq!(surface_distances(&cube(3), &cube(30), &geometry, &Job::silent()).unwrap(), None);
    }
}
