//! Correlation of two numbers: Pearson, Spearman, Kendall.

use super::describe::{mean, midranks, varies};
use super::distributions::{normal_two_sided, t_two_sided};
use super::{Estimable, Interval, Test, refuse};

fn check(x: &[f64], y: &[f64]) -> Estimable<()> {
    if x.len() < 3 {
        return refuse("a correlation needs three units");
    }
    if !varies(x) || !varies(y) {
        return refuse("one of both columns doesn't vary");
    }
    Ok(())
}

/// Pearson's r with its t-test; the interval is Fisher's (1921) by z = artanh r.
///
/// # Errors
/// When there are fewer than three units, or one column doesn't vary.
pub fn pearson(x: &[f64], y: &[f64]) -> Estimable<Test> {
    check(x, y)?;
    let (mx, my) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    let r = (sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()).clamp(-1.0, 1.0);
    let n = x.len() as f64;
    let t = r * ((n - 2.0) / ((1.0 - r) * (1.0 + r))).sqrt();
    let mut test = Test::new(t, Some(n - 2.0), None, t_two_sided(t, n - 2.0));
    if n > 3.0 && r.abs() < 1.0 {
        let half = 1.959_963_984_540_054 / (n - 3.0).sqrt();
        test.estimate =
            Some(Interval { value: r, low: (r.atanh() - half).tanh(), high: (r.atanh() + half).tanh() });
    } else {
        test.estimate = Some(Interval { value: r, low: f64::NAN, high: f64::NAN });
    }
    Ok(test)
}

/// Spearman's ρ: Pearson's r of midranks; its interval by Bonett and Wright (2000, doi:10.1007/BF02294183).
///
/// # Errors
/// As [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Estimable<Test> {
    check(x, y)?;
    let mut test = pearson(&midranks(x).0, &midranks(y).0)?;
    if let Some(e) = &mut test.estimate {
        let n = x.len() as f64;
        let half = 1.959_963_984_540_054 * ((1.0 + e.value * e.value / 2.0) / (n - 3.0)).sqrt();
        (e.low, e.high) = ((e.value.atanh() - half).tanh(), (e.value.atanh() + half).tanh());
    }
    Ok(test)
}

/// Kendall's τ-b in n log n (Knight 1966, doi:10.1080/01621459.1966.10480879); p is exact without ties up to 100 units
/// (the distribution of inversions), else normal with tie correction.
///
/// # Errors
/// As [`pearson`].
pub fn kendall(x: &[f64], y: &[f64]) -> Estimable<Test> {
    check(x, y)?;
    let n = x.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]).then(y[a].total_cmp(&y[b])));
    let tied = |same: &dyn Fn(usize, usize) -> bool, order: &[usize]| {
        let mut runs = vec![];
        let mut start = 0;
        for i in 1..=n {
            if i == n || !same(order[i - 1], order[i]) {
                runs.push((i - start) as f64);
                start = i;
            }
        }
        runs
    };
    let pairs = |runs: &[f64]| runs.iter().map(|t| t * (t - 1.0) / 2.0).sum::<f64>();
    let runs_x = tied(&|a, b| x[a] == x[b], &order);
    let both = pairs(&tied(&|a, b| x[a] == x[b] && y[a] == y[b], &order));
    let mut sequence: Vec<f64> = order.iter().map(|&i| y[i]).collect();
    let swaps = inversions(&mut sequence);
    let by_y: Vec<usize> = {
        let mut o: Vec<usize> = (0..n).collect();
        o.sort_by(|&a, &b| y[a].total_cmp(&y[b]));
        o
    };
    let runs_y = tied(&|a, b| y[a] == y[b], &by_y);
    let (tx, ty) = (pairs(&runs_x), pairs(&runs_y));
    let m = n as f64;
    let all = m * (m - 1.0) / 2.0;
    // Concordant minus discordant pairs.
    let s = all - tx - ty + both - 2.0 * swaps;
    let tau = s / ((all - tx) * (all - ty)).sqrt();
    let mut test = if tx == 0.0 && ty == 0.0 && n <= 100 {
        let mut t = Test::new(tau, None, None, exact_inversions(n, swaps as usize));
        t.note = "exact".into();
        t
    } else {
        let sum = |runs: &[f64], f: &dyn Fn(f64) -> f64| runs.iter().map(|&t| f(t)).sum::<f64>();
        let v = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
        let v1 = |t: f64| t * (t - 1.0);
        let v2 = |t: f64| t * (t - 1.0) * (t - 2.0);
        let variance = (v(m) - sum(&runs_x, &v) - sum(&runs_y, &v)) / 18.0
            + sum(&runs_x, &v1) * sum(&runs_y, &v1) / (2.0 * m * (m - 1.0))
            + sum(&runs_x, &v2) * sum(&runs_y, &v2) / (9.0 * m * (m - 1.0) * (m - 2.0));
        let mut t = Test::new(tau, None, None, normal_two_sided(s / variance.sqrt()));
        t.note = "normal approximation with tie correction".into();
        t
    };
    test.estimate = Some(Interval { value: tau, low: f64::NAN, high: f64::NAN });
    Ok(test)
}

/// Number of pairs in the wrong order, by merging; sorts.
fn inversions(v: &mut [f64]) -> f64 {
    if v.len() < 2 {
        return 0.0;
    }
    let (left, right) = v.split_at_mut(v.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if j == right.len() || (i < left.len() && left[i] <= right[j]) {
            merged.push(left[i]);
            i += 1;
        } else {
            count += (left.len() - i) as f64;
            merged.push(right[j]);
            j += 1;
        }
    }
    v.copy_from_slice(&merged);
    count
}

/// Twice the smaller tail of the number of inversions of a random order.
fn exact_inversions(n: usize, observed: usize) -> f64 {
    let most = n * (n - 1) / 2;
    // Shares, not counts: n! is too large.
    let mut share = vec![0.0f64; most + 1];
    share[0] = 1.0;
    let mut reach = 0;
    for i in 2..=n {
        let mut next = vec![0.0f64; most + 1];
        let mut window = 0.0;
        for s in 0..reach + i {
            window += share[s];
            if s >= i {
                window -= share[s - i];
            }
            next[s] = window.max(0.0) / i as f64;
        }
        share = next;
        reach += i - 1;
    }
    let side = observed.min(most - observed);
    (2.0 * share[..=side].iter().sum::<f64>()).min(1.0)
}
