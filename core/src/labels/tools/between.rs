//! Slices between slices that were drawn: the shape of each is the mean of its neighbours' signed distances
//! (Raya & Udupa, Shape-based interpolation of multidimensional objects, IEEE Trans. Med. Imaging 1990), laid over each
//! other by their centroids, so that what runs aslant isn't pinched (Higgins, Morice & Ritman 1993,
//! doi:10.1109/42.241878).

use crate::labels::Labels;
use crate::ops::on_volumes;
use crate::program::Kind;
use crate::{Geometry, Job, Region, Result, Volume};
use ndarray::{Array3, Axis, s};

/// The slices of a label across an axis (0, 1, 2 for z, y, x) that lie between slices of it and are empty: where it
/// would be in them. None if there are none.
///
/// # Errors
/// If the labels can't be read, or the job was cancelled.
pub fn fill_between(
    labels: &Labels,
    label: u32,
    axis: usize,
    job: &Job,
) -> Result<Option<(Region, Array3<bool>)>> {
    let Some(region) = labels.within(label) else { return Ok(None) };
    let here = labels.get(region)?.mapv(|v| v == label);
    let there: Vec<usize> =
        (0..region.shape[axis]).filter(|i| here.index_axis(Axis(axis), *i).iter().any(|v| *v)).collect();
    if there.windows(2).all(|pair| pair[1] == pair[0] + 1) {
        return Ok(None);
    }
    let mut spacing = labels.spacing();
    spacing[axis] = 1.0;
    let mut filled = Array3::from_elem(region.shape, false);
    let mut last: Option<(usize, Array3<f32>)> = None;
    for pair in there.windows(2).filter(|pair| pair[1] > pair[0] + 1) {
        let signed = |i: usize| -> Result<Array3<f32>> {
            let slice = here.slice_axis(Axis(axis), (i..=i).into()).to_owned();
            signed_distance(&slice, spacing, job)
        };
        let before = match last.take() {
            Some((i, distance)) if i == pair[0] => distance,
            _ => signed(pair[0])?,
        };
        let after = signed(pair[1])?;
        let centres = [pair[0], pair[1]].map(|i| centroid(&here, axis, i));
        let way: [f32; 3] = std::array::from_fn(|a| centres[1][a] - centres[0][a]);
        for i in pair[0] + 1..pair[1] {
            let t = (i - pair[0]) as f32 / (pair[1] - pair[0]) as f32;
            let mut slice = filled.slice_axis_mut(Axis(axis), (i..=i).into());
            for ((z, y, x), filled) in slice.indexed_iter_mut() {
                // Where it is in both slices, as far from their centroids as it is here from the one between.
                let at = [z as f32, y as f32, x as f32];
                let a = at_place(&before, spacing, std::array::from_fn(|k| at[k] - t * way[k]));
                let b = at_place(&after, spacing, std::array::from_fn(|k| at[k] + (1.0 - t) * way[k]));
                *filled = a * (1.0 - t) + b * t > 0.0;
            }
        }
        last = Some((pair[1], after));
    }
    Ok(Some((region, filled)))
}

/// The mean index of what is inside in a slice; 0 along the axis across it.
fn centroid(inside: &Array3<bool>, axis: usize, slice: usize) -> [f32; 3] {
    let (mut sum, mut count) = ([0u64; 3], 0u64);
    let part = inside.slice_axis(Axis(axis), (slice..=slice).into());
    for ((z, y, x), _) in part.indexed_iter().filter(|(_, v)| **v) {
        count += 1;
        for (sum, at) in sum.iter_mut().zip([z, y, x]) {
            *sum += at as u64;
        }
    }
    sum.map(|sum| sum as f32 / count.max(1) as f32)
}

/// A distance between voxels, by those beside it; beyond the edge it falls on by the way there.
fn at_place(distances: &Array3<f32>, spacing: [f64; 3], at: [f32; 3]) -> f32 {
    let shape = [distances.dim().0, distances.dim().1, distances.dim().2];
    let inside: [f32; 3] = std::array::from_fn(|a| at[a].clamp(0.0, shape[a] as f32 - 1.0));
    let beyond = (0..3).map(|a| ((at[a] - inside[a]) * spacing[a] as f32).powi(2)).sum::<f32>().sqrt();
    let low = inside.map(|v| v as usize);
    let mut sum = 0.0;
    for corner in 0..8usize {
        let mut weight = 1.0;
        let index: [usize; 3] = std::array::from_fn(|a| {
            let (up, part) = (corner >> a & 1, inside[a] - low[a] as f32);
            weight *= if up == 1 { part } else { 1.0 - part };
            (low[a] + up).min(shape[a] - 1)
        });
        if weight > 0.0 {
            sum += weight * distances[index];
        }
    }
    sum - beyond
}

/// The distance to the border between inside and outside, half-way between voxels: positive inside.
fn signed_distance(inside: &Array3<bool>, spacing: [f64; 3], job: &Job) -> Result<Array3<f32>> {
    let geometry = Geometry::from_spacing(spacing, crate::Unit::Voxel);
    // Beyond the box there is nothing of the object.
    let [z, y, x] = [inside.dim().0, inside.dim().1, inside.dim().2];
    let pad = [z, y, x].map(|n| usize::from(n > 1));
    let shape = [z + 2 * pad[0], y + 2 * pad[1], x + 2 * pad[2]];
    let part = s![pad[0]..pad[0] + z, pad[1]..pad[1] + y, pad[2]..pad[2] + x];
    let distance = |value: bool| -> Result<Array3<f32>> {
        let mut mask = Array3::from_elem(shape, u8::from(!value));
        mask.slice_mut(part).assign(&inside.mapv(|v| u8::from(v == value)));
        if mask.iter().all(|v| *v == 1) {
            return Ok(Array3::from_elem(shape, f32::MAX / 4.0));
        }
        let volume = on_volumes("distance", &[], vec![(Kind::Mask, Volume::U8(mask))], geometry, job)?;
        Ok(volume.cast(crate::VoxelType::F32).view::<f32>().expect("just cast").to_owned())
    };
    let half = spacing.into_iter().fold(f64::INFINITY, f64::min) as f32 / 2.0;
    let (within, beyond) = (distance(true)?, distance(false)?);
    let signed = ndarray::Zip::from(&within)
        .and(&beyond)
        .map_collect(|within, beyond| if *within > 0.0 { within - half } else { half - beyond });
    Ok(signed.slice(part).to_owned())
}
