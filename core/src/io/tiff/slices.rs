//! A folder of TIFF slices as one stack.

use super::super::folder::check_alike;
use super::layout::arrange_slices;
use super::stack::{Stack, TiffFile};
use crate::io::ImageInfo;
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::PathBuf;

/// Opens files of one page each, in the order given.
pub(crate) fn open_slices(paths: &[PathBuf], adjust: impl FnOnce(&mut ImageInfo)) -> Result<Stack> {
    let files: Vec<TiffFile> = paths
        .par_iter()
        .map(|path| {
            let mut file = TiffFile::open(path)?;
            let full = file.pages.iter().filter(|p| !p.reduced).count();
            if full > 1 && paths.len() > 1 {
                return Err(Error::file(path, format!("has {full} pages where a slice has one")));
            }
            file.input.close();
            Ok(file)
        })
        .collect::<Result<_>>()?;
    if let [path] = paths {
        let mut stack = super::layout::arrange(TiffFile::open(path)?)?;
        adjust(&mut stack.info);
        return Ok(stack);
    }
    let kinds: Vec<_> = paths.iter().cloned().zip(files.iter().map(|f| f.main_page().kind())).collect();
    check_alike(&kinds, |(width, height, samples, bits, format)| {
        format!("{width}×{height} pixels of {samples} × {bits} bits ({format:?})")
    })?;
    let mut stack = arrange_slices(files)?;
    adjust(&mut stack.info);
    Ok(stack)
}
