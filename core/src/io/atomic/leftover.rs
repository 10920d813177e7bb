//! Hidden names of what is being written, and what programs that were killed left under such names.
//!
//! A temporary file is locked by its program, a temporary folder by way of a file beside it that is made before it and
//! removed after it. The lock goes with the program, however that ends, so that whatever can be locked belongs to nobody and
//! is removed, as is a folder without such a file.

use super::swap;
use crate::error::PathContext;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Ending of everything that is not complete yet.
pub const PARTIAL_SUFFIX: &str = ".voxelry-partial";
/// Ending of the file that is locked by the program which writes a folder, and says what that will be.
const LOCK_SUFFIX: &str = ".voxelry-begun";
/// The contents of the lock of a folder that nobody resumes.
pub(super) const TEMPORARY: &str = "temporary\n";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The folder that holds a target.
pub(super) fn parent(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The part of a hidden name after the target's own, such as `12-3.voxelry-partial`, that nobody in this process has used.
pub(super) fn unused_ending() -> String {
    format!("{}-{}{PARTIAL_SUFFIX}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Bytes of a name from which on it is shortened where more is put to it; file systems take 255.
const LONG: usize = 200;

/// What stands for a target's name in the hidden names beside it.
fn short(name: &OsStr) -> OsString {
    if name.len() < LONG {
        name.to_owned()
    } else {
        blake3::hash(name.as_encoded_bytes()).to_hex().as_str().into()
    }
}

/// The hidden name beside a target: `.scan.nii.12-3.voxelry-partial`.
pub(super) fn hidden(target: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(short(target.file_name().unwrap_or_default()));
    name.push(".");
    name.push(ending);
    target.with_file_name(name)
}

/// The target of a hidden name with a suffix.
fn target_of(name: &OsStr, suffix: &str) -> Option<String> {
    let name = name.to_string_lossy();
    let (target, numbers) = name.strip_prefix('.')?.strip_suffix(suffix)?.rsplit_once('.')?;
    let numbers = numbers.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    (digits(numbers.0) && digits(numbers.1)).then(|| target.to_owned())
}

/// The lock of a temporary folder.
pub(super) fn lock_of(folder: &Path) -> PathBuf {
    // The suffix is no part of a stem.
    let mut name = folder.file_stem().unwrap_or_default().to_owned();
    name.push(LOCK_SUFFIX);
    folder.with_file_name(name)
}

/// Makes a temporary file and locks it.
pub(super) fn make_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    // Elsewhere a lock keeps others from reading. File systems without locks have no sweep either.
    #[cfg(unix)]
    let _ = file.lock();
    // A sweep may have come before the lock: then another name is tried.
    if path.exists() { Ok(file) } else { Err(io::ErrorKind::AlreadyExists.into()) }
}

/// Makes a temporary folder with its lock.
pub(super) fn make_folder(path: &Path) -> io::Result<File> {
    make_folder_about(path, TEMPORARY)
}

/// Makes a folder with a lock that says what the folder will be.
pub(super) fn make_folder_about(path: &Path, about: &str) -> io::Result<File> {
    let at = lock_of(path);
    let mut lock = OpenOptions::new().read(true).write(true).create_new(true).open(&at)?;
    // A file system without locks has no sweep either.
    let _ = lock.lock();
    if !at.exists() {
        // A sweep came before the lock.
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let made = lock.write_all(about.as_bytes()).and_then(|()| fs::create_dir(path));
    made.inspect_err(|_| drop(fs::remove_file(&at)))?;
    Ok(lock)
}

/// The lock of a folder that no program works on any more, and what the folder was to be; none if there is no such lock.
pub(super) fn take_folder(path: &Path) -> Option<(File, String)> {
    let mut lock = OpenOptions::new().read(true).write(true).open(lock_of(path)).ok()?;
    lock.try_lock().ok()?;
    let mut about = String::new();
    lock.read_to_string(&mut about).ok()?;
    Some((lock, about))
}

/// Says in a folder's lock what the folder is from now on.
pub(super) fn write_about(mut lock: &File, about: &str) -> io::Result<()> {
    lock.seek(SeekFrom::Start(0))?;
    lock.set_len(0)?;
    lock.write_all(about.as_bytes())
}

/// Removes a temporary folder, then its lock.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)?;
    fs::remove_file(lock_of(path))
}

/// Folders that programs left behind which were writing to this target.
pub(super) fn left_beside(target: &Path) -> Vec<PathBuf> {
    let Some(name) = target.file_name().map(short) else { return Vec::new() };
    let name = name.to_string_lossy();
    let Ok(entries) = fs::read_dir(parent(target)) else { return Vec::new() };
    let ours = entries.flatten().map(|entry| entry.file_name());
    let ours = ours.filter(|n| target_of(n, PARTIAL_SUFFIX).is_some_and(|target| target == name));
    ours.map(|n| target.with_file_name(n)).filter(|p| p.is_dir()).collect()
}

/// Removes what programs that were killed left in the folder of a target, once for each folder. Folders that can be
/// resumed stay.
pub(super) fn sweep_beside(target: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let folder = parent(target);
    let known = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(known) {
        sweep(folder);
    }
}

/// Removes what programs that were killed left in a folder; see [`sweep_beside`].
pub(super) fn sweep(folder: &Path) {
    let entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    // What a swap has moved away isn't abandoned before the swap is over.
    if !entries.iter().all(|entry| swap::heal_journal(&entry.path())) {
        return;
    }
    // What can't be removed stays hidden.
    for entry in &entries {
        let (name, path) = (entry.file_name(), entry.path());
        let _ = if target_of(&name, LOCK_SUFFIX).is_some() {
            sweep_lock(&path)
        } else if target_of(&name, PARTIAL_SUFFIX).is_none() {
            Ok(())
        } else if path.is_dir() {
            sweep_folder(&path)
        } else {
            sweep_file(&path)
        };
    }
}

fn sweep_file(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let file = OpenOptions::new().write(true).open(path)?;
        file.try_lock()?;
        fs::remove_file(path)?;
    }
    Ok(())
}

fn sweep_folder(path: &Path) -> io::Result<()> {
    if !lock_of(path).exists() {
        return fs::remove_dir_all(path);
    }
    match take_folder(path) {
        Some((_lock, about)) if about == TEMPORARY => remove_folder(path),
        _ => Ok(()),
    }
}

/// Removes a lock without a folder.
fn sweep_lock(path: &Path) -> io::Result<()> {
    let lock = OpenOptions::new().write(true).open(path)?;
    lock.try_lock()?;
    let folder = path.file_stem().map(|stem| {
        let mut name = stem.to_owned();
        name.push(PARTIAL_SUFFIX);
        path.with_file_name(name)
    });
    if folder.is_some_and(|folder| folder.exists()) { Ok(()) } else { fs::remove_file(path) }
}

/// Makes something under a hidden name beside a target that nothing has yet.
pub(super) fn unused_beside<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> Result<(PathBuf, T)> {
    if target.file_name().is_none() {
        return Err(Error::file(target, "is not a name of a file"));
    }
    loop {
        let path = hidden(target, &unused_ending());
        let mut partials = super::partials();
        match make(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::io(parent(target), e)),
            made => {
                let made = made.at(target)?;
                partials.insert(path.clone());
                return Ok((path, made));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AtomicDir, AtomicFile};
    use super::*;

    #[test]
    fn hidden_names_are_told_from_others() {
        let target = Path::new("a/scan.nii");
        let ending = unused_ending();
        let name = hidden(target, &ending).file_name().unwrap().to_owned();
        assert_eq!(target_of(&name, PARTIAL_SUFFIX).as_deref(), Some("scan.nii"));
        let lock = lock_of(&target.with_file_name(&name));
        assert_eq!(target_of(lock.file_name().unwrap(), LOCK_SUFFIX).as_deref(), Some("scan.nii"));
        for other in
            ["scan.nii.1-2.voxelry-partial", ".scan.nii", ".a.1-x.voxelry-partial", ".a.12.voxelry-partial"]
        {
            assert_eq!(target_of(OsStr::new(other), PARTIAL_SUFFIX), None, "{other}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_belongs_to_nobody_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // What programs that live are writing, and what can be resumed.
        let file = AtomicFile::create(at("file")).unwrap();
        let living = AtomicDir::create(at("living")).unwrap();
        drop(AtomicDir::resume(at("resumed"), "about").unwrap());
        fs::write(at(".not-ours"), "").unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let before = count();
        // What the dead left.
        fs::write(at(".file.1-2.voxelry-partial"), "").unwrap();
        drop(make_folder(&at(".dead.1-4.voxelry-partial")).unwrap());
        fs::create_dir(at(".replaced.1-5.voxelry-partial")).unwrap();
        fs::write(at(".lock.1-6.voxelry-begun"), TEMPORARY).unwrap();
        sweep(folder.path());
        assert_eq!(count(), before);
        file.commit().unwrap();
        living.commit().unwrap();
        assert!(
            at("file").is_file() && at("living").is_dir() && fs::read_dir(at("living")).unwrap().count() == 0
        );
    }
}
