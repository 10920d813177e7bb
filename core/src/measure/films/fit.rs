//! The power diagram whose planes lie nearest to the faces between pieces.
//!
//! A cell is where its function is least. That of a piece with the centroid `c` is `|x − c|² + g − 2 d·(x − c)`, with a
//! shift `d` of its site and an offset `g`. Between two pieces the functions are equal on the faces; what they differ by,
//! divided by the gradient, is the distance of a face from the plane. The sum of its squares is least where a linear system
//! holds, solved by conjugate gradients with the pieces' own blocks as preconditioner.

use super::pieces::{Faces, Pieces};
use crate::{Job, Result};
use glam::{DVec3, DVec4};

/// Weight of the squared shift of a site against the squared distance of one voxel face from its plane. Without it, sites
/// could shrink to a point, where all planes fit.
const STIFFNESS: f64 = 0.1;
/// That of offsets, of which all may be larger by the same.
const ANCHOR: f64 = 1e-12;
/// Greatest number of iterations, and the part of the first residual at which they end.
const ITERATIONS: usize = 2000;
const TOLERANCE: f64 = 1e-9;

/// Cells of pieces.
pub(super) struct Cells {
    /// Shift of the site and offset, by piece.
    terms: Vec<DVec4>,
}

/// What the faces between two pieces add to the system.
struct Block {
    pair: (usize, usize),
    /// Products of the two pieces' own terms, and of one with the other.
    aa: glam::DMat4,
    bb: glam::DMat4,
    ab: glam::DMat4,
}

impl Cells {
    /// Fits cells to pieces.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn fit(pieces: &Pieces, job: &Job) -> Result<Self> {
        let n = pieces.labels.len();
        // In voxels, whatever the unit.
        let voxel = pieces.world.determinant().abs().cbrt();
        let own = glam::DMat4::from_diagonal(DVec4::new(STIFFNESS, STIFFNESS, STIFFNESS, ANCHOR));
        let mut diagonal = vec![own; n];
        let mut right = vec![DVec4::ZERO; n];
        let mut blocks = Vec::with_capacity(pieces.faces.len());
        for (&(a, b), faces) in &pieces.faces {
            let (ca, cb) = (pieces.centroids[a] / voxel, pieces.centroids[b] / voxel);
            let block = Sums::new(faces, voxel).block((a, b), ca, cb, &mut right);
            diagonal[a] += block.aa;
            diagonal[b] += block.bb;
            blocks.push(block);
        }
        let terms = solve(&blocks, &diagonal, right, job)?;
        let scaled = |t: &DVec4| (t.truncate() * voxel).extend(t.w * voxel * voxel);
        Ok(Self { terms: terms.iter().map(scaled).collect() })
    }

    /// Gradient and value at `origin` of the function of a piece, less the part that is the same for all.
    pub fn about(&self, pieces: &Pieces, piece: usize, origin: DVec3) -> (DVec3, f64) {
        let (u, term) = (origin - pieces.centroids[piece], self.terms[piece]);
        let shift = term.truncate();
        (2.0 * (u - shift), u.length_squared() + term.w - 2.0 * shift.dot(u))
    }
}

/// The sums of faces, in voxels.
struct Sums {
    origin: DVec3,
    weight: f64,
    first: DVec3,
    second: glam::DMat3,
}

impl Sums {
    fn new(faces: &Faces, voxel: f64) -> Self {
        let area = voxel * voxel;
        Self {
            origin: faces.origin / voxel,
            weight: faces.weight / area,
            first: faces.first / (voxel * area),
            second: faces.second * (1.0 / (area * area)),
        }
    }

    /// Sum over the faces of (p + q)(p' + q')ᵀ, with p = (−2(x − c), 1) for two centres.
    fn products(&self, c: DVec3, e: DVec3) -> glam::DMat4 {
        let (s, t) = (self.origin - c, self.origin - e);
        let outer = |u: DVec3, v: DVec3| glam::DMat3::from_cols(u * v.x, u * v.y, u * v.z);
        let squares =
            (self.second + outer(self.first, t) + outer(s, self.first) + outer(s, t) * self.weight) * 4.0;
        let (left, right) = ((self.first + s * self.weight) * -2.0, (self.first + t * self.weight) * -2.0);
        glam::DMat4::from_cols(
            squares.x_axis.extend(right.x),
            squares.y_axis.extend(right.y),
            squares.z_axis.extend(right.z),
            left.extend(self.weight),
        )
    }

    /// The block of a pair of pieces with these centroids; adds to the right-hand side.
    fn block(&self, pair: (usize, usize), ca: DVec3, cb: DVec3, right: &mut [DVec4]) -> Block {
        // Distances from the plane: differences of the functions divided by their gradient.
        let scale = 0.25 / ca.distance_squared(cb).max(1e-6);
        let [aa, bb, ab] =
            [self.products(ca, ca), self.products(cb, cb), self.products(ca, cb)].map(|m| m * scale);
        // With no shifts the functions differ by |x − ca|² − |x − cb|² = 2 (cb − ca)·(x − (ca + cb)/2).
        let (step, middle) = (2.0 * (cb - ca), self.origin - (ca + cb) / 2.0);
        let mut towards = |piece: usize, centre: DVec3, sign: f64| {
            let s = self.origin - centre;
            // Sum of (u + s) (u + middle)·step, and of (u + middle)·step.
            let dot = self.first.dot(step) + middle.dot(step) * self.weight;
            let vector = self.second * step + self.first * middle.dot(step) + s * dot;
            right[piece] -= (vector * -2.0).extend(dot) * (sign * scale);
        };
        towards(pair.0, ca, 1.0);
        towards(pair.1, cb, -1.0);
        Block { pair, aa, bb, ab }
    }
}

/// Conjugate gradients.
fn solve(blocks: &[Block], diagonal: &[glam::DMat4], right: Vec<DVec4>, job: &Job) -> Result<Vec<DVec4>> {
    let inverse: Vec<glam::DMat4> = diagonal.iter().map(|m| m.inverse()).collect();
    let times = |v: &[DVec4]| {
        let mut product: Vec<DVec4> = diagonal.iter().zip(v).map(|(m, v)| *m * *v).collect();
        for block in blocks {
            let (a, b) = block.pair;
            product[a] -= block.ab * v[b];
            product[b] -= block.ab.transpose() * v[a];
        }
        product
    };
    let dot = |u: &[DVec4], v: &[DVec4]| u.iter().zip(v).map(|(u, v)| u.dot(*v)).sum::<f64>();
    let precondition = |r: &[DVec4]| inverse.iter().zip(r).map(|(m, r)| *m * *r).collect::<Vec<_>>();
    let mut x = vec![DVec4::ZERO; right.len()];
    let mut residual = right;
    let mut z = precondition(&residual);
    let mut direction = z.clone();
    let mut size = dot(&residual, &z);
    let end = size * TOLERANCE * TOLERANCE;
    for _ in 0..ITERATIONS {
        // A size that is no number ends it, too.
        if size.partial_cmp(&end) != Some(std::cmp::Ordering::Greater) {
            break;
        }
        job.check()?;
        let along = times(&direction);
        let step = size / dot(&direction, &along);
        for (k, d) in direction.iter().enumerate() {
            x[k] += *d * step;
            residual[k] -= along[k] * step;
        }
        z = precondition(&residual);
        let next = dot(&residual, &z);
        let ratio = next / size;
        direction.iter_mut().zip(&z).for_each(|(d, z)| *d = *z + *d * ratio);
        size = next;
    }
    Ok(x)
}
