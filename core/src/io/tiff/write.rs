//! Writing stacks, slab by slab, in constant memory.
//!
//! Voxels come first and the directories last, so that nothing has to be known before it is there.
//! Uncompressed pages lie one after the other in the order of the chain, as ImageJ expects them.

use super::description::Style;
use super::directory::Directories;
use crate::error::PathContext;
use crate::io::atomic::AtomicFile;
use crate::io::{Frame, ImageSink, ImageSpec, WriteOptions};
use crate::{Error, Job, Result, Volume, VoxelType};
use rayon::prelude::*;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes of a slab to deliver at once.
const SLAB: usize = 32 << 20;
/// Bytes of a strip to compress at once.
const STRIP: usize = 256 << 10;
/// From this size on, offsets of 32 bits might not do; directories need room below 4 GiB too.
const CLASSIC_LIMIT: u64 = (1 << 32) - (128 << 20);
const HEADER: u64 = 16;

/// A stack being written.
#[derive(Debug)]
pub(super) struct TiffSink {
    spec: ImageSpec,
    style: Style,
    compress: bool,
    predictor: u16,
    wide: bool,
    rows_per_strip: usize,
    block: [usize; 3],
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: AtomicFile,
    /// One past the last byte written.
    end: u64,
    /// Offset and length of each strip of each page, in the order of the chain; length 0: not yet.
    strips: Vec<(u64, u64)>,
}

impl TiffSink {
    pub(super) fn create(path: &Path, spec: &ImageSpec, options: &WriteOptions, ome: bool) -> Result<Self> {
        let [depth, height, width] = spec.shape;
        let style = Style::of(spec.voxel, ome);
        if ome && style == Style::Json {
            return Err(Error::file(
                path,
                format!("OME-TIFF has no voxel type {}; cast it, or write .tif", spec.voxel),
            ));
        }
        if spec.shape.contains(&0) || spec.times == 0 || spec.channels.is_empty() {
            return Err(Error::file(
                path,
                format!("TIFF cannot hold an image of {width}×{height}×{depth} voxels"),
            ));
        }
        if width.max(height) as u64 > u64::from(u32::MAX) {
            return Err(Error::file(path, format!("a TIFF page cannot have {width}×{height} pixels")));
        }
        let row = width * spec.voxel.size();
        let pages = depth
            .checked_mul(spec.times)
            .and_then(|n| n.checked_mul(spec.channels.len()))
            .ok_or_else(|| Error::file(path, "too many pages to count"))?;
        let total = (row as u64).checked_mul(height as u64).and_then(|n| n.checked_mul(pages as u64));
        let total = total.ok_or_else(|| Error::file(path, "too many voxels to count"))?;
        // One strip a page keeps uncompressed voxels in one piece, as ImageJ wants them.
        let rows_per_strip = if options.compress { (STRIP / row).clamp(1, height) } else { height };
        let block = if row * height > 2 * SLAB {
            let strips = (SLAB / (row * rows_per_strip.min((SLAB / row).max(1)))).max(1);
            let rows = if options.compress { strips * rows_per_strip } else { (SLAB / row).max(1) };
            [1, rows.min(height), width]
        } else {
            [(SLAB / (row * height)).clamp(1, depth), height, width]
        };
        let predictor = match (options.compress, spec.voxel, style) {
            (false, ..) => 1,
            (_, VoxelType::F32 | VoxelType::F64, Style::Ome) => 3,
            // ImageJ does not undo differences of floats.
            (_, VoxelType::F32 | VoxelType::F64, _) => 1,
            _ => 2,
        };
        let file = AtomicFile::create(path)?;
        let strips = pages * height.div_ceil(rows_per_strip);
        Ok(Self {
            spec: spec.clone(),
            style,
            compress: options.compress,
            predictor,
            wide: total + (pages as u64) * 512 >= CLASSIC_LIMIT,
            rows_per_strip,
            block,
            path: path.to_owned(),
            state: Mutex::new(State { file, end: HEADER, strips: vec![(0, 0); strips] }),
        })
    }

    fn strips_per_page(&self) -> usize {
        self.spec.shape[1].div_ceil(self.rows_per_strip)
    }

    fn row_bytes(&self) -> usize {
        self.spec.shape[2] * self.spec.voxel.size()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes rows `first_row ..` of a page where they belong.
    fn write_plain(&self, page: usize, first_row: usize, bytes: &[u8]) -> Result<()> {
        let page_bytes = (self.row_bytes() * self.spec.shape[1]) as u64;
        let start = HEADER + page as u64 * page_bytes;
        let offset = start + (first_row * self.row_bytes()) as u64;
        let mut state = self.locked();
        put(&mut state.file, offset, &self.path, bytes)?;
        state.end = state.end.max(offset + bytes.len() as u64);
        let (at, length) = &mut state.strips[page];
        *at = start;
        *length += bytes.len() as u64;
        Ok(())
    }

    /// Appends compressed strips of a page, from strip `first` on.
    fn write_strips(&self, page: usize, first: usize, strips: &[Vec<u8>]) -> Result<()> {
        let mut state = self.locked();
        for (i, strip) in strips.iter().enumerate() {
            let offset = state.end;
            put(&mut state.file, offset, &self.path, strip)?;
            state.end += strip.len() as u64;
            let at = page * self.strips_per_page() + first + i;
            state.strips[at] = (offset, strip.len() as u64);
        }
        Ok(())
    }
}

fn put(file: &mut AtomicFile, offset: u64, path: &Path, bytes: &[u8]) -> Result<()> {
    file.seek(SeekFrom::Start(offset)).at(path)?;
    file.write_all(bytes).at(path)
}

/// The bytes as the file holds them: little-endian.
fn little_endian(bytes: &[u8], size: usize) -> std::borrow::Cow<'_, [u8]> {
    if cfg!(target_endian = "little") || size == 1 {
        return bytes.into();
    }
    let mut bytes = bytes.to_vec();
    super::samples::swap(&mut bytes, size);
    bytes.into()
}

impl ImageSink for TiffSink {
    fn block(&self) -> [usize; 3] {
        self.block
    }

    fn write(&self, frame: Frame, start: [usize; 3], block: &Volume) -> Result<()> {
        let [depth, rows, columns] = block.shape();
        let [_, height, width] = self.spec.shape;
        let aligned = start[1].is_multiple_of(self.rows_per_strip) || !self.compress;
        let fits = start[0] + depth <= self.spec.shape[0] && start[1] + rows <= height;
        let known =
            frame.level == 0 && frame.channel < self.spec.channels.len() && frame.time < self.spec.times;
        if columns != width
            || start[2] != 0
            || !aligned
            || !fits
            || !known
            || block.voxel_type() != self.spec.voxel
        {
            return Err(Error::file(
                &self.path,
                format!(
                    "a block of {:?} {} at {start:?} is not one that was asked for",
                    block.shape(),
                    block.voxel_type()
                ),
            ));
        }
        let plane = rows * self.row_bytes();
        let size = self.spec.voxel.size();
        for (z, bytes) in block.as_bytes().chunks_exact(plane).enumerate() {
            let page = self.style.page(&self.spec, frame.time, frame.channel, start[0] + z);
            if self.compress {
                let strips: Vec<Vec<u8>> = bytes
                    .par_chunks(self.rows_per_strip * self.row_bytes())
                    .map(|strip| compress(strip, self.row_bytes(), size, self.predictor))
                    .collect::<std::io::Result<_>>()
                    .at(&self.path)?;
                self.write_strips(page, start[1] / self.rows_per_strip, &strips)?;
            } else {
                self.write_plain(page, start[1], &little_endian(bytes, size))?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, job: &Job) -> Result<()> {
        job.check()?;
        let per_page = self.strips_per_page();
        let whole = (self.row_bytes() * self.spec.shape[1]) as u64;
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = state.strips.iter().filter(|s| s.1 == 0 || (!self.compress && s.1 != whole)).count();
        if missing > 0 {
            return Err(Error::file(
                &self.path,
                format!("{missing} of {} strips were never written", state.strips.len()),
            ));
        }
        let directories = Directories {
            spec: &self.spec,
            wide: self.wide,
            compress: self.compress,
            predictor: self.predictor,
            rows_per_strip: self.rows_per_strip,
            style: self.style,
        };
        let mut file = state.file;
        let first = state.end.next_multiple_of(16);
        file.seek(SeekFrom::Start(first)).at(&self.path)?;
        let mut at = first;
        let mut buffer = std::io::BufWriter::with_capacity(1 << 20, &mut file);
        let pages = state.strips.len() / per_page;
        for (page, strips) in state.strips.chunks_exact(per_page).enumerate() {
            let directory = directories.encode(page == 0, page + 1 == pages, at, strips);
            buffer.write_all(&directory).at(&self.path)?;
            at += directory.len() as u64;
        }
        buffer.flush().at(&self.path)?;
        drop(buffer);
        if !self.wide && at > u64::from(u32::MAX) {
            return Err(Error::file(&self.path, "has grown beyond what a classic TIFF can hold"));
        }
        let mut header = Vec::with_capacity(HEADER as usize);
        if self.wide {
            header.extend_from_slice(b"II+\0\x08\0\0\0");
            header.extend_from_slice(&first.to_le_bytes());
        } else {
            header.extend_from_slice(b"II*\0");
            header.extend_from_slice(&(first as u32).to_le_bytes());
            header.resize(HEADER as usize, 0);
        }
        put(&mut file, 0, &self.path, &header)?;
        file.commit()
    }
}

/// Deflate, after differences along each row.
fn compress(strip: &[u8], row: usize, size: usize, predictor: u16) -> std::io::Result<Vec<u8>> {
    let mut bytes = little_endian(strip, size).into_owned();
    match predictor {
        2 => bytes.chunks_exact_mut(row).for_each(|row| difference(row, size)),
        3 => bytes.chunks_exact_mut(row).for_each(|row| difference_floats(row, size)),
        _ => {}
    }
    let mut encoder =
        flate2::write::ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), flate2::Compression::new(4));
    encoder.write_all(&bytes)?;
    encoder.finish()
}

/// Replaces each value but the first by its difference from the one before (predictor 2).
fn difference(row: &mut [u8], size: usize) {
    macro_rules! each {
        ($t:ty) => {{
            let values = row.as_chunks_mut::<{ size_of::<$t>() }>().0;
            for i in (1..values.len()).rev() {
                let difference =
                    <$t>::from_le_bytes(values[i]).wrapping_sub(<$t>::from_le_bytes(values[i - 1]));
                values[i] = difference.to_le_bytes();
            }
        }};
    }
    match size {
        1 => each!(u8),
        2 => each!(u16),
        4 => each!(u32),
        _ => each!(u64),
    }
}

/// All first (most significant) bytes of a row, then all second bytes, …, as differences
/// (predictor 3).
fn difference_floats(row: &mut [u8], size: usize) {
    let values = row.len() / size;
    let planes: Vec<u8> = (0..size)
        .flat_map(|byte| (0..values).map(move |i| (i, byte)))
        .map(|(i, byte)| row[i * size + size - 1 - byte])
        .collect();
    row.copy_from_slice(&planes);
    for i in (1..row.len()).rev() {
        row[i] = row[i].wrapping_sub(row[i - 1]);
    }
}
