//! Pictures and movies as files: PNG, animated PNG, GIF, and folders of numbered PNG. Nothing has its final name
//! before it is whole.

use super::movie::Movie;
use color_quant::NeuQuant;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use voxelry_core::io::atomic::{AtomicDir, AtomicFile};
use voxelry_core::picture::Canvas;
use voxelry_core::{Error, Job, Result};

/// Rows that are written between two looks at whether the job was cancelled.
const ROWS: usize = 64;
/// Pixels of a frame that a palette of a GIF is made from.
const SAMPLE: usize = 60_000;
/// Colours of a palette of a GIF.
const COLOURS: usize = 256;

/// File format of a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Animated PNG: exact.
    Apng,
    /// GIF: 256 colours a frame.
    Gif,
    /// A folder of numbered PNG pictures.
    Sequence,
}

impl Format {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Apng, "Animated PNG"), (Self::Gif, "GIF"), (Self::Sequence, "Numbered PNG pictures")];

    /// The format that a name asks for.
    ///
    /// # Errors
    /// If it asks for none.
    pub fn of(path: &Path) -> Result<Self> {
        let folder = path.is_dir() || path.to_string_lossy().ends_with(['/', std::path::MAIN_SEPARATOR]);
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            _ if folder => Ok(Self::Sequence),
            Some("apng") => Ok(Self::Apng),
            Some("gif") => Ok(Self::Gif),
            None => Ok(Self::Sequence),
            Some(_) => Err(Error::file(path, "a movie is written as .apng, as .gif, or into a folder")),
        }
    }
}

/// A movie that is being written. Dropped before [`MovieWriter::finish`] it leaves nothing.
pub struct MovieWriter {
    to: Encoder,
    path: PathBuf,
    delay: u16,
    written: usize,
}

enum Encoder {
    Apng(AtomicFile, Failed, Box<png::Writer<Sink>>),
    Gif(AtomicFile, Failed, gif::Encoder<Sink>),
    Sequence(AtomicDir),
}

impl MovieWriter {
    /// Begins a movie of so many pixels.
    ///
    /// # Errors
    /// If it can't be written there.
    pub fn new(path: &Path, format: Format, size: [u32; 2], movie: &Movie) -> Result<Self> {
        let to = match format {
            Format::Apng => {
                let file = AtomicFile::create(path)?;
                let (sink, failed) = Sink::new(&file, path)?;
                let mut encoder = png_of(sink, size);
                let set = encoder.set_animated(movie.frames as u32, 0);
                set.map_err(|e| wrong(path, &failed, e))?;
                // Frames per second in thousandths.
                let rate = (movie.rate * 1000.0).round() as u16;
                encoder.set_frame_delay(1000, rate).map_err(|e| wrong(path, &failed, e))?;
                let writer = encoder.write_header();
                Encoder::Apng(file, failed.clone(), Box::new(writer.map_err(|e| wrong(path, &failed, e))?))
            }
            Format::Gif => {
                let file = AtomicFile::create(path)?;
                let (sink, failed) = Sink::new(&file, path)?;
                let [Ok(width), Ok(height)] = size.map(u16::try_from) else {
                    let reason =
                        format!("{} × {} pixels; a GIF has at most 65535 along a side", size[0], size[1]);
                    return Err(Error::file(path, reason));
                };
                let encoder = gif::Encoder::new(sink, width, height, &[]).and_then(|mut encoder| {
                    encoder.set_repeat(gif::Repeat::Infinite)?;
                    Ok(encoder)
                });
                Encoder::Gif(file, failed.clone(), encoder.map_err(|e| wrong(path, &failed, e))?)
            }
            Format::Sequence => {
                if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
                    return Err(Error::file(path, "is not empty and won't be overwritten"));
                }
                Encoder::Sequence(AtomicDir::create(path)?)
            }
        };
        // GIF counts in hundredths of a second; programs that show it take less than two for none.
        let delay = (100.0 / movie.rate).round().clamp(2.0, 65_535.0) as u16;
        Ok(Self { to, path: path.to_owned(), delay, written: 0 })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// If it can't be written or the job was cancelled.
    pub fn frame(&mut self, canvas: &Canvas, job: &Job) -> Result<()> {
        self.written += 1;
        match &mut self.to {
            Encoder::Apng(_, failed, writer) => {
                job.check()?;
                writer.write_image_data(&canvas.pixels).map_err(|e| wrong(&self.path, failed, e))
            }
            Encoder::Gif(_, failed, encoder) => {
                let frame = indexed(canvas, self.delay, job)?;
                encoder.write_frame(&frame).map_err(|e| wrong(&self.path, failed, e))
            }
            Encoder::Sequence(folder) => {
                let name = format!("frame-{:04}.png", self.written);
                let path = folder.path().join(&name);
                let file = File::create(&path).map_err(|e| Error::io(self.path.join(&name), e))?;
                let (sink, failed) = Sink::of(file);
                png_still(sink, &failed, canvas, &self.path.join(&name), job)
            }
        }
    }

    /// Gives the movie its name.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(self) -> Result<()> {
        match self.to {
            Encoder::Apng(file, failed, writer) => {
                writer.finish().map_err(|e| wrong(&self.path, &failed, e))?;
                failed.check(&self.path)?;
                file.commit()
            }
            Encoder::Gif(file, failed, encoder) => {
                drop(encoder.into_inner().map_err(|e| wrong(&self.path, &failed, e))?);
                failed.check(&self.path)?;
                file.commit()
            }
            Encoder::Sequence(folder) => folder.commit(),
        }
    }
}

/// Writes a picture as PNG.
///
/// # Errors
/// If it can't be written or the job was cancelled; then nothing is left.
pub fn still(path: &Path, canvas: &Canvas, job: &Job) -> Result<()> {
    let file = AtomicFile::create(path)?;
    let (sink, failed) = Sink::new(&file, path)?;
    png_still(sink, &failed, canvas, path, job)?;
    job.check()?;
    file.commit()
}

fn png_of<W: Write>(to: W, size: [u32; 2]) -> png::Encoder<'static, W> {
    let mut encoder = png::Encoder::new(to, size[0], size[1]);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
}

fn png_still(sink: Sink, failed: &Failed, canvas: &Canvas, path: &Path, job: &Job) -> Result<()> {
    let encoder = png_of(sink, [canvas.width as u32, canvas.height as u32]);
    let writer = encoder.write_header().and_then(png::Writer::into_stream_writer);
    let mut writer = writer.map_err(|e| wrong(path, failed, e))?;
    for rows in canvas.pixels.chunks(canvas.width * 3 * ROWS) {
        job.check()?;
        writer.write_all(rows).map_err(|e| wrong(path, failed, e))?;
    }
    writer.finish().map_err(|e| wrong(path, failed, e))?;
    failed.check(path)
}

/// A frame with a palette of its own: its very colours where they are few enough.
fn indexed(canvas: &Canvas, delay: u16, job: &Job) -> Result<gif::Frame<'static>> {
    let mut known: HashMap<[u8; 3], u8> = HashMap::new();
    let mut palette = Vec::new();
    let colour = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2]];
    for row in canvas.pixels.chunks(canvas.width * 3) {
        job.check()?;
        for pixel in row.chunks_exact(3).map(colour) {
            if !known.contains_key(&pixel) && known.len() < COLOURS {
                known.insert(pixel, known.len() as u8);
                palette.extend(pixel);
            } else if !known.contains_key(&pixel) {
                palette.clear();
                break;
            }
        }
        if palette.is_empty() {
            break;
        }
    }
    let mut indices = Vec::with_capacity(canvas.width * canvas.height);
    let net = palette.is_empty().then(|| {
        known.clear();
        let count = canvas.width * canvas.height;
        let step = (count / SAMPLE).max(1) | 1;
        let sample = canvas.pixels.chunks_exact(3).step_by(step);
        let net =
            NeuQuant::new(1, COLOURS, &sample.flat_map(|p| [p[0], p[1], p[2], 255]).collect::<Vec<u8>>());
        palette = net.color_map_rgb();
        net
    });
    for row in canvas.pixels.chunks(canvas.width * 3) {
        job.check()?;
        indices.extend(row.chunks_exact(3).map(colour).map(|pixel| {
            *known.entry(pixel).or_insert_with(|| {
                let [r, g, b] = pixel;
                net.as_ref().map_or(0, |net| net.index_of(&[r, g, b, 255]) as u8)
            })
        }));
    }
    Ok(gif::Frame {
        delay,
        width: canvas.width as u16,
        height: canvas.height as u16,
        palette: Some(palette),
        buffer: indices.into(),
        ..gif::Frame::default()
    })
}

/// Error of a sink whose owner doesn't report it.
#[derive(Clone, Default)]
struct Failed(Arc<Mutex<Option<std::io::Error>>>);

impl Failed {
    fn take(&self) -> Option<std::io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn check(&self, path: &Path) -> Result<()> {
        self.take().map_or(Ok(()), |e| Err(Error::io(path, e)))
    }
}

/// The error, in the system's words where it came from there.
fn wrong(path: &Path, failed: &Failed, error: impl std::fmt::Display) -> Error {
    failed.take().map_or_else(|| Error::file(path, error.to_string()), |e| Error::io(path, e))
}

/// A file whose errors are kept: encoders swallow those of their last bytes.
struct Sink {
    to: BufWriter<File>,
    failed: Failed,
}

impl Sink {
    fn new(file: &AtomicFile, path: &Path) -> Result<(Self, Failed)> {
        Ok(Self::of(file.file().try_clone().map_err(|e| Error::io(path, e))?))
    }

    fn of(file: File) -> (Self, Failed) {
        let failed = Failed::default();
        (Self { to: BufWriter::new(file), failed: failed.clone() }, failed)
    }

    fn keep<T>(&self, result: std::io::Result<T>) -> std::io::Result<T> {
        result.map_err(|e| {
            let kind = e.kind();
            *self.failed.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
            kind.into()
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = self.to.flush();
        self.keep(flushed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Kept for whoever looks.
        let _ = self.flush();
    }
}
