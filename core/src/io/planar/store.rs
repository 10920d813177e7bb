//! Where a run of samples comes from: pieces of files, or a compressed stream whose inflated bytes
//! are kept after the first partial read so that many small reads stay linear.

use super::Codec;
use crate::error::PathContext;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Above this, or a share of the memory to work within, inflated bytes go to an unnamed temporary file instead of memory.
const IN_MEMORY: usize = 2 << 30;
const IN_MEMORY_SHARE: usize = 8;
const BUFFER: usize = 1 << 18;

/// The length of a regular file.
pub(crate) fn file_len(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path).at(path)?;
    if metadata.is_file() { Ok(metadata.len()) } else { Err(Error::file(path, "is not a regular file")) }
}

/// A piece of a file.
#[derive(Debug, Clone)]
pub(crate) struct FileExtent {
    /// The file.
    pub path: PathBuf,
    /// Bytes to skip.
    pub offset: u64,
    /// Bytes that belong to the image.
    pub len: u64,
}

/// A run of bytes.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    kind: Backing,
}

#[derive(Debug)]
enum Backing {
    Parts(Vec<FileExtent>, Option<Arc<File>>),
    Memory(Arc<Vec<u8>>),
    Stream(Stream),
}

#[derive(Debug)]
struct Stream {
    sources: Vec<(PathBuf, u64)>,
    codec: Codec,
    skip: u64,
    len: u64,
    cache: Mutex<Option<Bytes>>,
}

/// Bytes that can be read at any offset.
#[derive(Debug, Clone)]
pub(crate) enum Bytes {
    /// In memory.
    Memory(Arc<Vec<u8>>),
    /// In an open file, from an offset, with the path for messages.
    File(Arc<File>, u64, PathBuf),
    /// Consecutive pieces of files.
    Parts(Arc<Vec<FileExtent>>),
}

impl Store {
    /// All of a file from `offset`.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn file(path: &Path, offset: u64) -> Result<Self> {
        let len = file_len(path)?.saturating_sub(offset);
        let file = Arc::new(File::open(path).at(path)?);
        let part = FileExtent { path: path.to_owned(), offset, len };
        Ok(Self { path: path.to_owned(), kind: Backing::Parts(vec![part], Some(file)) })
    }

    /// Pieces of files, one after the other.
    pub fn parts(path: &Path, parts: Vec<FileExtent>) -> Self {
        Self { path: path.to_owned(), kind: Backing::Parts(parts, None) }
    }

    /// Bytes in memory.
    pub fn memory(path: &Path, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), kind: Backing::Memory(Arc::new(bytes)) }
    }

    /// Compressed streams, each in a file from an offset, one after the other; `skip` bytes of
    /// what they inflate to are not voxels, and `len` are.
    ///
    /// # Errors
    /// If the files are too short to hold so much.
    pub fn stream(
        path: &Path,
        sources: Vec<(PathBuf, u64)>,
        codec: Codec,
        skip: u64,
        len: u64,
    ) -> Result<Self> {
        let mut longest = 0u64;
        for (file, offset) in &sources {
            let available = file_len(file)?.saturating_sub(*offset);
            longest = longest.saturating_add(codec.longest(available));
        }
        if longest < skip.saturating_add(len) {
            return Err(Error::file(
                path,
                format!(
                    "the header promises {len} bytes of voxels, more than the compressed data can hold ({longest})"
                ),
            ));
        }
        let stream = Stream { sources, codec, skip, len, cache: Mutex::new(None) };
        Ok(Self { path: path.to_owned(), kind: Backing::Stream(stream) })
    }

    /// Whether bytes can be read wherever they lie without those before them.
    pub fn is_seekable(&self) -> bool {
        !matches!(self.kind, Backing::Stream(_))
    }

    /// Checks that `needed` bytes are there, as far as can be told without reading.
    ///
    /// # Errors
    /// If they are not.
    pub fn promise(&self, needed: u64) -> Result<()> {
        let available = match &self.kind {
            Backing::Parts(parts, _) => parts.iter().map(|p| p.len).fold(0, u64::saturating_add),
            Backing::Memory(bytes) => bytes.len() as u64,
            Backing::Stream(stream) => stream.len,
        };
        if needed <= available {
            return Ok(());
        }
        Err(Error::file(
            &self.path,
            format!("the header promises {needed} bytes of voxels but only {available} are there"),
        ))
    }

    /// The files that the bytes are in.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.kind {
            Backing::Parts(parts, _) => parts.iter().map(|part| part.path.clone()).collect(),
            Backing::Memory(_) => Vec::new(),
            Backing::Stream(stream) => stream.sources.iter().map(|(path, _)| path.clone()).collect(),
        }
    }

    /// The stream from its beginning, if this is one that was not inflated yet.
    pub fn unread_stream(&self) -> Result<Option<StreamReader>> {
        match &self.kind {
            Backing::Stream(stream) if lock(&stream.cache).is_none() => stream.reader(&self.path).map(Some),
            _ => Ok(None),
        }
    }

    /// The bytes, inflated if need be.
    ///
    /// # Errors
    /// If a stream is damaged or ends early.
    pub fn bytes(&self) -> Result<Bytes> {
        match &self.kind {
            Backing::Memory(bytes) => Ok(Bytes::Memory(bytes.clone())),
            Backing::Parts(parts, Some(file)) => {
                Ok(Bytes::File(file.clone(), parts[0].offset, parts[0].path.clone()))
            }
            Backing::Parts(parts, None) => Ok(Bytes::Parts(Arc::new(parts.clone()))),
            Backing::Stream(stream) => {
                // Others wait for the one that inflates: they need the same bytes.
                let mut cache = lock(&stream.cache);
                if let Some(bytes) = &*cache {
                    return Ok(bytes.clone());
                }
                let bytes = stream.inflate(&self.path)?;
                *cache = Some(bytes.clone());
                Ok(bytes)
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Stream {
    fn reader(&self, path: &Path) -> Result<StreamReader> {
        let mut decoders: Vec<Box<dyn Read + Send>> = Vec::new();
        for (source, offset) in &self.sources {
            let mut file = File::open(source).at(source)?;
            file.seek(SeekFrom::Start(*offset)).at(source)?;
            decoders.push(self.codec.decoder(BufReader::with_capacity(BUFFER, file)).at(source)?);
        }
        decoders.reverse();
        let mut reader =
            StreamReader { path: path.to_owned(), decoders, done: 0, total: self.skip + self.len };
        let mut skip = self.skip;
        let mut sink = vec![0; BUFFER.min(skip as usize)];
        while skip > 0 {
            let n = skip.min(sink.len() as u64) as usize;
            reader.read_exact(&mut sink[..n])?;
            skip -= n as u64;
        }
        Ok(reader)
    }

    fn inflate(&self, path: &Path) -> Result<Bytes> {
        let mut reader = self.reader(path)?;
        if self.len <= IN_MEMORY.min(crate::memory::share(IN_MEMORY_SHARE)) as u64 {
            // Grown as it fills: a lying header costs no more than the file really inflates to.
            let mut bytes = Vec::new();
            while (bytes.len() as u64) < self.len {
                let step = (self.len - bytes.len() as u64).min(16 << 20) as usize;
                let start = bytes.len();
                bytes.resize(start + step, 0);
                reader.read_exact(&mut bytes[start..])?;
            }
            reader.finish()?;
            return Ok(Bytes::Memory(Arc::new(bytes)));
        }
        let mut file = tempfile::tempfile().at(std::env::temp_dir())?;
        let mut buffer = vec![0; 4 << 20];
        let mut left = self.len;
        while left > 0 {
            let n = left.min(buffer.len() as u64) as usize;
            reader.read_exact(&mut buffer[..n])?;
            file.write_all(&buffer[..n]).at(std::env::temp_dir())?;
            left -= n as u64;
        }
        reader.finish()?;
        Ok(Bytes::File(Arc::new(file), 0, path.to_owned()))
    }
}

/// Inflates from the beginning to the end.
pub(crate) struct StreamReader {
    path: PathBuf,
    decoders: Vec<Box<dyn Read + Send>>,
    done: u64,
    total: u64,
}

impl StreamReader {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// If the stream is damaged or ends early.
    pub fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let Some(decoder) = self.decoders.last_mut() else {
                return Err(Error::file(
                    &self.path,
                    format!("the voxels end after {} of {} inflated bytes", self.done, self.total),
                ));
            };
            match decoder.read(buffer) {
                Ok(0) => {
                    self.decoders.pop();
                }
                Ok(n) => {
                    self.done += n as u64;
                    buffer = &mut buffer[n..];
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.damaged(&e)),
            }
        }
        Ok(())
    }

    /// Reads on to the checksum, which covers all; bytes beyond the promised ones are ignored.
    ///
    /// # Errors
    /// If the checksum is wrong.
    pub fn finish(mut self) -> Result<()> {
        let Some(decoder) = self.decoders.last_mut() else { return Ok(()) };
        // A second member may begin after padding; only what was promised must be sound.
        let mut rest = [0; 512];
        match decoder.read(&mut rest) {
            Err(e) if e.to_string().contains("checksum") || e.to_string().contains("corrupt") => {
                Err(self.damaged(&e))
            }
            _ => Ok(()),
        }
    }

    fn damaged(&self, e: &std::io::Error) -> Error {
        let reason = if e.kind() == std::io::ErrorKind::UnexpectedEof {
            format!("the compressed data end after {} of {} inflated bytes", self.done, self.total)
        } else {
            format!(
                "the compressed data are damaged after {} of {} inflated bytes: {e}",
                self.done, self.total
            )
        };
        Error::file(&self.path, reason)
    }
}

impl Bytes {
    /// A view of the bytes, if they are in memory.
    pub fn as_slice(&self) -> Option<&[u8]> {
        if let Self::Memory(bytes) = self { Some(bytes) } else { None }
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// If a file became shorter or cannot be read.
    pub fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> Result<()> {
        match self {
            Self::Memory(bytes) => {
                let start = offset as usize;
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                Ok(())
            }
            Self::File(file, start, path) => read_exact_at(file, start + offset, buffer).at(path),
            Self::Parts(parts) => {
                for part in parts.iter() {
                    if offset >= part.len {
                        offset -= part.len;
                        continue;
                    }
                    let n = (part.len - offset).min(buffer.len() as u64) as usize;
                    let (now, later) = buffer.split_at_mut(n);
                    let file = File::open(&part.path).at(&part.path)?;
                    read_exact_at(&file, part.offset + offset, now).at(&part.path)?;
                    buffer = later;
                    offset = 0;
                    if buffer.is_empty() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                offset += n as u64;
                buffer = &mut buffer[n..];
            }
        }
    }
    Ok(())
}
