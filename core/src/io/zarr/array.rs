//! Voxels of one Zarr array.

use super::chunk::{Chain, Codecs, ShardIndex, index_length, zstd_content_size};
use super::ngff::{Multiscale, Role};
use super::node::{place, show};
use crate::{Error, Region, Result, Volume, Voxel, VoxelType};
use bytemuck::AnyBitPattern;
use half::{bf16, f16};
use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis, ShapeBuilder};
use rayon::prelude::*;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArraySubset, ArrayToBytesCodecTraits, CodecOptions};
use zarrs::storage::byte_range::ByteRange;
use zarrs::storage::{Bytes, ReadableStorage, ReadableStorageTraits};

/// A chunk (or shard) that would decode to more than this is refused.
const MAX_CHUNK_BYTES: u64 = 16 << 30;
/// Of chunks larger than this that are not compressed, only the voxels asked for are read.
const PARTIAL_BYTES: usize = 4 << 20;
/// So many entries of shard indices are kept (16 bytes each).
const MAX_INDEX_ENTRIES: usize = 1 << 20;

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

    /// Bytes of each number, which is what a byte order is about.
    fn sample(self) -> usize {
        match self {
            Self::Complex64 => 4,
            Self::Complex128 => 8,
            _ => self.size(),
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

    /// Where a voxel lies, all axes.
    fn at(&self, voxel: [usize; 3]) -> Vec<u64> {
        let mut at = self.fixed.clone();
        for (axis, n) in self.space.iter().zip(voxel) {
            if let Some(axis) = *axis {
                at[axis] = n as u64;
            }
        }
        at
    }
}

/// A decoded box of voxels, all axes.
struct Decoded {
    bytes: Bytes,
    /// Its first voxel in the array.
    origin: Vec<u64>,
    shape: Vec<u64>,
    /// Stride of each axis, in voxels.
    strides: Vec<usize>,
}

/// Indices of shards that were read already; none for a shard that was never written.
#[derive(Default)]
struct KnownIndices {
    shards: HashMap<Vec<u64>, Option<Arc<ShardIndex>>>,
    entries: usize,
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
    codecs: Codecs,
    store: ReadableStorage,
    indices: Mutex<KnownIndices>,
    /// Whether a chunk that isn't there is an error.
    pub(super) require_all_chunks: bool,
    /// Chunks that were read and aren't there.
    absent: Mutex<HashSet<Vec<u64>>>,
}

pub(super) fn sizes(value: Option<&Value>, what: &str) -> std::result::Result<Vec<u64>, String> {
    let numbers = match value {
        Some(Value::Array(list)) => list.iter().map(Value::as_u64).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    numbers.ok_or_else(|| format!("{what} should be a list of sizes, not {}", show(value)))
}

fn bytes_of(shape: &[u64], size: usize) -> Option<u64> {
    shape.iter().try_fold(size as u64, |a, b| a.checked_mul(*b)).filter(|b| isize::try_from(*b).is_ok())
}

/// Some writers leave out of the `zstd` codec whether there are checksums, which `zarrs` insists
/// on; a decoder sees it from the frame.
fn add_checksum_field(codecs: &mut Value, depth: usize) {
    let Value::Array(list) = codecs else { return };
    for codec in list {
        let zstd = codec.get("name").and_then(Value::as_str) == Some("zstd");
        let Some(Value::Object(configuration)) = codec.get_mut("configuration") else { continue };
        if zstd {
            configuration.entry("checksum").or_insert(Value::Bool(false));
        }
        if let Some(inner) = configuration.get_mut("codecs").filter(|_| depth < 4) {
            add_checksum_field(inner, depth + 1);
        }
    }
}

impl ZarrArray {
    /// Where it is.
    pub(super) fn place(&self) -> &Path {
        &self.at
    }

    /// Opens the array at `path` (relative to the store) from its metadata document.
    pub(super) fn open(
        store: &ReadableStorage,
        root: &Path,
        path: &str,
        document: &Map<String, Value>,
        zarr_format: u8,
    ) -> Result<Self> {
        let at = place(root, path);
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
        let codecs = Codecs::of(document, zarr_format, shape.len())?;
        if let Some(inner) = &codecs.inner
            && (inner.len() != grid.len()
                || inner.contains(&0)
                || grid.iter().zip(inner).any(|(g, i)| g % i != 0))
        {
            return Err(format!("chunks of shape {inner:?} do not fill shards of shape {grid:?}"));
        }
        let dtype = if zarr_format == 3 { document.get("data_type") } else { document.get("dtype") };
        let unsupported = || format!("data type {} is not one that images have here", show(dtype));
        let mut metadata = Value::Object(document.clone());
        if let Some(codecs) = metadata.get_mut("codecs") {
            add_checksum_field(codecs, 0);
        }
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
        // Where `zarrs` decodes a shard, it is read shard by shard.
        let chunk = codecs.inner.clone().unwrap_or_else(|| grid.clone());
        let (store, at) = (store.clone(), at.to_owned());
        Ok(Self {
            array,
            at,
            shape,
            grid,
            chunk,
            stored,
            codecs,
            store,
            indices: Mutex::default(),
            require_all_chunks: false,
            absent: Mutex::default(),
        })
    }

    /// The codecs, for the inspector.
    pub(super) fn codec_names(&self) -> String {
        self.codecs.names.join(", ")
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
        let voxels = region.shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b));
        // Asked for in a way that can fail, before it is asked for in a way that cannot.
        if voxels.is_none_or(|n| !crate::memory::is_to_be_had(n.saturating_mul(size_of::<T>()))) {
            return Err(Error::Memory(format!("a region of shape {:?}", region.shape)));
        }
        let mut out = Array3::from_elem(region.shape, T::default());
        if !region.is_empty() {
            let unit = if self.codecs.chain.is_some() { &self.chunk } else { &self.grid };
            let grid = slicing.space.map(|axis| axis.map_or(1, |a| unit[a] as usize));
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
        let start = slicing.at(part.start);
        let mut count = vec![1u64; axes];
        for (a, axis) in slicing.space.iter().enumerate() {
            if let Some(axis) = *axis {
                count[axis] = part.shape[a] as u64;
            }
        }
        let index: Vec<u64> = (0..axes).map(|a| start[a] / self.grid[a]).collect();
        let fail = |reason: String| {
            let key = self.array.chunk_key(&index);
            Error::file(&self.at, format!("chunk {index:?} ({key}) cannot be read: {reason}"))
        };
        let Some(decoded) = self.decode(&index, &start, &count).map_err(fail)? else {
            if self.require_all_chunks {
                return Err(fail("it is not there, and all chunks are required".into()));
            }
            let chunk = start.iter().zip(&self.chunk).map(|(at, size)| at / size).collect();
            self.absent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(chunk);
            let fill = self.array.fill_value().as_ne_bytes();
            let fill: S = bytemuck::try_pod_read_unaligned(fill)
                .map_err(|e| Error::file(&self.at, format!("fill_value does not fit the data type: {e}")))?;
            out.fill(convert(fill));
            return Ok(());
        };
        let Decoded { bytes, origin, shape: have, strides } = decoded;
        let values: Cow<'_, [S]> = match bytemuck::try_cast_slice(&bytes) {
            Ok(values) => Cow::Borrowed(values),
            // Only if the decoder's buffer is not aligned for the type.
            Err(_) => {
                Cow::Owned(bytes.chunks_exact(size_of::<S>()).map(bytemuck::pod_read_unaligned).collect())
            }
        };
        if values.len() as u64 != have.iter().product::<u64>() {
            return Err(fail(format!("it holds {} voxels instead of {have:?}", values.len())));
        }
        let offset: usize = (0..axes).map(|a| (start[a] - origin[a]) as usize * strides[a]).sum();
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

    /// The decoded bytes that hold the box of `count` voxels from `start`, which lies in the chunk
    /// (or shard) `index`; none if it was never written.
    fn decode(
        &self,
        index: &[u64],
        start: &[u64],
        count: &[u64],
    ) -> std::result::Result<Option<Decoded>, String> {
        let Some(chain) = &self.codecs.chain else { return self.decode_elsewhere(index, start, count) };
        let (chunk, axes) = (&self.chunk, self.shape.len());
        let size = self.stored.size();
        // Products of chunk shapes were checked when the array was opened.
        let bytes = chunk.iter().product::<u64>() as usize * size;
        if self.codecs.inner.is_none() && chain.is_raw() && bytes > PARTIAL_BYTES && count != chunk {
            return self.decode_elsewhere(index, start, count);
        }
        let encoded =
            if self.codecs.inner.is_some() { self.inner_chunk(index, start)? } else { self.whole(index)? };
        let Some(encoded) = encoded else { return Ok(None) };
        let bytes = chain.decode(encoded, bytes, self.stored.sample())?;
        let origin = (0..axes).map(|a| start[a] / chunk[a] * chunk[a]).collect();
        Ok(Some(Decoded { bytes, origin, shape: chunk.clone(), strides: chain.strides(chunk) }))
    }

    /// A chunk as it is stored.
    fn whole(&self, index: &[u64]) -> std::result::Result<Option<Bytes>, String> {
        self.store.get(&self.array.chunk_key(index)).map_err(|e| e.to_string())
    }

    /// Number of chunks that were read and aren't there.
    pub(super) fn absent(&self) -> u64 {
        self.absent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len() as u64
    }

    /// Whether the chunk of a voxel is there.
    pub(super) fn is_stored(&self, slicing: &Slicing, voxel: [usize; 3]) -> Result<bool> {
        let start = slicing.at(voxel);
        let index: Vec<u64> = (0..start.len()).map(|a| start[a] / self.grid[a]).collect();
        let stored = if self.codecs.inner.is_some() {
            self.within_shard(&index, &start).map(|place| place.is_some())
        } else {
            let size = self.store.size_key(&self.array.chunk_key(&index));
            size.map(|size| size.is_some()).map_err(|e| e.to_string())
        };
        stored.map_err(|reason| Error::file(&self.at, reason))
    }

    /// Where in its shard the inner chunk of a voxel lies.
    fn within_shard(&self, shard: &[u64], start: &[u64]) -> std::result::Result<Option<(u64, u64)>, String> {
        let Some(index) = self.shard_index(shard)? else { return Ok(None) };
        let at = (0..start.len()).fold(0u64, |at, a| {
            let chunks = self.grid[a] / self.chunk[a];
            at * chunks + start[a] % self.grid[a] / self.chunk[a]
        });
        Ok(index.get(at as usize))
    }

    /// The inner chunk of a shard that holds a voxel, as it is stored.
    fn inner_chunk(&self, shard: &[u64], start: &[u64]) -> std::result::Result<Option<Bytes>, String> {
        let Some((offset, length)) = self.within_shard(shard, start)? else { return Ok(None) };
        let range = ByteRange::FromStart(offset, Some(length));
        self.store.get_partial(&self.array.chunk_key(shard), range).map_err(|e| e.to_string())
    }

    fn shard_index(&self, shard: &[u64]) -> std::result::Result<Option<Arc<ShardIndex>>, String> {
        let lock = || self.indices.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lock().shards.get(shard) {
            return Ok(known.clone());
        }
        let key = self.array.chunk_key(shard);
        let found = match self.store.size_key(&key).map_err(|e| e.to_string())? {
            None => None,
            Some(size) => {
                let chunks = self.grid.iter().zip(&self.chunk).map(|(g, c)| g / c).product();
                let length = index_length(chunks, self.codecs.index_checksum)
                    .filter(|n| *n <= size)
                    .ok_or_else(|| format!("the shard of {size} bytes is shorter than its index"))?;
                let range = if self.codecs.index_at_start {
                    ByteRange::FromStart(0, Some(length))
                } else {
                    ByteRange::Suffix(length)
                };
                let bytes = self.store.get_partial(&key, range).map_err(|e| e.to_string())?;
                let bytes = bytes.ok_or("the shard is gone")?;
                Some(Arc::new(ShardIndex::decode(&bytes, self.codecs.index_checksum, size)?))
            }
        };
        let mut cache = lock();
        if cache.entries > MAX_INDEX_ENTRIES {
            *cache = KnownIndices::default();
        }
        cache.entries += found.as_ref().map_or(1, |i| i.len());
        cache.shards.insert(shard.to_vec(), found.clone());
        Ok(found)
    }

    /// Decodes with `zarrs`: rare codecs, and parts of large chunks that are not compressed.
    fn decode_elsewhere(
        &self,
        index: &[u64],
        start: &[u64],
        count: &[u64],
    ) -> std::result::Result<Option<Decoded>, String> {
        let axes = self.shape.len();
        let options = CodecOptions::default();
        let text = |e: zarrs::array::ArrayError| e.to_string();
        let c_order = |shape: &[u64]| {
            let mut strides = vec![1usize; axes];
            for a in (0..axes - 1).rev() {
                strides[a] = strides[a + 1] * shape[a + 1] as usize;
            }
            strides
        };
        let plain = self.codecs.chain.as_ref().is_some_and(Chain::is_raw);
        if (plain || self.codecs.inner.is_some()) && count != self.grid {
            let size = self.store.size_key(&self.array.chunk_key(index)).map_err(|e| e.to_string())?;
            if size.is_none() {
                return Ok(None);
            }
            let ranges: Vec<_> =
                (0..axes).map(|a| start[a] % self.grid[a]).zip(count).map(|(s, n)| s..s + n).collect();
            let subset = ArraySubset::new_with_ranges(&ranges);
            let bytes: ArrayBytes<'static> =
                self.array.retrieve_chunk_subset_opt(index, &subset, &options).map_err(text)?;
            let bytes = bytes.into_fixed().map_err(|e| e.to_string())?.into_owned().into();
            return Ok(Some(Decoded {
                bytes,
                origin: start.to_vec(),
                shape: count.to_vec(),
                strides: c_order(count),
            }));
        }
        let Some(encoded) = self.whole(index)? else { return Ok(None) };
        let expected = self.grid.iter().product::<u64>() * self.stored.size() as u64;
        if self.codecs.names.last().is_some_and(|n| n.ends_with("zstd"))
            && let Some(promised) = zstd_content_size(&encoded).filter(|n| *n > expected + 1024)
        {
            return Err(format!(
                "its header promises {promised} bytes where the array's metadata gives {expected}"
            ));
        }
        let shape = self.array.chunk_shape(index).map_err(text)?;
        let bytes = self
            .array
            .codecs()
            .decode(
                Cow::Borrowed(&encoded),
                &shape,
                self.array.data_type(),
                self.array.fill_value(),
                &options,
            )
            .map_err(|e| e.to_string())?;
        let bytes = bytes.into_fixed().map_err(|e| e.to_string())?.into_owned().into();
        let origin = (0..axes).map(|a| start[a] / self.grid[a] * self.grid[a]).collect();
        Ok(Some(Decoded { bytes, origin, shape: self.grid.clone(), strides: c_order(&self.grid) }))
    }
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
