//! Figures of an image slice by slice along an axis.

use crate::algorithms::exact_sum::ExactSum;
use crate::measure::intensities::percentiles::{FRACTIONS, key, value};
use crate::measure::sums::moments::exponent_of;
use crate::table::Table;
use crate::table::builder::{Builder, Values};
use crate::{Geometry, Job, Result, Volume, Voxel, parallel, with_volume};
use ndarray::{Array3, Axis};
use serde::{Deserialize, Serialize};

/// The figures of one slice; NaN where there is no finite intensity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SliceFigures {
    /// Finite voxels.
    pub count: u64,
    /// Voxels that are NaN or infinite.
    pub missing: u64,
    /// Mean, standard deviation (population), least, greatest.
    pub moments: [f64; 4],
    /// Percentiles as [`FRACTIONS`].
    pub percentiles: [f64; 5],
    /// Share of the finite voxels above the threshold.
    pub fraction: f64,
}

/// The figures of each slice of a volume along `axis` (0 is z). Each slice is summed in the order of
/// its voxels, so that it does not matter which slices come together.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn slices(volume: &Volume, axis: usize, threshold: f64, job: &Job) -> Result<Vec<SliceFigures>> {
    with_volume!(volume, |a| of(a, axis, threshold, job))
}

fn of<T: Voxel>(a: &Array3<T>, axis: usize, threshold: f64, job: &Job) -> Result<Vec<SliceFigures>> {
    parallel::map(a.len_of(Axis(axis)), job, &|i| {
        let slice = a.index_axis(Axis(axis), i);
        let mut keys: Vec<u64> = Vec::with_capacity(slice.len());
        let mut above = 0u64;
        for &v in slice {
            let f = v.to_f64();
            if f.is_finite() {
                keys.push(key(v));
                above += u64::from(f > threshold);
            }
        }
        let n = keys.len();
        let finite = || slice.iter().map(|v| v.to_f64()).filter(|v| v.is_finite());
        let mut sum = ExactSum::default();
        sum.add_all(finite());
        let mean = sum.over(n.max(1) as u64);
        keys.sort_unstable();
        let at = |k: usize| value(T::TYPE, keys[k]);
        let none = n == 0;
        // Half the deviations in a power of two near the greatest: no square is beyond the range of f64.
        let half = |v: f64| v / 2.0 - mean / 2.0;
        let reach = if none { 0.0 } else { half(at(0)).abs().max(half(at(n - 1))) };
        let unit = if reach > 0.0 { 2f64.powi(exponent_of(reach)) } else { 1.0 };
        let mut squares = ExactSum::default();
        squares.add_all(finite().map(|v| (half(v) / unit).powi(2)));
        let sd = 2.0 * unit * squares.over(n.max(1) as u64).sqrt();
        let percentile = |f: f64| {
            if none {
                return f64::NAN;
            }
            let place = f * (n - 1) as f64;
            let (low, t) = (place.floor() as usize, place - place.floor());
            let (a, b) = (at(low), at((low + 1).min(n - 1)));
            if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
        };
        job.advance(slice.len() as u64);
        Ok(SliceFigures {
            count: n as u64,
            missing: (slice.len() - n) as u64,
            moments: if none { [f64::NAN; 4] } else { [mean, sd, at(0), at(n - 1)] },
            percentiles: FRACTIONS.map(percentile),
            fraction: if none { f64::NAN } else { above as f64 / n as f64 },
        })
    })
}

/// One row per slice.
pub fn table(figures: &[SliceFigures], geometry: &Geometry, axis: usize, threshold: Option<f64>) -> Table {
    let mut b = Builder::default();
    let spacing = geometry.spacing()[axis];
    let real = |f: &dyn Fn(&SliceFigures) -> f64| Values::Real(figures.iter().map(f).collect());
    let int = |f: &dyn Fn(&SliceFigures) -> u64| Values::Int(figures.iter().map(|s| f(s) as i64).collect());
    b.column(
        "slice",
        "index",
        "Number of the slice, from 0.",
        Values::Int((0..figures.len() as i64).collect()),
    )
    .column(
        "position",
        geometry.unit.symbol(),
        "Distance of its centre from that of the first slice.",
        Values::Real((0..figures.len()).map(|i| i as f64 * spacing).collect()),
    )
    .column("count", "1", "Voxels with a finite intensity.", int(&|s| s.count))
    .column("missing", "1", "Voxels that are NaN or infinite.", int(&|s| s.missing))
    .column("mean", "intensity", "Mean intensity.", real(&|s| s.moments[0]))
    .column("sd", "intensity", "Standard deviation (of the population).", real(&|s| s.moments[1]))
    .column("min", "intensity", "Least intensity.", real(&|s| s.moments[2]))
    .column("p05", "intensity", "5 % percentile.", real(&|s| s.percentiles[0]))
    .column("p25", "intensity", "25 % percentile.", real(&|s| s.percentiles[1]))
    .column("median", "intensity", "Median.", real(&|s| s.percentiles[2]))
    .column("p75", "intensity", "75 % percentile.", real(&|s| s.percentiles[3]))
    .column("p95", "intensity", "95 % percentile.", real(&|s| s.percentiles[4]))
    .column("max", "intensity", "Greatest intensity.", real(&|s| s.moments[3]));
    if let Some(threshold) = threshold {
        let doc = format!("Share of the finite voxels above {threshold}.");
        b.column("fraction", "1", &doc, real(&|s| s.fraction));
    }
    b.finish("slices")
}
