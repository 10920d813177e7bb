//! Checks of assumptions: normality and equal variance.

use super::describe::{mean, quantile, sorted, varies};
use super::distributions::{chi2_sf, normal_isf, normal_sf};
use super::{Estimable, Test, refuse};

/// Test of normality: Shapiro and Wilk's W up to 5000 numbers, D'Agostino and Pearson's K² beyond.
///
/// # Errors
/// When there are fewer than three numbers, or they don't vary.
pub fn normality(x: &[f64]) -> Estimable<(&'static str, Test)> {
    if x.len() <= 5000 {
        shapiro_wilk(x).map(|t| ("Shapiro–Wilk", t))
    } else {
        dagostino(x).map(|t| ("D'Agostino–Pearson", t))
    }
}

/// Shapiro and Wilk's test for 3 to 5000 numbers, by Royston's approximation (1995, doi:10.2307/2986146).
///
/// # Errors
/// When there are fewer than three numbers, or they don't vary.
pub fn shapiro_wilk(x: &[f64]) -> Estimable<Test> {
    let n = x.len();
    if n < 3 {
        return refuse("fewer than three units");
    }
    if !varies(x) {
        return refuse("the units don't vary");
    }
    let s = sorted(x);
    let w = correlation_with_normal_scores(&s);
    if n == 3 {
        // Exact (Shapiro and Wilk 1965).
        let p = 6.0 / std::f64::consts::PI * (w.sqrt().asin() - 0.75f64.sqrt().asin());
        return Ok(Test::new(w, None, None, p.clamp(0.0, 1.0)));
    }
    let m = n as f64;
    let z = if n <= 11 {
        let gamma = -2.273 + 0.459 * m;
        let y = (1.0 - w).ln();
        if y >= gamma {
            return Ok(Test::new(w, None, None, 0.0));
        }
        let mu = horner(&[0.5440, -0.39978, 0.025054, -6.714e-4], m);
        let sigma = horner(&[1.3822, -0.77857, 0.062767, -0.0020322], m).exp();
        (-(gamma - y).ln() - mu) / sigma
    } else {
        let l = m.ln();
        let mu = horner(&[-1.5861, -0.31082, -0.083751, 0.0038915], l);
        let sigma = horner(&[-0.4803, -0.082676, 0.0030302], l).exp();
        ((1.0 - w).ln() - mu) / sigma
    };
    Ok(Test::new(w, None, None, normal_sf(z)))
}

fn horner(c: &[f64], x: f64) -> f64 {
    c.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// W of sorted numbers, with Royston's weights.
fn correlation_with_normal_scores(s: &[f64]) -> f64 {
    let n = s.len();
    let m = n as f64;
    let scores: Vec<f64> = (0..n / 2).map(|i| normal_isf((i as f64 + 1.0 - 0.375) / (m + 0.25))).collect();
    let mut a = scores.clone();
    if n == 3 {
        a[0] = 0.5f64.sqrt();
    } else {
        let total = 2.0 * scores.iter().map(|v| v * v).sum::<f64>();
        let size = total.sqrt();
        let r = 1.0 / m.sqrt();
        let first = horner(&[0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056], r) + scores[0] / size;
        if n > 5 {
            let second =
                scores[1] / size + horner(&[0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633], r);
            let scale = ((total - 2.0 * scores[0].powi(2) - 2.0 * scores[1].powi(2))
                / (1.0 - 2.0 * first * first - 2.0 * second * second))
                .sqrt();
            a.iter_mut().for_each(|v| *v /= scale);
            a[1] = second;
        } else {
            let scale = ((total - 2.0 * scores[0].powi(2)) / (1.0 - 2.0 * first * first)).sqrt();
            a.iter_mut().for_each(|v| *v /= scale);
        }
        a[0] = first;
    }
    let centre = mean(s);
    let squares: f64 = s.iter().map(|v| (v - centre).powi(2)).sum();
    let spread: f64 = a.iter().enumerate().map(|(i, a)| a * (s[n - 1 - i] - s[i])).sum();
    (spread * spread / squares).min(1.0)
}

/// D'Agostino and Pearson's K² of skewness and kurtosis (D'Agostino, Belanger and D'Agostino 1990,
/// doi:10.1080/00031305.1990.10475751).
///
/// # Errors
/// When there are fewer than 20 numbers, or they don't vary.
pub fn dagostino(x: &[f64]) -> Estimable<Test> {
    if x.len() < 20 || !varies(x) {
        return refuse("fewer than twenty units, or no variation");
    }
    let (n, m) = (x.len() as f64, mean(x));
    let moment = |k: i32| x.iter().map(|v| (v - m).powi(k)).sum::<f64>() / n;
    let (m2, skew) = (moment(2), moment(3) / moment(2).powf(1.5));
    let kurtosis = moment(4) / (m2 * m2);
    let y = skew * ((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0))).sqrt();
    let beta2 = 3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
        / ((n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0));
    let w2 = -1.0 + (2.0 * (beta2 - 1.0)).sqrt();
    let delta = 1.0 / (0.5 * w2.ln()).sqrt();
    let alpha = (2.0 / (w2 - 1.0)).sqrt();
    let z1 = delta * (y / alpha).asinh();
    let expected = 3.0 * (n - 1.0) / (n + 1.0);
    let variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0).powi(2) * (n + 3.0) * (n + 5.0));
    let u = (kurtosis - expected) / variance.sqrt();
    let beta1 = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
        * (6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0))).sqrt();
    let a = 6.0 + 8.0 / beta1 * (2.0 / beta1 + (1.0 + 4.0 / (beta1 * beta1)).sqrt());
    let inner = 1.0 + u * (2.0 / (a - 4.0)).sqrt();
    let root = ((1.0 - 2.0 / a) / inner.abs()).cbrt().copysign(inner);
    let z2 = (1.0 - 2.0 / (9.0 * a) - root) / (2.0 / (9.0 * a)).sqrt();
    let k2 = z1 * z1 + z2 * z2;
    Ok(Test::new(k2, Some(2.0), None, chi2_sf(k2, 2.0)))
}

/// Brown and Forsythe's test of equal variances: an analysis of variance of the distances from the medians of groups
/// (1974, doi:10.1080/01621459.1974.10482955).
///
/// # Errors
/// When there are too few units, or the distances don't vary.
pub fn brown_forsythe(groups: &[&[f64]]) -> Estimable<Test> {
    let distances: Vec<Vec<f64>> = groups
        .iter()
        .map(|g| {
            let median = quantile(&sorted(g), 0.5);
            g.iter().map(|v| (v - median).abs()).collect()
        })
        .collect();
    super::means::anova(&distances.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
