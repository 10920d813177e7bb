//! TIFF: stacks of pages, ImageJ hyperstacks, OME-TIFF, `BigTIFF`.
//!
//! Directories are parsed here and not by a library, because a region is to be read from a file of
//! any size without touching the rest, and because directories of several dialects have to be
//! understood together. The compressions are libraries' work, except those of a few lines.
//!
//! What samples become: integers of up to 64 bits keep their values in the smallest type that
//! holds them, halves and 24-bit floats become `f32`, complex numbers their magnitude. Values are
//! not otherwise interpreted: palettes are not applied, "white is zero" is not turned round, only
//! JPEG's own colour transform is undone. Samples of a pixel are channels.

mod ccitt;
mod codec;
mod ifd;
mod imagej;
pub(crate) mod input;
mod jpeg;
mod layout;
mod ome;
mod page;
mod samples;
mod stack;

use super::{Format, ImageSource, OpenOptions};
use crate::Result;
use stack::TiffFile;
use std::path::Path;

/// The TIFF format; see the module.
#[derive(Debug)]
pub struct Tiff;

impl Format for Tiff {
    fn id(&self) -> &'static str {
        "tiff"
    }

    fn name(&self) -> &'static str {
        "TIFF, BigTIFF, OME-TIFF, ImageJ stack"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ome.tiff", "ome.tif", "tiff", "tif", "btf", "tf2", "tf8"]
    }

    fn recognises(&self, _path: &Path, head: &[u8]) -> bool {
        ifd::is_tiff(head)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let mut stack = layout::arrange(TiffFile::open(path)?, Vec::new())?;
        if let Some((spacing, unit)) = options.spacing {
            stack.info.levels[0].geometry = crate::Geometry::from_spacing(spacing, unit);
        }
        Ok(Box::new(stack))
    }
}
