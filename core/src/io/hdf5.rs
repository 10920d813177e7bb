//! HDF5 datasets (`.h5`, `.hdf5`, `.nxs`), read only.
//!
//! A dataset's last three axes are z, y, x; a fourth before them is channels, a fifth time; more
//! are folded into channels. Where a file holds several datasets and none is named, the largest of
//! at least two axes is read. The attribute `element_size_um` (ilastik, `BigDataViewer`) gives the
//! spacing in µm as z, y, x.

use super::planar::slab;
use super::{Format, Frame, ImageInfo, ImageSource, OpenOptions};
use crate::{Error, Geometry, Region, Result, Unit, Volume, VoxelType, error, with_voxel};
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, Hdf5File, SliceInfo, SliceInfoElem};
use std::path::{Path, PathBuf};

/// The format.
pub(super) struct Hdf5;

const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Groups within groups that are looked into, and datasets looked at: a file can hold loops.
const DEEPEST: usize = 16;
const MOST: usize = 10_000;

impl Format for Hdf5 {
    fn id(&self) -> &'static str {
        "hdf5"
    }

    fn name(&self) -> &'static str {
        "HDF5"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["hdf5", "nxs", "hdf", "h5"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        // The superblock may also stand at 512, 1024 … after a user block.
        let found =
            [0, 512, 1024, 2048].iter().any(|&at| head.get(at..).is_some_and(|h| h.starts_with(MAGIC)));
        found || super::format::has_extension(self, path)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        super::planar::file_len(path)?;
        let damaged = |e: hdf5_reader::error::Error| Error::file(path, one_line(&e));
        let file = Hdf5File::open(path).map_err(damaged)?;
        let mut found = Vec::new();
        walk(&file.root_group().map_err(damaged)?, "", 0, &mut found).map_err(damaged)?;
        let names: Vec<_> = found.iter().map(|(name, _)| name.clone()).collect();
        let chosen = match options.dataset.as_deref().map(|n| n.trim_matches('/')) {
            Some(wanted) => found.into_iter().find(|(name, _)| name == wanted).ok_or_else(|| {
                let hint = error::suggestion(wanted, names.iter().map(String::as_str));
                Error::file(path, format!("holds no image dataset \"{wanted}\"{hint}"))
            })?,
            // The first of the largest.
            None => found
                .into_iter()
                .rev()
                .max_by_key(|(_, d)| d.num_elements().unwrap_or(0))
                .ok_or_else(|| Error::file(path, "holds no dataset of numbers with at least two axes"))?,
        };
        let (name, dataset) = chosen;
        let mut info = describe(path, &name, &dataset)?;
        if names.len() > 1 {
            let others: Vec<_> = names.iter().filter(|n| **n != name).take(8).cloned().collect();
            info.notes.push(format!(
                "of {} datasets \"{name}\" is read; others: {}",
                names.len(),
                others.join(", ")
            ));
        }
        Ok(Box::new(Source { path: path.to_owned(), info, dataset }))
    }
}

fn one_line(e: &impl std::fmt::Display) -> String {
    super::planar::text::shorten(&format!("HDF5: {e}"))
}

type Found = Vec<(String, Dataset)>;

fn walk(
    group: &Group,
    prefix: &str,
    depth: usize,
    found: &mut Found,
) -> Result<(), hdf5_reader::error::Error> {
    let (groups, datasets) = group.members()?;
    for dataset in datasets {
        if dataset.ndim() >= 2 && voxel_type(dataset.dtype()).is_some() && found.len() < MOST {
            found.push((format!("{prefix}{}", dataset.name().trim_matches('/')), dataset));
        }
    }
    if depth < DEEPEST {
        for child in groups {
            let name = child.name().trim_matches('/').to_owned();
            if found.len() < MOST {
                walk(&child, &format!("{prefix}{name}/"), depth + 1, found)?;
            }
        }
    }
    Ok(())
}

fn voxel_type(datatype: &Datatype) -> Option<VoxelType> {
    Some(match datatype {
        Datatype::FixedPoint { size: 1, signed: false, .. } => VoxelType::U8,
        Datatype::FixedPoint { size: 1, .. } => VoxelType::I8,
        Datatype::FixedPoint { size: 2, signed: false, .. } => VoxelType::U16,
        Datatype::FixedPoint { size: 2, .. } => VoxelType::I16,
        Datatype::FixedPoint { size: 4, signed: false, .. } => VoxelType::U32,
        Datatype::FixedPoint { size: 4, .. } => VoxelType::I32,
        Datatype::FixedPoint { size: 8, signed: false, .. } => VoxelType::U64,
        Datatype::FixedPoint { size: 8, .. } => VoxelType::I64,
        Datatype::FloatingPoint { size: 4, .. } => VoxelType::F32,
        Datatype::FloatingPoint { size: 8, .. } => VoxelType::F64,
        _ => return None,
    })
}

fn describe(path: &Path, name: &str, dataset: &Dataset) -> Result<ImageInfo> {
    let dims = dataset.shape();
    let voxel = voxel_type(dataset.dtype()).unwrap_or(VoxelType::U8);
    super::planar::byte_count(path, &format!("the shape of {name}"), dims, voxel.size())?;
    if dims.contains(&0) {
        return Err(Error::file(path, format!("the shape of {name} is {dims:?}: there are no voxels")));
    }
    let lead = dims.len().saturating_sub(3);
    let shape: [usize; 3] = std::array::from_fn(|i| match dims.len() {
        2 => [1, dims[0] as usize, dims[1] as usize][i],
        _ => dims[lead + i] as usize,
    });
    let chunk = match dataset.chunks() {
        Some(c) if c.len() == dims.len() && dims.len() >= 3 => {
            std::array::from_fn(|i| (c[lead + i] as usize).clamp(1, shape[i]))
        }
        _ => slab(shape, voxel.size(), 1 << 20),
    };
    let geometry = match dataset.attribute("element_size_um").and_then(|a| a.read_1d::<f64>()) {
        Ok(s) if s.len() == 3 && s.iter().all(|v| v.is_finite() && *v > 0.0) => {
            Geometry::from_spacing([s[0], s[1], s[2]], Unit::Micrometre)
        }
        _ => Geometry::default(),
    };
    let mut info = ImageInfo::simple("hdf5", shape, chunk, voxel, geometry);
    let outer: u64 = dims[..lead].iter().product();
    if outer > 1 << 20 {
        return Err(Error::file(path, format!("the shape of {name} is {dims:?}: too many channels")));
    }
    if lead == 2 {
        info.times = dims[0] as usize;
    }
    info.channels.resize((outer / info.times as u64) as usize, super::Channel::default());
    if lead > 2 {
        info.notes.push(format!("the first {lead} axes of shape {dims:?} are read as channels"));
    }
    info.metadata.insert("dataset".into(), name.into());
    Ok(info)
}

struct Source {
    path: PathBuf,
    info: ImageInfo,
    dataset: Dataset,
}

impl ImageSource for Source {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let shape = self.info.shape();
        let inside =
            (0..3).all(|a| region.start[a].checked_add(region.shape[a]).is_some_and(|e| e <= shape[a]));
        if !inside
            || frame.level > 0
            || frame.channel >= self.info.channels.len()
            || frame.time >= self.info.times
        {
            return Err(Error::file(&self.path, format!("{region:?} of {frame:?} is not in this image")));
        }
        super::planar::allocate(&self.path, self.info.voxel, region.shape)?;
        if region.is_empty() {
            return Ok(Volume::zeros(self.info.voxel, region.shape));
        }
        let dims = self.dataset.shape();
        let lead = dims.len().saturating_sub(3);
        let mut index = frame.time * self.info.channels.len() + frame.channel;
        let mut selections: Vec<_> = dims[..lead]
            .iter()
            .rev()
            .map(|&n| {
                let at = index as u64 % n;
                index /= n as usize;
                SliceInfoElem::Index(at)
            })
            .collect();
        selections.reverse();
        for axis in 3 - (dims.len() - lead)..3 {
            let (start, len) = (region.start[axis] as u64, region.shape[axis] as u64);
            selections.push(SliceInfoElem::Slice { start, end: start + len, step: 1 });
        }
        let damaged = |reason: String| Error::file(&self.path, reason);
        with_voxel!(self.info.voxel, |T| {
            let array = self
                .dataset
                .read_slice_parallel::<T>(&SliceInfo { selections })
                .map_err(|e| damaged(one_line(&e)))?;
            let array = array
                .to_shape(region.shape)
                .map_err(|e| damaged(format!("HDF5: the dataset is not of the size that it says: {e}")))?
                .into_owned();
            Ok(crate::Voxel::into_volume(array))
        })
    }
}
