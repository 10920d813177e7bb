//! Where the partial results of a phase are until they are merged: in memory, and in a temporary file beyond that.

use crate::Result;
use crate::error::PathContext;
use crate::program::indexed_blob;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Partial results by the numbers of their tiles. They are put and read by any thread.
pub struct PartialStore {
    folder: PathBuf,
    most: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    slots: Vec<Stored>,
    /// Bytes in memory.
    kept: usize,
    /// What is beyond.
    file: Option<File>,
}

#[derive(Clone)]
enum Stored {
    Empty,
    Memory(Vec<u8>),
    /// Place and length in the file.
    File(u64, usize),
}

impl PartialStore {
    /// For as many tiles; what is more than `most` bytes goes into a file in the folder.
    pub fn new(tiles: usize, folder: &Path, most: usize) -> Self {
        let inner = Inner { slots: vec![Stored::Empty; tiles], kept: 0, file: None };
        Self { folder: folder.to_owned(), most, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the partial result of a tile there.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn put(&self, tile: usize, partial: Vec<u8>) -> Result<()> {
        let mut inner = self.inner();
        if inner.kept + partial.len() <= self.most {
            inner.kept += partial.len();
            inner.slots[tile] = Stored::Memory(partial);
            return Ok(());
        }
        if inner.file.is_none() {
            inner.file = Some(tempfile::tempfile_in(&self.folder).at(&self.folder)?);
        }
        let file = inner.file.as_mut().expect("just made");
        let at = file.seek(SeekFrom::End(0)).at(&self.folder)?;
        file.write_all(&partial).at(&self.folder)?;
        inner.slots[tile] = Stored::File(at, partial.len());
        Ok(())
    }

    /// The partial result of a tile; one that is not there is empty.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn get(&self, tile: usize) -> Result<Vec<u8>> {
        self.partial_range(tile, 0..u64::MAX)
    }

    /// Some bytes of it, as many of the range as there are.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn partial_range(&self, tile: usize, bytes: Range<u64>) -> Result<Vec<u8>> {
        let mut inner = self.inner();
        match &inner.slots[tile] {
            Stored::Empty => Ok(Vec::new()),
            Stored::Memory(partial) => Ok(indexed_blob::within(partial, bytes)),
            &Stored::File(at, length) => {
                let end = bytes.end.min(length as u64);
                let mut partial = vec![0; end.saturating_sub(bytes.start) as usize];
                let file = inner.file.as_mut().expect("it was made before it was written to");
                file.seek(SeekFrom::Start(at + bytes.start)).at(&self.folder)?;
                file.read_exact(&mut partial).at(&self.folder)?;
                Ok(partial)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_from_memory_and_from_the_file() {
        let partial = |i: usize| vec![i as u8; i % 7 * 5];
        for most in [0, 100, 1 << 20] {
            let folder = tempfile::tempdir().unwrap();
            let store = PartialStore::new(50, folder.path(), most);
            (0..49).rev().for_each(|i| store.put(i, partial(i)).unwrap());
            assert!((0..49).all(|i| store.get(i).unwrap() == partial(i)));
            assert_eq!(store.partial_range(5, 3..7).unwrap(), [5; 4]);
            assert_eq!(store.partial_range(5, 24..70).unwrap(), [5]);
            assert!(store.partial_range(5, 25..26).unwrap().is_empty());
            assert!(store.get(49).unwrap().is_empty() && store.get(3).unwrap() == partial(3));
        }
        let nowhere = PartialStore::new(1, Path::new("/nowhere"), 1);
        assert!(nowhere.put(0, vec![0; 2]).is_err());
    }
}
