//! Principal components (Pearson 1901, doi:10.1080/14786440109462720).

use crate::matrix::{Matrix, eigen};
use rayon::prelude::*;

/// Rows whose sums are taken together.
const PART: usize = 1 << 14;

/// Directions of the greatest variance.
#[derive(Debug, Clone)]
pub struct Pca {
    /// Variances along the components, greatest first.
    pub variances: Vec<f64>,
    /// Unit vectors of the components.
    pub vectors: Vec<Vec<f64>>,
    /// Each row along the components, row after row.
    pub scores: Vec<f64>,
}

/// The components of centred rows. The largest part of each vector is positive.
pub fn pca(points: &Matrix) -> Pca {
    let width = points.width();
    let parts: Vec<Vec<f64>> = points
        .values
        .par_chunks(PART * width)
        .map(|part| {
            let mut sums = vec![0.0; width * width];
            for row in part.chunks(width) {
                for a in 0..width {
                    for b in 0..=a {
                        sums[a * width + b] += row[a] * row[b];
                    }
                }
            }
            sums
        })
        .collect();
    let mut covariance = vec![0.0; width * width];
    for part in parts {
        covariance.iter_mut().zip(part).for_each(|(sum, more)| *sum += more);
    }
    for a in 0..width {
        for b in 0..=a {
            covariance[a * width + b] /= (points.rows - 1) as f64;
            covariance[b * width + a] = covariance[a * width + b];
        }
    }
    let (mut variances, vectors) = eigen(&covariance, width);
    variances.iter_mut().for_each(|v| *v = v.max(0.0));
    let scores = points
        .values
        .par_chunks(width)
        .flat_map_iter(|row| vectors.iter().map(move |v| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>()))
        .collect();
    Pca { variances, vectors, scores }
}
