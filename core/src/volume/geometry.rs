//! Where an image's voxels lie in the world.

use super::Unit;
use glam::{DAffine3, DMat3, DVec3};
use serde::{Deserialize, Serialize};

/// Where voxels lie: an affine map from voxel index to world position.
///
/// Vectors here are `(x, y, z)`, as everywhere in glam, while arrays are `[z, y, x]`. Voxel centres
/// have integer indices. Where `oriented`, world axes are right, anterior, superior (RAS+, as in
/// `NIfTI`); otherwise they are just the image's own axes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// World position of an index.
    pub world_from_index: DAffine3,
    /// Unit of world positions.
    pub unit: Unit,
    /// Whether the file gives an anatomical orientation.
    pub oriented: bool,
}

impl Default for Geometry {
    fn default() -> Self {
        Self { world_from_index: DAffine3::IDENTITY, unit: Unit::Voxel, oriented: false }
    }
}

impl Geometry {
    /// Axis-aligned at the origin, with a spacing `[z, y, x]`.
    pub fn from_spacing(spacing: [f64; 3], unit: Unit) -> Self {
        let scale = DVec3::new(spacing[2], spacing[1], spacing[0]);
        Self { world_from_index: DAffine3::from_scale(scale), unit, oriented: false }
    }

    /// Distance between voxel centres along each array axis, `[z, y, x]`, in `unit`.
    pub fn spacing(&self) -> [f64; 3] {
        let m = self.world_from_index.matrix3;
        [m.z_axis.length(), m.y_axis.length(), m.x_axis.length()]
    }

    /// Volume of one voxel in cubic units.
    pub fn voxel_volume(&self) -> f64 {
        self.world_from_index.matrix3.determinant().abs()
    }

    /// World position of an index `[z, y, x]`, which may be fractional.
    pub fn world(&self, index: [f64; 3]) -> DVec3 {
        self.world_from_index.transform_point3(DVec3::new(index[2], index[1], index[0]))
    }

    /// The geometry of a part that begins at index `start`.
    pub fn cropped(&self, start: [f64; 3]) -> Self {
        let mut g = *self;
        g.world_from_index.translation = self.world(start);
        g
    }

    /// The geometry after binning by `factor` voxels an axis, `[z, y, x]`: centres of bins.
    pub fn binned(&self, factor: [f64; 3]) -> Self {
        let mut g = self.cropped([(factor[0] - 1.0) / 2.0, (factor[1] - 1.0) / 2.0, (factor[2] - 1.0) / 2.0]);
        let scale = DMat3::from_diagonal(DVec3::new(factor[2], factor[1], factor[0]));
        g.world_from_index.matrix3 = self.world_from_index.matrix3 * scale;
        g
    }

    /// The letters of the nearest anatomical directions towards which the array axes `z, y, x`
    /// run, such as `['S', 'A', 'R']`; none where the file gives no orientation.
    pub fn orientation(&self) -> Option<[char; 3]> {
        if !self.oriented {
            return None;
        }
        let m = self.world_from_index.matrix3;
        let columns = [m.x_axis, m.y_axis, m.z_axis].map(|c| c.try_normalize().unwrap_or(DVec3::ZERO));
        let names = [['R', 'L'], ['A', 'P'], ['S', 'I']];
        // Each world axis is given to one array axis: the best of the six assignments.
        const PERMUTATIONS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let score = |p: &[usize; 3]| (0..3).map(|a| columns[a][p[a]].abs()).sum::<f64>();
        let best =
            PERMUTATIONS.iter().max_by(|a, b| score(a).total_cmp(&score(b))).expect("six permutations");
        let letter = |a: usize| names[best[a]][usize::from(columns[a][best[a]] < 0.0)];
        Some([letter(2), letter(1), letter(0)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientation_letters_follow_the_affine() {
        let mut g = Geometry { oriented: true, ..Geometry::default() };
        assert_eq!(g.orientation(), Some(['S', 'A', 'R']));
        g.world_from_index = DAffine3::from_mat3(DMat3::from_cols(DVec3::NEG_X, DVec3::Z, DVec3::NEG_Y));
        assert_eq!(g.orientation(), Some(['P', 'S', 'L']));
        g.oriented = false;
        assert_eq!(g.orientation(), None);
    }

    #[test]
    fn binning_keeps_the_outer_corner() {
        let g = Geometry::from_spacing([3.0, 2.0, 1.0], Unit::Millimetre);
        let b = g.binned([2.0, 2.0, 4.0]);
        assert_eq!(b.spacing(), [6.0, 4.0, 4.0]);
        // The corner at index −½ stays where it is.
        assert!((b.world([-0.5; 3]) - g.world([-0.5; 3])).length() < 1e-12);
    }
}
