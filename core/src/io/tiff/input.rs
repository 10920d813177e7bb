//! A file read by position from many threads at once.

use crate::error::PathContext;
use crate::io::steady::{Stamp, changed};
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file whose length is known; no read is attempted, and nothing allocated, beyond it.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    path: PathBuf,
    length: u64,
    stamp: Stamp,
    file: Option<Arc<File>>,
}

impl Input {
    /// Opens a file and keeps it open.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).at(path)?;
        let about = file.metadata().at(path)?;
        let (length, stamp) = (about.len(), Stamp::of(&about));
        Ok(Self { path: path.to_owned(), length, stamp, file: Some(Arc::new(file)) })
    }

    /// Closes the file until it is read again. A folder may hold more slices than a process may
    /// have files open.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    /// The same file, certainly open, and as it was when it was opened first.
    pub(crate) fn opened(&self) -> Result<Self> {
        if self.file.is_some() {
            return Ok(self.clone());
        }
        let again = Self::open(&self.path)?;
        if again.stamp == self.stamp { Ok(again) } else { Err(changed(&self.path)) }
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` from `offset`.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.check(offset, buffer.len() as u64)?;
        match &self.file {
            Some(file) => read_exact_at(file, offset, buffer).at(&self.path),
            None => self.opened()?.read_at(offset, buffer),
        }
    }

    /// `count` bytes from `offset`, allocated only once it is known that the file has them.
    pub(crate) fn bytes(&self, offset: u64, count: u64) -> Result<Vec<u8>> {
        self.check(offset, count)?;
        let mut buffer = vec![0; count as usize];
        self.read_at(offset, &mut buffer)?;
        Ok(buffer)
    }

    fn check(&self, offset: u64, count: u64) -> Result<()> {
        match offset.checked_add(count) {
            Some(end) if end <= self.length => Ok(()),
            _ => Err(Error::file(
                &self.path,
                format!(
                    "{count} bytes at offset {offset} are beyond the end of the file ({} bytes)",
                    self.length
                ),
            )),
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
