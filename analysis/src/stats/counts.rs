//! Tests of tables of counts: χ² and Fisher's exact test.

use super::distributions::chi2_sf;
use super::solve::root;
use super::special::ln_gamma;
use super::{Estimable, Interval, Test, refuse};
use crate::matrix::Random;
use rayon::prelude::*;

fn margins(table: &[Vec<u64>]) -> Estimable<(Vec<u64>, Vec<u64>)> {
    let rows: Vec<u64> = table.iter().map(|r| r.iter().sum()).collect();
    let columns: Vec<u64> =
        (0..table.first().map_or(0, Vec::len)).map(|j| table.iter().map(|r| r[j]).sum()).collect();
    if rows.len() < 2 || columns.len() < 2 || rows.contains(&0) || columns.contains(&0) {
        return refuse("the table of counts has one row or column");
    }
    Ok((rows, columns))
}

/// Smallest expected count of a table.
pub fn smallest_expected(table: &[Vec<u64>]) -> f64 {
    let sum = |v: &[u64]| v.iter().sum::<u64>() as f64;
    let rows = table.iter().map(|r| sum(r)).fold(f64::INFINITY, f64::min);
    let columns =
        (0..table[0].len()).map(|j| table.iter().map(|r| r[j] as f64).sum()).fold(f64::INFINITY, f64::min);
    rows * columns / table.iter().map(|r| sum(r)).sum::<f64>()
}

/// Pearson's χ² test of independence, without continuity correction; the estimate is Cramér's V.
///
/// # Errors
/// When a row or a column is empty or alone.
pub fn chi_square(table: &[Vec<u64>]) -> Estimable<Test> {
    let (rows, columns) = margins(table)?;
    let n = rows.iter().sum::<u64>() as f64;
    let mut x = 0.0;
    for (r, row) in table.iter().zip(&rows) {
        for (&c, column) in r.iter().zip(&columns) {
            let expected = *row as f64 * *column as f64 / n;
            x += (c as f64 - expected).powi(2) / expected;
        }
    }
    let df = ((rows.len() - 1) * (columns.len() - 1)) as f64;
    Ok(Test::new(x, Some(df), None, chi2_sf(x, df)))
}

/// Cramér's V: √(χ² / (n (min(rows, columns) − 1))).
pub fn cramers_v(table: &[Vec<u64>], chi_square: f64) -> f64 {
    let n: u64 = table.iter().flatten().sum();
    (chi_square / (n as f64 * (table.len().min(table[0].len()) - 1) as f64)).sqrt()
}

/// Fisher's exact test: of a 2 × 2 table all tables that are no more probable (the estimate is the conditional odds ratio
/// with its exact interval); of larger ones, seeded permutations with the same margins.
///
/// # Errors
/// When a row or a column is empty or alone.
pub fn fisher(table: &[Vec<u64>], resamples: usize, seed: u64) -> Estimable<Test> {
    let (rows, columns) = margins(table)?;
    if rows.len() == 2 && columns.len() == 2 {
        return Ok(fisher_two_by_two(table[0][0], rows[0], rows[1], columns[0]));
    }
    let labels = |sizes: &[u64]| -> Vec<usize> {
        sizes.iter().enumerate().flat_map(|(i, &c)| std::iter::repeat_n(i, c as usize)).collect()
    };
    let (of_row, of_column) = (labels(&rows), labels(&columns));
    let ln_weight = |t: &[u64]| -t.iter().map(|&c| ln_gamma(c as f64 + 1.0)).sum::<f64>();
    let observed = ln_weight(&table.concat());
    let far = (0..resamples)
        .into_par_iter()
        .filter(|&r| {
            let mut order = of_column.clone();
            Random::new(seed, r as u64).shuffle(&mut order);
            let mut t = vec![0u64; rows.len() * columns.len()];
            of_row.iter().zip(&order).for_each(|(i, j)| t[i * columns.len() + j] += 1);
            ln_weight(&t) <= observed + 1e-7
        })
        .count();
    let mut test = Test::new(observed.exp(), None, None, (far + 1) as f64 / (resamples + 1) as f64);
    test.note = format!("{resamples} permutations, seed {seed}");
    Ok(test)
}

fn fisher_two_by_two(x: u64, row: u64, other: u64, column: u64) -> Test {
    let ln_choose =
        |n: u64, k: u64| ln_gamma(n as f64 + 1.0) - ln_gamma(k as f64 + 1.0) - ln_gamma((n - k) as f64 + 1.0);
    let support: Vec<u64> = (column.saturating_sub(other)..=row.min(column)).collect();
    let ln_p: Vec<f64> = support.iter().map(|&k| ln_choose(row, k) + ln_choose(other, column - k)).collect();
    // Probabilities under the odds ratio eᵗ.
    let tilted = |t: f64| {
        let v: Vec<f64> = support.iter().zip(&ln_p).map(|(&k, l)| l + t * k as f64).collect();
        let top = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<f64> = v.iter().map(|v| (v - top).exp()).collect();
        let total: f64 = e.iter().sum();
        e.into_iter().map(|e| e / total).collect::<Vec<f64>>()
    };
    let at = (x - support[0]) as usize;
    let central = tilted(0.0);
    let p = central.iter().filter(|p| **p <= central[at] * (1.0 + 1e-7)).sum::<f64>().min(1.0);
    let (first, last) = (at == 0, at + 1 == support.len());
    let solve = |f: &dyn Fn(&[f64]) -> f64| root(|t| f(&tilted(t)), -60.0, 60.0).exp();
    let mean = |w: &[f64]| w.iter().zip(&support).map(|(p, &k)| p * k as f64).sum::<f64>() - x as f64;
    let value = if first {
        0.0
    } else if last {
        f64::INFINITY
    } else {
        solve(&mean)
    };
    let low = if first { 0.0 } else { solve(&|w| w[at..].iter().sum::<f64>() - 0.025) };
    let high = if last { f64::INFINITY } else { solve(&|w| w[..=at].iter().sum::<f64>() - 0.025) };
    let mut test = Test::new(value, None, None, p);
    test.estimate = Some(Interval { value, low, high });
    test.note = "exact".into();
    test
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    /// Fisher's tea (Fisher 1935), with SciPy 1.17.1's conditional odds ratio and its interval's lower end.
    #[test]
    fn tea() {
        let t = fisher(&[vec![3, 1], vec![1, 3]], 0, 0).unwrap();
        near(t.p, 34.0 / 70.0, 1e-12);
        let e = t.estimate.unwrap();
        near(e.value, 6.408319658199662, 1e-9);
        near(e.low, 0.21173559544657966, 1e-8);
        let t = fisher(&[vec![12, 5], vec![4, 19]], 0, 0).unwrap();
        near(t.p, 0.0010781723796184312, 1e-10);
        near(chi_square(&[vec![3, 1], vec![1, 3]]).unwrap().statistic, 2.0, 1e-14);
        assert!(fisher(&[vec![3, 0], vec![1, 0]], 0, 0).is_err());
    }

    /// Three rows, by permutation.
    #[test]
    fn larger_table() {
        let t = fisher(&[vec![3, 1], vec![1, 3], vec![2, 2]], 20_000, 1).unwrap();
        // SciPy 1.17.1 draws 0.758.
        assert!((t.p - 0.758).abs() < 0.015, "{}", t.p);
    }
}
