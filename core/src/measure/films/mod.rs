//! Areas of the films between touching objects that fill space, such as the bubbles of a dry foam.
//!
//! The smallest films have the area of a few voxel faces, and counting faces, or any weight of local configurations, tells
//! them no better than to about one face. But a film is where two objects meet, and a third one ends it: so all objects are
//! fitted together. Each is taken as a cell of a power diagram (F. Aurenhammer 1987, doi:10.1137/0216006; as of dry foams,
//! A. Lyckegaard et al. 2011, doi:10.1002/adem.201000258), whose planes are fitted by least squares to the voxel faces
//! between objects, and a film is the polygon that the cells around leave of the plane between two. Films are flat here:
//! of one that spans an angle of φ, a part φ²/6 of the area is missed at most, 1 % for 14°.

mod fit;
mod pieces;
mod polygon;

use crate::{Geometry, Job, Result};
use fit::Cells;
use ndarray::Array3;
use pieces::Pieces;
use std::collections::{BTreeMap, BTreeSet};

/// Area of the film between each two labels, the lesser first, in squared world units. Background (0) has no films; outside
/// of the image nothing is known.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn areas(labels: &Array3<u32>, geometry: &Geometry, job: &Job) -> Result<BTreeMap<(u32, u32), f64>> {
    let pieces = Pieces::new(labels, geometry.world_from_index.matrix3, job)?;
    let cells = Cells::fit(&pieces, job)?;
    let neighbours = neighbours(&pieces);
    let mut areas = BTreeMap::new();
    for (a, b) in candidates(&pieces, &neighbours) {
        let (p, q) = (pieces.labels[a], pieces.labels[b]);
        if p == q {
            continue;
        }
        let others = neighbours[a].union(&neighbours[b]).copied().filter(|k| *k != a && *k != b);
        let area = polygon::area(&pieces, &cells, (a, b), others);
        if area > 0.0 {
            *areas.entry((p.min(q), p.max(q))).or_insert(0.0) += area;
        }
    }
    Ok(areas)
}

fn neighbours(pieces: &Pieces) -> Vec<BTreeSet<usize>> {
    let mut neighbours = vec![BTreeSet::new(); pieces.labels.len()];
    for &(a, b) in pieces.faces.keys() {
        neighbours[a].insert(b);
        neighbours[b].insert(a);
    }
    neighbours
}

/// Pieces that touch, and those that no face of voxels is between but that meet at a corner of three others.
fn candidates(pieces: &Pieces, neighbours: &[BTreeSet<usize>]) -> BTreeSet<(usize, usize)> {
    let mut candidates: BTreeSet<(usize, usize)> = pieces.faces.keys().copied().collect();
    for (a, around) in neighbours.iter().enumerate() {
        let beyond: BTreeSet<usize> =
            around.iter().flat_map(|&k| neighbours[k].range(a + 1..)).copied().collect();
        let near = beyond.into_iter().filter(|&b| around.intersection(&neighbours[b]).nth(2).is_some());
        candidates.extend(near.map(|b| (a, b)));
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use glam::DVec3;

    /// Voxels of the cells of points, in a box, with exact distances.
    fn voronoi(points: &[DVec3], shape: [usize; 3]) -> Array3<u32> {
        Array3::from_shape_fn(shape, |(z, y, x)| {
            let at = DVec3::new(x as f64, y as f64, z as f64);
            let nearest = (0..points.len())
                .min_by(|&a, &b| at.distance_squared(points[a]).total_cmp(&at.distance_squared(points[b])));
            nearest.map_or(0, |k| k as u32 + 1)
        })
    }

    #[test]
    fn films_of_four_cells_around_a_narrow_one_have_their_areas() {
        // Four columns along z; 1 and 2 meet in a film that is 6 wide and 20 high.
        let points = [(3.9, 9.5), (15.1, 9.5), (9.5, 0.2), (9.5, 18.8)].map(|(x, y)| DVec3::new(x, y, 9.5));
        let labels = voronoi(&points, [20, 20, 20]);
        let found = areas(&labels, &Geometry::default(), &Job::silent()).unwrap();
        // The cells of 1, 2 and 3 meet where 5.6² + (y − 9.5)² = (y − 0.2)².
        let exact = 2.0 * (9.5 - 121.57 / 18.6) * 20.0;
        assert!((found[&(1, 2)] - exact).abs() < 0.1 * exact, "{} and not {exact}", found[&(1, 2)]);
        assert!(!found.contains_key(&(3, 4)));
        // In another unit.
        let geometry = Geometry::from_spacing([0.5; 3], Unit::Micrometre);
        let scaled = areas(&labels, &geometry, &Job::silent()).unwrap();
        assert!((scaled[&(1, 2)] - found[&(1, 2)] / 4.0).abs() < 1e-6);
    }

    #[test]
    fn two_halves_meet_in_a_plane_and_background_in_none() {
        let half = |tilt: f64| {
            Array3::from_shape_fn((16, 16, 16), |(z, y, _)| {
                if (z as f64) < 7.5 + tilt * (y as f64 - 7.5) { 4 } else { 9 }
            })
        };
        for tilt in [0.0, 0.3] {
            let found = areas(&half(tilt), &Geometry::default(), &Job::silent()).unwrap();
            let exact = 256.0 * f64::sqrt(1.0 + tilt * tilt);
            assert!((found[&(4, 9)] - exact).abs() < 0.02 * exact, "{tilt}: {found:?}");
        }
        let alone = half(0.0).mapv(|v| if v == 9 { 0 } else { v });
        assert!(areas(&alone, &Geometry::default(), &Job::silent()).unwrap().is_empty());
    }
}
