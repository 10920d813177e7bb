//! One page: what its directory says of the samples and where they lie, checked for sense.

use super::ifd::{Dialect, Ifd, name};
use super::input::Input;
use crate::{Error, Result, VoxelType};

/// How the chunks (strips or tiles) of a page are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Compression {
    None,
    Rle,
    Fax3,
    Fax4,
    Lzw,
    OldJpeg,
    Jpeg,
    Deflate,
    PackBits,
    Lzma,
    Zstd,
    WebP,
}

impl Compression {
    /// The most bytes that one compressed byte can become: what a header promises beyond
    /// that is a lie. `row` is the number of bytes in one row, for codes that can repeat a row.
    fn expansion(self, row: u64) -> u64 {
        match self {
            Self::None => 1,
            Self::PackBits => 64,
            // One bit repeats a row in Group 4; a run of 2560 pixels takes 12 bits in Group 3.
            Self::Fax4 | Self::Fax3 | Self::Rle => row.saturating_mul(8).clamp(256, 1 << 16),
            // A code of 12 bits stands for at most 4096 bytes.
            Self::Lzw | Self::OldJpeg | Self::Jpeg => 4096,
            Self::Deflate => 1040,
            Self::Lzma | Self::WebP | Self::Zstd => 1 << 16,
        }
    }
}

/// What a sample is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SampleFormat {
    Uint,
    Int,
    Float,
    ComplexInt,
    ComplexFloat,
}

/// Width, height, samples, bits and format.
pub(super) type Kind = (usize, usize, usize, u16, SampleFormat);

/// One page of a file.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // They are the header's own independent flags.
pub(super) struct Page {
    pub ifd: Ifd,
    pub width: usize,
    pub height: usize,
    pub samples: usize,
    pub bits: u16,
    pub format: SampleFormat,
    pub voxel: VoxelType,
    pub planar: bool,
    pub tiled: bool,
    /// Columns and rows of a chunk; for strips the page's width and the rows per strip.
    pub chunk: [usize; 2],
    pub compression: Compression,
    pub photometric: u64,
    pub predictor: u64,
    pub reversed_bits: bool,
    pub t4_options: u64,
    /// A reduced copy of another page.
    pub reduced: bool,
    /// Not in the chain of pages but below one of them.
    pub sub: bool,
    pub orientation: u64,
}

impl Page {
    /// Reads and checks a directory.
    pub(super) fn parse(input: &Input, dialect: Dialect, ifd: Ifd) -> Result<Self> {
        let bad = |reason: String| Error::file(input.path(), reason);
        let all = |tag: u16| ifd.get(tag).map(|e| e.integers(input, dialect)).transpose();
        let one = |tag: u16| -> Result<Option<u64>> { Ok(all(tag)?.and_then(|v| v.first().copied())) };
        let extent = |tag: u16, value: Option<u64>| match value {
            Some(n @ 1..=0x7fff_ffff) => Ok(n as usize),
            Some(n) => Err(bad(format!("{} is {n}", name(tag)))),
            None => Err(bad(format!("{} is missing", name(tag)))),
        };
        let width = extent(256, one(256)?)?;
        let height = extent(257, one(257)?)?;
        if let Some(depth @ 2..) = one(32997)? {
            return Err(bad(format!(
                "ImageDepth is {depth}; pages that are volumes themselves are not read"
            )));
        }
        let photometric = one(262)?;
        let compression = match one(259)?.unwrap_or(1) {
            1 => Compression::None,
            2 => Compression::Rle,
            3 => Compression::Fax3,
            4 => Compression::Fax4,
            5 => Compression::Lzw,
            6 => Compression::OldJpeg,
            7 => Compression::Jpeg,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            34925 => Compression::Lzma,
            50000 => Compression::Zstd,
            50001 => Compression::WebP,
            other => return Err(bad(format!("Compression is {other}, which is not read"))),
        };
        let color = photometric == Some(6) && compression == Compression::OldJpeg;
        let samples = one(277)?.unwrap_or(if color { 3 } else { 1 });
        if !(1..=65_535).contains(&samples) {
            return Err(bad(format!("SamplesPerPixel is {samples}")));
        }
        let default_bits = if compression == Compression::OldJpeg { 8 } else { 1 };
        let bits = same(all(258)?, samples, default_bits).map_err(|v| {
            bad(format!("BitsPerSample is {v}; samples of different sizes in one page are not read"))
        })?;
        let format = match same(all(339)?, samples, 1).map_err(|v| {
            bad(format!("SampleFormat is {v}; samples of different kinds in one page are not read"))
        })? {
            // 4 is "undefined"; 0 is written by some programs for the same.
            0 | 1 | 4 => SampleFormat::Uint,
            2 => SampleFormat::Int,
            3 => SampleFormat::Float,
            5 => SampleFormat::ComplexInt,
            6 => SampleFormat::ComplexFloat,
            other => return Err(bad(format!("SampleFormat is {other}, which is unknown"))),
        };
        let voxel = voxel_type(format, bits).ok_or_else(|| {
            bad(format!("BitsPerSample is {bits} with SampleFormat {format:?}, which is not read"))
        })?;
        let planar = match one(284)?.unwrap_or(1) {
            1 => false,
            2 => samples > 1,
            other => return Err(bad(format!("PlanarConfiguration is {other}; it should be 1 or 2"))),
        };
        let tiled = ifd.get(322).is_some() || (ifd.get(324).is_some() && ifd.get(273).is_none());
        let chunk = if tiled {
            [extent(322, one(322)?)?, extent(323, one(323)?)?]
        } else {
            let rows = one(278)?.filter(|&r| r > 0).unwrap_or(u64::MAX);
            [width, rows.min(height as u64) as usize]
        };
        let predictor = one(317)?.unwrap_or(1);
        let reversed_bits = one(266)? == Some(2);
        let t4_options = one(292)?.unwrap_or(0);
        let reduced = one(254)?.unwrap_or(0) & 1 == 1;
        let orientation = one(274)?.unwrap_or(1);
        let subsampling = all(530)?;
        let page = Self {
            width,
            height,
            samples: samples as usize,
            bits: bits as u16,
            format,
            voxel,
            planar,
            tiled,
            chunk,
            compression,
            photometric: photometric.unwrap_or(1),
            predictor,
            reversed_bits,
            t4_options,
            reduced,
            sub: false,
            orientation,
            ifd,
        };
        page.check(input, subsampling)?;
        Ok(page)
    }

    fn check(&self, input: &Input, subsampling: Option<Vec<u64>>) -> Result<()> {
        let bad = |reason: String| Err(Error::file(input.path(), reason));
        match (self.predictor, self.format, self.bits) {
            (2, SampleFormat::ComplexFloat | SampleFormat::ComplexInt, _) => {
                return bad("Predictor is 2 with complex samples, which is not read".into());
            }
            (0..=2, ..) | (3, SampleFormat::Float, 16 | 24 | 32 | 64) => {}
            (3, format, bits) => {
                return bad(format!("Predictor is 3 with samples that are {format:?} of {bits} bits"));
            }
            (other, ..) => return bad(format!("Predictor is {other}, which is unknown")),
        }
        match self.compression {
            Compression::Jpeg | Compression::OldJpeg | Compression::WebP if self.bits != 8 => {
                return bad(format!(
                    "BitsPerSample is {} with compression {:?}; only 8 is read",
                    self.bits, self.compression
                ));
            }
            Compression::Rle | Compression::Fax3 | Compression::Fax4
                if self.bits != 1 || self.samples_in_chunk() != 1 =>
            {
                return bad(format!(
                    "BitsPerSample is {} with the fax compression {:?}",
                    self.bits, self.compression
                ));
            }
            Compression::Jpeg | Compression::OldJpeg | Compression::WebP => {}
            _ if self.photometric == 6 => {
                let factors = subsampling.unwrap_or_else(|| vec![2, 2]);
                if factors.iter().any(|&f| f != 1) {
                    return bad(format!(
                        "YCbCrSubSampling is {factors:?}; subsampled colour is read from JPEG compression only"
                    ));
                }
            }
            _ => {}
        }
        let needed = self.decoded_bytes();
        let row = self.row_bytes().unwrap_or(u64::MAX);
        match needed {
            Some(n)
                if n <= input
                    .length()
                    .saturating_mul(self.compression.expansion(row))
                    .saturating_add(row) => {}
            _ => {
                return bad(format!(
                    "ImageWidth {} and ImageLength {} with {} samples of {} bits cannot be in a file of {} bytes",
                    self.width,
                    self.height,
                    self.samples,
                    self.bits,
                    input.length()
                ));
            }
        }
        Ok(())
    }

    /// Samples that lie interleaved in a chunk.
    pub(super) fn samples_in_chunk(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Decoded bytes of one row of a chunk.
    pub(super) fn row_bytes(&self) -> Option<u64> {
        let bits = (self.chunk[0] as u64)
            .checked_mul(self.samples_in_chunk() as u64)?
            .checked_mul(u64::from(self.bits))?;
        Some(bits.div_ceil(8))
    }

    /// Decoded bytes of a chunk of `rows` rows.
    pub(super) fn chunk_bytes(&self, rows: usize) -> Option<u64> {
        self.row_bytes()?.checked_mul(rows as u64)
    }

    /// Chunks along x and y.
    pub(super) fn grid(&self) -> [usize; 2] {
        [self.width.div_ceil(self.chunk[0]), self.height.div_ceil(self.chunk[1])]
    }

    /// Chunks of the whole page.
    pub(super) fn chunk_count(&self) -> Option<usize> {
        let [x, y] = self.grid();
        x.checked_mul(y)?.checked_mul(if self.planar { self.samples } else { 1 })
    }

    /// Rows in the chunk row `index`. Tiles are always whole; the last strip may be short.
    pub(super) fn rows_of(&self, index: usize) -> usize {
        if self.tiled { self.chunk[1] } else { self.chunk[1].min(self.height - index * self.chunk[1]) }
    }

    /// Decoded bytes of all chunks of the page.
    fn decoded_bytes(&self) -> Option<u64> {
        if self.tiled {
            return self.chunk_bytes(self.chunk[1])?.checked_mul(self.chunk_count()? as u64);
        }
        self.chunk_bytes(self.height)?.checked_mul(if self.planar { self.samples as u64 } else { 1 })
    }

    /// Whether the bytes in the file are the voxels, but perhaps for their byte order.
    pub(super) fn is_plain(&self) -> bool {
        self.compression == Compression::None
            && self.predictor <= 1
            && !self.reversed_bits
            && u64::from(self.bits) == 8 * self.voxel.size() as u64
            && matches!(self.format, SampleFormat::Uint | SampleFormat::Int | SampleFormat::Float)
    }

    /// What pages must have in common to be slices of one stack.
    pub(super) fn kind(&self) -> Kind {
        (self.width, self.height, self.samples, self.bits, self.format)
    }

    /// Decoded bytes of the page as voxels.
    pub(super) fn voxel_bytes(&self) -> u64 {
        (self.width as u64)
            .saturating_mul(self.height as u64)
            .saturating_mul(self.samples as u64)
            .saturating_mul(self.voxel.size() as u64)
    }

    /// Where the chunks lie: offsets and lengths in bytes, as many as the page needs.
    pub(super) fn chunks(&self, input: &Input, dialect: Dialect) -> Result<Vec<(u64, u64)>> {
        let (offset_tag, count_tag) =
            if self.tiled && self.ifd.get(324).is_some() { (324, 325) } else { (273, 279) };
        let needed = self.chunk_count().unwrap_or(usize::MAX);
        let Some(entry) = self.ifd.get(offset_tag).or_else(|| self.ifd.get(513)) else {
            return Err(Error::file(input.path(), format!("{} is missing", name(offset_tag))));
        };
        let offsets = entry.integers(input, dialect)?;
        if offsets.len() < needed {
            return Err(Error::file(
                input.path(),
                format!("{} has {} values where {needed} are needed", name(offset_tag), offsets.len()),
            ));
        }
        let counts = match self.ifd.get(count_tag).or_else(|| self.ifd.get(514)) {
            Some(entry) => entry.integers(input, dialect)?,
            None => Vec::new(),
        };
        let rows = self.grid()[1];
        let columns = self.grid()[0];
        Ok((0..needed)
            .map(|i| {
                let row = (i / columns) % rows;
                let whole = self.chunk_bytes(self.rows_of(row)).unwrap_or(u64::MAX);
                let left = input.length().saturating_sub(offsets[i]);
                // Without a count, an uncompressed chunk is as long as it has to be and a
                // compressed one ends at the end of the file at the latest.
                let count = match counts.get(i).copied() {
                    Some(n) if n > 0 || offsets[i] == 0 => n,
                    _ if self.compression == Compression::None => whole,
                    _ => left,
                };
                let count = if self.compression == Compression::None { count.min(whole) } else { count };
                (offsets[i], count)
            })
            .collect())
    }
}

fn same(values: Option<Vec<u64>>, samples: u64, default: u64) -> std::result::Result<u64, String> {
    let Some(mut values) = values else { return Ok(default) };
    // Some writers count one value too many or too few; those that are there agree.
    values.truncate(samples as usize);
    match values.first() {
        None => Ok(default),
        Some(first) if values.iter().all(|v| v == first) => Ok(*first),
        Some(_) => Err(format!("{:?}", &values[..values.len().min(8)])),
    }
}

/// The voxel type that holds a sample exactly; for complex samples, its magnitude.
fn voxel_type(format: SampleFormat, bits: u64) -> Option<VoxelType> {
    Some(match (format, bits) {
        (SampleFormat::Uint, 1..=8) => VoxelType::U8,
        (SampleFormat::Uint, 9..=16) => VoxelType::U16,
        (SampleFormat::Uint, 17..=32) => VoxelType::U32,
        (SampleFormat::Uint, 64) => VoxelType::U64,
        (SampleFormat::Int, 8) => VoxelType::I8,
        (SampleFormat::Int, 16) => VoxelType::I16,
        (SampleFormat::Int, 32) => VoxelType::I32,
        (SampleFormat::Int, 64) => VoxelType::I64,
        (SampleFormat::Float, 16 | 24 | 32)
        | (SampleFormat::ComplexInt, 32)
        | (SampleFormat::ComplexFloat, 64) => VoxelType::F32,
        (SampleFormat::Float | SampleFormat::ComplexInt, 64) | (SampleFormat::ComplexFloat, 128) => {
            VoxelType::F64
        }
        _ => return None,
    })
}
