//! A file of records, to which is only appended. A record whose checksum is wrong ends it.

use crate::error::PathContext;
use crate::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"VXLABEL2";
/// Kind, length and checksum before the bytes of a record.
const HEAD: usize = 9;

/// Where the bytes of a record lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordLocation {
    offset: u64,
    length: u32,
}

/// The file.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    end: u64,
}

impl Log {
    /// A new file.
    ///
    /// # Errors
    /// If there is one of this name, or it can't be written.
    pub fn create(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path).at(path)?;
        file.write_all(MAGIC).at(path)?;
        Ok(Self { file, path: path.to_owned(), end: MAGIC.len() as u64 })
    }

    /// Opens a file again; `each` gets the kind, the place and the bytes of every record, up to the first that is not
    /// whole. What follows that is cut off.
    ///
    /// # Errors
    /// If it isn't such a file or can't be read, or what `each` says.
    pub fn reopen(
        path: &Path,
        mut each: impl FnMut(u8, RecordLocation, &[u8]) -> Result<()>,
    ) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).at(path)?;
        let length = file.metadata().at(path)?.len();
        let mut reader = BufReader::new(&file);
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic).at(path)?;
        if magic != *MAGIC {
            return Err(Error::file(path, "is not a log of labels"));
        }
        let (mut end, mut bytes) = (MAGIC.len() as u64, Vec::new());
        while length - end >= HEAD as u64 {
            let mut head = [0; HEAD];
            reader.read_exact(&mut head).at(path)?;
            let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| head[at + i]));
            let (kind, size, sum) = (head[0], number(1), number(5));
            if u64::from(size) > length - end - HEAD as u64 {
                break;
            }
            bytes.resize(size as usize, 0);
            reader.read_exact(&mut bytes).at(path)?;
            if checksum(kind, &bytes) != sum {
                break;
            }
            let place = RecordLocation { offset: end + HEAD as u64, length: size };
            each(kind, place, &bytes)?;
            end = place.offset + u64::from(size);
        }
        let log = Self { file, path: path.to_owned(), end };
        log.file.set_len(end).at(path)?;
        Ok(log)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is.
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Appends a record.
    ///
    /// # Errors
    /// If it can't be written; the file is then as it was.
    pub fn append(&mut self, kind: u8, bytes: &[u8]) -> Result<RecordLocation> {
        let length =
            u32::try_from(bytes.len()).map_err(|_| Error::file(&self.path, "a record is too long"))?;
        let mut record = Vec::with_capacity(HEAD + bytes.len());
        record.push(kind);
        record.extend(length.to_le_bytes());
        record.extend(checksum(kind, bytes).to_le_bytes());
        record.extend(bytes);
        let written = self
            .file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&record))
            .at(&self.path);
        if let Err(error) = written {
            self.cut(self.end);
            return Err(error);
        }
        let place = RecordLocation { offset: self.end + HEAD as u64, length };
        self.end = place.offset + u64::from(length);
        Ok(place)
    }

    /// Cuts off what was appended after a length.
    pub fn cut(&mut self, length: u64) {
        self.end = length;
        // A disk that can't even do this leaves a record that the next one overwrites.
        let _ = self.file.set_len(length);
    }

    /// The bytes of a record.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn read(&mut self, place: RecordLocation) -> Result<Vec<u8>> {
        let mut bytes = vec![0; place.length as usize];
        self.file
            .seek(SeekFrom::Start(place.offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .at(&self.path)?;
        Ok(bytes)
    }

    /// A second handle, to wait for the disk with.
    ///
    /// # Errors
    /// If the system has no more.
    pub fn handle(&self) -> Result<File> {
        self.file.try_clone().at(&self.path)
    }
}

fn checksum(kind: u8, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[kind]);
    sum.update(&(bytes.len() as u32).to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(path: &Path) -> (Log, Vec<(u8, Vec<u8>)>) {
        let mut records = Vec::new();
        let log = Log::reopen(path, |kind, _, bytes| {
            records.push((kind, bytes.to_vec()));
            Ok(())
        });
        (log.unwrap(), records)
    }

    #[test]
    fn whatever_is_cut_off_or_broken_only_the_last_record_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::create(&path).unwrap();
        let places: Vec<RecordLocation> =
            (0..4u8).map(|i| log.append(i, &vec![i; 10 * usize::from(i)]).unwrap()).collect();
        assert_eq!(log.read(places[2]).unwrap(), vec![2; 20]);
        let before = places[3].offset - HEAD as u64;
        let whole = std::fs::read(&path).unwrap();
        for length in before as usize..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (log, found) = records(&path);
            assert_eq!((found.len(), log.len()), (3, before));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
        }
        for at in before as usize..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x40;
            std::fs::write(&path, &broken).unwrap();
            assert_eq!(records(&path).1.len(), 3, "byte {at}");
        }
        std::fs::write(&path, &whole).unwrap();
        let (mut log, found) = records(&path);
        assert_eq!(found[3], (3, vec![3; 30]));
        log.append(9, b"more").unwrap();
        drop(log);
        assert_eq!(records(&path).1.len(), 5);
        std::fs::write(&path, b"something else").unwrap();
        assert!(
            Log::reopen(&path, |_, _, _| Ok(())).unwrap_err().to_string().contains("not a log of labels")
        );
        assert!(Log::create(&path).is_err());
    }
}
