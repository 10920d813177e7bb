//! The fractal dimension of a structure, by counting boxes block by block.

use crate::measure::sums::scan::RegionView;
use crate::{Region, Voxel, with_volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bits of a box: it holds background, it holds structure.
const BOTH: u8 = 3;

/// How many boxes with a side of 2, 4, 8, … voxels hold both structure and background.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BoxCounts {
    /// Of the boxes that lie in one block, by power of two.
    inside: Vec<u64>,
    /// What the boxes that blocks cut hold, by power and number of the box.
    cut: BTreeMap<(u8, u64), u8>,
}

impl BoxCounts {
    /// Adds the boxes of another block.
    pub fn merge(&mut self, other: &Self) {
        self.inside.resize(self.inside.len().max(other.inside.len()), 0);
        for (mine, theirs) in self.inside.iter_mut().zip(&other.inside) {
            *mine += theirs;
        }
        for (&key, &holds) in &other.cut {
            *self.cut.entry(key).or_default() |= holds;
        }
    }

    /// Minus the slope of log(boxes that hold boundary) over log(side), by least squares, for sides of
    /// 2, 4, … voxels up to a quarter of the image (D. Fazzalari and I. Parkinson 1996,
    /// doi:10.1002/jbmr.5650110413); NaN where the structure has no boundary.
    pub fn fractal_dimension(&self) -> f64 {
        let mut counts = self.inside.clone();
        for (&(power, _), &holds) in &self.cut {
            counts[usize::from(power)] += u64::from(holds == BOTH);
        }
        let logs: Vec<(f64, f64)> = (counts.iter().enumerate())
            .filter(|(_, n)| **n > 0)
            .map(|(power, n)| (((2usize << power) as f64).ln(), (*n as f64).ln()))
            .collect();
        let n = logs.len() as f64;
        if logs.len() < 2 {
            return f64::NAN;
        }
        let (mx, my) = (logs.iter().map(|l| l.0).sum::<f64>() / n, logs.iter().map(|l| l.1).sum::<f64>() / n);
        let sxy: f64 = logs.iter().map(|l| (l.0 - mx) * (l.1 - my)).sum();
        let sxx: f64 = logs.iter().map(|l| (l.0 - mx) * (l.0 - mx)).sum();
        -sxy / sxx
    }
}

/// Counts the boxes of a block of an image of `shape`; boxes begin at multiples of their side.
pub fn boxes(labels: &RegionView, shape: [usize; 3]) -> BoxCounts {
    let block = labels.region;
    let limit = shape.iter().copied().max().unwrap_or(0) / 4;
    let mut counts = BoxCounts::default();
    let (mut side, mut below) = (2, Level::finest(labels));
    while side <= limit {
        let power = counts.inside.len();
        counts.inside.push(0);
        let [_, ny, nx] = shape.map(|n| n.div_ceil(side));
        for (i, &holds) in below.holds.iter().enumerate() {
            let [_, h, w] = below.boxes.shape;
            let at = [i / (h * w), i / w % h, i % w];
            let at: [usize; 3] = std::array::from_fn(|a| at[a] + below.boxes.start[a]);
            let covered = Region::new(at.map(|n| n * side), [side; 3]).intersection(&Region::whole(shape));
            if block.contains(&covered) {
                counts.inside[power] += u64::from(holds == BOTH);
            } else {
                let number = ((at[0] * ny + at[1]) * nx + at[2]) as u64;
                counts.cut.insert((power as u8, number), holds);
            }
        }
        side *= 2;
        below = below.coarser();
    }
    counts
}

/// What the boxes of one side hold.
struct Level {
    boxes: Region,
    holds: Vec<u8>,
}

/// The boxes of twice the side that these touch.
fn halved(boxes: Region) -> Region {
    let start = boxes.start.map(|n| n / 2);
    let end = boxes.end();
    Region::new(start, std::array::from_fn(|a| end[a].div_ceil(2) - start[a]))
}

impl Level {
    /// Boxes of two voxels.
    fn finest(labels: &RegionView) -> Self {
        with_volume!(labels.volume, |a| {
            let all = a.as_slice().expect("volumes are in C order");
            Self::of(labels.region, |i| if all[i].to_f64() == 0.0 { 1 } else { 2 })
        })
    }

    /// Boxes of twice the side.
    fn coarser(&self) -> Self {
        Self::of(self.boxes, |i| self.holds[i])
    }

    fn of(below: Region, holds: impl Fn(usize) -> u8 + Sync) -> Self {
        let boxes = halved(below);
        let [_, h, w] = boxes.shape;
        let mut all = vec![0u8; boxes.len()];
        all.par_chunks_mut((h * w).max(1)).enumerate().for_each(|(z, plane)| {
            let range = |at: usize, a: usize| {
                let first = 2 * (at + boxes.start[a]);
                first.max(below.start[a]) - below.start[a]..(first + 2).min(below.end()[a]) - below.start[a]
            };
            for zb in range(z, 0) {
                for yb in 0..below.shape[1] {
                    let y = usize::midpoint(yb, below.start[1]) - boxes.start[1];
                    let row = &mut plane[y * w..(y + 1) * w];
                    let from = (zb * below.shape[1] + yb) * below.shape[2];
                    for xb in 0..below.shape[2] {
                        row[usize::midpoint(xb, below.start[2]) - boxes.start[2]] |= holds(from + xb);
                    }
                }
            }
        });
        Self { boxes, holds: all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Volume;
    use ndarray::Array3;

    #[test]
    fn the_boundary_of_packed_balls_is_between_a_plane_and_space() {
        let n = 80usize;
        let volume = Volume::U8(Array3::from_shape_fn([n; 3], |(z, y, x)| {
            let off = |v: usize| (v % 16) as f64 - 7.5;
            u8::from(off(z).powi(2) + off(y).powi(2) + off(x).powi(2) < 30.0)
        }));
        let f =
            boxes(&RegionView { volume: &volume, region: Region::whole([n; 3]) }, [n; 3]).fractal_dimension();
        assert!((1.8..3.0).contains(&f), "{f}");
    }
}
