//! Comparison of grids in the world.

use super::{Geometry, Turn, Unit};
use glam::DVec3;

/// Deviation of voxels' positions, in voxels, below which two grids are one: headers round spacings and origins.
const TOLERANCE: f64 = 0.05;
/// Greatest deviation in voxels that is put down to coordinates of 32 bits.
const ROUNDING: f64 = 0.25;

/// The flip and permutation that lays an image of `shape` and `geometry` on the grid of another, `to`, so that voxels
/// of one index are at one place in the world; `None` if none does. Units are converted where both are known. Along an
/// axis of one voxel the spacing and direction don't matter, and where `to` has more voxels there, the place neither.
///
/// Coordinates may differ by a twentieth of a voxel, and by what two affine maps of 32 bits make of it, up to a
/// quarter.
pub fn turn_onto(to: ([usize; 3], &Geometry), (shape, geometry): ([usize; 3], &Geometry)) -> Option<Turn> {
    let factor = match (geometry.unit.metres(), to.1.unit.metres()) {
        (Some(own), Some(other)) if geometry.unit != to.1.unit => own / other,
        _ => 1.0,
    };
    let world = to.1.world_from_index;
    if world.matrix3.determinant() == 0.0 || !world.is_finite() {
        return None;
    }
    let index_from_world = world.inverse();
    Turn::all().into_iter().find(|turn| {
        let own = turn.shape(shape);
        let free: [bool; 3] = std::array::from_fn(|a| own[a] == 1 && to.0[a] > 1);
        if (0..3).any(|a| own[a] != to.0[a] && !free[a]) {
            return false;
        }
        let world_from_own = geometry.world_from_index * turn.old_from_new(shape);
        (0..8).all(|corner| {
            let index: [f64; 3] =
                std::array::from_fn(|a| if corner >> a & 1 == 1 { (own[a] - 1) as f64 } else { 0.0 });
            let place = world_from_own.transform_point3(DVec3::new(index[2], index[1], index[0])) * factor;
            let found = index_from_world.transform_point3(place);
            let coordinate =
                place.abs().max_element().max(to.1.world_from_index.translation.abs().max_element());
            let spacing = to.1.spacing();
            (0..3).all(|a| {
                let rounding = coordinate * f64::from(f32::EPSILON) / spacing[a];
                let allowed = TOLERANCE.max(rounding.min(ROUNDING));
                // Not `>`: a deviation that is no number is none that is allowed.
                free[a] || (found[2 - a] - index[a]).abs() <= allowed
            })
        })
    })
}

/// Whether an image of `shape` has as many voxels as another along each axis, or one.
pub fn covers(shape: [usize; 3], to: [usize; 3]) -> bool {
    (0..3).all(|a| shape[a] == to[a] || shape[a] == 1)
}

/// Whether two spacings are the same for an image of `shape`, as [`turn_onto`] would have it; where only one has a unit,
/// whether their ratios are.
pub fn same_spacing(shape: [usize; 3], a: &Geometry, b: &Geometry) -> bool {
    let (left, mut right) = (a.spacing(), b.spacing());
    let factor = match (a.unit.metres(), b.unit.metres()) {
        (Some(a), Some(b)) => b / a,
        (None, None) => 1.0,
        _ => left.iter().zip(&right).zip(shape).find(|(_, n)| *n > 1).map_or(1.0, |((a, b), _)| a / b),
    };
    right.iter_mut().for_each(|s| *s *= factor);
    (0..3).all(|i| (right[i] / left[i] - 1.0).abs() * (shape[i] - 1) as f64 <= TOLERANCE)
}

impl Geometry {
    /// Whether nothing is known of where voxels lie: an index is a place.
    pub fn is_unstated(&self) -> bool {
        *self == Self::default()
    }

    /// The same places in another unit; unchanged where either is unknown.
    pub fn in_unit(mut self, unit: Unit) -> Self {
        if let (Some(own), Some(other)) = (self.unit.metres(), unit.metres())
            && self.unit != unit
        {
            self.world_from_index.matrix3 *= own / other;
            self.world_from_index.translation *= own / other;
            self.unit = unit;
        }
        self
    }
}

/// A grid in words, for messages: `8 × 7 × 6 voxels, spacing 1 × 1 × 1 mm, origin 0, 0, 0 (RAS)`, in the order x, y, z.
pub fn describe_grid(shape: [usize; 3], geometry: &Geometry) -> String {
    let unit = match geometry.unit {
        Unit::Voxel => String::new(),
        unit => format!(" {unit}"),
    };
    let ([nz, ny, nx], [z, y, x]) = (shape, geometry.spacing().map(short));
    let [ox, oy, oz] = geometry.world_from_index.translation.to_array().map(short);
    let letters = geometry.orientation().map_or(String::new(), |[z, y, x]| format!(" ({x}{y}{z})"));
    format!("{nx} × {ny} × {nz} voxels, spacing {x} × {y} × {z}{unit}, origin {ox}, {oy}, {oz}{letters}")
}

/// Says of an image that it lies on another grid than the one called `to`, and what helps.
pub fn apart(to: &str, (shape, geometry): ([usize; 3], &Geometry), at: ([usize; 3], &Geometry)) -> String {
    format!(
        "lies on another grid ({}) than {to} ({}); put it on that one first with \"voxelry op resample --like FILE\"",
        describe_grid(shape, geometry),
        describe_grid(at.0, at.1)
    )
}

/// A number with at most seven significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.abs().to_string();
    }
    let digits = (6 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3};

    /// Oblique and anisotropic.
    fn oblique() -> Geometry {
        let turn = DMat3::from_rotation_x(0.3) * DMat3::from_rotation_z(-0.7);
        let matrix = turn * DMat3::from_diagonal(DVec3::new(0.5, 0.7, 2.0));
        let world_from_index = DAffine3::from_mat3_translation(matrix, DVec3::new(10.0, -4.0, 3.0));
        Geometry { world_from_index, unit: Unit::Millimetre, oriented: true }
    }

    const SHAPE: [usize; 3] = [4, 5, 6];

    #[test]
    fn every_flip_and_permutation_is_found_and_undone() {
        assert_eq!(Turn::all().len(), 48);
        assert_eq!(Turn::all()[0], Turn::NONE);
        for turn in Turn::all() {
            let (shape, geometry) = (turn.shape(SHAPE), turn.geometry(&oblique(), SHAPE));
            let back = turn_onto((SHAPE, &oblique()), (shape, &geometry)).expect("it is the same grid");
            assert_eq!(back.shape(shape), SHAPE);
            let undone = back.geometry(&geometry, shape);
            assert!(undone.world_from_index.abs_diff_eq(oblique().world_from_index, 1e-9), "{turn}");
        }
    }

    #[test]
    fn grids_are_compared_in_the_world() {
        let fits = |to: &Geometry, own: &Geometry| turn_onto((SHAPE, to), (SHAPE, own)).is_some();
        let a = oblique();
        // As a header with numbers of 32 bits has it.
        let mut rounded = a;
        let columns = a.world_from_index.to_cols_array().map(|v| f64::from(v as f32));
        rounded.world_from_index = DAffine3::from_cols_array(&columns);
        assert!(fits(&a, &rounded));
        // In another unit.
        assert!(fits(&a, &a.in_unit(Unit::Micrometre)));
        assert_eq!(a.in_unit(Unit::Micrometre).spacing()[0].round(), 2000.0);
        let mut wrong = a;
        wrong.unit = Unit::Micrometre;
        assert!(!fits(&a, &wrong));
        // Half a voxel, a tenth of the spacing, a degree.
        assert!(!fits(&a, &a.cropped([0.0, 0.0, 0.5])));
        assert!(!fits(&a, &a.cropped([0.5, 0.5, 0.5])));
        assert!(!fits(&a, &a.binned([1.0, 1.1, 1.0])));
        let mut tilted = a;
        tilted.world_from_index = DAffine3::from_axis_angle(DVec3::X, 0.1) * a.world_from_index;
        assert!(!fits(&a, &tilted));
        // Far from the origin.
        let mut far = Geometry::from_spacing([4.0; 3], Unit::Nanometre);
        far.world_from_index.translation = DVec3::splat(1e8);
        let mut near = far;
        near.world_from_index.translation += 0.8;
        assert!(fits(&far, &near));
        near.world_from_index.translation += 1.2;
        assert!(!fits(&far, &near));
    }

    #[test]
    fn an_axis_of_one_voxel_has_a_place_but_no_spacing() {
        let shape = [1, 5, 6];
        let thick = Geometry::from_spacing([3.0, 1.0, 1.0], Unit::Millimetre);
        let thin = Geometry::from_spacing([1.0, 1.0, 1.0], Unit::Millimetre);
        assert_eq!(turn_onto((shape, &thick), (shape, &thin)), Some(Turn::NONE));
        assert_eq!(turn_onto((shape, &thick), (shape, &thin.cropped([2.0, 0.0, 0.0]))), None);
        // One plane for all: it may lie anywhere.
        assert_eq!(turn_onto((SHAPE, &thick), (shape, &thin.cropped([99.0, 0.0, 0.0]))), Some(Turn::NONE));
        assert!(same_spacing(shape, &thick, &thin));
        assert!(!same_spacing([2, 5, 6], &thick, &thin));
    }

    #[test]
    fn spacings_without_a_unit_are_compared_by_their_ratios() {
        let a = Geometry::from_spacing([4.0, 0.5, 0.5], Unit::Micrometre);
        let ratio = Geometry::from_spacing([8.0, 1.0, 1.0], Unit::Voxel);
        assert!(same_spacing(SHAPE, &a, &ratio) && same_spacing(SHAPE, &ratio, &a));
        assert!(!same_spacing(SHAPE, &a, &Geometry::from_spacing([4.0, 1.0, 1.0], Unit::Voxel)));
        assert!(!same_spacing(SHAPE, &a, &Geometry::from_spacing([4.0, 0.5, 0.5], Unit::Millimetre)));
        assert!(same_spacing(SHAPE, &a, &Geometry::from_spacing([4e-3, 5e-4, 5e-4], Unit::Millimetre)));
        assert_eq!(describe_grid(SHAPE, &a), "6 × 5 × 4 voxels, spacing 0.5 × 0.5 × 4 µm, origin 0, 0, 0");
    }
}
