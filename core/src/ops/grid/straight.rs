//! The grid at right angles around a sheared one.

use crate::Geometry;
use crate::program::Grid;
use glam::{DAffine3, DMat3, DVec3};

/// A grid whose x axis and slices are those of an image and whose axes are at right angles: the factor Q·diag(R) of the
/// image's matrix Q·R, so that a voxel has the same volume.
pub struct Straight {
    /// Where its voxels lie; index 0 is the image's.
    pub geometry: Geometry,
    /// Index `(x, y, z)` in the image of an index.
    image_from_index: DMat3,
    /// First index of the box around the image, `(x, y, z)`.
    start: DVec3,
    /// Voxels of that box, `(x, y, z)`.
    extent: DVec3,
}

impl Straight {
    /// The straight grid around a grid.
    pub fn of(grid: &Grid) -> Self {
        let [x, y, z] = {
            let m = grid.geometry.world_from_index.matrix3;
            [m.x_axis, m.y_axis, m.z_axis]
        };
        let u = x.normalize_or(DVec3::X);
        let v = y.reject_from_normalized(u).normalize_or(u.any_orthonormal_vector());
        let w = u.cross(v);
        let sides = DVec3::new(x.dot(u), y.dot(v), z.dot(w));
        // From the image's indices to those of the straight grid: a shear with ones on its diagonal. What is rounding
        // is none, so that voxels of a straight image are not mixed.
        let share = |way: DVec3, of: DVec3, side: f64| {
            let share = way.dot(of) / side;
            if share.abs() < 1e-9 { 0.0 } else { share }
        };
        let index_from_image = DMat3::from_cols(
            DVec3::X,
            DVec3::new(share(y, u, sides.x), 1.0, 0.0),
            DVec3::new(share(z, u, sides.x), share(z, v, sides.y), 1.0),
        );
        let [nz, ny, nx] = grid.shape.map(|n| n as f64);
        let corners = (0..8).map(|i| {
            let pick = |bit: usize, n: f64| if i >> bit & 1 == 0 { -0.5 } else { n - 0.5 };
            index_from_image * DVec3::new(pick(0, nx), pick(1, ny), pick(2, nz))
        });
        let (low, high) =
            corners.fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
        // Voxels whose centres lie in the box.
        let start = low.ceil();
        let extent = (high.floor() - start + 1.0).max(DVec3::ONE);
        let mut geometry = grid.geometry;
        geometry.world_from_index.matrix3 = DMat3::from_cols(u * sides.x, v * sides.y, w * sides.z);
        Self { geometry, image_from_index: inverse(index_from_image), start, extent }
    }

    /// The shape `[z, y, x]` of samples that are `step` voxels `[z, y, x]` apart, and the index in the image of a
    /// sample's index `(x, y, z)`.
    pub fn sampled(&self, step: [f64; 3]) -> ([usize; 3], DAffine3) {
        let step = DVec3::new(step[2], step[1], step[0]);
        let count = (self.extent / step).round().max(DVec3::ONE);
        // The outer faces of the box stay.
        let first = self.start - 0.5 + step * 0.5;
        let index_from_sample = DAffine3::from_mat3_translation(
            self.image_from_index * DMat3::from_diagonal(step),
            self.image_from_index * first,
        );
        ([count.z as usize, count.y as usize, count.x as usize], index_from_sample)
    }
}

/// The inverse of a shear, with exact ones on its diagonal and zeros below it.
fn inverse(shear: DMat3) -> DMat3 {
    let (a, b, c) = (shear.y_axis.x, shear.z_axis.x, shear.z_axis.y);
    DMat3::from_cols(DVec3::X, DVec3::new(-a, 1.0, 0.0), DVec3::new(a * c - b, -c, 1.0))
}
