//! Figures of a whole structure that are no sums over neighbourhoods: thickness, separation, number
//! and the fractal dimension. They see the whole image at once.

use super::thickness::Distribution;
use crate::ops::components::Connectivity;
use crate::ops::distance::Metric;
use crate::ops::thickness::LocalThickness;
use crate::{Job, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StructureFigures {
    /// Slope of box counts.
    pub fractal_dimension: f64,
    /// Local thickness, where asked for.
    pub thickness: Option<Thicknesses>,
}

/// Local thickness of the image's parts; empty where nothing bounds the balls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thicknesses {
    /// Of the structure.
    pub structure: Distribution,
    /// Of the background.
    pub background: Distribution,
    /// Of what is not on the structure's mid-axes.
    pub mid_axes: Distribution,
}

/// The figures of a mask `[z, y, x]`; a fractal dimension of NaN where the structure has no boundary.
pub fn structure(mask: &[u8], shape: [usize; 3]) -> StructureFigures {
    StructureFigures { fractal_dimension: fractal_dimension(mask, shape), thickness: None }
}

/// The local thickness of a mask `[z, y, x]`.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn thickness(mask: &[u8], shape: [usize; 3], metric: Metric, job: &Job) -> Result<Thicknesses> {
    let job = &job.part();
    let local = LocalThickness::new(shape, metric);
    let squared = local.squared(mask, job)?;
    let (mut structure, mut mid_axes) = (Distribution::default(), Distribution::default());
    if !local.unbounded(&squared) {
        let centres = local.centres(&squared);
        let radii = local.largest(&centres, job)?;
        structure = Distribution::of_radii(&radii);
        let mut between = vec![1u8; mask.len()];
        for &(at, bits) in &centres {
            let at = at as usize;
            if 2.0 * local.diameter(bits) >= local.diameter(radii[at])
                && !inside_another(&local, &squared, at, shape)
            {
                between[at] = 0;
            }
        }
        drop((squared, centres, radii));
        mid_axes = Distribution::of_distances(&local, &local.squared(&between, job)?, job)?;
    }
    let background: Vec<u8> = mask.par_iter().map(|v| u8::from(*v == 0)).collect();
    let background = Distribution::of_distances(&local, &local.squared(&background, job)?, job)?;
    Ok(Thicknesses { structure, background, mid_axes })
}

/// Whether the ball of a voxel lies inside the ball of one of its neighbours, but for rounding.
fn inside_another(local: &LocalThickness, squared: &[u32], at: usize, shape: [usize; 3]) -> bool {
    let spacing = match local.metric {
        Metric::Isotropic(edge) => [edge; 3],
        Metric::Anisotropic(spacing) => spacing,
    };
    let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
    Connectivity::TwentySix.neighbours().iter().any(|s| {
        let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
        if (0..3).any(|a| q[a] >= shape[a]) {
            return false;
        }
        let step = (0..3).map(|a| (s[a] as f64 * spacing[a]).powi(2)).sum::<f64>().sqrt();
        let other = squared[(q[0] * shape[1] + q[1]) * shape[2] + q[2]];
        local.diameter(other) * (1.0 + 1e-6) >= local.diameter(squared[at]) + 2.0 * step
    })
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
        let f = fractal_dimension(&mask, [n; 3]);
        assert!((1.8..3.0).contains(&f), "{f}");
    }
}
