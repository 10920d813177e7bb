//! The most frequent intensity of each object.

use crate::measure::intensities::percentiles::{key, value};
use crate::measure::sums::Objects;
use crate::measure::sums::index::Index;
use crate::measure::sums::rows::{Run, by_plane};
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, with_volume};

/// Bins of intensities that are wider than 16 bits, between the least and the greatest of the object.
const BINS: u64 = 256;

/// How many voxels of an object have an intensity: `row · 2¹⁶ + bin` and the number, ascending.
pub type Counts = Vec<(u64, u64)>;

/// Counts the intensities of channel `channel` in a region, of the objects of these rows.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn count(
    objects: &Objects,
    rows: &[usize],
    channel: usize,
    labels: &RegionView,
    values: &RegionView,
    out: Region,
    job: &Job,
) -> Result<Counts> {
    let sums = &objects.channels[channel];
    let wanted: Index = rows.iter().map(|row| *row as u64 + 1).collect();
    let planes = by_plane(objects, labels, out, job, |_, runs: &[Run]| {
        let mut counts = Counts::new();
        with_volume!(values.volume, |a| {
            let all = a.as_slice().expect("volumes are in C order");
            for run in runs.iter().filter(|run| wanted.find(run.row as u64 + 1).is_some()) {
                let from = values.offset(run.at);
                let range = sums.range(run.row);
                for &v in all[from..from + run.length].iter().filter(|v| v.to_f64().is_finite()) {
                    counts.push(((run.row as u64) << 16 | bin(v, range), 1));
                }
            }
        });
        added(counts)
    })?;
    Ok(added(planes.concat()))
}

fn bin<T: Voxel>(v: T, range: (f64, f64)) -> u64 {
    if size_of::<T>() <= 2 { key(v) } else { bin_of(v.to_f64(), range) }
}

/// The bin of an intensity wider than 16 bits.
fn bin_of(v: f64, (low, high): (f64, f64)) -> u64 {
    // Halves, so that no range overflows.
    let share = (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    ((share * BINS as f64) as u64).min(BINS - 1)
}

/// The mode of intensities wider than 16 bits, of which there are some; of several the least.
pub fn binned(values: impl Iterator<Item = f64>, range: (f64, f64)) -> f64 {
    let mut counts = [0u64; BINS as usize];
    values.for_each(|v| counts[bin_of(v, range) as usize] += 1);
    let most = counts.iter().max();
    centre(counts.iter().position(|n| Some(n) == most).unwrap_or(0) as u64, range)
}

/// The middle of a bin.
fn centre(bin: u64, (min, max): (f64, f64)) -> f64 {
    if min == max {
        return min;
    }
    let share = (bin as f64 + 0.5) / BINS as f64;
    min * (1.0 - share) + max * share
}

/// One number for each key.
pub fn added(mut counts: Counts) -> Counts {
    counts.sort_unstable();
    counts.chunk_by(|a, b| a.0 == b.0).map(|c| (c[0].0, c.iter().map(|n| n.1).sum())).collect()
}

/// The counts of several regions, added up whenever they are twice as many as their sum was.
#[derive(Default)]
pub struct Tally {
    counts: Counts,
    summed: usize,
}

impl Tally {
    /// Adds the counts of a region.
    pub fn add(&mut self, more: Counts) {
        const FEW: usize = 1 << 14;
        self.counts.extend(more);
        if self.counts.len() > 2 * self.summed.max(FEW) {
            self.counts = added(std::mem::take(&mut self.counts));
            self.summed = self.counts.len();
        }
    }

    /// The sum.
    pub fn sum(self) -> Counts {
        added(self.counts)
    }
}

/// The modes of counted objects, with their rows; of several, the least.
pub fn modes(objects: &Objects, channel: usize, ty: VoxelType, counts: &Counts) -> Vec<(u32, f64)> {
    let mut modes = Vec::new();
    for object in counts.chunk_by(|a, b| a.0 >> 16 == b.0 >> 16) {
        let row = object[0].0 >> 16;
        let most = object.iter().map(|c| c.1).max().unwrap_or(0);
        let Some(bin) = object.iter().find(|c| c.1 == most).map(|c| c.0 & 0xffff) else { continue };
        let range = objects.channels[channel].range(row as usize);
        modes.push((row as u32, if ty.size() <= 2 { value(ty, bin) } else { centre(bin, range) }));
    }
    modes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_in_any_cut() {
        let all: Counts = (0..300_000u64).map(|i| (i * i % 20_011, 1 + i % 3)).collect();
        let expected = added(all.clone());
        for cut in [1000, 70_000, 300_000] {
            let mut tally = Tally::default();
            all.chunks(cut).for_each(|piece| tally.add(added(piece.to_vec())));
            assert!(tally.counts.len() <= 2 * (expected.len().max(1 << 14)));
            assert_eq!(tally.sum(), expected);
        }
    }
}
