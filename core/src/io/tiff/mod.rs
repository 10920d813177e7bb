//! TIFF: stacks of pages, ImageJ hyperstacks, OME-TIFF, BigTIFF.
//!
//! Directories are parsed here and not by a library, because a region is to be read from a file of
//! any size without touching the rest, and because directories of several dialects have to be
//! understood together. The compressions are libraries' work, except those of a few lines.
//!
//! What samples become: integers of up to 64 bits keep their values in the smallest type that
//! holds them, halves and 24-bit floats become `f32`, complex numbers their magnitude. Values are
//! not otherwise interpreted: palettes are not applied, "white is zero" is not turned round, only
//! JPEG's own colour transform is undone. Samples of a pixel are channels.

// ImageJ, BigTIFF, YCbCr are names, not code.
#![allow(clippy::doc_markdown)]

mod ccitt;
mod codec;
mod describe;
mod description;
mod directory;
mod ifd;
mod imagej;
pub(crate) mod input;
mod jpeg;
mod layout;
mod levels;
mod ome;
mod page;
mod samples;
mod series;
mod slices;
pub(crate) mod stack;
mod write;

pub(super) use slices::{open_set, open_slices};

use super::{Format, ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions};
use crate::error::PathContext;
use crate::{Geometry, Result, VoxelType};
use stack::TiffFile;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// TIFF, BigTIFF and ImageJ stacks; see the module.
#[derive(Debug)]
pub struct Tiff;

/// OME-TIFF: the same files with OME-XML in them.
#[derive(Debug)]
pub struct OmeTiff;

fn open(path: &Path, options: &OpenOptions, id: &'static str) -> Result<Box<dyn ImageSource>> {
    let mut stack = layout::arrange(TiffFile::open(path)?, options.dataset.as_deref())?;
    stack.info.format = id;
    if let Some((spacing, unit)) = options.spacing {
        stack.info.levels[0].geometry = Geometry::from_spacing(spacing, unit);
    }
    Ok(Box::new(stack))
}

/// What neither form of TIFF can say.
fn geometry_losses(spec: &ImageSpec) -> Vec<String> {
    let mut losses = Vec::new();
    let axes = spec.geometry.world_from_index;
    let plain = Geometry::from_spacing(spec.geometry.spacing(), spec.geometry.unit).world_from_index;
    if axes.matrix3 != plain.matrix3 {
        losses.push("TIFF has no rotation, shear or mirroring: only the spacing is kept".to_owned());
    }
    if axes.translation != plain.translation {
        losses.push("TIFF has no origin: the image starts at 0".to_owned());
    }
    if spec.geometry.oriented {
        losses.push("TIFF has no anatomical orientation".to_owned());
    }
    if spec.labels {
        losses.push("TIFF does not say that voxels are labels".to_owned());
    }
    losses
}

impl Format for Tiff {
    fn id(&self) -> &'static str {
        "tiff"
    }

    fn name(&self) -> &'static str {
        "TIFF, BigTIFF, ImageJ stack"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["tiff", "tif", "btf", "tf2", "tf8"]
    }

    fn recognises(&self, _path: &Path, head: &[u8]) -> bool {
        ifd::is_tiff(head)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        open(path, options, self.id())
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        let mut losses = geometry_losses(spec);
        let named = spec.channels.iter().any(|c| !c.name.is_empty() || c.color.is_some());
        if named && matches!(spec.voxel, VoxelType::U8 | VoxelType::U16 | VoxelType::F32) {
            losses.push("an ImageJ stack has no channel names and colours; .ome.tif has".to_owned());
        }
        losses
    }

    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        Ok(Box::new(write::TiffSink::create(path, spec, options, false)?))
    }
}

impl Format for OmeTiff {
    fn id(&self) -> &'static str {
        "ome-tiff"
    }

    fn name(&self) -> &'static str {
        "OME-TIFF"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ome.tiff", "ome.tif", "ome.btf", "ome.tf2", "ome.tf8"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let named = self.extensions().iter().any(|e| name.ends_with(&format!(".{e}")));
        ifd::is_tiff(head) && named || ome::is_companion(head)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let mut head = Vec::new();
        File::open(path).at(path)?.take(4096).read_to_end(&mut head).at(path)?;
        if !ome::is_companion(&head) {
            return open(path, options, self.id());
        }
        let wanted = options.dataset.as_deref();
        let (text, first) = ome::companion(path, wanted)?;
        let mut stack = layout::arrange_as(TiffFile::open(&first)?, Some(text), wanted)?;
        stack.info.format = self.id();
        Ok(Box::new(stack))
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        geometry_losses(spec)
    }

    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        Ok(Box::new(write::TiffSink::create(path, spec, options, true)?))
    }
}

#[cfg(test)]
mod described;
#[cfg(test)]
mod tests;
