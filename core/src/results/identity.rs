//! Which image a result was made from.

use crate::error::PathContext;
use crate::io::{self, Frame, OpenOptions, remote};
use crate::{Job, Region, Result, sample};
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
    /// BLAKE3 of the file; of a folder, of all names and contents in sorted order; of an address, of the voxels; of a
    /// sample's, of the address.
    pub blake3: String,
}

impl Identity {
    /// Reads and hashes a file, a folder, or the image at an address as `options` open it.
    ///
    /// # Errors
    /// If it can't be read, or the job is cancelled.
    pub fn of(name: &str, path: &Path, options: &OpenOptions, job: &Job) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        if let Some(address) = remote::address(path).filter(|a| sample::is_address(a)) {
            // It is made of its address.
            hasher.update(address.as_bytes());
        } else if remote::address(path).is_some() {
            bytes = add_voxels(path, options, &mut hasher, job)?;
        } else if path.is_dir() {
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

/// Bytes of voxels that are read at once to be hashed.
const SLAB: usize = 64 << 20;

/// Voxels of the finest level: times, channels, then slices. How they are stored makes no difference.
fn add_voxels(path: &Path, options: &OpenOptions, hasher: &mut blake3::Hasher, job: &Job) -> Result<u64> {
    let source = io::open(path, options)?;
    let info = source.info();
    let shape = info.shape();
    let slice = shape[1] * shape[2] * info.voxel.size();
    let slab = [(SLAB / slice.max(1)).max(1), shape[1], shape[2]];
    let mut total = 0;
    for time in 0..info.times {
        for channel in 0..info.channels.len() {
            for part in Region::whole(shape).tiles(slab) {
                job.check()?;
                let volume = source.read(Frame::new(channel, time), part)?;
                hasher.update(volume.as_bytes());
                total += volume.as_bytes().len() as u64;
            }
        }
    }
    Ok(total)
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
