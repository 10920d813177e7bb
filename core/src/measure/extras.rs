//! Figures of an object that need more than one pass over its voxels.

use super::hull::{self, Hull, Point};
use super::kdtree::KdTree;
use super::object::{Frame, unweighted};
use super::objects::rows_by_label;
use super::rows::{Run, by_plane};
use super::scan::Part;
use super::sums::Objects;
use crate::{Job, Region, Result};
use glam::DVec3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Columns of such figures, by the objects' rows in the sums; empty where not asked for.
#[derive(Debug, Clone, Default)]
pub struct ExtraColumns {
    /// Percentiles 5, 25, 50, 75, 95 by channel and object.
    pub percentiles: Vec<Vec<[f64; 5]>>,
    /// Mean distance of the voxels from the centroid.
    pub radius: Vec<f64>,
    /// Convex hulls.
    pub hulls: Vec<HullFigures>,
    /// The nearest other centroid: its label and distance.
    pub nearest: Vec<Option<(u64, f64)>>,
}

/// What a convex hull tells of an object.
#[derive(Debug, Clone, Copy)]
pub struct HullFigures {
    /// Its volume in voxels.
    pub voxels: f64,
    /// Feret diameters.
    pub feret: hull::Feret,
}

/// The figures of one object.
#[derive(Debug, Clone, Copy)]
pub struct Extras<'a> {
    columns: &'a ExtraColumns,
    row: usize,
}

impl<'a> Extras<'a> {
    /// Those of row `row`.
    pub fn new(columns: &'a ExtraColumns, row: usize) -> Self {
        Self { columns, row }
    }

    /// A percentile of a channel.
    pub fn percentile(&self, channel: usize, which: usize) -> f64 {
        self.columns.percentiles.get(channel).and_then(|c| c.get(self.row)).map_or(f64::NAN, |p| p[which])
    }

    /// Mean distance from the centroid.
    pub fn radius(&self) -> f64 {
        self.columns.radius.get(self.row).copied().unwrap_or(f64::NAN)
    }

    /// The convex hull.
    pub fn hull(&self) -> HullFigures {
        const NAN: f64 = f64::NAN;
        let nan = DVec3::splat(NAN);
        let none = hull::Feret { max: NAN, max_axis: nan, min: NAN, min_axis: nan };
        self.columns.hulls.get(self.row).copied().unwrap_or(HullFigures { voxels: NAN, feret: none })
    }

    /// Label of and distance to the nearest other centroid; 0 and NaN if there is none.
    pub fn nearest(&self) -> (u64, f64) {
        self.columns.nearest.get(self.row).copied().flatten().unwrap_or((0, f64::NAN))
    }
}

/// Sums of distances from centroids, in fixed point.
pub type RadiusSums = Vec<(u32, u128)>;

/// The length of one unit of [`RadiusSums`]: 2⁻⁴⁰ of the image's diagonal.
fn radius_unit(frame: &Frame) -> f64 {
    let end = frame.shape.map(|n| n as f64);
    let world = |at| frame.geometry.world(at);
    (0..4)
        .map(|corner| {
            let at = |c: usize| std::array::from_fn(|a| if (c >> a) & 1 == 0 { 0.0 } else { end[a] });
            (world(at(corner)) - world(at(7 - corner))).length()
        })
        .fold(0.0, f64::max)
        / (1u64 << 40) as f64
}

/// Distances of the voxels of a region from their objects' centroids.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn radius_pass(
    frame: &Frame,
    objects: &Objects,
    labels: &Part,
    out: Region,
    job: &Job,
) -> Result<RadiusSums> {
    let centroids: Vec<[f64; 3]> = objects.voxels.par_iter().map(|v| unweighted(v).0).collect();
    let matrix = frame.geometry.world_from_index.matrix3;
    let unit = radius_unit(frame);
    let planes = by_plane(objects, labels, out, job, |_, runs: &[Run]| {
        let mut sums: RadiusSums = Vec::new();
        for run in runs {
            let c = centroids[run.row];
            let [z, y] = [run.at[0] as f64 - c[0], run.at[1] as f64 - c[1]];
            let mut sum = 0u128;
            for x in run.at[2]..run.at[2] + run.length {
                let d = matrix * DVec3::new(x as f64 - c[2], y, z);
                sum += (d.length() / unit).round() as u128;
            }
            sums.push((run.row as u32, sum));
        }
        added(sums)
    })?;
    Ok(added(planes.concat()))
}

/// One sum for each row.
pub fn added(mut sums: RadiusSums) -> RadiusSums {
    sums.sort_unstable();
    sums.chunk_by(|a, b| a.0 == b.0).map(|c| (c[0].0, c.iter().map(|s| s.1).sum())).collect()
}

/// Mean distances by row.
pub fn radii(frame: &Frame, objects: &Objects, sums: &RadiusSums) -> Vec<f64> {
    let mut radii = vec![f64::NAN; objects.labels.len()];
    for &(row, sum) in sums {
        let n = objects.voxels[row as usize].count;
        radii[row as usize] = sum as f64 / n as f64 * radius_unit(frame);
    }
    radii
}

/// Corners that an object's convex hull may have.
pub type Corners = Vec<(u32, Vec<Point>)>;

/// The corners of the objects' parts in a region that their hulls may have.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn hull_pass(objects: &Objects, labels: &Part, out: Region, job: &Job) -> Result<Corners> {
    let planes = by_plane(objects, labels, out, job, |z, runs: &[Run]| {
        let mut runs = runs.to_vec();
        runs.sort_by_key(|r| r.row);
        runs.chunk_by(|a, b| a.row == b.row)
            .map(|object| {
                let rows: Vec<(i32, i32, i32)> = object
                    .chunk_by(|a, b| a.at[1] == b.at[1])
                    .map(|row| {
                        let last = row[row.len() - 1];
                        (row[0].at[1] as i32, row[0].at[2] as i32, (last.at[2] + last.length) as i32)
                    })
                    .collect();
                let mut corners = Vec::new();
                hull::slice_corners(z as i32, &rows, &mut corners);
                (object[0].row as u32, corners)
            })
            .collect::<Vec<_>>()
    })?;
    Ok(reduced(planes.concat()))
}

/// The extreme corners of each object.
pub fn reduced(mut corners: Corners) -> Corners {
    // Sorting the pieces as well makes no difference to a hull, but costs little.
    corners.sort_unstable_by_key(|c| c.0);
    let groups: Vec<&[(u32, Vec<Point>)]> = corners.chunk_by(|a, b| a.0 == b.0).collect();
    groups
        .into_par_iter()
        .map(|pieces| {
            let points: Vec<Point> = pieces.iter().flat_map(|p| p.1.iter().copied()).collect();
            (pieces[0].0, hull::hull(&points).vertices)
        })
        .collect()
}

/// Hull figures by row.
pub fn hulls(frame: &Frame, objects: &Objects, corners: &Corners) -> Vec<HullFigures> {
    let matrix = frame.geometry.world_from_index.matrix3;
    let found: Vec<(u32, HullFigures)> = corners
        .par_iter()
        .map(|(row, points)| {
            let hull: Hull = hull::hull(points);
            (*row, HullFigures { voxels: hull.volume6 as f64 / 6.0, feret: hull.feret(matrix) })
        })
        .collect();
    let empty = ExtraColumns::default();
    let mut hulls = vec![Extras::new(&empty, 0).hull(); objects.labels.len()];
    for (row, figures) in found {
        hulls[row as usize] = figures;
    }
    hulls
}

/// The nearest other centroid of each object, by row.
pub fn nearest(frame: &Frame, objects: &Objects) -> Vec<Option<(u64, f64)>> {
    let order = rows_by_label(objects);
    // By label, so that ties go to the lesser label.
    let points: Vec<[f64; 3]> = order
        .par_iter()
        .map(|&row| frame.geometry.world(unweighted(&objects.voxels[row]).0).to_array())
        .collect();
    let mut nearest = vec![None; objects.labels.len()];
    for (i, found) in KdTree::new(&points).nearest_others().into_iter().enumerate() {
        nearest[order[i]] = found.map(|(j, distance)| (objects.labels.keys()[order[j]], distance));
    }
    nearest
}

/// What is kept between passes, by row or by channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    /// Sums of distances.
    pub radius: RadiusSums,
    /// Extreme corners.
    pub corners: Corners,
    /// Percentiles by channel.
    pub percentiles: Vec<Vec<[f64; 5]>>,
    /// The search for percentiles, by channel, while it goes on.
    pub search: Vec<super::percentiles::Search>,
}
