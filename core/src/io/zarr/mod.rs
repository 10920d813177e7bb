//! OME-Zarr 0.4 (Zarr v2), 0.5 and 0.6 (Zarr v3), and plain Zarr arrays without OME metadata. Written are 0.4 and 0.5.
//!
//! `node` reads what a group or array says of itself, `ngff` turns the OME attributes into axes,
//! places and names, `transforms` composes coordinate transformations, `array` reads voxels of
//! `chunk`s, `source` puts them together; `layout` decides chunks and levels and writes the
//! metadata, `sink` writes voxels. All go through the storage traits of
//! `zarrs`, so that another store than the local disk is one constructor.
//!
//! Architecture invariant: what a metadata file promises allocates nothing. Memory is asked for
//! when a region is read, for that region and for the chunks it touches, and a chunk is only
//! decoded if its own header agrees with the array's metadata.

mod array;
mod chunk;
mod layout;
mod ngff;
mod node;
mod sink;
mod source;
mod transforms;

use super::format::Format;
use super::{ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions};
use crate::{Error, Result};
use std::path::Path;

/// The format's id.
pub(super) const ID: &str = "ome-zarr";

/// OME-Zarr.
pub struct OmeZarr;

/// Names of the metadata documents of groups and arrays.
const DOCUMENTS: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zattrs"];

/// Whether a folder looks like a Zarr group or array.
pub(crate) fn is_zarr(path: &Path) -> bool {
    DOCUMENTS.iter().any(|name| path.join(name).is_file())
}

/// Opens the image in a store, which `at` names in messages.
pub(super) fn open_store(
    store: super::remote::Storage,
    at: &Path,
    options: &OpenOptions,
) -> Result<Box<dyn ImageSource>> {
    Ok(Box::new(source::ZarrSource::open(store, at, options)?))
}

impl Format for OmeZarr {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "OME-Zarr 0.4/0.5"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ome.zarr", "zarr"]
    }

    fn recognises(&self, path: &Path, _head: &[u8]) -> bool {
        path.is_dir() && is_zarr(path)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        open_store(node::local(path)?, path, options)
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        layout::losses(spec)
    }

    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let layout = layout::Layout::new(spec, options).map_err(|reason| Error::file(path, reason))?;
        Ok(Box::new(sink::ZarrSink::create(path, layout, options.resume.as_deref())?))
    }

    fn update(
        &self,
        path: &Path,
        spec: &ImageSpec,
        options: &WriteOptions,
    ) -> Result<Option<Box<dyn ImageSink>>> {
        let layout = layout::Layout::new(spec, options).map_err(|reason| Error::file(path, reason))?;
        Ok(sink::ZarrSink::update(path, layout)?.map(|sink| Box::new(sink) as Box<dyn ImageSink>))
    }
}

#[cfg(test)]
mod tests;
