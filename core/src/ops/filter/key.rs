//! Voxels as unsigned integers of the same order, so that ranks of any type are those of four.

use crate::Voxel;

/// An unsigned integer that stands for a voxel.
pub trait Key: Copy + Ord + Send + Sync + Default + 'static {}

impl Key for u8 {}
impl Key for u16 {}
impl Key for u32 {}
impl Key for u64 {}

/// A voxel type whose values have keys. NaN has the greatest key, above ∞; −0 is below +0.
pub trait Ranked: Voxel {
    /// The unsigned integer of the same size.
    type Key: Key;
    /// The key of a value.
    fn key(self) -> Self::Key;
    /// The value of a key.
    fn of_key(key: Self::Key) -> Self;
}

macro_rules! unsigned {
    ($($t:ident),*) => { $(
        impl Ranked for $t {
            type Key = $t;
            #[inline(always)]
            fn key(self) -> $t { self }
            #[inline(always)]
            fn of_key(key: $t) -> $t { key }
        }
    )* };
}
unsigned!(u8, u16, u32, u64);

macro_rules! signed {
    ($($t:ident $k:ident),*) => { $(
        impl Ranked for $t {
            type Key = $k;
            #[inline(always)]
            fn key(self) -> $k { (self as $k) ^ (1 << ($k::BITS - 1)) }
            #[inline(always)]
            fn of_key(key: $k) -> $t { (key ^ (1 << ($k::BITS - 1))) as $t }
        }
    )* };
}
signed!(i8 u8, i16 u16, i32 u32, i64 u64);

macro_rules! float {
    ($($t:ident $k:ident),*) => { $(
        impl Ranked for $t {
            type Key = $k;
            #[inline(always)]
            fn key(self) -> $k {
                let bits = self.to_bits();
                let sign = 1 << ($k::BITS - 1);
                let key = if bits & sign == 0 { bits | sign } else { !bits };
                if self.is_nan() { $k::MAX } else { key }
            }
            #[inline(always)]
            fn of_key(key: $k) -> $t {
                let sign = 1 << ($k::BITS - 1);
                let value = $t::from_bits(if key & sign == 0 { !key } else { key ^ sign });
                if key == $k::MAX { $t::NAN } else { value }
            }
        }
    )* };
}
float!(f32 u32, f64 u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order() {
        fn check<T: Ranked>(ascending: &[T]) {
            for pair in ascending.windows(2) {
                assert!(pair[0].key() < pair[1].key(), "{pair:?}");
            }
            for v in ascending {
                assert!(T::of_key(v.key()) == *v || v.is_nan() && T::of_key(v.key()).is_nan());
            }
        }
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[i64::MIN, -1, 0, 1, i64::MAX]);
        check(&[u16::MIN, 1, u16::MAX]);
        check(&[f32::NEG_INFINITY, f32::MIN, -1.0, -1e-40, -0.0, 0.0, 1e-40, 2.0, f32::INFINITY, f32::NAN]);
        check(&[f64::NEG_INFINITY, -1.0, -0.0, 0.0, 2.0, f64::INFINITY, f64::NAN]);
        assert_eq!((-f32::NAN).key(), f32::NAN.key());
    }
}
