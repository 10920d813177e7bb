//! Percentiles and modes of the intensities of objects that are seen as a whole: their intensities are
//! gathered, object by object, and counted or sorted.

use crate::measure::intensities::mode;
use crate::measure::intensities::percentiles::{key, of_counts, select, value};
use crate::measure::sums::Objects;
use crate::measure::sums::index::Index;
use crate::measure::sums::rows::by_plane;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, with_volume};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// What was found in one channel, with the objects' rows.
#[derive(Debug, Default)]
pub struct Found {
    /// Percentiles, if they are asked for.
    pub percentiles: Vec<(u32, [f64; 5])>,
    /// Modes, if they are asked for.
    pub modes: Vec<(u32, f64)>,
}

/// The percentiles and modes of one channel, as far as they are `wanted`, of the objects of these rows,
/// which lie in `out` as a whole.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn whole(
    objects: &Objects,
    rows: &[usize],
    channel: usize,
    (labels, values): (&RegionView, &RegionView),
    out: Region,
    wanted: [bool; 2],
    job: &Job,
) -> Result<Found> {
    let gather = Gather { objects, rows, channel, labels, values, out, wanted };
    match values.volume.voxel_type().size() {
        1 => gather.found::<AtomicU8>(job),
        2 => gather.found::<AtomicU16>(job),
        4 => gather.found::<AtomicU32>(job),
        _ => gather.found::<AtomicU64>(job),
    }
}

/// A slot that threads write to, each slot by one thread.
trait Counter: Send + Sync {
    type Key: Copy + Ord + Send + Into<u64>;
    fn zero() -> Self;
    fn set(&self, key: u64);
    fn into_key(self) -> Self::Key;
}

macro_rules! slot {
    ($($atomic:ty, $key:ty);*) => { $(
        impl Counter for $atomic {
            type Key = $key;
            fn zero() -> Self {
                Self::new(0)
            }
            fn set(&self, key: u64) {
                self.store(key as $key, Ordering::Relaxed);
            }
            fn into_key(self) -> $key {
                self.into_inner()
            }
        }
    )* };
}
slot!(AtomicU8, u8; AtomicU16, u16; AtomicU32, u32; AtomicU64, u64);

struct Gather<'a> {
    objects: &'a Objects,
    rows: &'a [usize],
    channel: usize,
    labels: &'a RegionView<'a>,
    values: &'a RegionView<'a>,
    out: Region,
    wanted: [bool; 2],
}

impl Gather<'_> {
    fn found<S: Counter>(&self, job: &Job) -> Result<Found> {
        let table = &self.objects.channels[self.channel];
        let counts: Vec<usize> = self.rows.iter().map(|row| table.valid(*row) as usize).collect();
        let mut keys = self.keys::<S>(&counts, job)?;
        let mut pieces = Vec::with_capacity(counts.len());
        let mut rest = keys.as_mut_slice();
        for n in counts {
            let (piece, after) = rest.split_at_mut(n);
            pieces.push(piece);
            rest = after;
        }
        let ty = self.values.volume.voxel_type();
        let of = |(piece, row): (&mut [S::Key], &usize)| {
            let (percentiles, mode) = figures(piece, ty, table.range(*row), self.wanted);
            (*row as u32, percentiles, mode)
        };
        let all: Vec<_> = pieces.into_par_iter().zip(self.rows).map(of).collect();
        let [percentiles, modes] = self.wanted;
        Ok(Found {
            percentiles: all.iter().filter(|_| percentiles).map(|(row, p, _)| (*row, *p)).collect(),
            modes: all.iter().filter(|_| modes).map(|(row, _, m)| (*row, *m)).collect(),
        })
    }

    /// The keys of the objects' finite intensities, one object after the other.
    fn keys<S: Counter>(&self, counts: &[usize], job: &Job) -> Result<Vec<S::Key>> {
        let mut total = 0;
        let wanted: Index = self.rows.iter().map(|row| *row as u64 + 1).collect();
        let mut cursors: Vec<AtomicUsize> = Vec::with_capacity(counts.len());
        for n in counts {
            cursors.push(AtomicUsize::new(total));
            total += n;
        }
        let slots: Vec<S> = (0..total).into_par_iter().map(|_| S::zero()).collect();
        by_plane(self.objects, self.labels, self.out, job, |_, runs| {
            with_volume!(self.values.volume, |a| {
                let all = a.as_slice().expect("volumes are in C order");
                for run in runs {
                    let Some(cursor) = wanted.find(run.row as u64 + 1).map(|i| &cursors[i]) else { continue };
                    let from = self.values.offset(run.at);
                    let row = &all[from..from + run.length];
                    let finite = row.iter().filter(|v| v.to_f64().is_finite()).count();
                    let mut at = cursor.fetch_add(finite, Ordering::Relaxed);
                    for &v in row {
                        if v.to_f64().is_finite() {
                            slots[at].set(key(v));
                            at += 1;
                        }
                    }
                }
            });
        })?;
        Ok(slots.into_par_iter().map(Counter::into_key).collect())
    }
}

/// Percentiles and mode of one object; NaN where they are not wanted or it has no finite intensities.
fn figures<K: Copy + Ord + Into<u64>>(
    keys: &mut [K],
    ty: VoxelType,
    range: (f64, f64),
    [percentiles, mode]: [bool; 2],
) -> ([f64; 5], f64) {
    const NONE: [f64; 5] = [f64::NAN; 5];
    if keys.is_empty() {
        return (NONE, f64::NAN);
    }
    if ty.size() > 2 {
        let mode =
            if mode { mode::binned(keys.iter().map(|k| value(ty, (*k).into())), range) } else { f64::NAN };
        return (if percentiles { select(keys, ty) } else { NONE }, mode);
    }
    let ends = keys.iter().fold((u64::MAX, 0), |(low, high), k| {
        let k = (*k).into();
        (low.min(k), high.max(k))
    });
    // Where the values are few beside the voxels they are counted, elsewhere sorted.
    let span = (ends.1 - ends.0) as usize + 1;
    let counts: Vec<(u64, u64)> = if span <= 8 * keys.len() {
        let mut dense = vec![0u32; span];
        keys.iter().for_each(|k| dense[((*k).into() - ends.0) as usize] += 1);
        let filled = dense.iter().zip(ends.0..).filter(|(n, _)| **n > 0);
        filled.map(|(n, key)| (key, u64::from(*n))).collect()
    } else {
        keys.sort_unstable();
        keys.chunk_by(|a, b| a == b).map(|same| (same[0].into(), same.len() as u64)).collect()
    };
    let most = counts.iter().map(|c| c.1).max();
    let fullest = counts.iter().find(|c| Some(c.1) == most).map_or(0, |c| c.0);
    let total = keys.len() as u64;
    (
        if percentiles { of_counts(counts.into_iter(), ty, total) } else { NONE },
        if mode { value(ty, fullest) } else { f64::NAN },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::Random;

    #[test]
    fn counting_and_sorting_find_the_same() {
        let mut random = Random(4);
        for spread in [2, 50, 900, 65536] {
            for n in [1, 2, 3, 10, 200, 3000] {
                let voxels: Vec<u16> = (0..n).map(|_| random.below(spread) as u16).collect();
                let mut sorted = voxels.clone();
                sorted.sort_unstable();
                let (low, high) = (sorted[0], sorted[n - 1]);
                let mut keys = voxels.clone();
                let (percentiles, mode) =
                    figures(&mut keys, VoxelType::U16, (low.into(), high.into()), [true; 2]);
                assert_eq!(percentiles, select(&mut sorted.clone(), VoxelType::U16));
                let count = |v: u16| voxels.iter().filter(|w| **w == v).count();
                let expected = sorted.iter().copied().max_by_key(|v| (count(*v), u16::MAX - v)).unwrap();
                assert_eq!(mode, f64::from(expected));
            }
        }
        assert!(figures::<u8>(&mut [], VoxelType::U8, (0.0, 0.0), [true; 2]).1.is_nan());
    }
}
