//! The minimum covariance determinant by FastMCD (Rousseeuw & Van Driessen 1999, doi:10.1080/00401706.1999.10485670):
//! centre and covariance of the half of the rows that lie closest together, by which a distance is measured that outliers
//! don't bend.

use super::gamma::chi2_quantile;
use crate::matrix::{Cholesky, Matrix, Random};
use crate::{Error, Result};
use rayon::prelude::*;

/// Random subsets that are begun with.
const STARTS: u64 = 500;
/// Of these, how many are followed to their ends.
const BEST: usize = 10;
/// Of these, how many are followed to their ends in very many rows.
const FEW: usize = 2;
/// Rows of a part, and how many parts at most, where there are many rows.
const PART: usize = 300;
const PARTS: usize = 5;

/// Centre and covariance of the bulk.
#[derive(Debug, Clone)]
pub struct Mcd {
    /// Centre.
    pub centre: Vec<f64>,
    /// Covariance, row after row.
    pub covariance: Vec<f64>,
    /// Robust distance of each row.
    pub distances: Vec<f64>,
    inverse: Vec<f64>,
}

impl Mcd {
    /// Distance of each column of a row from what its other columns suggest, in standard deviations.
    pub fn given_the_others(&self, row: &[f64]) -> Vec<f64> {
        let n = self.centre.len();
        let pull = |j: usize| -> f64 {
            (0..n).map(|k| self.inverse[j * n + k] * (row[k] - self.centre[k])).sum::<f64>()
                / self.inverse[j * n + j].sqrt()
        };
        (0..n).map(pull).collect()
    }
}

/// Centre and covariance of some rows, with as much on the diagonal as keeps them apart where columns depend on each
/// other.
#[derive(Clone)]
struct Fit {
    centre: Vec<f64>,
    covariance: Vec<f64>,
    factor: Cholesky,
}

impl Fit {
    fn of(points: &Matrix, rows: &[usize]) -> Option<Self> {
        let width = points.width();
        let n = rows.len() as f64;
        let mut centre = vec![0.0; width];
        for row in rows {
            centre.iter_mut().zip(points.row(*row)).for_each(|(c, x)| *c += x);
        }
        centre.iter_mut().for_each(|c| *c /= n);
        let mut covariance = vec![0.0; width * width];
        let mut apart = vec![0.0; width];
        for row in rows {
            apart.iter_mut().zip(points.row(*row)).zip(&centre).for_each(|((a, x), c)| *a = x - c);
            for i in 0..width {
                for j in 0..=i {
                    covariance[i * width + j] += apart[i] * apart[j];
                }
            }
        }
        for i in 0..width {
            for j in 0..=i {
                covariance[i * width + j] /= n;
                covariance[j * width + i] = covariance[i * width + j];
            }
        }
        let factor = Cholesky::of(&covariance, width)?;
        Some(Self { centre, covariance, factor })
    }

    fn squared_distances(&self, points: &Matrix, rows: &[usize]) -> Vec<f64> {
        let width = points.width();
        let (mut apart, mut room) = (vec![0.0; width], vec![0.0; width]);
        let distance = |row: &usize| {
            apart.iter_mut().zip(points.row(*row)).zip(&self.centre).for_each(|((a, x), c)| *a = x - c);
            self.factor.squared_length(&apart, &mut room)
        };
        rows.iter().map(distance).collect()
    }

    /// The `h` of `rows` that are nearest.
    fn nearest(&self, points: &Matrix, rows: &[usize], h: usize) -> Vec<usize> {
        let distances = self.squared_distances(points, rows);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if h < order.len() {
            order.select_nth_unstable_by(h, |a, b| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b)));
            order.truncate(h);
        }
        // Sums are taken in one order.
        order.sort_unstable();
        order.into_iter().map(|i| rows[i]).collect()
    }

    /// C-steps: each takes the rows that are nearest to the fit before. None if the rows lie in a plane.
    fn steps(self, points: &Matrix, rows: &[usize], h: usize, most: usize) -> Option<Self> {
        let mut fit = self;
        let mut determinant = f64::INFINITY;
        for _ in 0..most {
            let next = Self::of(points, &fit.nearest(points, rows, h))?;
            let own = next.factor.log_determinant();
            fit = next;
            if own >= determinant - 1e-12 {
                break;
            }
            determinant = own;
        }
        Some(fit)
    }
}

/// Fits the bulk of the rows, and measures all by it. Columns that depend linearly on others are loosened a little, by noise
/// too small to rank.
///
/// # Errors
/// If rows are too few for the columns.
pub fn mcd(points: &Matrix, seed: u64) -> Result<Mcd> {
    let (rows, width) = (points.rows, points.width());
    if rows < width + 2 {
        return Err(Error::Data(format!("not estimable: {rows} rows are too few for {width} columns")));
    }
    let found = best(points, seed).or_else(|| best(&loosened(points, seed), seed));
    let Some(fit) = found else {
        return Err(Error::Data("not estimable: more than half of the rows are the same".into()));
    };
    let all: Vec<usize> = (0..rows).collect();
    // Scaled so that the median distance is that of a normal distribution, then once more with all that lie within
    // its 97.5 %.
    let squared = fit.squared_distances(points, &all);
    let correction = middle(&squared) / chi2_quantile(width, 0.5);
    let limit = chi2_quantile(width, 0.975) * correction;
    let within: Vec<usize> = all.iter().copied().filter(|i| squared[*i] <= limit).collect();
    let reweighted = Fit::of(points, &within).unwrap_or(fit);
    let squared = reweighted.squared_distances(points, &all);
    let scale = middle(&squared) / chi2_quantile(width, 0.5);
    let scale = if scale > 0.0 { scale } else { 1.0 };
    Ok(Mcd {
        distances: squared.iter().map(|d| (d / scale).sqrt()).collect(),
        inverse: reweighted.factor.inverse().iter().map(|v| v / scale).collect(),
        covariance: reweighted.covariance.iter().map(|v| v * scale).collect(),
        centre: reweighted.centre,
    })
}

fn middle(values: &[f64]) -> f64 {
    crate::matrix::median(&mut values.to_vec())
}

/// The fit of the least determinant that is found.
fn best(points: &Matrix, seed: u64) -> Option<Fit> {
    let rows = points.rows;
    let all: Vec<usize> = (0..rows).collect();
    if rows <= 2 * PART {
        let candidates = starts(points, &all, seed, STARTS);
        return ended(points, &all, candidates);
    }
    // Many rows: starts in small parts, the best of them in all parts together, and of these the best in all rows.
    let parts = PARTS.min(rows / PART);
    let drawn = Random::new(seed, u64::MAX).sample(rows, parts * PART);
    let each = STARTS / parts as u64;
    let mut candidates = Vec::new();
    for (number, part) in drawn.chunks(PART).enumerate() {
        let mut part = part.to_vec();
        part.sort_unstable();
        candidates.extend(starts(points, &part, seed.wrapping_add(number as u64), each));
    }
    let mut merged = drawn;
    merged.sort_unstable();
    let h = half(merged.len(), points.width());
    let candidates: Vec<Option<Fit>> =
        candidates.into_par_iter().map(|fit| fit.steps(points, &merged, h, 100)).collect();
    let mut few = least(candidates.into_iter().flatten().collect());
    few.truncate(FEW);
    ended(points, &all, few)
}

/// Rows that the bulk has at least.
fn half(rows: usize, width: usize) -> usize {
    (rows + width + 1).div_ceil(2).min(rows)
}

/// The best fits after two steps from random subsets of `rows`.
fn starts(points: &Matrix, rows: &[usize], seed: u64, number: u64) -> Vec<Fit> {
    let h = half(rows.len(), points.width());
    let start = |n: u64| {
        let mut random = Random::new(seed, n);
        let mut drawn = random.sample(rows.len(), rows.len());
        // As many as it takes until they don't lie in a plane.
        let mut size = points.width() + 1;
        let fit = loop {
            let mut subset: Vec<usize> = drawn[..size.min(drawn.len())].iter().map(|i| rows[*i]).collect();
            subset.sort_unstable();
            if let Some(fit) = Fit::of(points, &subset) {
                break fit;
            }
            if size >= drawn.len() {
                return None;
            }
            size += 1 + size / 4;
        };
        drawn.clear();
        fit.steps(points, rows, h, 2)
    };
    let fits: Vec<Option<Fit>> = (0..number).into_par_iter().map(start).collect();
    least(fits.into_iter().flatten().collect())
}

/// The few fits of the least determinants; of equals the first.
fn least(mut fits: Vec<Fit>) -> Vec<Fit> {
    fits.sort_by(|a, b| a.factor.log_determinant().total_cmp(&b.factor.log_determinant()));
    fits.truncate(BEST);
    fits
}

fn ended(points: &Matrix, rows: &[usize], candidates: Vec<Fit>) -> Option<Fit> {
    let h = half(rows.len(), points.width());
    let ends: Vec<Option<Fit>> =
        candidates.into_par_iter().map(|fit| fit.steps(points, rows, h, 100)).collect();
    least(ends.into_iter().flatten().collect()).into_iter().next()
}

/// Rows with a little noise, so that columns that depend on each other linearly, or of which most values are the same, have
/// a covariance.
fn loosened(points: &Matrix, seed: u64) -> Matrix {
    let mut random = Random::new(seed, u64::MAX - 1);
    let mut loose = points.clone();
    loose.values.iter_mut().for_each(|v| *v += 1e-3 * random.normal());
    loose
}
