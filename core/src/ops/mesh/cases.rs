//! How the surface passes through a cell of eight voxels, for each of the 256 cases.
//!
//! Corner `dx + 2·dy + 4·dz`. Edges 0–3 run along x from corner `(dy, dz)`, 4–7 along y from
//! `(dx, dz)`, 8–11 along z from `(dx, dy)`. On each face, the surface cuts off the inside corners one
//! by one, also where two inside corners lie diagonally, so that both cells at a face agree; the cuts
//! of the six faces join to closed loops, which are cut into triangles by diagonals that lie in no
//! face. So every edge of a triangle has exactly one partner (after Lorensen & Cline 1987,
//! doi:10.1145/37401.37422, with the table worked out instead of written down).

use std::sync::OnceLock;

/// Most triangles of a case.
const MOST: usize = 5;

/// Triangles of each case, as edges.
pub struct Cases([(u8, [[u8; 3]; MOST]); 256]);

impl Cases {
    /// The triangles of a case.
    #[inline(always)]
    pub fn of(&self, case: usize) -> &[[u8; 3]] {
        let (count, triangles) = &self.0[case & 255];
        &triangles[..usize::from(*count).min(MOST)]
    }
}

/// The table whose triangles are counter-clockwise seen from outside, in a grid that is `mirrored` or not.
pub fn cases(mirrored: bool) -> &'static Cases {
    static CASES: [OnceLock<Cases>; 2] = [const { OnceLock::new() }; 2];
    CASES[usize::from(mirrored)].get_or_init(|| {
        Cases(std::array::from_fn(|case| {
            let found: Vec<_> = loops(case).iter().flat_map(|l| triangles(l)).collect();
            let mut all = [[0; 3]; MOST];
            for (to, [a, b, c]) in all.iter_mut().zip(&found) {
                *to = if mirrored { [*a, *c, *b] } else { [*a, *b, *c] };
            }
            (found.len() as u8, all)
        }))
    })
}

/// Corners of each face, counter-clockwise seen from outside the cell.
const FACES: [[usize; 4]; 6] =
    [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]];

/// The edge between two corners.
fn edge(a: usize, b: usize) -> u8 {
    let low = a.min(b);
    let (dx, dy, dz) = (low & 1, low >> 1 & 1, low >> 2);
    (match a ^ b {
        1 => dy + 2 * dz,
        2 => 4 + dx + 2 * dz,
        _ => 8 + dx + 2 * dy,
    }) as u8
}

/// Whether two edges lie in one face.
fn coplanar(a: u8, b: u8) -> bool {
    FACES.iter().any(|f| {
        let has = |e| (0..4).any(|i| edge(f[i], f[(i + 1) % 4]) == e);
        has(a) && has(b)
    })
}

/// The closed loops of a case.
fn loops(case: usize) -> Vec<Vec<u8>> {
    let inside = |corner: usize| case >> corner & 1 == 1;
    // On each face, from the edge at which inside begins to the edge at which it ends.
    let mut next = [None; 12];
    for face in FACES {
        for i in 0..4 {
            if !inside(face[i]) && inside(face[(i + 1) % 4]) {
                let end = (1..4)
                    .map(|k| (i + k) % 4)
                    .find(|&k| !inside(face[(k + 1) % 4]))
                    .expect("one is outside");
                next[usize::from(edge(face[i], face[(i + 1) % 4]))] =
                    Some(edge(face[end], face[(end + 1) % 4]));
            }
        }
    }
    let mut all = Vec::new();
    for start in 0..12 {
        let mut found = Vec::new();
        let mut at = start;
        while let Some(to) = next[at].take() {
            found.push(at as u8);
            at = usize::from(to);
        }
        if !found.is_empty() {
            all.push(found);
        }
    }
    all
}

/// Cuts a loop into triangles, with as few diagonals in faces as there can be.
fn triangles(polygon: &[u8]) -> Vec<[u8; 3]> {
    fn best(polygon: &[u8]) -> (usize, Vec<[u8; 3]>) {
        let n = polygon.len();
        if n < 3 {
            return (0, vec![]);
        }
        // The triangle at the first side, with each possible third corner.
        let bad = |i: usize, j: usize| {
            usize::from(j - i > 1 && !(i == 0 && j == n - 1) && coplanar(polygon[i], polygon[j]))
        };
        (1..n - 1)
            .map(|k| {
                let (a, mut left) = best(&polygon[..=k]);
                let (b, right) = best(&polygon[k..]);
                left.push([polygon[0], polygon[k], polygon[n - 1]]);
                left.extend(right);
                (a + b + bad(0, k) + bad(k, n - 1), left)
            })
            .min_by_key(|(bad, _)| *bad)
            .expect("n is at least 3")
    }
    best(polygon).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_corner_is_cut_off_facing_outwards() {
        let mut triangle = cases(false).of(1)[0];
        let first = triangle.iter().position(|e| *e == 0).unwrap();
        triangle.rotate_left(first);
        assert_eq!(triangle, [0, 4, 8]);
    }

    #[test]
    fn no_diagonal_lies_in_a_face() {
        for case in 0..256 {
            let triangles = cases(false).of(case);
            let mut sides = std::collections::HashMap::new();
            for t in triangles {
                for i in 0..3 {
                    *sides.entry((t[i], t[(i + 1) % 3])).or_insert(0) += 1;
                }
            }
            for ((a, b), n) in &sides {
                assert_eq!(*n, 1, "{case}");
                if sides.contains_key(&(*b, *a)) {
                    assert!(!coplanar(*a, *b), "case {case}: {a} {b}");
                } else {
                    assert!(coplanar(*a, *b), "case {case}: {a} {b}");
                }
            }
        }
    }
}
