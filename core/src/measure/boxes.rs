//! Figures that need an object's voxels together: the largest ball inside it, its parts, cavities
//! and tunnels. Each object is worked on in its own box with a frame of background around it.

use super::geodesic::{self, Geodesic};
use super::object::Frame;
use super::objects::rows_by_label;
use super::scan::Part;
use super::skeleton::{self, Skeleton};
use super::sums::Objects;
use super::thickness::{Distribution, Moments};
use crate::ops::distance::{Metric, Squared, transform};
use crate::ops::thickness::LocalThickness;
use crate::{Job, Result, Volume, Voxel, VoxelType, with_volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What an object's box tells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoxFigures {
    /// Distance of the innermost voxel to the nearest voxel outside the object.
    pub inscribed_radius: f64,
    /// That voxel, `[z, y, x]`.
    pub centre: [u64; 3],
    /// 26-connected parts.
    pub components: u64,
    /// 6-connected parts of what is not the object, less the outside.
    pub cavities: u64,
    /// Local thickness.
    pub thickness: Moments,
    /// The skeleton.
    pub skeleton: Skeleton,
    /// The longest path inside.
    pub geodesic: Geodesic,
}

impl BoxFigures {
    /// Before anything was found.
    pub const NONE: Self = Self {
        inscribed_radius: f64::NAN,
        centre: [0; 3],
        components: 0,
        cavities: 0,
        thickness: Moments::NONE,
        skeleton: Skeleton::NONE,
        geodesic: Geodesic::NONE,
    };
}

/// Which of the figures are to be found; the others stay NaN and 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The inscribed ball, parts and cavities.
    pub boxes: bool,
    /// Local thickness.
    pub thickness: bool,
    /// The skeleton.
    pub skeleton: bool,
    /// The longest path inside.
    pub geodesic: bool,
}

/// The figures of all objects, by row.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn figures(
    frame: &Frame,
    objects: &Objects,
    labels: &Part,
    wanted: Wanted,
    job: &Job,
) -> Result<Vec<(u32, BoxFigures)>> {
    let metric = Metric::new(frame.shape, &frame.geometry);
    // Greatest boxes first, so that no thread is left with one at the end.
    let mut rows = rows_by_label(objects);
    let size = |row: usize| {
        let v = &objects.voxels[row];
        (0..3).map(|a| v.high[a] - v.low[a] + 2).product::<u64>()
    };
    rows.sort_by_key(|&row| std::cmp::Reverse(size(row)));
    rows.into_par_iter()
        .with_max_len(1)
        .map(|row| {
            job.check()?;
            let v = &objects.voxels[row];
            let shape: [usize; 3] = std::array::from_fn(|a| (v.high[a] - v.low[a] + 2) as usize);
            let label = objects.labels.keys()[row];
            let mask = boxed(labels, label, v.low, shape, 1);
            let mut figures = BoxFigures::NONE;
            if wanted.boxes || wanted.thickness {
                let local = LocalThickness::new(shape, metric);
                let squared = local.squared(&mask, &Job::silent())?;
                let (radius, at) = innermost(&local, &squared, shape);
                figures.inscribed_radius = radius;
                figures.centre = std::array::from_fn(|a| v.low[a] + at[a] as u64 - 1);
                if wanted.thickness {
                    figures.thickness =
                        Distribution::of_distances(&local, &squared, &Job::silent())?.moments(&local);
                }
            }
            if wanted.boxes {
                (figures.components, figures.cavities) = parts(&mask, shape);
            }
            let spacing = frame.geometry.spacing();
            if wanted.skeleton {
                figures.skeleton = skeleton::skeleton(&mask, shape, spacing);
            }
            drop(mask);
            if wanted.geodesic {
                let shape = shape.map(|n| n + 2);
                let mask = boxed(labels, label, v.low, shape, 2);
                figures.geodesic = geodesic::geodesic(&mask, shape, spacing);
            }
            job.advance(v.count);
            Ok((row as u32, figures))
        })
        .collect()
}

/// The object in its box: 1 inside, with a frame of so many voxels of 0.
fn boxed(labels: &Part, label: u64, low: [u64; 3], shape: [usize; 3], frame: usize) -> Vec<u8> {
    let [d, h, w] = shape;
    let mut mask = vec![0u8; d * h * w];
    let is_mask = labels.volume.voxel_type() == VoxelType::U8;
    with_volume!(labels.volume, |a| {
        let all = a.as_slice().expect("volumes are in C order");
        for z in frame..d - frame {
            for y in frame..h - frame {
                let at = [low[0] as usize + z - frame, low[1] as usize + y - frame, low[2] as usize];
                let from = labels.offset(at);
                let row = &mut mask[(z * h + y) * w + frame..(z * h + y + 1) * w - frame];
                for (m, v) in row.iter_mut().zip(&all[from..]) {
                    let v = v.to_f64();
                    *m = u8::from(if is_mask { v != 0.0 } else { v == label as f64 });
                }
            }
        }
    });
    mask
}

/// Greatest distance to the outside, and the first voxel that has it.
fn innermost(local: &LocalThickness, squared: &[u32], [_, h, w]: [usize; 3]) -> (f64, [usize; 3]) {
    let mut best = 0;
    for (i, v) in squared.iter().enumerate() {
        if *v > squared[best] {
            best = i;
        }
    }
    (local.diameter(squared[best]) / 2.0, [best / (h * w), best / w % h, best % w])
}

/// Number of 26-connected parts of the mask, and of 6-connected parts of the rest but one.
fn parts(mask: &[u8], shape: [usize; 3]) -> (u64, u64) {
    let mut seen = vec![false; mask.len()];
    let mut counts = [0u64; 2];
    let mut stack = Vec::new();
    for start in 0..mask.len() {
        if seen[start] {
            continue;
        }
        let inside = mask[start] != 0;
        counts[usize::from(inside)] += 1;
        seen[start] = true;
        stack.push(start);
        while let Some(at) = stack.pop() {
            neighbours(at, shape, inside, |next| {
                if !seen[next] && (mask[next] != 0) == inside {
                    seen[next] = true;
                    stack.push(next);
                }
            });
        }
    }
    (counts[1], counts[0] - 1)
}

fn neighbours(at: usize, [d, h, w]: [usize; 3], diagonal: bool, mut visit: impl FnMut(usize)) {
    let p = [at / (h * w), at / w % h, at % w];
    let n = [d, h, w];
    let strides = [h * w, w, 1];
    if !diagonal {
        for a in 0..3 {
            if p[a] > 0 {
                visit(at - strides[a]);
            }
            if p[a] + 1 < n[a] {
                visit(at + strides[a]);
            }
        }
        return;
    }
    let reach = |a: usize| (p[a].saturating_sub(1), (p[a] + 1).min(n[a] - 1));
    let ((z0, z1), (y0, y1), (x0, x1)) = (reach(0), reach(1), reach(2));
    for z in z0..=z1 {
        for y in y0..=y1 {
            for x in x0..=x1 {
                visit((z * h + y) * w + x);
            }
        }
    }
}

/// Distances of objects from a reference mask, by row: voxels counted, sum in units of
/// [`super::extras::distance_unit`], least.
pub type ReferenceSums = Vec<(u32, u64, u128, f64)>;

/// Distances of each object's voxels to the nearest voxel of a mask; 0 inside the mask.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn to_reference(
    frame: &Frame,
    objects: &Objects,
    labels: &Part,
    mask: &Volume,
    job: &Job,
) -> Result<ReferenceSums> {
    let inside: Vec<u8> = with_volume!(mask, |a| a.iter().map(|v| u8::from(v.to_f64() != 0.0)).collect());
    if inside.iter().all(|v| *v == 0) {
        return Ok(Vec::new());
    }
    let metric = Metric::new(frame.shape, &frame.geometry);
    match metric.field() {
        VoxelType::U32 => summed::<u32>(frame, objects, labels, &inside, metric, job),
        _ => summed::<f32>(frame, objects, labels, &inside, metric, job),
    }
}

fn summed<T: Squared>(
    frame: &Frame,
    objects: &Objects,
    labels: &Part,
    inside: &[u8],
    metric: Metric,
    job: &Job,
) -> Result<ReferenceSums> {
    let squared: Vec<T> = transform(inside, frame.shape, false, metric, job)?;
    let unit = super::extras::distance_unit(frame);
    let planes = super::rows::by_plane(objects, labels, labels.region, job, |_, runs| {
        runs.iter()
            .map(|run| {
                let from = labels.offset(run.at);
                let (mut sum, mut least) = (0u128, f64::INFINITY);
                for v in &squared[from..from + run.length] {
                    let d = metric.distance(*v);
                    sum += (d / unit).round() as u128;
                    least = least.min(d);
                }
                (run.row as u32, run.length as u64, sum, least)
            })
            .collect::<Vec<_>>()
    })?;
    let mut all = planes.concat();
    all.sort_unstable_by_key(|s| s.0);
    Ok(all
        .chunk_by(|a, b| a.0 == b.0)
        .map(|s| {
            let least = s.iter().map(|r| r.3).fold(f64::INFINITY, f64::min);
            (s[0].0, s.iter().map(|r| r.1).sum(), s.iter().map(|r| r.2).sum(), least)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_cavities_are_counted() {
        let shape = [7, 7, 7];
        let mut mask = vec![0u8; 343];
        for z in 1..6 {
            for y in 1..6 {
                for x in 1..6 {
                    mask[(z * 7 + y) * 7 + x] = 1;
                }
            }
        }
        assert_eq!(parts(&mask, shape), (1, 0));
        mask[(2 * 7 + 2) * 7 + 2] = 0;
        // Cavities that touch by a corner are two.
        mask[(3 * 7 + 3) * 7 + 3] = 0;
        assert_eq!(parts(&mask, shape), (1, 2));
    }
}
