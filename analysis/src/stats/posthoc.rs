//! Comparisons of all pairs of groups after an analysis of variance or a Kruskal–Wallis test.

use super::describe::{mean, midranks, sum_of_squares, varies};
use super::distributions::{normal_two_sided, studentized_range_isf, studentized_range_sf};
use super::means::welch_error;
use super::{Estimable, Interval, Test, refuse};

/// Tukey's honestly significant difference of groups `i` and `j`, for groups of different sizes (Kramer 1956); the p-value
/// and the interval are for all pairs at once. The statistic is q of the studentised range.
///
/// # Errors
/// When no degrees of freedom are left, or no group varies.
pub fn tukey(groups: &[&[f64]], i: usize, j: usize) -> Estimable<Test> {
    let n: usize = groups.iter().map(|g| g.len()).sum();
    if n <= groups.len() || groups.iter().any(|g| g.is_empty()) {
        return refuse("no group has two units");
    }
    if !groups.iter().any(|g| varies(g)) {
        return refuse("no group varies within itself");
    }
    let df = (n - groups.len()) as f64;
    let within = groups.iter().map(|g| sum_of_squares(g)).sum::<f64>() / df;
    let (a, b) = (groups[i], groups[j]);
    let se = (0.5 * within * (1.0 / a.len() as f64 + 1.0 / b.len() as f64)).sqrt();
    Ok(ranged(mean(a) - mean(b), se, groups.len(), df))
}

/// Games–Howell comparison of groups `i` and `j`, for unequal variances (Games and Howell 1976,
/// doi:10.3102/10769986001002113); the p-value and the interval are for all pairs at once.
///
/// # Errors
/// When one of both groups has fewer than two units, or neither varies.
pub fn games_howell(groups: &[&[f64]], i: usize, j: usize) -> Estimable<Test> {
    let (a, b) = (groups[i], groups[j]);
    if a.len() < 2 || b.len() < 2 {
        return refuse("a group has fewer than two units");
    }
    if !varies(a) && !varies(b) {
        return refuse("neither group varies");
    }
    let (se, df) = welch_error(a, b);
    Ok(ranged(mean(a) - mean(b), se / std::f64::consts::SQRT_2, groups.len(), df))
}

fn ranged(value: f64, se: f64, k: usize, df: f64) -> Test {
    let q = value.abs() / se;
    let half = studentized_range_isf(0.05, k, df) * se;
    let mut test = Test::new(q, Some(df), None, studentized_range_sf(q, k, df));
    test.estimate = Some(Interval { value, low: value - half, high: value + half });
    test
}

/// Dunn's comparison of the mean ranks of groups `i` and `j`, corrected for ties (Dunn 1964,
/// doi:10.1080/00401706.1964.10490181); p is for this pair alone and is to be adjusted.
///
/// # Errors
/// When a group is empty, or all values are equal.
pub fn dunn(groups: &[&[f64]], i: usize, j: usize) -> Estimable<Test> {
    if groups.iter().any(|g| g.is_empty()) {
        return refuse("a group has no units");
    }
    let all: Vec<f64> = groups.iter().flat_map(|g| g.iter().copied()).collect();
    let (ranks, ties) = midranks(&all);
    let n = all.len() as f64;
    let mean_rank = |g: usize| {
        let start: usize = groups[..g].iter().map(|g| g.len()).sum();
        mean(&ranks[start..start + groups[g].len()])
    };
    let scale = n * (n + 1.0) / 12.0 - ties / (12.0 * (n - 1.0));
    if scale <= 0.0 {
        return refuse("all units have the same value");
    }
    let se = (scale * (1.0 / groups[i].len() as f64 + 1.0 / groups[j].len() as f64)).sqrt();
    let z = (mean_rank(i) - mean_rank(j)) / se;
    Ok(Test::new(z, None, None, normal_two_sided(z)))
}
