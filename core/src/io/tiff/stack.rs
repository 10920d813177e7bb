//! A stack of pages as an image: reading regions of it.

use super::codec::decompress;
use super::ifd::{Dialect, read_chain};
use super::input::Input;
use super::page::Page;
use super::samples::{pick, swap, to_voxels};
use crate::io::{Frame, ImageInfo, ImageSource};
use crate::{Error, Region, Result, Volume, VoxelType};
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes that one task reads of a page that needs no decoding.
const PLAIN_BAND: usize = 1 << 20;

/// One file with its pages.
#[derive(Debug)]
pub(super) struct TiffFile {
    pub input: Input,
    pub dialect: Dialect,
    pub pages: Vec<Page>,
    /// Pages that could not be understood, and a damaged chain, one sentence each.
    pub damage: Vec<String>,
}

impl TiffFile {
    /// Reads all directories of a file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let input = Input::open(path)?;
        let (dialect, directories, damage) = read_chain(&input)?;
        let mut damage: Vec<String> = damage.into_iter().collect();
        let mut pages = Vec::with_capacity(directories.len());
        let mut first_error = None;
        for (index, ifd) in directories.into_iter().enumerate() {
            match Page::parse(&input, dialect, ifd) {
                Ok(page) => pages.push(page),
                Err(Error::File { path, reason }) => {
                    damage.push(format!("page {} is left out: {reason}", index + 1));
                    first_error.get_or_insert(Error::File { path, reason });
                }
                Err(error) => return Err(error),
            }
        }
        match first_error {
            Some(error) if pages.is_empty() => Err(error),
            _ => Ok(Self { input, dialect, pages, damage }),
        }
    }
}

impl TiffFile {
    /// The first page that is not a reduced copy.
    pub(super) fn main_page(&self) -> &Page {
        self.pages.iter().find(|p| !p.reduced).unwrap_or(&self.pages[0])
    }
}

/// Where one plane of the image lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub file: usize,
    pub page: usize,
    /// Bytes after the page's own first plane, where one page stands for many contiguous ones.
    pub shift: u64,
}

/// An image made of pages.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) info: ImageInfo,
    pub(super) files: Vec<TiffFile>,
    /// For each level, planes by `[time][channel of pages][z]`; none where the file has none (read as zeros).
    pub(super) planes: Vec<Vec<Option<Plane>>>,
    /// Samples of a pixel, each a channel of the image.
    pub(super) samples: usize,
    /// Type of the stored numbers.
    pub(super) stored: VoxelType,
}

/// A page ready to be read.
struct Reader<'a> {
    input: Input,
    page: &'a Page,
    number: usize,
    big_endian: bool,
    shift: u64,
    chunks: Vec<(u64, u64)>,
    tables: Option<Vec<u8>>,
}

impl ImageSource for Stack {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let depth = self.info.shape()[0];
        self.check(frame, region)?;
        let size = self.stored.size();
        let plane_bytes = region.shape[1] * region.shape[2] * size;
        let mut volume = zeros(self.stored, region)?;
        if region.is_empty() {
            return Ok(Volume::zeros(self.info.voxel, region.shape));
        }
        let page_channels = self.info.channels.len() / self.samples;
        let (channel, sample) = (frame.channel / self.samples, frame.channel % self.samples);
        let first = (frame.time * page_channels + channel) * depth + region.start[0];
        let planes = &self.planes[frame.level];
        volume.as_bytes_mut().par_chunks_mut(plane_bytes).enumerate().try_for_each(
            |(z, out)| match planes[first + z] {
                Some(plane) => self.reader(plane)?.read(sample, region, size, out),
                None => Ok(()),
            },
        )?;
        Ok(match &self.info.calibration {
            Some(calibration) => calibration.apply(&volume),
            None => volume,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.input.path().to_owned()).collect()
    }
}

/// A volume of zeros, or an error where the memory is not to be had.
pub(crate) fn zeros(voxel: VoxelType, region: Region) -> Result<Volume> {
    let size = voxel.size();
    let bytes = region.shape.iter().try_fold(size, |n, &s| n.checked_mul(s));
    let enough = bytes.is_some_and(crate::memory::is_to_be_had);
    if !enough {
        let [z, y, x] = region.shape;
        return Err(Error::Memory(format!("a region of {x}×{y}×{z} voxels of {size} bytes")));
    }
    Ok(Volume::zeros(voxel, region.shape))
}

/// Whether a frame and region lie in the image.
pub(crate) fn check_bounds(info: &ImageInfo, path: &Path, frame: Frame, region: Region) -> Result<()> {
    let Some(level) = info.levels.get(frame.level) else {
        return Err(Error::file(path, format!("has no level {}", frame.level)));
    };
    if frame.channel >= info.channels.len() || frame.time >= info.times {
        return Err(Error::file(
            path,
            format!(
                "has no channel {} at time {}: {} channels, {} times",
                frame.channel,
                frame.time,
                info.channels.len(),
                info.times
            ),
        ));
    }
    let inside =
        (0..3).all(|a| region.start[a].checked_add(region.shape[a]).is_some_and(|end| end <= level.shape[a]));
    if inside {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!(
            "the region from {:?} of {:?} voxels is outside the image of {:?} [z, y, x]",
            region.start, region.shape, level.shape
        ),
    ))
}

impl Stack {
    fn check(&self, frame: Frame, region: Region) -> Result<()> {
        check_bounds(&self.info, self.files[0].input.path(), frame, region)
    }

    fn reader(&self, plane: Plane) -> Result<Reader<'_>> {
        let file = &self.files[plane.file];
        let page = &file.pages[plane.page];
        let input = file.input.opened()?;
        let chunks = page.chunks(&input, file.dialect)?;
        let tables = page.ifd.get(347).map(|e| e.bytes(&input, file.dialect)).transpose()?;
        Ok(Reader {
            input,
            page,
            number: plane.page + 1,
            big_endian: file.dialect.big_endian,
            shift: plane.shift,
            chunks,
            tables,
        })
    }
}

impl Reader<'_> {
    /// Reads one sample of the rows and columns of `region` into `out`.
    fn read(&self, sample: usize, region: Region, size: usize, out: &mut [u8]) -> Result<()> {
        let [_, rows, columns] = region.ranges();
        let out_row = columns.len() * size;
        if self.page.is_plain() && !self.page.tiled {
            let segments = self.segments(sample)?;
            let band = (PLAIN_BAND / out_row.max(1)).max(1);
            return out.par_chunks_mut(band * out_row).enumerate().try_for_each(|(i, out)| {
                let start = rows.start + i * band;
                self.read_plain(&segments, sample, start..start + out.len() / out_row, &columns, size, out)
            });
        }
        let height = self.page.chunk[1];
        let mut bands = Vec::new();
        let mut rest = out;
        for index in rows.start / height..rows.end.div_ceil(height) {
            let start = rows.start.max(index * height);
            let end = rows.end.min((index + 1) * height);
            let (band, after) = rest.split_at_mut((end - start) * out_row);
            bands.push((index, start..end, band));
            rest = after;
        }
        bands
            .into_par_iter()
            .try_for_each(|(index, rows, out)| self.read_chunks(index, sample, rows, &columns, size, out))
    }

    /// Runs of rows that lie one after the other in the file: first row, number of rows, offset.
    fn segments(&self, sample: usize) -> Result<Vec<(usize, usize, u64)>> {
        let page = self.page;
        let row_bytes = page.row_bytes().unwrap_or(u64::MAX);
        let count = page.grid()[1];
        let first = if page.planar { sample * count } else { 0 };
        let mut segments: Vec<(usize, usize, u64)> = Vec::new();
        for index in 0..count {
            let (offset, length) = self.chunks[first + index];
            let rows = page.rows_of(index);
            if length < rows as u64 * row_bytes && (offset, length) != (0, 0) {
                let reason =
                    format!("uncompressed data ends after {length} of {} bytes", rows as u64 * row_bytes);
                return Err(self.error(first + index, &reason));
            }
            match segments.last_mut() {
                Some((_, n, start)) if *start != 0 && *start + *n as u64 * row_bytes == offset => *n += rows,
                _ => segments.push((index * page.chunk[1], rows, offset)),
            }
        }
        Ok(segments)
    }

    fn read_plain(
        &self,
        segments: &[(usize, usize, u64)],
        sample: usize,
        rows: Range<usize>,
        columns: &Range<usize>,
        size: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let page = self.page;
        let samples = page.samples_in_chunk();
        let sample = if page.planar { 0 } else { sample };
        let row_bytes = page.width * samples * size;
        let out_row = columns.len() * size;
        let swaps = self.big_endian != cfg!(target_endian = "big");
        let first = segments.partition_point(|&(row, n, _)| row + n <= rows.start);
        for &(row, count, offset) in &segments[first..] {
            if row >= rows.end {
                break;
            }
            if offset == 0 {
                continue;
            }
            let (from, to) = (rows.start.max(row), rows.end.min(row + count));
            let offset = offset.saturating_add(self.shift).saturating_add(((from - row) * row_bytes) as u64);
            let target = &mut out[(from - rows.start) * out_row..(to - rows.start) * out_row];
            if samples == 1 && out_row == row_bytes {
                self.input.read_at(offset, target)?;
                if swaps {
                    swap(target, size);
                }
                continue;
            }
            let skip = (columns.start * samples * size) as u64;
            let mut line = vec![0; out_row * samples];
            for (y, target) in target.chunks_exact_mut(out_row).enumerate() {
                self.input.read_at(offset + skip + (y * row_bytes) as u64, &mut line)?;
                if swaps {
                    swap(&mut line, size);
                }
                pick(&line, samples, sample, size, target);
            }
        }
        Ok(())
    }

    /// Decodes the chunks of one row of chunks as far as they meet the region.
    fn read_chunks(
        &self,
        index: usize,
        sample: usize,
        rows: Range<usize>,
        columns: &Range<usize>,
        size: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let page = self.page;
        let [chunk_width, chunk_height] = page.chunk;
        let [across, down] = page.grid();
        let samples = page.samples_in_chunk();
        let (layer, sample) = if page.planar { (sample, 0) } else { (0, sample) };
        let out_row = columns.len() * size;
        for column in columns.start / chunk_width..columns.end.div_ceil(chunk_width) {
            let number = (layer * down + index) * across + column;
            let (offset, length) = self.chunks[number];
            if offset == 0 && length == 0 {
                continue;
            }
            let count = page.rows_of(index);
            let raw = self.input.bytes(offset.saturating_add(self.shift), length)?;
            let bytes =
                decompress(page, raw, count, self.tables.as_deref()).map_err(|r| self.error(number, &r))?;
            let voxels = to_voxels(page, bytes, count, self.big_endian);
            let stride = chunk_width * samples * size;
            let from = columns.start.max(column * chunk_width);
            let to = columns.end.min((column + 1) * chunk_width);
            for y in rows.clone() {
                let line = &voxels[(y - index * chunk_height) * stride..][..stride];
                let line = &line[(from - column * chunk_width) * samples * size..];
                let target = &mut out[(y - rows.start) * out_row..][..out_row];
                let target = &mut target[(from - columns.start) * size..(to - columns.start) * size];
                pick(&line[..(to - from) * samples * size], samples, sample, size, target);
            }
        }
        Ok(())
    }

    fn error(&self, chunk: usize, reason: &str) -> Error {
        let what = if self.page.tiled { "tile" } else { "strip" };
        Error::file(self.input.path(), format!("page {}, {what} {}: {reason}", self.number, chunk + 1))
    }
}
