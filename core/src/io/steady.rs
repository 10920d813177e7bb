//! Files that must stay as they are while an image is read from them.
//!
//! [`open`](super::open) wraps every image of files in a [`Steady`], which compares lengths, times of change and inodes
//! after each read with those at the opening: voxels of two images are never taken for one. What takes longer to
//! compare, all files of a folder, is in a [`Seal`], which whoever makes something of an image checks before it gets its name.
//!
//! Architecture invariant: no file of an image is mapped into memory, since one that is cut while it is mapped ends the
//! program.

use super::{Frame, ImageInfo, ImageSource};
use crate::error::PathContext;
use crate::{Error, Region, Result, Volume};
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Files that are compared after each read; more only by a seal.
const FEW: usize = 32;

/// What tells a file from the same file after a change, and from another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    changed: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    /// Of an open file or a path.
    pub(crate) fn of(about: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(about);
        #[cfg(not(unix))]
        let inode = 0;
        Self { length: about.len(), changed: about.modified().ok(), inode }
    }

    /// The same of a folder into which others may put something.
    fn of_folder(about: &Metadata) -> Self {
        Self { length: 0, changed: None, ..Self::of(about) }
    }

    /// Of what has a path now.
    fn at(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|about| Self::of(&about))
    }
}

/// The error about an image that isn't what it was.
pub(crate) fn changed(path: &Path) -> Error {
    Error::file(path, "changed while it was read; nothing was made of it")
}

/// Files as they were at a moment.
#[derive(Default, Clone)]
pub struct Seal {
    files: Vec<(PathBuf, Stamp)>,
    /// Folders that may be added to, as long as they are the same. They are held open, so that no other gets the inode.
    folders: Vec<(PathBuf, Stamp, Arc<Option<File>>)>,
    /// Asks whoever else knows, such as a store.
    ask: Option<Arc<dyn Fn() -> Result<()> + Send + Sync>>,
}

impl Seal {
    /// Asks somebody else whether the image is as it was.
    pub(crate) fn asking(ask: Arc<dyn Fn() -> Result<()> + Send + Sync>) -> Self {
        Self { ask: Some(ask), ..Self::default() }
    }

    fn add_folder(&mut self, path: &Path) -> Result<()> {
        let held = if cfg!(unix) { Some(File::open(path).at(path)?) } else { None };
        let about = std::fs::metadata(path).at(path)?;
        self.folders.push((path.to_owned(), Stamp::of_folder(&about), Arc::new(held)));
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<()> {
        self.files.push((path.to_owned(), Stamp::at(path).at(path)?));
        Ok(())
    }

    /// A folder with all that it holds; nothing may be added to it either.
    fn add_tree(&mut self, path: &Path) -> Result<()> {
        self.add_file(path)?;
        for entry in std::fs::read_dir(path).at(path)? {
            let entry = entry.at(path)?;
            if entry.file_type().at(path)?.is_dir() {
                self.add_tree(&entry.path())?;
            } else {
                self.add_file(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Refuses an image that isn't what it was.
    ///
    /// # Errors
    /// If one of its files has changed, was replaced or removed.
    pub fn check(&self) -> Result<()> {
        for (path, stamp, _) in &self.folders {
            if !std::fs::metadata(path).is_ok_and(|about| Stamp::of_folder(&about) == *stamp) {
                return Err(changed(path));
            }
        }
        if let Some((path, _)) = self.files.iter().find(|(path, stamp)| Stamp::at(path).ok() != Some(*stamp))
        {
            return Err(changed(path));
        }
        self.ask.as_ref().map_or(Ok(()), |ask| ask())
    }
}

/// An image of files that have to stay as they are.
pub(super) struct Steady {
    source: Box<dyn ImageSource>,
    /// What is compared after each read.
    few: Seal,
    /// Files and folders beyond.
    more: Vec<PathBuf>,
}

impl Steady {
    /// Opens an image of the file or folder at a path.
    ///
    /// # Errors
    /// What `open` says, or if the image changes meanwhile.
    pub(super) fn open(path: &Path, open: impl FnOnce() -> Result<Box<dyn ImageSource>>) -> Result<Self> {
        let mut few = Seal::default();
        if path.is_dir() {
            few.add_folder(path)?;
        } else {
            few.add_file(path)?;
        }
        let opened = open();
        few.check()?;
        let source = opened?;
        let mut more = Vec::new();
        for file in source.files().into_iter().filter(|file| file != path) {
            if few.files.len() < FEW && !file.is_dir() {
                few.add_file(&file)?;
            } else {
                more.push(file);
            }
        }
        Ok(Self { source, few, more })
    }

    /// What was read, if it is of the image that was opened.
    fn steadily<T>(&self, read: Result<T>) -> Result<T> {
        // An image that was cut meanwhile is not a damaged one.
        if !matches!(read, Err(Error::Cancelled)) {
            self.few.check()?;
        }
        read
    }
}

impl ImageSource for Steady {
    fn info(&self) -> &ImageInfo {
        self.source.info()
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.steadily(self.source.read(frame, region))
    }

    fn read_into(&self, frame: Frame, region: Region, volume: &mut Volume) -> Result<()> {
        self.steadily(self.source.read_into(frame, region, volume))
    }

    fn read_all(&self, frame: Frame) -> Result<Volume> {
        self.steadily(self.source.read_all(frame))
    }

    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        self.steadily(self.source.is_stored(frame, region))
    }

    fn absent(&self) -> u64 {
        self.source.absent()
    }

    fn is_direct(&self) -> bool {
        self.source.is_direct()
    }

    fn waits(&self) -> bool {
        self.source.waits()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    fn seal(&self) -> Result<Seal> {
        let mut seal = self.few.clone();
        for path in &self.more {
            if path.is_dir() { seal.add_tree(path)? } else { seal.add_file(path)? }
        }
        seal.check()?;
        Ok(seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::convert::{ConvertOptions, convert};
    use crate::io::{OpenOptions, WriteOptions, open, write_volume};
    use crate::{Geometry, Job};
    use ndarray::Array3;

    fn volume(value: u16) -> Volume {
        Volume::from(Array3::from_shape_fn([20, 30, 40], |(z, y, x)| value + (z + 2 * y + 3 * x) as u16))
    }

    fn write(path: &Path, value: u16) {
        // A clock of files may stand still for some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(12));
        write_volume(path, &volume(value), Geometry::default(), false, &WriteOptions::default()).unwrap();
    }

    fn says_so<T>(result: Result<T>) -> bool {
        result.is_err_and(|error| error.to_string().contains("changed while it was read"))
    }

    #[test]
    fn an_image_that_is_replaced_or_rewritten_is_never_read_as_a_mix() {
        for name in
            ["a.npy", "a.nii", "a.nii.gz", "a.tif", "a.nrrd", "a.nhdr", "a.mhd", "a.ome.zarr", "a.ome.tif"]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            write(&path, 0);
            let source = open(&path, &OpenOptions::default()).unwrap();
            let (part, seal) = (Region::new([0; 3], [3, 30, 40]), source.seal().unwrap());
            assert_eq!(source.read(Frame::default(), part).unwrap(), volume(0).crop(part), "{name}");
            seal.check().unwrap();
            write(&path, 7);
            assert!(says_so(source.read(Frame::default(), part)), "{name}");
            assert!(says_so(source.read_all(Frame::default())) && says_so(seal.check()), "{name}");
            assert!(says_so(source.seal().map(|_| ())), "{name}");
            assert_eq!(
                open(&path, &OpenOptions::default()).unwrap().read_all(Frame::default()).unwrap(),
                volume(7)
            );
        }
    }

    #[test]
    fn a_chunk_or_slice_that_changes_is_found_before_anything_is_made_of_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let zarr = folder.path().join("a.ome.zarr");
        write(&zarr, 0);
        let slices = folder.path().join("slices");
        std::fs::create_dir(&slices).unwrap();
        let slice = |i: usize| slices.join(format!("{i:03}.tif"));
        let of = volume(0).crop(Region::new([0; 3], [1, 30, 40]));
        for i in 0..FEW + 5 {
            write_volume(&slice(i), &of, Geometry::default(), false, &WriteOptions::default()).unwrap();
        }
        let chunk = |folder: &Path| {
            let mut path = folder.join("0");
            while path.is_dir() {
                let names = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path());
                path = names.filter(|p| !p.ends_with("zarr.json")).min().unwrap();
            }
            path
        };
        for (image, file) in [(&zarr, chunk(&zarr)), (&slices, slice(FEW + 4))] {
            let source = open(image, &OpenOptions::default()).unwrap();
            let seal = source.seal().unwrap();
            // What lies beside doesn't matter.
            std::fs::write(image.join("beside.txt"), "").unwrap();
            seal.check().unwrap();
            let bytes = std::fs::read(&file).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(12));
            std::fs::write(&file, bytes).unwrap();
            assert!(says_so(seal.check()), "{}", file.display());
        }
    }

    /// An image that somebody writes over while it is read.
    struct Disturbed(Box<dyn ImageSource>, PathBuf);

    impl ImageSource for Disturbed {
        fn info(&self) -> &ImageInfo {
            self.0.info()
        }

        fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
            let read = self.0.read(frame, region);
            write(&self.1, 9);
            read
        }

        fn seal(&self) -> Result<Seal> {
            self.0.seal()
        }
    }

    #[test]
    fn nothing_is_made_of_an_image_that_changed_after_its_last_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("a.npy"), folder.path().join("b.ome.zarr"));
        write(&path, 0);
        let source = Disturbed(open(&path, &OpenOptions::default()).unwrap(), path);
        assert!(says_so(convert(&source, &target, &ConvertOptions::default(), &Job::silent())));
        assert!(!target.exists());
    }
}
