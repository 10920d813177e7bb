//! What a run of voxels adds to the sums over an object's intensities.

use crate::measure::sums::channel::ChannelSums;
use crate::{Voxel, VoxelType};

/// The intensity that counts as 0 in the sums of powers and moments of types of up to 16 bits; `None`
/// for wider types, which are summed exactly first and measured from each object's mean in a second
/// pass ([`crate::measure::sums::moments`]).
pub const fn offset(voxel: VoxelType) -> Option<i64> {
    match voxel {
        VoxelType::U8 | VoxelType::I8 | VoxelType::I16 => Some(0),
        VoxelType::U16 => Some(32768),
        _ => None,
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
pub fn add_run<T: Voxel>(sums: &mut ChannelSums, values: &[T], [z, y, x]: [usize; 3], origin: [usize; 3]) {
    for (piece, x) in values.chunks(PIECE).zip((x..).step_by(PIECE)) {
        match offset(T::TYPE) {
            Some(offset) => add_narrow(sums, piece, offset, [z, y, x]),
            None => add_wide(sums, piece, [z + origin[0], y + origin[1], x + origin[2]]),
        }
        add_extremes(sums, piece, [z + origin[0], y + origin[1], x + origin[2]]);
    }
}

/// Powers and moments of up to 64 intensities of at most 16 bits.
#[inline(always)]
fn add_narrow<T: Voxel>(sums: &mut ChannelSums, values: &[T], offset: i64, [z, y, x]: [usize; 3]) {
    // |q| ≤ 2¹⁵: 64 cubes fit 64 bits, 64 fourth powers do not.
    let (mut s1, mut s2, mut s3, mut s4) = (0i64, 0i64, 0i64, 0i128);
    let (mut i1, mut i2) = (0i64, 0i64);
    for (i, v) in (0i64..).zip(values) {
        let q = v.to_f64() as i64 - offset;
        s1 += q;
        i1 += q * i;
        i2 += q * i * i;
        let square = q * q;
        s2 += square;
        s3 += square * q;
        s4 += i128::from(square * square);
    }
    sums.valid += values.len() as u64;
    for (sum, add) in sums.powers.iter_mut().zip([i128::from(s1), i128::from(s2), i128::from(s3), s4]) {
        *sum += add;
    }
    // |Σ q| < 2²² and sides are below 2¹⁷: first moments fit 64 bits, second ones do not.
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

/// The exact sum of up to 64 intensities from image position `(z, y, x)`, and those that are missing.
#[inline(always)]
fn add_wide<T: Voxel>(sums: &mut ChannelSums, values: &[T], [z, y, x]: [usize; 3]) {
    if !T::TYPE.is_float() {
        sums.valid += values.len() as u64;
        let integer = |v: &T| match T::TYPE {
            VoxelType::U64 => i128::from(bytemuck::cast::<T, u64>(*v)),
            VoxelType::I64 => i128::from(bytemuck::cast::<T, i64>(*v)),
            _ => i128::from(v.to_f64() as i64),
        };
        sums.exact.add_integer(values.iter().map(integer).sum());
        return;
    }
    let finite = values.iter().filter(|v| v.to_f64().is_finite()).count();
    sums.valid += finite as u64;
    if finite < values.len() {
        for i in (0..values.len()).filter(|i| !values[*i].to_f64().is_finite()) {
            sums.missing.get_or_insert_default().add([z, y, x + i]);
        }
    }
    sums.exact.add_all(values.iter().map(|v| v.to_f64()).filter(|v| v.is_finite()));
}

/// Least and greatest finite intensity of a piece, and the first voxels that have them.
#[inline(always)]
fn add_extremes<T: Voxel>(sums: &mut ChannelSums, values: &[T], [z, y, x]: [usize; 3]) {
    let (low, high) = if T::TYPE.is_float() {
        range(values)
    } else {
        let ends = values.iter().fold((T::HIGHEST, T::LOWEST), |(low, high), &v| {
            (if v < low { v } else { low }, if v > high { v } else { high })
        });
        (ends.0.to_f64(), ends.1.to_f64())
    };
    let place = |value: f64| {
        let i = values.iter().position(|v| v.to_f64() == value).unwrap_or(0);
        [z, y, x + i].map(|v| v as u32)
    };
    if low < sums.min {
        (sums.min, sums.min_at) = (low, place(low));
    }
    if high > sums.max {
        (sums.max, sums.max_at) = (high, place(high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_that_of_finite_values() {
        assert_eq!(range(&[1.0f32, f32::NAN, -2.0, f32::INFINITY]), (-2.0, 1.0));
    }
}
