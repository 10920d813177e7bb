//! PNG slices. Values are as stored: neither palettes nor gamma are applied, and 1, 2 and 4 bits
//! are not stretched to 8.

use super::check_alike;
use crate::error::PathContext;
use crate::io::steady::{Stamp, changed};
use crate::io::tiff::stack::{check_bounds, zeros};
use crate::io::{Channel, Frame, ImageInfo, ImageSource};
use crate::{Error, Geometry, Region, Result, Volume, VoxelType};
use png::{BitDepth, ColorType, Decoder, Transformations};
use rayon::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Whether a file that begins so is a PNG.
pub(super) fn is_png(head: &[u8]) -> bool {
    head.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// What slices must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PixelLayout {
    width: usize,
    height: usize,
    color: ColorType,
    bits: BitDepth,
}

impl PixelLayout {
    fn describe(&self) -> String {
        format!("{}×{} pixels, {:?}, {} bits", self.width, self.height, self.color, self.bits as u8)
    }
}

/// Slices in order.
#[derive(Debug)]
pub(super) struct Slices {
    info: ImageInfo,
    slices: Vec<(PathBuf, Stamp)>,
}

type Reader = png::Reader<BufReader<File>>;

fn damaged(path: &Path, error: &png::DecodingError) -> Error {
    Error::file(path, format!("the PNG is damaged: {error}"))
}

fn start(path: &Path) -> Result<(Reader, PixelLayout, Stamp)> {
    let file = File::open(path).at(path)?;
    let about = file.metadata().at(path)?;
    let (length, stamp) = (about.len(), Stamp::of(&about));
    let mut decoder = Decoder::new(BufReader::new(file));
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let reader = decoder.read_info().map_err(|e| damaged(path, &e))?;
    let info = reader.info();
    let kind = PixelLayout {
        width: info.width as usize,
        height: info.height as usize,
        color: info.color_type,
        bits: info.bit_depth,
    };
    let row = (u64::from(info.width) * info.color_type.samples() as u64 * info.bit_depth as u64).div_ceil(8);
    // Deflate makes at most 1032 bytes out of one.
    if row.saturating_mul(u64::from(info.height)) > length.saturating_mul(1040) {
        return Err(Error::file(
            path,
            format!("{}×{} pixels cannot be in a file of {length} bytes", info.width, info.height),
        ));
    }
    Ok((reader, kind, stamp))
}

impl Slices {
    pub(super) fn open(paths: Vec<PathBuf>, adjust: impl FnOnce(&mut ImageInfo)) -> Result<Self> {
        let started: Vec<(PixelLayout, Stamp)> = paths
            .par_iter()
            .map(|path| start(path).map(|(_, kind, stamp)| (kind, stamp)))
            .collect::<Result<_>>()?;
        let kinds: Vec<_> = paths.iter().cloned().zip(started.iter().map(|s| s.0)).collect();
        check_alike(&kinds, PixelLayout::describe)?;
        let kind = kinds[0].1;
        let voxel = if kind.bits == BitDepth::Sixteen { VoxelType::U16 } else { VoxelType::U8 };
        let shape = [paths.len(), kind.height, kind.width];
        let mut info =
            ImageInfo::simple("slices", shape, [1, kind.height, kind.width], voxel, Geometry::default());
        let names: &[&str] = match kind.color {
            ColorType::Grayscale | ColorType::Indexed => &[""],
            ColorType::GrayscaleAlpha => &["grey", "alpha"],
            ColorType::Rgb => &["red", "green", "blue"],
            ColorType::Rgba => &["red", "green", "blue", "alpha"],
        };
        let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        info.channels = (0..names.len())
            .map(|i| Channel {
                name: names[i].to_owned(),
                color: colors.get(i).copied().filter(|_| names.len() >= 3),
            })
            .collect();
        if kind.color == ColorType::Indexed {
            info.notes
                .push("the values are indices into the file's palette; the palette is not applied".into());
        }
        adjust(&mut info);
        let slices = paths.into_iter().zip(started.into_iter().map(|s| s.1)).collect();
        Ok(Self { info, slices })
    }

    /// Reads rows and columns of one slice.
    fn read_slice(
        &self,
        (path, stamp): &(PathBuf, Stamp),
        channel: usize,
        region: Region,
        out: &mut [u8],
    ) -> Result<()> {
        let (mut reader, kind, now) = start(path)?;
        if now != *stamp {
            return Err(changed(path));
        }
        let [_, rows, columns] = region.ranges();
        let size = self.info.voxel.size();
        let out_row = columns.len() * size;
        let samples = kind.color.samples();
        let place = |line: &[u8], out: &mut [u8]| {
            for (i, out) in out.chunks_exact_mut(size).enumerate() {
                let value = (columns.start + i) * samples + channel;
                match kind.bits {
                    BitDepth::Sixteen => {
                        let v = u16::from_be_bytes([line[2 * value], line[2 * value + 1]]);
                        out.copy_from_slice(&v.to_ne_bytes());
                    }
                    BitDepth::Eight => out[0] = line[value],
                    bits => {
                        let bits = bits as usize;
                        let at = value * bits;
                        out[0] = line[at / 8] >> (8 - bits - at % 8) & ((1 << bits) - 1);
                    }
                }
            }
        };
        if reader.info().interlaced {
            let size = reader.output_buffer_size().ok_or_else(|| Error::file(path, "is too large"))?;
            if !crate::memory::is_to_be_had(size) {
                return Err(Error::Memory(format!("an interlaced slice of {size} bytes")));
            }
            let mut frame = vec![0; size];
            let output = reader.next_frame(&mut frame).map_err(|e| damaged(path, &e))?;
            for (y, out) in rows.zip(out.chunks_exact_mut(out_row)) {
                place(&frame[y * output.line_size..][..output.line_size], out);
            }
            return Ok(());
        }
        for y in 0..rows.end {
            let row = reader.next_row().map_err(|e| damaged(path, &e))?;
            let Some(row) = row else {
                return Err(Error::file(path, format!("the PNG ends after {y} of {} rows", kind.height)));
            };
            if y >= rows.start {
                place(row.data(), &mut out[(y - rows.start) * out_row..][..out_row]);
            }
        }
        Ok(())
    }
}

impl ImageSource for Slices {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        check_bounds(&self.info, &self.slices[0].0, frame, region)?;
        let mut volume = zeros(self.info.voxel, region)?;
        if region.is_empty() {
            return Ok(volume);
        }
        let plane = region.shape[1] * region.shape[2] * self.info.voxel.size();
        let slices = &self.slices[region.start[0]..region.end()[0]];
        volume
            .as_bytes_mut()
            .par_chunks_mut(plane)
            .zip(slices)
            .try_for_each(|(out, slice)| self.read_slice(slice, frame.channel, region, out))?;
        Ok(volume)
    }

    fn files(&self) -> Vec<PathBuf> {
        self.slices.iter().map(|slice| slice.0.clone()).collect()
    }
}
