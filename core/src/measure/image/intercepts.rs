//! What straight lines through an image meet: mean intercept length, its ellipsoid, and the
//! orientation of the surface.
//!
//! Lines run along 49 directions of the voxel lattice, all that go on: along each, the voxels of a
//! line are exact samples of the body, so a slanted surface is met once however its voxels are
//! stepped. Lines that wander between the voxels meet the steps too, which draws ellipsoids of an
//! axis ratio of 2 to 1.5. What is lost are intercepts shorter than a step (up to 3 voxels): (s/2R)²/3
//! of those of a ball of radius R, 0.2 % for a radius of 20.

use crate::algorithms::linear::{axes, eliminate};
use crate::measure::shape::bits::{BitVolume, Pairs};
use crate::measure::sums::crofton::direction_weights;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, parallel, with_volume};
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How many directions there are.
pub const COUNT: usize = 49;
/// How many voxels a step reaches along an axis.
pub const REACH: usize = 2;

/// The steps `[z, y, x]`: of those that reach up to two voxels along an axis and have no shorter one
/// in their direction, one of each two opposite ones. The first three are the axes x, y and z.
pub fn steps() -> [[i32; 3]; COUNT] {
    let mut steps: Vec<[i32; 3]> = (0..125i32)
        .map(|i| [i / 25 - 2, i / 5 % 5 - 2, i % 5 - 2])
        .filter(|s| *s > [0; 3] && s.iter().any(|c| c % 2 != 0))
        .collect();
    steps.sort_by_key(|s| (s.iter().map(|c| c * c).sum::<i32>(), *s));
    std::array::from_fn(|i| steps[i])
}

/// Pairs of voxels along each of [`steps`], of the structure, and how many object surfaces lie between
/// the two: one between an object and background, two between two objects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Intercepts {
    /// Voxels of the window, and which are set.
    pub window: Pairs,
    /// Of all that is not background.
    pub pairs: Vec<Pairs>,
    /// Of the objects, where asked for.
    pub surfaces: Vec<u64>,
}

impl Intercepts {
    /// Adds those of another region.
    pub fn merge(&mut self, other: &Self) {
        self.window.merge(&other.window);
        self.pairs.resize(other.pairs.len(), Pairs::default());
        self.surfaces.resize(other.surfaces.len(), 0);
        for (mine, theirs) in self.pairs.iter_mut().zip(&other.pairs) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.surfaces.iter_mut().zip(&other.surfaces) {
            *mine += theirs;
        }
    }
}

/// The part of an image where steps begin: as far from its faces as a step reaches, so that all
/// directions see the same surfaces; along short axes up to the faces.
fn window(shape: [usize; 3]) -> Region {
    let margin = shape.map(|n| if n > 4 * REACH { REACH } else { 0 });
    Region::new(margin, std::array::from_fn(|a| shape[a] - 2 * margin[a]))
}

/// The part that two regions share.
fn shared(a: Region, b: Region) -> Region {
    let start: [usize; 3] = std::array::from_fn(|k| a.start[k].max(b.start[k]));
    let end: [usize; 3] = std::array::from_fn(|k| a.end()[k].min(b.end()[k]).max(start[k]));
    Region::new(start, std::array::from_fn(|k| end[k] - start[k]))
}

/// The intercepts that begin in a region of an image of `shape`; `labels` must reach [`REACH`] voxels
/// around it where the image does.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn intercepts(
    labels: &RegionView,
    out: Region,
    shape: [usize; 3],
    objects: bool,
    job: &Job,
) -> Result<Intercepts> {
    let bits = BitVolume::of(labels);
    job.advance(out.len() as u64);
    let out = shared(out, window(shape));
    let pairs = steps()
        .into_par_iter()
        .map(|step| {
            job.check()?;
            Ok(bits.pairs(out, step, shape))
        })
        .collect::<Result<_>>()?;
    let surfaces = if objects { surfaces(labels, out, shape, job)? } else { Vec::new() };
    Ok(Intercepts { window: bits.pairs(out, [0; 3], shape), pairs, surfaces })
}

fn surfaces(labels: &RegionView, out: Region, shape: [usize; 3], job: &Job) -> Result<Vec<u64>> {
    let is_mask = labels.volume.voxel_type() == VoxelType::U8;
    with_volume!(labels.volume, |a| {
        let all = a.as_slice().expect("volumes are in C order");
        let label = |at: [usize; 3]| {
            let v = all[labels.offset(at)].to_f64();
            if is_mask { f64::from(u8::from(v != 0.0)) } else { v }
        };
        let steps = steps();
        parallel::map(steps.len(), job, &|i| {
            let step = steps[i];
            let mut count = 0;
            let inside = |p: usize, a: usize| {
                let q = p as isize + step[a] as isize;
                (0..shape[a] as isize).contains(&q).then_some(q as usize)
            };
            for z in out.start[0]..out.end()[0] {
                let Some(z2) = inside(z, 0) else { continue };
                for y in out.start[1]..out.end()[1] {
                    let Some(y2) = inside(y, 1) else { continue };
                    for x in out.start[2]..out.end()[2] {
                        let Some(x2) = inside(x, 2) else { continue };
                        let (a, b) = (label([z, y, x]), label([z2, y2, x2]));
                        if a != b {
                            count += u64::from(a != 0.0) + u64::from(b != 0.0);
                        }
                    }
                }
            }
            Ok(count)
        })
    })
}

/// Mean intercept lengths of a structure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fabric {
    /// Mean length along x, y and z that a line runs inside the structure, and in the background:
    /// 2·share/crossings per length (Underwood 1970), so that lines cut by the image's faces don't
    /// count as short ones.
    pub chords: [[f64; 3]; 2],
    /// Mean intercept lengths along the axes of the ellipsoid, greatest first.
    pub lengths: [f64; 3],
    /// The axes, unit vectors `(x, y, z)` of the world.
    pub axes: [DVec3; 3],
}

/// The mean intercept lengths and the ellipsoid 1/L(n)² = nᵀHn that fits them best over all directions
/// (T. P. Harrigan and R. W. Mann 1984, doi:10.1007/BF00541156), for voxels whose edges are the
/// columns of `world`. Each direction counts by its share of the sphere. NaN where the lines of a
/// direction meet nothing, as between endless plates.
pub fn fabric(found: &Intercepts, world: DMat3) -> Fabric {
    let nan = DVec3::splat(f64::NAN);
    let mut fabric = Fabric { chords: [[f64::NAN; 3]; 2], lengths: [f64::NAN; 3], axes: [nan; 3] };
    let directions = directions(world);
    if found.pairs.len() != COUNT {
        return fabric;
    }
    let fraction = found.window.both as f64 / found.window.count as f64;
    // Crossings per length.
    let density: [f64; COUNT] = std::array::from_fn(|i| {
        let p = found.pairs[i];
        p.differ as f64 / (p.count as f64 * directions[i].length())
    });
    fabric.chords = [fraction, 1.0 - fraction].map(|share| {
        std::array::from_fn(|a| if density[a] > 0.0 { 2.0 * share / density[a] } else { f64::NAN })
    });
    if density.iter().any(|d| !d.is_finite() || *d == 0.0) {
        return fabric;
    }
    let shares = direction_weights(&directions);
    // Each squared density counts by its inverse: relative errors are alike in all directions.
    let mut system = vec![vec![0.0; 7]; 6];
    for i in 0..COUNT {
        let n = directions[i].normalize();
        let inverse = density[i] / (2.0 * fraction);
        let weight = shares[i] / inverse.powi(4);
        let row = [n.x * n.x, n.y * n.y, n.z * n.z, 2.0 * n.y * n.z, 2.0 * n.x * n.z, 2.0 * n.x * n.y];
        for j in 0..6 {
            for k in 0..6 {
                system[j][k] += weight * row[j] * row[k];
            }
            system[j][6] += weight * row[j] * inverse * inverse;
        }
    }
    eliminate(&mut system);
    let [xx, yy, zz, yz, xz, xy]: [f64; 6] = std::array::from_fn(|i| system[i][6]);
    let (values, vectors) =
        axes(DMat3::from_cols(DVec3::new(xx, xy, xz), DVec3::new(xy, yy, yz), DVec3::new(xz, yz, zz)));
    if values[2] > 0.0 {
        fabric.lengths = [2, 1, 0].map(|i| 1.0 / values[i].sqrt());
        fabric.axes = [2, 1, 0].map(|i| vectors[i]);
    }
    fabric
}

fn directions(world: DMat3) -> [DVec3; COUNT] {
    steps().map(|[z, y, x]| world * DVec3::new(f64::from(x), f64::from(y), f64::from(z)))
}

/// Monomials of the fourth degree in x, y and z.
const QUARTIC: [[i32; 3]; 15] = [
    [4, 0, 0],
    [0, 4, 0],
    [0, 0, 4],
    [3, 1, 0],
    [3, 0, 1],
    [1, 3, 0],
    [0, 3, 1],
    [1, 0, 3],
    [0, 1, 3],
    [2, 2, 0],
    [2, 0, 2],
    [0, 2, 2],
    [2, 1, 1],
    [1, 2, 1],
    [1, 1, 2],
];

/// Mean of a monomial over the unit sphere: (a−1)!!(b−1)!!(c−1)!!/(a+b+c+1)!! if all are even.
fn mean_on_sphere(powers: [i32; 3]) -> f64 {
    let double_factorial = |n: i32| (1..=n).rev().step_by(2).map(f64::from).product::<f64>();
    if powers.iter().any(|p| p % 2 != 0) {
        return 0.0;
    }
    powers.iter().map(|p| double_factorial(p - 1)).product::<f64>()
        / double_factorial(powers.iter().sum::<i32>() + 1)
}

/// Surface and its orientation per volume: the area, and the integral of nnᵀ − 1/3 over the surface's
/// unit normals n (G. K. Batchelor 1970, doi:10.1017/S0022112070000745), both divided by the volume
/// of the image two voxels off its faces. None if the objects' surfaces were not counted.
///
/// Lines along u meet |u·n| of each piece of surface; over all u the mean of that is half the area,
/// and the mean of (uuᵀ − 1/3)|u·n| is (nnᵀ − 1/3)/8 of it, so that neither needs normals. The means
/// are those of the quartic form that fits the directions best.
pub fn orientation(found: &Intercepts, world: DMat3) -> Option<(f64, DMat3)> {
    if found.surfaces.len() != COUNT {
        return None;
    }
    let directions = directions(world);
    let shares = direction_weights(&directions);
    let mut system = vec![vec![0.0; 16]; 15];
    for i in 0..COUNT {
        let density = found.surfaces[i] as f64 / (found.pairs[i].count as f64 * directions[i].length());
        let n = directions[i].normalize();
        let row = QUARTIC.map(|[a, b, c]| n.x.powi(a) * n.y.powi(b) * n.z.powi(c));
        for j in 0..15 {
            for k in 0..15 {
                system[j][k] += shares[i] * row[j] * row[k];
            }
            system[j][15] += shares[i] * row[j] * density;
        }
    }
    eliminate(&mut system);
    let mean = |axes: &[usize]| {
        QUARTIC
            .iter()
            .zip(&system)
            .map(|(powers, row)| {
                let mut powers = *powers;
                axes.iter().for_each(|a| powers[*a] += 1);
                row[15] * mean_on_sphere(powers)
            })
            .sum::<f64>()
    };
    let average = mean(&[]);
    let column = |i: usize| {
        DVec3::from_array(std::array::from_fn(|j| {
            8.0 * (mean(&[i, j]) - if i == j { average / 3.0 } else { 0.0 })
        }))
    };
    Some((2.0 * average, DMat3::from_cols(column(0), column(1), column(2))))
}
