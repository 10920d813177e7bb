//! Connected pieces of labels, and the voxel faces between them.

use crate::{Job, Result};
use glam::{DMat3, DVec3};
use ndarray::Array3;
use std::collections::BTreeMap;

/// Sums over the faces between two pieces: of their areas, and of positions and their products about a position near.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faces {
    pub origin: DVec3,
    pub weight: f64,
    pub first: DVec3,
    pub second: DMat3,
}

impl Faces {
    fn add(&mut self, at: DVec3, weight: f64) {
        let u = at - self.origin;
        self.weight += weight;
        self.first += u * weight;
        self.second += DMat3::from_cols(u * u.x, u * u.y, u * u.z) * weight;
    }
}

/// The pieces of an image. Positions are those of the world, but for where index 0 lies.
pub(super) struct Pieces {
    /// The label of each.
    pub labels: Vec<u32>,
    pub centroids: Vec<DVec3>,
    /// Box of indices `(x, y, z)` of each: the least and the greatest.
    pub boxes: Vec<[DVec3; 2]>,
    /// Faces between two pieces, the lesser first.
    pub faces: BTreeMap<(usize, usize), Faces>,
    pub world: DMat3,
    /// Shape of the image `(x, y, z)`.
    pub shape: DVec3,
}

impl Pieces {
    /// Finds the 6-connected pieces of labels on a grid whose edges are the columns of `world`.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn new(labels: &Array3<u32>, world: DMat3, job: &Job) -> Result<Self> {
        let [nz, ny, nx] = <[usize; 3]>::from(labels.dim());
        let voxels = labels.as_slice().expect("volumes are in C order");
        let numbers = connected(voxels, [nz, ny, nx]);
        let count = numbers.iter().copied().max().map_or(0, |n| n as usize);
        let mut own = vec![0; count];
        let mut sums = vec![(DVec3::ZERO, 0.0); count];
        let mut boxes = vec![[DVec3::INFINITY, DVec3::NEG_INFINITY]; count];
        let mut faces: BTreeMap<(usize, usize), Faces> = BTreeMap::new();
        let steps = [nx * ny, nx, 1];
        let edges = [world.z_axis, world.y_axis, world.x_axis];
        // Areas of the faces across each axis.
        let weights: [f64; 3] =
            std::array::from_fn(|a| edges[(a + 1) % 3].cross(edges[(a + 2) % 3]).length());
        for z in 0..nz {
            job.check()?;
            for y in 0..ny {
                for x in 0..nx {
                    let k = (z * ny + y) * nx + x;
                    let number = numbers[k];
                    if number == 0 {
                        continue;
                    }
                    let (piece, index) = (number as usize - 1, DVec3::new(x as f64, y as f64, z as f64));
                    own[piece] = voxels[k];
                    sums[piece].0 += index;
                    sums[piece].1 += 1.0;
                    boxes[piece] = [boxes[piece][0].min(index), boxes[piece][1].max(index)];
                    for (axis, inside) in [z + 1 < nz, y + 1 < ny, x + 1 < nx].into_iter().enumerate() {
                        let other = if inside { numbers[k + steps[axis]] } else { 0 };
                        if other == 0 || other == number {
                            continue;
                        }
                        let at = world * index + edges[axis] / 2.0;
                        let pair = (piece.min(other as usize - 1), piece.max(other as usize - 1));
                        let none = Faces { origin: at, weight: 0.0, first: DVec3::ZERO, second: DMat3::ZERO };
                        faces.entry(pair).or_insert(none).add(at, weights[axis]);
                    }
                }
            }
        }
        let centroids = sums.iter().map(|(sum, n)| world * (*sum / *n)).collect();
        let shape = DVec3::new(nx as f64, ny as f64, nz as f64);
        Ok(Self { labels: own, centroids, boxes, faces, world, shape })
    }
}

/// Numbers of the pieces, from 1, of each voxel; 0 is background.
fn connected(voxels: &[u32], [nz, ny, nx]: [usize; 3]) -> Vec<u32> {
    let mut numbers = vec![0u32; voxels.len()];
    let mut parents: Vec<u32> = vec![0];
    fn root(parents: &mut [u32], mut n: u32) -> u32 {
        while parents[n as usize] != n {
            parents[n as usize] = parents[parents[n as usize] as usize];
            n = parents[n as usize];
        }
        n
    }
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let k = (z * ny + y) * nx + x;
                if voxels[k] == 0 {
                    continue;
                }
                let mut number = 0;
                for (inside, step) in [(x > 0, 1), (y > 0, nx), (z > 0, nx * ny)] {
                    if !inside || voxels[k - step] != voxels[k] {
                        continue;
                    }
                    let other = root(&mut parents, numbers[k - step]);
                    if number == 0 {
                        number = other;
                    } else if other != number {
                        let (low, high) = (number.min(other), number.max(other));
                        parents[high as usize] = low;
                        number = low;
                    }
                }
                if number == 0 {
                    number = parents.len() as u32;
                    parents.push(number);
                }
                numbers[k] = number;
            }
        }
    }
    // Roots in order are the pieces.
    let mut piece = vec![0u32; parents.len()];
    let mut count = 0;
    for n in 1..parents.len() as u32 {
        let root = root(&mut parents, n);
        if root == n {
            count += 1;
            piece[n as usize] = count;
        } else {
            piece[n as usize] = piece[root as usize];
        }
    }
    for number in &mut numbers {
        *number = piece[*number as usize];
    }
    numbers
}
