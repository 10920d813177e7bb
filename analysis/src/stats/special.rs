//! Incomplete beta and gamma functions as logarithms, so that tails keep their relative precision at any size.
//!
//! Prefactors are saddle-point expansions (Loader 2000, "Fast and accurate computation of binomial probabilities"),
//! which don't cancel for millions of degrees of freedom; the rest are continued fractions by Lentz's method (Press et
//! al., *Numerical Recipes*, 3rd ed., § 6.2 and § 6.4).

use std::f64::consts::{PI, TAU};

const EPS: f64 = 1e-16;
const TINY: f64 = 1e-300;
/// Continued fractions converge within a few times the root of the largest parameter.
const TERMS: usize = 1_000_000;

/// Natural logarithm of the gamma function.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// Error of Stirling's formula: ln n! − (n + ½) ln n + n − ½ ln 2π, for n > 0.
fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        return ln_gamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * TAU.ln();
    }
    let s = 1.0 / (n * n);
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - s / 1188.0) * s) * s) * s) / n
}

/// Deviance x ln(x/m) + m − x, without cancellation where x is near m.
fn deviance(x: f64, m: f64) -> f64 {
    let d = x - m;
    if d.abs() >= 0.1 * (x + m) {
        return x * (x.ln() - m.ln()) - d;
    }
    let v = d / (x + m);
    let mut sum = d * v;
    let mut term = 2.0 * x * v;
    for j in 1..1000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// ln(xᵃ e⁻ˣ / Γ(a + 1)) for a > 0, x > 0.
pub fn ln_gamma_prefactor(a: f64, x: f64) -> f64 {
    -0.5 * (TAU * a).ln() - stirling_error(a) - deviance(a, x)
}

/// ln(xᵃ yᵇ / B(a, b)) for a, b > 0 and x + y = 1.
fn ln_beta_prefactor(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let lc =
        stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x) - deviance(b, n * y);
    // a b / n times the binomial probability, whose own factor is √(n / (2π a b)).
    lc + 0.5 * ((a / n).ln() + b.ln() - (2.0 * PI).ln())
}

/// Logarithm of the regularised incomplete beta function `I_x(a, b)`; `y` is 1 − x, given apart for its precision.
pub fn ln_beta_inc(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        f64::NEG_INFINITY
    } else if y <= 0.0 {
        0.0
    } else if x < (a + 1.0) / (a + b + 2.0) {
        ln_beta_prefactor(a, b, x, y) - a.ln() + beta_fraction(a, b, x).ln()
    } else {
        ln_one_minus_exp(ln_beta_prefactor(b, a, y, x) - b.ln() + beta_fraction(b, a, y).ln())
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let (sum, above, below) = (a + b, a + 1.0, a - 1.0);
    let floor = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / floor(1.0 - sum * x / above);
    let mut h = d;
    for m in 1..TERMS {
        let m = m as f64;
        let even = m * (b - m) * x / ((below + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / floor(1.0 + even * d);
        c = floor(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (sum + m) * x / ((a + 2.0 * m) * (above + 2.0 * m));
        d = 1.0 / floor(1.0 + odd * d);
        c = floor(1.0 + odd / c);
        let factor = d * c;
        h *= factor;
        if (factor - 1.0).abs() <= EPS {
            break;
        }
    }
    h
}

/// Logarithm of the regularised upper incomplete gamma function `Q(a, x)`.
pub fn ln_gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x < a + 1.0 {
        ln_one_minus_exp(ln_gamma_prefactor(a, x) + gamma_series(a, x).ln())
    } else {
        ln_gamma_prefactor(a, x) + a.ln() + gamma_fraction(a, x).ln()
    }
}

/// Γ(a + 1) eˣ x⁻ᵃ times the lower incomplete gamma function `P(a, x)`.
fn gamma_series(a: f64, x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, a);
    for _ in 0..TERMS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < sum * EPS {
            break;
        }
    }
    sum
}

fn gamma_fraction(a: f64, x: f64) -> f64 {
    let floor = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / floor(b);
    let mut h = d;
    for i in 1..TERMS {
        let i = i as f64;
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / floor(an * d + b);
        c = floor(b + an / c);
        let factor = d * c;
        h *= factor;
        if (factor - 1.0).abs() <= EPS {
            break;
        }
    }
    h
}

/// ln(1 − eᵛ) for v ≤ 0.
pub fn ln_one_minus_exp(v: f64) -> f64 {
    if v > -std::f64::consts::LN_2 { (-v.exp_m1()).ln() } else { (-v.exp()).ln_1p() }
}
