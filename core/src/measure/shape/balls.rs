//! Distances and the largest balls in a body, in passes over slabs, columns and blocks: what the
//! inscribed balls and the local thickness of objects and of the structure are found by.
//!
//! All objects are worked on at once: the ball of a voxel reaches up to the nearest voxel that is not
//! of its object, so it holds voxels of its own object alone.

use crate::algorithms::components::Connectivity;
use crate::algorithms::distance::{Metric, Squared, lines};
use crate::algorithms::thickness::LocalThickness;
use crate::measure::columns::object::Frame;
use crate::measure::passes::pass::Body;
use crate::measure::sums::Objects;
use crate::measure::sums::rows::by_plane;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use rayon::prelude::*;
use std::borrow::Cow;

/// A row, the greatest squared distance in it and the first voxel that has it.
pub type Innermost = (u32, u32, u64);
/// A row (0 where there are no objects), a squared radius and its number of voxels.
pub type BallCount = (u32, u32, u64);
/// Distances of objects from a reference mask, by row: voxels counted, sum in units of
/// [`crate::measure::shape::extras::distance_unit`], least.
pub type ReferenceSums = Vec<(u32, u64, u128, f64)>;

/// Labels as `u32`; a mask is label 1.
pub fn ids<'a>(labels: &RegionView<'a>) -> Cow<'a, [u32]> {
    if let Volume::U32(a) = labels.volume {
        return Cow::Borrowed(a.as_slice().expect("volumes are in C order"));
    }
    let is_mask = labels.volume.voxel_type() == VoxelType::U8;
    with_volume!(labels.volume, |a| {
        let id = |v: f64| if is_mask { u32::from(v != 0.0) } else { u32::from_f64(v) };
        a.iter().map(|v| id(v.to_f64())).collect()
    })
}

/// What is not 0, as bytes.
fn mask(part: &RegionView) -> Vec<u8> {
    with_volume!(part.volume, |a| a.iter().map(|v| u8::from(v.to_f64() != 0.0)).collect())
}

fn volume(squared: Vec<u32>, shape: [usize; 3]) -> Volume {
    Volume::U32(Array3::from_shape_vec(shape, squared).expect("of the shape of the block"))
}

fn squares<'a>(field: &RegionView<'a>) -> &'a [u32] {
    let Volume::U32(a) = field.volume else { unreachable!("squared distances are u32") };
    a.as_slice().expect("volumes are in C order")
}

/// Squared distances within whole slices. `seen` has the labels or the mask.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn within(body: Body, seen: &RegionView, metric: Metric, job: &Job) -> Result<Volume> {
    let shape = seen.region.shape;
    let mut squared = vec![0u32; seen.region.len()];
    let job = &job.part();
    match metric {
        Metric::Isotropic(_) => within_as(body, seen, &mut squared, metric, job)?,
        Metric::Anisotropic(_) => {
            within_as::<f32>(body, seen, bytemuck::cast_slice_mut(&mut squared), metric, job)?;
        }
    }
    Ok(volume(squared, shape))
}

fn within_as<T: Squared>(
    body: Body,
    seen: &RegionView,
    squared: &mut [T],
    metric: Metric,
    job: &Job,
) -> Result<()> {
    let shape = seen.region.shape;
    match body {
        Body::Objects => within_objects(&ids(seen), squared, shape, metric, job),
        Body::Structure | Body::MidAxes => {
            lines::within_slices(&mask(seen), squared, shape, true, metric, job)
        }
        Body::Background | Body::Reference => {
            lines::within_slices(&mask(seen), squared, shape, false, metric, job)
        }
    }
}

/// The squares of `0..=n` steps along an axis of `n` voxels, to its end and beyond. Along an axis of one
/// voxel there is nothing beyond: that is farther than all.
fn steps<T: Squared>(n: usize, axis: usize, metric: Metric) -> Vec<T> {
    let weight = match metric {
        Metric::Isotropic(_) => 1.0,
        Metric::Anisotropic(spacing) => spacing[axis] * spacing[axis],
    };
    if n == 1 {
        return vec![T::ZERO, T::INFINITE];
    }
    (0..=n).map(|d| T::step(d, weight)).collect()
}

fn within_objects<T: Squared>(
    ids: &[u32],
    squared: &mut [T],
    [_, ny, nx]: [usize; 3],
    metric: Metric,
    job: &Job,
) -> Result<()> {
    let (along, across) = (steps(nx, 2, metric), steps(ny, 1, metric));
    // A slice is seen as slices of one row.
    let turned = match metric {
        Metric::Isotropic(_) => metric,
        Metric::Anisotropic([_, y, _]) => Metric::Anisotropic([y; 3]),
    };
    squared.par_chunks_mut(ny * nx).zip(ids.par_chunks(ny * nx)).try_for_each(|(plane, ids)| {
        job.check()?;
        for (row, ids) in plane.chunks_exact_mut(nx).zip(ids.chunks_exact(nx)) {
            along_runs(row, ids, &along);
        }
        lines::across_slices(plane, [ny, 1, nx], turned, &job.part(), |v| v)?;
        let plane = ArrayViewMut2::from_shape((ny, nx), plane).expect("a slice");
        ends(plane, ArrayView2::from_shape((ny, nx), ids).expect("a slice"), &across);
        Ok(())
    })
}

/// Squared distances in a row to the nearer end of the run of one label.
fn along_runs<T: Squared>(row: &mut [T], ids: &[u32], steps: &[T]) {
    let mut at = 0;
    for run in ids.chunk_by(|a, b| a == b) {
        let n = run.len();
        if run[0] != 0 {
            row[at..at + n].iter_mut().enumerate().for_each(|(i, v)| *v = steps[(i + 1).min(n - i)]);
        }
        at += n;
    }
}

/// Bounds squared distances by those along columns to where another label or the image's end is. A
/// voxel beyond that is no nearer, so what columns as a whole gave is right but for this bound.
fn ends<T: Squared>(mut squared: ArrayViewMut2<T>, ids: ArrayView2<u32>, steps: &[T]) {
    let (n, width) = squared.dim();
    let row = |i: usize| ids.row(i).to_slice().expect("rows are contiguous");
    let mut bound = |order: &mut dyn Iterator<Item = usize>| {
        let mut since = vec![0usize; width];
        let mut last: Option<usize> = None;
        for i in order {
            let here = row(i);
            let before = last.map_or(here, row);
            let mut values = squared.row_mut(i);
            let values = values.as_slice_mut().expect("rows are contiguous");
            for x in 0..width {
                since[x] = if here[x] == before[x] { since[x] + 1 } else { 1 };
                values[x] = values[x].least(steps[since[x]]);
            }
            last = Some(i);
        }
    };
    bound(&mut (0..n));
    bound(&mut (0..n).rev());
}

/// Squared distances from those within slices, in whole columns. `labels` are looked at for objects.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn across(labels: Option<&RegionView>, field: &RegionView, metric: Metric, job: &Job) -> Result<Volume> {
    let shape = field.region.shape;
    let mut squared = squares(field).to_vec();
    let ids = labels.map(ids);
    let job = &job.part();
    match metric {
        Metric::Isotropic(_) => across_as(ids.as_deref(), &mut squared, shape, metric, job)?,
        Metric::Anisotropic(_) => {
            across_as::<f32>(ids.as_deref(), bytemuck::cast_slice_mut(&mut squared), shape, metric, job)?;
        }
    }
    Ok(volume(squared, shape))
}

fn across_as<T: Squared>(
    ids: Option<&[u32]>,
    squared: &mut [T],
    shape: [usize; 3],
    metric: Metric,
    job: &Job,
) -> Result<()> {
    lines::across_slices(squared, shape, metric, job, |v| v)?;
    let Some(ids) = ids else { return Ok(()) };
    let steps = steps(shape[0], 0, metric);
    let ids = ArrayView3::from_shape(shape, ids).expect("of the shape of the block");
    let mut squared = ArrayViewMut3::from_shape(shape, squared).expect("of the shape of the block");
    squared
        .axis_iter_mut(Axis(1))
        .into_par_iter()
        .zip(ids.axis_iter(Axis(1)).into_par_iter())
        .for_each(|(squared, ids)| ends(squared, ids, &steps));
    Ok(())
}

/// The innermost voxel of each object in a region.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn innermost(
    frame: &Frame,
    objects: &Objects,
    labels: &RegionView,
    squared: &Volume,
    job: &Job,
) -> Result<Vec<Innermost>> {
    let squared = RegionView { volume: squared, region: labels.region };
    let values = squares(&squared);
    let [_, ny, nx] = frame.shape;
    let planes = by_plane(objects, labels, labels.region, job, |_, runs| {
        let of_run = |run: &crate::measure::sums::rows::Run| {
            let from = labels.offset(run.at);
            let mut best = (0, 0);
            for (x, v) in values[from..from + run.length].iter().enumerate() {
                if *v > best.0 {
                    best = (*v, x);
                }
            }
            let [z, y, x] = run.at;
            (run.row as u32, best.0, ((z * ny + y) * nx + x + best.1) as u64)
        };
        farthest(runs.iter().map(of_run).collect())
    })?;
    Ok(farthest(planes.concat()))
}

/// One entry for each row: the greatest distance, and the first voxel that has it.
pub fn farthest(mut found: Vec<Innermost>) -> Vec<Innermost> {
    found.sort_unstable_by_key(|&(row, bits, at)| (row, std::cmp::Reverse(bits), at));
    found.dedup_by_key(|f| f.0);
    found
}

/// How many voxels of a region have each ball as their largest; by object if there are labels.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn counts(
    objects: &Objects,
    labels: Option<&RegionView>,
    radii: &[u32],
    out: Region,
    job: &Job,
) -> Result<Vec<BallCount>> {
    let counted = |row: u32, radii: &[u32]| -> Vec<BallCount> {
        // Voxels of one ball lie side by side: runs are few.
        let runs = radii.chunk_by(|a, b| a == b).filter(|run| run[0] != 0);
        runs.map(|run| (row, run[0], run.len() as u64)).collect()
    };
    let pieces: Vec<Vec<BallCount>> = match labels {
        Some(labels) => by_plane(objects, labels, out, job, |_, runs| {
            let counts = runs.iter().flat_map(|run| {
                let from = RegionView { volume: labels.volume, region: out }.offset(run.at);
                counted(run.row as u32, &radii[from..from + run.length])
            });
            added(counts.collect())
        })?,
        None => radii.par_chunks(1 << 16).map(|piece| added(counted(0, piece))).collect(),
    };
    Ok(added(pieces.concat()))
}

/// One number for each row and radius.
pub fn added(mut counts: Vec<BallCount>) -> Vec<BallCount> {
    counts.sort_unstable();
    counts
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .map(|same| (same[0].0, same[0].1, same.iter().map(|c| c.2).sum()))
        .collect()
}

/// What is not on the mid-axes of the structure: 0 on the centres of balls that no neighbour's ball
/// contains and that are at least half as thick as the structure there.
pub fn between(
    local: &LocalThickness,
    squared: &RegionView,
    centres: &[(u64, u32)],
    radii: &[u32],
    out: Region,
    image: [usize; 3],
) -> Volume {
    let mut between = Array3::from_elem(out.shape, 1u8);
    for &(at, bits) in centres {
        let at = at as usize;
        let p = [at / (image[1] * image[2]), at / image[2] % image[1], at % image[2]];
        if !out.contains(&Region::new(p, [1; 3])) {
            continue;
        }
        let inner: [usize; 3] = std::array::from_fn(|a| p[a] - out.start[a]);
        let radius = radii[(inner[0] * out.shape[1] + inner[1]) * out.shape[2] + inner[2]];
        if 2.0 * local.diameter(bits) >= local.diameter(radius) && !inside_another(local, squared, p, image) {
            between[inner] = 0;
        }
    }
    Volume::U8(between)
}

/// Whether the ball of a voxel lies inside the ball of one of its neighbours, but for rounding.
fn inside_another(local: &LocalThickness, field: &RegionView, p: [usize; 3], shape: [usize; 3]) -> bool {
    let spacing = match local.metric {
        Metric::Isotropic(edge) => [edge; 3],
        Metric::Anisotropic(spacing) => spacing,
    };
    let squared = squares(field);
    let own = local.diameter(squared[field.offset(p)]);
    Connectivity::TwentySix.neighbours().iter().any(|s| {
        let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
        if (0..3).any(|a| q[a] >= shape[a]) {
            return false;
        }
        let step = (0..3).map(|a| (s[a] as f64 * spacing[a]).powi(2)).sum::<f64>().sqrt();
        local.diameter(squared[field.offset(q)]) * (1.0 + 1e-6) >= own + 2.0 * step
    })
}

/// Marks the centres of balls in a block with their squared radii, and gives the greatest; `field`
/// reaches one voxel around the block where the image does.
pub fn centres(
    local: &LocalThickness,
    field: &RegionView,
    out: Region,
    [_, ny, nx]: [usize; 3],
) -> (Volume, u32) {
    let squared = squares(field);
    let mut marked = Array3::<u32>::zeros(out.shape);
    let mut greatest = 0;
    if !local.unbounded(squared) {
        for (at, bits) in local.centres_in(squared, field.region, out) {
            let at = at as usize;
            let at = Region::new([at / (ny * nx), at / nx % ny, at % nx], [1; 3]);
            marked[at.relative_to(out.start).start] = bits;
            greatest = greatest.max(bits);
        }
    }
    (Volume::U32(marked), greatest)
}

/// The marked centres of balls, largest first.
pub fn marked(field: &RegionView, [_, ny, nx]: [usize; 3]) -> Vec<(u64, u32)> {
    let Region { start, shape: [_, h, w] } = field.region;
    let mut centres: Vec<(u64, u32)> = (squares(field).par_iter().enumerate())
        .filter(|(_, bits)| **bits != 0)
        .map(|(i, bits)| {
            let [z, y, x] = [start[0] + i / (h * w), start[1] + i / w % h, start[2] + i % w];
            (((z * ny + y) * nx + x) as u64, *bits)
        })
        .collect();
    LocalThickness::sort(&mut centres);
    centres
}

/// Squared distances in a block, which the field reaches around.
pub fn within_block(field: &RegionView, out: Region) -> Vec<u32> {
    let Volume::U32(squared) = field.volume else { unreachable!("squared distances are u32") };
    let [z, y, x] = out.relative_to(field.region.start).ranges();
    squared.slice(ndarray::s![z, y, x]).iter().copied().collect()
}

/// Distances of each object's voxels from the mask whose squared distances `field` has; none where
/// the mask is empty.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn to_reference(
    frame: &Frame,
    objects: &Objects,
    labels: &RegionView,
    squared: &Volume,
    local: &LocalThickness,
    job: &Job,
) -> Result<ReferenceSums> {
    let squared = RegionView { volume: squared, region: labels.region };
    let squared = squares(&squared);
    if local.unbounded(squared) {
        return Ok(Vec::new());
    }
    let unit = crate::measure::shape::extras::distance_unit(frame);
    let planes = by_plane(objects, labels, labels.region, job, |_, runs| {
        runs.iter()
            .map(|run| {
                let from = labels.offset(run.at);
                let (mut sum, mut least) = (0u128, f64::INFINITY);
                for v in &squared[from..from + run.length] {
                    let d = local.diameter(*v) / 2.0;
                    sum += (d / unit).round() as u128;
                    least = least.min(d);
                }
                (run.row as u32, run.length as u64, sum, least)
            })
            .collect::<Vec<_>>()
    })?;
    Ok(summed(planes.concat()))
}

/// One sum for each row.
pub fn summed(mut sums: ReferenceSums) -> ReferenceSums {
    sums.sort_unstable_by_key(|s| s.0);
    sums.chunk_by(|a, b| a.0 == b.0)
        .map(|s| {
            let least = s.iter().map(|r| r.3).fold(f64::INFINITY, f64::min);
            (s[0].0, s.iter().map(|r| r.1).sum(), s.iter().map(|r| r.2).sum(), least)
        })
        .collect()
}
