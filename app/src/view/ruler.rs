//! Lengths, angles, profiles and regions that are drawn in planes, and what is read in them.

use super::{Content, Layer, Scene};
use glam::DVec3;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::io::browse::Browsed;
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::{Region, Result, Volume};

/// Quantity that a ruler measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RulerKind {
    /// The distance between two places.
    Length,
    /// The angle at the second of three places.
    Angle,
    /// The intensities along a line.
    Profile,
    /// The intensities in a rectangle along the axes.
    Rectangle,
    /// The intensities in the ellipse in such a rectangle.
    Ellipse,
}

impl RulerKind {
    /// Places that make one.
    pub fn places(self) -> usize {
        if self == Self::Angle { 3 } else { 2 }
    }

    /// Returns whether it lies along the axes, so that its plane must.
    pub fn is_region(self) -> bool {
        matches!(self, Self::Rectangle | Self::Ellipse)
    }
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Something that was drawn in a plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ruler {
    /// Tells rulers apart while the program runs.
    #[serde(skip, default = "next")]
    pub id: u64,
    /// Quantity it measures.
    pub kind: RulerKind,
    /// The axis across which its plane is: 0, 1, 2 for z, y, x.
    pub axis: usize,
    /// Its places, as parts of the image along `(x, y, z)`.
    pub places: Vec<DVec3>,
    /// Its last reading.
    #[serde(skip)]
    pub reading: Option<Arc<Reading>>,
}

/// Reading of a ruler.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Of which layer, at which time, in which places.
    pub of: (u64, usize, Vec<DVec3>),
    /// Intensities along a line, at even distances from its first place to its last.
    pub along: Vec<f32>,
    /// Of a region: how many voxels, their mean, standard deviation, least and greatest.
    pub region: Option<(u64, [f64; 4])>,
    /// Voxels of the image per sample along each axis, if more than one.
    pub coarse: f64,
}

/// Most voxels that are read for one ruler; beyond, a coarser level is.
const MOST: f64 = 3.2e7;
/// Samples along a line at most.
const SAMPLES: f64 = 2000.0;

impl Ruler {
    /// A new one.
    pub fn new(kind: RulerKind, axis: usize, place: DVec3) -> Self {
        Self { id: next(), kind, axis, places: vec![place], reading: None }
    }

    /// Its reading at the current position, if any.
    pub fn current(&self) -> Option<&Reading> {
        self.reading.as_deref().filter(|reading| reading.of.2 == self.places)
    }

    /// Places in the world.
    fn world(&self, scene: &Scene) -> Vec<DVec3> {
        let geometry = scene.geometry();
        self.places.iter().map(|p| geometry.world_from_index.transform_point3(scene.index(*p))).collect()
    }

    /// The length in the world, from the first place to the second.
    pub fn length(&self, scene: &Scene) -> f64 {
        match self.world(scene)[..] {
            [a, b, ..] => a.distance(b),
            _ => 0.0,
        }
    }

    /// The angle at the second place, in degrees.
    pub fn angle(&self, scene: &Scene) -> Option<f64> {
        let [a, b, c] = self.world(scene)[..] else { return None };
        let (a, c) = (a - b, c - b);
        (a.length() > 0.0 && c.length() > 0.0).then(|| a.angle_between(c).to_degrees())
    }

    /// Sides of a region, along the image's axes, in the world.
    fn edges(&self, scene: &Scene) -> Option<[DVec3; 2]> {
        let [a, b] = self.places[..] else { return None };
        let by = scene.index(b) - scene.index(a);
        let of = |axis: usize| scene.geometry().world_from_index.matrix3.col(2 - axis) * by[2 - axis];
        let facing = scene.facing(self.axis);
        Some([of(facing.right.0), of(facing.down.0)])
    }

    /// Lengths of the sides of a region in the world.
    pub fn sides(&self, scene: &Scene) -> Option<[f64; 2]> {
        Some(self.edges(scene)?.map(DVec3::length))
    }

    /// The area of a region in the world; in a sheared grid it is a parallelogram, or the ellipse in one.
    pub fn area(&self, scene: &Scene) -> Option<f64> {
        let [a, b] = self.edges(scene)?;
        let whole = a.cross(b).length();
        Some(if self.kind == RulerKind::Ellipse { whole * std::f64::consts::FRAC_PI_4 } else { whole })
    }

    /// The outline of a region, as parts of the image.
    pub fn outline(&self, scene: &Scene) -> Option<Vec<DVec3>> {
        let [a, b] = self.places[..] else { return None };
        let (middle, half) = ((a + b) / 2.0, (b - a) / 2.0);
        let [right, down] = [scene.facing(self.axis).right.0, scene.facing(self.axis).down.0];
        let at = |x: f64, y: f64| {
            let mut place = middle;
            place[2 - right] += half[2 - right] * x;
            place[2 - down] += half[2 - down] * y;
            place
        };
        Some(if self.kind == RulerKind::Ellipse {
            let angle = |i: u32| f64::from(i) * std::f64::consts::TAU / 64.0;
            (0..64).map(|i| at(angle(i).cos(), angle(i).sin())).collect()
        } else {
            vec![at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0)]
        })
    }

    /// Task of reading it; none if there is nothing to read, or it has been read.
    pub fn to_read(&self, scene: &Scene) -> Option<Task> {
        if matches!(self.kind, RulerKind::Length | RulerKind::Angle) || self.places.len() < 2 {
            return None;
        }
        let grey = |l: &&Layer| l.content == Content::Grey;
        let mut layers = scene.layers.iter().rev().filter(grey);
        let layer = layers.clone().find(|l| l.display.visible).or_else(|| layers.next())?;
        let of = (layer.id, layer.time, self.places.clone());
        if self.reading.as_ref().is_some_and(|r| r.of == of) {
            return None;
        }
        let own =
            layer.source.info().geometry().world_from_index.inverse() * scene.geometry().world_from_index;
        let ends = [self.places[0], self.places[1]].map(|p| own.transform_point3(scene.index(p)));
        Some(Task {
            id: self.id,
            kind: self.kind,
            axis: self.axis,
            of,
            ends,
            source: layer.source.clone(),
            channel: layer.channel,
        })
    }
}

/// Something that is to be read on a thread.
pub struct Task {
    /// The ruler.
    pub id: u64,
    kind: RulerKind,
    axis: usize,
    of: (u64, usize, Vec<DVec3>),
    /// Both ends as indices of the layer's finest level.
    ends: [DVec3; 2],
    source: Arc<Browsed>,
    channel: usize,
}

impl Task {
    /// Empty reading of a ruler that can't be read, so that it is not tried again.
    pub fn nothing(&self) -> Reading {
        Reading { of: self.of.clone(), along: Vec::new(), region: None, coarse: 1.0 }
    }

    /// Reads it.
    ///
    /// # Errors
    /// If the image can't be read.
    pub fn read(self) -> Result<Reading> {
        let info = self.source.info();
        let xyz = |[z, y, x]: [usize; 3]| DVec3::new(x as f64, y as f64, z as f64);
        let full = xyz(info.levels[0].shape);
        let low = self.ends[0].min(self.ends[1]);
        let high = self.ends[0].max(self.ends[1]);
        let scale = |level: usize| xyz(info.levels[level].shape) / full;
        let size = |level: usize| ((high - low) * scale(level)).ceil().element_product().abs();
        let many = |level: usize| {
            let sides = ((high - low) * scale(level)).ceil() + 2.0;
            sides.element_product().max(size(level)) > MOST
        };
        let level = (0..info.levels.len()).find(|level| !many(*level)).unwrap_or(info.levels.len() - 1);
        let (scale, shape) = (scale(level), info.levels[level].shape);
        // Indices of the level: voxels of both begin at −½.
        let at = |p: DVec3| (p + 0.5) * scale - 0.5;
        let [a, b] = [at(low), at(high)];
        let start: [usize; 3] =
            std::array::from_fn(|i| (a[2 - i].floor().max(0.0) as usize).min(shape[i] - 1));
        let end: [usize; 3] = std::array::from_fn(|i| {
            ((b[2 - i].floor() + 2.0).max(1.0) as usize).clamp(start[i] + 1, shape[i])
        });
        let region = Region::new(start, std::array::from_fn(|i| end[i] - start[i]));
        let frame = Frame { level, channel: self.channel, time: self.of.1 };
        let voxels = self.source.read(frame, region)?;
        let from = xyz(start);
        let coarse = 1.0 / scale.min_element();
        let mut reading = Reading { of: self.of, along: Vec::new(), region: None, coarse };
        if self.kind == RulerKind::Profile {
            let [a, b] = self.ends.map(|p| at(p) - from);
            let samples = ((b - a).length().ceil() * 2.0).clamp(2.0, SAMPLES) as usize;
            let place = |i: usize| a + (b - a) * (i as f64 / (samples - 1) as f64);
            reading.along = (0..samples).map(|i| between(&voxels, place(i)) as f32).collect();
            return Ok(reading);
        }
        let [a, b] = [at(low) - from, at(high) - from];
        let slice = ((a + b) / 2.0)[2 - self.axis].round().max(0.0) as usize;
        let middle = (a + b) / 2.0;
        let half = ((b - a) / 2.0).max(DVec3::splat(1e-9));
        let inside = |index: [usize; 3]| {
            let mut away = (xyz(index) - middle) / half;
            away[2 - self.axis] = 0.0;
            if self.kind == RulerKind::Ellipse {
                away.length_squared() <= 1.0
            } else {
                away.abs().max_element() <= 1.0
            }
        };
        // Welford's sums (1962, doi:10.1080/00401706.1962.10490022).
        let (mut count, mut mean, mut squares) = (0u64, 0.0, 0.0);
        let [mut least, mut most] = [f64::INFINITY, f64::NEG_INFINITY];
        let [nz, ny, nx] = region.shape;
        for (z, y, x) in (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| (z, y, x)))) {
            let index = [z, y, x];
            if index[self.axis] != slice.min(region.shape[self.axis] - 1) || !inside(index) {
                continue;
            }
            let Some(v) = voxels.get(index).filter(|v| v.is_finite()) else { continue };
            count += 1;
            let away = v - mean;
            mean += away / count as f64;
            squares += away * (v - mean);
            (least, most) = (least.min(v), most.max(v));
        }
        if count > 0 {
            let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
            reading.region = Some((count, [mean, deviation, least, most]));
        }
        Ok(reading)
    }
}

/// The intensity between voxels, by their distances along each axis; outside, that of the outermost voxel.
fn between(voxels: &Volume, at: DVec3) -> f64 {
    let [nz, ny, nx] = voxels.shape();
    let last = DVec3::new(nx as f64 - 1.0, ny as f64 - 1.0, nz as f64 - 1.0);
    let at = at.clamp(DVec3::ZERO, last);
    let (low, part) = (at.floor(), at - at.floor());
    let mut sum = 0.0;
    for corner in 0..8usize {
        let mut weight = 1.0;
        let mut index = [0; 3];
        for axis in 0..3 {
            let up = corner >> axis & 1;
            weight *= if up == 1 { part[axis] } else { 1.0 - part[axis] };
            index[2 - axis] = ((low[axis] as usize) + up).min(last[axis] as usize);
        }
        if weight > 0.0 {
            sum += weight * voxels.get(index).unwrap_or(f64::NAN);
        }
    }
    sum
}
