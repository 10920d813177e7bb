//! Gaussian mixtures with full covariances by expectation maximisation (Dempster, Laird & Rubin 1977,
//! doi:10.1111/j.2517-6161.1977.tb01600.x), from the groups of k-means.

use super::kmeans;
use crate::matrix::{Cholesky, Matrix};
use crate::{Error, Result};
use rayon::prelude::*;

/// Addition to variances, so that a component can't shrink to a point.
const LOOSE: f64 = 1e-6;
/// Change of the mean log-likelihood below which it has converged.
const CONVERGED: f64 = 1e-8;
const ITERATIONS: usize = 1000;
/// Rows whose sums are taken together.
const PART: usize = 1 << 13;

/// A mixture of normal distributions.
#[derive(Debug, Clone)]
pub struct Mixture {
    /// Weights of the components.
    pub weights: Vec<f64>,
    /// Their means, one after the other.
    pub means: Vec<f64>,
    /// The most probable component of each row.
    pub labels: Vec<usize>,
    /// Its probability.
    pub probabilities: Vec<f64>,
    /// Log-likelihood of all rows.
    pub log_likelihood: f64,
    /// Bayesian information criterion (Schwarz 1978); less is better.
    pub bic: f64,
}

struct Component {
    log_weight: f64,
    mean: Vec<f64>,
    factor: Cholesky,
}

/// Weighted sums of rows, by component: weight, sums, and products.
#[derive(Clone)]
struct Sums {
    weights: Vec<f64>,
    sums: Vec<f64>,
    products: Vec<f64>,
    log_likelihood: f64,
}

impl Sums {
    fn new(k: usize, width: usize) -> Self {
        Self {
            weights: vec![0.0; k],
            sums: vec![0.0; k * width],
            products: vec![0.0; k * width * width],
            log_likelihood: 0.0,
        }
    }

    fn add(&mut self, component: usize, weight: f64, row: &[f64]) {
        let width = row.len();
        self.weights[component] += weight;
        let sums = &mut self.sums[component * width..(component + 1) * width];
        sums.iter_mut().zip(row).for_each(|(s, x)| *s += weight * x);
        let products = &mut self.products[component * width * width..(component + 1) * width * width];
        for a in 0..width {
            let weighted = weight * row[a];
            for b in 0..=a {
                products[a * width + b] += weighted * row[b];
            }
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.weights.iter_mut().zip(other.weights).for_each(|(a, b)| *a += b);
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
        self.products.iter_mut().zip(other.products).for_each(|(a, b)| *a += b);
        self.log_likelihood += other.log_likelihood;
        self
    }

    /// The components that fit these sums.
    fn components(&self, rows: usize, width: usize) -> Option<Vec<Component>> {
        let component = |c: usize| {
            let weight = self.weights[c].max(f64::MIN_POSITIVE * 1e10);
            let mean: Vec<f64> = self.sums[c * width..(c + 1) * width].iter().map(|s| s / weight).collect();
            let mut covariance = vec![0.0; width * width];
            for a in 0..width {
                for b in 0..=a {
                    let product =
                        self.products[c * width * width + a * width + b] / weight - mean[a] * mean[b];
                    covariance[a * width + b] = product;
                    covariance[b * width + a] = product;
                }
                covariance[a * width + a] += LOOSE;
            }
            let factor = Cholesky::of(&covariance, width)?;
            Some(Component { log_weight: (weight / rows as f64).ln(), mean, factor })
        };
        (0..self.weights.len()).map(component).collect()
    }
}

/// Fits k components.
///
/// # Errors
/// If there are too few rows for their covariances.
pub fn mixture(points: &Matrix, k: usize, seed: u64) -> Result<Mixture> {
    let (rows, width) = (points.rows, points.width());
    if rows < k * (width + 1) {
        return Err(Error::Data(format!(
            "not estimable: {rows} rows are too few for {k} components of {width} columns; choose fewer --columns"
        )));
    }
    let mut sums = Sums::new(k, width);
    for (row, label) in kmeans(points, k, seed).labels.iter().enumerate() {
        sums.add(*label, 1.0, points.row(row));
    }
    let degenerate =
        || Error::Data("not estimable: a component has shrunk to a plane; choose fewer columns".into());
    let mut components = sums.components(rows, width).ok_or_else(degenerate)?;
    let mut before = f64::NEG_INFINITY;
    for _ in 0..ITERATIONS {
        let next = expected(points, &components);
        let likelihood = next.log_likelihood / rows as f64;
        components = next.components(rows, width).ok_or_else(degenerate)?;
        if (likelihood - before).abs() < CONVERGED {
            break;
        }
        before = likelihood;
    }
    let shares = |row: usize| {
        let (shares, log) = responsibilities(points.row(row), &components);
        let (label, share) =
            shares.into_iter().enumerate().fold((0, -1.0), |b, s| if s.1 > b.1 { s } else { b });
        (label, share, log)
    };
    let found: Vec<(usize, f64, f64)> = (0..rows).into_par_iter().map(shares).collect();
    let log_likelihood: f64 = found.iter().map(|f| f.2).sum();
    let parameters = k * width * (width + 1) / 2 + k * width + k - 1;
    Ok(Mixture {
        weights: components.iter().map(|c| c.log_weight.exp()).collect(),
        means: components.iter().flat_map(|c| c.mean.iter().copied()).collect(),
        labels: found.iter().map(|f| f.0).collect(),
        probabilities: found.iter().map(|f| f.1).collect(),
        log_likelihood,
        bic: parameters as f64 * (rows as f64).ln() - 2.0 * log_likelihood,
    })
}

/// Sums of all rows, each shared among the components; parts of fixed size are added in order.
fn expected(points: &Matrix, components: &[Component]) -> Sums {
    let width = points.width();
    let part = |part: &[f64]| {
        let mut sums = Sums::new(components.len(), width);
        for row in part.chunks(width) {
            let (shares, log) = responsibilities(row, components);
            sums.log_likelihood += log;
            shares
                .into_iter()
                .enumerate()
                .filter(|(_, s)| *s > 1e-300)
                .for_each(|(c, s)| sums.add(c, s, row));
        }
        sums
    };
    let parts: Vec<Sums> = points.values.par_chunks(PART * width).map(part).collect();
    parts.into_iter().fold(Sums::new(components.len(), width), Sums::merge)
}

/// The probabilities of the components given a row, and its log-likelihood.
fn responsibilities(row: &[f64], components: &[Component]) -> (Vec<f64>, f64) {
    let width = row.len();
    let mut room = vec![0.0; width];
    let mut apart = vec![0.0; width];
    let mut logs: Vec<f64> = components
        .iter()
        .map(|c| {
            apart.iter_mut().zip(row).zip(&c.mean).for_each(|((a, x), m)| *a = x - m);
            let squared = c.factor.squared_length(&apart, &mut room);
            let normal = width as f64 * std::f64::consts::TAU.ln() + c.factor.log_determinant();
            c.log_weight - 0.5 * (normal + squared)
        })
        .collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|l| (l - most).exp()).sum();
    logs.iter_mut().for_each(|l| *l = (*l - most).exp() / sum);
    (logs, most + sum.ln())
}
