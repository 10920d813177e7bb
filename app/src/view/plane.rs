//! Orientation of planes on the screen.

use glam::DVec3;
use voxelry_core::{Geometry, Unit};

/// Axes of an image that run to the right and down on the screen, and their directions.
///
/// In a file with an orientation, superior is up, or anterior where up and down are not in the
/// plane, and right or anterior is on the right; otherwise axes run as they are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facing {
    /// The axis across: 0, 1, 2 for z, y, x.
    pub axis: usize,
    /// The axis that runs to the right, and whether it is reversed.
    pub right: (usize, bool),
    /// The axis that runs down, and whether it is reversed.
    pub down: (usize, bool),
    /// The letters at the left, right, upper and lower edge.
    pub letters: Option<[char; 4]>,
    /// `Axial`, `XY` …
    pub name: &'static str,
}

impl Facing {
    /// The plane across an axis of an image.
    pub fn of(geometry: &Geometry, axis: usize) -> Self {
        let [rows, columns] = [[1, 2], [0, 2], [0, 1]][axis];
        let Some(letters) = geometry.orientation() else {
            let name = ["XY", "XZ", "YZ"][axis];
            return Self { axis, right: (columns, false), down: (rows, false), letters: None, name };
        };
        let upright = |a: usize| matches!(letters[a], 'S' | 'I');
        let ahead = |a: usize| matches!(letters[a], 'A' | 'P');
        let lying = upright(columns) || (!upright(rows) && ahead(columns));
        let (down, right) = if lying { (columns, rows) } else { (rows, columns) };
        let down_reversed = matches!(letters[down], 'S' | 'A');
        let right_reversed = matches!(letters[right], 'L' | 'P' | 'I');
        let towards = |a: usize, reversed: bool| if reversed { opposite(letters[a]) } else { letters[a] };
        let (to_right, to_bottom) = (towards(right, right_reversed), towards(down, down_reversed));
        let name = match letters[axis] {
            'S' | 'I' => "Axial",
            'A' | 'P' => "Coronal",
            _ => "Sagittal",
        };
        Self {
            axis,
            right: (right, right_reversed),
            down: (down, down_reversed),
            letters: Some([opposite(to_right), to_right, opposite(to_bottom), to_bottom]),
            name,
        }
    }

    /// One voxel to the right, in indices `(x, y, z)`.
    pub fn right(&self) -> DVec3 {
        along(self.right)
    }

    /// One voxel down.
    pub fn down(&self) -> DVec3 {
        along(self.down)
    }

    /// One voxel across.
    pub fn across(&self) -> DVec3 {
        along((self.axis, false))
    }
}

fn along((axis, reversed): (usize, bool)) -> DVec3 {
    let mut way = DVec3::ZERO;
    way[2 - axis] = if reversed { -1.0 } else { 1.0 };
    way
}

fn opposite(letter: char) -> char {
    match letter {
        'R' => 'L',
        'L' => 'R',
        'A' => 'P',
        'P' => 'A',
        'S' => 'I',
        _ => 'S',
    }
}

/// A length of 1, 2 or 5 times a power of ten that is about `most` or less.
pub fn round_length(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|n| n * power).find(|n| *n <= most * (1.0 + 1e-9)).unwrap_or(power)
}

/// A length for people: in the unit of which it is between 1 and 1000, where that can be, with four significant digits.
pub fn length(value: f64, unit: Unit) -> String {
    scaled(value, unit, |value, _| short(value))
}

/// A position along an axis for people, as [`length`], with all digits that tell neighbouring voxels apart. `spacing`:
/// distance of the voxels, in `unit`.
pub fn position(value: f64, spacing: f64, unit: Unit) -> String {
    scaled(value, unit, |value, scale| coordinate(value, spacing * scale))
}

/// A value in the unit of which it is between 1 and 1000, as `text` writes it. `text` gets the value in that unit, and
/// the factor that converts to it.
fn scaled(value: f64, unit: Unit, text: impl Fn(f64, f64) -> String) -> String {
    let Some(metres) = unit.metres() else {
        return format!("{} {}", text(value, 1.0), if value == 1.0 { "voxel" } else { "voxels" });
    };
    let steps = [(1e-9, "nm"), (1e-6, "µm"), (1e-3, "mm"), (1.0, "m")];
    let size = (value * metres).abs();
    let (scale, symbol) = steps.into_iter().rev().find(|(s, _)| size >= s * 0.9995).unwrap_or(steps[0]);
    if size == 0.0 {
        return format!("0 {}", unit.symbol());
    }
    format!("{} {symbol}", text(value * metres / scale, metres / scale))
}

/// A coordinate with four significant digits, or as many more as tell values `step` apart.
pub fn coordinate(value: f64, step: f64) -> String {
    let text = short(value);
    let exact = text.parse::<f64>().is_ok_and(|shown| (shown - value).abs() <= step / 10.0);
    if exact || !value.is_finite() || !step.is_finite() || step <= 0.0 {
        return text;
    }
    let decimals = (1.0 - step.log10().floor()).clamp(0.0, 12.0) as usize;
    trimmed(format!("{value:.decimals$}"))
}

/// A decimal number without needless zeros.
fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Four significant digits, without needless zeros.
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if !(-12..=9).contains(&digits) {
        return format!("{value:.3e}");
    }
    trimmed(format!("{value:.*}", digits.max(0) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3};

    fn oriented(x: DVec3, y: DVec3, z: DVec3) -> Geometry {
        let world_from_index = DAffine3::from_mat3(DMat3::from_cols(x, y, z));
        Geometry { world_from_index, oriented: true, unit: Unit::Millimetre }
    }

    #[test]
    fn letters_are_those_of_the_affine() {
        let straight = oriented(DVec3::X, DVec3::Y, DVec3::Z);
        let axial = Facing::of(&straight, 0);
        assert_eq!((axial.name, axial.letters), ("Axial", Some(['L', 'R', 'A', 'P'])));
        assert_eq!((axial.right(), axial.down()), (DVec3::X, DVec3::NEG_Y));
        let coronal = Facing::of(&straight, 1);
        assert_eq!((coronal.name, coronal.letters), ("Coronal", Some(['L', 'R', 'S', 'I'])));
        let sagittal = Facing::of(&straight, 2);
        assert_eq!((sagittal.name, sagittal.letters), ("Sagittal", Some(['P', 'A', 'S', 'I'])));
        // Whatever way the image is stored, the picture is the same.
        let turned = oriented(DVec3::NEG_Z, DVec3::NEG_X, DVec3::Y);
        for axis in 0..3 {
            let facing = Facing::of(&turned, axis);
            let expected = [axial, coronal, sagittal].into_iter().find(|f| f.name == facing.name).unwrap();
            assert_eq!(facing.letters, expected.letters, "{}", facing.name);
            let world = |v: DVec3| turned.world_from_index.transform_vector3(v);
            assert_eq!(world(facing.right()), straight.world_from_index.transform_vector3(expected.right()));
            assert_eq!(world(facing.down()), straight.world_from_index.transform_vector3(expected.down()));
        }
    }

    #[test]
    fn positions_far_from_the_origin_tell_voxels_apart() {
        // A stage 123 mm away with voxels of 0.325 µm.
        let shown = |i: f64| position(123_456.75 + i * 0.325, 0.325, Unit::Micrometre);
        assert_eq!([shown(0.0), shown(1.0)], ["123.45675 mm".to_owned(), "123.45707 mm".to_owned()]);
        assert_eq!(coordinate(-1_234_567.25, 0.5), "-1234567.25");
        assert_eq!(coordinate(1_234_567.0, 4000.0), "1234567");
        // Where four digits do, they stay.
        assert_eq!((coordinate(12.5, 0.5), coordinate(0.0, 1.0)), ("12.5".to_owned(), "0".to_owned()));
        assert_eq!((coordinate(f64::NAN, 1.0), coordinate(2.0, 0.0)), ("NaN".to_owned(), "2".to_owned()));
        for i in 0..1000 {
            let [a, b] = [i, i + 1].map(|i| coordinate(-98_765.4 + f64::from(i) * 0.013, 0.013));
            assert_ne!(a, b);
        }
    }

    #[test]
    fn lengths_read_well() {
        assert_eq!(length(0.25, Unit::Millimetre), "250 µm");
        assert_eq!(length(1500.0, Unit::Micrometre), "1.5 mm");
        assert_eq!(length(20.0, Unit::Voxel), "20 voxels");
        assert_eq!(length(1.0, Unit::Metre), "1 m");
        assert_eq!((round_length(73.0), round_length(0.24), round_length(10.0)), (50.0, 0.2, 10.0));
        assert_eq!(
            (short(1234.56), short(0.5), short(-0.001234)),
            ("1235".into(), "0.5".into(), "-0.001234".into())
        );
    }
}
