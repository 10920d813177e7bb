//! Which image a result was made from.

use crate::error::PathContext;
use crate::{Job, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// An input file or folder: its name, size and hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The name by which the recipe knows it.
    pub name: String,
    /// Where it was.
    pub path: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of the file; of a folder, of all names and contents in sorted order.
    pub blake3: String,
}

impl Identity {
    /// Reads and hashes a file or folder.
    ///
    /// # Errors
    /// If it can't be read, or the job is cancelled.
    pub fn of(name: &str, path: &Path, job: &Job) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        if path.is_dir() {
            let mut files = Vec::new();
            collect(path, &mut files)?;
            files.sort();
            for file in files {
                let relative = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().replace('\\', "/");
                hasher.update(&(relative.len() as u64).to_le_bytes());
                hasher.update(relative.as_bytes());
                bytes += add(&file, &mut hasher, job)?;
            }
        } else {
            bytes = add(path, &mut hasher, job)?;
        }
        Ok(Self {
            name: name.into(),
            path: path.into(),
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn add(path: &Path, hasher: &mut blake3::Hasher, job: &Job) -> Result<u64> {
    let mut file = File::open(path).at(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        job.check()?;
        match file.read(&mut buffer).at(path)? {
            0 => return Ok(total),
            n => {
                hasher.update(&buffer[..n]);
                total += n as u64;
            }
        }
    }
}
