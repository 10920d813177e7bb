//! Tests of ranks: Mann–Whitney, Wilcoxon, Kruskal–Wallis. Small samples are exact, ties included.

use super::describe::{midranks, quantile, sorted};
use super::distributions::{chi2_sf, normal_two_sided};
use super::{Estimable, Interval, Test, refuse};

/// Additions that an exact distribution may cost.
const EXACT_COST: usize = 20_000_000;

/// Mann–Whitney U of `a` over `b`. Exact with ties where small: the distribution of the rank sum over all ways to choose
/// the first group, by dynamic programming; p is twice the smaller tail. Else normal with continuity and tie correction.
/// The estimate is the Hodges–Lehmann shift a − b.
///
/// # Errors
/// When a group is empty, or all values are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Estimable<Test> {
    if a.is_empty() || b.is_empty() {
        return refuse("a group has no units");
    }
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (ranks, ties) = midranks(&all);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let total = n + m;
    if ties >= total * total * total - total {
        return refuse("all units have the same value");
    }
    let u = ranks[..a.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let small = a.len().min(b.len());
    let (p, note) = if all.len().saturating_pow(3).saturating_mul(small) <= EXACT_COST {
        (exact_rank_sum(&ranks, a.len()), if ties > 0.0 { "exact, with ties" } else { "exact" })
    } else {
        let sd = (n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)))).sqrt();
        let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / sd;
        (normal_two_sided(z), "normal approximation with continuity and tie correction")
    };
    let mut test = Test::new(u, None, None, p);
    test.note = note.into();
    test.estimate = shift(a, b);
    Ok(test)
}

/// Twice the smaller tail of the sum of the first `n` of `ranks` over all choices of `n` of them.
fn exact_rank_sum(ranks: &[f64], n: usize) -> f64 {
    let doubled: Vec<usize> = ranks.iter().map(|r| (2.0 * r) as usize).collect();
    let observed: usize = doubled[..n].iter().sum();
    let width = doubled.iter().sum::<usize>() + 1;
    // ways[j * width + s]: number of ways to choose j ranks with the sum s.
    let mut ways = vec![0.0f64; (n + 1) * width];
    ways[0] = 1.0;
    for (i, &r) in doubled.iter().enumerate() {
        for j in (1..=n.min(i + 1)).rev() {
            let (before, after) = ways.split_at_mut(j * width);
            let from = &before[(j - 1) * width..];
            for s in r..width {
                after[s] += from[s - r];
            }
        }
    }
    two_tails(&ways[n * width..], observed)
}

/// Twice the smaller tail at `observed` of weights over whole numbers, at most 1.
fn two_tails(weights: &[f64], observed: usize) -> f64 {
    let total: f64 = weights.iter().sum();
    let below: f64 = weights[..=observed].iter().sum();
    let above: f64 = weights[observed..].iter().sum();
    (2.0 * below.min(above) / total).min(1.0)
}

/// Median of all differences a − b (Hodges and Lehmann 1963) with the interval of its ranks (Bauer 1972); nothing where
/// there are more than four million differences.
fn shift(a: &[f64], b: &[f64]) -> Option<Interval> {
    let count = a.len().checked_mul(b.len()).filter(|&c| c <= 4_000_000)?;
    let mut d = Vec::with_capacity(count);
    a.iter().for_each(|a| d.extend(b.iter().map(|b| a - b)));
    let d = sorted(&d);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let spread = 1.959_963_984_540_054 * (n * m * (n + m + 1.0) / 12.0).sqrt();
    Some(rank_interval(&d, spread))
}

/// Median of sorted numbers, with an interval from the order statistics `spread` ranks around the middle.
fn rank_interval(d: &[f64], spread: f64) -> Interval {
    let k = (d.len() as f64 / 2.0 - spread).round().max(0.0) as usize;
    let k = k.min((d.len() - 1) / 2);
    Interval { value: quantile(d, 0.5), low: d[k], high: d[d.len() - 1 - k] }
}

/// Wilcoxon's signed-rank test of a − b; pairs without a difference are left out (Wilcoxon 1945). Exact with ties up to
/// 100 pairs, by dynamic programming over signs; else normal with continuity and tie correction. The statistic is the sum
/// of the ranks of positive differences, the estimate the median of the Walsh averages.
///
/// # Errors
/// When no pair differs.
pub fn wilcoxon(a: &[f64], b: &[f64]) -> Estimable<Test> {
    let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let differing: Vec<f64> = d.iter().copied().filter(|&v| v != 0.0).collect();
    if differing.is_empty() {
        return refuse("no pair differs");
    }
    let sizes: Vec<f64> = differing.iter().map(|v| v.abs()).collect();
    let (ranks, ties) = midranks(&sizes);
    let plus: f64 = ranks.iter().zip(&differing).filter(|(_, d)| **d > 0.0).map(|(r, _)| r).sum();
    let n = differing.len() as f64;
    let (p, method) = if differing.len() <= 100 {
        (exact_signs(&ranks, plus), if ties > 0.0 { "exact, with ties" } else { "exact" })
    } else {
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
        let z = ((plus - n * (n + 1.0) / 4.0).abs() - 0.5).max(0.0) / variance.sqrt();
        (normal_two_sided(z), "normal approximation with continuity and tie correction")
    };
    let mut test = Test::new(plus, None, None, p);
    test.note = method.into();
    if differing.len() < d.len() {
        test.note += &format!("; {} pairs without a difference left out", d.len() - differing.len());
    }
    if d.len() <= 2000 {
        let mut walsh = Vec::with_capacity(d.len() * (d.len() + 1) / 2);
        (0..d.len()).for_each(|i| walsh.extend((i..d.len()).map(|j| 0.5 * (d[i] + d[j]))));
        let m = d.len() as f64;
        let spread = 1.959_963_984_540_054 * (m * (m + 1.0) * (2.0 * m + 1.0) / 24.0).sqrt();
        test.estimate = Some(rank_interval(&sorted(&walsh), spread));
    }
    Ok(test)
}

fn exact_signs(ranks: &[f64], plus: f64) -> f64 {
    let doubled: Vec<usize> = ranks.iter().map(|r| (2.0 * r) as usize).collect();
    let width = doubled.iter().sum::<usize>() + 1;
    let mut ways = vec![0.0f64; width];
    ways[0] = 1.0;
    let mut reach = 0;
    for &r in &doubled {
        for s in (0..=reach).rev() {
            ways[s + r] += ways[s];
        }
        reach += r;
    }
    two_tails(&ways, (2.0 * plus) as usize)
}

/// Kruskal–Wallis test, corrected for ties (Kruskal and Wallis 1952, doi:10.1080/01621459.1952.10483441).
///
/// # Errors
/// When a group is empty, or all values are equal.
pub fn kruskal_wallis(groups: &[&[f64]]) -> Estimable<Test> {
    if groups.len() < 2 || groups.iter().any(|g| g.is_empty()) {
        return refuse("a group has no units");
    }
    let all: Vec<f64> = groups.iter().flat_map(|g| g.iter().copied()).collect();
    let (ranks, ties) = midranks(&all);
    let n = all.len() as f64;
    let correction = 1.0 - ties / (n * n * n - n);
    if correction <= 0.0 {
        return refuse("all units have the same value");
    }
    let mut at = 0;
    let mut sum = 0.0;
    for g in groups {
        let mean = ranks[at..at + g.len()].iter().sum::<f64>() / g.len() as f64;
        sum += g.len() as f64 * (mean - 0.5 * (n + 1.0)).powi(2);
        at += g.len();
    }
    let h = 12.0 / (n * (n + 1.0)) * sum / correction;
    let df = groups.len() as f64 - 1.0;
    Ok(Test::new(h, Some(df), None, chi2_sf(h, df)))
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    /// Exact permutation in SciPy 1.17.1 (its own `exact` ignores ties).
    #[test]
    fn ties_are_exact() {
        let t = mann_whitney(&[1.0, 2.0, 2.0, 3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0, 9.0, 9.0]).unwrap();
        near(t.statistic, 7.0, 0.0);
        near(t.p, 0.08874458874458875, 1e-12);
        assert_eq!(t.note, "exact, with ties");
    }

    /// Every one of 2³ signs, by hand: the sum of positive ranks is 6 in one of eight.
    #[test]
    fn signed_ranks_by_hand() {
        let t = wilcoxon(&[1.0, 2.5, 4.0], &[0.0, 0.0, 0.0]).unwrap();
        near(t.statistic, 6.0, 0.0);
        near(t.p, 0.25, 1e-15);
        assert!(wilcoxon(&[1.0, 2.0], &[1.0, 2.0]).is_err());
    }

    #[test]
    fn equal_values_are_refused() {
        assert!(mann_whitney(&[2.0; 4], &[2.0; 3]).is_err());
        assert!(kruskal_wallis(&[&[2.0; 4], &[2.0; 3]]).is_err());
    }
}
