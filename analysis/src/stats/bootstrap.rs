//! Bootstrap intervals, corrected for bias and acceleration (Efron 1987, doi:10.1080/01621459.1987.10478410).

use super::describe::{mean, quantile};
use super::distributions::{normal_isf, normal_sf};
use super::{Estimable, Interval, refuse};
use crate::matrix::Random;
use rayon::prelude::*;

/// Units a group beyond which the jackknife, which is quadratic, is not made.
const MOST: usize = 5000;

/// 95 % interval, corrected for bias and acceleration, of `statistic` of several groups that are resampled apart; seeded, the same for any number of
/// threads.
///
/// # Errors
/// When a group has fewer than two members or more than 5000, or resamples don't vary.
pub fn bca(
    groups: &[&[f64]],
    statistic: impl Fn(&[Vec<f64>]) -> f64 + Sync,
    resamples: usize,
    seed: u64,
) -> Estimable<Interval> {
    if groups.iter().any(|g| g.len() < 2) {
        return refuse("a bootstrap needs two units a group");
    }
    if groups.iter().any(|g| g.len() > MOST) {
        return refuse("a bootstrap of so many units takes long and says what the t interval says");
    }
    let own: Vec<Vec<f64>> = groups.iter().map(|g| g.to_vec()).collect();
    let value = statistic(&own);
    let mut drawn: Vec<f64> = (0..resamples)
        .into_par_iter()
        .map(|r| {
            let mut random = Random::new(seed, r as u64);
            let draw = |g: &&[f64]| (0..g.len()).map(|_| g[random.below(g.len())]).collect();
            statistic(&groups.iter().map(draw).collect::<Vec<Vec<f64>>>())
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    if drawn.is_empty() || !super::describe::varies(&drawn) || drawn.iter().any(|v| v.is_nan()) {
        return refuse("resamples don't vary");
    }
    let b = resamples as f64;
    let below = drawn.partition_point(|v| *v < value) as f64;
    let equal = drawn.partition_point(|v| *v <= value) as f64 - below;
    let share = ((below + 0.5 * equal) / b).clamp(0.5 / b, 1.0 - 0.5 / b);
    let bias = -normal_isf(share);
    let (mut cubes, mut squares) = (0.0, 0.0);
    for (g, values) in groups.iter().enumerate() {
        let left_out: Vec<f64> = (0..values.len())
            .into_par_iter()
            .map(|i| {
                let mut sample = own.clone();
                sample[g].remove(i);
                statistic(&sample)
            })
            .collect();
        let (n, centre) = (left_out.len() as f64, mean(&left_out));
        cubes += left_out.iter().map(|v| (centre - v).powi(3)).sum::<f64>() / n.powi(3);
        squares += left_out.iter().map(|v| (centre - v).powi(2)).sum::<f64>() / n.powi(2);
    }
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
    let end = |z: f64| {
        let at = bias + (bias + z) / (1.0 - acceleration * (bias + z));
        quantile(&drawn, normal_sf(-at))
    };
    let z = 1.959_963_984_540_054;
    Ok(Interval { value, low: end(-z), high: end(z) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A skewed sample whose interval is known: SciPy 1.17.1, `bootstrap(method="BCa", n_resamples=400_000)`.
    #[test]
    fn near_scipy_on_any_number_of_threads() {
        let x = [0.1, 0.3, 0.4, 0.7, 0.9, 1.2, 1.6, 2.4, 3.9, 8.8];
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bca(&[&x], |s| mean(&s[0]), 20_000, 1).unwrap())
        };
        let i = run(1);
        assert_eq!(i, run(2));
        assert!((i.low - SCIPY.0).abs() < 0.03 && (i.high - SCIPY.1).abs() < 0.12, "{i:?}");
        assert!(bca(&[&[1.0, 1.0]], |s| mean(&s[0]), 99, 1).is_err());
    }
    const SCIPY: (f64, f64) = (0.97, 4.58);
}
