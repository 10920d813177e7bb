//! BigDataViewer: `t00000/s00/0/cells` for each time, setup and level, and an XML file beside it.
//!
//! Source: the BigDataViewer HDF5 format (Pietzsch et al. 2015, doi:10.1038/nmeth.3392). `s00/resolutions` has the factors
//! of each level (x, y, z). Cells of 16 bits are unsigned, whatever sign the file gives them. A setup is a channel, tile or
//! angle; those that the XML tells apart by their channel alone are the channels of one image.

mod xml;

pub(super) use xml::{Description, is_description};

use super::array::{Array, Axes};
use super::container::Container;
use super::source::{Source, Voxels};
use crate::io::{Channel, DatasetInfo, ImageInfo, Level};
use crate::{Geometry, Result};

/// Views by the names of their groups.
struct Views {
    times: Vec<String>,
    setups: Vec<(usize, String)>,
}

/// A name of a letter and digits, and its number.
fn numbered(name: &str, letter: char) -> Option<usize> {
    let digits = name.strip_prefix(letter)?;
    (digits.len() >= 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl Views {
    fn find(container: &Container) -> Option<Self> {
        let (groups, _) = container.root().ok()?.member_names().ok()?;
        let list = |letter: char| {
            let mut found: Vec<(usize, String)> =
                groups.iter().filter_map(|name| Some((numbered(name, letter)?, name.clone()))).collect();
            found.sort();
            found
        };
        let (times, setups) = (list('t'), list('s'));
        let times: Vec<String> = times.into_iter().map(|(_, name)| name).collect();
        (!times.is_empty() && !setups.is_empty()).then_some(Self { times, setups })
    }
}

/// Whether a file is laid out in this way.
pub(super) fn is_bdv(container: &Container) -> bool {
    Views::find(container).is_some_and(|views| {
        views.setups.iter().any(|(_, setup)| container.file.dataset(&format!("{setup}/resolutions")).is_ok())
    })
}

/// Opens the image of some setups, or the first; none if `wanted` is the path of a single dataset.
pub(super) fn open(
    container: &Container,
    described: Option<&Description>,
    wanted: Option<&str>,
) -> Result<Option<Source>> {
    if wanted.is_some_and(|w| w.contains('/')) {
        return Ok(None);
    }
    let views = Views::find(container).ok_or_else(|| container.refuse("holds no views"))?;
    let mut images: Vec<Vec<(usize, String)>> = Vec::new();
    for setup in &views.setups {
        let alike = |image: &&mut Vec<(usize, String)>| {
            described.is_some_and(|d| image.iter().all(|(first, _)| d.differ_by_channel(*first, setup.0)))
        };
        match images.iter_mut().find(alike) {
            Some(image) => image.push(setup.clone()),
            None => images.push(vec![setup.clone()]),
        }
    }
    // Single channels can be chosen, too.
    let single: Vec<_> = images.iter().filter(|i| i.len() > 1).flatten().map(|s| vec![s.clone()]).collect();
    images.extend(single);
    let names: Vec<String> = images.iter().map(|image| name_of(image)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let at = match wanted {
        Some(wanted) => crate::io::options::choose(wanted, &names)
            .map_err(|hint| container.refuse(format!("holds no setup \"{wanted}\"{hint}")))?,
        None => 0,
    };
    let mut source = image(container, &views, described, &images[at])?;
    if images.len() > 1 {
        source.info.datasets =
            images.iter().map(|setups| listed(container, &views, described, setups)).collect();
        source.info.choose(at);
    }
    source.files.extend(described.map(|d| d.path.clone()));
    if described.is_none() {
        source.info.notes.push("there is no XML file beside it, which would say how large voxels are".into());
    }
    Ok(Some(source))
}

fn name_of(setups: &[(usize, String)]) -> String {
    setups.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(",")
}

fn listed(
    container: &Container,
    views: &Views,
    described: Option<&Description>,
    setups: &[(usize, String)],
) -> DatasetInfo {
    let cells = views.times.iter().find_map(|time| {
        let dataset = container.file.dataset(&format!("{time}/{}/0/cells", setups[0].1)).ok()?;
        Array::new(container, "cells", dataset, Axes::trailing(3)).ok().map(Array::into_unsigned)
    });
    let titles: Vec<String> =
        setups.iter().filter_map(|(id, _)| Some(described?.setup(*id)?.title())).collect();
    DatasetInfo {
        name: name_of(setups),
        title: titles.join(", "),
        shape: cells.as_ref().map_or([0; 3], Array::shape),
        channels: setups.len(),
        times: views.times.len(),
        voxel: cells.map_or(crate::VoxelType::U16, |c| c.voxel()),
        open: false,
    }
}

fn image(
    container: &Container,
    views: &Views,
    described: Option<&Description>,
    setups: &[(usize, String)],
) -> Result<Source> {
    let setup = &setups[0].1;
    let factors = factors(container, setup);
    let (mut notes, mut damage) = (Vec::new(), Vec::new());
    let geometry = described.map_or_else(Geometry::default, |d| d.geometry(setups[0].0, &mut notes));
    let mut levels: Vec<Level> = Vec::new();
    let mut voxels = Vec::new();
    let mut voxel = None;
    for number in 0..factors.len().max(1) {
        let found = cells(container, views, setups, number)?;
        let Some(first) = found.iter().flatten().next() else { break };
        if *voxel.get_or_insert(first.voxel()) != first.voxel() {
            notes.push(format!("level {number} has voxels of another type and is left out"));
            break;
        }
        let missing = found.iter().filter(|a| a.is_none()).count();
        if missing > 0 && number == 0 {
            damage.push(format!("{missing} of {} views are missing; they are read as zeros", found.len()));
            notes.extend(damage.iter().cloned());
        }
        let shape = first.shape();
        if levels.last().is_some_and(|l| (0..3).any(|a| shape[a] > l.shape[a])) {
            notes.push(format!("level {number} is larger than the one before and is left out"));
            break;
        }
        let factor = match (factors.first(), factors.get(number)) {
            (Some(first), Some(own)) => std::array::from_fn(|a| own[a] / first[a]),
            _ => [1.0; 3],
        };
        let geometry = if number == 0 { geometry } else { geometry.binned(factor) };
        levels.push(Level { shape, geometry, chunk: first.chunk() });
        voxels.push(Voxels::Apart(found));
    }
    let (Some(first), Some(voxel)) = (levels.first(), voxel) else {
        return Err(container.refuse(format!("holds no cells of the setup {}", name_of(setups))));
    };
    let mut info = ImageInfo::simple("hdf5", first.shape, first.chunk, voxel, geometry);
    info.levels = levels;
    info.times = views.times.len();
    info.channels = setups
        .iter()
        .map(|(id, name)| Channel {
            name: described.and_then(|d| d.setup(*id)).map_or_else(|| name.clone(), xml::Setup::title),
            color: None,
        })
        .collect();
    (info.notes, info.damage) = (notes, damage);
    info.metadata.insert("dialect".into(), "BigDataViewer".into());
    info.metadata.insert("dataset".into(), name_of(setups));
    Ok(Source { path: container.path.clone(), info, levels: voxels, files: container.files() })
}

/// Factors `[z, y, x]` of the levels.
fn factors(container: &Container, setup: &str) -> Vec<[f64; 3]> {
    let Ok(dataset) = container.file.dataset(&format!("{setup}/resolutions")) else { return Vec::new() };
    if dataset.ndim() != 2 || dataset.shape()[1] != 3 || dataset.shape()[0] > 32 {
        return Vec::new();
    }
    let Ok(values) = dataset.read_array::<f64>() else { return Vec::new() };
    let rows: Vec<[f64; 3]> = values.rows().into_iter().map(|row| [row[2], row[1], row[0]]).collect();
    let sound = rows.iter().flatten().all(|f| f.is_finite() && *f >= 1.0);
    if sound { rows } else { Vec::new() }
}

/// The volumes of a level by `[time][channel]`.
fn cells(
    container: &Container,
    views: &Views,
    setups: &[(usize, String)],
    level: usize,
) -> Result<Vec<Option<Array>>> {
    let mut arrays: Vec<Option<Array>> = Vec::new();
    for time in &views.times {
        for (_, setup) in setups {
            let name = format!("{time}/{setup}/{level}/cells");
            let Ok(dataset) = container.file.dataset(&name) else {
                arrays.push(None);
                continue;
            };
            if dataset.ndim() != 3 {
                return Err(container.refuse(format!("{name} has {} axes instead of 3", dataset.ndim())));
            }
            if let Some(filter) = container.unknown_filter(&dataset) {
                return Err(container.refuse(format!(
                    "the chunks of {name} are compressed by {filter}, which is not supported"
                )));
            }
            let array = Array::new(container, &name, dataset, Axes::trailing(3))?.into_unsigned();
            if let Some(first) = arrays.iter().flatten().next()
                && (first.shape(), first.voxel()) != (array.shape(), array.voxel())
            {
                return Err(container.refuse(format!(
                    "{name} has {:?} voxels [z, y, x] of {} where the first of its level has {:?} of {}",
                    array.shape(),
                    array.voxel(),
                    first.shape(),
                    first.voxel()
                )));
            }
            arrays.push(Some(array));
        }
    }
    Ok(arrays)
}
