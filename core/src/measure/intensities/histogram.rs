//! Histograms of intensities.

use crate::table::Table;
use crate::table::builder::{Builder, Values};
use crate::{Job, Region, Result, Volume, Voxel, parallel, with_volume};
use ndarray::{Array3, s};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Bins of equal width; the last one includes its upper edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    edges: Vec<f64>,
}

impl Bins {
    /// `count` bins from `low` to `high`. If both are equal, the bins reach half a unit beyond.
    pub fn new(low: f64, high: f64, count: usize) -> Self {
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let width = (high - low) / count as f64;
        let edge = |i: usize| if i == count { high } else { low + i as f64 * width };
        Self { edges: (0..=count).map(edge).collect() }
    }

    /// Number of bins.
    pub fn len(&self) -> usize {
        self.edges.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bin of a value, if it is in range.
    #[inline]
    pub fn bin(&self, v: f64) -> Option<usize> {
        let n = self.len();
        let (low, high) = (self.edges[0], self.edges[n]);
        if !(v >= low && v <= high) {
            return None;
        }
        let mut i = (((v - low) / (high - low) * n as f64) as usize).min(n - 1);
        // The edges as they are written decide, not the rounding of the division.
        if v < self.edges[i] {
            i -= 1;
        } else if i + 1 < n && v >= self.edges[i + 1] {
            i += 1;
        }
        Some(i)
    }
}

/// Counts of a volume's voxels by bin.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn counts(volume: &Volume, bins: &Bins, job: &Job) -> Result<Vec<u64>> {
    with_volume!(volume, |a| of(a, bins, job))
}

fn of<T: Voxel>(a: &Array3<T>, bins: &Bins, job: &Job) -> Result<Vec<u64>> {
    let values = a.as_slice().expect("volumes are in C order");
    let all = Mutex::new(vec![0; bins.len()]);
    parallel::items(values.chunks(1 << 20), job, &|_, piece| {
        let mut counts = vec![0u64; bins.len()];
        for v in piece {
            if let Some(bin) = bins.bin(v.to_f64()) {
                counts[bin] += 1;
            }
        }
        job.advance(piece.len() as u64);
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        Ok(())
    })?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One row per bin.
pub fn table(bins: &Bins, counts: &[u64]) -> Table {
    let total: u64 = counts.iter().sum();
    let mut b = Builder::default();
    b.column("bin", "1", "Number of the bin, from 0.", Values::Int((0..counts.len() as i64).collect()))
        .column("low", "intensity", "Lower edge, included.", Values::Real(bins.edges[..bins.len()].to_vec()))
        .column(
            "high",
            "intensity",
            "Upper edge; included in the last bin only.",
            Values::Real(bins.edges[1..].to_vec()),
        )
        .column("count", "1", "Voxels.", Values::Int(counts.iter().map(|c| *c as i64).collect()))
        .column(
            "fraction",
            "1",
            "Share of the voxels in range.",
            Values::Real(counts.iter().map(|c| *c as f64 / total as f64).collect()),
        );
    b.finish("histogram")
}

/// Least and greatest finite value of part of a volume.
pub fn range(volume: &Volume, inner: Region) -> (f64, f64) {
    let [z, y, x] = inner.ranges();
    with_volume!(volume, |a| {
        a.slice(s![z, y, x])
            .outer_iter()
            .into_par_iter()
            .map(|plane| {
                plane
                    .iter()
                    .map(|v| v.to_f64())
                    .filter(|v| v.is_finite())
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high): (f64, f64), v| {
                        (low.min(v), high.max(v))
                    })
            })
            .reduce(|| (f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    })
}
