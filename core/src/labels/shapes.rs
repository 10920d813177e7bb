//! Shapes that tools draw: balls and discs along a stroke, and polygons.

use crate::Region;
use glam::{DMat3, DVec2, DVec3};
use ndarray::{Array2, Array3};

/// A brush: a ball, or a disc in one slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brush {
    /// Half its width, in world units.
    pub radius: f64,
    /// Edges of a voxel in the world, for steps along x, y and z.
    pub edges: DMat3,
    /// The axis across a disc (0, 1, 2 for z, y, x); none: a ball.
    pub disc: Option<usize>,
}

impl Brush {
    /// The voxels whose middles the brush covers on its way between two places, which are indices `[z, y, x]`; the
    /// voxel at each end is always covered. Nothing if the way lies outside the image of `shape`.
    pub fn stroke(&self, from: [f64; 3], to: [f64; 3], shape: [usize; 3]) -> Option<(Region, Array3<bool>)> {
        let mut edges = self.edges;
        if let Some(axis) = self.disc {
            // Across a disc there is nothing: its own two edges decide alone.
            let [u, v] = [(axis + 1) % 3, (axis + 2) % 3].map(|a| edges.col(2 - a));
            *edges.col_mut(2 - axis) = u.cross(v).normalize_or(DVec3::Z);
        }
        // The ball in indices is an ellipsoid, as far along each axis as the rows of the inverse are long.
        let index_from_world = edges.inverse();
        let reach: [f64; 3] = std::array::from_fn(|a| {
            if self.disc == Some(a) { 0.0 } else { self.radius * index_from_world.row(2 - a).length() }
        });
        let low: [i64; 3] = std::array::from_fn(|a| (from[a].min(to[a]) - reach[a]).round() as i64);
        let high: [i64; 3] = std::array::from_fn(|a| (from[a].max(to[a]) + reach[a]).round() as i64);
        let start: [usize; 3] = std::array::from_fn(|a| low[a].clamp(0, shape[a] as i64) as usize);
        let end: [usize; 3] = std::array::from_fn(|a| (high[a] + 1).clamp(0, shape[a] as i64) as usize);
        let region = Region { start, shape: std::array::from_fn(|a| end[a].saturating_sub(start[a])) };
        if region.is_empty() {
            return None;
        }
        let world = |v: [f64; 3]| {
            let [z, y, x]: [f64; 3] = std::array::from_fn(|a| if self.disc == Some(a) { 0.0 } else { v[a] });
            edges * DVec3::new(x, y, z)
        };
        let (a, b, square) = (world(from), world(to), self.radius * self.radius);
        let way = b - a;
        let length = way.length_squared();
        let ends = [from, to].map(|v| v.map(|n| n.round() as i64));
        let covered = Array3::from_shape_fn(region.shape, |(z, y, x)| {
            let at = [z + start[0], y + start[1], x + start[2]];
            let p = world(at.map(|n| n as f64));
            let t = if length > 0.0 { ((p - a).dot(way) / length).clamp(0.0, 1.0) } else { 0.0 };
            (p - (a + way * t)).length_squared() <= square || ends.contains(&at.map(|n| n as i64))
        });
        Some((region, covered))
    }
}

/// The pixels of a slice of `[rows, columns]` whose middles lie in a polygon of places `(column, row)`, by the
/// even–odd rule; the first row and column of the array with it.
pub fn polygon(points: &[DVec2], shape: [usize; 2]) -> Option<([usize; 2], Array2<bool>)> {
    if points.len() < 3 {
        return None;
    }
    let bound = |a: usize, least: bool| {
        let all = points.iter().map(|p| p[a]);
        if least { all.fold(f64::INFINITY, f64::min) } else { all.fold(f64::NEG_INFINITY, f64::max) }
    };
    let clamp = |v: f64, n: usize| v.clamp(0.0, n as f64) as usize;
    let first = [clamp(bound(1, true).ceil(), shape[0]), clamp(bound(0, true).ceil(), shape[1])];
    let end =
        [clamp(bound(1, false).floor() + 1.0, shape[0]), clamp(bound(0, false).floor() + 1.0, shape[1])];
    if first[0] >= end[0] || first[1] >= end[1] {
        return None;
    }
    let mut inside = Array2::from_elem([end[0] - first[0], end[1] - first[1]], false);
    let mut crossings = Vec::new();
    for (row, mut pixels) in inside.rows_mut().into_iter().enumerate() {
        let y = (row + first[0]) as f64;
        crossings.clear();
        for (i, p) in points.iter().enumerate() {
            let q = points[(i + 1) % points.len()];
            if (p.y <= y) != (q.y <= y) {
                crossings.push(p.x + (y - p.y) / (q.y - p.y) * (q.x - p.x));
            }
        }
        crossings.sort_unstable_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let from = (pair[0].ceil().max(first[1] as f64) as usize).min(end[1]);
            let to = ((pair[1].floor() + 1.0).max(0.0) as usize).min(end[1]);
            for column in from..to {
                pixels[column - first[1]] = true;
            }
        }
    }
    Some((first, inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balls_and_discs_have_their_size_in_the_world() {
        let brush =
            Brush { radius: 10.0, edges: DMat3::from_diagonal(DVec3::new(1.0, 1.0, 2.0)), disc: None };
        let (region, ball) = brush.stroke([30.0; 3], [30.0; 3], [60; 3]).unwrap();
        assert_eq!(region, Region::new([25, 20, 20], [11, 21, 21]));
        let volume = ball.iter().filter(|v| **v).count() as f64 * 2.0;
        let exact = 4.0 / 3.0 * std::f64::consts::PI * 1000.0;
        assert!((volume / exact - 1.0).abs() < 0.03, "{volume} {exact}");
        let disc = Brush { disc: Some(0), ..brush };
        let (region, disc) = disc.stroke([30.0; 3], [30.0; 3], [60; 3]).unwrap();
        assert_eq!(region, Region::new([30, 20, 20], [1, 21, 21]));
        assert_eq!(disc.iter().filter(|v| **v).count(), 317);
    }

    #[test]
    fn balls_on_sheared_grids_are_balls() {
        let edges = DMat3::from_cols(DVec3::X, DVec3::new(0.3, 1.1, 0.0), DVec3::new(-0.2, 0.6, 1.4));
        let brush = Brush { radius: 9.05, edges, disc: None };
        let (region, ball) = brush.stroke([30.0; 3], [30.0; 3], [60; 3]).unwrap();
        let volume = ball.iter().filter(|v| **v).count() as f64 * edges.determinant();
        let exact = 4.0 / 3.0 * std::f64::consts::PI * 9.05f64.powi(3);
        assert!((volume / exact - 1.0).abs() < 0.01, "{volume} {exact}");
        let centre = edges * DVec3::splat(30.0);
        for ((z, y, x), covered) in ball.indexed_iter() {
            let at = [z + region.start[0], y + region.start[1], x + region.start[2]].map(|n| n as f64);
            let away = (edges * DVec3::new(at[2], at[1], at[0])).distance(centre);
            assert_eq!(*covered, away <= 9.05, "{at:?}");
        }
        let disc = Brush { disc: Some(0), ..brush };
        let (_, disc) = disc.stroke([30.0; 3], [30.0; 3], [60; 3]).unwrap();
        let area = disc.iter().filter(|v| **v).count() as f64 * 1.1;
        assert!((area / (std::f64::consts::PI * 9.05f64.powi(2)) - 1.0).abs() < 0.02, "{area}");
    }

    #[test]
    fn strokes_have_no_gaps_and_end_at_the_border() {
        let brush = Brush { radius: 0.0, edges: DMat3::IDENTITY, disc: None };
        let (_, one) = brush.stroke([3.0, 3.0, 3.0], [3.0, 3.0, 3.0], [9; 3]).unwrap();
        assert_eq!(one.iter().filter(|v| **v).count(), 1);
        let brush = Brush { radius: 2.0, ..brush };
        let (region, stroke) = brush.stroke([4.0, 4.0, -5.0], [4.0, 4.0, 50.0], [9, 9, 20]).unwrap();
        assert_eq!(region.shape[2], 20);
        assert!(stroke.iter().filter(|v| **v).count() == 13 * 20);
        assert!(brush.stroke([4.0, 4.0, -9.0], [4.0, 4.0, -5.0], [9; 3]).is_none());
    }

    #[test]
    fn polygons_hold_the_pixels_whose_middles_lie_in_them() {
        let square = [(1.5, 2.5), (6.5, 2.5), (6.5, 4.5), (1.5, 4.5)].map(|(x, y)| DVec2::new(x, y));
        let (first, inside) = polygon(&square, [10, 10]).unwrap();
        assert_eq!((first, inside.dim()), ([3, 2], (2, 5)));
        assert!(inside.iter().all(|v| *v));
        // A star whose middle lies in it twice.
        let star: Vec<DVec2> = (0..5)
            .map(|i| {
                DVec2::new(20.0, 20.0)
                    + 15.0 * DVec2::from_angle(f64::from(i) * 4.0 * std::f64::consts::PI / 5.0)
            })
            .collect();
        let (first, inside) = polygon(&star, [40, 40]).unwrap();
        assert!(!inside[[20 - first[0], 20 - first[1]]]);
        assert!(inside[[20 - first[0], 30 - first[1]]]);
        assert!(polygon(&square[..2], [10, 10]).is_none());
        assert!(polygon(&square.map(|p| p + 20.0), [10, 10]).is_none());
    }
}
