//! What one 2×2×2 neighbourhood of a binary image contributes to surface area, mean breadth and
//! Euler number: a table of 256 weights, so that an object's figures are sums over neighbourhoods.
//!
//! The weights are fixed-point integers. Their sums are exact, so a table does not depend on the
//! order, the blocks or the threads in which the neighbourhoods were visited.
//!
//! Sources: G. Lehmann and D. Legland, "Efficient N-dimensional surface estimation using Crofton
//! formula and run-length encoding", Insight Journal 2012; D. Legland, K. Kiêu and M.-F. Devaux,
//! "Computation of Minkowski measures on 2D and 3D binary images", Image Analysis & Stereology 26
//! (2007) 83, doi:10.5566/ias.v26.p83-92; A. Odgaard and H. Gundersen, Bone 14 (1993) 173,
//! doi:10.1016/8756-3282(93)90245-6; J. Ohser and F. Mücklich, "Statistical analysis of
//! microstructures in materials science", Wiley 2000.

use crate::Geometry;
use glam::{DAffine3, DMat3, DVec3};

/// Steps `[z, y, x]` to 13 of the 26 neighbours; the other 13 are their opposites. First the three
/// axes, then the six face diagonals, then the four space diagonals.
pub const DIRECTIONS: [[i8; 3]; 13] = [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
    [0, 1, 1],
    [0, 1, -1],
    [1, 0, 1],
    [1, 0, -1],
    [1, 1, 0],
    [1, -1, 0],
    [1, 1, 1],
    [1, 1, -1],
    [1, -1, 1],
    [-1, 1, 1],
];

/// What a neighbourhood contributes, in fixed point. Bit `x + 2y + 4z` of a configuration is set
/// where the voxel at `(z, y, x)` of the neighbourhood belongs to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weights {
    /// Surface area, Crofton with 13 directions.
    pub surface: i64,
    /// Surface area by local weights (see [`crate::measure::sums::local_area`]).
    pub local: i64,
    /// Mean breadth.
    pub breadth: i64,
    /// Eight times the Euler number with 6-connected object.
    pub euler_6: i64,
    /// Eight times the Euler number with 26-connected object.
    pub euler_26: i64,
    /// Four times the number of voxel faces between object and background.
    pub faces: i64,
}

/// The 256 weights for a voxel spacing, and what one unit of them is worth.
#[derive(Debug, Clone)]
pub struct Table {
    /// By configuration.
    pub weights: Box<[Weights; 256]>,
    /// What of `surface` lies between the object and the outside of the image, by the sides on
    /// which the neighbourhood reaches out (see [`outside_index`]) and configuration.
    pub outside: Vec<[i64; 256]>,
    /// Area of one unit of `surface` and `local`.
    pub area_unit: f64,
    /// Length of one unit of `breadth`.
    pub length_unit: f64,
}

/// Bits kept behind the point: a weight is at most a few, an image has at most 2⁴⁴ voxels of
/// which a few per cent lie on surfaces, and sums must stay below 2⁶³.
const FRACTION_BITS: i32 = 24;

impl Table {
    /// For voxels whose edges are the columns of `world` (`x, y, z`), in world units.
    pub fn new(world: DMat3) -> Self {
        let volume = world.determinant().abs();
        let area_unit = volume.powi(2).cbrt() / f64::from(1 << FRACTION_BITS);
        let length_unit = volume.cbrt() / f64::from(1 << FRACTION_BITS);
        let steps = DIRECTIONS.map(|d| step(world, d));
        // Crofton: S = 4 · average over directions of the intercepts per area across them; there is
        // one line per V/|d| of area, and each of its ends on the surface is half an intercept.
        let shares = direction_weights(&steps);
        let area: [f64; 13] = std::array::from_fn(|i| 2.0 * shares[i] * volume / steps[i].length());
        let planes = Planes::new(world);
        let world_from_index = DAffine3::from_mat3(world);
        let local =
            crate::measure::sums::local_area::weights(&Geometry { world_from_index, ..Geometry::default() });
        let mut weights = Box::new([Weights::default(); 256]);
        for (config, weight) in weights.iter_mut().enumerate() {
            let config = config as u8;
            let transitions = transitions(config);
            let surface: f64 =
                (0..13).map(|i| area[i] * f64::from(transitions[i]) / f64::from(sharing(i))).sum();
            let faces = transitions[..3].iter().sum::<u32>();
            *weight = Weights {
                surface: (surface / area_unit).round() as i64,
                local: (local[usize::from(config)] / area_unit).round() as i64,
                breadth: (planes.breadth(config) / length_unit).round() as i64,
                euler_6: euler_6(config),
                euler_26: euler_26(config),
                faces: i64::from(faces),
            };
        }
        let outside = (0..27)
            .map(|sides| {
                let out = outside_mask(sides);
                std::array::from_fn(|config| {
                    let crossed: f64 = (0..13)
                        .map(|i| {
                            let cut = pairs(i)
                                .filter(|&p| {
                                    (config as u8 & p).is_power_of_two() && (out & p).is_power_of_two()
                                })
                                .count();
                            area[i] * cut as f64 / f64::from(sharing(i))
                        })
                        .sum();
                    (crossed / area_unit).round() as i64
                })
            })
            .collect();
        Self { weights, outside, area_unit, length_unit }
    }
}

/// The number of a set of sides on which a neighbourhood reaches out of the image; each axis,
/// `[z, y, x]`, is 0 (not), 1 (the lower half is outside) or 2 (the upper half).
pub fn outside_index([z, y, x]: [usize; 3]) -> usize {
    z * 9 + y * 3 + x
}

fn outside_mask(sides: usize) -> u8 {
    let half = |state: usize, upper: u8| match state {
        0 => 0,
        1 => !upper,
        _ => upper,
    };
    half(sides / 9, 0b1111_0000) | half(sides / 3 % 3, 0b1100_1100) | half(sides % 3, 0b1010_1010)
}

fn step(world: DMat3, [z, y, x]: [i8; 3]) -> DVec3 {
    world * DVec3::new(f64::from(x), f64::from(y), f64::from(z))
}

fn bit(z: i8, y: i8, x: i8) -> u8 {
    1 << (x + 2 * y + 4 * z)
}

/// Voxel pairs of a neighbourhood, one mask of two bits each, along direction `i`.
fn pairs(i: usize) -> impl Iterator<Item = u8> {
    let d = DIRECTIONS[i];
    let inside = |v: i8| (0..2).contains(&v);
    (0..8i8).filter_map(move |corner| {
        let (z, y, x) = (corner >> 2, (corner >> 1) & 1, corner & 1);
        let (z2, y2, x2) = (z + d[0], y + d[1], x + d[2]);
        (inside(z2) && inside(y2) && inside(x2)).then(|| bit(z, y, x) | bit(z2, y2, x2))
    })
}

/// How many neighbourhoods share a pair along direction `i`.
fn sharing(i: usize) -> u32 {
    4 >> DIRECTIONS[i].iter().filter(|v| **v != 0).count().saturating_sub(1)
}

/// Pairs with one voxel inside and one outside, by direction.
fn transitions(config: u8) -> [u32; 13] {
    std::array::from_fn(|i| pairs(i).filter(|&pair| (config & pair).is_power_of_two()).count() as u32)
}

/// Pairs along direction `i` with one voxel inside and one outside, and how many neighbourhoods
/// share each of them.
pub(in crate::measure) fn crossings(config: u8, i: usize) -> (u32, u32) {
    (transitions(config)[i], sharing(i))
}

/// The six faces of a neighbourhood as masks of four bits.
const FACES: [u8; 6] = [0b0000_1111, 0b1111_0000, 0b0011_0011, 0b1100_1100, 0b0101_0101, 0b1010_1010];

/// Voxels − pairs + squares − cubes of voxel centres, each shared among its neighbourhoods, times 8.
fn euler_6(config: u8) -> i64 {
    let full = |mask: u8| i64::from(config & mask == mask);
    let voxels = i64::from(config.count_ones());
    let edges: i64 = (0..3).flat_map(pairs).map(full).sum();
    let squares: i64 = FACES.into_iter().map(full).sum();
    voxels - 2 * edges + 4 * squares - 8 * full(255)
}

/// Vertices − edges + faces − cubes of the union of closed voxels, times 8.
pub(in crate::measure) fn euler_26(config: u8) -> i64 {
    let any = |mask: u8| i64::from(config & mask != 0);
    let faces: i64 = (0..3).flat_map(pairs).map(any).sum();
    let edges: i64 = FACES.into_iter().map(any).sum();
    8 * any(255) - 4 * edges + 2 * faces - i64::from(config.count_ones())
}

/// The lattice planes of the 13 families and their weights in the mean breadth.
struct Planes {
    /// For each polygon of a neighbourhood: its mask, what of it belongs to it alone, its weight.
    polygons: Vec<Polygon>,
}

struct Polygon {
    mask: u8,
    /// Share of a vertex of the plane's lattice that this polygon has.
    vertex: f64,
    /// Its sides as masks; each side is shared by two polygons of the plane.
    sides: Vec<u8>,
    /// Distance of planes × share of their direction ÷ neighbourhoods that have this polygon.
    weight: f64,
}

impl Planes {
    fn new(world: DMat3) -> Self {
        let volume = world.determinant().abs();
        let mut families: Vec<(DVec3, Vec<(u8, Vec<u8>)>, f64, f64)> = Vec::with_capacity(13);
        // Planes of the axes: both faces of a neighbourhood, each shared by two neighbourhoods.
        for (axis, masks) in [(2, [FACES[0], FACES[1]]), (1, [FACES[2], FACES[3]]), (0, [FACES[4], FACES[5]])]
        {
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            let normal = world.col(u).cross(world.col(v));
            let polygons = masks.map(|m| (m, rectangle_sides(m))).to_vec();
            families.push((normal, polygons, 4.0, 2.0));
        }
        // Diagonal rectangles: spanned by an axis and a face diagonal across it.
        for axis in 0..3 {
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            for sign in [1.0, -1.0] {
                let normal = world.col(axis).cross(world.col(u) + sign * world.col(v));
                let inside = |corner: usize| {
                    let (cu, cv) = ((corner >> u) & 1, (corner >> v) & 1);
                    if sign > 0.0 { cu == cv } else { cu != cv }
                };
                let mask = (0..8).filter(|&c| inside(c)).fold(0u8, |m, c| m | 1 << c);
                let near = (0..8).filter(|&c| inside(c) && (c >> axis) & 1 == 0).fold(0u8, |m, c| m | 1 << c);
                let along: Vec<u8> = (0..8)
                    .filter(|&c| near & (1 << c) != 0)
                    .map(|c| 1u8 << c | 1u8 << (c | 1 << axis))
                    .collect();
                let sides = vec![near, mask & !near, along[0], along[1]];
                families.push((normal, vec![(mask, sides)], 4.0, 1.0));
            }
        }
        // Triangles across the space diagonals: the three neighbours of a corner, for both ends.
        for corner in 0..4usize {
            let ends = [corner, corner ^ 7];
            let polygons: Vec<(u8, Vec<u8>)> = ends
                .iter()
                .map(|e| {
                    let [a, b, c] = [1u8 << (e ^ 1), 1u8 << (e ^ 2), 1u8 << (e ^ 4)];
                    (a | b | c, vec![a | b, b | c, c | a])
                })
                .collect();
            let at =
                |c: usize| world * DVec3::new((c & 1) as f64, ((c >> 1) & 1) as f64, ((c >> 2) & 1) as f64);
            let (a, b, c) = (at(corner ^ 1), at(corner ^ 2), at(corner ^ 4));
            families.push(((b - a).cross(c - a), polygons, 6.0, 1.0));
        }
        let normals: [DVec3; 13] = std::array::from_fn(|i| families[i].0);
        let shares = direction_weights(&normals);
        let polygons = families
            .into_iter()
            .zip(shares)
            .flat_map(|((normal, polygons, around, shared), share)| {
                let weight = share * volume / normal.length() / shared;
                polygons.into_iter().map(move |(mask, sides)| Polygon {
                    mask,
                    vertex: 1.0 / around,
                    sides,
                    weight,
                })
            })
            .collect();
        Self { polygons }
    }

    /// Mean breadth = average over directions of the Euler number of plane sections × distance.
    /// Sections are 8-connected in rectangular lattices, as in MorphoLibJ, and 6-connected in
    /// triangular ones.
    fn breadth(&self, config: u8) -> f64 {
        self.polygons
            .iter()
            .map(|p| {
                let full = |mask: u8| f64::from(u8::from(config & mask == mask));
                let vertices = f64::from((config & p.mask).count_ones()) * p.vertex;
                let sides: f64 = p.sides.iter().map(|&s| full(s)).sum::<f64>() / 2.0;
                let mut euler = vertices - sides + full(p.mask);
                if p.sides.len() == 4 {
                    // 8-connected: two voxels across a diagonal alone are joined.
                    let held = config & p.mask;
                    if held.count_ones() == 2 && !p.sides.contains(&held) {
                        euler -= 1.0;
                    }
                }
                euler * p.weight
            })
            .sum()
    }
}

fn rectangle_sides(mask: u8) -> Vec<u8> {
    (0..3).flat_map(pairs).filter(|pair| pair & mask == *pair).collect()
}

/// The shares of the sphere of some axes: areas of the Voronoi cells of the points where they meet it,
/// both ends of an axis together; they sum to 1.
pub fn direction_weights<const N: usize>(axes: &[DVec3; N]) -> [f64; N] {
    let points: Vec<DVec3> = axes.iter().flat_map(|a| [a.normalize(), -a.normalize()]).collect();
    let areas: [f64; N] = std::array::from_fn(|i| voronoi_area(2 * i, &points));
    let total: f64 = areas.iter().sum();
    areas.map(|a| a / total)
}

/// Solid angle of the points of the sphere that are nearer to one point than to any other: the
/// bisector planes cut a convex polygon out of the tangent plane (gnomonic projection).
fn voronoi_area(i: usize, points: &[DVec3]) -> f64 {
    let centre = points[i];
    let (u, v) = centre.any_orthonormal_pair();
    // Far enough for any cell: an opposite point bounds it to the half-sphere.
    const FAR: f64 = 1e6;
    let mut polygon = vec![[-FAR, -FAR], [FAR, -FAR], [FAR, FAR], [-FAR, FAR]];
    for (j, &other) in points.iter().enumerate() {
        if j == i {
            continue;
        }
        let n = centre - other;
        let side = |p: [f64; 2]| n.dot(centre) + n.dot(u) * p[0] + n.dot(v) * p[1];
        let mut kept = Vec::with_capacity(polygon.len() + 1);
        for k in 0..polygon.len() {
            let (a, b): ([f64; 2], [f64; 2]) = (polygon[k], polygon[(k + 1) % polygon.len()]);
            let (da, db) = (side(a), side(b));
            if da >= 0.0 {
                kept.push(a);
            }
            if (da >= 0.0) != (db >= 0.0) {
                let t = da / (da - db);
                kept.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
            }
        }
        polygon = kept;
    }
    let on_sphere: Vec<DVec3> = polygon.iter().map(|p| (centre + u * p[0] + v * p[1]).normalize()).collect();
    (0..on_sphere.len())
        .map(|k| solid_angle(centre, on_sphere[k], on_sphere[(k + 1) % on_sphere.len()]))
        .sum()
}

/// Of the spherical triangle of three unit vectors (A. van Oosterom and J. Strackee 1983,
/// doi:10.1109/TBME.1983.325207).
fn solid_angle(a: DVec3, b: DVec3, c: DVec3) -> f64 {
    2.0 * a.dot(b.cross(c)).abs().atan2(1.0 + a.dot(b) + b.dot(c) + c.dot(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_isotropic_shares_are_the_published_ones() {
        let shares = direction_weights(&DIRECTIONS.map(|d| step(DMat3::IDENTITY, d)));
        // Lehmann and Legland 2012, table of 3D weights, each for both ends of an axis.
        let published = [0.045_777_891_204_76, 0.036_980_627_876_08, 0.035_195_639_782_32].map(|w| 2.0 * w);
        for (i, share) in shares.iter().enumerate() {
            let expected = published[if i < 3 {
                0
            } else if i < 9 {
                1
            } else {
                2
            }];
            assert!((share - expected).abs() < 1e-10, "{i}: {share} for {expected}");
        }
    }

    #[test]
    fn nothing_happens_inside_or_outside() {
        let table = Table::new(DMat3::from_diagonal(DVec3::new(1.0, 2.0, 3.5)));
        assert_eq!(table.weights[0], Weights::default());
        assert_eq!(table.weights[255], Weights::default());
    }

    #[test]
    fn one_voxel_has_the_figures_of_a_voxel() {
        let table = Table::new(DMat3::IDENTITY);
        let sum = |f: fn(&Weights) -> i64| (0..8).map(|i| f(&table.weights[1 << i])).sum::<i64>();
        assert_eq!(sum(|w| w.euler_6), 8);
        assert_eq!(sum(|w| w.euler_26), 8);
        assert_eq!(sum(|w| w.faces), 24);
        // Every plane through it cuts one point: breadth is the average distance of planes.
        let breadth = sum(|w| w.breadth) as f64 * table.length_unit;
        let shares = direction_weights(&DIRECTIONS.map(|d| step(DMat3::IDENTITY, d)));
        let expected: f64 = (0..13)
            .map(|i| {
                shares[i] / f64::from(DIRECTIONS[i].iter().map(|v| i32::from(v * v)).sum::<i32>()).sqrt()
            })
            .sum();
        assert!((breadth - expected).abs() < 1e-6, "{breadth} for {expected}");
    }
}
