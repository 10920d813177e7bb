//! Sums of numbers without rounding: the order of the terms, and how they are split among threads,
//! blocks and machines, changes nothing.

use serde::{Deserialize, Serialize};

/// Powers of two that one window spans.
const WINDOW: i32 = 64;
/// Power of two of the least significant bit of window 0; below it no `f64` has bits. Most images
/// have all their values, from 2⁻³⁶ to 2²⁸, in one window.
const LOWEST: i32 = -1112;
/// Windows that all `f64` and the carries of their sums lie in.
const WINDOWS: usize = 36;
/// A window's sum whose magnitude reaches this is carried into the next window.
const FULL: u128 = 1 << 124;

/// A sum of finite `f64` or of integers, kept exactly in windows of 64 powers of two (Kulisch 1996,
/// in as many windows as the terms need). Fewer than 2⁴⁰ terms can be added at a time without a carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExactSum {
    window: u8,
    sum: i128,
    /// Sums in other windows, each with its number; most objects have none.
    others: Vec<(u8, i128)>,
}

/// Where the bits of a finite number lie: its window, and its mantissa shifted to its place there.
#[inline(always)]
fn placed(value: f64) -> (u8, i128) {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let mantissa = bits & ((1 << 52) - 1) | u64::from(exponent != 0) << 52;
    let at = exponent.max(1) - 1075 - LOWEST;
    let magnitude = i128::from(mantissa) << (at % WINDOW);
    ((at / WINDOW) as u8, if bits >> 63 == 0 { magnitude } else { -magnitude })
}

impl ExactSum {
    /// Adds numbers, all of them finite.
    pub fn add_all(&mut self, values: impl IntoIterator<Item = f64>) {
        // 2⁷ terms below 2¹¹⁷ stay in 128 bits.
        let (mut window, mut sum, mut room) = (self.window, 0i128, 128);
        for value in values {
            if value == 0.0 {
                continue;
            }
            let (at, term) = placed(value);
            if at != window || room == 0 {
                self.add_to(window, sum);
                (window, sum, room) = (at, 0, 128);
            }
            sum += term;
            room -= 1;
        }
        self.add_to(window, sum);
    }

    /// Adds an integer below 2⁹⁰.
    pub fn add_integer(&mut self, value: i128) {
        self.add_to((-LOWEST / WINDOW) as u8, value << (-LOWEST % WINDOW));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.add_to(other.window, other.sum);
        for &(window, sum) in &other.others {
            self.add_to(window, sum);
        }
    }

    fn add_to(&mut self, window: u8, add: i128) {
        if add == 0 {
            return;
        }
        if self.sum == 0 && self.others.is_empty() {
            self.window = window;
        }
        let sum = if self.window == window {
            &mut self.sum
        } else if let Some(i) = self.others.iter().position(|o| o.0 == window) {
            &mut self.others[i].1
        } else {
            self.others.reserve_exact(1);
            self.others.push((window, 0));
            let last = self.others.len() - 1;
            &mut self.others[last].1
        };
        *sum += add;
        if sum.unsigned_abs() >= FULL {
            let carry = *sum >> WINDOW;
            *sum -= carry << WINDOW;
            self.add_to(window + 1, carry);
        }
    }

    /// The sum of what was added with [`ExactSum::add_integer`].
    pub fn integer(&self) -> i128 {
        let windows = self.others.iter().copied().chain([(self.window, self.sum)]).filter(|w| w.1 != 0);
        let integers = windows.map(|(window, sum)| {
            let power = LOWEST + i32::from(window) * WINDOW;
            if power < 0 { sum >> -power } else { sum << power }
        });
        integers.sum()
    }

    /// The sum, rounded to the nearest `f64`; infinite if it is beyond them.
    pub fn value(&self) -> f64 {
        self.over(1)
    }

    /// The sum divided by a positive number, rounded once.
    pub fn over(&self, count: u64) -> f64 {
        let (negative, top, power, rest) = self.magnitude();
        if top == 0 {
            return 0.0;
        }
        // The dividend has 127 bits and the divisor at most 64: the quotient has more than 62.
        let (quotient, remainder) = (top / u128::from(count), top % u128::from(count));
        let shift = (128 - quotient.leading_zeros()).saturating_sub(64);
        let lost = quotient & ((1u128 << shift) - 1);
        // A bit for all that is cut off makes the rounding of the conversion the only one.
        let kept = (quotient >> shift) as u64 | u64::from(lost != 0 || remainder != 0 || rest);
        let value = scaled(kept as f64, power + shift as i32);
        if negative { -value } else { value }
    }

    /// The sign of the sum, the first 127 bits of its magnitude, the power of two of the last of
    /// them, and whether there are bits below.
    fn magnitude(&self) -> (bool, u128, i32, bool) {
        if self.others.is_empty() {
            let top = self.sum.unsigned_abs();
            let shift = top.leading_zeros().saturating_sub(1);
            let power = LOWEST + i32::from(self.window) * WINDOW;
            return (self.sum < 0, top.checked_shl(shift).unwrap_or(0), power - shift as i32, false);
        }
        let mut sums = [0i128; WINDOWS];
        sums[usize::from(self.window)] = self.sum;
        for &(window, sum) in &self.others {
            sums[usize::from(window)] += sum;
        }
        let negative = carried(&sums).1 < 0;
        if negative {
            sums.iter_mut().for_each(|sum| *sum = -*sum);
        }
        let digits = carried(&sums).0;
        let Some(last) = digits.iter().rposition(|d| *d != 0) else { return (false, 0, 0, false) };
        let digit = |back: usize| last.checked_sub(back).map_or(0, |i| digits[i]);
        let pair = u128::from(digit(0)) << 64 | u128::from(digit(1));
        // 127 bits from the first that is set.
        let zeros = pair.leading_zeros();
        let power = LOWEST + (last as i32 - 1) * WINDOW;
        let below = digits[..last.saturating_sub(2)].iter().any(|d| *d != 0);
        if zeros == 0 {
            return (negative, pair >> 1, power + 1, pair & 1 != 0 || digit(2) != 0 || below);
        }
        let shift = zeros - 1;
        let next = u128::from(digit(2)) << shift;
        let (more, rest) = (next >> 64, next as u64);
        (negative, pair << shift | more, power - shift as i32, rest != 0 || below)
    }
}

/// The digits of the sums of windows, and what is carried beyond the last: −1 for a negative number.
fn carried(sums: &[i128; WINDOWS]) -> ([u64; WINDOWS], i128) {
    let mut digits = [0; WINDOWS];
    let mut carry = 0i128;
    for (digit, sum) in digits.iter_mut().zip(sums) {
        let sum = sum + carry;
        (*digit, carry) = (sum as u64, sum >> WINDOW);
    }
    (digits, carry)
}

/// `value · 2^power`, in steps that no intermediate result leaves the range of `f64` by.
pub fn scaled(value: f64, power: i32) -> f64 {
    let step = power.clamp(-960, 960);
    let value = value * 2f64.powi(step);
    if power == step { value } else { value * 2f64.powi((power - step).clamp(-960, 960)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::Random;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        sum.add_all(values.iter().copied());
        sum
    }

    #[test]
    fn nothing_is_lost_however_far_apart_the_terms_are() {
        let (max, least) = (f64::MAX, f64::from_bits(1));
        for (values, expected) in [
            (&[][..], 0.0),
            (&[0.1; 10], 1.0),
            (&[1e30, 1.0, -1e30], 1.0),
            (&[max, 4.5, -max], 4.5),
            (&[max, max, -max, -max, least], least),
            (&[max, max], f64::INFINITY),
            (&[-max, -max], f64::NEG_INFINITY),
            (&[1e16, 1.0, 1e-16], 1e16 + 2.0),
            (&[1e16, 1.0, 1.0], 1e16 + 2.0),
            (&[9007199254740992.0, 1.0, 1e-300], 9007199254740994.0),
            (&[-0.5, 0.25, -1e-310], -0.25),
            (&[f64::MIN_POSITIVE, -least], f64::from_bits((1 << 52) - 1)),
        ] {
            assert_eq!(sum(values).value(), expected, "{values:?}");
            let negated: Vec<f64> = values.iter().map(|v| -v).collect();
            assert_eq!(sum(&negated).value(), -expected, "{negated:?}");
        }
        assert_eq!(sum(&[max, max, max]).over(3), max);
        assert_eq!(sum(&[least, least, least]).over(3), least);
        assert_eq!(sum(&[1.0, 0.0, 0.0]).over(3), 1.0 / 3.0);
    }

    #[test]
    fn integers_are_exact_beyond_53_bits() {
        let mut sum = ExactSum::default();
        for value in [u64::MAX, 1, u64::MAX - 2] {
            sum.add_integer(value.into());
        }
        sum.add_integer(i128::from(i64::MIN));
        let expected = 2 * i128::from(u64::MAX) - 1 + i128::from(i64::MIN);
        assert_eq!(sum.integer(), expected);
        assert_eq!(sum.value(), expected as f64);
        assert_eq!(ExactSum::default().integer(), 0);
        sum.add_integer(-expected - 7);
        assert_eq!((sum.integer(), sum.over(2)), (-7, -3.5));
    }

    #[test]
    fn any_order_and_any_cut_give_the_same_bits() {
        let mut random = Random(11);
        for case in 0..60 {
            let exponents = [3, 60, 600][case % 3];
            let mut value = || {
                let power = random.below(2 * exponents + 1) as i32 - exponents as i32;
                let v = (random.below(1 << 30) as f64 + 0.37) * 2f64.powi(power);
                if random.below(2) == 0 { v } else { -v }
            };
            let mut values: Vec<f64> = (0..1500).map(|_| value()).collect();
            let all = sum(&values);
            // Terms that cancel leave what is small.
            let mut cancelled = all.clone();
            cancelled.merge(&sum(&values.iter().map(|v| -v).collect::<Vec<_>>()));
            assert_eq!(cancelled.value(), 0.0);
            cancelled.add_all([1e-300]);
            assert_eq!(cancelled.value(), 1e-300);
            values.reverse();
            let mut parts = ExactSum::default();
            for part in values.chunks(1 + random.below(400)) {
                parts.merge(&sum(part));
            }
            let bits = |sum: &ExactSum| [sum.value(), sum.over(3), sum.over(1500)].map(f64::to_bits);
            assert_eq!(bits(&parts), bits(&all));
        }
    }

    #[test]
    fn sums_of_many_equal_terms_are_carried() {
        let mut doubled = sum(&[0.1]);
        for _ in 0..200 {
            let again = doubled.clone();
            doubled.merge(&again);
        }
        assert_eq!(doubled.value(), 0.1 * 2f64.powi(200));
    }
}
