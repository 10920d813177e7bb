//! Intensities as fixed-point numbers, so that their sums are exact and merge in any order.

use super::channel::ChannelSums;
use crate::{Voxel, VoxelType};
use serde::{Deserialize, Serialize};

/// How the intensities of a channel become integers: `q = round((value − offset) · scale)`.
///
/// 8- and 16-bit intensities are taken as they are, exactly. Wider ones need the range of the
/// image's finite values: integers within 2³⁰ of its middle are exact, everything else is rounded
/// to 2⁻³⁰ of the range, far finer than `f32` itself resolves unless a few voxels are huge outliers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The intensity that becomes 0.
    pub offset: f64,
    /// Units of `q` per intensity, a power of two.
    pub scale: f64,
    /// Bits that the coarser twin `p` drops: 0 if `q` has at most 16 bits.
    pub coarser: u32,
}

impl Scale {
    /// The scale of a type that needs no range.
    pub fn of_type(voxel: VoxelType) -> Option<Self> {
        let offset = match voxel {
            VoxelType::U8 | VoxelType::I8 | VoxelType::I16 => 0.0,
            VoxelType::U16 => 32768.0,
            _ => return None,
        };
        Some(Self { offset, scale: 1.0, coarser: 0 })
    }

    /// The scale for finite intensities from `low` to `high` (no voxels if `low > high`).
    pub fn of_range(voxel: VoxelType, low: f64, high: f64) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
        let mut offset = low / 2.0 + high / 2.0;
        if !voxel.is_float() {
            offset = offset.round();
        }
        let reach = (high - offset).max(offset - low);
        // The least power of two that is not below the reach; integers keep a scale of at most 1.
        let mut exponent = if reach > 0.0 { reach.log2().ceil() as i32 } else { 0 };
        while reach > 2f64.powi(exponent.min(1023)) && exponent < 1023 {
            exponent += 1;
        }
        let mut bits = 30 - exponent;
        if !voxel.is_float() {
            bits = bits.min(0);
        }
        Self { offset, scale: 2f64.powi(bits.clamp(-1000, 1000)), coarser: 8 }
    }

    /// The intensity of a mean of `q`.
    pub fn value(&self, q: f64) -> f64 {
        self.offset + q / self.scale
    }
}

/// Least and greatest finite value.
pub fn range<T: Voxel>(values: &[T]) -> (f64, f64) {
    let mut low = f64::INFINITY;
    let mut high = f64::NEG_INFINITY;
    for v in values {
        let v = v.to_f64();
        let v_low = if v.is_finite() { v } else { f64::INFINITY };
        let v_high = if v.is_finite() { v } else { f64::NEG_INFINITY };
        low = if v_low < low { v_low } else { low };
        high = if v_high > high { v_high } else { high };
    }
    (low, high)
}

/// Voxels that are summed in 64 bits before they join the object's sums.
const PIECE: usize = 64;

/// Adds a run of voxels along x from slab position `(z, y, x)` to an object's sums.
#[inline(always)]
pub fn add_run<T: Voxel>(
    sums: &mut ChannelSums,
    values: &[T],
    scale: &Scale,
    [z, y, x]: [usize; 3],
    origin: [usize; 3],
) {
    for (k, piece) in values.chunks(PIECE).enumerate() {
        let x = x + k * PIECE;
        if scale.coarser == 0 {
            add_piece::<T, true>(sums, piece, scale, [z, y, x], origin);
        } else {
            add_piece::<T, false>(sums, piece, scale, [z, y, x], origin);
        }
    }
}

#[inline(always)]
fn add_piece<T: Voxel, const SMALL: bool>(
    sums: &mut ChannelSums,
    values: &[T],
    scale: &Scale,
    [z, y, x]: [usize; 3],
    origin: [usize; 3],
) {
    let (mut s1, mut i1, mut i2) = (0i64, 0i64, 0i64);
    let (mut s2, mut p1, mut p2) = (0i128, 0i64, 0i64);
    let (mut p3, mut p4) = (0i128, 0i128);
    let (mut low, mut high) = (sums.min, sums.max);
    let mut valid = values.len() as u64;
    for (i, &v) in values.iter().enumerate() {
        let value = v.to_f64();
        if T::TYPE.is_float() && !value.is_finite() {
            valid -= 1;
            let missing = sums.missing.get_or_insert_default();
            missing.add([origin[0] + z, origin[1] + y, origin[2] + x + i]);
            continue;
        }
        low = if value < low { value } else { low };
        high = if value > high { value } else { high };
        let i = i as i64;
        if SMALL {
            let q = (value - scale.offset) as i64;
            s1 += q;
            i1 += q * i;
            i2 += q * i * i;
            let square = q * q;
            p2 += square;
            p3 += i128::from(square * q);
            p4 += i128::from(square * square);
        } else {
            let q = ((value - scale.offset) * scale.scale).round_ties_even() as i64;
            s1 += q;
            i1 += q * i;
            i2 += q * i * i;
            s2 += i128::from(q * q);
            let p = (q + 128) >> 8;
            p1 += p;
            let square = p * p;
            p2 += square;
            p3 += i128::from(square) * i128::from(p);
            p4 += i128::from(square) * i128::from(square);
        }
    }
    if SMALL {
        s2 = i128::from(p2);
        p1 = s1;
    }
    sums.valid += valid;
    let place = |value: f64| {
        let i = values.iter().position(|v| v.to_f64() == value).unwrap_or(0);
        [origin[0] + z, origin[1] + y, origin[2] + x + i].map(|v| v as u32)
    };
    if low < sums.min {
        (sums.min, sums.min_at) = (low, place(low));
    }
    if high > sums.max {
        (sums.max, sums.max_at) = (high, place(high));
    }
    sums.q += i128::from(s1);
    sums.q2 += s2;
    for (sum, add) in sums.p.iter_mut().zip([i128::from(p1), i128::from(p2), p3, p4]) {
        *sum += add;
    }
    // |Σ q| < 2³⁷ and sides are below 2¹⁷: first moments fit 64 bits, second ones do not.
    let (z, y, x) = (z as i64, y as i64, x as i64);
    let along = i1 + x * s1;
    sums.first[0] += i128::from(z * s1);
    sums.first[1] += i128::from(y * s1);
    sums.first[2] += i128::from(along);
    let wide = |a: i64, b: i64| i128::from(a) * i128::from(b);
    sums.second[0] += wide(z * s1, z);
    sums.second[1] += wide(y * s1, y);
    sums.second[2] += i128::from(i2) + wide(2 * x, i1) + wide(x * x, s1);
    sums.second[3] += wide(z * s1, y);
    sums.second[4] += wide(z, along);
    sums.second[5] += wide(y, along);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_keep_thirty_bits_and_integers_exact() {
        for (low, high) in
            [(0.0, 1.0), (-3.5, 1e30), (1e-30, 2e-30), (5.0, 5.0), (1.0, -1.0), (-f64::MAX, f64::MAX)]
        {
            let s = Scale::of_range(VoxelType::F64, low, high);
            if low <= high {
                for v in [low, high] {
                    let q = (v - s.offset) * s.scale;
                    assert!(q.abs() <= 2f64.powi(30), "{low} {high}: {q}");
                }
            }
        }
        let s = Scale::of_range(VoxelType::I32, -1000.0, 5000.0);
        assert_eq!((s.scale, s.offset), (1.0, 2000.0));
        assert_eq!(range(&[1.0f32, f32::NAN, -2.0, f32::INFINITY]), (-2.0, 1.0));
    }
}
