//! An open OME-Zarr image.

use super::array::{Slicing, ZarrArray};
use super::layout::{EXTRA_GEOMETRY, full_geometry};
use super::ngff::{self, Axis, Dataset, Multiscale, Role};
use super::node::{Kind, Node, join, place, show};
use super::{DOCUMENTS, ID};
use crate::io::{Channel, Frame, ImageInfo, ImageSource, Level, OpenOptions};
use crate::{Error, Geometry, Region, Result, Volume};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use zarrs::storage::ReadableStorage;

/// Folders are followed at most this deep: plate, well, image, labels.
const MAX_DEPTH: usize = 6;

/// An open image of a Zarr hierarchy.
pub(super) struct ZarrSource {
    info: ImageInfo,
    image: Multiscale,
    levels: Vec<ZarrArray>,
    /// Metadata documents and folders of arrays, on the local disk.
    files: Vec<PathBuf>,
}

struct Opening<'a> {
    store: ReadableStorage,
    root: &'a Path,
    notes: Vec<String>,
}

impl ZarrSource {
    /// Opens the image at the root of a store, or the first one below it.
    pub(super) fn open(store: ReadableStorage, root: &Path, options: &OpenOptions) -> Result<Self> {
        let mut opening = Opening { store, root, notes: Vec::new() };
        let start = options.dataset.as_deref().unwrap_or_default();
        let path = join("", start)
            .ok_or_else(|| Error::Usage(format!("\"{start}\" is not a path inside {}", root.display())))?;
        let mut source = opening.image(&path, 0)?;
        for level in &mut source.levels {
            level.require_all_chunks = options.require_all_chunks;
        }
        if let Some((spacing, unit)) = options.spacing {
            let finest = source.info.levels[0].geometry.spacing();
            for level in &mut source.info.levels {
                let own = level.geometry.spacing();
                let scaled = std::array::from_fn(|a| spacing[a] * (own[a] / finest[a]));
                level.geometry = Geometry::from_spacing(scaled, unit);
            }
        }
        if root.is_dir() {
            source.files = source.files_below(root);
        }
        Ok(source)
    }

    fn files_below(&self, root: &Path) -> Vec<PathBuf> {
        let arrays: BTreeSet<&Path> = self.levels.iter().map(ZarrArray::place).collect();
        let folders: BTreeSet<&Path> =
            arrays.iter().flat_map(|at| at.ancestors().take_while(|at| at.starts_with(root))).collect();
        let documents = folders.iter().flat_map(|at| DOCUMENTS.map(|name| at.join(name)));
        documents.filter(|path| path.is_file()).chain(arrays.iter().map(|at| at.to_path_buf())).collect()
    }
}

impl Opening<'_> {
    fn fail(&self, path: &str, reason: impl Into<String>) -> Error {
        Error::file(place(self.root, path), reason)
    }

    fn child(&self, path: &str, below: &str) -> Result<String> {
        join(path, below)
            .ok_or_else(|| self.fail(path, format!("\"{below}\" is not a path inside this image")))
    }

    fn image(&mut self, path: &str, depth: usize) -> Result<ZarrSource> {
        if depth > MAX_DEPTH {
            return Err(self.fail(path, "its groups refer to one another without end"));
        }
        let node = Node::read(&self.store, self.root, path)?
            .ok_or_else(|| self.fail(path, "there is no Zarr group or array here"))?;
        if let Kind::Array(document) = &node.kind {
            return self.plain(path, document, &node);
        }
        let ome = node.ome().clone();
        if ome.contains_key("multiscales") {
            let own = node.attributes.get(EXTRA_GEOMETRY).cloned();
            return self.multiscale(path, &ome, node.zarr_format, own);
        }
        let (what, below) = self.images_below(path, &node, &ome)?;
        let Some(first) = below.first() else {
            return Err(self.fail(path, format!("this {what} names no image")));
        };
        if below.len() > 1 {
            let others: Vec<_> = below[1..].iter().take(20).map(String::as_str).collect();
            let more =
                if below.len() > 21 { format!(" and {} more", below.len() - 21) } else { String::new() };
            self.notes.push(format!(
                "of this {what}, \"{first}\" was opened; the others are {}{more}",
                others.join(", ")
            ));
        }
        let child = self.child(path, first)?;
        self.image(&child, depth + 1)
    }

    /// The images that a group without `multiscales` leads to, and what sort of group it is.
    fn images_below(
        &self,
        path: &str,
        node: &Node,
        ome: &Map<String, Value>,
    ) -> Result<(&'static str, Vec<String>)> {
        let paths = |list: Option<&Value>| -> Vec<String> {
            let Some(Value::Array(list)) = list else { return Vec::new() };
            list.iter()
                .filter_map(|v| v.as_str().or_else(|| v.get("path").and_then(Value::as_str)))
                .map(str::to_owned)
                .collect()
        };
        if let Some(plate) = ome.get("plate") {
            return Ok(("plate", paths(plate.get("wells"))));
        }
        if let Some(well) = ome.get("well") {
            return Ok(("well", paths(well.get("images"))));
        }
        if ome.contains_key("labels") {
            return Ok(("labels group", paths(ome.get("labels"))));
        }
        if let Some(version) = ome.get("scene").map(|_| show(ome.get("version"))) {
            let reason = format!(
                "OME-Zarr scenes (version {version}) are not supported; open one of its images instead"
            );
            return Err(self.fail(path, reason));
        }
        let layout =
            ome.get("bioformats2raw.layout").or_else(|| node.attributes.get("bioformats2raw.layout"));
        if layout.is_some() {
            let listed = Node::read(&self.store, self.root, &self.child(path, "OME")?)?
                .map(|ome| paths(ome.ome().get("series")))
                .unwrap_or_default();
            return Ok(("collection", if listed.is_empty() { vec!["0".to_owned()] } else { listed }));
        }
        let reason =
            "this Zarr group has no OME image metadata (multiscales); open one of its arrays instead";
        Err(self.fail(path, reason))
    }

    fn multiscale(
        &mut self,
        path: &str,
        ome: &Map<String, Value>,
        zarr_format: u8,
        own: Option<Value>,
    ) -> Result<ZarrSource> {
        let image = ngff::multiscale(ome).map_err(|reason| self.fail(path, reason))?;
        self.notes.extend(image.notes.iter().cloned());
        let mut levels = Vec::new();
        for dataset in &image.datasets {
            let child = self.child(path, &dataset.path)?;
            let node = Node::read(&self.store, self.root, &child)?
                .ok_or_else(|| self.fail(&child, "the metadata names this array, but it is not there"))?;
            let Kind::Array(document) = &node.kind else {
                return Err(self.fail(&child, "the metadata names this as an array, but it is a group"));
            };
            let array = ZarrArray::open(&self.store, self.root, &child, document, node.zarr_format)?;
            if array.shape().len() != image.axes.len() {
                let reason = format!(
                    "shape {:?} does not fit the {} axes of the image",
                    array.shape(),
                    image.axes.len()
                );
                return Err(self.fail(&child, reason));
            }
            levels.push((child, array));
        }
        let mut metadata = BTreeMap::new();
        if let Some(version) = &image.version {
            metadata.insert("version".to_owned(), version.clone());
        }
        if let Some(name) = &image.name {
            metadata.insert("name".to_owned(), name.clone());
        }
        metadata.insert("zarr_format".to_owned(), zarr_format.to_string());
        let labels = ome.contains_key("image-label");
        let below = self.child(path, "labels")?;
        if let Ok(Some(node)) = Node::read(&self.store, self.root, &below)
            && let Some(Value::Array(names)) = node.ome().get("labels")
        {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            if !names.is_empty() {
                metadata.insert("labels".to_owned(), names.join(", "));
                self.notes.push(format!(
                    "label images of this image: {}",
                    names.iter().map(|n| format!("labels/{n}")).collect::<Vec<_>>().join(", ")
                ));
            }
        }
        let mut source = self.finish(path, image, levels, ome, labels, metadata)?;
        if let Some(own) = own {
            restore(&mut source.info, &own);
        }
        Ok(source)
    }

    /// An array without OME metadata: its last three axes are z, y, x.
    fn plain(&mut self, path: &str, document: &Map<String, Value>, node: &Node) -> Result<ZarrSource> {
        let array = ZarrArray::open(&self.store, self.root, path, document, node.zarr_format)?;
        let axes = array.shape().len();
        if axes > 5 {
            return Err(
                self.fail(path, format!("an array of {axes} axes without OME metadata is not an image"))
            );
        }
        let names = ["t", "c", "z", "y", "x"];
        let roles = [Role::Time, Role::Channel, Role::Z, Role::Y, Role::X];
        // Four axes are taken as c, z, y, x.
        let axes = (5 - axes..5)
            .map(|i| Axis { role: roles[i], name: names[i].to_owned(), unit: None })
            .collect::<Vec<_>>();
        self.notes.push(format!(
            "a plain Zarr array without OME metadata: its axes were taken as {}, and it has no voxel size",
            axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ")
        ));
        let dataset = Dataset { path: String::new(), world_from_index: None, time: 1.0 };
        let (world, datasets) = (axes.clone(), vec![dataset]);
        let image = Multiscale { axes, world, datasets, version: None, name: None, notes: Vec::new() };
        let metadata = BTreeMap::from([("zarr_format".to_owned(), node.zarr_format.to_string())]);
        self.finish(path, image, vec![(path.to_owned(), array)], &Map::new(), false, metadata)
    }

    fn finish(
        &mut self,
        path: &str,
        image: Multiscale,
        arrays: Vec<(String, ZarrArray)>,
        ome: &Map<String, Value>,
        labels: bool,
        mut metadata: BTreeMap<String, String>,
    ) -> Result<ZarrSource> {
        let size = |array: &ZarrArray, role| image.axis(role).map_or(1, |a| array.shape()[a] as usize);
        let space = [Role::Z, Role::Y, Role::X];
        let first = &arrays[0].1;
        let (channels, times) = (size(first, Role::Channel), size(first, Role::Time));
        if channels > 1 << 16 {
            return Err(self.fail(path, format!("{channels} channels are not believable")));
        }
        for (i, axis) in image.axes.iter().enumerate() {
            if axis.role == Role::Other && first.shape()[i] > 1 {
                self.notes.push(format!(
                    "of the {} steps of axis {}, the first was opened",
                    first.shape()[i],
                    axis.name
                ));
            }
        }
        let mut levels = Vec::new();
        for (i, (at, array)) in arrays.iter().enumerate() {
            if (size(array, Role::Channel), size(array, Role::Time)) != (channels, times)
                || array.voxel() != first.voxel()
            {
                return Err(
                    self.fail(at, format!("level {i} has other channels, times or voxels than level 0"))
                );
            }
            let shape = space.map(|r| size(array, r));
            let geometry = match levels.first() {
                // In voxels of the finest level.
                Some(Level { shape: finest, geometry, .. })
                    if image.datasets[i].world_from_index.is_none() =>
                {
                    geometry.binned(std::array::from_fn(|a| finest[a] as f64 / shape[a] as f64))
                }
                _ => image.geometry(i, &mut self.notes),
            };
            levels.push(Level {
                shape,
                geometry,
                chunk: std::array::from_fn(|a| {
                    image.axis(space[a]).map_or(1, |axis| (array.chunk()[axis] as usize).min(shape[a]))
                }),
            });
        }
        self.notes.extend(first.note().map(str::to_owned));
        let mut seen = std::collections::HashSet::new();
        self.notes.retain(|note| seen.insert(note.clone()));
        metadata.insert("codecs".to_owned(), first.codec_names());
        let channels: Vec<Channel> = ngff::channels(ome, channels, &mut metadata);
        let info = ImageInfo {
            format: ID,
            levels,
            voxel: first.voxel(),
            channels,
            times,
            time_step: image.time_step(),
            labels: labels && !first.voxel().is_float(),
            calibration: None,
            damage: Vec::new(),
            datasets: Vec::new(),
            notes: std::mem::take(&mut self.notes),
            metadata,
        };
        Ok(ZarrSource {
            info,
            image,
            levels: arrays.into_iter().map(|(_, array)| array).collect(),
            files: Vec::new(),
        })
    }
}

/// Takes the full affine map that Voxelry wrote, if scale and unit still agree with it.
fn restore(info: &mut ImageInfo, own: &Value) {
    let scaled = info.levels[0].geometry;
    let Some(mut full) = full_geometry(own) else {
        info.notes.push("the affine map in Voxelry's attribute is damaged and was ignored".to_owned());
        return;
    };
    full.unit = scaled.unit;
    let agree = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs();
    if !(0..3).all(|a| agree(full.spacing()[a], scaled.spacing()[a])) {
        info.notes.push(
            "the affine map in Voxelry's attribute contradicts the voxel size and was ignored".to_owned(),
        );
        return;
    }
    let finest = scaled.spacing();
    for level in &mut info.levels {
        let own = level.geometry.spacing();
        level.geometry = full.binned(std::array::from_fn(|a| own[a] / finest[a]));
    }
    // Exactly, not by way of a factor of 1.
    info.levels[0].geometry = full;
}

impl ImageSource for ZarrSource {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let info = &self.info;
        let Some(level) = info.levels.get(frame.level) else {
            return Err(Error::Usage(format!(
                "level {} of an image with {} levels",
                frame.level,
                info.levels.len()
            )));
        };
        if frame.channel >= info.channels.len() || frame.time >= info.times {
            return Err(Error::Usage(format!(
                "channel {} at time {} of an image with {} channels and {} times",
                frame.channel,
                frame.time,
                info.channels.len(),
                info.times
            )));
        }
        let inside =
            (0..3).all(|a| region.start[a].checked_add(region.shape[a]).is_some_and(|e| e <= level.shape[a]));
        if !inside {
            return Err(Error::Usage(format!(
                "region {region:?} lies outside a level of shape {:?}",
                level.shape
            )));
        }
        self.levels[frame.level].read(&Slicing::new(&self.image, frame.channel, frame.time), region)
    }

    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        let slicing = Slicing::new(&self.image, frame.channel, frame.time);
        self.levels[frame.level].is_stored(&slicing, region.start)
    }

    fn absent(&self) -> u64 {
        self.levels.iter().map(ZarrArray::absent).sum()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
}
