//! Tests of means: Student, Welch, paired, and analyses of variance of one factor.

use super::describe::{mean, sum_of_squares, variance, varies};
use super::distributions::{f_sf, t_two_sided, t_two_sided_isf};
use super::{Estimable, Interval, Test, refuse};

/// Refuses groups of fewer than two, and groups that vary nowhere.
fn check(groups: &[&[f64]]) -> Estimable<()> {
    if let Some(g) = groups.iter().position(|g| g.len() < 2) {
        return refuse(format!(
            "group {} has {} unit{}",
            g + 1,
            groups[g].len(),
            if groups[g].len() == 1 { "" } else { "s" }
        ));
    }
    if groups.iter().any(|g| varies(g)) {
        return Ok(());
    }
    let all: Vec<f64> = groups.iter().flat_map(|g| g.iter().copied()).collect();
    refuse(if varies(&all) {
        "no group varies within itself, so that there is nothing to measure the difference by"
    } else {
        "all units have the same value"
    })
}

/// Test of an estimate with a standard error and degrees of freedom by Student's t.
pub fn t_test(value: f64, se: f64, df: f64) -> Test {
    let t = value / se;
    let half = t_two_sided_isf(0.05, df) * se;
    let mut test = Test::new(t, Some(df), None, t_two_sided(t, df));
    test.estimate = Some(Interval { value, low: value - half, high: value + half });
    test
}

/// Student's t-test of two groups with one variance; the estimate is mean(a) − mean(b).
///
/// # Errors
/// When a group has fewer than two units, or none varies.
pub fn student(a: &[f64], b: &[f64]) -> Estimable<Test> {
    check(&[a, b])?;
    let (n, m) = (a.len() as f64, b.len() as f64);
    let df = n + m - 2.0;
    let pooled = (sum_of_squares(a) + sum_of_squares(b)) / df;
    Ok(t_test(mean(a) - mean(b), (pooled * (1.0 / n + 1.0 / m)).sqrt(), df))
}

/// Welch's t-test of two groups (Welch 1947, doi:10.1093/biomet/34.1-2.28); the estimate is mean(a) − mean(b).
///
/// # Errors
/// When a group has fewer than two units, or none varies.
pub fn welch(a: &[f64], b: &[f64]) -> Estimable<Test> {
    check(&[a, b])?;
    let (se, df) = welch_error(a, b);
    Ok(t_test(mean(a) - mean(b), se, df))
}

/// Standard error of mean(a) − mean(b), and Welch's degrees of freedom.
pub fn welch_error(a: &[f64], b: &[f64]) -> (f64, f64) {
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (u, v) = (variance(a) / n, variance(b) / m);
    ((u + v).sqrt(), (u + v) * (u + v) / (u * u / (n - 1.0) + v * v / (m - 1.0)))
}

/// Paired t-test of a − b.
///
/// # Errors
/// When there are fewer than two pairs, or all differences are equal.
pub fn paired(a: &[f64], b: &[f64]) -> Estimable<Test> {
    let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    if d.len() < 2 {
        return refuse(format!("{} pair{}", d.len(), if d.len() == 1 { "" } else { "s" }));
    }
    // Equal differences of large values differ by the rounding of these.
    let size = a.iter().chain(b).fold(0.0f64, |m, v| m.max(v.abs()));
    let centre = mean(&d);
    if d.iter().all(|v| (v - centre).abs() <= 1e-13 * size) {
        return refuse("all pairs differ by the same amount");
    }
    let n = d.len() as f64;
    Ok(t_test(mean(&d), (variance(&d) / n).sqrt(), n - 1.0))
}

/// One-way analysis of variance.
///
/// # Errors
/// When a group is empty, no degrees of freedom are left, or no group varies.
pub fn anova(groups: &[&[f64]]) -> Estimable<Test> {
    check(&groups.iter().copied().filter(|g| g.len() != 1).collect::<Vec<_>>())?;
    let all: Vec<f64> = groups.iter().flat_map(|g| g.iter().copied()).collect();
    let (n, k) = (all.len() as f64, groups.len() as f64);
    let grand = mean(&all);
    let between: f64 = groups.iter().map(|g| g.len() as f64 * (mean(g) - grand).powi(2)).sum();
    let within: f64 = groups.iter().map(|g| sum_of_squares(g)).sum();
    let (df1, df2) = (k - 1.0, n - k);
    let f = (between / df1) / (within / df2);
    Ok(Test::new(f, Some(df1), Some(df2), f_sf(f, df1, df2)))
}

/// Welch's analysis of variance for unequal variances (Welch 1951, doi:10.1093/biomet/38.3-4.330).
///
/// # Errors
/// When a group has fewer than two units, or one doesn't vary.
pub fn welch_anova(groups: &[&[f64]]) -> Estimable<Test> {
    check(groups)?;
    if let Some(g) = groups.iter().position(|g| !varies(g)) {
        return refuse(format!("group {} doesn't vary", g + 1));
    }
    let k = groups.len() as f64;
    let w: Vec<f64> = groups.iter().map(|g| g.len() as f64 / variance(g)).collect();
    let total: f64 = w.iter().sum();
    let centre = groups.iter().zip(&w).map(|(g, w)| w * mean(g)).sum::<f64>() / total;
    let between = groups.iter().zip(&w).map(|(g, w)| w * (mean(g) - centre).powi(2)).sum::<f64>() / (k - 1.0);
    let spread: f64 =
        groups.iter().zip(&w).map(|(g, w)| (1.0 - w / total).powi(2) / (g.len() as f64 - 1.0)).sum();
    let f = between / (1.0 + 2.0 * (k - 2.0) / (k * k - 1.0) * spread);
    let (df1, df2) = (k - 1.0, (k * k - 1.0) / (3.0 * spread));
    Ok(Test::new(f, Some(df1), Some(df2), f_sf(f, df1, df2)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Relative agreement of `got` with `want`.
    pub fn near(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance * want.abs().max(1e-300), "{got:e} is not {want:e}");
    }

    /// Means of three replicates under two conditions (superplots, `tidy.csv`), with SciPy 1.17.1.
    pub const CONTROL: [f64; 3] = [41.4906096, 32.6380034, 20.622035];
    pub const DRUG: [f64; 3] = [29.57391172, 22.3176526, 12.89815672];

    #[test]
    fn means_of_replicates() {
        let t = welch(&CONTROL, &DRUG).unwrap();
        near(t.statistic, 1.2906817134065889, 1e-6);
        near(t.df1.unwrap(), 3.8128161443379693, 1e-6);
        near(t.p, 0.26951439354631473, 1e-6);
        near(student(&CONTROL, &DRUG).unwrap().p, 0.2663628358555776, 1e-6);
        let t = paired(&CONTROL, &DRUG).unwrap();
        near(t.statistic, 8.174075882056934, 1e-6);
        near(t.p, 0.014638752938521462, 1e-6);
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        assert!(welch(&[1.0], &[2.0, 3.0]).unwrap_err().to_string().contains("group 1 has 1 unit"));
        assert!(welch(&[0.1; 3], &[0.1; 4]).unwrap_err().to_string().contains("same value"));
        assert!(welch(&[0.1; 3], &[0.2; 4]).unwrap_err().to_string().contains("no group varies"));
        assert!(paired(&[1.1, 2.1, 3.1], &[1.0, 2.0, 3.0]).unwrap_err().to_string().contains("same amount"));
        assert!(anova(&[&[1.0], &[2.0]]).is_err());
        assert!(welch_anova(&[&[1.0, 2.0], &[2.0, 2.0], &[1.0, 5.0]]).is_err());
    }
}
