//! Voxels of one Zarr array.

use super::ngff::{Multiscale, Role};
use super::node::show;
use crate::{Error, Region, Result, Volume, Voxel, VoxelType};
use bytemuck::AnyBitPattern;
use half::{bf16, f16};
use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis, ShapeBuilder};
use rayon::prelude::*;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArraySubset, ArrayToBytesCodecTraits, CodecOptions};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits};

/// A chunk (or shard) that would decode to more than this is refused.
const MAX_CHUNK_BYTES: u64 = 16 << 30;

/// The types that arrays are stored in and that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Same(VoxelType),
    Bool,
    F16,
    BF16,
    Complex64,
    Complex128,
}

impl Stored {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "float16" => Self::F16,
            "bfloat16" => Self::BF16,
            "complex64" | "complex_float32" => Self::Complex64,
            "complex128" | "complex_float64" => Self::Complex128,
            "uint8" => Self::Same(VoxelType::U8),
            "int8" => Self::Same(VoxelType::I8),
            "uint16" => Self::Same(VoxelType::U16),
            "int16" => Self::Same(VoxelType::I16),
            "uint32" => Self::Same(VoxelType::U32),
            "int32" => Self::Same(VoxelType::I32),
            "uint64" => Self::Same(VoxelType::U64),
            "int64" => Self::Same(VoxelType::I64),
            "float32" => Self::Same(VoxelType::F32),
            "float64" => Self::Same(VoxelType::F64),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Same(voxel) => voxel.size(),
            Self::Bool => 1,
            Self::F16 | Self::BF16 => 2,
            Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    /// The type that it is read as.
    fn voxel(self) -> VoxelType {
        match self {
            Self::Same(voxel) => voxel,
            Self::Bool => VoxelType::U8,
            Self::F16 | Self::BF16 | Self::Complex64 => VoxelType::F32,
            Self::Complex128 => VoxelType::F64,
        }
    }

    fn note(self) -> Option<&'static str> {
        match self {
            Self::Same(_) => None,
            Self::Bool => Some("truth values were read as u8 (0 and 1)"),
            Self::F16 => Some("16-bit floating-point numbers were read as f32"),
            Self::BF16 => Some("bfloat16 numbers were read as f32"),
            Self::Complex64 | Self::Complex128 => Some("of complex numbers the magnitude was read"),
        }
    }
}

/// What the outermost compressor's header says before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outermost {
    /// A part of a chunk can be read without the rest.
    Partial,
    Blosc,
    Zstd,
    Other,
}

/// Which axes of an array are z, y and x, and where on the others it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slicing {
    /// Array axis of z, y, x.
    pub(super) space: [Option<usize>; 3],
    /// Index along each axis that is not of space.
    pub(super) fixed: Vec<u64>,
}

impl Slicing {
    /// The volume of a channel and time.
    pub(super) fn new(image: &Multiscale, channel: usize, time: usize) -> Self {
        let fixed = image
            .axes
            .iter()
            .map(|axis| match axis.role {
                Role::Channel => channel as u64,
                Role::Time => time as u64,
                _ => 0,
            })
            .collect();
        Self { space: [Role::Z, Role::Y, Role::X].map(|r| image.axis(r)), fixed }
    }
}

/// An open array.
pub(super) struct ZarrArray {
    array: Array<dyn ReadableStorageTraits>,
    at: PathBuf,
    shape: Vec<u64>,
    /// Shape of what is stored under one key: a chunk or a shard.
    grid: Vec<u64>,
    /// Shape of what is decoded at once.
    chunk: Vec<u64>,
    stored: Stored,
    outermost: Outermost,
    /// Names of codecs, for the inspector.
    pub(super) codecs: String,
}

fn sizes(value: Option<&Value>, what: &str) -> std::result::Result<Vec<u64>, String> {
    let numbers = match value {
        Some(Value::Array(list)) => list.iter().map(Value::as_u64).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    numbers.ok_or_else(|| format!("{what} should be a list of sizes, not {}", show(value)))
}

fn bytes_of(shape: &[u64], size: usize) -> Option<u64> {
    shape.iter().try_fold(size as u64, |a, b| a.checked_mul(*b)).filter(|b| *b <= isize::MAX as u64)
}

impl ZarrArray {
    /// Opens the array at `path` (relative to the store) from its metadata document.
    pub(super) fn open(
        store: &ReadableStorage,
        root: &Path,
        path: &str,
        document: &Map<String, Value>,
        zarr_format: u8,
    ) -> Result<Self> {
        let at = root.join(path);
        Self::check_and_open(store, &at, path, document, zarr_format)
            .map_err(|reason| Error::file(&at, reason))
    }

    fn check_and_open(
        store: &ReadableStorage,
        at: &Path,
        path: &str,
        document: &Map<String, Value>,
        zarr_format: u8,
    ) -> std::result::Result<Self, String> {
        let shape = sizes(document.get("shape"), "shape")?;
        let grid = if zarr_format == 3 {
            let grid = document.get("chunk_grid");
            let name = grid.and_then(|g| g.get("name")).or(grid);
            if name.and_then(Value::as_str) != Some("regular") {
                return Err(format!("chunk_grid {} is not supported (regular is)", show(name)));
            }
            sizes(
                grid.and_then(|g| g.get("configuration")).and_then(|c| c.get("chunk_shape")),
                "chunk_shape",
            )?
        } else {
            sizes(document.get("chunks"), "chunks")?
        };
        if shape.is_empty() || shape.len() > 8 {
            return Err(format!("an array of {} axes is not an image", shape.len()));
        }
        if grid.len() != shape.len() || grid.contains(&0) {
            return Err(format!("chunk shape {grid:?} does not fit an array of shape {shape:?}"));
        }
        if shape.contains(&0) {
            return Err(format!("shape {shape:?} holds no voxels"));
        }
        if bytes_of(&shape, 16).is_none() {
            return Err(format!("shape {shape:?} is larger than any memory"));
        }
        if bytes_of(&grid, 16).is_none_or(|b| b > 16 * MAX_CHUNK_BYTES) {
            return Err(format!("a chunk of shape {grid:?} is not believable"));
        }
        let (codecs, inner) = codecs(document, zarr_format)?;
        if let Some(inner) = &inner
            && (inner.len() != grid.len()
                || inner.contains(&0)
                || grid.iter().zip(inner).any(|(g, i)| g % i != 0))
        {
            return Err(format!("chunks of shape {inner:?} do not fill shards of shape {grid:?}"));
        }
        let dtype = if zarr_format == 3 { document.get("data_type") } else { document.get("dtype") };
        let unsupported = || format!("data type {} is not one that images have here", show(dtype));
        let metadata = Value::Object(document.clone());
        let metadata = if zarr_format == 3 {
            serde_json::from_value(metadata).map(ArrayMetadata::V3)
        } else {
            serde_json::from_value(metadata).map(ArrayMetadata::V2)
        };
        let metadata = metadata.map_err(|e| format!("metadata: {e}"))?;
        let array = Array::new_with_metadata(store.clone(), &format!("/{path}"), metadata)
            .map_err(|e| e.to_string())?;
        let stored =
            array.data_type().name_v3().and_then(|name| Stored::of(&name)).ok_or_else(unsupported)?;
        let outermost = match codecs.last().map(String::as_str) {
            Some("blosc") => Outermost::Blosc,
            Some("zstd") => Outermost::Zstd,
            Some("sharding_indexed" | "bytes") | None => Outermost::Partial,
            Some(_) => Outermost::Other,
        };
        let chunk = inner.unwrap_or_else(|| grid.clone());
        Ok(Self {
            array,
            at: at.to_owned(),
            shape,
            grid,
            chunk,
            stored,
            outermost,
            codecs: codecs.join(", "),
        })
    }

    /// Shape, all axes.
    pub(super) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Chunk shape, all axes.
    pub(super) fn chunk(&self) -> &[u64] {
        &self.chunk
    }

    /// The type it is read as.
    pub(super) fn voxel(&self) -> VoxelType {
        self.stored.voxel()
    }

    /// What reading changes.
    pub(super) fn note(&self) -> Option<&'static str> {
        self.stored.note()
    }

    /// Reads a region, which must lie inside.
    pub(super) fn read(&self, slicing: &Slicing, region: Region) -> Result<Volume> {
        match self.stored {
            Stored::Same(voxel) => {
                crate::with_voxel!(voxel, |T| self.read_as::<T, T>(slicing, region, |v| v))
            }
            Stored::Bool => self.read_as::<u8, u8>(slicing, region, |v| u8::from(v != 0)),
            Stored::F16 => self.read_as::<u16, f32>(slicing, region, |v| f16::from_bits(v).to_f32()),
            Stored::BF16 => self.read_as::<u16, f32>(slicing, region, |v| bf16::from_bits(v).to_f32()),
            Stored::Complex64 => self.read_as::<[f32; 2], f32>(slicing, region, |[re, im]| re.hypot(im)),
            Stored::Complex128 => self.read_as::<[f64; 2], f64>(slicing, region, |[re, im]| re.hypot(im)),
        }
    }

    fn read_as<S: AnyBitPattern + Send + Sync, T: Voxel>(
        &self,
        slicing: &Slicing,
        region: Region,
        convert: impl Fn(S) -> T + Send + Sync,
    ) -> Result<Volume> {
        let bytes = region.shape.iter().try_fold(size_of::<T>(), |a, b| a.checked_mul(*b));
        if bytes.is_none_or(|b| b > isize::MAX as usize) {
            return Err(Error::Memory(format!("a region of shape {:?}", region.shape)));
        }
        let mut out = Array3::<T>::default(region.shape);
        if !region.is_empty() {
            let grid = slicing.space.map(|axis| axis.map_or(1, |a| self.grid[a] as usize));
            let mut parts = Vec::new();
            split(out.view_mut(), region, grid, &mut parts);
            parts
                .into_par_iter()
                .try_for_each(|(part, view)| self.read_part(slicing, part, view, &convert))?;
        }
        Ok(T::into_volume(out))
    }

    /// Reads the part of a region that lies in one chunk of the grid.
    fn read_part<S: AnyBitPattern + Send + Sync, T: Voxel>(
        &self,
        slicing: &Slicing,
        part: Region,
        mut out: ArrayViewMut3<'_, T>,
        convert: &(impl Fn(S) -> T + Sync),
    ) -> Result<()> {
        let axes = self.shape.len();
        let mut start = slicing.fixed.clone();
        let mut count = vec![1u64; axes];
        for (a, axis) in slicing.space.iter().enumerate() {
            if let Some(axis) = *axis {
                start[axis] = part.start[a] as u64;
                count[axis] = part.shape[a] as u64;
            }
        }
        let index: Vec<u64> = (0..axes).map(|a| start[a] / self.grid[a]).collect();
        let within: Vec<u64> = (0..axes).map(|a| start[a] % self.grid[a]).collect();
        let fail = |reason: String| {
            let key = self.array.chunk_key(&index);
            Error::file(&self.at, format!("chunk {index:?} ({key}) cannot be read: {reason}"))
        };
        let Some((bytes, have_start, have_shape)) = self.decode(&index, &within, &count).map_err(fail)?
        else {
            let fill = self.array.fill_value().as_ne_bytes();
            let fill: S = bytemuck::try_pod_read_unaligned(fill).map_err(|e| fail_fill(&self.at, &e))?;
            out.fill(convert(fill));
            return Ok(());
        };
        let values: Cow<'_, [S]> = match bytemuck::try_cast_slice(&bytes) {
            Ok(values) => Cow::Borrowed(values),
            // Only if the decoder's buffer is not aligned for the type.
            Err(_) => {
                Cow::Owned(bytes.chunks_exact(size_of::<S>()).map(bytemuck::pod_read_unaligned).collect())
            }
        };
        if values.len() as u64 != have_shape.iter().product::<u64>() {
            return Err(fail(format!("it holds {} voxels instead of {have_shape:?}", values.len())));
        }
        let mut strides = vec![1usize; axes];
        for a in (0..axes - 1).rev() {
            strides[a] = strides[a + 1] * have_shape[a + 1] as usize;
        }
        let offset: usize = (0..axes).map(|a| (within[a] - have_start[a]) as usize * strides[a]).sum();
        let strides = slicing.space.map(|axis| axis.map_or(0, |a| strides[a]));
        let source = ArrayView3::from_shape(part.shape.strides(strides), &values[offset..])
            .map_err(|e| fail(e.to_string()))?;
        if strides[2] == 1 {
            for (mut to, from) in out.outer_iter_mut().zip(source.outer_iter()) {
                for (mut to, from) in to.outer_iter_mut().zip(from.outer_iter()) {
                    if let (Some(to), Some(from)) = (to.as_slice_mut(), from.as_slice()) {
                        to.iter_mut().zip(from).for_each(|(t, f)| *t = convert(*f));
                    }
                }
            }
        } else {
            out.zip_mut_with(&source, |t, f| *t = convert(*f));
        }
        Ok(())
    }

    /// The decoded bytes that hold the asked part of a chunk, and which part of it they are
    /// (start and shape); none if the chunk was never written.
    #[allow(clippy::type_complexity)]
    fn decode(
        &self,
        index: &[u64],
        within: &[u64],
        count: &[u64],
    ) -> std::result::Result<Option<(Vec<u8>, Vec<u64>, Vec<u64>)>, String> {
        let options = CodecOptions::default();
        let text = |e: zarrs::array::ArrayError| e.to_string();
        if self.outermost == Outermost::Partial && count != self.grid {
            let ranges: Vec<_> = within.iter().zip(count).map(|(s, n)| *s..s + n).collect();
            let subset = ArraySubset::new_with_ranges(&ranges);
            let bytes: ArrayBytes<'static> =
                self.array.retrieve_chunk_subset_opt(index, &subset, &options).map_err(text)?;
            let bytes = bytes.into_fixed().map_err(|e| e.to_string())?;
            return Ok(Some((bytes.into_owned(), within.to_vec(), count.to_vec())));
        }
        let Some(encoded) = self.array.retrieve_encoded_chunk(index).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        self.check_header(&encoded)?;
        let shape = self.array.chunk_shape(index).map_err(text)?;
        let bytes = self
            .array
            .codecs()
            .decode(
                Cow::Owned(encoded.into()),
                &shape,
                self.array.data_type(),
                self.array.fill_value(),
                &options,
            )
            .map_err(|e| e.to_string())?;
        let bytes = bytes.into_fixed().map_err(|e| e.to_string())?;
        Ok(Some((bytes.into_owned(), vec![0; self.grid.len()], self.grid.clone())))
    }

    /// Refuses a chunk whose header promises more than the array's metadata.
    fn check_header(&self, encoded: &[u8]) -> std::result::Result<(), String> {
        let expected = self.grid.iter().product::<u64>() * self.stored.size() as u64;
        let promised = match self.outermost {
            Outermost::Blosc => {
                let field = encoded.get(4..8).ok_or("it is shorter than its header")?;
                Some(u64::from(u32::from_le_bytes([field[0], field[1], field[2], field[3]])))
            }
            Outermost::Zstd => zstd_content_size(encoded),
            _ => None,
        };
        match promised {
            // Checksums and such may add a little inside the compressor.
            Some(bytes) if bytes > expected + 1024 => {
                Err(format!("its header promises {bytes} bytes where the array's metadata gives {expected}"))
            }
            _ => Ok(()),
        }
    }
}

fn fail_fill(at: &Path, e: &bytemuck::PodCastError) -> Error {
    Error::file(at, format!("fill_value does not fit the data type: {e}"))
}

/// The size that the first frame of a Zstandard stream promises, if it does (RFC 8878, 3.1.1.1).
fn zstd_content_size(frame: &[u8]) -> Option<u64> {
    let (magic, rest) = frame.split_at_checked(4)?;
    if magic != [0x28, 0xb5, 0x2f, 0xfd] {
        return None;
    }
    let descriptor = *rest.first()?;
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let at = 1 + usize::from(!single_segment) + dictionary;
    let length = match descriptor >> 6 {
        0 if single_segment => 1,
        0 => return None,
        n => 1 << n,
    };
    let mut bytes = [0; 8];
    bytes[..length].copy_from_slice(rest.get(at..at + length)?);
    Some(u64::from_le_bytes(bytes) + if length == 2 { 256 } else { 0 })
}

/// The names of the codecs, outermost last, and the shape of inner chunks if sharded.
#[allow(clippy::type_complexity)]
fn codecs(
    document: &Map<String, Value>,
    zarr_format: u8,
) -> std::result::Result<(Vec<String>, Option<Vec<u64>>), String> {
    let mut names = Vec::new();
    let mut inner = None;
    let name_of = |codec: &Value, field: &str| {
        codec.get(field).or(Some(codec)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if zarr_format == 3 {
        let Some(Value::Array(list)) = document.get("codecs") else {
            return Err(format!("codecs should be a list, not {}", show(document.get("codecs"))));
        };
        for codec in list {
            let name = name_of(codec, "name");
            if name == "sharding_indexed" {
                let shape = codec.get("configuration").and_then(|c| c.get("chunk_shape"));
                inner = Some(sizes(shape, "chunk_shape of sharding_indexed")?);
            }
            names.push(name);
        }
    } else {
        if let Some(Value::Array(filters)) = document.get("filters") {
            names.extend(filters.iter().map(|f| name_of(f, "id")));
        }
        if let Some(compressor) = document.get("compressor").filter(|c| !c.is_null()) {
            let name = name_of(compressor, "id");
            if name == "lz4" {
                return Err("compressor \"lz4\" (not within blosc) is not supported".to_owned());
            }
            names.push(name);
        }
    }
    Ok((names, inner))
}

/// Splits a view of `region` where the chunk grid does.
fn split<'a, T>(
    view: ArrayViewMut3<'a, T>,
    region: Region,
    grid: [usize; 3],
    parts: &mut Vec<(Region, ArrayViewMut3<'a, T>)>,
) {
    fn along<'a, T>(
        view: ArrayViewMut3<'a, T>,
        region: Region,
        grid: [usize; 3],
        axis: usize,
        parts: &mut Vec<(Region, ArrayViewMut3<'a, T>)>,
    ) {
        if axis == 3 {
            parts.push((region, view));
            return;
        }
        let (mut rest, mut rest_region) = (view, region);
        loop {
            let to_cut = grid[axis] - rest_region.start[axis] % grid[axis];
            if to_cut >= rest_region.shape[axis] {
                along(rest, rest_region, grid, axis + 1, parts);
                return;
            }
            let (head, tail) = rest.split_at(Axis(axis), to_cut);
            let mut head_region = rest_region;
            head_region.shape[axis] = to_cut;
            rest_region.start[axis] += to_cut;
            rest_region.shape[axis] -= to_cut;
            along(head, head_region, grid, axis + 1, parts);
            rest = tail;
        }
    }
    along(view, region, grid, 0, parts);
}
