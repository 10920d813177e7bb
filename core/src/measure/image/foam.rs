//! Figures of a foam whose bubbles are labels and whose liquid is background: liquid fraction, the
//! texture, shape and interface tensors.

use crate::measure::columns::UnitRule;
use crate::measure::columns::object::{Frame, Object};
use crate::measure::columns::objects::rows_by_label;
use crate::measure::image::intercepts::{self, Intercepts};
use crate::measure::sums::Objects;
use crate::table::Table;
use crate::table::builder::{Builder, Values};
use glam::DMat3;
use std::collections::{BTreeMap, BTreeSet};

const LEFT_OUT: &str = "Bubbles that touch a face of the image are left out.";

/// One row with the figures of the foam. Tensors are symmetric; their components are in world
/// coordinates.
pub fn table(frame: &Frame, objects: &Objects, found: &Intercepts) -> Table {
    let rows = rows_by_label(objects);
    let total = frame.shape.iter().product::<usize>() as f64;
    let voxels: u64 = rows.iter().map(|&r| objects.voxels.count(r)).sum();
    let none = crate::measure::shape::extras::ExtraColumns::default();
    let object = |row| {
        Object::new(frame, objects, row, (0, 0.0), crate::measure::shape::extras::Extras::new(&none, row))
    };
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
fn touching(objects: &Objects) -> BTreeSet<(u64, u64)> {
    let pairs = objects.pairs.keys().iter().zip(objects.contacts.iter()).filter(|(_, sums)| sums.faces > 0);
    pairs.map(|(key, _)| (key >> 32, key & 0xffff_ffff)).collect()
}
