//! Local outlier factors (Breunig et al. 2000, doi:10.1145/342009.335388).

use super::KdTree;
use crate::matrix::Matrix;
use rayon::prelude::*;

/// The factor of each row: how much sparser it lies than its `neighbours` nearest rows do. About 1 in the bulk.
pub fn local_outlier_factors(points: &Matrix, neighbours: usize) -> Vec<f64> {
    let k = neighbours.clamp(1, points.rows - 1);
    let tree = KdTree::new(points);
    let nearest: Vec<Vec<(f64, u32)>> =
        (0..points.rows).into_par_iter().map(|row| tree.nearest(row, k)).collect();
    let reach: Vec<f64> = nearest.iter().map(|n| n[n.len() - 1].0.sqrt()).collect();
    // Rows that are the same have no distance; the bound on density is that of scikit-learn.
    let density: Vec<f64> = nearest
        .par_iter()
        .map(|near| {
            let sum: f64 = near.iter().map(|(d, row)| d.sqrt().max(reach[*row as usize])).sum();
            1.0 / (sum / near.len() as f64 + 1e-10)
        })
        .collect();
    nearest
        .par_iter()
        .zip(&density)
        .map(|(near, own)| {
            near.iter().map(|(_, row)| density[*row as usize]).sum::<f64>() / near.len() as f64 / own
        })
        .collect()
}
