//! Power: units that would show an effect, and the smallest effect that units would show.

use super::distributions::{f_isf, noncentral_f_sf};
use super::solve::root;

/// Level of significance.
pub const ALPHA: f64 = 0.05;
/// Power that is asked for.
pub const POWER: f64 = 0.8;

/// Power of an F-test of non-centrality `lambda` at level [`ALPHA`]; of a two-sided t-test with df1 = 1.
pub fn power(lambda: f64, df1: f64, df2: f64) -> f64 {
    noncentral_f_sf(f_isf(ALPHA, df1, df2), df1, df2, lambda)
}

/// Power of a two-sided t-test of two groups of `n` and `m` units for a standardised difference `d`.
pub fn two_groups(d: f64, n: f64, m: f64) -> f64 {
    power(d * d * n * m / (n + m), 1.0, n + m - 2.0)
}

/// Units a group, as a real number, by which a two-sided t-test shows a standardised difference `d` with power
/// [`POWER`]; nothing where more than ten million would be needed.
pub fn units_for_two_groups(d: f64) -> Option<f64> {
    units(|n| two_groups(d, n, n), 2.0)
}

/// Pairs by which a paired t-test shows a mean difference of `d` of its standard deviations.
pub fn pairs_for(d: f64) -> Option<f64> {
    units(|n| power(d * d * n, 1.0, n - 1.0), 2.0)
}

/// Units a group by which an analysis of variance of `k` groups shows an effect of Cohen's `f`.
pub fn units_for_groups(f: f64, k: usize) -> Option<f64> {
    let k = k as f64;
    units(|n| power(f * f * n * k, k - 1.0, (n - 1.0) * k), 2.0)
}

fn units(power: impl Fn(f64) -> f64, least: f64) -> Option<f64> {
    if power(least) >= POWER {
        return Some(least);
    }
    let mut most = least * 2.0;
    while power(most) < POWER {
        most *= 2.0;
        if most > 1e7 {
            return None;
        }
    }
    Some(root(|n| power(n) - POWER, most / 2.0, most))
}

/// Non-centrality that a test of these degrees of freedom shows with power [`POWER`].
pub fn smallest_noncentrality(df1: f64, df2: f64) -> f64 {
    let critical = f_isf(ALPHA, df1, df2);
    let at = |lambda: f64| noncentral_f_sf(critical, df1, df2, lambda) - POWER;
    let mut most = 16.0;
    while at(most) < 0.0 {
        most *= 2.0;
    }
    root(at, 0.0, most)
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    /// statsmodels 0.15.0 (whose power of an analysis of variance takes and returns the total number).
    #[test]
    fn agrees_with_statsmodels() {
        near(two_groups(0.5, 30.0, 30.0), 0.4778965207601643, 1e-9);
        near(units_for_two_groups(0.5).unwrap(), 63.76561058891169, 1e-8);
        near(units_for_groups(0.25, 3).unwrap() * 3.0, 157.18979242132232, 1e-6);
        let lambda = smallest_noncentrality(1.0, 58.0);
        near(power(lambda, 1.0, 58.0), POWER, 1e-10);
    }
}
