//! Figures of an object that need more than one pass over its voxels.

use crate::algorithms::enclosing::{self, OrientedBox};
use crate::algorithms::hull::{self, Hull, Point};
use crate::algorithms::thickness::LocalThickness;
use crate::measure::columns::object::{Frame, unweighted};
use crate::measure::columns::objects::rows_by_label;
use crate::measure::passes::pass::Body;
use crate::measure::shape::balls::{BallCount, Innermost, ReferenceSums};
use crate::measure::shape::boundary::BoundarySums;
use crate::measure::shape::boxes::{BoxFigures, Paths};
use crate::measure::shape::thickness::Distribution;
use crate::measure::sums::Objects;
use crate::measure::sums::moments::MomentSums;
use crate::measure::sums::rows::{Run, by_plane};
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result};
use glam::DVec3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Columns of such figures, by the objects' rows in the sums; empty where not asked for.
#[derive(Debug, Clone, Default)]
pub struct ExtraColumns<'a> {
    /// Central moments of intensities wider than 16 bits, by channel.
    pub moments: &'a [Vec<MomentSums>],
    /// Percentiles 5, 25, 50, 75, 95 by channel and object.
    pub percentiles: Vec<Vec<[f64; 5]>>,
    /// Mean distance of the voxels from the centroid.
    pub radius: Vec<f64>,
    /// Convex hulls.
    pub hulls: Vec<HullFigures>,
    /// Boundary voxels, and mean gradients by channel.
    pub boundary: Vec<(u64, Vec<f64>)>,
    /// Inscribed balls, parts and cavities.
    pub boxes: Vec<BoxFigures>,
    /// Mean and least distance from the reference.
    pub reference: Vec<[f64; 2]>,
    /// Most frequent intensities, by channel.
    pub modes: Vec<Vec<f64>>,
    /// Voxels that are nearest to the object.
    pub voronoi: Vec<f64>,
}

impl ExtraColumns<'_> {
    /// Spreads what was found for some rows over all rows; what was not asked for stays empty.
    pub fn fill_rows(&mut self, frame: &Frame, objects: &Objects, found: &Found, local: &LocalThickness) {
        let rows = objects.labels.len();
        if !found.boundary.is_empty() {
            self.boundary = vec![(0, Vec::new()); rows];
        }
        for sums in &found.boundary {
            self.boundary[sums.row as usize] = (sums.count, sums.means());
        }
        let balls = &found.balls[Body::Objects as usize];
        let boxed = [found.innermost.len(), found.parts.len(), balls.len(), found.paths.len()];
        if boxed != [0; 4] {
            self.boxes = vec![BoxFigures::NONE; rows];
        }
        let [_, ny, nx] = frame.shape.map(|n| n as u64);
        for &(row, squared, at) in &found.innermost {
            let figures = &mut self.boxes[row as usize];
            // An image of one voxel has no outside.
            let bounded = !local.unbounded(&[squared]);
            figures.inscribed_radius = if bounded { local.diameter(squared) / 2.0 } else { f64::NAN };
            figures.centre = [at / (ny * nx), at / nx % ny, at % nx];
        }
        for &(row, parts, cavities) in &found.parts {
            let figures = &mut self.boxes[row as usize];
            (figures.components, figures.cavities) = (parts, cavities);
        }
        for balls in balls.chunk_by(|a, b| a.0 == b.0) {
            self.boxes[balls[0].0 as usize].thickness = Distribution::of_balls(balls).moments(local);
        }
        for &(row, paths) in &found.paths {
            self.boxes[row as usize].paths = paths;
        }
        if !found.voronoi.is_empty() {
            self.voronoi = vec![f64::NAN; rows];
        }
        for &(label, count) in &found.voronoi {
            if let Some(row) = objects.labels.find(label) {
                self.voronoi[row] = count as f64;
            }
        }
        if !found.reference.is_empty() {
            self.reference = vec![[f64::NAN; 2]; rows];
        }
        for &(row, count, sum, least) in &found.reference {
            self.reference[row as usize] = [sum as f64 / count as f64 * distance_unit(frame), least];
        }
    }
}

/// What a convex hull tells of an object.
#[derive(Debug, Clone, Copy)]
pub struct HullFigures {
    /// Its volume in voxels.
    pub voxels: f64,
    /// Feret diameters.
    pub feret: hull::Feret,
    /// Radius of the smallest ball around it.
    pub bounding_radius: f64,
    /// The least box along one of its faces, where asked for.
    pub oriented: Option<OrientedBox>,
}

/// The figures of one object.
#[derive(Debug, Clone, Copy)]
pub struct Extras<'a> {
    columns: &'a ExtraColumns<'a>,
    row: usize,
}

impl<'a> Extras<'a> {
    /// Those of row `row`.
    pub fn new(columns: &'a ExtraColumns<'a>, row: usize) -> Self {
        Self { columns, row }
    }

    /// Central moments of a channel.
    pub fn moments(&self, channel: usize) -> Option<&'a MomentSums> {
        self.columns.moments.get(channel).and_then(|c| c.get(self.row))
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
        self.columns.hulls.get(self.row).copied().unwrap_or(HullFigures {
            voxels: NAN,
            feret: none,
            bounding_radius: NAN,
            oriented: None,
        })
    }

    /// The least box.
    pub fn oriented(&self) -> OrientedBox {
        self.hull().oriented.unwrap_or(OrientedBox { extent: [f64::NAN; 3] })
    }

    /// The most frequent intensity of a channel.
    pub fn mode(&self, channel: usize) -> f64 {
        self.columns.modes.get(channel).and_then(|c| c.get(self.row)).copied().unwrap_or(f64::NAN)
    }

    /// Voxels that are nearest to it.
    pub fn voronoi(&self) -> f64 {
        self.columns.voronoi.get(self.row).copied().unwrap_or(f64::NAN)
    }

    /// Boundary voxels.
    pub fn border_voxels(&self) -> u64 {
        self.columns.boundary.get(self.row).map_or(0, |b| b.0)
    }

    /// Mean gradient of a channel on the boundary.
    pub fn gradient(&self, channel: usize) -> f64 {
        self.columns.boundary.get(self.row).and_then(|b| b.1.get(channel)).copied().unwrap_or(f64::NAN)
    }

    /// Inscribed ball, parts, cavities and thickness.
    pub fn boxed(&self) -> BoxFigures {
        self.columns.boxes.get(self.row).copied().unwrap_or(BoxFigures::NONE)
    }

    /// Mean and least distance from the reference.
    pub fn reference(&self) -> [f64; 2] {
        self.columns.reference.get(self.row).copied().unwrap_or([f64::NAN; 2])
    }
}

/// Sums of distances from centroids, in fixed point.
pub type RadiusSums = Vec<(u32, u128)>;

/// The length of one unit of sums of distances: 2⁻⁴⁰ of the image's diagonal.
pub fn distance_unit(frame: &Frame) -> f64 {
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
    labels: &RegionView,
    out: Region,
    job: &Job,
) -> Result<RadiusSums> {
    let centroids: Vec<[f64; 3]> =
        (0..objects.voxels.len()).into_par_iter().map(|row| unweighted(&objects.voxels.get(row)).0).collect();
    let matrix = frame.geometry.world_from_index.matrix3;
    let unit = distance_unit(frame);
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
        let n = objects.voxels.count(row as usize);
        radii[row as usize] = sum as f64 / n as f64 * distance_unit(frame);
    }
    radii
}

/// Corners that an object's convex hull may have.
pub type Corners = Vec<(u32, Vec<Point>)>;

/// The corners of the objects' parts in a region that their hulls may have.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn hull_pass(objects: &Objects, labels: &RegionView, out: Region, job: &Job) -> Result<Corners> {
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

/// Hull figures by row; least boxes are sought if `oriented`.
pub fn hulls(frame: &Frame, objects: &Objects, corners: &Corners, oriented: bool) -> Vec<HullFigures> {
    let matrix = frame.geometry.world_from_index.matrix3;
    let found: Vec<(u32, HullFigures)> = corners
        .par_iter()
        .map(|(row, points)| {
            let hull: Hull = hull::hull(points);
            let points = hull.points(matrix);
            let figures = HullFigures {
                voxels: hull.volume6 as f64 / 6.0,
                feret: hull.feret(matrix),
                bounding_radius: enclosing::bounding_radius(&points),
                oriented: oriented
                    .then(|| enclosing::oriented_box(&points, hull.directions(matrix)))
                    .flatten(),
            };
            (*row, figures)
        })
        .collect();
    let empty = ExtraColumns::default();
    let mut hulls = vec![Extras::new(&empty, 0).hull(); objects.labels.len()];
    for (row, figures) in found {
        hulls[row as usize] = figures;
    }
    hulls
}

/// World coordinates of the objects' centroids, by label, so that ties go to the lesser label.
pub fn centroids(frame: &Frame, objects: &Objects) -> Vec<[f64; 3]> {
    let place = |row: usize| frame.geometry.world(unweighted(&objects.voxels.get(row)).0).to_array();
    rows_by_label(objects).into_par_iter().map(place).collect()
}

/// What is kept between passes, by row or by channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    /// Sums of distances.
    pub radius: RadiusSums,
    /// Extreme corners.
    pub corners: Corners,
    /// Central moments by channel; none of a channel of up to 16 bits.
    pub moments: Vec<Vec<MomentSums>>,
    /// Percentiles by channel.
    pub percentiles: Vec<Vec<[f64; 5]>>,
    /// The most frequent intensities by channel.
    pub modes: Vec<Vec<f64>>,
    /// Labels and how many voxels are nearest to them.
    pub voronoi: Vec<(u64, u64)>,
    /// Sums over boundary voxels.
    pub boundary: Vec<BoundarySums>,
    /// The innermost voxels.
    pub innermost: Vec<Innermost>,
    /// The greatest squared radius of balls, while it is needed.
    pub greatest: u32,
    /// The largest balls, by [`Body`].
    pub balls: [Vec<BallCount>; 4],
    /// Regions, while they are needed.
    pub regions: crate::measure::shape::regions::Graph,
    /// Parts and cavities.
    pub parts: Vec<(u32, u64, u64)>,
    /// Skeletons and paths.
    pub paths: Vec<(u32, Paths)>,
    /// Sums of distances from the reference.
    pub reference: ReferenceSums,
    /// Box counts of the structure.
    pub fractal: crate::measure::shape::structure::BoxCounts,
    /// Chords of the structure.
    pub chords: crate::measure::image::distributions::Chords,
    /// The structure, while it is needed.
    pub mask: Option<crate::measure::shape::bits::BitVolume>,
    /// Pairs by distance.
    pub correlation: crate::measure::image::distributions::Correlation,
    /// Where lines meet surfaces.
    pub intercepts: crate::measure::image::intercepts::Intercepts,
    /// Counts of intensities, by channel.
    pub quality: Vec<crate::measure::intensities::quality::Quality>,
    /// The search for percentiles, by channel, while it goes on.
    pub search: Vec<crate::measure::intensities::percentiles::Search>,
}

impl Found {
    /// The local thickness of the structure, of the background or of what is between the mid-axes.
    pub fn thickness(&self, body: Body) -> Distribution {
        Distribution::of_balls(&self.balls[body as usize])
    }
}
