//! The tables of an image that hold a distribution: local thickness, chord lengths, two-point
//! correlation. All are counts of voxels, chords or pairs.

use crate::algorithms::thickness::LocalThickness;
use crate::measure::columns::UnitRule;
use crate::measure::columns::object::Frame;
use crate::measure::shape::bits::{BitVolume, Pairs};
use crate::measure::shape::thickness::Distribution;
use crate::measure::sums::scan::RegionView;
use crate::table::Table;
use crate::table::builder::{Builder, Values};
use crate::{Geometry, Job, Region, Result};
use glam::DVec3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const PHASES: [&str; 2] = ["structure", "background"];
const AXES: [&str; 3] = ["z", "y", "x"];

/// Chords of the structure and of the background along z, y and x: how many have each length in
/// voxels. Chords that a face of the image cuts are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Chords {
    counts: [[BTreeMap<u64, u64>; 3]; 2],
}

impl Chords {
    /// Adds the chords of another region.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            for (&length, n) in theirs {
                *mine.entry(length).or_default() += n;
            }
        }
    }
}

/// The chords along an axis that `labels` spans.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn chords(labels: &RegionView, axis: usize, job: &Job) -> Result<Chords> {
    let bits = BitVolume::of(labels);
    let Region { start, shape } = labels.region;
    let (outer, inner) = [(1, 2), (0, 2), (0, 1)][axis];
    let lines: Vec<[BTreeMap<u64, u64>; 2]> = (0..shape[outer])
        .into_par_iter()
        .map(|i| {
            job.check()?;
            let mut counts = [const { BTreeMap::new() }; 2];
            let mut p = start;
            p[outer] += i;
            for j in 0..shape[inner] {
                p[inner] = start[inner] + j;
                let mut begin = 0;
                p[axis] = 0;
                let mut before = bits.at(p);
                for k in 1..shape[axis] {
                    p[axis] = k;
                    let here = bits.at(p);
                    if here != before {
                        if begin > 0 {
                            let phase: &mut BTreeMap<u64, u64> = &mut counts[usize::from(here)];
                            *phase.entry((k - begin) as u64).or_default() += 1;
                        }
                        begin = k;
                    }
                    before = here;
                }
            }
            job.advance((shape[inner] * shape[axis]) as u64);
            Ok(counts)
        })
        .collect::<Result<_>>()?;
    let mut found = Chords::default();
    for (phase, counts) in lines.into_iter().flat_map(|line| line.into_iter().enumerate()) {
        for (length, n) in counts {
            *found.counts[phase][axis].entry(length).or_default() += n;
        }
    }
    Ok(found)
}

/// One row per phase, axis and length of chords.
pub fn chords_table(frame: &Frame, chords: &Chords) -> Table {
    let spacing = frame.geometry.spacing();
    let mut rows = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (phase, axes) in chords.counts.iter().enumerate() {
        for (axis, counts) in axes.iter().enumerate() {
            for (&voxels, &count) in counts {
                rows.0.push(PHASES[phase].to_owned());
                rows.1.push(AXES[axis].to_owned());
                rows.2.push(voxels as i64);
                rows.3.push(voxels as f64 * spacing[axis]);
                rows.4.push(count as i64);
            }
        }
    }
    let unit = UnitRule::Length(1).text(frame.geometry.unit);
    let mut b = Builder::default();
    b.column("phase", "", "The structure, which is all that is not background, or the background.", Values::Text(rows.0))
        .column("axis", "", "The axis of the image along which the chords run.", Values::Text(rows.1))
        .column("voxels", "1", "Voxels of a chord.", Values::Int(rows.2))
        .column("length", &unit, "Length of a chord.", Values::Real(rows.3))
        .column(
            "count",
            "1",
            "Chords of this length (Torquato & Lu 1993, doi:10.1103/PhysRevE.47.2950); those that a face of the image cuts are left out.",
            Values::Int(rows.4),
        );
    b.finish("chords")
}

/// One row per phase and bin of thickness, one voxel's least side wide.
pub fn thickness_table(frame: &Frame, local: &LocalThickness, phases: [Distribution; 2]) -> Table {
    let spacing = frame.geometry.spacing();
    let width = spacing.into_iter().fold(f64::INFINITY, f64::min);
    let mut rows = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (phase, distribution) in phases.iter().enumerate() {
        let mut bins: BTreeMap<u64, u64> = BTreeMap::new();
        for &(bits, n) in &distribution.counts {
            // A diameter of whole voxels begins its bin, however it was rounded.
            let bin = (local.diameter(bits) / width * (1.0 + 1e-9)) as u64;
            *bins.entry(bin).or_default() += n;
        }
        for (bin, n) in bins {
            rows.0.push(PHASES[phase].to_owned());
            rows.1.push(bin as f64 * width);
            rows.2.push((bin + 1) as f64 * width);
            rows.3.push(n as i64);
        }
    }
    let unit = UnitRule::Length(1).text(frame.geometry.unit);
    let mut b = Builder::default();
    b.column("phase", "", "The structure, which is all that is not background, or the background.", Values::Text(rows.0))
        .column("low", &unit, "Least thickness of the bin.", Values::Real(rows.1))
        .column("high", &unit, "Where the next bin begins.", Values::Real(rows.2))
        .column(
            "voxels",
            "1",
            "Voxels whose local thickness lies in the bin (Hildebrand & Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x).",
            Values::Int(rows.3),
        );
    b.finish("thickness")
}

/// Pairs of voxels by their distance, along z, y and x and over all directions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Correlation {
    /// By lag in voxels.
    axes: [Vec<Pairs>; 3],
    /// By distance in the voxels' least side, rounded.
    radial: Vec<Pairs>,
}

/// Steps of one distance that are counted at most.
const STEPS: usize = 32;

/// Steps of a distance, in voxels: all of the lattice that round to it, or [`STEPS`] spread evenly over
/// the half-sphere (a golden spiral) if there are more.
fn radial_steps(bins: usize, geometry: &Geometry) -> Vec<(usize, [i32; 3])> {
    const GOLDEN: f64 = 2.399_963_229_728_653;
    let width = geometry.spacing().into_iter().fold(f64::INFINITY, f64::min);
    let index_from_world = geometry.world_from_index.matrix3.inverse();
    let bin = |s: [i32; 3]| (geometry.length(s.map(f64::from)) / width).round() as usize;
    let half = |s: [i32; 3]| if s < [0; 3] { s.map(|c| -c) } else { s };
    let mut steps: BTreeSet<(usize, [i32; 3])> = BTreeSet::from([(0, [0; 3])]);
    // The half-sphere has about 2πr² steps of one distance r.
    let full = ((STEPS as f64 / (2.0 * std::f64::consts::PI)).sqrt() as i32).min(bins as i32);
    for i in 0..(2 * full + 1).pow(3) {
        let side = 2 * full + 1;
        let s = half([i / (side * side) - full, i / side % side - full, i % side - full]);
        if bin(s) <= full as usize {
            steps.insert((bin(s), s));
        }
    }
    for radius in full as usize + 1..bins {
        for i in 0..STEPS {
            let z = (i as f64 + 0.5) / STEPS as f64;
            let r = (1.0 - z * z).sqrt();
            let (sin, cos) = (i as f64 * GOLDEN).sin_cos();
            let step = index_from_world * (DVec3::new(r * cos, r * sin, z) * radius as f64 * width);
            let s = half([step.z, step.y, step.x].map(|c| c.round() as i32));
            steps.insert((bin(s), s));
        }
    }
    steps.into_iter().filter(|s| s.0 < bins).collect()
}

/// The pairs of a mask packed as `bits`, over lags up to half of each axis; over all directions up to
/// half of the shortest axis that is longer than one voxel.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn correlation(
    bits: &BitVolume,
    shape: [usize; 3],
    geometry: &Geometry,
    job: &Job,
) -> Result<Correlation> {
    let spacing = geometry.spacing();
    let whole = Region::whole(shape);
    let pairs = |step: [i32; 3]| {
        job.check()?;
        Ok(bits.pairs(whole, step, shape))
    };
    let mut found = Correlation::default();
    for axis in 0..3 {
        found.axes[axis] = (0..shape[axis] / 2 + 1)
            .into_par_iter()
            .map(|lag| {
                let mut step = [0; 3];
                step[axis] = lag as i32;
                pairs(step)
            })
            .collect::<Result<_>>()?;
    }
    let width = spacing.into_iter().fold(f64::INFINITY, f64::min);
    let reach = (0..3)
        .filter(|&a| shape[a] > 1)
        .map(|a| (shape[a] as f64 * spacing[a] / width) as usize / 2)
        .min()
        .unwrap_or(0);
    let steps = radial_steps(reach + 1, geometry);
    let counted: Vec<Pairs> = steps.par_iter().map(|s| pairs(s.1)).collect::<Result<_>>()?;
    found.radial = vec![Pairs::default(); reach + 1];
    for ((bin, _), pairs) in steps.iter().zip(&counted) {
        found.radial[*bin].merge(pairs);
    }
    Ok(found)
}

/// One row per direction and distance.
pub fn correlation_table(frame: &Frame, correlation: &Correlation) -> Table {
    let spacing = frame.geometry.spacing();
    let width = spacing.into_iter().fold(f64::INFINITY, f64::min);
    let mut rows = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let directions =
        AXES.iter().zip(&correlation.axes).zip(spacing).map(|((name, lags), s)| (*name, lags, s));
    for (name, lags, side) in directions.chain([("radial", &correlation.radial, width)]) {
        for (lag, pairs) in lags.iter().enumerate().filter(|(_, p)| p.count > 0) {
            rows.0.push(name.to_owned());
            rows.1.push(lag as f64 * side);
            rows.2.push(pairs.count as i64);
            rows.3.push(pairs.both as i64);
            rows.4.push(pairs.both as f64 / pairs.count as f64);
        }
    }
    let unit = UnitRule::Length(1).text(frame.geometry.unit);
    let mut b = Builder::default();
    b.column("direction", "", "An axis of the image, or radial: all directions.", Values::Text(rows.0))
        .column(
            "distance",
            &unit,
            "Distance of the two voxel centres; radial ones are rounded to the voxels' least side.",
            Values::Real(rows.1),
        )
        .column(
            "pairs",
            "1",
            "Pairs of voxels at that distance, at most 32 steps of the lattice for each.",
            Values::Int(rows.2),
        )
        .column("inside", "1", "Pairs of which both are not background.", Values::Int(rows.3))
        .column(
            "probability",
            "1",
            "Two-point probability S₂: inside ÷ pairs (Torquato 2002, doi:10.1007/978-1-4757-6355-3).",
            Values::Real(rows.4),
        );
    b.finish("correlation")
}
