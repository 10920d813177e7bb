//! Least squares by orthonormal bases: regression, analysis of covariance, analyses of variance of several factors.

use super::distributions::f_sf;
use super::means::t_test;
use super::{Estimable, Test, refuse};

/// Orthonormal basis that grows by columns; columns that depend on earlier ones are recognised and left out.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    /// Orthonormal columns.
    pub columns: Vec<Vec<f64>>,
    /// Coefficients of every accepted column in the basis: `upper[j]` has j + 1 entries.
    pub upper: Vec<Vec<f64>>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Basis {
    /// Adds a column by Gram–Schmidt, done twice (Giraud et al. 2005, doi:10.1007/s00211-005-0615-4); false where it is a
    /// combination of the others.
    pub fn add(&mut self, column: &[f64]) -> bool {
        let size = dot(column, column).sqrt();
        let mut v = column.to_vec();
        let mut coefficients = vec![0.0; self.columns.len()];
        for _ in 0..2 {
            for (q, c) in self.columns.iter().zip(&mut coefficients) {
                let part = dot(q, &v);
                *c += part;
                v.iter_mut().zip(q).for_each(|(v, q)| *v -= part * q);
            }
        }
        let left = dot(&v, &v).sqrt();
        if left <= 1e-10 * size || left == 0.0 {
            return false;
        }
        v.iter_mut().for_each(|v| *v /= left);
        coefficients.push(left);
        self.columns.push(v);
        self.upper.push(coefficients);
        true
    }

    /// Basis of several columns.
    pub fn of<'a>(columns: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let mut basis = Self::default();
        for column in columns {
            basis.add(column);
        }
        basis
    }

    /// Part of `y` outside of the span.
    pub fn residual(&self, y: &[f64]) -> Vec<f64> {
        let mut r = y.to_vec();
        for _ in 0..2 {
            for q in &self.columns {
                let part = dot(q, &r);
                r.iter_mut().zip(q).for_each(|(r, q)| *r -= part * q);
            }
        }
        r
    }

    /// Solution of R b = `c`, for coefficients of the accepted columns.
    pub fn solve(&self, c: &[f64]) -> Vec<f64> {
        let p = self.upper.len();
        let mut b = c.to_vec();
        for i in (0..p).rev() {
            for j in i + 1..p {
                b[i] -= self.upper[j][i] * b[j];
            }
            b[i] /= self.upper[i][i];
        }
        b
    }

    /// Rank.
    pub fn rank(&self) -> usize {
        self.columns.len()
    }
}

/// Residual sum of squares of `y` on `columns`, and their rank.
pub fn residual_squares<'a>(y: &[f64], columns: impl IntoIterator<Item = &'a [f64]>) -> (f64, usize) {
    let basis = Basis::of(columns);
    let r = basis.residual(y);
    (dot(&r, &r), basis.rank())
}

/// Term of a linear model: a name and its columns.
#[derive(Debug, Clone)]
pub struct Term {
    /// Name.
    pub name: String,
    /// Columns: one of a number, k − 1 of a factor of k levels.
    pub columns: Vec<Vec<f64>>,
}

impl Term {
    /// Number, centred so that other terms keep their precision.
    pub fn number(name: &str, values: &[f64]) -> Self {
        let centre = super::describe::mean(values);
        Self { name: name.to_owned(), columns: vec![values.iter().map(|v| v - centre).collect()] }
    }

    /// Factor of levels `0..k`, in treatment coding against level 0.
    pub fn factor(name: &str, levels: &[usize], k: usize) -> Self {
        let column = |l: usize| levels.iter().map(|&v| if v == l { 1.0 } else { 0.0 }).collect();
        Self { name: name.to_owned(), columns: (1..k).map(column).collect() }
    }

    /// Interaction: products of all columns.
    pub fn interaction(&self, other: &Self) -> Self {
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect();
        let columns =
            self.columns.iter().flat_map(|a| other.columns.iter().map(move |b| product(a, b))).collect();
        Self { name: format!("{}:{}", self.name, other.name), columns }
    }
}

/// F-test of `term` beside `beside` (and an intercept), the error being that of the model with `further` terms too: with
/// all other main effects `beside`, and interactions `further`, this is type II (Langsrud 2003,
/// doi:10.1023/A:1023260610025). The statistic's effect, partial η², is `Effect::of`.
///
/// # Errors
/// When the term adds nothing to the others, no degrees of freedom are left, or nothing is left to explain.
pub fn term_test(y: &[f64], term: &Term, beside: &[&Term], further: &[&Term]) -> Estimable<Test> {
    let ones = vec![1.0; y.len()];
    let base =
        || std::iter::once(&ones[..]).chain(beside.iter().flat_map(|t| t.columns.iter().map(Vec::as_slice)));
    let with = || base().chain(term.columns.iter().map(Vec::as_slice));
    let full = || with().chain(further.iter().flat_map(|t| t.columns.iter().map(Vec::as_slice)));
    let (rss0, rank0) = residual_squares(y, base());
    let (rss1, rank1) = residual_squares(y, with());
    let (error, rank) = residual_squares(y, full());
    if rank1 == rank0 {
        return refuse(format!("\"{}\" cannot be told from the other terms", term.name));
    }
    if y.len() <= rank {
        return refuse("no degrees of freedom are left for the error");
    }
    let total = residual_squares(y, [&ones[..]]).0;
    if !super::describe::varies(y) {
        return refuse("all units have the same value");
    }
    if error <= 1e-24 * total {
        return refuse("the model fits without any error");
    }
    let (df1, df2) = ((rank1 - rank0) as f64, (y.len() - rank) as f64);
    let f = ((rss0 - rss1).max(0.0) / df1) / (error / df2);
    Ok(Test::new(f, Some(df1), Some(df2), f_sf(f, df1, df2)))
}

/// t-test of the coefficient of one column beside `beside` (and an intercept); the estimate is the coefficient.
///
/// # Errors
/// As [`term_test`].
pub fn coefficient(y: &[f64], column: &[f64], beside: &[&Term]) -> Estimable<Test> {
    let ones = vec![1.0; y.len()];
    let basis = Basis::of(
        std::iter::once(&ones[..]).chain(beside.iter().flat_map(|t| t.columns.iter().map(Vec::as_slice))),
    );
    let x = basis.residual(column);
    let (size, left) = (dot(column, column), dot(&x, &x));
    if left <= 1e-20 * size || left == 0.0 {
        return refuse("the column cannot be told from the other terms");
    }
    let df = y.len() as f64 - basis.rank() as f64 - 1.0;
    if df < 1.0 {
        return refuse("no degrees of freedom are left for the error");
    }
    if !super::describe::varies(y) {
        return refuse("all units have the same value");
    }
    let r = basis.residual(y);
    let slope = dot(&x, &r) / left;
    let error: f64 = r.iter().zip(&x).map(|(r, x)| (r - slope * x).powi(2)).sum();
    if error <= 1e-24 * residual_squares(y, [&ones[..]]).0 {
        return refuse("the model fits without any error");
    }
    Ok(t_test(slope, (error / df / left).sqrt(), df))
}
