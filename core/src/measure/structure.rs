//! Figures of a whole structure that are no sums over neighbourhoods: the fractal dimension.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StructureFigures {
    /// Slope of box counts.
    pub fractal_dimension: f64,
}

/// The figures of a mask `[z, y, x]`; NaN where the structure has no boundary.
pub fn structure(mask: &[u8], shape: [usize; 3]) -> StructureFigures {
    StructureFigures { fractal_dimension: fractal_dimension(mask, shape) }
}

/// Minus the slope of log(boxes that hold boundary) over log(side), by least squares, for sides of
/// 1, 2, 4, … voxels up to a quarter of the image (D. Fazzalari and I. Parkinson 1996,
/// doi:10.1002/jbmr.5650110413). Boxes that hold both structure and background count.
fn fractal_dimension(mask: &[u8], shape: [usize; 3]) -> f64 {
    let limit = shape.iter().copied().max().unwrap_or(0) / 4;
    let mut logs = Vec::new();
    let mut side = 2;
    while side <= limit {
        let boxes: Vec<usize> = shape.iter().map(|n| n.div_ceil(side)).collect();
        let count: usize = (0..boxes[0] * boxes[1])
            .into_par_iter()
            .map(|k| {
                let (bz, by) = (k / boxes[1] * side, k % boxes[1] * side);
                let mut seen = vec![0u8; boxes[2]];
                for z in bz..(bz + side).min(shape[0]) {
                    for y in by..(by + side).min(shape[1]) {
                        let row = &mask[(z * shape[1] + y) * shape[2]..][..shape[2]];
                        for (seen, piece) in seen.iter_mut().zip(row.chunks(side)) {
                            for v in piece {
                                *seen |= if *v != 0 { 2 } else { 1 };
                            }
                        }
                    }
                }
                seen.iter().filter(|s| **s == 3).count()
            })
            .sum();
        if count > 0 {
            logs.push(((side as f64).ln(), (count as f64).ln()));
        }
        side *= 2;
    }
    let n = logs.len() as f64;
    if logs.len() < 2 {
        return f64::NAN;
    }
    let (mx, my) = (logs.iter().map(|l| l.0).sum::<f64>() / n, logs.iter().map(|l| l.1).sum::<f64>() / n);
    let sxy: f64 = logs.iter().map(|l| (l.0 - mx) * (l.1 - my)).sum();
    let sxx: f64 = logs.iter().map(|l| (l.0 - mx) * (l.0 - mx)).sum();
    -sxy / sxx
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_of_packed_balls_is_between_a_plane_and_space() {
        let n = 80usize;
        let mask: Vec<u8> = (0..n * n * n)
            .map(|i| {
                let off = |v: usize| (v % 16) as f64 - 7.5;
                let r = off(i / (n * n)).powi(2) + off(i / n % n).powi(2) + off(i % n).powi(2);
                u8::from(r < 30.0)
            })
            .collect();
        let f = structure(&mask, [n; 3]);
        assert!((1.8..3.0).contains(&f.fractal_dimension), "{}", f.fractal_dimension);
    }
}
