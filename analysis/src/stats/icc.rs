//! Intraclass correlation: the share of variance that lies between units.

use super::describe::{mean, sum_of_squares};
use super::distributions::{f_isf, f_sf};
use super::{Estimable, Interval, Test, refuse};

/// ICC(1) of a one-way random model (Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420), with its F-test and exact
/// interval; for units of different sizes by their harmonic-like mean n₀ (Donner 1986, doi:10.2307/1403259). `groups`
/// numbers the group of every unit, whose mean is taken out first.
///
/// # Errors
/// When there are no two units a group to spare, no unit has two objects, or nothing varies within units.
pub fn one_way(units: &[&[f64]], groups: &[usize]) -> Estimable<Test> {
    let n: f64 = units.iter().map(|u| u.len() as f64).sum();
    let k = groups.iter().max().map_or(0, |m| m + 1);
    let df1 = units.len() as f64 - k as f64;
    let df2 = n - units.len() as f64;
    if df1 < 1.0 || df2 < 1.0 {
        return refuse("no unit or group has two members");
    }
    let mut between = 0.0;
    let mut squares = 0.0;
    for g in 0..k {
        let members: Vec<&[f64]> =
            units.iter().zip(groups).filter(|(_, h)| **h == g).map(|(u, _)| *u).collect();
        let size: f64 = members.iter().map(|u| u.len() as f64).sum();
        let centre = members.iter().map(|u| mean(u) * u.len() as f64).sum::<f64>() / size;
        between += members.iter().map(|u| u.len() as f64 * (mean(u) - centre).powi(2)).sum::<f64>();
        squares += members.iter().map(|u| (u.len() as f64).powi(2)).sum::<f64>() / size;
    }
    let within = units.iter().map(|u| sum_of_squares(u)).sum::<f64>() / df2;
    let between = between / df1;
    if within <= 1e-26 * units.iter().flat_map(|u| u.iter()).fold(0.0f64, |m, v| m.max(v * v)) {
        return refuse("objects of a unit don't vary");
    }
    let n0 = (n - squares) / df1;
    let f = between / within;
    let icc = |f: f64| (f - 1.0) / (f + n0 - 1.0);
    let mut test = Test::new(f, Some(df1), Some(df2), f_sf(f, df1, df2));
    let (low, high) = (icc(f / f_isf(0.025, df1, df2)), icc(f * f_isf(0.025, df2, df1)));
    test.estimate = Some(Interval { value: icc(f), low, high });
    Ok(test)
}

#[cfg(test)]
mod tests {
    use super::super::means::tests::near;
    use super::*;

    /// `Dyestuff` (Davies 1947) by pingouin 0.7.0, whose interval is 0.08 … 0.85.
    #[test]
    fn dyestuff() {
        let d = super::super::mixed::tests::DYESTUFF;
        let units: Vec<&[f64]> = d.chunks(5).collect();
        let t = one_way(&units, &[0; 6]).unwrap();
        near(t.statistic, 4.598266, 1e-6);
        near(t.p, 0.004398, 1e-3);
        let e = t.estimate.unwrap();
        near(e.value, 0.418487, 1e-5);
        assert!((e.low - 0.08).abs() < 0.005 && (e.high - 0.85).abs() < 0.005, "{e:?}");
    }
}
