//! Exact ranks of a whole image, the same however it is cut.

use crate::{Voxel, VoxelType};
use serde::{Deserialize, Serialize};

/// Exact order statistics, found 16 bits at a time: a histogram of the leading digit of all voxels,
/// then of the next digit of those that share the leading one, and so on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ranks {
    /// Fractions of the way from the least to the greatest value, 0…1.
    pub fractions: Vec<f64>,
    digits: usize,
    ranks: Vec<u64>,
    prefixes: Vec<u64>,
}

/// Numbers of voxels by digit, for each rank that is sought: digits that occur, ascending.
pub type DigitCounts = Vec<Vec<(u16, u64)>>;

/// The counts of both.
pub fn added(a: DigitCounts, b: DigitCounts) -> DigitCounts {
    let both = |(mut a, b): (Vec<(u16, u64)>, Vec<(u16, u64)>)| {
        a.extend(b);
        a.sort_unstable_by_key(|count| count.0);
        a.dedup_by(|next, count| {
            let same = next.0 == count.0;
            count.1 += if same { next.1 } else { 0 };
            same
        });
        a
    };
    a.into_iter().zip(b).map(both).collect()
}

/// Sums of [`DigitCounts`].
pub struct Tally(Vec<Vec<u64>>);

impl Tally {
    /// Adds the counts of other voxels.
    pub fn add(&mut self, part: &DigitCounts) {
        for (counts, part) in self.0.iter_mut().zip(part) {
            part.iter().for_each(|&(digit, n)| counts[usize::from(digit)] += n);
        }
    }
}

impl Ranks {
    /// Seeks the values at these fractions.
    pub fn new(fractions: &[f64]) -> Self {
        Self { fractions: fractions.to_vec(), prefixes: vec![0; fractions.len()], ..Self::default() }
    }

    /// Passes that a type takes.
    pub fn passes(voxel: VoxelType) -> usize {
        voxel.size().div_ceil(2)
    }

    /// Counts the next digit of finite voxels.
    pub fn count<T: Voxel>(&self, voxels: &[T]) -> DigitCounts {
        let shift = 16 * (Self::passes(T::TYPE) - self.digits - 1);
        let mut counts = vec![vec![0u64; 1 << 16]; self.prefixes.len()];
        for &v in voxels {
            if v >= T::LOWEST && v <= T::HIGHEST {
                let key = key(v) >> shift;
                for (prefix, counts) in self.prefixes.iter().zip(&mut counts) {
                    if key >> 16 == *prefix {
                        counts[(key & 0xffff) as usize] += 1;
                    }
                }
            }
        }
        let sparse = |c: Vec<u64>| {
            c.into_iter().enumerate().filter(|(_, n)| *n > 0).map(|(d, n)| (d as u16, n)).collect()
        };
        counts.into_iter().map(sparse).collect()
    }

    /// What counts add up in.
    pub fn tally(&self) -> Tally {
        Tally(vec![vec![0; 1 << 16]; self.prefixes.len()])
    }

    /// Takes the counts of all voxels; `None` if there are none.
    pub fn advance(&mut self, tally: &Tally) -> Option<()> {
        for (i, counts) in tally.0.iter().enumerate() {
            if self.digits == 0 {
                let total: u64 = counts.iter().sum();
                let last = total.checked_sub(1)?;
                self.ranks.push((self.fractions[i] * last as f64).floor() as u64);
            }
            let mut rank = self.ranks[i];
            let digit = counts.iter().position(|&n| {
                let found = rank < n;
                if !found {
                    rank -= n;
                }
                found
            })?;
            self.ranks[i] = rank;
            self.prefixes[i] = self.prefixes[i] << 16 | digit as u64;
        }
        self.digits += 1;
        Some(())
    }

    /// The values, after the last pass.
    pub fn values(&self, voxel: VoxelType) -> Vec<f64> {
        crate::with_voxel!(voxel, |T| self.prefixes.iter().map(|&k| unkey::<T>(k).to_f64()).collect())
    }
}

/// A whole number that sorts as the value does.
#[inline(always)]
fn key<T: Voxel>(v: T) -> u64 {
    let mut bytes = [0; 8];
    let size = size_of::<T>();
    bytes[..size].copy_from_slice(bytemuck::bytes_of(&v));
    if cfg!(target_endian = "big") {
        bytes[..size].reverse();
    }
    let bits = u64::from_le_bytes(bytes);
    let sign = 1u64 << (8 * size - 1);
    match T::TYPE {
        VoxelType::U8 | VoxelType::U16 | VoxelType::U32 | VoxelType::U64 => bits,
        VoxelType::F32 | VoxelType::F64 if bits & sign != 0 => !bits & (sign | (sign - 1)),
        _ => bits ^ sign,
    }
}

fn unkey<T: Voxel>(key: u64) -> T {
    let size = size_of::<T>();
    let sign = 1u64 << (8 * size - 1);
    let bits = match T::TYPE {
        VoxelType::U8 | VoxelType::U16 | VoxelType::U32 | VoxelType::U64 => key,
        VoxelType::F32 | VoxelType::F64 if key & sign == 0 => !key & (sign | (sign - 1)),
        _ => key ^ sign,
    };
    let mut bytes = bits.to_le_bytes();
    if cfg!(target_endian = "big") {
        bytes[..size].reverse();
    }
    bytemuck::pod_read_unaligned(&bytes[..size])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_a_sort() {
        fn check<T: Voxel>(voxels: Vec<T>) {
            let fractions = [0.0, 0.1, 0.5, 0.77, 1.0];
            let mut ranks = Ranks::new(&fractions);
            for _ in 0..Ranks::passes(T::TYPE) {
                let parts: Vec<DigitCounts> = voxels.chunks(7).map(|c| ranks.count(c)).collect();
                let mut tally = ranks.tally();
                parts.iter().for_each(|part| tally.add(part));
                ranks.advance(&tally).unwrap();
            }
            let mut sorted: Vec<f64> = voxels.iter().map(|v| v.to_f64()).filter(|v| v.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            let expected: Vec<f64> =
                fractions.iter().map(|f| sorted[(f * (sorted.len() - 1) as f64).floor() as usize]).collect();
            assert_eq!(ranks.values(T::TYPE), expected, "{}", T::TYPE);
        }
        let mut s = 1u64;
        let mut next = || {
            s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((s >> 33) as f64 - 1.07e9) / 1e3
        };
        let values: Vec<f64> = (0..301).map(|_| next()).collect();
        check(values.iter().map(|v| *v as i8).collect());
        check(values.iter().map(|v| *v as u8).collect());
        check(values.iter().map(|v| *v as i16).collect());
        check(values.iter().map(|v| *v as i32).collect());
        check(values.iter().map(|v| (v * 1e3) as u32).collect());
        check(values.iter().map(|v| (v * 1e3) as i64).collect());
        check(values.iter().map(|v| *v as f32).chain([f32::NAN, f32::INFINITY]).collect());
        check(values);
        let mut none = Ranks::new(&[0.5]);
        assert!(none.advance(&none.tally()).is_none());
    }
}
