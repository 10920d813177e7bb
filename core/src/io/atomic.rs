//! Files and folders that appear under their name only when they are complete.
//!
//! Both write beside the target, under a hidden name that ends in `.voxelry-partial`, so that the
//! last step is a rename within one file system. Dropped before [`AtomicFile::commit`], they leave
//! nothing behind; so does a program that ends in a hurry and calls [`abandon`]. Killed, they leave
//! a name that no reader takes for an image.

use crate::error::PathContext;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file in a folder that outlives its program, which says what the folder is of.
const BEGUN: &str = "voxelry-begun";
/// The file in such a folder for what its owner has to remember, see [`AtomicDir::notes`].
const NOTES: &str = "voxelry-done";

/// Ending of everything that is not complete yet.
pub const PARTIAL_SUFFIX: &str = ".voxelry-partial";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// What is being written at this moment.
static PARTIALS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn partials() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    PARTIALS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes everything that is being written, for a program that can't wait until it is dropped. From then on
/// nothing can be begun or committed: this is for the moment before the program ends.
pub fn abandon() {
    let partials = partials();
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
        let (partial, file) =
            unused_beside(&target, |p| OpenOptions::new().read(true).write(true).create_new(true).open(p))?;
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
        sync_parent(&self.target);
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
    /// Says what the folder is of where it outlives its program, and is locked as long as that runs.
    begun: Option<File>,
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
        let (partial, ()) = unused_beside(&target, |p| fs::create_dir(p))?;
        Ok(Self { partial, target, committed: false, begun: None })
    }

    /// Begins a folder that stays when it is given up or the program is killed, or goes on with such a one that no
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
            let open = OpenOptions::new().read(true).write(true).open(partial.join(BEGUN));
            let Ok(mut begun) = open else { continue };
            if begun.try_lock().is_err() {
                // A program that runs is writing to it.
                continue;
            }
            let mut text = String::new();
            let read = begun.read_to_string(&mut text);
            if read.is_ok() && text == about {
                return Ok(Self { partial, target, committed: false, begun: Some(begun) });
            }
            if text.is_empty() {
                // One that is just being begun.
                continue;
            }
            drop(begun);
            fs::remove_dir_all(&partial).at(&partial)?;
        }
        let (partial, ()) = unused_beside(&target, |p| fs::create_dir(p))?;
        partials().remove(&partial);
        let path = partial.join(BEGUN);
        let mut begun = OpenOptions::new().read(true).write(true).create_new(true).open(&path).at(&path)?;
        begun.lock().at(&path)?;
        begun.write_all(about.as_bytes()).at(&path)?;
        Ok(Self { partial, target, committed: false, begun: Some(begun) })
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

    /// Removes everything that it holds but one entry, of a folder that is gone on with.
    ///
    /// # Errors
    /// If something can't be removed.
    pub fn empty(&self, but: &str) -> Result<()> {
        for entry in fs::read_dir(&self.partial).at(&self.partial)? {
            let path = entry.at(&self.partial)?.path();
            if [BEGUN, NOTES, but].iter().any(|name| path.ends_with(name)) {
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

    /// Gives the folder its name; an older one of that name is removed once it is out of the way.
    ///
    /// # Errors
    /// If a rename fails; then the older folder is back in its place.
    pub fn commit(mut self) -> Result<()> {
        let old = if self.target.exists() {
            Some(unused_beside(&self.target, |p| fs::create_dir(p))?.0)
        } else {
            None
        };
        let mut partials = partials();
        if let Some(old) = &old {
            fs::rename(&self.target, old).at(&self.target)?;
        }
        if let Err(error) = fs::rename(&self.partial, &self.target) {
            if let Some(old) = &old {
                let _ = fs::rename(old, &self.target);
                partials.remove(old);
            }
            return Err(Error::io(&self.target, error));
        }
        partials.remove(&self.partial);
        self.committed = true;
        drop(partials);
        if self.begun.is_some() {
            for name in [BEGUN, NOTES] {
                // Without them it is the same image.
                let _ = fs::remove_file(self.target.join(name));
            }
        }
        sync_parent(&self.target);
        if let Some(old) = old {
            fs::remove_dir_all(&old).at(&old)?;
            self::partials().remove(&old);
        }
        Ok(())
    }
}

/// Since when the machine runs, as far as that is known: what was written before it went down may not have reached the
/// disk.
fn started() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Whether something was begun that will have this name, and can be gone on with ([`AtomicDir::resume`]).
pub fn is_begun(target: &Path) -> bool {
    left_beside(&resolve(target)).iter().any(|folder| folder.join(BEGUN).is_file())
}

/// Folders that programs left behind which were writing to this target.
fn left_beside(target: &Path) -> Vec<PathBuf> {
    let (Some(name), folder) = (target.file_name(), target.parent()) else { return Vec::new() };
    let folder = folder.filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begins = hidden(name);
    let begins = begins.to_string_lossy();
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    // What lies between is the number of a program and one of its own: see `unused_beside`.
    let ours = names.filter(|n| {
        let n = n.to_string_lossy();
        let numbers = n.strip_prefix(&*begins).and_then(|rest| rest.strip_suffix(PARTIAL_SUFFIX));
        numbers.is_some_and(|n| n.chars().all(|c| c.is_ascii_digit() || c == '-'))
    });
    ours.map(|n| target.with_file_name(n)).filter(|p| p.is_dir()).collect()
}

impl Drop for AtomicDir {
    fn drop(&mut self) {
        if !self.committed && self.begun.is_none() {
            let _ = fs::remove_dir_all(&self.partial);
            partials().remove(&self.partial);
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

/// Bytes of a name from which on it is shortened where more is put to it; file systems take 255.
const LONG: usize = 200;

/// How the hidden names beside a target begin.
fn hidden(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    if name.len() < LONG {
        hidden.push(name);
    } else {
        hidden.push(blake3::hash(name.as_encoded_bytes()).to_hex().as_str());
    }
    hidden.push(".");
    hidden
}

fn unused_beside<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> Result<(PathBuf, T)> {
    let name = target.file_name().ok_or_else(|| Error::file(target, "is not a name of a file"))?;
    loop {
        let mut hidden = hidden(name);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        hidden.push(format!("{}-{n}{PARTIAL_SUFFIX}", std::process::id()));
        let path = target.with_file_name(hidden);
        let mut partials = partials();
        match make(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let folder = target.parent().unwrap_or(target);
                return Err(Error::io(folder, e));
            }
            made => {
                let made = made.at(target)?;
                partials.insert(path.clone());
                return Ok((path, made));
            }
        }
    }
}

/// The rename itself must reach the disk; where folders cannot be synced this is the system's.
fn sync_parent(target: &Path) {
    let parent = match target.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(parent) {
        let _ = folder.sync_all();
    }
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
        fs::remove_dir_all(kept).unwrap();
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
