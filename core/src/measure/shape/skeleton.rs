//! Skeletons of objects: thinning to lines one voxel wide (T. C. Lee, R. L. Kashyap and C. N. Chu,
//! "Building skeleton models via 3-D medial surface axis thinning algorithms", 1994,
//! doi:10.1006/cgip.1994.1042), and the graph that they are.

use crate::Geometry;
use crate::measure::sums::crofton::euler_26;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// The graph of a skeleton. Voxels are joined to their 26 neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Skeleton {
    /// Its voxels.
    pub voxels: u64,
    /// Groups of joined voxels with more than two neighbours.
    pub junctions: u64,
    /// Voxels with one neighbour.
    pub ends: u64,
    /// Lines between junctions and ends; closed lines without a junction are one each.
    pub branches: u64,
    /// Length of the branches from voxel centre to voxel centre, in the unit of the geometry.
    pub length: f64,
}

impl Skeleton {
    /// Of nothing.
    pub const NONE: Self = Self { voxels: 0, junctions: 0, ends: 0, branches: 0, length: f64::NAN };
}

/// A voxel of the object that is no longer or not yet looked at.
const INNER: u8 = 1;
/// A voxel of the object that has been on its border.
const BORDER: u8 = 2;

/// Steps `[z, y, x]` to the six face neighbours, in the order in which borders are thinned.
const SIDES: [[isize; 3]; 6] = [[0, -1, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0]];

struct Neighbourhoods {
    /// For each voxel of 3×3×3, its 26 neighbours among them.
    adjacent: [u32; 27],
    /// For each of the eight neighbourhoods of 2×2×2 around the centre: its voxels, in the order of
    /// the configurations' bits.
    octants: [[u32; 8]; 8],
    /// How the centre voxel changes the Euler number (times eight) of a configuration that has it in
    /// the place of bit 0; 26-connected.
    change: Box<[[i8; 256]; 8]>,
}

const CENTRE: u32 = 13;

static TABLES: LazyLock<Neighbourhoods> = LazyLock::new(|| {
    let at = |i: usize| [i / 9, i / 3 % 3, i % 3];
    let adjacent = std::array::from_fn(|i| {
        (0..27)
            .filter(|&j| j != i && (0..3).all(|a| at(i)[a].abs_diff(at(j)[a]) <= 1))
            .fold(0, |mask, j| mask | 1 << j)
    });
    let octants = std::array::from_fn(|o| {
        std::array::from_fn(|bit| {
            let p: [usize; 3] = std::array::from_fn(|a| (o >> (2 - a) & 1) + (bit >> (2 - a) & 1));
            (p[0] * 9 + p[1] * 3 + p[2]) as u32
        })
    });
    let mut change = Box::new([[0; 256]; 8]);
    for (o, change) in change.iter_mut().enumerate() {
        // The octant that begins at corner `o` of the centre has it at the opposite corner.
        let own = 1u8 << (7 - o);
        for (config, change) in change.iter_mut().enumerate() {
            *change = (euler_26(config as u8 | own) - euler_26(config as u8 & !own)) as i8;
        }
    }
    Neighbourhoods { adjacent, octants, change }
});

/// Thins a mask `[z, y, x]` with a frame of 0 around it to its skeleton.
pub fn thin(mask: &mut [u8], shape: [usize; 3]) {
    let strides = [(shape[1] * shape[2]) as isize, shape[2] as isize, 1];
    let offset = |s: [isize; 3]| (0..3).map(|a| s[a] * strides[a]).sum::<isize>();
    let sides = SIDES.map(offset);
    let cube: [isize; 27] = std::array::from_fn(|i| {
        offset([(i / 9) as isize - 1, (i / 3 % 3) as isize - 1, (i % 3) as isize - 1])
    });
    let around = |mask: &[u8], at: usize| {
        cube.iter()
            .enumerate()
            .fold(0u32, |bits, (i, o)| bits | u32::from(mask[at.wrapping_add_signed(*o)] != 0) << i)
    };
    for v in mask.iter_mut() {
        *v = u8::from(*v != 0) * INNER;
    }
    let mut border: Vec<usize> = (0..mask.len())
        .filter(|&at| mask[at] != 0 && sides.iter().any(|o| mask[at.wrapping_add_signed(*o)] == 0))
        .collect();
    for &at in &border {
        mask[at] = BORDER;
    }
    let mut changed = true;
    while changed {
        changed = false;
        for side in sides {
            let candidates: Vec<usize> = border
                .iter()
                .copied()
                .filter(|&at| mask[at.wrapping_add_signed(side)] == 0 && deletable(around(mask, at)))
                .collect();
            let mut exposed = Vec::new();
            for &at in &candidates {
                // Those before it may have been what it was joined by.
                if !in_one_piece(around(mask, at)) {
                    continue;
                }
                changed = true;
                mask[at] = 0;
                for o in sides {
                    let next = at.wrapping_add_signed(o);
                    if mask[next] == INNER {
                        mask[next] = BORDER;
                        exposed.push(next);
                    }
                }
            }
            if !candidates.is_empty() {
                border.retain(|&at| mask[at] != 0);
                border.append(&mut exposed);
                border.sort_unstable();
            }
        }
    }
}

/// Whether a voxel with these neighbours (and itself) is no end and leaves the topology as it is.
fn deletable(bits: u32) -> bool {
    // Itself and one neighbour: an end of a line.
    if bits.count_ones() == 2 {
        return false;
    }
    let t = &*TABLES;
    let change: i32 = t
        .octants
        .iter()
        .zip(t.change.iter())
        .map(|(octant, change)| {
            let config = octant.iter().enumerate().fold(0, |c, (i, p)| c | (bits >> p & 1) << i);
            i32::from(change[config as usize])
        })
        .sum();
    change == 0 && in_one_piece(bits)
}

/// Whether the neighbours of a voxel are one 26-connected piece.
fn in_one_piece(bits: u32) -> bool {
    let mut left = bits & !(1 << CENTRE);
    let mut front = left & left.wrapping_neg();
    if front == 0 {
        return false;
    }
    left &= !front;
    while front != 0 {
        let i = front.trailing_zeros() as usize;
        front &= front - 1;
        let reached = TABLES.adjacent[i] & left;
        left &= !reached;
        front |= reached;
    }
    left == 0
}

/// The graph of the skeleton of a mask `[z, y, x]` with a frame of 0 around it; lengths are those of the geometry.
pub fn skeleton(mask: &[u8], shape: [usize; 3], geometry: &Geometry) -> Skeleton {
    let mut mask = mask.to_vec();
    thin(&mut mask, shape);
    let steps: Vec<(isize, f64)> = (0..27isize)
        .filter(|i| *i != CENTRE as isize)
        .map(|i| {
            let s = [i / 9 - 1, i / 3 % 3 - 1, i % 3 - 1];
            let offset = (s[0] * shape[1] as isize + s[1]) * shape[2] as isize + s[2];
            (offset, geometry.length(s.map(|c| c as f64)))
        })
        .collect();
    let voxels: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] != 0).collect();
    let neighbours = |at: usize| steps.iter().map(move |&(o, length)| (at.wrapping_add_signed(o), length));
    let degree: Vec<u8> =
        voxels.iter().map(|&at| neighbours(at).filter(|(n, _)| mask[*n] != 0).count() as u8).collect();
    // From here on: 1 for voxels of lines, 2 for junctions.
    for (&at, &d) in voxels.iter().zip(&degree) {
        mask[at] = if d > 2 { 2 } else { 1 };
    }
    let mut found = Skeleton {
        voxels: voxels.len() as u64,
        ends: degree.iter().filter(|d| **d == 1).count() as u64,
        length: 0.0,
        ..Skeleton::NONE
    };
    for &at in voxels.iter().filter(|&&at| mask[at] == 1) {
        for (next, length) in neighbours(at) {
            // Steps between two voxels of lines are met from both.
            found.length += match mask[next] {
                1 => length / 2.0,
                2 => length,
                _ => 0.0,
            };
        }
    }
    let mut seen = mask.clone();
    let mut stack = Vec::new();
    for (&start, &d) in voxels.iter().zip(&degree) {
        let kind = seen[start];
        if kind == 0 || d == 0 {
            continue;
        }
        if kind == 2 {
            found.junctions += 1;
        } else {
            found.branches += 1;
        }
        seen[start] = 0;
        stack.push(start);
        while let Some(at) = stack.pop() {
            for (next, _) in neighbours(at) {
                if seen[next] == kind {
                    seen[next] = 0;
                    stack.push(next);
                }
            }
        }
    }
    found
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
                let inside = (0..3).all(|a| p[a] > 0 && p[a] + 1 < shape[a]);
                u8::from(inside && set(p.map(|v| v as f64)))
            })
            .collect()
    }

    #[test]
    fn rods_rings_stars_and_balls() {
        let near = |v: f64| v * v;
        let shape = [15, 41, 41];
        let rod = drawn(shape, |[z, y, x]| near(z - 7.0) + near(y - 20.0) < 10.0 && (5.0..36.0).contains(&x));
        let s = skeleton(&rod, shape, &spaced([1.0; 3]));
        assert_eq!((s.branches, s.junctions, s.ends), (1, 0, 2), "{s:?}");
        // Thinning takes about a radius off both ends.
        assert!((20.0..=30.0).contains(&s.length), "{s:?}");
        let ring = drawn(shape, |[z, y, x]| near(z - 7.0) + near((y - 20.0).hypot(x - 20.0) - 14.0) < 10.0);
        let s = skeleton(&ring, shape, &spaced([2.0; 3]));
        assert_eq!((s.branches, s.junctions, s.ends), (1, 0, 0), "{s:?}");
        // A digital circle, from voxel to voxel, is up to 8 % too long.
        let round = 2.0 * std::f64::consts::PI * 28.0;
        assert!((1.0..1.08).contains(&(s.length / round)), "{s:?}");
        let star = drawn(shape, |[z, y, x]| {
            let angle = (y - 20.0).atan2(x - 20.0);
            let r = (y - 20.0).hypot(x - 20.0);
            (0..3).any(|k| {
                let a = angle - f64::from(k) * 2.0 * std::f64::consts::PI / 3.0;
                near(z - 7.0) + near(r * a.sin()) < 7.0 && r * a.cos() >= 0.0 && r < 18.0
            })
        });
        let s = skeleton(&star, shape, &spaced([1.0; 3]));
        assert_eq!((s.branches, s.junctions, s.ends), (3, 1, 3), "{s:?}");
        let ball = drawn([15; 3], |p| p.iter().map(|v| near(v - 7.0)).sum::<f64>() < 30.0);
        let s = skeleton(&ball, [15; 3], &spaced([1.0; 3]));
        assert!(s.voxels <= 2 && s.junctions == 0 && s.length <= 1.0, "{s:?}");
        // A line is its own skeleton.
        let line = drawn([3, 3, 12], |_| true);
        let s = skeleton(&line, [3, 3, 12], &spaced([1.0, 1.0, 0.5]));
        assert_eq!((s.voxels, s.branches, s.ends, s.length), (10, 1, 2, 4.5), "{s:?}");
    }
}
