//! Writes one run of samples behind a header: plain, gzip or zlib, with channels apart or
//! interleaved, to one file or to a header and a data file.

use crate::error::PathContext;
use crate::io::atomic::AtomicFile;
use crate::io::{Frame, ImageSink, ImageSpec};
use crate::{Error, Job, Result, Volume};
use rayon::prelude::*;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// In which order frames follow each other in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameOrder {
    /// Volume by volume, time slowest, then channel.
    TimeChannel,
    /// Volume by volume, channel slowest, then time.
    ChannelTime,
    /// The channels of a voxel side by side, time slowest.
    Interleaved,
}

/// What encloses the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// Nothing.
    Raw,
    /// gzip.
    Gzip,
    /// zlib.
    Zlib,
}

/// What to write where.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The file with the samples.
    pub data: PathBuf,
    /// Bytes before the samples, as they are.
    pub prefix: Vec<u8>,
    /// Bytes before the samples, inside the compressed stream.
    pub inner_prefix: Vec<u8>,
    /// A second file that is completed after the data: a detached header.
    pub header: Option<(PathBuf, Vec<u8>)>,
    /// What encloses the samples.
    pub wrap: Wrap,
    /// Order of frames in the file.
    pub order: FrameOrder,
    /// Offset in `prefix` of [`SIZE_DIGITS`] digits that are to give the compressed length.
    pub size_at: Option<usize>,
}

/// Digits that are kept free for a length that is known only at the end.
pub(crate) const SIZE_DIGITS: usize = 19;

/// Begins to write.
///
/// # Errors
/// If the target cannot be created.
pub(crate) fn create(plan: Plan, spec: &ImageSpec) -> Result<Box<dyn ImageSink>> {
    if let Some((header, _)) = &plan.header
        && plan.data.exists()
        && !header.exists()
    {
        let header = header.display();
        return Err(Error::file(
            &plan.data,
            format!("exists already and would be overwritten by the voxels of {header}"),
        ));
    }
    let frames = spec.channels.len() * spec.times;
    let mut file = AtomicFile::create(&plan.data)?;
    file.write_all(&plan.prefix).at(&plan.data)?;
    if plan.wrap == Wrap::Raw {
        file.write_all(&plan.inner_prefix).at(&plan.data)?;
    }
    // Frames come time by time, channel by channel; any other order is put right at the end.
    let as_delivered = match plan.order {
        FrameOrder::TimeChannel => true,
        FrameOrder::ChannelTime => spec.times == 1 || spec.channels.len() == 1,
        FrameOrder::Interleaved => spec.channels.len() == 1,
    };
    let in_volumes = plan.order != FrameOrder::Interleaved || frames == 1;
    let mode = if plan.wrap == Wrap::Raw && in_volumes {
        Mode::Placed(file)
    } else if as_delivered {
        let mut stream = Deflater::new(file, plan.wrap);
        stream.write(&plan.inner_prefix)?;
        Mode::Streamed(Mutex::new(Some(stream)))
    } else {
        let folder = plan.data.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Mode::Spooled(file, tempfile::tempfile_in(folder).at(folder)?)
    };
    Ok(Box::new(PlanarSink {
        block: super::slab(spec.shape, spec.voxel.size(), 8 << 20),
        spec: spec.clone(),
        plan,
        mode,
    }))
}

struct PlanarSink {
    spec: ImageSpec,
    plan: Plan,
    block: [usize; 3],
    mode: Mode,
}

enum Mode {
    /// Samples go straight to their place.
    Placed(AtomicFile),
    /// Samples are compressed as they come.
    Streamed(Mutex<Option<Deflater>>),
    /// Samples wait, time by time and channel by channel, until all have come.
    Spooled(AtomicFile, File),
}

impl PlanarSink {
    fn volume_bytes(&self) -> u64 {
        self.spec.shape.iter().map(|&n| n as u64).product::<u64>() * self.spec.voxel.size() as u64
    }

    fn frame_index(&self, frame: Frame, order: FrameOrder) -> u64 {
        let (channels, times) = (self.spec.channels.len(), self.spec.times);
        (match order {
            FrameOrder::ChannelTime => frame.channel * times + frame.time,
            _ => frame.time * channels + frame.channel,
        }) as u64
    }

    fn place(&self, file: &File, base: u64, start: [usize; 3], block: &Volume) -> Result<()> {
        let [_, ny, nx] = self.spec.shape;
        let [_, by, bx] = block.shape();
        let size = self.spec.voxel.size();
        let at = |z: usize, y: usize| {
            base + ((((start[0] + z) * ny + start[1] + y) * nx + start[2]) * size) as u64
        };
        let bytes = block.as_bytes();
        let run = if bx == nx && by == ny {
            bytes.len()
        } else if bx == nx {
            by * bx * size
        } else {
            bx * size
        };
        let rows_in_run = run / (bx * size).max(1);
        for (i, run) in bytes.chunks(run.max(1)).enumerate() {
            let row = i * rows_in_run;
            write_all_at(file, at(row / by, row % by), run).at(&self.plan.data)?;
        }
        Ok(())
    }

    fn commit(&self, file: AtomicFile) -> Result<()> {
        if let Some(at) = self.plan.size_at {
            let len = file.file().metadata().at(&self.plan.data)?.len() - self.plan.prefix.len() as u64;
            write_all_at(file.file(), at as u64, format!("{len:0SIZE_DIGITS$}").as_bytes())
                .at(&self.plan.data)?;
        }
        file.commit()
    }

    /// Copies the spooled volumes to the stream in the order of the file.
    fn unspool(&self, spool: &File, emit: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (channels, times) = (self.spec.channels.len(), self.spec.times);
        let (volume, size) = (self.volume_bytes(), self.spec.voxel.size());
        let mut buffer = vec![0; (4 << 20) / size * size];
        let read = |offset: u64, buffer: &mut [u8]| read_exact_at(spool, offset, buffer).at(&self.plan.data);
        if self.plan.order == FrameOrder::Interleaved {
            let mut woven = vec![0; buffer.len() * channels];
            for time in 0..times {
                for at in (0..volume).step_by(buffer.len()) {
                    let n = (volume - at).min(buffer.len() as u64) as usize;
                    for channel in 0..channels {
                        read((time * channels + channel) as u64 * volume + at, &mut buffer[..n])?;
                        let pixels = woven.chunks_exact_mut(size * channels);
                        for (pixel, sample) in pixels.zip(buffer[..n].chunks_exact(size)) {
                            pixel[channel * size..(channel + 1) * size].copy_from_slice(sample);
                        }
                    }
                    emit(&woven[..n * channels])?;
                }
            }
            return Ok(());
        }
        for channel in 0..channels {
            for time in 0..times {
                let base = (time * channels + channel) as u64 * volume;
                for at in (0..volume).step_by(buffer.len()) {
                    let n = (volume - at).min(buffer.len() as u64) as usize;
                    read(base + at, &mut buffer[..n])?;
                    emit(&buffer[..n])?;
                }
            }
        }
        Ok(())
    }
}

impl ImageSink for PlanarSink {
    fn block(&self) -> [usize; 3] {
        self.block
    }

    fn any_order(&self) -> bool {
        !matches!(self.mode, Mode::Streamed(_))
    }

    fn write(&self, frame: Frame, start: [usize; 3], block: &Volume) -> Result<()> {
        if block.voxel_type() != self.spec.voxel {
            let (got, want) = (block.voxel_type(), self.spec.voxel);
            return Err(Error::file(&self.plan.data, format!("a block of {got} in an image of {want}")));
        }
        match &self.mode {
            Mode::Placed(file) => {
                let index = self.frame_index(frame, self.plan.order);
                let header = (self.plan.prefix.len() + self.plan.inner_prefix.len()) as u64;
                self.place(file.file(), header + index * self.volume_bytes(), start, block)
            }
            Mode::Spooled(_, spool) => {
                let index = self.frame_index(frame, FrameOrder::TimeChannel);
                self.place(spool, index * self.volume_bytes(), start, block)
            }
            Mode::Streamed(stream) => {
                let mut stream = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                stream.as_mut().map_or(Ok(()), |s| s.write(block.as_bytes()))
            }
        }
    }

    fn finish(mut self: Box<Self>, job: &Job) -> Result<()> {
        job.check()?;
        let mode = std::mem::replace(&mut self.mode, Mode::Streamed(Mutex::new(None)));
        match mode {
            Mode::Placed(file) => file.commit()?,
            Mode::Streamed(stream) => {
                if let Some(stream) = stream.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
                    self.commit(stream.finish()?)?;
                }
            }
            Mode::Spooled(mut file, spool) => {
                if self.plan.wrap == Wrap::Raw {
                    self.unspool(&spool, &mut |bytes| {
                        job.check()?;
                        file.write_all(bytes).at(&self.plan.data)
                    })?;
                    file.commit()?;
                } else {
                    let mut stream = Deflater::new(file, self.plan.wrap);
                    stream.write(&self.plan.inner_prefix)?;
                    self.unspool(&spool, &mut |bytes| {
                        job.check()?;
                        stream.write(bytes)
                    })?;
                    self.commit(stream.finish()?)?;
                }
            }
        }
        if let Some((path, bytes)) = &self.plan.header {
            crate::io::atomic::write(path, bytes)?;
        }
        Ok(())
    }
}

/// Bytes that are compressed independently, so that all cores can and the result does not depend
/// on how many there are.
const CHUNK: usize = 1 << 19;
/// Fast, and within a few per cent of the default's size on noisy volumes.
const LEVEL: u32 = 3;

/// One gzip or zlib stream out of chunks that are deflated in parallel, each ended by a flush.
struct Deflater {
    file: AtomicFile,
    wrap: Wrap,
    pending: Vec<u8>,
    crc: crc32fast::Hasher,
    adler: Adler,
    total: u64,
    begun: bool,
}

struct DeflatedChunk {
    deflated: Vec<u8>,
    crc: crc32fast::Hasher,
    adler: Adler,
}

impl Deflater {
    fn new(file: AtomicFile, wrap: Wrap) -> Self {
        let (crc, adler) = (crc32fast::Hasher::new(), Adler::default());
        Self { file, wrap, pending: Vec::new(), crc, adler, total: 0, begun: false }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        let full = CHUNK * rayon::current_num_threads().max(1) * 2;
        while !bytes.is_empty() {
            let n = bytes.len().min(full - self.pending.len());
            self.pending.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.pending.len() == full {
                self.emit(false)?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, last: bool) -> Result<()> {
        let path = self.file.target().to_owned();
        if !self.begun {
            self.begun = true;
            match self.wrap {
                // No name, no time: the same voxels give the same file.
                Wrap::Gzip => self.file.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]).at(&path)?,
                Wrap::Zlib => self.file.write_all(&[0x78, 0x5e]).at(&path)?,
                Wrap::Raw => {}
            }
        }
        let wrap = self.wrap;
        let count = self.pending.len().div_ceil(CHUNK).max(1);
        let pieces: Vec<_> = (0..count)
            .into_par_iter()
            .map(|i| {
                let end = self.pending.len().min((i + 1) * CHUNK);
                compress(&self.pending[i * CHUNK..end], wrap, last && i + 1 == count)
            })
            .collect();
        for piece in pieces {
            let piece = piece.at(&path)?;
            self.file.write_all(&piece.deflated).at(&path)?;
            self.crc.combine(&piece.crc);
            self.adler.combine(&piece.adler);
        }
        self.total += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<AtomicFile> {
        self.emit(true)?;
        let path = self.file.target().to_owned();
        match self.wrap {
            Wrap::Gzip => {
                self.file.write_all(&self.crc.clone().finalize().to_le_bytes()).at(&path)?;
                self.file.write_all(&(self.total as u32).to_le_bytes()).at(&path)?;
            }
            Wrap::Zlib => self.file.write_all(&self.adler.value().to_be_bytes()).at(&path)?,
            Wrap::Raw => {}
        }
        Ok(self.file)
    }
}

fn compress(bytes: &[u8], wrap: Wrap, last: bool) -> std::io::Result<DeflatedChunk> {
    let mut piece =
        DeflatedChunk { deflated: Vec::new(), crc: crc32fast::Hasher::new(), adler: Adler::default() };
    match wrap {
        Wrap::Raw => {
            piece.deflated = bytes.to_vec();
            return Ok(piece);
        }
        Wrap::Gzip => piece.crc.update(bytes),
        Wrap::Zlib => piece.adler = Adler::of(bytes),
    }
    let mut deflate = flate2::Compress::new(flate2::Compression::new(LEVEL), false);
    let flush = if last { flate2::FlushCompress::Finish } else { flate2::FlushCompress::Sync };
    piece.deflated.reserve(bytes.len() / 2 + 1024);
    loop {
        let read = deflate.total_in() as usize;
        let status = deflate.compress_vec(&bytes[read..], &mut piece.deflated, flush)?;
        let room = piece.deflated.capacity() > piece.deflated.len();
        let all_in = deflate.total_in() as usize == bytes.len();
        if status == flate2::Status::StreamEnd || !last && all_in && room {
            return Ok(piece);
        }
        piece.deflated.reserve(bytes.len() / 4 + 1024);
    }
}

/// Adler-32 (RFC 1950), which can be combined.
#[derive(Clone)]
struct Adler {
    a: u32,
    b: u32,
    len: u64,
}

impl Default for Adler {
    fn default() -> Self {
        Self { a: 1, b: 0, len: 0 }
    }
}

impl Adler {
    const BASE: u32 = 65521;

    fn of(bytes: &[u8]) -> Self {
        let (mut a, mut b) = (1, 0);
        // 5552 is the longest run for which the sums stay below 2³².
        for run in bytes.chunks(5552) {
            for &byte in run {
                a += u32::from(byte);
                b += a;
            }
            a %= Self::BASE;
            b %= Self::BASE;
        }
        Self { a, b, len: bytes.len() as u64 }
    }

    fn combine(&mut self, next: &Self) {
        // The later bytes add each sum so far once more per byte: b = b₁ + n·(a₁ − 1) + b₂.
        let n = next.len % u64::from(Self::BASE);
        let base = u64::from(Self::BASE);
        let a1 = (u64::from(self.a) + base - 1) % base;
        self.b = ((u64::from(self.b) + n * a1 + u64::from(next.b)) % base) as u32;
        self.a = ((a1 + u64::from(next.a)) % base) as u32;
        self.len += next.len;
    }

    fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        offset += n as u64;
        bytes = &bytes[n..];
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut bytes: &mut [u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                offset += n as u64;
                bytes = &mut bytes[n..];
            }
        }
    }
    Ok(())
}
