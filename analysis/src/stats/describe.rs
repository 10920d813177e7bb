//! Description of a sample: means, spread, quantiles, ranks.

use super::distributions::t_two_sided_isf;
use super::{Estimable, Interval, refuse};

/// Arithmetic mean; corrected by the mean residual, so that the rounding of large sums cancels.
pub fn mean(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let m = x.iter().sum::<f64>() / n;
    m + x.iter().map(|v| v - m).sum::<f64>() / n
}

/// Sum of squares about the mean.
pub fn sum_of_squares(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m) * (v - m)).sum()
}

/// Unbiased variance (divisor n − 1).
pub fn variance(x: &[f64]) -> f64 {
    sum_of_squares(x) / (x.len() as f64 - 1.0)
}

/// True when the values differ by more than the rounding of numbers of their size.
pub fn varies(x: &[f64]) -> bool {
    let low = x.iter().copied().fold(f64::INFINITY, f64::min);
    let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    high - low > 1e-13 * low.abs().max(high.abs())
}

/// Quantile `q` of sorted numbers, linear between order statistics (type 7 of Hyndman and Fan 1996).
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let i = (at.floor() as usize).min(sorted.len() - 1);
    let next = sorted[(i + 1).min(sorted.len() - 1)];
    sorted[i] + (next - sorted[i]) * (at - i as f64)
}

/// Sorted copy.
pub fn sorted(x: &[f64]) -> Vec<f64> {
    let mut s = x.to_vec();
    s.sort_by(f64::total_cmp);
    s
}

/// Mean with its 95 % interval by Student's t.
///
/// # Errors
/// When there are fewer than two numbers.
pub fn mean_interval(x: &[f64]) -> Estimable<Interval> {
    if x.len() < 2 {
        return refuse("an interval needs two units");
    }
    let n = x.len() as f64;
    let half = t_two_sided_isf(0.05, n - 1.0) * (variance(x) / n).sqrt();
    let value = mean(x);
    Ok(Interval { value, low: value - half, high: value + half })
}

/// Midranks from 1 (ties share their mean rank), and the sum of t³ − t over groups of ties.
pub fn midranks(x: &[f64]) -> (Vec<f64>, f64) {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut ranks = vec![0.0; x.len()];
    let (mut i, mut ties) = (0, 0.0);
    while i < order.len() {
        let mut j = i;
        while j < order.len() && x[order[j]] == x[order[i]] {
            j += 1;
        }
        let t = (j - i) as f64;
        ties += t * t * t - t;
        order[i..j].iter().for_each(|&k| ranks[k] = (i + j + 1) as f64 / 2.0);
        i = j;
    }
    (ranks, ties)
}
