//! Quantiles of the χ² distribution, for the scale of distances.

/// Regularised lower incomplete gamma function P(a, x) (Abramowitz & Stegun 6.5.29; continued fraction by Lentz 1976).
fn lower_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return front * sum;
    }
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..10_000 {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        let delta = d * c;
        h *= delta;
        if (delta - 1.0).abs() < 1e-16 {
            break;
        }
    }
    1.0 - front * h
}

/// ln Γ of half of a positive whole number, by its recurrence.
fn ln_gamma(a: f64) -> f64 {
    let mut from = a - a.floor();
    let mut sum = if from == 0.0 { 0.0 } else { std::f64::consts::PI.sqrt().ln() };
    if from == 0.0 {
        from = 1.0;
    }
    while from < a {
        sum += from.ln();
        from += 1.0;
    }
    sum
}

/// Distribution function of χ² with k degrees of freedom.
pub fn chi2_cdf(k: usize, x: f64) -> f64 {
    lower_gamma(k as f64 / 2.0, x / 2.0)
}

/// Quantile of χ² with k degrees of freedom, by bisection.
pub fn chi2_quantile(k: usize, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while chi2_cdf(k, high) < p {
        low = high;
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if chi2_cdf(k, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_tables() {
        // scipy.stats.chi2.ppf of SciPy 1.14.
        for (k, p, expected) in [
            (1, 0.5, 0.454936423119572),
            (2, 0.975, 7.377758908227871),
            (5, 0.5, 4.351460191095526),
            (30, 0.975, 46.97924224367115),
        ] {
            assert!((chi2_quantile(k, p) / expected - 1.0).abs() < 1e-12, "{k} {p}");
        }
    }
}
