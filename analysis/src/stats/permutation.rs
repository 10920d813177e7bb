//! Permutation tests of differences of means: exact where all permutations can be counted, else seeded.

use super::describe::mean;
use super::{Estimable, Test, refuse};
use crate::matrix::Random;
use rayon::prelude::*;

/// Permutations that are enumerated rather than drawn.
const EXACT: f64 = 200_000.0;

/// Number of ways to choose `k` of `n`.
pub fn choose(n: usize, k: usize) -> f64 {
    let k = k.min(n - k);
    (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64).round()
}

/// Units beyond which nothing is permuted.
pub const MOST: usize = 50_000;

/// Statistics at least as far out as the observed one on each side, among how many.
#[derive(Default, Clone, Copy)]
struct Tails {
    below: f64,
    above: f64,
    of: f64,
}

impl Tails {
    fn count(value: f64, observed: f64, slack: f64) -> Self {
        let side = |yes: bool| if yes { 1.0 } else { 0.0 };
        Self { below: side(value <= observed + slack), above: side(value >= observed - slack), of: 1.0 }
    }

    fn add(self, other: Self) -> Self {
        Self { below: self.below + other.below, above: self.above + other.above, of: self.of + other.of }
    }

    /// Twice the smaller tail; `drawn` counts the observed order too (Phipson and Smyth 2010,
    /// doi:10.2202/1544-6115.1585).
    fn p(self, drawn: bool) -> f64 {
        let one = if drawn { 1.0 } else { 0.0 };
        (2.0 * (self.below.min(self.above) + one) / (self.of + one)).min(1.0)
    }
}

/// Calls `each` with every choice of `k` of `0..n`, in lexicographic order.
pub fn for_each_choice(n: usize, k: usize, mut each: impl FnMut(&[usize])) {
    let mut pick: Vec<usize> = (0..k).collect();
    loop {
        each(&pick);
        let Some(i) = (0..k).rev().find(|&i| pick[i] < n - k + i) else { return };
        pick[i] += 1;
        for j in i + 1..k {
            pick[j] = pick[j - 1] + 1;
        }
    }
}

/// Test of mean(a) − mean(b) against all ways to divide the units between both groups; p is twice the smaller tail.
///
/// # Errors
/// When a group is empty, or all values are equal.
pub fn means(a: &[f64], b: &[f64], resamples: usize, seed: u64) -> Estimable<Test> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    if a.is_empty() || b.is_empty() {
        return refuse("a group has no units");
    }
    if all.len() > MOST {
        return refuse("permutations of so many units take long and say what the t-test says");
    }
    if !super::describe::varies(&all) {
        return refuse("all units have the same value");
    }
    let (n, k) = (all.len(), a.len());
    let centre = mean(&all);
    let centred: Vec<f64> = all.iter().map(|v| v - centre).collect();
    let observed: f64 = centred[..k].iter().sum();
    let slack = 1e-12 * centred.iter().map(|v| v.abs()).sum::<f64>();
    let exact = choose(n, k) <= EXACT;
    let tails = if exact {
        let mut tails = Tails::default();
        for_each_choice(n, k, |pick| {
            let sum: f64 = pick.iter().map(|&i| centred[i]).sum();
            tails = tails.add(Tails::count(sum, observed, slack));
        });
        tails
    } else {
        (0..resamples)
            .into_par_iter()
            .map(|r| {
                let mut random = Random::new(seed, r as u64);
                let mut order = centred.clone();
                for i in 0..k {
                    order.swap(i, i + random.below(n - i));
                }
                Tails::count(order[..k].iter().sum(), observed, slack)
            })
            .reduce(Tails::default, Tails::add)
    };
    Ok(described(mean(a) - mean(b), tails, exact, resamples, seed))
}

/// Test of the mean of paired differences against all ways to swap the members of pairs.
///
/// # Errors
/// When no pair differs.
pub fn signs(differences: &[f64], resamples: usize, seed: u64) -> Estimable<Test> {
    if differences.iter().all(|&d| d == 0.0) {
        return refuse("no pair differs");
    }
    if differences.len() > MOST {
        return refuse("permutations of so many pairs take long and say what the t-test says");
    }
    let observed: f64 = differences.iter().sum();
    let slack = 1e-12 * differences.iter().map(|v| v.abs()).sum::<f64>();
    let exact = differences.len() <= 17;
    let count = if exact { 1usize << differences.len() } else { resamples };
    let tails = (0..count)
        .into_par_iter()
        .map(|r| {
            let mut random = Random::new(seed, r as u64);
            let mut bits = r as u64;
            let mut sum = 0.0;
            for (i, d) in differences.iter().enumerate() {
                if !exact && i % 64 == 0 {
                    bits = random.bits();
                }
                sum += if bits & 1 == 1 { -d } else { *d };
                bits >>= 1;
            }
            Tails::count(sum, observed, slack)
        })
        .reduce(Tails::default, Tails::add);
    Ok(described(mean(differences), tails, exact, resamples, seed))
}

fn described(statistic: f64, tails: Tails, exact: bool, resamples: usize, seed: u64) -> Test {
    let mut test = Test::new(statistic, None, None, tails.p(!exact));
    test.note = if exact {
        format!("exact: all {} permutations", tails.of)
    } else {
        format!("{resamples} permutations, seed {seed}")
    };
    test
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    /// First eight Adelie and Chinstrap penguins, body mass; SciPy 1.17.1, all 12870 permutations.
    #[test]
    fn exact_as_scipy() {
        let a = [3750.0, 3800.0, 3250.0, 3450.0, 3650.0, 3625.0, 4675.0, 3200.0];
        let c = [3500.0, 3900.0, 3650.0, 3525.0, 3725.0, 3950.0, 3250.0, 3750.0];
        let t = means(&a, &c, 0, 0).unwrap();
        near(t.statistic, 18.75, 1e-12);
        near(t.p, 0.9454545454545454, 1e-12);
        assert!(t.note.contains("12870"));
    }

    #[test]
    fn drawn_near_exact_on_any_number_of_threads() {
        let d: Vec<f64> = (0..18).map(|i| f64::from(i) - 5.0).collect();
        let p = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| signs(&d, 9999, 3).unwrap().p)
        };
        assert_eq!(p(1), p(3));
        let exact = signs(&d[..17], 0, 0).unwrap().p;
        assert!(exact > 0.0 && p(1) > 0.0 && p(1) < 0.02, "{exact} {}", p(1));
    }
}
