//! The OME attributes of a group: axes, datasets, scales, channel names.
//!
//! Specification: OME-NGFF 0.4, 0.5 and 0.6, <https://ngff.openmicroscopy.org/specifications/>.

use super::node::show;
use super::transforms::{Affine, Composed, follow};
use crate::io::Channel;
use crate::volume::unit::{AxisUnits, seconds};
use crate::{Geometry, Unit};
use glam::{DAffine3, DMat3, DVec3};
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
    /// The place of an index, `(x, y, z)`; none where that is not said, or not affine.
    pub(super) world_from_index: Option<DAffine3>,
    /// From one time frame to the next.
    pub(super) time: f64,
}

/// One multiscale image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Multiscale {
    /// What each axis of the arrays stands for.
    pub(super) axes: Vec<Axis>,
    /// The axes of the coordinate system that places are in.
    pub(super) world: Vec<Axis>,
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
    let known = |v: &&str| ["0.1", "0.2", "0.3", "0.4", "0.5"].contains(v) || v.starts_with("0.6");
    if let Some(v) = version.as_deref().filter(|v| !known(v)) {
        notes.push(format!("OME-Zarr version \"{v}\" was read as far as it resembles 0.6"));
    }
    let image = |e: String| format!("multiscales[0]: {e}");
    let systems = Systems::of(first).map_err(image)?;
    let own = systems.axes_of(&systems.own).map_err(image)?;
    let (world, beyond) = systems.beyond(own.len(), &mut notes).map_err(image)?;
    let mut datasets: Vec<(String, Composed)> = Vec::new();
    for (i, value) in array(first, "datasets").map_err(|e| format!("multiscales[0].{e}"))?.iter().enumerate()
    {
        let fail = |e: String| format!("multiscales[0].datasets[{i}]: {e}");
        let Value::Object(dataset) = value else {
            return Err(fail(format!("should be an object, not {}", show(Some(value)))));
        };
        let path = text(dataset, "path")
            .ok_or_else(|| fail(format!("path should be text, not {}", show(dataset.get("path")))))?;
        let of_level = follow(Ok(Affine::identity(own.len())), transformations(dataset).map_err(fail)?);
        let composed = follow(of_level.map_err(fail)?, &beyond).map_err(image)?;
        datasets.push((path.to_owned(), composed));
    }
    if datasets.is_empty() {
        return Err("multiscales[0].datasets is empty".to_owned());
    }
    let name = text(first, "name").filter(|n| !n.is_empty()).map(str::to_owned);
    let axes = array_axes(&own, &world, &datasets[0].1);
    let datasets = datasets.into_iter().map(|(path, composed)| {
        let placed = composed.and_then(|affine| place(&axes, &world, &affine));
        let (world_from_index, time) = placed.map_or_else(
            |reason| {
                notes.push(format!("a coordinate transformation {reason}; lengths are in voxels"));
                (None, 1.0)
            },
            |(world_from_index, time)| (Some(world_from_index), time),
        );
        Dataset { path, world_from_index, time }
    });
    let datasets = datasets.collect();
    let mut seen = std::collections::HashSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    Ok(Multiscale { axes, world, datasets, version, name, notes })
}

/// The `coordinateTransformations` of a dataset or an image.
fn transformations(of: &Map<String, Value>) -> Result<&[Value]> {
    match of.get("coordinateTransformations") {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        other => Err(format!("coordinateTransformations should be a list, not {}", show(other))),
    }
}

/// The coordinate systems of an image. Up to 0.5 there is one, without a name.
struct Systems<'a> {
    image: &'a Map<String, Value>,
    /// The name of the one that levels are placed in.
    own: String,
}

impl<'a> Systems<'a> {
    fn of(image: &'a Map<String, Value>) -> Result<Self> {
        let datasets = image.get("datasets").and_then(Value::as_array);
        let first = datasets.and_then(|d| d.first()).and_then(|d| d.get("coordinateTransformations"));
        let named = first.and_then(Value::as_array).and_then(|t| t.last()).and_then(|t| end(t, "output"));
        let list = image.get("coordinateSystems").and_then(Value::as_array);
        let first = list.and_then(|l| l.first()).and_then(|s| s.get("name")).and_then(Value::as_str);
        let own = named.map(|(name, _)| name).or(first).unwrap_or_default().to_owned();
        Ok(Self { image, own })
    }

    /// The axes of the system with a name.
    fn axes_of(&self, name: &str) -> Result<Vec<Axis>> {
        let list = match (self.image.get("axes"), self.image.get("coordinateSystems")) {
            (Some(Value::Array(list)), _) => list.clone(),
            (Some(other), _) => return Err(format!("axes should be a list, not {}", show(Some(other)))),
            (None, Some(Value::Array(systems))) => {
                let system = systems.iter().find(|s| s.get("name").and_then(Value::as_str) == Some(name));
                match system.or(systems.first()).and_then(|s| s.get("axes")) {
                    Some(Value::Array(list)) => list.clone(),
                    other => {
                        return Err(format!("coordinateSystems: axes should be a list, not {}", show(other)));
                    }
                }
            }
            // 0.1 and 0.2 are always t, c, z, y, x.
            _ => ["t", "c", "z", "y", "x"].iter().map(|n| Value::from(*n)).collect(),
        };
        axes(&list)
    }

    /// The axes of the system that places are in, and the transformations that lead to it from the one of the levels.
    /// Systems without units of length are for indices: of one with units, none leads there.
    fn beyond(&self, dimensions: usize, notes: &mut Vec<String>) -> Result<(Vec<Axis>, Vec<Value>)> {
        let all = transformations(self.image)?;
        let mut world = self.axes_of(&self.own)?;
        if all.iter().all(|t| end(t, "output").is_none()) {
            return Ok((world, all.to_vec()));
        }
        let (mut at, mut been, mut chain) = (self.own.clone(), vec![self.own.clone()], Vec::new());
        let mut so_far: Composed = Ok(Affine::identity(dimensions));
        while let Some((next, name)) = all.iter().find_map(|t| {
            let (from, to) = (end(t, "input")?, end(t, "output")?);
            let leads = from == (&at, false) && !to.1 && been.iter().all(|b| b != to.0);
            leads.then(|| (t, to.0.to_owned()))
        }) {
            been.push(name.clone());
            let axes = self.axes_of(&name)?;
            if has_units(&world) && !has_units(&axes) {
                continue;
            }
            let composed = follow(so_far.clone(), std::slice::from_ref(next))?;
            if let Err(reason) = &composed {
                notes.push(format!(
                    "the coordinate transformation to \"{name}\" {reason} and is not applied; places are in \"{at}\""
                ));
                continue;
            }
            (so_far, world, at) = (composed, axes, name);
            chain.push(next.clone());
        }
        if !chain.is_empty() {
            notes.push(format!("places are in the coordinate system \"{at}\""));
        }
        Ok((world, chain))
    }
}

/// The coordinate system at an end of a transformation: its name, and whether it belongs to another image.
fn end<'a>(transform: &'a Value, field: &str) -> Option<(&'a str, bool)> {
    match transform.get(field)? {
        Value::String(name) => Some((name, false)),
        Value::Object(of) => Some((text(of, "name")?, of.get("path").is_some_and(|p| !p.is_null()))),
        _ => None,
    }
}

fn is_space(role: Role) -> bool {
    matches!(role, Role::X | Role::Y | Role::Z)
}

fn has_units(axes: &[Axis]) -> bool {
    axes.iter().any(|a| is_space(a.role) && a.unit.is_some())
}

/// What each axis of the arrays stands for: by their order, or, where that would mix space with time or channels, by the
/// axis of the world that each leads to.
fn array_axes(own: &[Axis], world: &[Axis], composed: &Composed) -> Vec<Axis> {
    let Ok(affine) = composed else { return own.to_vec() };
    if place(own, world, affine).is_ok() {
        return own.to_vec();
    }
    let leads_to = |column: usize| {
        let mut rows = (0..affine.rows.len()).filter(|&r| affine.rows[r][column] != 0.0);
        let row = rows.next().filter(|_| rows.next().is_none())?;
        let alone = (0..affine.inputs).all(|c| c == column || affine.rows[row][c] == 0.0);
        world.get(row).filter(|_| alone).cloned()
    };
    (0..affine.inputs).map(leads_to).collect::<Option<Vec<_>>>().unwrap_or_else(|| own.to_vec())
}

/// The place of an index, `(x, y, z)`, and the time from frame to frame; in words why there is no such map.
fn place(axes: &[Axis], world: &[Axis], affine: &Affine) -> Result<(DAffine3, f64)> {
    if affine.rows.len() != world.len() || affine.inputs != axes.len() {
        return Err(format!("makes {} coordinates of {}", affine.rows.len(), affine.inputs));
    }
    let row = |role: Role| world.iter().position(|a| a.role == role).map(|r| &affine.rows[r]);
    let column = |role: Role| axes.iter().position(|a| a.role == role);
    for (axis, factors) in world.iter().zip(&affine.rows) {
        let mixes = |a: usize| factors[a] != 0.0 && is_space(axes[a].role) != is_space(axis.role);
        if (0..axes.len()).any(mixes) {
            return Err("mixes space with time or channels".to_owned());
        }
    }
    let (mut matrix, mut origin) = (DMat3::IDENTITY, DVec3::ZERO);
    let space = [Role::X, Role::Y, Role::Z];
    for (c, of) in space.into_iter().enumerate() {
        let Some(at) = column(of) else { continue };
        let factors = space.map(|r| row(r).map_or(0.0, |factors| factors[at]));
        *matrix.col_mut(c) = DVec3::from(factors);
    }
    for (r, role) in space.into_iter().enumerate() {
        origin[r] = row(role).map_or(0.0, |factors| factors[axes.len()]);
    }
    // A plane in space has a normal.
    if column(Role::Z).is_none() {
        matrix.z_axis = matrix.x_axis.cross(matrix.y_axis).try_normalize().unwrap_or(DVec3::Z);
    }
    if matrix.determinant() == 0.0 || !matrix.is_finite() {
        return Err("can't be inverted".to_owned());
    }
    let time = column(Role::Time).and_then(|at| Some(row(Role::Time)?[at].abs()));
    Ok((DAffine3::from_mat3_translation(matrix, origin), time.unwrap_or(1.0)))
}

fn axes(list: &[Value]) -> Result<Vec<Axis>> {
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
        let Some(world_from_index) = self.datasets[level].world_from_index else {
            return Geometry::default();
        };
        let unit = |role: Role| self.world.iter().find(|a| a.role == role)?.unit.as_deref();
        let units = AxisUnits::new([Role::Z, Role::Y, Role::X].map(unit));
        let converted = |map: DAffine3| {
            let row =
                |v: DVec3| DVec3::new(units.convert(2, v.x), units.convert(1, v.y), units.convert(0, v.z));
            let m = map.matrix3;
            DAffine3::from_cols(row(m.x_axis), row(m.y_axis), row(m.z_axis), row(map.translation))
        };
        let of = |map: DAffine3| Geometry { world_from_index: converted(map), ..Geometry::default() };
        let finest = of(self.datasets[0].world_from_index.unwrap_or(world_from_index)).spacing();
        let mut geometry = of(world_from_index);
        units.complete(&mut geometry, finest, notes);
        geometry
    }

    /// Seconds between frames, if the unit of time is known.
    pub(super) fn time_step(&self) -> Option<f64> {
        self.axis(Role::Time)?;
        let axis = self.world.iter().find(|a| a.role == Role::Time)?;
        seconds(self.datasets[0].time, axis.unit.as_deref()?)
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
