//! Checks of what is to be written, before the work that makes it.

use super::atomic::{AtomicDir, AtomicFile};
use super::{WriteOptions, by_extension, remote};
use crate::{Error, Result};
use std::path::{MAIN_SEPARATOR, Path};

/// What tells a Zarr hierarchy from other folders.
const ZARR: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zattrs"];

/// Checks that a file can be written, and that none is written over unless that is asked for.
///
/// # Errors
/// If its folder is not there or not writable, the name can't be that of a file, or a file of that name is there.
pub fn check_file(path: &Path, overwrite: bool) -> Result<()> {
    let text = path.as_os_str().as_encoded_bytes();
    if text.ends_with(b"/") || text.ends_with(&[MAIN_SEPARATOR as u8]) {
        return Err(Error::file(path, "ends as the name of a folder does, and a file is to be written"));
    }
    check_free(path, overwrite)?;
    // A file that is begun and given up tells what no look at the folder tells for sure.
    AtomicFile::create(path).map(drop)
}

/// As [`check_file`], for an image in the format that the path's ending names: all of its files.
///
/// # Errors
/// As [`check_file`], or if no format has that ending.
pub fn check_image(path: &Path, options: &WriteOptions, overwrite: bool) -> Result<()> {
    if remote::address(path).is_some() {
        return Err(Error::file(path, "images can be read from an address but not written to it"));
    }
    let format = by_extension(path)?;
    if format.id() != super::zarr::ID {
        return format.files(path, options)?.iter().try_for_each(|file| check_file(file, overwrite));
    }
    check_free(path, overwrite)?;
    let holds_else = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
        && !ZARR.iter().any(|name| path.join(name).exists());
    if holds_else {
        return Err(Error::file(path, "holds something else than an OME-Zarr; it won't be overwritten"));
    }
    AtomicDir::create(path).map(drop)
}

/// Checks that a folder is there and nothing in it has the name, unless that may be written over.
///
/// # Errors
/// If not.
pub fn check_free(path: &Path, overwrite: bool) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Error::file(folder, "is not a folder to write into"));
    }
    match std::fs::metadata(path) {
        Ok(_) if !overwrite => Err(Error::file(path, "is there already; give another name, or --overwrite")),
        // A name that is too long, say.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_refused_before() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("there.nii"), "x").unwrap();
        std::fs::write(at("pair.img"), "x").unwrap();
        std::fs::create_dir_all(at("else.ome.zarr/mine")).unwrap();
        std::fs::create_dir_all(at("old.ome.zarr")).unwrap();
        std::fs::write(at("old.ome.zarr/zarr.json"), "{}").unwrap();
        let check = |name: &str, overwrite: bool, wanted: Option<&str>| {
            let checked = check_image(&at(name), &WriteOptions::default(), overwrite);
            match (checked, wanted) {
                (Ok(()), None) => {}
                (Err(error), Some(wanted)) if error.to_string().contains(wanted) => {}
                (checked, _) => panic!("{name}: {checked:?}"),
            }
        };
        check("new.nii", false, None);
        check("new.ome.zarr", false, None);
        check("new.ome.zarr/", false, None);
        check("there.nii", false, Some("is there already"));
        check("there.nii", true, None);
        check("pair.hdr", false, Some("pair.img: is there already"));
        check("old.ome.zarr", false, Some("is there already"));
        check("old.ome.zarr", true, None);
        check("else.ome.zarr", true, Some("something else"));
        check("new.nii/", false, Some("ends as the name of a folder"));
        check("missing/new.nii", false, Some("missing: is not a folder"));
        check("new.doc", false, Some("no format"));
        check(&format!("{}.nii", "n".repeat(251)), false, None);
        check(&format!("{}.nii", "n".repeat(252)), false, Some("too long"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left behind");
    }
}
