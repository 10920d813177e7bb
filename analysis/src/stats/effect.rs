//! Effect sizes with 95 % intervals.

use super::describe::{mean, sorted, sum_of_squares};
use super::distributions::{noncentral_f_interval, noncentral_t_interval};
use super::special::ln_gamma;
use super::{Interval, Test};

/// Exact correction of a standardised difference for small samples (Hedges 1981, doi:10.3102/10769986006002107).
pub fn hedges_correction(df: f64) -> f64 {
    if df > 1e6 {
        return 1.0 - 3.0 / (4.0 * df - 1.0);
    }
    (ln_gamma(0.5 * df) - ln_gamma(0.5 * (df - 1.0))).exp() / (0.5 * df).sqrt()
}

/// Hedges' g of two groups that vary, by the pooled standard deviation; its interval from the non-central t.
pub fn hedges_g(a: &[f64], b: &[f64]) -> Interval {
    let (n, m) = (a.len() as f64, b.len() as f64);
    let df = n + m - 2.0;
    let d = (mean(a) - mean(b)) / ((sum_of_squares(a) + sum_of_squares(b)) / df).sqrt();
    standardised(d, (n * m / (n + m)).sqrt(), df)
}

/// Hedges' g of paired differences that vary: their mean in units of their standard deviation.
pub fn hedges_g_paired(differences: &[f64]) -> Interval {
    let n = differences.len() as f64;
    let d = mean(differences) / (sum_of_squares(differences) / (n - 1.0)).sqrt();
    standardised(d, n.sqrt(), n - 1.0)
}

fn standardised(d: f64, root_n: f64, df: f64) -> Interval {
    // The correction is undefined for one degree of freedom.
    let j = if df > 1.0 { hedges_correction(df) } else { 1.0 };
    let (low, high) = noncentral_t_interval(d * root_n, df);
    Interval { value: d * j, low: low / root_n * j, high: high / root_n * j }
}

/// η² (partial η² beside other terms) of an F-test, with its interval from the non-central F (Steiger 2004,
/// doi:10.1037/1082-989X.9.2.164); `n` is the number of units.
pub fn eta_squared(test: &Test, n: usize) -> Option<Interval> {
    let (f, df1, df2) = (test.statistic, test.df1?, test.df2?);
    let (low, high) = if f * df1 < 1e7 { noncentral_f_interval(f, df1, df2) } else { (f64::NAN, f64::NAN) };
    let share = |lambda: f64| lambda / (lambda + n as f64);
    Some(Interval { value: f * df1 / (f * df1 + df2), low: share(low), high: share(high) })
}

/// Cliff's δ: P(a > b) − P(a < b), in n log n, with the interval of Feng and Cliff (2004, doi:10.22237/jmasm/1099267320).
pub fn cliffs_delta(a: &[f64], b: &[f64]) -> Interval {
    let (sa, sb) = (sorted(a), sorted(b));
    let dominance = |x: f64, other: &[f64]| {
        let below = other.partition_point(|v| *v < x) as f64;
        let above = (other.len() - other.partition_point(|v| *v <= x)) as f64;
        (below - above) / other.len() as f64
    };
    let of_a: Vec<f64> = a.iter().map(|&x| dominance(x, &sb)).collect();
    let of_b: Vec<f64> = b.iter().map(|&x| -dominance(x, &sa)).collect();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let d = mean(&of_a);
    let z = 1.959_963_984_540_054f64;
    if d.abs() >= 1.0 {
        let near = n.min(m);
        let bound = (near - z * z) / (near + z * z);
        return if d > 0.0 {
            Interval { value: 1.0, low: bound, high: 1.0 }
        } else {
            Interval { value: -1.0, low: -1.0, high: -bound }
        };
    }
    // Σ (d_ij − d)² over all pairs: every d_ij² is 1 but of ties.
    let ties: f64 =
        a.iter().map(|&x| (sb.partition_point(|v| *v <= x) - sb.partition_point(|v| *v < x)) as f64).sum();
    let ssa: f64 = of_a.iter().map(|v| (v - d).powi(2)).sum();
    let ssb: f64 = of_b.iter().map(|v| (v - d).powi(2)).sum();
    let pairs = n * m - ties - n * m * d * d;
    let s2 = if n < 2.0 || m < 2.0 {
        return Interval { value: d, low: f64::NAN, high: f64::NAN };
    } else {
        ((m * m * ssa + n * n * ssb - pairs) / (n * m * (n - 1.0) * (m - 1.0)))
            .max((1.0 - d * d) / (n * m - 1.0))
    };
    let width = z * s2.sqrt() * (1.0 - 2.0 * d * d + d.powi(4) + z * z * s2).sqrt();
    let below = 1.0 - d * d + z * z * s2;
    let centre = d - d.powi(3);
    Interval {
        value: d,
        low: ((centre - width) / below).max(-1.0),
        high: ((centre + width) / below).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    #[test]
    fn known_values() {
        // Exact J of 212 degrees of freedom: g / d of the penguins in `stat_oracles`.
        near(hedges_correction(212.0), 0.061461057396937926 / 0.06167956406094982, 1e-10);
        near(hedges_correction(2e6), 1.0 - 3.0 / (8e6 - 1.0), 1e-12);
        // (6 · 6 pairs: U = 7)
        let d = cliffs_delta(&[1.0, 2.0, 2.0, 3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0, 9.0, 9.0]);
        near(d.value, 2.0 * 7.0 / 36.0 - 1.0, 1e-12);
        assert!(d.low > -1.0 && d.low < d.value && d.value < d.high && d.high < 0.3);
        assert_eq!(cliffs_delta(&[3.0, 4.0], &[1.0, 2.0]).value, 1.0);
    }
}
