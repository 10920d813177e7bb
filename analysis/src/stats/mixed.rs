//! Linear mixed models with random intercepts of units, or of pairs and of units nested in them, by exact profile
//! restricted likelihood (Bates et al. 2015, doi:10.18637/jss.v067.i01), with Satterthwaite's degrees of freedom
//! (Kuznetsova et al. 2017, doi:10.18637/jss.v082.i13).
//!
//! The model is y = X b + u + v + e. Objects enter by cross-products of each unit only, so that one evaluation of the
//! likelihood costs the number of units, not of objects.

use super::distributions::f_sf;
use super::linear::Basis;
use super::means::t_test;
use super::solve::minimum;
use super::{Estimable, Test, refuse};

/// Mean of a unit in the coordinates of an orthonormal basis of X, y being the last.
#[derive(Debug)]
struct Unit {
    outer: usize,
    n: f64,
    mean: Vec<f64>,
}

/// Fitted model.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// Coefficients of the columns of X.
    pub coefficients: Vec<f64>,
    /// Covariance of the coefficients, row by row.
    pub covariance: Vec<f64>,
    /// Variance of the intercepts of outer groups (0 without them).
    pub variance_outer: f64,
    /// Variance of the intercepts of units.
    pub variance_unit: f64,
    /// Variance of the residual.
    pub variance_residual: f64,
    /// Logarithm of the restricted likelihood.
    pub log_likelihood: f64,
    model: Model,
    /// Standard deviations of intercepts relative to the residual's: outer, unit.
    ratio: [f64; 2],
}

/// Data of a model.
#[derive(Debug, Clone)]
struct Model {
    units: std::sync::Arc<Vec<Unit>>,
    /// Cross-products about the means of units, of X and y together, row by row.
    within: Vec<f64>,
    outer: usize,
    n: f64,
    basis: std::sync::Arc<Basis>,
    /// ln det R² of the basis: the likelihood is that of the original columns.
    ln_det: f64,
}

/// Likelihood at one pair of ratios, before the residual's variance.
struct Profile {
    /// ln det V + ln det X'V⁻¹X.
    ln_det: f64,
    /// Weighted residual sum of squares.
    squares: f64,
    /// Coefficients in the basis.
    b: Vec<f64>,
    /// Inverse of X'V⁻¹X in the basis, row by row.
    inverse: Vec<f64>,
}

/// Fits y on the columns `x` with a random intercept of `unit` (numbered from 0), nested in `outer` where given.
///
/// # Errors
/// When the columns depend on each other, units are too few, or no residual is left.
pub fn fit(y: &[f64], x: &[Vec<f64>], unit: &[usize], outer: Option<&[usize]>) -> Estimable<Mixed> {
    let basis = Basis::of(x.iter().map(Vec::as_slice));
    if basis.rank() < x.len() {
        return refuse("the columns of the model depend on each other");
    }
    let count = unit.iter().max().map_or(0, |m| m + 1);
    let p = x.len();
    if count <= p.max(1) || y.len() <= count {
        return refuse("too few units, or no unit with two objects");
    }
    // y without its projection: sums of squares keep their precision.
    let r = basis.residual(y);
    let columns: Vec<&[f64]> = basis.columns.iter().map(Vec::as_slice).chain([&r[..]]).collect();
    let mut units: Vec<Unit> =
        (0..count).map(|_| Unit { outer: 0, n: 0.0, mean: vec![0.0; p + 1] }).collect();
    for i in 0..y.len() {
        let u = &mut units[unit[i]];
        u.outer = outer.map_or(0, |o| o[i]);
        u.n += 1.0;
        u.mean.iter_mut().zip(&columns).for_each(|(m, c)| *m += c[i]);
    }
    units.iter_mut().for_each(|u| u.mean.iter_mut().for_each(|m| *m /= u.n));
    let mut products = vec![0.0; (p + 1) * (p + 1)];
    let mut off = vec![0.0; p + 1];
    for i in 0..y.len() {
        off.iter_mut().zip(&columns).zip(&units[unit[i]].mean).for_each(|((o, c), m)| *o = c[i] - m);
        add_square(&mut products, &off, 1.0);
    }
    let squares: f64 = r.iter().map(|v| v * v).sum();
    let within = products[(p + 1) * (p + 1) - 1];
    let size = y.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if within <= 1e-12 * squares || squares <= 1e-24 * size * size * y.len() as f64 {
        return refuse("objects of a unit don't vary");
    }
    finish(&basis, units, products, outer.is_some(), y.len() as f64, &columns_of(&basis, y))
}

fn columns_of(basis: &Basis, y: &[f64]) -> Vec<f64> {
    basis.columns.iter().map(|q| q.iter().zip(y).map(|(q, y)| q * y).sum()).collect()
}

/// Fits the model where the columns `x` are the same for all objects of a unit, as those of groups are: the means and
/// sizes of units and the sum of squares within them say all there is to know, so that the number of objects has no cost.
///
/// # Errors
/// As [`fit`].
pub fn fit_means(
    means: &[f64],
    sizes: &[f64],
    within: f64,
    x: &[Vec<f64>],
    outer: Option<&[usize]>,
) -> Estimable<Mixed> {
    let roots: Vec<f64> = sizes.iter().map(|n| n.sqrt()).collect();
    let scaled = |v: &[f64]| v.iter().zip(&roots).map(|(v, r)| v * r).collect::<Vec<f64>>();
    let x: Vec<Vec<f64>> = x.iter().map(|c| scaled(c)).collect();
    let basis = Basis::of(x.iter().map(Vec::as_slice));
    let n: f64 = sizes.iter().sum();
    if basis.rank() < x.len() {
        return refuse("the columns of the model depend on each other");
    }
    if means.len() <= x.len() || n <= means.len() as f64 {
        return refuse("too few units, or no unit with two objects");
    }
    let size = means.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if within <= 1e-24 * size * size * n {
        return refuse("objects of a unit don't vary");
    }
    let y = scaled(means);
    let r = basis.residual(&y);
    let units = (0..means.len())
        .map(|i| Unit {
            outer: outer.map_or(0, |o| o[i]),
            n: sizes[i],
            mean: basis.columns.iter().chain([&r]).map(|c| c[i] / roots[i]).collect(),
        })
        .collect();
    let q = x.len() + 1;
    let mut products = vec![0.0; q * q];
    products[q * q - 1] = within;
    finish(&basis, units, products, outer.is_some(), n, &columns_of(&basis, &y))
}

fn finish(
    basis: &Basis,
    units: Vec<Unit>,
    within: Vec<f64>,
    nested: bool,
    n: f64,
    start: &[f64],
) -> Estimable<Mixed> {
    let ln_det = basis.upper.iter().enumerate().map(|(i, c)| 2.0 * c[i].abs().ln()).sum();
    let outer = if nested { units.iter().map(|u| u.outer + 1).max().unwrap_or(0) } else { 0 };
    let upper = Basis { columns: vec![], upper: basis.upper.clone() };
    let model = Model {
        units: std::sync::Arc::new(units),
        within,
        outer,
        n,
        basis: std::sync::Arc::new(upper),
        ln_det,
    };
    let ratio = model.best()?;
    let at = model.profile(ratio);
    let variance = at.squares / (n - start.len() as f64);
    let b: Vec<f64> = at.b.iter().zip(start).map(|(b, s)| b + s).collect();
    Ok(Mixed {
        coefficients: model.basis.solve(&b),
        covariance: model.covariance(&at.inverse, variance),
        variance_outer: ratio[0] * ratio[0] * variance,
        variance_unit: ratio[1] * ratio[1] * variance,
        variance_residual: variance,
        log_likelihood: -0.5 * model.deviance(ratio),
        model,
        ratio,
    })
}

impl Model {
    fn p(&self) -> usize {
        self.basis.upper.len()
    }

    fn profile(&self, ratio: [f64; 2]) -> Profile {
        let p = self.p();
        let q = p + 1;
        let [outer, inner] = ratio.map(|r| r * r);
        let mut all = self.within.clone();
        let mut ln_det = 0.0;
        // Weight of every outer group, and the weighted mean of its units: all sums are about these, without cancellation.
        let mut groups = vec![(0.0, vec![0.0; q]); self.outer.max(1)];
        let weight = |u: &Unit| u.n / (1.0 + inner * u.n);
        for u in self.units.iter() {
            ln_det += (inner * u.n).ln_1p();
            let w = weight(u);
            let (total, mean) = &mut groups[u.outer];
            *total += w;
            mean.iter_mut().zip(&u.mean).for_each(|(s, m)| *s += w * m);
        }
        for (total, mean) in &mut groups {
            mean.iter_mut().for_each(|m| *m /= *total);
            ln_det += (outer * *total).ln_1p();
            add_square(&mut all, mean, *total / (1.0 + outer * *total));
        }
        let mut off = vec![0.0; q];
        for u in self.units.iter() {
            off.iter_mut().zip(&u.mean).zip(&groups[u.outer].1).for_each(|((o, m), g)| *o = m - g);
            add_square(&mut all, &off, weight(u));
        }
        let xx: Vec<f64> = (0..p).flat_map(|j| all[j * q..j * q + p].to_vec()).collect();
        let xy = &all[p * q..p * q + p];
        let (inverse, ln_det_xx) = invert(&xx, p);
        let b: Vec<f64> = (0..p).map(|j| (0..p).map(|k| inverse[j * p + k] * xy[k]).sum()).collect();
        let squares = all[q * q - 1] - b.iter().zip(xy).map(|(b, v)| b * v).sum::<f64>();
        Profile { ln_det: ln_det + ln_det_xx + self.ln_det, squares, b, inverse }
    }

    /// −2 times the logarithm of the restricted likelihood, at the residual's best variance.
    fn deviance(&self, ratio: [f64; 2]) -> f64 {
        let at = self.profile(ratio);
        let df = self.n - self.p() as f64;
        at.ln_det + df * (1.0 + (std::f64::consts::TAU * at.squares / df).ln())
    }

    /// Ratios of the largest likelihood.
    fn best(&self) -> Estimable<[f64; 2]> {
        let inner = |outer: f64| best_of(|s| self.deviance([outer, s]));
        let ratio = if self.outer == 0 {
            [0.0, inner(0.0)]
        } else {
            let outer = best_of(|s| self.deviance([s, inner(s)]));
            [outer, inner(outer)]
        };
        if ratio.iter().any(|r| *r > 1e7) {
            return refuse("the variance between units has no bound");
        }
        Ok(ratio)
    }

    fn covariance(&self, inverse: &[f64], variance: f64) -> Vec<f64> {
        let p = self.p();
        // R⁻¹ M R⁻ᵀ by two solutions.
        let half: Vec<Vec<f64>> = (0..p)
            .map(|k| self.basis.solve(&(0..p).map(|j| inverse[j * p + k]).collect::<Vec<_>>()))
            .collect();
        let mut out = vec![0.0; p * p];
        for j in 0..p {
            let row: Vec<f64> = (0..p).map(|k| half[k][j]).collect();
            let solved = self.basis.solve(&row);
            (0..p).for_each(|k| out[j * p + k] = solved[k] * variance);
        }
        out
    }
}

/// Adds `scale` v v' to a square matrix.
fn add_square(m: &mut [f64], v: &[f64], scale: f64) {
    let q = v.len();
    for (j, a) in v.iter().enumerate() {
        let a = a * scale;
        m[j * q..(j + 1) * q].iter_mut().zip(v).for_each(|(m, b)| *m += a * b);
    }
}

/// Non-negative argument of the smallest `f`: a grid of magnitudes, then Brent's method in the logarithm; 0 where that is
/// no worse.
fn best_of(f: impl Fn(f64) -> f64) -> f64 {
    let grid: Vec<f64> = (-8..=14).map(f64::from).collect();
    let at: Vec<f64> = grid.iter().map(|g| f(g.exp())).collect();
    let lowest = (0..grid.len()).min_by(|&a, &b| at[a].total_cmp(&at[b])).unwrap_or(0);
    let s = minimum(|g| f(g.exp()), grid[lowest] - 1.0, grid[lowest] + 1.0).exp();
    if f(0.0) <= f(s) + 1e-10 { 0.0 } else { s }
}

/// Inverse and logarithm of the determinant of a positive definite matrix, by Cholesky's decomposition.
fn invert(m: &[f64], p: usize) -> (Vec<f64>, f64) {
    let mut l = vec![0.0; p * p];
    let mut ln_det = 0.0;
    for j in 0..p {
        for i in j..p {
            let s: f64 = (0..j).map(|k| l[i * p + k] * l[j * p + k]).sum();
            let v = m[i * p + j] - s;
            l[i * p + j] = if i == j { v.max(1e-300).sqrt() } else { v / l[j * p + j] };
        }
        ln_det += 2.0 * l[j * p + j].ln();
    }
    let mut out = vec![0.0; p * p];
    for c in 0..p {
        let mut z = vec![0.0; p];
        for i in 0..p {
            let s: f64 = (0..i).map(|k| l[i * p + k] * z[k]).sum();
            z[i] = ((if i == c { 1.0 } else { 0.0 }) - s) / l[i * p + i];
        }
        for i in (0..p).rev() {
            let s: f64 = (i + 1..p).map(|k| l[k * p + i] * out[k * p + c]).sum();
            out[i * p + c] = (z[i] - s) / l[i * p + i];
        }
    }
    (out, ln_det)
}

impl Mixed {
    /// True when a variance of intercepts is estimated as 0: the fit is singular.
    pub fn singular(&self) -> bool {
        self.ratio[1] == 0.0
    }

    /// t-test of coefficient `j`, with Satterthwaite's degrees of freedom.
    pub fn coefficient(&self, j: usize) -> Test {
        let p = self.coefficients.len();
        let mut c = vec![0.0; p];
        c[j] = 1.0;
        t_test(self.coefficients[j], self.covariance[j * p + j].sqrt(), self.satterthwaite(&c))
    }

    /// F-test of coefficients `from..to` together, with Satterthwaite's degrees of freedom of the eigenvectors of their
    /// covariance (Fai and Cornelius 1996, doi:10.1080/00949659608811740).
    pub fn term(&self, from: usize, to: usize) -> Test {
        let p = self.coefficients.len();
        let q = to - from;
        if q == 1 {
            let t = self.coefficient(from);
            return Test::new(t.statistic * t.statistic, Some(1.0), t.df1, t.p);
        }
        let block: Vec<f64> =
            (from..to).flat_map(|i| (from..to).map(move |j| self.covariance[i * p + j])).collect();
        let (values, vectors) = eigen(&block, q);
        let (mut f, mut expected) = (0.0, 0.0);
        for (m, value) in values.iter().enumerate() {
            let mut c = vec![0.0; p];
            (0..q).for_each(|i| c[from + i] = vectors[i * q + m]);
            let t2 = c.iter().zip(&self.coefficients).map(|(c, b)| c * b).sum::<f64>().powi(2) / value;
            f += t2 / q as f64;
            let df = self.satterthwaite(&c);
            if df > 2.0 {
                expected += df / (df - 2.0);
            }
        }
        let q = q as f64;
        let df2 = if expected > q { 2.0 * expected / (expected - q) } else { f64::INFINITY };
        Test::new(f, Some(q), Some(df2), f_sf(f, q, df2))
    }

    /// Degrees of freedom of a contrast: 2 v² / (g' A g), v being its variance, g its gradient in the parameters of the
    /// variances and A their asymptotic covariance, twice the inverse of the Hessian of the deviance.
    fn satterthwaite(&self, contrast: &[f64]) -> f64 {
        let free: Vec<usize> = (0..2).filter(|&i| self.ratio[i] > 0.0).collect();
        let m = free.len();
        let df = self.model.n - self.coefficients.len() as f64;
        let s2 = self.variance_residual;
        // ln det, residual squares and the contrast's variance, as functions of the logarithms of the free ratios.
        let at = |steps: &[f64]| {
            let mut ratio = self.ratio;
            free.iter().zip(steps).for_each(|(&i, d)| ratio[i] *= d.exp());
            let profile = self.model.profile(ratio);
            let cov = self.model.covariance(&profile.inverse, 1.0);
            let p = contrast.len();
            let v: f64 = (0..p)
                .flat_map(|i| (0..p).map(move |j| (i, j)))
                .map(|(i, j)| contrast[i] * contrast[j] * cov[i * p + j])
                .sum();
            [profile.ln_det, profile.squares, v]
        };
        let h = 5e-3;
        let moved = |i: usize, d: f64| {
            let mut steps = vec![0.0; m];
            steps[i] = d;
            at(&steps)
        };
        let v = at(&vec![0.0; m])[2] * s2;
        let mut hessian = vec![0.0; (m + 1) * (m + 1)];
        let mut gradient = vec![v; m + 1];
        hessian[0] = df;
        let centre = at(&vec![0.0; m]);
        for i in 0..m {
            let [a, b, c, d] = [-2.0, -1.0, 1.0, 2.0].map(|k| moved(i, k * h));
            let first = |k: usize| (a[k] - 8.0 * b[k] + 8.0 * c[k] - d[k]) / (12.0 * h);
            let second =
                |k: usize| (-a[k] + 16.0 * b[k] - 30.0 * centre[k] + 16.0 * c[k] - d[k]) / (12.0 * h * h);
            gradient[i + 1] = first(2) * s2;
            let cross = -first(1) / s2;
            hessian[i + 1] = cross;
            hessian[(i + 1) * (m + 1)] = cross;
            hessian[(i + 1) * (m + 1) + i + 1] = second(0) + second(1) / s2;
        }
        if m == 2 {
            let mixed = |k: usize| {
                let d = |h: f64| {
                    (at(&[h, h])[k] - at(&[h, -h])[k] - at(&[-h, h])[k] + at(&[-h, -h])[k]) / (4.0 * h * h)
                };
                (4.0 * d(h) - d(2.0 * h)) / 3.0
            };
            let cross = mixed(0) + mixed(1) / s2;
            hessian[5] = cross;
            hessian[7] = cross;
        }
        let (values, vectors) = eigen(&hessian, m + 1);
        let spread: f64 = (0..=m)
            .filter(|&e| values[e] > 1e-9 * df)
            .map(|e| {
                let along: f64 = (0..=m).map(|i| vectors[i * (m + 1) + e] * gradient[i]).sum();
                2.0 * along * along / values[e]
            })
            .sum();
        2.0 * v * v / spread
    }
}

/// Eigenvalues and eigenvectors (as columns) of a symmetric matrix, by Jacobi's rotations.
fn eigen(m: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = m.to_vec();
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    for _ in 0..60 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        let on: f64 = (0..n).map(|i| a[i * n + i].powi(2)).sum();
        if off <= 1e-30 * on {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (v[k * n + p], v[k * n + q]);
                    (v[k * n + p], v[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), v)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::means::{student, tests::near};
    use super::*;

    /// Yield of five samples of each of six batches (Davies 1947).
    pub const DYESTUFF: [f64; 30] = [
        1545.0, 1440.0, 1440.0, 1520.0, 1580.0, 1540.0, 1555.0, 1490.0, 1560.0, 1495.0, 1595.0, 1550.0,
        1605.0, 1510.0, 1560.0, 1445.0, 1440.0, 1595.0, 1465.0, 1545.0, 1595.0, 1630.0, 1515.0, 1635.0,
        1625.0, 1520.0, 1455.0, 1450.0, 1480.0, 1445.0,
    ];

    /// lme4 (Bates et al. 2015): σ² of batches 1764.05, residual 2451.25, REML criterion 319.6543; balanced, so that these
    /// are mean squares: MSW = 2451.25, (MSB − MSW) / 5 = 1764.05.
    #[test]
    fn dyestuff() {
        let unit: Vec<usize> = (0..30).map(|i| i / 5).collect();
        let m = fit(&DYESTUFF, &[vec![1.0; 30]], &unit, None).unwrap();
        near(m.variance_unit, 1764.05, 1e-6);
        near(m.variance_residual, 2451.25, 1e-7);
        near(-2.0 * m.log_likelihood, 319.654_276_842_342_2, 1e-9);
        near(m.coefficients[0], 1527.5, 1e-12);
        // The only contrast is the mean of six batches.
        near(m.coefficient(0).df1.unwrap(), 5.0, 1e-6);
    }

    /// A balanced factor between units: the model is Student's t-test of the units' means, and Satterthwaite's degrees of
    /// freedom are theirs.
    #[test]
    fn balanced_is_a_test_of_means() {
        let unit: Vec<usize> = (0..30).map(|i| i / 5).collect();
        let group: Vec<f64> = (0..30).map(|i| if i < 15 { 0.0 } else { 1.0 }).collect();
        let m = fit(&DYESTUFF, &[vec![1.0; 30], group], &unit, None).unwrap();
        let means: Vec<f64> = DYESTUFF.chunks(5).map(super::super::describe::mean).collect();
        let want = student(&means[3..], &means[..3]).unwrap();
        let got = m.coefficient(1);
        near(got.statistic, want.statistic, 1e-6);
        near(got.df1.unwrap(), 4.0, 1e-5);
        near(got.p, want.p, 1e-6);
        let f = m.term(1, 2);
        near(f.statistic, want.statistic.powi(2), 1e-6);
        let within = DYESTUFF.chunks(5).map(super::super::describe::sum_of_squares).sum();
        let x = [vec![1.0; 6], vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0]];
        let by_means = fit_means(&means, &[5.0; 6], within, &x, None).unwrap();
        near(by_means.log_likelihood, m.log_likelihood, 1e-10);
        near(by_means.coefficient(1).p, got.p, 1e-6);
    }

    /// Twelve of lme4's published numbers need their data: `lme_r` and `sleepstudy`, where they lie beside the project.
    fn data(name: &str) -> Option<Vec<Vec<String>>> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
        let text = std::fs::read_to_string(path).ok()?;
        Some(
            text.lines()
                .skip(1)
                .map(|l| l.split(',').map(|c| c.trim_matches('"').to_owned()).collect())
                .collect(),
        )
    }

    fn numbered(names: impl Iterator<Item = String>) -> Vec<usize> {
        let mut seen: Vec<String> = vec![];
        names
            .map(|n| {
                seen.iter().position(|s| *s == n).unwrap_or_else(|| {
                    seen.push(n);
                    seen.len() - 1
                })
            })
            .collect()
    }

    /// Exact profile REML of the random intercept: 1378.1785 and 960.4566 (statsmodels stops early).
    #[test]
    fn sleepstudy() {
        let Some(rows) = data("rdatasets/sleepstudy.csv") else { return };
        let number = |k: usize| rows.iter().map(|r| r[k].parse().unwrap()).collect::<Vec<f64>>();
        let unit = numbered(rows.iter().map(|r| r[3].clone()));
        let m = fit(&number(1), &[vec![1.0; rows.len()], number(2)], &unit, None).unwrap();
        near(m.variance_unit, 1378.178512, 1e-7);
        near(m.variance_residual, 960.456_579_3, 1e-7);
        near(m.log_likelihood, -893.232_542_697_460_1, 1e-12);
        near(m.coefficients[1], 10.467_285_959_6, 1e-10);
        near(m.covariance[3].sqrt(), 0.804_221_43, 1e-7);
        // Days vary within subjects alone: n − subjects − 1.
        near(m.coefficient(1).df1.unwrap(), 161.0, 1e-4);
    }

    /// R's lme4 on six generated tables with one random intercept: coefficients, variances, log-likelihoods.
    #[test]
    fn lme4() {
        let Some(rows) = data("lme_r/lme00.csv") else { return };
        assert!(rows.len() > 200);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/data/lme_r/results_r_lme4.json");
        let want: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(root).unwrap()).unwrap();
        for i in 0..6 {
            let rows = data(&format!("lme_r/lme0{i}.csv")).unwrap();
            let p = rows[0].len() - 3;
            let number = |k: usize| rows.iter().map(|r| r[k].parse().unwrap()).collect::<Vec<f64>>();
            let unit = numbered(rows.iter().map(|r| r[0].clone()));
            let x: Vec<Vec<f64>> = (2..2 + p).map(number).collect();
            let m = fit(&number(1), &x, &unit, None).unwrap();
            let value = |name: &str, k: usize| {
                want[i.to_string()]["drf"]["reml"][name]["values"][k].as_f64().unwrap()
            };
            // Printed with seven digits.
            near(m.log_likelihood, value("loglike", 0), 1e-6);
            near(m.variance_residual, value("scale", 0), 2e-6);
            assert!((m.variance_unit - value("cov_re", 0)).abs() < 2e-5 * m.variance_residual, "{i}");
            (0..p).for_each(|k| near(m.coefficients[k], value("coef", k), if i < 4 { 3e-6 } else { 2e-5 }));
            (0..p).for_each(|k| near(m.covariance[k * p + k], value("vcov", k * p + k), 1e-5));
        }
    }

    /// Cells within replicates and conditions (superplots): by replicate alone as statsmodels 0.15.0 (which stops early),
    /// and nested, where the
    /// p-value of pooled cells is gone.
    #[test]
    fn superplots() {
        let Some(rows) = data("superplots/tidy.csv") else { return };
        let y: Vec<f64> = rows.iter().map(|r| r[3].parse().unwrap()).collect();
        let drug: Vec<f64> = rows.iter().map(|r| if r[2] == "Drug" { 1.0 } else { 0.0 }).collect();
        let x = [vec![1.0; y.len()], drug];
        let replicate = numbered(rows.iter().map(|r| r[1].clone()));
        let unit = numbered(rows.iter().map(|r| format!("{} {}", r[1], r[2])));
        let m = fit(&y, &x, &replicate, None).unwrap();
        near(m.coefficients[1], -9.986_975_653_333_32, 1e-9);
        near(m.covariance[3].sqrt(), 0.717_212_100_926_710_4, 2e-6);
        near(m.variance_residual, 38.579_489_828_677_936, 1e-5);
        near(m.log_likelihood, -977.547_015_890_838_2, 1e-9);
        assert!(m.log_likelihood >= -977.547_015_890_839);
        let m = fit(&y, &x, &unit, None).unwrap();
        // Balanced: Student's test of means (statsmodels stops at 7.7341 and -979.7090014788).
        near(m.covariance[3].sqrt(), 7.737_752_8, 1e-7);
        assert!(m.log_likelihood > -979.709_001_479);
        let nested = fit(&y, &x, &unit, Some(&replicate)).unwrap();
        assert!(nested.log_likelihood > -977.547_016);
        // Balanced: the paired test of means.
        let p = nested.coefficient(1).p;
        assert!((p - 0.014_638_75).abs() < 1e-5, "{p} {nested:?}");
    }

    /// Units within pairs, balanced: the paired t-test of means.
    #[test]
    fn nested_is_a_paired_test() {
        let noise = |i: usize| [0.3, -0.8, 0.5, 0.1, -0.4, 0.9, -0.6][i * i % 7];
        let shift = [1.0, 5.0, 9.5, 3.0];
        let gain = [1.1, 1.7, 0.9, 1.4];
        let (mut y, mut g, mut unit, mut pair) = (vec![], vec![], vec![], vec![]);
        for i in 0..4 * 2 * 6 {
            let (p, h) = (i / 12, i / 6 % 2);
            y.push(shift[p] + gain[p] * h as f64 + noise(i));
            g.push(h as f64);
            unit.push(i / 6);
            pair.push(p);
        }
        let m = fit(&y, &[vec![1.0; y.len()], g], &unit, Some(&pair)).unwrap();
        let mean = |p: usize, h: usize| super::super::describe::mean(&y[p * 12 + h * 6..p * 12 + h * 6 + 6]);
        let side = |h: usize| (0..4).map(|p| mean(p, h)).collect::<Vec<_>>();
        let want = super::super::means::paired(&side(1), &side(0)).unwrap();
        let got = m.coefficient(1);
        if m.variance_unit > 0.0 {
            near(got.statistic, want.statistic, 1e-5);
            near(got.df1.unwrap(), 3.0, 1e-3);
        }
        near(got.estimate.unwrap().value, want.estimate.unwrap().value, 1e-9);
    }
}
