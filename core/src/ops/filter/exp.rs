//! The exponential function in plain arithmetic, so that it vectorises and has the same bits
//! everywhere.

/// `exp(-t)` for `t ≥ 0`, with an error below 3·10⁻⁷ and a relative one below 10⁻⁵ up to t = 86;
/// `exp(-87.3)` beyond.
#[inline(always)]
pub fn exp_neg(t: f32) -> f32 {
    exp2(t * -std::f32::consts::LOG2_E)
}

/// `2^power` for `power ≤ 0`, with the same error; `2⁻¹²⁶` for anything below −126 and for NaN.
///
/// `2^f` on `[-½, ½]` is a polynomial of degree 5 fitted for least relative error; the whole power
/// of two goes into the exponent bits. Fused multiplications have the same bits everywhere; call
/// this where the target has them.
#[inline(always)]
pub fn exp2(power: f32) -> f32 {
    // Adding 1.5·2²³ rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let power = if power > -126.0 { power } else { -126.0 };
    let rounded = power + ROUND;
    let f = power - (rounded - ROUND);
    let p = 0.001_327_65_f32;
    let p = p.mul_add(f, 0.009_675_54);
    let p = p.mul_add(f, 0.055_507_13);
    let p = p.mul_add(f, 0.240_221_2);
    let p = p.mul_add(f, 0.693_146_97);
    let p = p.mul_add(f, 1.000_000_07);
    f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::exp_neg;

    #[test]
    fn close_to_the_exponential() {
        for i in 0..860_000 {
            let t = i as f32 * 1e-4;
            let exact = (-f64::from(t)).exp();
            let error = (f64::from(exp_neg(t)) - exact).abs();
            assert!(error < 3e-7 && error < 1e-5 * exact, "at {t}: {}", exp_neg(t));
        }
        assert!(exp_neg(f32::INFINITY) < 1e-37);
        assert!(exp_neg(1e9) > 0.0);
    }
}
