//! Which image a result was made from.

use crate::error::PathContext;
use crate::io::{Frame, ImageSource, remote, sample};
use crate::{Job, Region, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An input file or folder: its name, size and hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "IdentityRecord", into = "IdentityRecord")]
pub struct Identity {
    /// The name by which the recipe knows it.
    pub name: String,
    /// Where it was.
    pub path: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of the file, followed by those that it names, if its voxels are in others; of a folder, of all names and
    /// contents in sorted order; of an address, of the voxels; of a sample's, of the address.
    pub blake3: String,
}

impl Identity {
    /// Reads and hashes the files or folder that an open image is of, or its voxels if it is at an address.
    ///
    /// # Errors
    /// If it can't be read, or the job is cancelled.
    pub fn of(name: &str, path: &Path, source: &Arc<dyn ImageSource>, job: &Job) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        if let Some(address) = remote::address(path).filter(|a| sample::is_address(a)) {
            // It is made of its address.
            hasher.update(address.as_bytes());
        } else if remote::address(path).is_some() {
            bytes = add_voxels(source, &mut hasher, job)?;
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
            for file in source.files().iter().filter(|file| *file != path) {
                bytes += add(file, &mut hasher, job)?;
            }
        }
        Ok(Self {
            name: name.into(),
            path: path.into(),
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }
}

/// An identity as text, which a path need not be.
#[derive(Serialize, Deserialize)]
struct IdentityRecord {
    name: String,
    path: String,
    /// The path as bytes in hexadecimal digits, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    bytes: u64,
    blake3: String,
}

impl From<Identity> for IdentityRecord {
    fn from(Identity { name, path, bytes, blake3 }: Identity) -> Self {
        Self { name, path: path.to_string_lossy().into_owned(), path_bytes: path_bytes(&path), bytes, blake3 }
    }
}

impl From<IdentityRecord> for Identity {
    fn from(IdentityRecord { name, path, path_bytes, bytes, blake3 }: IdentityRecord) -> Self {
        let path = path_bytes.and_then(|hex| path_of_bytes(&hex)).unwrap_or_else(|| path.into());
        Self { name, path, bytes, blake3 }
    }
}

/// The bytes of a path that is not UTF-8, in hexadecimal digits, for records that are text.
pub fn path_bytes(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.to_str().is_none().then(|| bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(unix)]
fn path_of_bytes(hex: &str) -> Option<PathBuf> {
    let digits = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digits).collect();
    Some(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes?).into())
}

/// Names that are not Unicode differ between systems.
#[cfg(not(unix))]
fn path_of_bytes(_: &str) -> Option<PathBuf> {
    None
}

/// Bytes of voxels that are read at once to be hashed.
const SLAB: usize = 64 << 20;

/// Voxels of the finest level: times, channels, then slices. How they are stored makes no difference.
fn add_voxels(source: &Arc<dyn ImageSource>, hasher: &mut blake3::Hasher, job: &Job) -> Result<u64> {
    let info = source.info();
    let shape = info.shape();
    let slice = shape[1] * shape[2] * info.voxel.size();
    let slab = [(SLAB / slice.max(1)).max(1), shape[1], shape[2]];
    let mut total = 0;
    for time in 0..info.times {
        for channel in 0..info.channels.len() {
            for part in Region::whole(shape).tiles(slab) {
                job.check()?;
                let frame = Frame::new(channel, time);
                let volume = remote::cancellable(source, job, move |source| source.read(frame, part))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_is_read_back() {
        use std::os::unix::ffi::OsStrExt;
        for path in [&b"folder/a.nii"[..], b"folder/a\xe9.nii", b"\xff"] {
            let path = Path::new(std::ffi::OsStr::from_bytes(path)).to_owned();
            let identity = Identity { name: "image".into(), path, bytes: 3, blake3: "00".into() };
            let text = toml::to_string(&identity).unwrap();
            assert_eq!(text.contains("path_bytes"), identity.path.to_str().is_none());
            assert_eq!(toml::from_str::<Identity>(&text).unwrap(), identity);
        }
    }
}
