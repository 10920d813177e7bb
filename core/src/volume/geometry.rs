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

/// Greatest cosine between axes that count as at right angles. Files with affines in `f32` are off by 10⁻⁷, those with
/// direction cosines in text of four digits by up to 1.7·10⁻⁴; a length is then wrong by at most this part of it, which
/// is far below what voxels resolve. Tilted gantries and fitted affines shear by more.
const RIGHT_ANGLE: f64 = 2e-4;

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

    /// The angle in degrees, below 90, at which axes of the grid meet if they are not at right angles, the least of
    /// several. Axes along which `shape` `[z, y, x]` has one voxel do not count.
    ///
    /// Only where there is none do lengths along the axes, and so [`Self::spacing`], make up all lengths.
    pub fn shear(&self, shape: [usize; 3]) -> Option<f64> {
        let axis = |a: usize| self.world_from_index.matrix3.col(2 - a).try_normalize();
        let cosine = |a: usize, b: usize| match (axis(a), axis(b)) {
            (Some(u), Some(v)) if shape[a] > 1 && shape[b] > 1 => u.dot(v).abs(),
            _ => 0.0,
        };
        let greatest = cosine(0, 1).max(cosine(0, 2)).max(cosine(1, 2));
        (greatest > RIGHT_ANGLE).then(|| greatest.min(1.0).acos().to_degrees())
    }

    /// Length in world units of a step of so many voxels `[z, y, x]`, which may be fractional.
    pub fn length(&self, step: [f64; 3]) -> f64 {
        self.world_from_index.transform_vector3(DVec3::new(step[2], step[1], step[0])).length()
    }

    /// Whether the world sees the voxel grid mirrored: an odd number of its axes run backwards.
    pub fn is_mirrored(&self) -> bool {
        self.world_from_index.matrix3.determinant() < 0.0
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

    /// Degrees by which a direction may be off an anatomical one and still be called by it.
    pub const OBLIQUE: f64 = 1.0;

    /// The letters of a direction `(x, y, z)` in a world of RAS+, that of the nearest axis first: `R`; `≈R` if it is more
    /// than [`Self::OBLIQUE`] degrees off; `≈RA` if it is about as near to another.
    pub fn letters(way: DVec3) -> String {
        let way = way.normalize_or_zero();
        let mut axes = [0, 1, 2];
        axes.sort_by(|a, b| way[*b].abs().total_cmp(&way[*a].abs()));
        let letter = |axis: usize| [['R', 'L'], ['A', 'P'], ['S', 'I']][axis][usize::from(way[axis] < 0.0)];
        if way[axes[0]].abs() >= Self::OBLIQUE.to_radians().cos() {
            return letter(axes[0]).to_string();
        }
        // Beyond 22.5° from an axis, as on a compass.
        let others = axes[1..].iter().filter(|axis| way[**axis].abs() > 0.38);
        std::iter::once('≈').chain([letter(axes[0])]).chain(others.map(|axis| letter(*axis))).collect()
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
    fn shears_are_told_from_rounding() {
        let shear = |xy: f64, yz: f64| {
            let m = DMat3::from_cols(DVec3::X, DVec3::new(xy, 1.0, 0.0), DVec3::new(0.0, 3.0 * yz, 3.0));
            // Turned, as oblique scans are.
            let turn = DMat3::from_quat(glam::DQuat::from_euler(glam::EulerRot::XYZ, 0.3, -0.2, 1.0));
            Geometry { world_from_index: DAffine3::from_mat3(turn * m), ..Geometry::default() }
        };
        assert_eq!(shear(0.0, 0.0).shear([5; 3]), None);
        // As an affine in f32 has it, and direction cosines of four digits.
        assert_eq!(shear(1e-6, -1e-6).shear([5; 3]), None);
        assert_eq!(shear(1.5e-4, 0.0).shear([5; 3]), None);
        assert!(shear(1e-3, 0.0).shear([5; 3]).is_some());
        let angle = shear(0.0, 1.0).shear([5; 3]).unwrap();
        assert!((angle - 45.0).abs() < 1e-9, "{angle}");
        // One slice has no lengths across it.
        assert_eq!(shear(0.0, 1.0).shear([1, 5, 5]), None);
        assert_eq!(Geometry::from_spacing([0.0, 1.0, 2.0], Unit::Voxel).shear([5; 3]), None);
        // A step along y is 1, one along z √(3² + 3²) = 4.243; both together 3, 4: 5.
        let g = shear(0.0, 1.0);
        let lengths = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]].map(|s| g.length(s));
        for (found, expected) in lengths.into_iter().zip([1.0, 18f64.sqrt(), 5.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn letters_of_oblique_directions_do_not_claim_to_be_exact() {
        let at = |degrees: f64| DVec3::new(degrees.to_radians().cos(), degrees.to_radians().sin(), 0.0);
        for (way, expected) in [
            (DVec3::X, "R"),
            (DVec3::NEG_Z, "I"),
            (at(0.5), "R"),
            (at(10.0), "≈R"),
            (at(30.0), "≈RA"),
            (at(60.0), "≈AR"),
            (at(170.0), "≈L"),
            (DVec3::new(-1.0, -1.1, 0.9), "≈PLS"),
        ] {
            assert_eq!(Geometry::letters(way), expected, "{way}");
        }
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
