//! What a file says of the axes of a dataset: which is which, and how far apart voxels are along it.
//!
//! Names come from `axistags` (ilastik, vigra: JSON), from `DIMENSION_LABELS` and dimension scales (HDF5, netCDF), from
//! `axes` of `NeXus` and Data Exchange, and from MATLAB's order of axes. Where nothing is said the last three axes are
//! z, y, x, if the last of more isn't too short; one before them counts channels, and another before it time. Distances come from `element_size_um`, from the
//! coordinates that `NeXus` and dimension scales give of an axis, and from `axistags`.

use super::array::Axes;
use super::container::{Container, Tree, line, numbers, text, texts};
use crate::volume::unit::{LengthUnit, seconds};
use crate::{Geometry, Unit};
use glam::{DAffine3, DVec3};
use hdf5_reader::{Dataset, Datatype};

/// What an axis of an image can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Z,
    Y,
    X,
    Channel,
    Time,
}

/// What is said of one axis of a dataset.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    name: String,
    role: Option<Role>,
    /// The dataset with its coordinates.
    coordinates: Option<String>,
    /// Distance between voxels, and its unit.
    step: Option<(f64, Option<LengthUnit>)>,
}

fn role_of(name: &str) -> Option<Role> {
    Some(match name.trim().to_lowercase().as_str() {
        "z" | "depth" | "slice" | "slices" => Role::Z,
        "y" | "height" | "row" | "rows" => Role::Y,
        "x" | "width" | "column" | "columns" => Role::X,
        "c" | "channel" | "channels" => Role::Channel,
        "t" | "time" | "times" | "frame" | "frames" => Role::Time,
        _ => return None,
    })
}

/// All that is said of a dataset's axes, in their order.
pub(super) fn said(container: &Container, tree: &Tree, name: &str, dataset: &Dataset) -> Vec<Said> {
    let count = dataset.ndim();
    let mut axes = vec![Said::default(); count];
    if let Some(tags) = axis_tags(dataset) {
        return tags;
    }
    if dataset.attribute("MATLAB_class").is_ok() {
        // MATLAB's axes are rows, columns, slices, and further ones, and the file has them the other way round.
        for (axis, role) in axes.iter_mut().rev().zip([Role::Y, Role::X, Role::Z]) {
            axis.role = Some(role);
        }
        return axes;
    }
    let scales = scales(tree, dataset);
    let (names, folder) = names(container, name, dataset);
    for (i, axis) in axes.iter_mut().enumerate() {
        if let Some(scale) = scales.get(i).cloned().flatten() {
            scale.rsplit('/').next().unwrap_or_default().clone_into(&mut axis.name);
            axis.coordinates = Some(scale);
        }
        if let Some(name) = names.get(i).filter(|n| !n.is_empty() && *n != ".") {
            axis.name.clone_from(name);
            let beside = format!("{folder}{name}");
            if axis.coordinates.is_none() && tree.dataset(&beside).is_some() {
                axis.coordinates = Some(beside);
            }
        }
        axis.role = role_of(&axis.name);
    }
    axes
}

/// `axistags`: `{"axes": [{"key": "z", "resolution": 0.5, "description": ""}, …]}`.
fn axis_tags(dataset: &Dataset) -> Option<Vec<Said>> {
    let text = text(&dataset.attribute("axistags").ok()?)?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let tags = json["axes"].as_array().filter(|tags| tags.len() == dataset.ndim())?;
    let units = dataset.attribute("axis_units").ok().and_then(|a| self::text(&a));
    let units: serde_json::Value = units.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    let said = tags.iter().map(|tag| {
        let name = tag["key"].as_str().unwrap_or_default().to_owned();
        let unit = units[&name].as_str().and_then(LengthUnit::parse);
        let step = tag["resolution"].as_f64().filter(|s| s.is_finite() && *s > 0.0);
        Said { role: role_of(&name), step: step.map(|s| (s, unit)), name, coordinates: None }
    });
    Some(said.collect())
}

/// Names of the axes, and the folder in which datasets of these names have their coordinates.
fn names(container: &Container, name: &str, dataset: &Dataset) -> (Vec<String>, String) {
    let (folder, own) = name.rsplit_once('/').unwrap_or(("", name));
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let fits = |names: &Vec<String>| names.len() == dataset.ndim();
    if let Some(labels) = dataset.attribute("DIMENSION_LABELS").ok().and_then(|a| texts(&a)).filter(fits) {
        return (labels, prefix);
    }
    let split = |names: Vec<String>| match &names[..] {
        [one] if dataset.ndim() > 1 => one.split([':', ',']).map(|n| n.trim().to_owned()).collect(),
        _ => names,
    };
    let of_group = || {
        let group = if folder.is_empty() { container.root().ok()? } else { container.group(folder)? };
        let signal = text(&group.attribute("signal").ok()?)?;
        texts(&group.attribute("axes").ok()?).filter(|_| signal == own)
    };
    let of_dataset = || texts(&dataset.attribute("axes").ok()?);
    let names = of_group().or_else(of_dataset).map(split).filter(fits);
    (names.unwrap_or_default(), prefix)
}

/// The dimension scales that a dataset refers to, by their paths.
fn scales(tree: &Tree, dataset: &Dataset) -> Vec<Option<String>> {
    let Ok(list) = dataset.attribute("DIMENSION_LIST") else { return Vec::new() };
    if !matches!(list.datatype, Datatype::VarLen { .. }) {
        return Vec::new();
    }
    let first = |reference: &[u8]| {
        let addresses = dataset.resolve_vlen_reference_bytes(reference, 8).ok()?;
        let address = u64::from_le_bytes(*addresses.first_chunk()?);
        let scale = tree.datasets.iter().find(|(_, d)| d.address() == address && d.ndim() == 1)?;
        Some(scale.0.clone())
    };
    list.raw_data.chunks_exact(dataset.vlen_reference_size().max(1)).take(dataset.ndim()).map(first).collect()
}

/// Which axis of a dataset of this shape is which.
///
/// # Errors
/// If two axes are the same one of space, or there are none of rows and columns.
pub(super) fn assign(said: &[Said], shape: &[u64]) -> Result<Axes, String> {
    if said.iter().all(|axis| axis.role.is_none()) {
        if channels_last(shape) {
            let mut axes = Axes::trailing(said.len() - 1);
            axes.times = std::mem::take(&mut axes.channels);
            axes.channels.push(said.len() - 1);
            return Ok(axes);
        }
        let mut axes = Axes::trailing(said.len());
        if said.len() == 5 {
            axes.times.push(axes.channels.remove(0));
        }
        return Ok(axes);
    }
    let words =
        || said.iter().map(|a| if a.name.is_empty() { "?" } else { &a.name }).collect::<Vec<_>>().join(", ");
    let mut axes = Axes::default();
    let mut unknown = Vec::new();
    for (i, axis) in said.iter().enumerate() {
        let place = match axis.role {
            None => {
                unknown.push(i);
                continue;
            }
            Some(Role::Channel) => {
                axes.channels.push(i);
                continue;
            }
            Some(Role::Time) => {
                axes.times.push(i);
                continue;
            }
            Some(Role::Z) => 0,
            Some(Role::Y) => 1,
            Some(Role::X) => 2,
        };
        if axes.space[place].replace(i).is_some() {
            return Err(format!("two of its axes ({}) are {}", words(), ["z", "y", "x"][place]));
        }
    }
    // Axes of other names are what is missing of x, y, z, from the last.
    for place in [2, 1, 0] {
        if axes.space[place].is_none() {
            axes.space[place] = unknown.pop();
        }
    }
    axes.channels.extend(unknown);
    axes.channels.sort_unstable();
    if axes.space[1].is_none() || axes.space[2].is_none() {
        return Err(format!("its axes ({}) are none of an image: rows and columns are missing", words()));
    }
    Ok(axes)
}

/// How the axes were taken where nothing is said and it isn't plain.
pub(super) fn guessed(said: &[Said], shape: &[u64]) -> Option<String> {
    let silent = said.iter().all(|axis| axis.role.is_none());
    (silent && channels_last(shape))
        .then(|| format!("the last axis of shape {shape:?} is taken for channels"))
}

/// Whether the last of four axes or more, of which nothing is said, is too short for columns: a colour, as programs write
/// that keep the samples of a voxel together.
fn channels_last(shape: &[u64]) -> bool {
    matches!(*shape, [.., _, rows, columns, last] if shape.len() > 3 && last <= 4 && rows > 4 && columns > 4)
}

/// Where the voxels lie, and seconds between times.
pub(super) fn place(
    tree: &Tree,
    dataset: &Dataset,
    said: &[Said],
    axes: &Axes,
    notes: &mut Vec<String>,
) -> (Geometry, Option<f64>) {
    let time_step = axes.times.first().and_then(|&i| {
        let (step, unit) = coordinates(tree, &said[i], notes)?;
        seconds(step.1, unit.as_deref()?)
    });
    if let Some(sizes) = element_size(dataset, axes) {
        return (Geometry::from_spacing(sizes, Unit::Micrometre), time_step);
    }
    let mut found = [None; 3];
    for (place, axis) in axes.space.iter().enumerate() {
        let Some(axis) = axis.map(|a| &said[a]) else { continue };
        if let Some((step, unit)) = axis.step {
            found[place] = Some(Steps { start: 0.0, step, unit });
        } else if let Some(((start, step), name)) = coordinates(tree, axis, notes) {
            let unit = name.as_deref().and_then(LengthUnit::parse);
            match &name {
                Some(name) if unit.is_none() => {
                    notes.push(format!("the axis {} is in {name}, which is no length", axis.name));
                }
                _ => found[place] = Some(Steps { start, step, unit }),
            }
        }
    }
    (geometry(found, axes, notes), time_step)
}

/// Where the voxels of an axis lie.
#[derive(Debug, Clone, Copy)]
struct Steps {
    start: f64,
    step: f64,
    unit: Option<LengthUnit>,
}

fn geometry(found: [Option<Steps>; 3], axes: &Axes, notes: &mut Vec<String>) -> Geometry {
    let physical = |steps: &Steps| steps.unit.map(|u| u.unit).filter(|u| *u != Unit::Voxel);
    let unit = found.iter().rev().flatten().find_map(physical);
    // Lengths without a unit count beside each other only.
    let found = found.map(|steps| {
        let steps = steps?;
        match (unit, steps.unit.filter(|_| physical(&steps).is_some())) {
            (Some(unit), Some(own)) => {
                Some((own.convert_to(unit, steps.start), own.convert_to(unit, steps.step)))
            }
            (None, _) => Some((steps.start, steps.step)),
            (Some(_), None) => None,
        }
    });
    let Some(common) = found.iter().rev().flatten().map(|f| f.1.abs()).next() else {
        return Geometry::default();
    };
    if unit.is_none() {
        notes.push("the unit of the distances between voxels is not given".to_owned());
    }
    for (place, name) in ["slices", "rows", "columns"].into_iter().enumerate() {
        if found[place].is_none() && axes.space[place].is_some() {
            notes.push(format!("the distance between {name} is not given; that along another axis is taken"));
        }
    }
    let [z, y, x] = found.map(|f| f.unwrap_or((0.0, common)));
    let world_from_index = DAffine3 {
        matrix3: glam::DMat3::from_diagonal(DVec3::new(x.1, y.1, z.1)),
        translation: DVec3::new(x.0, y.0, z.0),
    };
    Geometry { world_from_index, unit: unit.unwrap_or_default(), oriented: false }
}

/// `element_size_um`: of z, y, x, or of all axes of the dataset.
fn element_size(dataset: &Dataset, axes: &Axes) -> Option<[f64; 3]> {
    let sizes = numbers(&dataset.attribute("element_size_um").ok()?)?;
    let sizes: Vec<f64> = match sizes.len() {
        3 => sizes,
        n if n == dataset.ndim() => {
            let last = *axes.space[2].and_then(|a| sizes.get(a))?;
            axes.space.iter().map(|a| a.map_or(last, |a| sizes[a])).collect()
        }
        _ => return None,
    };
    let sizes = <[f64; 3]>::try_from(sizes).ok()?;
    sizes.iter().all(|s| s.is_finite() && *s > 0.0).then_some(sizes)
}

/// First coordinate and step of an axis, and their unit as it is written.
fn coordinates(tree: &Tree, axis: &Said, notes: &mut Vec<String>) -> Option<((f64, f64), Option<String>)> {
    let dataset = tree.dataset(axis.coordinates.as_deref()?)?;
    let values = line(dataset)?;
    let (first, last) = (*values.first()?, *values.last()?);
    let step = (last - first) / (values.len().checked_sub(1).filter(|n| *n > 0)? as f64);
    if !step.is_finite() || step == 0.0 {
        return None;
    }
    let even = |(i, v): (usize, &f64)| (first + step * i as f64 - v).abs() <= 0.01 * step.abs();
    let unit = dataset.attribute("units").ok().and_then(|a| text(&a));
    if !values.iter().enumerate().all(even) {
        notes.push(format!("the coordinates of the axis {} are not evenly spaced", axis.name));
        return None;
    }
    Some(((first, step), unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Said> {
        names.iter().map(|n| Said { name: (*n).to_owned(), role: role_of(n), ..Said::default() }).collect()
    }

    #[test]
    fn axes_are_found_in_any_place() {
        let check = |given: &[&str], space: [Option<usize>; 3], channels: &[usize], times: &[usize]| {
            let axes = assign(&names(given), &[]).unwrap();
            assert_eq!(axes, Axes { space, channels: channels.into(), times: times.into() }, "{given:?}");
        };
        check(&["t", "z", "y", "x", "c"], [Some(1), Some(2), Some(3)], &[4], &[0]);
        check(&["x", "y", "z"], [Some(2), Some(1), Some(0)], &[], &[]);
        check(&["y", "x", "c"], [None, Some(0), Some(1)], &[2], &[]);
        check(&["theta", "y", "x"], [Some(0), Some(1), Some(2)], &[], &[]);
        check(&["energy", "angle", "y", "x"], [Some(1), Some(2), Some(3)], &[0], &[]);
        check(&["", "", ""], [Some(0), Some(1), Some(2)], &[], &[]);
        check(&["", ""], [None, Some(0), Some(1)], &[], &[]);
        check(&["", "", "", "", ""], [Some(2), Some(3), Some(4)], &[1], &[0]);
        check(&[""; 6], [Some(3), Some(4), Some(5)], &[0, 1, 2], &[]);
        assert!(assign(&names(&["z", "c"]), &[]).unwrap_err().contains("z, c"));
        assert!(assign(&names(&["x", "x", "y"]), &[]).unwrap_err().contains("two of its axes"));
    }

    #[test]
    fn short_last_axes_are_colours() {
        let check = |shape: &[u64], space: [Option<usize>; 3], channels: &[usize], times: &[usize]| {
            let axes = assign(&vec![Said::default(); shape.len()], shape).unwrap();
            assert_eq!(axes, Axes { space, channels: channels.into(), times: times.into() }, "{shape:?}");
        };
        check(&[1, 1, 1024, 1344, 1], [Some(1), Some(2), Some(3)], &[4], &[0]);
        check(&[9, 64, 64, 3], [Some(0), Some(1), Some(2)], &[3], &[]);
        check(&[2, 9, 64, 64], [Some(1), Some(2), Some(3)], &[0], &[]);
        check(&[64, 64, 3], [Some(0), Some(1), Some(2)], &[], &[]);
        check(&[5, 4, 3, 2], [Some(1), Some(2), Some(3)], &[0], &[]);
    }

    #[test]
    fn lengths_of_several_units_become_one() {
        let axes = Axes::trailing(3);
        let mut notes = Vec::new();
        let steps = |start, step, unit: &str| {
            Some(Steps {
                start,
                step,
                unit: Some(unit).filter(|u| !u.is_empty()).and_then(LengthUnit::parse),
            })
        };
        let found = [steps(0.0, 0.002, "mm"), steps(10.0, 0.25, "um"), steps(0.0, -5000.0, "Å")];
        let g = geometry(found, &axes, &mut notes);
        assert_eq!((g.spacing(), g.unit), ([2000.0, 250.0, 500.0], Unit::Nanometre));
        assert_eq!(g.world([0.0, 0.0, 1.0]), DVec3::new(-500.0, 10_000.0, 0.0));
        assert!(notes.is_empty());
        let found = [None, steps(0.0, 0.5, "um"), steps(0.0, 0.5, "um")];
        assert_eq!(geometry(found, &axes, &mut notes).spacing(), [0.5; 3]);
        assert!(notes[0].contains("slices"), "{notes:?}");
        notes.clear();
        let found = [steps(0.0, 3.0, ""), steps(0.0, 1.0, ""), steps(0.0, 1.0, "")];
        let g = geometry(found, &axes, &mut notes);
        assert_eq!((g.spacing(), g.unit), ([3.0, 1.0, 1.0], Unit::Voxel));
        assert!(notes[0].contains("unit"), "{notes:?}");
    }
}
