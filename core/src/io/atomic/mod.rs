//! Files and folders that appear under their name only when they are complete.
//!
//! Both write beside the target, under a hidden name that ends in `.voxelry-partial`, so that the
//! last step is a rename within one file system. Dropped before [`AtomicFile::commit`], they leave
//! nothing behind; so does a program that ends in a hurry and calls [`abandon`]. Killed, they leave
//! a name that no reader takes for an image, and the next program that writes to the same folder removes it (`leftover`).
//! A folder takes the place of another in one step (`swap`).

mod leftover;
mod swap;

pub use leftover::PARTIAL_SUFFIX;
pub use swap::heal;

use crate::error::PathContext;
use crate::{Error, Result};
use leftover::{
    TEMPORARY, left_beside, lock_of, make_file, make_folder, make_folder_about, parent, remove_folder,
    sweep_beside, take_folder, unused_beside, write_about,
};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The file in such a folder for what its owner has to remember, see [`AtomicDir::notes`].
const NOTES: &str = "voxelry-done";

/// What is being written at this moment.
static PARTIALS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn partials() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    PARTIALS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes everything that is being written, for a program that can't wait until it is dropped. From then on
/// nothing can be begun or committed: this is for the moment before the program ends.
pub fn abandon() {
    // Where this thread itself has the list, or another for long, what is left is for the next sweep.
    let Some(partials) = (0..50).find_map(|_| {
        let list = PARTIALS.try_lock().ok();
        if list.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        list
    }) else {
        return;
    };
    for path in partials.iter() {
        // Other threads may still put files into a folder while it is being emptied.
        for _ in 0..3 {
            let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            if gone.is_ok() {
                break;
            }
        }
    }
    // Whoever wants to begin or commit now waits for the end.
    std::mem::forget(partials);
}

/// A file that gets its name when it is committed.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    partial: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl AtomicFile {
    /// Begins a file. What already has that name stays as it is until the commit.
    ///
    /// # Errors
    /// If the folder does not exist or cannot be written to, or `target` is a folder.
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        let target = resolve(target.as_ref());
        if target.is_dir() {
            return Err(Error::file(&target, "is a folder, not a file to write to"));
        }
        sweep_beside(&target);
        let (partial, file) = unused_beside(&target, make_file)?;
        Ok(Self { file, partial, target, committed: false })
    }

    /// The open file; `&File` reads, writes and seeks.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name that the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Brings the bytes to the disk and gives the file its name.
    ///
    /// # Errors
    /// If the disk is full or the rename fails; then nothing is left behind.
    pub fn commit(mut self) -> Result<()> {
        self.file.sync_all().at(&self.target)?;
        let mut partials = partials();
        fs::rename(&self.partial, &self.target).at(&self.target)?;
        partials.remove(&self.partial);
        self.committed = true;
        drop(partials);
        swap::flush(parent(&self.target));
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for AtomicFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.file.seek(pos)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.partial);
            partials().remove(&self.partial);
        }
    }
}

/// A folder that gets its name when it is committed.
#[derive(Debug)]
pub struct AtomicDir {
    partial: PathBuf,
    target: PathBuf,
    committed: bool,
    /// Says what the folder is of, and is locked as long as its program runs.
    lock: File,
    /// What it is to be, if it outlives its program to be resumed.
    stays: Option<String>,
}

impl AtomicDir {
    /// Begins an empty folder. What already has that name stays as it is until the commit.
    ///
    /// # Errors
    /// If the parent does not exist or cannot be written to, or `target` is a file.
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        let target = resolve(target.as_ref());
        if target.is_file() {
            return Err(Error::file(&target, "is a file, not a folder to write to"));
        }
        sweep_beside(&target);
        let (partial, lock) = unused_beside(&target, make_folder)?;
        partials().insert(lock_of(&partial));
        Ok(Self { partial, target, committed: false, lock, stays: None })
    }

    /// Begins a folder that stays when it is given up or the program is killed, or resumes such a one that no
    /// program works on any more. `about` says what it will hold: one that is about something else is removed.
    ///
    /// # Errors
    /// As [`AtomicDir::create`].
    pub fn resume(target: impl AsRef<Path>, about: &str) -> Result<Self> {
        let target = resolve(target.as_ref());
        if target.is_file() {
            return Err(Error::file(&target, "is a file, not a folder to write to"));
        }
        let about = format!("{}\n{about}", started());
        for partial in left_beside(&target) {
            // None if a program that runs is writing to it.
            let Some((lock, text)) = take_folder(&partial) else { continue };
            if text == about {
                return Ok(Self { partial, target, committed: false, lock, stays: Some(about) });
            }
            remove_folder(&partial).at(&partial)?;
        }
        sweep_beside(&target);
        let (partial, lock) = unused_beside(&target, |path| make_folder_about(path, &about))?;
        partials().remove(&partial);
        Ok(Self { partial, target, committed: false, lock, stays: Some(about) })
    }

    /// What the folder's owner has noted in it, to go on from there, and the file to note more in; for folders that
    /// stay.
    ///
    /// # Errors
    /// If the file can't be read or written.
    pub fn notes(&self) -> Result<(Vec<u8>, File)> {
        let path = self.partial.join(NOTES);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).at(&path)?;
        let mut noted = Vec::new();
        file.read_to_end(&mut noted).at(&path)?;
        Ok((noted, file))
    }

    /// Removes everything that it holds but one entry, of a folder that is resumed.
    ///
    /// # Errors
    /// If something can't be removed.
    pub fn empty(&self, but: &str) -> Result<()> {
        for entry in fs::read_dir(&self.partial).at(&self.partial)? {
            let path = entry.at(&self.partial)?.path();
            if [NOTES, but].iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.at(&path)?;
        }
        Ok(())
    }

    /// The folder to write into until the commit.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// The name that the folder will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// An error about something in this folder, as one about what has the folder's final name: the
    /// name that the user knows.
    pub fn named(&self, error: Error) -> Error {
        let named = |path: PathBuf| match path.strip_prefix(&self.partial) {
            Ok(inside) if inside.as_os_str().is_empty() => self.target.clone(),
            Ok(inside) => self.target.join(inside),
            Err(_) => path,
        };
        match error {
            Error::Io { path, source } => Error::Io { path: named(path), source },
            Error::File { path, reason } => Error::File { path: named(path), reason },
            other => other,
        }
    }

    /// Brings the folder to the disk and gives it its name, in place of an older one of that name, which is removed.
    ///
    /// # Errors
    /// If the disk is full or the rename fails; then the older folder is in its place.
    pub fn commit(mut self) -> Result<()> {
        swap::flush_tree(&self.partial).at(&self.target)?;
        let notes = self.put_notes_aside()?;
        let lock = lock_of(&self.partial);
        let mut partials = partials();
        // From here on what has the hidden name is what nobody resumes: at last, what the folder has replaced.
        partials.extend([self.partial.clone(), lock.clone()]);
        write_about(&self.lock, TEMPORARY).at(&self.target)?;
        let old = match swap::put(&self.partial, &self.target) {
            Ok(old) => old,
            Err(error) => {
                if let Some(about) = &self.stays {
                    partials.remove(&self.partial);
                    partials.remove(&lock);
                    let _ = write_about(&self.lock, about);
                    let _ = notes.map(|path| fs::rename(path, self.partial.join(NOTES)));
                }
                return Err(Error::io(&self.target, error));
            }
        };
        partials.extend(old.clone());
        self.committed = true;
        drop(partials);
        swap::flush(parent(&self.target));
        // What can't be removed stays hidden until the next sweep.
        let _ = notes.map(fs::remove_file);
        let _ = old.as_ref().map(fs::remove_dir_all);
        let _ = fs::remove_file(&lock);
        let mut partials = self::partials();
        for path in old.iter().chain([&self.partial, &lock]) {
            partials.remove(path);
        }
        Ok(())
    }

    /// Moves the notes out of the folder, which is the same image without them: where they are now.
    fn put_notes_aside(&self) -> Result<Option<PathBuf>> {
        let path = self.partial.join(NOTES);
        if !path.exists() {
            return Ok(None);
        }
        let (aside, ()) = unused_beside(&self.target, |to| fs::rename(&path, to))?;
        partials().remove(&aside);
        Ok(Some(aside))
    }
}

/// Since when the machine runs, as far as that is known: what was written before it went down may not have reached the
/// disk.
fn started() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Whether something was begun that will have this name, and can be resumed ([`AtomicDir::resume`]).
pub fn is_begun(target: &Path) -> bool {
    let stays = |folder: &PathBuf| fs::read_to_string(lock_of(folder)).is_ok_and(|about| about != TEMPORARY);
    left_beside(&resolve(target)).iter().any(stays)
}

impl Drop for AtomicDir {
    fn drop(&mut self) {
        if !self.committed && self.stays.is_none() {
            let _ = remove_folder(&self.partial);
            let mut partials = partials();
            partials.remove(&self.partial);
            partials.remove(&lock_of(&self.partial));
        }
    }
}

/// Writes a small file whole.
///
/// # Errors
/// As [`AtomicFile::create`] and [`AtomicFile::commit`].
pub fn write(target: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(&target)?;
    file.write_all(bytes).at(&target)?;
    file.commit()
}

/// A link is followed, so that it is its destination that gets replaced.
fn resolve(target: &Path) -> PathBuf {
    if target.is_symlink() { target.canonicalize().unwrap_or_else(|_| target.into()) } else { target.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_on_commit_only() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.bin");
        fs::write(&target, b"old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        drop(file);
        assert_eq!(names(folder.path()), ["a.bin"]);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        write(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_folder_replaces_an_older_one_on_commit_only() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.zarr");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("old"), b"").unwrap();
        let dir = AtomicDir::create(&target).unwrap();
        fs::write(dir.path().join("new"), b"").unwrap();
        drop(dir);
        assert_eq!(names(folder.path()), ["a.zarr"]);
        assert_eq!(names(&target), ["old"]);
        let dir = AtomicDir::create(&target).unwrap();
        fs::write(dir.path().join("new"), b"").unwrap();
        dir.commit().unwrap();
        assert_eq!(names(folder.path()), ["a.zarr"]);
        assert_eq!(names(&target), ["new"]);
    }

    #[test]
    fn a_folder_that_was_given_up_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.zarr");
        let dir = AtomicDir::resume(&target, "one").unwrap();
        fs::write(dir.path().join("x"), b"").unwrap();
        dir.notes().unwrap().1.write_all(b"half").unwrap();
        // Somebody else does not touch what is being written.
        let other = AtomicDir::resume(&target, "one").unwrap();
        assert_ne!(other.path(), dir.path());
        drop(other);
        let path = dir.path().to_owned();
        drop(dir);
        assert!(path.is_dir());
        let found: Vec<_> = (0..2).map(|_| AtomicDir::resume(&target, "one").unwrap()).collect();
        let dir = found.into_iter().find(|d| d.path() == path).unwrap();
        assert_eq!(dir.notes().unwrap().0, b"half");
        dir.commit().unwrap();
        assert_eq!(names(&target), ["x"]);
        // What will have another name is left alone, though that begins alike.
        let longer = folder.path().join("a.zarr.2.zarr");
        let beside = AtomicDir::resume(&longer, "beside").unwrap();
        let kept = beside.path().to_owned();
        drop(beside);
        drop(AtomicDir::resume(&target, "one").unwrap());
        assert!(kept.is_dir());
        remove_folder(&kept).unwrap();
        // What is about something else makes room.
        drop(AtomicDir::resume(&target, "two").unwrap());
        let dir = AtomicDir::resume(&target, "three").unwrap();
        assert!(dir.notes().unwrap().0.is_empty());
        dir.commit().unwrap();
        assert_eq!(names(folder.path()), ["a.zarr"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = AtomicFile::create(missing.join("a.bin")).unwrap_err().to_string();
        assert!(error.starts_with(&missing.display().to_string()), "{error}");
    }
}
