//! Slices between slices that were drawn: the shape of each is the mean of its neighbours' signed distances
//! (Raya & Udupa, Shape-based interpolation of multidimensional objects, IEEE Trans. Med. Imaging 1990).

use crate::labels::Labels;
use crate::ops::{Kind, on_volumes};
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
        for i in pair[0] + 1..pair[1] {
            let t = (i - pair[0]) as f32 / (pair[1] - pair[0]) as f32;
            let mut slice = filled.slice_axis_mut(Axis(axis), (i..=i).into());
            ndarray::Zip::from(&mut slice)
                .and(&before)
                .and(&after)
                .for_each(|filled, a, b| *filled = a * (1.0 - t) + b * t > 0.0);
        }
        last = Some((pair[1], after));
    }
    Ok(Some((region, filled)))
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
