//! Surface area by weights of local configurations, the second estimator beside Crofton's.
//!
//! A plane of a given direction cuts 2×2×2 neighbourhoods into a few configurations, each with a
//! known frequency per area. The weights are chosen so that the sum is right on average over all
//! directions and its variance over directions is least (J. Lindblad, "Surface area estimation of
//! digitized 3D objects using weighted local configurations", Image and Vision Computing 23 (2005)
//! 111, doi:10.1016/j.imavis.2004.06.012). Here they are solved for at the voxels' own spacing,
//! which may differ by axis, or for a sheared grid, instead of being taken from the published table for cubes.
//! Configurations that no plane makes are taken as their parts, as Crofton's weights do.

use crate::Geometry;
use crate::measure::sums::crofton::{DIRECTIONS, direction_weights};
use glam::{DMat3, DVec3};

/// Directions a side of each of the three cube faces that cover an octant.
const GRID: usize = 32;

/// Mirrors of a neighbourhood, as bits of the axes that are reversed, that leave its lattice as it is.
fn mirrors(geometry: &Geometry) -> &'static [usize] {
    if geometry.shear([2; 3]).is_none() { &[0, 1, 2, 3, 4, 5, 6, 7] } else { &[0, 7] }
}

/// Area for each configuration, for the voxels of a geometry.
pub fn weights(geometry: &Geometry) -> [f64; 256] {
    let (world, mirrors) = (geometry.world_from_index.matrix3, mirrors(geometry));
    let (classes, count) = classes(mirrors);
    let frequencies = frequencies(world, mirrors, &classes, count);
    let prior = prior(world, &classes, count);
    // Planes leave a degree of freedom, which Lindblad settles by the weight of a single corner:
    // 0.636 for cubes; here in proportion to the triangle across the corner.
    let known: Vec<(usize, f64)> = (0..4)
        .filter(|corner| *corner == 0 || !mirrors.contains(corner))
        .map(|corner| {
            let edge = |axis: usize| world.col(axis) * if corner >> axis & 1 == 0 { 1.0 } else { -1.0 };
            let (a, b, c) = (edge(0), edge(1), edge(2));
            let triangle = (b - a).cross(c - a).length() / 3f64.sqrt();
            (classes[1 << corner].unwrap_or(0), 0.636 * triangle)
        })
        .collect();
    let solved = solve(&frequencies, &prior, &known);
    std::array::from_fn(|config| match classes[config] {
        Some(class) => solved[class],
        None => parts(config as u8, &classes, &solved),
    })
}

/// Configurations that a plane makes, numbered up to mirrors and complement: with other spacings
/// along the axes nothing more is equal.
fn classes(mirrors: &[usize]) -> ([Option<usize>; 256], usize) {
    let mut classes = [None; 256];
    let mut count = 0;
    // All orders of the corners along a direction come from a fine enough fan of directions.
    let mut made = [false; 256];
    for normal in octant(GRID) {
        for mirror in 0..8 {
            sweep(mirrored(normal, mirror), |config, _| made[usize::from(config)] = true);
        }
    }
    for config in 0..256usize {
        if !made[config] || classes[config].is_some() {
            continue;
        }
        for mirror in mirrors {
            let image = (0..8).filter(|c| config & (1 << c) != 0).fold(0usize, |m, c| m | 1 << (c ^ mirror));
            classes[image] = Some(count);
            classes[255 - image] = Some(count);
        }
        count += 1;
    }
    (classes, count)
}

/// Directions of the positive octant, on the faces of a cube; a direction of length `r` stands for
/// a solid angle in proportion to `r⁻³`.
fn octant(grid: usize) -> impl Iterator<Item = DVec3> {
    (0..3).flat_map(move |face| {
        (0..grid * grid).map(move |k| {
            let a = ((k / grid) as f64 + 0.5) / grid as f64;
            // A little off the diagonal, so that no two corners are at one height.
            let b = ((k % grid) as f64 + 0.5 + 1e-3) / grid as f64;
            match face {
                0 => DVec3::new(1.0, a, b),
                1 => DVec3::new(b, 1.0, a),
                _ => DVec3::new(a, b, 1.0),
            }
        })
    })
}

/// A vector with the axes reversed whose bits are set.
fn mirrored(v: DVec3, mirror: usize) -> DVec3 {
    DVec3::from_array(std::array::from_fn(|a| if mirror >> a & 1 == 0 { v[a] } else { -v[a] }))
}

/// Moves a plane with normal `n` through a neighbourhood with unit edges and reports each
/// configuration with the length of its interval.
fn sweep(n: DVec3, mut report: impl FnMut(u8, f64)) {
    let height = |c: usize| n.x * (c & 1) as f64 + n.y * ((c >> 1) & 1) as f64 + n.z * ((c >> 2) & 1) as f64;
    let mut corners: [usize; 8] = std::array::from_fn(|c| c);
    corners.sort_by(|&a, &b| height(a).total_cmp(&height(b)));
    let mut config = 0u8;
    for k in 0..7 {
        config |= 1 << corners[k];
        report(config, height(corners[k + 1]) - height(corners[k]));
    }
}

/// For each direction, its share of the sphere and how often each class occurs per area.
fn frequencies(
    world: DMat3,
    mirrors: &[usize],
    classes: &[Option<usize>; 256],
    count: usize,
) -> Vec<(f64, Vec<f64>)> {
    let volume = world.determinant().abs();
    let mut total = 0.0;
    // Directions that no mirror makes of another: an octant, or half of the sphere.
    let octants = (0..4).filter(|octant| *octant == 0 || !mirrors.contains(octant));
    let mut rows: Vec<(f64, Vec<f64>)> = octants
        .flat_map(|mirror| octant(GRID).map(move |direction| mirrored(direction, mirror)))
        .map(|direction| {
            let share = direction.length_squared().powi(3).sqrt().recip();
            let unit = direction.normalize();
            // Heights of the corners above the plane: the normal in steps of the voxel edges. Edges
            // at right angles are the axes of the directions.
            let n = if mirrors.len() == 8 {
                DVec3::from_array(std::array::from_fn(|a| unit[a] * world.col(a).length()))
            } else {
                world.transpose() * unit
            };
            let mut row = vec![0.0; count];
            sweep(n, |config, length| {
                if let Some(class) = classes[usize::from(config)] {
                    row[class] += length / volume;
                }
            });
            total += share;
            (share, row)
        })
        .collect();
    for (share, _) in &mut rows {
        *share /= total;
    }
    rows
}

/// Crofton's weights by class: what the solution keeps to where the planes leave it free.
fn prior(world: DMat3, classes: &[Option<usize>; 256], count: usize) -> Vec<f64> {
    let volume = world.determinant().abs();
    let steps = DIRECTIONS.map(|[z, y, x]| world * DVec3::new(f64::from(x), f64::from(y), f64::from(z)));
    let shares = direction_weights(&steps);
    let mut prior = vec![0.0; count];
    for (config, class) in classes.iter().enumerate() {
        let Some(class) = class else { continue };
        prior[*class] = (0..13)
            .map(|i| {
                let (crossed, shared) = crate::measure::sums::crofton::crossings(config as u8, i);
                2.0 * shares[i] * volume / steps[i].length() * f64::from(crossed) / f64::from(shared)
            })
            .sum();
    }
    prior
}

/// Least squares of (Σ weight·frequency − 1) over directions, with its mean held at 0 by a
/// Lagrange multiplier, a pull of some classes to their known weights and a slight pull to the prior.
fn solve(rows: &[(f64, Vec<f64>)], prior: &[f64], known: &[(usize, f64)]) -> Vec<f64> {
    let n = prior.len();
    let scale = prior.iter().map(|p| p * p).sum::<f64>() / n as f64;
    let ridge = 1e-9 / scale;
    let mut a = vec![vec![0.0; n + 2]; n + 1];
    for (share, row) in rows {
        for i in 0..n {
            for j in 0..n {
                a[i][j] += share * row[i] * row[j];
            }
            a[i][n + 1] += share * row[i];
            a[i][n] += share * row[i];
            a[n][i] += share * row[i];
        }
    }
    for i in 0..n {
        a[i][i] += ridge;
        a[i][n + 1] += ridge * prior[i];
    }
    let pull = 1e4 * ridge;
    for (class, weight) in known {
        a[*class][*class] += pull;
        a[*class][n + 1] += pull * weight;
    }
    a[n][n + 1] = 1.0;
    crate::algorithms::linear::eliminate(&mut a);
    (0..n).map(|i| a[i][n + 1]).collect()
}

/// A configuration that no plane makes: its 6-connected parts, or those of its complement if they
/// are fewer voxels, each by its own weight.
fn parts(config: u8, classes: &[Option<usize>; 256], solved: &[f64]) -> f64 {
    if config == 0 || config == 255 {
        return 0.0;
    }
    let config = if config.count_ones() > 4 { !config } else { config };
    let mut left = config;
    let mut area = 0.0;
    while left != 0 {
        let mut part = left & left.wrapping_neg();
        loop {
            let grown = (0..8u8)
                .filter(|c| part & (1 << c) != 0)
                .fold(part, |m, c| m | 1 << (c ^ 1) | 1 << (c ^ 2) | 1 << (c ^ 4))
                & left;
            if grown == part {
                break;
            }
            part = grown;
        }
        left &= !part;
        area += classes[usize::from(part)].map_or(0.0, |class| solved[class]);
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubes_get_the_published_weights() {
        let w = weights(&Geometry::default());
        // Lindblad 2005: one corner, an edge, three in a row, a face, a tripod.
        for (config, published) in [
            (0b0000_0001, 0.636),
            (0b0000_0011, 0.669),
            (0b0000_0111, 0.554),
            (0b0000_1111, 0.927),
            (0b0001_0111, 0.421),
        ] {
            assert!((w[config] - published).abs() < 0.01, "{config:08b}: {} for {published}", w[config]);
        }
    }
}
