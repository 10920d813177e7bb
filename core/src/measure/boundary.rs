//! Figures of the voxels on an object's boundary: those with a face towards something else, the
//! outside of the image included.

use super::intensity::Scale;
use super::scan::Part;
use super::sums::Objects;
use crate::{Geometry, Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use glam::DVec3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Sums over the boundary voxels of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundarySums {
    /// The object's row.
    pub row: u32,
    /// Boundary voxels.
    pub count: u64,
    /// By channel: voxels with a finite gradient, and the sum of its magnitude in fixed point.
    pub gradients: Vec<(u64, u128)>,
}

/// Units of the sums per intensity and length of the least spacing.
fn factor(scale: &Scale, geometry: &Geometry) -> f64 {
    scale.scale * 65536.0 * geometry.spacing().into_iter().fold(f64::INFINITY, f64::min)
}

/// Mean gradient magnitude of a sum.
pub fn mean((count, sum): (u64, u128), scale: &Scale, geometry: &Geometry) -> f64 {
    sum as f64 / count as f64 / factor(scale, geometry)
}

/// Sums of a region. Labels and channels must reach one voxel around it where the image does.
/// Gradients are central differences, one-sided on the faces of the image.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn boundary(
    objects: &Objects,
    image: [usize; 3],
    geometry: &Geometry,
    labels: &Part,
    channels: &[Part],
    scales: &[Scale],
    out: Region,
    job: &Job,
) -> Result<Vec<BoundarySums>> {
    let [oz, oy, ox] = out.start;
    let [d, h, w] = out.shape;
    // Slopes along the axes make a covector.
    let world = geometry.world_from_index.matrix3.inverse().transpose();
    let factors: Vec<f64> = scales.iter().map(|scale| factor(scale, geometry)).collect();
    let planes: Vec<Vec<BoundarySums>> = (oz..oz + d)
        .into_par_iter()
        .map(|z| {
            job.check()?;
            let mut found: Vec<BoundarySums> = Vec::new();
            let mut last = (0, None);
            for y in oy..oy + h {
                for x in ox..ox + w {
                    let at = [z, y, x];
                    let label = id(labels.volume, labels.offset(at));
                    if label == 0 || !(0..3).any(|a| exposed(labels, image, at, a, label)) {
                        continue;
                    }
                    if last.0 != label {
                        last = (label, objects.labels.find(label));
                    }
                    let Some(row) = last.1 else { continue };
                    let gradients = channels
                        .iter()
                        .zip(&factors)
                        .map(|(part, factor)| {
                            let g = (world * slopes(part, image, at)).length();
                            let q = (g * factor).round();
                            if q.is_finite() { (1, q as u128) } else { (0, 0) }
                        })
                        .collect();
                    found.push(BoundarySums { row: row as u32, count: 1, gradients });
                }
                // A plane of a large image has many boundary voxels: they are summed row by row.
                if found.len() > 4096 {
                    found = added(found);
                }
            }
            job.advance((h * w) as u64);
            Ok(added(found))
        })
        .collect::<Result<_>>()?;
    Ok(added(planes.concat()))
}

/// One entry for each object.
pub fn added(mut sums: Vec<BoundarySums>) -> Vec<BoundarySums> {
    sums.sort_by_key(|s| s.row);
    let mut added: Vec<BoundarySums> = Vec::new();
    for sum in sums {
        match added.last_mut() {
            Some(last) if last.row == sum.row => {
                last.count += sum.count;
                for (mine, theirs) in last.gradients.iter_mut().zip(sum.gradients) {
                    *mine = (mine.0 + theirs.0, mine.1 + theirs.1);
                }
            }
            _ => added.push(sum),
        }
    }
    added
}

#[inline(always)]
fn id(volume: &Volume, offset: usize) -> u64 {
    match volume {
        Volume::U32(a) => u64::from(a.as_slice().expect("volumes are in C order")[offset]),
        Volume::U8(a) => u64::from(a.as_slice().expect("volumes are in C order")[offset] != 0),
        other => {
            debug_assert!(other.voxel_type() != VoxelType::U8);
            value(other, offset) as u64
        }
    }
}

#[inline(always)]
fn value(volume: &Volume, offset: usize) -> f64 {
    with_volume!(volume, |a| a.as_slice().expect("volumes are in C order")[offset].to_f64())
}

fn exposed(labels: &Part, image: [usize; 3], at: [usize; 3], axis: usize, label: u64) -> bool {
    if at[axis] == 0 || at[axis] + 1 == image[axis] {
        return true;
    }
    let (mut before, mut after) = (at, at);
    before[axis] -= 1;
    after[axis] += 1;
    id(labels.volume, labels.offset(before)) != label || id(labels.volume, labels.offset(after)) != label
}

/// Slopes per voxel along `(x, y, z)`.
fn slopes(part: &Part, image: [usize; 3], at: [usize; 3]) -> DVec3 {
    let slope = |axis: usize| {
        let (mut before, mut after) = (at, at);
        before[axis] = at[axis].saturating_sub(1);
        after[axis] = (at[axis] + 1).min(image[axis] - 1);
        let steps = after[axis] - before[axis];
        if steps == 0 {
            return 0.0;
        }
        let rise = value(part.volume, part.offset(after)) - value(part.volume, part.offset(before));
        rise / steps as f64
    };
    DVec3::new(slope(2), slope(1), slope(0))
}
