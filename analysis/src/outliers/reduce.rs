//! Few directions in the place of many columns, where rows are too few for all: spherical principal components
//! (Locantore et al. 1999, doi:10.1007/BF02595862), which an outlier can't turn towards itself.

use crate::matrix::{Matrix, eigen};
use rayon::prelude::*;

/// Rows that each direction needs.
const ROWS: usize = 5;
/// Rows whose sums are taken together.
const PART: usize = 1 << 14;
/// Most directions that are kept.
const MOST: usize = 10;
/// Columns that are always taken as they are, if there are rows enough.
const FEW: usize = 15;

/// The rows of a robustly scaled matrix along its main directions, and their distance from the space of these; none if the
/// columns are few enough as they are.
pub fn reduced(scaled: &Matrix) -> Option<Matrix> {
    let (rows, width) = (scaled.rows, scaled.width());
    if width <= FEW && rows > ROWS * width {
        return None;
    }
    let kept = MOST.min(rows / ROWS).min(width).max(1);
    // Parts of fixed size, added in order: the same for any number of threads.
    let part = |part: &[f64]| {
        let mut scatter = vec![0.0; width * width];
        let mut direction = vec![0.0; width];
        for row in part.chunks(width) {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length == 0.0 {
                continue;
            }
            direction.iter_mut().zip(row).for_each(|(d, x)| *d = x / length);
            for a in 0..width {
                for b in 0..=a {
                    scatter[a * width + b] += direction[a] * direction[b];
                }
            }
        }
        scatter
    };
    let parts: Vec<Vec<f64>> = scaled.values.par_chunks(PART * width).map(part).collect();
    let mut scatter = vec![0.0; width * width];
    for part in parts {
        scatter.iter_mut().zip(part).for_each(|(sum, more)| *sum += more);
    }
    for a in 0..width {
        for b in 0..a {
            scatter[b * width + a] = scatter[a * width + b];
        }
    }
    let (_, vectors) = eigen(&scatter, width);
    let mut values = Vec::with_capacity(rows * (kept + 1));
    for i in 0..rows {
        let row = scaled.row(i);
        let dot = |v: &Vec<f64>| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
        let along: Vec<f64> = vectors[..kept].iter().map(dot).collect();
        let rest = row.iter().map(|x| x * x).sum::<f64>() - along.iter().map(|x| x * x).sum::<f64>();
        values.extend(&along);
        values.push(rest.max(0.0).sqrt());
    }
    let columns = (1..=kept).map(|n| format!("direction_{n}")).chain(["rest".to_owned()]).collect();
    Some(Matrix { columns, rows, values, notes: Vec::new() })
}
