//! Puts a folder in the place of another, so that at every moment one of the two has the name.
//!
//! Linux and macOS exchange two names in one step. Where a file system can't, two renames follow each other, and a
//! journal beside the target says which, so that the next program completes what one that was killed had begun.

use super::leftover::{hidden, parent, unused_ending};
use rayon::prelude::*;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Ending of the name of a journal.
const JOURNAL: &str = "voxelry-swap";
/// Up to so many files are flushed one by one; beyond, the whole file system is, where that can be asked for.
const ONE_BY_ONE: usize = 1024;

/// Puts `new` in the place of `target`. Where there was a folder, the path at which it is now.
///
/// # Errors
/// If the renames fail; then both are where they were.
pub(super) fn put(new: &Path, target: &Path) -> io::Result<Option<PathBuf>> {
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => match fs::rename(new, target) {
            // Somebody else was faster.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => put_over(new, target).map(Some),
            done => done.map(|()| None),
        },
        _ => put_over(new, target).map(Some),
    }
}

fn put_over(new: &Path, target: &Path) -> io::Result<PathBuf> {
    match exchange(new, target) {
        Err(e) if cannot(&e) => put_by_journal(new, target),
        done => done.map(|()| new.to_owned()),
    }
}

/// Whether an error says that the system or the file system doesn't exchange names.
fn cannot(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let [a, b] = [a, b].map(|path| CString::new(path.as_os_str().as_bytes()));
    let (a, b) = (a?, b?);
    // SAFETY: both are strings that end in 0 and outlive the call.
    #[cfg(target_os = "linux")]
    let done = unsafe {
        libc::renameat2(libc::AT_FDCWD, a.as_ptr(), libc::AT_FDCWD, b.as_ptr(), libc::RENAME_EXCHANGE)
    };
    // SAFETY: as above.
    #[cfg(target_os = "macos")]
    let done = unsafe { libc::renamex_np(a.as_ptr(), b.as_ptr(), libc::RENAME_SWAP) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The steps of [`put_by_journal`], for tests that stop after each.
fn put_by_journal(new: &Path, target: &Path) -> io::Result<PathBuf> {
    let (journal, ending) = begin(new, target)?;
    let old = hidden(target, &ending);
    fs::rename(target, &old)?;
    if let Err(error) = fs::rename(new, target) {
        fs::rename(&old, target)?;
        fs::remove_file(journal.path)?;
        return Err(error);
    }
    flush(parent(target));
    fs::remove_file(journal.path)?;
    Ok(old)
}

struct Journal {
    path: PathBuf,
    /// Keeps others from completing what is being done.
    _lock: File,
}

/// Writes down which folder takes the target's place, and under which hidden ending the target's own will be.
fn begin(new: &Path, target: &Path) -> io::Result<(Journal, String)> {
    let path = hidden(target, JOURNAL);
    heal_journal(&path);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    file.lock()?;
    let ending = unused_ending();
    let ours = hidden(target, "").file_name().map_or(0, |name| name.len());
    let name = new.file_name().unwrap_or_default().as_encoded_bytes();
    let numbers = String::from_utf8_lossy(name.get(ours..).unwrap_or_default()).into_owned();
    file.write_all(format!("{numbers}\n{ending}\n").as_bytes())?;
    file.write_all(target.file_name().unwrap_or_default().as_encoded_bytes())?;
    file.sync_all()?;
    flush(parent(target));
    Ok((Journal { path, _lock: file }, ending))
}

/// Completes a swap of which a journal tells, if `path` is one and its program is gone; false if the program is at it.
pub(super) fn heal_journal(path: &Path) -> bool {
    if !path.file_name().unwrap_or_default().as_encoded_bytes().ends_with(JOURNAL.as_bytes()) {
        return true;
    }
    let Ok(mut file) = OpenOptions::new().read(true).write(true).open(path) else { return true };
    if file.try_lock().is_err() {
        return false;
    }
    let mut text = Vec::new();
    let mut lines = match file.read_to_end(&mut text) {
        Ok(_) => text.splitn(3, |byte| *byte == b'\n'),
        Err(_) => return true,
    };
    // One that isn't whole was not begun.
    if let (Some(new), Some(old), Some(name)) = (lines.next(), lines.next(), lines.next()) {
        let target = path.with_file_name(name_of(name));
        let [new, old] = [new, old].map(|ending| hidden(&target, &String::from_utf8_lossy(ending)));
        if fs::symlink_metadata(&target).is_err() {
            // What was to take the place is complete.
            let _ = fs::rename(new, &target).or_else(|_| fs::rename(&old, &target));
        }
        if target.is_dir() {
            let _ = fs::remove_dir_all(old);
        }
    }
    let _ = fs::remove_file(path);
    true
}

#[cfg(unix)]
fn name_of(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn name_of(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Completes the swap of a target that a program which was killed had begun.
pub fn heal(target: &Path) {
    heal_journal(&hidden(target, JOURNAL));
}

/// Brings a folder with all that it holds to the disk.
///
/// # Errors
/// If the disk says so.
pub(super) fn flush_tree(folder: &Path) -> io::Result<()> {
    let (mut files, mut folders, mut next) = (Vec::new(), Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = next.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { next.push(entry.path()) } else { files.push(entry.path()) }
        }
        folders.push(folder);
    }
    if files.len() > ONE_BY_ONE && flush_file_system(folder)? {
        return Ok(());
    }
    // Windows flushes for those alone who may write.
    let open = |path| OpenOptions::new().read(true).write(cfg!(windows)).open(path);
    files.par_iter().try_for_each(|path| open(path)?.sync_all())?;
    folders.iter().for_each(|folder| flush(folder));
    Ok(())
}

#[cfg(target_os = "linux")]
fn flush_file_system(folder: &Path) -> io::Result<bool> {
    use std::os::fd::AsRawFd;
    let folder = File::open(folder)?;
    // SAFETY: the handle is open.
    if unsafe { libc::syncfs(folder.as_raw_fd()) } == 0 { Ok(true) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn flush_file_system(_: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Brings the names in a folder to the disk; where folders can't be flushed this is the system's.
pub(super) fn flush(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(path: &Path, name: &str) {
        fs::create_dir(path).unwrap();
        fs::write(path.join(name), name).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_takes_the_place_of_another_in_both_ways() {
        for way in [put, |new: &Path, target: &Path| put_by_journal(new, target).map(Some)] {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("a");
            folder_with(&target, "old");
            let new = hidden(&target, &unused_ending());
            folder_with(&new, "new");
            let old = way(&new, &target).unwrap().unwrap();
            assert_eq!((names(&target), names(&old)), (vec!["new".to_owned()], vec!["old".to_owned()]));
            assert_eq!(names(folder.path()).len(), 2, "the journal is gone");
        }
        let folder = tempfile::tempdir().unwrap();
        let (new, target) = (folder.path().join("new"), folder.path().join("a"));
        folder_with(&new, "new");
        assert_eq!(put(&new, &target).unwrap(), None);
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_swap_that_is_killed_anywhere_is_completed() {
        for stopped_after in 0..=2 {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("a.b");
            folder_with(&target, "old");
            let new = hidden(&target, &unused_ending());
            folder_with(&new, "new");
            let (journal, ending) = begin(&new, &target).unwrap();
            if stopped_after > 0 {
                fs::rename(&target, hidden(&target, &ending)).unwrap();
            }
            if stopped_after > 1 {
                fs::rename(&new, &target).unwrap();
            }
            assert!(!heal_journal(&journal.path), "its program is at it");
            drop(journal);
            heal(&target);
            let expected = if stopped_after == 0 { "old" } else { "new" };
            assert_eq!(names(&target), [expected], "stopped after {stopped_after}");
            let rest = if stopped_after == 0 { 2 } else { 1 };
            assert_eq!(names(folder.path()).len(), rest, "stopped after {stopped_after}");
        }
    }

    #[test]
    fn a_folder_is_flushed_with_all_that_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        folder_with(&folder.path().join("a"), "file");
        flush_tree(folder.path()).unwrap();
        assert!(flush_tree(&folder.path().join("missing")).is_err());
        #[cfg(target_os = "linux")]
        assert!(flush_file_system(folder.path()).unwrap());
    }
}
