//! The figures of one object, from its sums.

use crate::Geometry;
use crate::algorithms::exact_sum::scaled;
use crate::algorithms::linear::axes;
use crate::measure::shape::extras::Extras;
use crate::measure::sums::channel::{ChannelSums, ChannelTable};
use crate::measure::sums::crofton::Table;
use crate::measure::sums::moments::{MomentSums, Ruler};
use crate::measure::sums::{CellSums, Objects, PRODUCTS, VoxelSums, intensity};
use glam::{DMat3, DVec3};

/// What all objects of an image share.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Shape of the image, `[z, y, x]`.
    pub shape: [usize; 3],
    /// Where it lies.
    pub geometry: Geometry,
    /// Area of one unit of the neighbourhood weights.
    pub area_unit: f64,
    /// Length of one unit of them.
    pub length_unit: f64,
}

impl Frame {
    /// The frame of an image; `table` is the one that the sums were made with.
    pub fn new(shape: [usize; 3], geometry: Geometry, table: Option<&Table>) -> Self {
        let (area_unit, length_unit) = table.map_or((f64::NAN, f64::NAN), |t| (t.area_unit, t.length_unit));
        Self { shape, geometry, area_unit, length_unit }
    }
}

/// One object with what was summed and what follows from it.
pub struct Object<'a> {
    /// What all objects share.
    pub frame: &'a Frame,
    /// Its label.
    pub label: u64,
    /// Sums over its voxels.
    pub voxels: VoxelSums,
    /// Sums over its neighbourhoods.
    pub cells: CellSums,
    /// Centroid, `[z, y, x]` index.
    pub centroid: [f64; 3],
    /// Eigenvalues of the covariance of its voxel centres in world units, greatest first; NaN without
    /// second moments.
    pub variances: [f64; 3],
    /// Unit eigenvectors, `(x, y, z)` world.
    pub axes: [DVec3; 3],
    /// Its intensities, by channel.
    pub channels: Vec<Channel>,
    /// Labels that share a voxel face with it.
    pub neighbours: u64,
    /// Area of its interfaces with other labels.
    pub contact_area: f64,
    /// What needed more than one pass.
    pub extras: Extras<'a>,
}

/// The intensities of one object in one channel.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Channel {
    pub missing: u64,
    pub mean: f64,
    pub sd: f64,
    pub min: f64,
    pub max: f64,
    /// `[z, y, x]` index of the first voxels that have them.
    pub min_at: [f64; 3],
    pub max_at: [f64; 3],
    pub sum: f64,
    pub skewness: f64,
    pub kurtosis: f64,
    /// `[z, y, x]` index.
    pub centroid: [f64; 3],
    /// Square roots of the eigenvalues of the weighted covariance, in world units.
    pub sd_axes: [f64; 3],
}

impl<'a> Object<'a> {
    /// The object of row `row`.
    pub fn new(
        frame: &'a Frame,
        objects: &Objects,
        row: usize,
        contacts: (u64, f64),
        extras: Extras<'a>,
    ) -> Self {
        let voxels = objects.voxels.get(row);
        let (centroid, covariance) = unweighted(&voxels);
        let (variances, axes) = if objects.voxels.has_moments() {
            let (variances, axes) = axes(in_world(frame, covariance));
            (variances.map(|v| v.max(0.0)), axes)
        } else {
            ([f64::NAN; 3], [DVec3::NAN; 3])
        };
        let channels = objects
            .channels
            .iter()
            .enumerate()
            .map(|(c, table)| Channel::new(frame, &voxels, (table, row), extras.moments(c)))
            .collect();
        Self {
            frame,
            label: objects.labels.keys()[row],
            voxels,
            cells: objects.cells.as_ref().map_or_else(CellSums::default, |cells| cells[row]),
            centroid,
            variances,
            axes,
            channels,
            neighbours: contacts.0,
            contact_area: contacts.1,
            extras,
        }
    }

    /// Volume in world units.
    pub fn volume(&self) -> f64 {
        self.voxels.count as f64 * self.frame.geometry.voxel_volume()
    }

    /// Crofton's surface area in world units.
    pub fn surface(&self) -> f64 {
        self.cells.surface as f64 * self.frame.area_unit
    }

    /// Standard deviations along the principal axes.
    pub fn sd(&self) -> [f64; 3] {
        self.variances.map(f64::sqrt)
    }

    /// Whether a voxel lies on a face of the image. Along an axis of one voxel there are none.
    pub fn touches_border(&self) -> bool {
        let ends = |a: usize| self.voxels.low[a] == 0 || self.voxels.high[a] as usize == self.frame.shape[a];
        (0..3).any(|a| self.frame.shape[a] > 1 && ends(a))
    }

    /// Size of its box along an axis, in world units.
    pub fn extent(&self, axis: usize) -> f64 {
        (self.voxels.high[axis] - self.voxels.low[axis]) as f64 * self.frame.geometry.spacing()[axis]
    }

    /// Centroid in the world, `(x, y, z)`.
    pub fn world(&self) -> DVec3 {
        self.frame.geometry.world(self.centroid)
    }
}

/// The covariance `[zz, yy, xx, zy, zx, yx]` of indices, in world units and `(x, y, z)`.
fn in_world(frame: &Frame, [zz, yy, xx, zy, zx, yx]: [f64; 6]) -> DMat3 {
    let m = frame.geometry.world_from_index.matrix3;
    let index = DMat3::from_cols(DVec3::new(xx, yx, zx), DVec3::new(yx, yy, zy), DVec3::new(zx, zy, zz));
    m * index * m.transpose()
}

/// Centroid and covariance of voxel centres in index space. The sums are moved to the rounded
/// centroid exactly, as integers, so that nothing cancels.
pub fn unweighted(v: &VoxelSums) -> ([f64; 3], [f64; 6]) {
    let n = i128::from(v.count.max(1));
    let centre = v.first.map(|f| (f + n / 2) / n);
    let (first, second) = moved(n, v.first, v.second, centre);
    let n = n as f64;
    let d = first.map(|f| f as f64 / n);
    let covariance = std::array::from_fn(|k| {
        let (a, b) = PRODUCTS[k];
        second[k] as f64 / n - d[a] * d[b]
    });
    (std::array::from_fn(|a| centre[a] as f64 + d[a]), covariance)
}

/// First and second moments about `centre` instead of 0, for a total weight `n`.
fn moved(n: i128, first: [i128; 3], second: [i128; 6], centre: [i128; 3]) -> ([i128; 3], [i128; 6]) {
    let second = std::array::from_fn(|k| {
        let (a, b) = PRODUCTS[k];
        second[k] - centre[a] * first[b] - centre[b] * first[a] + n * centre[a] * centre[b]
    });
    (std::array::from_fn(|a| first[a] - n * centre[a]), second)
}

/// Weights of an object's voxels: `offset + unit·q`, with Σ q, Σ q·index and Σ q·products of indices.
struct Weights {
    offset: f64,
    unit: f64,
    sum: i128,
    first: [i128; 3],
    second: [i128; 6],
}

impl Channel {
    const NONE: Self = Self {
        missing: 0,
        mean: f64::NAN,
        sd: f64::NAN,
        min: f64::NAN,
        max: f64::NAN,
        min_at: [f64::NAN; 3],
        max_at: [f64::NAN; 3],
        sum: 0.0,
        skewness: f64::NAN,
        kurtosis: f64::NAN,
        centroid: [f64::NAN; 3],
        sd_axes: [f64::NAN; 3],
    };

    /// The figures of row `row`; of a type of more than 16 bits, `moments` are those of the pass that
    /// looks at them, if they are asked for.
    fn new(
        frame: &Frame,
        voxels: &VoxelSums,
        (table, row): (&ChannelTable, usize),
        moments: Option<&MomentSums>,
    ) -> Self {
        let sums = table.get(row);
        let missing = voxels.count - sums.valid;
        if sums.valid == 0 {
            return Self { missing, ..Self::NONE };
        }
        let found = Self {
            missing,
            min: sums.min,
            max: sums.max,
            min_at: sums.min_at.map(f64::from),
            max_at: sums.max_at.map(f64::from),
            ..Self::NONE
        };
        match (intensity::offset(table.voxel()), moments) {
            (Some(offset), _) => found.narrow(frame, voxels, &sums, offset),
            (None, Some(moments)) => {
                let ruler = Ruler::new(table, row, table.voxel());
                found.wide(frame, voxels, &sums, (moments, &ruler))
            }
            (None, None) => Self { mean: sums.exact.over(sums.valid), sum: sums.exact.value(), ..found },
        }
    }

    /// Of integers of up to 16 bits.
    fn narrow(self, frame: &Frame, voxels: &VoxelSums, sums: &ChannelSums, offset: i64) -> Self {
        let count = i128::from(sums.valid);
        let n = sums.valid as f64;
        let [q, q2, ..] = sums.powers;
        // About the rounded mean, exactly.
        let c = q.div_euclid(count);
        let rest = (q - count * c) as f64 / n;
        let about = q2 - 2 * c * q + count * c * c;
        let (skewness, kurtosis) = shape_of(count, sums.powers);
        let weights =
            Weights { offset: offset as f64, unit: 1.0, sum: q, first: sums.first, second: sums.second };
        let (centroid, sd_axes) = weighted(frame, voxels, sums, &weights);
        Self {
            mean: (i128::from(offset) + c) as f64 + rest,
            sd: (about as f64 / n - rest * rest).max(0.0).sqrt(),
            sum: (i128::from(offset) * count + q) as f64,
            skewness,
            kurtosis,
            centroid,
            sd_axes,
            ..self
        }
    }

    /// Of wider types, whose moments are about their mean.
    fn wide(
        self,
        frame: &Frame,
        voxels: &VoxelSums,
        sums: &ChannelSums,
        (moments, ruler): (&MomentSums, &Ruler),
    ) -> Self {
        let [_, m2, m3, m4] = moments.central(sums.valid);
        let shape =
            if m2 > 0.0 { (m3 / (m2 * m2.sqrt()), m4 / (m2 * m2) - 3.0) } else { (f64::NAN, f64::NAN) };
        // Only the ratios of weights matter: they stay in the range of f64.
        let power = ruler.exponent.max(0);
        let weights = Weights {
            offset: scaled(ruler.centre, -power),
            unit: scaled(MomentSums::WEIGHT_UNIT, ruler.exponent - power),
            sum: moments.weight(),
            first: moments.first,
            second: moments.second,
        };
        let (centroid, sd_axes) = weighted(frame, voxels, sums, &weights);
        Self {
            mean: sums.exact.over(sums.valid),
            sd: scaled(m2.max(0.0).sqrt(), ruler.exponent),
            sum: sums.exact.value(),
            skewness: shape.0,
            kurtosis: shape.1,
            centroid,
            sd_axes,
            ..self
        }
    }
}

/// Centroid and standard deviations along principal axes, of the voxels with a finite intensity by these
/// weights; NaN if the sum of the weights is not positive.
fn weighted(frame: &Frame, all: &VoxelSums, sums: &ChannelSums, weights: &Weights) -> ([f64; 3], [f64; 3]) {
    let (mut first, mut second) = (all.first, all.second);
    if let Some(missing) = &sums.missing {
        for a in 0..3 {
            first[a] -= missing.first[a];
        }
        for k in 0..6 {
            second[k] -= missing.second[k];
        }
    }
    let n = i128::from(sums.valid);
    let centre = first.map(|f| (f + n / 2) / n);
    let (first, second) = moved(n, first, second, centre);
    let (first_q, second_q) = moved(weights.sum, weights.first, weights.second, centre);
    let weight = |plain: i128, q: i128| plain as f64 * weights.offset + q as f64 * weights.unit;
    let total = weight(n, weights.sum);
    if total <= 0.0 || !total.is_finite() {
        return ([f64::NAN; 3], [f64::NAN; 3]);
    }
    let d: [f64; 3] = std::array::from_fn(|a| weight(first[a], first_q[a]) / total);
    let covariance = std::array::from_fn(|k| {
        let (a, b) = PRODUCTS[k];
        weight(second[k], second_q[k]) / total - d[a] * d[b]
    });
    let (variances, _) = axes(in_world(frame, covariance));
    (std::array::from_fn(|a| centre[a] as f64 + d[a]), variances.map(|v| v.max(0.0).sqrt()))
}

/// Skewness and excess kurtosis from the sums of the first four powers.
fn shape_of(count: i128, [p1, p2, p3, p4]: [i128; 4]) -> (f64, f64) {
    let c = p1.div_euclid(count);
    let n = count as f64;
    let e = (p1 - count * c) as f64 / n;
    let s2 = (p2 - 2 * c * p1 + count * c * c) as f64 / n;
    let s3 = (p3 - 3 * c * p2 + 3 * c * c * p1 - count * c * c * c) as f64 / n;
    let s4 = (p4 - 4 * c * p3 + 6 * c * c * p2 - 4 * c * c * c * p1 + count * c * c * c * c) as f64 / n;
    let m2 = s2 - e * e;
    let m3 = s3 - 3.0 * e * s2 + 2.0 * e * e * e;
    let m4 = s4 - 4.0 * e * s3 + 6.0 * e * e * s2 - 3.0 * e * e * e * e;
    if m2 <= 0.0 { (f64::NAN, f64::NAN) } else { (m3 / (m2 * m2.sqrt()), m4 / (m2 * m2) - 3.0) }
}
