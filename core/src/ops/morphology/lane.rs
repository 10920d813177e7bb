//! What dilation runs on: 64 voxels of a mask in a word, or intensities as ordered unsigned keys.
//!
//! Dilation is the join (union, maximum) over an element; erosion is the dilation of the complement.
//! So one kernel serves both, in masks and in every voxel type.

use crate::Voxel;

/// A unit of vector work with a join.
pub trait Lane: Copy + PartialEq + Send + Sync + 'static {
    /// Neutral for the join: what lies outside the image.
    const BOTTOM: Self;
    /// Voxels in a lane.
    const VOXELS: usize;

    /// Union, or maximum.
    fn join(self, other: Self) -> Self;

    /// Joins to each voxel of the rows in `rows`, of `width` lanes each, those `k` voxels before
    /// and after it in its row. `old` is a copy of `rows`.
    fn spread(old: &[Self], rows: &mut [Self], width: usize, k: usize);
}

/// 64 voxels of a mask, the first in the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct BitLanes(pub u64);

impl Lane for BitLanes {
    const BOTTOM: Self = Self(0);
    const VOXELS: usize = 64;

    #[inline(always)]
    fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    fn spread(old: &[Self], rows: &mut [Self], width: usize, k: usize) {
        let (words, bits) = (k / 64, (k % 64) as u32);
        if words == 0 && width > 2 {
            return spread_bits(old, rows, width, bits);
        }
        for (old, row) in old.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
            for i in words..width {
                row[i].0 |= old[i - words].0 << bits;
                row[i - words].0 |= old[i].0 >> bits;
            }
            if bits > 0 {
                for i in words + 1..width {
                    row[i].0 |= old[i - words - 1].0 >> (64 - bits);
                    row[i - words - 1].0 |= old[i].0 << (64 - bits);
                }
            }
        }
    }
}

/// `spread` by less than a word: rows are taken together as one long run of words, and then the
/// words at their ends, into which bits of the neighbouring row came, are made anew.
#[inline(always)]
fn spread_bits(old: &[BitLanes], rows: &mut [BitLanes], width: usize, k: u32) {
    let n = old.len();
    if k == 0 || n < 3 {
        return;
    }
    let (before, at, after) = (&old[..n - 2], &old[1..n - 1], &old[2..]);
    for (((row, b), o), a) in rows[1..n - 1].iter_mut().zip(before).zip(at).zip(after) {
        row.0 = o.0 | o.0 << k | o.0 >> k | b.0 >> (64 - k) | a.0 << (64 - k);
    }
    for start in (0..n).step_by(width) {
        let (first, last) = (start, start + width - 1);
        let (f, l) = (old[first].0, old[last].0);
        rows[first].0 = f | f << k | f >> k | old[first + 1].0 << (64 - k);
        rows[last].0 = l | l << k | l >> k | old[last - 1].0 >> (64 - k);
    }
}

macro_rules! key {
    ($($t:ident),*) => { $(
        impl Lane for $t {
            const BOTTOM: Self = 0;
            const VOXELS: usize = 1;

            #[inline(always)]
            fn join(self, other: Self) -> Self {
                if self > other { self } else { other }
            }

            #[inline(always)]
            fn spread(old: &[Self], rows: &mut [Self], width: usize, k: usize) {
                if k >= width {
                    return;
                }
                for (old, row) in old.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
                    shift_join(old, row, k);
                }
            }
        }
    )* };
}

key!(u8, u16, u32, u64);

/// Joins to each lane those `k` lanes before and after it, where there are such. `old` is a copy.
#[inline(always)]
pub fn shift_join<L: Lane>(old: &[L], new: &mut [L], k: usize) {
    let n = old.len();
    if k >= n {
        return;
    }
    if 2 * k < n {
        for (a, b) in new[..k].iter_mut().zip(&old[k..2 * k]) {
            *a = a.join(*b);
        }
        for ((a, b), c) in new[k..n - k].iter_mut().zip(&old[..n - 2 * k]).zip(&old[2 * k..]) {
            *a = a.join(*b).join(*c);
        }
        for (a, b) in new[n - k..].iter_mut().zip(&old[n - 2 * k..n - k]) {
            *a = a.join(*b);
        }
    } else {
        for (a, b) in new[..n - k].iter_mut().zip(&old[k..]) {
            *a = a.join(*b);
        }
        for (a, b) in new[k..].iter_mut().zip(&old[..n - k]) {
            *a = a.join(*b);
        }
    }
}

/// Joins eight runs of lanes to `new`. Longer runs than `new` are cut.
#[inline(always)]
pub fn join_8<L: Lane>(new: &mut [L], s: [&[L]; 8]) {
    let n = new.len();
    let [a, b, c, d, e, f, g, h] = s.map(|s| &s[..n]);
    for i in 0..n {
        let low = a[i].join(b[i]).join(c[i].join(d[i]));
        let high = e[i].join(f[i]).join(g[i].join(h[i]));
        new[i] = new[i].join(low.join(high));
    }
}

/// Joins two runs of lanes to `new`.
#[inline(always)]
pub fn join_2<L: Lane>(new: &mut [L], s: [&[L]; 2]) {
    let n = new.len();
    let [a, b] = s.map(|s| &s[..n]);
    for i in 0..n {
        new[i] = new[i].join(a[i].join(b[i]));
    }
}

/// Joins a run of lanes to `new`.
#[inline(always)]
pub fn join_1<L: Lane>(new: &mut [L], s: &[L]) {
    for (a, b) in new.iter_mut().zip(s) {
        *a = a.join(*b);
    }
}

/// A voxel type as unsigned keys in the order of its values. NaN is the lowest key, which a number
/// never has, so that it is neutral in dilation and, since complements keep it, in erosion.
pub trait Ordered: Voxel {
    /// The keys.
    type Key: Lane + Ord + std::ops::BitXor<Output = Self::Key> + std::fmt::Debug;
    /// A type of the same size and keys that stands in for this one where only the order counts, so
    /// that kernels are compiled for fewer types.
    type Plain: Ordered<Key = Self::Key>;
    /// What turns this type's bits, read as [`Self::Plain`], into an order of keys.
    const SIGN: Self::Key;
    /// All bits set: the complement is `key ^ FLIP`.
    const FLIP: Self::Key;

    /// The key of a value; its complement if `flip` is [`Self::FLIP`] and not [`Lane::BOTTOM`].
    fn key(self, flip: Self::Key) -> Self::Key;
    /// The value of a key.
    fn from_key(key: Self::Key, flip: Self::Key) -> Self;
    /// `self − other` for `self ≥ other`, clamped to the range of an integer.
    fn minus(self, other: Self) -> Self;
    /// `self − height`, where the height is rounded and the result clamped for integers.
    fn lowered(self, height: f64) -> Self;
    /// `self + height`, where the height is rounded and the result clamped for integers.
    fn raised(self, height: f64) -> Self;
}

macro_rules! integer {
    ($($t:ident as $key:ident: $down:ident $up:ident),*) => { $(
        impl Ordered for $t {
            type Key = $key;
            type Plain = $key;
            const SIGN: $key = $t::MIN as $key;
            const FLIP: $key = $key::MAX;

            #[inline(always)]
            fn key(self, flip: $key) -> $key {
                self as $key ^ $t::MIN as $key ^ flip
            }
            #[inline(always)]
            fn from_key(key: $key, flip: $key) -> Self {
                (key ^ flip ^ $t::MIN as $key) as $t
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.saturating_sub(other)
            }
            #[inline(always)]
            fn lowered(self, height: f64) -> Self {
                self.$down(height.round_ties_even() as $key)
            }
            #[inline(always)]
            fn raised(self, height: f64) -> Self {
                self.$up(height.round_ties_even() as $key)
            }
        }
    )* };
}

integer!(
    u8 as u8: saturating_sub saturating_add,
    i8 as u8: saturating_sub_unsigned saturating_add_unsigned,
    u16 as u16: saturating_sub saturating_add,
    i16 as u16: saturating_sub_unsigned saturating_add_unsigned,
    u32 as u32: saturating_sub saturating_add,
    i32 as u32: saturating_sub_unsigned saturating_add_unsigned,
    u64 as u64: saturating_sub saturating_add,
    i64 as u64: saturating_sub_unsigned saturating_add_unsigned
);

macro_rules! float {
    ($($t:ident as $key:ident $signed:ident),*) => { $(
        impl Ordered for $t {
            type Key = $key;
            type Plain = $t;
            const SIGN: $key = 0;
            const FLIP: $key = $key::MAX;

            #[inline(always)]
            fn key(self, flip: $key) -> $key {
                const SIGN: $key = 1 << ($key::BITS - 1);
                let bits = self.to_bits();
                let sign = (bits as $signed >> ($key::BITS - 1)) as $key;
                let key = bits ^ (sign | SIGN) ^ flip;
                if <$t>::is_nan(self) { 0 } else { key }
            }
            #[inline(always)]
            fn from_key(key: $key, flip: $key) -> Self {
                const SIGN: $key = 1 << ($key::BITS - 1);
                let ordered = key ^ flip;
                let sign = !((ordered as $signed >> ($key::BITS - 1)) as $key);
                let bits = ordered ^ (sign | SIGN);
                $t::from_bits(if key == 0 { $t::NAN.to_bits() } else { bits })
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn lowered(self, height: f64) -> Self {
                self - height as $t
            }
            #[inline(always)]
            fn raised(self, height: f64) -> Self {
                self + height as $t
            }
        }
    )* };
}

float!(f32 as u32 i32, f64 as u64 i64);

/// How the items of an array become lanes.
pub trait Codec: Copy + Send + Sync {
    /// What the array holds.
    type Item: Copy + Send + Sync + std::default::Default;
    /// What is worked on.
    type Lane: Lane;
    /// To a lane.
    fn encode(self, item: Self::Item) -> Self::Lane;
    /// Back.
    fn decode(self, lane: Self::Lane) -> Self::Item;
}

/// Voxels as keys, complemented for erosion.
#[derive(Debug, Clone, Copy)]
pub struct Keys<T: Ordered> {
    /// [`Ordered::FLIP`] to complement, else [`Lane::BOTTOM`].
    pub flip: T::Key,
}

impl<P: Ordered> Keys<P> {
    /// Keys of voxels of type `T`, read as `P`, for dilation, or their complements for erosion.
    pub fn of<T: Ordered<Plain = P, Key = P::Key>>(erode: bool) -> Self {
        Self { flip: T::SIGN ^ if erode { T::FLIP } else { T::Key::BOTTOM } }
    }
}

impl<T: Ordered> Codec for Keys<T> {
    type Item = T;
    type Lane = T::Key;

    #[inline(always)]
    fn encode(self, item: T) -> T::Key {
        item.key(self.flip)
    }
    #[inline(always)]
    fn decode(self, lane: T::Key) -> T {
        T::from_key(lane, self.flip)
    }
}

/// Packed masks as they are.
#[derive(Debug, Clone, Copy)]
pub struct Packed;

impl Codec for Packed {
    type Item = BitLanes;
    type Lane = BitLanes;

    #[inline(always)]
    fn encode(self, item: BitLanes) -> BitLanes {
        item
    }
    #[inline(always)]
    fn decode(self, lane: BitLanes) -> BitLanes {
        lane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Ordered>(rising: &[T]) {
        for flip in [T::Key::BOTTOM, T::FLIP] {
            for v in rising {
                assert_eq!(T::from_key(v.key(flip), flip), *v);
            }
        }
        for w in rising.windows(2) {
            assert!(w[0].key(T::Key::BOTTOM) < w[1].key(T::Key::BOTTOM), "{w:?}");
            assert!(w[0].key(T::FLIP) > w[1].key(T::FLIP), "{w:?}");
        }
    }

    #[test]
    fn keys_keep_the_order_of_values_and_complements_turn_it_round() {
        check(&[0u8, 1, 127, 128, 255]);
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[0u16, 1, 65535]);
        check(&[i16::MIN, -1, 0, i16::MAX]);
        check(&[0u32, u32::MAX]);
        check(&[i32::MIN, -1, 0, i32::MAX]);
        check(&[0u64, u64::MAX]);
        check(&[i64::MIN, -1, 0, i64::MAX]);
        check(&[f32::NEG_INFINITY, f32::MIN, -1.5, -0.0, 0.0, 1e-42, 3.0, f32::MAX, f32::INFINITY]);
        check(&[f64::NEG_INFINITY, -1.5, -0.0, 0.0, 3.0, f64::INFINITY]);
        for flip in [0, u32::MAX] {
            assert_eq!(f32::NAN.key(flip), 0);
            assert_eq!((-f32::NAN).key(flip), 0);
            assert!(f32::from_key(0, flip).is_nan());
            assert!(f32::INFINITY.key(flip) > 0 && f32::NEG_INFINITY.key(flip) > 0);
        }
    }
}
