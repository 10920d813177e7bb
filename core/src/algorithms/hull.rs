//! Convex hulls of voxel corners, in exact integer arithmetic (C. Barber, D. Dobkin and H. Huhdanpaa,
//! "The Quickhull algorithm for convex hulls", 1996, doi:10.1145/235815.235821), and what follows
//! from them: volume and Feret diameters.
//!
//! Corners are integers, so that visibility is decided exactly; the set of extreme points, and with
//! it every figure, depends neither on the order of the points nor on how an object was cut.

use glam::DVec3;

/// A point, `[z, y, x]` of a voxel corner.
pub type Point = [i32; 3];

/// A convex hull.
#[derive(Debug, Clone, PartialEq)]
pub struct Hull {
    /// Its extreme points, sorted.
    pub vertices: Vec<Point>,
    /// Outward normals of its faces, each once, as primitive integer vectors, sorted.
    pub normals: Vec<[i64; 3]>,
    /// Six times its volume in voxels.
    pub volume6: i64,
}

struct Facet {
    corners: [u32; 3],
    /// The facet across the side from corner `k` to corner `k + 1`.
    across: [u32; 3],
    normal: [i64; 3],
    offset: i64,
    outside: Vec<u32>,
    alive: bool,
}

fn minus(a: Point, b: Point) -> [i64; 3] {
    std::array::from_fn(|k| i64::from(a[k]) - i64::from(b[k]))
}

fn cross(a: [i64; 3], b: [i64; 3]) -> [i64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [i64; 3], b: [i64; 3]) -> i64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Facet {
    fn new(points: &[Point], corners: [u32; 3]) -> Self {
        let [a, b, c] = corners.map(|i| points[i as usize]);
        let normal = cross(minus(b, a), minus(c, a));
        let offset = dot(normal, a.map(i64::from));
        Self { corners, across: [u32::MAX; 3], normal, offset, outside: Vec::new(), alive: true }
    }

    /// Positive where a point lies strictly outside.
    fn height(&self, p: Point) -> i64 {
        dot(self.normal, p.map(i64::from)) - self.offset
    }
}

/// The hull of points that do not all lie in one plane (corners of a voxel never do). Objects may
/// reach over up to 2¹⁹ voxels along an axis.
///
/// # Panics
/// If all points lie in one plane.
pub fn hull(points: &[Point]) -> Hull {
    let mut sorted = points.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    // About the first point, so that numbers stay small.
    let origin = sorted[0];
    let points: Vec<Point> = sorted.iter().map(|p| std::array::from_fn(|k| p[k] - origin[k])).collect();
    let facets = quickhull(&points);
    finish(&points, origin, &facets)
}

fn quickhull(points: &[Point]) -> Vec<Facet> {
    let simplex = simplex(points);
    let mut facets: Vec<Facet> = Vec::new();
    let [a, b, c, d] = simplex;
    let flip = Facet::new(points, [a, b, c]).height(points[d as usize]) > 0;
    let (b, c) = if flip { (c, b) } else { (b, c) };
    // Seen from outside, each counter-clockwise.
    for corners in [[a, b, c], [a, d, b], [b, d, c], [c, d, a]] {
        facets.push(Facet::new(points, corners));
    }
    for i in 0..4 {
        for k in 0..3 {
            let side = (facets[i].corners[k], facets[i].corners[(k + 1) % 3]);
            facets[i].across[k] = (0..4)
                .find(|&j| (0..3).any(|m| (facets[j].corners[(m + 1) % 3], facets[j].corners[m]) == side))
                .expect("a closed simplex") as u32;
        }
    }
    for p in 0..points.len() as u32 {
        if let Some(f) = facets.iter_mut().find(|f| f.height(points[p as usize]) > 0) {
            f.outside.push(p);
        }
    }
    let mut open: Vec<u32> = (0..4).collect();
    while let Some(f) = open.pop() {
        let facet = &facets[f as usize];
        if !facet.alive || facet.outside.is_empty() {
            continue;
        }
        let apex = *facet
            .outside
            .iter()
            .max_by_key(|&&p| (facet.height(points[p as usize]), std::cmp::Reverse(p)))
            .expect("not empty");
        open.extend(add(points, &mut facets, f, apex));
    }
    facets
}

/// Replaces the facets that a point sees, beginning with `first`, by a cone to the point.
fn add(points: &[Point], facets: &mut Vec<Facet>, first: u32, apex: u32) -> Vec<u32> {
    let mut horizon: Vec<(u32, u32, u32)> = Vec::new();
    let mut orphans = Vec::new();
    let mut seen = vec![first];
    facets[first as usize].alive = false;
    while let Some(f) = seen.pop() {
        orphans.append(&mut facets[f as usize].outside);
        for k in 0..3 {
            let other = facets[f as usize].across[k];
            if !facets[other as usize].alive {
                continue;
            }
            if facets[other as usize].height(points[apex as usize]) > 0 {
                facets[other as usize].alive = false;
                seen.push(other);
            } else {
                let corners = facets[f as usize].corners;
                horizon.push((corners[k], corners[(k + 1) % 3], other));
            }
        }
    }
    // Sides towards facets that were seen later than their neighbour are inside the cone.
    horizon.retain(|&(_, _, other)| facets[other as usize].alive);
    let base = facets.len() as u32;
    for (i, &(a, b, other)) in horizon.iter().enumerate() {
        let mut facet = Facet::new(points, [a, b, apex]);
        facet.across[0] = other;
        let beyond = &mut facets[other as usize];
        let side = (0..3)
            .find(|&m| beyond.corners[(m + 1) % 3] == a && beyond.corners[m] == b)
            .expect("a shared side");
        beyond.across[side] = base + i as u32;
        facets.push(facet);
    }
    // The cone's facets meet along the sides from the horizon's points to the apex.
    let mut by_start: Vec<(u32, u32)> =
        horizon.iter().enumerate().map(|(i, h)| (h.0, base + i as u32)).collect();
    by_start.sort_unstable();
    for (i, &(_, b, _)) in horizon.iter().enumerate() {
        let at = by_start.binary_search_by_key(&b, |s| s.0).expect("the horizon is closed");
        let next = by_start[at].1;
        facets[base as usize + i].across[1] = next;
        facets[next as usize].across[2] = base + i as u32;
    }
    let new = base..facets.len() as u32;
    for p in orphans {
        if p == apex {
            continue;
        }
        if let Some(f) = new.clone().find(|&f| facets[f as usize].height(points[p as usize]) > 0) {
            facets[f as usize].outside.push(p);
        }
    }
    new.collect()
}

/// Four points that are not in a plane, far apart.
fn simplex(points: &[Point]) -> [u32; 4] {
    let furthest = |measure: &dyn Fn(Point) -> i128| {
        (0..points.len() as u32)
            .max_by_key(|&p| (measure(points[p as usize]), std::cmp::Reverse(p)))
            .expect("there are points")
    };
    let squared = |v: [i64; 3]| v.iter().map(|c| i128::from(*c) * i128::from(*c)).sum::<i128>();
    let a = 0;
    let b = furthest(&|p| squared(minus(p, points[0])));
    let along = minus(points[b as usize], points[0]);
    let c = furthest(&|p| squared(cross(along, minus(p, points[0]))));
    let normal = cross(along, minus(points[c as usize], points[0]));
    let d = furthest(&|p| i128::from(dot(normal, minus(p, points[0])).abs()));
    assert!(dot(normal, minus(points[d as usize], points[0])) != 0, "the points lie in a plane");
    [a, b, c, d]
}

fn finish(points: &[Point], origin: Point, facets: &[Facet]) -> Hull {
    let alive: Vec<&Facet> = facets.iter().filter(|f| f.alive).collect();
    let volume6 = alive
        .iter()
        .map(|f| {
            let [a, b, c] = f.corners.map(|i| points[i as usize].map(i64::from));
            dot(a, cross(b, c))
        })
        .sum::<i64>();
    let mut normals: Vec<[i64; 3]> = alive.iter().map(|f| primitive(f.normal)).collect();
    // A point is extreme if the faces around it have three independent normals.
    let mut around: Vec<(u32, u32)> =
        alive.iter().enumerate().flat_map(|(i, f)| f.corners.map(|c| (c, i as u32))).collect();
    around.sort_unstable();
    let vertices: Vec<Point> = around
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|faces| {
            let n = |i: usize| normals[faces[i].1 as usize];
            let Some(j) = (1..faces.len()).find(|&j| cross(n(0), n(j)) != [0; 3]) else { return false };
            let line = cross(n(0), n(j));
            (1..faces.len()).any(|k| wide_dot(line, n(k)) != 0)
        })
        .map(|faces| points[faces[0].0 as usize])
        .map(|p| std::array::from_fn(|k| p[k] + origin[k]))
        .collect();
    normals.sort_unstable();
    normals.dedup();
    Hull { vertices, normals, volume6 }
}

fn wide_dot(a: [i64; 3], b: [i64; 3]) -> i128 {
    (0..3).map(|k| i128::from(a[k]) * i128::from(b[k])).sum()
}

fn primitive(n: [i64; 3]) -> [i64; 3] {
    let gcd = |mut a: i64, mut b: i64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a.abs()
    };
    let g = gcd(gcd(n[0], n[1]), n[2]).max(1);
    n.map(|c| c / g)
}

/// Greatest and least Feret diameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feret {
    /// Greatest distance of two corners.
    pub max: f64,
    /// From one to the other, a unit vector `(x, y, z)`.
    pub max_axis: DVec3,
    /// Least distance of two parallel planes around the object.
    pub min: f64,
    /// Their normal, a unit vector.
    pub min_axis: DVec3,
}

/// Products of faces and corners up to which the least width is sought over all faces.
const ALL_FACES: usize = 50_000_000;

impl Hull {
    /// Its corners in world units, for voxel edges that are the columns of `world` (`x, y, z`).
    pub fn points(&self, world: glam::DMat3) -> Vec<DVec3> {
        let place = |p: &Point| world * DVec3::new(f64::from(p[2]), f64::from(p[1]), f64::from(p[0]));
        self.vertices.iter().map(place).collect()
    }

    /// Directions in which something least around it is sought, unit vectors of the world: the normals
    /// of all faces, one of each two opposite ones, unless there are too many, and 145 spread evenly.
    pub fn directions(&self, world: glam::DMat3) -> impl Iterator<Item = DVec3> {
        // A normal of indices becomes one of the world by the cofactors of the map.
        let cofactors = world.inverse().transpose();
        let few = self.normals.len() * self.vertices.len() <= ALL_FACES;
        let faces = if few { &self.normals[..] } else { &[] };
        faces
            .iter()
            .filter(|n| **n > [0; 3] || faces.binary_search(&n.map(|c| -c)).is_err())
            .map(move |n| (cofactors * DVec3::new(n[2] as f64, n[1] as f64, n[0] as f64)).normalize())
            .chain(directions())
    }

    /// Feret diameters in world units, for voxel edges that are the columns of `world` (`x, y, z`).
    /// The least one is sought over the normals of all faces (exact unless two edges hold it, and
    /// then too great by a fraction of a voxel) and over 145 directions spread evenly.
    pub fn feret(&self, world: glam::DMat3) -> Feret {
        let points = self.points(world);
        let (max, max_axis) = diameter(&points);
        let (mut min, mut min_axis) = (f64::INFINITY, DVec3::X);
        for n in self.directions(world) {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for p in &points {
                let h = p.dot(n);
                low = low.min(h);
                high = high.max(h);
            }
            if high - low < min {
                (min, min_axis) = (high - low, n);
            }
        }
        Feret {
            max,
            max_axis: crate::algorithms::linear::oriented(max_axis),
            min,
            min_axis: crate::algorithms::linear::oriented(min_axis),
        }
    }
}

/// The greatest distance of two points. Points are taken from the outermost inwards, so that most
/// pairs are ruled out by their distances from the centre.
fn diameter(points: &[DVec3]) -> (f64, DVec3) {
    let centre = points.iter().sum::<DVec3>() / points.len() as f64;
    let mut order: Vec<(f64, usize)> =
        points.iter().enumerate().map(|(i, p)| ((*p - centre).length(), i)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut best, mut axis) = (0.0, DVec3::X);
    for (k, &(r, i)) in order.iter().enumerate() {
        if 2.0 * r < best {
            break;
        }
        for &(s, j) in &order[k + 1..] {
            if r + s < best {
                break;
            }
            let d = points[i] - points[j];
            if d.length() > best {
                (best, axis) = (d.length(), d);
            }
        }
    }
    (best, axis.try_normalize().unwrap_or(DVec3::X))
}

/// 145 directions spread evenly over a half-sphere: a golden spiral.
fn directions() -> impl Iterator<Item = DVec3> {
    const N: usize = 145;
    const GOLDEN: f64 = 2.399_963_229_728_653;
    (0..N).map(|i| {
        let z = (i as f64 + 0.5) / N as f64;
        let r = (1.0 - z * z).sqrt();
        let (sin, cos) = (i as f64 * GOLDEN).sin_cos();
        DVec3::new(r * cos, r * sin, z)
    })
}

/// The corners of a slice of an object (rows `y` with least `x` and one past the greatest, by `y`)
/// that its convex hull may have: the extreme ones of each of its two planes.
pub fn slice_corners(z: i32, rows: &[(i32, i32, i32)], to: &mut Vec<Point>) {
    let mut outline = |side: i64| {
        let mut chain: Vec<(i64, i64)> = Vec::new();
        for &(y, low, high) in rows {
            let x = i64::from(if side < 0 { low } else { high });
            for y in [i64::from(y), i64::from(y) + 1] {
                while let [.., a, b] = chain[..] {
                    // Positive where `b` stands out to this side of the line from `a` to the new one.
                    let turn = (y - a.0) * (b.1 - a.1) - (b.0 - a.0) * (x - a.1);
                    let same_row = b.0 == y && side * b.1 <= side * x;
                    if turn * side > 0 && !same_row {
                        break;
                    } else {
                        chain.pop()
                    };
                }
                match chain.last() {
                    Some(b) if b.0 == y && side * b.1 >= side * x => {}
                    _ => chain.push((y, x)),
                }
            }
        }
        for (y, x) in chain {
            to.extend([[z, y as i32, x as i32], [z + 1, y as i32, x as i32]]);
        }
    };
    outline(-1);
    outline(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn a_box_has_eight_corners_and_six_faces() {
        let points: Vec<Point> = (0..4 * 5 * 6).map(|i| [100 + i % 4, -7 + i / 4 % 5, i / 20]).collect();
        let h = hull(&points);
        assert_eq!((h.vertices.len(), h.normals.len(), h.volume6), (8, 6, 6 * 3 * 4 * 5));
        let feret = h.feret(glam::DMat3::IDENTITY);
        assert!((feret.max - 50f64.sqrt()).abs() < 1e-12 && feret.min == 3.0 && feret.min_axis == DVec3::Z);
    }

    #[test]
    fn order_and_inner_points_change_nothing_and_all_points_are_inside() {
        let mut state = 9;
        for side in [2u64, 3, 5, 9, 40] {
            for _ in 0..30 {
                let mut points: Vec<Point> = (0..4 + next(&mut state) % 60)
                    .map(|_| std::array::from_fn(|_| (next(&mut state) % side) as i32))
                    .collect();
                points.extend([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]);
                let h = hull(&points);
                assert_eq!(hull(&h.vertices), h);
                for k in (1..points.len()).rev() {
                    points.swap(k, (next(&mut state) % (k as u64 + 1)) as usize);
                }
                assert_eq!(hull(&points), h);
                for n in &h.normals {
                    let top = h.vertices.iter().map(|v| dot(*n, v.map(i64::from))).max();
                    assert!(points.iter().all(|p| Some(dot(*n, p.map(i64::from))) <= top));
                }
            }
        }
    }

    #[test]
    fn outlines_of_slices_keep_the_hull() {
        let mut state = 4;
        for _ in 0..200 {
            let mut all: Vec<Point> = Vec::new();
            let mut kept = Vec::new();
            for z in 0..1 + next(&mut state) as i32 % 4 {
                let mut rows = Vec::new();
                let mut y = 0;
                for _ in 0..1 + next(&mut state) % 6 {
                    y += 1 + (next(&mut state) % 3) as i32;
                    let low = (next(&mut state) % 9) as i32;
                    let high = low + 1 + (next(&mut state) % 9) as i32;
                    rows.push((y, low, high));
                    for (z, y) in [(z, y), (z + 1, y), (z, y + 1), (z + 1, y + 1)] {
                        all.extend([[z, y, low], [z, y, high]]);
                    }
                }
                slice_corners(z, &rows, &mut kept);
            }
            assert_eq!(hull(&kept), hull(&all));
        }
    }
}
