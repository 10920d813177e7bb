//! HDF5 (`.h5`, `.hdf5`, `.nxs`, `.ims`, …), read only.
//!
//! A file is a tree of datasets. Imaris ([`imaris`]) and BigDataViewer ([`bdv`]) have a dataset for each level, channel
//! and time, and are images as wholes; in other files ([`plain`]) an image is one dataset, chosen by `--dataset` or
//! because the file or its size says that it's the main one. What its axes are is found in [`axes`].
//!
//! The format itself is the work of the `hdf5-reader` crate; filters that it lacks are in [`filters`].

// BigDataViewer is a name.
#![allow(clippy::doc_markdown)]

mod array;
mod axes;
mod bdv;
mod container;
mod filters;
mod imaris;
mod plain;
mod source;

use super::{Format, ImageSource, OpenOptions};
use crate::Result;
use container::Container;
use std::path::Path;

/// The format.
pub(super) struct Hdf5;

const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";

impl Format for Hdf5 {
    fn id(&self) -> &'static str {
        "hdf5"
    }

    fn name(&self) -> &'static str {
        "HDF5, NeXus, Imaris, BigDataViewer"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["hdf5", "nxs", "hdf", "ims", "mat", "h5"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        // The superblock may also stand at 512, 1024 … after a user block.
        let found =
            [0, 512, 1024, 2048].iter().any(|&at| head.get(at..).is_some_and(|h| h.starts_with(MAGIC)));
        found || bdv::is_description(head) || super::format::has_extension(self, path) && !path.is_dir()
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let wanted = options.dataset.as_deref();
        let described = bdv::Description::of(path)?;
        let path = described.as_ref().map_or(path, |d| d.voxels.as_path());
        let container = Container::open(path)?;
        if imaris::is_imaris(&container) && wanted.is_none() {
            return Ok(Box::new(imaris::open(&container)?));
        }
        if bdv::is_bdv(&container)
            && let Some(source) = bdv::open(&container, described.as_ref(), wanted)?
        {
            return Ok(Box::new(source));
        }
        Ok(Box::new(plain::open(&container, wanted)?))
    }
}

#[cfg(test)]
mod tests;
