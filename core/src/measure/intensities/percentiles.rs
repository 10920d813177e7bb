//! Exact percentiles of each object's intensities.
//!
//! Where an object is seen as a whole, its intensities are gathered ([`crate::measure::intensities::distribution`]) and the
//! order statistics selected. Those of an object that reaches over blocks are found by their digits: each pass counts one byte of
//! the values that agree with the digits found so far, so that no more than the counts is ever held.
//! Both give the same bits.

use crate::measure::sums::Objects;
use crate::measure::sums::index::Index;
use crate::measure::sums::rows::{Run, by_plane};
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, with_volume};
use serde::{Deserialize, Serialize};

/// The percentiles, as fractions.
pub const FRACTIONS: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// A finite value as an unsigned number of the same order.
#[inline(always)]
pub fn key<T: Voxel>(v: T) -> u64 {
    let bits: u64 = match size_of::<T>() {
        1 => bytemuck::cast::<T, u8>(v).into(),
        2 => bytemuck::cast::<T, u16>(v).into(),
        4 => bytemuck::cast::<T, u32>(v).into(),
        _ => bytemuck::cast::<T, u64>(v),
    };
    let sign = 1u64 << (8 * size_of::<T>() - 1);
    match T::TYPE {
        VoxelType::U8 | VoxelType::U16 | VoxelType::U32 | VoxelType::U64 => bits,
        VoxelType::F32 | VoxelType::F64 if bits & sign != 0 => !bits & (sign | (sign - 1)),
        _ => bits ^ sign,
    }
}

/// The value of a key.
pub fn value(ty: VoxelType, key: u64) -> f64 {
    let sign = 1u64 << (8 * ty.size() - 1);
    match ty {
        VoxelType::U8 | VoxelType::U16 | VoxelType::U32 | VoxelType::U64 => key as f64,
        VoxelType::I8 => f64::from((key ^ sign) as u8 as i8),
        VoxelType::I16 => f64::from((key ^ sign) as u16 as i16),
        VoxelType::I32 => f64::from((key ^ sign) as u32 as i32),
        VoxelType::I64 => (key ^ sign) as i64 as f64,
        VoxelType::F32 | VoxelType::F64 => {
            let bits = if key & sign != 0 { key ^ sign } else { !key & (sign | (sign - 1)) };
            if ty == VoxelType::F32 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
        }
    }
}

/// The two order statistics around a fraction of `count` values, and how far between them it lies.
fn ranks(fraction: f64, count: u64) -> (u64, u64, f64) {
    let at = fraction * (count.max(1) - 1) as f64;
    let low = at.floor() as u64;
    (low, (low + 1).min(count.max(1) - 1), at - low as f64)
}

/// Linear interpolation from the nearer end, so that both ends are met exactly.
fn between(a: f64, b: f64, t: f64) -> f64 {
    if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
}

/// The percentiles of the values that have these keys, which are put in another order; NaN if there are none.
pub fn select<K: Copy + Ord + Into<u64>>(keys: &mut [K], ty: VoxelType) -> [f64; 5] {
    if keys.is_empty() {
        return [f64::NAN; 5];
    }
    let wanted = FRACTIONS.map(|f| ranks(f, keys.len() as u64));
    let mut list: Vec<usize> = wanted.iter().flat_map(|w| [w.0 as usize, w.1 as usize]).collect();
    list.dedup();
    partition(keys, 0, &list);
    wanted.map(|(low, high, t)| {
        between(value(ty, keys[low as usize].into()), value(ty, keys[high as usize].into()), t)
    })
}

/// The percentiles of values of which `counts` has the numbers, each with its key, ascending.
pub fn of_counts(counts: impl Iterator<Item = (u64, u64)>, ty: VoxelType, total: u64) -> [f64; 5] {
    if total == 0 {
        return [f64::NAN; 5];
    }
    let wanted = FRACTIONS.map(|f| ranks(f, total));
    let mut found = [[0; 2]; 5];
    let mut before = 0;
    for (key, n) in counts {
        for (found, (low, high, _)) in found.iter_mut().zip(wanted) {
            for (found, rank) in found.iter_mut().zip([low, high]) {
                if (before..before + n).contains(&rank) {
                    *found = key;
                }
            }
        }
        before += n;
    }
    std::array::from_fn(|k| between(value(ty, found[k][0]), value(ty, found[k][1]), wanted[k].2))
}

/// Puts the order statistics of these ascending ranks in their places.
fn partition<K: Copy + Ord>(keys: &mut [K], base: usize, ranks: &[usize]) {
    if ranks.is_empty() || keys.len() < 2 {
        return;
    }
    if keys.len() <= 64 {
        keys.sort_unstable();
        return;
    }
    let middle = ranks.len() / 2;
    let at = ranks[middle] - base;
    keys.select_nth_unstable(at);
    let (left, right) = keys.split_at_mut(at);
    let before: &[usize] = &ranks[..middle];
    let after: &[usize] = &ranks[middle + 1..];
    partition(left, base, before.split_at(before.partition_point(|&r| r < base + at)).0);
    partition(&mut right[1..], base + at + 1, after.split_at(after.partition_point(|&r| r <= base + at)).1);
}

/// The search by digits: for each object the order statistics that are looked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Search {
    /// Type of the intensities.
    bytes: u32,
    /// Bytes found so far.
    found: u32,
    /// For each object, the found bytes of each statistic and its rank among the values that agree.
    targets: Vec<Vec<(u64, u64)>>,
}

/// How many values have the found bytes of a target and a next byte: keys are
/// `(row · 16 + target) · 256 + byte`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    keys: Index,
    counts: Vec<u64>,
}

impl Counts {
    fn add(&mut self, key: u64, n: u64) {
        let at = self.keys.number(key + 1);
        if at == self.counts.len() {
            self.counts.push(0);
        }
        self.counts[at] += n;
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: &Self) {
        for (&key, &n) in other.keys.keys().iter().zip(&other.counts) {
            self.add(key - 1, n);
        }
    }

    fn get(&self, key: u64) -> u64 {
        self.keys.find(key + 1).map_or(0, |at| self.counts[at])
    }
}

impl Search {
    /// Begins a search in a channel, for the objects of these rows.
    pub fn new(objects: &Objects, rows: &[usize], channel: usize, ty: VoxelType) -> Self {
        let mut targets = vec![Vec::new(); objects.labels.len()];
        for &row in rows {
            let valid = objects.channels[channel].valid(row);
            if valid > 0 {
                let ranks = FRACTIONS.iter().map(|&f| ranks(f, valid));
                targets[row] = ranks.flat_map(|(a, b, _)| [(0, a), (0, b)]).collect();
            }
        }
        Self { bytes: ty.size() as u32, found: 0, targets }
    }

    /// Whether all digits are found.
    pub fn done(&self) -> bool {
        self.found == self.bytes || self.targets.iter().all(Vec::is_empty)
    }

    /// Targets of an object with found bytes that no earlier target has.
    fn distinct(targets: &[(u64, u64)]) -> impl Iterator<Item = (usize, u64)> {
        targets.iter().enumerate().filter(|(i, t)| *i == 0 || targets[i - 1].0 != t.0).map(|(i, t)| (i, t.0))
    }

    /// Counts the next byte in a region.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn count(
        &self,
        objects: &Objects,
        labels: &RegionView,
        values: &RegionView,
        out: Region,
        job: &Job,
    ) -> Result<Counts> {
        let shift = 8 * (self.bytes - self.found - 1);
        let planes = by_plane(objects, labels, out, job, |_, runs: &[Run]| {
            let mut counts = Counts::default();
            with_volume!(values.volume, |a| {
                let all = a.as_slice().expect("volumes are in C order");
                for run in runs {
                    let from = values.offset(run.at);
                    for &v in &all[from..from + run.length] {
                        if !v.to_f64().is_finite() {
                            continue;
                        }
                        let key = key(v);
                        let known = key.checked_shr(shift + 8).unwrap_or(0);
                        for (i, found) in Self::distinct(&self.targets[run.row]) {
                            if found == known {
                                counts.add(((run.row as u64 * 16 + i as u64) << 8) | (key >> shift & 255), 1);
                            }
                        }
                    }
                }
            });
            counts
        })?;
        let mut all = Counts::default();
        for plane in planes {
            all.merge(&plane);
        }
        Ok(all)
    }

    /// Takes the next byte of each target from the counts of the whole image.
    pub fn narrow(&mut self, counts: &Counts) {
        for (row, targets) in self.targets.iter_mut().enumerate() {
            let before = targets.clone();
            let mut first = 0;
            for (i, target) in targets.iter_mut().enumerate() {
                if before[first].0 != before[i].0 {
                    first = i;
                }
                let (found, mut rank) = *target;
                let base = (row as u64 * 16 + first as u64) << 8;
                let mut byte = 0;
                while byte < 255 {
                    let n = counts.get(base | byte);
                    if rank < n {
                        break;
                    }
                    rank -= n;
                    byte += 1;
                }
                *target = (found << 8 | byte, rank);
            }
        }
        self.found += 1;
    }

    /// The percentiles by row of the objects that were looked for, once done.
    pub fn finish(&self, objects: &Objects, channel: usize, ty: VoxelType) -> Vec<(u32, [f64; 5])> {
        (self.targets.iter().enumerate())
            .filter(|(_, targets)| !targets.is_empty())
            .map(|(row, targets)| {
                let valid = objects.channels[channel].valid(row);
                let percentiles = std::array::from_fn(|k| {
                    let (_, _, t) = ranks(FRACTIONS[k], valid);
                    between(value(ty, targets[2 * k].0), value(ty, targets[2 * k + 1].0), t)
                });
                (row as u32, percentiles)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_order_and_values() {
        fn check<T: Voxel>(sorted: &[T]) {
            for pair in sorted.windows(2) {
                assert!(key(pair[0]) < key(pair[1]), "{} {}", pair[0], pair[1]);
            }
            for &v in sorted {
                assert_eq!(value(T::TYPE, key(v)), v.to_f64());
            }
        }
        check(&[0u8, 1, 255]);
        check(&[-128i8, -1, 0, 127]);
        check(&[i16::MIN, -1, 0, 5, i16::MAX]);
        check(&[i32::MIN, -1, 0, 5, i32::MAX]);
        check(&[i64::MIN, -1, 0, 5]);
        check(&[f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 2.0, f32::MAX]);
        check(&[f64::MIN, -1.5, 0.0, 1e-300, 2.0]);
        check(&[0u16, 7, 65535]);
    }
}
