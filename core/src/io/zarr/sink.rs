//! Writing an OME-Zarr image.

use super::is_zarr;
use super::layout::Layout;
use super::node::local;
use crate::error::PathContext;
use crate::io::atomic::AtomicDir;
use crate::io::{Frame, ImageSink, pyramid};
use crate::volume::merge_ranges;
use crate::{Error, Job, Region, Result, Volume, Voxel};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, CodecOptions};
use zarrs::storage::{
    Bytes, OffsetBytesIterator, ReadableStorage, StorageError, StoreKey, StorePrefix, WritableStorageTraits,
};

use super::array::{Slicing, ZarrArray};
use super::chunk::crc32c;

/// Writes whole values as files below a folder, without waiting for the disk after each of
/// thousands of chunks.
struct LocalWriter {
    folder: PathBuf,
    /// Whether files there may be those of another image too, and make room for new ones.
    shared: bool,
}

impl LocalWriter {
    fn path(&self, key: &StoreKey) -> PathBuf {
        self.folder.join(key.as_str())
    }

    /// A new file for a value.
    fn file(&self, key: &StoreKey) -> std::io::Result<File> {
        let path = self.path(key);
        if self.shared {
            self.remove(key)?;
        }
        match File::create(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                // The first chunk of a row makes the folder.
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                File::create(&path)
            }
            created => created,
        }
    }

    fn remove(&self, key: &StoreKey) -> std::io::Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

impl WritableStorageTraits for LocalWriter {
    fn set(&self, key: &StoreKey, value: Bytes) -> std::result::Result<(), StorageError> {
        Ok(self.file(key)?.write_all(&value)?)
    }

    fn set_partial_many(
        &self,
        _: &StoreKey,
        _: OffsetBytesIterator<'_>,
    ) -> std::result::Result<(), StorageError> {
        Err(StorageError::Unsupported("chunks are written whole".to_owned()))
    }

    fn erase(&self, key: &StoreKey) -> std::result::Result<(), StorageError> {
        Ok(self.remove(key)?)
    }

    fn erase_prefix(&self, _: &StorePrefix) -> std::result::Result<(), StorageError> {
        Err(StorageError::Unsupported("chunks are erased one by one".to_owned()))
    }

    fn supports_set_partial(&self) -> bool {
        false
    }
}

fn replaceable(target: &Path) -> bool {
    target.is_dir() && (is_zarr(target) || fs::read_dir(target).is_ok_and(|mut d| d.next().is_none()))
}

/// A cell of a level's grid in an image of several frames.
type Cell = (Frame, Region);

/// An OME-Zarr image being written.
pub(super) struct ZarrSink {
    layout: Layout,
    arrays: Vec<Array<LocalWriter>>,
    writer: Arc<LocalWriter>,
    documents: Vec<Value>,
    /// Smallest and largest value of each channel.
    range: Mutex<Vec<Option<(f64, f64)>>>,
    /// Where all else is there already: the blocks that were written.
    fresh: Option<Mutex<Vec<Cell>>>,
    /// Blocks that a call before has written, and where those of this call are noted.
    done: Option<(HashSet<BlockId>, Mutex<File>)>,
    partial: AtomicDir,
}

/// Time, channel and first voxel of a block.
type BlockId = [u64; 5];

/// Bytes of a note of a block: its identity, the least and the greatest value, and a checksum.
const NOTE: usize = 7 * 8 + 4;

fn id_of(frame: Frame, start: [usize; 3]) -> BlockId {
    [frame.time, frame.channel, start[0], start[1], start[2]].map(|n| n as u64)
}

/// The note of a block that was written; NaN where it has no values.
fn note(id: BlockId, range: Option<(f64, f64)>) -> Vec<u8> {
    let (low, high) = range.unwrap_or((f64::NAN, f64::NAN));
    let words = id.into_iter().chain([low.to_bits(), high.to_bits()]);
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// What a note says; none if it is not whole.
fn noted(bytes: &[u8]) -> Option<(BlockId, Option<(f64, f64)>)> {
    let (words, sum) = bytes.split_last_chunk::<4>()?;
    let whole = crc32fast::hash(words) == u32::from_le_bytes(*sum);
    let words: Vec<u64> = words.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    let id = *words.first_chunk::<5>()?;
    let [low, high] = [words.get(5)?, words.get(6)?].map(|bits| f64::from_bits(*bits));
    whole.then_some((id, (!low.is_nan()).then_some((low, high))))
}

impl ZarrSink {
    /// Creates the folder beside the target, or resumes one that was begun in the same way, if `resume` tells what
    /// the voxels are made of.
    pub(super) fn create(target: &Path, layout: Layout, resume: Option<&str>) -> Result<Self> {
        if target.exists() && !replaceable(target) {
            return Err(Error::file(target, "exists and is not a Zarr folder, so it is not replaced"));
        }
        let Some(made_of) = resume else { return Self::within(AtomicDir::create(target)?, layout, false) };
        let documents: Vec<Value> = layout.documents(&[]).into_iter().map(|d| d.1).collect();
        let version = env!("CARGO_PKG_VERSION");
        let about = format!("{version}\n{made_of}\n{:?}\n{}", layout.block, Value::from(documents));
        let partial = AtomicDir::resume(target, &about)?;
        let (notes, file) = partial.notes()?;
        let mut sink = Self::within(partial, layout, false)?;
        let notes = notes.chunks_exact(NOTE).map_while(noted);
        let mut done = HashSet::new();
        for (id, range) in notes {
            sink.widen(id[1] as usize, range);
            done.insert(id);
        }
        // What was noted by halves is written over.
        file.set_len((done.len() * NOTE) as u64).at(target)?;
        sink.done = Some((done, Mutex::new(file)));
        Ok(sink)
    }

    /// The same for labels of which only some blocks will be written; the others are those of the target, whose
    /// files the new folder shares until it takes the target's place. `None` if the target is laid out otherwise.
    pub(super) fn update(target: &Path, layout: Layout) -> Result<Option<Self>> {
        let laid_out = |(name, document): (PathBuf, Value)| {
            let there = fs::read(target.join(name)).ok();
            there.and_then(|there| serde_json::from_slice::<Value>(&there).ok()) == Some(document)
        };
        // The documents of intensities tell of their range, and those are seldom edited.
        if !layout.spec.labels || !layout.documents(&[None]).into_iter().all(laid_out) {
            return Ok(None);
        }
        let partial = AtomicDir::create(target)?;
        share(target, partial.path()).map_err(|e| partial.named(e))?;
        Self::within(partial, layout, true).map(Some)
    }

    fn within(partial: AtomicDir, layout: Layout, shared: bool) -> Result<Self> {
        let target = partial.target();
        let writer = Arc::new(LocalWriter { folder: partial.path().to_owned(), shared });
        let fail = |reason: String| Error::file(target, reason);
        let mut arrays = Vec::new();
        let mut documents = Vec::new();
        for level in 0..layout.levels.len() {
            let document = layout.array_metadata(level);
            let v3 = document.get("zarr_format").and_then(Value::as_u64) == Some(3);
            let metadata = if v3 {
                serde_json::from_value(document.clone()).map(ArrayMetadata::V3)
            } else {
                serde_json::from_value(document.clone()).map(ArrayMetadata::V2)
            };
            let metadata = metadata.map_err(|e| fail(e.to_string()))?;
            let array = Array::new_with_metadata(writer.clone(), &format!("/{level}"), metadata)
                .map_err(|e| fail(e.to_string()))?;
            if !shared {
                let folder = partial.path().join(level.to_string());
                fs::create_dir_all(&folder).at(&folder)?;
                write_json(&partial.path().join(layout.array_document(level)), &document)?;
            }
            arrays.push(array);
            documents.push(document);
        }
        let range = Mutex::new(vec![None; layout.spec.channels.len()]);
        let fresh = shared.then(Mutex::default);
        Ok(Self { layout, arrays, writer, documents, range, fresh, done: None, partial })
    }

    /// Stores a block of a level, whose start is a multiple of the level's grid: a part of a volume.
    fn store(
        &self,
        level: usize,
        frame: Frame,
        start: [usize; 3],
        volume: &Volume,
        part: Region,
    ) -> Result<()> {
        let grid = self.layout.levels[level].grid;
        part.tiles(grid).into_par_iter().try_for_each(|tile| {
            let index = self.index(level, frame, start, tile.relative_to(part.start).start);
            if self.is_raw() {
                return self.store_raw(level, &index, volume, tile, &mut |_| ());
            }
            // The result may not depend on the number of threads, so a chunk is encoded by one.
            let options = CodecOptions::default().with_concurrent_target(1);
            let mut cell = None;
            let bytes = if tile.shape == grid && tile == Region::whole(volume.shape()) {
                volume.as_bytes()
            } else {
                let cell = cell.insert(Volume::zeros(volume.voxel_type(), grid));
                paste(cell, volume, tile);
                cell.as_bytes()
            };
            self.arrays[level]
                .store_chunk_opt(&index, ArrayBytes::new_flen(bytes), &options)
                .map_err(|e| self.unwritten(&index, level, &e))
        })
    }

    /// The index of the cell of a level that has the voxel `inside` of the block at `start`.
    fn index(&self, level: usize, frame: Frame, start: [usize; 3], inside: [usize; 3]) -> Vec<u64> {
        let grid = self.layout.levels[level].grid;
        let cell = std::array::from_fn(|a| ((start[a] + inside[a]) / grid[a]) as u64);
        self.layout.along(frame.time as u64, frame.channel as u64, cell)
    }

    /// Whether voxels are written as they are.
    fn is_raw(&self) -> bool {
        !self.layout.compress && cfg!(target_endian = "little")
    }

    /// Stores a cell of a level so: `tile` of a volume. `passed` is told of each part of the volume when that has just
    /// gone through the processor's cache.
    fn store_raw(
        &self,
        level: usize,
        index: &[u64],
        volume: &Volume,
        tile: Region,
        passed: &mut dyn FnMut(Region),
    ) -> Result<()> {
        let key = self.arrays[level].chunk_key(index);
        let inner = self.layout.sharded.then_some(self.layout.chunk);
        let file = || self.writer.file(&key);
        let stored = match store_raw(volume, tile, self.layout.levels[level].grid, inner, file, passed) {
            Ok(false) => self.writer.remove(&key),
            stored => stored.map(|_| ()),
        };
        stored.map_err(|e| self.unwritten(index, level, &e))
    }

    /// Stores a block of level 0: a part of a volume. Gives what it is in level 1, and its range. Where voxels are written
    /// as they are, it goes through memory once.
    fn store_block(
        &self,
        frame: Frame,
        start: [usize; 3],
        of: &Volume,
        part: Region,
    ) -> Result<(Option<Volume>, Option<(f64, f64)>)> {
        let labels = self.layout.spec.labels;
        let next = self.layout.levels.get(1).map(|next| next.factor);
        let mut coarse = next.map(|factor| {
            let shape = pyramid::coarser(part.shape, factor);
            (factor, Volume::zeros(of.voxel_type(), shape))
        });
        let mut range = None;
        let mut passed = |chunk: Region| {
            range = merge_ranges(range, crate::with_volume!(of, |a| range_of(a, chunk)));
            if let Some((factor, coarse)) = &mut coarse {
                let at = std::array::from_fn(|a| (chunk.start[a] - part.start[a]) / factor[a]);
                pyramid::downsample_into(of, chunk, *factor, labels, coarse, at);
            }
        };
        // What is halved begins at even places.
        let even = (0..3).all(|a| next.is_none_or(|factor| self.layout.chunk[a].is_multiple_of(factor[a])));
        if self.is_raw() && even {
            let grid = self.layout.levels[0].grid;
            for tile in part.tiles(grid) {
                let index = self.index(0, frame, start, tile.relative_to(part.start).start);
                self.store_raw(0, &index, of, tile, &mut passed)?;
            }
        } else {
            passed(part);
            self.store(0, frame, start, of, part)?;
        }
        Ok((coarse.map(|(_, coarse)| coarse), range))
    }

    fn unwritten(&self, index: &[u64], level: usize, why: &dyn std::fmt::Display) -> Error {
        let target = self.partial.target();
        Error::file(target, format!("chunk {index:?} of level {level} cannot be written: {why}"))
    }

    /// Takes values into the range of a channel.
    fn widen(&self, channel: usize, range: Option<(f64, f64)>) {
        let mut all = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = all.get_mut(channel) {
            *all = merge_ranges(*all, range);
        }
    }

    /// All cells of a level; where only some are fresh, those that are coarser ones of `finer`.
    fn cells(&self, level: usize, finer: Option<&[Cell]>) -> Vec<Cell> {
        let this = &self.layout.levels[level];
        let Some(finer) = finer else {
            let frames = (0..self.layout.spec.times)
                .flat_map(|t| (0..self.layout.spec.channels.len()).map(move |c| Frame::new(c, t)));
            let tiles = Region::whole(this.shape).tiles(this.grid);
            return frames.flat_map(|f| tiles.iter().map(move |t| (f, *t))).collect();
        };
        let step: [usize; 3] = std::array::from_fn(|a| this.grid[a] * this.factor[a]);
        let mut found = BTreeMap::new();
        for (frame, region) in finer {
            let first = std::array::from_fn(|a| region.start[a] / step[a]);
            let end: [usize; 3] = std::array::from_fn(|a| region.end()[a].div_ceil(step[a]));
            let cells = Region::new(first, std::array::from_fn(|a| end[a] - first[a]));
            for [z, y, x] in cells.tiles([1; 3]).into_iter().map(|cell| cell.start) {
                let start = [z * this.grid[0], y * this.grid[1], x * this.grid[2]];
                let cell = Region::new(start, this.grid).intersection(&Region::whole(this.shape));
                found.insert((frame.time, frame.channel, start), (*frame, cell));
            }
        }
        found.into_values().collect()
    }

    /// Builds cells of a level from the next finer one.
    fn coarsen(&self, store: &ReadableStorage, level: usize, cells: &[Cell], job: &Job) -> Result<()> {
        let document = self.documents[level - 1].as_object().expect("documents are written as objects");
        let zarr_format = if document["zarr_format"] == 2 { 2 } else { 3 };
        let finer =
            ZarrArray::open(store, self.partial.path(), &(level - 1).to_string(), document, zarr_format)?;
        let (this, below) = (&self.layout.levels[level], self.layout.levels[level - 1].shape);
        let [has_t, has_c] = self.layout.leading();
        let first = usize::from(has_t) + usize::from(has_c);
        cells.par_iter().try_for_each(|&(frame, tile)| {
            job.check()?;
            let slicing = Slicing {
                space: [Some(first), Some(first + 1), Some(first + 2)],
                fixed: self.layout.along(frame.time as u64, frame.channel as u64, [0; 3]),
            };
            let region = pyramid::finer_region(tile, this.factor, below);
            let block =
                pyramid::downsample(&finer.read(&slicing, region)?, this.factor, self.layout.spec.labels);
            self.store(level, frame, tile.start, &block, Region::whole(block.shape()))
        })
    }
}

impl ImageSink for ZarrSink {
    fn block(&self) -> [usize; 3] {
        self.layout.block
    }

    fn any_order(&self) -> bool {
        true
    }

    fn write(&self, frame: Frame, start: [usize; 3], block: &Volume) -> Result<()> {
        self.write_part(frame, start, block, Region::whole(block.shape()))
    }

    fn write_part(&self, frame: Frame, start: [usize; 3], of: &Volume, part: Region) -> Result<()> {
        let spec = &self.layout.spec;
        let size = self.layout.block;
        let expected: [usize; 3] =
            std::array::from_fn(|a| size[a].min(spec.shape[a].saturating_sub(start[a])));
        let aligned = (0..3).all(|a| start[a].is_multiple_of(size[a]));
        if !aligned
            || part.shape != expected
            || frame.channel >= spec.channels.len()
            || frame.time >= spec.times
        {
            return Err(Error::Usage(format!(
                "a block of shape {:?} at {start:?} of {frame:?} is not one of the blocks of shape {size:?} of this image",
                part.shape
            )));
        }
        if of.voxel_type() != spec.voxel {
            return Err(Error::Usage(format!(
                "a block of {} for an image of {}",
                of.voxel_type(),
                spec.voxel
            )));
        }
        if let Some(fresh) = &self.fresh {
            let cell = (frame, Region::new(start, part.shape));
            fresh.lock().unwrap_or_else(PoisonError::into_inner).push(cell);
        }
        let (coarse, range) = self.store_block(frame, start, of, part)?;
        self.widen(frame.channel, range);
        if let (Some(coarse), Some(next)) = (coarse, self.layout.levels.get(1)) {
            let start = std::array::from_fn(|a| start[a] / next.factor[a]);
            self.store(1, frame, start, &coarse, Region::whole(coarse.shape()))?;
        }
        if let Some((_, notes)) = &self.done {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.write_all(&note(id_of(frame, start), range)).at(self.partial.target())?;
        }
        Ok(())
    }

    fn is_written(&self, frame: Frame, start: [usize; 3]) -> bool {
        self.done.as_ref().is_some_and(|(done, _)| done.contains(&id_of(frame, start)))
    }

    fn finish(self: Box<Self>, job: &Job) -> Result<()> {
        let mut fresh = self.fresh.as_ref().map(|f| f.lock().unwrap_or_else(PoisonError::into_inner).clone());
        if self.layout.levels.len() > 2 {
            let store = local(self.partial.path())?;
            for level in 1..self.layout.levels.len() {
                let cells = self.cells(level, fresh.as_deref());
                // Those of the first came with their blocks.
                if level > 1 {
                    self.coarsen(&store, level, &cells, job)?;
                }
                fresh = fresh.map(|_| cells);
            }
        }
        if self.fresh.is_none() {
            let range = self.range.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (name, document) in self.layout.group_metadata(&range) {
                write_json(&self.partial.path().join(name), &document)?;
            }
        }
        self.partial.commit()
    }
}

/// Gives a folder the files of another one: as links where the disk has such, else as copies.
fn share(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).at(from)? {
        let entry = entry.at(from)?;
        let (path, there) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().at(&path)?.is_dir() {
            fs::create_dir(&there).at(&there)?;
            share(&path, &there)?;
        } else if fs::hard_link(&path, &there).is_err() {
            fs::copy(&path, &there).at(&there)?;
        }
    }
    Ok(())
}

fn write_json(path: &Path, document: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(document).map_err(|e| Error::file(path, e.to_string()))?;
    text.push('\n');
    fs::write(path, text).at(path)
}

/// Stores a cell without compression, its voxels as they are: `tile` of a volume, and 0 beyond it up to the shape `grid`.
/// In a shard, chunks of the shape `inner` follow one another, those of zeros left out, and then an index of where they
/// lie (Zarr v3, codec `sharding_indexed`). One of them is in memory at a time, after which `passed` is told of it. If all
/// is 0 there is no file, and this gives false.
fn store_raw(
    volume: &Volume,
    tile: Region,
    grid: [usize; 3],
    inner: Option<[usize; 3]>,
    file: impl Fn() -> std::io::Result<File>,
    passed: &mut dyn FnMut(Region),
) -> std::io::Result<bool> {
    let size = volume.voxel_type().size();
    let (source, [_, ny, nx]) = (volume.as_bytes(), volume.shape());
    let chunk = inner.unwrap_or(grid);
    let mut to = None;
    let (mut begin, mut index) = (0u64, Vec::new());
    let mut bytes = Vec::with_capacity(chunk.iter().product::<usize>() * size);
    for chunk in Region::whole(grid).tiles(chunk) {
        bytes.clear();
        let there = chunk.intersection(&Region::whole(tile.shape));
        let [cz, cy, cx] = chunk.shape;
        for z in 0..cz {
            for y in 0..cy {
                let row = bytes.len();
                if z < there.shape[0] && y < there.shape[1] && !there.is_empty() {
                    let at: [usize; 3] =
                        std::array::from_fn(|a| [z, y, 0][a] + there.start[a] + tile.start[a]);
                    let at = ((at[0] * ny + at[1]) * nx + at[2]) * size;
                    bytes.extend_from_slice(&source[at..at + there.shape[2] * size]);
                }
                bytes.resize(row + cx * size, 0);
            }
        }
        if !there.is_empty() {
            passed(Region::new(std::array::from_fn(|a| there.start[a] + tile.start[a]), there.shape));
        }
        let is_stored = bytes.iter().any(|b| *b != 0);
        let entry = if is_stored { [begin, bytes.len() as u64] } else { [u64::MAX; 2] };
        index.extend(entry.into_iter().flat_map(u64::to_le_bytes));
        if is_stored {
            if to.is_none() {
                to = Some(file()?);
            }
            to.iter_mut().try_for_each(|to| to.write_all(&bytes))?;
            begin += bytes.len() as u64;
        }
    }
    let Some(mut to) = to else { return Ok(false) };
    if inner.is_some() {
        index.extend(crc32c(&index).to_le_bytes());
        to.write_all(&index)?;
    }
    write_behind(&to);
    Ok(true)
}

/// Has the system begin to write a file to the disk, so that this goes on beside what follows.
fn write_behind(file: &File) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        // SAFETY: the file is open. If it can't be done, the system writes later.
        unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }
    let _ = file;
}

/// Copies a tile of `block` to the start of `cell`.
fn paste(cell: &mut Volume, block: &Volume, tile: Region) {
    fn typed<T: Voxel>(cell: &mut Volume, block: &ndarray::Array3<T>, tile: Region) {
        let [z, y, x] = tile.ranges();
        if let Some(mut cell) = cell.view_mut::<T>() {
            cell.slice_mut(ndarray::s![..tile.shape[0], ..tile.shape[1], ..tile.shape[2]])
                .assign(&block.slice(ndarray::s![z, y, x]));
        }
    }
    crate::with_volume!(block, |a| typed(cell, a, tile));
}

/// The smallest and largest value of a part of an array, NaN apart.
fn range_of<T: Voxel>(array: &ndarray::Array3<T>, part: Region) -> Option<(f64, f64)> {
    let [z, y, x] = part.ranges();
    let part = array.slice(ndarray::s![z, y, x]);
    let rows = || part.rows().into_iter().map(|row| row.to_slice().expect("rows are dense"));
    let first = *rows().flatten().find(|v| !v.is_nan())?;
    // NaN is neither smaller nor larger.
    let (low, high) = rows().flatten().fold((first, first), |(low, high), &v| {
        (if v < low { v } else { low }, if v > high { v } else { high })
    });
    Some((low.to_f64(), high.to_f64()))
}
