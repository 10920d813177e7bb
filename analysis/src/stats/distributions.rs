//! Survival functions: probabilities of tails, never 1 − cdf, as numbers and as logarithms.
//!
//! Each agrees with `mpmath` to 1e-8 relative or better down to 1e-300; the logarithms go on below.

use super::solve::{falling_root, root};
use super::special::{ln_beta_inc, ln_gamma_prefactor, ln_gamma_upper};
use std::f64::consts::{LN_2, SQRT_2};

/// P(Z > z) of the standard normal distribution.
pub fn normal_sf(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// P(|Z| > |z|) of the standard normal distribution.
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}

/// Natural logarithm of P(|Z| > |z|).
pub fn ln_normal_two_sided(z: f64) -> f64 {
    ln_gamma_upper(0.5, 0.5 * z * z)
}

/// Argument z at which P(Z > z) is `p`.
pub fn normal_isf(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_isf(1.0 - p);
    }
    if p >= 0.5 {
        return 0.0;
    }
    falling_root(|z| ln_normal_two_sided(z) - LN_2, p.ln(), 0.0, 1.0)
}

/// Natural logarithm of P(|T| > |t|) of Student's t with `df` degrees of freedom.
pub fn ln_t_two_sided(t: f64, df: f64) -> f64 {
    let s = t * t;
    if df.is_infinite() {
        return ln_normal_two_sided(t);
    }
    ln_beta_inc(0.5 * df, 0.5, df / (df + s), s / (df + s))
}

/// P(|T| > |t|) of Student's t.
pub fn t_two_sided(t: f64, df: f64) -> f64 {
    ln_t_two_sided(t, df).exp()
}

/// P(T > t) of Student's t.
pub fn t_sf(t: f64, df: f64) -> f64 {
    let tail = 0.5 * t_two_sided(t, df);
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// Argument t at which P(|T| > t) is `p`: half the width of an interval, in standard errors.
pub fn t_two_sided_isf(p: f64, df: f64) -> f64 {
    falling_root(|t| ln_t_two_sided(t, df), p.ln(), 0.0, 1.0)
}

/// Natural logarithm of P(F > f) of Fisher's F.
pub fn ln_f_sf(f: f64, df1: f64, df2: f64) -> f64 {
    if f <= 0.0 {
        return 0.0;
    }
    let (a, b) = (df1 * f, df2);
    ln_beta_inc(0.5 * df2, 0.5 * df1, b / (a + b), a / (a + b))
}

/// P(F > f) of Fisher's F.
pub fn f_sf(f: f64, df1: f64, df2: f64) -> f64 {
    ln_f_sf(f, df1, df2).exp()
}

/// Argument f at which P(F > f) is `p`.
pub fn f_isf(p: f64, df1: f64, df2: f64) -> f64 {
    falling_root(|f| ln_f_sf(f, df1, df2), p.ln(), 0.0, 1.0)
}

/// Natural logarithm of P(χ² > x).
pub fn ln_chi2_sf(x: f64, df: f64) -> f64 {
    ln_gamma_upper(0.5 * df, 0.5 * x)
}

/// P(χ² > x).
pub fn chi2_sf(x: f64, df: f64) -> f64 {
    ln_chi2_sf(x, df).exp()
}

/// P(F > f) of the non-central F with non-centrality `lambda`: a Poisson mixture of beta functions, summed from its mode.
pub fn noncentral_f_sf(f: f64, df1: f64, df2: f64, lambda: f64) -> f64 {
    if f <= 0.0 {
        return 1.0;
    }
    if lambda <= 0.0 {
        return f_sf(f, df1, df2);
    }
    let (a, b) = (df1 * f, df2);
    let (x, y) = (b / (a + b), a / (a + b));
    let mean = 0.5 * lambda;
    let term = |j: f64| {
        let ln_poisson = if j > 0.0 { ln_gamma_prefactor(j, mean) } else { -mean };
        (ln_poisson + ln_beta_inc(0.5 * df2, 0.5 * df1 + j, x, y)).exp()
    };
    if lambda > 1e9 {
        // The distribution is a point beside its mean.
        return if df1 * f < lambda { 1.0 } else { 0.0 };
    }
    // Far out the weights are smooth: every `stride`th stands for its neighbours.
    let stride = (mean.sqrt() / 20.0).floor().max(1.0);
    let mode = mean.floor();
    let mut sum = 0.0;
    let mut add = |j: f64| {
        let t = term(j);
        sum += t;
        t > sum * 1e-17
    };
    let mut j = mode;
    while add(j) {
        j += stride;
    }
    j = mode - stride;
    while j >= 0.0 && add(j) {
        j -= stride;
    }
    sum *= stride;
    sum.min(1.0)
}

/// Mean of `g(s)`, `s` being a standard deviation of `df` degrees of freedom in units of the true one, as a trapezoidal
/// sum over ln s: the integrand falls on both sides faster than exponentially, or like sᵈᶠ, so that the sum converges
/// geometrically. `ln_g` must be concave in ln s.
fn mean_over_sd(df: f64, ln_g: impl Fn(f64) -> f64) -> f64 {
    let a = 0.5 * df;
    let ln_h = |u: f64| LN_2 + a.ln() + ln_gamma_prefactor(a, a * (2.0 * u).exp()) + ln_g(u.exp());
    let peak = super::solve::minimum(|u| -ln_h(u), -350.0 / df.max(1.0).sqrt(), 3.0);
    let step = (0.5 / (2.0 * df).sqrt()).min(0.1);
    let top = ln_h(peak);
    let mut sum = top.exp();
    for side in [-1.0, 1.0] {
        for i in 1..20_000 {
            let v = ln_h(peak + side * step * f64::from(i));
            sum += v.exp();
            if v < top - 41.0 {
                break;
            }
        }
    }
    sum * step
}

/// P(T > t) of the non-central t with non-centrality `delta`.
pub fn noncentral_t_sf(t: f64, df: f64, delta: f64) -> f64 {
    mean_over_sd(df, |s| {
        let z = t * s - delta;
        if z > 5.0 { ln_normal_two_sided(z) - LN_2 } else { normal_sf(z).ln() }
    })
}

/// Non-centralities whose t-distributions leave 2.5 % on either side of `t`: the exact 95 % interval of δ.
pub fn noncentral_t_interval(t: f64, df: f64) -> (f64, f64) {
    let reach = 10.0 + t.abs() * (1.0 + 10.0 / df.sqrt());
    let at = |p: f64| root(|d| noncentral_t_sf(t, df, d) - p, t - reach, t + reach);
    (at(0.025), at(0.975))
}

/// Non-centralities whose F-distributions leave 2.5 % on either side of `f`; 0 where even the central one leaves less.
pub fn noncentral_f_interval(f: f64, df1: f64, df2: f64) -> (f64, f64) {
    let at = |p: f64| {
        if noncentral_f_sf(f, df1, df2, 0.0) >= p {
            return 0.0;
        }
        falling_root(|l| -noncentral_f_sf(f, df1, df2, l), -p, 0.0, 1.0 + f * df1)
    };
    (at(0.025), at(0.975))
}

/// P(R > w) of the range of `k` standard normal numbers, without cancellation:
/// k ∫ φ(z) {Φ(z)ᵏ⁻¹ − [Φ(z) − Φ(z − w)]ᵏ⁻¹} dz.
fn range_sf(w: f64, k: f64) -> f64 {
    const STEP: f64 = 0.15;
    let mut sum = 0.0;
    for i in -68..=68 {
        let z = 0.5 * w + f64::from(i) * STEP;
        let below = normal_sf(-z);
        let part = normal_sf(w - z) / below;
        let gap = if part >= 1.0 { 1.0 } else { -((k - 1.0) * (-part).ln_1p()).exp_m1() };
        sum += (-0.5 * z * z + (k - 1.0) * below.ln()).exp() * gap;
    }
    k * sum * STEP / std::f64::consts::TAU.sqrt()
}

/// P(Q > q) of the studentised range of `k` means with `df` degrees of freedom.
pub fn studentized_range_sf(q: f64, k: usize, df: f64) -> f64 {
    let k = k as f64;
    if q <= 0.0 {
        return 1.0;
    }
    if df.is_infinite() {
        return range_sf(q, k).min(1.0);
    }
    mean_over_sd(df, |s| range_sf(q * s, k).max(1e-320).ln()).min(1.0)
}

/// Argument q at which P(Q > q) is `p`.
pub fn studentized_range_isf(p: f64, k: usize, df: f64) -> f64 {
    falling_root(|q| studentized_range_sf(q, k, df).ln(), p.ln(), 0.0, 4.0)
}

/// P(K > λ) of Kolmogorov's limiting distribution, from whichever of its two series converges.
pub fn kolmogorov_sf(lambda: f64) -> f64 {
    if lambda <= 0.0 {
        return 1.0;
    }
    if lambda < 1.0 {
        let c = std::f64::consts::PI.powi(2) / (8.0 * lambda * lambda);
        let cdf: f64 = (1..20).map(|k| (-c * f64::from(2 * k - 1).powi(2)).exp()).sum();
        return 1.0 - cdf * std::f64::consts::TAU.sqrt() / lambda;
    }
    let term = |k: i32| 2.0 * (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    (1..20).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum::<f64>().clamp(0.0, 1.0)
}
