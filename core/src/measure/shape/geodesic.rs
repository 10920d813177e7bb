//! Paths inside an object: the geodesic diameter, which is the length of the longest of the shortest
//! paths between two of its voxels (C. Lantuéjoul and F. Maisonneuve 1984,
//! doi:10.1016/0031-3203(84)90057-8).
//!
//! Steps go to the 98 neighbours within two voxels along each axis that no shorter step of the same
//! direction reaches (G. Borgefors 1996, doi:10.1006/cviu.1996.0065), with their Euclidean lengths: a
//! path is up to 5 % longer than the straight line that it follows, more where the sides of a voxel
//! differ. The path that is found is then pulled straight wherever the straight line lies inside.

use crate::Geometry;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The longest shortest path in an object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geodesic {
    /// Its length from voxel centre to voxel centre.
    pub diameter: f64,
    /// Its length ÷ the distance of its ends; 1 for one voxel.
    pub tortuosity: f64,
}

impl Geodesic {
    /// Of nothing.
    pub const NONE: Self = Self { diameter: f64::NAN, tortuosity: f64::NAN };
}

/// A step: its offset in memory, its length, and the voxels that a longer one passes between, all of
/// which must be inside.
struct Step {
    offset: isize,
    length: f64,
    between: Vec<isize>,
}

fn steps(shape: [usize; 3], geometry: &Geometry) -> Vec<Step> {
    let offset = |s: [isize; 3]| (s[0] * shape[1] as isize + s[1]) * shape[2] as isize + s[2];
    (0..125isize)
        .map(|i| [i / 25 - 2, i / 5 % 5 - 2, i % 5 - 2])
        .filter(|s| s.iter().any(|c| c % 2 != 0))
        .map(|s| {
            let long = s.iter().any(|c| c.abs() == 2);
            // Half-way, an odd component lies between two voxels.
            let mut between = if long { vec![[0isize; 3]] } else { Vec::new() };
            for a in 0..3 {
                between = between
                    .iter()
                    .flat_map(|b| {
                        let side = |v: isize| {
                            let mut b = *b;
                            b[a] = v;
                            b
                        };
                        match s[a] {
                            2 | -2 => vec![side(s[a] / 2)],
                            1 | -1 => vec![side(0), side(s[a])],
                            _ => vec![side(0)],
                        }
                    })
                    .collect();
            }
            Step {
                offset: offset(s),
                length: geometry.length(s.map(|c| c as f64)),
                between: between.into_iter().map(offset).collect(),
            }
        })
        .collect()
}

/// The longest shortest path in a mask `[z, y, x]` with a frame of two voxels of 0 around it; of
/// several parts (26-connected), that of the part which has the longest. It is sought from the first
/// voxel to the farthest and on from there, until it grows no more (four times at most), which finds
/// it in bodies without wide turns.
pub fn geodesic(mask: &[u8], shape: [usize; 3], geometry: &Geometry) -> Geodesic {
    let steps = steps(shape, geometry);
    let mut distances = vec![f64::INFINITY; mask.len()];
    let mut seen = vec![false; mask.len()];
    let mut best: (f64, Vec<usize>) = (-1.0, Vec::new());
    for start in 0..mask.len() {
        if mask[start] == 0 || seen[start] {
            continue;
        }
        let (mut from, mut longest) = (start, -1.0);
        for _ in 0..4 {
            let reached = sweep(mask, &steps, from, &mut distances);
            let mut farthest = (0.0, from);
            for &at in &reached {
                seen[at] = true;
                // Of several, the first in memory order.
                if distances[at] > farthest.0 || distances[at] == farthest.0 && at < farthest.1 {
                    farthest = (distances[at], at);
                }
            }
            let longer = farthest.0 > longest;
            longest = longest.max(farthest.0);
            if farthest.0 > best.0 {
                best = (farthest.0, path(&steps, farthest.1, &distances));
            }
            for at in reached {
                distances[at] = f64::INFINITY;
            }
            if !longer {
                break;
            }
            from = farthest.1;
        }
    }
    let at = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]].map(|v| v as f64);
    let path: Vec<[f64; 3]> = best.1.into_iter().map(at).collect();
    let (Some(&first), Some(&last)) = (path.first(), path.last()) else { return Geodesic::NONE };
    let length = |p: [f64; 3], q: [f64; 3]| geometry.length([0, 1, 2].map(|k| p[k] - q[k]));
    let (mut diameter, mut from) = (0.0, first);
    for pair in path.windows(2) {
        if !visible(mask, shape, from, pair[1]) {
            diameter += length(from, pair[0]);
            from = pair[0];
        }
    }
    diameter += length(from, last);
    let straight = length(first, last);
    Geodesic { diameter, tortuosity: if straight > 0.0 { diameter / straight } else { 1.0 } }
}

/// The shortest path to a voxel, from its end to its beginning.
fn path(steps: &[Step], end: usize, distances: &[f64]) -> Vec<usize> {
    let mut path = vec![end];
    let mut at = end;
    while distances[at] > 0.0 {
        // The step that set the distance: its sum is the same bits.
        let before = steps
            .iter()
            .map(|s| (at.wrapping_add_signed(-s.offset), s.length))
            .find(|&(from, length)| distances.get(from).is_some_and(|d| *d + length == distances[at]));
        let Some((from, _)) = before else { break };
        at = from;
        path.push(at);
    }
    path
}

/// Whether the straight line between two voxel centres lies inside: all voxels nearest to points of it
/// that are at most half a voxel apart.
fn visible(mask: &[u8], shape: [usize; 3], p: [f64; 3], q: [f64; 3]) -> bool {
    let reach = (0..3).map(|k| (q[k] - p[k]).abs()).fold(0.0, f64::max);
    let pieces = (2.0 * reach) as usize;
    (1..pieces).all(|i| {
        let t = i as f64 / pieces as f64;
        let v = [0, 1, 2].map(|k| (p[k] + (q[k] - p[k]) * t).round() as usize);
        mask[(v[0] * shape[1] + v[1]) * shape[2] + v[2]] != 0
    })
}

/// Lengths of the shortest paths from a voxel (Dijkstra 1959); returns the voxels that were reached.
/// Lengths are not negative, so that they order like their bits.
fn sweep(mask: &[u8], steps: &[Step], from: usize, distances: &mut [f64]) -> Vec<usize> {
    let mut heap = BinaryHeap::from([Reverse((0u64, from))]);
    let mut reached = vec![from];
    distances[from] = 0.0;
    while let Some(Reverse((bits, at))) = heap.pop() {
        let here = f64::from_bits(bits);
        if here > distances[at] {
            continue;
        }
        for step in steps {
            let next = at.wrapping_add_signed(step.offset);
            let length = here + step.length;
            if mask[next] == 0
                || length >= distances[next]
                || step.between.iter().any(|o| mask[at.wrapping_add_signed(*o)] == 0)
            {
                continue;
            }
            if distances[next] == f64::INFINITY {
                reached.push(next);
            }
            distances[next] = length;
            heap.push(Reverse((length.to_bits(), next)));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    fn spaced(spacing: [f64; 3]) -> Geometry {
        Geometry::from_spacing(spacing, Unit::Voxel)
    }

    fn drawn(shape: [usize; 3], set: impl Fn([f64; 3]) -> bool) -> Vec<u8> {
        (0..shape.iter().product())
            .map(|i| {
                let p = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
                let inside = (0..3).all(|a| p[a] > 1 && p[a] + 2 < shape[a]);
                u8::from(inside && set(p.map(|v| v as f64)))
            })
            .collect()
    }

    #[test]
    fn straight_bodies_are_as_long_as_they_are() {
        let shape = [30, 26, 34];
        for spacing in [[1.0; 3], [2.0, 1.0, 0.5]] {
            let mask = drawn(shape, |_| true);
            let truth =
                [25.0f64, 21.0, 29.0].iter().zip(spacing).map(|(n, s)| (n * s).powi(2)).sum::<f64>().sqrt();
            let found = geodesic(&mask, shape, &spaced(spacing));
            assert!((found.diameter / truth - 1.0).abs() < 1e-12, "{found:?} {truth}");
            assert!((found.tortuosity - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn bent_bodies_are_measured_along_the_bend() {
        let shape = [9, 60, 60];
        // Three quarters of a ring of radius 20 that is 3 thick: shortest along its inner side.
        let mask = drawn(shape, |[z, y, x]| {
            let (y, x) = (y - 29.5, x - 29.5);
            (z - 4.0).abs() <= 1.0 && (18.5..=21.5).contains(&y.hypot(x)) && !(y > 0.0 && x > 0.0)
        });
        let found = geodesic(&mask, shape, &spaced([1.0; 3]));
        let inner = 18.5 * 1.5 * std::f64::consts::PI;
        assert!((inner..inner * 1.05).contains(&found.diameter), "{found:?} {inner}");
        assert!((2.7..3.6).contains(&found.tortuosity), "{found:?}");
    }

    #[test]
    fn nothing_is_crossed_and_parts_are_apart() {
        let shape = [5, 5, 30];
        let mask = drawn(shape, |[_, _, x]| x != 12.0);
        assert_eq!(geodesic(&mask, shape, &spaced([1.0; 3])).diameter, 14.0);
        assert_eq!(
            geodesic(&drawn(shape, |p| p == [2.0, 2.0, 9.0]), shape, &spaced([1.0; 3])),
            Geodesic { diameter: 0.0, tortuosity: 1.0 }
        );
        assert!(geodesic(&[0; 125], [5; 3], &spaced([1.0; 3])).diameter.is_nan());
    }
}
