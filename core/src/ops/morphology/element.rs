//! Structuring elements, as the rows of voxels along x that they are made of.

use crate::program::{Call, Default, Param, ParamType};
use crate::{Error, Result};

/// The form of a structuring element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Offsets within an ellipsoid, its surface included: `Σ (d/r)² ≤ 1`.
    Ball,
    /// Offsets with `|d| ≤ r` on each axis.
    Box,
    /// Offsets on the three axes with `|d| ≤ r`.
    Cross,
}

/// A row of a structuring element: the offsets `(dz, dy, −w … w)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Offset along z.
    pub dz: isize,
    /// Offset along y.
    pub dy: isize,
}

/// Rows of the same half-width `w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Half-width: a row has `2 w + 1` voxels.
    pub half_width: usize,
    /// Where the rows lie.
    pub rows: Vec<Row>,
}

/// A symmetric structuring element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its form.
    pub shape: Shape,
    /// How far it reaches along `z, y, x`.
    pub half: [usize; 3],
    /// Its rows by rising half-width; none for a box, which is taken axis by axis.
    pub groups: Vec<Group>,
}

/// Slack for radii that come from a division of lengths, such as 3 µm / 0.3 µm.
const SLACK: f64 = 1e-9;

impl Element {
    /// The element of a radius in voxels along `z, y, x`, for images of `image` voxels: what
    /// reaches beyond any pair of voxels of the image is left out.
    pub fn new(shape: Shape, radius: [f64; 3], image: [usize; 3]) -> Self {
        let half: [usize; 3] = std::array::from_fn(|a| {
            ((radius[a] * (1.0 + SLACK)).floor() as usize).min(image[a].saturating_sub(1))
        });
        let mut rows: Vec<(usize, Row)> = Vec::new();
        let (hz, hy) = (half[0] as isize, half[1] as isize);
        match shape {
            Shape::Box => {}
            Shape::Cross => {
                rows.push((half[2], Row { dz: 0, dy: 0 }));
                rows.extend((1..=hy).flat_map(|d| [d, -d]).map(|dy| (0, Row { dz: 0, dy })));
                rows.extend((1..=hz).flat_map(|d| [d, -d]).map(|dz| (0, Row { dz, dy: 0 })));
            }
            Shape::Ball => {
                let part = |d: isize, a: usize| if d == 0 { 0.0 } else { (d as f64 / radius[a]).powi(2) };
                for dz in -hz..=hz {
                    for dy in -hy..=hy {
                        let used = part(dz, 0) + part(dy, 1);
                        let fits = |w: usize| used + part(w as isize, 2) <= 1.0 + 2.0 * SLACK;
                        if fits(0) {
                            let guess = (radius[2] * (1.0 - used).max(0.0).sqrt()) as usize;
                            let mut w = guess.saturating_sub(1).min(half[2]);
                            while w < half[2] && fits(w + 1) {
                                w += 1;
                            }
                            rows.push((w, Row { dz, dy }));
                        }
                    }
                }
            }
        }
        rows.sort_by_key(|(w, row)| (*w, row.dz, row.dy));
        let mut groups: Vec<Group> = Vec::new();
        for (w, row) in rows {
            match groups.last_mut() {
                Some(group) if group.half_width == w => group.rows.push(row),
                _ => groups.push(Group { half_width: w, rows: vec![row] }),
            }
        }
        Self { shape, half, groups }
    }

    /// The element that a call asks for with [`SHAPE`] and [`RADIUS`].
    ///
    /// # Errors
    /// If the radius is physical and the image's spacing is not known, or is beyond any use.
    pub fn of(call: &Call) -> Result<Self> {
        let radius = call.voxels("radius")?;
        let shape = match call.args.text("shape") {
            "ball" => Shape::Ball,
            "box" => Shape::Box,
            _ => Shape::Cross,
        };
        if radius.iter().any(|r| !r.is_finite()) {
            return Err(Error::Operator { op: call.op, reason: format!("a radius of {radius:?} voxels") });
        }
        Ok(Self::new(shape, radius, call.grid().shape))
    }

    /// Whether it is the one voxel in its centre, so that nothing changes.
    pub fn is_point(&self) -> bool {
        self.half == [0; 3]
    }
}

/// The parameter `shape`.
pub const SHAPE: Param = Param {
    name: "shape",
    ty: ParamType::Choice(&["ball", "box", "cross"]),
    default: Default::Value("ball"),
    help: "Form of the structuring element: a ball (voxels at a distance ≤ radius), a box, or a cross along the axes.",
};

/// The parameter `radius`.
pub const RADIUS: Param = Param {
    name: "radius",
    ty: ParamType::Length { min: 0.0 },
    default: Default::Value("1"),
    help: "Radius of the structuring element; a physical radius makes an ellipsoid of voxels where the spacing differs by axis.",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(e: &Element) -> usize {
        e.groups.iter().map(|g| g.rows.len() * (2 * g.half_width + 1)).sum()
    }

    #[test]
    fn balls_have_the_voxels_within_the_radius() {
        let big = [1000; 3];
        // Numbers of integer points in a ball (OEIS A000605).
        for (r, count) in [(0, 1), (1, 7), (2, 33), (3, 123), (4, 257), (5, 515), (10, 4169)] {
            assert_eq!(offsets(&Element::new(Shape::Ball, [f64::from(r); 3], big)), count, "radius {r}");
        }
        // Of length √3: a physical radius of 3 µm at 0.3 µm is exactly 10 voxels.
        let third = 3e-6 / (1e-6 * 0.3);
        assert_eq!(offsets(&Element::new(Shape::Ball, [third; 3], big)), 4169);
        assert_eq!(offsets(&Element::new(Shape::Ball, [3f64.sqrt(); 3], big)), 27);
    }

    #[test]
    fn radii_differ_by_axis_and_stop_at_the_image() {
        let e = Element::new(Shape::Ball, [0.5, 1.0, 2.0], [9; 3]);
        assert_eq!(e.half, [0, 1, 2]);
        assert_eq!(offsets(&e), 7);
        assert_eq!(Element::new(Shape::Ball, [5.0; 3], [1, 4, 9]).half, [0, 3, 5]);
        assert_eq!(offsets(&Element::new(Shape::Cross, [2.0, 1.0, 3.0], [9; 3])), 4 + 2 + 7);
    }
}
