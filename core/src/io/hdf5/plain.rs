//! A dataset of a file of no particular kind, or of `NeXus`, Data Exchange, ilastik, ITK, MATLAB.

use super::array::{Array, voxel_type};
use super::axes::{Said, assign, guessed, place, said};
use super::container::{Container, Tree, line, text};
use super::source::{Source, Voxels};
use crate::io::{Channel, DatasetInfo, ImageInfo};
use crate::{Geometry, Result, Unit};
use glam::{DAffine3, DMat3, DVec3};
use hdf5_reader::Dataset;

/// Opens a dataset by its path, or the one that the file is about.
pub(super) fn open(container: &Container, wanted: Option<&str>) -> Result<Source> {
    let tree = container.walk()?;
    let images: Vec<&(String, Dataset)> = tree.datasets.iter().filter(|(_, d)| is_image(d)).collect();
    let names: Vec<&str> = images.iter().map(|(name, _)| name.as_str()).collect();
    let at = match wanted {
        Some(wanted) => match crate::io::options::choose(wanted, &names) {
            Ok(at) => at,
            Err(hint) => return Err(container.refuse(refusal(&tree, wanted, &hint))),
        },
        None => first_choice(container, &images).ok_or_else(|| {
            let failed = tree.failed.first().map(|(name, why)| format!(" ({name} can't be read: {why})"));
            let missing = container.missing_files();
            let linked = missing.first().map(|name| format!(" (it links to {name}, which can't be opened)"));
            container.refuse(format!(
                "holds no dataset of numbers with at least two axes{}",
                failed.or(linked).unwrap_or_default()
            ))
        })?,
    };
    let (name, dataset) = images[at];
    let mut source = one(container, &tree, name, dataset)?;
    for (name, why) in tree.failed.iter().take(8) {
        source.info.notes.push(format!("the dataset \"{name}\" can't be read: {why}"));
    }
    for name in container.missing_files().iter().take(8) {
        source.info.notes.push(format!("the file links to {name}, which can't be opened"));
    }
    if images.len() > 1 {
        source.info.datasets =
            images.iter().map(|(name, dataset)| listed(container, &tree, name, dataset)).collect();
        source.info.choose(at);
    }
    Ok(source)
}

fn refusal(tree: &Tree, wanted: &str, hint: &str) -> String {
    let wanted = wanted.trim_matches('/');
    if let Some((_, why)) = tree.failed.iter().find(|(name, _)| name == wanted) {
        return format!("the dataset \"{wanted}\" can't be read: {why}");
    }
    match tree.dataset(wanted) {
        Some(dataset) => format!(
            "the dataset \"{wanted}\" of shape {:?} is no image: it needs two axes, and numbers as elements",
            dataset.shape()
        ),
        None => format!("holds no image dataset \"{wanted}\"{hint}"),
    }
}

fn is_image(dataset: &Dataset) -> bool {
    dataset.ndim() >= 2 && voxel_type(dataset.dtype()).is_some()
}

/// The default that `NeXus` names, the data of Data Exchange, or the first of the largest.
fn first_choice(container: &Container, images: &[&(String, Dataset)]) -> Option<usize> {
    let position = |name: &str| images.iter().position(|(own, _)| own == name);
    let solid = |at: &usize| images[*at].1.ndim() > 2;
    default_signal(container)
        .and_then(|name| position(&name))
        .filter(solid)
        .or_else(|| position("exchange/data").filter(solid))
        .or_else(|| (0..images.len()).rev().max_by_key(|&i| images[i].1.num_elements().unwrap_or(0)))
}

/// The signal that the chain of `default` leads to from the root.
fn default_signal(container: &Container) -> Option<String> {
    let mut group = container.root().ok()?;
    let mut path = String::new();
    for _ in 0..8 {
        let child = |name: &str| group.attribute(name).ok().and_then(|a| text(&a));
        if let Some(signal) = child("signal") {
            return Some(format!("{path}{signal}"));
        }
        let next = child("default")?;
        path = format!("{path}{next}/");
        group = group.group(&next).ok()?;
    }
    None
}

fn one(container: &Container, tree: &Tree, name: &str, dataset: &Dataset) -> Result<Source> {
    if let Some(filter) = container.unknown_filter(dataset) {
        return Err(container
            .refuse(format!("the chunks of \"{name}\" are compressed by {filter}, which is not supported")));
    }
    let said = said(container, tree, name, dataset);
    let (said, axes) = match assign(&said, dataset.shape()) {
        Ok(axes) => (said, axes),
        Err(reason) => return Err(container.refuse(format!("the dataset \"{name}\" is no image: {reason}"))),
    };
    let mut notes: Vec<String> = guessed(&said, dataset.shape()).into_iter().collect();
    if axes.channels.len() > 1 {
        notes.push(format!(
            "{} axes of shape {:?} are read as channels",
            axes.channels.len(),
            dataset.shape()
        ));
    }
    let (mut geometry, time_step) = place(tree, dataset, &said, &axes, &mut notes);
    let mut said_axes = axes.clone();
    if let Some((itk, components)) = itk(tree, name, dataset) {
        geometry = itk;
        said_axes = components;
    }
    let array = Array::new(container, name, dataset.clone(), said_axes)?;
    let mut info = ImageInfo::simple("hdf5", array.shape(), array.chunk(), array.voxel(), geometry);
    info.channels.resize(array.channels(), Channel::default());
    info.times = array.times();
    info.time_step = time_step;
    notes.extend(uninterpreted(dataset));
    info.notes = notes;
    info.metadata.insert("dataset".into(), name.to_owned());
    for attribute in dataset.attributes().iter().take(100) {
        if let Some(text) = text(attribute).filter(|t| t.len() < 4096) {
            info.metadata.insert(attribute.name.clone(), text);
        }
    }
    Ok(Source {
        path: container.path.clone(),
        info,
        levels: vec![Voxels::Together(Box::new(array))],
        files: container.files(),
    })
}

/// Attributes that say how stored values become true ones, which isn't done.
fn uninterpreted(dataset: &Dataset) -> Option<String> {
    let names = ["scale_factor", "add_offset", "scaling_factor", "offset", "valid_range"];
    let there: Vec<&str> = names.into_iter().filter(|n| dataset.attribute(n).is_ok()).collect();
    (!there.is_empty()).then(|| format!("values are as they are stored; {} is not applied", there.join(", ")))
}

/// Of an image in the list, what its header says.
fn listed(container: &Container, tree: &Tree, name: &str, dataset: &Dataset) -> DatasetInfo {
    let said: Vec<Said> = said(container, tree, name, dataset);
    let axes =
        assign(&said, dataset.shape()).unwrap_or_else(|_| super::array::Axes::trailing(dataset.ndim()));
    let extent = |axis: usize| dataset.shape()[axis] as usize;
    let product = |axes: &[usize]| axes.iter().fold(1usize, |n, &a| n.saturating_mul(extent(a)));
    DatasetInfo {
        name: name.to_owned(),
        title: String::new(),
        shape: axes.space.map(|a| a.map_or(1, extent)),
        channels: product(&axes.channels),
        times: product(&axes.times),
        voxel: voxel_type(dataset.dtype()).unwrap_or(crate::VoxelType::U8),
        open: false,
    }
}

/// Geometry and axes of an image that ITK wrote: `ITKImage/0/VoxelData` with its directions, origin and spacing, in
/// ITK's coordinates (left, posterior, superior; millimetres).
fn itk(tree: &Tree, name: &str, dataset: &Dataset) -> Option<(Geometry, super::array::Axes)> {
    let folder = name.strip_suffix("VoxelData").filter(|f| f.starts_with("ITKImage/"))?;
    let numbers = |name: &str| line(tree.dataset(&format!("{folder}{name}"))?);
    let (origin, spacing) = (numbers("Origin")?, numbers("Spacing")?);
    let space = spacing.len();
    if !(2..=3).contains(&space) || origin.len() != space || dataset.ndim() < space {
        return None;
    }
    let directions = tree.dataset(&format!("{folder}Directions"))?;
    let flat: Vec<f64> = directions.read_array::<f64>().ok()?.into_iter().collect();
    if flat.len() != space * space || flat.iter().chain(&spacing).chain(&origin).any(|v| !v.is_finite()) {
        return None;
    }
    // A row of the file's matrix is the direction of an axis of the index.
    let column = |axis: usize| {
        let mut column = if axis == 2 { DVec3::Z } else { DVec3::ZERO };
        if axis < space {
            column = DVec3::ZERO;
            for row in 0..space {
                column[row] = flat[row * space + axis] * spacing[axis];
            }
        }
        column * DVec3::new(-1.0, -1.0, 1.0)
    };
    let matrix3 = DMat3::from_cols(column(0), column(1), column(2));
    if matrix3.determinant() == 0.0 {
        return None;
    }
    let at = |i: usize| origin.get(i).copied().unwrap_or(0.0);
    let translation = DVec3::new(-at(0), -at(1), at(2));
    let world_from_index = DAffine3 { matrix3, translation };
    // Components of a vector come last.
    let axes = super::array::Axes {
        space: [space.checked_sub(3), Some(space - 2), Some(space - 1)],
        channels: (space..dataset.ndim()).collect(),
        times: Vec::new(),
    };
    Some((Geometry { world_from_index, unit: Unit::Millimetre, oriented: true }, axes))
}
