//! The OME attributes of a group: axes, datasets, scales, channel names.
//!
//! Specification: OME-NGFF 0.4 and 0.5, <https://ngff.openmicroscopy.org/specifications/>.

use super::node::show;
use crate::io::Channel;
use crate::volume::unit::{AxisUnits, seconds};
use crate::{Geometry, Unit};
use glam::DVec3;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What an axis stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Time,
    Channel,
    Z,
    Y,
    X,
    /// Anything else: only its first index is read.
    Other,
}

/// One axis of the arrays.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) unit: Option<String>,
}

/// One resolution level as the metadata gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dataset {
    /// Path of the array, relative to the group.
    pub(super) path: String,
    /// Scale of each axis.
    pub(super) scale: Vec<f64>,
    /// Translation of each axis.
    pub(super) translation: Vec<f64>,
}

/// One multiscale image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Multiscale {
    pub(super) axes: Vec<Axis>,
    pub(super) datasets: Vec<Dataset>,
    pub(super) version: Option<String>,
    pub(super) name: Option<String>,
    /// What was not understood, one sentence each.
    pub(super) notes: Vec<String>,
}

type Result<T> = std::result::Result<T, String>;

fn array<'a>(map: &'a Map<String, Value>, field: &str) -> Result<&'a [Value]> {
    match map.get(field) {
        Some(Value::Array(values)) => Ok(values),
        other => Err(format!("{field} should be a list, not {}", show(other))),
    }
}

fn text<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    map.get(field).and_then(Value::as_str)
}

/// Reads the first multiscale image of the OME attributes.
pub(super) fn multiscale(ome: &Map<String, Value>) -> Result<Multiscale> {
    let all = array(ome, "multiscales")?;
    let Some(Value::Object(first)) = all.first() else {
        return Err(format!("multiscales[0] should be an object, not {}", show(all.first())));
    };
    let version = text(ome, "version").or_else(|| text(first, "version")).map(str::to_owned);
    let mut notes = Vec::new();
    if all.len() > 1 {
        notes.push(format!("the first of {} multiscale images in this group was opened", all.len()));
    }
    if let Some(v) = version.as_deref().filter(|v| !["0.1", "0.2", "0.3", "0.4", "0.5"].contains(v)) {
        notes.push(format!("OME-Zarr version \"{v}\" was read as far as it resembles 0.5"));
    }
    let axes = axes(first).map_err(|e| format!("multiscales[0]: {e}"))?;
    let mut datasets = Vec::new();
    for (i, value) in array(first, "datasets").map_err(|e| format!("multiscales[0].{e}"))?.iter().enumerate()
    {
        let fail = |e: String| format!("multiscales[0].datasets[{i}]: {e}");
        let Value::Object(dataset) = value else {
            return Err(fail(format!("should be an object, not {}", show(Some(value)))));
        };
        let path = text(dataset, "path")
            .ok_or_else(|| fail(format!("path should be text, not {}", show(dataset.get("path")))))?;
        let mut transform = Transform::identity(axes.len());
        transform.apply(dataset, &mut notes).map_err(fail)?;
        transform.apply(first, &mut notes).map_err(|e| format!("multiscales[0].{e}"))?;
        datasets.push(Dataset {
            path: path.to_owned(),
            scale: transform.scale,
            translation: transform.translation,
        });
    }
    if datasets.is_empty() {
        return Err("multiscales[0].datasets is empty".to_owned());
    }
    let name = text(first, "name").filter(|n| !n.is_empty()).map(str::to_owned);
    notes.dedup();
    Ok(Multiscale { axes, datasets, version, name, notes })
}

fn axes(image: &Map<String, Value>) -> Result<Vec<Axis>> {
    let list = match image.get("axes") {
        Some(Value::Array(list)) => list.clone(),
        Some(other) => return Err(format!("axes should be a list, not {}", show(Some(other)))),
        // The 0.6 draft keeps them in a coordinate system; 0.1 and 0.2 are always t, c, z, y, x.
        None => match image.get("coordinateSystems").and_then(|s| s.get(0)).and_then(|s| s.get("axes")) {
            Some(Value::Array(list)) => list.clone(),
            _ => ["t", "c", "z", "y", "x"].iter().map(|n| Value::from(*n)).collect(),
        },
    };
    if list.is_empty() || list.len() > 8 {
        return Err(format!("axes lists {} axes; there should be 2 to 5", list.len()));
    }
    let mut axes: Vec<Axis> = Vec::new();
    for (i, value) in list.iter().enumerate() {
        let (name, kind, unit) = match value {
            Value::String(name) => (name.as_str(), None, None),
            Value::Object(axis) => (
                text(axis, "name").ok_or_else(|| {
                    format!("axes[{i}].name should be text, not {}", show(axis.get("name")))
                })?,
                text(axis, "type"),
                text(axis, "unit"),
            ),
            other => return Err(format!("axes[{i}] should be an object, not {}", show(Some(other)))),
        };
        let role = match (kind, name.to_ascii_lowercase().as_str()) {
            (None, "t") | (Some("time"), _) => Role::Time,
            (None, "c") | (Some("channel"), _) => Role::Channel,
            (None | Some("space"), "z") => Role::Z,
            (None | Some("space"), "y") => Role::Y,
            (None | Some("space"), "x") => Role::X,
            _ => Role::Other,
        };
        if role != Role::Other && axes.iter().any(|a| a.role == role) {
            return Err(format!("axes names {name} twice"));
        }
        axes.push(Axis { role, name: name.to_owned(), unit: unit.map(str::to_owned) });
    }
    // Spatial axes with other names keep their order: the last is x.
    let mut free = [Role::X, Role::Y, Role::Z]
        .into_iter()
        .filter(|r| axes.iter().all(|a| a.role != *r))
        .collect::<Vec<_>>()
        .into_iter();
    for i in (0..axes.len()).rev() {
        let space = list[i].get("type").and_then(Value::as_str) == Some("space");
        if axes[i].role == Role::Other
            && space
            && let Some(role) = free.next()
        {
            axes[i].role = role;
        }
    }
    for (role, name) in [(Role::Y, "y"), (Role::X, "x")] {
        if axes.iter().all(|a| a.role != role) {
            return Err(format!("axes has no {name} axis"));
        }
    }
    Ok(axes)
}

struct Transform {
    scale: Vec<f64>,
    translation: Vec<f64>,
}

impl Transform {
    fn identity(axes: usize) -> Self {
        Self { scale: vec![1.0; axes], translation: vec![0.0; axes] }
    }

    /// Appends the `coordinateTransformations` of a dataset or an image.
    fn apply(&mut self, of: &Map<String, Value>, notes: &mut Vec<String>) -> Result<()> {
        match of.get("coordinateTransformations") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(list)) => self.apply_list(list, notes, 0),
            other => Err(format!("coordinateTransformations should be a list, not {}", show(other))),
        }
    }

    fn apply_list(&mut self, list: &[Value], notes: &mut Vec<String>, depth: usize) -> Result<()> {
        for value in list {
            let Value::Object(transform) = value else {
                return Err(format!(
                    "coordinateTransformations holds {}, which should be an object",
                    show(Some(value))
                ));
            };
            match text(transform, "type") {
                Some("identity") => {}
                Some(kind @ ("scale" | "translation")) if transform.get(kind).is_some() => {
                    let values = self.numbers(transform, kind)?;
                    for (a, v) in values.into_iter().enumerate() {
                        if kind == "scale" {
                            self.scale[a] *= v;
                            self.translation[a] *= v;
                        } else {
                            self.translation[a] += v;
                        }
                    }
                }
                Some("sequence") if depth < 4 => {
                    if let Some(Value::Array(inner)) = transform.get("transformations") {
                        self.apply_list(inner, notes, depth + 1)?;
                    }
                }
                kind => notes.push(format!(
                    "a coordinate transformation of type {} was ignored",
                    kind.map_or("none".to_owned(), |k| format!("\"{k}\""))
                )),
            }
        }
        Ok(())
    }

    fn numbers(&self, transform: &Map<String, Value>, kind: &str) -> Result<Vec<f64>> {
        let values = array(transform, kind)?;
        if values.len() != self.scale.len() {
            return Err(format!("{kind} has {} numbers for {} axes", values.len(), self.scale.len()));
        }
        values
            .iter()
            .map(|v| v.as_f64().filter(|v| v.is_finite() && (kind != "scale" || *v != 0.0)))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("{kind} {} should be finite numbers", show(transform.get(kind))))
    }
}

/// The UDUNITS name that is written for a unit.
pub(super) fn unit_name(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::Voxel => None,
        Unit::Nanometre => Some("nanometer"),
        Unit::Micrometre => Some("micrometer"),
        Unit::Millimetre => Some("millimeter"),
        Unit::Centimetre => Some("centimeter"),
        Unit::Metre => Some("meter"),
    }
}

impl Multiscale {
    /// Index of the axis with a role.
    pub(super) fn axis(&self, role: Role) -> Option<usize> {
        self.axes.iter().position(|a| a.role == role)
    }

    /// Where the voxels of a level lie, with a note about every unit that was not understood.
    pub(super) fn geometry(&self, level: usize, notes: &mut Vec<String>) -> Geometry {
        let dataset = &self.datasets[level];
        let axes = [Role::Z, Role::Y, Role::X].map(|role| self.axis(role));
        let units = AxisUnits::new(axes.map(|axis| self.axes[axis?].unit.as_deref()));
        let (mut scale, mut origin, mut finest) = ([1.0; 3], [0.0; 3], [1.0; 3]);
        for (i, axis) in axes.into_iter().enumerate() {
            let Some(axis) = axis else { continue };
            scale[2 - i] = units.convert(i, dataset.scale[axis]);
            origin[2 - i] = units.convert(i, dataset.translation[axis]);
            finest[i] = units.convert(i, self.datasets[0].scale[axis]);
        }
        let mut geometry = Geometry::default();
        geometry.world_from_index.matrix3 = glam::DMat3::from_diagonal(DVec3::from(scale));
        geometry.world_from_index.translation = DVec3::from(origin);
        units.complete(&mut geometry, finest, notes);
        geometry
    }

    /// Seconds between frames, if the unit of time is known.
    pub(super) fn time_step(&self) -> Option<f64> {
        let axis = self.axis(Role::Time)?;
        seconds(self.datasets[0].scale[axis], self.axes[axis].unit.as_deref()?)
    }
}

/// Channel names and colours from `omero`; what else it says goes to `metadata`.
pub(super) fn channels(
    ome: &Map<String, Value>,
    count: usize,
    metadata: &mut BTreeMap<String, String>,
) -> Vec<Channel> {
    let mut channels = vec![Channel::default(); count];
    let Some(Value::Array(list)) = ome.get("omero").and_then(|o| o.get("channels")) else { return channels };
    for (i, (channel, value)) in channels.iter_mut().zip(list).enumerate() {
        let Value::Object(fields) = value else { continue };
        channel.name = text(fields, "label").map(str::to_owned).unwrap_or_default();
        channel.color = text(fields, "color").and_then(color);
        for key in ["start", "end", "min", "max"] {
            if let Some(v) = fields.get("window").and_then(|w| w.get(key)).and_then(Value::as_f64) {
                metadata.insert(format!("omero.channels[{i}].window.{key}"), v.to_string());
            }
        }
    }
    channels
}

fn color(hex: &str) -> Option<[u8; 3]> {
    let hex = hex.trim_start_matches('#');
    if !hex.is_ascii() || hex.len() < 6 {
        return None;
    }
    let byte = |i: usize| u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok();
    Some([byte(0)?, byte(1)?, byte(2)?])
}
