//! The one slice that lists the file formats.

use super::{Frame, ImageInfo, ImageSink, ImageSource, ImageSpec, Seal};
use crate::error::PathContext;
use crate::volume::unit::LengthUnit;
use crate::{Error, Region, Result, Unit, Volume, VoxelType};
use glam::{DAffine3, DMat3, DVec3};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How to open a file that does not say everything about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenOptions {
    /// Shape `[z, y, x]` of a raw file.
    pub shape: Option<[usize; 3]>,
    /// Voxel type of a raw file.
    pub voxel: Option<VoxelType>,
    /// Whether a raw file is big-endian.
    pub big_endian: bool,
    /// Bytes to skip at the start of a raw file.
    pub offset: u64,
    /// Spacing `[z, y, x]` and unit that override the file's.
    pub spacing: Option<([f64; 3], Unit)>,
    /// The unit to express lengths in, instead of the file's.
    pub unit: Option<Unit>,
    /// Which image of a file with several, by name or number; the series of slices of a folder.
    pub dataset: Option<String>,
    /// Whether an image may be worked on of which parts are missing ([`ImageInfo::damage`]).
    pub accept_damaged: bool,
    /// Whether chunks that aren't there are an error, rather than all of the fill value.
    pub require_all_chunks: bool,
}

/// How to write a file.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteOptions {
    /// Whether to compress, where the format can.
    pub compress: bool,
    /// Chunk shape `[z, y, x]` for chunked formats; a default otherwise.
    pub chunk: Option<[usize; 3]>,
    /// Shard shape `[z, y, x]` in voxels for formats that shard; none: no sharding.
    pub shard: Option<[usize; 3]>,
    /// Version of the format, where there are several (`"0.4"`, `"0.5"` for OME-Zarr).
    pub version: Option<String>,
    /// What the voxels are made of, in words that tell it from all else. With them a format that can (OME-Zarr) keeps
    /// what was written when the program is killed or gives up, and goes on from there when it is called in the same
    /// way again.
    pub resume: Option<String>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { compress: true, chunk: None, shard: None, version: None, resume: None }
    }
}

/// A file format: declared once, listed in [`FORMATS`].
pub trait Format: Sync {
    /// Short name: `nifti`.
    fn id(&self) -> &'static str;
    /// Name for people: `NIfTI-1/2`.
    fn name(&self) -> &'static str;
    /// Endings of file names, lower case, without the first dot, longest first: `nii.gz`, `nii`.
    fn extensions(&self) -> &'static [&'static str];
    /// Whether the file (`head` holds its first 4 KiB at most; empty for a folder) is of this format.
    fn recognises(&self, path: &Path, head: &[u8]) -> bool;
    /// Opens an image.
    ///
    /// # Errors
    /// If the header is damaged, lies, or needs what is not supported.
    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>>;
    /// Whether images can be written in this format.
    fn writes(&self) -> bool {
        false
    }
    /// What of `spec` the format cannot express, one sentence each: the losses of a conversion.
    fn losses(&self, _spec: &ImageSpec) -> Vec<String> {
        Vec::new()
    }
    /// The files that an image at this path is written to.
    ///
    /// # Errors
    /// If a header would have to name a file whose name is no text.
    fn files(&self, path: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
        let _ = options;
        Ok(vec![path.to_owned()])
    }
    /// Begins to write an image.
    ///
    /// # Errors
    /// If the format cannot hold such an image, or the target cannot be created.
    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let _ = (spec, options);
        Err(Error::file(path, format!("{} files can be read but not written", self.name())))
    }
    /// Begins to write an image anew of which only parts differ from what lies at the path: blocks that aren't
    /// written stay as they are. `None` if the format can't, or what lies there is no image of exactly this kind.
    ///
    /// # Errors
    /// If it can't be read or written.
    fn update(
        &self,
        path: &Path,
        spec: &ImageSpec,
        options: &WriteOptions,
    ) -> Result<Option<Box<dyn ImageSink>>> {
        let _ = (path, spec, options);
        Ok(None)
    }
}

/// All formats, in the order in which a file is offered to them.
pub static FORMATS: &[&dyn Format] = &[
    // Before TIFF, whose endings end its own.
    &super::tiff::OmeTiff,
    &super::tiff::Tiff,
    &super::nifti::Nifti,
    &super::zarr::OmeZarr,
    &super::nrrd::Nrrd,
    &super::metaimage::MetaImage,
    &super::npy::Npy,
    &super::hdf5::Hdf5,
    // Last: raw files are known by their names only.
    &super::raw::Raw,
    &super::folder::Folder,
];

pub(super) fn has_extension(format: &dyn Format, path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    format.extensions().iter().any(|e| name.strip_suffix(e).is_some_and(|stem| stem.ends_with('.')))
}

/// The format that a path's ending names.
///
/// # Errors
/// If no format has that ending.
pub fn by_extension(path: &Path) -> Result<&'static dyn Format> {
    FORMATS.iter().copied().find(|f| f.writes() && has_extension(*f, path)).ok_or_else(|| {
        let known: Vec<_> =
            FORMATS.iter().filter(|f| f.writes()).flat_map(|f| f.extensions()).copied().collect();
        Error::file(
            path,
            format!("no format is known by this ending; it should be one of .{}", known.join(", .")),
        )
    })
}

/// Opens an image, by its content first and its name second; of an address ([`super::remote`]), an OME-Zarr.
///
/// # Errors
/// If it is of no known format, damaged, or lies, or has no unit although one is asked for.
pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
    let path = path.as_ref();
    let source = match super::remote::address(path) {
        Some(address) if crate::io::sample::is_address(address) => {
            crate::io::sample::open(address).map_err(|reason| Error::file(path, reason))?
        }
        Some(address) => {
            let open = |storage| super::zarr::open_store(storage, path, options);
            Box::new(super::remote::Distant::open(path, address, open)?)
        }
        None => {
            if !path.exists() {
                // A program that was killed may have left it between two names.
                super::atomic::heal(path);
            }
            Box::new(super::steady::Steady::open(path, || open_file(path, options))?)
        }
    };
    let source: Box<dyn ImageSource> = match options.spacing {
        Some((spacing, unit)) => Box::new(Respaced::new(source, spacing, unit)),
        None => source,
    };
    check_place(path, source.info())?;
    let own = source.info().geometry().unit;
    match options.unit {
        Some(unit) if unit != own && own == Unit::Voxel => {
            let reason =
                format!("its voxels have no known size, so that lengths can't be in {unit}; give a spacing");
            Err(Error::file(path, reason))
        }
        Some(unit) if unit != own => Ok(Box::new(Respaced::in_unit(source, unit))),
        _ => Ok(source),
    }
}

fn open_file(path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
    let mut head = Vec::new();
    let about = std::fs::metadata(path).at(path)?;
    if !about.is_dir() {
        // Opening a pipe waits for whoever writes to it.
        if !about.is_file() {
            return Err(Error::file(path, "is a pipe or a device, not a file or folder"));
        }
        File::open(path).at(path)?.take(4096).read_to_end(&mut head).at(path)?;
    }
    // A file that no format knows is raw where the user says what it holds.
    let described = options.shape.is_some() && options.voxel.is_some();
    let format = FORMATS
        .iter()
        .copied()
        .find(|f| f.recognises(path, &head) || described && !path.is_dir() && f.id() == "raw")
        .ok_or_else(|| Error::file(path, "not an image that Voxelry can read (see `voxelry formats`)"))?;
    format.open(path, options)
}

/// Refuses an image whose voxels have no volume, or no place.
fn check_place(path: &Path, info: &ImageInfo) -> Result<()> {
    let geometry = info.geometry();
    if geometry.world_from_index.is_finite() && geometry.voxel_volume() > 0.0 {
        return Ok(());
    }
    let [z, y, x] = geometry.spacing();
    let unit = geometry.unit;
    Err(Error::file(
        path,
        format!("its voxels are {x} × {y} × {z} {unit} (x, y, z), which can't be; give --spacing"),
    ))
}

/// An image whose spacing the user knows better than its file, or whose lengths are expressed in another unit.
struct Respaced {
    source: Box<dyn ImageSource>,
    info: ImageInfo,
}

impl Respaced {
    fn new(source: Box<dyn ImageSource>, spacing: [f64; 3], unit: Unit) -> Self {
        let mut info = source.info().clone();
        let [z, y, x] = info.geometry().spacing();
        let factor = DMat3::from_diagonal(DVec3::new(spacing[2] / x, spacing[1] / y, spacing[0] / z));
        for level in &mut info.levels {
            level.geometry.world_from_index.matrix3 *= factor;
            level.geometry.unit = unit;
        }
        Self { source, info }
    }

    fn in_unit(source: Box<dyn ImageSource>, unit: Unit) -> Self {
        let mut info = source.info().clone();
        for level in &mut info.levels {
            let own = LengthUnit::from(level.geometry.unit);
            let affine = level.geometry.world_from_index.to_cols_array().map(|v| own.convert_to(unit, v));
            level.geometry.world_from_index = DAffine3::from_cols_array(&affine);
            level.geometry.unit = unit;
        }
        Self { source, info }
    }
}

impl ImageSource for Respaced {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.source.read(frame, region)
    }

    fn read_into(&self, frame: Frame, region: Region, volume: &mut Volume) -> Result<()> {
        self.source.read_into(frame, region, volume)
    }

    fn read_all(&self, frame: Frame) -> Result<Volume> {
        self.source.read_all(frame)
    }

    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        self.source.is_stored(frame, region)
    }

    fn absent(&self) -> u64 {
        self.source.absent()
    }

    fn is_direct(&self) -> bool {
        self.source.is_direct()
    }

    fn waits(&self) -> bool {
        self.source.waits()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    fn seal(&self) -> Result<Seal> {
        self.source.seal()
    }
}

/// Begins to write an image in the format that the path's ending names.
///
/// # Errors
/// If no format has that ending or the format cannot hold such an image.
pub fn create(
    path: impl AsRef<Path>,
    spec: &ImageSpec,
    options: &WriteOptions,
) -> Result<Box<dyn ImageSink>> {
    let path = path.as_ref();
    if super::remote::address(path).is_some() {
        return Err(Error::file(path, "images can be read from an address but not written to it"));
    }
    by_extension(path)?.create(path, spec, options)
}
