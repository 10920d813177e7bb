//! Figures of a foam whose bubbles are labels and whose liquid is background: liquid fraction, the
//! texture, shape and interface tensors, and topology changes between two states.

use super::Table;
use super::columns::UnitRule;
use super::intercepts::{self, Intercepts};
use super::object::{Frame, Object};
use super::objects::rows_by_label;
use super::sums::Objects;
use super::table::{Builder, Values};
use glam::DMat3;
use std::collections::{BTreeMap, BTreeSet};

const LEFT_OUT: &str = "Bubbles that touch a face of the image are left out.";

/// One row with the figures of the foam. Tensors are symmetric; their components are in world
/// coordinates.
pub fn table(frame: &Frame, objects: &Objects, found: &Intercepts) -> Table {
    let rows = rows_by_label(objects);
    let total = frame.shape.iter().product::<usize>() as f64;
    let voxels: u64 = rows.iter().map(|&r| objects.voxels.count(r)).sum();
    let none = super::extras::ExtraColumns::default();
    let object = |row| Object::new(frame, objects, row, (0, 0.0), super::extras::Extras::new(&none, row));
    let inner: BTreeMap<u64, Object> =
        rows.iter().map(|&r| object(r)).filter(|o| !o.touches_border()).map(|o| (o.label, o)).collect();
    let outer = |v: glam::DVec3| DMat3::from_cols(v * v.x, v * v.y, v * v.z);
    let shape = mean(
        inner
            .values()
            .map(|o| (0..3).map(|i| outer(o.axes[i]) * o.variances[i]).fold(DMat3::ZERO, |a, b| a + b)),
    );
    let links: Vec<DMat3> = touching(objects)
        .into_iter()
        .filter_map(|(a, b)| Some(outer(inner.get(&a)?.world() - inner.get(&b)?.world())))
        .collect();
    let (area, interface) =
        intercepts::orientation(found, frame.geometry.world_from_index.matrix3).unwrap_or((f64::NAN, NONE));
    let mut b = Builder::default();
    let mut real = |name: &str, unit: UnitRule, doc: &str, value: f64| {
        b.column(name, &unit.text(frame.geometry.unit), doc, Values::Real(vec![value]));
    };
    use UnitRule::{Length, One, PerLength};
    real("liquid_fraction", One, "Share of the image that is background.", 1.0 - voxels as f64 / total);
    real("bubbles", One, LEFT_OUT, inner.len() as f64);
    real("links", One, &format!("Pairs of bubbles that share a voxel face. {LEFT_OUT}"), links.len() as f64);
    real(
        "interface_density",
        PerLength(1),
        "Surface of all bubbles ÷ volume of the image, from intercepts along 49 directions; a contact is the surface of both.",
        area,
    );
    for (name, unit, doc, tensor) in [
        (
            "texture",
            Length(2),
            "Mean of ℓℓᵀ over the links ℓ between the centroids of bubbles in contact (Asipauskas et al. 2003, doi:10.1007/s10035-003-0126-x; Graner et al. 2008, doi:10.1140/epje/i2007-10298-8).",
            mean(links.into_iter()),
        ),
        ("shape", Length(2), "Mean covariance of the voxel centres of a bubble.", shape),
        (
            "interface",
            PerLength(1),
            "Integral of nnᵀ − 1/3 over the unit normals n of all bubbles' surfaces ÷ volume of the image (Batchelor 1970, doi:10.1017/S0022112070000745), from intercepts along 49 directions. Times −surface tension, the stress of the interfaces.",
            interface,
        ),
    ] {
        let doc = if name == "interface" { doc.to_owned() } else { format!("{doc} {LEFT_OUT}") };
        let m = tensor;
        for (component, value) in [
            ("xx", m.x_axis.x),
            ("yy", m.y_axis.y),
            ("zz", m.z_axis.z),
            ("yz", m.z_axis.y),
            ("xz", m.z_axis.x),
            ("xy", m.y_axis.x),
        ] {
            real(&format!("{name}_{component}"), unit, &doc, value);
        }
    }
    b.finish("foam")
}

const NONE: DMat3 = DMat3::NAN;

/// The mean of some tensors, summed in their order.
fn mean(tensors: impl Iterator<Item = DMat3>) -> DMat3 {
    let (n, sum) = tensors.fold((0u64, DMat3::ZERO), |(n, sum), t| (n + 1, sum + t));
    if n == 0 { NONE } else { sum * (1.0 / n as f64) }
}

/// Pairs of labels that share a voxel face, the lesser first, in order.
pub fn touching(objects: &Objects) -> BTreeSet<(u64, u64)> {
    let pairs = objects.pairs.keys().iter().zip(objects.contacts.iter()).filter(|(_, sums)| sums.faces > 0);
    pairs.map(|(key, _)| (key >> 32, key & 0xffff_ffff)).collect()
}

/// A topology change: two objects lose their contact, two of their common neighbours gain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct T1 {
    /// Labels that touched, the lesser first.
    pub lost: (u64, u64),
    /// Labels that touch now, the lesser first.
    pub gained: (u64, u64),
}

/// The topology changes (T1; D. Weaire and N. Rivier 1984, doi:10.1080/00107518408210979) from one
/// state to the next, of objects that keep their labels: each contact lost, with each gained between
/// two objects that touched both of its own before. Objects that are not in both states are left out.
pub fn t1(before: &Objects, after: &Objects) -> Vec<T1> {
    let present = |o: &Objects, label: u64| o.labels.find(label).is_some_and(|row| o.voxels.count(row) > 0);
    let kept =
        |&&(a, b): &&(u64, u64)| [a, b].iter().all(|&label| present(before, label) && present(after, label));
    let (old, new) = (touching(before), touching(after));
    let gained: BTreeSet<(u64, u64)> = new.difference(&old).filter(kept).copied().collect();
    let mut neighbours: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for &(a, b) in &old {
        neighbours.entry(a).or_default().insert(b);
        neighbours.entry(b).or_default().insert(a);
    }
    let mut changes = Vec::new();
    for &lost in old.difference(&new).filter(kept) {
        let common: Vec<u64> = neighbours[&lost.0].intersection(&neighbours[&lost.1]).copied().collect();
        for (i, &c) in common.iter().enumerate() {
            for &d in &common[i + 1..] {
                if gained.contains(&(c, d)) {
                    changes.push(T1 { lost, gained: (c, d) });
                }
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::scan::{Part, Plan, scan};
    use crate::{Job, Region, Volume};
    use ndarray::Array3;

    fn sums(a: Array3<u32>) -> Objects {
        let volume = Volume::from(a);
        let region = Region::whole(volume.shape());
        let table = crate::measure::crofton::Table::new(DMat3::IDENTITY);
        let plan = Plan { image: volume.shape(), table: Some(table), moments: false, pairs: true };
        scan(&plan, region, Part { volume: &volume, region }, &[], &Job::silent()).unwrap()
    }

    #[test]
    fn four_bubbles_swap_neighbours() {
        // Left 1, right 2, above 3, below 4; first 1 and 2 touch, then 3 and 4.
        let cell = |wide: bool| {
            Array3::from_shape_fn([2, 20, 20], |(_, y, x)| {
                let (y, x) = (y as f64 - 9.5, x as f64 - 9.5);
                let (u, v) =
                    if wide { (y.abs() - x.abs() - 2.0, 0.0) } else { (y.abs() - x.abs() + 2.0, 0.0) };
                match (u > v, y > 0.0, x > 0.0) {
                    (true, false, _) => 3,
                    (true, true, _) => 4,
                    (false, _, false) => 1,
                    (false, _, true) => 2,
                }
            })
        };
        let (before, after) = (sums(cell(true)), sums(cell(false)));
        assert_eq!(t1(&before, &after), [T1 { lost: (1, 2), gained: (3, 4) }]);
        assert_eq!(t1(&after, &before), [T1 { lost: (3, 4), gained: (1, 2) }]);
        assert_eq!(t1(&before, &before), []);
    }
}
