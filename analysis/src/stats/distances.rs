//! Tests of whole distributions: Kolmogorov–Smirnov and energy distance.

use super::distributions::kolmogorov_sf;
use super::permutation::{MOST, choose, for_each_choice};
use super::{Estimable, Test, refuse};
use crate::matrix::Random;
use rayon::prelude::*;

/// Steps of lattice paths that an exact p-value may cost.
const EXACT_PATHS: usize = 20_000_000;

/// Two-sample Kolmogorov–Smirnov test. Exact with ties where small, by the share of lattice paths that leave the band
/// (Viehmann 2021, arXiv:2102.08037; Schröer and Trenkler 1995, doi:10.1016/0167-9473(94)00040-P); else the limiting
/// distribution.
///
/// # Errors
/// When a group is empty.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Estimable<Test> {
    if a.is_empty() || b.is_empty() {
        return refuse("a group has no units");
    }
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|&v| (v, true)).chain(b.iter().map(|&v| (v, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (n, m) = (a.len(), b.len());
    // Distances as whole numbers: |i m − j n| of n m.
    let (mut i, mut j, mut widest) = (0usize, 0usize, 0usize);
    let mut ends = vec![false; all.len() + 1];
    for (k, &(v, first)) in all.iter().enumerate() {
        if first {
            i += 1;
        } else {
            j += 1;
        }
        if k + 1 == all.len() || all[k + 1].0 != v {
            ends[k + 1] = true;
            widest = widest.max((i * m).abs_diff(j * n));
        }
    }
    let d = widest as f64 / (n as f64 * m as f64);
    let exact = n.saturating_mul(m) <= EXACT_PATHS;
    let p = if exact {
        leaving_paths(n, m, widest, &ends)
    } else {
        kolmogorov_sf(d * (n as f64 * m as f64 / (n + m) as f64).sqrt())
    };
    let mut test = Test::new(d, None, None, p.min(1.0));
    test.note = if exact { "exact" } else { "limiting distribution" }.into();
    Ok(test)
}

/// Share of the paths from (0, 0) to (n, m) that are somewhere, after a value and all its ties, at least `widest` apart.
fn leaving_paths(n: usize, m: usize, widest: usize, ends: &[bool]) -> f64 {
    let mut row = vec![0.0f64; m + 1];
    for i in 0..=n {
        for j in 0..=m {
            row[j] = if ends[i + j] && (i * m).abs_diff(j * n) >= widest {
                1.0
            } else {
                let whole = (i + j) as f64;
                let up = if i > 0 { row[j] * i as f64 / whole } else { 0.0 };
                let left = if j > 0 { row[j - 1] * j as f64 / whole } else { 0.0 };
                up + left
            };
        }
    }
    row[m]
}

/// Design of a permutation of units: any division of units between both groups, or swaps within pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Units are exchanged freely.
    Free,
    /// Unit `i` of the first group is exchanged with unit `i` of the second.
    WithinPairs,
}

/// Most order statistics by which the distribution of a unit is represented.
const QUANTILES: usize = 2000;
/// Orders of units that are enumerated rather than drawn.
const EXACT_ORDERS: f64 = 5000.0;

/// Energy distance √(2 ∫ (F − G)²) between two groups of units, each unit having the same weight however many objects it
/// has (Székely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018). p by permutation of whole units, so that objects of one
/// unit stay together. The objects are sorted once; a permutation is one pass over them.
///
/// # Errors
/// When a group is empty, or all objects are equal.
pub fn energy(
    a: &[&[f64]],
    b: &[&[f64]],
    exchange: Exchange,
    resamples: usize,
    seed: u64,
) -> Estimable<Test> {
    if a.is_empty() || b.is_empty() {
        return refuse("a group has no units");
    }
    if a.len() + b.len() > MOST {
        return refuse("permutations of so many units take long");
    }
    let thinned = a.iter().chain(b).any(|u| u.len() > QUANTILES);
    let units: Vec<Vec<f64>> = a.iter().chain(b).map(|u| quantiles(u)).collect();
    let mut objects: Vec<(f64, usize)> =
        units.iter().enumerate().flat_map(|(i, u)| u.iter().map(move |&v| (v, i))).collect();
    objects.sort_by(|x, y| x.0.total_cmp(&y.0));
    if objects.first().map(|o| o.0) == objects.last().map(|o| o.0) {
        return refuse("all values are equal");
    }
    let sizes: Vec<f64> = units.iter().map(|u| u.len() as f64).collect();
    let squared = |first: &[bool]| {
        let n = first.iter().filter(|f| **f).count() as f64;
        let m = first.len() as f64 - n;
        let weight: Vec<f64> =
            first.iter().zip(&sizes).map(|(f, s)| if *f { 1.0 / (n * s) } else { -1.0 / (m * s) }).collect();
        let (mut gap, mut sum) = (0.0f64, 0.0);
        for pair in objects.windows(2) {
            gap += weight[pair[0].1];
            sum += gap * gap * (pair[1].0 - pair[0].0);
        }
        2.0 * sum
    };
    let (n, k) = (units.len(), a.len());
    let start: Vec<bool> = (0..n).map(|i| i < k).collect();
    let observed = squared(&start);
    let bar = observed * (1.0 - 1e-10);
    let orders = if exchange == Exchange::Free { choose(n, k) } else { 2.0f64.powi(k as i32) };
    let exact = orders <= EXACT_ORDERS;
    let p = if exact {
        let mut all: Vec<Vec<bool>> = vec![];
        match exchange {
            Exchange::Free => for_each_choice(n, k, |pick| {
                let mut first = vec![false; n];
                pick.iter().for_each(|&i| first[i] = true);
                all.push(first);
            }),
            Exchange::WithinPairs => {
                all.extend((0..1usize << k).map(|bits| swapped(n, k, |i| bits >> i & 1 == 1)));
            }
        }
        all.par_iter().filter(|first| squared(first) >= bar).count() as f64 / orders
    } else {
        let far = (0..resamples)
            .into_par_iter()
            .filter(|&r| {
                let mut random = Random::new(seed, r as u64);
                let first = match exchange {
                    Exchange::Free => {
                        let mut first = start.clone();
                        random.shuffle(&mut first);
                        first
                    }
                    Exchange::WithinPairs => swapped(n, k, |_| random.bits() >> 63 == 1),
                };
                squared(&first) >= bar
            })
            .count();
        (far + 1) as f64 / (resamples + 1) as f64
    };
    let mut test = Test::new(observed.sqrt(), None, None, p);
    test.note = if exact {
        format!("exact: all {orders} orders of units")
    } else {
        format!("{resamples} permutations of units, seed {seed}")
    };
    if thinned {
        test.note += &format!("; units with more than {QUANTILES} objects by as many quantiles");
    }
    Ok(test)
}

fn swapped(n: usize, k: usize, mut swap: impl FnMut(usize) -> bool) -> Vec<bool> {
    let mut first = vec![false; n];
    for i in 0..k {
        let out = swap(i);
        first[i] = !out;
        first[k + i] = out;
    }
    first
}

fn quantiles(unit: &[f64]) -> Vec<f64> {
    if unit.len() <= QUANTILES {
        return unit.to_vec();
    }
    let s = super::describe::sorted(unit);
    (0..QUANTILES).map(|i| s[(2 * i + 1) * s.len() / (2 * QUANTILES)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    /// By hand: the two of C(6, 3) = 20 orders that are fully apart.
    #[test]
    fn apart() {
        let (a, b) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        let t = kolmogorov_smirnov(&a, &b).unwrap();
        near(t.statistic, 1.0, 0.0);
        near(t.p, 0.1, 1e-14);
        // SciPy 1.17.1, exact.
        let a: Vec<f64> = (0..40).map(|i| f64::from(i) + 0.3).collect();
        let b: Vec<f64> = (0..50).map(|i| f64::from(i) * 1.4 + 8.15).collect();
        let t = kolmogorov_smirnov(&a, &b).unwrap();
        near(t.statistic, 0.54, 1e-14);
        near(t.p, 1.8551139936794994e-6, 1e-9);
        let (a, b) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        assert!(kolmogorov_smirnov(&a, &a).unwrap().p == 1.0 && kolmogorov_smirnov(&a, &b).unwrap().p < 1.0);
        let units = |x: &'static [[f64; 1]; 3]| x.iter().map(|v| &v[..]).collect::<Vec<_>>();
        let t = energy(&units(&[[1.0], [2.0], [3.0]]), &units(&[[4.0], [5.0], [6.0]]), Exchange::Free, 99, 1)
            .unwrap();
        near(t.p, 0.1, 1e-14);
        // SciPy 1.17.1, `energy_distance`.
        near(t.statistic, 2.0548046676563256, 1e-12);
    }
}
