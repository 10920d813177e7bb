//! The part of a plane that is nearer to two cells than to all others.

use super::fit::Cells;
use super::pieces::Pieces;
use glam::DVec3;

/// Area of the film between two pieces: the polygon in the plane between their cells that lies in no other cell, in the
/// image, and within the boxes of both but for a voxel.
pub(super) fn area(
    pieces: &Pieces,
    cells: &Cells,
    (a, b): (usize, usize),
    others: impl Iterator<Item = usize>,
) -> f64 {
    let origin = (pieces.centroids[a] + pieces.centroids[b]) / 2.0;
    let ((ga, va), (gb, vb)) = (cells.about(pieces, a, origin), cells.about(pieces, b, origin));
    let (normal, offset) = (ga - gb, vb - va);
    let Some(unit) = normal.try_normalize() else { return 0.0 };
    let foot = unit * (offset / normal.length());
    let index_from_world = pieces.world.inverse();
    let size = (pieces.world * pieces.shape).length();
    let (e, f) = unit.any_orthonormal_pair();
    let mut polygon: Vec<DVec3> = [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]
        .map(|(s, t)| foot + (e * s + f * t) * size)
        .to_vec();
    let (low, high) = bounds(pieces, a, b);
    let rows = index_from_world.transpose();
    for axis in 0..3 {
        let (row, here) = (rows.col(axis), rows.col(axis).dot(origin));
        clip(&mut polygon, row, high[axis] - here);
        clip(&mut polygon, -row, here - low[axis]);
    }
    for k in others {
        if polygon.len() < 3 {
            return 0.0;
        }
        let (gk, vk) = cells.about(pieces, k, origin);
        clip(&mut polygon, ga - gk, vk - va);
    }
    let Some(first) = polygon.first() else { return 0.0 };
    let sides = polygon.windows(2).map(|w| (w[0] - *first).cross(w[1] - *first));
    sides.sum::<DVec3>().length() / 2.0
}

/// Least and greatest indices that a film of two pieces may reach.
fn bounds(pieces: &Pieces, a: usize, b: usize) -> (DVec3, DVec3) {
    let [a, b] = [pieces.boxes[a], pieces.boxes[b]];
    let low = a[0].max(b[0]) - DVec3::splat(1.5);
    let high = a[1].min(b[1]) + DVec3::splat(1.5);
    (low.max(DVec3::splat(-0.5)), high.min(pieces.shape - DVec3::splat(0.5)))
}

/// Keeps what of a convex polygon has `normal · x ≤ offset`.
fn clip(polygon: &mut Vec<DVec3>, normal: DVec3, offset: f64) {
    let heights: Vec<f64> = polygon.iter().map(|p| normal.dot(*p) - offset).collect();
    if heights.iter().all(|h| *h <= 0.0) {
        return;
    }
    let n = polygon.len();
    let mut kept = Vec::with_capacity(n + 1);
    for i in 0..n {
        let j = (i + 1) % n;
        let (h, g) = (heights[i], heights[j]);
        if h <= 0.0 {
            kept.push(polygon[i]);
        }
        if (h < 0.0 && g > 0.0) || (h > 0.0 && g < 0.0) {
            kept.push(polygon[i] + (polygon[j] - polygon[i]) * (h / (h - g)));
        }
    }
    *polygon = kept;
}
