//! Central moments of intensities that are wider than 16 bits: what each voxel adds is measured from
//! its object's own mean in the object's own range, and is an integer, so that neither the values of
//! other objects nor the order of the voxels matter.

use crate::measure::sums::Objects;
use crate::measure::sums::channel::ChannelTable;
use crate::measure::sums::index::Index;
use crate::measure::sums::rows::{Run, by_slab};
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, with_volume};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Sums over the finite intensities of an object, of `x = (v − centre) / 2^exponent`, which is in −1 … 1.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MomentSums {
    /// Σ x, x², x³, x⁴, in units of 2⁻⁵⁶.
    powers: [i128; 4],
    /// Σ x, in units of 2⁻⁴⁴, as the following sums.
    weight: i128,
    /// Σ x·index, `[z, y, x]`.
    pub first: [i128; 3],
    /// Σ x·product of indices, as [`crate::measure::sums::PRODUCTS`].
    pub second: [i128; 6],
}

const POWER: f64 = (1u64 << 56) as f64;
const WEIGHT: f64 = (1u64 << 44) as f64;

impl MomentSums {
    /// The unit of sums with indices.
    pub const WEIGHT_UNIT: f64 = 1.0 / WEIGHT;

    /// Adds the sums of other voxels.
    pub fn merge(&mut self, other: &Self) {
        for (a, b) in self.powers.iter_mut().zip(other.powers) {
            *a += b;
        }
        self.weight += other.weight;
        for (a, b) in self.first.iter_mut().zip(other.first) {
            *a += b;
        }
        for (a, b) in self.second.iter_mut().zip(other.second) {
            *a += b;
        }
    }

    /// Mean of `x` and the second to fourth central moments of it, of `count` voxels.
    pub fn central(&self, count: u64) -> [f64; 4] {
        let [e, s2, s3, s4] = self.powers.map(|sum| sum as f64 / count as f64 / POWER);
        let m3 = s3 - 3.0 * e * s2 + 2.0 * e * e * e;
        let m4 = s4 - 4.0 * e * s3 + 6.0 * e * e * s2 - 3.0 * e * e * e * e;
        [e, s2 - e * e, m3, m4]
    }

    /// Σ x, in units of [`MomentSums::WEIGHT_UNIT`].
    pub fn weight(&self) -> i128 {
        self.weight
    }

    /// Adds a run of voxels along x from image position `[z, y, x]`.
    fn add_run<T: Voxel>(&mut self, values: &[T], ruler: &Ruler, [z, y, x]: [usize; 3]) {
        const PIECE: usize = 64;
        let wide = |v: usize| v as i128;
        for (piece, x) in values.chunks(PIECE).zip((x..).step_by(PIECE)) {
            // 64 terms of 2⁵⁶ fit 64 bits, and so do 64 of 2⁴⁴ times the squares of numbers below 64.
            let mut powers = [0i64; 4];
            let (mut s, mut i1, mut i2) = (0i64, 0i64, 0i64);
            for (i, &v) in (0i64..).zip(piece) {
                if T::TYPE.is_float() && !v.to_f64().is_finite() {
                    continue;
                }
                let d = ruler.measure(v);
                let square = d * d;
                for (sum, power) in powers.iter_mut().zip([d, square, square * d, square * square]) {
                    *sum += (power * POWER) as i64;
                }
                let q = (d * WEIGHT) as i64;
                s += q;
                i1 += q * i;
                i2 += q * i * i;
            }
            for (sum, add) in self.powers.iter_mut().zip(powers) {
                *sum += i128::from(add);
            }
            let (z, y, x) = (wide(z), wide(y), wide(x));
            let (s, i1, i2) = (i128::from(s), i128::from(i1), i128::from(i2));
            self.weight += s;
            let along = i1 + x * s;
            for (sum, add) in self.first.iter_mut().zip([z * s, y * s, along]) {
                *sum += add;
            }
            let second = [z * z * s, y * y * s, i2 + 2 * x * i1 + x * x * s, z * y * s, z * along, y * along];
            for (sum, add) in self.second.iter_mut().zip(second) {
                *sum += add;
            }
        }
    }
}

/// What the intensities of an object are measured with: from about their mean, in the least power of
/// two that none of them is farther away than.
#[derive(Debug, Clone, Copy)]
pub struct Ruler {
    /// Where it begins: the mean, of integers the nearest integer.
    pub centre: f64,
    /// The power of two.
    pub exponent: i32,
    whole: i128,
    /// The centre times the first of the two factors by which a distance is divided by the power of
    /// two: none of the steps leaves the range of `f64`.
    start: f64,
    factors: [f64; 2],
}

impl Ruler {
    /// For the intensities of type `voxel` of an object that has some.
    pub fn new(table: &ChannelTable, row: usize, voxel: VoxelType) -> Self {
        let (sum, count, (low, high)) = (table.exact(row), table.valid(row).max(1), table.range(row));
        let (centre, whole) = if voxel.is_float() {
            (sum.over(count), 0)
        } else {
            let n = i128::from(count);
            let whole = (2 * sum.integer() + n).div_euclid(2 * n);
            (whole as f64, whole)
        };
        // Integers beyond 2⁵³ are rounded, their range and their mean by up to 2¹⁰ each.
        let rounded = !voxel.is_float() && low.abs().max(high.abs()) > (1u64 << 53) as f64;
        let reach = (high - centre).max(centre - low) + if rounded { 4096.0 } else { 0.0 };
        let exponent = match reach {
            ..=0.0 => 0,
            f64::INFINITY => exponent_of((high / 2.0 - centre / 2.0).max(centre / 2.0 - low / 2.0)) + 2,
            _ => exponent_of(reach) + 1,
        };
        let first = exponent / 2;
        let factors = [2f64.powi(-first), if reach > 0.0 { 2f64.powi(first - exponent) } else { 0.0 }];
        Self { centre, exponent, whole, start: centre * factors[0], factors }
    }

    /// A distance from the centre, in −1 … 1.
    #[inline(always)]
    fn measure<T: Voxel>(&self, v: T) -> f64 {
        match T::TYPE {
            VoxelType::U64 => {
                (i128::from(bytemuck::cast::<T, u64>(v)) - self.whole) as f64
                    * self.factors[0]
                    * self.factors[1]
            }
            VoxelType::I64 => {
                (i128::from(bytemuck::cast::<T, i64>(v)) - self.whole) as f64
                    * self.factors[0]
                    * self.factors[1]
            }
            _ => (v.to_f64() * self.factors[0] - self.start) * self.factors[1],
        }
    }
}

/// The power of two at or below a positive number.
pub fn exponent_of(value: f64) -> i32 {
    let exponent = (value.to_bits() >> 52) as i32 - 1023;
    // Subnormal numbers, whose exponent is in their bits.
    if exponent == -1023 { 63 - value.to_bits().leading_zeros() as i32 - 1074 } else { exponent }
}

/// The moments of a channel in a region, by row of the objects that are there.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn moments(
    objects: &Objects,
    channel: usize,
    labels: &RegionView,
    values: &RegionView,
    out: Region,
    job: &Job,
) -> Result<Vec<(u32, MomentSums)>> {
    let (table, voxel) = (&objects.channels[channel], values.volume.voxel_type());
    let all = Mutex::new((Index::default(), Vec::<(u32, MomentSums)>::new()));
    let begin = || (Index::default(), Vec::<(u32, Ruler, MomentSums)>::new());
    let visit = |(index, found): &mut (Index, Vec<(u32, Ruler, MomentSums)>), runs: &[Run]| {
        with_volume!(values.volume, |a| {
            let voxels = a.as_slice().expect("volumes are in C order");
            for run in runs {
                let at = index.number(run.row as u64 + 1);
                if at == found.len() {
                    found.push((run.row as u32, Ruler::new(table, run.row, voxel), MomentSums::default()));
                }
                let from = values.offset(run.at);
                let (_, ruler, sums) = &mut found[at];
                sums.add_run(&voxels[from..from + run.length], ruler, run.at);
            }
        });
    };
    // The sums are of integers: the order in which slabs are added changes nothing.
    let end = |(_, found): (Index, Vec<(u32, Ruler, MomentSums)>)| {
        let (index, all) = &mut *all.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, _, sums) in found {
            let at = index.number(u64::from(row) + 1);
            match all.get_mut(at) {
                Some((_, mine)) => mine.merge(&sums),
                None => all.push((row, sums)),
            }
        }
    };
    by_slab(objects, labels, out, job, (begin, visit, end))?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner).1)
}
