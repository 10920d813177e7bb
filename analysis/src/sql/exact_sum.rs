//! Sums of `f64` without rounding, so that the order of the terms makes no difference: a fixed-point number of 128 bits
//! around the first terms, and one over the whole range of `f64` where that is too narrow (Kulisch & Miranker 1981).

/// Sum of any number of terms.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// The sum in units of 2^`base`, unless it is `wide`.
    narrow: i128,
    base: i32,
    /// Infinities and NaN among the terms: bits 1, 2 and 4.
    special: u8,
    wide: Option<Box<Wide>>,
}

/// Binades of a first term above the unit that is chosen for it.
const BELOW: i32 = 30;
/// Most places that a term of 53 bits is shifted up by, so that it stays below 2^113.
const WINDOW: u32 = 60;
/// Bits of the upper half of a sum that is too large for another term: 2^120 in all.
const FULL: u64 = 1 << 56;
const POSITIVE: u8 = 1;
const NEGATIVE: u8 = 2;
const NAN: u8 = 4;

impl ExactSum {
    /// Adds a term.
    #[inline]
    pub fn add(&mut self, x: f64) {
        let bits = x.to_bits();
        let exponent = (bits >> 52) as i32 & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0x7ff {
            self.special |= if fraction != 0 {
                NAN
            } else if x > 0.0 {
                POSITIVE
            } else {
                NEGATIVE
            };
            return;
        }
        let (digits, unit) =
            if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
        let shift = (unit - self.base) as u32;
        if shift <= WINDOW && self.wide.is_none() {
            let term = i128::from(digits) << shift;
            self.narrow += if bits >> 63 == 0 { term } else { -term };
            if ((self.narrow >> 64) as i64).unsigned_abs() >= FULL {
                self.widen();
            }
        } else if digits != 0 {
            let digits = digits as i64;
            self.add_elsewhere(i128::from(if bits >> 63 == 0 { digits } else { -digits }), unit);
        }
    }

    /// Adds `digits` · 2^`unit`, which need not fit to what is there.
    #[cold]
    fn add_elsewhere(&mut self, digits: i128, unit: i32) {
        if digits == 0 {
            return;
        }
        if let Some(wide) = &mut self.wide {
            wide.add(digits, unit);
            return;
        }
        if self.narrow == 0 {
            self.base = unit - BELOW;
            self.narrow = digits;
            let fits = fitting(digits, BELOW as u32);
            if let Some(shifted) = fits {
                self.narrow = shifted;
            } else {
                self.base = unit;
            }
            return;
        }
        let zeros = digits.trailing_zeros();
        let (digits, unit) = (digits >> zeros, unit + zeros as i32);
        if unit < self.base
            && let Some(shifted) = fitting(self.narrow, self.base.abs_diff(unit))
        {
            (self.narrow, self.base) = (shifted, unit);
        }
        if unit >= self.base
            && let Some(term) = fitting(digits, unit.abs_diff(self.base))
        {
            self.narrow += term;
            if ((self.narrow >> 64) as i64).unsigned_abs() >= FULL {
                self.widen();
            }
            return;
        }
        self.widen();
        self.wide.as_mut().expect("just made").add(digits, unit);
    }

    fn widen(&mut self) {
        let mut wide = Box::new(Wide::default());
        wide.add(self.narrow, self.base);
        self.narrow = 0;
        self.wide = Some(wide);
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: &Self) {
        self.special |= other.special;
        if let Some(more) = &other.wide {
            if self.wide.is_none() {
                self.widen();
            }
            self.wide.as_mut().expect("just made").merge(more);
        } else {
            self.add_elsewhere(other.narrow, other.base);
        }
    }

    /// The sum as two numbers whose own sum it is, to 106 bits; the first is the sum as rounded.
    pub fn parts(&self) -> (f64, f64) {
        match self.special {
            0 => {}
            POSITIVE => return (f64::INFINITY, 0.0),
            NEGATIVE => return (f64::NEG_INFINITY, 0.0),
            _ => return (f64::NAN, 0.0),
        }
        let Some(wide) = &self.wide else {
            let high = self.narrow as f64;
            let low = self.narrow - high as i128;
            return (scaled(high, self.base), scaled(low as f64, self.base));
        };
        let (digits, unit) = wide.leading();
        let high = digits as f64;
        let mut rest = wide.clone();
        rest.add(-(high as i128), unit);
        let (low, low_unit) = rest.leading();
        (scaled(high, unit), scaled(low as f64, low_unit))
    }

    /// The sum, rounded once.
    pub fn value(&self) -> f64 {
        self.parts().0
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        self.wide.as_ref().map_or(0, |_| size_of::<Wide>())
    }

    /// Writes the sum as bytes.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.push(self.special | u8::from(self.wide.is_some()) << 7);
        match &self.wide {
            None => {
                to.extend_from_slice(&self.narrow.to_le_bytes());
                to.extend_from_slice(&self.base.to_le_bytes());
            }
            Some(wide) => {
                let mut wide = wide.clone();
                wide.carry();
                wide.limbs.iter().for_each(|limb| to.extend_from_slice(&limb.to_le_bytes()));
            }
        }
    }

    /// Reads a sum that [`ExactSum::encode`] wrote, and what follows it; none if it is something else.
    pub fn decode(from: &[u8]) -> Option<(Self, &[u8])> {
        let (flags, rest) = from.split_first()?;
        let special = flags & 7;
        if flags >> 7 == 0 {
            let (narrow, rest) = rest.split_first_chunk()?;
            let (base, rest) = rest.split_first_chunk()?;
            let (narrow, base) = (i128::from_le_bytes(*narrow), i32::from_le_bytes(*base));
            return Some((Self { narrow, base, special, wide: None }, rest));
        }
        let mut wide = Box::new(Wide::default());
        let mut rest = rest;
        for limb in &mut wide.limbs {
            let (bytes, more) = rest.split_first_chunk()?;
            *limb = i64::from_le_bytes(*bytes);
            rest = more;
        }
        Some((Self { special, wide: Some(wide), ..Self::default() }, rest))
    }
}

/// A number shifted up, if it stays below 2^113.
fn fitting(digits: i128, shift: u32) -> Option<i128> {
    let bits = 128 - digits.unsigned_abs().leading_zeros();
    (bits + shift <= 113).then(|| digits << shift)
}

/// x · 2^n for a whole number x, rounded once where it is below the normal numbers.
fn scaled(x: f64, n: i32) -> f64 {
    let power = |n: i32| f64::from_bits(((n.min(1024) + 1023) as u64) << 52);
    // The first of two steps is exact.
    if n < -900 { x * power(-500) * power(n + 500) } else { x * power(n) }
}

/// Limbs of 32 bits over the whole range of `f64` and beyond, each with room for carries.
#[derive(Debug, Clone)]
struct Wide {
    limbs: [i64; LIMBS],
    /// Terms since carries were passed on.
    terms: u32,
}

/// Exponent of the lowest limb.
const LOWEST: i32 = -1120;
const LIMBS: usize = 72;

impl Default for Wide {
    fn default() -> Self {
        Self { limbs: [0; LIMBS], terms: 0 }
    }
}

impl Wide {
    fn add(&mut self, digits: i128, unit: i32) {
        let place = (unit - LOWEST) as usize;
        let (mut limb, shift) = (place / 32, place % 32);
        let mut rest = digits.unsigned_abs();
        let sign = if digits < 0 { -1 } else { 1 };
        let mut first = true;
        let mut carried = 0_u128;
        while rest != 0 || carried != 0 {
            let low =
                if first { (rest & 0xffff_ffff) << shift } else { ((rest & 0xffff_ffff) << shift) + carried };
            first = false;
            self.limbs[limb] += sign * (low & 0xffff_ffff) as i64;
            carried = low >> 32;
            rest >>= 32;
            limb += 1;
        }
        self.terms += 1;
        if self.terms >= 1 << 29 {
            self.carry();
        }
    }

    fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.carry();
        self.limbs.iter_mut().zip(&other.limbs).for_each(|(a, b)| *a += b);
        self.terms += 1;
    }

    /// Passes carries on: all limbs but the last are in 0 .. 2^32.
    fn carry(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let sum = *limb + carry;
            carry = sum >> 32;
            *limb = sum & 0xffff_ffff;
        }
        self.limbs[LIMBS - 1] += carry;
        self.terms = 0;
    }

    /// The leading 120 bits or so, with a last bit that says whether anything lies below, and their unit.
    fn leading(&self) -> (i128, i32) {
        let mut magnitude = self.clone();
        magnitude.carry();
        let negative = magnitude.limbs[LIMBS - 1] < 0;
        if negative {
            magnitude.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            magnitude.carry();
        }
        let Some(top) = magnitude.limbs.iter().rposition(|limb| *limb != 0) else { return (0, 0) };
        let from = top.saturating_sub(2);
        let mut digits = 0_i128;
        for limb in magnitude.limbs[from..=top].iter().rev() {
            digits = digits << 32 | i128::from(*limb);
        }
        let mut unit = LOWEST + 32 * from as i32;
        if magnitude.limbs[..from].iter().any(|limb| *limb != 0) {
            // What lies below can only decide a tie.
            digits = digits << 1 | 1;
            unit -= 1;
        }
        (if negative { -digits } else { digits }, unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        terms.iter().for_each(|t| sum.add(*t));
        sum
    }

    fn scrambled(n: usize, seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        (0..n).map(move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        })
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[0.1; 10]).value(), 1.0);
        assert_eq!(sum(&[1e300, 1.0, -1e300]).value(), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1e-30]).value(), 1e16 + 2.0);
        assert_eq!(sum(&[1e16, 1.0]).value(), 1e16);
        assert_eq!(sum(&[-1e16, -1.0, -1e-300]).value(), -1e16 - 2.0);
        assert_eq!(sum(&[f64::MIN_POSITIVE / 4.0, 5e-324]).value(), f64::MIN_POSITIVE / 4.0 + 5e-324);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).value(), f64::MAX);
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
        assert_eq!(sum(&[f64::INFINITY, 1.0]).value(), f64::INFINITY);
        assert!(
            sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan() && sum(&[f64::NAN]).value().is_nan()
        );
        let (high, low) = sum(&[1.0, 1e-20]).parts();
        assert_eq!((high, low), (1.0, 1e-20));
    }

    #[test]
    fn neither_order_nor_parts_make_a_difference() {
        for spread in [8, 200, 2000] {
            let terms: Vec<f64> = scrambled(3000, 7)
                .map(|s| {
                    let exponent = 1023 + (s >> 52) % spread - spread / 2;
                    f64::from_bits((s & 0x800f_ffff_ffff_ffff) | exponent << 52)
                })
                .collect();
            let whole = sum(&terms).value();
            let mut sorted = terms.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(sum(&sorted).value(), whole);
            let mut parts = ExactSum::default();
            for part in terms.chunks(37).rev() {
                let mut bytes = Vec::new();
                sum(part).encode(&mut bytes);
                let (read, rest) = ExactSum::decode(&bytes).unwrap();
                assert!(rest.is_empty());
                parts.merge(&read);
            }
            assert_eq!(parts.value(), whole, "spread {spread}");
        }
        let many: Vec<f64> = (0..100_000).map(|i| f64::from(i) * 1e6).collect();
        assert_eq!(sum(&many).value(), 4_999_950_000.0 * 1e6);
    }
}
